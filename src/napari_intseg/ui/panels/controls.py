"""Small widgets that panels share: buttons with their keys, groups, lengths, notices, folds.

Controls that show no words of their own get names for screen readers.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QTextLayout
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QMainWindow,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStylePainter,
    QTabWidget,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_intseg.ui.qt.keybindings import ACTIONS, Keys
from napari_intseg.ui.qt.translation import tr
from napari_intseg.ui.storage.recovery import remember, remembered


class Buttons:
    """Makes the button of an action.

    Parameters
    ----------
    calls : mapping of str to callable
        What each action does.
    keys : Keys
        Which key each has, and which are left to something else here.
    """

    def __init__(self, calls: Mapping[str, Callable[[], object]], keys: Keys) -> None:
        self._calls = calls
        self._keys = keys

    def make(self, name: str, *, with_key: bool = True) -> QPushButton:
        """Return the button of an action; its key is in its tool tip, and behind its words."""
        action = next(a for a in ACTIONS if a.name == name)
        call = self._calls[name]
        key = self._keys.keys[name].replace("-", "+")
        button = QPushButton(tr(action.title) + (self.key_of(name) if with_key else ""))
        lines = [tr(action.tip)]
        if action in self._keys.taken:
            lines.append(tr("The key {key} means something else here.", key=key))
        elif key:
            lines.append(tr("Key: {key}", key=key))
        button.setToolTip("\n".join(lines))
        button.clicked.connect(lambda _checked: call())
        return button

    def key_of(self, name: str) -> str:
        """Return what stands behind the words of a button: its key, unless that is taken."""
        action = next(a for a in ACTIONS if a.name == name)
        key = self._keys.keys[name].replace("-", "+")
        return f"  ({key})" if key and action not in self._keys.taken else ""


def form(parent: QWidget) -> QFormLayout:
    """Return a layout of labelled rows that use the width there is."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


class Tick(QCheckBox):  # type: ignore[misc, unused-ignore]
    """A check box whose words go on in further lines where there is no room for them.

    Qt's own keeps them in one line, and so makes the panel as wide as its longest.

    Parameters
    ----------
    words : str
        Without line breaks.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self._words = words
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def text(self) -> str:
        """Return the words, in one line."""
        return self._words

    def resizeEvent(self, event: Any) -> None:
        """Break the lines for the new width; called by Qt."""
        super().resizeEvent(event)
        option, style = QStyleOptionButton(), self.style()
        assert style is not None
        self.initStyleOption(option)
        part = QStyle.SubElement.SE_CheckBoxContents
        self.setText(_broken(self._words, self.font(), style.subElementRect(part, option, self)))


def _broken(words: str, font: Any, place: Any) -> str:
    """Return words with line breaks, so that they fit into a rectangle's width."""
    # where a line may end differs between languages, and Qt knows
    layout = QTextLayout(words, font)
    layout.beginLayout()
    lines = []
    while (line := layout.createLine()).isValid():
        line.setLineWidth(place.width())
        start = line.textStart()
        lines.append(words[start : start + line.textLength()].strip())
    layout.endLayout()
    return "\n".join(lines)


class _Combo(QComboBox):  # type: ignore[misc, unused-ignore]
    """Leaves out the middle of an entry that is too long; its tool tip and its list have all."""

    @property
    def shown_text(self) -> str:
        """The entry, as far as there is room for it."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        return self._elided(option)

    def paintEvent(self, _event: Any) -> None:
        """Draw the box with what has room; called by Qt."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self._elided(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def showPopup(self) -> None:
        """Open the list, as wide as its longest entry; called by Qt."""
        view, style = self.view(), self.style()
        if view is not None and style is not None:
            bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
            view.setMinimumWidth(view.sizeHintForColumn(0) + bar)
        super().showPopup()

    def event(self, event: Any) -> bool:
        """Put the whole entry before the tool tip where the box shows a part of it."""
        if event.type() == QEvent.Type.ToolTip and self.shown_text != self.currentText():
            QToolTip.showText(event.globalPos(), f"{self.currentText()}\n{self.toolTip()}", self)
            return True
        return bool(super().event(event))

    def _elided(self, option: QStyleOptionComboBox) -> str:
        style, part = self.style(), QStyle.SubControl.SC_ComboBoxEditField
        assert style is not None
        field = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self)
        # styles draw the text up to two pixels in from either side
        room = field.width() - 4
        text, where = self.currentText(), Qt.TextElideMode.ElideMiddle
        return str(self.fontMetrics().elidedText(text, where, room))


