"""The objects in one table: what they are called, what they have, how they stand."""

from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QInputDialog,
    QMenu,
    QPushButton,
    QSizePolicy,
    QTableView,
    QWidget,
)

from napari_intseg.errors import FileError
from napari_intseg.session.document import LARGEST_LABEL
from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.label_export import export_cutout
from napari_intseg.ui.controllers.object_actions import (
    call,
    called,
    given_words,
    set_locked,
    show_object,
    size_px,
    size_words,
    state_of,
)
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, to_translate
from napari_intseg.ui.panels.controls import Buttons, Tick
from napari_intseg.ui.preferences import offered_classes
from napari_intseg.ui.qt.translation import tr, translated

# columns of the table, by number as Qt counts them; one more has its entry in `_TITLES`, `_TIPS`
# and `_WIDTHS`, and its content in `_text`, `_tip` and `_sorted_by`
LABEL, NAME, CLASS, GIVEN, SIZE, STATE = range(6)
_TITLES = (
    to_translate("No."), to_translate("Name"), to_translate("Class"),
    to_translate("Clicks"), to_translate("Size"), to_translate("State"),
)  # fmt: skip
_TIPS = (
    to_translate("Colour and number; a ticked object is accepted: no click changes it."),
    to_translate("Double-click to name the object."),
    to_translate("Double-click to say what it is: all of one kind share a class."),
    to_translate("What was given: clicks, boxes, scribbles, lassos, or a mask to start from."),
    to_translate("At the time point in view."),
    to_translate("Open, accepted, locked, or failed; hover to read why."),
)
# a role of its own: numbers are sorted as numbers, and not as the text in the cell
_SORT = Qt.ItemDataRole.UserRole
_WIDTHS = (58, 0, 52, 42, 72, 66)
"""Widths of the columns in pixels; the name gets what is left. The last two are what a nucleus of
15,209 px and "accepted" need in napari's font."""

# height of a row: a line of napari's font and its tick box, with some room. Not tuned.
_ROW_PX = 22

_WIDE_PX = 320
"""Width of the table from which class and clicks have columns of their own. In a narrower one the
class stands behind the name, and the clicks are in its tooltip: a number of three digits needs the
room."""


