"""OME-Zarr 0.4 and 0.5: axes, units, levels, labels; and that nothing is read too early."""

import json
import shutil
import warnings

import numpy as np
import pytest
import zarr

from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import FileError
from napari_intseg.io.hooks import get_reader, read_layers
from napari_intseg.io.ome_zarr import stored_labels, write_ome_zarr
from napari_intseg.io.read import read_mask, read_raster, read_volume
from napari_intseg.io.suffixes import FileWarning
from napari_intseg.io.write import check_target, write_array, write_labels

VERSIONS = ["0.4", "0.5"]
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "nanometer"}
KINDS = {"t": "time", "c": "channel"}
SIZES = {"t": 2.0, "c": 1.0, "z": 0.5, "y": 0.2, "x": 200.0}
OMERO = {
    "channels": [
        {"label": "DAPI", "color": "0000FF", "window": {"start": 10, "end": 900}},
        {"label": "GFP", "color": "00FF00", "window": {"start": 20, "end": 800}},
    ]
}


def store(path, version, axes, data, *, levels=1, whole=(), **more):
    """Write an image with plain zarr calls, as other programs do."""
    old = version == "0.4"
    group = zarr.create_group(str(path), zarr_format=2 if old else 3)
    datasets = []
    for level in range(levels):
        step = 2**level
        seen = data[..., ::step, ::step]
        extra = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if old else {}
        array = group.create_array(str(level), shape=seen.shape, dtype=seen.dtype, **extra)
        array[...] = seen
        scale = [SIZES[a] * (step if a in "yx" else 1) for a in axes]
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": scale},
                    {"type": "translation", "translation": [0.0] * (len(axes) - 1) + [400.0]},
                ],
            }
        )
    told = [{"name": a, "type": KINDS.get(a, "space"), "unit": UNITS.get(a, "")} for a in axes]
    for axis in told:
        if not axis["unit"]:
            del axis["unit"]
    image = {"axes": told, "datasets": datasets}
    if whole:
        image["coordinateTransformations"] = list(whole)
    if old:
        group.attrs.update({"multiscales": [{"version": version, **image}], **more})
    else:
        group.attrs.update({"ome": {"version": version, "multiscales": [image], **more}})
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_axes_units_and_levels_come_as_the_file_says(tmp_path, rng, version):
    data = rng.integers(0, 900, (3, 2, 4, 16, 20)).astype(np.uint16)
    store(tmp_path / "i.zarr", version, "tczyx", data, levels=2, omero=OMERO)
    raster = read_raster(tmp_path / "i.zarr")
    assert (raster.axes, len(raster.levels), raster.time_step_s) == ("tczyx", 2, 2.0)
    volume = read_volume(tmp_path / "i.zarr", time=1)
    assert (volume.shape, volume.n_channels) == ((4, 16, 20), 2)
    np.testing.assert_allclose(volume.spacing, (5e-4, 2e-4, 2e-4))
    np.testing.assert_allclose(volume.affine[:3, 3], (4e-4, 0, 0))
    np.testing.assert_array_equal(volume.take(Plane(1, 3)), np.moveaxis(data[1, :, :, 3], 0, -1))
    with pytest.raises(FileError, match="file holds a series: expected one time point, got 3"):
        read_volume(tmp_path / "i.zarr")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_viewer_gets_a_layer_a_channel_in_micrometres(tmp_path, rng, version):
    data = rng.integers(0, 900, (3, 2, 4, 16, 20)).astype(np.uint16)
    store(tmp_path / "i.zarr", version, "tczyx", data, levels=2, omero=OMERO)
    assert get_reader(str(tmp_path / "i.zarr")) is read_layers
    layers = read_layers(str(tmp_path / "i.zarr"))
    assert [meta["name"] for _, meta, _ in layers] == ["i DAPI", "i GFP"]
    for number, (levels, meta, kind) in enumerate(layers):
        assert kind == "image"
        assert meta["multiscale"]
        assert [level.shape for level in levels] == [(3, 4, 16, 20), (3, 4, 8, 10)]
        assert hasattr(levels[0], "dask")
        np.testing.assert_array_equal(np.asarray(levels[0]), data[:, number])
        np.testing.assert_allclose(meta["scale"], (2.0, 0.5, 0.2, 0.2))
        np.testing.assert_allclose(meta["translate"], (0, 0, 0, 0.4))
        assert meta["axis_labels"] == ("t", "z", "y", "x")
        assert meta["units"] == ("s", "µm", "µm", "µm")
    assert layers[0][1]["contrast_limits"] == (10.0, 900.0)
    assert [meta["colormap"] for _, meta, _ in layers] == ["#0000FF", "#00FF00"]


