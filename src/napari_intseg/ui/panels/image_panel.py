"""Which image is segmented, of a folder or the viewer; its axes, channels and window."""

from collections.abc import Callable
from functools import partial
from os.path import commonprefix
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_intseg.errors import IntSegError
from napari_intseg.inference.intensity import CT_WINDOWS, default_colours
from napari_intseg.ui.controllers.image_queue import NO_FOLDER, QueueWork
from napari_intseg.ui.controllers.view_settings import PREVIEW_PX, REST_MS, Picture, ViewSettings
from napari_intseg.ui.controllers.viewer_controller import AS_SHOWN, ViewerController
from napari_intseg.ui.layers.image_axes import can_mix, level_0, possible_axes
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.panels.controls import Buttons, Tick, combo, fill, form
from napari_intseg.ui.panels.look_panel import CHANNELS, LEVEL, PER_CENT, RANGE, LookPanel
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
    learn : callable
        Opens the dialog on learning from what is done.
    """

    def __init__(
        self,
        controller: ViewerController,
        work: QueueWork,
        buttons: Buttons,
        learn: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._controller, self.work, self.learn = controller, work, learn
        self._buttons = buttons
        self.told = QElidingLabel()
        # a long file name must not make the panel wider
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
        # filled when it opens: a folder may hold thousands
        menu.aboutToShow.connect(lambda: self.fill(menu))
        self.more.setMenu(menu)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.told, 0, 0, 1, 2)
        layout.addWidget(self.more, 0, 2)
        row = QHBoxLayout()
        layout.addLayout(row, 1, 0, 1, 3)
        for button in (self.done, self.skip):
            # the words fit into the panel; what a style adds beside them may be cut off
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            row.addWidget(button, button.sizeHint().width())
        controller.signals.changed.connect(self._show)
        self._show()

    def fill(self, menu: QMenu) -> None:
        """Put all images into a menu, and what else can be done."""
        menu.clear()
        queue = self.work.queue
        if queue is None:
            return
        # a menu shows what stands behind a tab as the key of its entry
        menu.addAction(tr("Next image") + self._key("queue_next"), self.work.next)
        menu.addAction(tr("Previous image") + self._key("queue_previous"), self.work.previous)
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
        menu.addAction(tr("Learn from finished objects…"), self.learn)
        menu.addAction(tr("Export what is done as a training set…"), self.ask_export)
        menu.addAction(tr("Close the folder"), self.work.close)

    def _key(self, name: str) -> str:
        key = self._buttons.key_of(name).strip(" ()")
        return f"\t{key}" if key else ""

    def ask_open(self) -> None:
        """Ask for a folder with images, and whether labels shall go beside them."""
        chosen = QFileDialog.getExistingDirectory(self.window(), tr("Folder with images"))
        if not chosen:
            return
        folder, labels = Path(chosen), None
        box = QMessageBox(self.window())
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(tr("Labels"))
        box.setText(tr("Where are the labels to be saved?"))
        role = QMessageBox.ButtonRole.AcceptRole
        beside = box.addButton(tr("Beside the images"), role)
        elsewhere = box.addButton(tr("In another folder…"), role)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(beside)
        box.exec()
        if box.clickedButton() is elsewhere:
            other = QFileDialog.getExistingDirectory(self.window(), tr("Folder for the labels"))
            if not other:
                return
            labels = Path(other)
        elif box.clickedButton() is not beside:
            return
        self.work.open(folder, labels)

    def ask_export(self) -> None:
        """Ask for a folder, and copy what is done there."""
        if self.work.queue is None:
            self._controller.signals.failed.emit(NO_FOLDER)
            return
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
            tr("{n} done", n=queue.count("done")),
        ]
        each = queue.seconds_per_object
        if each is not None:
            words.append(tr("{seconds:.0f} s each", seconds=each))
        # last, for it may be long and then ends in …
        words.append(queue.current.path.name)
        self.told.setText(" · ".join(words))
        self.told.setToolTip(self.told.text())


class Preview(QWidget):  # type: ignore[misc, unused-ignore]
    """Follows the slice in view and the choice of window, unless it is switched off.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    view_settings : ViewSettings
        Makes the picture.
    """

    def __init__(self, controller: ViewerController, view_settings: ViewSettings) -> None:
        super().__init__()
        self._controller, self._view_settings = controller, view_settings
        self._rests = 0
        self._closed = False
        self.shown = Tick(tr("show what the model sees"))
        self.shown.setToolTip(
            tr(
                "A small picture of the slice as the model gets it, made when nothing else is "
                "to do."
            )
        )
        self.shown.setChecked(True)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        # so that nothing below it moves
        self.picture.setFixedHeight(PREVIEW_PX)
        self.picture.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.shown)
        layout.addWidget(self.picture)
        self.shown.toggled.connect(self._changed)
        controller.signals.follow(self._changed, edits=False)
        controller.viewer.dims.events.point.connect(self._changed)

    def close_panel(self) -> None:
        """Let go of the viewer."""
        self._closed = True
        self._controller.signals.leave(self._changed)
        self._controller.viewer.dims.events.point.disconnect(self._changed)

    def _changed(self, _event: Any = None) -> None:
        if not self.shown.isChecked():
            self.picture.setVisible(False)
            return
        self._rests += 1
        self._controller.post(partial(self._rested, self._rests), REST_MS)

    def _rested(self, number: int) -> None:
        if not self._closed and number == self._rests:
            self._view_settings.picture(self._show)

    def _show(self, picture: Picture | None) -> None:
        if self._closed:
            return
        # a click alters the picture only where the window is that of what is clicked
        self._controller.signals.follow(self._changed, edits=self._view_settings.is_picture_adapted)
        self.picture.setVisible(picture is not None)
        if picture is not None:
            height, width = picture.shape[:2]
            # QImage does not copy: the bytes must live until the pixmap is made
            pixels = np.ascontiguousarray(picture).tobytes()
            image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
            self.picture.setPixmap(QPixmap.fromImage(image.copy()))


_CHANNEL_PX = 120
"""Room for the name of a channel beside its tick, of the 260 pixels that the panel has: a longer
one would make the panel wider, and the canvas narrow."""

_MEANINGS = {
    "yx": to_translate("one image"),
    "zyx": to_translate("volume (planes)"),
    "tyx": to_translate("time points"),
    "cyx": to_translate("channels"),
    "tzyx": to_translate("time points, planes"),
    "czyx": to_translate("channels, planes"),
    "ctyx": to_translate("channels, time points"),
    "ctzyx": to_translate("channels, time points, planes"),
}


_CT_NAMES = {
    "abdomen": to_translate("abdomen"),
    "angio": to_translate("angio"),
    "bone": to_translate("bone"),
    "brain": to_translate("brain"),
    "early stroke": to_translate("early stroke"),
    "liver": to_translate("liver"),
    "lung": to_translate("lung"),
    "mediastinum": to_translate("mediastinum"),
    "neck": to_translate("neck"),
    "soft tissue": to_translate("soft tissue"),
    "spine": to_translate("spine"),
    "stroke": to_translate("stroke"),
    "subdural": to_translate("subdural"),
    "temporal bone": to_translate("temporal bone"),
}
"""Those of `CT_WINDOWS`; one that is added there is listed by its English name."""


class ImagePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Follows the image layers of the viewer.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    view_settings : ViewSettings
        Takes the choice of window; closed with the panel.

    Attributes
    ----------
    look, preview : QWidget
        What is chosen less often; the dock folds them away.
    """

    def __init__(self, controller: ViewerController, view_settings: ViewSettings) -> None:
        super().__init__()
        self._controller, self._view_settings = controller, view_settings
        self.image = combo(tr("The image layer to segment. It is never changed."))
        self.axes = combo(tr("What the leading axes of the image are."))
        self.contrast = combo(
            tr(
                "How values are shown to the model; what is clicked is answered anew.\n"
                "Automatic: chosen for you, or as displayed once you set limits or gamma. Layers "
                "that\nare mixed: as displayed."
            )
        )
        self.channels = QWidget()
        self._row = QGridLayout(self.channels)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.colour = QPushButton(tr("In colour"))
        self.colour.clicked.connect(lambda _: controller.show_in_colour())
        self._row.addWidget(self.colour, 1, 0, 1, -1)
        self._boxes: list[tuple[QCheckBox, int | Image]] = []
        self._axes_label, self._channels_label = QLabel(tr("Axes")), QLabel(tr("Channels"))
        layout = form(self)
        layout.addRow(tr("Image"), self.image)
        layout.addRow(self._axes_label, self.axes)
        layout.addRow(self._channels_label, self.channels)
        layout.addRow(tr("Contrast"), self.contrast)
        self.look, self.preview = (
            LookPanel(controller, view_settings),
            Preview(controller, view_settings),
        )
        layout.addRow(self.look.numbers)
        layout.addRow(self.look.ranges)
        entries: list[tuple[str, Any]] = [
            (tr("automatic"), None),
            (tr("as displayed"), AS_SHOWN),
            (tr("percentiles"), "percentile"),
            (tr("full range"), "full"),
            *((f"{tr(kind)} …", kind) for kind in (LEVEL, PER_CENT, RANGE, CHANNELS)),
        ]
        for name, window in CT_WINDOWS.items():
            told = tr(
                "CT {name}: level {level:g}, width {width:g} HU",
                name=tr(_CT_NAMES.get(name, name)),
                level=window.level,
                width=window.width,
            )
            entries.append((told, name))
        fill(self.contrast, entries, None)
        self.image.currentIndexChanged.connect(self._image_chosen)
        self.axes.currentIndexChanged.connect(self._axes_chosen)
        self.contrast.currentIndexChanged.connect(self._window_chosen)
        self.look.changed.connect(self._window_chosen)
        layers = controller.viewer.layers.events
        layers.inserted.connect(self._layers_changed)
        layers.removed.connect(self._layers_changed)
        layers.reordered.connect(self._layers_changed)
        self._named: list[Image] = []
        controller.signals.changed.connect(self._show_colour)
        self._layers_changed()

    def close_panel(self) -> None:
        """Let go of the viewer."""
        self.preview.close_panel()
        self._view_settings.close()
        layers = self._controller.viewer.layers.events
        layers.inserted.disconnect(self._layers_changed)
        layers.removed.disconnect(self._layers_changed)
        layers.reordered.disconnect(self._layers_changed)
        self._follow_names([])

    def _layers_changed(self, _event: Any = None) -> None:
        images = [layer for layer in self._controller.viewer.layers if isinstance(layer, Image)]
        chosen = self._controller.image if self._controller.image in images else None
        if chosen is None and images:
            # the topmost image is what a person sees
            chosen = images[-1]
        self._follow_names(images)
        fill(self.image, [(image.name, image) for image in images], chosen)
        self._controller.choose_image(chosen)
        self._sight_changed()

    def _follow_names(self, images: list[Image]) -> None:
        for image in self._named:
            image.events.name.disconnect(self._renamed)
            image.events.visible.disconnect(self._sight_changed)
            image.events.blending.disconnect(self._sight_changed)
        for image in images:
            image.events.name.connect(self._renamed)
            image.events.visible.connect(self._sight_changed)
            image.events.blending.connect(self._sight_changed)
        self._named = images

    def _sight_changed(self, _event: Any = None) -> None:
        self._controller.follow_mix()
        self._show_choices()

    def _renamed(self, _event: Any = None) -> None:
        for i, image in enumerate(self._named):
            # a layer was renamed: the entry stays chosen, so nobody is to be told of a choice
            self.image.setItemText(i, image.name)
        self._show_choices()
        # the folded heading names it too
        self._controller.signals.changed.emit()

    def _image_chosen(self, _index: int) -> None:
        self._controller.choose_image(self.image.currentData())
        self._show_choices()

    def _axes_chosen(self, _index: int) -> None:
        self._controller.choose_axes(self.axes.currentData())
        self._show_choices()

    def _window_chosen(self, index: int | None = None) -> None:
        chosen = self.contrast.currentData()
        if index is not None:
            self.look.ask(chosen)
        # for these entries the numbers beside the list make the
        # window; the others are windows already
        asked = chosen in (LEVEL, PER_CENT, RANGE, CHANNELS)
        window = self.look.chosen() if asked else chosen
        # its numbers are being found
        if window is not None or chosen != CHANNELS:
            self._view_settings.choose_window(window)

    def _channels_chosen(self, _on: bool) -> None:
        on = [what for box, what in self._boxes if box.isChecked()]
        # a model cannot be shown an image without a channel: the last tick comes back
        if not on:
            self._show_choices()
            return
        others = tuple(what for what in on if isinstance(what, Image))
        own = tuple(what for what in on if isinstance(what, int))
        # channels that are layers of their own, as microscopes save them, go before those within
        # one layer: only one of the two can be mixed
        if others:
            self._controller.choose_channels(None, others)
        else:
            self._controller.choose_channels(own or None)

    def _show_choices(self) -> None:
        image = self._controller.image
        axes: tuple[str, ...] = ()
        if image is not None:
            try:
                # a layer that cannot be segmented is told of in
                # the status line; here it has no axes
                axes = possible_axes(image)
            except IntSegError:
                axes = ()
        fill(self.axes, [(tr(_MEANINGS[a]), a) for a in axes], self._controller.axes)
        for widget in (self._axes_label, self.axes):
            # with one reading of the axes there is nothing to choose
            widget.setVisible(len(axes) > 1)
        self._show_channels(image)

    def _show_channels(self, image: Image | None) -> None:
        layout = self._row
        for box, _ in self._boxes:
            layout.removeWidget(box)
            box.hide()
            # later, for the box may be the one whose tick is being handled
            box.deleteLater()
        self._boxes = []
        if image is not None:
            self._boxes = [
                *((QCheckBox(str(i)), i) for i in range(self._own_channels(image))),
                *(
                    (QCheckBox(layer.name), layer)
                    for layer in self._controller.viewer.layers
                    if isinstance(layer, Image) and can_mix(image, layer)
                ),
            ]
        # the first three are shown where nobody has chosen, as `resolve_intensity` does
        on = set(self._controller.channels or range(3))
        shown = default_colours(max(1, len(on)))
        for number, (box, what) in enumerate(self._boxes):
            box.setChecked(
                what in self._controller.others if isinstance(what, Image) else what in on
            )
            tip = tr("Mixed into what the model sees, in up to {count} colours.", count=len(shown))
            if isinstance(what, Image):
                box.setText(self._short(what.name))
                tip = f"{what.name}: " + tr("Mixed into what the model sees, as it is displayed.")
            box.setToolTip(tip)
            box.toggled.connect(self._channels_chosen)
            # numbers side by side, names below each other and the button
            is_layer = isinstance(what, Image)
            layout.addWidget(
                box, number + 2 if is_layer else 0, 0 if is_layer else number, 1,
                -1 if is_layer else 1,
            )  # fmt: skip
        for widget in (self._channels_label, self.channels):
            widget.setVisible(bool(self._boxes))
        self._show_colour()

    def _show_colour(self) -> None:
        """Offer to show the channels of one layer in colour, or say why not now."""
        image = self._controller.image
        # work that has begun, its journal and its history are about the layer that there is
        has_begun = self._controller.image_controller is not None
        self.colour.setVisible(image is not None and self._own_channels(image) > 1)
        self.colour.setEnabled(not has_begun)
        tip = tr(
            "Show all channels at once: a layer for each, added up in colour, in place of "
            "this\none. The model then sees the mix that is displayed."
        )
        why = tr(
            "Only before the first click: clicks, labels and undo belong to this layer.\nTo change "
            "it now, duplicate the labels, remove both layers of this image, and take\nthe "
            "duplicate up again by Start from masks."
        )
        self.colour.setToolTip(f"{why}\n\n{tip}" if has_begun else tip)

    def _short(self, name: str) -> str:
        """Return what there is room for of a channel's name; the tool tip has all of it."""
        metrics = self.fontMetrics()
        if metrics.horizontalAdvance(name) > _CHANNEL_PX:
            # channels of a file begin alike, letter by letter
            alike = commonprefix([image.name for image in self._named])  # noqa: RUF071
            name = f"…{name[len(alike) :]}"
        return str(metrics.elidedText(name, Qt.TextElideMode.ElideRight, _CHANNEL_PX))

    def _own_channels(self, image: Image) -> int:
        axes = self._controller.axes
        return int(level_0(image).shape[axes.index("c")]) if "c" in axes else 0
