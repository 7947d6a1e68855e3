"""After propagation: planes to look at, worst first; how far it goes; tidying."""

from weakref import ref

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.review import Review
from napari_intseg.ui.controllers.time_tracking import TimeTracking
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import Buttons, Length
from napari_intseg.ui.qt.translation import tr

_PLANE = Qt.ItemDataRole.UserRole
# planes that are listed, the least sure first
_MOST = 30


class ReviewPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shown for volumes.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    review : Review
        What the controls do.
    buttons : Buttons
        Makes those that have a key.
    through : TimeTracking, optional
        Follows objects through time; one of its own by default.

    Attributes
    ----------
    rest : QWidget
        What is needed less often; the dock folds it away.
    """

    def __init__(
        self,
        controller: ViewerController,
        review: Review,
        buttons: Buttons,
        through: TimeTracking | None = None,
    ) -> None:
        super().__init__()
        self._controller, self.review = controller, review
        self.interpolate = QCheckBox(tr("between clicked planes only, by shape"))
        self.interpolate.setToolTip(
            tr("Interpolate shapes between clicked planes, without the model.")
        )
        self.reach = Length()
        self.reach.setSpecialValueText(tr("as far as it goes"))
        self.reach.setToolTip(tr("Propagate at most so far from a clicked plane; 0: no limit."))
        self.next = buttons.make("next_plane")
        self.list = QListWidget()
        self.list.setMaximumHeight(90)
        self.list.setToolTip(tr("Planes to look at, the least sure first. Choose one to see it."))
        self.holes, self.largest = QPushButton(tr("Fill holes")), QPushButton(tr("Largest part"))
        self.holes.setToolTip(tr("Fill holes of the object, plane by plane. Undo takes it back."))
        self.largest.setToolTip(tr("Keep only the largest connected part. Undo takes it back."))
        self.smooth = QPushButton(tr("Smooth"))
        self.smooth.setToolTip(
            tr("Let the outline pass smoothly across planes. Planes with clicks stay as they are.")
        )
        self.smoothing = Length(least=0.01)
        self.smoothing.setToolTip(tr("How far; at first as far as two planes are apart."))
        self._smoothed: ref[ImageController] | None = None
        self.through = through or TimeTracking(controller)
        self.rest = QWidget()
        self.follow = QPushButton(tr("Follow through time"))
        self.follow.setToolTip(
            tr(
                "Carry the object from the time point in view to the others, until it is lost.\n"
                "Time points with clicks stay as they are. Press again to stop."
            )
        )
        self.follow.clicked.connect(self._follow_pressed)
        self._arrange()
        self._shown: list[tuple[Plane, float]] = []
        self.interpolate.toggled.connect(self._interpolate_toggled)
        self.reach.chosen.connect(self._reach_changed)
        self.list.itemClicked.connect(self._chosen)
        self.holes.clicked.connect(lambda _on: review.clean_up(holes=True))
        self.largest.clicked.connect(lambda _on: review.clean_up(largest=True))
        self.smooth.clicked.connect(lambda _on: review.clean_up(smooth_mm=self.smoothing.mm))
        controller.signals.changed.connect(self._show)
        self._show()

    def _arrange(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.next, 0, 0)
        layout.addWidget(self.list, 1, 0)
        layout.addWidget(self.follow, 2, 0)
        layout.addWidget(self.rest, 3, 0)
        rest = QGridLayout(self.rest)
        rest.setContentsMargins(0, 0, 0, 0)
        rest.setSpacing(4)
        rest.addWidget(self.interpolate, 0, 0, 1, 2)
        rest.addWidget(QLabel(tr("Reach")), 1, 0)
        rest.addWidget(self.reach, 1, 1)
        rest.addWidget(self.holes, 2, 0)
        rest.addWidget(self.largest, 2, 1)
        rest.addWidget(self.smooth, 3, 0)
        rest.addWidget(self.smoothing, 3, 1)

    def _show(self) -> None:
        image_controller = self._controller.image_controller
        is_volume = image_controller is not None and len(image_controller.image_axes.spatial) == 3
        has_times = self.through.is_possible
        self.setVisible(is_volume or has_times)
        for widget in (self.next, self.list, self.rest):
            widget.setVisible(is_volume)
        self.follow.setVisible(has_times)
        self.follow.setText(
            tr("Stop following") if self.through.is_running else tr("Follow through time")
        )
        rows = list(self.review.planes[:_MOST]) if is_volume else []
        has_others = image_controller is not None and len(image_controller.session_store.labels) > 1
        self.next.setEnabled(bool(rows) or has_others)
        with QSignalBlocker(self.interpolate):
            self.interpolate.setChecked(self.review.is_interpolating)
        if image_controller is None:
            return
        self._show_lengths(image_controller)
        if rows != self._shown:
            self._fill(image_controller, rows)
        planes = [plane for plane, _ in rows]
        at = planes.index(self.review.shown) if self.review.shown in planes else -1
        self.list.setCurrentRow(at)

    def _fill(self, image_controller: ImageController, rows: list[tuple[Plane, float]]) -> None:
        self._shown = list(rows)
        self.list.clear()
        for plane, sure in rows:
            axis = image_controller.image_axes.grid[image_controller.image_axes.spatial[plane.axis]]
            item = QListWidgetItem(
                tr(
                    "{axis} = {number}: {sure:.0f} % sure",
                    axis=axis,
                    number=image_controller.plane_number(plane),
                    sure=100 * sure,
                )
            )
            item.setData(_PLANE, plane)
            self.list.addItem(item)

    def _show_lengths(self, image_controller: ImageController) -> None:
        image_axes = image_controller.image_axes
        self.reach.show_mm(self.review.reach_mm or 0.0, image_axes.unit)
        known = self._smoothed is not None and self._smoothed() is image_controller
        if not known and len(image_axes.spatial) == 3:
            self._smoothed = ref(image_controller)
            self.smoothing.show_mm(max(image_axes.volume().spacing), image_axes.unit)

    def _follow_pressed(self, _on: bool = False) -> None:
        if self.through.is_running:
            self.through.cancel()
        else:
            self.through.start()

    def _chosen(self, item: QListWidgetItem) -> None:
        self.review.show(item.data(_PLANE))

    def _interpolate_toggled(self, on: bool) -> None:
        self.review.is_interpolating = on

    def _reach_changed(self, reach_mm: float) -> None:
        self.review.reach_mm = reach_mm or None
