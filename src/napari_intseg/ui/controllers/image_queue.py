"""A folder worked through in one viewer: images come and go, labels are saved on the way."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer

from napari_intseg.core.segmenter import Array, Segmenter
from napari_intseg.errors import DataError, FileError, IntSegError
from napari_intseg.io.folder_queue import ImageQueue, QueueItem, State
from napari_intseg.io.hooks import LayerData, read_layers
from napari_intseg.io.read import read_volume
from napari_intseg.session.image_doubt import doubt_steps
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.label_export import labels_job
from napari_intseg.ui.controllers.object_actions import show_object
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, told

_log = logging.getLogger(__name__)

_AHEAD = "next image of the queue"
_DOUBT = "doubt of an image of the queue"
NO_FOLDER = Message("No folder is open as a queue. Open one from File › IO Utilities.")
_LAST = Message("That was the last image: all are done or skipped.")


class QueueWork:
    """Opens one image of a queue after the other.

    Files are read and written in the inference thread, the next one as soon as nothing else waits.
    Model and settings stay as they are.

    Parameters
    ----------
    controller : ViewerController
        Its viewer shows the images.
    clock : callable
        Returns seconds; what passes between opening and leaving an image counts for it.

    Attributes
    ----------
    queue : ImageQueue or None
        None while no folder is open.
    is_sorting : bool
        Whether images are being put in order, see `sort`.
    """

    def __init__(
        self, controller: ViewerController, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._controller, self._clock = controller, clock
        self.queue: ImageQueue | None = None
        self._layers: list[Layer] = []
        self._opened_at: float | None = None
        self._ahead: tuple[Path, list[LayerData]] | None = None
        # labels of another day, until there is a model
        self._earlier: _Earlier | None = None
        # the files of labels as they were when their image came: only those are replaced
        self._replaces: dict[Path, _Signature] = {}
        self._writing: set[Path] = set()
        # labels that were skipped or could not be written, by where they belong
        self._unsaved: dict[Path, Array] = {}
        # how far the work was when the labels of another day had come; None without any
        self._as_opened: dict[int, int] | None = None
        # what is told together with the next image, which would replace it
        self._note = ""
        self.is_sorting = False
        self._doubts: dict[Path, float] = {}
        self._doubted_by: Segmenter | None = None
        self._doubting: tuple[Path, Iterator[float], float] | None = None
        controller.signals.changed.connect(self._begin_earlier)

    def open(self, folder: Path, labels: Path | None = None) -> bool:
        """Work through the images of a folder from now on; return whether there are any."""
        try:
            queue = ImageQueue.of_folder(folder, labels)
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
            return False
        self.close()
        self.queue = queue
        self._show()
        return True

    def close(self) -> None:
        """Save what is there, and open no more images; the last one stays."""
        if self.queue is not None:
            # closing is not finishing: the image keeps its state
            self._save(self.queue.current.state)
        self.queue, self._layers, self._ahead, self._opened_at = None, [], None, None
        self.is_sorting, self._doubting, self._doubts = False, None, {}
        self._controller.signals.changed.emit()

    def done(self) -> None:
        """Save the labels, and go to the next image that is open."""
        self._leave("done")

    def skip(self) -> None:
        """Go to the next image that is open; this one is not asked for again, nothing is saved.

        What was done on it is told, and kept until the image is opened again or the window closes.
        """
        self._leave("skipped")

    def next(self) -> None:
        """Save the labels so far, and go to the next image; this one stays open."""
        self._leave(None)

    def previous(self) -> None:
        """Save the labels so far, and go to the image before."""
        self._leave(None, -1)

    def choose(self, index: int) -> None:
        """Save the labels so far, and go to any image."""
        queue = self._queue()
        if queue is not None and self._save(queue.current.state):
            queue.choose(index)
            self._show()

    def sort(self, on: bool) -> None:
        """Put the images that are left in an order by the model's doubt, the least sure first.

        They are looked at in the inference thread while nothing else waits; what is known so far
        is in order at once. Switched off, the order stays as it is.
        """
        if not on:
            self._stop_sorting()
            return
        queue, model = self._queue(), self._controller.loader.model
        if queue is None or self.is_sorting:
            return
        if model is None:
            self._controller.signals.failed.emit(Message("The model is not there yet."))
            return
        # doubts are of one model: another one begins anew
        if model is not self._doubted_by:
            self._doubts, self._doubted_by = {}, model
        self.is_sorting = True
        self._controller.signals.message.emit(
            Message(
                "The images that are left are looked at in the background; the least sure comes "
                "first."
            )
        )
        self._doubt_next()

    def _stop_sorting(self) -> None:
        self.is_sorting, self._doubting = False, None
        self._controller.signals.changed.emit()

    def _doubt_next(self) -> None:
        """Look at the next image that is left, a place at a time; put those known in order."""
        queue = self.queue
        if queue is None or not self.is_sorting:
            return
        if self._controller.loader.model is not self._doubted_by:
            # another model has other doubts
            self._stop_sorting()
            return
        left = [one for one in queue.items if one.state == "open" and one.path not in self._doubts]
        left = [one for one in left if one.path != queue.current.path]
        if not left:
            count = sum(one.state == "open" for one in queue.items)
            self._stop_sorting()
            self._controller.signals.message.emit(
                counted(
                    count,
                    "{n} open image is in order, the least sure first.",
                    "{n} open images are in order, the least sure first.",
                )
            )
            return
        self._doubting = left[0].path, _doubts(left[0].path, self._doubted_by), 0.0
        self._doubt_step()

    def _doubt_step(self) -> None:
        if self._doubting is not None:
            steps = self._doubting[1]
            self._controller.worker.submit(
                lambda _stop: next(steps, None),
                partial(self._doubt_stepped, steps),
                # idle: clicks and propagation go first
                key=_DOUBT,
                idle=True,
            )

    def _doubt_stepped(self, of: Iterator[float], outcome: Outcome[float | None]) -> None:
        if self._doubting is None or self.queue is None or self._doubting[1] is not of:
            # switched off, or begun anew, meanwhile
            return
        path, steps, known = self._doubting
        if outcome.value is not None:
            self._doubting = path, steps, outcome.value
            self._doubt_step()
            return
        if outcome.error is not None:
            _log.warning("%s is left where it was: %s", path.name, outcome.error)
        self._doubts[path] = known
        queue = self.queue
        before = [one.path for one in queue.items]
        here = queue.current.path
        queue.sort(
            [
                # what is done, and the image in the window, keep their places at the front
                math.inf
                if one.state != "open" or one.path == here
                else self._doubts.get(one.path, -1.0)
                for one in queue.items
            ]
        )
        if [one.path for one in queue.items] != before:
            self._controller.signals.changed.emit()
            self._read_ahead()
        self._doubt_next()

    def export(self, folder: Path) -> None:
        """Copy what is done to a folder that training reads."""
        queue = self._queue()
        if queue is None:
            return

        def work(_should_stop: Callable[[], bool]) -> str:
            count = queue.export(folder)
            return counted(
                count,
                "{n} image with labels copied to {name}.",
                "{n} images with labels copied to {name}.",
                name=folder.name,
            )

        self._controller.worker.submit(work, self._tell)
        self._controller.signals.message.emit(Message("Copying …"))

    def _leave(self, state: State | None, step: int = 1) -> None:
        queue = self._queue()
        if queue is None:
            return
        image = self._controller.image
        if state == "done" and (
            image not in self._layers or image not in self._controller.viewer.layers
        ):
            # its labels would not be written
            self._controller.signals.failed.emit(
                Message(
                    "{name} is not the image that is worked on, so it is not done. Wait until it "
                    "is there, choose it as Image, or open it again from All images; Skip leaves "
                    "it out.",
                    name=queue.current.path.name,
                )
            )
            return
        is_left = (
            self._pass_over() if state == "skipped" else self._save(state or queue.current.state)
        )
        if not is_left:
            return
        before = queue.at
        queue.go(step)
        if queue.at != before:
            self._show()
            return
        note, self._note = self._note, ""
        no_other = Message("There is no other image in that direction.")
        words = no_other if queue.count("open") else _LAST
        self._controller.signals.message.emit(joined([note, words]))
        self._controller.signals.changed.emit()

    def _queue(self) -> ImageQueue | None:
        if self.queue is None:
            self._controller.signals.failed.emit(NO_FOLDER)
        return self.queue

    def _pass_over(self) -> bool:
        """Mark the image as skipped and write no labels; keep what was done on it in memory."""
        queue = self.queue
        assert queue is not None
        try:
            queue.mark("skipped", seconds=self._seconds())
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
            return False
        image_controller = self.image_controller
        if image_controller is not None and self._is_changed(image_controller):
            self._unsaved[queue.labels_of(queue.current)] = np.array(image_controller.labels.data)
            self._note = Message(
                "{name} is skipped: what was done on it is not saved, but kept until the window "
                "closes. Open it from All images to go on with it.",
                name=queue.current.path.name,
            )
        return True

    def _is_changed(self, image_controller: ImageController) -> bool:
        """Whether anything was done on the image since it was opened."""
        if self._as_opened is None:
            return bool(np.any(np.asarray(image_controller.labels.data)))
        return _revisions(image_controller) != self._as_opened

    def _seconds(self) -> float:
        """Return the time since the image was opened, or since this was asked last."""
        now, before = self._clock(), self._opened_at
        self._opened_at = now
        return 0.0 if before is None else now - before

    def _save(self, state: State) -> bool:
        """Write labels and record; return whether that could be begun."""
        queue = self.queue
        assert queue is not None
        image_controller, seconds, item = self.image_controller, self._seconds(), queue.current
        try:
            paths = {} if image_controller is None else self._paths(queue, image_controller)
            if any(self._is_of_others(path) for path in paths.values()):
                return False
            # noted at once: `_written` takes it back if the labels could not be written
            queue.mark(state, seconds=seconds)
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
            return False
        if image_controller is not None:
            kept = np.array(image_controller.labels.data)
            jobs = {
                path: labels_job(self._controller, image_controller, path, time)
                for time, path in paths.items()
            }
            self._writing.update(paths.values())
            done = partial(self._written, queue, item.path, kept, tuple(jobs))
            self._controller.worker.submit(partial(_write, jobs, kept), done)
        return True

    def _paths(
        self, queue: ImageQueue, image_controller: ImageController
    ) -> dict[int | None, Path]:
        """Return where labels are written: of a time series, of each time point that has some.

        A file that is emptied counts as well.
        """
        item, image_axes = queue.current, image_controller.image_axes
        if image_axes.n_times is None:
            return {None: queue.labels_of(item)}
        by_time = np.moveaxis(
            np.asarray(image_controller.labels.data), image_axes.grid.index("t"), 0
        )
        paths = ((time, queue.labels_of(item, time)) for time in range(image_axes.n_times))
        return {time: path for time, path in paths if path in self._replaces or by_time[time].any()}

    def _is_of_others(self, path: Path) -> bool:
        """Tell of labels that the work here did not begin with, and so must not replace."""
        now = _signature(path)
        if now is None or path in self._writing or now == self._replaces.get(path):
            return False
        self._controller.signals.failed.emit(
            Message(
                "{name} is there, and the work here did not begin with it, so it is not replaced. "
                "Move it away to save the labels in its place.",
                name=path.name,
            )
        )
        return True

    def _written(
        self,
        queue: ImageQueue,
        image: Path,
        kept: Array,
        paths: tuple[Path, ...],
        outcome: Outcome[tuple[int, str]],
    ) -> None:
        """Count an image whose labels could not be written as not done, and keep them."""
        index = next(i for i, one in enumerate(queue.items) if one.path == image)
        whole = queue.labels_of(queue.items[index])
        self._writing.difference_update(paths)
        if outcome.value is None:
            self._unsaved[whole] = kept
            queue.mark("open", index=index)
            self._tell(Outcome(None, outcome.error))
            self._controller.signals.message.emit(
                Message(
                    "The labels of {name} are kept: open it again from All images to save them.",
                    name=image.name,
                )
            )
            return
        count, words = outcome.value
        queue.mark(queue.items[index].state, objects=count, index=index)
        self._unsaved.pop(whole, None)
        is_here = queue is self.queue and queue.current.path == image
        if is_here and words:
            self._replaces |= _signatures(paths)
        if is_here and not queue.count("open"):
            # what was said when the key was pressed is not replaced by the name of a file
            words = joined([words, _LAST])
        if words:
            self._controller.signals.message.emit(words)
        self._controller.signals.changed.emit()

    def _tell(self, outcome: Outcome[str]) -> None:
        if outcome.error is not None:
            self._controller.signals.failed.emit(told(outcome.error))
        else:
            self._controller.signals.message.emit(outcome.value or "")
        self._controller.signals.changed.emit()

    @property
    def image_controller(self) -> ImageController | None:
        """The work on the image of the queue, also while another is chosen; None without any."""
        for layer in self._layers:
            found = self._controller.work_on(layer) if isinstance(layer, Image) else None
            if found is not None:
                return found
        return None

    def _show(self) -> None:
        """Read the current image, unless that was done ahead, and put it into the viewer."""
        queue = self.queue
        assert queue is not None
        self._remove()
        item, ahead, self._ahead = queue.current, self._ahead, None
        self._controller.signals.changed.emit()
        if ahead is not None and ahead[0] == item.path:
            read = ahead[1]
            self._controller.worker.submit(
                partial(_with_labels, self._labels_to_read(item), read), partial(self._there, item)
            )
            return
        self._controller.signals.message.emit(Message("Opening {name} …", name=item.path.name))
        labels = self._labels_to_read(item)
        self._controller.worker.submit(
            lambda stop: _with_labels(labels, read_layers(str(item.path)), stop),
            partial(self._there, item),
        )

    def _labels_to_read(self, item: QueueItem) -> "_Find":
        """Return what finds an image's files of labels; none if those in memory are newer."""
        assert self.queue is not None
        is_kept = self.queue.labels_of(item) in self._unsaved
        return dict if is_kept else partial(self.queue.labels_in, item)

    def _there(self, item: QueueItem, outcome: Outcome["_Read"]) -> None:
        if self.queue is None or self.queue.current.path != item.path or self._layers:
            # another image was asked for meanwhile
            return
        if outcome.value is None:
            self._controller.signals.failed.emit(told(outcome.error))
            return
        read, earlier, refused = outcome.value
        kept = self._unsaved.get(self.queue.labels_of(item))
        earlier = earlier if kept is None else {None: kept}
        files = self.queue.labels_in(item).values() if earlier else ()
        self._replaces = _signatures(files)
        viewer = self._controller.viewer
        self._layers = [viewer.add_layer(Layer.create(*one)) for one in read]
        images = [layer for layer in self._layers if isinstance(layer, Image)]
        if images:
            self._controller.choose_image(images[0])
        self._earlier = earlier or None
        viewer.reset_view()
        self._opened_at = self._clock()
        self._tell_where()
        self._controller.signals.changed.emit()
        if refused is not None:
            # the image is there without them, and `_is_of_others` keeps their file
            self._controller.signals.failed.emit(told(refused))
        self._read_ahead()

    def _tell_where(self) -> None:
        queue, note, self._note = self.queue, self._note, ""
        assert queue is not None
        where = Message(
            "Image {number} of {count}: {name}. {done} done, {open} open.",
            number=queue.at + 1,
            count=len(queue.items),
            name=queue.current.path.name,
            done=queue.count("done"),
            open=queue.count("open"),
        )
        self._controller.signals.message.emit(joined([note, where]))

    def _read_ahead(self) -> None:
        following = None if self.queue is None else self.queue.following
        if following is None:
            return

        def kept(outcome: Outcome[list[LayerData]]) -> None:
            if outcome.value is not None:
                self._ahead = following.path, outcome.value

        self._controller.worker.submit(
            lambda _stop: read_layers(str(following.path)), kept, key=_AHEAD, idle=True
        )

    def _begin_earlier(self) -> None:
        """Go on with the labels of another day, as soon as there is a model to correct them."""
        earlier, controller = self._earlier, self._controller
        if earlier is None or controller.loader.model is None or controller.image is None:
            return
        if controller.image not in self._layers:
            return
        self._earlier = None
        if controller.image_controller is None:
            controller.new_object()
        image_controller = controller.image_controller
        if image_controller is None:
            return
        try:
            _go_on(image_controller, earlier)
        except IntSegError as err:
            # work without them must not take their place
            self._replaces = {}
            controller.signals.failed.emit(told(err))
            return
        self._as_opened = _revisions(image_controller)
        # the image opens on another plane than that of the objects
        show_object(controller, image_controller.session_store.object)

    def _remove(self) -> None:
        """Take the layers of the image before out of the viewer."""
        controller, layers = self._controller, list(self._layers)
        image_controller = self.image_controller
        if image_controller is not None:
            layers += [image_controller.points, image_controller.labels]
            drawn: Any = image_controller.boxes.layer
            layers += [] if drawn is None else [drawn]
            # an outline under edit would be written into labels that are gone
            controller.outliner.finish()
        for image in [layer for layer in self._layers if isinstance(layer, Image)]:
            # ended before its layers go, so that nobody is told that they were removed
            controller.end_work(image)
        self._layers, self._earlier, self._as_opened = [], None, None
        for layer in layers:
            if layer in controller.viewer.layers:
                controller.viewer.layers.remove(layer)


