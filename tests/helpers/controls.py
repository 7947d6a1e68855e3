"""What a person sees of a panel that could be pressed, turned, ticked or typed into."""

from typing import Any

from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)

_KINDS = (
    QAbstractButton,
    QComboBox,
    QAbstractSpinBox,
    QAbstractSlider,
    QAbstractItemView,
    QLineEdit,
    QTabBar,
)


def visible_controls(panel: QWidget) -> list[QWidget]:
    """Return the controls of a panel that are shown; the parts of one count with it."""
    found = []
    for kind in _KINDS:
        for one in panel.findChildren(kind):
            is_bar = isinstance(one, QScrollBar)
            if one.isVisible() and not is_bar and not _is_part(one, panel) and one not in found:
                found.append(one)
    return found


def _is_part(one: QWidget, panel: QWidget) -> bool:
    """Whether a control belongs to another: a spin box has a line edit, a tab bar has buttons."""
    above: Any = one.parentWidget()
    while above is not None and above is not panel:
        if isinstance(above, _KINDS):
            return True
        above = above.parentWidget()
    return False


def told(one: Any) -> str:
    """Return a control in words."""
    words = one.text() if hasattr(one, "text") and not isinstance(one, QAbstractItemView) else ""
    return f"{type(one).__name__} {words or one.accessibleName() or one.toolTip()[:40]!r}"


def is_in_sight(one: QWidget) -> bool:
    """Whether all of a control is on the screen: nothing cuts it off."""
    return one.isVisible() and one.visibleRegion().boundingRect() == one.rect()
