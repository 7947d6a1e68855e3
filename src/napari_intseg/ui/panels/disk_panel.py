"""What is kept on disk: labels, measurements, embeddings, and a network that learnt from labels."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.io.annotations import MAP
from napari_intseg.io.cell_tracking import TRACKED
from napari_intseg.io.suffixes import WRITABLE, ending_of
from napari_intseg.session.embeddings import LIMIT_BYTES, EmbeddingFiles
from napari_intseg.ui.controllers.fine_tuning import LEAST, MINUTES, FineTuning
from napari_intseg.ui.controllers.label_export import (
    LabelsLocation,
    export_labels,
    export_measurements,
    has_map,
    holding_endings,
    own_source,
)
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, to_translate
from napari_intseg.ui.panels.controls import Tick
from napari_intseg.ui.qt.translation import tr, translated
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, listen
from napari_intseg.ui.storage.disk_folders import (
    default_path,
    ending,
    file_name,
    folder_beside,
    usual_folder,
)
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
_ONE_PLANE = (".json", ".png")
"""Endings of files that hold no volume."""

_TRACKS = ((to_translate("tracks (Cell Tracking Challenge)"), "_RES"),)
_DICOM = (("DICOM-SEG", ".seg.dcm"), ("DICOM RT-STRUCT", ".rtstruct.dcm"))
_MAP = ((to_translate("GeoJSON in coordinates of the map"), MAP),)
_TABLE = ((to_translate("CSV table"), ".csv"),)


class ExportPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Export and measure; both ask for a file first, and before one is replaced."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.export = QPushButton(tr("Export…"))
        self.export.setToolTip(
            tr(
                "Write the labels to a file, with the geometry of the image as far as the "
                "format holds it."
            )
        )
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
        self.export.clicked.connect(lambda _: self.ask_labels())
        self.measure.clicked.connect(lambda _: self.ask_measurements())
        controller.signals.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        for button in (self.export, self.measure):
            button.setEnabled(self._controller.image_controller is not None)

    def ask_labels(self) -> None:
        """Ask for a file, and write the labels to it."""
        if not self._has_labels():
            return
        source = own_source(self._controller)
        # what would be refused for the directions of the axes is not offered
        held = holding_endings(self._controller, [ending for _, ending in FORMATS])
        formats = [one for one in FORMATS if one[1] in held]
        if source is not None:
            own = ending_of(source.path)
            # that of the image comes first
            formats.sort(key=lambda one: one[1] != own)
            if source.is_dicom:
                formats = [*_DICOM, *formats]
        if has_map(self._controller):
            formats = [*formats, *_MAP]
        here = self._controller.image_controller
        if here is not None and len(here.image_axes.spatial) > 2:
            formats = [one for one in formats if one[1] not in _ONE_PLANE]
        if here is not None and (here.image_axes.n_times or 1) > 1:
            formats = [*formats, *_TRACKS]
        path = self._ask(tr("Export labels"), "labels", formats)
        if path is not None:
            export_labels(self._controller, path)

    def ask_measurements(self) -> None:
        """Ask for a file, and write a table of the objects to it."""
        if not self._has_labels():
            return
        path = self._ask(tr("Export measurements"), "measurements", _TABLE)
        if path is not None:
            export_measurements(self._controller, path)

    def _has_labels(self) -> bool:
        """Whether there is something to write; if not, that is told."""
        if self._controller.image_controller is None:
            self._controller.signals.failed.emit(
                Message("There is nothing to export yet. Click on an object first.")
            )
            return False
        return True

    def _ask(self, title: str, what: str, formats: Sequence[tuple[str, str]]) -> Path | None:
        """Return the file to write to; None if the person changed their mind."""
        image = self._controller.image
        name = "image" if image is None else file_name(image.name)
        folder = None if image is None else folder_beside(image)
        start = (folder or Path.home()) / f"{name}_{what}{formats[0][1]}"
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
        if path == start and kind in filters:
            # another format was chosen, but no name for it
            path = start.with_name(f"{name}_{what}{filters[kind]}")
        known = (*WRITABLE, TRACKED) if what == "labels" else (".csv",)
        if ending_of(path) not in known and not path.name.lower().endswith(known):
            path = path.with_name(path.name + filters.get(kind, formats[0][1]))
        return path if not path.exists() or self._may_replace(path) else None

    def _may_replace(self, path: Path) -> bool:
        answer = QMessageBox.question(
            self, tr("Replace the file?"), tr("{name} exists already. Replace it?", name=path.name)
        )
        return bool(answer == QMessageBox.StandardButton.Yes)


class LearnPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """One button; what there is to choose and to see is in its dialog.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    fine_tuning : FineTuning
        What it does.
    """

    def __init__(self, controller: ViewerController, fine_tuning: FineTuning) -> None:
        super().__init__()
        self.fine_tuning = fine_tuning
        self.dialog: LearnDialog | None = None
        self._controller = controller
        self.button = QPushButton(tr("Learn from finished objects…"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        self.button.clicked.connect(lambda _: self.open())
        controller.signals.changed.connect(self._show)
        self._show()

    def open(self) -> None:
        """Show what is learnt from, and what came of it."""
        if self.dialog is None:
            self.dialog = LearnDialog(self._controller, self.fine_tuning, self)
        self.fine_tuning.look_again()
        self.dialog.refresh()
        self.dialog.show()
        self.dialog.raise_()

    def _show(self) -> None:
        tuning = self.fine_tuning
        why = "" if tuning.is_running or tuning.learnt is not None else tuning.reason
        self.button.setEnabled(not why)
        tip = tr(
            "Train the bundled model on the objects that you have finished, and see how many "
            "clicks that saves on others of them."
        )
        self.button.setToolTip(f"{translated(why)}\n{tip}" if why else tip)


class LearnDialog(QDialog):  # type: ignore[misc, unused-ignore]
    """A window of its own, so that work can go on beside it."""

    def __init__(
        self, controller: ViewerController, fine_tuning: FineTuning, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._controller, self._tuning = controller, fine_tuning
        self.setWindowTitle(tr("Learn from finished objects"))
        self.about, self.place, self.told = QLabel(), QLabel(), QLabel()
        for label in (self.about, self.place, self.told):
            label.setWordWrap(True)
        self.choose = QPushButton(tr("Folder …"))
        self.choose.setToolTip(tr("Choose the project's folder; the model is kept there."))
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.5, 600)
        self.minutes.setDecimals(1)
        self.minutes.setValue(MINUTES)
        self.minutes.setSuffix(tr(" min"))
        self.minutes.setToolTip(tr("How long to learn, by the clock, on one core of a CPU."))
        self.bar = QProgressBar()
        self.start, self.cancel = QPushButton(tr("Learn")), QPushButton(tr("Cancel"))
        self.use, self.back = (
            QPushButton(tr("Use it")),
            QPushButton(tr("Back to the bundled model")),
        )
        self.start.setToolTip(tr("Begin; you can go on working meanwhile."))
        self.cancel.setToolTip(tr("Stop learning; nothing changes."))
        self.use.setToolTip(
            tr("Have what was learnt answer clicks, whenever this project is opened.")
        )
        self.back.setToolTip(tr("Have the bundled model answer again; what was learnt is kept."))
        self._lay_out()
        self.choose.clicked.connect(lambda _: self._choose())
        self.start.clicked.connect(lambda _: self._start())
        self.cancel.clicked.connect(lambda _: fine_tuning.cancel())
        self.use.clicked.connect(lambda _: fine_tuning.use())
        self.back.clicked.connect(lambda _: fine_tuning.back())
        controller.signals.changed.connect(self._changed)
        self.refresh()

    def refresh(self) -> None:
        """Show how things stand now."""
        tuning = self._tuning
        running, why, home = tuning.is_running, tuning.reason, tuning.home
        self.about.setText(
            translated(why) if why else tr("{n} finished objects to learn from.", n=tuning.count)
        )
        self.about.setToolTip(
            tr(
                "Of the open image, and of all images of the folder that are done; {least} at "
                "least. A third of them, at most 12, is only measured.",
                least=LEAST,
            )
        )
        self.place.setText(
            tr("No folder is chosen yet.")
            if home is None
            else tr("Kept in {folder}", folder=_shortened(home))
        )
        self.place.setToolTip("" if home is None else tr("Kept in {folder}", folder=home))
        self.choose.setEnabled(not running)
        self.minutes.setEnabled(not running)
        self.start.setEnabled(not running and not why)
        self.cancel.setEnabled(running)
        done, total = tuning.progress
        self.bar.setVisible(running)
        self.bar.setRange(0, total)  # without an end while it measures
        self.bar.setFormat(tr("%v of %m s"))
        self.bar.setValue(done)
        if total and done >= total:
            self.bar.setRange(0, 0)
        learnt = tuning.learnt
        words = tuning.text or ("" if learnt is None else learnt.text)
        self.told.setText(translated(words))
        self.told.setToolTip(
            tr(
                "Clicks that a robot user needed until the answer was right: the mean of those "
                "until it agreed with yours by 85 % and by 90 % (IoU), ten at most."
            )
        )
        self.use.setEnabled(learnt is not None and not tuning.is_newest_used)
        self.back.setEnabled(tuning.is_used)

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.addWidget(self.about, 0, 0, 1, 3)
        layout.addWidget(self.place, 1, 0, 1, 2)
        layout.addWidget(self.choose, 1, 2)
        for column, widget in enumerate((self.minutes, self.start, self.cancel)):
            layout.addWidget(widget, 2, column)
        layout.addWidget(self.bar, 3, 0, 1, 3)
        layout.addWidget(self.told, 4, 0, 1, 3)
        layout.addWidget(self.use, 5, 0)
        layout.addWidget(self.back, 5, 1, 1, 2)
        layout.setRowStretch(4, 1)
        self.resize(420, 220)

    def _changed(self) -> None:
        if self.isVisible():
            self.refresh()

    def _ask(self) -> Path | None:
        name = QFileDialog.getExistingDirectory(
            self, tr("Folder of the project"), str(self._tuning.suggested)
        )
        return Path(name) if name else None

    def _choose(self) -> None:
        folder = self._ask()
        if folder is not None:
            self._tuning.put(folder)

    def _start(self) -> None:
        folder = self._ask() if self._tuning.home is None else None
        if self._tuning.home is not None or folder is not None:
            self._tuning.start(folder, self.minutes.value())


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
        self.keep = Tick(tr("Keep embeddings on disk"))
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
        listen(self._controller.signals.answered, self._count, files is not None)

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


def _shortened(folder: Path) -> str:
    # the end of a path tells more than its beginning. 36 letters fit into the panel; not tuned
    text = str(folder)
    return text if len(text) <= 36 else f"… {text[-36:]}"
