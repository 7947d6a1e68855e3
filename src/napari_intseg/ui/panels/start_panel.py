"""What work starts from: what was interrupted, another layer's object, a model without clicks."""

from pathlib import Path

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.automatic_start import AutomaticStart, FoundObject
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.controls import combo, fill, form
from napari_intseg.ui.panels.prompt_panel import is_volume
from napari_intseg.ui.qt.translation import tr, translated
from napari_intseg.ui.storage.recovery import Recovery


class RecoveryPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Hidden unless there is something to say; nothing waits for an answer."""

    def __init__(self, controller: ViewerController, recovery: Recovery) -> None:
        super().__init__()
        self._recovery = recovery
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.go_on = QPushButton(tr("Go on with it"))
        self.go_on.setToolTip(tr("Do everything again that was done before the interruption."))
        self.discard = QPushButton(tr("Forget it"))
        self.discard.setToolTip(tr("Remove what was saved of that work."))
        self.elsewhere = QPushButton(tr("Save work elsewhere …"))
        self.elsewhere.setToolTip(tr("Choose a folder that work is saved in from now on."))
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text, 0, 0, 1, 2)
        layout.addWidget(self.go_on, 1, 0)
        layout.addWidget(self.discard, 1, 1)
        layout.addWidget(self.elsewhere, 2, 0, 1, 2)
        self.go_on.clicked.connect(lambda _: recovery.go_on())
        self.discard.clicked.connect(lambda _: recovery.discard())
        self.elsewhere.clicked.connect(lambda _: self._choose())
        controller.signals.changed.connect(self._show)
        # a disk that is full is told by `failed`, and shows the third button
        controller.signals.failed.connect(self._show)
        self._show()

    def close_panel(self) -> None:
        """Note that work ended in an orderly way."""
        self._recovery.close()

    def _show(self, _text: str = "") -> None:
        offer, trouble = self._recovery.offer, self._recovery.trouble
        self.setVisible(offer is not None or trouble is not None)
        self.text.setText(translated(trouble or ("" if offer is None else offer.text)))
        self.go_on.setVisible(offer is not None)
        self.go_on.setEnabled(not self._recovery.is_replaying)
        self.discard.setVisible(offer is not None)
        self.discard.setEnabled(not self._recovery.is_replaying)
        self.elsewhere.setVisible(trouble is not None)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Save work in"))
        if folder:
            self._recovery.save_elsewhere(Path(folder))


# the largest number of a QSpinBox
_MOST = 2**31 - 1
_NUMBER_PX = 90
"""Room for five digits beside the buttons of a spin box."""


class StartPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Hidden while the viewer holds no Labels layer but the one worked on."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.layer: QComboBox = combo(tr("A layer with masks, from whichever model or person."))
        # letters: two headings leave less room than elsewhere
        self.layer.setMinimumContentsLength(6)
        self.label = QSpinBox()
        self.label.setRange(1, _MOST)
        # else as wide as the largest number
        self.label.setMinimumWidth(_NUMBER_PX)
        self.label.setToolTip(tr("The object's label in that layer: hover over it to see it."))
        self.one = QPushButton(tr("Take"))
        self.one.setToolTip(tr("Go on from this object's mask: clicks correct it."))
        self.all = QPushButton(tr("Take all"))
        self.all.setToolTip(tr("Take every object of the layer, each as one of its own."))
        side = QWidget()
        row = QHBoxLayout(side)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.one)
        row.addWidget(self.all)
        layout = form(self)
        layout.addRow(tr("Start from"), self.layer)
        layout.addRow(tr("Object"), self.label)
        layout.addRow(side)
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
        # by identity: layers may hold arrays, whose comparison has no single answer
        kept = chosen if any(chosen is layer for layer in layers) else None
        fill(self.layer, [(layer.name, layer) for layer in layers], kept)
        self.setVisible(bool(layers))
        for button in (self.one, self.all):
            button.setEnabled(bool(layers) and self._controller.image is not None)

    def _layer_chosen(self, _index: int) -> None:
        layer = self.layer.currentData()
        if layer is not None:
            # what a person has picked in that layer; 0 is the background
            self.label.setValue(max(1, int(layer.selected_label)))

    def _take(self) -> None:
        layer = self.layer.currentData()
        if layer is not None:
            object_actions.take(self._controller, layer, self.label.value())

    def _take_all(self) -> None:
        layer = self.layer.currentData()
        if layer is not None:
            object_actions.take_all(self._controller, layer)


def _leave(box: QCheckBox, other: bool) -> None:
    """Uncheck a box if the other one was checked."""
    if other:
        box.setChecked(False)


# data of two entries that open a dialog. All others have a name without blanks, or a path.
_FILE, _FOLDER = "choose a file", "choose a folder"
_ROWS_PX = 110
"""Height of the table in pixels, four rows and the heading: more are scrolled to."""


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
        self.every_time = QCheckBox(tr("All time points"))
        self.every_time.setToolTip(
            tr(
                "The plane in sight at all time points. A model for videos sees them together; of "
                "others an object goes on where it overlaps itself."
            )
        )
        self.run = QPushButton(tr("Find objects"))
        self.run.setToolTip(
            tr("Add a layer with what the model finds; take objects from it below.")
        )
        self.table = QTableWidget(0, 3)
        self.table.setAccessibleName(tr("Objects"))
        self.table.setHorizontalHeaderLabels([tr("label"), tr("name"), tr("size")])
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setMaximumHeight(_ROWS_PX)
        self.table.setVisible(False)
        # by identity: `starts` makes a new tuple for each run
        self._listed: tuple[FoundObject, ...] = self.starts.found
        layout = form(self)
        layout.addRow(tr("Model"), self.model)
        layout.addRow(tr("Words"), self.texts)
        layout.addRow(self.every)
        layout.addRow(self.every_time)
        layout.addRow(self.run)
        layout.addRow(self.table)
        self._fill()
        # not `currentIndexChanged`: filling the list must not open a dialog
        self.model.activated.connect(self._picked)
        # planes or time points: one object is not followed through both
        self.every.toggled.connect(lambda on: _leave(self.every_time, on))
        self.every_time.toggled.connect(lambda on: _leave(self.every, on))
        self.run.clicked.connect(self._find)
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

        # first the one that needs no weights: a person's first press of the button finds something
        for name in sorted(names_here(), key=lambda one: one != "everything"):
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
        # a person who presses the button with such an entry in place is asked for the file first
        if where in (_FILE, _FOLDER):
            self._picked(0)
            where = self.model.currentData()
        if where in (None, _FILE, _FOLDER):
            return
        texts = [text.strip() for text in self.texts.text().split(",") if text.strip()]
        self.starts.start(
            where, texts=texts,
            # one that is checked may be hidden since: the image is another
            every_plane=self.every.isChecked() and is_volume(self._controller),
            every_time=self.every_time.isChecked() and self._has_times(),
        )  # fmt: skip

    def _has_times(self) -> bool:
        controller = self._controller
        if controller.image_controller is not None:
            return (controller.image_controller.image_axes.n_times or 1) > 1
        return controller.image is not None and "t" in controller.axes

    def _show(self) -> None:
        running = self.starts.is_running
        self.run.setEnabled(not running and self._controller.image is not None)
        self.every.setVisible(is_volume(self._controller))
        self.every_time.setVisible(self._has_times())
        found = self.starts.found
        # every answer to a click is a change; filling is slow
        if found is self._listed:
            return
        self._listed = found
        self.table.setVisible(bool(found))
        self.table.setRowCount(len(found))
        for row, one in enumerate(found):
            for column, text in enumerate((one.label, one.name, one.size_px)):
                self.table.setItem(row, column, QTableWidgetItem(str(text)))