@pytest.mark.parametrize("axes", ["zcyx", "czyx", "zyx", "cyx", "yx", "tyx"])
def test_channels_are_found_wherever_they_are(tmp_path, rng, axes):
    sizes = {"t": 3, "c": 2, "z": 4, "y": 16, "x": 20}
    data = rng.integers(0, 900, [sizes[a] for a in axes]).astype(np.uint16)
    store(tmp_path / "i.zarr", "0.5", axes, data)
    volume = read_volume(tmp_path / "i.zarr", time=1 if "t" in axes else None)
    assert volume.n_channels == (2 if "c" in axes else 0)
    assert volume.shape == tuple(sizes[a] for a in axes if a in "zyx")
    expected = data[1] if "t" in axes else data
    if "c" in axes:
        expected = np.moveaxis(expected, axes.index("c"), -1)
    whole = [volume.take(plane) for plane in volume.planes(0)]
    np.testing.assert_array_equal(whole, expected if "z" in axes else [expected])
    layers = read_layers(str(tmp_path / "i.zarr"))
    assert len(layers) == (2 if "c" in axes else 1)
    seen = np.asarray(layers[-1][0])
    np.testing.assert_array_equal(seen, data.take(1, axes.index("c")) if "c" in axes else data)


def test_transformations_of_the_whole_come_after_those_of_a_level(tmp_path, rng):
    data = rng.integers(0, 9, (4, 16, 20)).astype(np.uint8)
    whole = [
        {"type": "scale", "scale": [2.0, 2.0, 2.0]},
        {"type": "translation", "translation": [1.0, 0.0, 100.0]},
        {"type": "identity"},
    ]
    store(tmp_path / "i.zarr", "0.4", "zyx", data, whole=whole)
    affine = read_volume(tmp_path / "i.zarr").affine
    np.testing.assert_allclose(affine @ (0, 0, 0, 1), (9e-4, 0, 1e-3, 1))
    np.testing.assert_allclose(affine @ (1, 1, 1, 1), (1.3e-3, 4e-4, 2e-3, 1))
    bad = [{"type": "scale", "scale": [2.0, float("nan"), 1.0]}]
    store(tmp_path / "b.zarr", "0.4", "zyx", data, whole=bad)
    with pytest.raises(FileError, match="transformation is not understood"):
        read_volume(tmp_path / "b.zarr")


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_go_beside_their_image_with_its_axes_and_scale(tmp_path, rng, version):
    data = rng.integers(0, 900, (1, 2, 4, 300, 400)).astype(np.uint16)
    image = store(tmp_path / "i.zarr", version, "tczyx", data)
    labels = rng.integers(0, 70000, (4, 300, 400))
    volume = read_volume(image)
    target = image / "labels" / "cells"
    assert check_target(target) == target
    write_labels(target, labels, volume)
    write_labels(image / "labels" / "nuclei", labels > 0, volume)
    assert list(stored_labels(image)) == ["cells", "nuclei"]
    made = zarr.open_group(str(target), mode="r")
    about = dict(made.attrs) if version == "0.4" else made.attrs["ome"]
    assert about["image-label"] == {"version": version, "source": {"image": "../../"}}
    assert made["0"].shape == (1, 1, 4, 300, 400)
    assert made["0"].dtype == np.uint32
    assert made["1"].shape == (1, 1, 4, 150, 200)
    assert made.metadata.zarr_format == (2 if version == "0.4" else 3)
    again = read_volume(target)
    np.testing.assert_array_equal(again.affine, volume.affine)
    np.testing.assert_array_equal(read_mask(target, volume), labels)
    layers = read_layers(str(image))
    assert [kind for _, _, kind in layers] == ["image", "image", "labels", "labels"]
    assert not layers[2][1]["visible"]
    np.testing.assert_array_equal(np.asarray(layers[2][0][0]).squeeze(), labels)
    with pytest.raises(FileError, match="file exists"):
        write_labels(target, labels, volume)
    write_labels(target, labels * 0, volume, overwrite=True)
    assert not read_mask(target, volume).any()
    assert list(stored_labels(image)) == ["cells", "nuclei"]


