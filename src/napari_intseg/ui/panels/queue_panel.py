"""Which image of a folder is worked on, and the buttons to go on."""

from pathlib import Path

from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from napari_intseg.ui.controllers.image_queue import QueueWork
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import Buttons
from napari_intseg.ui.qt.translation import tr

_MARKS = {"open": "", "done": "✓ ", "skipped": "– "}


class QueuePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shown while a folder is open.

    Attributes
    ----------
    work : QueueWork
        What it does.
    told : QLabel
        Where one is, how much is done, and the time an object takes.
    done, skip : QPushButton
        Go on.
    more : QToolButton
        All images, and what is needed less often.
    """

    def __init__(self, controller: ViewerController, work: QueueWork, buttons: Buttons) -> None:
        super().__init__()
        self._controller, self.work = controller, work
        self.told = QLabel()
        self.told.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.done: QPushButton = buttons.make("queue_done")
        self.skip: QPushButton = buttons.make("queue_skip")
        self.more = QToolButton()
        self.more.setText("⋯")
        self.more.setAccessibleName(tr("Images of the folder"))
        self.more.setToolTip(tr("All images, next and previous, export, close"))
        self.more.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        menu.aboutToShow.connect(lambda: self.fill(menu))
        self.more.setMenu(menu)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.told, 0, 0, 1, 3)
        layout.addWidget(self.done, 1, 0)
        layout.addWidget(self.skip, 1, 1)
        layout.addWidget(self.more, 1, 2)
        controller.signals.changed.connect(self._show)
        self._show()

    def fill(self, menu: QMenu) -> None:
        """Put all images into a menu, and what else can be done."""
        menu.clear()
        queue = self.work.queue
        if queue is None:
            return
        menu.addAction(tr("Next image"), self.work.next)
        menu.addAction(tr("Previous image"), self.work.previous)
        images = menu.addMenu(tr("All images"))
        assert images is not None
        for index, item in enumerate(queue.items):
            action = images.addAction(f"{_MARKS[item.state]}{item.path.name}")
            assert action is not None
            action.triggered.connect(lambda _checked, at=index: self.work.choose(at))
        sort = menu.addAction(tr("Least sure first"))
        assert sort is not None
        sort.setCheckable(True)
        sort.setChecked(self.work.is_sorting)
        sort.setToolTip(tr("Put the images that are left in an order by the model's doubt."))
        sort.toggled.connect(self.work.sort)
        menu.addSeparator()
        menu.addAction(tr("Export what is done as a training set…"), self.ask_export)
        menu.addAction(tr("Close the folder"), self.work.close)

    def ask_open(self) -> None:
        """Ask for a folder with images, and whether labels shall go beside them."""
        chosen = QFileDialog.getExistingDirectory(self.window(), tr("Folder with images"))
        if not chosen:
            return
        folder, labels = Path(chosen), None
        answer = QMessageBox.question(
            self.window(),
            tr("Labels"),
            tr("Save the labels beside the images?\n\nNo asks for a folder."),
        )
        if answer == QMessageBox.StandardButton.No:
            other = QFileDialog.getExistingDirectory(self.window(), tr("Folder for the labels"))
            if not other:
                return
            labels = Path(other)
        self.work.open(folder, labels)

    def ask_export(self) -> None:
        """Ask for a folder, and copy what is done there."""
        chosen = QFileDialog.getExistingDirectory(
            self.window(), tr("New folder for a training set")
        )
        if chosen:
            self.work.export(Path(chosen))

    def _show(self) -> None:
        queue = self.work.queue
        self.setVisible(queue is not None)
        if queue is None:
            return
        words = [
            tr("{number} of {count}", number=queue.at + 1, count=len(queue.items)),
            queue.current.path.name,
            tr("{n} done", n=queue.count("done")),
        ]
        each = queue.seconds_per_object
        if each is not None:
            words.append(tr("{seconds:.0f} s each", seconds=each))
        self.told.setText(" · ".join(words))
        self.told.setToolTip(self.told.text())
