"""The window from a script: choose, click, wait, read the labels; or one function on layers.

`segment` is for widgets that people build themselves; `add_files` shows an image file and its
labels, and ``python -m`` opens napari on both, with the panel.

Examples
--------
>>> import napari
>>> from napari_intseg.ui.scripting import attach
>>> viewer = napari.Viewer()  # doctest: +SKIP
>>> viewer.add_image(image)  # doctest: +SKIP
>>> handle = attach(viewer)  # doctest: +SKIP
>>> handle.click((30, 40))  # doctest: +SKIP
>>> handle.wait()  # doctest: +SKIP
>>> handle.labels  # doctest: +SKIP
"""

import queue
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points
from numpy.typing import NDArray

from napari_intseg.core.affine import to_napari
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.errors import DataError, IntSegError, PromptError
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.models.registry import find_model, load_model
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.model_loader import Choice, load
from napari_intseg.ui.controllers.review import OutlineDetailController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import ImageAxes, possible_axes
from napari_intseg.ui.layers.points_codec import NEGATIVE, POSITIVE, geometry, on_grid

_TURN_S = 0.005
"""How long `wait` sleeps before it looks again: short against any answer."""
_AGAIN_MS = 200
"""After which it is looked again whether a model is there; a person hardly notices it."""


class Handle:
    """A person's hands in a viewer, for scripts; made by `attach`.

    Positions are pixels of the labels, ``(row, col)`` or ``(plane, row, col)``, a time point before
    them if there are several; the centre of the first pixel is 0.

    Attributes
    ----------
    controller : ViewerController
        All that the window does.
    """

    def __init__(
        self, controller: ViewerController, turn: Callable[[], None], *, is_own: bool
    ) -> None:
        self.controller = controller
        self._turn, self._is_own = turn, is_own
        # signals cannot raise where they were caused; `_do` and `wait` raise what came
        self._failure = ""
        controller.signals.failed.connect(self._failed)
        controller.signals.lost.connect(self._failed)

    def choose_image(self, image: Image | str) -> None:
        """Work on an image layer from now on.

        Raises
        ------
        DataError
            If the viewer has none of that name.
        """
        layers = [one for one in self.controller.viewer.layers if isinstance(one, Image)]
        found = [one for one in layers if one is image or one.name == image]
        if not found:
            raise DataError(
                f"image is unknown: expected one of {[one.name for one in layers]}, got {image!r}. "
                "Add it to the viewer first."
            )
        self._do(lambda: self.controller.choose_image(found[0]))

    def choose_model(self, name: str, *, device: str = "auto", precision: str = "auto") -> None:
        """Answer with another model; it is loaded in the background, see `wait`.

        Raises
        ------
        UnknownModelError
            If there is none of that name.
        """
        # raises at once; the window would only show a message
        find_model(name)
        self._do(lambda: self.controller.loader.choose(Choice(name, device, precision)))

    def new_object(self) -> int:
        """Begin an object; return its label."""
        self._do(self.controller.new_object)
        return self._image_controller().session_store.object

    def select(self, label: int) -> None:
        """Go on with an object.

        Raises
        ------
        PromptError
            If there is no object of that label.
        """
        labels = self._image_controller().session_store.labels
        if label not in labels:
            raise PromptError(
                f"object is unknown: expected one of {labels}, got {label!r}. Begin it with "
                "new_object."
            )
        self._do(lambda: self.controller.select_object(label))

    def click(self, position: Sequence[float], positive: bool = True) -> None:
        """Click for the current object; the first click begins one."""
        image_controller = self._begun()
        at = self._checked(image_controller, position)
        # the sign that a person's next click has is put back afterwards
        before = image_controller.clicking.defaults["sign"]

        def act() -> None:
            image_controller.clicking.set_defaults(sign=POSITIVE if positive else NEGATIVE)
            try:
                # into the layer, as a mouse does it: what listens to the layer does the rest
                image_controller.points.add(at)
            finally:
                image_controller.clicking.set_defaults(sign=before)

        self._do(act)

    def box(self, first: Sequence[float], last: Sequence[float]) -> None:
        """Give a box by two opposite corners on one plane."""
        image_controller = self._begun()
        a, b = self._checked(image_controller, first), self._checked(image_controller, last)
        rows, cols = self._on_slice(image_controller, a, b)
        # corners in order round the rectangle, as napari keeps
        # them: two of the four are mixed of both
        corners = np.array([a, a, b, b])
        corners[:, cols] = [a[cols], b[cols], b[cols], a[cols]]
        corners[:, rows] = [a[rows], a[rows], b[rows], b[rows]]
        self._do(lambda: image_controller.boxes.shown().add(corners, shape_type="rectangle"))

    def scribble(self, points: Sequence[Sequence[float]], positive: bool = True) -> None:
        """Draw a line on the object, or beside it, through points of one plane."""
        self._draw(points, "path", positive)

    def lasso(self, points: Sequence[Sequence[float]], positive: bool = True) -> None:
        """Draw a closed line through points of one plane round the object, or round what is not."""
        self._draw(points, "polygon", positive)

    def _draw(self, points: Sequence[Sequence[float]], kind: str, positive: bool) -> None:
        image_controller = self._begun()
        path = np.array([self._checked(image_controller, point) for point in points])
        before = image_controller.clicking.defaults["sign"]

        def act() -> None:
            image_controller.clicking.set_defaults(sign=POSITIVE if positive else NEGATIVE)
            layer = image_controller.boxes.shown()
            image_controller.boxes.set_defaults()
            try:
                layer.add(path, shape_type=kind)
            finally:
                image_controller.clicking.set_defaults(sign=before)
                image_controller.boxes.set_defaults()

        self._do(act)

    def accept(self) -> None:
        """Lock the current object, and go on to the next that is open; where none is, begin one."""
        self._do(lambda: object_actions.accept(self.controller))

    def merge(self, labels: Sequence[int]) -> None:
        """Make one object of several, with the smallest of their numbers."""
        self._do(lambda: object_actions.merge(self.controller, labels))

    def split(self, first: Sequence[float], second: Sequence[float]) -> None:
        """Make two objects of the current one by a position in each part; see `Session`."""
        image_controller = self._image_controller()
        places = [self._checked(image_controller, one) for one in (first, second)]

        def act() -> None:
            self.controller.splitter.begin()
            for place in places:
                self.controller.splitter.click(place)
            if self.controller.splitter.is_on:
                self.controller.splitter.stop()

        self._do(act)

    def relabel(self, label: int, number: int) -> None:
        """Give an object another number."""
        self._do(lambda: object_actions.relabel(self.controller, label, number))

    def smooth(self, mm: float) -> None:
        """Smooth all outlines, now and from now on, see `Session.set_detail`; 0: not any more."""
        self._do(lambda: OutlineDetailController(self.controller).choose(mm))

    def undo(self) -> None:
        """Take back the last action."""
        self._do(self.controller.undo)

    def redo(self) -> None:
        """Bring back what was undone last."""
        self._do(self.controller.redo)

    def propagate(self, planes: range | None = None, *, every: bool = False) -> None:
        """Carry the current object, or every one that is not accepted, to other planes.

        What was clicked is answered first, so this waits for it; then `wait` for the end.
        """
        self.wait()
        self._do(lambda: self.controller.propagate(planes, every=every))

    def wait(self, timeout_s: float = 600.0) -> None:
        """Return once the model is there, all is answered, and the labels show it.

        Raises
        ------
        IntSegError
            If something went wrong since the last call; it says what.
        TimeoutError
            If it takes longer.
        """
        end = time.monotonic() + timeout_s
        while not self._is_idle:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"not done in time: expected at most {timeout_s:g} s, got more. Wait longer, "
                    "or take a faster model."
                )
            self._turn()
            # without a pause the loop would take time from the model's thread
            time.sleep(_TURN_S)
        self._turn()
        self._raise()

    @property
    def labels(self) -> NDArray[Any]:
        """The labels so far, a copy, of the image's shape less its channels; 0 is background."""
        # a copy: the layer's own array changes with the next answer, and may live on disk
        return np.array(self._image_controller().labels.data)

    @property
    def labels_layer(self) -> Labels:
        """The layer in which they are shown."""
        return self._image_controller().labels

    @property
    def model(self) -> Segmenter | None:
        """The model that answers; None while it is being loaded."""
        return self.controller.loader.model

    def close(self) -> None:
        """Let go; a window that was there before stays open."""
        self.controller.signals.failed.disconnect(self._failed)
        self.controller.signals.lost.disconnect(self._failed)
        if self._is_own:
            self.controller.close()

    @property
    def _is_idle(self) -> bool:
        controller = self.controller
        is_busy = (
            controller.is_propagating
            or controller.searching.is_running
            or controller.suggested.is_running
            or controller.loader.is_loading
        )
        is_drawn = controller.image_controller is None or controller.image_controller.is_idle
        return controller.worker.is_idle and is_drawn and not is_busy

    def _begun(self) -> ImageController:
        if self.controller.image_controller is None:
            self._do(self.controller.new_object)
        return self._image_controller()

    def _image_controller(self) -> ImageController:
        image_controller = self.controller.image_controller
        if image_controller is None:
            raise PromptError(
                "there are no labels yet: expected a click, a box or a new object before, got "
                "none. Choose an image and click on it."
            )
        return image_controller

    def _checked(
        self, image_controller: ImageController, position: Sequence[float]
    ) -> NDArray[np.float64]:
        at = np.asarray(position, float)
        shape = image_controller.image_axes.shape
        if at.shape != (len(shape),):
            raise PromptError(
                f"position has another number of axes: expected {len(shape)}, as the grid "
                f"{image_controller.image_axes.grid!r}, got {tuple(position)!r}. Give "
                "plane, row and column."
            )
        # pixels reach half a pixel to either side of their centre
        if (at < -0.5).any() or (at > np.asarray(shape) - 0.5).any():
            raise PromptError(
                f"position lies outside the image: expected less than {shape}, got "
                f"{tuple(position)!r}. Give a pixel of the image."
            )
        return at

    @staticmethod
    def _on_slice(
        image_controller: ImageController, a: NDArray[Any], b: NDArray[Any]
    ) -> tuple[int, int]:
        """Return the two axes along which a box extends."""
        spatial = image_controller.image_axes.spatial
        axes = [axis for axis in spatial if a[axis] != b[axis]]
        # a box in a volume lies on one plane: corners share the axis across it
        if len(axes) != 2:
            raise PromptError(
                f"box lies on no plane: expected corners that differ along two axes, got "
                f"{tuple(a)!r} and {tuple(b)!r}. Give both corners on one plane."
            )
        return axes[0], axes[1]

    def _failed(self, text: str) -> None:
        self._failure = text

    def _do(self, act: Callable[[], object]) -> None:
        self._failure = ""
        act()
        self._raise()

    def _raise(self) -> None:
        # raised once: later calls must not fail for the same reason
        text, self._failure = self._failure, ""
        if text:
            raise IntSegError(text)


