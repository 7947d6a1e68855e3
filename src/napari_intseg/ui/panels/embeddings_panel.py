"""Embeddings on disk: whether, where, how much; shown for models that have them."""

from pathlib import Path

from qtpy.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QLabel, QPushButton, QWidget

from napari_intseg.session.embeddings import LIMIT_BYTES, EmbeddingFiles
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.translation import tr, translated
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop
from napari_intseg.ui.storage.embedding_folder import usual_folder
from napari_intseg.ui.storage.recovery import remember, remembered

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
    text = str(folder)
    return text if len(text) <= most else f"… {text[-most:]}"
