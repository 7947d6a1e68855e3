"""FocalClick's predictor where the slice round the target crop counts.

Second source: the published steps (README of the fixtures, section 4) written out on whole slices,
without views or patches. That they are the published ones, the fixture shows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, Traits, ZoomIn, mask_to_logits, sigmoid
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.predict import Options, SliceAnswer
from napari_intseg.models.focalclick import PUBLISHED_ZOOM_IN, FocalClick, focus_crop
from napari_intseg.models.ritm import pack_clicks

Box = tuple[int, int, int, int]
TRAITS = Traits("formula", frozenset({"click", "mask"}), threshold=0.49, uses_prev=True)


@dataclass(frozen=True)
class Step:
    """A click's answer on the slice, and which corners it went through."""

    prob: np.ndarray
    focus: Box
    is_cropped: bool
    has_few: bool
    beyond: float  # the highest probability outside the target crop that stays


def resized(image: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(image, shape, mode="bilinear", align_corners=True)


def ends(mask: np.ndarray) -> tuple[float, float, float, float]:
    if mask.sum() < 10:
        return 0, mask.shape[0], 0, mask.shape[1]
    rows, cols = np.nonzero(mask)
    return rows.min(), rows.max(), cols.min(), cols.max()


def target_crop(prob: np.ndarray, clicks: list[Click], zoom: ZoomIn) -> Box:
    mask = prob > zoom.threshold
    whole = 0, prob.shape[0], 0, prob.shape[1]
    if len(clicks) <= zoom.skip_clicks or not mask.any():
        return whole
    for click in clicks:
        if click.positive:
            mask[int(click.row), int(click.col)] = True
    found: list[int] = []
    for positions, size in zip(np.nonzero(mask), prob.shape, strict=True):
        first, last = positions.min(), positions.max()
        length = max(zoom.expansion * (last - first + 1), zoom.min_crop_size)
        start, end = round((first + last) / 2 - length / 2), round((first + last) / 2 + length / 2)
        found += [max(0, start), min(size - 1, end) + 1]
    return found[0], found[1], found[2], found[3]


def focus(now: np.ndarray, before: np.ndarray, click: Click, target: Box, factor: float) -> Box:
    box = ends(now)
    if before.any():
        regions, _ = ndimage.label(now ^ before, np.ones((3, 3)))
        change = ends(regions == regions[int(click.row), int(click.col)])
        height, width = box[1] - box[0], box[3] - box[2]
        if change[1] - change[0] < height / 3 or change[3] - change[2] < width / 3:
            reach = 0.2 * max(height, width)
            change = (click.row - reach, click.row + reach, click.col - reach, click.col + reach)
        box = change
    out: list[int] = []
    for start, end, size, low, high in (
        (*box[:2], now.shape[0], *target[:2]), (*box[2:], now.shape[1], *target[2:]),
    ):  # fmt: skip
        centre, length = (start + end) / 2, factor * (end - start + 1)
        first, last = int(centre - length / 2), int(centre + length / 2)
        out += [max(low, 0, first), min(high, size, last)]
    return out[0], out[1], out[2], out[3]


def moved(clicks: list[Click], box: Box, side: int) -> torch.Tensor:
    row, col = side / (box[1] - box[0]), side / (box[3] - box[2])
    inside = [Click((c.row - box[0]) * row, (c.col - box[2]) * col, c.positive) for c in clicks]
    return torch.from_numpy(pack_clicks([inside]))


def published(net, image, clicks, zoom, side, factor) -> Iterator[Step]:
    """Answer the clicks one after another, on the whole slice."""
    colours = torch.from_numpy(image).permute(2, 0, 1)[None]
    shape = image.shape[:2]
    prob = np.zeros(shape, np.float32)
    for count in range(1, len(clicks) + 1):
        given = clicks[:count]
        target = target_crop(prob, given, zoom)
        rows, cols = slice(*target[:2]), slice(*target[2:])
        prev = torch.from_numpy(prob)[None, None]
        seen = net(
            resized(colours[..., rows, cols], (side, side)),
            moved(given, target, side),
            resized(prev[..., rows, cols], (side, side)),
        )
        size = rows.stop - rows.start, cols.stop - cols.start
        coarse = torch.zeros(1, 1, *shape)
        coarse[..., rows, cols] = resized(seen.logits.sigmoid(), size)
        logits = torch.logit(coarse)
        now, before = logits[0, 0].numpy() > 0.49, prob > 0.49
        window = focus(now, before, given[-1], target, factor)
        high, wide = side / size[0], side / size[1]
        box = (
            (window[2] - target[2]) * wide, (window[0] - target[0]) * high,
            min((window[3] - target[2]) * wide, side), min((window[1] - target[0]) * high, side),
        )  # fmt: skip
        fine = net.refine(
            resized(colours[..., window[0] : window[1], window[2] : window[3]], (side, side)),
            moved(given, window, side),
            seen.features,
            seen.logits,
            box,
        ).logits
        outside = np.ones(shape, bool)
        outside[rows, cols] = False
        stays = count > 10
        beyond = float(prob[outside].max()) if stays and outside.any() else 0.0
        result = torch.logit(prev) if stays else logits
        result[..., window[0] : window[1], window[2] : window[3]] = resized(
            fine, (window[1] - window[0], window[3] - window[2])
        )
        prob = result.sigmoid()[0, 0].numpy()
        yield Step(prob, window, bool(outside.any()), bool(now.sum() < 10), beyond)


def as_clicks(rows: np.ndarray) -> list[Click]:
    return [Click(float(row), float(col), bool(positive)) for positive, row, col in rows]


def scene(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a small reddish disc on blue, and clicks on and round it, most of them negative."""
    rng = np.random.default_rng(seed)
    shape = 110, 140
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    radius = rng.uniform(4, 9)
    row, col = (rng.uniform(radius + 5, n - radius - 5) for n in shape)
    image = np.full((*shape, 3), 120.0)
    image[..., 2] += rng.uniform(20, 90)
    image[np.hypot(rows - row, cols - col) < radius, 0] += rng.uniform(30, 100)
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    clicks = [(1, round(row), round(col))]
    for _ in range(count - 1):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.2) * radius
        sign = int(rng.random() < 0.15)
        clicks.append(
            (sign, int(row + reach * np.sin(angle)), int(col + reach * np.cos(angle)))
        )  # fmt: skip
    return image, np.array(clicks)


@pytest.fixture
def both(play, focal_formula) -> Callable[..., Iterator[tuple[Step, SliceAnswer]]]:
    """Answer clicks as published on the slice, and with the engine's views."""

    def ask(image: np.ndarray, clicks: np.ndarray) -> Iterator[tuple[Step, SliceAnswer]]:
        model = FocalClick(TRAITS, focal_formula, device="cpu", infer_size_px=64)
        colours, given = image.astype(np.float32) / 255, as_clicks(clicks)
        with torch.no_grad():
            steps = list(published(focal_formula, colours, given, PUBLISHED_ZOOM_IN, 64, 1.4))
        options = Options.published(Intensity(), zoom_in=PUBLISHED_ZOOM_IN)
        yield from zip(steps, play(model, image, clicks, options), strict=True)

    return ask


def check(step: Step, answer: SliceAnswer) -> None:
    view = answer.seen
    row, col = view.row0, view.col0
    window = answer.info["focus"]
    assert (window[0] + row, window[1] + row, window[2] + col, window[3] + col) == step.focus
    np.testing.assert_allclose(sigmoid(answer.patch.full()), step.prob, rtol=0, atol=1e-3)


def test_the_steps_on_whole_slices_are_the_published_ones(shared: Path, focal_formula) -> None:
    fixture = np.load(shared / "parity" / "focalclick_pipeline.npz")
    colours = fixture["image"].astype(np.float32) / 255
    given = as_clicks(fixture["clicks"])
    zoom = replace(PUBLISHED_ZOOM_IN, expansion=1.6, skip_clicks=-1)
    with torch.no_grad():
        steps = list(published(focal_formula, colours, given, zoom, 192, 1.2))
    for step, prob, window in zip(
        steps, fixture["prob_alt"], fixture["focus_roi_alt"], strict=True
    ):
        assert list(step.focus) == list(window)
        np.testing.assert_allclose(step.prob, prob, rtol=0, atol=1e-3)


def test_a_coarse_mask_of_a_few_pixels_stands_for_the_whole_slice(both) -> None:
    image, clicks = scene(3, 7)
    met = False
    for step, answer in both(image, clicks):
        check(step, answer)
        met |= step.is_cropped and step.has_few
    assert met


@pytest.mark.parametrize("seed", [5, 9])
def test_from_the_eleventh_click_on_probabilities_outside_the_crop_stay(both, seed: int) -> None:
    image, clicks = scene(seed, 13)
    beyond = 0.0
    for count, (step, answer) in enumerate(both(image, clicks), 1):
        check(step, answer)
        beyond = max(beyond, step.beyond)
        outside = np.ones(image.shape[:2], bool)
        outside[answer.seen.slices] = False
        if count == 10:
            assert sigmoid(answer.patch.full())[outside].max() < 1e-6
    assert beyond > 0.1


def test_what_has_not_changed_goes_on_outside_the_crop() -> None:
    before = np.zeros((40, 50), bool)
    before[20:24, 5:8] = True
    now = before.copy()
    now[:, 10:] = True  # only the first ten columns stayed, and the click is there
    click = Click(20, 2)
    # they alone are narrower than a third of the object: a square round the click
    assert focus_crop(now, before, click) == (6, 33, 0, 15)
    for frame in ((-60, 100, -70, 130), (0, 40, 0, 80), (-5, 40, 0, 50), (0, 44, 0, 50)):
        assert focus_crop(now, before, click, frame=frame) == (0, 40, 0, 50)
    assert focus_crop(now, before, click, frame=(0, 40, 0, 50)) == (6, 33, 0, 15)


def test_the_model_itself_sees_the_frame(focal_formula) -> None:
    """The same question with and without the slice round it."""
    model = FocalClick(TRAITS, focal_formula, device="cpu", infer_size_px=64)
    image = np.full((60, 60, 3), 0.4, np.float32)
    image[..., 2] = 1.0
    truth = np.zeros((60, 60), bool)
    truth[20:40, 20:40] = True
    prompts = Prompts((Click(30, 30, positive=False),))
    query = Query(model.prepare(image), prompts, mask_to_logits(truth))
    alone = model.predict(query).info["focus"]
    framed = model.predict(replace(query, frame=(-200.0, 300.0, -200.0, 300.0))).info["focus"]
    assert alone != framed
