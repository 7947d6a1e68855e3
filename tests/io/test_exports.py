"""Labels for other programs: COCO, GeoJSON, HDF5, PNG a plane; pycocotools and skimage check."""

import json

import h5py
import numpy as np
import pytest
from pycocotools.coco import COCO
from skimage.draw import polygon2mask

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.annotations import (
    ObjectName,
    outlines,
    run_lengths,
    twice_area,
    write_coco,
)
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import check_target, write_array, write_labels

FLAT = Volume(np.zeros((40, 50)))


def discs():
    """A disc, a ring, and one object in two parts."""
    rows, cols = np.indices((40, 50))
    labels = np.zeros((40, 50), int)
    labels[np.hypot(rows - 9, cols - 9) < 7] = 1
    far = np.hypot(rows - 25, cols - 30)
    labels[(far < 12) & (far > 5)] = 2
    labels[35:38, 2:9] = labels[35:38, 12:15] = 7
    return labels


def filled(part, shape):
    """Fill an outline by another's rasteriser; x and y are corners, so centres are at halves."""

    def fill(ring):
        return polygon2mask(shape, np.array([(y - 0.5, x - 0.5) for x, y in ring]))

    mask = fill(part.outer)
    for hole in part.holes:
        mask &= ~fill(hole)
    return mask


@pytest.mark.parametrize("density", [0.3, 0.5, 0.7, 0.95])
def test_filled_outlines_are_the_mask(rng, density):
    for _ in range(5):
        mask = rng.random((20, 17)) < density
        parts = outlines(mask)
        again = np.zeros_like(mask)
        for part in parts:
            again |= filled(part, mask.shape)
        np.testing.assert_array_equal(again, mask)
        area = sum(twice_area(p.outer) + sum(twice_area(h) for h in p.holes) for p in parts) / 2
        assert area == mask.sum()
        for part in parts:
            assert twice_area(part.outer) > 0
            for ring in (part.outer, *part.holes):
                assert len(set(ring)) == len(ring), "a ring touches itself"


def test_no_mask_has_no_outline():
    assert outlines(np.zeros((4, 5), bool)) == []


