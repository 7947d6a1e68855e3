"""Keep outputs apart from inputs: what was read is never written over."""

import re
from pathlib import Path

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.header import looks_like_dicom, quiet
from napari_intseg.io.source import FileVolume

_RESULTS = ("SEG", "RTSTRUCT")
# of a file that names its data in another one, such as .mhd
_HEADER_BYTES = 1 << 20
_HEADERS = (".mhd", ".nhdr")
_NUMBER = re.compile(r"%0?\d*d")


def check_apart(target: str | Path, *inputs: str | Path | None) -> None:
    """Ask whether writing to a path leaves inputs as they are.

    They are told by what they are and not by their names: links, other spellings and files that
    belong to an input (data of a header, planes of a DICOM folder) count.

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
    real, read = target.resolve(), given.resolve()
    if target.is_dir():
        return read.is_relative_to(real)
    if not target.exists():
        return False
    if given.is_dir():
        return real.is_relative_to(read) and not _is_result(target)
    return real.parent == read.parent and real.name in _named_in(read)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)  # links of both kinds, and letters where case does not count
    except OSError:
        return one.resolve() == other.resolve()


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
    except Exception:  # damaged: it may be an image
        return False
    return str(data.get("Modality")) in _RESULTS


def _in_zarr(path: Path) -> Path | None:
    return next((p for p in path.resolve().parents if p.suffix.lower() == ".zarr"), None)


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
