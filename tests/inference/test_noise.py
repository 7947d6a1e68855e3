import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.evaluation.run import PreparedImages
from napari_intseg.inference import slice_appearance
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.predict import Options
from napari_intseg.inference.slice_appearance import (
    SliceAppearance,
    denoised,
    noise_level,
)
from napari_intseg.inference.view import Flip, View


def scene(rng: np.random.Generator, size: int = 128) -> np.ndarray:
    """Smooth blobs, as in a picture without noise."""
    image = gaussian_filter(rng.normal(size=(size, size)), 6)
    return np.asarray(0.5 + 0.3 * image / np.abs(image).max(), np.float32)


@pytest.mark.parametrize("sigma", [0.04, 0.08, 0.15])
def test_white_noise_is_measured(rng: np.random.Generator, sigma: float) -> None:
    noisy = scene(rng) + rng.normal(0, sigma, (128, 128)).astype(np.float32)
    assert noise_level(noisy) == pytest.approx(sigma, rel=0.2)


def test_fine_detail_is_no_noise(rng: np.random.Generator) -> None:
    rows, cols = np.mgrid[:128, :128]
    stripes = (0.5 + 0.4 * np.sin(rows / 1.5 + cols / 2.5)).astype(np.float32)
    cells = (np.random.default_rng(1).random((32, 32)) > 0.5).repeat(4, 0).repeat(4, 1)
    correlated = gaussian_filter(rng.normal(size=(128, 128)), 0.7).astype(np.float32)
    for image in (stripes, cells.astype(np.float32), 0.5 + correlated / 4, scene(rng)):
        assert noise_level(image) == 0


def test_outlines_on_a_flat_ground_are_no_noise() -> None:
    rows, cols = np.mgrid[:40, :48]
    disc = np.float32(0.8) * ((rows - 20) ** 2 + (cols - 14) ** 2 <= 16)
    assert noise_level(disc.astype(np.float32)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2, 2), (50, 1)])
def test_what_is_too_small_or_flat_shows_none(shape: tuple[int, int]) -> None:
    assert noise_level(np.zeros(shape, np.float32)) == 0
    assert noise_level(np.ones(shape, np.float32)) == 0


def test_flat_parts_become_smooth_and_edges_stay(rng: np.random.Generator) -> None:
    clean = np.full((96, 96), 0.3, np.float32)
    clean[:, 48:] = 0.7
    noisy = np.clip(clean + rng.normal(0, 0.06, clean.shape), 0, 1).astype(np.float32)
    rgb = np.repeat(noisy[..., None], 3, axis=2)
    before = rgb.copy()
    soft = denoised(rgb, 0.06)
    np.testing.assert_array_equal(rgb, before)
    assert (soft[..., :1] == soft).all()
    assert soft.dtype == np.float32
    assert soft[8:-8, 8:40].std() < 0.02
    assert (soft[8:-8, 49:51, 0].mean() - soft[8:-8, 45:47, 0].mean()) > 0.3


def test_channels_are_treated_alike_and_no_noise_changes_nothing(rng: np.random.Generator) -> None:
    colour = rng.random((20, 30, 3)).astype(np.float32)
    swapped = denoised(colour[..., ::-1], 0.1)
    np.testing.assert_array_equal(swapped[..., ::-1], denoised(colour, 0.1))
    assert denoised(colour, 0.0) is colour


def seeing(image: np.ndarray, denoise: bool = True) -> SliceAppearance:
    return SliceAppearance(lambda r, c: image[r, c], image.shape, Intensity(), denoise)


def test_a_noisy_slice_is_shown_with_less_noise_unless_told_otherwise(
    rng: np.random.Generator,
) -> None:
    noisy = np.clip(scene(rng) + rng.normal(0, 0.1, (128, 128)), 0, 1)
    image = (noisy * 255).astype(np.uint8)
    view = View.whole(image.shape, (384, 384))
    shown, plain = (one.view(view, one.shown()) for one in (seeing(image), seeing(image, False)))
    np.testing.assert_array_equal(plain, view.read(lambda r, c: image[r, c], Intensity()))
    assert np.abs(np.diff(shown, axis=0)).mean() < np.abs(np.diff(plain, axis=0)).mean() / 3


def test_a_clean_slice_is_shown_as_it_is(rng: np.random.Generator) -> None:
    image = (scene(rng) * 255).astype(np.uint8)
    view = View.whole(image.shape, (384, 384))
    one = seeing(image)
    np.testing.assert_array_equal(
        one.view(view, one.shown()), view.read(lambda r, c: image[r, c], Intensity())
    )


