import numpy as np
import pytest

from napari_intseg.core.affine import (
    check_affine,
    from_napari,
    from_spacing,
    index_reversed,
    lps_to_ras,
    spacing_of,
    to_napari,
)
from napari_intseg.errors import DataError


@pytest.fixture
def oblique(rng):
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([5.0, 0.7, 0.8])
    affine[:3, 3] = (-120, 33, 7)
    return affine


def test_spacing_survives(oblique):
    assert spacing_of(from_spacing((5.0, 0.7, 0.8))) == pytest.approx((5.0, 0.7, 0.8))
    assert spacing_of(from_spacing((0.7, 0.8))) == pytest.approx((1, 0.7, 0.8))
    assert spacing_of(oblique) == pytest.approx((5.0, 0.7, 0.8))


def test_the_last_index_runs_along_x():
    np.testing.assert_allclose(from_spacing((5, 2, 3)) @ (1, 10, 100, 1), (300, 20, 5, 1))


def test_there_and_back(oblique):
    np.testing.assert_allclose(lps_to_ras(lps_to_ras(oblique)), oblique)
    np.testing.assert_allclose(index_reversed(index_reversed(oblique)), oblique)
    np.testing.assert_allclose(from_napari(to_napari(oblique)), oblique)


def test_ras_turns_x_and_y(oblique):
    lps, ras = oblique @ (1, 2, 3, 1), lps_to_ras(oblique) @ (1, 2, 3, 1)
    np.testing.assert_allclose(ras, lps * (-1, -1, 1, 1))


def test_napari_s_world_is_z_y_x(oblique):
    np.testing.assert_allclose(
        (to_napari(oblique) @ (1, 2, 3, 1))[:3], (oblique @ (1, 2, 3, 1))[:3][::-1]
    )
    flat = from_napari(np.array([[2.0, 0, 5], [0, 3.0, 7], [0, 0, 1]]))
    np.testing.assert_allclose(flat @ (0, 1, 1, 1), (10, 7, 0, 1))


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(2), "not a matrix of finite numbers"),
        (np.full((4, 4), np.nan), "not a matrix of finite numbers"),
        (np.array([*np.eye(4)[:3], [0, 0, 1, 1]]), "affine is projective"),
        (np.diag([1.0, 0, 1, 1]), "affine is singular"),
    ],
)
def test_what_is_no_affine_is_refused(affine, message):
    with pytest.raises(DataError, match=message):
        check_affine(affine)


def test_the_check_returns_a_copy():
    given = np.eye(4)
    check_affine(given)[0, 0] = 9
    assert given[0, 0] == 1
