"""What a NIfTI header says, where ITK says it otherwise or not at all."""

import gzip
import html
import itertools
import math
import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix, index_reversed, lps_to_ras, spacing_of
from napari_intseg.errors import FileError
from napari_intseg.io.raster import hex_colour

# of NIfTI-1; the format's own definition, nifti1.h, as all numbers below
HEADER_BYTES = 348
# NIFTI_INTENT_LABEL
LABELS_INTENT = 1002
# NIFTI_UNITS_METER, _MM and _MICRON
_UNITS_MM = {1: 1e3, 2: 1.0, 3: 1e-3}
# NIFTI_UNITS_SEC, _MSEC and _USEC, and how many seconds each is
_IN_SECONDS = 8
_MICRON, _SECONDS = 3, {_IN_SECONDS: 1.0, 16: 1e-3, 24: 1e-6}
# where they begin in the header
_CODES, _SROWS, _PIXDIM = 252, 280, 76
# where NIfTI-1 and NIfTI-2 hold their fields, by the length of the header
_LAYOUTS: dict[int, dict[str, tuple[str, int]]] = {
    348: {
        "intent": ("h", 68), "dim": ("8h", 40), "kind": ("h", 70), "bits": ("h", 72),
        "pixdim": ("8f", _PIXDIM), "start": ("f", 108), "scale": ("2f", 112), "units": ("B", 123),
        "codes": ("2h", _CODES), "quatern": ("6f", 256), "srows": ("12f", _SROWS),
    },
    540: {
        "intent": ("i", 504), "dim": ("8q", 16), "kind": ("h", 12), "bits": ("h", 14),
        "pixdim": ("8d", 104), "start": ("q", 168), "scale": ("2d", 176), "units": ("i", 500),
        "codes": ("2i", 344), "quatern": ("6d", 352), "srows": ("12d", 400),
    },
}  # fmt: skip

