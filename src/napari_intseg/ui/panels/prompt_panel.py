"""What is done again and again, and the tools to give what the model wants.

Always in sight: begin, accept, undo, redo, sign, propagate. With the tools come further answers,
and the outline as polygon.
"""

from collections.abc import Container
from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_intseg.ui.controllers.clicks import told_offer
from napari_intseg.ui.controllers.mouse_tools import TOOLS, Tool
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import COLOURS
from napari_intseg.ui.layers.points_listener import MODIFIER
from napari_intseg.ui.panels.controls import Buttons
from napari_intseg.ui.qt.translation import tr, translated

# the arrow with what is free beside it, wide enough for a mouse
_ARROW_PX = 24
_ROUND_TEXT_PX = 16
"""What napari's style keeps free round the text of a button."""


class ActionPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """The buttons that are needed at every object; propagation is there for volumes.

    Attributes
    ----------
    new, accept, undo, redo, swap, propagate : QPushButton
        In sight.
    undo_object, redo_object : QPushButton
        For the current object alone; the dock puts them among the rarer things.
    """

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.new, self.accept = buttons.make("new_object"), buttons.make("accept_object")
        self.undo, self.redo = buttons.make("undo"), buttons.make("redo")
        self.swap = buttons.make("toggle_sign")
        self._swap_key = buttons.key_of("toggle_sign")
        self.propagate = buttons.make("propagate")
        # what the buttons say when there is nothing to name; `_name` changes it
        self._words = {
            action: (button.text(), button.toolTip())
            for action, button in (("undo", self.undo), ("redo", self.redo))
        }
        self._keys = {action: buttons.key_of(action) for action in self._words}
        # a longer title makes nothing wider
        for button in (self.undo, self.redo):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.undo_object = buttons.make("undo_object")
        self.redo_object = buttons.make("redo_object")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        rows = ((self.new, self.accept), (self.undo, self.redo), (self.swap, self.propagate))
        for row, pair in enumerate(rows):
            for column, button in enumerate(pair):
                layout.addWidget(button, row, column)
        # both columns equally wide, whatever a button says
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)
        # what the buttons say now, and for which width
        self._named: dict[str, tuple[str, int]] = {}
        controller.signals.changed.connect(self._show)
        controller.signals.edited.connect(self._show_steps)
        self._show()
        self._show_steps()

    def _show(self) -> None:
        controller, image_controller = self._controller, self._controller.image_controller
        model = controller.loader.model
        # while a model is being loaded the panel looks as for most of them, so that nothing jumps
        kinds = {"click"} if model is None else set(model.traits.prompts)
        self.swap.setVisible(bool({"click", "scribble", "lasso"} & kinds))
        # a person may have swapped the signs by key
        self._show_sign(controller.positive)
        self.new.setEnabled(controller.image is not None)
        self.accept.setEnabled(image_controller is not None)
        self.propagate.setVisible(is_volume(controller))
        self.propagate.setEnabled(image_controller is not None and not controller.is_propagating)

    def _show_steps(self) -> None:
        """Show what can be undone and done again."""
        controller, here = self._controller, self._controller.image_controller
        for button, alone, action in (
            (self.undo, self.undo_object, "undo"),
            (self.redo, self.redo_object, "redo"),
        ):
            button.setEnabled(controller.can(action))
            alone.setEnabled(here is not None and here.can(action, here.session_store.object))
            self._name(button, action)

    def _name(self, button: QPushButton, action: str) -> None:
        """Say on a button what it would take or bring back, where there is room."""
        english, (plain, tip) = self._controller.title_of(action), self._words[action]
        # the same words after most clicks, and Qt tells the whole window of new ones
        named_before, self._named[action] = self._named.get(action), (english, button.width())
        if named_before == self._named[action]:
            return
        title = translated(english)
        if not title:
            self._fit(button, plain, plain, action)
            button.setToolTip(tip)
            button.setAccessibleName(tr("Undo") if action == "undo" else tr("Redo"))
            return
        # not every language has small nouns
        what = title.lower() if title == english else title
        named = tr("Undo {what}", what=what) if action == "undo" else tr("Redo {what}", what=what)
        full = named + self._keys[action]
        self._fit(button, full, plain, action)
        words = {
            "undo": tr("Undo: {title}.", title=title),
            "redo": tr("Redo: {title}.", title=title),
        }
        button.setToolTip(f"{words[action]}\n{tip}")
        button.setAccessibleName(named)

    def _fit(self, button: QPushButton, full: str, plain: str, action: str) -> None:
        """Put the longest words on a button that it has room for; the key may go last."""
        room = button.width() - _ROUND_TEXT_PX
        forms = (full, plain, plain.removesuffix(self._keys[action]))
        widths = [button.fontMetrics().horizontalAdvance(form) for form in forms]
        # from the longest to the shortest; the tooltip has the whole in any case
        fitting = [form for form, width in zip(forms, widths, strict=True) if width <= room]
        button.setText(fitting[0] if fitting else forms[-1])

    def resizeEvent(self, event: Any) -> None:
        """Choose words that fit the new width; called by Qt."""
        super().resizeEvent(event)
        self._show_steps()

    def _show_sign(self, positive: bool) -> None:
        sign, other = ("+", "−") if positive else ("−", "+")
        self.swap.setText(tr("Left click: {sign}", sign=sign) + self._swap_key)
        # said by the sign as well: colours are not told apart by everybody
        # beside the words: on the buttons of the light theme words in green could not be read
        self.swap.setStyleSheet(f"border-left: 4px solid {COLOURS[positive]}")
        words = {"+": tr("belongs to the object"), "−": tr("does not belong to the object")}
        # buttons write keys as " (W)"
        key = self._swap_key.strip(" ()")
        lines = [
            tr("{sign} left click: {meaning}.", sign=sign, meaning=words[sign]),
            tr(
                "{sign} right click, or {modifier} + left click: {meaning}.",
                sign=other,
                modifier=MODIFIER,
                meaning=words[other],
            ),
            tr("Press to swap the two."),
        ]
        self.swap.setToolTip("\n".join([*lines, *([tr("Key: {key}", key=key)] if key else [])]))


