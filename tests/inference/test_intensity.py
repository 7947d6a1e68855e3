import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.inference.intensity import (
    CT_WINDOWS,
    Displayed,
    DisplayedChannel,
    Intensity,
    Percentiles,
    PerChannel,
    Window,
    check_window,
    is_measured,
    resolve_intensity,
)
from napari_intseg.session.journal.codec import decode, encode


def test_eight_bit_becomes_exactly_a_255th() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for data, shape in ((image, image), (np.stack([image] * 3, -1), image)):
        rgb = resolve_intensity(Volume(data, channels=data.ndim == 3)).to_rgb(data)
        np.testing.assert_array_equal(rgb[..., 1], shape.astype(np.float32) / np.float32(255))
        assert rgb.dtype == np.float32


def test_alpha_is_left_out() -> None:
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[..., 1], rgba[..., 3] = 51, 255
    rgb = resolve_intensity(Volume(rgba)).to_rgb(rgba)
    np.testing.assert_allclose(rgb[0, 0], [0, 0.2, 0])


def test_bool_is_black_and_white() -> None:
    image = np.array([[True, False]])
    rgb = resolve_intensity(Volume(image)).to_rgb(image)
    assert rgb[..., 0].tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("name", CT_WINDOWS)
def test_ct_windows_show_their_limits_black_and_white(name: str) -> None:
    window = CT_WINDOWS[name]
    hu = np.array([[-5000, *window.limits, window.level, 5000]], np.float32)
    volume = Volume(np.zeros((4, 5, 6), np.int16))
    rgb = resolve_intensity(volume, name).to_rgb(hu)
    np.testing.assert_allclose(rgb[0, :, 0], [0, 0, 1, 0.5, 1], atol=1e-6)
    assert resolve_intensity(volume, name.upper()) == resolve_intensity(volume, window)


def test_limits_may_be_given() -> None:
    volume = Volume(np.zeros((5, 6), np.int16))
    assert resolve_intensity(volume, (10, 20)) == resolve_intensity(volume, Window(15, 10))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.int16])
def test_percentiles_leave_out_a_few_extremes(rng: np.random.Generator, dtype: type) -> None:
    data = rng.uniform(1000, 2000, (3, 80, 90)).astype(dtype)
    data[0, :2, :3] = 30_000
    found = resolve_intensity(Volume(data))
    assert found.low[0] == pytest.approx(1005, abs=20)
    assert found.high[0] == pytest.approx(1995, abs=20)
    assert resolve_intensity(Volume(data), "full").high[0] == 30_000


def test_each_channel_has_its_own_limits(rng: np.random.Generator) -> None:
    data = rng.random((40, 50, 3)) * [1, 10, 100]
    found = resolve_intensity(Volume(data))
    np.testing.assert_allclose(found.high, [1, 10, 100], rtol=0.02)


@pytest.mark.parametrize("value", [0, 7, -1024, 1e300, np.nan, np.inf])
@pytest.mark.parametrize("window", [None, "percentile", "full"])
def test_constant_and_broken_images_are_finite(value: float, window: str | None) -> None:
    data = np.full((20, 20), value)
    rgb = resolve_intensity(Volume(data), window).to_rgb(data)
    assert np.isfinite(rgb).all()
    assert 0 <= rgb.min() <= rgb.max() <= 1


def test_single_bad_pixels_do_not_spoil_the_others(rng: np.random.Generator) -> None:
    data = rng.random((50, 60)).astype(np.float32)
    bad = data.copy()
    bad[0, :3] = np.nan, np.inf, -np.inf
    before = bad.copy()
    intensity = resolve_intensity(Volume(bad))
    rgb = intensity.to_rgb(bad)
    assert rgb[0, :3, 0].tolist() == [0.0, 1.0, 0.0]
    np.testing.assert_allclose(rgb[1:], intensity.to_rgb(data)[1:])
    np.testing.assert_array_equal(bad, before)


def test_extreme_numbers_of_float64_do_not_overflow() -> None:
    data = np.array([[-1.7e308, 0, 1.7e308]])
    rgb = resolve_intensity(Volume(data), "full").to_rgb(data)
    assert np.isfinite(rgb).all()


def test_small_differences_far_from_zero_are_kept() -> None:
    data = 1e9 + np.arange(10.0).reshape(2, 5)
    rgb = resolve_intensity(Volume(data), (1e9, 1e9 + 9)).to_rgb(data)
    np.testing.assert_allclose(rgb[..., 0].ravel(), np.arange(10) / 9, atol=1e-6)


