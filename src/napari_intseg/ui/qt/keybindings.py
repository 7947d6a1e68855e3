"""Keys for all buttons: bound in one viewer, never over a key that means something already.

Keys and the wheel go to the canvas, unless a person works in a control of the panel.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import napari.layers
from app_model.types import KeyCode
from napari.components import ViewerModel
from napari.layers import Layer
from napari.settings import get_settings
from napari.utils.key_bindings import USER_KEYMAP, coerce_keybinding
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QPainter, QPalette, QPen
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QMainWindow,
    QProgressBar,
    QTabBar,
    QTableView,
    QWidget,
)

from napari_intseg.ui.messages import to_translate

_log = logging.getLogger(__name__)


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
    Action(
        "new_object",
        "N",
        to_translate("New object"),
        to_translate("Begin an object; its clicks make one label."),
    ),
    Action(
        "accept_object",
        "K",
        to_translate("Accept"),
        to_translate("Lock the object against further clicks, and go on to the next one."),
    ),
    Action(
        "find_more",
        "Shift-N",
        to_translate("Find more like these"),
        to_translate(
            "Look for more objects like those on this plane; each becomes an object to correct."
        ),
    ),
    Action(
        "remove_object",
        "Shift-K",
        to_translate("Remove object"),
        to_translate(
            "Remove the current object with its clicks and its mask. Undo brings it back."
        ),
    ),
    Action(
        "merge_objects",
        "Shift-T",
        to_translate("Merge objects"),
        to_translate(
            "Make one object of those selected in the table; it keeps the smallest number."
        ),
    ),
    Action(
        "split_object",
        "Shift-X",
        to_translate("Split by two clicks"),
        to_translate("Make two objects of one: click in one part, then in the other."),
    ),
    Action(
        "relabel_object",
        "Shift-R",
        to_translate("New number"),
        to_translate("Give the current object another number."),
    ),
    Action(
        "toggle_sign",
        "W",
        to_translate("Swap signs"),
        to_translate("Swap what a left and a right click say."),
    ),
    Action(
        "undo",
        "U",
        to_translate("Undo"),
        to_translate("Take back the last click, propagation or object."),
    ),
    Action(
        "redo", "Shift-U", to_translate("Redo"), to_translate("Bring back what was undone last.")
    ),
    Action(
        "undo_object",
        "Shift-Z",
        to_translate("Undo object"),
        to_translate(
            "Take back the last action for the current object alone; others stay as they are."
        ),
    ),
    Action(
        "redo_object",
        "Shift-Y",
        to_translate("Redo object"),
        to_translate("Bring back what was undone last for the current object alone."),
    ),
    Action(
        "propagate",
        "G",
        to_translate("Propagate"),
        to_translate(
            "Carry the object from the planes with clicks to their neighbours, until it ends."
        ),
    ),
    Action(
        "propagate_all",
        "Shift-M",
        to_translate("Propagate all"),
        to_translate(
            "Carry every object that is not accepted, those found by Find more as well; one undo."
        ),
    ),
    Action(
        "suggest_click",
        "H",
        to_translate("Suggest next click"),
        to_translate(
            "Mark where the two models disagree most; with one model, where its answer and "
            "that on the mirrored image do. The mark is no click."
        ),
    ),
    Action(
        "suggested_clicks",
        "Shift-H",
        to_translate("Suggested clicks"),
        to_translate(
            "Go on with clicks that the model's own doubts suggest, until it is unsure. "
            "Undo takes them back one at a time."
        ),
    ),
    Action("click_tool", "Shift-C", to_translate("Clicks"), to_translate("Give clicks.")),
    Action(
        "box_tool",
        "Shift-B",
        to_translate("Box"),
        to_translate("Drag a box round the object, from corner to corner."),
    ),
    Action(
        "scribble_tool",
        "Shift-S",
        to_translate("Scribble"),
        to_translate("Draw a line on the object; with Shift, or after Swap signs, beside it."),
    ),
    Action(
        "lasso_tool",
        "Shift-F",
        to_translate("Lasso"),
        to_translate(
            "Draw a closed line round the object; with Shift, or after Swap signs, round what does "
            "not belong to it."
        ),
    ),
    Action(
        "next_answer",
        "J",
        to_translate("Next"),
        to_translate("Put the model's next answer in place."),
    ),
    Action(
        "previous_answer",
        "Shift-J",
        to_translate("Previous"),
        to_translate("Put the answer before it in place."),
    ),
    Action(
        "edit_outline",
        "Shift-E",
        to_translate("Edit as polygon"),
        to_translate(
            "Correct the object on the plane in view by moving the vertices of its outline."
        ),
    ),
    Action(
        "outlines",
        "Shift-O",
        to_translate("Outlines"),
        to_translate("Show labels as outlines, or filled again."),
    ),
    Action(
        "next_plane",
        "Q",
        to_translate("Next plane to check"),
        to_translate(
            "Show the plane that is least sure: of the object, then of the others not accepted."
        ),
    ),
    Action(
        "keyboard_cursor",
        "Shift-I",
        to_translate("Keyboard cursor"),
        to_translate("Move a cursor by the arrow keys and click by Enter; once more ends it."),
    ),
    Action(
        "go_to_panel",
        "F6",
        to_translate("Go to the panel"),
        to_translate(
            "Take the keys to the panel, where they were last; once more, or Escape, takes them "
            "back to the image."
        ),
    ),
    Action(
        "queue_done",
        "Shift-D",
        to_translate("Done"),
        to_translate("Save the labels, and open the next image."),
    ),
    Action(
        "queue_skip",
        "Shift-Q",
        to_translate("Skip"),
        to_translate(
            "Open the next image; of this one nothing is saved, and it is not asked for again."
        ),
    ),
    Action(
        "queue_next",
        "PageDown",
        to_translate("Next image"),
        to_translate(
            "Save the labels so far, and open the next image that is open; this one stays open."
        ),
    ),
    Action(
        "queue_previous",
        "PageUp",
        to_translate("Previous image"),
        to_translate("Save the labels so far, and open the image before."),
    ),
    Action(
        "cancel",
        "Shift-G",
        to_translate("Cancel"),
        to_translate("Stop what is under way; what is done is kept."),
    ),
)
"""All actions. Their keys mean nothing to napari's viewer or any of its layers; a test asks
`used_keys`. No key has Control or Alt, which windows and menus use."""


class Keys:
    """Keys of one viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Only its own keymap is changed.
    calls : mapping of str to callable
        What each action does.

    chosen : mapping of str to str, optional
        Other keys than the usual ones, by action; an empty one for none. What is no key is logged,
        and the usual one stays.

    Attributes
    ----------
    keys : dict of str to str
        The key of each action, as napari writes keys; empty where it has none.
    taken : tuple of Action
        Those whose key means something already; they are left alone.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        calls: dict[str, Callable[[], object]],
        chosen: Mapping[str, str] | None = None,
    ) -> None:
        self._viewer = viewer
        self._bound: dict[Any, Callable[[Any], None]] = {}
        self.keys = {action.name: _key(action, chosen or {}) for action in ACTIONS}
        used = used_keys(viewer)
        taken = []
        for action in ACTIONS:
            if not self.keys[action.name]:
                continue
            key = coerce_keybinding(self.keys[action.name])
            if str(key) in used:
                taken.append(action)
                continue
            # two actions may have been given the same key: the first in the list has it
            used.add(str(key))
            self._bound[key] = _without_viewer(calls[action.name])
            # bound in this viewer alone: a keymap of the class
            # would hold in every window of the program
            viewer.bind_key(key, self._bound[key])
        self.taken = tuple(taken)

    def close(self) -> None:
        """Unbind what was bound, unless someone has bound it anew since."""
        for key, call in self._bound.items():
            # a key that somebody else has bound since is theirs
            if self._viewer.keymap.get(key) is call:
                self._viewer.bind_key(key, None)
        self._bound.clear()


