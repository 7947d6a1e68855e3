"""Take an object of another Labels layer as a start."""

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSpinBox, QWidget

from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import combo, fill, form
from napari_intseg.ui.qt.translation import tr

_MOST = 2**31 - 1


class StartPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Hidden while the viewer holds no Labels layer but the one worked on."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.layer: QComboBox = combo(tr("A layer with masks, from whichever model or person."))
        self.label = QSpinBox()
        self.label.setRange(1, _MOST)
        self.label.setToolTip(tr("The object's label in that layer: hover over it to see it."))
        self.one = QPushButton(tr("Take"))
        self.one.setToolTip(tr("Go on from this object's mask: clicks correct it."))
        self.all = QPushButton(tr("Take all"))
        self.all.setToolTip(tr("Take every object of the layer, each as one of its own."))
        side = QWidget()
        row = QHBoxLayout(side)
        row.setContentsMargins(0, 0, 0, 0)
        for part, stretch in ((self.label, 1), (self.one, 0), (self.all, 0)):
            row.addWidget(part, stretch)
        layout = form(self)
        layout.addRow(tr("Start from"), self.layer)
        layout.addRow(tr("Object"), side)
        self.one.clicked.connect(self._take)
        self.all.clicked.connect(self._take_all)
        self.layer.currentIndexChanged.connect(self._layer_chosen)
        events = controller.viewer.layers.events
        for event in (events.inserted, events.removed):
            event.connect(self._show)
        controller.signals.changed.connect(self._show)
        self._show()

    def close_panel(self) -> None:
        """Let go of the viewer."""
        events = self._controller.viewer.layers.events
        for event in (events.inserted, events.removed):
            event.disconnect(self._show)

    def _show(self, _event: object = None) -> None:
        layers = object_actions.candidates(self._controller)
        chosen = self.layer.currentData()
        kept = chosen if any(chosen is layer for layer in layers) else None
        if [self.layer.itemData(i) for i in range(self.layer.count())] != layers:
            fill(self.layer, [(layer.name, layer) for layer in layers], kept)
        self.setVisible(bool(layers))
        for button in (self.one, self.all):
            button.setEnabled(bool(layers) and self._controller.image is not None)

    def _layer_chosen(self, _index: int) -> None:
        layer = self.layer.currentData()
        if layer is not None:
            self.label.setValue(max(1, int(layer.selected_label)))

    def _take(self) -> None:
        layer = self.layer.currentData()
        if layer is not None:
            object_actions.take(self._controller, layer, self.label.value())

    def _take_all(self) -> None:
        layer = self.layer.currentData()
        if layer is not None:
            object_actions.take_all(self._controller, layer)
