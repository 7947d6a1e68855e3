"""Buttons that write the labels and a table of measurements."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.io.suffixes import WRITABLE, ending_of
from napari_intseg.ui.controllers.label_export import export_labels, export_measurements, own_source
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.qt.translation import tr
from napari_intseg.ui.storage.labels_on_disk import default_path, ending
from napari_intseg.ui.storage.move_labels import LabelsLocation


class KeepPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shows the folder, if there is one.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    """

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller, self.keeping = controller, LabelsLocation(controller)
        self.button = QPushButton(tr("Keep labels on disk…"))
        self.button.setToolTip(
            tr(
                "Choose a folder in which the labels live from now on, written as they change.\n"
                "Labels of more than 4 GB do so anyway, beside the image's file; they are "
                "there again when the image is opened again."
            )
        )
        self.place = QLabel()
        self.place.setWordWrap(True)
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button)
        layout.addWidget(self.place)
        self.button.clicked.connect(self._ask)
        controller.signals.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        place = self.keeping.place
        self.button.setEnabled(
            self._controller.image_controller is not None and not self.keeping.is_moving
        )
        self.place.setVisible(place is not None)
        if place is not None:
            self.place.setText(tr("Labels are kept in {name}", name=place.name))
            self.place.setToolTip(str(place))

    def _ask(self, _on: bool = False) -> None:
        image_controller = self._controller.image_controller
        if image_controller is None:
            return
        start = default_path(image_controller.image_axes, image_controller.labels.data.dtype)
        chosen, _ = QFileDialog.getSaveFileName(
            self,
            tr("Keep labels on disk: a new folder"),
            str(start),
            tr("Labels (*{ending})", ending=ending()),
        )
        if chosen:
            self.keeping.move(Path(chosen))


FORMATS = (
    ("NIfTI", ".nii.gz"),
    ("NRRD", ".nrrd"),
    ("MetaImage", ".mha"),
    ("OME-Zarr", ".zarr"),
    ("OME-TIFF", ".ome.tif"),
    ("ImageJ TIFF", ".tif"),
    ("HDF5", ".h5"),
    ("QuPath GeoJSON", ".geojson"),
    ("COCO JSON", ".json"),
    ("PNG", ".png"),
    ("numpy", ".npy"),
)
_DICOM = (("DICOM-SEG", ".seg.dcm"), ("DICOM RT-STRUCT", ".rtstruct.dcm"))
_TABLE = ((to_translate("CSV table"), ".csv"),)


class ExportPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Export and measure; both ask for a file first, and before one is replaced."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.export = QPushButton(tr("Export…"))
        self.export.setToolTip(tr("Write the labels to a file, with the geometry of the image."))
        self.measure = QPushButton(tr("Measure…"))
        self.measure.setToolTip(
            tr(
                "Write a table of all objects: volume or area, largest diameter, mean and "
                "standard deviation of the image, in physical units."
            )
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.export, 0, 0)
        layout.addWidget(self.measure, 0, 1)
        self.export.clicked.connect(self._export)
        self.measure.clicked.connect(self._measure)
        controller.signals.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        for button in (self.export, self.measure):
            button.setEnabled(self._controller.image_controller is not None)

    def _export(self) -> None:
        source = own_source(self._controller)
        formats = list(FORMATS)
        if source is not None:
            own = ending_of(source.path)
            formats.sort(key=lambda one: one[1] != own)  # that of the image comes first
            if source.is_dicom:
                formats = [*_DICOM, *formats]
        path = self._ask(tr("Export labels"), "labels", formats)
        if path is not None:
            export_labels(self._controller, path)

    def _measure(self) -> None:
        path = self._ask(tr("Export measurements"), "measurements", _TABLE)
        if path is not None:
            export_measurements(self._controller, path)

    def _ask(self, title: str, what: str, formats: Sequence[tuple[str, str]]) -> Path | None:
        """Return the file to write to; None if the person changed their mind."""
        source, image = own_source(self._controller), self._controller.image
        name = "image" if image is None else str(image.name)
        folder = Path.home()
        if source is not None:
            folder = next((p for p in source.path.parents if p.is_dir()), folder)
        start = folder / f"{name}_{what}{formats[0][1]}"
        filters = {f"{tr(kind)} (*{ending})": ending for kind, ending in formats}
        chosen, kind = QFileDialog.getSaveFileName(
            self,
            title,
            str(start),
            ";;".join(filters),
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if not chosen:
            return None
        path = Path(chosen)
        known = WRITABLE if what == "labels" else (".csv",)
        if ending_of(path) not in known and not path.name.lower().endswith(known):
            path = path.with_name(path.name + filters.get(kind, formats[0][1]))
        return path if not path.exists() or self._may_replace(path) else None

    def _may_replace(self, path: Path) -> bool:
        answer = QMessageBox.question(
            self, tr("Replace the file?"), tr("{name} exists already. Replace it?", name=path.name)
        )
        return bool(answer == QMessageBox.StandardButton.Yes)