def _key(action: Action, chosen: Mapping[str, str]) -> str:
    """Return the key that is chosen for an action, if it is one."""
    key = chosen.get(action.name, action.key)
    try:
        # an empty text means no key, and is right: what is checked then is the usual one
        parts = coerce_keybinding(key or action.key).parts
        if any(part.key == KeyCode.UNKNOWN for part in parts):  # napari takes any word
            raise ValueError("no such key")
    except (ValueError, KeyError, TypeError) as err:
        _log.warning(
            "key of %s: expected one as napari writes them, such as Shift-N, got %r (%s); %s is "
            "used", action.name, key, err, action.key,
        )  # fmt: skip
        return action.key
    return key


def used_keys(viewer: ViewerModel) -> set[str]:
    """Return every key that means something to the user, napari, the viewer or a layer."""
    kinds = [
        k for k in vars(napari.layers).values() if isinstance(k, type) and issubclass(k, Layer)
    ]
    # napari looks in all of these when a key is pressed, and takes the first that has it
    keymaps: list[Iterable[Any]] = [USER_KEYMAP, viewer.keymap]
    for kind in [*kinds, *type(viewer).__mro__]:
        keymaps.append(getattr(kind, "class_keymap", {}))
    keymaps.extend(layer.keymap for layer in viewer.layers)
    keymaps.extend(get_settings().shortcuts.shortcuts.values())
    # `...` is napari's sign for all other keys
    return {str(coerce_keybinding(key)) for keys in keymaps for key in keys if key is not ...}


