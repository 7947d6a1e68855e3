"""What the panels share: titled groups and combo boxes that can be filled anew quietly."""

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget


def form(parent: QWidget) -> QFormLayout:
    """Return a layout of labelled rows that use the width there is."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def combo(tip: str) -> QComboBox:
    """Return an empty combo box that may become narrower than its longest entry."""
    box = QComboBox()
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def fill(box: QComboBox, entries: Iterable[tuple[str, Any]], chosen: Any) -> None:
    """Replace a box's entries (text, value) without telling anyone, and choose one."""
    with QSignalBlocker(box):
        box.clear()
        for i, (text, value) in enumerate(entries):
            box.addItem(text, value)
            if value is chosen or value == chosen:
                box.setCurrentIndex(i)
