"""Geometry goes out as it came in; SimpleITK and nibabel are the second sources."""

import gzip
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from napari_intseg.core.affine import from_spacing, index_reversed, lps_to_ras
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.raster import Raster
from napari_intseg.io.read import read_volume
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.write import write_array, write_labels

SPACING, ORIGIN = (0.7, 0.71, 5.0), (-123.4567, 8.9, 1000.1)
DIRECTIONS = {
    "straight": np.eye(3),
    "flipped": np.diag([-1.0, 1.0, -1.0]),
    "swapped": np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]]),
    "oblique": Rotation.from_euler("xyz", [0.3, -0.2, 0.7]).as_matrix(),
}
ENDINGS = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"]


def make(path: Path, direction: np.ndarray, rng: np.random.Generator) -> sitk.Image:
    image = sitk.GetImageFromArray(rng.integers(-1024, 3000, (4, 5, 6), np.int16))
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction.ravel())
    sitk.WriteImage(image, str(path))
    return sitk.ReadImage(str(path))


def geometry(image: sitk.Image) -> tuple:
    return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_voxel_is_where_simpleitk_says(tmp_path, rng, ending, direction):
    image = make(tmp_path / f"i{ending}", DIRECTIONS[direction], rng)
    volume = read_volume(tmp_path / f"i{ending}")
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image))
    for index in [(0, 0, 0), (3, 4, 5), (1, 0, 2)]:
        expected = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], expected, atol=1e-9)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_labels_get_the_geometry_of_the_image_bit_for_bit(tmp_path, rng, ending, direction):
    image = make(tmp_path / f"i{ending}", DIRECTIONS[direction], rng)
    labels = rng.integers(0, 4, (4, 5, 6))
    write_labels(tmp_path / f"l{ending}", labels, read_volume(tmp_path / f"i{ending}"))
    written = sitk.ReadImage(str(tmp_path / f"l{ending}"))
    assert geometry(written) == geometry(image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), labels)
    assert written.GetPixelID() == sitk.sitkUInt8


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_bit_is_lost_at_any_angle_and_spacing(tmp_path, rng, ending):
    for number in range(20):
        image = sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16))
        image.SetSpacing(rng.uniform(0.3, 6, 3).round(int(rng.integers(1, 9))).tolist())
        image.SetOrigin(rng.uniform(-500, 500, 3).tolist())
        image.SetDirection(Rotation.random(rng=rng).as_matrix().ravel())
        path, out = tmp_path / f"i{number}{ending}", tmp_path / f"l{number}{ending}"
        sitk.WriteImage(image, str(path))
        write_labels(out, np.ones((3, 4, 5), np.uint8), read_volume(path))
        assert geometry(sitk.ReadImage(str(out))) == geometry(sitk.ReadImage(str(path)))


def test_nrrd_in_another_space_keeps_its_lines(tmp_path):
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: right-anterior-superior\nsizes: 6 5 4\n"
        "space directions: (0.5,0.1,0) (-0.14,0.7,0) (0,0,3)\nkinds: domain domain domain\n"
        "endian: little\nencoding: raw\nspace origin: (1,2,3)\n\n"
    )
    (tmp_path / "i.nrrd").write_bytes(header.encode() + bytes(240))
    write_labels(tmp_path / "l.nrrd", np.ones((4, 5, 6), int), read_volume(tmp_path / "i.nrrd"))
    written = (tmp_path / "l.nrrd").read_bytes().split(b"\n\n")[0].decode().splitlines()
    assert set(header.splitlines()[3:6:2]) <= set(written)
    assert "space origin: (1,2,3)" in written
    images = [sitk.ReadImage(str(tmp_path / f"{n}.nrrd")) for n in "il"]
    assert geometry(images[0]) == geometry(images[1])


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nibabel_finds_image_and_labels_in_the_same_place(tmp_path, rng, ending, direction):
    make(tmp_path / f"i{ending}", DIRECTIONS[direction], rng)
    volume = read_volume(tmp_path / f"i{ending}")
    write_labels(tmp_path / f"l{ending}", np.ones((4, 5, 6), int), volume)
    image, labels = (nibabel.load(tmp_path / f"{n}{ending}") for n in "il")
    np.testing.assert_array_equal(labels.affine, image.affine)
    np.testing.assert_array_equal(labels.get_qform(), image.get_qform())
    # nibabel reads single precision from the header
    np.testing.assert_allclose(lps_to_ras(index_reversed(volume.affine)), image.affine, atol=1e-4)