def combo(tip: str) -> QComboBox:
    """Return an empty combo box that may become narrower than its longest entry."""
    box = _Combo()
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    # letters: the dock is narrow, and long names are shown in the list
    box.setMinimumContentsLength(8)
    return box


def fill(box: QComboBox, entries: Iterable[tuple[str, Any]], chosen: Any) -> None:
    """Give a box these entries (text, value) without telling anyone, and choose one.

    Entries that stay are left in place: emptying a list closes it, though a person has it open.
    An entry without text and value is a line between others.
    """
    entries = list(entries)
    with QSignalBlocker(box):
        for row in reversed(range(box.count())):
            if not any(_is_same(value, box.itemData(row)) for _, value in entries):
                box.removeItem(row)
        for row, (text, value) in enumerate(entries):
            left = range(row, box.count())
            now = next((r for r in left if _is_same(value, box.itemData(r))), None)
            if now == row:
                box.setItemText(row, text)
                continue
            if now is not None:
                box.removeItem(now)
            if text or value is not None:
                box.insertItem(row, text, value)
            else:
                box.insertSeparator(row)
        while box.count() > len(entries):
            box.removeItem(box.count() - 1)
        rows = [row for row, (_, value) in enumerate(entries) if _is_same(value, chosen)]
        # without an entry of that value the first one is shown
        box.setCurrentIndex(rows[-1] if rows else min(0, len(entries) - 1))


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of a list are one; `is` first: layers may not be comparable."""
    return one is other or bool(one == other)


PER_MM = {"mm": 1.0, "µm": 1e3, "px": 1.0}
"""How much of each unit makes a millimetre; pixels of images without a unit count as such."""


class Length(QDoubleSpinBox):  # type: ignore[misc, unused-ignore]
    """A spin box whose suffix is the image's unit.

    Parameters
    ----------
    least : float, default 0.0
        In whatever unit is shown.
    """

    chosen = Signal(float)
    """Another length was entered, in millimetres."""

    def __init__(self, least: float = 0.0) -> None:
        super().__init__()
        # more than the side of any image in mm or µm; without a range a spin box stops at 99
        self.setRange(least, 1e6)
        # only when typing has ended: 12 would be 1 on the way
        self.setKeyboardTracking(False)
        self._unit = "mm"
        self.setSuffix(" mm")
        self.valueChanged.connect(lambda _: self.chosen.emit(self.mm))

    @property
    def mm(self) -> float:
        """The length in millimetres."""
        return float(self.value()) / PER_MM[self._unit]

    def show_mm(self, mm: float, unit: str) -> None:
        """Show a length given in millimetres in a unit of `PER_MM`, telling nobody."""
        with QSignalBlocker(self):
            self._unit = unit
            self.setSuffix(f" {unit}")
            self.setValue(mm * PER_MM[unit])


NAME = "napari-intseg notice"


def show_notice(text: str) -> None:
    """Show an error as napari does; a notice of ours that is still up shows the new text instead.

    napari makes a dialog for each error, and keeps all of them as long as its window is not the
    active one.
    """
    notice = _ours()
    if notice is not None:
        notice.message.setText(text)
        # the time that is left begins anew
        if notice.timer.isActive():
            notice.timer_start()
        return
    # napari does not return the dialog that it makes: it is found by what is new
    before = set(_dialogs())
    show_error(text)
    for dialog in _dialogs():
        if dialog not in before and hasattr(dialog, "message") and hasattr(dialog, "timer_start"):
            dialog.setObjectName(NAME)


def _ours() -> Any:
    """Return the notice that is up; None if it was closed, or never was."""
    return next((d for d in _dialogs() if d.objectName() == NAME and not d.isHidden()), None)


def _dialogs() -> list[Any]:
    windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
    return [dialog for window in windows for dialog in window.findChildren(QDialog)]


_KINDS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QProgressBar,
    QTabWidget,
)


def name_controls(panel: QWidget) -> None:
    """Give every control without words and without a name one: what its tooltip says first."""
    for kind in _KINDS:
        for one in panel.findChildren(kind):
            if name_of(one):
                continue
            tip = re.split(r"\n|\. |。", one.toolTip())[0].rstrip(".")
            if tip:
                one.setAccessibleName(tip)


def name_of(control: QWidget) -> str:
    """Return what a screen reader says of a control; empty if it has no name."""
    words = control.text() if isinstance(control, QAbstractButton) else ""
    return str(control.accessibleName() or words)


# QWIDGETSIZE_MAX, which Qt's bindings do not name alike
WITHOUT_LIMIT = (1 << 24) - 1


_ROUND_HEADING_PX = 4
"""What Qt's style leaves free round the text of a heading, on one side."""