def test_channels_are_chosen_and_mixed() -> None:
    data = np.zeros((20, 30, 6), np.uint8)
    data[..., 4] = 255
    volume = Volume(data, channels=True)
    assert resolve_intensity(volume).to_rgb(data).max() == 0
    one = resolve_intensity(volume, channels=(4,)).to_rgb(data)
    np.testing.assert_array_equal(one, np.ones((20, 30, 3), np.float32))
    two = resolve_intensity(volume, channels=(0, 4)).to_rgb(data)
    np.testing.assert_array_equal(two[0, 0], [0, 1, 0])
    mixed = resolve_intensity(volume, channels=tuple(range(6))).to_rgb(data)
    np.testing.assert_allclose(mixed[0, 0], [0, 0, 1], atol=1e-6)


def test_gamma_bends_the_scale() -> None:
    rgb = Intensity((0.0,), (1.0,), gamma=2.0).to_rgb(np.array([[0.5]]))
    assert rgb[0, 0, 0] == 0.25


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"window": "kidney"}, "window is unknown"),
        ({"window": (20, 10)}, "window is not in order"),
        ({"window": (np.nan, 10)}, "window is not in order"),
        ({"channels": (3,)}, "channel does not exist"),
        ({"channels": ()}, "channel does not exist"),
    ],
)
def test_what_does_not_exist_is_refused(kwargs: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        resolve_intensity(Volume(np.zeros((20, 30, 3), np.uint8)), **kwargs)


def test_percentiles_can_be_chosen(rng: np.random.Generator) -> None:
    volume = Volume(rng.uniform(0, 100, (60, 70)))
    found = resolve_intensity(volume, Percentiles(10, 80))
    assert found.low[0] == pytest.approx(10, abs=3)
    assert found.high[0] == pytest.approx(80, abs=3)
    assert resolve_intensity(volume, Percentiles()) == resolve_intensity(volume, "percentile")
    assert resolve_intensity(volume, Percentiles(0, 100)) == resolve_intensity(volume, "full")


def test_each_channel_can_have_its_own_window_and_colour(rng: np.random.Generator) -> None:
    data = (rng.random((40, 50, 3)) * [1, 10, 1000]).astype(np.float32)
    volume = Volume(data, channels=True)
    window = PerChannel(((0, 2), Percentiles(0, 100)))
    found = resolve_intensity(volume, window, (0, 2), ("magenta", (0.0, 1.0, 0.0)))
    assert (found.low[0], found.high[0]) == (0, 2)
    assert found.high[1] == pytest.approx(data[..., 2].max())
    rgb = found.to_rgb(data)
    np.testing.assert_allclose(rgb[..., 0], data[..., 0] / 2, atol=1e-6)
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])
    scaled = (data[..., 2] - found.low[1]) / (found.high[1] - found.low[1])
    np.testing.assert_allclose(rgb[..., 1], scaled, atol=1e-6)


