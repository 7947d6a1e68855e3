"""A list of DICOM series, of which one is chosen."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.io.dicom import Series

COLUMNS = ("No.", "Description", "Modality", "Slices", "Size", "Spacing (mm)", "Remarks")


class SeriesDialog(QDialog):  # type: ignore[misc, unused-ignore]
    """A list of series, of which one is chosen. It names no patient.

    Parameters
    ----------
    every : sequence of Series
        As `list_series` gives them.
    parent : QWidget, optional
        Before which the dialog stands.
    """

    def __init__(self, every: Sequence[Series], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open scan")
        self._every = tuple(every)
        self.table = QTableWidget(len(every), len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        numbers: Any = self.table.verticalHeader()
        numbers.setVisible(False)
        for row, series in enumerate(every):
            for column, text in enumerate(_words(series)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        self.table.resizeColumnsToContents()
        header: Any = self.table.horizontalHeader()
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        self.resample = QCheckBox("Interpolate tilted or uneven slices onto a regular grid")
        self.resample.setEnabled(any(not series.stack.is_regular for series in every))
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel("The folder holds these series. Which one is to be opened?"))
        layout.addWidget(self.table)
        layout.addWidget(self.resample)
        layout.addWidget(self.buttons)
        self.resize(860, 320)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.table.itemDoubleClicked.connect(lambda _item: self.accept())
        self.table.selectRow(0)

    @property
    def chosen(self) -> Series | None:
        """The series in the chosen row."""
        row = self.table.currentRow()
        return self._every[row] if 0 <= row < len(self._every) else None


def _words(series: Series) -> tuple[str, ...]:
    spacing = " × ".join(f"{mm:.4g}" for mm in series.spacing)
    remarks = [*(["localizer"] if series.is_localizer else []), *series.problems]
    if series.times > 1:
        remarks.insert(0, f"{series.times} time points")
    return (
        str(series.number),
        series.description,
        series.modality,
        str(series.slices),
        f"{series.shape[1]} × {series.shape[2]}",
        spacing,
        "; ".join(remarks),
    )
