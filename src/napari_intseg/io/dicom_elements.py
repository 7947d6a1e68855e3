"""Elements of DICOM data sets as plain values, whatever a damaged file holds instead."""

import math
from typing import Any

Vector = tuple[float, ...]


def find(groups: list[Any], sequence: str, name: str) -> Any:
    """Return an element of the first functional group that has it, or of the data set itself."""
    for group in groups:
        items = group.get(sequence) if sequence else None
        holder = items[0] if items else group
        if holder.get(name) is not None:
            return holder.get(name)
    return None


def text(data: Any, name: str) -> str:
    """Return an element as one line of text; nothing if it is not there."""
    value = data.get(name)
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return "" if value is None else " ".join(str(value).replace("\0", "").split())


def whole(data: Any, name: str, missing: int = 0) -> int:
    """Return an element as a whole number."""
    value = data.get(name)
    return missing if value is None or value == "" else int(value)


def several(value: Any) -> list[Any]:
    """Return the values of an element, of which there may be none, one or several."""
    if value is None or isinstance(value, (str, int, float)):
        return [] if value is None else [value]
    try:
        return list(value)
    except TypeError:
        return [value]


def real(value: Any) -> float:
    """Return a number; not a number where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def numbers(value: Any, count: int) -> Vector | None:
    """Return so many finite numbers, or None if they are not there."""
    found = tuple(real(one) for one in several(value))
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def unit(vector: Vector | None) -> Vector | None:
    """Return a vector of length one; None if it is far from that."""
    length = math.hypot(*vector) if vector else 0.0
    if vector is None or abs(length - 1) > 1e-2:
        return None
    # numbers of full precision stay as they are, bit for bit
    return vector if abs(length - 1) < 1e-9 else tuple(v / length for v in vector)
