import numpy as np

from napari_intseg.cli.output_forms import overlay, side_by_side
from napari_intseg.core.prompts import Click


def test_objects_are_tinted_and_outlined_and_the_rest_stays():
    rgb = np.full((600, 600, 3), 0.5, np.float32)
    labels = np.zeros((600, 600), np.int32)
    labels[100:300, 100:300] = 1
    picture = overlay(rgb, labels)
    assert picture.shape == (600, 600, 3)
    assert (picture[labels == 0] == 128).all()
    assert tuple(picture[100, 200]) == (0, 114, 178)
    assert tuple(picture[200, 200]) == (83, 123, 145)


def test_clicks_show_their_sign_where_they_are():
    rgb = np.zeros((600, 600, 3), np.float32)
    clicks = [Click(100, 200), Click(400, 300, positive=False)]
    picture = overlay(rgb, np.zeros((600, 600), np.int32), clicks)
    red, green = picture[..., 0].astype(int), picture[..., 1].astype(int)
    rows, cols = np.nonzero(green > red)
    assert abs(rows.mean() - 100) < 1
    assert abs(cols.mean() - 200) < 1
    rows, cols = np.nonzero(red > green)
    assert abs(rows.mean() - 400) < 1
    assert abs(cols.mean() - 300) < 1


def test_small_slices_are_enlarged_and_put_in_a_row():
    rgb = np.zeros((50, 100, 3), np.float32)
    picture = overlay(rgb, np.zeros((50, 100), np.int32))
    assert picture.shape == (200, 400, 3)
    assert side_by_side([picture, picture[:100]]).shape == (200, 808, 3)