def test_images_are_never_replaced_by_labels(tmp_path, rng):
    data = rng.integers(0, 900, (4, 16, 20)).astype(np.uint16)
    image = store(tmp_path / "i.zarr", "0.5", "zyx", data)
    volume = read_volume(image)
    with pytest.raises(FileError, match="folder holds something else"):
        write_labels(image, np.ones((4, 16, 20), int), volume, overwrite=True)
    with pytest.raises(FileError, match="labels have no place there"):
        write_labels(image / "mine", np.ones((4, 16, 20), int), volume)
    np.testing.assert_array_equal(np.asarray(read_volume(image).data), data)


def test_labels_of_a_series_need_a_place_of_their_own(tmp_path, rng):
    data = rng.integers(0, 900, (2, 4, 16, 20)).astype(np.uint16)
    image = store(tmp_path / "i.zarr", "0.5", "tzyx", data)
    volume = read_volume(image, time=1)
    with pytest.raises(FileError, match=r"labels do not fit the image: .* one time point"):
        write_labels(image / "labels" / "cells", np.ones((4, 16, 20), int), volume)
    assert not list((image / "labels").glob("*"))
    write_labels(tmp_path / "l.zarr", np.ones((4, 16, 20), int), volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "l.zarr").affine, volume.affine)


def test_versions_that_do_not_exist_are_refused(tmp_path):
    volume = Volume(np.zeros((5, 6)))
    with pytest.raises(FileError, match=r"version cannot be written: expected one of 0\.4, 0\.5"):
        write_labels(tmp_path / "l.zarr", np.ones((5, 6), int), volume, ome_zarr="0.9")


def test_colours_become_channels(tmp_path, rng):
    data = rng.integers(0, 255, (12, 10, 3)).astype(np.uint8)
    write_array(tmp_path / "i.zarr", data, Volume(np.zeros((12, 10))))
    volume = read_volume(tmp_path / "i.zarr")
    assert (volume.shape, volume.n_channels) == ((12, 10), 3)
    np.testing.assert_array_equal(volume.take(Plane(0, 0)), data)


def test_bare_arrays_and_groups_are_told_apart(tmp_path, rng):
    data = rng.integers(0, 9, (4, 16, 20)).astype(np.uint8)
    zarr.save_array(str(tmp_path / "bare.zarr"), data)
    assert read_raster(tmp_path / "bare.zarr").axes == "zyx"
    outer = tmp_path / "plate.zarr"
    zarr.create_group(str(outer))
    with pytest.raises(FileError, match="expected one OME-Zarr image, got 0"):
        read_volume(outer)
    store(outer / "A", "0.5", "zyx", data)
    assert read_volume(outer).shape == (4, 16, 20)
    store(outer / "B", "0.5", "zyx", data)
    with pytest.raises(FileError, match=r"got 2 in .*: A, B\. Name one of them"):
        read_volume(outer)
    assert read_volume(outer / "B").shape == (4, 16, 20)
    zarr.save_array(str(tmp_path / "c.zarr"), data.astype(complex))
    with pytest.raises(FileError, match="file does not hold an image"):
        read_volume(tmp_path / "c.zarr")


