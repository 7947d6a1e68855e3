"""NIfTI, NRRD and MetaImage through SimpleITK."""

import errno
import math
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from napari_intseg.core.affine import FloatMatrix, spacing_of
from napari_intseg.core.files import HIDDEN, go_on
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.child_process import check_in_child
from napari_intseg.io.file_checks import all_bytes, check_size, itk_ratio, named_files
from napari_intseg.io.nifti import (
    LABELS_INTENT,
    NiftiHeader,
    check_nifti,
    has_twin,
    plain_copy,
    put_intent,
    put_seconds,
    put_sheared,
    read_label_table,
)
from napari_intseg.io.raster import LABELS, MARK, Raster, are_labels, hex_colour, ordered
from napari_intseg.io.source import (
    FileVolume,
    ItkGeometry,
    NiftiFrame,
    NrrdFrame,
    Source,
    geometry_of,
    put_time,
)
from napari_intseg.io.suffixes import remark
from napari_intseg.io.units import SpaceUnits, metaimage_units, quantised, scaled

# packed at a time, within some 0.2 s
_PACKED_BYTES = 1 << 22

# PLUS keeps a transformation of each frame in the header; 100,000 frames fit
_HEADER_BYTES = 1 << 24

# ITK's parser of MetaImage overruns its memory on damaged
# headers (found by fuzzing): longer values are refused
_VALUE_CHARS = 4096
# types of MetaImage's numbers, without "MET_"
_TYPES = {
    "CHAR", "UCHAR", "SHORT", "USHORT", "INT", "UINT", "LONG", "ULONG", "LONG_LONG", "ULONG_LONG",
    "FLOAT", "DOUBLE",
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
    fields, end = _fields(path)
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
    if kind not in _TYPES:
        raise _wrong(path, "ElementType", "a number", fields.get("ElementType", ""))
    _check_start(path, fields, end)


def _check_start(path: Path, fields: Mapping[str, str], end: int) -> None:
    """Ask for pixels that do not begin inside the header: they would be its text."""
    is_local = fields["ElementDataFile"].lower() in ("local", "local_data")
    if not is_local and fields["ElementDataFile"] != path.name:
        return
    # 0: where the header ends, of pixels that follow it; -1: counted from the end of the file
    skipped = fields.get("HeaderSize", "0")
    if not skipped.lstrip("-").isdecimal():
        raise _wrong(path, "HeaderSize", "a whole number", skipped)
    if int(skipped) < end and not (int(skipped) == 0 and is_local) and int(skipped) != -1:
        raise _wrong(path, "HeaderSize", f"{end} or more, where the header ends,", skipped)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return names and values up to the one that tells where the data are, and where that ends."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    found: dict[str, str] = {}
    end = 0
    for line in head.split(b"\n"):
        end += len(line) + 1
        text = _text(line).strip()
        name, sign, value = text.partition("=")
        readable = text.replace("\t", " ").isprintable()
        if text and (not sign or not readable or len(value) > _VALUE_CHARS):
            raise _wrong(path, "header", "lines of NAME = VALUE", text[:40])
        found[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            return found, end
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


# any: most of SimpleITK has no annotations
sitk: Any = SimpleITK
_NIFTI_ENDINGS = (".nii", ".nii.gz")
# of NIfTI-1: its size, and where it says where the voxels begin
_HEADER, _OFFSET = 348, 108
_META_ENDINGS = (".mha", ".mhd")
_NRRD_ENDINGS = (".nrrd", ".nhdr")
# where the header of an NRRD ends, and its word for pixels that are packed by gzip
_HEADER_END, _GZIPPED = re.compile(rb"\r?\n\r?\n"), re.compile(rb"(?im)^encoding:\s*(gz|gzip)\b")
_SPACE = re.compile(rb"(?im)^space: *(.*)$")
# that of two axes, or with time, is of no patient anyway
_DIRECTIONS = re.compile(rb"(?im)^space dimension: *3 *\r?$")
# spaces of NRRD that have no left, front and top
_OF_NO_PATIENT = {
    f"{name}{time}"
    for name in ("scanner-xyz", "3d-right-handed", "3d-left-handed") for time in ("", "-time")
}  # fmt: skip
# which axis of LPS space each letter of MetaImage leads along, coming from there as ITK has it
_WORLD = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "I": (2, 1), "S": (2, -1)}
# cosine at which an axis counts as along another: of oblique ones the nearest is over 0.57
_ALONG = 0.3
# of an NRRD, by its format
_MOST_AXES = 16
_SPACINGS = re.compile(rb"(?im)^(?:spacings|space directions):(.*)$")
# unpacked at a time, 1 MB, only to be checked; not tuned
_STEP_BYTES = 1 << 20
# segments of a file that are looked at: each is two or three lines of a header of 16 MiB
_MOST_SEGMENTS = 1 << 16
# voxels by which the far corner may lie off before the header's own affine is taken: more than
# ITK's rounding to float, less than anyone sees (not tuned)
_ROUNDED_PX = 1e-3


def read_itk(path: Path) -> Raster:
    """Read one file; a fourth axis is time, in seconds where the format does not tell.

    Warns
    -----
    FileWarning
        If the header contradicts itself, or a unit is not known.

    Raises
    ------
    FileError
        If its header declares more than the file can hold.
    """
    check_itk(path)
    header = NiftiHeader.read(path) if path.name.lower().endswith(_NIFTI_ENDINGS) else None
    frame = None
    if header:
        check_size(path, header.declared_bytes, itk_ratio(path))
        # before ITK, which says of a damaged .gz only that it does not know the type
        frame = NiftiFrame.read(path)
    with _quiet(), tempfile.TemporaryDirectory(prefix="intseg-") as folder:
        # ITK looks for a .hdr or .img beside a .nii and may read that instead
        if header and (header.needs_copy or has_twin(path)):
            image = sitk.ReadImage(str(plain_copy(path, header, Path(folder))))
        else:
            if header is None:
                check_size(path, _declared(path), itk_ratio(path), all_bytes(path))
            image = sitk.ReadImage(str(path))
    raster = _raster(image, path, frame)
    if header is None:
        return _in_mm(raster)
    source = replace(raster.source, unit="µm" if header.is_micron else "mm")
    for told in (header.contradiction(), header.untold()):
        if told:
            remark(path, told)
    if header.passed_over is not None:
        slope, intercept = header.passed_over
        raster = replace(raster, levels=(raster.levels[0] * np.float64(slope) + intercept,))
    names, colours = read_label_table(path, header)
    return replace(
        _as_stated(replace(raster, source=source), header),
        time_step_s=header.time_step_s,
        is_labels=header.intent == LABELS_INTENT or bool(names),
        names=names,
        colours=colours,
    )


def _as_stated(raster: Raster, header: NiftiHeader) -> Raster:
    """Return an image where its header says, if ITK has put it elsewhere."""
    affine, found = header.affine(), raster.affine
    n = sum(a in "zyx" for a in raster.axes)
    if affine is None or found is None or (n == 2 and affine[2, 1:3].any()):
        return raster
    # of a flat image nothing is told across it
    if n == 2:
        affine = np.column_stack([found[:, 0], affine[:, 1:]])
        affine[2, 3] = found[2, 3]
    corner = np.array([*(size - 1 for size in (*header.sizes, 1, 1)[:n]), *(1,) * (4 - n)], float)
    far = np.abs((affine - found) * np.array([*corner[:3][::-1], 1.0])).sum(axis=1).max()
    # numbers that ITK has only rounded stay as it has them, bit for bit
    if far <= _ROUNDED_PX * min(spacing_of(affine)):
        return raster
    return replace(raster, affine=affine, source=replace(raster.source, itk=geometry_of(affine, n)))


def _in_mm(raster: Raster) -> Raster:
    """Return an image with the lengths that its header's units make, which ITK passes over."""
    path, affine = raster.source.path, raster.affine
    assert affine is not None
    is_nrrd = path.name.lower().endswith(_NRRD_ENDINGS)
    for told in (
        _nrrd_space(path) if is_nrrd else _letters_apart(path, affine),
        quantised(path) if is_nrrd else _left_out(path),
    ):
        if told:
            remark(path, told)
    units = SpaceUnits.read(path) if is_nrrd else metaimage_units(path)
    n = sum(a in "zyx" for a in raster.axes)
    untold = _sizes_untold(path) if is_nrrd else _no_sizes(path) * len(raster.axes)
    if untold > len(raster.axes) - n:
        remark(path, "sizes of its voxels are not told; 1 is taken where there is none")
    if raster.time_step_s and units.step_s:
        raster = replace(raster, time_step_s=raster.time_step_s * units.step_s)
    stated = scaled(affine, units, n, path)
    if stated is None:
        return raster
    source = replace(raster.source, itk=geometry_of(stated[0], n), unit=stated[1])
    return replace(raster, affine=stated[0], source=source)


def _nrrd_space(path: Path) -> str:
    """Return in words that an NRRD does not say where a patient is; nothing if it does."""
    with path.open("rb") as file:
        head = _HEADER_END.split(file.read(_HEADER_BYTES), maxsplit=1)[0]
    found = _SPACE.search(head)
    name = found[1].decode("latin-1").strip().strip('"') if found else ""
    if name.lower() in _OF_NO_PATIENT:
        mirrored = "; it counts one axis the other way, so left and right may be exchanged"
        turned = mirrored if "left" in name.lower() else ""
    elif not found and _DIRECTIONS.search(head):
        name, turned = "", ""
    else:
        return ""
    return (
        f"its space {name or 'without a name'!r} does not say which side of a patient is left; "
        f"places are taken as left-posterior-superior{turned}"
    )


def _letters_apart(path: Path, affine: FloatMatrix) -> str:
    """Return in words how a MetaImage's letters differ from its matrix; nothing if they do not."""
    letters = _fields(path)[0].get("AnatomicalOrientation", "").upper()
    if len(letters) != 3 or {*map("RLAPIS".find, letters)} & {-1}:
        return ""
    cosines = affine[:3, 2::-1] / np.linalg.norm(affine[:3, 2::-1], axis=0)
    along = [
        cosines[_WORLD[letter][0], axis] * _WORLD[letter][1] for axis, letter in enumerate(letters)
    ]
    # the format says that a letter is where an axis leads to, ITK writes where it comes from
    if min(along) > _ALONG or max(along) < -_ALONG:
        return ""
    return (
        f"its AnatomicalOrientation {letters!r} contradicts its TransformMatrix; the matrix is "
        "taken, and programs that take the letters will show it elsewhere"
    )


def _left_out(path: Path) -> str:
    """Return in words that a MetaImage asks for other values; nothing if it does not."""
    found = _fields(path)[0]
    slope = found.get("ElementToIntensityFunctionSlope", "1")
    offset = found.get("ElementToIntensityFunctionOffset", "0")
    if not _differs(slope, 1) and not _differs(offset, 0):
        return ""
    return (
        f"its ElementToIntensityFunction ({slope} times, plus {offset}) is not applied, as by ITK; "
        "values are those that are stored"
    )


def _differs(told: str, number: float) -> bool:
    try:
        return float(told) != number
    except ValueError:
        return True


def _no_sizes(path: Path) -> bool:
    return not {"ElementSpacing", "ElementSize"} & set(_fields(path)[0])


def _sizes_untold(path: Path) -> int:
    """Return for how many axes an NRRD does not tell a spacing: NaN, 0, "none" or not at all."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    head = _HEADER_END.split(head, maxsplit=1)[0]
    found = _SPACINGS.search(head)
    if found is None:
        # neither ITK nor other readers take "axis mins" and "axis maxs" for sizes
        return _MOST_AXES
    values = found[1].lower().split()
    return sum(value.strip(b"+-") in (b"nan", b"0", b"0.0", b"none") for value in values)


def check_itk(path: Path) -> None:
    """Ask for a header that ITK can be given: see `check_nifti` and `named_files`.

    Raises
    ------
    FileError
        If something is wrong, or a data file lies elsewhere.
    """
    check_name(path)
    if path.name.lower().endswith(_META_ENDINGS):
        check_metaimage(path)
    if path.name.lower().endswith(_NIFTI_ENDINGS):
        check_nifti(path)
    else:
        for one in named_files(path):
            if not one.is_file():
                raise FileError(
                    f"data file is missing: expected {one.name!r}, which the header names, got "
                    f"none for {str(path)!r}. Put it back beside the header."
                )
    check_in_child("itk", path)
    if not path.name.lower().endswith(_NIFTI_ENDINGS):
        _check_unpacks(path)


def check_name(path: Path, *, writing: bool = False) -> None:
    """Ask for a name in UTF-8, SimpleITK ends the process over any other, that MetaIO can follow.

    Raises
    ------
    FileError
        If it is not; of a NIfTI that is written, which ITK writes under another name, the folder's
        alone counts.
    """
    if path.name.lower().endswith(".mhd") and "\\" in path.name:
        raise FileError(
            f"name cannot be used: expected one without a backslash, which MetaImage takes for a "
            f"folder, got {str(path)!r}. Rename the file."
        )
    other = writing and path.name.lower().endswith(_NIFTI_ENDINGS)
    try:
        os.fspath((path.parent if other else path).absolute()).encode("utf-8")
    except UnicodeEncodeError as err:
        raise FileError(
            f"name cannot be used: expected letters, got bytes that are none in {str(path)!r}. "
            "Rename the file, or the folder that it is in."
        ) from err


def _check_unpacks(path: Path) -> None:
    """Unpack what NRRD or MetaImage has packed, and keep nothing.

    ITK takes what it can of a damaged stream and does not tell: the checksum at its end is not
    looked at, and the rest of the pixels is whatever was in memory.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    is_meta = path.name.lower().endswith(_META_ENDINGS)
    if is_meta:
        fields, end = _fields(path)
        if fields.get("CompressedData", "").lower() not in ("true", "1", "t"):
            return
    else:
        found = _HEADER_END.search(head)
        end = found.end() if found else 0
        if not _GZIPPED.search(head[:end] if found else head):
            return
    others = [one for one in named_files(path) if one != path]
    for packed, start in [(one, 0) for one in others] or [(path, end)]:
        _check_stream(path, packed, start, may_be_plain=not is_meta)


def _check_stream(path: Path, packed: Path, start: int, *, may_be_plain: bool) -> None:
    with packed.open("rb") as file:
        file.seek(start)
        # 47: zlib's head or gzip's
        unpacker, part = zlib.decompressobj(47), file.read(_STEP_BYTES)
        # zlib's `gzread` hands out bytes that were not packed as they are, and ITK uses it for NRRD
        if may_be_plain and not part.startswith(b"\x1f\x8b"):
            return
        try:
            while part and not unpacker.eof:
                unpacker.decompress(part, _STEP_BYTES)
                part = unpacker.unconsumed_tail or file.read(_STEP_BYTES)
        except zlib.error as err:
            raise _damaged(path, str(err)) from err
    if not unpacker.eof:
        raise _damaged(path, "the stream has no end")


def _damaged(path: Path, reason: str) -> FileError:
    return FileError(
        f"file cannot be read: expected pixels that unpack whole, got {str(path)!r} ({reason}). "
        "Check that it is complete."
    )


def write_itk(
    path: Path,
    labels: Array,
    like: Volume,
    time_step_s: float | None = None,
    *,
    is_labels: bool = True,
    check: Callable[[], None] = go_on,
) -> None:
    """Write labels, or an image, on the grid of `like`, the geometry bit for bit that of its file.

    A last axis that `like` does not have holds colours. The first one is time if a step is given,
    0 if it is not known; a flat series gets one plane, since these formats have time as a fourth
    axis only. `check` is called between steps, of NIfTI for each piece that is packed; what it
    raises ends the writing.

    Raises
    ------
    FileError
        As for `check_name`.
    """
    check_name(path, writing=True)
    source = like.source if isinstance(like, FileVolume) else None
    ndim = like.ndim
    if time_step_s is not None and ndim == 2:
        labels, ndim = labels[:, np.newaxis], 3
    geometry = source.itk if source and source.itk and len(source.itk.origin) == ndim else None
    geometry = geometry or geometry_of(like.affine, ndim)
    is_nifti = path.name.lower().endswith(_NIFTI_ENDINGS)
    sheared = not geometry.is_orthogonal()
    image = _placed(labels, geometry, time_step_s, straight=is_nifti and sheared)
    if is_nifti:
        _write_nifti(path, image, like, time_step_s, is_labels=is_labels, check=check)
        return
    if is_labels:
        # a line of its own in both formats: other programs pass over a key that they do not know
        image.SetMetaData(MARK, LABELS)
    try:
        _write(image, path)
        check()
        if path.name.lower().endswith(_NRRD_ENDINGS):
            if time_step_s is not None:
                put_time(path)
            elif source and source.nrrd:
                source.nrrd.put(path)
        _check_written(path, image)
    except OSError:
        _give_room_back(path.parent)
        raise


def _give_room_back(folder: Path) -> None:
    """Empty what could not be written whole; nothing but in a hidden folder of ours.

    ITK keeps such files open: removed, they would take their room until the process ends, and no
    other save would have any.
    """
    if folder.name.startswith(HIDDEN):
        for part in folder.iterdir():
            os.truncate(part, 0)


def _write(image: Any, path: Path) -> None:
    """Have ITK write an image.

    Raises
    ------
    OSError
        If it tells that it cannot; on a full disk it often does not, see `_check_written`.
    """
    try:
        with _quiet():
            sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as err:
        # the folder was made a moment ago: what is missing now is room
        raise _short() from err


def _check_written(path: Path, image: Any) -> None:
    """Read back what ITK wrote: it does not tell of a write that failed.

    Raises
    ------
    OSError
        If it is not what was given.
    """
    try:
        with _quiet():
            found = sitk.ReadImage(str(path))
        now, given = (sitk.GetArrayViewFromImage(one) for one in (found, image))
        # not a number is unequal to itself, and only floats have it
        same = np.array_equal(now, given, equal_nan=given.dtype.kind == "f")
    except RuntimeError:
        same = False
    if not same:
        raise _short()


def _short() -> OSError:
    return OSError(errno.ENOSPC, f"it was not written whole: {os.strerror(errno.ENOSPC)}?")


def _placed(
    labels: Array, geometry: ItkGeometry, time_step_s: float | None, *, straight: bool
) -> Any:
    """Return labels as an ITK image; `straight` leaves the directions out."""
    n = len(geometry.origin)
    spacing, origin, direction = geometry.spacing, geometry.origin, np.eye(n + 1)
    direction[:n, :n] = np.reshape(geometry.direction, (n, n))
    if time_step_s is None:
        direction = direction[:n, :n]
    else:
        spacing, origin, n = (*spacing, time_step_s or 1.0), (*origin, 0.0), n + 1
    # a last axis that the grid does not have holds colours
    image = sitk.GetImageFromArray(labels, isVector=labels.ndim > n)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if not straight:
        image.SetDirection(direction.ravel().tolist())
    return image


def _write_nifti(
    path: Path,
    image: Any,
    like: Volume,
    time_step_s: float | None,
    *,
    is_labels: bool,
    check: Callable[[], None],
) -> None:
    source = like.source if isinstance(like, FileVolume) else None
    # uncompressed first: the header is corrected in its bytes, then the whole is compressed once
    plain = path.with_name("plain.nii")
    try:
        with _quiet():
            sitk.WriteImage(image, str(plain))
        content = bytearray(plain.read_bytes())
    except (RuntimeError, FileNotFoundError) as err:
        raise _short() from err
    finally:
        plain.unlink(missing_ok=True)
    # ITK does not tell of a write that failed
    offset = int(struct.unpack_from("<f", content, _OFFSET)[0]) if len(content) > _HEADER else 0
    if len(content) < max(_HEADER, offset) + sitk.GetArrayViewFromImage(image).nbytes:
        raise _short()
    if source and source.nifti:
        source.nifti.put(content)
    elif not geometry_of(like.affine, 3).is_orthogonal():
        put_sheared(content, like.affine)
    if time_step_s is not None:
        put_seconds(content, is_known=time_step_s > 0)
    if is_labels:
        put_intent(content)
    if path.name.lower().endswith(".gz"):
        # 31 asks for gzip's header, without a time stamp: the same labels make the same file
        packer = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, wbits=31)
        with path.open("wb") as file:
            for at in range(0, len(content), _PACKED_BYTES):
                check()
                file.write(packer.compress(content[at : at + _PACKED_BYTES]))
            file.write(packer.flush())
    else:
        path.write_bytes(content)