class Section(QCollapsible):  # type: ignore[misc, unused-ignore]
    """A heading that shows and hides what is below it.

    Parameters
    ----------
    title : str
        The heading.
    *widgets : QWidget
        From top to bottom.
    key : str, optional
        Under which the choice to open or fold it is remembered; without one it is not.
    is_open : bool, default False
        Where nothing is remembered.
    """

    def __init__(
        self, title: str, *widgets: QWidget, key: str | None = None, is_open: bool = False
    ) -> None:
        super().__init__(title, expandedIcon="▾", collapsedIcon="▸")
        self._title = title
        # no animation: sizes would be in motion while the panel is laid out
        self.setDuration(0)
        self._key = key
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(8, 0, 0, 0)
        layout.setSpacing(4)
        for widget in widgets:
            layout.addWidget(widget)
        before = self.content()
        self.setContent(inside)
        # superqt leaves the old content in place
        before.setParent(None)
        outside = self.layout()
        assert outside is not None
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(2)
        button = self.toggleButton()
        # a heading may be cut off; it does not make the panel wider
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        known = remembered().get(f"section {key}") if key else None
        self.fold(not (known if isinstance(known, bool) else is_open))
        self.toggled.connect(self._toggled)
        self._widgets = widgets
        for widget in widgets:
            widget.installEventFilter(self)
        if widgets and all(widget.isHidden() for widget in widgets):
            self.setVisible(False)

    def text(self) -> str:
        """Return the heading, also where there is no room for all of it."""
        return self._title

    def setText(self, text: str) -> None:
        """Change the heading."""
        self._title = text
        self._fit()

    def resizeEvent(self, event: Any) -> None:
        """Show as much of the heading as there is room for; called by Qt."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        button = self.toggleButton()
        # beside the text: the arrow, the space after it, and as much at either end
        room = self.width() - button.iconSize().width() - 3 * _ROUND_HEADING_PX
        cut = Qt.TextElideMode.ElideRight
        button.setText(button.fontMetrics().elidedText(self._title, cut, room))

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Hide a heading that has nothing below it; called by Qt."""
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            is_empty = all(widget.isHidden() for widget in self._widgets)
            # without a parent it would become a window
            if self.parent() is not None and is_empty != self.isHidden():
                self.setVisible(not is_empty)
        return False

    def fold(self, folded: bool) -> None:
        """Fold or open it without remembering that."""
        with QSignalBlocker(self):
            self.toggleButton().setChecked(not folded)
        self._follow()

    def _toggled(self, _is_open: bool) -> None:
        self._follow()
        if self._key:
            remember(**{f"section {self._key}": self.isExpanded()})

    def _follow(self) -> None:
        """Hide what is folded away, so that no key reaches it either."""
        is_open = self.isExpanded()
        self.content().setMaximumHeight(WITHOUT_LIMIT if is_open else 0)
        self.content().setVisible(is_open)
