"""Labels and images of several time points: written into one file, read back equal, or refused."""

import json

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.layers import Image, Labels, Layer

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.dicom.series_reader import list_series
from napari_intseg.io.hooks import (
    KEY,
    file_grid,
    layers_of,
    read_layers,
    write_image_layer,
    write_labels_layer,
)
from napari_intseg.io.read import read_raster, read_volume, series_raster
from napari_intseg.io.write import write_array, write_labels

SHAPE, STEP_S = (4, 5, 6), 2.5
AFFINE = np.array([[0, 0, 0.7, -12.5], [0, 0.75, 0, 8.0], [5.0, 0, 0, 100.0], [0, 0, 0, 1.0]])
ITK = ["l.nii", "l.nii.gz", "l.nrrd", "l.nhdr", "l.mha", "l.mhd"]
PLACED = [*ITK, "l.h5", "l.zarr"]
SIZED = ["l.tif", "l.ome.tif"]


@pytest.fixture
def volume():
    return Volume(np.zeros(SHAPE), affine=AFFINE)


@pytest.fixture
def flat():
    return Volume(np.zeros(SHAPE[1:]), spacing=(0.75, 0.7))


@pytest.fixture
def moving(rng):
    return rng.integers(0, 300, (3, *SHAPE))


@pytest.mark.parametrize("name", [*PLACED, *SIZED])
def test_a_series_comes_back_equal_with_its_geometry_and_seconds(tmp_path, volume, moving, name):
    path = tmp_path / name
    write_labels(path, moving, volume, time_step_s=STEP_S)
    raster = read_raster(path)
    assert raster.axes == "tzyx"
    np.testing.assert_array_equal(np.asarray(raster.levels[0]), moving)
    assert raster.time_step_s == pytest.approx(STEP_S)
    for time in range(3):
        one = read_volume(path, time=time)
        np.testing.assert_array_equal(np.asarray(one.data), moving[time])
        if name in PLACED:
            np.testing.assert_allclose(one.affine, AFFINE, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(one.spacing, (5.0, 0.75, 0.7), rtol=1e-6)


@pytest.mark.parametrize("name", [*PLACED, *SIZED])
def test_a_flat_series_comes_back_equal(tmp_path, flat, moving, name):
    path, labels = tmp_path / name, moving[:, 0]
    write_labels(path, labels, flat, time_step_s=STEP_S)
    raster = read_raster(path)
    # the fourth axis is time where the format has it there, so there is one plane
    assert raster.axes == ("tzyx" if name in ITK else "tyx")
    np.testing.assert_array_equal(np.asarray(raster.levels[0]).reshape(labels.shape), labels)
    assert raster.time_step_s == pytest.approx(STEP_S)
    np.testing.assert_allclose(read_volume(path, time=1).spacing[-2:], (0.75, 0.7), rtol=1e-6)


@pytest.mark.parametrize("name", [*PLACED, *SIZED])
def test_a_step_that_is_not_known_is_not_made_up(tmp_path, volume, moving, name):
    write_labels(tmp_path / name, moving, volume)
    assert read_raster(tmp_path / name).time_step_s == 0


def test_nibabel_simpleitk_and_tifffile_find_time_where_it_belongs(tmp_path, volume, moving):
    for name in (*ITK, *SIZED):
        write_labels(tmp_path / name, moving, volume, time_step_s=STEP_S)
    image = nibabel.load(tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), moving.T)
    assert image.header.get_zooms()[3] == STEP_S
    assert image.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(
        image.affine[:3] * [[-1], [-1], [1]], AFFINE[:3][:, [2, 1, 0, 3]], rtol=1e-6
    )
    for name in ITK:
        image = sitk.ReadImage(str(tmp_path / name))
        assert image.GetSize() == (6, 5, 4, 3)
        assert image.GetSpacing() == pytest.approx((0.7, 0.75, 5.0, STEP_S))
        assert image.GetOrigin() == pytest.approx((-12.5, 8.0, 100.0, 0.0))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), moving)
    header = (tmp_path / "l.nrrd").read_bytes().split(b"\n\n")[0]
    assert b"space: left-posterior-superior-time" in header
    assert b"kinds: domain domain domain time" in header
    with tifffile.TiffFile(tmp_path / "l.tif") as file:
        assert file.series[0].axes == "TZYX"
        assert file.imagej_metadata["finterval"] == STEP_S
    with tifffile.TiffFile(tmp_path / "l.ome.tif") as file:
        assert file.series[0].axes == "TZYX"
        assert 'TimeIncrement="2.5"' in file.ome_metadata


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_and_hdf5_say_which_axis_is_time(tmp_path, volume, moving, version):
    write_labels(tmp_path / "l.zarr", moving, volume, time_step_s=STEP_S, ome_zarr=version)
    name = ".zattrs" if version == "0.4" else "zarr.json"
    about = json.loads((tmp_path / "l.zarr" / name).read_text())
    about = about if version == "0.4" else about["attributes"]["ome"]
    (image,) = about["multiscales"]
    assert image["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    assert [a["name"] for a in image["axes"]] == list("tzyx")
    scale = image["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [STEP_S, 5.0, 0.75, 0.7]
    write_labels(tmp_path / "l.h5", moving, volume, time_step_s=STEP_S)
    with h5py.File(tmp_path / "l.h5") as file:
        assert [dim.label for dim in file["labels"].dims] == list("tzyx")


def test_labels_beside_an_ome_zarr_of_several_time_points_get_its_steps(tmp_path, volume, moving):
    image = tmp_path / "i.zarr"
    write_array(image, moving.astype(np.uint16), volume, time_step_s=STEP_S)
    write_labels(image / "labels" / "cells", moving, volume)
    raster = read_raster(image / "labels" / "cells")
    assert (raster.axes, raster.time_step_s) == ("tzyx", STEP_S)
    np.testing.assert_array_equal(np.asarray(raster.levels[0]), moving)
    for wrong in (moving[:2], moving[0]):
        with pytest.raises(FileError, match=r"labels do not fit the image: .*all of its time"):
            write_labels(image / "labels" / "more", wrong, volume)


def test_an_array_without_names_is_a_series_by_its_number_of_axes(tmp_path, volume, flat, moving):
    write_labels(tmp_path / "l.npy", moving, volume)
    assert read_raster(tmp_path / "l.npy").axes == "tzyx"
    np.testing.assert_array_equal(read_volume(tmp_path / "l.npy", time=2).data, moving[2])
    write_labels(tmp_path / "flat.npy", moving[:, 0], flat)
    np.testing.assert_array_equal(read_volume(tmp_path / "flat.npy", time=2).data, moving[2, 0])


def test_geojson_tells_the_time_point(tmp_path, flat):
    labels = np.zeros((3, 5, 6), int)
    labels[1, 1:3, 1:3] = labels[2, 1:3, 1:3] = 4
    write_labels(tmp_path / "l.geojson", labels, flat)
    features = json.loads((tmp_path / "l.geojson").read_text())["features"]
    assert [f["geometry"]["plane"] for f in features] == [
        {"c": -1, "z": 0, "t": 1}, {"c": -1, "z": 0, "t": 2},
    ]  # fmt: skip
    assert len({f["id"] for f in features}) == 2


@pytest.mark.parametrize("name", ["l_%02d.png", "l.png", "l.json", "l.dcm", "rtstruct.dcm"])
def test_where_time_has_no_place_it_is_said_what_to_do(tmp_path, volume, flat, moving, name):
    for like, labels in ((volume, moving), (flat, moving[:, 0])):
        with pytest.raises(
            FileError, match=r"holds one time point: .*got 3 .*Write a file for each, .*\.nii\.gz"
        ):
            write_labels(tmp_path / name, labels, like)
    assert list(tmp_path.iterdir()) == []


def test_more_axes_than_time_do_not_fit(tmp_path, volume, moving):
    with pytest.raises(DataError, match=r"labels are on another grid: .*or time points of it"):
        write_labels(tmp_path / "l.nii", moving[np.newaxis], volume)


def test_a_sheared_series_keeps_its_shear_in_nifti(tmp_path, moving):
    affine = AFFINE.copy()
    affine[0, 0] = 1.5
    write_labels(tmp_path / "l.nii", moving, Volume(np.zeros(SHAPE), affine=affine))
    np.testing.assert_allclose(read_volume(tmp_path / "l.nii", time=1).affine, affine, rtol=1e-6)
    np.testing.assert_array_equal(read_volume(tmp_path / "l.nii", time=1).data, moving[1])


@pytest.mark.parametrize("name", [*PLACED, *SIZED])
def test_napari_saves_layers_with_time(tmp_path, moving, name):
    placed = {
        "scale": (STEP_S, 5.0, 0.75, 0.7), "units": ("s", "mm", "mm", "mm"),
        "axis_labels": ("t", "z", "y", "x"), "translate": (0, 100.0, 8.0, -12.5),
    }  # fmt: skip
    data, meta, _ = Labels(moving, **placed).as_layer_data_tuple()
    write_labels_layer(str(tmp_path / name), data, meta)
    image = moving.astype(np.int16)
    data, meta, _ = Image(image, **placed).as_layer_data_tuple()
    write_image_layer(str(tmp_path / f"image_{name}"), data, meta)
    for path in (tmp_path / name, tmp_path / f"image_{name}"):
        (one,) = read_layers(str(path))
        layer = Layer.create(*one)
        assert layer.axis_labels == ("t", "z", "y", "x")
        np.testing.assert_array_equal(np.asarray(layer.data), moving)
        np.testing.assert_allclose(layer.scale, (STEP_S, 5.0, 0.75, 0.7), rtol=1e-6)
        if name in PLACED:
            np.testing.assert_allclose(layer.translate, (0, 100.0, 8.0, -12.5), rtol=1e-6)


def test_a_series_that_was_turned_for_the_viewer_goes_back_turned(tmp_path, moving):
    sagittal = AFFINE[:, [2, 0, 1, 3]]
    volume = Volume(np.zeros(SHAPE), affine=sagittal)
    write_array(tmp_path / "i.mha", moving.astype(np.int16), volume, time_step_s=STEP_S)
    ((data, meta, _),) = read_layers(str(tmp_path / "i.mha"))
    assert data.shape != moving.shape
    write_labels_layer(str(tmp_path / "l.mha"), np.asarray(data).astype(np.uint16), meta)
    source, made = (sitk.ReadImage(str(tmp_path / f"{n}.mha")) for n in "il")
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(made, get)() == getattr(source, get)()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(made), moving)


def test_layers_of_channels_or_of_still_more_axes_are_refused(tmp_path):
    for axes, shape in (("czyx", (2, *SHAPE)), ("tczyx", (2, 2, *SHAPE))):
        labels = Labels(np.ones(shape, np.uint8), axis_labels=tuple(axes))
        data, meta, _ = labels.as_layer_data_tuple()
        with pytest.raises(FileError, match=r"layer has more axes than a series: .*Split stack"):
            write_labels_layer(str(tmp_path / "l.nii.gz"), data, meta)
    one = Labels(np.ones((1, 1, *SHAPE), np.uint8), axis_labels=tuple("tczyx"))
    data, meta, _ = one.as_layer_data_tuple()
    write_labels_layer(str(tmp_path / "l.nii.gz"), data, meta)
    assert read_volume(tmp_path / "l.nii.gz").shape == SHAPE


def test_a_time_point_of_a_dicom_series_refers_to_its_own_slices(tmp_path, dicom):
    (series,) = list_series(dicom.enhanced(tmp_path / "e.dcm", n=4, times=2))
    ((data, meta, _),) = layers_of(series_raster(series))
    drawn = np.zeros(data.shape, np.uint8)
    drawn[:, 1:3, 2:5, 2:5] = 1
    with pytest.raises(FileError, match="holds one time point"):
        write_labels_layer(str(tmp_path / "l.dcm"), drawn, meta)
    known = meta["metadata"][KEY]
    for time in range(2):
        told = {**meta, "metadata": {KEY: {**known, "time": time}}}
        told |= {name: meta[name][1:] for name in ("scale", "units", "axis_labels")}
        told["affine"] = meta["affine"][1:, 1:]
        array, like = file_grid(drawn[time], told)
        assert like.source.dicom.frames == series.stack.times[time]
        write_labels(tmp_path / f"l{time}.dcm", array, like)
    # which of them a layer is for that says no time is not known
    told["metadata"] = {KEY: known}
    with pytest.raises(FileError, match="labels that do not say which image or time point"):
        write_labels_layer(str(tmp_path / "l.dcm"), drawn[0], told)
