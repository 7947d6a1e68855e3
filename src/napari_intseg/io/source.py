"""What a file says of an image beyond its pixels, kept so that labels can be written like it."""

import gzip
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix, check_affine, index_reversed
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.dicom.header import DicomOrigin

# length of the header, which stands in its first four bytes
_NIFTI1_BYTES = 348
# read at a time: only the length is counted, nothing is kept
_CHUNK_BYTES = 1 << 22
# what header, extensions and padding may take: real files have some kilobytes
_SPARE_BYTES = 1 << 26

_VECTOR = re.compile(rb"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class ItkGeometry:
    """Geometry as ITK holds it, axes in ``(x, y[, z])`` order, LPS millimetres.

    Parameters
    ----------
    spacing, origin : tuple of float
        One number an axis.
    direction : tuple of float
        The matrix of direction cosines, row by row.
    """

    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    def is_orthogonal(self) -> bool:
        """Whether the axes are perpendicular, to within a thousandth."""
        n = len(self.spacing)
        direction = np.reshape(self.direction, (n, n))
        # wide enough for cosines that a header gives with a few digits (not tuned)
        return np.allclose(direction.T @ direction, np.eye(n), atol=1e-3)

    def affine(self) -> FloatMatrix:
        """Return index ``(plane, row, col)`` to LPS millimetres, 4x4."""
        n = len(self.spacing)
        matrix = np.eye(4)
        matrix[:n, :n] = np.reshape(self.direction, (n, n)) * np.asarray(self.spacing)
        matrix[:n, 3] = self.origin
        return index_reversed(matrix)


def geometry_of(affine: FloatMatrix, ndim: int) -> ItkGeometry:
    """Return the ITK geometry of an LPS affine, sheared ones included."""
    matrix = index_reversed(affine)[: 3 if ndim == 3 else 2]
    axes = matrix[:ndim, :ndim]
    spacing = np.array([math.hypot(*axes[:, i]) for i in range(ndim)])
    # an axis of no length gets no direction instead of a division by zero
    direction = axes / np.where(spacing == 0, 1, spacing)
    return ItkGeometry(
        tuple(spacing.tolist()), tuple(matrix[:ndim, 3].tolist()), tuple(direction.ravel().tolist())
    )


def check_perpendicular(affine: FloatMatrix, ndim: int) -> None:
    """Ask for axes that a format with spacing but no shear can hold.

    Raises
    ------
    FileError
        If the axes are not perpendicular.
    """
    geometry = geometry_of(affine, ndim)
    if not geometry.is_orthogonal():
        direction = np.reshape(geometry.direction, (ndim, ndim))
        raise FileError(
            "axes are not perpendicular: expected directions that the file can hold, got "
            f"{direction.round(4).tolist()!r}. Write .nii.gz, .nrrd, .mha or .h5 instead, or "
            "resample the image."
        )


@dataclass(frozen=True, slots=True)
class NiftiFrame:
    """The fields of a NIfTI-1 header that place voxels, as they stand in the file.

    ITK turns them into a spacing and a direction and back, which costs the last bits; copied
    as they are, every reader sees labels exactly where the image is.
    """

    pixdim: tuple[float, ...]
    units: int
    rest: tuple[float, ...]

    @classmethod
    def read(cls, path: Path) -> "NiftiFrame | None":
        """Return the fields of a ``.nii`` or ``.nii.gz``; None if it is not NIfTI-1.

        The file is read to its end, since ITK fills what is cut off with zeros.

        Raises
        ------
        EOFError
            If it is cut off.
        """
        opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
        with opener(path, "rb") as file:
            header = file.read(_NIFTI1_BYTES)
            length = len(header)
            longest = _longest_nifti(header)
            # stops at what the header allows: a .gz of a few kilobytes can unpack without end
            while (chunk := file.read(_CHUNK_BYTES)) and length <= longest:
                length += len(chunk)
        if length > longest:
            raise ValueError(
                f"it unpacks to more than the {longest} bytes that its header declares"
            )
        order = next((o for o in "<>" if header[:4] == struct.pack(o + "i", _NIFTI1_BYTES)), None)
        if order is None or len(header) < _NIFTI1_BYTES:
            return None
        sizes = struct.unpack_from(order + "8h", header, 40)
        bits = struct.unpack_from(order + "h", header, 72)[0]
        start = int(struct.unpack_from(order + "f", header, 108)[0])
        expected = start + math.prod(sizes[1 : 1 + sizes[0]]) * bits // 8
        if length < expected:
            raise EOFError(f"cut off: {length} of {expected} bytes")
        return cls(
            # nifti1.h: pixdim at 76, xyzt_units at 123, and from
            # 252 qform and sform with all their numbers
            struct.unpack_from(order + "4f", header, 76),
            header[123],
            struct.unpack_from(order + "2h18f", header, 252),
        )

    def put(self, header: bytearray) -> None:
        """Write the fields into the start of a little-endian NIfTI-1 file, in place."""
        struct.pack_into("<4f", header, 76, *self.pixdim)
        header[123] = self.units
        struct.pack_into("<2h18f", header, 252, *self.rest)


def _longest_nifti(header: bytes) -> float:
    """Return how long a NIfTI-1 file may be by its header, with room for what others append."""
    order = next((o for o in "<>" if header[:4] == struct.pack(o + "i", _NIFTI1_BYTES)), None)
    if order is None or len(header) < _NIFTI1_BYTES:
        return math.inf
    sizes = struct.unpack_from(order + "8h", header, 40)
    values = math.prod(sizes[1 : 1 + max(0, min(7, sizes[0]))])
    bits = struct.unpack_from(order + "h", header, 72)[0]
    return float(max(0, values * bits // 8) + _SPARE_BYTES)


@dataclass(frozen=True, slots=True)
class NrrdFrame:
    """The lines of an NRRD header that place voxels, as they stand in the file.

    They hold spacing times direction; ITK takes the product apart and makes it anew, which
    changes the last bit.
    """

    space: bytes
    directions: bytes
    origin: bytes
    units: bytes = b""

    @classmethod
    def read(cls, path: Path, ndim: int) -> "NrrdFrame | None":
        """Return the lines of a ``.nrrd`` or ``.nhdr``; None if it states no directions."""
        found: dict[bytes, bytes] = {}
        with path.open("rb") as file:
            for line in iter(file.readline, b""):
                if not line.strip():
                    break
                name, _, value = line.partition(b":")
                found[name.strip().lower()] = value.strip()
        vectors = _VECTOR.findall(found.get(b"space directions", b""))
        if len(vectors) != ndim or not found.keys() >= {b"space", b"space origin"}:
            return None
        return cls(
            found[b"space"], b" ".join(vectors), found[b"space origin"],
            found.get(b"space units", b""),
        )  # fmt: skip

    def put(self, path: Path) -> None:
        """Write the lines into a header that ITK wrote, in place."""
        new = {
            b"space": self.space,
            b"space directions": self.directions,
            b"space origin": self.origin,
        }
        header, end, data = path.read_bytes().partition(b"\n\n")
        lines = header.split(b"\n")
        for i, line in enumerate(lines):
            name = line.partition(b":")[0].strip().lower()
            if name in new:
                lines[i] = name + b": " + new[name]
                if name == b"space" and self.units:
                    # ITK leaves out units that it has read
                    lines[i] += b"\nspace units: " + self.units
        path.write_bytes(b"\n".join(lines) + end + data)


def put_time(path: Path) -> None:
    """Say in the header of a series that ITK wrote as NRRD what its four axes are, in place.

    ITK itself leaves out that the space is LPS.
    """
    header, end, data = path.read_bytes().partition(b"\n\n")
    for old, new in (
        (b"space dimension: 4", b"space: left-posterior-superior-time"),
        (b"kinds: domain domain domain domain", b"kinds: domain domain domain time"),
    ):
        header = header.replace(old, new)
    path.write_bytes(header + end + data)


@dataclass(frozen=True, slots=True)
class TiffScale:
    """Resolution as a TIFF states it.

    Parameters
    ----------
    resolution : ((int, int), (int, int))
        Pixels per unit along x and y, as fractions.
    unit : int
        TIFF's ResolutionUnit: 1 none, 2 inch, 3 cm.
    imagej : mapping
        ImageJ's own `spacing` and `unit`, if there.
    ome : mapping
        OME's ``PhysicalSizeX`` to ``PhysicalSizeZUnit``, if there.
    """

    resolution: tuple[tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1))
    unit: int = 1
    imagej: dict[str, Any] = field(default_factory=dict)
    ome: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ZarrScale:
    """Size and place of voxels as OME-Zarr states them, and in which version of the format.

    Parameters
    ----------
    version : str
        "0.4" or "0.5".
    scale, translation : tuple of float
        One number for each of the last axes, ``(z, y, x)`` or ``(y, x)``.
    units : tuple of str
        Their names, such as "micrometer"; empty where the file tells none.
    """

    version: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image came from.

    Parameters
    ----------
    path : Path
        The file or folder.
    itk, nifti, nrrd, tiff, zarr
        Geometry in the words of the format; None for the other formats.
    unit : str
        In which lengths are spoken of: "mm", "µm" or, where the file tells no size, "pixel".
        Affines are in millimetres all the same (or in pixels).
    dicom : DicomOrigin, optional
        The frames of DICOM files that became planes.
    dicom_times : tuple of DicomOrigin
        Those of each time point, of a series that has several.
    windows : mapping of str to (float, float)
        By name, the values that the file wants shown black and white; the first one counts.
    """

    path: Path
    itk: ItkGeometry | None = None
    nifti: NiftiFrame | None = None
    nrrd: NrrdFrame | None = None
    tiff: TiffScale | None = None
    zarr: ZarrScale | None = None
    unit: str = "mm"
    dicom: DicomOrigin | None = None
    dicom_times: tuple[DicomOrigin, ...] = ()
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def window(self) -> tuple[float, float] | None:
        """The values that the file wants shown black and white, if it tells any."""
        return next(iter(self.windows.values()), None)

    @property
    def is_dicom(self) -> bool:
        """Whether it was read from DICOM."""
        return self.dicom is not None or bool(self.dicom_times)

    def at_time(self, time: int | None) -> "Source":
        """Return what one time point came from; of no DICOM if it is not known which it is."""
        if not self.dicom_times:
            return self
        return replace(self, dicom=None if time is None else self.dicom_times[time], dicom_times=())


def affine_in(path: Path, affine: FloatMatrix) -> FloatMatrix:
    """Return an affine that a file states; errors name the file.

    Raises
    ------
    DataError
        As for `check_affine`.
    """
    try:
        return check_affine(affine)
    except DataError as err:
        raise DataError(f"{str(path)!r}: {err}" if path.name else str(err)) from err


class FileVolume(Volume):
    """A volume that knows its file, so that labels can be written with the same geometry.

    Parameters
    ----------
    data : array-like
        As for `Volume`.
    source : Source
        What the file says beyond the pixels.
    affine : ndarray of float, shape (4, 4), optional
        Index ``(plane, row, col)`` to LPS millimetres.
    channels : bool
        Whether the last axis holds channels.
    """

    def __init__(
        self, data: Array, source: Source, *, affine: FloatMatrix | None, channels: bool
    ) -> None:
        stated = None if affine is None else affine_in(source.path, affine)
        super().__init__(data, affine=stated, channels=channels)
        self.source = source

    @property
    def window(self) -> tuple[float, float] | None:
        """The values that the file wants shown black and white, if it tells any."""
        return self.source.window

    @property
    def windows(self) -> Mapping[str, tuple[float, float]]:
        """All windows that the file offers, by their names or as "centre/width"."""
        return self.source.windows
