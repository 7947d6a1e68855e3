"""Reports that commands write: where they may go, and how they get there."""

from pathlib import Path

from napari_intseg.core.files import write_text
from napari_intseg.errors import FileError


def check_report(path: Path | None, *inputs: Path | None, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it.

    Parameters
    ----------
    path : Path or None
        Of the report; None: none is wanted.
    inputs : Path or None
        What the command reads, and what else it writes.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    FileError
        If it is one of the inputs, exists and must not be replaced, or has no folder.
    """
    from napari_intseg.io.output_check import check_apart

    if path is None:
        return
    if path.exists() and not overwrite:
        raise FileError(
            f"output exists: expected a new file, got {str(path)!r}. Choose another name or "
            "add --overwrite."
        )
    if not path.resolve().parent.is_dir():
        raise FileError(
            f"output has no folder: expected an existing one, got {str(path)!r}. Make it first."
        )
    check_apart(path, *inputs)


def write_report(path: Path, text: str) -> None:
    """Write a report; it appears whole or not at all.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    try:
        write_text(path, text)
    except OSError as err:
        raise FileError(
            f"report cannot be written: expected a folder that allows it and room, got "
            f"{str(path)!r} ({err.strerror or err}). Choose another folder."
        ) from err
