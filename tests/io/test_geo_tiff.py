"""Places on the earth, from image to labels."""

import numpy as np
import pytest
import tifffile

from napari_intseg.cli.main import main
from napari_intseg.errors import FileError
from napari_intseg.io.tiff import MATRIX, SCALE, TIE_POINTS, geo_tags

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
