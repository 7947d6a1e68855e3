"""Let a model that needs no clicks find objects, in the inference thread; they become a layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from napari.layers import Labels

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import Array, FloatArray, bounding_box
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, IntSegError
from napari_intseg.inference.intensity import Intensity, resolve_intensity
from napari_intseg.models.automatic.start_model import ClassMark, ClipModel
from napari_intseg.session.compare.two_answers import deepest
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.object_actions import called
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import make_labels
from napari_intseg.ui.messages import Message, joined
from napari_intseg.ui.qt.worker_thread import Job, Outcome, ShouldStop, told


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A row of the table of what was found: label, name, and how many pixels."""

    label: int
    name: str
    size_px: int


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """What the thread is given: a model, volumes, planes of each, and what one of them shows.

    The volumes are those of all time points, or the one of the time point that is looked at, which
    `plane` and what it shows belong to.
    """

    where: str
    device: str
    texts: tuple[str, ...]
    volumes: tuple[Volume, ...]
    volume: Volume
    intensity: Intensity
    planes: tuple[Plane, ...]
    plane: Plane
    marks: tuple[ClassMark, ...]
    examples: tuple[Box, ...]
    on_progress: Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Labels have the axes of a volume behind one of time, of one entry or all."""

    title: str
    labels: Array
    names: dict[int, str]
    stopped: bool


class AutomaticStart:
    """Runs a model over the displayed plane or all of them, and adds what it finds as a layer.

    Parameters
    ----------
    controller : ViewerController

    Attributes
    ----------
    found : tuple of FoundObject
        What the last run found.
    layer : Labels or None
        Where it lies.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._job: Job[_Found] | None = None
        self.found: tuple[FoundObject, ...] = ()
        self.layer: Labels | None = None

    @property
    def is_running(self) -> bool:
        """Whether a model is at it."""
        return self._job is not None

    def start(
        self,
        where: str | Path,
        *,
        texts: Sequence[str] = (),
        every_plane: bool = False,
        every_time: bool = False,
    ) -> None:
        """Begin; what is found is added as a Labels layer when it is done or cancelled.

        Parameters
        ----------
        where : str or Path
            As of `load_start_model`.
        texts : sequence of str
            What to look for, for models that take text.
        every_plane : bool, default False
            All planes across the displayed axis, instead of the displayed one.
        every_time : bool, default False
            The displayed plane at all time points. A model that sees frames together says which
            object is which; of others an object goes on where it overlaps itself.
        """
        if self.is_running:
            return
        controller = self._controller
        try:
            image_controller = self._image_controller()
            search = self._search(
                image_controller, str(where), tuple(texts), every_plane, every_time
            )
        except IntSegError as err:
            controller.signals.failed.emit(told(err))
            return
        controller.signals.message.emit(
            Message("Looking for objects with {name} …", name=Path(where).name)
        )
        self._job = controller.worker.submit(
            partial(_find, search), partial(self._done, image_controller, image_controller.time)
        )
        controller.signals.changed.emit()

    def cancel(self) -> None:
        """Stop after the plane that it is at; what is found is kept.

        Of a series that a model sees together nothing is known before its end.
        """
        if self._job is not None:
            self._job.cancel()

    def _image_controller(self) -> ImageController:
        controller = self._controller
        if controller.image_controller is None:
            controller.new_object()
        if controller.image_controller is None:
            raise DataError(
                Message(
                    "no image is worked on: expected one that is chosen, got none. Choose an image "
                    "first."
                )
            )
        return controller.image_controller

    def _search(
        self,
        image_controller: ImageController,
        where: str,
        texts: tuple[str, ...],
        every: bool,
        every_time: bool,
    ) -> _Search:
        controller = self._controller
        time, now = image_controller.time, image_controller.displayed_slice
        session = image_controller.session_store.session(time)
        if isinstance(now, str) or session is None:
            raise DataError(
                now
                if isinstance(now, str)
                else Message("The model is not there yet. Wait until it is.")
            )
        volume = session.volume
        planes = volume.planes(now.plane.axis) if every and not every_time else (now.plane,)
        axes = image_controller.image_axes
        volumes = tuple(
            volume if at == time else axes.volume(at)
            for at in (range(axes.n_times or 1) if every_time else (time,))
        )
        of = "time points" if every_time else "planes"
        # as the person sees the image: the window is part of what a model finds
        intensity = resolve_intensity(
            volume, session.window, image_controller.session_store.channels
        )
        device = controller.loader.choice.device
        signals, post = controller.signals, controller.post

        def progress(done: int, total: int) -> None:
            # signals reach Qt only in the GUI thread
            post(partial(signals.progressed.emit, done, total, of))

        return _Search(
            # models without clicks run on this machine alone,
            # even while the other one runs elsewhere
            where, "auto" if "://" in device else device, texts, volumes, volume, intensity,
            tuple(planes), now.plane, *_shown(image_controller, now.plane), progress,
        )  # fmt: skip

    def _done(self, image_controller: ImageController, time: int, outcome: Outcome[_Found]) -> None:
        self._job = None
        signals = self._controller.signals
        signals.progressed.emit(0, 0, "")
        found = outcome.value
        if outcome.error is not None or found is None:
            signals.failed.emit(told(outcome.error))
        # the layer would lie on an image that is gone
        elif image_controller.is_closed:
            signals.message.emit(Message("The image is gone; what was found is left out."))
        elif not found.names:
            self.found = ()
            signals.message.emit(Message("{title} found nothing.", title=found.title))
        else:
            self._add(image_controller, time, found)
        signals.changed.emit()

    def _add(self, image_controller: ImageController, time: int, found: _Found) -> None:
        axes = image_controller.image_axes
        layer = make_labels(axes, f"found by {found.title}")
        data = np.zeros(axes.shape, found.labels.dtype)
        where = [slice(None)] * data.ndim
        if "t" in axes.grid:
            at = axes.grid.index("t")
            where[at] = slice(time, time + 1) if len(found.labels) == 1 else slice(None)
            data[tuple(where)] = np.moveaxis(found.labels, 0, at)
        else:
            data[tuple(where)] = found.labels[0]
        # set when it is whole: napari draws at once
        layer.data = data
        sizes = np.bincount(found.labels.ravel())
        self.found = tuple(
            FoundObject(label, name, int(sizes[label]))
            for label, name in found.names.items()
            if label < len(sizes) and sizes[label]
        )
        self.layer = layer
        self._controller.viewer.add_layer(layer)
        told = Message("{title} found {count} objects.", title=found.title, count=len(self.found))
        if found.stopped:
            told = Message(
                "{title} found {count} objects so far.", title=found.title, count=len(self.found)
            )
        then = Message("Take them below, then click where one is wrong.")
        self._controller.signals.message.emit(joined([told, then]))


