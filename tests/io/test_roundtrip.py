"""Through every format that claims geometry, and back; other libraries are the second sources."""

import json

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.layers import Labels, Layer
from scipy.spatial.transform import Rotation

from napari_intseg.core.affine import index_reversed, lps_to_ras
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.hooks import read_layers, write_image_layer, write_labels_layer
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array, write_labels

SHAPE = (4, 5, 6)
SPACING = np.array((5.0, 0.7, 0.71))
TURN = Rotation.from_euler("xyz", [0.3, -0.2, 0.4]).as_matrix()
SHEAR = np.array([[1.0, 0.2, 0.0], [0.0, 1.0, -0.1], [0.3, 0.0, 1.0]])
STRAIGHT = np.eye(3)[::-1]  # plane to z, row to y, column to x
MIRROR = np.diag([1.0, 1.0, -1.0])
PERMUTED = np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]])
AXES = {
    "anisotropic": STRAIGHT,
    "flipped": np.diag([-1.0, 1.0, -1.0]) @ STRAIGHT,
    "left-handed": MIRROR @ STRAIGHT,
    "permuted": PERMUTED,
    "permuted, left-handed": PERMUTED @ MIRROR,
    "oblique": TURN @ STRAIGHT,
    "oblique, flipped": TURN @ np.diag([-1.0, -1.0, 1.0]) @ STRAIGHT,
    "oblique, left-handed": TURN @ MIRROR @ STRAIGHT,
    "sheared": TURN @ SHEAR @ STRAIGHT,
    "sheared, left-handed": TURN @ SHEAR @ MIRROR @ STRAIGHT,
}
INDICES = [(0, 0, 0), (3, 4, 5), (1, 0, 2), (0, 3, 0)]
WHAT = ["labels", "image"]
SINGLE = {".nii", ".nii.gz"}  # numbers of 32 bits


def affine_of(case):
    affine = np.eye(4)
    affine[:3, :3] = AXES[case] * SPACING
    affine[:3, 3] = (-123.4567, 8.9, 1000.1)
    return affine


def labels_of(rng):
    return rng.integers(0, 5, SHAPE)


def itk_positions(path):
    image = sitk.ReadImage(str(path))
    return np.array([image.TransformContinuousIndexToPhysicalPoint(i[::-1]) for i in INDICES])


def nibabel_positions(path):
    ras = np.array([nibabel.load(path).affine @ [*i[::-1], 1] for i in INDICES])[:, :3]
    return ras * (-1, -1, 1)


def expected(affine):
    return np.array([affine @ [*i, 1] for i in INDICES])[:, :3]


def put(path, rng, affine, what, **kwargs):
    """Write labels or an image, and return what was written."""
    volume = Volume(np.zeros(SHAPE), affine=affine)
    if what == "labels":
        data = labels_of(rng)
        write_labels(path, data, volume, **kwargs)
    else:
        data = rng.integers(-1000, 1000, SHAPE).astype(np.int16)
        write_array(path, data, volume)
    return data


def test_the_cases_are_of_both_hands():
    left = {case for case, axes in AXES.items() if np.linalg.det(axes[:, ::-1]) < 0}
    assert left == {case for case in AXES if "left-handed" in case}


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("case", AXES)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".h5"])
def test_formats_that_hold_an_affine_hold_every_one(tmp_path, rng, ending, case, what):
    affine, path = affine_of(case), tmp_path / f"l{ending}"
    data = put(path, rng, affine, what)
    again = read_volume(path)
    np.testing.assert_array_equal(again.data, data)
    limit = 2e-4 if ending in SINGLE else 1e-9
    np.testing.assert_allclose(again.affine, affine, atol=limit)
    if ending in SINGLE:
        np.testing.assert_allclose(nibabel_positions(path), expected(affine), atol=2e-4)
        np.testing.assert_array_equal(np.asarray(nibabel.load(path).dataobj), data.T)
    if ending == ".h5":
        with h5py.File(path) as file:
            (dataset,) = file.values()
            np.testing.assert_array_equal(dataset.attrs["affine_lps_mm"], affine)
            np.testing.assert_allclose(
                dataset.attrs["element_size_um"], 1e3 * np.linalg.norm(affine[:3, :3], axis=0)
            )
    elif ending not in SINGLE or "sheared" not in case:  # ITK has no sheared NIfTI
        np.testing.assert_allclose(itk_positions(path), expected(affine), atol=limit)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), data)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("case", AXES)
