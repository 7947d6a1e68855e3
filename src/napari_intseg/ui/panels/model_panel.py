"""Which model answers, on which device; and what to do when its weights are missing."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.models.registry import ModelSpec, available_models, licence_lines
from napari_intseg.models.weights.catalogue import CATALOGUE, badge, find_entry
from napari_intseg.ui.controllers.model_loader import (
    Choice,
    devices,
    has_weights,
    keys_here,
    weights_key,
)
from napari_intseg.ui.controllers.view_settings import Refinement
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.panels.buttons import combo, fill, form
from napari_intseg.ui.panels.catalogue_dialog import CatalogueDialog, is_ready, listed
from napari_intseg.ui.qt.translation import tr
from napari_intseg.ui.qt.worker_thread import Outcome

_PRECISIONS = (
    (to_translate("automatic"), "auto"),
    (to_translate("float32, exact"), "float32"),
    ("bfloat16", "bfloat16"),
    ("float16", "float16"),
)


_CATALOGUE = "all models"
"""The entry of the list that opens the catalogue; no model is called so."""


class ModelPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Lists all models, those that are ready first; those that cannot be used here are grey.

    Attributes
    ----------
    options : QWidget
        Device, precision and refinement; the dock folds them away.
    catalogue : CatalogueDialog or None
        Opened by the last entry of the list.
    """

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self._loader = controller.loader
        self._picked: dict[str, Path] = {}
        self._was_fetching = False
        self._looked: tuple[Choice, bool] | None = None
        self.catalogue: CatalogueDialog | None = None
        self.model = combo(tr("The model that answers clicks."))
        self.device = combo(tr("Where it runs; automatic takes a GPU if there is one."))
        self.precision = combo(
            tr("Number format; automatic takes half precision where that is fast.")
        )
        self.refine = QCheckBox(tr("Refine by graph cut"))
        self.refine.setToolTip(
            tr("Move the contour of every answer onto edges of the image nearby.")
        )
        self.missing = QWidget()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.fetch = QPushButton(tr("Fetch"))
        self.pick = QPushButton(tr("Choose file …"))
        self.pick.setToolTip(tr("Use a weight file that you have already."))
        self._build()
        self._fill_models()
        fill(self.device, [(tr("automatic"), "auto")], "auto")
        fill(self.precision, [(tr(words), value) for words, value in _PRECISIONS], "auto")
        self.model.currentIndexChanged.connect(self._chosen)
        self.device.currentIndexChanged.connect(self._chosen)
        self.precision.currentIndexChanged.connect(self._chosen)
        self.fetch.clicked.connect(self._fetch)
        self.pick.clicked.connect(self._pick)
        self._refinement = Refinement(controller)
        self.refine.toggled.connect(self._refinement.choose)
        controller.signals.changed.connect(self._show_missing)
        self._chosen()
        controller.worker.submit(lambda _: devices(), self._devices_known)

    def _build(self) -> None:
        side = QWidget()
        row = QHBoxLayout(side)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.device, 1)
        row.addWidget(self.precision, 1)
        self.options = QWidget()
        rare = form(self.options)
        rare.addRow(tr("Device"), side)
        rare.addRow(self.refine)
        layout = form(self)
        label = QLabel(tr("Model"))
        label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Contrast"))  # below Image
        layout.addRow(label, self.model)
        layout.addRow(self.missing)
        lines = QVBoxLayout(self.missing)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self.text)
        buttons = QHBoxLayout()
        buttons.addWidget(self.fetch)
        buttons.addWidget(self.pick)
        lines.addLayout(buttons)
        self.missing.setVisible(False)

    def _fill_models(self) -> None:
        models, here = available_models(), keys_here()
        ready = {n: spec for n, spec in models.items() if is_ready(n, spec, here)}
        rest = {n: spec for n, spec in models.items() if n not in ready}
        box = self.model
        with QSignalBlocker(box):
            box.clear()
            for name, spec in (*ready.items(), *rest.items()):
                if name == next(iter(rest), None):
                    box.insertSeparator(box.count())
                box.addItem(listed(name, spec, here), name)
                row = box.count() - 1
                box.setItemData(row, _tip(name, spec), Qt.ItemDataRole.ToolTipRole)
                items: Any = box.model()
                items.item(row).setEnabled(spec.is_installed)
            box.insertSeparator(box.count())
            box.addItem(tr("All models …"), _CATALOGUE)
            box.setCurrentIndex(box.findData(self._loader.choice.name))

    def choose(self, name: str) -> None:
        """Choose a model as if in the list."""
        self.model.setCurrentIndex(self.model.findData(name))
        self._chosen()

    def _added(self) -> None:
        """List what has come as ready, and use it if it was waited for."""
        self._fill_models()
        self._looked = None
        if self._loader.model is None or not self.missing.isHidden():
            self._chosen()

    def open_catalogue(self) -> None:
        """Show all models with what they take, what they cost, and what they are good for."""
        if self.catalogue is None:
            self.catalogue = CatalogueDialog(self._controller, self)
            self.catalogue.chosen.connect(self.choose)
            self.catalogue.added.connect(self._added)
        self.catalogue.refresh()
        self.catalogue.show()
        self.catalogue.raise_()

    def _devices_known(self, outcome: Outcome[tuple[str, ...]]) -> None:
        names = outcome.value or ("auto",)
        entries = [(tr("automatic") if name == "auto" else name, name) for name in names]
        fill(self.device, entries, self._loader.choice.device)

    def _chosen(self, _index: int = 0) -> None:
        if self.model.currentData() == _CATALOGUE:
            _show(self.model, self._loader.choice.name)
            self.open_catalogue()
            return
        self._looked = None
        weights = self._picked.get(self.model.currentData())
        choice = Choice(
            self.model.currentData(),
            self.device.currentData() or "auto",
            self.precision.currentData() or "auto",
            weights,
        )
        if weights is None and not has_weights(choice.name):
            self._loader.choice = choice
            self._show_missing()
            return
        self._loader.choose(choice)
        self._show_missing()

    def _show_missing(self) -> None:
        choice = self._loader.choice
        # two models may have changed places, or undo has brought one back
        _show(self.model, choice.name)
        _show(self.device, choice.device)
        _show(self.precision, choice.precision)
        if self._was_fetching and not self._loader.is_fetching:
            self._fill_models()  # what has arrived is no longer marked as missing
        self._was_fetching = self._loader.is_fetching
        looked = choice, self._was_fetching
        if looked == self._looked:  # the disk need not be looked at for every click
            return
        self._looked = looked
        key = weights_key(choice.name)
        is_missing = key is not None and choice.weights is None and not has_weights(choice.name)
        self.missing.setVisible(is_missing)
        if not is_missing or key is None:
            return
        entry = find_entry(key)
        size = f" ({entry.size_mb:g} MB)" if entry.size_mb else ""
        told = "\n".join(line[0].upper() + line[1:] for line in licence_lines(key))
        self.text.setText(f"{tr('The weights {file} are not here yet.', file=entry.file)}\n{told}")
        self.fetch.setText(tr("Fetch") + size)
        self.fetch.setToolTip(entry.address or tr("It cannot be fetched; choose a file."))
        self.fetch.setEnabled(entry.address is not None and not self._loader.is_fetching)

    def _fetch(self) -> None:
        key = weights_key(self._loader.choice.name)
        if key is not None:
            self._loader.fetch(key)

    def _pick(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self,
            tr("Choose a weight file"),
            "",
            tr("Weight files ({endings})", endings="*.pth *.pt *.safetensors")
            + ";;"
            + tr("All files (*)"),
        )
        if name:
            self._picked[self._loader.choice.name] = Path(name)
            self._chosen()


def _show(box: QComboBox, value: str) -> None:
    """Show a value, if it is one of those listed, without choosing it anew."""
    row = box.findData(value)
    if row >= 0:
        with QSignalBlocker(box):
            box.setCurrentIndex(row)


def _tip(name: str, spec: ModelSpec) -> str:
    if not spec.is_installed:
        needs = tr(
            "{name} needs {needs}, which is not installed.", name=name, needs=", ".join(spec.needs)
        )
        how = tr("Install it with: pip install 'napari-intseg[{extra}]'", extra=spec.extra)
        return f"{needs}\n{how}"
    how = badge(spec.licence, spec.note)
    lines = [name, tr("Licence: {licence}", licence=spec.licence) + (f" [{how}]" if how else "")]
    entry = CATALOGUE.get(spec.weights or "")
    if entry is not None and entry.size_mb:
        lines.append(
            tr("Weights: {size:g} MB, licence {licence}", size=entry.size_mb, licence=entry.licence)
        )
    lines += [tr("Paper: {paper}", paper=spec.paper)] * bool(spec.paper) + [spec.note] * bool(
        spec.note
    )
    return "\n".join(lines)
