"""Propagation through a volume, and then: planes to look at, worst first; tidying; detail."""

from dataclasses import replace
from weakref import ref

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_intseg.core.segmenter import MemorySegmenter
from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.review import (
    OutlineDetailController,
    Review,
    TimeTracking,
    told_event,
)
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.panels.controls import PER_MM, Buttons, Length, Tick, combo, fill
from napari_intseg.ui.qt.translation import tr, translated

_METHODS = (
    (to_translate("from each plane to its neighbour"), "neighbour"),
    (to_translate("by the model's memory of all planes"), "memory"),
)


class VolumePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shown for volumes."""

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.propagate_all = buttons.make("propagate_all")
        self.limit = QCheckBox(tr("only planes"))
        self.limit.setToolTip(
            tr("Propagate within these planes only, both included; numbers are the slider's.")
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        for box in (self.first, self.last):
            # until there is a volume; Qt's own is 99
            box.setMaximum(0)
            box.setVisible(False)
        self.last.setPrefix(tr("to "))
        self.first.setToolTip(tr("First plane"))
        self.last.setToolTip(tr("Last plane"))
        self.in_3d = QCheckBox(tr("answer in 3-D"))
        self.in_3d.setToolTip(
            tr(
                "Carry each click to the neighbouring planes as soon as it is answered,\nthe "
                "nearest first; the next click overtakes it."
            )
        )
        self.in_3d.setChecked(controller.in_3d.is_on)
        self.method = combo(tr("How the object is carried from plane to plane."))
        fill(
            self.method,
            [(tr(words), value) for words, value in _METHODS],
            controller.settings.method,
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.limit, 0, 0, 1, 2)
        layout.addWidget(self.first, 1, 0)
        layout.addWidget(self.last, 1, 1)
        for row, widget in enumerate((self.method, self.in_3d, self.propagate_all), 2):
            layout.addWidget(widget, row, 0, 1, 2)
        self._axis, self._numbers = 0, (0, 0)
        self.limit.toggled.connect(self.first.setVisible)
        self.limit.toggled.connect(self.last.setVisible)
        self.in_3d.toggled.connect(self._in_3d_chosen)
        self.method.currentIndexChanged.connect(self._method_chosen)
        controller.signals.changed.connect(self._show)
        self._show()

    def planes(self) -> range | None:
        """Return the planes that are chosen; None: as far as the object goes."""
        if not self.limit.isChecked():
            return None
        numbers = self.first.value(), self.last.value()
        image_controller = self._controller.image_controller
        if image_controller is None or image_controller.is_closed:
            return range(min(numbers), max(numbers) + 1)
        # a turned volume may count its slider downwards, so the ends may change places
        first, last = sorted(
            image_controller.plane_at(self._axis, number).index for number in numbers
        )
        return range(first, last + 1)

    def _show(self) -> None:
        image_controller = self._controller.image_controller
        count, numbers = 0, (0, 0)
        if image_controller is not None and len(image_controller.image_axes.spatial) == 3:
            # a text says why no plane is in view, as in 3-D; the first axis is taken then
            now = image_controller.displayed_slice
            self._axis = 0 if isinstance(now, str) else now.plane.axis
            count = image_controller.image_axes.shape[
                image_controller.image_axes.spatial[self._axis]
            ]
            ends = [
                image_controller.plane_number(Plane(self._axis, index)) for index in (0, count - 1)
            ]
            numbers = min(ends), max(ends)
        # only for another stack: what a person has entered stays during work
        if numbers != self._numbers:
            self._numbers = numbers
            for box, value in zip((self.first, self.last), numbers, strict=True):
                box.setRange(*numbers)
                box.setValue(value)
        self._show_method(count > 0)
        self.propagate_all.setEnabled(not self._controller.is_propagating)
        self.setVisible(count > 0)

    def _show_method(self, is_volume: bool) -> None:
        """Offer the model's memory only while there is one."""
        can_follow = isinstance(self._controller.loader.model, MemorySegmenter)
        self.method.setVisible(is_volume and can_follow)
        if not can_follow and self.method.currentIndex() != 0:
            # the settings follow the list, so a model without memory is not asked for one
            self.method.setCurrentIndex(0)

    def _in_3d_chosen(self, on: bool) -> None:
        self._controller.in_3d.is_on = on

    def _method_chosen(self, _index: int) -> None:
        method = self.method.currentData()
        self._controller.settings = replace(self._controller.settings, method=method)


