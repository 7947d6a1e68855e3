"""Whatever a model answers, what was clicked on is as it was said to be."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_intseg.core.prompts import Box, Click, Lasso, Prompts, Scribble, along_scribbles
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits, ZoomIn
from napari_intseg.inference.obey_clicks import (
    begun_by_lassos,
    obeyed,
    steady_point,
    within_box,
    without_growth,
    without_lassoed,
    without_remnant,
)
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, SliceAnswer, predict_slice
from napari_intseg.models.registry import load_model

SHAPE = (40, 50)
CLICKS = st.lists(
    st.builds(Click, st.integers(0, 39), st.integers(0, 49), st.booleans()), min_size=1, max_size=12
)


def is_obeyed(patch: Patch, clicks: list[Click], threshold: float) -> bool:
    mask, last = patch.mask(threshold), {(round(c.row), round(c.col)): c.positive for c in clicks}
    return all(mask[at] == sign for at, sign in last.items())


@settings(max_examples=100, deadline=None)
@given(
    clicks=CLICKS,
    seed=st.integers(0, 99),
    threshold=st.sampled_from([0.2, 0.5, 0.8]),
    box=st.tuples(st.integers(0, 39), st.integers(0, 49), st.integers(0, 40), st.integers(0, 50)),
)
def test_every_click_is_obeyed_and_nothing_far_from_one_changes(
    clicks: list[Click], seed: int, threshold: float, box: tuple[int, int, int, int]
) -> None:
    rng = np.random.default_rng(seed)
    row, col, height, width = box
    logits = rng.normal(0, 4, (min(height, 40 - row), min(width, 50 - col))).astype(np.float32)
    patch = Patch(row, col, logits, SHAPE)
    before = patch.full()
    after = obeyed(patch, clicks, threshold, reach_px=4)
    assert is_obeyed(after, clicks, threshold)
    np.testing.assert_array_equal(patch.full(), before)
    changed = np.argwhere(after.full() != before)
    for at in changed:
        assert min(np.hypot(at[0] - c.row, at[1] - c.col) for c in clicks) <= 4


def test_an_answer_that_obeys_is_returned_as_it_is() -> None:
    patch = Patch.from_mask(np.eye(40, 50, dtype=bool))
    assert obeyed(patch, [Click(3, 3), Click(3, 4, False)]) is patch


def test_it_grows_to_where_the_model_was_as_sure_and_keeps_off_other_clicks() -> None:
    rows, cols = np.indices(SHAPE)
    hill = (3 - np.hypot(rows - 20, cols - 20) / 3).astype(np.float32)  # object: radius 9
    patch = Patch(0, 0, hill, SHAPE)
    mask = obeyed(patch, [Click(20, 32)], reach_px=8).mask()
    assert mask[20, 29:33].all()  # joined with the object
    assert not mask[20, 34:].any()
    kept = obeyed(patch, [Click(20, 32), Click(20, 31, False)], reach_px=8).mask()
    assert kept[20, 32]
    assert not kept[20, 31]
    bored = obeyed(patch, [Click(20, 24, False)], reach_px=8).mask()
    assert not bored[20, 24:29].any()
    assert bored[20, 20]


def test_of_two_clicks_on_one_pixel_the_last_counts() -> None:
    empty = Patch.empty(SHAPE)
    assert obeyed(empty, [Click(5, 5, False), Click(5, 5)]).mask()[5, 5]
    assert not obeyed(empty, [Click(5, 5), Click(5, 5, False)]).mask().any()


def test_clicks_at_the_rim_and_a_slice_of_one_pixel() -> None:
    for at in ((0, 0), (39, 49), (0, 49)):
        assert obeyed(Patch.empty(SHAPE), [Click(*at)]).mask()[at]
    assert obeyed(Patch.empty((1, 1)), [Click(0, 0)]).mask().all()


def test_a_negative_click_on_the_background_makes_nothing_grow() -> None:
    old, new = np.zeros((2, *SHAPE), bool)
    old[5:15, 5:15] = True
    new[8:20, 8:30] = True
    before, after = Patch.from_mask(old), Patch.from_mask(new)
    held = without_growth(after, before, Click(35, 40, False))
    np.testing.assert_array_equal(held.mask(), old & new)
    assert without_growth(after, before, Click(6, 6, False)) is after
    assert without_growth(after, before, Click(35, 40)) is after


class Anything:
    """Answers at random, whatever is asked."""

    def __init__(self, seed: int, zoom_in: ZoomIn | None) -> None:
        self.rng = np.random.default_rng(seed)
        self.traits = Traits("anything", frozenset({"click", "mask"}), zoom_in=zoom_in)

    def prepare(self, image: np.ndarray) -> Prepared:
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query: Query) -> Answer:
        one, two = self.rng.normal(0, 5, (2, *query.prepared.shape)).astype(np.float32)
        return Answer(one, alternatives=(one, two), scores=(0.9, 0.1))


def play(model: Any, image: np.ndarray, clicks: list[Click], **options: Any) -> list[SliceAnswer]:
    answers: list[SliceAnswer] = []
    for count in range(1, len(clicks) + 1):
        answers.append(
            predict_slice(
                model,
                lambda rows, cols: image[rows, cols],
                image.shape[:2],
                Prompts(tuple(clicks[:count])),
                Options(**options),
                prev=answers[-1] if answers else None,
            )
        )
    return answers


@settings(max_examples=40, deadline=None)
@given(clicks=CLICKS, seed=st.integers(0, 99), zoomed=st.booleans())
def test_a_model_that_answers_at_random_obeys(clicks: list[Click], seed: int, zoomed: bool) -> None:
    zoom_in = ZoomIn(min_crop_size=12, target_size=64) if zoomed else None
    clicks = [Click(20, 25), *clicks]
    answers = play(Anything(seed, zoom_in), np.zeros(SHAPE, np.uint8), clicks)
    for count, answer in enumerate(answers, 1):
        for patch in (answer.patch, *answer.alternatives):
            assert is_obeyed(patch, clicks[:count], 0.5)


@pytest.mark.parametrize("name", ["random-walker", "grabcut", "region-growing", "bundled"])
@settings(max_examples=5, deadline=None)
@given(clicks=CLICKS, seed=st.integers(0, 9))
def test_models_that_take_clicks_obey(name: str, clicks: list[Click], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, SHAPE).astype(np.uint8)
    model, clicks = load_model(name), [Click(20, 25), *clicks[:4]]
    for count, answer in enumerate(play(model, image, clicks), 1):
        assert is_obeyed(answer.patch, clicks[:count], model.traits.threshold)


def test_it_can_be_left_to_the_model() -> None:
    clicks = [Click(r, 9) for r in range(9)]
    answers = play(Anything(1, None), np.zeros(SHAPE, np.uint8), clicks, obey=False)
    assert not all(is_obeyed(answer.patch, clicks, 0.5) for answer in answers)


def test_what_stays_when_a_part_is_clicked_away_is_far_from_outline_and_clicks() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:40, 20:60] = True
    before = Patch.from_mask(mask)
    away = Click(30, 24, positive=False)
    point = steady_point(Prompts((away,)), before)
    assert point is not None
    assert point.positive
    assert abs(point.row - 30) <= 1
    assert 33 <= point.col <= 50
    assert steady_point(Prompts((Click(30, 40, positive=False),)), before) is None  # its middle
    assert steady_point(Prompts((Click(5, 5, positive=False),)), before) is None
    assert steady_point(Prompts((Click(30, 50), away)), before) is None
    assert steady_point(Prompts((away,)), Patch.empty((60, 80))) is None
    assert steady_point(Prompts(), before) is None


def test_a_few_pixels_of_a_mask_that_was_clicked_away_go_as_well() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:40, 20:60] = True
    few, more = mask & False, mask & False
    few[20, 20:59] = more[20, 20:60] = True
    before = Patch.from_mask(mask)
    assert not without_remnant(Patch.from_mask(few), before, 0.5).mask().any()
    np.testing.assert_array_equal(without_remnant(Patch.from_mask(more), before, 0.5).mask(), more)


def test_clicks_lie_along_scribbles_as_close_as_asked() -> None:
    bent = Scribble(((5, 5), (5, 25), (25, 25)))
    beside = Scribble(((30, 2), (30, 4)), positive=False)
    outside = Scribble(((90, 90), (99, 99)))
    given = Prompts((Click(1, 1),), Box(0, 0, 9, 9), (bent, beside, outside))
    clicks = along_scribbles(given, SHAPE, 4.0)
    assert [(c.row, c.col) for c in clicks if not c.positive] == [(30, 2), (30, 4)]
    path = [(c.row, c.col) for c in clicks if c.positive]
    assert path[0] == (5, 5)
    assert path[-1] == (25, 25)
    steps = np.abs(np.diff(path, axis=0)).sum(1)
    assert steps.min() > 0
    assert steps.max() <= 5


def test_nothing_outside_a_box_is_object_but_for_a_hands_margin() -> None:
    everything = Patch.from_mask(np.ones(SHAPE, bool))
    box = Box(10, 12, 20, 30)
    mask = within_box(everything, Prompts(box=box)).mask()
    rows, cols = np.nonzero(mask)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (7, 23, 9, 33)
    assert mask[7:24, 9:34].all()
    assert within_box(everything, Prompts()) is everything
    inside = Patch.from_mask(np.pad(np.ones((5, 5), bool), ((12, 23), (15, 30))))
    assert within_box(inside, Prompts(box=box)) is inside
    for positive in (Prompts((Click(30, 40),), box), Prompts((), box, (Scribble(((30, 1),)),))):
        assert within_box(everything, positive) is everything
    negative = Prompts((Click(30, 40, positive=False),), box)
    assert not within_box(everything, negative).mask()[0, 0]


@pytest.mark.parametrize("enforced", [True, False])
def test_boxes_and_scribbles_are_obeyed_by_a_model_whose_traits_say_so(enforced: bool) -> None:
    model = Anything(3, None)
    kinds = frozenset({"click", "box", "scribble"})
    model.traits = Traits("drawn", kinds, enforced=kinds if enforced else frozenset())
    image, line = np.zeros(SHAPE, np.uint8), Scribble(((12, 14), (12, 28)))
    off = Scribble(((18, 14), (18, 28)), positive=False)
    given = Prompts((Click(12, 20, positive=False),), Box(10, 12, 20, 30), (line, off))
    answer = predict_slice(model, lambda rows, cols: image[rows, cols], SHAPE, given, Options())
    mask = answer.patch.mask()
    assert not mask[12, 20]  # a click counts as made later
    held = mask[12, [14, 28]].all() and not mask[18, [14, 28]].any()
    kept = not mask[:6].any() and not mask[:, 36:].any()
    assert (held and kept) == enforced


RING = Lasso(((10, 10), (10, 30), (30, 30), (30, 10)))
HOLE = Lasso(((10, 10), (10, 20), (30, 20), (30, 10)), positive=False)


def test_a_lasso_begins_with_its_inside_and_a_click_in_its_middle():
    given, begun = begun_by_lassos(Prompts((Click(1, 1),), lassos=(RING,)), None, (40, 50))
    assert [click.positive for click in given.clicks] == [True, True]
    np.testing.assert_allclose((given.clicks[0].row, given.clicks[0].col), (20, 20), atol=1)
    truth = np.zeros((40, 50), bool)
    truth[10:31, 10:31] = True
    np.testing.assert_array_equal(begun.mask(), truth)
    _, less = begun_by_lassos(Prompts(lassos=(HOLE,)), begun, (40, 50))
    truth[10:31, 10:21] = False
    np.testing.assert_array_equal(less.mask(), truth)
    _, nothing = begun_by_lassos(Prompts(lassos=(HOLE,)), None, (40, 50))
    assert nothing is None


def test_a_lasso_thinner_than_a_pixel_is_one_pixel():
    ring = Lasso(((10.2, 10.2), (10.3, 10.4), (10.4, 10.2)))
    _, begun = begun_by_lassos(Prompts(lassos=(ring,)), None, (40, 50))
    assert np.argwhere(begun.mask()).tolist() == [[10, 10]]


def test_nothing_in_a_negative_lasso_stays_unless_something_positive_is_in_it():
    patch = Patch.from_mask(np.ones((40, 50), bool))
    left = without_lassoed(patch, Prompts(lassos=(HOLE,))).mask()
    assert not left[10:31, 10:21].any()
    assert left.sum() == 40 * 50 - 21 * 11
    clicked = Prompts((Click(20, 15),), lassos=(HOLE,))
    assert without_lassoed(patch, clicked) is patch
    newer = without_lassoed(patch, Prompts(lassos=(HOLE, RING)))
    assert newer.mask().all()
    older = without_lassoed(patch, Prompts(lassos=(RING, HOLE)))
    assert not older.mask()[10:31, 10:21].any()