def _without_viewer(call: Callable[[], object]) -> Callable[[Any], None]:
    # napari hands the viewer to what is bound, the actions take nothing
    def press(_viewer: Any) -> None:
        call()

    return press


_TURNED = (QComboBox, QAbstractSpinBox, QAbstractSlider, QTabBar)
"""What a turn of the wheel would change."""

_PLAIN = (QLabel, QAbstractButton, QProgressBar)
"""What the wheel does not change, and what holds no control."""

_WATCHED = "napari-intseg watched"
"""The Qt property that marks a widget as watched."""

_BY_HAND = (QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress)
"""What a person begins a choice with."""


class _Ring(QWidget):  # type: ignore[misc, unused-ignore]
    """Shows which control has the keyboard: napari's style marks next to none of them.

    It lies in the control, so that it moves, scrolls and goes with it.
    """

    def __init__(self, control: QWidget) -> None:
        super().__init__(control)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        # napari's style fills the ground of plain widgets when the theme changes
        self.setStyleSheet("background: transparent")
        self.setGeometry(control.rect())
        control.installEventFilter(self)
        self.show()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Stay as large as the control; called by Qt."""
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(watched.rect())
        return False

    def paintEvent(self, _event: Any) -> None:
        """Draw a line in the colour of the theme's text; called by Qt."""
        painter = QPainter(self)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.WindowText), 2))
        painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()


