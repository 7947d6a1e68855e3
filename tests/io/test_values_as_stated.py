"""Values and places as files state them, where a library says otherwise."""

import gzip
import struct
import warnings

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_intseg.core.affine import index_reversed, lps_to_ras
from napari_intseg.errors import FileError
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.suffixes import FileWarning
from napari_intseg.io.write import write_labels

SHEARED = np.array([[-2, 0.5, 0, 3], [0, 2, 0.3, 4], [0, 0, 3, 5], [0, 0, 0, 1.0]])


def in_our_words(image):
    """nibabel's affine, as index (plane, row, col) to LPS."""
    return index_reversed(lps_to_ras(image.affine))


def test_the_sform_counts_before_pixdim(tmp_path):
    image = nib.Nifti1Image(np.zeros((12, 14, 6), np.int16), None)
    head = image.header
    head["pixdim"][1:4], head["qform_code"], head["sform_code"] = 1, 0, 1
    head["srow_x"], head["srow_y"], head["srow_z"] = [0.8, 0, 0, 1], [0, 0.8, 0, 2], [0, 0, 3, 4]
    nib.save(image, tmp_path / "i.nii")
    volume = read_volume(tmp_path / "i.nii")
    np.testing.assert_allclose(volume.affine, in_our_words(nib.load(tmp_path / "i.nii")))
    labels = np.ones(volume.shape, np.uint8)
    for name in ("l.nii", "l.nrrd", "l.h5"):
        write_labels(tmp_path / name, labels, volume)
        np.testing.assert_allclose(read_volume(tmp_path / name).affine, volume.affine, rtol=1e-6)


def two_forms(path, qform):
    image = nib.Nifti1Image(np.zeros((12, 14, 6), np.int16), None)
    sform = np.diag([-2.0, 2, 2, 1])
    sform[0, 3] = 22
    image.set_qform(qform, 1)
    image.set_sform(sform, 2)
    nib.save(image, path)
    return read_volume(path)