def test_a_model_that_cuts_views_out_of_bytes_gets_a_slice_once(rng: np.random.Generator) -> None:
    image = (scene(rng) * 255).astype(np.uint8)
    read_px = []

    def read(rows: slice, cols: slice) -> np.ndarray:
        read_px.append(image[rows, cols].size)
        return image[rows, cols]

    one = SliceAppearance(read, image.shape, Intensity(), True, PreparedImages(), "a slice")
    whole, crop = View.whole(image.shape, (384, 384)), View(10, 60, 20, 90, (96, 134), image.shape)
    first, second = (one.view(v, one.shown(), as_bytes=True) for v in (whole, crop))
    assert second.picture is first.picture
    np.testing.assert_array_equal(first.picture.values, image)
    assert (second.box, second.shape, second.mirrored) == (crop.box, crop.out_shape, False)
    assert Flip(134).image(second).mirrored
    # once for its noise, of which there is none
    assert read_px == [image.size, image.size]


@pytest.mark.parametrize("why", ["noise", "levels", "size", "no store"])
def test_other_slices_are_shown_as_before_to_such_a_model(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    noise = rng.normal(0, 0.1, (128, 128)) if why == "noise" else 0
    image = (np.clip(scene(rng) + noise, 0, 1) * 255).astype(np.uint8)

    class Read:
        factors = (1, 2) if why == "levels" else (1,)

        def __call__(self, rows: slice, cols: slice) -> np.ndarray:
            return image[rows, cols]

    if why == "size":
        monkeypatch.setattr(slice_appearance, "_PICTURE_PX", image.size - 1)
    store = None if why == "no store" else PreparedImages()
    one = SliceAppearance(Read(), image.shape, Intensity(), True, store, "a slice")
    view = View.whole(image.shape, (192, 192))
    shown = one.view(view, one.shown(), as_bytes=True)
    np.testing.assert_array_equal(shown, one.view(view, one.shown()))


def test_of_a_large_slice_nothing_but_the_view_is_read(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (1500, 1500)).astype(np.uint8)
    read_px = []

    def read(rows: slice, cols: slice) -> np.ndarray:
        part = image[rows, cols]
        read_px.append(part.size)
        return part

    one = SliceAppearance(read, image.shape, Intensity(), True)
    box = View(100, 300, 700, 900, (384, 384), image.shape)
    soft = one.view(box, one.shown(Prompts((Click(5, 5),))))
    assert sum(read_px) == 200 * 200
    assert soft.std() < 0.15
    read_px.clear()
    one.view(View.whole(image.shape, (384, 384)), one.shown())  # shrunk: its noise is left
    assert len(read_px) == 1


def test_published_options_add_nothing() -> None:
    options = Options.published(flip=True)
    assert (options.denoise, options.look_again, options.obey, options.narrower) == (False,) * 4
    assert options.flip is True
    assert options.partial is False
    usual = Options()
    assert usual.partial is True
    assert (usual.denoise, usual.look_again, usual.obey, usual.narrower) == (True,) * 4


@pytest.mark.parametrize("level", [0.03, 0.1])
def test_noise_is_taken_away_as_the_wiener_filter_of_each_band_says(
    rng: np.random.Generator, level: float
) -> None:
    image = np.clip(scene(rng) + rng.normal(0, level, (128, 128)), 0, 1).astype(np.float32)
    dot = np.zeros((49, 49))
    dot[24, 24] = 1
    point, finer, wanted = dot, image.astype(np.float64), 0.0
    for width in (0.7, 1.4, 2.8):
        coarser = gaussian_filter(image.astype(np.float64), width, truncate=3.0)
        band, at_point = finer - coarser, point - gaussian_filter(dot, width)
        energy = gaussian_filter(band**2, 1.5 * width + 0.5, truncate=3.0)
        noise = 2.2 * level * np.sqrt((at_point**2).sum())
        wanted = wanted + band * np.maximum(0, 1 - noise**2 / energy)
        finer, point = coarser, gaussian_filter(dot, width)
    np.testing.assert_allclose(denoised(image, level), np.clip(wanted + finer, 0, 1), atol=1e-5)


@pytest.mark.parametrize("size", [64, 65])
def test_the_noise_of_even_and_odd_numbers_of_details_is_their_median(
    rng: np.random.Generator, size: int
) -> None:
    grey = rng.random((size, size), np.float32)
    fine = np.diff(np.diff(grey, axis=0), axis=1)
    assert slice_appearance._detail(grey, 1) == pytest.approx(
        np.median(np.abs(fine)) / 2 / 0.6745, rel=1e-6
    )


def test_a_grey_image_is_filtered_as_each_of_three_equal_colours():
    grey = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(denoised(grey, 0.1), denoised(rgb, 0.1)[..., 1])