def _shown(
    image_controller: ImageController, plane: Plane
) -> tuple[tuple[ClassMark, ...], tuple[Box, ...]]:
    """Return what objects on a plane say: the deepest pixel of those with a class, boxes of all."""
    where = image_controller.image_axes.index(image_controller.time, plane)
    shown = np.asarray(image_controller.labels.data[where])
    marks, boxes = [], []
    for label in np.unique(shown[shown > 0]).tolist():
        mask = shown == label
        kind, spot, box = (
            called(image_controller, label, "class"),
            deepest(mask),
            bounding_box(mask),
        )
        if kind and spot is not None:
            marks.append(ClassMark(float(spot.row), float(spot.col), kind))
        if box is not None:
            boxes.append(Box(box[0], box[2], box[1] - 1, box[3] - 1))
    return tuple(marks), tuple(boxes)


def _find(search: _Search, should_stop: ShouldStop) -> _Found:
    """Run in the inference thread: load the model, look at the planes, number what is found."""
    from napari_intseg.models.automatic.open_model import load_start_model
    from napari_intseg.models.automatic.start_model import Numbering, by_examples, marked

    model = load_start_model(search.where, device=search.device)
    traits = model.traits
    # objects of the plane show what to look for where nothing is said
    examples = search.examples if traits.takes_examples and not search.texts else ()
    if traits.takes_text != bool(search.texts or examples):
        rule = Message("words to look for") if traits.takes_text else Message("no words")
        raise DataError(
            Message(
                "{title} cannot be asked like that: expected {rule}, got {words!r}. Change "
                "what stands under Words.",
                title=traits.title,
                rule=rule,
                words=list(search.texts),
            )
        )
    try:
        if traits.joins_frames and len(search.volumes) > 1:
            return _through(search, cast(ClipModel, model), should_stop)
        numbering = Numbering(by_name=not traits.objects_apart)
        marks = [one for one in search.marks if one.name in traits.marks]
        out = _empty(search)
        places = [(at, plane) for at in range(len(search.volumes)) for plane in search.planes]
        done = 0
        for done, (at, plane) in enumerate(places, start=1):
            volume = search.volumes[at]
            # annotations of a plane say nothing of others
            is_looked_at = volume is search.volume and plane == search.plane
            asked = marked(model, marks) if marks and is_looked_at else model
            if examples and is_looked_at:
                asked = by_examples(asked, examples)
            found = asked.find(_picture(search, volume, plane), search.texts)
            volume.put(out[at], plane, numbering.labels(found, volume.slice_shape(plane.axis)))
            search.on_progress(done, len(places))
            if should_stop():
                break
    finally:
        # its memory is needed by the model that takes the clicks
        model.release()
    return _Found(traits.title, out, numbering.names, done < len(places))


def _empty(search: _Search) -> Array:
    return np.zeros((len(search.volumes), *search.volume.shape), np.int32)


def _picture(search: _Search, volume: Volume, plane: Plane) -> FloatArray:
    return search.intensity.to_rgb(np.asarray(volume.take(plane)))


class _StoppedError(Exception):
    """A person does not wait for the end."""


class _Pictures(Sequence[FloatArray]):
    """The plane at all time points, read one by one."""

    def __init__(self, search: _Search) -> None:
        self._search = search

    def __len__(self) -> int:
        return len(self._search.volumes)

    def __getitem__(self, at: Any) -> Any:
        return _picture(self._search, self._search.volumes[at], self._search.plane)


def _through(search: _Search, model: ClipModel, should_stop: ShouldStop) -> _Found:
    """Return what a model finds that sees the time points together."""

    def told(done: int, count: int) -> None:
        search.on_progress(done, count)
        if should_stop():
            raise _StoppedError

    out = _empty(search)
    try:
        labels, names = model.find_through(_Pictures(search), on_progress=told)
    except _StoppedError:
        return _Found(model.traits.title, out, {}, stopped=True)
    for volume, one, found in zip(search.volumes, out, labels, strict=True):
        volume.put(one, search.plane, found)
    return _Found(model.traits.title, out, names, stopped=False)
