"""What a NIfTI-1 header says, where ITK says it otherwise or not at all."""

import gzip
import math
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix, index_reversed, lps_to_ras, spacing_of

HEADER_BYTES = 348
LABELS_INTENT = 1002
_UNITS_MM = {1: 1e3, 2: 1.0, 3: 1e-3}
_IN_SECONDS = 8
_MICRON, _SECONDS = 3, {_IN_SECONDS: 1.0, 16: 1e-3, 24: 1e-6}
_CODES, _SROWS, _PIXDIM = 252, 280, 76


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """The fields that are needed, as they stand in the file.

    Parameters
    ----------
    order : str
        "<" or ">", as `struct` takes it.
    sizes : tuple of int
        Along columns, rows, planes, time.
    bits, start : int
        Of one voxel; where the voxels begin, in bytes.
    qform, sform : int
        Codes; 0: not given.
    matrix : ndarray of float, shape (3, 4)
        The sform, in the file's own unit.
    units, intent : int
        Codes of the format.
    time_step : float
        In the file's own unit.
    """

    order: str
    sizes: tuple[int, ...]
    bits: int
    start: int
    qform: int
    sform: int
    matrix: FloatMatrix
    units: int
    intent: int
    time_step: float

    @classmethod
    def read(cls, path: Path) -> "NiftiHeader | None":
        """Return the header of a ``.nii`` or ``.nii.gz``; None if it is not NIfTI-1."""
        with _opener(path)(path, "rb") as file:
            raw = file.read(HEADER_BYTES)
        order = next((o for o in "<>" if raw[:4] == struct.pack(o + "i", HEADER_BYTES)), None)
        if order is None or len(raw) < HEADER_BYTES:
            return None
        dim = struct.unpack_from(order + "8h", raw, 40)
        offset = struct.unpack_from(order + "f", raw, 108)[0]
        qform, sform = struct.unpack_from(order + "2h", raw, _CODES)
        return cls(
            order,
            tuple(dim[1 : 1 + min(max(dim[0], 0), 7)]),
            struct.unpack_from(order + "h", raw, 72)[0],
            int(offset) if math.isfinite(offset) else 0,
            qform,
            sform,
            np.array(struct.unpack_from(order + "12f", raw, _SROWS), float).reshape(3, 4),
            raw[123],
            struct.unpack_from(order + "h", raw, 68)[0],
            float(struct.unpack_from(order + "f", raw, _PIXDIM + 16)[0]),
        )

    @property
    def declared_bytes(self) -> int:
        """How long the header says that the file is, unpacked; 0 if it has no voxel."""
        if min(self.sizes, default=0) < 1:
            return 0
        return self.start + math.prod(self.sizes) * self.bits // 8

    @property
    def is_micron(self) -> bool:
        """Whether lengths are in micrometres."""
        return self.units & 7 == _MICRON

    @property
    def time_step_s(self) -> float:
        """Seconds between time points; 0 if the file does not tell."""
        step = self.time_step * _SECONDS.get(self.units & 56, 0.0)
        return step if math.isfinite(step) and step > 0 else 0.0

    def sheared(self) -> FloatMatrix | None:
        """Return index ``(plane, row, col)`` to LPS mm if the axes are not perpendicular.

        Such an sform is refused by ITK, or passed over in favour of the qform; every other reader
        takes it.
        """
        axes = self.matrix[:, :3]
        lengths = np.linalg.norm(axes, axis=0)
        if self.sform <= 0 or not np.isfinite(self.matrix).all() or not lengths.all():
            return None
        cosines = axes / lengths
        if np.allclose(cosines.T @ cosines, np.eye(3), atol=1e-4):
            return None
        affine = np.vstack([self.matrix * _UNITS_MM.get(self.units & 7, 1.0), (0, 0, 0, 1)])
        return index_reversed(lps_to_ras(affine))


def straightened(path: Path, header: NiftiHeader, folder: Path) -> Path:
    """Copy a file, unpacked, without its sform and qform, so that ITK reads the voxels."""
    copy = folder / "straight.nii"
    with _opener(path)(path, "rb") as source, copy.open("wb") as target:
        raw = bytearray(source.read(HEADER_BYTES))
        struct.pack_into(header.order + "2h", raw, _CODES, 0, 0)
        target.write(raw)
        shutil.copyfileobj(source, target)
    return copy


def put_sheared(content: bytearray, affine: FloatMatrix) -> None:
    """Write an LPS affine as the sform into a little-endian NIfTI-1 file, in place."""
    z, y, x = spacing_of(affine)
    struct.pack_into("<4f", content, _PIXDIM, 1.0, x, y, z)
    content[123] = 2 | (content[123] & 56)
    struct.pack_into("<2h", content, _CODES, 0, 1)
    rows = lps_to_ras(index_reversed(affine))[:3]
    struct.pack_into("<12f", content, _SROWS, *rows.ravel().tolist())


def put_seconds(content: bytearray, *, is_known: bool) -> None:
    """Say that steps of time are seconds, or that their unit is not known, in place."""
    content[123] = content[123] & 7 | (_IN_SECONDS if is_known else 0)


def _opener(path: Path) -> Any:
    return gzip.open if path.name.lower().endswith(".gz") else open
