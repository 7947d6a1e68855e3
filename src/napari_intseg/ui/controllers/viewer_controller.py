"""All that the widget does, without Qt: choose, click, propagate, undo."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_intseg._moved import renamed
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import IntSegError
from napari_intseg.inference.intensity import (
    Displayed,
    WindowChoice,
    automatic_limits,
    check_window,
    resolve_intensity,
)
from napari_intseg.io.hooks import AUTOMATIC
from napari_intseg.models.model_table import identity_of
from napari_intseg.propagation.walk import WalkSettings
from napari_intseg.session.embeddings import EmbeddingFiles
from napari_intseg.session.propagator import TITLE_ALL
from napari_intseg.ui.controllers.find_more import FindSimilar, SuggestedClicks
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.controllers.model_loader import Loader, Prefetch, load
from napari_intseg.ui.controllers.mouse_tools import PromptTools, Splitter
from napari_intseg.ui.controllers.propagation import AnswersIn3d, PropagationRun
from napari_intseg.ui.layers.image_axes import (
    ImageAxes,
    can_mix,
    channel_layers,
    channels_beside,
    displayed_mix,
    grey_channel,
    level_0,
    possible_axes,
)
from napari_intseg.ui.layers.layer_registry import is_in_use, layers_for
from napari_intseg.ui.layers.points_codec import NEGATIVE, POSITIVE
from napari_intseg.ui.layers.polygon_editor import PolygonEditor
from napari_intseg.ui.messages import Message, joined
from napari_intseg.ui.qt.worker_thread import Job, Post, Signals, Worker, told
from napari_intseg.ui.storage.disk_folders import EmbeddingFolder

AS_SHOWN = "as displayed"
"""The choice that follows the contrast limits of the image layer."""


def window_now(
    chosen: WindowChoice, image: Image | None, mix: Displayed | None = None
) -> WindowChoice:
    """Return the window to look through.

    Parameters
    ----------
    chosen : str or (low, high) or Window or None
        As `Session` takes it, or `AS_SHOWN`. None: several layers in the mix that is displayed;
        one layer as displayed if a person has set that, else automatic.
    image : Image or None
        What is looked at.
    mix : Displayed, optional
        How it is displayed with the layers that are mixed with it.
    """
    if image is None or image.rgb or chosen not in (None, AS_SHOWN):
        return None if chosen == AS_SHOWN else chosen
    if mix is not None:
        return mix
    if chosen is None and is_automatic(image):
        return None
    shown = grey_channel(image)
    if not shown.limits[0] < shown.limits[1]:
        return None
    has_channels = level_0(image).ndim > image.ndim
    return shown.limits if shown.gamma == 1 or has_channels else Displayed((shown,))


def is_automatic(image: Image) -> bool:
    """Whether nobody has set contrast limits or gamma since the limits were found automatically."""
    kind = np.dtype(image.dtype)
    # napari shows all of these; the model does so as well
    whole = (0.0, 255.0) if kind == np.uint8 else tuple(image.contrast_limits)
    limits = whole if kind.itemsize == 1 else image.metadata.get(AUTOMATIC)
    is_so = limits is not None and tuple(limits) == tuple(image.contrast_limits)
    return is_so and image.gamma == 1


def show_automatic(image: Image, axes: str) -> None:
    """Show an image through the window that the model sees it through, unless limits were set.

    Limits that napari chose are those of the values themselves. Lazy data is left alone.
    """
    data = image.data
    if "c" in axes and not image.rgb:
        # one pair for channels of any brightness is nobody's choice for the model, which sees each
        # through limits of its own; what is set from now on is
        image.metadata.setdefault(AUTOMATIC, tuple(image.contrast_limits))
        return
    if not isinstance(data, np.ndarray) or image.rgb or image.multiscale:
        return
    is_plain = axes in ("yx", "zyx") and data.dtype.kind in "iuf" and data.dtype.itemsize > 1
    if not is_plain or not data.size or is_automatic(image):
        return
    # napari's own choice is the values' range; anything else was chosen by somebody
    limits = tuple(float(limit) for limit in image.contrast_limits)
    if limits != (float(np.nanmin(data)), float(np.nanmax(data))):
        return
    low, high, _ = automatic_limits(Volume(data, channels=False))
    image.contrast_limits = low, high
    # read back: napari may have rounded them
    image.metadata[AUTOMATIC] = tuple(image.contrast_limits)


class ViewerController:
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

    binder = renamed("image_controller")
    voice = renamed("signals")

    def __init__(
        self,
        viewer: ViewerModel,
        post: Post,
        *,
        load_with: Callable[..., Segmenter | None] = load,
    ) -> None:
        self.viewer = viewer
        self.post = post
        self.signals = Signals()
        self.worker = Worker(post)
        self.loader = Loader(
            self.worker, post, self.signals, on_model=self._model_ready, load_with=load_with,
            waits=True,
        )  # fmt: skip
        self.image_controller: ImageController | None = None
        self.image: Image | None = None
        self.axes = ""
        self.others: tuple[Image, ...] = ()
        # by a person; else what is in sight is mixed
        self._is_mix_chosen = False
        self.channels: tuple[int, ...] | None = None
        self.window: WindowChoice = None
        # an object, where there is none yet
        self.each_click_begins = False
        # that the last propagation was limited to
        self.planes: range | None = None
        self.settings = WalkSettings()
        self.embedding_folder = EmbeddingFolder()
        self._spread: PropagationRun | None = None
        self._spreads = 0
        # files that a person has asked for, until they are written
        self.writing: list[Job[str]] = []
        self._tools = Tools(viewer, self.worker, post, self.signals, self.embedding_folder)
        self._binders: dict[Image, ImageController] = {}
        self.prefetch = Prefetch(
            self._tools,
            self.loader,
            current=lambda: self.image_controller,
            is_busy=lambda: self.is_propagating,
        )
        self.outliner = PolygonEditor(self._tools, lambda: self.image_controller)
        self.searching = FindSimilar(self._tools, lambda: self.image_controller)
        self.prompt_tools = PromptTools(
            self._tools, self.loader, lambda: self.image_controller, begin=self.new_object
        )
        self.in_3d = AnswersIn3d(
            self._tools,
            lambda: self.image_controller,
            begin=self._answer_in_3d,
            overtake=self._overtake_3d,
        )
        self.suggested = SuggestedClicks(self._tools, lambda: self.image_controller)
        self.splitter = Splitter(self._tools, lambda: self.image_controller, self.select_object)
        self.signals.lost.connect(self._lost)

    def choose_image(self, image: Image | None) -> None:
        """Work on an image layer from now on; work on others stays as it is."""
        if image is self.image:
            return
        self._stop_spread()
        self.prefetch.go_on()
        self.image, self.others, self.channels, self.axes = image, (), None, ""
        self._is_mix_chosen = False
        # work on an image goes on where it was left
        self.image_controller = self._binders.get(image) if image is not None else None
        if self.image_controller is not None:
            image_axes = self.image_controller.image_axes
            self.axes, self.others = image_axes.axes, image_axes.others
            self.channels = self.image_controller.session_store.channels
            self._activate()
            self.loader.follow(self.image_controller.session_store.model)
        elif image is not None:
            try:
                self.axes = possible_axes(image)[0]
                show_automatic(image, self.axes)
            except IntSegError as err:
                self.signals.failed.emit(told(err))
            self.others = channels_beside(self.viewer, image)
        self.signals.changed.emit()

    def work_on(self, image: Image) -> ImageController | None:
        """Return the work on an image, chosen or not; None if there is none."""
        image_controller = self._binders.get(image)
        if image_controller is None or image_controller.is_closed:
            return None
        return image_controller

    def end_work(self, image: Image) -> None:
        """Let go of an image's layers, so that they can be removed without a word."""
        self._end_binder(image)
        if image is self.image:
            self.choose_image(None)

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
        mixed = tuple(o for o in others if can_mix(image, o))
        if self._is_refused(mixed, channels, None):
            return
        self.others, self.channels, self._is_mix_chosen = mixed, channels, True
        had_binder = image in self._binders
        self._end_binder(image)
        if had_binder:
            self._start(image)

    def show_in_colour(self) -> None:
        """Put a layer for each channel, added up in colour, in place of the one that holds them.

        The model then sees the mix that is displayed. Not once work on the layer has begun.
        """
        image = self.image
        if image is None or "c" not in self.axes or self.image_controller is not None:
            return
        layers, place = channel_layers(image, self.axes), self.viewer.layers.index(image)
        for layer in reversed(layers):
            show_automatic(layer, self.axes.replace("c", ""))
            self.viewer.layers.insert(place + 1, layer)
        self.choose_image(layers[0])
        self.viewer.layers.remove(image)

    def follow_mix(self) -> None:
        """Mix the channels that are in sight now, if no person has chosen; work begun keeps its."""
        image = self.image
        if image is None or self._is_mix_chosen or self.channels is not None:
            return
        found = channels_beside(self.viewer, image)
        if self.image_controller is None:
            self.others = found
            return
        for layer in found:
            if layer not in self.others:
                self.signals.message.emit(
                    Message(
                        "The model does not see {name!r} yet: tick it under Channels.",
                        name=layer.name,
                    )
                )

    def choose_window(self, window: WindowChoice) -> None:
        """Choose how values are shown to the model; later answers see it."""
        if not self._is_refused(self.others, self.channels, window):
            self.window = window

    def window_for(self, image: Image, others: tuple[Image, ...]) -> WindowChoice:
        """Return the window to look at an image through, mixed with others; see `window_now`."""
        mix = displayed_mix(self.viewer, (image, *others)) if others else None
        return window_now(self.window, image, mix)

    def _is_refused(
        self, others: tuple[Image, ...], channels: tuple[int, ...] | None, window: WindowChoice
    ) -> bool:
        """Tell what would fail at the first click; whether it would."""
        if self.image is None or len(self.axes) != self.image.ndim:
            return False
        try:
            volume = ImageAxes(self.image, self.axes, others).volume(0)
            # with given limits nothing is read
            shown = resolve_intensity(volume, (0, 1), channels)
            if window != AS_SHOWN:
                check_window(window, len(shown.channels) if shown.channels else 1)
        except IntSegError as err:
            self.signals.failed.emit(told(err))
            return True
        return False

    def new_object(self) -> None:
        """Begin an object, unless *Accept* has just done so; the first one makes the layers."""
        if self.image is None:
            self.signals.failed.emit(
                Message("No image is chosen. Open an image, then choose it above.")
            )
            return
        is_first = self.image_controller is None
        if is_first:
            self._start(self.image)
        image_controller = self.image_controller
        if image_controller is None or (is_first and not image_controller.has_earlier):
            return
        # *Accept* has begun one: *New object* after it begins no second one
        label = image_controller.new_object()
        # asked for again, there shall be another
        image_controller.session_store.begun_by_accept = 0
        image_controller.is_new_asked = True
        self._activate()
        self.signals.message.emit(Message("Object {label}: click on it.", label=label))

    def select_object(self, label: int) -> None:
        """Go on with an object."""
        if self.image_controller is not None:
            self.image_controller.select_object(label)
            self._activate()

    def accept_object(self) -> None:
        """Lock the current object, and begin another; clicks inside others correct those.

        `object_actions.accept` goes on to the next object that is open instead, if there is one.
        """
        image_controller = self.image_controller
        if image_controller is None:
            return
        label = image_controller.session_store.object
        self.set_finished(label, True)
        self.new_object()
        # a click inside another object goes on with that one
        image_controller.is_new_asked = False
        image_controller.session_store.begun_by_accept = image_controller.session_store.object
        self.signals.message.emit(
            Message(
                "Object {label} is accepted. Next: object {object}.",
                label=label,
                object=image_controller.session_store.object,
            )
        )

    def set_finished(self, label: int, finished: bool, *further: int) -> None:
        """Lock an object, and further ones with it, against prompts, or unlock them."""
        if self.image_controller is None:
            return
        for one in (label, *further):
            self.image_controller.session_store.set_finished(one, finished)
        if finished and further:
            message = Message("{n} objects are accepted.", n=1 + len(further))
        elif further:
            message = Message("{n} objects are open again.", n=1 + len(further))
        elif finished:
            message = Message("Object {label} is accepted.", label=label)
        else:
            message = Message("Object {label} is open again.", label=label)
        self.signals.message.emit(message)
        self.signals.changed.emit()

    def toggle_sign(self) -> None:
        """Swap what a left click and a right click mean."""
        if self.image_controller is None:
            self.signals.failed.emit(
                Message("There is no object yet. Press New object, then click.")
            )
            return
        self.image_controller.clicking.set_defaults(sign=NEGATIVE if self.positive else POSITIVE)
        self.signals.message.emit(
            Message("Left clicks say what belongs to the object, right clicks what does not.")
            if self.positive
            else Message(
                "Left clicks say what does not belong to the object, right clicks what does."
            )
        )
        self.signals.changed.emit()

    @property
    def positive(self) -> bool:
        """The sign of a plain left click."""
        return self.image_controller is None or self.image_controller.clicking.positive

    def propagate(self, planes: range | None = None, *, every: bool = False) -> None:
        """Carry an object from its clicked planes to their neighbours.

        Parameters
        ----------
        planes : range, optional
            Only to these; as far as the object goes by default.
        every : bool, default False
            Every object that is not finished, as one step of undo; else the current one.
        """
        image_controller = self.image_controller
        if self.is_propagating:
            return
        labels = self._to_propagate(every)
        if image_controller is not None and not labels:
            self.signals.failed.emit(
                Message("Nothing to propagate yet. Click on the object first.")
            )
            return
        if image_controller is None or len(image_controller.image_axes.spatial) < 3:
            self.signals.failed.emit(
                Message("Propagation needs clicks in a volume. Choose a 3-D image.")
            )
            return
        self.planes, self._spreads = planes, self._spreads + 1
        self._spread = PropagationRun(
            image_controller,
            labels,
            planes,
            settings=self.settings,
            together=f"{TITLE_ALL} {self._spreads}" if every else None,
            on_end=self._spread_ended,
        )
        self._spread.start()
        self.signals.changed.emit()

    def _answer_in_3d(self, plane: Plane) -> bool:
        """Carry the current object's last click to the planes beside it, the nearest first."""
        image_controller = self.image_controller
        if image_controller is None or self.is_propagating:
            return False
        self._spread = PropagationRun(
            image_controller,
            (image_controller.session_store.object,),
            None,
            settings=self.settings,
            near=plane,
            on_end=self._spread_ended,
        )
        self._spread.start()
        self.signals.changed.emit()
        return True

    def _overtake_3d(self) -> None:
        # only answers in 3-D are overtaken by a click; a propagation that was asked for goes on
        if self._spread is not None and self._spread.near is not None:
            self._stop_spread()

    def _to_propagate(self, every: bool) -> list[int]:
        """Return the labels of what shall spread."""
        if self.image_controller is None:
            return []
        session_store = self.image_controller.session_store
        labels = session_store.labels if every else (session_store.object,)
        return [
            label
            for label in labels
            if self.image_controller.is_begun(label)
            and not (every and session_store.is_finished(label))
        ]

    @property
    def is_propagating(self) -> bool:
        """Whether a propagation is under way."""
        return self._spread is not None and self._spread.is_running

    def cancel(self) -> None:
        """Stop propagation, an answer in 3-D, a search, a download, an export or waiting.

        What is done is kept; of a file that is half written nothing is.
        """
        for job in self.writing:
            job.cancel()
        self.loader.cancel()
        self.searching.cancel()
        self.suggested.cancel()
        if self._spread is not None:
            self._spread.cancel()
        if self.image_controller is not None:
            self.image_controller.cancel_answer()

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
        return self.image_controller is not None and self.image_controller.can(action)

    def title_of(self, action: str) -> str:
        """Return what "undo" or "redo" would take or bring back; empty if there is nothing."""
        image_controller = self.image_controller
        if image_controller is None:
            return ""
        session = image_controller.session_store.sessions.get(image_controller.time)
        return "" if session is None else str(getattr(session, f"{action}_title") or "")

    def keep_embeddings(self, files: EmbeddingFiles | None) -> None:
        """Keep embeddings on disk from now on, or not any more with None."""
        self.embedding_folder.put(
            files, (b.session_store.sessions.values() for b in self._binders.values())
        )
        self.signals.changed.emit()

    def close(self) -> None:
        """Stop the thread, let go of all layers; nothing is left behind."""
        self.prefetch.close()
        self.outliner.close()
        self.searching.close()
        self.suggested.close()
        self.in_3d.close()
        self._stop_spread()
        for image_controller in self._binders.values():
            image_controller.close()
        self._binders.clear()
        self.image_controller = self.image = None
        self.loader.stop()
        # after all who may still submit, and before the model's memory is released
        self.worker.close()
        self.loader.release()

    def _start(self, image: Image) -> None:
        try:
            if len(self.axes) != image.ndim:  # its data was replaced
                self.axes = possible_axes(image)[0]
            if not self._is_mix_chosen and self.channels is None:
                # further channels of the file may have come, or been hidden, since
                self.others = channels_beside(self.viewer, image)
            others = tuple(o for o in self.others if o in self.viewer.layers and can_mix(image, o))
            image_axes = ImageAxes(image, self.axes, others)
            # raises here what would fail at the first click
            image_axes.volume(0)
            shared = is_in_use(self.viewer, image)
            points, labels, free = layers_for(self.viewer, image_axes)
        except IntSegError as err:
            self.signals.failed.emit(told(err))
            return
        self.others = others
        image_controller = ImageController(
            self._tools,
            image_axes,
            points,
            labels,
            window=lambda: self.window_for(image, others),
            channels=self.channels,
            first_label=free,
            each_begins=lambda: self.each_click_begins,
        )
        self._binders[image] = self.image_controller = image_controller
        # the session's own model, if it is the same network: then nothing is answered anew
        if image_controller.goes_on and _is_same(
            image_controller.session_store.model, self.loader.model
        ):
            self.loader.follow(image_controller.session_store.model)
            image_controller.sync()
        elif self.loader.model is not None:
            image_controller.set_model(self.loader.model)
        self._activate()
        if shared:
            self.signals.message.emit(
                Message(
                    "{name!r} is worked on in another panel, so this one has layers of its own.",
                    name=image.name,
                )
            )
        self.signals.message.emit(
            Message(
                "Object {object}: left click says what belongs to it, right click what does not.",
                object=image_controller.session_store.object,
            )
        )
        self.signals.changed.emit()

    def _activate(self) -> None:
        """Make the next click in the canvas one of ours."""
        image_controller = self.image_controller
        if image_controller is not None and not image_controller.is_closed:
            self.viewer.layers.selection.active = image_controller.points
            if not isinstance(image_controller.displayed_slice, str):
                self.prompt_tools.use(self.prompt_tools.offered()[0])

    def _go(self, action: str) -> None:
        title = self.image_controller.go(action) if self.image_controller is not None else None
        # the engine's words, which are translated as its sentences are
        step = joined([title or ""])
        words = {
            ("undo", True): Message("Undo: {title}.", title=step),
            ("redo", True): Message("Redo: {title}.", title=step),
            ("undo", False): Message("There is nothing to undo."),
            ("redo", False): Message("There is nothing to redo."),
        }
        self.signals.message.emit(words[action, bool(title)])
        # undo may have brought back the model of before a comparison
        if self.image_controller is not None:
            self.loader.follow(self.image_controller.session_store.model)

    def _model_ready(self, model: Segmenter) -> None:
        self.prefetch.go_on()
        for image_controller in self._binders.values():
            image_controller.set_model(model)

    def _spread_ended(self, text: str) -> None:
        self.signals.progressed.emit(0, 0, "")
        if text:
            self.signals.message.emit(text)
        self.signals.changed.emit()

    def _stop_spread(self) -> None:
        spread, self._spread = self._spread, None
        if spread is not None:
            spread.close()
            self.signals.progressed.emit(0, 0, "")

    def _end_binder(self, image: Image) -> None:
        image_controller = self._binders.pop(image, None)
        if image_controller is not None:
            self._stop_spread()
            image_controller.close()
        # work on the image that is chosen stays, where another one's ends
        if image is self.image:
            self.image_controller = None
        self.signals.changed.emit()

    def _lost(self, _text: Any = None) -> None:
        self._binders = {i: b for i, b in self._binders.items() if not b.is_closed}
        if self.image_controller is not None and self.image_controller.is_closed:
            # first: who hears of the end asks what is displayed
            self.image_controller = None
            self._stop_spread()
        if self.image is not None and len(self.axes) != self.image.ndim:
            try:
                self.axes = possible_axes(self.image)[0]
            except IntSegError as err:
                self.axes = ""
                self.signals.failed.emit(told(err))
        self.signals.changed.emit()


def _is_same(one: Segmenter | None, other: Segmenter | None) -> bool:
    """Whether two models are the same network, perhaps loaded twice."""
    if one is None or other is None:
        return False
    return one is other or identity_of(one) == identity_of(other)
