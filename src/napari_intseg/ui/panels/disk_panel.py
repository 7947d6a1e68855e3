"""What is kept on disk: labels, a table of measurements, embeddings; where, and how much."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.io.cell_tracking import TRACKED
from napari_intseg.io.suffixes import WRITABLE, ending_of
from napari_intseg.session.embeddings import LIMIT_BYTES, EmbeddingFiles
from napari_intseg.ui.controllers.label_export import (
    LabelsLocation,
    export_labels,
    export_measurements,
    own_source,
)
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, to_translate
from napari_intseg.ui.qt.translation import tr, translated
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop
from napari_intseg.ui.storage.disk_folders import default_path, ending, usual_folder
from napari_intseg.ui.storage.recovery import remember, remembered


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
_TRACKS = ((to_translate("tracks (Cell Tracking Challenge)"), "_RES"),)
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
            # that of the image comes first
            formats.sort(key=lambda one: one[1] != own)
            if source.is_dicom:
                formats = [*_DICOM, *formats]
        here = self._controller.image_controller
        if here is not None and (here.image_axes.n_times or 1) > 1:
            formats = [*formats, *_TRACKS]
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
            # a dataset's path goes on behind its file
            folder = next((p for p in source.path.parents if p.is_dir()), folder)
        start = folder / f"{name}_{what}{formats[0][1]}"
        filters = {f"{tr(kind)} (*{ending})": ending for kind, ending in formats}
        chosen, kind = QFileDialog.getSaveFileName(
            self,
            title,
            str(start),
            ";;".join(filters),
            # the ending may still be added: the question comes when the whole name is known
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if not chosen:
            return None
        path = Path(chosen)
        known = (*WRITABLE, TRACKED) if what == "labels" else (".csv",)
        if ending_of(path) not in known and not path.name.lower().endswith(known):
            path = path.with_name(path.name + filters.get(kind, formats[0][1]))
        return path if not path.exists() or self._may_replace(path) else None

    def _may_replace(self, path: Path) -> bool:
        answer = QMessageBox.question(
            self, tr("Replace the file?"), tr("{name} exists already. Replace it?", name=path.name)
        )
        return bool(answer == QMessageBox.StandardButton.Yes)


_KEEP, _FOLDER = "keep embeddings", "embeddings folder"
"""What is remembered for the next session."""


class EmbeddingsPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """A tick, and what is on the disk."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        known = remembered()
        named = known.get(_FOLDER)
        self.folder = Path(named) if isinstance(named, str) and named else usual_folder()
        self.keep = QCheckBox(tr("Keep embeddings on disk"))
        self.keep.setToolTip(
            tr(
                "A plane that was looked at once is then ready on another day too, for the "
                "same data, window and model. At most {size}; the oldest go first. The "
                "choice is remembered.",
                size=_megabytes(LIMIT_BYTES),
            )
        )
        self.used = QLabel()
        self.used.setWordWrap(True)
        self.choose, self.clear = QPushButton(tr("Folder …")), QPushButton(tr("Clear"))
        self.clear.setToolTip(tr("Remove all embeddings in the folder; nothing else is touched."))
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.keep, 0, 0, 1, 2)
        layout.addWidget(self.used, 1, 0, 1, 2)
        layout.addWidget(self.choose, 2, 0)
        layout.addWidget(self.clear, 2, 1)
        self._was_shown = False
        self.choose.clicked.connect(self._choose)
        self.clear.clicked.connect(self._clear)
        controller.signals.changed.connect(self._show)
        controller.signals.answered.connect(self._count)
        # before the signal is connected: what is remembered need not be remembered again
        if known.get(_KEEP) is True:
            self.keep.setChecked(True)
            self._use(True)
        self.keep.toggled.connect(self._toggled)
        self._show()

    def _show(self, *_: object) -> None:
        model, files = self._controller.loader.model, self._controller.embedding_folder.files
        # not isVisible: a panel in a dock that is hidden is shown all the same
        self.setVisible(model is not None and model.traits.embeds)
        for widget in (self.used, self.choose, self.clear):
            widget.setVisible(files is not None)

    def _toggled(self, keep: bool) -> None:
        self._use(keep)
        chosen = None if self.folder == usual_folder() else str(self.folder)
        remember(**{_KEEP: keep, _FOLDER: chosen})

    def _use(self, keep: bool) -> None:
        self._controller.keep_embeddings(EmbeddingFiles(self.folder) if keep else None)
        self._count()

    def _choose(self) -> None:
        start = str(self.folder if self.folder.exists() else self.folder.parent)
        name = QFileDialog.getExistingDirectory(self, tr("Where to keep embeddings"), start)
        if name:
            self.folder = Path(name)
            self._toggled(True)

    def _clear(self) -> None:
        files = self._controller.embedding_folder.files
        if files is None:
            return

        def work(_: ShouldStop) -> str:
            files.clear()
            return _told(files)

        # what was cleared would be prepared again at once
        self._controller.prefetch.hold()
        self._controller.worker.submit(work, self._counted, key="clear embeddings")

    def _count(self, *_: object) -> None:
        files = self._controller.embedding_folder.files
        if files is None:
            return

        def work(_: ShouldStop) -> str:
            return _told(files)

        # the disk is looked at when nobody waits for an answer
        self._controller.worker.submit(work, self._counted, key="count embeddings", idle=True)

    def _counted(self, outcome: Outcome[str]) -> None:
        if outcome.error is not None:
            self._controller.signals.failed.emit(
                Message("The folder cannot be used: {error}. Choose another.", error=outcome.error)
            )
        elif outcome.value is not None:
            self.used.setText(translated(outcome.value))
            self.used.setToolTip(str(self.folder))


def _told(files: EmbeddingFiles) -> str:
    return Message(
        "{used} of {limit} in {folder}",
        used=_megabytes(files.nbytes()),
        limit=_megabytes(files.limit_bytes),
        folder=_shortened(files.folder),
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e9:g} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _shortened(folder: Path, most: int = 36) -> str:
    # the end of a path tells more than its beginning. 36 letters fit into the panel; not tuned
    text = str(folder)
    return text if len(text) <= most else f"… {text[-most:]}"