def attach(
    viewer: ViewerModel, *, load_with: Callable[..., Segmenter | None] | None = None
) -> Handle:
    """Return a handle on a viewer; in a window it uses the widget, and opens it if need be.

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel
        The latter needs neither Qt nor a screen. Its topmost image is chosen.
    load_with : callable, optional
        Loads models where there is no window; see `ViewerController`.

    Returns
    -------
    Handle
        Keep it as long as it is used, then `close` it.
    """
    if hasattr(viewer, "window"):
        from qtpy.QtWidgets import QApplication

        from napari_intseg.ui.commands import widget_of

        widget = widget_of(viewer)
        assert widget is not None
        return Handle(widget.controller, QApplication.processEvents, is_own=False)
    # without Qt nobody delivers what threads post: `wait` does it, in this thread
    posted: queue.Queue[Callable[[], None]] = queue.Queue()

    def post(call: Callable[[], None], _delay_ms: int = 0, /) -> None:
        posted.put(call)

    def turn() -> None:
        # those there are now: a call may post another one, which comes with the next turn
        for _ in range(posted.qsize()):
            posted.get()()

    controller = ViewerController(viewer, post, load_with=load_with or load)
    controller.loader.choose(controller.loader.choice)
    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    controller.choose_image(images[-1] if images else None)
    return Handle(controller, turn, is_own=True)