def test_labels_of_a_file_of_nibabel_lie_where_the_image_does_to_the_bit(
    tmp_path, rng, case, ending
):
    affine = affine_of(case)
    data = rng.integers(0, 99, SHAPE[::-1]).astype(np.int16)
    image = nibabel.Nifti1Image(data, lps_to_ras(index_reversed(affine)))
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1, strip_shears=True)  # ITK passes over the shear for this one
    nibabel.save(image, tmp_path / f"i{ending}")
    volume = read_volume(tmp_path / f"i{ending}")
    np.testing.assert_array_equal(volume.data, data.T)
    np.testing.assert_allclose(volume.affine, affine, atol=2e-4)
    write_labels(tmp_path / f"l{ending}", labels_of(rng), volume)
    made, source = (nibabel.load(tmp_path / f"{n}{ending}") for n in "li")
    np.testing.assert_array_equal(made.affine, source.affine)
    np.testing.assert_array_equal(made.header["pixdim"][:4], source.header["pixdim"][:4])
    assert made.header["sform_code"] == source.header["sform_code"]


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
@pytest.mark.parametrize("case", AXES)
def test_a_sheared_scan_goes_to_other_formats_with_its_shear(tmp_path, rng, case, ending):
    image = nibabel.Nifti1Image(
        np.zeros(SHAPE[::-1], np.int16), lps_to_ras(index_reversed(affine_of(case)))
    )
    nibabel.save(image, tmp_path / "i.nii.gz")
    write_labels(tmp_path / f"l{ending}", labels_of(rng), read_volume(tmp_path / "i.nii.gz"))
    np.testing.assert_allclose(
        itk_positions(tmp_path / f"l{ending}"), nibabel_positions(tmp_path / "i.nii.gz"), atol=2e-4
    )


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("case", AXES)
@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif"])
def test_tiff_holds_spacing_and_refuses_shear(tmp_path, rng, name, case, what):
    affine, path = affine_of(case), tmp_path / name
    if "sheared" in case:
        with pytest.raises(FileError, match=r"axes are not perpendicular: .*\.nii\.gz"):
            put(path, rng, affine, what)
        assert not path.exists()
        return
    data = put(path, rng, affine, what)
    np.testing.assert_array_equal(tifffile.imread(path), data)
    np.testing.assert_allclose(read_volume(path).spacing, SPACING, rtol=1e-6)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_holds_scale_and_translation_and_refuses_the_rest(tmp_path, rng, version, what):
    told = {"ome_zarr": version} if what == "labels" else {}
    for case in AXES:
        path, affine = tmp_path / f"{case}.zarr", affine_of(case)
        if case != "anisotropic":
            with pytest.raises(FileError, match="axes are turned, flipped or sheared"):
                put(path, rng, affine, what, **told)
            assert not path.exists()
            continue
        data = put(path, rng, affine, what, **told)
        np.testing.assert_array_equal(read_volume(path).affine, affine)
        np.testing.assert_array_equal(np.asarray(read_volume(path).data), data)
        is_old = version == "0.4" or what == "image"
        about = json.loads((path / (".zattrs" if is_old else "zarr.json")).read_text())
        about = about if is_old else about["attributes"]["ome"]
        (scale, translation) = about["multiscales"][0]["datasets"][0]["coordinateTransformations"]
        assert scale == {"type": "scale", "scale": SPACING.tolist()}
        assert translation == {"type": "translation", "translation": [1000.1, 8.9, -123.4567]}
        assert [a["unit"] for a in about["multiscales"][0]["axes"]] == ["millimeter"] * 3


