"""The data files that a MetaImage or NRRD header names, checked before ITK opens any of them."""

import re
from pathlib import Path

from napari_intseg.errors import FileError
from napari_intseg.io.paths import check_count, data_file, numbered_names

_HEADER_BYTES = 1 << 22
"""Of a header with its list of files; longer ones are refused."""

_DATA_FILE = re.compile(r"data ?file", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d{1,9}")
_LOCAL = ("local", "localdata")


def named_files(path: Path) -> tuple[Path, ...]:
    """Return the files in which a header says that its pixels are; none if they follow it.

    Parameters
    ----------
    path : Path
        ``.mhd``, ``.mha``, ``.nhdr`` or ``.nrrd``.

    Raises
    ------
    FileError
        If one lies elsewhere, is named by a pattern that only printf understands, or is a pipe or
        device.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    is_nrrd = path.name.lower().endswith((".nrrd", ".nhdr"))
    names = _nrrd_names(path, head) if is_nrrd else _meta_names(path, head)
    return tuple(data_file(path, name) for name in names)


def _meta_names(path: Path, head: bytes) -> list[str]:
    lines = head.split(b"\n")
    for at, line in enumerate(lines):
        name, _, value = line.partition(b"=")
        if b"elementdatafile" not in name.lower():
            continue
        if name.strip() != b"ElementDataFile":
            # MetaIO takes other signs and spellings for it, that we would read another way
            raise _wrong(path, "a line ElementDataFile = NAME", line)
        text = _text(value)
        if text.lower() in _LOCAL:
            return []
        if text.split()[:1] == ["LIST"]:
            return _listed(path, lines[at + 1 :], len(head))
        return _names(path, text)
    raise _wrong(path, "a line ElementDataFile = NAME", lines[0])


def _nrrd_names(path: Path, head: bytes) -> list[str]:
    lines = head.split(b"\n")
    found: list[str] = []
    for at, line in enumerate(lines):
        if not line.strip(b"\r"):
            return found
        field, sign, value = line.partition(b":")
        if line.startswith(b"#") or not sign or not _DATA_FILE.fullmatch(_text(field)):
            continue
        if found:
            raise _wrong(path, "one data file", line)
        text = _text(value)
        if text.split()[:1] == ["LIST"]:
            return _listed(path, lines[at + 1 :], len(head))
        found = _names(path, text)
    if len(head) == _HEADER_BYTES:
        raise _wrong(path, "a header that ends", lines[0])
    return found


def _names(path: Path, text: str) -> list[str]:
    """Return the name in a field, or those that a pattern with its numbers stands for."""
    if "%" not in text:
        return [text]
    parts = text.split()
    numbers = [int(part) for part in parts[1:] if _NUMBER.fullmatch(part)]
    if len(numbers) != len(parts) - 1 or len(numbers) not in (3, 4):
        raise _wrong(path, "a name, or a pattern with its first, last and step", text.encode())
    return numbered_names(path, parts[0], *numbers[:3])


def _listed(path: Path, lines: list[bytes], held: int) -> list[str]:
    if held == _HEADER_BYTES:
        raise _wrong(path, f"a list of files of less than {_HEADER_BYTES} bytes", lines[0])
    names = [name for name in (_text(line) for line in lines) if name]
    check_count(path, len(names))
    for name in names:
        if "%" in name:
            raise _wrong(path, "a list of names", name.encode())
    return names


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="surrogateescape").strip()


def _wrong(path: Path, rule: str, got: bytes) -> FileError:
    return FileError(
        f"file cannot be read: expected {rule}, got {got[:80].decode('latin-1')!r} in "
        f"{str(path)!r}. Check its header."
    )
