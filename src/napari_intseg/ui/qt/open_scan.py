"""Open a DICOM scan without blocking the window: list its series, have one chosen, read it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QProgressDialog,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.io.dicom.series_reader import Series, list_series
from napari_intseg.io.hooks import LayerData, layers_of
from napari_intseg.io.read import series_raster
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.preferences import preferences
from napari_intseg.ui.qt.translation import preferred_language, tr, translated, use_language
from napari_intseg.ui.qt.worker_thread import GuiThread, Outcome, ShouldStop, Stopped, Worker, told

COLUMNS = (
    to_translate("No."), to_translate("Description"), to_translate("Modality"),
    to_translate("Slices"), to_translate("Size"), to_translate("Spacing (mm)"),
    to_translate("Remarks"),
)  # fmt: skip


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
        self.setWindowTitle(tr("Open scan"))
        self._every = tuple(every)
        self.table = QTableWidget(len(every), len(COLUMNS))
        # arrows go through the rows; Tab goes on, or the keyboard alone could not leave
        self.table.setTabKeyNavigation(False)
        self.table.setHorizontalHeaderLabels([tr(title) for title in COLUMNS])
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        numbers: Any = self.table.verticalHeader()
        # the rows' own numbers would stand beside those of the series
        numbers.setVisible(False)
        for row, series in enumerate(every):
            for column, text in enumerate(_words(series)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        self.table.resizeColumnsToContents()
        header: Any = self.table.horizontalHeader()
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        self.resample = QCheckBox(tr("Interpolate tilted or uneven slices onto a regular grid"))
        self.resample.setEnabled(any(not series.stack.is_regular for series in every))
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(tr("The folder holds these series. Which one is to be opened?")))
        layout.addWidget(self.table)
        layout.addWidget(self.resample)
        layout.addWidget(self.buttons)
        # wide enough for the seven columns of a usual study; not tuned
        self.resize(860, 320)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.table.itemDoubleClicked.connect(lambda _item: self.accept())
        # `list_series` puts localizers last, so Enter opens the likeliest
        self.table.selectRow(0)

    @property
    def chosen(self) -> Series | None:
        """The series in the chosen row."""
        row = self.table.currentRow()
        return self._every[row] if 0 <= row < len(self._every) else None


def _words(series: Series) -> tuple[str, ...]:
    spacing = " × ".join(f"{mm:.4g}" for mm in series.spacing)
    remarks = [*([tr("localizer")] if series.is_localizer else []), *series.problems]
    if series.times > 1:
        remarks.insert(0, tr("{n} time points", n=series.times))
    return (
        str(series.number),
        series.description,
        series.modality,
        str(series.slices),
        f"{series.shape[1]} × {series.shape[2]}",
        spacing,
        "; ".join(remarks),
    )


# reading that ends sooner shows no bar, which would only flash. Not tuned.
_PATIENCE_MS = 400
# steps of the bar, which Qt counts in integers: more than it has pixels
_STEPS = 1000


class _Watch(QObject):  # type: ignore[misc, unused-ignore]
    """Notices that a window closes, or is deleted."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Tell that the window goes; called by Qt."""
        del watched
        # a window that is made small is hidden by the system, which Qt calls spontaneous: it stays
        is_hidden = event.type() == QEvent.Type.Hide and not event.spontaneous()
        if is_hidden or event.type() == QEvent.Type.DeferredDelete:
            self._then()
        return False