@pytest.mark.parametrize("shape", ["auto", "rle"])
def test_coco_comes_back_by_its_own_tools(tmp_path, shape, capsys):
    labels = discs()
    write_coco(tmp_path / "l.json", labels, FLAT, shape=shape)
    coco = COCO(str(tmp_path / "l.json"))
    capsys.readouterr()
    found = coco.loadAnns(coco.getAnnIds())
    assert [one["id"] for one in found] == [1, 2, 7]
    kinds = [isinstance(one["segmentation"], dict) for one in found]
    assert kinds == ([False, True, False] if shape == "auto" else [True] * 3)
    for one in found:
        mask = labels == one["id"]
        np.testing.assert_array_equal(coco.annToMask(one).astype(bool), mask)
        assert one["area"] == mask.sum()
        x, y, width, height = one["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
        assert mask[y].any()
        assert mask[:, x + width - 1].any()


def test_coco_polygons_fill_holes_when_asked(tmp_path):
    write_coco(tmp_path / "l.json", discs(), FLAT, shape="polygon")
    ring = json.loads((tmp_path / "l.json").read_text())["annotations"][1]
    assert len(ring["segmentation"]) == 1


def test_names_are_categories_and_classes(tmp_path):
    labels = np.zeros((6, 9), np.uint8)
    labels[1:3, 1:3], labels[1:3, 5:8], labels[4:, 2:6] = 1, 2, 5
    # the class is the category, whatever the object is called beside that
    names = {1: "nucleus", 2: "", 5: ObjectName("the large one", "nucleus"), 7: "not there"}
    write_labels(tmp_path / "l.json", labels, Volume(labels), names=names)
    content = json.loads((tmp_path / "l.json").read_text("utf-8"))
    kinds = {one["id"]: one["name"] for one in content["categories"]}
    assert set(kinds.values()) == {"object", "nucleus"}
    found = {one["id"]: kinds[one["category_id"]] for one in content["annotations"]}
    assert found == {1: "nucleus", 2: "object", 5: "nucleus"}
    own = {one["id"]: one["attributes"] for one in content["annotations"] if "attributes" in one}
    assert own == {5: {"name": "the large one"}}
    write_labels(tmp_path / "l.geojson", labels, Volume(labels), names=names)
    features = json.loads((tmp_path / "l.geojson").read_text("utf-8"))["features"]
    told = {f["properties"]["measurements"]["Label"]: f["properties"] for f in features}
    assert told[1]["name"] == told[5]["classification"]["name"] == "nucleus"
    assert told[5]["name"] == "the large one"
    assert told[2]["name"] == "Object 2"
    assert "classification" not in told[2]


def test_run_lengths_go_down_the_columns():
    assert run_lengths(np.array([[0, 1], [0, 1]], bool)) == [2, 2]
    assert run_lengths(np.array([[1, 0], [0, 1]], bool)) == [0, 1, 2, 1]


def test_coco_holds_one_plane(tmp_path):
    volume = Volume(np.zeros((3, 4, 5)))
    with pytest.raises(FileError, match="COCO cannot hold these labels"):
        write_labels(tmp_path / "l.json", np.ones((3, 4, 5), int), volume)


def test_geojson_polygons_with_holes_and_parts_are_the_objects(tmp_path):
    labels = discs()
    write_labels(tmp_path / "l.geojson", labels, FLAT)
    content = json.loads((tmp_path / "l.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    kinds = [f["geometry"]["type"] for f in content["features"]]
    assert kinds == ["Polygon", "Polygon", "MultiPolygon"]
    for feature in content["features"]:
        number = feature["properties"]["measurements"]["Label"]
        assert feature["properties"]["objectType"] == "annotation"
        assert feature["properties"]["name"] == f"Object {number}"
        given = feature["geometry"]["coordinates"]
        parts = given if feature["geometry"]["type"] == "MultiPolygon" else [given]
        mask = np.zeros(labels.shape, bool)
        for rings in parts:
            assert all(ring[0] == ring[-1] for ring in rings)
            seen = [polygon2mask(labels.shape, np.array(ring)[:, ::-1] - 0.5) for ring in rings]
            mask |= seen[0] & ~np.any(seen[1:], axis=0) if len(seen) > 1 else seen[0]
        np.testing.assert_array_equal(mask, labels == number)
    ids = [feature["id"] for feature in content["features"]]
    assert len(set(ids)) == 3


def test_geojson_tells_the_plane_of_a_volume(tmp_path):
    labels = np.stack([discs() * 0, discs(), discs()])
    write_labels(tmp_path / "l.geojson", labels, Volume(np.zeros(labels.shape)))
    features = json.loads((tmp_path / "l.geojson").read_text())["features"]
    assert [f["geometry"]["plane"]["z"] for f in features] == [1, 1, 1, 2, 2, 2]


def test_planes_become_pictures_of_their_own(tmp_path, rng):
    labels = rng.integers(0, 300, (3, 4, 5))
    volume = Volume(np.zeros((3, 4, 5)))
    write_labels(tmp_path / "l_%03d.png", labels, volume)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l_000.png", "l_001.png", "l_002.png"]
    for number, plane in enumerate(labels):
        again = read_volume(tmp_path / f"l_{number:03d}.png").data
        np.testing.assert_array_equal(again, plane)
    with pytest.raises(FileError, match=r"file exists: .*l_000\.png"):
        write_labels(tmp_path / "l_%03d.png", labels, volume)
    write_labels(tmp_path / "l_%03d.png", labels * 0, volume, overwrite=True)
    assert not read_volume(tmp_path / "l_002.png").data.any()
    assert check_target(tmp_path / "100%.png").name == "100%.png"


def test_an_hdf5_file_of_several_datasets_lists_them(tmp_path, rng):
    with h5py.File(tmp_path / "i.h5", "w") as file:
        file["volumes/raw"] = rng.integers(0, 99, (4, 5, 6)).astype(np.int16)
        file["volumes/mask"] = np.ones((4, 5, 6), np.uint8)
        file["numbers"] = np.arange(7)
        file["text"] = "not an image"
        assert "x" not in file
    with pytest.raises(FileError, match=r"volumes/mask \(4, 5, 6\) uint8, volumes/raw .* got 2"):
        read_volume(tmp_path / "i.h5")
    assert read_volume(tmp_path / "i.h5" / "volumes" / "raw").dtype == np.int16
    assert read_volume(f"{tmp_path}/i.h5/volumes/mask").data.all()
    with pytest.raises(FileError, match="got no dataset 'volumes/none'"):
        read_volume(tmp_path / "i.h5" / "volumes" / "none")


def test_hdf5_of_other_programs_tells_axes_and_sizes(tmp_path, rng):
    data = rng.integers(0, 99, (6, 5, 4, 2)).astype(np.uint16)
    with h5py.File(tmp_path / "ilastik.h5", "w") as file:
        file["exported_data"] = data
        keys = [{"key": axis, "typeFlags": 2, "resolution": 0} for axis in "xyzc"]
        file["exported_data"].attrs["axistags"] = json.dumps({"axes": keys})
    volume = read_volume(tmp_path / "ilastik.h5")
    assert (volume.shape, volume.n_channels) == ((4, 5, 6), 2)
    np.testing.assert_array_equal(volume.data, data.transpose(2, 1, 0, 3))
    with h5py.File(tmp_path / "imagej.h5", "w") as file:
        file["t0/channel0"] = data[..., 0]
        file["t0/channel0"].attrs["element_size_um"] = (2.0, 0.5, 0.25)
        for dim, axis in zip(file["t0/channel0"].dims, "zyx", strict=True):
            dim.label = axis
    volume = read_volume(tmp_path / "imagej.h5")
    np.testing.assert_allclose(volume.spacing, (2e-3, 5e-4, 2.5e-4))
    assert volume.source.unit == "µm"


def test_a_large_hdf5_dataset_stays_on_disk(tmp_path):
    with h5py.File(tmp_path / "i.h5", "w") as file:
        dataset = file.create_dataset("big", (500, 1000, 1000), "u2", chunks=(8, 128, 128))
        dataset[7, 100:200, 100:200] = 3
    volume = read_volume(tmp_path / "i.h5")
    assert not isinstance(volume.data, np.ndarray)
    plane = volume.take(volume.planes(0)[7], slice(90, 210), slice(90, 210))
    assert plane.sum() == 3 * 100 * 100


def test_probabilities_go_to_hdf5_too(tmp_path, rng):
    prob = rng.random((4, 5, 6), np.float32)
    write_array(tmp_path / "p.h5", prob, Volume(np.zeros((4, 5, 6)), spacing=(5, 1, 1)))
    np.testing.assert_array_equal(read_volume(tmp_path / "p.h5").data, prob)
    with pytest.raises(FileError, match="pictures hold no probability"):
        write_array(tmp_path / "p.geojson", prob, Volume(np.zeros((4, 5, 6))))