def _declared(path: Path) -> int:
    """Return how many bytes a file says that its voxels take."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    found = re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    bits = int(found[1]) if found else 8
    values = math.prod(reader.GetSize()) * int(reader.GetNumberOfComponents())
    return int(values * bits // 8)


def _raster(image: Any, path: Path, nifti: NiftiFrame | None) -> Raster:
    n = min(image.GetDimension(), 3)
    whole = image.GetDimension()
    direction = np.reshape(image.GetDirection(), (whole, whole))[:n, :n]
    geometry = ItkGeometry(
        tuple(image.GetSpacing()[:n]), tuple(image.GetOrigin()[:n]), tuple(direction.ravel())
    )
    nrrd = NrrdFrame.read(path, n) if path.name.lower().endswith(_NRRD_ENDINGS) else None
    data = np.asarray(sitk.GetArrayFromImage(image))
    # the fifth axis of NIfTI holds several values a voxel
    axes = "ctzyx"[-whole:]
    if whole > 4:
        single = tuple(i for i, axis in enumerate(axes) if axis in "ct" and data.shape[i] == 1)
        data = data.squeeze(single)
        data, axes = ordered(data, "".join(a for i, a in enumerate(axes) if i not in single))
    is_labels, names, colours = _told_of_labels(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        if "c" in axes:
            raise FileError(
                "file has more axes than a volume: expected columns, rows, planes, time and "
                f"values, got shape {data.shape[::-1]} in {str(path)!r}. Save one volume to its "
                "own file."
            )
        is_coloured = data.dtype == np.uint8 and data.shape[-1] in (3, 4) and not is_labels
        axes += "s" if is_coloured else "c"
        # each channel is a layer of segments with numbers of its own
        names, colours = {}, {}
    source = Source(path, itk=geometry, nifti=nifti, nrrd=nrrd)
    # only NIfTI tells in which unit steps are; 1 is what ITK puts where nothing is known
    step = float(image.GetSpacing()[3]) if whole >= 4 else 1.0
    known = math.isfinite(step) and step > 0 and step != 1.0
    return Raster(
        (data,), axes, source, geometry.affine(), time_step_s=step if known else 0.0,
        is_labels=is_labels, names=names, colours=colours,
    )  # fmt: skip


def _told_of_labels(image: Any) -> tuple[bool, dict[int, str], dict[int, str]]:
    """Return whether words of an image tell of labels, what objects are called, and colours.

    Ours have a mark; 3D Slicer describes each segment of a ``.seg.nrrd``.
    """
    if image.HasMetaDataKey(MARK) and are_labels(MARK, image.GetMetaData(MARK)):
        return True, {}, {}
    names: dict[int, str] = {}
    colours: dict[int, str] = {}
    for number in range(_MOST_SEGMENTS):
        told = {
            key: image.GetMetaData(f"Segment{number}_{key}")
            for key in ("LabelValue", "Name", "Color")
            if image.HasMetaDataKey(f"Segment{number}_{key}")
        }
        label = told.get("LabelValue", "").strip()
        if not label.isdecimal():
            return bool(names), names, colours
        names[int(label)] = told.get("Name", "").strip()
        parts = told.get("Color", "").split()
        if colour := hex_colour(parts, 1.0):
            colours[int(label)] = colour
    return bool(names), names, colours


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ITK from printing warnings; what matters comes as an exception."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)