def segment(image: Image, points: Points, model: str = "bundled", propagate: bool = True) -> Labels:
    """Return the objects that points say, as labels on the grid of an image.

    A magicgui widget can be made of it as it is: the layers are chosen in boxes.

    Parameters
    ----------
    image : napari.layers.Image
        2-D, a volume, RGB, or with channels as its first axis.
    points : napari.layers.Points
        Each is a click. A feature ``object`` says whose it is, 1 without; a feature ``sign`` that
        is ``negative`` says that it is beside the object.
    model : str, default "bundled"
        Of `available_models`.
    propagate : bool, default True
        In a volume, whether objects are carried to the other planes.

    Returns
    -------
    napari.layers.Labels
        On the image's grid less its channels, placed like it; not yet in any viewer.

    Raises
    ------
    PromptError
        If there are no points, or one lies outside the image.
    DataError
        If the image has a time axis, or too many axes.

    Examples
    --------
    >>> from magicgui import magicgui
    >>> widget = magicgui(segment, call_button="Segment")  # doctest: +SKIP
    """
    if not len(points.data):
        raise PromptError(
            f"points are missing: expected at least one on the object, got none in "
            f"{points.name!r}. Add a point first."
        )
    axes = ImageAxes(image, possible_axes(image)[0])
    if axes.n_times is not None:
        raise DataError(
            f"image is a time series: expected y and x, z and channels, got {axes.axes!r} of "
            f"{image.name!r}. Give the time points one by one."
        )
    session = Session(load_model(model), axes.volume(0))
    placed = geometry(axes)
    empty = Labels(np.zeros(axes.shape, np.uint8), **placed)
    features = points.features
    count = len(points.data)
    labels = features["object"].tolist() if "object" in features else [1] * count
    signs = features["sign"].tolist() if "sign" in features else [""] * count
    # points and image may be placed differently: the world is what both share
    places = on_grid(points, points.data, axes, empty)
    # in the order of first points, each object once: a script numbers objects as it likes
    for label in dict.fromkeys(int(label) for label in labels):
        # a session begins with object 1
        if label not in session.objects:
            session.new_object(label)
        session.select_object(label)
        for place, sign in (
            (p, s) for p, s, other in zip(places, signs, labels, strict=True) if other == label
        ):
            session.click(place.tolist(), sign != NEGATIVE)
    if propagate and session.volume.ndim > 2:
        session.propagate_all()
    return Labels(session.labels, name=f"{image.name} labels", **placed)