# sizes are 16-bit integers with a sign
_LONGEST, _MAGIC_AT, _HEADER_AND_MORE = 32767, 344, 352
_LABEL = re.compile(rb"<Label\b([^<>]*)>(.*?)</Label>", re.DOTALL)
_ATTRIBUTE = re.compile(rb"(\w+)\s*=\s*[\"']([^\"']*)[\"']")
_CDATA = re.compile(rb"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
# voxels by which the two forms of a header may differ without a warning: half of one is what
# nobody sees on the canvas (not tuned)
_TOLD_PX = 0.5
# of a quaternion: three numbers of float32, which some programs write with few digits (not tuned)
_ROUNDED = 1e-3


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """The fields that are needed, as they stand in the file.

    Parameters
    ----------
    order : str
        "<" or ">", as `struct` takes it.
    length : int
        Of the header: 348 is NIfTI-1, 540 NIfTI-2.
    sizes : tuple of int
        Along columns, rows, planes, time.
    kind, bits, start : int
        Type and bits of one voxel; where the voxels begin, in bytes.
    scale : (float, float)
        Slope and intercept.
    qform, sform : int
        Codes; 0: not given.
    pixdim : tuple of float
        The handedness of the qform, then lengths of voxels and the time step, in the file's units.
    quatern : tuple of float
        The qform: three numbers of its rotation, three of its offset.
    matrix : ndarray of float, shape (3, 4)
        The sform, in the file's own unit.
    units, intent : int
        Codes of the format.
    """

    order: str
    length: int
    sizes: tuple[int, ...]
    kind: int
    bits: int
    start: int
    scale: tuple[float, float]
    qform: int
    sform: int
    pixdim: tuple[float, ...]
    quatern: tuple[float, ...]
    matrix: FloatMatrix
    units: int
    intent: int

    @classmethod
    def read(cls, path: Path) -> "NiftiHeader | None":
        """Return the header of a ``.nii`` or ``.nii.gz``; None if it is neither NIfTI-1 nor -2."""
        with _opener(path)(path, "rb") as file:
            raw = file.read(max(_LAYOUTS))
        # the first field is the header's own length: it tells version and byte order at once
        for order, length in ((o, n) for o in "<>" for n in _LAYOUTS):
            if raw[:4] == struct.pack(order + "i", length) and len(raw) >= length:
                break
        else:
            return None
        told = {
            name: struct.unpack_from(order + kind, raw, at)
            for name, (kind, at) in _LAYOUTS[length].items()
        }
        dim, start = told["dim"], told["start"][0]
        return cls(
            order,
            length,
            # a damaged count of axes must not make sizes that are not there
            tuple(dim[1 : 1 + min(max(dim[0], 0), 7)]),
            told["kind"][0],
            told["bits"][0],
            int(start) if math.isfinite(start) else 0,
            told["scale"],
            told["codes"][0],
            told["codes"][1],
            told["pixdim"],
            told["quatern"],
            np.array(told["srows"], float).reshape(3, 4),
            told["units"][0],
            told["intent"][0],
        )

    @property
    def declared_bytes(self) -> int:
        """How long the header says that the file is, unpacked; 0 if it has no voxel."""
        if min(self.sizes, default=0) < 1:
            return 0
        return self.begin + math.prod(self.sizes) * self.bits // 8

    @property
    def begin(self) -> int:
        """Where voxels begin: behind the header and four bytes more where an offset of 0 is told.

        ITK forgets the four bytes, and with them all voxels lie two or four beside their place.
        """
        return self.start or self.length + 4

    @property
    def is_micron(self) -> bool:
        """Whether lengths are in micrometres."""
        # xyzt_units: the lowest three bits are the unit of space, the next three that of time
        return self.units & 7 == _MICRON

    @property
    def time_step_s(self) -> float:
        """Seconds between time points; 0 if the file does not tell."""
        step = self.pixdim[4] * _SECONDS.get(self.units & 56, 0.0)
        return step if math.isfinite(step) and step > 0 else 0.0

    def affine(self) -> FloatMatrix | None:
        """Return index ``(plane, row, col)`` to LPS mm; None where no form is given.

        The sform counts where both are there, as nibabel, FSL, SPM and ANTs take it. ITK takes
        lengths from `pixdim`, and refuses what is not perpendicular.
        """
        forms = [form for form in (self._by_sform(), self._by_qform()) if form is not None]
        return forms[0] if forms else None

    def is_sheared(self) -> bool:
        """Whether the axes are not perpendicular, which ITK refuses or passes over."""
        affine = self.affine()
        if affine is None:
            return False
        cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        # 1e-4: cosines are stored in float32 and rounded
        return not np.allclose(cosines.T @ cosines, np.eye(3), atol=1e-4)

    @property
    def needs_copy(self) -> bool:
        """Whether ITK would refuse the file, or make other places or values of it.

        It reads no NIfTI-2, no axes that are not perpendicular, no form that is no place, adds an
        intercept where a slope of 0, or of no number, says that nothing is rescaled, and takes a
        tiny slope for none.
        """
        slope, intercept = self.scale
        adds = (not _is_slope(slope) and intercept != 0) or self.passed_over is not None
        is_nowhere = (self.sform > 0 and self._by_sform() is None) or (
            self.qform > 0 and self._by_qform() is None
        )
        is_odd = self.length != HEADER_BYTES or self.start == 0
        return is_odd or self.is_sheared() or adds or is_nowhere

    @property
    def passed_over(self) -> tuple[float, float] | None:
        """Slope and intercept that ITK takes for none since the slope is tiny; None for others."""
        slope, intercept = self.scale
        is_tiny = _is_slope(slope) and abs(slope) < np.finfo(float).eps
        return (slope, intercept if math.isfinite(intercept) else 0.0) if is_tiny else None

    def untold(self) -> str:
        """Return in words what of the geometry is missing or no place; nothing if nothing is."""
        for name, code, found in (
            ("sform", self.sform, self._by_sform()), ("qform", self.qform, self._by_qform()),
        ):  # fmt: skip
            if code > 0 and found is None:
                return f"its {name} is no place in space and is passed over"
        sizes = self.pixdim[1 : 1 + min(len(self.sizes), 3)]
        if self.affine() is None and not all(math.isfinite(s) and s != 0 for s in sizes):
            told = " x ".join(f"{size:g}" for size in sizes)
            return f"sizes of its voxels are not told ({told}); 1 is taken where there is none"
        if self.units & 7 not in (0, *_UNITS_MM):
            return f"its unit of length has the unknown code {self.units & 7}; mm are taken"
        if self.sform <= 0 and self.qform <= 0 and math.prod(self.sizes[2:3]) > 1:
            return (
                "it has neither sform nor qform and does not say which side of a patient is left; "
                "columns are taken to run to the right, rows to the front, planes to the head"
            )
        return ""

    def contradiction(self) -> str:
        """Return in words how the two forms differ; nothing if they agree, or one is not given."""
        one, two = self._by_sform(), self._by_qform()
        if one is None or two is None:
            return ""
        ends = [(0, max(n - 1, 0)) for n in (*self.sizes, 1, 1, 1)[:3]][::-1]
        corners = np.array([(*corner, 1) for corner in itertools.product(*ends)], float)
        apart = float(np.linalg.norm((corners @ (one - two).T), axis=1).max())
        mirrored = np.linalg.det(one[:3, :3]) * np.linalg.det(two[:3, :3]) < 0
        # a qform cannot hold a shear: it comes as near as it can, which contradicts nothing
        if apart <= _TOLD_PX * min(spacing_of(one)) or (self.is_sheared() and not mirrored):
            return ""
        return (
            f"sform and qform place voxels up to {apart:.4g} mm apart"
            f"{', one mirrored against the other' if mirrored else ''}; the sform is taken, and "
            "programs that take the qform will show it elsewhere"
        )

    def _by_sform(self) -> FloatMatrix | None:
        return self._in_lps(self.matrix) if self.sform > 0 else None

    def _by_qform(self) -> FloatMatrix | None:
        """Return the matrix of the quaternion, as the format defines it (method 2)."""
        if self.qform <= 0:
            return None
        bcd = np.array(self.quatern[:3])
        length = float(np.linalg.norm(bcd))
        # rounding can make it a little more than 1; what is longer is no rotation
        if not length <= 1 + _ROUNDED:
            return None
        b, c, d = bcd / max(length, 1.0)
        a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
        turned = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        lengths = np.abs(self.pixdim[1:4]) * (1, 1, -1 if self.pixdim[0] < 0 else 1)
        return self._in_lps(np.column_stack([turned * lengths, self.quatern[3:]]))

    def _in_lps(self, rows: FloatMatrix) -> FloatMatrix | None:
        """Return index ``(plane, row, col)`` to LPS mm of three rows; None if they are no place."""
        affine = np.vstack([rows * _UNITS_MM.get(self.units & 7, 1.0), (0, 0, 0, 1)])
        if not np.isfinite(affine).all() or not np.linalg.norm(affine[:3, :3], axis=0).all():
            return None
        # such a matrix puts the whole volume on one plane
        if np.linalg.matrix_rank(affine[:3, :3]) < 3:
            return None
        return index_reversed(lps_to_ras(affine))


def has_twin(path: Path) -> bool:
    """Whether ITK would take the voxels of ``i.nii.gz`` from ``i.nii`` beside it.

    It looks for voxels by the header's name and one ending after the other, without a word.
    """
    name = path.name.lower()
    if not name.endswith(".nii.gz"):
        return False
    stem = name.removesuffix(".nii.gz")
    return any(
        other.name.lower() in (f"{stem}.nii", f"{stem}.img") for other in path.parent.iterdir()
    )


def plain_copy(path: Path, header: NiftiHeader, folder: Path) -> Path:
    """Copy a file as NIfTI-1, unpacked, without sform and qform, so that ITK reads the voxels.

    Raises
    ------
    FileError
        If it is longer along an axis than NIfTI-1 can say.
    EOFError
        If it is cut off.
    """
    if max(header.sizes) > _LONGEST:
        raise FileError(
            f"file is too large: expected at most {_LONGEST} voxels along an axis, got "
            f"{header.sizes} in {str(path)!r}. Cut it into parts, or save it as OME-Zarr or HDF5."
        )
    raw = bytearray(_HEADER_AND_MORE)
    dim = (len(header.sizes), *header.sizes, *(1,) * (7 - len(header.sizes)))
    values: dict[str, tuple[float, ...]] = {
        "dim": dim, "kind": (header.kind,), "bits": (header.bits,), "intent": (header.intent,),
        "pixdim": (1.0, *map(_length, header.pixdim[1:4]), *header.pixdim[4:]),
        "start": (len(raw),),
        "scale": header.scale if _is_slope(header.scale[0]) and not header.passed_over
        else (1.0, 0.0),
        "units": (header.units,),
    }  # fmt: skip
    struct.pack_into(header.order + "i", raw, 0, HEADER_BYTES)
    for name, numbers in values.items():
        kind, at = _LAYOUTS[HEADER_BYTES][name]
        struct.pack_into(header.order + kind, raw, at, *numbers)
    raw[_MAGIC_AT : _MAGIC_AT + 4] = b"n+1\0"
    copy = folder / "plain.nii"
    with _opener(path)(path, "rb") as source, copy.open("wb") as target:
        target.write(raw)
        source.seek(header.begin)
        shutil.copyfileobj(source, target)
    wanted = len(raw) + math.prod(header.sizes) * header.bits // 8
    if copy.stat().st_size < wanted:
        raise EOFError(f"cut off: {copy.stat().st_size} of {wanted} bytes")
    return copy


def _length(size: float) -> float:
    """Return the size of a voxel without its sign; 1 where none is told."""
    return abs(size) if math.isfinite(size) and size != 0 else 1.0


def _is_slope(slope: float) -> bool:
    """Whether values are rescaled at all: by the format not by a slope of 0."""
    return math.isfinite(slope) and slope != 0


def put_sheared(content: bytearray, affine: FloatMatrix) -> None:
    """Write an LPS affine as the sform into a little-endian NIfTI-1 file, in place."""
    z, y, x = spacing_of(affine)
    struct.pack_into("<4f", content, _PIXDIM, 1.0, x, y, z)
    # millimetres (NIFTI_UNITS_MM); the bits of the unit of time stay
    content[123] = 2 | (content[123] & 56)
    struct.pack_into("<2h", content, _CODES, 0, 1)
    rows = lps_to_ras(index_reversed(affine))[:3]
    struct.pack_into("<12f", content, _SROWS, *rows.ravel().tolist())


def put_intent(content: bytearray) -> None:
    """Say that values are labels, in place."""
    _, at = _LAYOUTS[HEADER_BYTES]["intent"]
    struct.pack_into("<h", content, at, LABELS_INTENT)


def read_label_table(path: Path, header: NiftiHeader) -> tuple[dict[int, str], dict[int, str]]:
    """Return what labels are called and their colours, as far as an extension of the file tells.

    Connectome Workbench and TotalSegmentator write such a table, and only for labels.

    Parameters
    ----------
    path : Path
        Of a file that `check_nifti` has been asked about.
    header : NiftiHeader

    References
    ----------
    .. [1] Connectome Workbench, "CaretExtension" of NIfTI: ``LabelTable`` of ``Label`` with Key,
       Red, Green and Blue.
    """
    with _opener(path)(path, "rb") as file:
        file.seek(header.length)
        content = file.read(max(header.start - header.length, 0))
    names: dict[int, str] = {}
    colours: dict[int, str] = {}
    # the first table counts: further ones are of further maps in the file
    table, _, _ = content.partition(b"</LabelTable>")
    _, found, table = table.partition(b"<LabelTable")
    for told, name in _LABEL.findall(table) if found else ():
        about = dict(_ATTRIBUTE.findall(told))
        key = about.get(b"Key", b"").decode("latin-1")
        # 0 is the background, called "???" by Workbench
        if not key.isdecimal() or int(key) == 0:
            continue
        text = _CDATA.sub(rb"\1", name).decode("utf-8", errors="replace")
        names[int(key)] = html.unescape(text).strip()
        if colour := hex_colour([about.get(c, b"") for c in (b"Red", b"Green", b"Blue")], 1.0):
            colours[int(key)] = colour
    return names, colours


def put_seconds(content: bytearray, *, is_known: bool) -> None:
    """Say that steps of time are seconds, or that their unit is not known, in place."""
    content[123] = content[123] & 7 | (_IN_SECONDS if is_known else 0)


def _opener(path: Path) -> Any:
    return gzip.open if path.name.lower().endswith(".gz") else open


# sizes of the headers of NIfTI-1 and NIfTI-2
_BYTES_1, _BYTES_2 = 348, 540
# by size of header: the mark of a file that holds its own
# voxels, its place, and where the offset of the voxels stands
_SINGLE = {_BYTES_1: (b"n+1\0", 344, "f", 108), _BYTES_2: (b"n+2\0", 4, "q", 168)}

# bytes before the voxels: real extensions (AFNI's, DICOM's) have some kilobytes
_MOST_EXTENSIONS = 1 << 24


def check_nifti(path: Path) -> None:
    """Ask for sizes, a place of voxels and extensions that a reader can follow.

    Files that are no NIfTI-1 or -2 by their first bytes are left to the reader.

    Raises
    ------
    FileError
        If something is wrong.
    """
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        head = file.read(_BYTES_2)
        found = [
            (order, size)
            for order in "<>"
            for size in _SINGLE
            if head[:4] == struct.pack(order + "i", size) and len(head) >= size
        ]
        if not found:
            return
        order, size = found[0]
        mark, mark_at, form, start_at = _SINGLE[size]
        start = struct.unpack_from(order + form, head, start_at)[0]
        if head[mark_at : mark_at + 4] != mark:
            if head[mark_at : mark_at + 2] == b"ni":
                raise _wrong(path, "voxels in the same file", head[mark_at : mark_at + 3])
            # Analyze 7.5 has the same length of header; which side is left it does not say
            raise _wrong(path, f"the mark {mark!r} of NIfTI", head[mark_at : mark_at + 4])
        if not math.isfinite(start) or not (start == 0 or size <= start <= _MOST_EXTENSIONS):
            raise _wrong(path, f"voxels that begin at {size + 4} or a little later", start)
        file.seek(size)
        rest = file.read(int(max(start - size, 0)))
    _check_sizes(path, head, order, size)
    _check_extensions(path, rest, order)


def _check_sizes(path: Path, head: bytes, order: str, size: int) -> None:
    form, at = ("8h", 40) if size == _BYTES_1 else ("8q", 16)
    dims = struct.unpack_from(order + form, head, at)
    if not 1 <= dims[0] <= 7 or min(dims[1 : 1 + dims[0]]) < 1:
        raise _wrong(path, "1 to 7 axes of at least one voxel", dims)


def _check_extensions(path: Path, rest: bytes, order: str) -> None:
    """Follow the extensions, each of which states its length, a multiple of 16."""
    if rest[:1] in (b"", b"\0"):
        return
    at = 4
    while at + 8 <= len(rest):
        length = struct.unpack_from(order + "i", rest, at)[0]
        if length < 16 or length % 16 or at + length > len(rest):
            raise _wrong(path, "an extension of 16 bytes or a multiple", length)
        at += length


def _wrong(path: Path, rule: str, got: object) -> FileError:
    return FileError(
        f"file cannot be read: expected {rule}, got {got!r} in {str(path)!r}. Check that it is "
        "complete and NIfTI."
    )
