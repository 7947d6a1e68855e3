"""Segmentation as a function on layers."""

import numpy as np
import pytest
from magicgui.type_map import get_widget_class
from napari.layers import Image, Labels, Points

from napari_intseg.errors import DataError, PromptError
from napari_intseg.ui.scripting import segment


def test_points_become_labels_placed_like_the_image(squares):
    image = Image(squares, scale=(0.5, 0.5), translate=(10, 3), units=("mm", "mm"))
    features = {"object": [1, 4, 4], "sign": ["positive", "positive", "negative"]}
    at = [image.data_to_world(one) for one in ((20, 20), (45, 55), (2, 2))]
    made = segment(image, Points(at, features=features), "region-growing")
    assert isinstance(made, Labels)
    np.testing.assert_array_equal(made.data == 1, squares == 200)
    np.testing.assert_array_equal(made.data == 4, squares == 100)
    np.testing.assert_allclose(made.data_to_world((7, 9)), image.data_to_world((7, 9)))


def test_volumes_are_propagated_unless_told_otherwise(boxes):
    image, points = Image(boxes), Points([(5, 14, 17)])
    whole = segment(image, points, "region-growing")
    np.testing.assert_array_equal(whole.data == 1, boxes == 200)
    one = segment(image, points, "region-growing", propagate=False)
    assert np.flatnonzero(one.data.any(axis=(1, 2))).tolist() == [5]


def test_colours_and_no_points(squares):
    coloured = Image(np.dstack([squares] * 3), rgb=True)
    made = segment(coloured, Points([(20, 20)]), "region-growing")
    assert made.data.shape == squares.shape
    assert made.data[20, 20] == 1
    with pytest.raises(PromptError, match="points are missing"):
        segment(coloured, Points(ndim=2), "region-growing")


def test_channels_may_come_first(squares, boxes):
    flat = Image(
        np.stack([squares, squares // 2]), axis_labels=("c", "y", "x"), scale=(1, 0.5, 0.25)
    )
    made = segment(flat, Points([(10, 5)]), "region-growing")  # in world units: row 20, column 20
    np.testing.assert_array_equal(made.data == 1, squares == 200)
    assert made.scale.tolist() == [0.5, 0.25]
    deep = Image(np.stack([boxes, boxes]), axis_labels=("c", "z", "y", "x"))
    for at in ((5, 14, 17), (1, 5, 14, 17)):
        made = segment(deep, Points([at]), "region-growing")
        np.testing.assert_array_equal(made.data == 1, boxes == 200)


def test_a_time_series_is_refused(boxes):
    series = Image(boxes, axis_labels=("t", "y", "x"))
    with pytest.raises(DataError, match=r"time series: .* got 'tyx' of 'boxes'"):
        segment(series, Points([(5, 14, 17)]), "region-growing")


def test_magicgui_knows_what_it_takes():
    kinds = {name: kind for name, kind in segment.__annotations__.items() if name != "return"}
    assert set(kinds) == {"image", "points", "model", "propagate"}
    for kind in kinds.values():
        get_widget_class(annotation=kind)
