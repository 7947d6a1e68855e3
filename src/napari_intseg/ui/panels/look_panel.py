"""Windows by numbers, each channel's dark, bright and colour, neighbouring planes, tiles."""

from collections.abc import Sequence

from psygnal import Signal
from qtpy.QtCore import QSignalBlocker
from qtpy.QtCore import Signal as QtSignal  # type: ignore[attr-defined, unused-ignore]
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.inference.intensity import (
    NAMED_COLOURS,
    Displayed,
    Percentiles,
    PerChannel,
    Window,
    WindowChoice,
)
from napari_intseg.inference.refinement import LevelSet
from napari_intseg.inference.tiling import Tiles
from napari_intseg.ui.controllers.view_settings import ViewSettings
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.panels.controls import Tick, combo, fill
from napari_intseg.ui.qt.translation import tr

Limits = tuple[float, float]


class ChannelRanges(QWidget):  # type: ignore[misc, unused-ignore]
    """A row for each channel."""

    changed = QtSignal()
    """A number was entered."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._widgets: list[QWidget] = []
        self.rows: list[tuple[QDoubleSpinBox, QDoubleSpinBox]] = []

    def show_limits(self, limits: Sequence[Limits]) -> None:
        """Show a row for each pair of numbers, telling nobody."""
        if len(limits) != len(self.rows):
            self._make(len(limits))
        for row, pair in zip(self.rows, limits, strict=True):
            for box, value in zip(row, pair, strict=True):
                # what the program shows is no choice of a person, and must not be answered as one
                with QSignalBlocker(box):
                    box.setValue(value)

    def chosen(self) -> PerChannel | None:
        """Return the window that the numbers make; None while one of them makes none."""
        pairs = [(float(low.value()), float(high.value())) for low, high in self.rows]
        # while a person types, low may pass high for a moment:
        # nothing is chosen until it is in order
        if not pairs or any(low >= high for low, high in pairs):
            return None
        return PerChannel(tuple(pairs))

    def _make(self, count: int) -> None:
        for widget in self._widgets:
            self._grid.removeWidget(widget)
            widget.deleteLater()
        self._widgets, self.rows = [], []
        for row in range(count):
            label = QLabel(f"{row + 1}")
            label.setToolTip(tr("Channel {number} of those chosen above.", number=row + 1))
            low, high = (
                self._box(
                    tr("from "), tr("The value of this channel that the model sees as dark.")
                ),
                self._box(
                    tr("to "), tr("The value of this channel that the model sees as bright.")
                ),
            )
            for column, widget in enumerate((label, low, high)):
                self._grid.addWidget(widget, row, column)
                self._widgets.append(widget)
            self._grid.setColumnStretch(1, 1)
            self._grid.setColumnStretch(2, 1)
            self.rows.append((low, high))

    def _box(self, prefix: str, tip: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        # wider than any intensity a person types; a spin box without a range stops at 99
        box.setRange(-1e9, 1e9)
        box.setDecimals(2)
        box.setPrefix(prefix)
        # every digit would otherwise have the model asked anew
        box.setKeyboardTracking(False)
        box.setToolTip(tip)
        box.valueChanged.connect(lambda _: self.changed.emit())
        return box


LEVEL = to_translate("level and width")
PER_CENT = to_translate("percentiles from to")
RANGE = to_translate("fixed range")
"""Entries of the list of windows for which a person is asked for two numbers."""

CHANNELS = to_translate("fixed range for each channel")
"""The entry for which a person is asked for two numbers per channel."""

# where the numbers begin: the CT window "soft tissue"; the
# percentiles of "auto", see `resolve_intensity`; all of uint8
_STARTS = {LEVEL: (50.0, 400.0), PER_CENT: (0.5, 99.5), RANGE: (0.0, 255.0)}
_PREFIXES = {
    LEVEL: (to_translate("level "), to_translate("width ")),
    PER_CENT: ("", ""),
    RANGE: (to_translate("from "), to_translate("to ")),
}


# here as literals, for the catalogues of translations are made of literals
_COLOURS = {
    "grey": to_translate("grey"),
    "red": to_translate("red"),
    "green": to_translate("green"),
    "blue": to_translate("blue"),
    "cyan": to_translate("cyan"),
    "magenta": to_translate("magenta"),
    "yellow": to_translate("yellow"),
}
"""Those of `NAMED_COLOURS`."""


class LookPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Colours and ticks; the numbers of a window go where the list of windows is.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    view_settings : ViewSettings
        Takes the choices.
    """

    changed = Signal()
    """The numbers of a window have changed."""

    def __init__(self, controller: ViewerController, view_settings: ViewSettings) -> None:
        super().__init__()
        self._controller, self._view_settings = controller, view_settings
        self._kind = ""
        self.first, self.second = QDoubleSpinBox(), QDoubleSpinBox()
        self.numbers = QWidget()
        row = QHBoxLayout(self.numbers)
        for box in (self.first, self.second):
            box.setRange(-1e9, 1e9)
            box.setDecimals(2)
            box.setKeyboardTracking(False)
            box.setAccessibleName(tr("Contrast"))
            box.valueChanged.connect(self._number_changed)
            row.addWidget(box)
        self.neighbours = Tick(tr("neighbouring planes as colours"))
        self.neighbours.setToolTip(
            tr(
                "The model sees the plane before in red, this one in green, the next in blue "
                "(2.5-D)."
            )
        )
        self.neighbours.toggled.connect(lambda on: view_settings.choose(context=int(on)))
        self.tiles = Tick(tr("full resolution for large objects"))
        self.tiles.setToolTip(
            tr(
                "Draw the outline of an object that is larger than the model's view tile by "
                "tile, at\nfull resolution, blended; smaller ones stay as they are. A click on "
                "a large object\nthen takes as many times longer as there are tiles. Undo takes "
                "it back."
            )
        )
        self.tiles.toggled.connect(lambda on: view_settings.choose(tiles=Tiles() if on else None))
        self.denoise = Tick(tr("less noise"))
        self.denoise.setToolTip(
            tr(
                "Show the model noisy slices with less noise; others stay as they are. The "
                "image on\nthe canvas is never changed. Undo takes it back."
            )
        )
        self.denoise.toggled.connect(lambda on: view_settings.choose(denoise=on))
        self.several = Tick(tr("several answers"))
        self.several.setToolTip(
            tr(
                "Have the model answer a first click in several ways, in other sizes as well; "
                "step\nthrough them by Next and Previous, as through those of SAM."
            )
        )
        self.several.toggled.connect(lambda on: view_settings.choose(several=on))
        self.local = Tick(tr("clicks change their region only"))
        self.local.setToolTip(
            tr("A click changes only the region it is about; the rest of the mask stays as it is.")
        )
        self.local.toggled.connect(lambda on: view_settings.choose(local=on))
        self.regional = Tick(tr("second look between clicks"))
        self.regional.setToolTip(
            tr(
                "Ask once more, enlarged, in the region between the last click and the nearest "
                "one of\nthe other sign. Such clicks take twice as long."
            )
        )
        self.regional.toggled.connect(lambda on: view_settings.choose(regional=on))
        self.level_set = Tick(tr("smooth outline (level set)"))
        self.level_set.setToolTip(
            tr("Let the outline evolve on the model's answer and the edges of the image.")
        )
        self.level_set.toggled.connect(
            lambda on: view_settings.choose(level_set=LevelSet() if on else None)
        )
        self.ranges = ChannelRanges()
        self.ranges.changed.connect(lambda: self._number_changed(0.0))
        self.colours = QWidget()
        self._row = QGridLayout(self.colours)
        for inside in (row, self._row):
            inside.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        ticks = (
            self.neighbours, self.tiles, self.denoise,
            self.several, self.local, self.regional, self.level_set,
        )  # fmt: skip
        for widget in (self.colours, *ticks):
            layout.addWidget(widget)
        self.numbers.setVisible(False)
        self.ranges.setVisible(False)
        # no count of channels is -1, so the first call of `_show` makes the row
        self._count = -1
        controller.signals.changed.connect(self._show)
        self._show()

    def ask(self, kind: object) -> None:
        """Show the numbers of a kind of window; none for any other choice."""
        known = (*_STARTS, CHANNELS)
        self._kind = kind if isinstance(kind, str) and kind in known else ""
        self.numbers.setVisible(self._kind in _STARTS)
        self.ranges.setVisible(self._kind == CHANNELS)
        if self._kind == CHANNELS:
            # the limits seen now come from the worker's thread; until then there are no rows
            self.ranges.show_limits([])
            self._view_settings.limits(self._begin_ranges)
        elif self._kind:
            pairs = zip(_PREFIXES[self._kind], _STARTS[self._kind], strict=True)
            for box, (prefix, start) in zip((self.first, self.second), pairs, strict=True):
                # only now: what a list of colours was filled with is no choice
                with QSignalBlocker(box):
                    box.setPrefix(tr(prefix) if prefix else "")
                    box.setSuffix(" %" if self._kind == PER_CENT else "")
                    box.setValue(start)

    def chosen(self) -> WindowChoice:
        """Return the window that the numbers make; None while they make none."""
        if self._kind == CHANNELS:
            return self.ranges.chosen()
        one, two = float(self.first.value()), float(self.second.value())
        if self._kind == LEVEL and two > 0:
            return Window(one, two)
        if self._kind == PER_CENT and 0 <= one < two <= 100:
            return Percentiles(one, two)
        return (one, two) if self._kind == RANGE and one < two else None

    def _begin_ranges(self, limits: Sequence[Limits]) -> None:
        """Begin with what is seen now."""
        if self._kind == CHANNELS and not self.ranges.rows:
            self.ranges.show_limits(limits)

    def _number_changed(self, _value: float) -> None:
        if self.chosen() is not None:
            self.changed.emit()

    def _show(self) -> None:
        setup = self._view_settings.setup
        volume = None if setup is None else setup.volume
        # neighbours take the place of colours, and only a volume has some
        is_grey = volume is not None and volume.ndim == 3 and not volume.n_channels
        self.neighbours.setVisible(is_grey)
        ticks = (self.tiles, self.denoise, self.several, self.local, self.regional, self.level_set)
        for tick in ticks:
            tick.setVisible(setup is not None)
        if setup is not None:
            boxes = (
                (self.neighbours, setup.context > 0),
                (self.tiles, setup.tiles is not None),
                (self.denoise, setup.denoise),
                (self.several, setup.several),
                (self.local, setup.local),
                (self.regional, setup.regional),
                (self.level_set, setup.level_set is not None),
            )
            for box, on in boxes:
                with QSignalBlocker(box):
                    box.setChecked(on)
        shown = None if setup is None or setup.channels is None else len(setup.channels)
        count = shown or (0 if volume is None else min(3, volume.n_channels))
        if setup is not None and isinstance(setup.window, Displayed):
            # in the colours of the layers
            count = 0
        if count != self._count:
            self._count = count
            self._show_colours(count)
            # a row for each of the channels there are now
            if self._kind == CHANNELS:
                self.ask(CHANNELS)

    def _show_colours(self, count: int) -> None:
        # Qt has no way to empty a layout at once
        while (item := self._row.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self.colours.setVisible(count > 1)
        # the colours that `default_colours` gives up to three channels
        first = ("red", "green", "blue") if count <= 3 else tuple(NAMED_COLOURS)
        boxes = []
        for i in range(count if count > 1 else 0):
            box = combo(
                tr(
                    "The colour in which the model sees channel {number} of those chosen.",
                    number=i + 1,
                )
            )
            # letters: the lists stand two by two in the narrow dock
            box.setMinimumContentsLength(3)
            fill(
                box,
                [(tr(_COLOURS.get(name, name)), name) for name in NAMED_COLOURS],
                first[i % len(first)],
            )
            self._row.addWidget(box, i // 2, i % 2)
            boxes.append(box)
        # connected after all are filled: each choice reads the colours of all of them
        for box in boxes:
            box.currentIndexChanged.connect(
                lambda _i: self._view_settings.choose(colours=tuple(b.currentData() for b in boxes))
            )
