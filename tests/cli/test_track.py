"""`napari-intseg track`: from a file of labels to a folder of tracks."""

import numpy as np
import pytest
import tifffile

from made_series import series
from napari_intseg.cli.main import BAD_INPUT, main
from napari_intseg.io.cell_tracking import read_ctc


@pytest.fixture
def cells(tmp_path):
    labels, _ = series()
    path = tmp_path / "cells.tif"
    about = {"axes": "TYX", "spacing": 1.0, "unit": "um"}
    tifffile.imwrite(path, labels.astype(np.uint16), imagej=True, metadata=about, resolution=(2, 2))
    return path


def test_events_are_told_and_tracks_are_written(cells, tmp_path, capsys):
    folder = tmp_path / "01_RES"
    assert main(["track", str(cells), "-o", str(folder)]) == 0
    told = capsys.readouterr().out
    for words in (" divides into ", " merge into ", " appears", " ends", "8 tracks over 6 time"):
        assert words in told
    labels, tracks = read_ctc(folder)
    np.testing.assert_array_equal(labels > 0, series()[0] > 0)
    assert len(tracks.events) == 5  # of the merge, one parent is in the file, and the other ends
    again = tmp_path / "02_RES"
    assert main(["track", str(folder), "-o", str(again), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(read_ctc(again)[0], labels)


def test_reach_is_in_millimetres_of_the_image(cells, tmp_path):
    # half a micrometre a pixel: nothing may move 0.1 pixels
    for reach, is_linked in (("0.00005", False), ("0.01", True)):
        folder = tmp_path / reach
        assert main(["track", str(cells), "-o", str(folder), "--reach", reach, "--quiet"]) == 0
        _, tracks = read_ctc(folder)
        assert (len(tracks.spans) == 8) == is_linked
    image = tmp_path / "image.tif"
    tifffile.imwrite(image, np.zeros(series()[0].shape, np.uint8), photometric="minisblack")
    words = ["track", str(cells), "-o", str(tmp_path / "px"), "--reach", "0.01", "--quiet"]
    assert main([*words, "--image", str(image)]) == 0  # of an image without a size: pixels
    assert len(read_ctc(tmp_path / "px")[1].spans) > 8


def test_what_cannot_be_done_is_told(cells, tmp_path, capsys):
    def told(*words):
        assert main(["track", *map(str, words), "--quiet"]) == BAD_INPUT
        return capsys.readouterr().err

    folder = tmp_path / "01_RES"
    assert main(["track", str(cells), "-o", str(folder), "--quiet"]) == 0
    assert "folder exists" in told(cells, "-o", folder)
    assert "output is an input" in told(folder, "-o", folder, "--overwrite")
    flat = tmp_path / "flat.tif"
    tifffile.imwrite(flat, np.ones((8, 9), np.uint8))
    assert "file is no time series of labels" in told(flat, "-o", tmp_path / "x")
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ones((6, 8, 9), np.uint8), photometric="minisblack")
    assert "labels are on another grid" in told(cells, "--image", other, "-o", tmp_path / "x")
    assert not (tmp_path / "x").exists()
