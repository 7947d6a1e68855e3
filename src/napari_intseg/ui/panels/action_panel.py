"""What is done again and again, always in sight: begin, accept, undo, redo, sign, propagate."""

from qtpy.QtWidgets import QGridLayout, QWidget

from napari_intseg.ui import one_object
from napari_intseg.ui.clicking import MODIFIER
from napari_intseg.ui.layers import COLOURS
from napari_intseg.ui.panels.buttons import Buttons
from napari_intseg.ui.workbench import Workbench


class ActionPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """The buttons of a click's round; propagation is there for volumes.

    Attributes
    ----------
    new, accept, undo, redo, swap, propagate : QPushButton
        In sight.
    undo_object, redo_object : QPushButton
        For the current object alone; the dock puts them among the rarer things.
    """

    def __init__(self, bench: Workbench, buttons: Buttons) -> None:
        super().__init__()
        self._bench = bench
        self.new, self.accept = buttons.make("new_object"), buttons.make("accept_object")
        self.undo, self.redo = buttons.make("undo"), buttons.make("redo")
        self.swap = buttons.make("toggle_sign")
        self._swap_key = self.swap.text().removeprefix("Swap signs")
        self.propagate = buttons.make("propagate")
        self.undo_object = buttons.make("undo_object")
        self.redo_object = buttons.make("redo_object")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        rows = ((self.new, self.accept), (self.undo, self.redo), (self.swap, self.propagate))
        for row, pair in enumerate(rows):
            for column, button in enumerate(pair):
                layout.addWidget(button, row, column)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)
        bench.voice.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        bench, binder = self._bench, self._bench.binder
        model = bench.loader.model
        kinds = {"click"} if model is None else set(model.traits.prompts)
        self.swap.setVisible(bool({"click", "scribble"} & kinds))
        self._show_sign(bench.positive)
        self.new.setEnabled(bench.image is not None)
        self.accept.setEnabled(binder is not None)
        self.undo.setEnabled(bench.can("undo"))
        self.redo.setEnabled(bench.can("redo"))
        self.undo_object.setEnabled(one_object.can(bench, "undo"))
        self.redo_object.setEnabled(one_object.can(bench, "redo"))
        self.propagate.setVisible(is_volume(bench))
        self.propagate.setEnabled(binder is not None and not bench.is_propagating)

    def _show_sign(self, positive: bool) -> None:
        sign, other = ("+", "−") if positive else ("−", "+")
        self.swap.setText(f"Left click: {sign}{self._swap_key}")
        # said by the sign as well: colours are not told apart by everybody
        self.swap.setStyleSheet(f"color: {COLOURS[positive]}")
        words = {"+": "belongs to the object", "−": "does not belong to the object"}
        self.swap.setToolTip(
            f"{sign} left click: {words[sign]}.\n"
            f"{other} right click, or {MODIFIER} + left click: {words[other]}.\n"
            "Press to swap the two." + (f" Key: {self._key}" if self._swap_key else "")
        )

    @property
    def _key(self) -> str:
        return self._swap_key.strip(" ()")


def is_volume(bench: Workbench) -> bool:
    """Whether what is worked on, or would be, has planes to propagate to."""
    binder = bench.binder
    if binder is not None:
        return len(binder.frame.spatial) == 3
    return bench.image is not None and "z" in bench.axes
