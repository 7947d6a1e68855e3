import numpy as np
import pytest

from napari_intseg.training.synthetic import Sensor, draw_sensor, expose, stretch


def grey(value, side=256):
    return np.full((side, side, 3), value, np.float32)


@pytest.mark.parametrize("photons", [10, 100])
def test_the_noise_is_that_of_counted_photons_and_read_out(photons):
    seen = expose(grey(0.5), Sensor(photons, read=3.0), np.random.default_rng(0))[..., 0]
    assert seen.mean() == pytest.approx(0.5, abs=0.01)
    assert seen.std() == pytest.approx(np.sqrt(0.5 * photons + 9) / photons, rel=0.03)


def test_less_contrast_at_the_same_light_is_more_noise():
    clear, faint = (
        expose(grey(0.5), Sensor(50, contrast=c), np.random.default_rng(0))[..., 0].std()
        for c in (1.0, 0.5)
    )
    assert faint == pytest.approx(2 * clear, rel=0.03)


def test_a_coarse_grid_makes_blobs():
    fine, coarse = (
        expose(grey(0.5), Sensor(20, grid=g), np.random.default_rng(0))[..., 0] for g in (1.0, 0.25)
    )

    def likeness(x):  # of neighbours two pixels apart
        return np.corrcoef(x[:, :-2].ravel(), x[:, 2:].ravel())[0, 1]

    assert abs(likeness(fine)) < 0.02
    assert likeness(coarse) > 0.4


@pytest.mark.parametrize("grid", [1.0, 0.3])
def test_grey_stays_grey_and_colours_have_noise_of_their_own(grid):
    seen = expose(grey(0.5), Sensor(20, grid=grid), np.random.default_rng(0))
    assert np.array_equal(seen[..., 0], seen[..., 2])
    colour = np.stack([grey(v)[..., 0] for v in (0.3, 0.5, 0.7)], 2)
    seen = expose(colour, Sensor(20, grid=grid), np.random.default_rng(0))
    assert seen.shape == colour.shape
    assert abs(np.corrcoef(seen[..., 0].ravel(), seen[..., 2].ravel())[0, 1]) < 0.05


def test_drawn_detectors_have_noise_that_an_object_can_be_seen_in():
    drawn = [draw_sensor(np.random.default_rng(n)) for n in range(200)]
    assert drawn[3] == draw_sensor(np.random.default_rng(3))
    assert all(4 <= one.photons <= 200 and 0.22 <= one.grid <= 1 for one in drawn)
    assert all(0.3 <= one.contrast <= 1 for one in drawn)
    assert min(one.contrast * one.photons**0.5 for one in drawn) >= 1.41
    assert any(one.blur_px for one in drawn)
    assert not all(one.blur_px for one in drawn)


def test_a_stretched_view_covers_the_range():
    image = np.random.default_rng(0).uniform(0.4, 0.5, (64, 64, 3)).astype(np.float32)
    out = stretch(image, np.random.default_rng(1))
    assert out.min() < 0.05
    assert out.max() > 0.95
    assert np.isfinite(stretch(np.zeros_like(image), np.random.default_rng(1))).all()


@pytest.mark.parametrize("grid", [1.0, 0.5])
def test_filtered_noise_leaves_the_object_where_it_was(grid):
    disc = grey(0.3, 128)
    rows, cols = np.mgrid[:128, :128]
    disc[(rows - 64) ** 2 + (cols - 64) ** 2 < 40**2] = 0.7
    colour = disc * np.float32([1.0, 0.8, 0.6])
    for image in (disc, colour):
        noisy, filtered = (
            expose(image, Sensor(30, grid=grid, denoised=d), np.random.default_rng(0))
            for d in (False, True)
        )
        assert filtered.shape == image.shape
        assert abs(filtered - image).mean() < 0.75 * abs(noisy - image).mean()
