"""The tool of the mouse: clicks, box or scribble, of those that the model takes."""

from collections.abc import Callable
from typing import Literal

from napari_intseg.core.segmenter import explained, missing, taken
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.controllers.model_loader import Loader
from napari_intseg.ui.layers.shapes import MODES
from napari_intseg.ui.messages import Message, joined

Tool = Literal["click", "box", "scribble"]
TOOLS: tuple[Tool, ...] = ("click", "box", "scribble")


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

    def advice(self) -> str:
        """Return in a line or two what the model wants, and what it still waits for here."""
        model = self._loader.model
        if model is None:
            return ""
        lines = [explained(model.traits)]
        image_controller = self._current()
        now = (
            None
            if image_controller is None or image_controller.is_closed
            else image_controller.displayed_slice
        )
        if image_controller is None or now is None or isinstance(now, str):
            return lines[0]
        session = image_controller.session_store.session(now.time)
        if session is None or session.object != image_controller.session_store.object:
            return lines[0]
        given = session.prompts(now.plane)
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
