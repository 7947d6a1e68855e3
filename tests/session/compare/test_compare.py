"""Agreement, where to click next, following another session, several models headless."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg import Click, Session, Volume
from napari_intseg.core.prompts import Box, Prompts
from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits, ZoomIn
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError, PromptError
from napari_intseg.evaluation import metrics
from napari_intseg.evaluation.robot import RobotUser
from napari_intseg.inference.patch import Patch, on_window
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.inference.view import View
from napari_intseg.session.compare.side_by_side import MirrorSession, SideBySide
from napari_intseg.session.compare.two_answers import (
    BOTH,
    ONLY_A,
    ONLY_B,
    Overlap,
    SuggestedClick,
    agreement,
    both_ways,
    curve,
    curve_point,
    deepest,
    differing,
    flipped,
    iou_with,
    joint_window,
    overlap,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


class Square:
    """Answers a square round the last positive click; `half` is half its side."""

    def __init__(self, name: str, half: int) -> None:
        self.traits = Traits(name, frozenset({"click", "mask", "box"}))
        self.half, self.asked = half, 0

    def prepare(self, image: FloatArray) -> Prepared:
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query: Query) -> Answer:
        self.asked += 1
        inside = np.zeros(query.prepared.shape, bool)
        for click in query.prompts.clicks:
            rows, cols = (
                slice(max(0, round(p) - self.half), round(p) + self.half + 1)
                for p in (click.row, click.col)
            )
            inside[rows, cols] = click.positive
        return Answer(np.where(inside, 6, -6).astype(np.float32))


def flat(model: Any) -> Session:
    return Session(model, Volume(np.zeros((40, 50), np.uint8)))


def deep(model: Any, axis: int = 0) -> Session:
    return Session(model, Volume(np.zeros((6, 40, 50), np.uint8)), axis=axis)


class TestAgreement:
    def test_overlaps_agree_with_the_metrics_of_the_evaluation(
        self, rng: np.random.Generator
    ) -> None:
        a, b = rng.random((2, 30, 20)) > 0.6
        found = overlap(a, b)
        assert found.iou == pytest.approx(metrics.iou(a, b))
        assert found.dice == pytest.approx(metrics.dice(a, b))
        assert found.disagreeing == np.count_nonzero(a ^ b)

    def test_two_empty_masks_agree(self) -> None:
        none = np.zeros((3, 4), bool)
        assert overlap(none, none) == Overlap()
        assert (Overlap().iou, Overlap().dice) == (1.0, 1.0)

    def test_overlaps_of_planes_add_up(self, rng: np.random.Generator) -> None:
        a, b = rng.random((2, 5, 9, 8)) > 0.5
        total = sum((overlap(x, y) for x, y in zip(a, b, strict=True)), Overlap())
        assert total == overlap(a, b)

    def test_the_map_tells_both_from_either_alone(self) -> None:
        a, b = np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)
        found = agreement(a, b)
        assert found.dtype == np.uint8
        assert found.tolist() == [[BOTH, ONLY_A, ONLY_B, 0]]

    def test_labels_agree_only_on_the_same_object(self) -> None:
        a, b = np.array([[3, 3, 0, 3, 0]]), np.array([[3, 0, 3, 5, 0]])
        assert agreement(a, b).tolist() == [[BOTH, ONLY_A, ONLY_B, ONLY_A, 0]]

    @pytest.mark.parametrize("function", [overlap, agreement])
    def test_masks_on_different_grids_are_refused(self, function: Callable[..., Any]) -> None:
        with pytest.raises(DataError, match=r"different grids: .* got \(2, 3\) and \(3, 2\)"):
            function(np.zeros((2, 3), bool), np.zeros((3, 2), bool))


class TestWhereToClick:
    def test_it_is_where_the_robot_user_would_click(self, rng: np.random.Generator) -> None:
        for _ in range(10):
            truth = ndimage.gaussian_filter(rng.normal(size=(40, 50)), 3) > 0
            spot = deepest(truth)
            assert spot is not None
            click = RobotUser(truth.astype(np.int8)).next_click(np.zeros_like(truth))
            assert click is not None
            depth = ndimage.distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
            assert depth[spot.row, spot.col] == depth.max() == spot.depth_px
            assert (spot.row, spot.col) == (click.row, click.col)

    def test_the_rim_of_the_slice_ends_the_disagreement(self) -> None:
        whole = np.ones((9, 21), bool)
        assert deepest(whole) == SuggestedClick(4, 4, 5.0)

    def test_without_disagreement_there_is_none(self) -> None:
        assert deepest(np.zeros((4, 4), bool)) is None


class TestMoments:
    def test_masks_are_compared_in_the_window_of_both(self, rng: np.random.Generator) -> None:
        shape = (30, 40)
        a = Patch(3, 4, rng.normal(size=(10, 12)).astype(np.float32), shape)
        b = Patch(8, 20, rng.normal(size=(15, 9)).astype(np.float32), shape)
        truth = rng.random(shape) > 0.5
        window = joint_window(a.slices, b.slices, Patch.empty(shape).slices)
        assert window == (slice(3, 23), slice(4, 29))
        whole = np.zeros(shape, bool)
        whole[window] = on_window(a.inside(), a.slices, window)
        np.testing.assert_array_equal(whole, a.mask())
        found = iou_with(on_window(a.inside(), a.slices, window), window, truth, int(truth.sum()))
        assert found == pytest.approx(metrics.iou(a.mask(), truth))
        answers = tuple(
            SliceAnswer(p, None, View.whole(shape), seconds=s) for p, s in ((a, 0.5), (b, 0.25))
        )
        one = curve_point(2, answers, (0.5, 0.5), truth)  # type: ignore[arg-type]
        assert one.overlap == overlap(a.mask(), b.mask())
        assert one.truth is not None
        assert one.truth[1] == pytest.approx(metrics.iou(b.mask(), truth))
        assert one.seconds == (0.5, 0.25)

    def test_two_empty_answers_have_an_empty_window(self) -> None:
        empty = Patch.empty((5, 6))
        assert joint_window(empty.slices, empty.slices) == (slice(0, 0), slice(0, 0))
        nothing = np.zeros((0, 0), bool)
        truth = np.zeros((5, 6), bool)
        assert iou_with(nothing, joint_window(empty.slices), truth, 0) == 1.0

    def test_the_curve_holds_clicks_that_both_have_answered(self) -> None:
        one, other = flat(Square("a", 5)), flat(Square("b", 3))
        for col in (20, 25, 30):
            one.click((20, col))
            other.click((20, col))
        courses = one.course(Plane(0, 0), 1), other.course(Plane(0, 0), 1)
        del courses[1][2]
        found = curve(courses, (0.5, 0.5), one.mask)
        assert [m.clicks for m in found] == [1, 3]
        assert found[0].overlap == Overlap(49, 72, 0)
        assert found[-1].truth is not None
        assert found[-1].truth[0] == 1.0


class Asymmetric:
    """Says that everything right of the click is object."""

    traits = Traits("asymmetric", frozenset({"click", "mask"}), uses_prev=True, flip=True,
                    zoom_in=ZoomIn(target_size=None, min_crop_size=20))  # fmt: skip

    def prepare(self, image: FloatArray) -> Prepared:
        return Prepared(image.shape[:2], image[..., 0], image.nbytes)

    def predict(self, query: Query) -> Answer:
        cols = np.indices(query.prepared.shape)[1]
        bright = query.prepared.payload > 0.5
        inside = bright & (cols >= query.prompts.clicks[-1].col)
        return Answer(np.where(inside, 6, -6).astype(np.float32))


class TestBothWays:
    data = np.zeros((40, 51), np.uint8)
    data[10:30, 6:46] = 255

    def question(self, model: Any, clicks: tuple[tuple[int, int], ...]) -> Any:
        # a model that looks right of the last click alone does not obey the first
        session = Session(model, Volume(self.data), obey=False)
        for click in clicks:
            session.click(click)
        shown = session.document.state(1, Plane(0, 0)).shown
        assert shown is not None
        return shown.question, session

    def test_a_patch_flipped_twice_is_itself(self, rng: np.random.Generator) -> None:
        patch = Patch(3, 4, rng.normal(size=(5, 6)).astype(np.float32), (20, 30))
        np.testing.assert_array_equal(flipped(patch).full(), patch.full()[:, ::-1])
        np.testing.assert_array_equal(flipped(flipped(patch)).full(), patch.full())

    def test_a_model_that_prefers_a_side_doubts_both_sides(self) -> None:
        question, session = self.question(Asymmetric(), ((20, 16), (20, 20)))
        plain, mirrored = both_ways(question, session.cache)
        bright = self.data > 0
        cols = np.indices(bright.shape)[1]
        np.testing.assert_array_equal(plain.mask(), bright & (cols >= 20))
        np.testing.assert_array_equal(mirrored.mask(), bright & (cols <= 20))
        differs, (row0, col0) = differing(question, (plain, mirrored))
        spot = deepest(differs)
        assert spot is not None
        assert (spot.row + row0, spot.col + col0) == (19, 30)

    def test_a_symmetric_model_has_no_doubt(self) -> None:
        question, _ = self.question(Square("a", 4), ((20, 16),))
        plain, mirrored = both_ways(question)
        np.testing.assert_array_equal(plain.mask(), mirrored.mask())

    def test_an_initial_mask_is_mirrored_too(self) -> None:
        seen = []

        class Watching(Asymmetric):
            def predict(self, query: Query) -> Answer:
                seen.append(query.prev_logits)
                return super().predict(query)

        session = Session(Watching(), Volume(self.data), zoom_in=None, flip=False)
        start = np.zeros(self.data.shape, bool)
        start[10:20, 6:20] = True
        session.set_initial_mask(start)
        session.click((20, 30))
        shown = session.document.state(1, Plane(0, 0)).shown
        assert shown is not None
        seen.clear()
        both_ways(shown.question)  # type: ignore[arg-type]
        np.testing.assert_array_equal(seen[0] > 0, start)
        np.testing.assert_array_equal(seen[1] > 0, start[:, ::-1])


class TestMirrorSession:
    def pair(self) -> tuple[Session, MirrorSession, Square]:
        session, second = deep(Square("a", 5)), Square("b", 3)
        return session, MirrorSession(second, session.volume), second

    def test_it_is_given_what_the_other_was_given(self) -> None:
        session, follower, second = self.pair()
        session.click((2, 20, 20))
        assert follower.follow(session, 1, Plane(0, 2))
        assert not follower.follow(session, 1, Plane(0, 2)), "nothing new"
        follower.session.predict(Plane(0, 2))
        assert follower.session.mask.sum() == 49
        assert second.asked == 1
        assert not follower.session.can_undo, "it has no history of its own"

    def test_undo_and_redo_are_followed_without_the_model(self) -> None:
        session, follower, second = self.pair()
        plane = Plane(0, 2)
        for click in ((2, 20, 20), (2, 20, 30)):
            session.click(click)
            follower.follow(session, 1, plane)
            follower.session.predict(plane)
        both = follower.session.mask
        session.undo()
        assert follower.follow(session, 1, plane)
        assert follower.session.mask.sum() == 49
        session.undo()
        follower.follow(session, 1, plane)
        assert not follower.session.mask.any()
        assert not follower.session.clicked_planes()
        session.redo()
        session.redo()
        follower.follow(session, 1, plane)
        np.testing.assert_array_equal(follower.session.mask, both)
        assert second.asked == 2

    def test_objects_are_made_as_they_come(self) -> None:
        session, follower, _ = self.pair()
        session.new_object(7)
        session.click((2, 20, 20))
        follower.follow(session, 7, Plane(0, 2))
        assert 7 in follower.session.objects
        follower.session.predict(Plane(0, 2))
        assert set(np.unique(follower.session.labels)) == {0, 7}

    def test_a_painted_mask_is_where_both_start(self) -> None:
        session, follower, second = self.pair()
        mask = np.zeros((40, 50), bool)
        mask[5:9, 5:9] = True
        session.click((2, 20, 20))
        session.set_initial_mask(mask, Plane(0, 2))
        follower.follow(session, 1, Plane(0, 2))
        np.testing.assert_array_equal(follower.session.mask_on(Plane(0, 2)), mask)
        assert follower.session.request(Plane(0, 2)) is None
        assert second.asked == 0
        session.undo()
        follower.follow(session, 1, Plane(0, 2))
        assert follower.session.request(Plane(0, 2)) is not None

    def test_clicks_start_from_its_own_propagated_mask(self) -> None:
        session, follower, _ = self.pair()
        session.click((2, 20, 20))
        session.propagate(range(1, 5))
        follower.follow(session, 1, Plane(0, 2))
        follower.session.predict(Plane(0, 2))
        follower.session.propagate(range(1, 5))
        own = follower.document.state(1, Plane(0, 3)).propagated
        assert own is not None
        session.click((3, 20, 40))
        assert follower.follow(session, 1, Plane(0, 3))
        assert follower.document.state(1, Plane(0, 3)).initial is own.patch
        session.undo()
        follower.follow(session, 1, Plane(0, 3))
        assert follower.document.state(1, Plane(0, 3)).shown is own
        assert follower.forget_propagated(1)
        assert not follower.session.propagated_planes()
        assert not follower.forget_propagated(1)

    def test_strokes_are_followed_whatever_the_model_says(self) -> None:
        session, follower, _ = self.pair()
        session.click((2, 20, 20))
        follower.follow(session, 1, Plane(0, 2))
        follower.session.predict(Plane(0, 2))
        stroke = np.zeros((40, 50), bool)
        stroke[30:33, 30:33] = True
        session.paint({Plane(0, 2): stroke}, 1)
        assert follower.follow_strokes(session, 1)
        assert not follower.follow_strokes(session, 1), "nothing new"
        assert follower.session.mask_on(Plane(0, 2)).sum() == 49 + 9
        session.undo()
        assert follower.follow_strokes(session, 1)
        assert follower.session.mask_on(Plane(0, 2)).sum() == 49

    def test_it_keeps_to_the_same_region(self) -> None:
        session, follower, _ = self.pair()
        region = np.zeros(session.volume.shape, bool)
        region[:, :20] = True
        session.protect(region=region)
        session.click((2, 20, 20))
        follower.follow(session, 1, Plane(0, 2))
        follower.session.predict(Plane(0, 2))
        assert follower.session.mask.sum() == 3 * 7
        assert not (follower.session.mask & ~region).any()

    def test_prompts_that_the_second_does_not_take_are_left_out(self) -> None:
        session, follower, second = self.pair()
        second.traits = replace(second.traits, prompts=frozenset({"click", "mask"}))
        plane = Plane(0, 2)
        session.set_prompts(plane, Prompts((Click(20, 20),), Box(1, 1, 30, 30)))
        assert follower.follow(session, 1, plane)
        request = follower.session.request(plane)
        assert request is not None
        assert request.prompts.box is None
        assert len(request.prompts.clicks) == 1

    def test_sessions_on_other_data_are_refused(self) -> None:
        session, _, second = self.pair()
        other = MirrorSession(second, Volume(np.zeros((6, 40, 51), np.uint8)))
        with pytest.raises(DataError, match=r"look at different data: .*\(6, 40, 50\)"):
            other.follow(session, 1, Plane(0, 2))


class TestSideBySide:
    def both(self, **changes: Any) -> SideBySide:
        models = {"a": Square("a", 5), "b": Square("b", 3)}
        return SideBySide.of(models, Volume(np.zeros((6, 40, 50), np.uint8)), **changes)

    def test_each_click_goes_to_all_models(self) -> None:
        both = self.both()
        truth = np.zeros((6, 40, 50), bool)
        truth[2, 15:26, 15:26] = True
        found = both.click((2, 20, 20), truth=truth)
        assert found.plane == Plane(0, 2)
        assert found.overlaps == {("a", "b"): Overlap(49, 72, 0)}
        assert found.truth["a"].iou == 1.0
        assert found.truth["b"].iou == pytest.approx(49 / 121)
        again = both.click((3, 20, 20), truth=truth)
        assert again.clicks == 2
        assert again.overlaps["a", "b"] == Overlap(98, 144, 0), "on all planes with clicks"
        assert set(again.seconds) == {"a", "b"}
        assert not both.click((2, 20, 22)).truth

    def test_objects_are_kept_apart(self) -> None:
        both = self.both()
        both.click((2, 10, 10))
        both.select(4)
        found = both.click((2, 30, 30))
        assert found.clicks == 1
        assert found.overlaps["a", "b"] == Overlap(49, 72, 0)
        both.select(1)
        assert both.overlap("a", "b") == Overlap(49, 72, 0)

    def test_all_propagate_and_planes_are_those_of_any(self) -> None:
        both = self.both()
        both.click((2, 20, 20))
        both.propagate(range(1, 4))
        planes = both.planes()
        assert {p.index for p in planes} <= {1, 2, 3}
        assert len(planes) > 1
        truth = both.sessions["a"].mask
        assert both.overlap_with("a", truth).iou == 1.0
        assert both.overlap("a", "b").disagreeing > 72

    def test_the_deepest_disagreement_of_all_planes_is_suggested(self) -> None:
        both = self.both()
        both.click((2, 20, 20))
        assert both.suggest("a", "a") is None
        found = both.suggest("a", "b")
        assert found is not None
        plane, spot = found
        assert plane == Plane(0, 2)
        differs = both.sessions["a"].mask_on(plane) ^ both.sessions["b"].mask_on(plane)
        assert differs[spot.row, spot.col]
        assert spot.depth_px == ndimage.distance_transform_edt(differs).max()

    def test_one_model_has_nothing_to_be_compared_with(self) -> None:
        with pytest.raises(PromptError, match=r"nothing to compare with: .* got \('a',\)"):
            SideBySide({"a": deep(Square("a", 5))})

    def test_two_models_with_different_axes_are_refused(self) -> None:
        sessions = {"a": deep(Square("a", 5)), "b": deep(Square("b", 3), axis=2)}
        told = "two models with different axes: .* got axis 0 for a and 2 for b. Give both"
        with pytest.raises(DataError, match=told):
            SideBySide(sessions)

    def test_two_models_on_different_data_are_refused(self) -> None:
        sessions = {"a": deep(Square("a", 5)), "b": flat(Square("b", 3))}
        with pytest.raises(
            DataError, match=r"different data: .*\(6, 40, 50\) for a and \(40, 50\)"
        ):
            SideBySide(sessions)
