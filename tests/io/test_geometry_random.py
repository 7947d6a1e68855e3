"""Generated headers: places and values are those of nibabel, SimpleITK, pydicom and tifffile."""

import struct
import tempfile
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_rescale

from napari_intseg.core.affine import index_reversed, lps_to_ras
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels

# a failing example is small enough to read without being made smaller, which takes minutes
QUICK = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
LENGTHS = st.floats(0.05, 20.0)
SIZES = st.integers(2, 6)
SHIFTS = st.floats(-500.0, 500.0)
ANGLES = st.floats(-3.1, 3.1)
THREE = st.tuples(LENGTHS, LENGTHS, LENGTHS)
SHAPES = st.tuples(SIZES, SIZES, SIZES)
PLACES = st.tuples(SHIFTS, SHIFTS, SHIFTS)
TURNS = st.tuples(ANGLES, ANGLES, ANGLES)


def turned(angles, *, mirrored=False):
    """A rotation, of which the third axis may be mirrored."""
    out = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        one = np.eye(3)
        a, b = (i for i in range(3) if i != axis)
        one[[a, a, b, b], [a, b, a, b]] = c, -s, s, c
        out = out @ one
    return out * (1, 1, -1 if mirrored else 1)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def check_place(affine, wanted, shape):
    """Ask that all corners lie where they should, to a thousandth of a voxel."""
    corners = np.array([[a, b, c, 1] for a in (0, 1) for b in (0, 1) for c in (0, 1)], float)
    corners[:, :3] *= np.array(shape) - 1
    near = 1e-3 * np.linalg.norm(wanted[:3, :3], axis=0).min()
    # NIfTI keeps places as float32
    near = max(near, 1e-6 * np.abs(wanted[:3, 3]).max())
    np.testing.assert_allclose(corners @ affine.T, corners @ wanted.T, rtol=1e-5, atol=near)


@QUICK
@given(
    shape=SHAPES, lengths=THREE, origin=PLACES, angles=TURNS, shear=st.floats(-0.4, 0.4),
    forms=st.sampled_from(["sform", "qform", "both", "sform, other pixdim"]),
    mirrored=st.booleans(), version=st.sampled_from([1, 2]), order=st.sampled_from("<>"),
    units=st.sampled_from(["mm", "micron", "meter", "unknown"]),
    ending=st.sampled_from([".nii", ".nii.gz"]),
)  # fmt: skip
def test_nifti_lies_where_nibabel_says(
    folder, shape, lengths, origin, angles, shear, forms, mirrored, version, order, units, ending
):
    kinds = {1: (nib.Nifti1Image, nib.Nifti1Header), 2: (nib.Nifti2Image, nib.Nifti2Header)}
    make, head = kinds[version]
    affine = np.eye(4)
    linear = turned(angles, mirrored=mirrored)
    if "qform" not in forms and "both" not in forms:
        linear = linear @ np.array([[1, shear, 0], [0, 1, 0], [0, 0, 1]])
    affine[:3, :3], affine[:3, 3] = linear * lengths, origin
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = make(data, None, head(endianness=order))
    image.header.set_xyzt_units(units)
    image.set_sform(affine, 0 if forms == "qform" else 2)
    image.set_qform(affine if "sform" not in forms else None, 0 if "sform" in forms else 1)
    if forms == "sform, other pixdim":
        image.header["pixdim"][1:4] = 1
    path = folder / f"n{ending}"
    nib.save(image, path)
    by_nibabel = nib.load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, by_nibabel.get_fdata().T)
    mm = {"micron": 1e-3, "meter": 1e3}.get(units, 1.0)
    wanted = np.vstack([by_nibabel.affine[:3] * mm, (0, 0, 0, 1)])
    check_place(volume.affine, index_reversed(lps_to_ras(wanted)), volume.shape)
    write_labels(folder / "l.nii.gz", (volume.data % 3).astype(np.uint8), volume, overwrite=True)
    labels = nib.load(folder / "l.nii.gz")
    same = np.vstack([labels.affine[:3] * (mm if version == 1 else 1.0), (0, 0, 0, 1)])
    check_place(index_reversed(lps_to_ras(same)), volume.affine, volume.shape)


@QUICK
@given(
    kind=st.sampled_from(["u1", "i1", "i2", "u2", "i4"]),
    slope=st.one_of(st.sampled_from([0.0, 1.0, np.nan, np.inf, -1.0]), st.floats(0.001, 1000)),
    intercept=st.one_of(st.just(0.0), st.floats(-2000, 2000)),
)
def test_nifti_values_are_those_of_nibabel(folder, kind, slope, intercept):
    data = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(kind)
    raw = bytearray(nib.Nifti1Image(data, np.eye(4), dtype=kind).to_bytes())
    struct.pack_into("<2f", raw, 112, slope, intercept)
    (folder / "v.nii").write_bytes(bytes(raw))
    wanted = nib.load(folder / "v.nii").get_fdata().T
    found = read_volume(folder / "v.nii").data
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-3 + 1e-5 * np.abs(wanted).max())


