"""Objects cut out with hard and soft edges."""

import sys

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_intseg.cli.main import main
from napari_intseg.errors import DataError, MissingExtraError
from napari_intseg.inference.soft_edge import cut_out, trimap

ROWS, COLS = np.indices((60, 70))
DEPTH = 20 - np.hypot(ROWS - 30, COLS - 35)
INSIDE, OUTSIDE = np.array([0.9, 0.3, 0.2]), np.array([0.1, 0.4, 0.7])


def scene():
    """A disc whose edge is soft over eight pixels, its alpha, and a mask of it."""
    alpha = np.clip(DEPTH / 8 + 0.5, 0, 1)[..., None]
    return (alpha * INSIDE + (1 - alpha) * OUTSIDE).astype(np.float32), alpha[..., 0], DEPTH > 0


def test_a_hard_cut_is_the_mask_in_its_box():
    image, _, mask = scene()
    out = cut_out(image, mask)
    assert out.dtype == np.float32
    assert out.shape == (39, 39, 4)
    np.testing.assert_array_equal(out[..., 3] > 0, mask[11:50, 16:55])
    np.testing.assert_array_equal(out[..., :3], image[11:50, 16:55])


def test_a_soft_cut_finds_how_much_of_each_pixel_is_object():
    pytest.importorskip("pymatting", reason="needs the extra 'matting'")
    image, alpha, mask = scene()
    out = cut_out(image, mask, soft_px=7)
    reach = (out.shape[0] - 39) // 2
    assert reach == 9
    true = alpha[11 - reach : 50 + reach, 16 - reach : 55 + reach]
    assert np.abs(out[..., 3] - true).mean() < 0.01
    edge = (true > 0.3) & (true < 0.7)
    assert (
        np.abs(out[edge][:, :3] - INSIDE).mean() < 0.1 < np.abs(image[11:50, 16:55] - INSIDE).max()
    )


def test_the_band_is_where_neither_is_sure():
    known = trimap(DEPTH > 0, 4)
    assert (known[DEPTH > 5] == 1).all()
    assert (known[DEPTH < -5] == 0).all()
    assert (known[abs(DEPTH) < 3] == 0.5).all()
    thin = np.zeros((9, 9), bool)
    thin[4] = True
    assert (trimap(thin, 4) == 1).any()
    assert (trimap(np.ones((3, 3), bool), 2) == 1).all()


def test_what_cannot_be_cut_out_is_refused(monkeypatch):
    image, _, mask = scene()
    with pytest.raises(DataError, match="another grid"):
        cut_out(image, mask[1:])
    with pytest.raises(DataError, match="empty mask"):
        cut_out(image, mask & False)
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(MissingExtraError, match=r"napari-intseg\[matting\]"):
        cut_out(image, mask, soft_px=3)


def test_the_command_writes_a_picture_with_a_transparent_ground(tmp_path, capsys):
    image, _, mask = scene()
    iio.imwrite(tmp_path / "photo.png", (image * 255).astype(np.uint8))
    tifffile.imwrite(tmp_path / "labels.tif", np.where(mask, 3, 0).astype(np.uint8))
    words = ["cutout", str(tmp_path / "photo.png"), str(tmp_path / "labels.tif"), "-o"]
    assert main([*words, str(tmp_path / "cut.png")]) == 0
    assert "39 x 39" in capsys.readouterr().out
    out = iio.imread(tmp_path / "cut.png")
    assert out.shape == (39, 39, 4)
    np.testing.assert_array_equal(out[..., 3] == 255, mask[11:50, 16:55])
    assert main([*words, str(tmp_path / "cut.jpg")]) == 2
    assert main([*words, str(tmp_path / "cut.png")]) == 2  # it is there already
    assert main([*words, str(tmp_path / "b.png"), "--label", "5"]) == 2
