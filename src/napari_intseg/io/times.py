"""Choosing one time point of a file."""

from pathlib import Path

from napari_intseg.errors import FileError


def check_time(time: int | None, count: int, path: Path) -> int:
    """Return which time point to read; 0 if there is only one.

    Raises
    ------
    FileError
        If there are several and none is chosen, or the chosen one does not exist.
    """
    if time is None:
        if count == 1:
            return 0
        raise FileError(
            f"file holds a series: expected one time point, got {count} in {str(path)!r}. "
            "Choose one with --time (time= in Python), 0 for the first."
        )
    if not 0 <= time < count:
        raise FileError(
            f"time point does not exist: expected 0 to {count - 1} for {str(path)!r}, got "
            f"{time!r}. Choose another."
        )
    return time