_PLANE = Qt.ItemDataRole.UserRole
# as many planes are listed, the least sure first. Not tuned: some five times what the list shows
# without scrolling; "Next plane to check" goes through all the others too. So are events of
# tracks, in the tip of the button
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
        self.interpolate = Tick(tr("between clicked planes only, by shape"))
        self.interpolate.setToolTip(
            tr("Interpolate shapes between clicked planes, without the model.")
        )
        self.reach = Length()
        self.reach.setSpecialValueText(tr("as far as it goes"))
        self.reach.setToolTip(tr("Propagate at most so far from a clicked plane; 0: no limit."))
        self.next = buttons.make("next_plane")
        self.list = QListWidget()
        # five lines; the rest is scrolled to, so that the panel fits into a window of 768 pixels,
        # and three in one of 650 pixels
        self.list.setMinimumHeight(54)
        self.list.setMaximumHeight(90)
        self.list.setToolTip(tr("Planes to look at, the least sure first. Choose one to see it."))
        self.holes, self.largest = QPushButton(tr("Fill holes")), QPushButton(tr("Largest part"))
        self.holes.setToolTip(tr("Fill holes of the object, plane by plane. Undo takes it back."))
        self.largest.setToolTip(tr("Keep only the largest connected part. Undo takes it back."))
        self.smooth = QPushButton(tr("Smooth"))
        self.smooth.setToolTip(
            tr("Let the outline pass smoothly across planes. Planes with clicks stay as they are.")
        )
        # not 0, which would smooth nothing
        self.smoothing = Length(least=0.01)
        self.smoothing.setToolTip(tr("How far; at first as far as two planes are apart."))
        # for which image the length was set first: a person's
        # own number stays as long as it is open
        self._smoothed: ref[ImageController] | None = None
        self._had_planes: ref[ImageController] | None = None
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
        self.link = QPushButton(tr("Link through time"))
        self.link.clicked.connect(self._link_pressed)
        self._arrange()
        self._shown: list[tuple[Plane, float]] = []
        self.interpolate.toggled.connect(self._interpolate_toggled)
        self.reach.chosen.connect(self._reach_changed)
        self.list.itemClicked.connect(self._chosen)
        self.holes.clicked.connect(lambda _on: review.clean_up(holes=True))
        self.largest.clicked.connect(lambda _on: review.clean_up(largest=True))
        self.smooth.clicked.connect(lambda _on: review.clean_up(smooth_mm=self.smoothing.mm))
        controller.signals.follow(self._show, edits=False)
        self._show()

    def _arrange(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.next, 0, 0)
        layout.addWidget(self.list, 1, 0)
        layout.addWidget(self.follow, 2, 0)
        layout.addWidget(self.link, 3, 0)
        layout.addWidget(self.rest, 4, 0)
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
        for widget in (self.next, self.rest):
            widget.setVisible(is_volume)
        self.follow.setVisible(has_times)
        self.follow.setText(
            tr("Stop following") if self.through.is_running else tr("Follow through time")
        )
        self.link.setVisible(has_times)
        self._show_link()
        rows = list(self.review.planes[:_MOST]) if is_volume else []
        # the key goes on to the next object where this one has no plane left to check
        has_others = image_controller is not None and len(image_controller.session_store.labels) > 1
        self.next.setEnabled(bool(rows) or has_others)
        # an empty box says nothing, and takes the room of what can be done
        self.list.setVisible(bool(rows))
        with QSignalBlocker(self.interpolate):
            self.interpolate.setChecked(self.review.is_interpolating)
        if image_controller is None:
            self._controller.signals.follow(self._show, edits=False)
            return
        if rows:
            self._had_planes = ref(image_controller)
        # where there were none to check, a click makes none
        had = self._had_planes is not None and self._had_planes() is image_controller
        self._controller.signals.follow(self._show, edits=had)
        self._show_lengths(image_controller)
        # filling anew would scroll back to the top after each answer
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

    def _show_link(self) -> None:
        """Show what linking is for, and then what it found."""
        linking = self.through.linking
        self.link.setText(tr("Stop linking") if linking.is_running else tr("Link through time"))
        tip = tr(
            "Give what is one object at all time points one number, and show the tracks with\n"
            "divisions and merges. Accepted and locked objects keep their numbers; one undo."
        )
        events = [translated(told_event(event)) for event in linking.events]
        more = [tr("And {n} more.", n=len(events) - _MOST)] if len(events) > _MOST else []
        self.link.setToolTip("\n".join([tip, *events[:_MOST], *more]))

    def _link_pressed(self, _on: bool = False) -> None:
        if self.through.linking.is_running:
            self.through.linking.cancel()
        else:
            self.through.linking.start()

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
        # 0 stands for no limit
        self.review.reach_mm = reach_mm or None


