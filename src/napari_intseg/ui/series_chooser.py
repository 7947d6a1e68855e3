"""Open a scan: choose one of the DICOM series in a folder, from a list."""

from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication, QFileDialog, QWidget

from napari_intseg.ui.opening import Opening


def open_scan(viewer: "napari.Viewer") -> None:
    """Ask for a folder of DICOM files, and for a series if there are several; add it as a layer."""
    parent = QApplication.activeWindow()
    folder = QFileDialog.getExistingDirectory(parent, "Open scan: folder with DICOM files")
    if folder:
        choose_and_add(viewer, Path(folder), parent)


def choose_and_add(
    viewer: "napari.Viewer",
    path: Path,
    parent: QWidget | None = None,
    *,
    on_done: Callable[[], object] = lambda: None,
) -> Opening:
    """List the series of a folder or file, have one chosen if there are several, and add it.

    It returns at once; see `Opening`, which ends with the viewer's window.

    Parameters
    ----------
    viewer : napari.Viewer
        Gets the layers.
    path : Path
        A folder, or a file.
    parent : QWidget, optional
        Before which the dialogs stand; by default the viewer's window.
    on_done : callable
        Called when the layers are there.
    """
    opening = Opening(viewer, path, parent or window_of(viewer), on_done=on_done)
    opening.start()
    return opening


def window_of(viewer: "napari.Viewer") -> QWidget | None:
    """Return the window of a viewer."""
    found = getattr(viewer.window, "_qt_window", None)
    return found if isinstance(found, QWidget) else None
