"""What the bundled network is given and how it is used, whichever engine computes it."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Box, Click, Prompts, along_scribbles
from napari_intseg.core.segmenter import BoolArray, FloatArray, Query, Traits, ZoomIn
from napari_intseg.models.model_table import CLICKS_DRAWN_MASK
from napari_intseg.models.weights.store import ARCHITECTURE

TARGET_PX = 384
"""Longer side of a view; the best of those measured (docs/results.md)."""

NARROWER = (0.75, 0.5)
"""Windows in which a first click is asked about beside the whole slice, as shares of its sides: an
organ of a body slice is too small for the network on the whole of it (docs/results.md)."""

NARROW = 0.35
"""Views whose values cover less than this are spread."""

SCRIBBLE_STEP_PX = 8.0
"""Between the clicks of a scribble, in pixels of the view."""

BESIDE, BESIDE_PX = 4, 6.0
"""So many negative clicks beside each side of a box, so many pixels of the view away."""

_GUESS = 2.0
"""Logits in the ellipse in a box, as the first previous answer."""

CENTRE = Prompts((Click(100, 100),))
"""What a network that warms up is asked."""


def read_traits(name: str, metadata: Any) -> Traits:
    """Return how a network wants to be used, as far as its file says."""
    told = json.loads(metadata.get("traits", "{}"))
    is_measured = metadata.get("architecture", ARCHITECTURE) == ARCHITECTURE
    zoom_in = ZoomIn(
        skip_clicks=-1,
        target_size=int(told.get("target_size", TARGET_PX)),
        min_crop_size=int(told.get("min_crop_size", 128)),
        expansion=float(told.get("expansion", 1.4)),
        fine_size=int(told["fine_size"]) if "fine_size" in told else None,
        fine_clicks=int(told.get("fine_clicks", 4)),
        narrower=tuple(float(share) for share in told.get("narrower", NARROWER)),
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
        enforced=frozenset({"box", "scribble"}),
    )


def spread_narrow(image: FloatArray) -> FloatArray:
    """Return a view (H, W, 3) in [0, 1] whose values cover the range, if they hardly did.

    Eight-bit microscopy may use a few of its 256 values. Training does the same, so that a nearly
    black picture looks to the network like any other.
    """
    low, high = (float(v) for v in np.percentile(image[::4, ::4], (0.5, 99.5)))
    if not 1e-3 < high - low < NARROW:
        return np.array(image, np.float32)
    spread = (image - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.clip(spread, 0, 1), np.float32)


def pack_clicks(clicks: Sequence[Sequence[Click]]) -> FloatArray:
    """Return the clicks of several queries as the network takes them.

    Returns
    -------
    ndarray of float32, shape (B, N, 3)
        Row, column, sign: 1 on the object, -1 off it, 0 no click; N is at least 1.
    """
    count = max(1, *(len(one) for one in clicks))
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
    return (*_beside(prompts.box, query.prepared.shape), *lines, *prompts.clicks)


def filled(box: Box, shape: tuple[int, int]) -> BoolArray:
    """Return the ellipse in a box, bool (H, W): a first guess of an object that fills the box."""
    rows, cols = (np.arange(size, dtype=np.float32) for size in shape)
    row, col = (box.row0 + box.row1) / 2, (box.col0 + box.col1) / 2
    half = max(0.5, (box.row1 - box.row0) / 2), max(0.5, (box.col1 - box.col0) / 2)
    away = ((rows - row) / half[0])[:, None] ** 2 + ((cols - col) / half[1])[None, :] ** 2
    return np.asarray(away <= 1)


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
    guess = np.full((1, *query.prepared.shape), -np.inf, np.float32)
    if query.prompts.box is not None:
        guess[0, filled(query.prompts.box, query.prepared.shape)] = _GUESS
    return guess
