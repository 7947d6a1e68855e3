"""An offer to go on with interrupted work, and what to do when work cannot be saved."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QPushButton, QWidget

from napari_intseg.ui.controllers.viewer_controller import ViewerController
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
