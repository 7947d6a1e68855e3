"""One training view (an object, a window round it, warped and changed), and batches of views.

Batches are made ahead of time by worker processes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from napari_intseg.core.segmenter import Array, BoolArray, FloatArray
from napari_intseg.models.bundled_input import spread_narrow
from napari_intseg.training.run_state import SOLO, Peers
from napari_intseg.training.sources import IGNORED_LABEL, Picture, PictureSource
from napari_intseg.training.step import (
    IGNORED,
    Truth,
    first_clicks,
    rough_mask,
)
from napari_intseg.training.synthetic import draw_sensor, expose, stretch


def _levels(x: FloatArray, rng: Generator) -> Array:
    return np.asarray((x - 0.5) * np.exp(rng.uniform(-0.4, 0.4)) + 0.5 + rng.uniform(-0.15, 0.15))


def _gamma(x: FloatArray, rng: Generator) -> Array:
    return np.power(np.clip(x, 0, 1), np.exp(rng.uniform(-0.6, 0.6)))


def _grey(x: FloatArray, rng: Generator) -> Array:
    # any mixture of the channels: which of them shows an object differs by stain
    weights = rng.dirichlet((3.0, 3.0, 3.0)).astype(np.float32)
    return np.repeat((x @ weights)[..., None], 3, 2)


def _tint(x: FloatArray, rng: Generator) -> Array:
    gains = np.exp(rng.uniform(-0.25, 0.25, 3)).astype(np.float32)
    return x[..., rng.permutation(3)] * gains if rng.random() < 0.3 else x * gains


def _invert(x: FloatArray, rng: Generator) -> Array:  # noqa: ARG001
    return np.asarray(1.0 - x)


def _blur(x: FloatArray, rng: Generator) -> Array:
    # evenly in the logarithm; 2 px of a slice of 100 are 4 px of a view of 192
    return np.asarray(cv2.GaussianBlur(x, (0, 0), 0.4 * 10 ** rng.uniform(0, 1)))


def _noise(x: FloatArray, rng: Generator) -> Array:
    grain = rng.standard_normal(x.shape[:2], np.float32)[..., None] * rng.uniform(0.01, 0.1)
    # some of it grows with the light, as that of photons does
    return x + (grain * x * 2 if rng.random() < 0.3 else grain)


def _shade(x: FloatArray, rng: Generator) -> Array:
    corners = rng.uniform(-0.3, 0.3, (3, 3)).astype(np.float32)
    field = cv2.resize(corners, x.shape[1::-1], interpolation=cv2.INTER_CUBIC)[..., None]
    return x + field if rng.random() < 0.5 else x * (1 + field)


def _coarse(x: FloatArray, rng: Generator) -> Array:
    h, w = x.shape[:2]
    factor = rng.uniform(0.3, 0.8)
    small = cv2.resize(x, (int(w * factor), int(h * factor)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)


def _halo(x: FloatArray, rng: Generator) -> Array:
    # phase contrast takes the slow part away and leaves a rim of the opposite sign
    slow = cv2.GaussianBlur(x, (0, 0), rng.uniform(3, 10))
    fast = (x - slow * rng.uniform(0.6, 1.0)) * rng.uniform(1.0, 2.5)
    return np.asarray(0.5 + fast * rng.choice((-1, 1)))


def _ramp(x: FloatArray, rng: Generator) -> Array:
    """Light from one side, as strong as in a poorly adjusted microscope."""
    h, w = x.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    rows, cols = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
    along = np.sin(angle) * rows + np.cos(angle) * cols
    field = (along - along.min()) / np.ptp(along)
    dark = rng.uniform(0.1, 0.6)
    return np.asarray(x * (dark + (1 - dark) * field)[..., None].astype(np.float32))


def _random_window(x: FloatArray, rng: Generator) -> Array:
    # as another reader of a CT or of 16-bit microscopy would set it
    low, high = np.percentile(x[::2, ::2], (rng.uniform(0, 30), 100 - rng.uniform(0, 20)))
    # at most tenfold, or an even part would become nothing but noise
    return np.asarray(np.clip((x - low) / max(float(high - low), 0.1), 0, 1))


def _faint(x: FloatArray, rng: Generator) -> Array:
    # below .35 of the range the network sees a view spread again, see `spread_narrow`
    share = rng.uniform(0.36, 0.8)
    return np.asarray(x * share + rng.uniform(0, 1 - share))


def _few_levels(x: FloatArray, rng: Generator) -> Array:
    """Few grey levels: what is left when a faint 8-bit image is spread."""
    levels = rng.uniform(12, 60)
    return np.asarray(np.rint(x * levels) / levels)


def _speckle(x: FloatArray, rng: Generator) -> Array:
    """Coherent noise, which multiplies: ultrasound, optical coherence tomography, radar."""
    h, w = x.shape[:2]
    factor, looks = rng.uniform(0.3, 1.0), rng.uniform(3, 20)
    grid = (max(8, int(h * factor)), max(8, int(w * factor)))
    # the intensity of so many looks at speckle is gamma-distributed, with a mean of one here
    grain = rng.standard_gamma(looks, grid).astype(np.float32) / np.float32(looks)
    return x * cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR)[..., None]


def _sensor(x: FloatArray, rng: Generator) -> Array:
    seen = expose(x, draw_sensor(rng), rng)
    # viewers set their window by percentiles, and noise with it
    return stretch(seen, rng) if rng.random() < 0.7 else seen


def _compress(x: FloatArray, rng: Generator) -> Array:
    """JPEG, of an image that is enlarged afterwards or not."""
    h, w = x.shape[:2]
    # the blocks of a slice of 100 pixels are fourfold in a view
    factor = rng.uniform(0.2, 1.0) if rng.random() < 0.7 else 1.0
    small = cv2.resize(x, (int(w * factor), int(h * factor)), interpolation=cv2.INTER_AREA)
    values = np.asarray(np.rint(np.clip(small, 0, 1) * 255), np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(5, 50))]
    seen = cv2.imdecode(cv2.imencode(".jpg", values, quality)[1], cv2.IMREAD_COLOR)
    assert seen is not None
    return cv2.resize(seen, (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


STEPS: tuple[tuple[Callable[[FloatArray, Generator], Array], float, float], ...] = (
    # step, how often on colour, how often on grey: grey images are microscopy and radiology, whose
    # levels, noise and polarity vary more; two of five get a detector's noise (fifth schedule)
    (_grey, 0.15, 0.0),
    (_tint, 0.30, 0.08),
    (_halo, 0.02, 0.08),
    (_invert, 0.05, 0.20),
    (_gamma, 0.30, 0.40),
    (_levels, 0.50, 0.50),
    (_shade, 0.10, 0.15),
    (_ramp, 0.05, 0.08),
    (_random_window, 0.03, 0.12),
    (_faint, 0.05, 0.08),
    (_few_levels, 0.03, 0.06),
    (_coarse, 0.10, 0.12),
    (_blur, 0.12, 0.15),
    (_noise, 0.15, 0.15),
    (_speckle, 0.02, 0.06),
    (_sensor, 0.12, 0.40),
    (_compress, 0.08, 0.12),
)


def change_intensity(image: FloatArray, rng: Generator) -> FloatArray:
    """Return a view (H, W, 3) in [0, 1] with other levels, colours, blur and noise."""
    is_grey = bool(np.array_equal(image[..., 0], image[..., 1]))
    for step, on_colour, on_grey in STEPS:
        if rng.random() < (on_grey if is_grey else on_colour):
            image = np.asarray(step(image, rng), np.float32)
    # only here: steps in between may leave the range
    return np.asarray(np.clip(image, 0.0, 1.0), np.float32)


# the fourth schedule, the first with it, took a third to half a click of each NoC
PASTED_SHARE = 0.2
"""Share of colour views that are put together from two pictures."""

MIN_SEEN_PX = 100
"""Of a further object of a view, in pixels of the view; smaller ones are learnt enlarged."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingView:
    """What one example is.

    Parameters
    ----------
    image : ndarray of uint8, shape (size, size, 3)
    truth : ndarray of uint8, shape (size, size)
        1 object, 0 background, 255 ignored.
    clicks : ndarray of float32, shape (24, 3)
        Row, column, sign.
    prev : ndarray of float32, shape (size, size)
        Probability to start from, zero in nine of ten views.
    drawn : ndarray of uint8, shape (1, size, size)
        Other objects that are shown: 0 or 1.
    """

    image: NDArray[np.uint8]
    truth: Truth
    clicks: FloatArray
    prev: FloatArray
    drawn: Truth


