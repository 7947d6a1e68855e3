"""What the mouse does: clicks, box, scribble, lasso as the model takes them; clicks that split."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import explained, missing, taken
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.session.session import Session
from napari_intseg.session.suggestions import Alternative
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.controllers.model_loader import Loader
from napari_intseg.ui.layers.shapes import MODES
from napari_intseg.ui.messages import Message, joined
from napari_intseg.ui.qt.worker_thread import told

Tool = Literal["click", "box", "scribble", "lasso"]
TOOLS: tuple[Tool, ...] = ("click", "box", "scribble", "lasso")
_WHAT_TO_DO: dict[Tool, Message] = {
    "click": Message("Clicks say what belongs to the object, and what does not."),
    "box": Message("Box: drag from corner to corner of the object."),
    "scribble": Message(
        "Scribble: drag along the object; with Shift, along what is not part of it."
    ),
    "lasso": Message("Lasso: drag round the object; with Shift, round what is not part of it."),
}
"""Said when a tool is chosen: what was said before is about another one."""


class PromptTools:
    """Offers what the loaded model takes, and activates layer and mode for it.

    Parameters
    ----------
    tools : Tools
        The viewer and the signals.
    loader : Loader
        Which model.
    current : callable
        Returns the work on the chosen image; None before there is any.
    begin : callable
        Begins work on it.
    """

    def __init__(
        self,
        tools: Tools,
        loader: Loader,
        current: Callable[[], ImageController | None],
        *,
        begin: Callable[[], None],
    ) -> None:
        self._tools, self._loader = tools, loader
        self._current, self._begin = current, begin

    def offered(self) -> tuple[Tool, ...]:
        """Return the tools whose prompts the model takes; clicks before a model is loaded."""
        model = self._loader.model
        if model is None:
            return ("click",)
        kinds = model.traits.prompts
        # extreme points are given as clicks
        return tuple(t for t in TOOLS if t in kinds or (t == "click" and "extreme_points" in kinds))

    def in_use(self) -> Tool | None:
        """Return the active tool; None if another layer or mode is active."""
        image_controller = self._current()
        if image_controller is None or image_controller.is_closed:
            return None
        # in a window it is a stand-in, which is equal and not the same
        active = self._tools.viewer.layers.selection.active
        if active == image_controller.points and str(image_controller.points.mode) == "add":
            return "click"
        shapes = image_controller.boxes.layer
        if shapes is not None and active == shapes:
            return next((tool for tool, mode in MODES.items() if str(shapes.mode) == mode), None)
        return None

    def use(self, tool: Tool) -> None:
        """Activate a tool; on an image without layers this begins an object."""
        if tool not in self.offered():
            model = self._loader.model
            name = Message("the model") if model is None else model.traits.name
            self._tools.signals.failed.emit(
                Message(
                    "{name} takes no {tool}: choose one of {tools}, or another model.",
                    name=name,
                    tool=tool,
                    tools=", ".join(self.offered()),
                )
            )
            return
        if self._current() is None:
            self._begin()
        image_controller = self._current()
        if image_controller is None:
            return
        if isinstance(image_controller.displayed_slice, str):
            self._tools.signals.failed.emit(image_controller.displayed_slice)
            return
        layers = self._tools.viewer.layers
        if tool == "click":
            layers.selection.active = image_controller.points
            image_controller.points.mode = "add"
        else:
            shapes = image_controller.boxes.shown()
            shapes.visible = True
            layers.selection.active = shapes
            shapes.mode = MODES[tool]
            image_controller.boxes.set_defaults()
        self._tools.signals.changed.emit()

    def choose(self, tool: Tool) -> None:
        """Activate a tool as `use` does, and say what the mouse does with it."""
        self.use(tool)
        if self.in_use() == tool:
            self._tools.signals.message.emit(_WHAT_TO_DO[tool])

    def offer(self) -> tuple[str, tuple[Alternative, ...]]:
        """Return in a line or two what the model wants and what it still waits for here.

        And the masks offered for the current object on the displayed plane, best first.
        """
        # asked after every click: napari takes half a millisecond to say what is displayed
        here = self._here()
        return self._advice(here), self._answers(here)

    def _advice(self, here: tuple[Session, Plane] | None) -> str:
        model = self._loader.model
        if model is None:
            return ""
        lines = [explained(model.traits)]
        if here is None:
            return lines[0]
        session, plane = here
        given = session.prompts(plane)
        used = taken(given, model.traits)
        if used != given:
            lines.append(
                Message(
                    "Prompts here that {name} does not take are left out.", name=model.traits.name
                )
            )
        wanted = missing(used, model.traits)
        if wanted and not used.is_empty:
            lines.append(Message("Still wanted here: {wanted}.", wanted=wanted))
        return joined(lines)

    def _answers(self, here: tuple[Session, Plane] | None) -> tuple[Alternative, ...]:
        if here is None:
            return ()
        session, plane = here
        answer = session.predictor.answer(plane, session.object)
        # most models give one answer, which is no choice
        return () if answer is None or not answer.alternatives else session.alternatives_on(plane)

    def _here(self) -> tuple[Session, Plane] | None:
        """Return the displayed session and plane; None where it lacks the current object."""
        image_controller = self._current()
        if image_controller is None or image_controller.is_closed:
            return None
        now = image_controller.displayed_slice
        if isinstance(now, str):
            return None
        session = image_controller.session_store.session(now.time)
        if session is None or session.object != image_controller.session_store.object:
            return None
        return session, now.plane


class Splitter:
    """Takes the next two clicks as the two parts an object is split into.

    Parameters
    ----------
    tools : Tools
        The viewer, and the signals that tell.
    current : callable
        Returns the work on the chosen image; None without one.
    select : callable
        Makes the object of a number the current one.
    """

    def __init__(
        self,
        tools: Tools,
        current: Callable[[], ImageController | None],
        select: Callable[[int], None],
    ) -> None:
        self._viewer, self._signals = tools.viewer, tools.signals
        self._current, self._select = current, select
        self._image_controller: ImageController | None = None
        self._label = 0
        self._first: tuple[float, ...] | None = None
        self._signals.changed.connect(self._follow)

    @property
    def is_on(self) -> bool:
        """Whether the next click says where to split."""
        return self._image_controller is not None

    def begin(self, label: int | None = None) -> None:
        """Wait for two clicks in an object, the current one by default; a second call stops it."""
        image_controller = self._current()
        if self.is_on:
            self.stop()
            self._signals.message.emit(Message("Nothing is split."))
            return
        if image_controller is None or isinstance(image_controller.displayed_slice, str):
            self._signals.failed.emit(
                Message("There is no object to split yet. Click on one first.")
            )
            return
        if label is not None:
            self._select(label)
        self._label = image_controller.session_store.object
        session = image_controller.session_store.session(image_controller.time)
        if session is None or not _has_pixels(session, self._label):
            self._signals.failed.emit(
                Message(
                    "Object {label} has no pixels to split. Click on it first.", label=self._label
                )
            )
            return
        self._image_controller, self._first = image_controller, None
        # points that split are no prompts: they never reach the session
        image_controller.clicking.divert = self.click
        self._viewer.layers.selection.active = image_controller.points
        image_controller.points.mode = "add"
        self._signals.message.emit(
            Message(
                "Split object {label}: click in one part, then in the other.", label=self._label
            )
        )

    def stop(self) -> None:
        """Take clicks as prompts again."""
        image_controller, self._image_controller = self._image_controller, None
        if image_controller is not None:
            image_controller.clicking.divert = None

    def _follow(self) -> None:
        """Give up where the object or the image is another one meanwhile."""
        held = self._image_controller
        if held is None:
            return
        if (
            held.is_closed
            or held is not self._current()
            or held.session_store.object != self._label
        ):
            self.stop()

    def click(self, at: NDArray[np.float64]) -> None:
        """Take a position on the grid of the labels as a click in a part; the second one splits."""
        image_controller = self._image_controller
        if image_controller is None:
            return
        position = tuple(float(at[axis]) for axis in image_controller.image_axes.spatial)
        session = image_controller.session_store.session(image_controller.time)
        index = tuple(int(np.floor(p + 0.5)) for p in position)
        if session is None or not _holds(session, self._label, index):
            self._signals.failed.emit(
                Message(
                    "That is not in object {label}. Click inside it, once in each part.",
                    label=self._label,
                )
            )
        elif self._first is None:
            self._first = position
            self._signals.message.emit(
                Message("Now click in the other part of object {label}.", label=self._label)
            )
        else:
            first, self._first = self._first, None
            self._split(image_controller, session, first, position)

    def _split(
        self,
        image_controller: ImageController,
        session: Session,
        first: tuple[float, ...],
        second: tuple[float, ...],
    ) -> None:
        # one more than the largest on all time points, not of this session alone
        label, new = self._label, max(image_controller.session_store.labels) + 1
        # asked before anything is changed: the new number may not fit the layer's type
        if not image_controller.has_room(new):
            self.stop()
            self._signals.failed.emit(image_controller.too_large(new))
            return
        try:
            change = session.split_object(first, second, label, new)
        except PromptError as err:
            self._signals.failed.emit(told(err))
            return
        self.stop()
        image_controller.show_change(image_controller.time, session, change)
        self._signals.message.emit(
            Message("Object {label} is split: object {new} is new.", label=label, new=new)
        )


def _has_pixels(session: Session, label: int) -> bool:
    if label not in session.objects:
        return False
    canvas = session.document.canvas
    shown = (state.shown for _, state in canvas.states(label))
    return bool(canvas.painted(label)) or any(s is not None and s.inside.any() for s in shown)


def _holds(session: Session, label: int, index: tuple[int, ...]) -> bool:
    """Whether a pixel of the data belongs to an object."""
    if any(not 0 <= i < n for i, n in zip(index, session.volume.shape, strict=True)):
        return False
    flat = len(index) == 2
    plane, (row, col) = (Plane(0, 0), index) if flat else (Plane(0, index[0]), index[1:])
    return bool(session.mask_on(plane, label)[row, col])
