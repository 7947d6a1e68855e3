"""Places on the earth, from image to labels."""

import json

import numpy as np
import pytest
import tifffile

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.geo_tags import MATRIX, SCALE, TIE_POINTS, geo_tags, map_place
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels

KEYS = (1, 1, 0, 1, 3072, 0, 1, 32633)  # UTM zone 33 N


def write(path, *, tags, shape=(40, 60)):
    image = np.zeros(shape, np.uint8)
    image[10:30, 20:40] = 200
    tifffile.imwrite(path, image, extratags=tags)
    return path


def placed(path):
    tie = (0.0, 0.0, 0.0, 500000.0, 5100000.0, 0.0)
    scale = (0.5, 0.5, 0.0)
    tags = [
        (SCALE, 12, 3, scale, True), (TIE_POINTS, 12, 6, tie, True), (34735, 3, 8, KEYS, True),
        (34737, 2, 0, "WGS 84 / UTM zone 33N|", True),
    ]  # fmt: skip
    return write(path, tags=tags)


def at(tags, code):
    return next((value for one, _, _, value, _ in tags if one == code), None)


def test_labels_of_a_geotiff_lie_where_their_image_lies(tmp_path):
    image = placed(tmp_path / "scene.tif")
    for name in ("labels.tif", "labels.ome.tif"):
        out = tmp_path / name
        words = ["segment", str(image), "-o", str(out), "--click", "20,30", "--model",
                 "region-growing", "--quiet", "--no-journal"]  # fmt: skip
        assert main(words) == 0
        assert geo_tags(out) == geo_tags(image)
        with tifffile.TiffFile(out) as file:
            assert file.pages[0].geotiff_tags["ProjectedCSTypeGeoKey"] == 32633
        assert (tifffile.imread(out) > 0).sum() == 400


def world(tags, row, col):
    """Where a pixel's corner lies, by the tie point and scale."""
    tie, scale = at(tags, TIE_POINTS), at(tags, SCALE)
    return tie[3] + (col - tie[0]) * scale[0], tie[4] - (row - tie[1]) * scale[1]


def test_a_part_lies_where_it_was_cut_from(tmp_path):
    image = placed(tmp_path / "scene.tif")
    whole, part = geo_tags(image), geo_tags(image, row0=7, col0=11)
    assert world(part, 0, 0) == world(whole, 7, 11)
    assert world(part, 5, 3) == world(whole, 12, 14)


def test_a_matrix_is_moved_too(tmp_path):
    matrix = (0.5, 0.1, 0, 500, 0.2, -0.5, 0, 900, 0, 0, 0, 0, 0, 0, 0, 1.0)
    image = write(tmp_path / "m.tif", tags=[(MATRIX, 12, 16, matrix, True)])
    moved = at(geo_tags(image, row0=2, col0=4), MATRIX)
    assert moved[3] == pytest.approx(500 + 0.5 * 4 + 0.1 * 2)
    assert moved[7] == pytest.approx(900 + 0.2 * 4 - 0.5 * 2)


def test_files_that_are_placed_nowhere_have_no_tags(tmp_path):
    assert geo_tags(write(tmp_path / "plain.tif", tags=[])) == ()
    assert geo_tags(tmp_path / "missing.tif") == ()
    assert geo_tags(tmp_path / "image.png") == ()


def test_a_tag_with_too_few_numbers_is_refused(tmp_path):
    image = write(tmp_path / "bad.tif", tags=[(TIE_POINTS, 12, 4, (0.0, 1, 2, 3), True)])
    with pytest.raises(FileError, match="six numbers a point"):
        geo_tags(image)
    image = write(tmp_path / "worse.tif", tags=[(MATRIX, 12, 2, (0.0, 1.0), True)])
    with pytest.raises(FileError, match="16 numbers"):
        geo_tags(image)


def ring_of(path):
    (one,) = json.loads(path.read_text("utf-8"))["features"]
    return one["geometry"]["coordinates"][0]


def test_polygons_of_a_map_lie_where_the_image_lies(tmp_path):
    image, out = placed(tmp_path / "scene.tif"), tmp_path / "roads.map.geojson"
    volume = read_volume(image)
    labels = np.zeros(volume.shape, np.uint8)
    labels[10:30, 20:40] = 4
    write_labels(out, labels, volume, names={4: "road"})
    content = json.loads(out.read_text("utf-8"))
    assert content["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    assert content["features"][0]["properties"] == {"label": 4, "name": "road", "class": "road"}
    corners = np.array(ring_of(out))
    # half a metre a pixel, from the outer corner of the first one; rows go south
    assert corners.min(0).tolist() == [500010.0, 5099985.0]
    assert corners.max(0).tolist() == [500020.0, 5099995.0]
    assert ring_of(out)[0] == ring_of(out)[-1]


def test_a_matrix_places_polygons_too_and_pixels_may_stand_for_their_middles(tmp_path):
    matrix = (2.0, 0, 0, 100, 0, -2.0, 0, 900, 0, 0, 0, 0, 0, 0, 0, 1)
    keys = (1, 1, 0, 2, 1025, 0, 1, 2, 2048, 0, 1, 4326)
    image = write(tmp_path / "m.tif", tags=[(MATRIX, 12, 16, matrix, True),
                                            (34735, 3, 12, keys, True)])  # fmt: skip
    assert map_place(image) == ((2, 0, 99, 0, -2, 901), "urn:ogc:def:crs:EPSG::4326")
    labels = np.zeros((40, 60), np.uint8)
    labels[0:2, 0:1] = labels[5:6, 5:6] = 1
    write_labels(tmp_path / "m.map.geojson", labels, read_volume(image))
    (one,) = json.loads((tmp_path / "m.map.geojson").read_text("utf-8"))["features"]
    assert one["geometry"]["type"] == "MultiPolygon"
    assert np.array(one["geometry"]["coordinates"][0][0]).max(0).tolist() == [101, 901]


def test_without_a_place_there_is_no_map(tmp_path):
    image = write(tmp_path / "plain.tif", tags=[])
    labels = np.ones((40, 60), np.uint8)
    with pytest.raises(FileError, match="no place on a map"):
        write_labels(tmp_path / "l.map.geojson", labels, read_volume(image))
    with pytest.raises(FileError, match="no place on a map"):
        write_labels(tmp_path / "l.map.geojson", labels, Volume(labels))
    assert not (tmp_path / "l.map.geojson").exists()