def draw_view(sources: list[PictureSource], seed: int, index: int, size: int) -> TrainingView:
    """Return view number `index`, a pure function of the arguments.

    This is why training resumes exactly, with any number of workers: no generator's state has
    to survive.
    """
    return draw_views(sources, seed, index, size, 1)[0]


def draw_views(
    sources: list[PictureSource], seed: int, index: int, size: int, most: int, *, share: float = 0.0
) -> list[TrainingView]:
    """Return view number `index` for up to `most` objects in it, which share one image.

    The first is that of `draw_view`. A network that encodes an image once learns from dozens of
    nuclei for little more than from one. A `share` of them shows other objects.
    """
    rng = np.random.default_rng((seed, index))
    weights = np.array([source.weight for source in sources])
    source = sources[rng.choice(len(sources), p=weights / weights.sum())]
    # a draw may leave a few pixels of the object; then it is drawn again, a few times
    for _ in range(4):
        scene = _draw_scene(source, rng, size)
        image, truth = scene.image, scene.truth
        if np.count_nonzero(truth == 1) >= 12:
            break
    is_pasted = rng.random() < PASTED_SHARE and _is_colour(image)
    if is_pasted:
        other = _draw_scene(source, rng, size)
        image, truth = _paste(image, truth, other.image, other.truth, rng)
    # as the network is shown a view when it answers
    values = change_intensity(spread_narrow(image), rng)
    shown = np.asarray(np.rint(values * 255), np.uint8)
    views = [_prompted(shown, truth, rng)]
    # other objects of a pasted view may lie behind what was pasted
    seen = None if is_pasted else _labels_in(scene)
    if most > 1 and seen is not None:
        views += [_prompted(shown, one, rng) for one in _others(scene, seen, rng, most - 1)]
    # drawn by themselves: how much is shown changes nothing else of a view
    own = np.random.default_rng((seed, index, 3))
    return [
        replace(view, drawn=_shown(seen, view.truth, own)[None].astype(np.uint8))
        if seen is not None and own.random() < share
        else view
        for view in views
    ]


