"""What the model wants, the tools to give it, its further answers, and the outline as polygon."""

from functools import partial

from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton, QWidget

from napari_intseg.ui.controllers import alternative_masks
from napari_intseg.ui.controllers.prompt_tools import TOOLS, Tool
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import Buttons
from napari_intseg.ui.qt.translation import tr, translated


class PromptPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Offers only what the model takes and what there is."""

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        self.tools: dict[Tool, QPushButton] = {tool: buttons.make(f"{tool}_tool") for tool in TOOLS}
        self.previous, self.next = buttons.make("previous_answer"), buttons.make("next_answer")
        self.answer = QLabel()
        self.answer.setToolTip(
            tr("Which of the model's answers is in place, and how good it thinks.")
        )
        self.edit = buttons.make("edit_outline")
        self.follow = QCheckBox(tr("neighbours follow a moved vertex"))
        self.follow.setToolTip(
            tr(
                "The vertices beside one that is moved go with it, and to the edge of the "
                "image there."
            )
        )
        self.follow.toggled.connect(
            lambda on: setattr(controller.outliner, "neighbours_follow", on)
        )
        self.done = QPushButton(tr("Done with the outline"))
        self.done.setToolTip(tr("Take the polygon away; the mask stays as it is."))
        self.done.clicked.connect(lambda _checked: controller.outliner.finish())
        self._lay_out()
        controller.signals.changed.connect(self._show)
        controller.signals.answered.connect(self._show)
        controller.signals.drawn.connect(self._drawn)
        controller.viewer.layers.selection.events.active.connect(self._show_tool)
        controller.viewer.dims.events.point.connect(self._show)
        self._show()

    def close_panel(self) -> None:
        """Let go of the viewer."""
        self._controller.viewer.layers.selection.events.active.disconnect(self._show_tool)
        self._controller.viewer.dims.events.point.disconnect(self._show)

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.advice, 0, 0, 1, 6)
        for i, button in enumerate(self.tools.values()):
            button.setCheckable(True)
            # clicked by hand or key, a button shows what is in use, not what was pressed last
            button.clicked.connect(lambda _checked: self._show_tool())
            layout.addWidget(button, 1, 2 * i, 1, 2)
        layout.addWidget(self.answer, 2, 0, 1, 6)
        layout.addWidget(self.previous, 3, 0, 1, 3)
        layout.addWidget(self.next, 3, 3, 1, 3)
        layout.addWidget(self.done, 4, 0, 1, 6)
        layout.addWidget(self.follow, 5, 0, 1, 6)
        layout.addWidget(self.edit, 6, 0, 1, 6)

    def _show(self, *_: object) -> None:
        controller = self._controller
        text = translated(controller.prompt_tools.advice())
        self.advice.setText(text)
        self.advice.setVisible(bool(text))
        offered = controller.prompt_tools.offered()
        for tool, button in self.tools.items():
            button.setVisible(tool in offered and len(offered) > 1)
        masks = alternative_masks.offered(controller)
        told = alternative_masks.told(masks)
        self.answer.setText(tr("Answer {which}", which=told) if told else "")
        for widget in (self.answer, self.previous, self.next):
            widget.setVisible(bool(masks))
        has_object = (
            controller.image_controller is not None
            and controller.image_controller.is_begun(
                controller.image_controller.session_store.object
            )
        )
        self.edit.setEnabled(has_object)
        self.done.setVisible(controller.outliner.is_open)
        self.follow.setVisible(controller.outliner.is_open)
        self._show_tool()

    def _show_tool(self, *_: object) -> None:
        now = self._controller.prompt_tools.in_use()
        for tool, button in self.tools.items():
            button.setChecked(tool == now)

    def _drawn(self, what: str) -> None:
        """After a box come clicks; scribbles are drawn one after the other."""
        if what == "box" and "click" in self._controller.prompt_tools.offered():
            self._controller.post(partial(self._controller.prompt_tools.use, "click"))