def add_files(viewer: Any, image: Path, labels: Path) -> Labels:
    """Add an image and labels on its grid to a viewer, placed in millimetres; return the labels.

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel
        Gets two layers.
    image, labels : Path
        Files that `read_volume` reads.
    """
    volume = read_volume(image)
    shown = resolve_intensity(volume, None)
    # a volume's affine always has three axes; napari wants one with as many as the data
    start = 3 - volume.ndim
    place: dict[str, Any] = {"affine": to_napari(volume.affine)[start:, start:]}
    if not start:
        place |= {"axis_labels": ("z", "y", "x"), "units": ("mm",) * 3}
    # RGB or RGBA, as napari understands channels that are the last axis
    is_rgb = volume.n_channels in (3, 4)
    limits = {} if is_rgb else {"contrast_limits": (shown.low[0], shown.high[0])}
    viewer.add_image(volume.data, name=image.name, rgb=is_rgb, **place, **limits)
    return viewer.add_labels(read_mask(labels, volume), name=labels.name, **place)


def list_finished(controller: ViewerController, layer: Labels) -> None:
    """Take the objects of a layer as finished ones, in place of the layer, once a model is there.

    Parameters
    ----------
    controller : ViewerController
        With the image chosen.
    layer : Labels
        On the image's grid.
    """
    if controller.loader.model is None:
        controller.post(lambda: list_finished(controller, layer), _AGAIN_MS)
        return
    if not object_actions.take_all(controller, layer) or controller.image_controller is None:
        return
    labels = controller.image_controller.session_store.labels
    controller.set_finished(labels[0], True, *labels[1:])
    controller.viewer.layers.remove(layer)
    # its plane, and all of that
    object_actions.show_object(controller, labels[0])
    controller.viewer.reset_view()


def main(argv: Sequence[str] | None = None) -> int:
    """Show the files named on the command line until the window is closed; returns 0."""
    import napari

    image, labels = (Path(word) for word in (sys.argv[1:] if argv is None else argv))
    viewer = napari.Viewer(title="napari-intseg demo")
    layer = add_files(viewer, image, labels)
    # by its name in the manifest, as a person opens it from the menu
    _, widget = viewer.window.add_plugin_dock_widget("napari-intseg", "Interactive segmentation")
    list_finished(widget.controller, layer)
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