@pytest.mark.parametrize("endianness", ["<", ">"])
def test_a_header_of_nibabel_is_copied_whatever_its_codes_and_byte_order(tmp_path, endianness):
    image = nibabel.Nifti1Image(
        np.zeros((6, 5, 4), np.int16),
        lps_to_ras(index_reversed(from_spacing((5.0, 0.7, 0.71)))),
        nibabel.Nifti1Header(endianness=endianness),
    )
    image.set_sform(image.affine, 4)
    image.set_qform(image.affine, 0)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "i.nii.gz")
    write_labels(
        tmp_path / "l.nii.gz", np.ones((4, 5, 6), np.uint8), read_volume(tmp_path / "i.nii.gz")
    )
    source, labels = (nibabel.load(tmp_path / f"{n}.nii.gz").header for n in "il")
    for name in ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "xyzt_units"):
        np.testing.assert_array_equal(labels[name], source[name])
    np.testing.assert_array_equal(labels["pixdim"][:4], source["pixdim"][:4])


def test_real_scans_keep_their_geometry(tmp_path, shared):
    paths = sorted((shared / "data" / "samples").glob("*.nii.gz"))
    assert paths
    for path in paths:
        volume = read_volume(path)
        write_labels(tmp_path / path.name, np.zeros(volume.shape, np.uint8), volume)
        image, labels = (sitk.ReadImage(str(p)) for p in (path, tmp_path / path.name))
        assert geometry(labels) == geometry(image), path.name


def test_a_volume_made_in_memory_is_written_with_its_affine(tmp_path, rng):
    affine = np.eye(4)
    affine[:3, :3] = index_reversed(
        np.block([[DIRECTIONS["oblique"] * SPACING, np.zeros((3, 1))], [0, 0, 0, 1]])
    )[:3, :3]
    affine[:3, 3] = ORIGIN
    volume = Volume(rng.random((4, 5, 6)), affine=affine)
    write_labels(tmp_path / "l.mha", np.ones((4, 5, 6), int), volume)
    np.testing.assert_allclose(read_volume(tmp_path / "l.mha").affine, affine, atol=1e-12)


def test_sheared_axes_are_refused_where_they_cannot_be_held(tmp_path):
    affine = np.eye(4)
    affine[0, 1] = 0.5
    volume = Volume(np.zeros((4, 5, 6)), affine=affine)
    with pytest.raises(FileError, match="axes are not perpendicular"):
        write_labels(tmp_path / "l.tif", np.ones((4, 5, 6), int), volume)
    write_labels(tmp_path / "l.npy", np.ones((4, 5, 6), int), volume)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_flat_images_keep_their_geometry_too(tmp_path, ending):
    image = sitk.GetImageFromArray(np.zeros((5, 6), np.uint8))
    image.SetSpacing((0.3, 0.4))
    image.SetOrigin((7.0, -3.0))
    sitk.WriteImage(image, str(tmp_path / f"i{ending}"))
    volume = read_volume(tmp_path / f"i{ending}")
    assert volume.shape == (5, 6)
    np.testing.assert_allclose(volume.spacing, (0.4, 0.3), rtol=1e-7)
    write_labels(tmp_path / f"l{ending}", np.ones((5, 6), bool), volume)
    image, labels = (sitk.ReadImage(str(tmp_path / f"{n}{ending}")) for n in "il")
    assert geometry(labels) == geometry(image)


def test_the_same_labels_make_the_same_file(tmp_path):
    volume = Volume(np.zeros((4, 5, 6)), spacing=(5.0, 0.7, 0.7))
    for name in ("a.nii.gz", "b.nii.gz"):
        write_labels(tmp_path / name, np.ones((4, 5, 6), np.uint8), volume)
    first, second = ((tmp_path / n).read_bytes() for n in ("a.nii.gz", "b.nii.gz"))
    assert first == second
    assert len(gzip.decompress(first)) == 352 + 120


def test_an_affine_that_is_none_is_told_with_the_file(tmp_path):
    volume = Volume(np.ones((4, 5, 6), np.uint8))
    write_array(tmp_path / "l.h5", volume.data, volume)
    with h5py.File(tmp_path / "l.h5", "r+") as file:
        dataset = next(one for one in file.values() if "affine_lps_mm" in one.attrs)
        dataset.attrs["affine_lps_mm"] = np.diag([1.0, 0.0, 1.0, 1.0])
    with pytest.raises(DataError, match=r"l\.h5': affine is singular: expected three"):
        read_volume(tmp_path / "l.h5")


def test_a_scale_of_zero_is_told_with_the_file():
    source = Source(Path("scans/i.zarr"))
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    with pytest.raises(DataError, match=r"i\.zarr': affine is singular"):
        Raster((np.ones((4, 5, 6)),), "zyx", source, flat)
    with pytest.raises(DataError, match=r"i\.zarr': affine is not a matrix of finite numbers"):
        FileVolume(np.ones((4, 5, 6)), source, affine=np.full((4, 4), np.nan), channels=False)
