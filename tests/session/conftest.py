from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.core.volume import Volume


class Bright:
    """The bright part under each positive click, less discs round the negative ones.

    With `uses_prev`, the previous answer's bright parts stay: order and history matter.
    """

    def __init__(self, uses_prev: bool = True, kinds: tuple[str, ...] = ("click", "mask")) -> None:
        self.traits = Traits("bright", frozenset(kinds), uses_prev=uses_prev)  # type: ignore[arg-type]
        self.calls = 0
        self.prepared = 0

    def prepare(self, image: FloatArray) -> Prepared:
        self.prepared += 1
        return Prepared(image.shape[:2], image.mean(axis=2) > 0.5, image.nbytes)

    def predict(self, query: Query) -> Answer:
        self.calls += 1
        parts, _ = ndimage.label(query.prepared.payload)
        rows, cols = np.indices(parts.shape)
        mask = np.zeros(parts.shape, bool)
        if self.traits.uses_prev and query.prev_logits is not None:
            mask |= (query.prev_logits > 0) & (parts > 0)
        box = query.prompts.box
        if box is not None:
            mask |= (
                (rows >= box.row0) & (rows <= box.row1) & (cols >= box.col0) & (cols <= box.col1)
            )
        for scribble in query.prompts.scribbles:
            for row, col in scribble.points:
                mask |= (parts == parts[round(row), round(col)]) & (parts > 0)
        for click in query.prompts.clicks:
            near = (rows - click.row) ** 2 + (cols - click.col) ** 2 <= 9
            if click.positive:
                part = parts[round(click.row), round(click.col)]
                mask |= (parts == part) & (part > 0) | near
            else:
                mask &= ~near
        return Answer(np.where(mask, np.float32(4), np.float32(-4)))


class Counting:
    """An array that counts the planes that are read."""

    def __init__(self, data: np.ndarray) -> None:
        self._data, self.shape, self.dtype = data, data.shape, data.dtype
        self.reads: list[object] = []

    def __getitem__(self, index: tuple[int | slice, ...]) -> np.ndarray:
        self.reads.append(index[0])
        return self._data[index]


@pytest.fixture
def bright() -> Callable[..., Bright]:
    return Bright


@pytest.fixture
def counting() -> Callable[[np.ndarray], Counting]:
    return Counting


@pytest.fixture
def two_balls() -> Volume:
    """Two touching bright balls, radius 8, side by side in columns, flat in z (5 mm planes)."""
    z, y, x = np.indices((24, 40, 48))
    data = np.zeros((24, 40, 48), np.uint8)
    for col in (14, 32):
        data[((z - 12) * 1.5) ** 2 + (y - 20) ** 2 + (x - col) ** 2 <= 64] = 200
    return Volume(data, spacing=(5.0, 0.7, 0.7))