def _doubts(path: Path, model: Segmenter | None) -> Iterator[float]:
    """Read an image and go through the model's doubts of it; the first step reads."""
    assert model is not None
    # at once, so that opening the file is a step of its own between two clicks
    yield 0.0
    yield from doubt_steps(model, read_volume(path))


def _revisions(image_controller: ImageController) -> dict[int, int]:
    """Return the state of the work by time point, to be compared with a later one."""
    sessions = image_controller.session_store.sessions
    return {time: session.revision for time, session in sessions.items()}


def _write(
    jobs: Mapping[Path, Callable[[ShouldStop], str]], labels: Array, should_stop: ShouldStop
) -> tuple[int, str]:
    """Write labels in whichever thread; return how many objects there are, and what to tell.

    No empty file is made for an image without objects; one that is there is emptied.
    """
    # what is on the layer counts, also objects from before that no session knows
    count = int(np.count_nonzero(np.unique(labels)))
    words = ""
    for path, write in jobs.items():
        if not count and not path.exists():
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise FileError(
                f"folder of the labels cannot be made: expected room for {str(path.parent)!r}, "
                f"got {err}. Open the folder again, and choose another one for the labels."
            ) from err
        words = write(should_stop)
    if len(jobs) > 1:
        name = next(iter(jobs)).name
        words = Message("Wrote {name} and others, {count} time points.", name=name, count=len(jobs))
    return count, words


