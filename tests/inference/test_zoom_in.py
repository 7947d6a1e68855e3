"""Facts of the rule; whole click sequences are compared in test_predict_parity."""

from dataclasses import replace

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import ZoomIn
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.view import View
from napari_intseg.inference.zoom_in import (
    first_views,
    interval_iou,
    is_too_small,
    look,
    overview,
    propose,
)

SHAPE = (400, 500)


def square(row: int, col: int, size: int, shape: tuple[int, int] = SHAPE) -> Patch:
    mask = np.zeros(shape, bool)
    mask[row : row + size, col : col + size] = True
    return Patch.from_mask(mask)


def clicks(*positions: tuple[float, float]) -> Prompts:
    return Prompts(tuple(Click(row, col) for row, col in positions))


def test_the_first_click_sees_the_whole_slice_at_the_target_size() -> None:
    choice = look(ZoomIn(), SHAPE, clicks((10, 10)), None, None)
    assert choice.seen == choice.kept == View.whole(SHAPE, (320, 400))


def test_without_a_crop_the_slice_keeps_its_size() -> None:
    choice = look(ZoomIn(skip_clicks=0), SHAPE, clicks((10, 10)), None, None)
    assert choice.seen == View.whole(SHAPE)
    assert choice.kept is None


def test_a_crop_is_the_object_enlarged_and_clipped() -> None:
    zoom = ZoomIn(min_crop_size=10, expansion=1.4)
    assert propose(zoom, SHAPE, Prompts(), square(100, 200, 100)) == (80, 221, 180, 321)
    assert propose(zoom, SHAPE, Prompts(), square(0, 450, 50)) == (0, 61, 440, 500)


def test_a_crop_is_never_smaller_than_asked() -> None:
    row0, row1, col0, col1 = propose(ZoomIn(), SHAPE, Prompts(), square(200, 200, 3)) or ()
    assert (row1 - row0, col1 - col0) == (201, 201)


def test_positive_prompts_enlarge_the_crop_and_negative_ones_do_not() -> None:
    zoom = ZoomIn(min_crop_size=1, expansion=1.0)
    prev = square(100, 100, 11)
    far = Prompts((Click(300, 105, False),), scribbles=(Scribble(((105, 400),), positive=False),))
    near = Prompts((Click(150, 105),), scribbles=(Scribble(((105, 160),)),))
    small = propose(zoom, SHAPE, Prompts(), prev)
    assert propose(zoom, SHAPE, far, prev) == small
    row0, row1, col0, col1 = propose(zoom, SHAPE, near, prev) or ()
    assert row1 > 150
    assert col1 > 160
    assert (row0, col0) <= (100, 100)


def test_a_box_says_where_to_look_before_any_answer() -> None:
    box = Prompts(box=Box(100, 100, 299, 299))
    zoom = ZoomIn(skip_clicks=0, expansion=1.0)
    assert look(zoom, SHAPE, box, None, None).seen.box == (100, 301, 100, 301)


@pytest.mark.parametrize("position", [(-50.0, 30.0), (1e6, 1e6), (399.6, 499.6)])
def test_clicks_outside_the_slice_leave_the_crop_inside(position: tuple[float, float]) -> None:
    view = look(ZoomIn(), SHAPE, clicks(position), square(100, 100, 50), None).seen
    assert 0 <= view.row0 < view.row1 <= SHAPE[0]
    assert 0 <= view.col0 < view.col1 <= SHAPE[1]


def test_a_crop_is_kept_until_it_no_longer_fits() -> None:
    zoom = ZoomIn(min_crop_size=50)
    kept = look(zoom, SHAPE, clicks((150, 150)), square(100, 100, 100), None).kept
    same = look(zoom, SHAPE, clicks((150, 150)), square(105, 105, 100), kept)
    assert same.seen == same.kept == kept
    assert look(zoom, SHAPE, clicks((150, 150)), square(140, 140, 20), kept).kept != kept
    outside = look(zoom, SHAPE, clicks((150, 150), (380, 150)), square(100, 100, 100), kept)
    assert outside.kept != kept
    anew = look(replace(zoom, keep_crop=False), SHAPE, clicks(), square(105, 105, 100), kept)
    assert anew.kept != kept