def _shown(seen: NDArray[np.int32], truth: Truth, rng: Generator) -> BoolArray:
    """Return a part of the other objects of a view (H, W), now and then with wrong outlines."""
    numbers = np.setdiff1d(seen[seen > 0], seen[truth == 1])
    # all of half, else a part of them, as a person goes from one to the next
    if rng.random() < 0.5:
        numbers = numbers[rng.random(numbers.size) < rng.uniform(0.1, 1.0)]
    if rng.random() < 0.6:
        seen = _bent(seen, rng)
    return np.isin(seen, numbers)


def _bent(labels: NDArray[np.int32], rng: Generator) -> NDArray[np.int32]:
    """Return labels whose outlines are wrong by up to some pixels, as those of models are."""
    size, knots = labels.shape[0], int(rng.integers(4, 24))
    reach = rng.uniform(0.5, 5)
    rows, cols = np.indices(labels.shape, np.float32)
    down, right = (
        cv2.resize(
            rng.uniform(-reach, reach, (knots, knots)).astype(np.float32), (size, size),
            interpolation=cv2.INTER_CUBIC,
        )
        for _ in range(2)
    )  # fmt: skip
    values = labels.astype(np.float32)
    bent = cv2.remap(
        values, cols + right, rows + down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(bent, np.int32)


def _prompted(image: NDArray[np.uint8], truth: Truth, rng: Generator) -> TrainingView:
    """Return a view with what a person's work on this object begins with."""
    # propagation and masks to start from give a previous answer before any click
    prev = rough_mask(truth, rng) if rng.random() < 0.1 else np.zeros(truth.shape, np.float32)
    nothing = np.zeros((1, *truth.shape), np.uint8)
    return TrainingView(image, truth, first_clicks(truth, rng), prev, nothing)


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Objects of some picture in their surroundings, and the truth of the chosen ones."""

    image: FloatArray
    truth: Truth
    picture: Picture
    chosen: NDArray[np.int64]
    there: NDArray[np.float64]


def _draw_scene(source: PictureSource, rng: Generator, size: int) -> _Scene:
    picture = source.pictures[rng.integers(len(source.pictures))]
    chosen = _choose_objects(picture, rng)
    mask = np.asarray(np.isin(picture.labels, chosen), np.bool_)
    there, scale = _place(mask, rng, size)
    truth = _warp_truth(picture, mask, there, size)
    return _Scene(_warp(picture, there, scale, size), truth, picture, chosen, there)


def _labels_in(scene: _Scene) -> NDArray[np.int32] | None:
    """Return the labels of a scene, (size, size); None if there are no others than the chosen."""
    picture, size = scene.picture, scene.truth.shape[0]
    if np.isin(picture.objects, scene.chosen).all():
        return None
    # OpenCV warps no integers of 32 bits; float32 is exact up to 2**24
    labels = picture.labels.astype(np.float32)
    seen = cv2.warpAffine(labels, scene.there, (size, size), flags=cv2.INTER_NEAREST)
    return np.asarray(seen, np.int32)


def _others(scene: _Scene, seen: NDArray[np.int32], rng: Generator, most: int) -> list[Truth]:
    """Return the truth of other objects in a scene, larger ones more often."""
    others = scene.picture.objects[~np.isin(scene.picture.objects, scene.chosen)]
    numbers, areas = np.unique(seen, return_counts=True)
    fit = np.isin(numbers, others) & (areas >= MIN_SEEN_PX)
    if not fit.any():
        return []
    # by the root of the area: large ones more often, but small ones too
    share = np.sqrt(areas[fit])
    count = min(most, len(share))
    drawn = rng.choice(numbers[fit], size=count, replace=False, p=share / share.sum())
    ignored = scene.truth == IGNORED
    return [np.where(ignored, IGNORED, seen == one).astype(np.uint8) for one in drawn]


def _is_colour(image: FloatArray) -> bool:
    return not np.array_equal(image[..., 0], image[..., 1])


def _paste(
    image: FloatArray, truth: Truth, other: FloatArray, others: Truth, rng: Generator
) -> tuple[FloatArray, Truth]:
    """Return the object on the ground of another picture, or behind the other's object.

    Outlines drawn by people are coarse; that of a pasted object lies exactly where the image
    changes (Ghiasi et al., CVPR 2021, arXiv:2012.07177).
    """
    in_front = np.asarray(others == 1) if rng.random() < 0.4 else np.asarray(truth != 1)
    behind = np.where(in_front, 0, truth)
    # too little of it is left to be asked about
    if int((behind == 1).sum()) < max(12, int((truth == 1).sum()) // 4):
        return image, truth
    # a camera blurs edges; a sharp one would give the paste away
    alpha = cv2.GaussianBlur(in_front.astype(np.float32), (0, 0), rng.uniform(0.4, 1.0))[..., None]
    return np.asarray(image * (1 - alpha) + other * alpha, np.float32), np.asarray(behind, np.uint8)


def _choose_objects(picture: Picture, rng: Generator) -> NDArray[np.int64]:
    share = np.sqrt(picture.areas)
    count = 1
    # now and then several objects are one mask, as a person may want them
    if len(picture.objects) > 1 and rng.random() < 0.08:
        count = int(rng.integers(2, min(4, len(picture.objects)) + 1))
    chosen = rng.choice(picture.objects, size=count, replace=False, p=share / share.sum())
    return np.asarray(chosen, np.int64)


def _window(mask: BoolArray, rng: Generator) -> tuple[float, float, float]:
    """Return centre row, centre column and side, between tight and the whole picture."""
    h, w = mask.shape
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    extent = max(rows[-1] - rows[0], cols[-1] - cols[0]) + 1.0
    tight, whole = max(1.3 * extent, 64.0), max(h, w) * 1.0
    kind = rng.random()
    # a first click is asked about on the whole slice
    if kind < 0.25 or tight >= whole:
        side = whole * rng.uniform(0.95, 1.1)
    elif kind < 0.3:
        # closer than the object: a zoom-in after a mask that was too small
        side = max(extent * rng.uniform(0.6, 1.0), 48.0)
    else:
        # evenly in the logarithm between tight and whole
        side = float(np.exp(rng.uniform(np.log(tight), np.log(whole))))
    centre = []
    for first, last, n in ((rows[0], rows[-1], h), (cols[0], cols[-1], w)):
        # anywhere in the window, as people do not look at its middle only
        room = max(side - (last - first + 1), 0) / 2
        at = (first + last) / 2 + rng.uniform(-room, room)
        low, high = side / 2 - 0.5, n - side / 2 - 0.5
        # a window larger than the picture is laid round its middle
        centre.append(float(np.clip(at, low, high)) if low < high else (n - 1) / 2)
    return centre[0], centre[1], side


def _place(mask: BoolArray, rng: Generator, size: int) -> tuple[NDArray[np.float64], float]:
    """Return the matrix (2, 3) that takes a picture to a view, and how much it enlarges."""
    row, col, side = _window(mask, rng)
    # photographs and scans have an up; three of ten are tilted
    angle = np.deg2rad(rng.uniform(-25, 25)) if rng.random() < 0.3 else 0.0
    angle += np.pi / 2 * rng.integers(4) if rng.random() < 0.25 else 0.0
    aspect = np.exp(rng.uniform(-0.15, 0.15, 2)) * np.array([1, 1 if rng.random() < 0.5 else -1])
    scale = size / side
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag(aspect[::-1]) @ turn * scale
    return np.column_stack((matrix, (size - 1) / 2 - matrix @ np.array([col, row]))), scale


def _warp(picture: Picture, there: NDArray[np.float64], scale: float, size: int) -> FloatArray:
    source = picture.image
    if scale < 0.6:
        # the warp does not average: blur before shrinking, by about what area averaging would
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.5 / scale - 0.3), np.uint8)
    # filled with a middle level: beyond the picture there should be nothing to see
    grey = float(source.mean()) if source.ndim == 2 else 127.0
    image = cv2.warpAffine(source, there, (size, size), borderValue=(grey,) * 3)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    return np.asarray(image.astype(np.float32) / np.float32(255))


def _warp_truth(picture: Picture, mask: BoolArray, there: NDArray[np.float64], size: int) -> Truth:
    target = mask.astype(np.uint8)
    target[picture.labels == IGNORED_LABEL] = IGNORED
    flags = cv2.INTER_NEAREST
    # beyond the picture there is no truth, and nothing is learnt
    truth = cv2.warpAffine(target, there, (size, size), flags=flags, borderValue=IGNORED)
    return np.asarray(truth, np.uint8)


Views = tuple[Tensor, ...]
"""Image (B, 3, H, W), then of each object truth (N, 1, H, W), clicks (N, 24, 3), previous
probability (N, 1, H, W), the number of its image (N,) and what is drawn (N, 1, H, W)."""


class ViewDataset(Dataset[list[TrainingView]]):
    """View by (number, size): once for each object that is learnt from it."""

    def __init__(
        self, sources: list[PictureSource], seed: int, objects: int = 1, share: float = 0.0
    ) -> None:
        self.sources = sources
        self.seed = seed
        self.objects = objects
        self.share = share

    def __getitem__(self, index: tuple[int, int]) -> list[TrainingView]:
        """Return at least one view; all have the same image."""
        return draw_views(self.sources, self.seed, *index, self.objects, share=self.share)


def collate(drawn: list[list[TrainingView]]) -> Views:
    """Return the views of a step as tensors; an image with several objects is there once."""
    views = [view for one in drawn for view in one]
    owner = np.repeat(np.arange(len(drawn)), [len(one) for one in drawn])
    images = np.stack([one[0].image.transpose(2, 0, 1) for one in drawn])
    return (
        torch.from_numpy(images),
        torch.from_numpy(np.stack([view.truth for view in views]))[:, None],
        torch.from_numpy(np.stack([view.clicks for view in views])),
        torch.from_numpy(np.stack([view.prev for view in views]))[:, None],
        torch.from_numpy(owner),
        torch.from_numpy(np.stack([view.drawn for view in views])),
    )


@dataclass(frozen=True, slots=True)
class StepSampler(Sampler[list[tuple[int, int]]]):
    """The numbers of the views of each step, from `first` on, without end.

    Parameters
    ----------
    first : int
        First step.
    batch : int
        Views a step and process.
    size_at : callable
        Step to side of the views in pixels; asked when the batch is begun.
    """

    first: int
    batch: int
    size_at: Callable[[int], int]
    peers: Peers = SOLO

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield one list of (number, size) a step."""
        step = self.first
        while True:
            # asked here, ahead of the step, as the loader makes batches ahead
            size = self.size_at(step)
            # every process has its own numbers, and no number comes twice
            first = (step * self.peers.count + self.peers.rank) * self.batch
            yield [(first + i, size) for i in range(self.batch)]
            step += 1


def _one_thread(worker: int) -> None:  # noqa: ARG001
    import cv2

    # workers are as many as cores; threads of their own would wait for each other
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def make_loader(
    sources: list[PictureSource],
    sampler: StepSampler,
    *,
    seed: int,
    workers: int,
    objects: int = 1,
    share: float = 0.0,
    pin: bool = False,
) -> DataLoader[Any]:
    """Return batches (`Views`), one a step, without end."""
    # the loader takes this one only with workers
    ahead = {"prefetch_factor": 3} if workers else {}
    return DataLoader(
        ViewDataset(sources, seed, objects, share),
        collate_fn=collate,
        batch_sampler=sampler,
        num_workers=workers,
        worker_init_fn=_one_thread,
        pin_memory=pin,
        **ahead,  # type: ignore[arg-type]
    )


def step_rng(seed: int, step: int, rank: int = 0) -> np.random.Generator:
    """Return the generator of the clicks simulated in a step."""
    # the second number keeps these draws apart from those of views
    return np.random.default_rng((seed, 7, step, rank))
