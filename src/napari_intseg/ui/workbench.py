"""All that the widget does, without Qt: choose, click, propagate, undo."""

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.errors import IntSegError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.models.identity import identity_of
from napari_intseg.propagation.walk import WalkSettings
from napari_intseg.session.embeddings import EmbeddingFiles
from napari_intseg.session.propagating import TITLE_ALL
from napari_intseg.ui.binder import Binder, Tools
from napari_intseg.ui.frame import Frame, can_mix, possible_axes
from napari_intseg.ui.layers import NEGATIVE, POSITIVE
from napari_intseg.ui.loading import Loader, load
from napari_intseg.ui.made import is_in_use
from napari_intseg.ui.polygon import Outliner
from napari_intseg.ui.prefetch import Prefetch
from napari_intseg.ui.searching import Searching
from napari_intseg.ui.shelf import Shelf
from napari_intseg.ui.spread import Spread
from napari_intseg.ui.starting import layers_for
from napari_intseg.ui.tools import offered, use
from napari_intseg.ui.voice import Voice
from napari_intseg.ui.window import show_automatic, window_now
from napari_intseg.ui.worker import Post, Worker


class Workbench:
    """One person's work in one viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Any; Qt is not needed.
    post : callable
        Has the GUI thread call a function soon, in order; may be called from any thread.
    load_with : callable, optional
        Loads a model; another than `load` in tests.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        post: Post,
        *,
        load_with: Callable[..., Segmenter | None] = load,
    ) -> None:
        self.viewer = viewer
        self.post = post
        self.voice = Voice()
        self.worker = Worker(post)
        self.loader = Loader(
            self.worker, post, self.voice, on_model=self._model_ready, load_with=load_with
        )
        self.binder: Binder | None = None
        self.image: Image | None = None
        self.axes = ""
        self.others: tuple[Image, ...] = ()
        self.channels: tuple[int, ...] | None = None
        self.window: WindowChoice = None
        self.each_click_begins = False  # an object, where there is none yet
        self.planes: range | None = None  # that the last propagation was limited to
        self.settings = WalkSettings()
        self.shelf = Shelf()
        self._spread: Spread | None = None
        self._spreads = 0
        self._tools = Tools(viewer, self.worker, post, self.voice, self.shelf)
        self._binders: dict[Image, Binder] = {}
        self.prefetch = Prefetch(self, post)
        self.outliner = Outliner(self)
        self.searching = Searching(self)
        self.voice.lost.connect(self._lost)

    def choose_image(self, image: Image | None) -> None:
        """Work on an image layer from now on; work on others stays as it is."""
        if image is self.image:
            return
        self._stop_spread()
        self.prefetch.go_on()
        self.image, self.others, self.channels, self.axes = image, (), None, ""
        self.binder = self._binders.get(image) if image is not None else None
        if self.binder is not None:
            frame = self.binder.frame
            self.axes, self.others = frame.axes, frame.others
            self.channels = self.binder.drawer.channels
            self._activate()
            self.loader.follow(self.binder.drawer.model)
        elif image is not None:
            try:
                self.axes = possible_axes(image)[0]
                show_automatic(image, self.axes)
            except IntSegError as err:
                self.voice.failed.emit(str(err))
        self.voice.changed.emit()

    def choose_axes(self, axes: str) -> None:
        """Say what the axes of the image mean; work on it begins anew."""
        if self.image is not None and axes != self.axes:
            self.axes = axes
            self._end_binder(self.image)

    def choose_channels(
        self, channels: tuple[int, ...] | None, others: tuple[Image, ...] = ()
    ) -> None:
        """Choose channels, or other layers to mix with the image; clicks are answered again."""
        image = self.image
        if image is None or (channels, others) == (self.channels, self.others):
            return
        self.others = tuple(o for o in others if can_mix(image, o))
        self.channels = channels
        had_binder = image in self._binders
        self._end_binder(image)
        if had_binder:
            self._start(image)

    def choose_window(self, window: WindowChoice) -> None:
        """Choose how values are shown to the model; later answers see it."""
        self.window = window

    def new_object(self) -> None:
        """Begin an object; the first one on an image makes the layers."""
        if self.image is None:
            self.voice.failed.emit("No image is chosen. Open an image, then choose it above.")
            return
        is_first = self.binder is None
        if is_first:
            self._start(self.image)
        binder = self.binder
        if binder is None or (is_first and not binder.has_earlier):
            return
        label = binder.new_object()
        binder.is_new_asked = True
        self._activate()
        self.voice.message.emit(f"Object {label}: click on it.")

    def select_object(self, label: int) -> None:
        """Go on with an object."""
        if self.binder is not None:
            self.binder.select_object(label)
            self._activate()

    def accept_object(self) -> None:
        """Lock the current object, and begin the next."""
        binder = self.binder
        if binder is None or not binder.is_begun(binder.drawer.object):
            self.voice.failed.emit("There is nothing to accept yet. Click on the object first.")
            return
        label = binder.drawer.object
        self.set_finished(label, True)
        self.new_object()
        binder.is_new_asked = False  # a click inside another object goes on with that one
        self.voice.message.emit(f"Object {label} is locked. Next: object {binder.drawer.object}.")

    def set_finished(self, label: int, finished: bool) -> None:
        """Lock an object against further prompts, or unlock it."""
        if self.binder is not None:
            self.binder.drawer.set_finished(label, finished)
            self.voice.changed.emit()

    def toggle_sign(self) -> None:
        """Swap what a left click and a right click mean."""
        if self.binder is not None:
            self.binder.clicking.set_defaults(sign=NEGATIVE if self.positive else POSITIVE)
            self.voice.changed.emit()

    @property
    def positive(self) -> bool:
        """The sign of a plain left click."""
        return self.binder is None or self.binder.clicking.positive

    def propagate(self, planes: range | None = None, *, every: bool = False) -> None:
        """Carry an object from its clicked planes to their neighbours.

        Parameters
        ----------
        planes : range, optional
            Only to these; as far as the object goes by default.
        every : bool, default False
            Every object that is not finished, as one step of undo; else the current one.
        """
        binder = self.binder
        if self.is_propagating:
            return
        labels = self._to_propagate(every)
        if binder is not None and not labels:
            self.voice.failed.emit("Nothing to propagate yet. Click on the object first.")
            return
        if binder is None or len(binder.frame.spatial) < 3:
            self.voice.failed.emit("Propagation needs clicks in a volume. Choose a 3-D image.")
            return
        self.planes, self._spreads = planes, self._spreads + 1
        self._spread = Spread(
            binder,
            labels,
            planes,
            settings=self.settings,
            together=f"{TITLE_ALL} {self._spreads}" if every else None,
            on_end=self._spread_ended,
        )
        self._spread.start()
        self.voice.changed.emit()

    def _to_propagate(self, every: bool) -> list[int]:
        """Return the labels of what shall spread."""
        if self.binder is None:
            return []
        drawer = self.binder.drawer
        labels = drawer.labels if every else (drawer.object,)
        return [
            label
            for label in labels
            if self.binder.is_begun(label) and not (every and drawer.is_finished(label))
        ]

    @property
    def is_propagating(self) -> bool:
        """Whether a propagation is under way."""
        return self._spread is not None and self._spread.is_running

    def cancel(self) -> None:
        """Stop propagation, a search or a download; what is done is kept."""
        self.loader.cancel()
        self.searching.cancel()
        if self._spread is not None:
            self._spread.cancel()

    def let_go(self, label: int) -> None:
        """Stop propagating an object that is about to be removed."""
        if self._spread is not None and self._spread.labels == (label,):
            self._stop_spread()

    def undo(self) -> None:
        """Take back the last action at the time point in the window."""
        self._go("undo")

    def redo(self) -> None:
        """Bring back what was undone last."""
        self._go("redo")

    def can(self, action: str) -> bool:
        """Whether there is something to "undo" or "redo"."""
        return self.binder is not None and self.binder.can(action)

    def keep_embeddings(self, files: EmbeddingFiles | None) -> None:
        """Keep embeddings on disk from now on, or not any more with None."""
        self.shelf.put(files, (b.drawer.sessions.values() for b in self._binders.values()))
        self.voice.changed.emit()

    def close(self) -> None:
        """Stop the thread, let go of all layers; nothing is left behind."""
        self.prefetch.close()
        self.outliner.close()
        self.searching.close()
        self._stop_spread()
        for binder in self._binders.values():
            binder.close()
        self._binders.clear()
        self.binder = self.image = None
        self.worker.close()
        self.loader.release()

    def _start(self, image: Image) -> None:
        try:
            if len(self.axes) != image.ndim:  # its data was replaced
                self.axes = possible_axes(image)[0]
            others = tuple(o for o in self.others if o in self.viewer.layers and can_mix(image, o))
            frame = Frame(image, self.axes, others)
            frame.volume(0)
            shared = is_in_use(self.viewer, image)
            points, labels, free = layers_for(self.viewer, frame)
        except IntSegError as err:
            self.voice.failed.emit(str(err))
            return
        self.others = others
        binder = Binder(
            self._tools,
            frame,
            points,
            labels,
            window=self._window,
            channels=self.channels,
            first_label=free,
            each_begins=lambda: self.each_click_begins,
        )
        self._binders[image] = self.binder = binder
        if binder.goes_on and _is_same(binder.drawer.model, self.loader.model):
            self.loader.follow(binder.drawer.model)
            binder.sync()
        elif self.loader.model is not None:
            binder.set_model(self.loader.model)
        self._activate()
        if shared:
            self.voice.message.emit(
                f"{image.name!r} is worked on in another panel, so this one has layers of its own."
            )
        self.voice.message.emit(
            f"Object {binder.drawer.object}: left click says what belongs to it, right click what "
            "does not."
        )
        self.voice.changed.emit()

    def _window(self) -> WindowChoice:
        return window_now(self.window, self.image, mixed=bool(self.others))

    def _activate(self) -> None:
        """Make the next click in the canvas one of ours."""
        binder = self.binder
        if binder is not None and not binder.is_closed:
            self.viewer.layers.selection.active = binder.points
            if not isinstance(binder.viewed, str):
                use(self, offered(self)[0])

    def _go(self, action: str) -> None:
        title = self.binder.go(action) if self.binder is not None else None
        what = f"{action.capitalize()}: {title}" if title else f"There is nothing to {action}"
        self.voice.message.emit(f"{what}.")
        self.voice.changed.emit()
        if self.binder is not None:  # after a comparison, which may have traded its models back
            self.loader.follow(self.binder.drawer.model)

    def _model_ready(self, model: Segmenter) -> None:
        self.prefetch.go_on()
        for binder in self._binders.values():
            binder.set_model(model)

    def _spread_ended(self, text: str) -> None:
        self.voice.progressed.emit(0, 0, "")
        if text:
            self.voice.message.emit(text)
        self.voice.changed.emit()

    def _stop_spread(self) -> None:
        spread, self._spread = self._spread, None
        if spread is not None:
            spread.close()
            self.voice.progressed.emit(0, 0, "")

    def _end_binder(self, image: Image) -> None:
        binder = self._binders.pop(image, None)
        if binder is not None:
            self._stop_spread()
            binder.close()
        self.binder = None
        self.voice.changed.emit()

    def _lost(self, _text: Any = None) -> None:
        self._binders = {i: b for i, b in self._binders.items() if not b.is_closed}
        if self.binder is not None and self.binder.is_closed:
            self._stop_spread()
            self.binder = None
        if self.image is not None and len(self.axes) != self.image.ndim:
            try:
                self.axes = possible_axes(self.image)[0]
            except IntSegError as err:
                self.axes = ""
                self.voice.failed.emit(str(err))
        self.voice.changed.emit()


def _is_same(one: Segmenter | None, other: Segmenter | None) -> bool:
    """Whether two models are the same network, perhaps loaded twice."""
    if one is None or other is None:
        return False
    return one is other or identity_of(one) == identity_of(other)