@QUICK
@given(
    shape=SHAPES, lengths=THREE, origin=PLACES, angles=TURNS, mirrored=st.booleans(),
    ending=st.sampled_from([".nrrd", ".nhdr", ".mha", ".mhd"]), packed=st.booleans(),
)  # fmt: skip
def test_nrrd_and_metaimage_lie_where_simpleitk_says(
    folder, shape, lengths, origin, angles, mirrored, ending, packed
):
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = sitk.GetImageFromArray(data)
    image.SetSpacing(lengths)
    image.SetOrigin(origin)
    image.SetDirection(turned(angles, mirrored=mirrored).ravel().tolist())
    path = folder / f"i{ending}"
    sitk.WriteImage(image, str(path), useCompression=packed)
    by_itk = sitk.ReadImage(str(path))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, data)
    for index in np.ndindex(2, 2, 2):
        at = [int(i * (n - 1)) for i, n in zip(index, shape, strict=True)]
        wanted = by_itk.TransformIndexToPhysicalPoint(at[::-1])
        np.testing.assert_allclose((volume.affine @ [*at, 1])[:3], wanted, rtol=1e-9, atol=1e-9)


UNITS_MM = {"nm": 1e-6, "µm": 1e-3, "mm": 1.0, "cm": 10.0}


@QUICK
@given(
    shape=SHAPES, lengths=THREE, words=st.tuples(*[st.sampled_from(sorted(UNITS_MM))] * 3),
    packed=st.sampled_from([None, "zlib", "lzw"]),
)  # fmt: skip
def test_ome_tiff_has_the_sizes_that_it_was_given(folder, shape, lengths, words, packed):
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    about = {f"PhysicalSize{a}": n for a, n in zip("ZYX", lengths, strict=True)}
    about |= {f"PhysicalSize{a}Unit": word for a, word in zip("ZYX", words, strict=True)}
    path = folder / "i.ome.tif"
    tifffile.imwrite(
        path, data, ome=True, photometric="minisblack", compression=packed,
        metadata={"axes": "ZYX", **about},
    )  # fmt: skip
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, tifffile.imread(path))
    wanted = [n * UNITS_MM[word] for n, word in zip(lengths, words, strict=True)]
    np.testing.assert_allclose(volume.spacing, wanted, rtol=1e-9)


@QUICK
@given(
    shape=SHAPES, per_unit=st.floats(0.1, 1000),
    depth=st.one_of(st.floats(0.01, 20), st.floats(-20, -0.01)),
    word=st.sampled_from(["nm", "um", "micron", "mm", "cm", "inch", "pixel"]),
)  # fmt: skip
def test_imagej_has_the_sizes_that_it_was_given(folder, shape, per_unit, depth, word):
    path = folder / "i.tif"
    tifffile.imwrite(
        path, np.zeros(shape, np.uint8), imagej=True, resolution=(per_unit, per_unit),
        metadata={"axes": "ZYX", "spacing": depth, "unit": word},
    )  # fmt: skip
    mm = {**UNITS_MM, "um": 1e-3, "micron": 1e-3, "inch": 25.4, "pixel": 1.0}[word]
    wanted = np.array([abs(depth), 1 / per_unit, 1 / per_unit]) * mm
    np.testing.assert_allclose(read_volume(path).spacing, wanted, rtol=1e-4)


@settings(QUICK, max_examples=10)
@given(
    n=st.integers(2, 5), spacing=st.tuples(LENGTHS, LENGTHS), step=st.floats(0.1, 20),
    origin=PLACES, angles=TURNS, intercept=st.integers(-1024, 1024),
    slope=st.sampled_from([1.0, 0.5, 2.0]),
)  # fmt: skip
def test_dicom_lies_where_pydicom_says(
    folder, dicom, n, spacing, step, origin, angles, intercept, slope
):
    turn = turned(angles)
    scan = dicom.Scan(
        n=n, shape=(4, 5), spacing=spacing, step=step, origin=origin, intercept=intercept,
        slope=slope, cosines=(*turn[:, 0], *turn[:, 1]),
    )  # fmt: skip
    slices = scan.slices()
    for i, data in enumerate(slices):
        data.PixelData = (np.arange(20, dtype=np.uint16) + 100 * i).tobytes()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        volume = read_volume(scan.write(Path(name) / "s", slices))
        files = [pydicom.dcmread(frame.header.file) for frame in volume.source.dicom.frames]
    near = 1e-5 * (1 + np.abs(origin).max() + step * n)
    for plane, data in enumerate(files):
        np.testing.assert_allclose(volume.data[plane], apply_rescale(data.pixel_array, data))
        cols, rows = np.reshape(data.ImageOrientationPatient, (2, 3)).astype(float)
        for r, c in ((0, 0), (3, 4)):
            wanted = np.array(data.ImagePositionPatient, float)
            wanted = wanted + rows * data.PixelSpacing[0] * r + cols * data.PixelSpacing[1] * c
            found = (volume.affine @ [plane, r, c, 1])[:3]
            np.testing.assert_allclose(found, wanted, atol=near)
