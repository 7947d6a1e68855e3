"""One notice in the corner of the window for all that goes wrong, however often it does."""

from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QApplication, QDialog, QMainWindow

NAME = "napari-intseg notice"


def show_notice(text: str) -> None:
    """Tell of an error in napari's way; a notice of ours that is still up says it instead.

    napari makes a dialog for each error, and keeps all of them as long as its window is not the
    active one.
    """
    notice = _ours()
    if notice is not None:
        notice.message.setText(text)
        if notice.timer.isActive():
            notice.timer_start()
        return
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
