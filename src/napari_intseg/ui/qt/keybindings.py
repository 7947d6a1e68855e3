"""Keys for all buttons: bound in one viewer, never over a key that means something already."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import napari.layers
from napari.components import ViewerModel
from napari.layers import Layer
from napari.settings import get_settings
from napari.utils.key_bindings import USER_KEYMAP, coerce_keybinding


@dataclass(frozen=True, slots=True)
class Action:
    """A button and its key.

    Parameters
    ----------
    name : str
        Of the action; `SegmentWidget` maps it to a function.
    key : str
        As napari writes keys.
    title : str
        On the button.
    tip : str
        What it does.
    """

    name: str
    key: str
    title: str
    tip: str


ACTIONS: tuple[Action, ...] = (
    Action("new_object", "N", "New object", "Begin an object; its clicks make one label."),
    Action(
        "accept_object",
        "K",
        "Accept",
        "Lock the object against further clicks, and begin the next one.",
    ),
    Action(
        "find_more",
        "Shift-N",
        "Find more like these",
        "Look for more objects like those on this plane; each becomes an object to correct.",
    ),
    Action(
        "remove_object",
        "Shift-K",
        "Remove object",
        "Remove the current object with its clicks and its mask. Undo brings it back.",
    ),
    Action(
        "merge_objects",
        "Shift-T",
        "Merge objects",
        "Make one object of those selected in the table; it keeps the smallest number.",
    ),
    Action(
        "split_object",
        "Shift-X",
        "Split by two clicks",
        "Make two objects of one: click in one part, then in the other.",
    ),
    Action("relabel_object", "Shift-R", "New number", "Give the current object another number."),
    Action("toggle_sign", "W", "Swap signs", "Swap what a left and a right click say."),
    Action("undo", "U", "Undo", "Take back the last click, propagation or object."),
    Action("redo", "Shift-U", "Redo", "Bring back what was undone last."),
    Action(
        "undo_object",
        "Shift-Z",
        "Undo object",
        "Take back the last action for the current object alone; others stay as they are.",
    ),
    Action(
        "redo_object",
        "Shift-Y",
        "Redo object",
        "Bring back what was undone last for the current object alone.",
    ),
    Action(
        "propagate",
        "G",
        "Propagate",
        "Carry the object from the planes with clicks to their neighbours, until it ends.",
    ),
    Action(
        "propagate_all",
        "Shift-M",
        "Propagate all",
        "Carry every object that is not accepted, those found by Find more as well; one undo.",
    ),
    Action(
        "suggest_click",
        "H",
        "Suggest next click",
        "Mark where the two models disagree most; with one model, where its answer and that on "
        "the mirrored image do. The mark is no click.",
    ),
    Action(
        "suggested_clicks",
        "Shift-H",
        "Suggested clicks",
        "Go on with clicks that the model's own doubts suggest, until it is unsure. Undo takes "
        "them back one at a time.",
    ),
    Action("click_tool", "Shift-C", "Clicks", "Give clicks."),
    Action("box_tool", "Shift-B", "Box", "Drag a box round the object, from corner to corner."),
    Action(
        "scribble_tool",
        "Shift-S",
        "Scribble",
        "Draw a line on the object; with Shift, or after Swap signs, beside it.",
    ),
    Action("next_answer", "J", "Next", "Put the model's next answer in place."),
    Action("previous_answer", "Shift-J", "Previous", "Put the answer before it in place."),
    Action(
        "edit_outline",
        "Shift-E",
        "Edit as polygon",
        "Correct the object on the plane in view by moving the vertices of its outline.",
    ),
    Action("outlines", "Shift-O", "Outlines", "Show labels as outlines, or filled again."),
    Action(
        "next_plane",
        "Q",
        "Next plane to check",
        "Show the plane that is least sure: of the object, then of the others not accepted.",
    ),
    Action(
        "keyboard_cursor",
        "Shift-I",
        "Keyboard cursor",
        "Move a cursor by the arrow keys and click by Enter; once more ends it.",
    ),
    Action("queue_done", "Shift-D", "Done", "Save the labels, and open the next image."),
    Action("queue_skip", "Shift-Q", "Skip", "Open the next image; this one is passed over."),
    Action(
        "queue_next",
        "PageDown",
        "Next image",
        "Save the labels so far, and open the next image that is open; this one stays open.",
    ),
    Action(
        "queue_previous",
        "PageUp",
        "Previous image",
        "Save the labels so far, and open the image before.",
    ),
    Action("cancel", "Shift-G", "Cancel", "Stop what is under way; what is done is kept."),
)
"""Keys that mean nothing to napari's viewer or any of its layers."""


class Keys:
    """Keys of one viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Only its own keymap is changed.
    calls : mapping of str to callable
        What each action does.

    Attributes
    ----------
    taken : tuple of Action
        Those whose key means something already; they are left alone.
    """

    def __init__(self, viewer: ViewerModel, calls: dict[str, Callable[[], object]]) -> None:
        self._viewer = viewer
        self._bound: dict[Any, Callable[[Any], None]] = {}
        used = used_keys(viewer)
        taken = []
        for action in ACTIONS:
            key = coerce_keybinding(action.key)
            if str(key) in used:
                taken.append(action)
                continue
            self._bound[key] = _without_viewer(calls[action.name])
            viewer.bind_key(key, self._bound[key])
        self.taken = tuple(taken)

    def close(self) -> None:
        """Unbind what was bound, unless someone has bound it anew since."""
        for key, call in self._bound.items():
            if self._viewer.keymap.get(key) is call:
                self._viewer.bind_key(key, None)
        self._bound.clear()


def used_keys(viewer: ViewerModel) -> set[str]:
    """Return every key that means something to the user, napari, the viewer or a layer."""
    kinds = [
        k for k in vars(napari.layers).values() if isinstance(k, type) and issubclass(k, Layer)
    ]
    keymaps: list[Iterable[Any]] = [USER_KEYMAP, viewer.keymap]
    for kind in [*kinds, *type(viewer).__mro__]:
        keymaps.append(getattr(kind, "class_keymap", {}))
    keymaps.extend(layer.keymap for layer in viewer.layers)
    keymaps.extend(get_settings().shortcuts.shortcuts.values())
    return {str(coerce_keybinding(key)) for keys in keymaps for key in keys if key is not ...}


def _without_viewer(call: Callable[[], object]) -> Callable[[Any], None]:
    def press(_viewer: Any) -> None:
        call()

    return press