# steps of half a pixel; not tuned
_STEPS_PER_PX = 2
_MOST_PX = 20
"""The right end of the slider in pixels: nuclei and organs are rarely drawn more coarsely, and a
script may choose more. Not tuned."""

_REST_MS = 250
"""Milliseconds without a move after which a slider moved by keys counts as left alone, and all
planes follow. Not tuned: well above the 30 to 40 ms in which a key that is held down repeats."""


class DetailPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Smooths outlines while it is moved: what is in view at once, the rest when it is let go.

    Attributes
    ----------
    slider : QSlider
        In half pixels.
    told : QLabel
        The same in the unit of the image.
    """

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.detail = OutlineDetailController(controller)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _MOST_PX * _STEPS_PER_PX)
        self.slider.setAccessibleName(tr("Smooth outlines"))
        self.slider.setToolTip(
            tr(
                "Smooth and simplify all outlines that are not accepted or locked, now and "
                "from now on.\nAll the way left they are as the model gave them. Every export "
                "has them as seen."
            )
        )
        self.told = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(QLabel(tr("Smooth")))
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.told)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._settle)
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderReleased.connect(self._settle)
        controller.signals.changed.connect(self._show)
        self._show()

    @property
    def mm(self) -> float:
        """What the slider says, in millimetres."""
        return float(self.slider.value()) / _STEPS_PER_PX * self.detail.pixel_mm

    @property
    def is_settled(self) -> bool:
        """Whether the last move has ended, and all planes follow it."""
        return not (self.slider.isSliderDown() or self._rest.isActive())

    def _moved(self, _value: int) -> None:
        self.detail.preview(self.mm)
        self._tell()
        # the mouse says when it lets go, keys and wheel do not
        if not self.slider.isSliderDown():
            self._rest.start()

    def _settle(self) -> None:
        self._rest.stop()
        self.detail.choose(self.mm)

    def _show(self) -> None:
        self.setEnabled(self._controller.image_controller is not None)
        # under a person's hand the slider must not jump back to what held before
        if not self.is_settled:
            return
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(self.detail.mm / self.detail.pixel_mm * _STEPS_PER_PX))
        self._tell()

    def _tell(self) -> None:
        image_controller = self._controller.image_controller
        unit = "px" if image_controller is None else image_controller.image_axes.unit
        words = f"{self.mm * PER_MM[unit]:.3g} {unit}"
        self.told.setText(words if self.slider.value() else tr("off"))
        # as wide as the longest number, so that the slider keeps its length while it is moved
        self.told.setMinimumWidth(self.told.fontMetrics().horizontalAdvance("00.0 mm"))
