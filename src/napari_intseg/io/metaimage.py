"""Whether a MetaImage header makes sense: a damaged one brings ITK's own parser down."""

import math
from pathlib import Path

from napari_intseg.errors import FileError

_HEADER_BYTES = 1 << 24
"""PLUS keeps a transformation of each frame in the header; 100,000 frames fit."""

_VALUE_CHARS = 4096
_BYTES = {
    "CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 8, "ULONG": 8,
    "LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
_VECTORS = ("DimSize", "ElementSpacing", "ElementSize", "Offset", "Origin", "Position")
_POINTS = (*_VECTORS, "CenterOfRotation")
_MATRICES = ("TransformMatrix", "Rotation", "Orientation")
_FLAGS = ("BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData")
_COUNTS = ("CompressedDataSize", "ElementNumberOfChannels")


def check_metaimage(path: Path) -> None:
    """Ask for a header in which every field has as many values of the kind as it should.

    Raises
    ------
    FileError
        If a field is wrong or missing.
    """
    fields = _fields(path)
    sizes = fields.get("NDims", "")
    if sizes not in ("2", "3", "4"):
        raise _wrong(path, "NDims", "2, 3 or 4", sizes)
    n = int(sizes)
    for name in (*_POINTS, *_MATRICES):
        if name in fields:
            _check_numbers(path, name, fields[name], n * n if name in _MATRICES else n)
    for name in _FLAGS:
        if fields.get(name, "True").lower() not in ("true", "false", "1", "0", "t", "f"):
            raise _wrong(path, name, "True or False", fields[name])
    for name in _COUNTS:
        if not fields.get(name, "1").isdigit():
            raise _wrong(path, name, "a whole number", fields[name])
    whole = fields.get("DimSize", "").split()
    if not whole or not all(size.isdigit() and int(size) > 0 for size in whole):
        raise _wrong(path, "DimSize", f"{n} whole numbers", fields.get("DimSize", ""))
    kind = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY")
    if kind not in _BYTES:
        raise _wrong(path, "ElementType", "a number", fields.get("ElementType", ""))


def _fields(path: Path) -> dict[str, str]:
    """Return names and values up to the one that tells where the data are."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    found: dict[str, str] = {}
    for line in head.split(b"\n"):
        text = _text(line).strip()
        name, sign, value = text.partition("=")
        readable = text.replace("\t", " ").isprintable()
        if text and (not sign or not readable or len(value) > _VALUE_CHARS):
            raise _wrong(path, "header", "lines of NAME = VALUE", text[:40])
        found[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            return found
    raise _wrong(path, "header", "a line ElementDataFile", ", ".join(found)[:80])


def _text(line: bytes) -> str:
    """Return a line that is UTF-8, or Latin-1 as older programs write it."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _check_numbers(path: Path, name: str, value: str, count: int) -> None:
    try:
        numbers = [float(part) for part in value.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(math.isfinite(n) for n in numbers):
        raise _wrong(path, name, f"{count} numbers", value)


def _wrong(path: Path, name: str, rule: str, got: str) -> FileError:
    return FileError(
        f"file cannot be read: expected {rule} for {name}, got {got!r} in {str(path)!r}. Check "
        "that it is complete and a MetaImage."
    )