def test_later_clicks_see_the_same_crop_finer() -> None:
    zoom = ZoomIn(min_crop_size=50, fine_size=512, fine_clicks=3)
    prev, given = square(100, 100, 100), ((150, 150), (160, 160), (110, 110))
    kept = look(zoom, SHAPE, clicks(*given[:2]), prev, None).kept
    assert kept is not None
    assert max(kept.out_shape) == 400
    fine = look(zoom, SHAPE, clicks(*given), prev, kept)
    assert fine.seen == fine.kept
    assert (fine.seen.box, max(fine.seen.out_shape)) == (kept.box, 512)
    assert look(zoom, SHAPE, clicks(*given[:2]), prev, fine.kept).seen == kept


def test_a_tiny_slice_is_enlarged_no_more_than_its_object_needs() -> None:
    shape, zoom = (40, 51), ZoomIn(min_crop_size=128, fine_size=512, fine_clicks=2, coarser=6)
    given = ((20, 20), (21, 21))

    def side(zoom: ZoomIn, size: int | None, count: int) -> int:
        prev = None if size is None else square(9, 9, size, shape)
        return max(look(zoom, shape, clicks(*given[:count]), prev, None).seen.out_shape)

    # six times while nothing is known, then 96 px of the view for the object, at least four times;
    # in steps of 64
    assert [side(zoom, size, 1) for size in (None, 24, 22, 12, 4)] == [320, 192, 192, 384, 400]
    assert [side(zoom, size, 2) for size in (24, 12, 4)] == [192, 384, 512]
    free = replace(zoom, coarser=None)
    assert [side(free, size, 2) for size in (24, 4)] == [512, 512]
    (view,) = first_views(replace(zoom, narrower=(0.75,)), shape, clicks((20, 20)), None)
    assert max(view.out_shape) == 256


def test_larger_slices_are_enlarged_as_they_were() -> None:
    zoom = ZoomIn(min_crop_size=128, fine_size=512, fine_clicks=1)
    for shape in (SHAPE, (50, 59)):
        given, prev = clicks((15, 15)), square(10, 10, 30, shape)
        seen = look(zoom, shape, given, prev, None)
        assert look(replace(zoom, coarser=6), shape, given, prev, None) == seen


def test_the_last_row_of_a_crop_counts_as_outside() -> None:
    zoom = ZoomIn(min_crop_size=50)
    prev = square(100, 100, 100)
    kept = look(zoom, SHAPE, clicks((150, 150)), prev, None).kept
    assert kept is not None
    assert look(zoom, SHAPE, clicks((kept.row1 - 2, 150)), prev, kept).kept == kept
    assert look(zoom, SHAPE, clicks((kept.row1 - 1, 150)), prev, kept).kept != kept


def test_skipped_clicks_see_the_whole_slice_and_the_crop_is_not_forgotten() -> None:
    zoom = ZoomIn(skip_clicks=1)
    kept = View(0, 200, 0, 200, (400, 400), SHAPE)
    choice = look(zoom, SHAPE, clicks((9, 9)), square(100, 100, 50), kept)
    assert choice.seen == View.whole(SHAPE)
    assert choice.kept == kept
    two = look(zoom, SHAPE, clicks((9, 9), (100, 100)), square(100, 100, 50), None)
    assert two.seen != View.whole(SHAPE)


def test_a_mask_alone_is_looked_at_closely_whatever_is_skipped() -> None:
    assert look(ZoomIn(skip_clicks=1), SHAPE, Prompts(), square(9, 9, 50), None).kept is not None