_Signature = tuple[int, int]
"""Time of the last change in ns, and bytes."""


def _signature(path: Path) -> _Signature | None:
    """Return what tells a file from a later one of its name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _signatures(paths: Iterable[Path]) -> dict[Path, _Signature]:
    """Return the signatures of those files that are there."""
    found = {path: _signature(path) for path in paths}
    return {path: one for path, one in found.items() if one is not None}


_Find = Callable[[], dict[int | None, Path]]
"""Looks for an image's files of labels, by time point; see `ImageQueue.labels_in`."""

_Earlier = dict[int | None, Array]
"""Labels by time point; under None those of the time point in view, or of all of them."""

_Read = tuple[list[LayerData], _Earlier, IntSegError | None]
"""An image's layers, its labels of another day, and why these cannot be gone on with."""


def _with_labels(
    find: _Find, read: list[LayerData], _should_stop: ShouldStop = lambda: False
) -> _Read:
    """Return an image's layers with its labels of another day, without if there are none.

    Labels that cannot be read do not keep the image from being shown.
    """
    found: _Earlier = {}
    try:
        for at, path in find().items():
            data, _, _ = read_layers(str(path))[0]
            labels = np.asarray(data)
            if labels.dtype.kind not in "bui":
                raise DataError(
                    f"file holds no labels: expected whole numbers, got {labels.dtype} in "
                    f"{str(path)!r}. Move it away, or put the labels in its place."
                )
            found[at] = labels
    except IntSegError as err:
        return read, {}, err
    return read, found, None