class Focus(QObject):  # type: ignore[misc, unused-ignore]
    """Keeps the wheel from controls without the focus, and gives the focus back to the canvas.

    A choice is made: a box has chosen, a button was pressed, a number was entered. From then on the
    keys are those of the canvas again. What was chosen or ticked by a key keeps the focus: whoever
    has no mouse goes on from there, and goes back by Escape. A ring shows where it is.

    Parameters
    ----------
    panel : QWidget
        All controls in it are watched, those that are made later as well.
    """

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        self._ring: _Ring | None = None
        # the control that had the focus last, and whether a key is what it was told last
        self._last: QWidget | None = None
        self._is_by_key = False
        self._watch(panel)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._moved)

    def move(self) -> None:
        """Take the focus into the panel, where it was last; back to the canvas if it is there."""
        if self._is_inside(QApplication.focusWidget()):
            self._give_back()
            return
        one = self._last if self._can_have_it(self._last) else self._first()
        if one is not None:
            # by this reason lists and fields show that they have it, as after Tab
            one.setFocus(Qt.FocusReason.TabFocusReason)

    def give_back(self, *_: object) -> None:
        """Give the focus to the canvas of the window, once what happens now is done."""
        # later: Qt itself moves the focus at the end of the event that is being handled
        QTimer.singleShot(0, self._give_back)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Pass the wheel on, and watch what is new; called by Qt."""
        kind = event.type()
        if kind == QEvent.Type.Wheel and isinstance(watched, _TURNED) and not watched.hasFocus():
            # so that what is around it scrolls
            event.ignore()
            return True
        if kind in _BY_HAND:
            self._is_by_key = kind == QEvent.Type.KeyPress
            # what a control makes nothing of comes up to the panel
            if watched is self._panel and self._is_by_key and event.key() == Qt.Key.Key_Escape:
                self._give_back()
                return True
        if kind == QEvent.Type.ChildPolished:
            self._watch_children(watched)
        return False

    def _moved(self, _before: QWidget | None, now: QWidget | None) -> None:
        ring, self._ring = self._ring, None
        # what is taken apart may have the focus until then
        with suppress(RuntimeError):
            if ring is not None:
                ring.hide()
                ring.deleteLater()
        with suppress(RuntimeError):
            if now is not None and self._is_inside(now):
                self._ring = _Ring(now)
                if not _is_cell(now):
                    self._last = now

    def _is_inside(self, one: QWidget | None) -> bool:
        return one is not None and self._panel.isAncestorOf(one)

    def _can_have_it(self, one: QWidget | None) -> bool:
        try:
            return one is not None and one.isVisible() and one.isEnabled()
        except RuntimeError:
            # it is gone meanwhile
            return False

    def _first(self) -> QWidget | None:
        one = self._panel.nextInFocusChain()
        while one is not None and one is not self._panel:
            takes_it = one.focusPolicy() & Qt.FocusPolicy.TabFocus
            if takes_it and self._is_inside(one) and self._can_have_it(one):
                return one
            one = one.nextInFocusChain()
        return None

    def _watch_children(self, parent: QObject) -> None:
        # the event would name the child, but its Python object may be of another class: PyQt gives
        # what is still kept of an earlier event at the same address
        for child in parent.children():
            if isinstance(child, QWidget) and not child.property(_WATCHED):
                self._watch(child)

    def _watch(self, widget: QWidget) -> None:
        for one in (widget, *widget.findChildren(QWidget)):
            if one.property(_WATCHED):
                continue
            one.setProperty(_WATCHED, True)
            # of these the events are many, as at every answer, and none is about wheel or children
            if not isinstance(one, _PLAIN) or _is_ticked(one):
                one.installEventFilter(self)
            self._hear(one)

    def _hear(self, one: QWidget) -> None:
        """Give the focus back after what a person does with a control."""
        if isinstance(one, _TURNED):
            # the wheel gives no focus
            one.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if isinstance(one, QComboBox):
            one.activated.connect(self._chosen)
        elif isinstance(one, QAbstractButton):
            one.clicked.connect(self._chosen if _is_ticked(one) else self.give_back)
        elif isinstance(one, QTabBar):
            one.tabBarClicked.connect(self.give_back)
        elif isinstance(one, QTableView | QListWidget):
            # arrows go through rows; Tab goes on, or the keyboard alone could not leave
            one.setTabKeyNavigation(False)
            one.clicked.connect(self.give_back)
            delegate = one.itemDelegate()
            if delegate is not None:
                # after a name was typed, and not with the click that opened the editor
                delegate.closeEditor.connect(self.give_back)
        elif isinstance(one, QAbstractSpinBox):
            # `lineEdit` is protected, and out of reach where Qt itself made the box, as in dialogs
            editor = one.findChild(QLineEdit)
            if editor is not None:
                editor.returnPressed.connect(self.give_back)

    def _chosen(self, *_: object) -> None:
        # a script that presses has told it nothing
        is_by_key, self._is_by_key = self._is_by_key, False
        if not is_by_key:
            self.give_back()

    def _give_back(self) -> None:
        try:
            window = self._panel.window()
            canvas = canvas_of(window)
            is_typing = _is_cell(QApplication.focusWidget())
        except RuntimeError:
            # the panel is gone meanwhile
            return
        if is_typing:
            return
        if canvas is not None and window is not None and window.isVisible():
            canvas.setFocus(Qt.FocusReason.OtherFocusReason)


def _is_ticked(one: QWidget) -> bool:
    """Whether a press leaves a button pressed: a tick, a heading, a tool."""
    return isinstance(one, QAbstractButton) and one.isCheckable()


def _is_cell(focused: QWidget | None) -> bool:
    """Whether a person types into a cell of a table."""
    if not isinstance(focused, QLineEdit):
        return False
    above = focused.parentWidget()
    return above is not None and isinstance(above.parentWidget(), QTableView)


def canvas_of(window: QWidget | None) -> QWidget | None:
    """Return the canvas in a window of napari; None if there is none.

    napari has no public way to it; its central widget passes keys on to the canvas it holds.
    """
    if not isinstance(window, QMainWindow):
        return None
    centre = window.centralWidget()
    if centre is None:
        return None
    inside = [
        one
        for one in centre.findChildren(QWidget)
        # by its name: the class is another one under each binding and backend of vispy
        if one.inherits("QOpenGLWidget") and one.isVisible()
    ]
    return inside[0] if inside else centre