def test_a_store_of_300_gigabytes_opens_and_a_slice_reads_only_itself(tmp_path):
    path = tmp_path / "huge.zarr"
    group = zarr.create_group(str(path), zarr_format=3)
    shape = (2000, 8192, 9216)  # uint16: 302 GB, of which nothing is stored
    array = group.create_array("0", shape=shape, dtype="u2", chunks=(16, 512, 512))
    array[1000:1016, 4096:4608, 4096:4608] = 7
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs.update(
        {"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}}
    )
    volume = read_volume(path)
    window = volume.take(Plane(0, 1003), slice(4000, 4200), slice(4000, 4200))
    assert window.shape == (200, 200)
    assert (window[96:, 96:] == 7).all()
    assert not window[:96].any()
    ((data, meta, _),) = read_layers(str(path))
    assert data.shape == shape
    assert data.nbytes > 300e9
    assert np.asarray(data[1003, 4090:4100, 4090:4100]).sum() == 16 * 7
    assert meta["units"] == ("µm",) * 3


def test_what_is_written_is_valid_for_the_schemas_main_points(tmp_path):
    for version in VERSIONS:
        path = tmp_path / f"{version}.zarr"
        write_ome_zarr(path, np.ones((5, 6), np.uint8), Volume(np.zeros((5, 6))), version=version)
        if version == "0.4":
            assert json.loads((path / ".zgroup").read_text())["zarr_format"] == 2
            array = json.loads((path / "0" / ".zarray").read_text())
            assert array["dimension_separator"] == "/"
            assert "version" in json.loads((path / ".zattrs").read_text())["multiscales"][0]
        else:
            about = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
            assert about["version"] == "0.5"
            assert "version" not in about["multiscales"][0]
            names = json.loads((path / "0" / "zarr.json").read_text())["dimension_names"]
            assert names == ["y", "x"]


@pytest.mark.parametrize("found", ['{"labels": [', '{"labels": 5}', "[" * 100_000])
def test_a_damaged_list_of_labels_is_told_before_any_are_written(tmp_path, found):
    like = Volume(np.zeros((3, 8, 9)))
    write_ome_zarr(tmp_path / "i.zarr", like.data, like, version="0.4", is_labels=False)
    (tmp_path / "i.zarr" / "labels").mkdir()
    (tmp_path / "i.zarr" / "labels" / ".zattrs").write_text(found)
    with pytest.raises(FileError, match="list of labels cannot be read"):
        write_labels(tmp_path / "i.zarr" / "labels" / "l", np.ones(like.shape, int), like)
    assert [p.name for p in (tmp_path / "i.zarr" / "labels").iterdir()] == [".zattrs"]


@pytest.mark.parametrize(
    "omero", [[1], "x", {"channels": {"a": 1}}, {"channels": [3, {"window": 4}]}]
)
def test_odd_words_on_how_channels_are_shown_refuse_no_image(tmp_path, omero):
    data = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    store(tmp_path / "i.zarr", "0.4", "czyx", data, omero=omero)
    assert read_volume(tmp_path / "i.zarr").n_channels == 2
    assert len(read_layers(str(tmp_path / "i.zarr"))) == 2


def test_other_images_of_a_group_are_told(tmp_path):
    store(tmp_path / "i.zarr", "0.4", "yx", np.zeros((4, 5), np.uint16))
    group = zarr.open_group(tmp_path / "i.zarr")
    group.attrs["multiscales"] = group.attrs["multiscales"] * 2
    with pytest.warns(FileWarning, match="it holds 2 images, of which the first is read"):
        read_volume(tmp_path / "i.zarr")


def poisoned(path, at):
    """Have the metadata of an array name the codec that runs code, in its own file and others."""
    old = path / at / ".zarray"
    files = [old if old.exists() else path / at / "zarr.json", path / ".zmetadata"]
    for file in [*files, path / "zarr.json"]:
        told = json.loads(file.read_text()) if file.exists() else {}
        inner = told.get("consolidated_metadata", told).get("metadata", {})
        about = inner.get(f"{at}/.zarray", inner.get(at, told))
        if "filters" in about:
            about["filters"] = [{"id": "pickle"}]
        elif "codecs" in about:
            about["codecs"].insert(0, {"name": "numcodecs.pickle", "configuration": {}})
        if told:
            file.write_text(json.dumps(told))


def with_labels(path, version, rng):
    """An image of three levels with two kinds of labels beside it, all consolidated."""
    image = rng.integers(0, 999, (32, 32)).astype(np.uint16)
    store(path, version, "yx", image, levels=3)
    labels = zarr.create_group(str(path / "labels"), zarr_format=2 if version == "0.4" else 3)
    told = {"labels": ["cells", "bad"]}
    labels.attrs.update(told if version == "0.4" else {"ome": {"version": version, **told}})
    for name in told["labels"]:
        about = {"image-label": {}}
        store(path / "labels" / name, version, "yx", (image > 500).astype("u1"), levels=2, **about)
    return path


BAD = {
    "labels": ("labels/bad/0", [3, 2], "labels 'bad' left out: .* got 'pickle'"),
    "level of labels": ("labels/bad/1", [3, 2, 1], "level '1' left out: .* got 'pickle'"),
    "level": ("2", [2, 2, 2], "level '2' left out: .* got 'pickle'"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("is_consolidated", [False, True])
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_a_part_that_may_not_be_read_is_left_out(tmp_path, rng, version, what, is_consolidated):
    path = with_labels(tmp_path / "i.zarr", version, rng)
    at, levels, told = BAD[what]
    if is_consolidated:
        zarr.consolidate_metadata(str(path))
    poisoned(path, at)
    with pytest.warns(FileWarning, match=told):
        layers = read_layers(str(path))
    found = [len(data) if isinstance(data, list) else 1 for data, _, _ in layers]
    assert found == levels


@pytest.mark.parametrize("version", VERSIONS)
def test_a_damaged_image_of_several_is_left_out_and_told(tmp_path, rng, version):
    image = rng.integers(0, 999, (8, 8)).astype(np.uint16)
    zarr.create_group(str(tmp_path / "g.zarr"), zarr_format=2 if version == "0.4" else 3)
    for name in "01":
        store(tmp_path / "g.zarr" / name, version, "yx", image)
    about = tmp_path / "g.zarr" / "1" / (".zattrs" if version == "0.4" else "zarr.json")
    about.write_text("{nonsense")
    with pytest.warns(FileWarning, match="'1' left out: .*metadata in JSON"):
        np.testing.assert_array_equal(read_volume(tmp_path / "g.zarr").data, image)


@pytest.mark.parametrize("listed", ["../../secret.zarr", "gone", 5, {"a": 1}])
def test_an_odd_list_of_labels_does_not_refuse_the_image(tmp_path, rng, listed):
    path = with_labels(tmp_path / "i.zarr", "0.4", rng)
    store(tmp_path / "secret.zarr", "0.4", "yx", np.ones((32, 32), "u1"))
    names = [listed, "cells"] if isinstance(listed, str) else listed
    (path / "labels" / ".zattrs").write_text(json.dumps({"labels": names}))
    with pytest.warns(FileWarning, match="labels .*left out"):
        layers = read_layers(str(path))
    assert len(layers) == (2 if isinstance(listed, str) else 1)


def test_levels_that_do_not_fit_the_finest_are_left_out(tmp_path, rng):
    path = with_labels(tmp_path / "i.zarr", "0.4", rng)
    for name, shape, kind in (("1", (64, 64), "u2"), ("2", (8, 8), "f4")):
        shutil.rmtree(path / name)
        zarr.create_array(str(path / name), shape=shape, dtype=kind, zarr_format=2)
    with pytest.warns(FileWarning, match=r"level '2' left out: .*uint16.*float32"):
        raster = read_raster(path)
    assert len(raster.levels) == 1


@pytest.mark.parametrize(
    ("scale", "start", "is_told"),
    [
        ([0.5, 0.2, 0.2], [0, 0, 0], False), ([0.5, 0.2, 0.2], [3.0, 0, 0], True),
        ([0.5, 0.2, 0.2], [0.05, 0, 0], False), ([1.0, 0.4, 0.4], [0, 0, 0], True),
    ],
)  # fmt: skip
def test_labels_that_say_they_lie_elsewhere_are_told(tmp_path, rng, scale, start, is_told):
    def placed(name, scale, start):
        path = tmp_path / name
        group = zarr.create_group(str(path), zarr_format=2)
        group.create_array("0", data=rng.integers(1, 9, (4, 6, 5)).astype(np.uint8))
        moved = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": start}]
        axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
        level = {"path": "0", "coordinateTransformations": moved}
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
        return path

    image = read_volume(placed("i.zarr", [0.5, 0.2, 0.2], [0, 0, 0]))
    labels = placed("l.zarr", scale, start)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", FileWarning)
        assert read_mask(labels, image).shape == image.shape
    assert any("elsewhere than the image's" in str(one.message) for one in told) == is_told
