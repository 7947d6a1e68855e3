"""Every text of a window: words, tool tips, names for screen readers, entries, cells, menus."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QMenu,
    QProgressBar,
    QTableView,
    QTabWidget,
    QWidget,
)

from napari_intseg.ui.panels.compare_panel import Plot

_READERS: tuple[tuple[Any, Callable[[Any], Iterable[str]]], ...] = (
    (QLabel | QAbstractButton, lambda one: (one.text(),)),
    (QLineEdit, lambda one: () if _is_part(one) else (one.placeholderText(),)),
    (QComboBox, lambda one: (one.itemText(row) for row in range(one.count()))),
    (QTabWidget, lambda one: (one.tabText(i) for i in range(one.count()))),
    (QAbstractSpinBox, lambda one: (one.prefix(), one.specialValueText())),
    (QProgressBar, lambda one: (one.format(),)),
    (QMenu, lambda one: (action.text() for action in one.actions())),
    (Plot, lambda one: (one.title,)),
    (QListWidget, lambda one: (one.item(row).text() for row in range(one.count()))),
)
_ROLES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)


def texts_of(top: QWidget) -> Iterator[tuple[str, str]]:
    """Yield where a text stands, and the text; what is folded away or hidden as well."""
    for one in (top, *top.findChildren(QWidget)):
        for text in (one.toolTip(), one.accessibleName(), *_texts(one)):
            if text:
                yield type(one).__name__, text


def _texts(one: Any) -> Iterator[str]:
    for kind, read in _READERS:
        if isinstance(one, kind):
            yield from read(one)
            return
    if isinstance(one, QAbstractItemView) and not _is_list_of_box(one):
        yield from _cells(one)


def _cells(view: QAbstractItemView) -> Iterator[str]:
    model = view.model()
    if not isinstance(view, QTableView) or model is None:
        return
    for column in range(model.columnCount()):
        for role in _ROLES:
            head = model.headerData(column, Qt.Orientation.Horizontal, role)
            if isinstance(head, str):
                yield head
        for row in range(model.rowCount()):
            for role in _ROLES:
                cell = model.data(model.index(row, column, QModelIndex()), role)
                if isinstance(cell, str):
                    yield cell


def _is_part(one: QWidget) -> bool:
    return isinstance(one.parentWidget(), QAbstractSpinBox | QComboBox)


def _is_list_of_box(view: QWidget) -> bool:
    """Whether it is the list of a combo box, whose entries were told already."""
    above: Any = view
    while above is not None:
        if isinstance(above, QComboBox):
            return True
        above = above.parentWidget()
    return False
