"""What a click says, and taking it back."""

from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import COLOURS
from napari_intseg.ui.layers.points_listener import MODIFIER
from napari_intseg.ui.panels.buttons import Buttons


class ClickPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shows the sign of each mouse button."""

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.left, self.right = QLabel(), QLabel()
        self.swap = buttons.make("toggle_sign")
        self.undo, self.redo = buttons.make("undo"), buttons.make("redo")
        self.undo_object = buttons.make("undo_object")
        self.redo_object = buttons.make("redo_object")
        self.left.setWordWrap(True)
        self.right.setWordWrap(True)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.left, 0, 0, 1, 2)
        layout.addWidget(self.right, 1, 0, 1, 2)
        layout.addWidget(self.swap, 2, 0, 1, 2)
        layout.addWidget(self.undo, 3, 0)
        layout.addWidget(self.redo, 3, 1)
        layout.addWidget(self.undo_object, 4, 0)
        layout.addWidget(self.redo_object, 4, 1)
        controller.signals.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        model = self._controller.loader.model
        kinds = {"click"} if model is None else model.traits.prompts
        for widget in (self.left, self.right, self.swap):
            widget.setVisible(bool({"click", "scribble"} & set(kinds)))
        positive = self._controller.positive
        self.left.setText(f"{_sign(positive)} left click")
        self.right.setText(f"{_sign(not positive)} right click, or {MODIFIER} + left click")
        self.undo.setEnabled(self._controller.can("undo"))
        self.redo.setEnabled(self._controller.can("redo"))
        self.undo_object.setEnabled(object_actions.can(self._controller, "undo"))
        self.redo_object.setEnabled(object_actions.can(self._controller, "redo"))


def _sign(positive: bool) -> str:
    sign, words = ("+", "belongs to the object:") if positive else ("−", "does not belong:")
    return f'<b style="color:{COLOURS[positive]}">{sign}</b> {words}'
