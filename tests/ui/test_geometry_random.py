"""There and back on random affines, shapes, axes and views."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels, Points

from napari_intseg.core.affine import from_spacing, spacing_of
from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.view import View
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.points_codec import from_grid, to_grid

QUICK = settings(max_examples=15, deadline=None, derandomize=True, database=None)
LENGTHS = st.floats(0.05, 20.0)
SIZES = st.integers(2, 40)
SHIFTS = st.floats(-500.0, 500.0)
ANGLES = st.floats(-3.1, 3.1)
UNIT = st.floats(0.0, 1.0)


@QUICK
@given(
    st.tuples(SIZES, SIZES, SIZES),
    st.tuples(LENGTHS, LENGTHS, LENGTHS),
    st.tuples(SHIFTS, SHIFTS, SHIFTS),
    st.tuples(ANGLES, ANGLES, ANGLES),
    st.tuples(UNIT, UNIT, UNIT),
)
def test_points_find_their_pixel_through_the_world(shape, scale, translate, angles, at):
    image = Image(
        np.zeros(shape, np.uint8), scale=scale, translate=translate, rotate=np.degrees(angles)
    )
    image_axes = ImageAxes(image, "zyx")
    labels = Labels(
        np.zeros(shape, np.uint8), scale=scale, translate=translate, rotate=np.degrees(angles)
    )
    points = Points(np.empty((0, 3)), ndim=3, scale=scale[::-1], translate=translate[::-1])
    position = [u * (n - 1) for u, n in zip(at, shape, strict=True)]
    points.data = np.atleast_2d(from_grid(points, image_axes, labels, position))
    np.testing.assert_allclose(to_grid(points, image_axes, labels)[0], position, atol=1e-2)


@QUICK
@given(st.integers(0, 2), st.integers(0, 9), st.tuples(LENGTHS, LENGTHS))
def test_a_place_on_a_plane_is_one_in_the_volume_and_back(axis, index, at):
    plane = Plane(axis, index)
    position = plane.position(*at)
    assert position[axis] == index
    assert plane.on_slice(position) == at


@QUICK
@given(st.tuples(LENGTHS, LENGTHS, LENGTHS))
def test_spacing_survives_its_affine(spacing):
    np.testing.assert_allclose(spacing_of(from_spacing(spacing)), spacing)
    volume = Volume(np.zeros((2, 3, 4)), spacing=spacing)
    np.testing.assert_allclose(volume.spacing, spacing)


@QUICK
@given(st.tuples(SIZES, SIZES), st.tuples(SIZES, SIZES), st.tuples(UNIT, UNIT))
def test_a_click_keeps_its_share_of_the_view(shape, out, at):
    view = View.whole(shape, out)
    click = Click(*(u * (n - 1) for u, n in zip(at, shape, strict=True)))
    seen = view.click(click)
    assert -0.51 <= seen.row <= out[0]
    assert -0.51 <= seen.col <= out[1]
    same = View.whole(shape).click(click)
    np.testing.assert_allclose((same.row, same.col), (click.row, click.col), atol=1e-9)


@QUICK
@given(st.integers(0, 1000), st.tuples(SIZES, SIZES))
def test_a_mask_survives_its_patch(seed, shape):
    mask = np.random.default_rng(seed).random(shape) > 0.8
    np.testing.assert_array_equal(Patch.from_mask(mask).mask(), mask)


@QUICK
@given(
    st.lists(st.tuples(LENGTHS, LENGTHS, st.booleans()), max_size=5),
    st.tuples(LENGTHS, LENGTHS),
    st.lists(st.tuples(LENGTHS, LENGTHS), max_size=4),
)
def test_prompts_mirrored_twice_are_as_they_were(clicks, corner, line):
    row, col = corner
    given_ = Prompts(
        tuple(Click(r, c, p) for r, c, p in clicks),
        Box(row, col, row + 2, col + 3),
        (Scribble(tuple(line)),) if line else (),
    )

    def mirror(r, c):
        return r, 32.0 - c

    back = given_.moved(mirror).moved(mirror)
    assert back.has_positive == given_.has_positive
    for one, other in zip(back.clicks, given_.clicks, strict=True):
        np.testing.assert_allclose((one.row, one.col), (other.row, other.col))
        assert one.positive == other.positive
    np.testing.assert_allclose((back.box.col0, back.box.col1), (col, col + 3))
