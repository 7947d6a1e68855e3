"""Journals beside labels: what was done stays with what came of it, whoever writes the file."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_intseg.core.files import write_text
from napari_intseg.errors import FileError
from napari_intseg.io.suffixes import KINDS, ending_of

METADATA = "napari-intseg journal"
"""Key of a Labels layer's metadata: the lines of its journal, header first, as they are written."""

SUFFIX = ".journal.jsonl"
"""What a journal's name has more than that of its labels."""

ATTRIBUTE = "napari-intseg"
"""Key of a Zarr group's attributes; under it "journal" holds the lines."""


def as_text(line: Mapping[str, Any]) -> str:
    """Return a line as it stands in a file."""
    return json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n"


def check_journal(labels: str | Path, *, overwrite: bool) -> None:
    """Ask before slow work whether a journal of other work would be replaced.

    Raises
    ------
    FileError
        If there is one beside the labels' place and it must not be replaced.
    """
    path = Path(labels)
    beside = path.with_name(path.name + SUFFIX)
    if beside.exists() and not overwrite:
        raise FileError(
            f"journal exists: expected none beside a new file, got {str(beside)!r}. Choose another "
            "name, leave the journal out, or allow both to be replaced with --overwrite."
        )


def write_beside(labels: str | Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """Write the journal of labels where it stays with them, whole or not at all.

    A group of OME-Zarr keeps it in its attributes; beside any other file it is a file whose name
    is that of the labels and ``.journal.jsonl``.

    Parameters
    ----------
    labels : path
        Of labels that have been written.
    lines : iterable of mapping
        Plain JSON, the header first.

    Returns
    -------
    Path
        What was written to.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    path = Path(labels)
    zarr = _attributes_file(path)
    target = path.with_name(path.name + SUFFIX) if zarr is None else zarr
    try:
        if zarr is None:
            write_text(target, "".join(as_text(line) for line in lines))
        else:
            write_text(target, _with_journal(target, list(lines)))
    except (OSError, ValueError, TypeError, AttributeError) as err:
        reason = getattr(err, "strerror", None) or err
        raise FileError(
            f"journal cannot be written: expected a folder that allows it, got {str(target)!r} "
            f"({reason}). The labels are there; save them to another folder to have both."
        ) from err
    return target


def has_journal(labels: str | Path) -> bool:
    """Whether a journal lies beside a file, which then holds labels: no other file gets one."""
    path = Path(labels)
    return path.with_name(path.name + SUFFIX).is_file()


def journal_texts(labels: str | Path) -> list[str]:
    """Return the lines of text of the journal that stays with labels.

    Raises
    ------
    FileError
        If there is none, or it cannot be read.
    """
    path = Path(labels)
    beside, zarr = path.with_name(path.name + SUFFIX), _attributes_file(path)
    try:
        if zarr is not None:
            found = _attributes(json.loads(zarr.read_bytes()), zarr).get(ATTRIBUTE, {})
            if found.get("journal"):
                return [as_text(line) for line in found["journal"]]
        if beside.is_file():
            return beside.read_bytes().decode("utf-8", errors="replace").splitlines()
    except (OSError, ValueError, AttributeError, TypeError) as err:
        raise FileError(
            f"journal cannot be read: expected readable lines, got those of {str(path)!r} "
            f"({err}). Name a journal that ends in {SUFFIX}."
        ) from err
    raise FileError(
        f"labels have no journal: expected {beside.name!r} beside them, got none for "
        f"{str(path)!r}. Name a journal that ends in {SUFFIX}."
    )


def _attributes_file(labels: Path) -> Path | None:
    """Return where a Zarr group of version 2 or 3 keeps its attributes; None for other labels."""
    if KINDS.get(ending_of(labels) or "") != "zarr":
        return None
    named = (labels / "zarr.json", labels / ".zattrs")
    return next((path for path in named if path.is_file()), None)


def _attributes(content: dict[str, Any], file: Path) -> dict[str, Any]:
    if file.name == ".zattrs":
        return content
    attributes: dict[str, Any] = content.setdefault("attributes", {})
    return attributes


def _with_journal(file: Path, lines: list[Mapping[str, Any]]) -> str:
    content: dict[str, Any] = json.loads(file.read_bytes())
    _attributes(content, file)[ATTRIBUTE] = {"journal": lines}
    return json.dumps(content, allow_nan=False)
