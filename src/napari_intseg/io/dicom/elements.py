"""Elements of DICOM data sets as plain values, whatever a damaged file holds instead."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array

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


_KEPT = 8
_SLOPE = ("RescaleSlope", "RescaleIntercept")


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """Real values for stored ones.

    Parameters
    ----------
    first : int
        The stored value that the first entry is for; lower ones get it as well.
    values : ndarray of uint8 or uint16, shape (n,)
        Higher stored values than there are entries get the last one.
    bits : int
        Of the entries.
    """

    first: int
    values: NDArray[Any]
    bits: int

    def apply(self, stored: Array, *, turned: bool = False) -> Array:
        """Return real values, in the type of the table; white and black exchanged if asked for."""
        last = len(self.values) - 1
        found = self.values[np.clip(stored.astype(np.int64) - self.first, 0, last)]
        highest = self.values.dtype.type((1 << self.bits) - 1)
        return np.asarray(highest - found if turned else found)


def read_table(data: Any) -> ValueTable | None:
    """Return the Modality LUT of a data set; None if there is none, or slope and intercept.

    Raises
    ------
    ValueError
        If it has another length than it says, or entries that are no numbers of 8 to 16 bits.

    References
    ----------
    .. [1] DICOM PS3.3 C.11.1.1, Modality LUT.
    """
    sequence = data.get("ModalityLUTSequence")
    if not sequence or any(text(data, name) for name in _SLOPE):
        return None
    count, first, bits = (int(n) for n in several(sequence[0].LUTDescriptor))
    content = sequence[0].LUTData
    if not isinstance(content, bytes):
        content = np.array(several(content), "<u2").tobytes()
    elif data.original_encoding[1] is False:
        content = np.frombuffer(content, ">u2").astype("<u2").tobytes()
    if data.get("PixelRepresentation") == 1 and first >= 1 << 15:
        first -= 1 << 16
    return _table(count or 1 << 16, first, bits, content)


@lru_cache(_KEPT)  # the slices of a series share one table
def _table(count: int, first: int, bits: int, content: bytes) -> ValueTable:
    kind = "u1" if bits == 8 and len(content) - count in (0, 1) else "<u2"
    size = np.dtype(kind).itemsize * count
    if not 8 <= bits <= 16 or len(content) - size not in (0, 1):
        raise ValueError(f"a table of {count} values of {bits} bits in {len(content)} bytes")
    values = np.minimum(np.frombuffer(content, kind, count), (1 << bits) - 1)
    values = values.astype(np.uint8 if bits == 8 else np.uint16)
    values.flags.writeable = False
    return ValueTable(first, values, bits)


@dataclass(frozen=True, slots=True)
class RealWindow:
    """A window of real values.

    Parameters
    ----------
    name : str
        As the file explains it, else centre and width: "40/400".
    centre, width : float
        In real values, after slope and intercept or the table of values.
    """

    name: str
    centre: float
    width: float

    @property
    def limits(self) -> tuple[float, float]:
        """What is shown black and what white: half a width below and above the centre.

        So says LINEAR_EXACT; by LINEAR white comes one value earlier, which no screen shows, and of
        a SIGMOID these are the limits of its tangent in the centre.

        References
        ----------
        .. [1] DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
        """
        return self.centre - self.width / 2, self.centre + self.width / 2


def read_windows(groups: list[Any]) -> tuple[RealWindow, ...]:
    """Return the windows of a frame, those of no width left out.

    Parameters
    ----------
    groups : list of pydicom Dataset
        The frame's functional group first, the data set itself last.
    """
    centres, widths, names = (
        several(find(groups, "FrameVOILUTSequence", name))
        for name in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")
    )
    found: dict[str, RealWindow] = {}
    for i, pair in enumerate(zip(centres, widths, strict=False)):
        told = numbers(pair, 2)
        if told is None or told[1] <= 0:
            continue
        name = " ".join(str(names[i]).split()) if i < len(names) else ""
        if not name or name in found:
            name = f"{told[0]:g}/{told[1]:g}"
        found.setdefault(name, RealWindow(name, *told))
    return tuple(found.values())
