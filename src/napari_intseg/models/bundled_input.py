"""What the bundled network is given and how it is used, whichever engine computes it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage

from napari_intseg.core.files import parse_json
from napari_intseg.core.prompts import Box, Click, Prompts, along_scribbles
from napari_intseg.core.segmenter import Answer, BoolArray, FloatArray, Query, Traits, ZoomIn
from napari_intseg.errors import WeightsError
from napari_intseg.models.model_table import CLICKS_DRAWN_MASK
from napari_intseg.models.weights.store import ARCHITECTURE

TARGET_PX = 384
"""Longer side of a view; the best of those measured (docs/results.md)."""

NARROWER = (0.75, 0.5)
"""Windows in which a first click is asked about beside the whole slice, as shares of its sides: an
organ of a body slice is too small for the network on the whole of it (docs/results.md)."""

COARSER = 6.0
"""So many times a tiny slice is enlarged at most before the object is known. Slices of hippocampi
were shown ten times as large as they are, which is blur (docs/results.md)."""

# not tuned for use: it has to be what training spreads by, or the network sees what it never learnt
NARROW = 0.35
"""Views whose values cover less than this are spread."""

SCRIBBLE_STEP_PX = 48.0
"""Between the clicks of a scribble, in pixels of the view. More clicks are worse on GrabCut's
scribbles (IoU .868 with 24 px, .881 with 48 and 96 px): the network was not taught rows of clicks
(docs/results.md)."""

BESIDE, BESIDE_PX = 4, 6.0
"""So many negative clicks beside each side of a box, so many pixels of the view away."""

# logits in the ellipse in a box, as the first previous answer: with it a click in the middle of a
# box reaches IoU .771, without it .663 (docs/results.md)
_GUESS = 2.0

CENTRE = Prompts((Click(100, 100),))
"""What a network that warms up is asked."""


def read_traits(name: str, metadata: Any) -> Traits:
    """Return how a network wants to be used, as far as its file says.

    Raises
    ------
    WeightsError
        If what it says is damaged.
    """
    try:
        return _traits(name, parse_json(metadata.get("traits", "{}")), metadata)
    except (TypeError, ValueError, AttributeError, OverflowError) as err:
        raise WeightsError(
            f"weights say settings that there are not: expected numbers by name, got "
            f"{metadata.get('traits', '')[:80]!r} for {name!r} ({err}). Train or convert it again."
        ) from err


def _traits(name: str, told: Any, metadata: Any) -> Traits:
    # asking again gains by the bundled network's measure; others were not tried
    is_measured = metadata.get("architecture", ARCHITECTURE) == ARCHITECTURE
    # files say what they were measured with; the defaults are for files that do not (expansion 1.4
    # as RITM, crops of 128 px, since 200 were no better: docs/results.md)
    zoom_in = ZoomIn(
        skip_clicks=-1,
        target_size=int(told.get("target_size", TARGET_PX)),
        min_crop_size=int(told.get("min_crop_size", 128)),
        expansion=float(told.get("expansion", 1.4)),
        fine_size=int(told["fine_size"]) if "fine_size" in told else None,
        fine_clicks=int(told.get("fine_clicks", 4)),
        narrower=tuple(float(share) for share in told.get("narrower", NARROWER)),
        coarser=float(told.get("coarser", COARSER)) if is_measured else None,
    )
    return Traits(
        name,
        CLICKS_DRAWN_MASK,
        resample="probability",
        threshold=float(told.get("threshold", 0.5)),
        zoom_in=zoom_in,
        longer_side_px=int(told.get("longer_side_px", 640)),
        flip=bool(told.get("flip", False)),
        uses_prev=True,
        cascade=bool(told.get("cascade", is_measured)),
        enforced=frozenset({"box", "scribble", "lasso"}),
        across=True,
    )


def spread_narrow(image: FloatArray) -> FloatArray:
    """Return a view (H, W, 3) in [0, 1] whose values cover the range, if they hardly did.

    Eight-bit microscopy may use a few of its 256 values. Training does the same, so that a nearly
    black picture looks to the network like any other.
    """
    # a sixteenth of the pixels is enough for percentiles
    low, high = (float(v) for v in np.percentile(image[::4, ::4], (0.5, 99.5)))
    if not 1e-3 < high - low < NARROW:
        return np.array(image, np.float32)
    spread = (image - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.clip(spread, 0, 1), np.float32)


def pack_clicks(clicks: Sequence[Sequence[Click]], *, doubling: bool = False) -> FloatArray:
    """Return the clicks of several queries as the network takes them.

    Parameters
    ----------
    clicks : sequence of sequence of Click
        Of each query, in order of time.
    doubling : bool, default False
        Whether N is 4, 8, 16 and so on, whatever the number of clicks; the answer is the same.

    Returns
    -------
    ndarray of float32, shape (B, N, 3)
        Row, column, sign: 1 on the object, -1 off it, 0 no click; N is at least 1.
    """
    count = max(1, *(len(one) for one in clicks))
    if doubling:
        count = max(4, 1 << (count - 1).bit_length())
    table = np.zeros((len(clicks), count, 3), np.float32)
    for own, given in zip(table, clicks, strict=True):
        for row, click in zip(own, given, strict=False):
            row[:] = click.row, click.col, 1 if click.positive else -1
    return table


def as_clicks(query: Query) -> tuple[Click, ...]:
    """Return what a query is asked by, as clicks in pixels of its view, in order of time.

    The network was taught clicks alone: a scribble is a row of them, and a box says what lies
    beside it.
    """
    prompts = query.prompts
    lines = along_scribbles(prompts, query.prepared.shape, SCRIBBLE_STEP_PX)
    # the box first, then scribbles: clicks are the latest word
    return (*_beside(prompts.box, query.prepared.shape), *lines, *prompts.clicks)


def drawn_on(queries: Sequence[Query]) -> FloatArray | None:
    """Return other objects on the views of some queries, float32 (B, 1, H, W); None if on none.

    Scribbles are not drawn: taught so, they were worse than as clicks (docs/results.md).
    """
    if all(query.others is None for query in queries):
        return None
    maps = stacked(
        [np.zeros(q.prepared.shape, np.float32) if q.others is None else q.others for q in queries],
        fill=0,
    )
    return maps[:, None] if maps.any() else None


def stacked(images: Sequence[FloatArray], *, fill: float) -> FloatArray:
    """Return images (h, w) or (h, w, C) as one array, filled up below and to the right."""
    size = np.max([image.shape[:2] for image in images], axis=0)
    out = np.full((len(images), *size, *images[0].shape[2:]), fill, np.float32)
    for own, image in zip(out, images, strict=True):
        own[: image.shape[0], : image.shape[1]] = image
    return out


def filled(box: Box, shape: tuple[int, int]) -> BoolArray:
    """Return the ellipse in a box, bool (H, W): a first guess of an object that fills the box."""
    rows, cols = (np.arange(size, dtype=np.float32) for size in shape)
    row, col = (box.row0 + box.row1) / 2, (box.col0 + box.col1) / 2
    half = max(0.5, (box.row1 - box.row0) / 2), max(0.5, (box.col1 - box.col0) / 2)
    away = ((rows - row) / half[0])[:, None] ** 2 + ((cols - col) / half[1])[None, :] ** 2
    return np.asarray(away <= 1)


def answer_all(
    queries: Sequence[Query], ask: Callable[[Sequence[Query]], list[Answer]]
) -> list[Answer]:
    """Return answers to queries, in the order asked; those with clicks are asked in one pass.

    Parameters
    ----------
    queries : sequence of Query
        As `ask` takes them.
    ask : callable
        Answers queries with clicks in one pass of the network.
    """
    clicked = [query for query in queries if not _is_box_alone(query)]
    answers = iter(ask(clicked) if clicked else ())
    return [_in_box(q, ask) if _is_box_alone(q) else next(answers) for q in queries]


def _in_box(query: Query, ask: Callable[[Sequence[Query]], list[Answer]]) -> Answer:
    """Return the answer that fills a box best, of those to a click here and there in it."""
    box, given = query.prompts.box, query.prompts
    assert box is not None
    answers = ask(
        [
            replace(query, prompts=replace(given, clicks=(point, *given.clicks)))
            for point in points_in(box, query.prev_logits, query.prepared.shape)
        ]
    )
    return max(answers, key=lambda answer: _fit(answer.logits, box))


def points_in(box: Box, prev: FloatArray | None, shape: tuple[int, int]) -> list[Click]:
    """Return positive clicks of which one should be on the object in a box.

    With a previous answer in it, its deepest point. Else the middle of the box, and points between
    it and the sides, since the middle of a bent object is off it.
    """
    inside = filled(box, shape)
    if prev is not None and (held := inside & (prev > 0)).any():
        depth = ndimage.distance_transform_edt(np.pad(held, 1))[1:-1, 1:-1]
        deepest = np.unravel_index(int(depth.argmax()), shape)
        return [Click(float(deepest[0]), float(deepest[1]))]
    row, col = (box.row0 + box.row1) / 2, (box.col0 + box.col1) / 2
    down, right = (box.row1 - box.row0) / 4, (box.col1 - box.col0) / 4
    # five questions in one pass of the network
    steps = ((0, 0), (-down, 0), (down, 0), (0, -right), (0, right))
    return [Click(row + r, col + c) for r, c in steps]


def _is_box_alone(query: Query) -> bool:
    """Whether nothing but a box says where the object is: the network wants a positive click."""
    prompts = query.prompts
    return prompts.box is not None and not replace(prompts, box=None).has_positive


def _fit(logits: FloatArray, box: Box) -> float:
    """Return the IoU of a box and that round what an answer has in it; 0 of none."""
    rows, cols = (slice(max(0, round(a)), max(0, round(b)) + 1) for a, b in _sides(box))
    mask = logits[rows, cols] > 0
    if not mask.any():
        return 0.0
    sizes = [int(np.ptp(np.flatnonzero(mask.any(axis=axis)))) + 1 for axis in (1, 0)]
    return float(np.prod(sizes) / mask.size)


def _sides(box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    return (box.row0, box.row1), (box.col0, box.col1)


def _beside(box: Box | None, shape: tuple[int, int]) -> list[Click]:
    """Return negative clicks beside the sides of a box, as far as they lie in the view."""
    if box is None:
        return []
    clicks = []
    for share in np.linspace(0, 1, BESIDE):
        row = box.row0 + share * (box.row1 - box.row0)
        col = box.col0 + share * (box.col1 - box.col0)
        clicks += [(box.row0 - BESIDE_PX, col), (box.row1 + BESIDE_PX, col)]
        clicks += [(row, box.col0 - BESIDE_PX), (row, box.col1 + BESIDE_PX)]
    return [Click(r, c, False) for r, c in clicks if 0 <= r < shape[0] and 0 <= c < shape[1]]


def previous_logits(query: Query) -> FloatArray:
    """Return the previous answer, (1, H, W); of a box without one the guess in it, else -inf."""
    if query.prev_logits is not None:
        return np.asarray(query.prev_logits, np.float32)[None]
    # a probability of exactly 0, as the network was trained where there is no answer yet
    guess = np.full((1, *query.prepared.shape), -np.inf, np.float32)
    if query.prompts.box is not None:
        guess[0, filled(query.prompts.box, query.prepared.shape)] = _GUESS
    return guess
