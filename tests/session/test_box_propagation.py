"""A box on one plane propagates with the object."""

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.core.prompts import Box, Click
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.evaluation.metrics import dice
from napari_intseg.models.classical.random_walker import build
from napari_intseg.session.session import Session


class Boxer:
    """What is bright inside the box, one pixel beyond it allowed; knows nothing but boxes."""

    def __init__(self, *kinds: str, needs: tuple[str, ...] = ()) -> None:
        self.traits = Traits("boxer", frozenset(kinds), needs=frozenset(needs))  # type: ignore[arg-type]
        self.queries: list[Query] = []

    def prepare(self, image):
        return Prepared(image.shape[:2], image.mean(axis=2) > 0.5, image.nbytes)

    def predict(self, query):
        self.queries.append(query)
        bright, box = query.prepared.payload, query.prompts.box
        points = [(c.row, c.col) for c in query.prompts.clicks if c.positive]
        if box is None and len(points) == 4:
            rows, cols = zip(*points, strict=True)
            box = Box(min(rows), min(cols), max(rows), max(cols))
        rows, cols = np.indices(bright.shape)
        mask = np.zeros(bright.shape, bool)
        if box is not None:
            mask = (abs(rows - (box.row0 + box.row1) / 2) <= (box.row1 - box.row0) / 2 + 2) & (
                abs(cols - (box.col0 + box.col1) / 2) <= (box.col1 - box.col0) / 2 + 2
            )
        return Answer(np.where(mask & bright, np.float32(5), np.float32(-5)))


@pytest.fixture
def balls():
    """Two bright balls in noise, and the labels; planes 3 mm, pixels 1 mm."""
    z, y, x = np.indices((16, 44, 60))
    labels = np.zeros((16, 44, 60), np.uint8)
    for number, col in enumerate((18, 42), start=1):
        labels[((z - 8) * 2) ** 2 + (y - 22) ** 2 + (x - col) ** 2 <= 110] = number
    noise = np.random.default_rng(0).normal(0, 8, labels.shape)
    data = np.clip(200.0 * (labels > 0) + 25 + noise, 0, 255).astype(np.uint8)
    return Volume(data, spacing=(3.0, 1.0, 1.0)), labels


def box_of(mask):
    rows, cols = np.nonzero(mask)
    return Box(int(rows.min()), int(cols.min()), int(rows.max()), int(cols.max()))


@pytest.mark.parametrize(
    ("kinds", "needs"),
    [(("box",), ("box",)), (("box", "click"), ("box", "click")), (("box", "click", "mask"), ())],
)
def test_the_whole_object_follows_from_a_box_on_one_plane(balls, kinds, needs):
    volume, labels = balls
    model = Boxer(*kinds, needs=needs)
    session = Session(model, volume)
    session.set_box(box_of(labels[8] == 1), Plane(0, 8))
    if "click" in needs:
        assert not model.queries
        session.click((8, 22, 18))
    session.propagate()
    assert dice(session.mask, labels == 1) > 0.95
    assert not (session.mask & (labels == 2)).any()
    for query in model.queries[1:]:
        assert query.prompts.box is not None
        assert bool(query.prompts.clicks) == ("click" in kinds)
    ends = session.propagated_planes(0)
    assert (ends[0].index, ends[-1].index) == (3, 13)


def test_the_box_moves_with_the_object():
    data = np.zeros((9, 40, 60), np.uint8)
    for index in range(9):
        data[index, 10:24, 6 + 4 * index : 20 + 4 * index] = 220
    model = Boxer("box", needs=("box",))
    session = Session(model, Volume(ndimage.gaussian_filter(data, (0, 0.3, 0.3))))
    session.set_box(Box(10, 6, 23, 19), Plane(0, 0))
    session.propagate(range(0, 4))
    lefts = [q.prompts.box.col0 for q in model.queries[1:]]
    assert lefts == sorted(lefts)
    assert lefts[-1] > 6


def test_extreme_points_on_one_plane_propagate_too(balls):
    volume, labels = balls
    model = Boxer("extreme_points", needs=("extreme_points",))
    session = Session(model, volume)
    rows, cols = np.nonzero(labels[8] == 1)
    for at in (rows.argmin(), rows.argmax(), cols.argmin(), cols.argmax()):
        session.click((8, int(rows[at]), int(cols[at])))
    session.propagate()
    assert dice(session.mask, labels == 1) > 0.95
    for query in model.queries:
        assert len(query.prompts.clicks) == 4
        assert all(isinstance(c, Click) and c.positive for c in query.prompts.clicks)


def test_random_walker_carries_on_what_a_box_began(balls):
    volume, labels = balls
    session = Session(Boxer("box", needs=("box",)), volume)
    session.set_box(box_of(labels[8] == 1), Plane(0, 8))
    session.model = build("random-walker")
    assert session.predict(Plane(0, 8)) is None  # it takes no box: the mask stays
    session.propagate()
    assert dice(session.mask, labels == 1) > 0.85


def test_a_corrected_plane_stays_as_it_is(balls):
    volume, labels = balls
    session = Session(Boxer("box", needs=("box",)), volume)
    session.set_box(box_of(labels[8] == 1), Plane(0, 8))
    session.propagate()
    narrow = Box(18, 14, 26, 22)
    session.set_box(narrow, Plane(0, 10))
    held = session.mask_on(Plane(0, 10))
    session.propagate()
    np.testing.assert_array_equal(session.mask_on(Plane(0, 10)), held)
    assert session.mask_on(Plane(0, 12)).sum() < (labels[12] == 1).sum() + 20