def _go_on(image_controller: ImageController, earlier: _Earlier) -> None:
    """Begin the objects of labels with their numbers, each with its mask to correct.

    Raises
    ------
    DataError
        If they are on another grid than the image.
    """
    session_store = image_controller.session_store
    for made, labels in _by_time(image_controller, earlier):
        for label in np.unique(labels[labels > 0]).tolist():
            session = session_store.session(made, label, make=True)
            if session is None:
                continue
            if not image_controller.has_room(label):
                # left out, it would be lost when the labels are saved
                raise DataError(str(image_controller.too_large(label)))
            # `set_initial_mask` is about the current object
            session.select_object(label)
            session_store.know([label])
            image_controller.draw(made, session.set_initial_mask(labels == label))
    image_controller.select_object(max(session_store.labels))


def _by_time(image_controller: ImageController, earlier: _Earlier) -> Iterator[tuple[int, Array]]:
    """Return labels by the time point that they belong to."""
    image_axes, whole = image_controller.image_axes, image_controller.labels.data.shape
    count = image_axes.n_times or 1
    for at, labels in earlier.items():
        if at is not None and at >= count:
            raise DataError(
                f"labels are of no time point: expected one below {count}, got {at}. "
                "Move their file away, or put the image of its name in its place."
            )
        if at is None and image_axes.n_times is not None and labels.shape == whole:
            yield from enumerate(np.moveaxis(labels, image_axes.grid.index("t"), 0))
        else:
            yield image_controller.time if at is None else at, labels
