"""Let a model find objects without clicks: which, of what, and what came of it."""

from pathlib import Path

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_intseg.ui.controllers.automatic_start import AutomaticStart, FoundObject
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.action_panel import is_volume
from napari_intseg.ui.panels.buttons import combo, form
from napari_intseg.ui.qt.translation import tr

_FILE, _FOLDER = "choose a file", "choose a folder"
_ROWS_PX = 110
"""Four rows and the heading: more are scrolled to."""


class AutomaticPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Chooses a model, runs it, and shows a table of what it found."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.starts = AutomaticStart(controller)
        self.model: QComboBox = combo(tr("A model that finds objects without clicks."))
        self.texts = QLineEdit()
        self.texts.setPlaceholderText(tr("what to look for, if the model takes words"))
        self.texts.setToolTip(tr("Several with commas between them: nucleus, cytoplasm."))
        self.every = QCheckBox(tr("All planes"))
        self.run = QPushButton(tr("Find objects"))
        self.run.setToolTip(
            tr("Add a layer with what the model finds; take objects from it below.")
        )
        self.cancel = QPushButton(tr("Cancel"))
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels([tr("label"), tr("name"), tr("size")])
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setMaximumHeight(_ROWS_PX)
        self.table.setVisible(False)
        self._listed: tuple[FoundObject, ...] = self.starts.found
        side = QWidget()
        row = QHBoxLayout(side)
        row.setContentsMargins(0, 0, 0, 0)
        for part, stretch in ((self.every, 0), (self.run, 1), (self.cancel, 0)):
            row.addWidget(part, stretch)
        layout = form(self)
        layout.addRow(tr("Model"), self.model)
        layout.addRow(tr("Words"), self.texts)
        layout.addRow(side)
        layout.addRow(self.table)
        self._fill()
        self.model.activated.connect(self._picked)
        self.run.clicked.connect(self._find)
        self.cancel.clicked.connect(self.starts.cancel)
        controller.signals.changed.connect(self._show)
        self._show()

    def add(self, where: str | Path) -> None:
        """List a file or folder, and choose it."""
        at = self.model.findData(str(where))
        if at < 0:
            at = 0
            self.model.insertItem(0, Path(where).name, str(where))
        self.model.setCurrentIndex(at)

    def _fill(self) -> None:
        from napari_intseg.models.automatic.open_model import names_here

        for name in names_here():
            self.model.addItem(name, name)
        self.model.addItem(tr("Choose a file …"), _FILE)
        self.model.addItem(tr("Choose a folder …"), _FOLDER)

    def _picked(self, _index: int) -> None:
        kind = self.model.currentData()
        if kind == _FILE:
            name, _ = QFileDialog.getOpenFileName(
                self, tr("Choose a model"), "",
                tr("Models (*.onnx *.yaml *.safetensors);;All files (*)"),
            )  # fmt: skip
        elif kind == _FOLDER:
            name = QFileDialog.getExistingDirectory(self, tr("Choose a model's folder"))
        else:
            return
        if name:
            self.add(name)

    def _find(self) -> None:
        where = self.model.currentData()
        if where in (_FILE, _FOLDER):
            self._picked(0)
            where = self.model.currentData()
        if where in (None, _FILE, _FOLDER):
            return
        texts = [text.strip() for text in self.texts.text().split(",") if text.strip()]
        self.starts.start(where, texts=texts, every_plane=self.every.isChecked())

    def _show(self) -> None:
        running = self.starts.is_running
        self.run.setEnabled(not running and self._controller.image is not None)
        self.cancel.setVisible(running)
        self.every.setVisible(is_volume(self._controller))
        found = self.starts.found
        if found is self._listed:  # every answer to a click is a change; filling is slow
            return
        self._listed = found
        self.table.setVisible(bool(found))
        self.table.setRowCount(len(found))
        for row, one in enumerate(found):
            for column, text in enumerate((one.label, one.name, one.size_px)):
                self.table.setItem(row, column, QTableWidgetItem(str(text)))
