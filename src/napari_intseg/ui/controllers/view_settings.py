"""How images are shown to the model: settings, and a preview."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.inference.refinement import GraphCut
from napari_intseg.inference.slice_appearance import MEASURED_PX, SliceAppearance
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.inference.zoom_in import is_seen_whole
from napari_intseg.session.question import Setup
from napari_intseg.ui.controllers.session_store import SessionStore
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import as_displayed
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Outcome, Post, ShouldStop, told

# milliseconds of rest after which a value is taken: not while it is still being turned or typed
REST_MS = 250
# longer side of the picture in the panel
PREVIEW_PX = 128

_LOOKS = ("contrast_limits", "gamma", "colormap", "opacity", "blending", "visible")
"""What of a layer says how it is displayed."""

Picture = NDArray[np.uint8]


class ViewSettings:
    """What the model sees of the chosen image.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    post : callable
        Calls back in the GUI thread after a while.

    Attributes
    ----------
    is_picture_adapted : bool
        Whether the last picture's window depends on what is clicked.
    """

    def __init__(self, controller: ViewerController, post: Post) -> None:
        self._controller, self._post = controller, post
        self._images: tuple[Image, ...] = ()
        self._rests = 0
        self._closed = False
        # whether what is clicked decided how the last picture was shown
        self.is_picture_adapted = False
        controller.signals.changed.connect(self._follow)
        self._follow()

    def close(self) -> None:
        """Follow nothing any more."""
        self._closed = True
        self._controller.signals.changed.disconnect(self._follow)
        self._watch(())

    def choose_window(self, window: WindowChoice) -> None:
        """Choose how values become grey; what was clicked is answered anew, as a step of undo."""
        self._controller.choose_window(window)
        self._again()

    def choose(self, **changes: Any) -> None:
        """Change further fields of the `Setup`; what was clicked is answered anew.

        `context`, `colours` or `tiles`; one step of undo, and a line of the journal.
        """
        image_controller = self._controller.image_controller
        if image_controller is None or image_controller.session_store.model is None:
            self._controller.signals.failed.emit(
                Message("There is nothing to look at yet. Begin an object first.")
            )
            return
        try:
            image_controller.session_store.look(**changes)
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
        self._again()

    @property
    def setup(self) -> Setup | None:
        """Model, window, channels and planes at the time point in the window."""
        image_controller = self._controller.image_controller
        if image_controller is None or image_controller.is_closed:
            return None
        session = image_controller.session_store.sessions.get(image_controller.time)
        return None if session is None else session.setup

    def limits(self, then: Callable[[Sequence[tuple[float, float]]], None]) -> None:
        """Find what the model sees dark and bright now, channel by channel.

        Parameters
        ----------
        then : callable
            Given a pair for each channel that is shown, in the GUI thread; one for grey images.
            Not called before there is anything to look at.
        """
        setup = self.setup
        if setup is None:
            self._controller.signals.failed.emit(
                Message("There is nothing to look at yet. Begin an object first.")
            )
            return

        def work(_: ShouldStop) -> list[tuple[float, float]]:
            seen = setup.options.intensity  # may read from the data
            count = len(seen.channels) if seen.channels else 1
            return [
                (seen.low[i % len(seen.low)], seen.high[i % len(seen.high)]) for i in range(count)
            ]

        def done(outcome: Outcome[list[tuple[float, float]]]) -> None:
            if not self._closed and outcome.value is not None:
                then(outcome.value)

        # one key: of several questions only the last is answered
        self._controller.worker.submit(work, done, key="limits")

    def picture(self, then: Callable[[Picture | None], None]) -> None:
        """Make a small picture of what the model sees of the slice in view, as RGB.

        Parameters
        ----------
        then : callable
            Given it in the GUI thread, uint8 (h, w, 3); None if there is none.
        """
        image_controller, setup = self._controller.image_controller, self.setup
        now = None if image_controller is None else image_controller.displayed_slice
        if setup is None or image_controller is None or now is None or isinstance(now, str):
            then(None)
            return
        plane, image_axes, labels = now.plane, image_controller.image_axes, image_controller.labels
        given = image_controller.session_store.sessions[image_controller.time].prompts(plane)

        def work(_: ShouldStop) -> tuple[Picture, bool]:
            return small(setup, plane, given), setup.options.intensity.adapts == "hounsfield"

        def done(outcome: Outcome[tuple[Picture, bool]]) -> None:
            picture, self.is_picture_adapted = outcome.value or (None, False)
            there = (
                self._controller.image_controller is image_controller
                and image_controller.displayed_slice == now
            )
            # as the canvas shows it, or a person could not compare the two
            if picture is not None and there:
                picture = as_displayed(self._controller.viewer, image_axes, labels, picture)
            if not self._closed and there:
                then(picture)

        # idle: a picture never keeps a click waiting
        self._controller.worker.submit(work, done, key="preview", idle=True)

    def _follow(self) -> None:
        image = self._controller.image
        self._watch(() if image is None else (image, *self._controller.others))

    def _watch(self, images: tuple[Image, ...]) -> None:
        if images == self._images:
            return
        for image in self._images:
            for name in _LOOKS:
                getattr(image.events, name).disconnect(self._look_changed)
        for image in images:
            for name in _LOOKS:
                getattr(image.events, name).connect(self._look_changed)
        reordered = self._controller.viewer.layers.events.reordered
        if self._images:
            reordered.disconnect(self._look_changed)
        if images:
            reordered.connect(self._look_changed)
        self._images = images

    def _look_changed(self, _event: Any = None) -> None:
        """Predict again once what is displayed rests, if the model follows it."""
        self._rests += 1
        self._post(partial(self._rested, self._rests), REST_MS)

    def _rested(self, number: int) -> None:
        setup = self.setup
        if self._closed or number != self._rests or setup is None:
            return
        controller = self._controller
        image = controller.image
        if image is not None and controller.window_for(image, controller.others) != setup.window:
            self._again()

    def _again(self) -> None:
        image_controller = self._controller.image_controller
        if (
            image_controller is not None
            and not image_controller.is_closed
            and image_controller.session_store.model is not None
        ):
            image_controller.answer_again()
        self._controller.signals.changed.emit()


def small(setup: Setup, plane: Plane, given: Prompts | None = None) -> Picture:
    """Return a slice as a setup's model sees it, its longer side 128 pixels, uint8 (h, w, 3).

    Through the window for what is given, and without the noise that is taken from it; but noise of
    slices above 512 pixels, which depends on the part looked at, stays.
    """
    shape = setup.volume.slice_shape(plane.axis)
    read = SliceReader(setup.volume, plane, setup.context)
    step = max(1, -(-max(shape) // PREVIEW_PX))
    if step > 1 and not is_seen_whole(shape) and len(read.factors) == 1:
        # the middle alone: of a slice on disk all of it would be much to read
        first = [max(0, n // 2 - PREVIEW_PX) for n in shape]
        raw = read(*(slice(f, f + 2 * PREVIEW_PX, 2) for f in first))
    else:
        raw = read(slice(0, shape[0], step), slice(0, shape[1], step))
    options = setup.options
    seeing = SliceAppearance(read, shape, options.intensity, options.denoise)
    seen = seeing.shown(given)
    soften = seeing.softener(seen) if max(shape) <= MEASURED_PX else None
    if soften is None:
        rgb = seen.intensity.to_rgb(raw)
    else:
        rgb = soften(seen.intensity.to_rgb(read(slice(0, shape[0]), slice(0, shape[1]))))
        rgb = rgb[::step, ::step]
    return np.asarray(np.rint(rgb * 255), np.uint8)


class Refinement:
    """Applies the chosen refinement to every image that is worked on.

    Parameters
    ----------
    controller : ViewerController
        Whose answers. Whoever makes a refinement keeps it.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._wanted: GraphCut | None = None
        self._told: WeakKeyDictionary[SessionStore, GraphCut | None] = WeakKeyDictionary()
        controller.signals.changed.connect(self._follow)

    def choose(self, wanted: bool) -> None:
        """Refine from now on, or not; the plane in the window is answered anew."""
        self._wanted = GraphCut() if wanted else None
        self._follow()

    def _follow(self) -> None:
        image_controller = self._controller.image_controller
        if (
            image_controller is None
            or self._told.get(image_controller.session_store) == self._wanted
        ):
            return
        session_store = image_controller.session_store
        # weak keys: each image is told once, and goes when it is closed
        self._told[session_store] = self._wanted
        session_store.look(graph_cut=self._wanted)
        if session_store.model is not None:
            image_controller.set_model(session_store.model)