@pytest.mark.parametrize(
    ("target", "expected"), [(400, (400, 200)), ((32, 48), (32, 48)), (None, (200, 100))]
)
def test_the_target_size_is_a_side_or_a_pair_or_the_crops_own(
    target: int | tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    zoom = ZoomIn(target_size=target)
    assert look(zoom, (200, 100), clicks((5, 5)), None, None).seen.out_shape == expected


def test_a_small_first_answer_is_looked_at_again() -> None:
    zoom = ZoomIn(skip_clicks=0, min_crop_size=50)
    small = square(100, 100, 40)
    assert is_too_small(zoom, small)
    assert not is_too_small(zoom, square(0, 0, 400, (400, 400)))
    assert not is_too_small(zoom, Patch.empty(SHAPE))
    assert not is_too_small(ZoomIn(skip_clicks=1), small)


def test_overlap_of_intervals() -> None:
    assert interval_iou((0, 10, 0, 10), (0, 10, 0, 10)) == 1
    assert interval_iou((0, 10, 0, 10), (0, 5, 0, 5)) == 0.25
    assert interval_iou((0, 10, 0, 10), (20, 30, 0, 10)) == 0


def test_a_slice_too_large_to_be_seen_whole_is_seen_round_its_clicks() -> None:
    assert overview((4096, 3000), Prompts((Click(5, 5),)), None) == View.whole((4096, 3000))
    shape = (40_000, 50_000)
    assert overview(shape, Prompts(), None) == View.whole(shape)
    view = overview(shape, Prompts((Click(20_000, 49_900),)), None)
    assert view.box_shape == view.out_shape == (4096, 4096)
    assert view.row0 < 19_000
    assert view.col1 == 50_000
    assert overview(shape, Prompts((Click(20_200, 49_800),)), None) == view
    far = overview(shape, Prompts((Click(10_000, 100), Click(20_000, 200))), None)
    assert far.row0 < 9_500
    assert far.row1 > 20_500
    assert (far.col0, far.col1) == (0, 4096)


def test_a_first_question_has_narrower_views_round_its_clicks() -> None:
    zoom = ZoomIn(narrower=(0.75, 0.5))
    wide, narrow = first_views(zoom, SHAPE, clicks((10, 250)), None)
    assert wide.box == (0, 300, 62, 437)
    assert narrow.box == (0, 200, 125, 375)
    assert narrow.out_shape == (320, 400)
    (only,) = first_views(zoom, SHAPE, clicks((10, 100), (10, 400)), None)
    assert only.box == wide.box
    assert first_views(zoom, SHAPE, clicks((10, 10), (390, 490)), None) == ()
    off = Prompts((Click(10, 250), Click(390, 490, positive=False)))
    assert len(first_views(zoom, SHAPE, off, None)) == 2


def test_what_says_how_large_an_object_is_leaves_no_narrower_views() -> None:
    zoom = ZoomIn(narrower=(0.5,))
    at = clicks((10, 250))
    assert first_views(zoom, SHAPE, at, square(0, 240, 20)) == ()
    assert first_views(zoom, SHAPE, Prompts(box=Box(5, 5, 40, 40)), None) == ()
    assert first_views(ZoomIn(), SHAPE, at, None) == ()
    assert first_views(replace(zoom, skip_clicks=1), SHAPE, at, None) == ()
    assert first_views(zoom, (20, 30), clicks((5, 5)), None) == ()


def test_narrower_views_of_a_slice_too_large_to_be_seen_are_parts_of_its_window() -> None:
    (view,) = first_views(ZoomIn(narrower=(0.5,)), (20000, 30000), clicks((9000, 9000)), None)
    assert view.box_shape == (2048, 2048)
    assert view.box[0] <= 9000 < view.box[1]


def test_the_crop_after_a_narrower_first_view_is_not_all_of_a_small_slice() -> None:
    shape = (100, 120)
    zoom = ZoomIn(narrower=(0.5,), min_crop_size=128)
    at = clicks((50, 60))
    prev = square(45, 55, 10, shape)
    (first,) = first_views(zoom, shape, at, None)
    assert look(zoom, shape, at, prev, first).seen.box == (4, 95, 14, 105)
    assert look(zoom, shape, at, prev, View.whole(shape)).seen.box == (0, 100, 0, 120)
    plain = replace(zoom, narrower=())
    assert look(plain, shape, at, prev, first).seen.box == (0, 100, 0, 120)