@pytest.mark.parametrize("case", AXES)
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha", ".h5"])
def test_the_viewer_shows_every_voxel_where_the_file_says(tmp_path, rng, ending, case):
    affine = affine_of(case)
    values = rng.permutation(np.prod(SHAPE)).reshape(SHAPE).astype(np.int16)  # each once
    path = tmp_path / f"i{ending}"
    write_array(path, values, Volume(np.zeros(SHAPE), affine=affine))
    ((data, meta, kind),) = read_layers(str(path))
    layer = Layer.create(data, meta, kind)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    for index, position in zip(INDICES, expected(affine), strict=True):
        (here,) = np.argwhere(np.asarray(layer.data) == values[index])
        np.testing.assert_allclose(layer.data_to_world(here), position[::-1], atol=2e-4)
    # napari shows planes of the data: they have to be those that are nearest to the world's
    whole = np.array(
        [np.subtract(layer.data_to_world(e), layer.data_to_world((0,) * 3)) for e in np.eye(3)]
    )
    assert (np.abs(whole).argmax(axis=1) == np.arange(3)).all()


@pytest.mark.parametrize("case", AXES)
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_labels_drawn_in_the_viewer_go_back_onto_the_grid_of_the_file(tmp_path, ending, case):
    image = sitk.GetImageFromArray(np.zeros(SHAPE, np.int16))
    image.SetSpacing(SPACING[::-1].tolist())
    image.SetOrigin((-123.4567, 8.9, 1000.1))
    if "sheared" not in case or ending != ".nii.gz":  # ITK writes none into NIfTI
        image.SetDirection((AXES[case] / np.linalg.norm(AXES[case], axis=0))[:, ::-1].ravel())
    sitk.WriteImage(image, str(tmp_path / f"i{ending}"))
    ((data, meta, _),) = read_layers(str(tmp_path / f"i{ending}"))
    drawn = np.zeros(data.shape, np.uint8)
    drawn[1, 2, 3] = 4
    place = ("scale", "translate", "affine", "units", "axis_labels", "metadata")
    layer = Labels(drawn, **{key: meta[key] for key in place if key in meta})
    out, inner, _ = layer.as_layer_data_tuple()
    written = str(tmp_path / f"l{ending}")
    assert write_labels_layer(written, out, inner) == [written]
    source, labels = (sitk.ReadImage(str(tmp_path / f"{n}{ending}")) for n in "il")
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(labels, get)() == getattr(source, get)()
    (index,) = np.argwhere(sitk.GetArrayFromImage(labels) == 4)
    world = labels.TransformIndexToPhysicalPoint(index[::-1].tolist())
    np.testing.assert_allclose(world[::-1], layer.data_to_world((1, 2, 3)), atol=1e-3)


def test_a_layer_without_a_file_is_written_where_it_lies(tmp_path, rng):
    drawn = rng.integers(0, 3, SHAPE)
    layer = Labels(
        drawn, scale=(2, 0.5, 0.25), translate=(1, 2, 3), rotate=(10, 20, 30), shear=(0.1, 0, 0),
        affine=np.diag([1, -1, 1, 1.0]), units=("um",) * 3,
    )  # fmt: skip
    data, meta, _ = layer.as_layer_data_tuple()
    write_labels_layer(str(tmp_path / "l.nrrd"), data, meta)
    world = [np.asarray(layer.data_to_world(i))[::-1] * 1e-3 for i in INDICES]
    np.testing.assert_allclose(itk_positions(tmp_path / "l.nrrd"), world, atol=1e-12)
    write_image_layer(str(tmp_path / "i.nrrd"), drawn.astype(np.float16), {**meta, "rgb": False})
    assert read_volume(tmp_path / "i.nrrd").dtype == np.float32