class Objects(QAbstractTableModel):  # type: ignore[misc, unused-ignore]
    """What the table shows, computed for the rows in sight alone: there may be hundreds."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.labels: tuple[int, ...] = ()
        # held weakly: what is closed must not be kept alive by a table
        self._known: ref[ImageController] | None = None
        self.is_wide = False

    @property
    def _image_controller(self) -> ImageController | None:
        return None if self._known is None else self._known()

    def refresh(self) -> None:
        """Take in which objects there are; what they are like is asked for when it is drawn."""
        image_controller = self._controller.image_controller
        if image_controller is not None and image_controller.is_closed:
            image_controller = None
        labels = () if image_controller is None else image_controller.session_store.labels
        # another image: nothing of the old rows holds, and Qt drops selection and scroll position
        if image_controller is not self._image_controller:
            self.beginResetModel()
            self._known, self.labels = (
                None if image_controller is None else ref(image_controller),
                labels,
            )
            self.endResetModel()
            return
        # rows go and come one by one, so that selection, an open editor and the scroll position
        # stay. From the last to the first, for removing one moves those behind it.
        for label in sorted(set(self.labels) - set(labels), reverse=True):
            at = self.labels.index(label)
            self.beginRemoveRows(QModelIndex(), at, at)
            self.labels = self.labels[:at] + self.labels[at + 1 :]
            self.endRemoveRows()
        for label in sorted(set(labels) - set(self.labels)):
            at = labels.index(label)
            self.beginInsertRows(QModelIndex(), at, at)
            self.labels = (*self.labels[:at], label, *self.labels[at:])
            self.endInsertRows()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return the number of objects; called by Qt."""
        return 0 if parent.isValid() else len(self.labels)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns; called by Qt."""
        return 0 if parent.isValid() else len(_TITLES)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return a title; called by Qt."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return tr(_TITLES[section])
            if role == Qt.ItemDataRole.ToolTipRole:
                return tr(_TIPS[section])
        return None

    def flags(self, index: QModelIndex) -> Any:
        """Return what can be done with a cell; called by Qt."""
        flags = super().flags(index)
        if index.column() == LABEL:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        if index.column() in (NAME, CLASS):
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return what a cell shows; called by Qt."""
        image_controller = self._image_controller
        if image_controller is None or not index.isValid():
            return None
        label, column = self.labels[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            # only what is shown is joined: an editor begins with the name alone
            is_short = role == Qt.ItemDataRole.DisplayRole and not self.is_wide
            if is_short and column == NAME:
                return _name(image_controller, label)
            return _text(image_controller, label, column)
        if role == _SORT:
            return _sorted_by(image_controller, label, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(image_controller, label, column)
        # all other roles, such as font and alignment, are left to Qt
        return _look(image_controller, label, role) if column == LABEL else None

    def setData(self, index: QModelIndex, value: Any, role: int = 0) -> bool:
        """Take a tick, a name or a class; called by Qt."""
        image_controller = self._image_controller
        if image_controller is None or not index.isValid():
            return False
        label, column = self.labels[index.row()], index.column()
        if column == LABEL and role == Qt.ItemDataRole.CheckStateRole:
            self._controller.set_finished(label, Qt.CheckState(value) == Qt.CheckState.Checked)
            return True
        if column in (NAME, CLASS) and role == Qt.ItemDataRole.EditRole:
            call(image_controller, label, "name" if column == NAME else "class", str(value))
            # Qt's contract of `setData`: otherwise the cell and the sorting stay as they were
            self.dataChanged.emit(index, index)
            return True
        return False


class ObjectTable(QTableView):  # type: ignore[misc, unused-ignore]
    """Sorts by a click on a title; a click on a row makes its object the current one."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.objects = Objects(controller)
        self._sorted = QSortFilterProxyModel()
        self._sorted.setSourceModel(self.objects)
        # by the values behind the texts: as text, 10 px would stand before 9 px
        self._sorted.setSortRole(_SORT)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(LABEL, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        # the name gives way instead; a bar would hide a row
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setIconSize(QSize(10, 10))
        # the heading and three objects, in the lowest window
        self.setMinimumHeight(4 * _ROW_PX)
        self.setAccessibleName(tr("Objects"))
        self.setToolTip(tr("Right-click an object for what can be done with it."))
        self._lay_out()
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._show_menu)
        self.doubleClicked.connect(self._double_clicked)
        rows = self.selectionModel()
        assert rows is not None
        rows.currentRowChanged.connect(self._chosen)
        # True while the program moves the selection, which then chooses no object
        self._is_quiet = False

    def _lay_out(self) -> None:
        side, head = self.verticalHeader(), self.horizontalHeader()
        assert side is not None
        assert head is not None
        side.setVisible(False)
        side.setDefaultSectionSize(_ROW_PX)
        head.setMinimumSectionSize(30)
        head.setHighlightSections(False)
        for column, width in enumerate(_WIDTHS):
            if width:
                self.setColumnWidth(column, width)
        head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column in (CLASS, GIVEN):
            self.setColumnHidden(column, True)

    def sizeHint(self) -> QSize:
        """Return a size that makes nothing wider; called by Qt."""
        # narrower than the dock at its narrowest, 260 pixels; five objects and the heading
        return QSize(200, 6 * _ROW_PX)

    def resizeEvent(self, event: Any) -> None:
        """Give class and clicks columns of their own where there is room; called by Qt."""
        super().resizeEvent(event)
        is_wide = self.width() >= _WIDE_PX
        if is_wide != self.objects.is_wide:
            self.objects.is_wide = is_wide
            for column in (CLASS, GIVEN):
                self.setColumnHidden(column, not is_wide)

    def refresh(self) -> None:
        """Show what has changed, and mark the current object."""
        self._is_quiet = True
        self.objects.refresh()
        self._draw_anew()
        image_controller = self._controller.image_controller
        # 0 is background, which no object has
        current = 0 if image_controller is None else image_controller.session_store.object
        if current in self.objects.labels and self.label_at(self.currentIndex()) != current:
            at = self.objects.index(self.objects.labels.index(current), LABEL)
            self.setCurrentIndex(self._sorted.mapFromSource(at))
        self._is_quiet = False

    def draw_anew(self) -> None:
        """Show what objects there were hold now."""
        self._is_quiet = True
        self._draw_anew()
        self._is_quiet = False

    def _draw_anew(self) -> None:
        viewport = self.viewport()
        if viewport is not None:
            # the values are asked for only when cells are drawn,
            # so drawing anew is all that it takes
            viewport.update()
        # numbers stay; all else has to be asked for
        if self._sorted.sortColumn() != LABEL:
            self._sorted.invalidate()

    def label_at(self, index: QModelIndex) -> int | None:
        """Return the object in a row; None where there is none."""
        row = self._sorted.mapToSource(index).row()
        return self.objects.labels[row] if 0 <= row < len(self.objects.labels) else None

    def words(self, row: int) -> str:
        """Return all that a row says, in full."""
        label, image_controller = (
            self.label_at(self._sorted.index(row, LABEL)),
            self._controller.image_controller,
        )
        if label is None or image_controller is None:
            return ""
        cells = [
            called(image_controller, label),
            called(image_controller, label, "class"),
            translated(given_words(image_controller, label)),
            translated(size_words(image_controller, label)[1]),
            tr(state_of(image_controller, label)[0]),
        ]
        words = ", ".join(cell for cell in cells if cell)
        return tr("Object {label}: {words}", label=label, words=words)

    def keyPressEvent(self, event: Any) -> None:
        """Delete the selected objects by key; called by Qt."""
        if event.key() == Qt.Key.Key_Delete:
            self._delete()
            return
        super().keyPressEvent(event)

    def menu(self, label: int) -> QMenu:
        """Return what can be done with an object."""
        controller, image_controller = self._controller, self._controller.image_controller
        menu = QMenu(self)
        if image_controller is None:
            return menu
        row = self.objects.labels.index(label)
        state, _ = state_of(image_controller, label)
        is_finished = state == "accepted"
        chosen = self.selected
        # as in a file manager: a right click outside the selection is about that row alone
        with_it = [one for one in chosen if one != label] if label in chosen else []

        session = image_controller.session_store.session(image_controller.time)
        # an object that is only listed so far has nothing to lock
        is_locked = session is not None and label in session.objects and session.is_locked(label)

        def rename() -> None:
            self.edit(self._sorted.mapFromSource(self.objects.index(row, NAME)))

        def lock() -> None:
            # the lock is set on the current object, as the tick in the panel does it
            controller.select_object(label)
            set_locked(controller, not is_locked)

        # lambdas are called at a choice: the menu may stay open while work goes on
        menu.addAction(tr("Jump to"), lambda: show_object(controller, label))
        menu.addAction(tr("Rename…"), rename)
        menu.addAction(tr("Class…"), lambda: self._ask_class(label))
        menu.addAction(
            tr("Reopen") if is_finished else tr("Accept"),
            lambda: controller.set_finished(label, not is_finished, *with_it),
        )
        menu.addAction(tr("Unlock pixels") if is_locked else tr("Lock pixels"), lock)
        menu.addSeparator()
        if len(chosen) > 1 and label in chosen:
            menu.addAction(
                tr("Merge into object {label}", label=min(chosen)),
                lambda: object_actions.merge(controller, chosen),
            )
        menu.addAction(tr("Split by two clicks"), lambda: controller.splitter.begin(label))
        menu.addAction(tr("New number…"), lambda: self.ask_number(label))
        menu.addAction(tr("Cut out…"), lambda: self._ask_cutout(label))
        menu.addSeparator()
        menu.addAction(tr("Delete"), lambda: self._delete(label))
        return menu

    @property
    def selected(self) -> tuple[int, ...]:
        """The objects whose rows are selected, by number."""
        rows = self.selectionModel()
        assert rows is not None
        found = {self.label_at(index) for index in rows.selectedRows(LABEL)}
        return tuple(sorted(label for label in found if label is not None))

    def ask_number(self, label: int | None = None) -> None:
        """Ask for another number for an object, the current one by default."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            self._controller.signals.failed.emit(
                Message("There is no object to give a number to yet.")
            )
            return
        store = image_controller.session_store
        chosen = store.object if label is None else label
        number, is_given = QInputDialog.getInt(
            self,
            tr("New number"),
            tr("Number of object {chosen}:", chosen=chosen),
            chosen,
            1,
            LARGEST_LABEL,
        )
        if is_given:
            object_actions.relabel(self._controller, chosen, number)

    def _delete(self, label: int | None = None) -> None:
        """Delete an object, with it all that are selected; without one, those."""
        chosen = self.selected
        # as in a file manager: a right click outside the selection is about that row alone
        for one in chosen if label is None or label in chosen else (label,):
            self._controller.select_object(one)
            object_actions.remove(self._controller)

    def _ask_class(self, label: int) -> None:
        """Ask for a class, those there are for choice."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return
        # those in use are offered, so that one class is not spelled in two ways
        now = called(image_controller, label, "class")
        known = {called(image_controller, other, "class") for other in self.objects.labels} - {""}
        try:
            first = offered_classes()
        except FileError as err:
            self._controller.signals.failed.emit(str(err))
            first = ()
        classes = [*first, *sorted(known - set(first))]
        at = classes.index(now) if now in classes else -1
        text, is_given = QInputDialog.getItem(
            self,
            tr("Class"),
            tr("Class of object {label}:", label=label),
            classes,
            at,
            editable=True,
        )
        if is_given:
            call(image_controller, label, "class", text)
            self.refresh()

    def _ask_cutout(self, label: int) -> None:
        """Ask where an object goes as a picture with a transparent ground, and for its edge."""
        chosen, _ = QFileDialog.getSaveFileName(
            self, tr("Cut out"), f"{label}.png", tr("Pictures (*.png)")
        )
        if not chosen:
            return
        soft, is_given = QInputDialog.getDouble(
            self, tr("Cut out"),
            tr("Half the width of the band in which the edge may be soft, in pixels (0: none):"),
            0.0, 0.0, 200.0, 1,
        )  # fmt: skip
        if is_given:
            path = Path(chosen)
            path = path if path.suffix.lower() == ".png" else path.with_name(f"{path.name}.png")
            export_cutout(self._controller, label, path, soft_px=soft)

    def _show_menu(self, at: Any) -> None:
        label = self.label_at(self.indexAt(at))
        viewport = self.viewport()
        if label is not None and viewport is not None:
            self.menu(label).popup(viewport.mapToGlobal(at))

    def _double_clicked(self, index: QModelIndex) -> None:
        label = self.label_at(index)
        if label is not None and index.column() not in (NAME, CLASS):
            show_object(self._controller, label)

    def _chosen(self, index: QModelIndex, _before: QModelIndex) -> None:
        label = self.label_at(index)
        image_controller = self._controller.image_controller
        if label is None or image_controller is None or self._is_quiet:
            return
        self._controller.select_object(label)
        # what the line said before was about another object
        is_finished = image_controller.session_store.is_finished(label)
        self._controller.signals.message.emit(
            Message("The object is accepted. Untick it in the list to go on with it.")
            if is_finished
            else Message("Object {label}: clicks go on with it.", label=label)
        )


class ObjectPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """The table, and what makes many objects.

    Attributes
    ----------
    table : ObjectTable
        The objects.
    many : QWidget
        *each click begins an object* and *Find more*; the dock puts it where clicks are given.
    remove : QPushButton
        Removes the current object; among the rarer things.
    """

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.table = ObjectTable(controller)
        self.more: QPushButton = buttons.make("find_more")
        # its words fit into the panel; what a style adds beside them may be cut off
        place = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        # it comes with the first object, and nothing below it moves then
        place.setRetainSizeWhenHidden(True)
        self.more.setSizePolicy(place)
        self.remove: QPushButton = buttons.make("remove_object")
        self.each = Tick(tr("each click begins an object"))
        self.each.setChecked(controller.each_click_begins)
        self.each.setToolTip(
            tr(
                "For many objects: a left click where there is none begins the next one.\nA "
                "click inside an object belongs to that one; a right click elsewhere to the "
                "current."
            )
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table, 0, 0)
        self.many = QWidget()
        inside = QGridLayout(self.many)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        inside.addWidget(self.each, 0, 0)
        inside.addWidget(self.more, 1, 0)
        layout.addWidget(self.many, 1, 0)
        self.each.toggled.connect(self._each_toggled)
        controller.signals.changed.connect(self._show)
        controller.signals.edited.connect(self.table.draw_anew)
        self._show()

    def _show(self) -> None:
        image_controller = self._controller.image_controller
        self.remove.setEnabled(image_controller is not None)
        self.more.setVisible(image_controller is not None)
        self.more.setEnabled(
            image_controller is not None and not self._controller.searching.is_running
        )
        self.table.refresh()

    def _each_toggled(self, on: bool) -> None:
        self._controller.each_click_begins = on


def _text(image_controller: ImageController, label: int, column: int) -> str:
    if column == LABEL:
        return str(label)
    if column == GIVEN:
        count = image_controller.clicks_of(label)
        words = given_words(image_controller, label)
        # a number is enough for clicks alone; boxes and scribbles have to be said in words
        is_clicks_alone = words in (f"{count} click", f"{count} clicks")
        return str(count) if is_clicks_alone else translated(words)
    if column == SIZE:
        return translated(size_words(image_controller, label)[0])
    if column == STATE:
        return tr(state_of(image_controller, label)[0])
    return called(image_controller, label, "name" if column == NAME else "class")


def _name(image_controller: ImageController, label: int) -> str:
    """Return name and class in one, for where there is no room for both."""
    both = (called(image_controller, label), called(image_controller, label, "class"))
    return " · ".join(part for part in both if part)


def _look(image_controller: ImageController, label: int, role: int) -> Any:
    """Return the tick or the colour beside a number."""
    if role == Qt.ItemDataRole.CheckStateRole:
        is_finished = image_controller.session_store.is_finished(label)
        return Qt.CheckState.Checked if is_finished else Qt.CheckState.Unchecked
    if role == Qt.ItemDataRole.DecorationRole:
        colour = image_controller.labels.get_color(label)
        # grey: napari gives no colour to a label that is hidden
        rgb = [0.5] * 3 if colour is None else np.asarray(colour, float)[:3]
        return QColor.fromRgbF(*(float(c) for c in rgb))
    return None


def _tip(image_controller: ImageController, label: int, column: int) -> str:
    if column == SIZE:
        return translated(size_words(image_controller, label)[1])
    if column == GIVEN:
        return translated(given_words(image_controller, label))
    if column == STATE:
        state, why = state_of(image_controller, label)
        return f"{tr(state)}: {translated(why)}"
    words = _text(image_controller, label, column) or tr(_TIPS[column])
    named = tr("Object {label}: {words}", label=label, words=words)
    return (
        f"{named}\n{translated(given_words(image_controller, label))}" if column == NAME else named
    )


def _sorted_by(image_controller: ImageController, label: int, column: int) -> Any:
    if column == LABEL:
        return label
    if column == SIZE:
        # sizes that are not known yet stand before all others
        return -1 if (count := size_px(image_controller, label)) is None else count
    if column == GIVEN:
        return image_controller.clicks_of(label)
    return _text(image_controller, label, column)
