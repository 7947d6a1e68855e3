"""What a person should know of a file that can be read: told as warnings."""

import warnings
from pathlib import Path


class FileWarning(UserWarning):
    """Something about a file that a person should know before trusting what is shown of it."""


def remark(path: Path, text: str) -> None:
    """Tell one thing about a file."""
    warnings.warn(FileWarning(f"{path.name!r}: {text}"), stacklevel=3)
