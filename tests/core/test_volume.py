import numpy as np
import pytest

from napari_intseg.core.affine import from_spacing
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError


@pytest.mark.parametrize(
    ("shape", "spatial", "channels"),
    [
        ((20, 30), (20, 30), 0),
        ((20, 30, 3), (20, 30), 3),
        ((20, 30, 4), (20, 30), 4),
        ((20, 30, 5), (20, 30, 5), 0),
        ((3, 20, 30), (3, 20, 30), 0),
        ((2, 20, 3), (2, 20, 3), 0),
        ((7, 20, 30, 3), (7, 20, 30), 3),
        ((2, 20, 30, 3), (2, 20, 30), 3),
    ],
)
def test_channels_are_recognised(shape, spatial, channels):
    volume = Volume(np.zeros(shape))
    assert (volume.shape, volume.n_channels, volume.ndim) == (spatial, channels, len(spatial))


def test_lists_are_taken_and_voxels_are_a_millimetre_unless_said():
    volume = Volume([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(volume.data, [[1, 2, 3], [4, 5, 6]])
    assert volume.shape == (2, 3)
    assert volume.spacing == (1, 1)
    assert Volume(np.zeros((4, 5, 6))).spacing == (1, 1, 1)


def test_channels_can_be_said():
    assert Volume(np.zeros((20, 30, 3)), channels=False).shape == (20, 30, 3)
    assert Volume(np.zeros((20, 30, 7)), channels=True).n_channels == 7


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros(5), "data has 1 axes"),
        (np.zeros((2, 3, 4, 5, 6)), "data has 5 axes"),
        (np.zeros((2, 3, 4, 5)), "data has 4 axes"),
        (np.zeros((0, 5)), "data is empty"),
        (np.zeros((5, 5), complex), "data is not numeric"),
        (np.full((5, 5), "a"), "data is not numeric"),
    ],
)
def test_unusable_data_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        Volume(data)


@pytest.mark.parametrize(
    "spacing", [(1.0,), (1.0, 2.0, 3.0), (0.0, 1.0), (-1.0, 1.0), (np.nan, 1.0)]
)
def test_spacing_that_does_not_fit_is_refused(spacing):
    with pytest.raises(DataError, match="spacing does not fit"):
        Volume(np.zeros((5, 5)), spacing=spacing)


def test_spacing_and_affine_together_are_refused():
    with pytest.raises(DataError, match="both given"):
        Volume(np.zeros((5, 5)), spacing=(1, 1), affine=np.eye(4))


def test_spacing_is_kept_in_axis_order():
    volume = Volume(np.zeros((5, 6, 7)), spacing=(5.0, 0.7, 0.8))
    assert volume.spacing == pytest.approx((5.0, 0.7, 0.8))
    assert volume.slice_spacing(1) == pytest.approx((5.0, 0.8))
    assert Volume(np.zeros((5, 6)), spacing=(2, 3)).slice_spacing(0) == pytest.approx((2, 3))
    assert Volume(np.zeros((5, 6, 7)), affine=from_spacing((5, 2, 1))).spacing == (5, 2, 1)


def test_a_slice_is_taken_and_put_back(rng):
    data = rng.integers(0, 99, (5, 6, 7))
    volume = Volume(data)
    for axis in range(3):
        target = np.zeros_like(data)
        for plane in volume.planes(axis):
            taken = volume.take(plane)
            assert taken.shape == volume.slice_shape(axis)
            np.testing.assert_array_equal(taken, volume.of(data, plane))
            volume.put(target, plane, taken)
        np.testing.assert_array_equal(target, data)


def test_a_window_and_its_steps_are_taken(rng):
    data = rng.integers(0, 99, (5, 16, 17, 3))
    volume = Volume(data)
    taken = volume.take(Plane(0, 2), slice(2, 12, 2), slice(1, 9), step=2)
    np.testing.assert_array_equal(taken, data[2, 2:12:4, 1:9:2])
    taken[:] = 0
    assert data[2, 2:12:4, 1:9:2].any()


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (Plane(3, 0), "axis does not exist"),
        (Plane(-1, 0), "axis does not exist"),
        (Plane(0, 5), "plane does not exist"),
        (Plane(2, -1), "plane does not exist"),
        (Plane(0, 1.5), "plane does not exist"),
        (Plane(0, float("nan")), "plane does not exist"),
    ],
)
def test_planes_that_do_not_exist_are_refused(plane, message):
    with pytest.raises(DataError, match=message):
        Volume(np.zeros((5, 6, 7))).take(plane)


def test_a_2d_image_has_one_plane():
    volume = Volume(np.zeros((5, 6)))
    assert volume.planes(0) == (Plane(0, 0),)
    with pytest.raises(DataError, match="axis does not exist"):
        volume.check_plane(Plane(1, 0))


def test_positions_go_to_the_slice_and_back():
    for axis in range(3):
        position = (2.0, 3.5, 4.25)
        plane = Plane(axis, int(position[axis]))
        back = plane.position(*plane.on_slice(position))
        assert [b for i, b in enumerate(back) if i != axis] == [
            p for i, p in enumerate(position) if i != axis
        ]
        assert back[axis] == plane.index
