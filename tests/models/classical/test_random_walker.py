"""The model without weights; scikit-image solves it, so its answers are checked for sense."""

import warnings

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from napari_intseg.core.prompts import Click, Prompts, Scribble
from napari_intseg.core.segmenter import Query, mask_to_logits
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, SliceAnswer, predict_slice
from napari_intseg.models.classical import random_walker
from napari_intseg.models.registry import load_model


def disc(shape: tuple[int, int], row: float, col: float, radius: float) -> np.ndarray:
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (cols - col) ** 2 <= radius**2


def ask(image: np.ndarray, *clicks: Click, **kwargs: object) -> SliceAnswer:
    return predict_slice(
        load_model("random-walker"),
        lambda rows, cols: image[rows, cols],
        image.shape[:2],
        Prompts(clicks),
        Options(Intensity()),
        **kwargs,
    )


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


@pytest.mark.parametrize("radius", [12, 30, 90])
def test_one_click_finds_a_noisy_disc_of_any_size(rng: np.random.Generator, radius: int) -> None:
    truth = disc((400, 500), 200, 180, radius)
    image = np.clip(np.where(truth, 150, 80) + rng.normal(0, 12, truth.shape), 0, 255)
    assert iou(ask(image.astype(np.uint8), Click(200, 180)).patch.mask(), truth) > 0.9


def test_one_click_finds_a_coin() -> None:
    image = data.coins()
    coins, _ = ndimage.label(ndimage.binary_fill_holes(image > 130))
    coin = coins == coins[52, 216]
    row, col = ndimage.center_of_mass(coin)
    assert iou(ask(image, Click(row, col)).patch.mask(), coin) > 0.8


def test_a_negative_click_takes_a_part_away() -> None:
    image = np.full((120, 160), 40, np.uint8)
    image[30:90, 50:110] = 200
    first = ask(image, Click(60, 80))
    second = ask(image, Click(60, 80), Click(40, 60, False), prev=first)
    assert first.patch.mask()[40, 60]
    assert not second.patch.mask()[40, 60]
    assert second.patch.mask()[60, 80]


def test_scribbles_seed_object_and_background() -> None:
    image = np.full((60, 80, 3), 0.5, np.float32)
    model = load_model("random-walker")
    prompts = Prompts(
        scribbles=(
            Scribble(((10, 20), (50, 20))),
            Scribble(((10, 60), (50, 60)), positive=False),
        )
    )
    mask = model.predict(Query(model.prepare(image), prompts)).logits > 0
    assert mask[10:50, 20].all()
    assert not mask[10:50, 60].any()


def test_a_mask_to_start_from_is_fitted_to_the_image_and_corrected_by_a_click() -> None:
    truth = disc((150, 150), 75, 75, 40)
    image = np.where(truth, 180, 60).astype(np.uint8)
    loose = ndimage.shift(truth.astype(float), (6, -6), order=0) > 0.5
    fitted = ask(image, initial=Patch.from_mask(loose))
    assert iou(fitted.patch.mask(), truth) > max(0.95, iou(loose, truth))
    both = truth | disc(truth.shape, 20, 130, 10)
    cut = ask(image, Click(20, 130, False), initial=Patch.from_mask(both))
    assert not cut.patch.mask()[20, 130]


def test_a_mask_is_remembered_by_the_clicks_that_follow() -> None:
    image = np.full((100, 100), 90, np.uint8)
    mask = disc(image.shape, 50, 40, 20)
    first = ask(image, Click(50, 75), initial=Patch.from_mask(mask))
    second = ask(image, Click(50, 75), Click(20, 80), prev=first)
    assert second.patch.mask()[50, 40]


def test_nothing_is_found_without_a_positive_seed() -> None:
    model = load_model("random-walker")
    image = model.prepare(np.zeros((20, 20, 3), np.float32))
    for clicks in ((), (Click(5, 5, False),), (Click(-9, 50),)):
        assert (model.predict(Query(image, Prompts(clicks))).logits < 0).all()
    gone = mask_to_logits(np.zeros((20, 20), bool))
    assert (model.predict(Query(image, Prompts(), gone)).logits < 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (3, 200), (1, 20_000)])
def test_narrow_images_do_not_disturb_it_and_nothing_warns(shape: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = ask(np.zeros(shape, np.uint8), Click(0, 0))
    assert answer.patch.mask()[0, 0]


def test_a_click_on_a_large_slice_solves_small_grids_only(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ndimage.zoom(rng.normal(size=(64, 64)), 32, order=1)
    image = (255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    solved: list[int] = []

    def count(grid: np.ndarray, *args: object, **kwargs: object) -> np.ndarray:
        solved.append(grid.shape[0] * grid.shape[1])
        return solve(grid, *args, **kwargs)

    solve = random_walker.random_walker
    monkeypatch.setattr(random_walker, "random_walker", count)
    ask(image, Click(900, 900))
    assert solved
    assert max(solved) <= 160**2
    assert sum(solved) < image.size / 20
