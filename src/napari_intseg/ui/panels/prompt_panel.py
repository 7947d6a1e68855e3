"""What the model wants, the tools to give it, its further answers, and the outline as polygon."""

from functools import partial

from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_intseg.ui import alternatives, tools
from napari_intseg.ui.panels.buttons import Buttons
from napari_intseg.ui.workbench import Workbench


class PromptPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Offers only what the model takes and what there is."""

    def __init__(self, bench: Workbench, buttons: Buttons) -> None:
        super().__init__()
        self._bench = bench
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        self.tools: dict[tools.Tool, QPushButton] = {
            tool: buttons.make(f"{tool}_tool") for tool in tools.TOOLS
        }
        self.previous, self.next = buttons.make("previous_answer"), buttons.make("next_answer")
        self.answer = QLabel()
        self.answer.setToolTip("Which of the model's answers is in place, and how good it thinks.")
        self.edit = buttons.make("edit_outline")
        self.done = QPushButton("Done with the outline")
        self.done.setToolTip("Take the polygon away; the mask stays as it is.")
        self.done.clicked.connect(lambda _checked: bench.outliner.finish())
        self._lay_out()
        bench.voice.changed.connect(self._show)
        bench.voice.answered.connect(self._show)
        bench.voice.drawn.connect(self._drawn)
        bench.viewer.layers.selection.events.active.connect(self._show_tool)
        bench.viewer.dims.events.point.connect(self._show)
        self._show()

    def close_panel(self) -> None:
        """Let go of the viewer."""
        self._bench.viewer.layers.selection.events.active.disconnect(self._show_tool)
        self._bench.viewer.dims.events.point.disconnect(self._show)

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
        layout.addWidget(self.edit, 5, 0, 1, 6)

    def _show(self, *_: object) -> None:
        bench = self._bench
        text = tools.advice(bench)
        self.advice.setText(text)
        self.advice.setVisible(bool(text))
        offered = tools.offered(bench)
        for tool, button in self.tools.items():
            button.setVisible(tool in offered and len(offered) > 1)
        masks = alternatives.offered(bench)
        told = alternatives.told(masks)
        self.answer.setText(f"Answer {told}" if told else "")
        for widget in (self.answer, self.previous, self.next):
            widget.setVisible(bool(masks))
        has_object = bench.binder is not None and bench.binder.is_begun(bench.binder.drawer.object)
        self.edit.setEnabled(has_object)
        self.done.setVisible(bench.outliner.is_open)
        self._show_tool()

    def _show_tool(self, *_: object) -> None:
        now = tools.in_use(self._bench)
        for tool, button in self.tools.items():
            button.setChecked(tool == now)

    def _drawn(self, what: str) -> None:
        """After a box come clicks; scribbles are drawn one after the other."""
        if what == "box" and "click" in tools.offered(self._bench):
            self._bench.post(partial(tools.use, self._bench, "click"))
