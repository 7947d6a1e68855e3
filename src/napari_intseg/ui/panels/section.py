"""A part of the panel that can be folded, and stays as a person left it."""

from typing import Any

from qtpy.QtCore import QEvent, QSignalBlocker
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_intseg.ui.storage.recovery import remember, remembered

_WITHOUT_LIMIT = (1 << 24) - 1  # QWIDGETSIZE_MAX, which Qt's bindings do not name alike


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

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Hide a heading that has nothing below it; called by Qt."""
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            is_empty = all(widget.isHidden() for widget in self._widgets)
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
        self.content().setMaximumHeight(_WITHOUT_LIMIT if is_open else 0)
        self.content().setVisible(is_open)
