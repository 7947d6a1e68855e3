"""Whether an ONNX file keeps to itself: the files that it names for its weights."""

import mmap
from collections.abc import Iterator
from pathlib import Path

from napari_intseg.errors import WeightsError

_MOST_FIELDS = 5_000_000
"""Fields of one file; the largest published segmentation networks have some 100 000."""

# what of ONNX's messages leads to a tensor: message, field, message
_LEADS = {
    ("model", 7): "graph", ("model", 25): "function", ("function", 7): "node",
    ("graph", 1): "node", ("graph", 5): "tensor", ("graph", 15): "sparse",
    ("sparse", 1): "tensor", ("sparse", 2): "tensor", ("node", 5): "attribute",
    ("attribute", 5): "tensor", ("attribute", 6): "graph", ("attribute", 10): "tensor",
    ("attribute", 11): "graph", ("attribute", 22): "sparse", ("attribute", 23): "sparse",
    ("tensor", 13): "entry",
}  # fmt: skip
_KEY, _VALUE = 1, 2

Span = tuple[int, int]


def check_onnx(path: Path) -> None:
    """Ask for a file that names no others, or plain files beside it.

    Raises
    ------
    WeightsError
        If it is no ONNX file, or leads elsewhere.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            names = set(_external(data))
    except (OSError, ValueError) as err:
        raise WeightsError(
            f"network cannot be read: expected an ONNX file, got {str(path)!r} ({err}). "
            "Export it again."
        ) from err
    for name in names:
        place = path.parent / name
        if "/" in name or "\\" in name or name in ("", ".", "..") or place.is_symlink():
            raise WeightsError(
                f"network is not safe to load: expected weights inside {path.name!r} or beside it, "
                f"got a lead to {name!r}. Do not use this file."
            )


def _external(data: mmap.mmap) -> Iterator[str]:
    """Yield the files that tensors name."""
    todo: list[tuple[str, Span]] = [("model", (0, len(data)))]
    seen = 0
    while todo:
        message, (at, end) = todo.pop()
        key = value = ""
        for number, span in _fields(data, at, end):
            seen += 1
            if seen > _MOST_FIELDS:
                raise ValueError(f"more than {_MOST_FIELDS} fields")
            if message == "entry":
                text = data[slice(*span)].decode("utf-8") if span[1] - span[0] < 4096 else "…/"
                key, value = (text, value) if number == _KEY else (key, text)
            elif (message, number) in _LEADS:
                todo.append((_LEADS[message, number], span))
        if message == "entry" and key == "location":
            yield value


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, Span]]:
    """Yield number and place of the fields with a length; others are passed over."""
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at, end)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(data, at, end)
            if length > end - at:
                raise ValueError("a field is longer than the file")
            yield tag >> 3, (at, at + length)
            at += length
        else:
            raise ValueError("not in protobuf's form")


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise ValueError("not in protobuf's form")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if not byte & 128:
            return value, at
