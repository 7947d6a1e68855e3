"""The table by which some scanners turn stored values into real ones (Modality LUT)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array
from napari_intseg.io.dicom_elements import several, text

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