def is_volume(controller: ViewerController) -> bool:
    """Whether what is worked on, or would be, has planes to propagate to."""
    image_controller = controller.image_controller
    if image_controller is not None:
        return len(image_controller.image_axes.spatial) == 3
    return controller.image is not None and "z" in controller.axes


class RoundButton(QPushButton):  # type: ignore[misc, unused-ignore]
    """One button for what is drawn round an object: the box, or the lasso, as its arrow says.

    It stays at what was used last.

    Attributes
    ----------
    tool : {"box", "lasso"}
        What a press gives.
    """

    def __init__(self, buttons: Buttons) -> None:
        super().__init__()
        self._single: dict[Tool, QPushButton] = {
            tool: buttons.make(f"{tool}_tool") for tool in ("box", "lasso")
        }
        self._plain: dict[Tool, str] = {
            tool: buttons.make(f"{tool}_tool", with_key=False).text() for tool in self._single
        }
        self.tool: Tool = "box"
        self._choices = QMenu(self)
        for one in self._single.values():
            # the words of the button, with its key
            self._choices.addAction(one.text(), one.click)
        self._has_choice = False
        self.clicked.connect(lambda _checked: self._single[self.tool].click())
        self._name()

    def offer(self, offered: Container[Tool]) -> None:
        """Have only what the model takes; the button is hidden by whoever shows the tools."""
        taken = [tool for tool in self._single if tool in offered]
        self._has_choice = len(taken) > 1
        if taken and self.tool not in taken:
            self.tool = taken[0]
        self._name()

    def show_use(self, now: Tool | None) -> None:
        """Show which tool is in use; another than its own leaves its words as they are."""
        if now in self._single:
            self.tool = now
            self._name()
        self.setChecked(now in self._single)

    def choices(self) -> QMenu | None:
        """Return the menu of what it can give; None if there is no choice."""
        return self._choices if self._has_choice else None

    def mousePressEvent(self, event: Any) -> None:
        """Open the menu where the arrow is; called by Qt."""
        if self._has_choice and event.position().x() > self.width() - _ARROW_PX:
            self._open_choices()
        else:
            super().mousePressEvent(event)

    def keyPressEvent(self, event: Any) -> None:
        """Open the menu by the down key; called by Qt."""
        if self._has_choice and event.key() == Qt.Key.Key_Down:
            self._open_choices()
        else:
            super().keyPressEvent(event)

    def _open_choices(self) -> None:
        # not `exec`, which would wait in here
        self._choices.popup(self.mapToGlobal(self.rect().bottomLeft()))

    def _name(self) -> None:
        shown = self._single[self.tool]
        self.setText(self._plain[self.tool] + (" ▾" if self._has_choice else ""))
        self.setToolTip(shown.toolTip())
        self.setAccessibleName(self._plain[self.tool])


class PromptPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Offers only what the model takes and what there is.

    Attributes
    ----------
    advice : QLabel
        What is still wanted. It comes and goes with clicks: the dock puts it last, so that nothing
        moves.
    """

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        # beside each other, and so without their keys: three must fit in a narrow panel
        self.round = RoundButton(buttons)
        self.tools: dict[Tool, QAbstractButton] = {
            tool: self.round if tool == "box" else buttons.make(f"{tool}_tool", with_key=False)
            for tool in TOOLS
            if tool != "lasso"
        }
        self.previous, self.next = buttons.make("previous_answer"), buttons.make("next_answer")
        self.answer = QLabel()
        self.answer.setToolTip(
            tr("Which of the model's answers is in place, and how good it thinks.")
        )
        self.edit = buttons.make("edit_outline")
        self.follow = QCheckBox(tr("neighbours follow"))
        self.follow.setToolTip(
            tr(
                "The vertices beside one that is moved go with it, and to the edge of the "
                "image there."
            )
        )
        # read when a vertex is moved; nothing has to be done at once
        self.follow.toggled.connect(
            lambda on: setattr(controller.outliner, "neighbours_follow", on)
        )
        self.done = QPushButton(tr("Done with the outline"))
        self.done.setToolTip(tr("Take the polygon away; the mask stays as it is."))
        self.done.clicked.connect(lambda _checked: controller.outliner.finish())
        self._lay_out()
        controller.signals.changed.connect(self._show)
        controller.signals.edited.connect(self._show_given)
        controller.signals.drawn.connect(self._drawn)
        controller.viewer.layers.selection.events.active.connect(self._show_tool)
        controller.viewer.dims.events.point.connect(self._show_given)
        self._show()
        self._show_given()

    def close_panel(self) -> None:
        """Let go of the viewer."""
        self._controller.viewer.layers.selection.events.active.disconnect(self._show_tool)
        self._controller.viewer.dims.events.point.disconnect(self._show_given)

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(4)
        layout.addLayout(row, 1, 0, 1, 6)
        for button in self.tools.values():
            button.setCheckable(True)
            # clicked by hand or key, a button shows what is in use, not what was pressed last
            button.clicked.connect(lambda _checked: self._show_tool())
            # a row of its own: as many as the model takes share its width
            row.addWidget(button, 1)
        layout.addWidget(self.answer, 2, 0, 1, 6)
        layout.addWidget(self.previous, 3, 0, 1, 3)
        layout.addWidget(self.next, 3, 3, 1, 3)
        layout.addWidget(self.done, 4, 0, 1, 6)
        layout.addWidget(self.follow, 5, 0, 1, 6)
        layout.addWidget(self.edit, 6, 0, 1, 6)

    def _show(self, *_: object) -> None:
        controller = self._controller
        offered = controller.prompt_tools.offered()
        self.round.offer(offered)
        for tool, button in self.tools.items():
            is_offered = tool in offered or (button is self.round and "lasso" in offered)
            # one tool is no choice
            button.setVisible(is_offered and len(offered) > 1)
        self.done.setVisible(controller.outliner.is_open)
        self.follow.setVisible(controller.outliner.is_open)
        self._show_tool()

    def _show_given(self, *_: object) -> None:
        """Show what is still wanted of the current object, and what there is of it."""
        controller = self._controller
        advice, masks = controller.prompt_tools.offer()
        text = translated(advice)
        self.advice.setText(text)
        self.advice.setVisible(bool(text))
        self.answer.setText(tr("Answer {which}", which=told_offer(masks)) if masks else "")
        for widget in (self.answer, self.previous, self.next):
            widget.setVisible(bool(masks))
        has_object = (
            controller.image_controller is not None
            and controller.image_controller.is_begun(
                controller.image_controller.session_store.object
            )
        )
        self.edit.setEnabled(has_object)

    def _show_tool(self, *_: object) -> None:
        now = self._controller.prompt_tools.in_use()
        for tool, button in self.tools.items():
            button.setChecked(tool == now)
        self.round.show_use(now)

    def _drawn(self, what: str) -> None:
        """After a box come clicks; scribbles and lassos are drawn one after the other."""
        if what == "box" and "click" in self._controller.prompt_tools.offered():
            # later: napari is still within the mouse event of the layer that the box was drawn in
            self._controller.post(partial(self._controller.prompt_tools.use, "click"))
