"""What the window does, as commands: napari's palette and other plugins find them by name.

Each acts on the widget of the current viewer, and opens it where there is none.
"""

from collections.abc import Callable
from typing import Any

from napari import current_viewer

from napari_intseg.ui.dock import SegmentWidget, find_widget


def widget_of(viewer: Any = None) -> SegmentWidget | None:
    """Return the widget of a viewer, opened if it is not; None where there is no window.

    Parameters
    ----------
    viewer : Viewer, optional
        The current one by default.
    """
    viewer = current_viewer() if viewer is None else viewer
    if viewer is None:
        return None
    # the one that is there, so that a command never opens a second panel
    found = find_widget(viewer)
    if found is None and hasattr(viewer, "window"):
        _, found = viewer.window.add_plugin_dock_widget("napari-intseg")
    return found


def _command(name: str) -> Callable[[], None]:
    def act() -> None:
        widget = widget_of()
        if widget is not None:
            widget.do(name)

    # npe2 finds commands by name
    act.__name__ = name
    act.__doc__ = f"Do {name!r} of `ACTIONS` in the current viewer."
    return act


new_object = _command("new_object")
accept_object = _command("accept_object")
find_more = _command("find_more")
remove_object = _command("remove_object")
merge_objects = _command("merge_objects")
split_object = _command("split_object")
relabel_object = _command("relabel_object")
toggle_sign = _command("toggle_sign")
undo = _command("undo")
redo = _command("redo")
undo_object = _command("undo_object")
redo_object = _command("redo_object")
propagate = _command("propagate")
propagate_all = _command("propagate_all")
suggest_click = _command("suggest_click")
suggested_clicks = _command("suggested_clicks")
click_tool = _command("click_tool")
box_tool = _command("box_tool")
scribble_tool = _command("scribble_tool")
lasso_tool = _command("lasso_tool")
next_answer = _command("next_answer")
previous_answer = _command("previous_answer")
edit_outline = _command("edit_outline")
outlines = _command("outlines")
next_plane = _command("next_plane")
keyboard_cursor = _command("keyboard_cursor")
go_to_panel = _command("go_to_panel")
queue_done = _command("queue_done")
queue_skip = _command("queue_skip")
queue_next = _command("queue_next")
queue_previous = _command("queue_previous")
open_queue = _command("open_queue")
export_queue = _command("export_queue")
learn_objects = _command("learn_objects")
cancel = _command("cancel")
export_labels = _command("export_labels")
export_measurements = _command("export_measurements")
all_models = _command("all_models")
show_object = _command("show_object")
link_through_time = _command("link_through_time")