def test_what_was_seen_is_kept_as_plain_json() -> None:
    found = resolve_intensity(Volume(np.zeros((20, 30, 4), np.uint8)), "bone", (0, 3))
    written = json.loads(json.dumps(found.written()))
    assert written["low"] == [-500.0]
    assert written["channels"] == [0, 3]
    assert written["colours"] == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"window": Percentiles(50, 50)}, "percentiles are not in order"),
        ({"window": PerChannel(((0, 1),))}, "windows do not fit the channels"),
        ({"window": PerChannel(("none", (0, 1), (0, 1)))}, "window is unknown"),
        ({"colours": ("red",)}, "colours do not fit the channels"),
        ({"colours": ("red", "green", "pink")}, "colour is unknown"),
        ({"colours": ("red", "green", (0, 0, 2))}, "colour is unknown"),
    ],
)
def test_choices_that_do_not_fit_are_refused(kwargs: dict[str, Any], match: str) -> None:
    volume = Volume(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(DataError, match=match):
        resolve_intensity(volume, **kwargs)
    if "window" in kwargs:  # and without reading
        with pytest.raises(DataError, match=match):
            check_window(kwargs["window"], 3)


class Counting:
    """A huge lazy array that counts what is read of it."""

    dtype = np.dtype(np.uint16)

    def __init__(self, *shape: int) -> None:
        self.shape, self.pixels = shape, 0

    def __getitem__(self, index: tuple[int | slice, ...]) -> np.ndarray:
        pairs = zip(index, self.shape, strict=True)
        spans = [i.indices(n) for i, n in pairs if isinstance(i, slice)]
        self.pixels += int(np.prod([stop - start for start, stop, _ in spans]))
        return np.zeros([len(range(*s)) for s in spans], np.uint16)


@pytest.mark.parametrize("shape", [(40_000, 40_000), (2000, 3000, 3000), (500, 9000, 9000)])
def test_lazy_data_is_only_sampled(shape: tuple[int, ...]) -> None:
    data = Counting(*shape)
    resolve_intensity(Volume(data))
    assert 0 < data.pixels <= 9 * 3000 * 3000


@pytest.mark.parametrize("limits", [((10.0,), (200.0,)), ((10.0, 0.0, 30.0), (200.0, 90.0, 255.0))])
def test_a_picture_is_scaled_as_its_channels_are_one_by_one(
    rng: np.random.Generator, limits: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    raw = rng.normal(100, 90, (9, 11, 4)).astype(np.float32)
    raw[2, 3, 1], raw[4, 5, 0] = np.nan, np.inf
    shown = Intensity(*limits, channels=(0, 1, 2)).to_rgb(raw)
    for i in range(3):
        low, high = (one[i % len(one)] for one in limits)
        alone = Intensity((low,), (high,)).to_grey(raw[..., i])
        np.testing.assert_array_equal(shown[..., i], alone)


def test_channels_are_laid_on_each_other_as_open_gl_does() -> None:
    raw = np.array([[[0, 100], [50, 25], [200, 0]]], np.uint16)
    volume = Volume(raw, channels=True)
    red = DisplayedChannel(0, (0, 100), ((0, 0, 0), (1, 0, 0)), opacity=0.5)
    ramp = ((0, 0, 0), (0, 1, 0), (1, 1, 1))
    green = DisplayedChannel(1, (0, 100), ramp, gamma=2.0, opacity=0.25)

    def drawn(*channels: DisplayedChannel) -> list[list[float]]:
        seen = resolve_intensity(volume, Displayed(channels))
        assert seen.channels == tuple(one.channel for one in channels)
        return np.round(seen.to_rgb(raw)[0].astype(float), 3).tolist()

    both = [[0.25, 0.25, 0.25], [0.25, 0.031, 0], [0.5, 0, 0]]
    assert drawn(red, green) == both
    assert drawn(green, red) == both
    assert drawn(red) == [[0, 0, 0], [0.25, 0, 0], [0.5, 0, 0]]
    over = drawn(red, replace(green, blending="translucent"))
    assert over == [[0.25, 0.25, 0.25], [0.188, 0.031, 0], [0.375, 0, 0]]
    assert drawn(red, replace(green, blending="opaque"))[0] == [1, 1, 1]
    assert drawn(red, replace(green, blending="minimum")) == [[0, 0, 0]] * 3
    assert drawn(red, replace(green, blending="multiplicative")) == [[0, 0, 0]] * 3


def test_a_mix_is_checked_and_survives_a_journal() -> None:
    raw = np.zeros((4, 5, 2), np.uint16)
    volume = Volume(raw, channels=True)
    one = DisplayedChannel(1, (0, 100), gamma=0.5)
    mix = Displayed((one,))
    assert decode(json.loads(json.dumps(encode(mix)))) == mix
    assert json.loads(json.dumps(resolve_intensity(volume, mix).written()))["mix"]
    for wrong, said in (
        (Displayed(()), "nothing is displayed"),
        (Displayed((replace(one, channel=2),)), "channel does not exist"),
        (Displayed((replace(one, limits=(1, 1)),)), "window is not in order"),
        (Displayed((replace(one, colours=((2, 0, 0), (0, 0, 0))),)), "colour is unknown"),
        (Displayed((replace(one, colours=((1, 0, 0),)),)), "channel cannot be drawn"),
        (Displayed((replace(one, gamma=0),)), "channel cannot be drawn"),
    ):
        with pytest.raises(DataError, match=said):
            resolve_intensity(volume, wrong)
    with pytest.raises(DataError, match="channel does not exist"):
        resolve_intensity(Volume(raw[..., 0]), mix)


def test_gamma_of_a_grey_image_counts() -> None:
    raw = np.array([[0, 50, 100]], np.uint16)
    seen = resolve_intensity(Volume(raw), Displayed((DisplayedChannel(0, (0, 100), gamma=2.0),)))
    np.testing.assert_allclose(seen.to_grey(raw), [[0, 0.25, 1]])
    assert not is_measured(Displayed((DisplayedChannel(0, (0, 100)),)))
