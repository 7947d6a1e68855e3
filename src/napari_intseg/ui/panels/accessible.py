"""Names for screen readers, on every control that shows no words of its own."""

import re

from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QProgressBar,
    QTabWidget,
    QWidget,
)

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
