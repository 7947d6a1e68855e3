"""What the mouse gives: clicks, a box or a scribble; only what the model takes."""

from typing import TYPE_CHECKING, Literal

from napari_intseg.core.taking import explained, missing, taken
from napari_intseg.ui.boxes import MODES

if TYPE_CHECKING:
    from napari_intseg.ui.workbench import Workbench

Tool = Literal["click", "box", "scribble"]
TOOLS: tuple[Tool, ...] = ("click", "box", "scribble")


def offered(bench: "Workbench") -> tuple[Tool, ...]:
    """Return the tools for what the model takes; clicks alone before there is a model."""
    model = bench.loader.model
    if model is None:
        return ("click",)
    kinds = model.traits.prompts
    return tuple(t for t in TOOLS if t in kinds or (t == "click" and "extreme_points" in kinds))


def in_use(bench: "Workbench") -> Tool | None:
    """Return which tool the mouse has now, None if another layer or mode is chosen."""
    binder = bench.binder
    if binder is None or binder.is_closed:
        return None
    active = bench.viewer.layers.selection.active  # in a window a stand-in, which is equal
    if active == binder.points and str(binder.points.mode) == "add":
        return "click"
    shapes = binder.boxes.layer
    if shapes is not None and active == shapes:
        return next((tool for tool, mode in MODES.items() if str(shapes.mode) == mode), None)
    return None


def use(bench: "Workbench", tool: Tool) -> None:
    """Take a tool; the first one on an image begins an object."""
    if tool not in offered(bench):
        model = bench.loader.model
        name = "the model" if model is None else model.traits.name
        bench.voice.failed.emit(
            f"{name} takes no {tool}: choose one of {', '.join(offered(bench))}, or another model."
        )
        return
    if bench.binder is None:
        bench.new_object()
    binder = bench.binder
    if binder is None:
        return
    if isinstance(binder.viewed, str):
        bench.voice.failed.emit(binder.viewed)
        return
    layers = bench.viewer.layers
    if tool == "click":
        layers.selection.active = binder.points
        binder.points.mode = "add"
    else:
        shapes = binder.boxes.shown()
        shapes.visible = True
        layers.selection.active = shapes
        shapes.mode = MODES[tool]
        binder.boxes.set_defaults()
    bench.voice.changed.emit()


def advice(bench: "Workbench") -> str:
    """Return in a line or two what the model wants, and what it still waits for here."""
    model = bench.loader.model
    if model is None:
        return ""
    lines = [explained(model.traits)]
    binder = bench.binder
    now = None if binder is None or binder.is_closed else binder.viewed
    if binder is None or now is None or isinstance(now, str):
        return lines[0]
    session = binder.drawer.session(now.time)
    if session is None or session.object != binder.drawer.object:
        return lines[0]
    given = session.prompts(now.plane)
    used = taken(given, model.traits)
    if used != given:
        lines.append(f"Prompts here that {model.traits.name} does not take are left out.")
    wanted = missing(used, model.traits)
    if wanted and not used.is_empty:
        lines.append(f"Still wanted here: {wanted}.")
    return " ".join(lines)
