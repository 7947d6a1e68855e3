"""Outputs beside inputs: what was read is never written over, journals stay with their labels."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_intseg.core.files import parse_json, read_text, write_text
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.header import looks_like_dicom, quiet
from napari_intseg.io.source import FileVolume
from napari_intseg.io.suffixes import KINDS, ending_of

_RESULTS = ("SEG", "RTSTRUCT")
# read of a file that names its data in another one, such as .mhd: 1 MiB holds a long OME-XML too
_HEADER_BYTES = 1 << 20
_HEADERS = (".mhd", ".nhdr")
_NUMBER = re.compile(r"%0?\d*d")


def check_apart(target: str | Path, *inputs: str | Path | None) -> None:
    """Ask whether writing to a path leaves inputs as they are.

    They are told by what they are and not by their names: links, other spellings and files that
    belong to an input (data of a header, planes of a DICOM folder, the journal of labels) count.

    Parameters
    ----------
    target : path
        To be written or replaced.
    inputs : path or None
        What was read or will be: files, folders, or datasets in a file; None is passed over.

    Raises
    ------
    FileError
        If it would replace one of them.
    """
    target = Path(target)
    for given in inputs:
        if given is not None and _touches(target, _on_disk(Path(given))):
            raise FileError(
                f"output is an input: expected another file than those that are read, got "
                f"{str(target)!r}, which is or belongs to {str(given)!r}. Choose another name; "
                "what is read is never replaced."
            )


def files_of(like: Volume) -> tuple[Path, ...]:
    """Return the files that a volume was read from; none if it was not read from files."""
    if not isinstance(like, FileVolume):
        return ()
    source = like.source
    origins = source.dicom_times or (() if source.dicom is None else (source.dicom,))
    frames = (frame.header.file for origin in origins for frame in origin.frames)
    named = (source.path,) if source.path.name else ()
    return (*named, *dict.fromkeys(frames))


def _on_disk(given: Path) -> Path:
    """Return the file of ``scan.h5/volumes/raw``, and other paths as they are."""
    whole = (path for path in (given, *given.parents) if path.is_file() or path == given)
    return next((path for path in whole if path.exists()), given)


def _touches(target: Path, given: Path) -> bool:
    if _is_same(target, given) or _is_plane_of(given, target):
        return True
    # the record of how labels were made is read with them
    if _is_same(target, Path(f"{given}{SUFFIX}")):
        return True
    # links are followed only now: names that are the same file were told above
    real, read = _real(target), _real(given)
    # writing a folder such as .zarr replaces all that is in it
    if target.is_dir():
        return read.is_relative_to(real)
    if not target.exists():
        return False
    if given.is_dir():
        return real.is_relative_to(read) and not _is_result(target)
    return real.parent == read.parent and real.name in _named_in(read)


def _is_same(one: Path, other: Path) -> bool:
    try:
        # links of both kinds, and letters where case does not count
        return one.samefile(other)
    except (OSError, ValueError):
        return _real(one) == _real(other)


def _real(path: Path) -> Path:
    """Return where links lead; of links in a circle, and of names that cannot be, the name."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path.absolute()


def _is_plane_of(given: Path, series: Path) -> bool:
    """Tell whether a file is one of those that a name with ``%03d`` stands for."""
    if not _NUMBER.search(series.name) or not _is_same(given.parent, series.parent):
        return False
    start, end = _NUMBER.split(series.name, maxsplit=1)
    return re.fullmatch(rf"{re.escape(start)}\d+{re.escape(end)}", given.name, re.I) is not None


def _is_result(path: Path) -> bool:
    """Tell whether a file in a folder of images is no image: labels that were written there."""
    if not looks_like_dicom(path):
        return _in_zarr(path) is None
    import pydicom

    try:
        with quiet():
            data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"])
    except Exception:
        # damaged: it may be an image
        return False
    return str(data.get("Modality")) in _RESULTS


def _in_zarr(path: Path) -> Path | None:
    return next((p for p in _real(path).parents if p.suffix.lower() == ".zarr"), None)


def _named_in(header: Path) -> str:
    """Return the part of a file in which it names others that belong to it."""
    try:
        with header.open("rb") as file:
            start = file.read(_HEADER_BYTES)
    except OSError:
        return ""
    is_ome = b"<OME" in start or b"FileName=" in start
    if header.suffix.lower() in _HEADERS or is_ome:
        return start.decode("utf-8", errors="replace")
    return ""


METADATA = "napari-intseg journal"
"""Key of a Labels layer's metadata: the lines of its journal, header first, as they are written."""

SUFFIX = ".journal.jsonl"
"""What a journal's name has more than that of its labels."""

ATTRIBUTE = "napari-intseg"
"""Key of a Zarr group's attributes; under it "journal" holds the lines."""


# made once: `json.dumps` makes an encoder for every line
as_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Returns a line as it stands in a file, without its end."""


def check_journal(labels: str | Path, *, overwrite: bool) -> None:
    """Ask before slow work whether a journal of other work would be replaced.

    Raises
    ------
    FileError
        If there is one beside the labels' place and it must not be replaced.
    """
    path = Path(labels)
    beside = path.with_name(path.name + SUFFIX)
    try:
        is_there = beside.exists()
    except OSError as err:
        raise FileError(
            f"journal cannot be written: expected a name that the disk takes, got "
            f"{str(beside)!r} ({err.strerror}). Choose a shorter name, or leave the journal out."
        ) from err
    if is_there and not overwrite:
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
            write_text(target, "".join(f"{as_json(line)}\n" for line in lines))
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
            found = _attributes(_told(zarr), zarr).get(ATTRIBUTE, {})
            if found.get("journal"):
                return [as_json(line) for line in found["journal"]]
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


def _told(file: Path) -> dict[str, Any]:
    told = parse_json(read_text(file), ours=True, any_number=True)
    return dict(told)


def _with_journal(file: Path, lines: list[Mapping[str, Any]]) -> str:
    content = _told(file)
    _attributes(content, file)[ATTRIBUTE] = {"journal": lines}
    return json.dumps(content, allow_nan=False)