def test_forms_that_contradict_each_other_are_told_and_the_sform_is_taken(tmp_path):
    with pytest.warns(FileWarning, match="up to 22 mm apart, one mirrored against the other"):
        volume = two_forms(tmp_path / "i.nii.gz", np.diag([2.0, 2, 2, 1]))
    labels = np.zeros((12, 14, 6), np.uint8)
    labels[1:4, 3:8, 2:4] = 1
    nib.save(nib.Nifti1Image(labels, nib.load(tmp_path / "i.nii.gz").affine), tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(read_mask(tmp_path / "l.nii.gz", volume), labels.T)


def test_forms_that_differ_by_rounding_are_not_told(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        near = np.diag([-2.0, 2, 2, 1])
        near[0, 3] = 22.0001
        two_forms(tmp_path / "i.nii", near)
        image = nib.Nifti1Image(np.zeros((5, 6, 7), np.int16), SHEARED)
        image.set_qform(SHEARED, 1)  # as near as it can come
        nib.save(image, tmp_path / "s.nii")
        volume = read_volume(tmp_path / "s.nii")
    np.testing.assert_allclose(volume.affine, in_our_words(image), atol=1e-6)


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("scale", [(2.5, -100.0), (1.0, 7.0), (0.0, 5.0), (np.nan, 0.0), (-2, 3)])
def test_rescaled_values_are_those_of_nibabel(tmp_path, kind, ending, scale):
    path = tmp_path / f"i{ending}"
    data = np.arange(12 * 14 * 6, dtype=kind).reshape(12, 14, 6) % 200
    image = nib.Nifti1Image(data, np.diag([-2, 2, 3, 1.0]), dtype=kind)
    raw = bytearray(image.to_bytes())
    struct.pack_into("<2f", raw, 112, *scale)
    if ending == ".nii.gz":
        raw = gzip.compress(bytes(raw))
    path.write_bytes(bytes(raw))
    np.testing.assert_allclose(read_volume(path).data, nib.load(path).get_fdata().T, rtol=1e-6)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("affine", [np.diag([-0.8, 0.8, 3, 1.0]), SHEARED])
def test_nifti_2_is_read(tmp_path, rng, ending, affine):
    data = rng.integers(-99, 99, (12, 14, 6)).astype(np.int16)
    image = nib.Nifti2Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / f"i{ending}")
    volume = read_volume(tmp_path / f"i{ending}")
    np.testing.assert_array_equal(volume.data, data.T)
    np.testing.assert_allclose(volume.affine, in_our_words(image), rtol=1e-12)
    write_labels(tmp_path / "l.nii.gz", np.ones(volume.shape, np.uint8), volume)
    np.testing.assert_allclose(nib.load(tmp_path / "l.nii.gz").affine, affine, rtol=1e-6)


def test_a_series_of_nifti_2_big_endian_keeps_its_step(tmp_path, rng):
    data = rng.integers(0, 99, (12, 14, 6, 3)).astype(">i2")
    image = nib.Nifti2Image(data, np.diag([2, 2, 3, 1.0]), nib.Nifti2Header(endianness=">"))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 1500
    nib.save(image, tmp_path / "t.nii")
    from napari_intseg.io.read import read_raster

    raster = read_raster(tmp_path / "t.nii")
    assert raster.time_step_s == 1.5
    np.testing.assert_array_equal(read_volume(tmp_path / "t.nii", time=2).data, data[..., 2].T)


def test_a_nifti_2_that_is_cut_off_or_too_long_is_refused(tmp_path):
    image = nib.Nifti2Image(np.zeros((12, 14, 6), np.int16), np.eye(4))
    raw = image.to_bytes()
    (tmp_path / "c.nii").write_bytes(raw[:-500])
    with pytest.raises(FileError, match="file cannot be read"):
        read_volume(tmp_path / "c.nii")
    nib.save(nib.Nifti2Image(np.zeros((40000, 1, 1), np.uint8), np.eye(4)), tmp_path / "l.nii")
    with pytest.raises(FileError, match="file is too large: expected at most 32767"):
        read_volume(tmp_path / "l.nii")


@pytest.mark.parametrize("other", ["i.nii", "i.NII"])
def test_a_file_beside_of_the_same_name_is_not_read_instead(tmp_path, other):
    for name, value in (("i.nii.gz", 1), (other, 2)):
        nib.save(
            nib.Nifti1Image(np.full((4, 5, 6), value, np.int16), np.eye(4)), tmp_path / "x.nii"
        )
        raw = (tmp_path / "x.nii").read_bytes()
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    assert np.all(read_volume(tmp_path / "i.nii.gz").data == 1)
    assert np.all(read_volume(tmp_path / other).data == 2)


META = [
    "ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False",
    "Offset = 1 2 3", "ElementSpacing = 0.5 0.5 2", "DimSize = 12 14 6", "ElementType = MET_SHORT",
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "data_file", "code"),
    [
        ([line.replace(" ", "\t") for line in META], "v.raw", "ascii"),
        ([*META[:2], "Comment = Schädel, Ärztehaus", *META[2:]], "v.raw", "utf-8"),
        ([*META[:2], "Comment = Schädel, Ärztehaus", *META[2:]], "v.raw", "latin-1"),
        (META, "Ärzte_画像.raw", "utf-8"),
        ([*META, *(f"Seq_{i:04d}_Transform = 1 0 0 {i}" for i in range(4000))], "v.raw", "ascii"),
        ([line + "\r" for line in META], "v.raw", "ascii"),
    ],
    ids=["tabs", "utf-8", "latin-1", "names", "long", "crlf"],
)  # fmt: skip
def test_metaimage_headers_that_itk_reads_are_read(tmp_path, rng, lines, data_file, code):
    data = rng.integers(0, 999, (6, 14, 12)).astype(np.int16)
    (tmp_path / data_file).write_bytes(data.tobytes())
    text = "\n".join([*lines, f"ElementDataFile = {data_file}"]) + "\n"
    (tmp_path / "h.mhd").write_bytes(text.encode(code))
    by_itk = sitk.ReadImage(str(tmp_path / "h.mhd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(by_itk), data)
    volume = read_volume(tmp_path / "h.mhd")
    np.testing.assert_array_equal(volume.data, data)
    assert volume.spacing == (2.0, 0.5, 0.5)
