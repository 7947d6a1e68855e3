"""The tool of the mouse: clicks, box or scribble, of those that the model takes."""

from typing import TYPE_CHECKING, Literal

from napari_intseg.core.segmenter import explained, missing, taken
from napari_intseg.ui.layers.shapes import MODES

if TYPE_CHECKING:
    from napari_intseg.ui.controllers.viewer_controller import ViewerController

Tool = Literal["click", "box", "scribble"]
TOOLS: tuple[Tool, ...] = ("click", "box", "scribble")


def offered(controller: "ViewerController") -> tuple[Tool, ...]:
    """Return the tools whose prompts the model takes; clicks before a model is loaded."""
    model = controller.loader.model
    if model is None:
        return ("click",)
    kinds = model.traits.prompts
    return tuple(t for t in TOOLS if t in kinds or (t == "click" and "extreme_points" in kinds))


def in_use(controller: "ViewerController") -> Tool | None:
    """Return the active tool; None if another layer or mode is active."""
    image_controller = controller.image_controller
    if image_controller is None or image_controller.is_closed:
        return None
    active = controller.viewer.layers.selection.active  # in a window a stand-in, which is equal
    if active == image_controller.points and str(image_controller.points.mode) == "add":
        return "click"
    shapes = image_controller.boxes.layer
    if shapes is not None and active == shapes:
        return next((tool for tool, mode in MODES.items() if str(shapes.mode) == mode), None)
    return None


def use(controller: "ViewerController", tool: Tool) -> None:
    """Activate a tool; on an image without layers this begins an object."""
    if tool not in offered(controller):
        model = controller.loader.model
        name = "the model" if model is None else model.traits.name
        controller.signals.failed.emit(
            f"{name} takes no {tool}: choose one of {', '.join(offered(controller))}, "
            "or another model."
        )
        return
    if controller.image_controller is None:
        controller.new_object()
    image_controller = controller.image_controller
    if image_controller is None:
        return
    if isinstance(image_controller.displayed_slice, str):
        controller.signals.failed.emit(image_controller.displayed_slice)
        return
    layers = controller.viewer.layers
    if tool == "click":
        layers.selection.active = image_controller.points
        image_controller.points.mode = "add"
    else:
        shapes = image_controller.boxes.shown()
        shapes.visible = True
        layers.selection.active = shapes
        shapes.mode = MODES[tool]
        image_controller.boxes.set_defaults()
    controller.signals.changed.emit()


def advice(controller: "ViewerController") -> str:
    """Return in a line or two what the model wants, and what it still waits for here."""
    model = controller.loader.model
    if model is None:
        return ""
    lines = [explained(model.traits)]
    image_controller = controller.image_controller
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
        lines.append(f"Prompts here that {model.traits.name} does not take are left out.")
    wanted = missing(used, model.traits)
    if wanted and not used.is_empty:
        lines.append(f"Still wanted here: {wanted}.")
    return " ".join(lines)
