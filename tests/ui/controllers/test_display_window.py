"""The canvas shows what the model sees, until a person sets the limits."""

import numpy as np
import pytest
from napari.layers import Image

from napari_intseg.ui.controllers.viewer_controller import (
    AS_SHOWN,
    is_automatic,
    show_automatic,
    window_now,
)


def ct(rng: np.random.Generator) -> np.ndarray:
    hu = rng.normal(-1000, 15, (3, 60, 70))
    hu[:, 10:50, 10:60] = rng.normal(40, 20, (3, 40, 50))
    return hu.astype(np.int16)


def test_a_ct_that_nobody_has_windowed_is_shown_in_soft_tissue(rng: np.random.Generator) -> None:
    image = Image(ct(rng))
    show_automatic(image, "zyx")
    assert tuple(image.contrast_limits) == (-150, 250)
    assert is_automatic(image)
    assert window_now(None, image) is None
    assert window_now(AS_SHOWN, image) == (-150, 250)
    image.contrast_limits = (-100, 100)
    assert window_now(None, image) == (-100, 100)
    show_automatic(image, "zyx")
    assert tuple(image.contrast_limits) == (-100, 100)


@pytest.mark.parametrize("axes", ["cyx", "tzyx", ""])
def test_what_is_no_plain_image_is_left(rng: np.random.Generator, axes: str) -> None:
    image = Image(ct(rng))
    before = tuple(image.contrast_limits)
    show_automatic(image, axes)
    assert tuple(image.contrast_limits) == before


def test_channels_of_one_layer_are_not_shown_through_limits_of_all(
    rng: np.random.Generator,
) -> None:
    image = Image(np.stack([ct(rng)[0], ct(rng)[0] // 20]), axis_labels=("c", "y", "x"))
    assert window_now(None, image) is not None
    show_automatic(image, "cyx")
    assert window_now(None, image) is None, "each through its own"
    image.contrast_limits = (-500, 500)
    assert window_now(None, image) == (-500, 500), "once a person has set some"


def test_limits_that_were_given_stay_and_eight_bits_are_shown_whole(
    rng: np.random.Generator,
) -> None:
    given = Image(ct(rng), contrast_limits=(-500, 500))
    show_automatic(given, "zyx")
    assert window_now(None, given) == (-500, 500)
    small = Image(rng.integers(3, 99, (40, 50)).astype(np.uint8))
    show_automatic(small, "yx")
    assert window_now(None, small) is None
    small.contrast_limits = (3, 99)
    assert window_now(None, small) == (3, 99)
    assert not is_automatic(small)
