"""What a person should know of a file that can be read: told as warnings."""

import sys
import warnings
from pathlib import Path

_PACKAGE = __name__.partition(".")[0]


class FileWarning(UserWarning):
    """Something about a file that a person should know before trusting what is shown of it."""


def remark(path: Path, text: str) -> None:
    """Tell one thing about a file, as a warning at the line that asked this package for it."""
    frame = sys._getframe(1)
    level = 2
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(FileWarning(f"{path.name!r}: {text}"), stacklevel=level)
