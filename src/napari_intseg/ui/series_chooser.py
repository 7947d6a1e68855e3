"""Open a scan: choose one of the DICOM series in a folder, from a list."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.errors import IntSegError
from napari_intseg.io.dicom import Series, list_series
from napari_intseg.io.hooks import LayerData, layers_of
from napari_intseg.io.read import series_raster

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


def open_scan(viewer: "napari.Viewer") -> None:
    """Ask for a folder of DICOM files, and for a series if there are several; add it as a layer."""
    parent = QApplication.activeWindow()
    folder = QFileDialog.getExistingDirectory(parent, "Open scan: folder with DICOM files")
    if folder:
        choose_and_add(viewer, Path(folder), parent)


def choose_and_add(
    viewer: "napari.Viewer",
    folder: Path,
    parent: QWidget | None = None,
    *,
    on_done: Callable[[], object] = lambda: None,
) -> Any:
    """List the series of a folder, have one chosen if there are several, and add it.

    Parameters
    ----------
    viewer : napari.Viewer
    folder : Path
        Or a file.
    parent : QWidget, optional
        Before which the dialog stands.
    on_done : callable
        Called when the layer is there.

    Returns
    -------
    worker or None
        Reads in a thread; None if nothing is read.
    """
    try:
        every = list_series(folder)
    except IntSegError as err:
        show_error(str(err))
        return None
    if not every:
        show_error(f"There is no DICOM image in {folder.name!r}. Choose another folder.")
        return None
    chosen: Series | None = every[0]
    resample = False
    if len(every) > 1 or not every[0].stack.is_regular:
        dialog = SeriesDialog(every, parent)
        if dialog.exec() != QDialog.DialogCode.Accepted:
            return None
        chosen, resample = dialog.chosen, dialog.resample.isChecked()
    if chosen is None:
        return None
    show_info(f"Reading {chosen.slices} slices …")
    series = chosen

    def read() -> list[LayerData]:
        name = series.description or series.modality or folder.name
        return layers_of(series_raster(series, resample=resample), name)

    def add(layers: list[LayerData]) -> None:
        for data, shown, kind in layers:
            viewer.add_layer(napari.layers.Layer.create(data, shown, kind))
        on_done()

    return create_worker(
        read, _connect={"returned": add, "errored": lambda err: show_error(str(err))}
    )


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
