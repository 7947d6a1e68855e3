"""Random prompts through a Points layer and through a journal, and back."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels, Points

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.volume import Plane
from napari_intseg.session.journal.codec import decode, encode
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.points_codec import (
    MarkReader,
    Place,
    as_prompts,
    read_marks,
    rewrite_points,
)

QUICK = settings(max_examples=25, deadline=None, derandomize=True, database=None)
SHAPE = (6, 9, 12)
UNIT = st.floats(0.0, 1.0)
CLICKS = st.lists(st.tuples(UNIT, UNIT, st.booleans()), min_size=1, max_size=4)
PLANES = st.integers(0, 2).flatmap(
    lambda axis: st.integers(0, SHAPE[axis] - 1).map(lambda index: Plane(axis, index))
)
PLACES = st.builds(Place, st.just(0), st.integers(1, 4), PLANES)
NUMBERS = st.floats(-1e6, 1e6)


def click_on(plane: Plane, row: float, col: float, positive: bool) -> Click:
    """Return a click on a plane, its place given as shares of rows and columns."""
    rows, cols = (n for axis, n in enumerate(SHAPE) if axis != plane.axis)
    return Click(row * (rows - 1), col * (cols - 1), positive)


@QUICK
@given(
    st.dictionaries(PLACES, CLICKS, max_size=4),
    st.dictionaries(PLACES, CLICKS, max_size=4),
    st.tuples(*[st.floats(0.05, 20.0)] * 3),
)
def test_points_hold_what_sessions_hold_and_give_it_back(first, then, scale):
    image = Image(np.zeros(SHAPE, np.uint8), scale=scale)
    image_axes, labels = ImageAxes(image, "zyx"), Labels(np.zeros(SHAPE, np.uint8), scale=scale)
    names = {"sign": str, "object": int, "order": int, "axis": int}
    features = {name: np.empty(0, kind) for name, kind in names.items()}
    points = Points(np.empty((0, 3)), ndim=3, scale=scale, features=features)
    reader = MarkReader(points, image_axes, labels)
    for wanted in (first, then):
        held = {
            place: Prompts(tuple(click_on(place.plane, *click) for click in clicks))
            for place, clicks in wanted.items()
        }
        gone = {place: Prompts() for place in first if place not in held}
        rewrite_points(points, image_axes, labels, {**held, **gone})
        marks, outside = reader.read()
        assert (marks, outside) == read_marks(points, image_axes, labels)
        assert outside == 0
        found = as_prompts(marks)
        assert found.keys() == held.keys()
        for place, prompts in held.items():
            signs = [click.positive for click in found[place].clicks]
            assert signs == [click.positive for click in prompts.clicks]
            there, wanted_ = (
                [(click.row, click.col) for click in given_.clicks]
                for given_ in (found[place], prompts)
            )
            np.testing.assert_allclose(there, wanted_, atol=0.011)


@QUICK
@given(
    st.lists(st.builds(Click, NUMBERS, NUMBERS, st.booleans()), max_size=5),
    st.none() | st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.lists(
        st.builds(
            Scribble,
            st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4).map(tuple),
            st.booleans(),
        ),
        max_size=3,
    ),
)
def test_a_journal_gives_back_the_same_numbers_to_the_last_bit(clicks, box, scribbles):
    prompts = Prompts(tuple(clicks), box, tuple(scribbles))
    assert decode(json.loads(json.dumps(encode(prompts)))) == prompts