class ScanOpening:
    """One folder or file, from the choice of it to its layers.

    Listing and reading happen in a thread of its own, which ends when the layers are there, when a
    person cancels, or when the window closes. It keeps itself alive until then.

    Parameters
    ----------
    viewer : napari.Viewer
        Gets the layers.
    path : Path
        A folder, or a file.
    parent : QWidget, optional
        Before which the dialogs stand; when it goes, the opening ends.
    on_done : callable
        Called when the layers are there.
    """

    # nobody else holds an opening: without this set it would be collected while it reads
    _under_way: ClassVar["set[ScanOpening]"] = set()

    def __init__(
        self,
        viewer: "napari.Viewer",
        path: Path,
        parent: QWidget | None = None,
        *,
        on_done: Callable[[], object] = lambda: None,
    ) -> None:
        self._viewer, self._path, self._parent, self._on_done = viewer, path, parent, on_done
        self._bridge = GuiThread()
        # a thread of its own: the one for models may be busy for minutes
        self._worker = Worker(self._bridge.post, name="napari-intseg opening")
        self._bar = QProgressDialog(parent)
        self._bar.setWindowTitle(tr("Open scan"))
        self._bar.setWindowModality(Qt.WindowModality.NonModal)
        self._bar.setMinimumDuration(_PATIENCE_MS)
        # listing is followed by reading, for which the bar stays
        self._bar.setAutoClose(False)
        self._bar.setAutoReset(False)
        self._bar.canceled.connect(self.close)
        self.dialog: SeriesDialog | None = None
        self._seen = -1
        self.is_closed = False
        self._under_way.add(self)
        # kept here, for Qt does not keep an event filter alive
        self._watch = _Watch(self.close)
        if parent is not None:
            parent.installEventFilter(self._watch)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close)

    @property
    def is_shown(self) -> bool:
        """Whether the progress bar is in sight."""
        return not self.is_closed and self._bar.isVisible()

    def start(self) -> None:
        """List the series, have one chosen if there are several, and add it."""
        self._tell(tr("Looking for scans in {name!r} …", name=self._path.name))

        def work(should_stop: ShouldStop) -> list[Series]:
            return list_series(self._path, self._progress(should_stop))

        self._worker.submit(work, self._listed)

    def close(self) -> None:
        """Stop at once; no layer is added any more, and the thread has ended."""
        if self.is_closed:
            return
        self.is_closed = True
        self._under_way.discard(self)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.disconnect(self.close)
        if self._parent is not None:
            self._parent.removeEventFilter(self._watch)
        self._worker.close()
        # closing the bar would emit it again
        self._bar.canceled.disconnect(self.close)
        self._bar.close()
        self._bar.deleteLater()
        if self.dialog is not None:
            self.dialog.close()
            self.dialog.deleteLater()

    def _listed(self, outcome: Outcome[list[Series]]) -> None:
        if self.is_closed:
            return
        if outcome.error is not None:
            self._fail(outcome.error)
            return
        every = outcome.value or []
        if not every:
            self.close()
            show_error(
                tr(
                    "There is no DICOM image in {name!r}. Choose another folder.",
                    name=self._path.name,
                )
            )
        # one regular series leaves nothing to ask
        elif len(every) == 1 and every[0].stack.is_regular:
            self._read(every[0], resample=False)
        else:
            self._bar.reset()
            self.dialog = SeriesDialog(every, self._parent)
            self.dialog.finished.connect(self._chosen)
            # not `exec`, which would wait here, and hold up scripts and tests
            self.dialog.open()

    def _chosen(self, result: int) -> None:
        dialog = self.dialog
        if self.is_closed or dialog is None:
            return
        if result != int(QDialog.DialogCode.Accepted) or dialog.chosen is None:
            self.close()
        else:
            self._read(dialog.chosen, resample=dialog.resample.isChecked())

    def _read(self, series: Series, *, resample: bool) -> None:
        self._tell(tr("Reading {slices} slices …", slices=series.slices))
        name = series.description or series.modality or self._path.name

        def work(should_stop: ShouldStop) -> list[LayerData]:
            progress = self._progress(should_stop)
            return layers_of(series_raster(series, resample=resample, on_progress=progress), name)

        self._worker.submit(work, self._add)

    def _add(self, outcome: Outcome[list[LayerData]]) -> None:
        if self.is_closed:
            return
        if outcome.error is not None:
            self._fail(outcome.error)
            return
        self.close()
        for data, shown, kind in outcome.value or []:
            self._viewer.add_layer(napari.layers.Layer.create(data, shown, kind))
        self._on_done()

    def _fail(self, error: Exception) -> None:
        self.close()
        # a person who cancels needs no notice of it
        if not isinstance(error, Stopped):
            show_error(translated(told(error)))

    def _tell(self, text: str) -> None:
        self._bar.setLabelText(text)
        # how much there is to do is not known yet: the bar runs to and fro
        self._bar.setRange(0, 0)
        self._seen = -1

    def _progress(self, should_stop: ShouldStop) -> Callable[[int, int], None]:
        """Return what the thread calls: posts at most a thousand steps, ends when told to stop."""
        last = -1

        def progress(done: int, total: int) -> None:
            nonlocal last
            if should_stop():
                raise Stopped
            step = _STEPS * done // total if total else 0
            if total and step != last:
                last = step
                # posted only when a step is new: thousands of
                # slices would otherwise fill the queue of events
                self._bridge.post(lambda: self._show(step))

        return progress

    def _show(self, step: int) -> None:
        # steps that were posted before the last may still arrive after it
        if not self.is_closed and step > self._seen:
            self._seen = step
            self._bar.setRange(0, _STEPS)
            self._bar.setValue(step)


def open_scan(viewer: "napari.Viewer") -> None:
    """Ask for a folder of DICOM files, and for a series if there are several; add it as a layer."""
    # the panel may never have been open
    use_language(preferred_language(preferences().language))
    parent = QApplication.activeWindow()
    folder = QFileDialog.getExistingDirectory(parent, tr("Open scan: folder with DICOM files"))
    if folder:
        choose_and_add(viewer, Path(folder), parent)


def choose_and_add(
    viewer: "napari.Viewer",
    path: Path,
    parent: QWidget | None = None,
    *,
    on_done: Callable[[], object] = lambda: None,
) -> ScanOpening:
    """List the series of a folder or file, have one chosen if there are several, and add it.

    It returns at once; see `ScanOpening`, which ends with the viewer's window.

    Parameters
    ----------
    viewer : napari.Viewer
        Gets the layers.
    path : Path
        A folder, or a file.
    parent : QWidget, optional
        Before which the dialogs stand; by default the viewer's window.
    on_done : callable
        Called when the layers are there.
    """
    opening = ScanOpening(viewer, path, parent or window_of(viewer), on_done=on_done)
    opening.start()
    return opening


def window_of(viewer: "napari.Viewer") -> QWidget | None:
    """Return the window of a viewer."""
    found = getattr(viewer.window, "_qt_window", None)
    return found if isinstance(found, QWidget) else None
