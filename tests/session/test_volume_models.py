"""A click with a model that answers in 3-D, as the session takes it."""

import json

import numpy as np
import pytest

from bright_parts import BrightParts, balls
from napari_intseg.core.prompts import Box, Lasso, Scribble
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.core.volume_segmenter import (
    VolumeBox,
    VolumeClick,
    VolumeLasso,
    VolumeScribble,
    VolumeSegmenter,
)
from napari_intseg.session.compare.side_by_side import MirrorSession, SideBySide
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.session.predictor import Request, Result, run
from napari_intseg.session.session import Session


@pytest.fixture
def made() -> tuple[Session, BrightParts, np.ndarray]:
    volume, labels = balls()
    model = BrightParts()
    return Session(model, volume), model, labels


def test_both_models_fulfil_the_contract():
    assert isinstance(BrightParts(), VolumeSegmenter)


def test_a_click_changes_the_volume_at_once_as_one_step_of_undo(made):
    session, model, labels = made
    result = session.click((8, 12, 10))
    assert result.is_complete
    assert "3-D" in result.info["note"]
    assert np.array_equal(session.mask, labels == 1)
    assert model.queries[0].prompts == (VolumeClick((8, 12, 10)),)
    session.undo()
    assert not session.mask.any()
    assert session.undo_title is None
    session.redo()
    assert np.array_equal(session.mask, labels == 1)
    assert len(model.queries) == 1  # neither asked again


def test_later_prompts_are_asked_with_those_before_in_order(made):
    session, model, _ = made
    session.click((8, 12, 10))
    session.click((5, 12, 10), positive=False)
    session.set_box(Box(4, 4, 20, 16), Plane(0, 9))
    session.add_scribble(Scribble(((12.0, 28.0), (12.0, 30.0))), Plane(0, 9))
    kinds = [type(one) for one in model.queries[-1].prompts]
    assert kinds == [VolumeClick, VolumeClick, VolumeBox, VolumeScribble]
    assert model.queries[-1].prompts[1] == VolumeClick((5, 12, 10), positive=False)
    assert not session.mask[5, 12, 10]
    assert session.mask[8, 12, 29]  # by the scribble
    assert model.prepared == 1


def test_a_lasso_on_a_plane_is_one_in_the_volume_and_replays(made):
    session, model, labels = made
    ring = ((2.0, 4.0), (14.0, 4.0), (8.0, 16.0))
    session.click((8, 12, 10))
    session.add_lasso(Lasso(ring, positive=False), Plane(2, 9))
    expected = (VolumeClick((8, 12, 10)), VolumeLasso(Plane(2, 9), ring, positive=False))
    assert model.queries[-1].prompts == expected
    written = parse_journal([json.dumps(line) for line in session.journal.lines])
    other = BrightParts()
    again = replay(written, lambda _: session.volume, lambda _: other)
    assert again.differences == ()
    assert other.queries[-1].prompts == expected
    session.undo()
    session.click((8, 12, 29))
    assert model.queries[-1].prompts == (VolumeClick((8, 12, 10)), VolumeClick((8, 12, 29)))
    assert np.array_equal(session.mask, labels > 0)


def test_a_click_taken_away_is_as_if_it_had_not_been_made(made):
    session, _, labels = made
    session.click((8, 12, 10))
    session.click((5, 12, 10), positive=False)
    session.remove_click(1)
    assert np.array_equal(session.mask, labels == 1)
    session.remove_click(0)
    assert not session.mask.any()
    assert not session.is_pending(Plane(0, 8))


def test_the_mask_that_was_there_first_comes_back_with_the_last_prompt_gone(made):
    session, _, labels = made
    first = np.zeros(labels.shape, bool)
    first[6:10, 10:14, 27:31] = True
    session.set_initial_mask(first)
    session.click((8, 12, 10))
    assert np.array_equal(session.mask, (labels == 1) | first)
    session.remove_click(0)
    assert np.array_equal(session.mask, first)


def test_locked_objects_keep_their_pixels(made):
    session, _, labels = made
    session.click((8, 12, 10))
    session.finish_object()
    kept = session.mask.copy()
    other = session.new_object()
    wide = np.zeros(labels.shape, bool)
    wide[:, 6:18, 4:34] = True
    session.set_initial_mask(wide)
    session.click((8, 12, 29))
    found = session.labels
    assert np.array_equal(found == 1, kept)
    assert (found == other)[labels == 2].all()
    session.select_object(1)
    with pytest.raises(ValueError, match="finished"):
        session.click((8, 12, 10))


def test_painted_pixels_stay(made):
    session, _, _ = made
    stroke = np.zeros((24, 40), bool)
    stroke[0:3, 0:3] = True
    session.paint({Plane(0, 8): stroke}, 1)
    session.click((8, 12, 10))
    session.click((5, 12, 10), positive=False)
    assert session.mask[8, :3, :3].all()
    assert session.mask[11, 12, 10]


def test_what_was_done_between_two_clicks_is_corrected_not_undone(made):
    session, model, labels = made
    session.click((8, 12, 10))
    session.set_initial({Plane(0, 3): np.ones((24, 40), bool)})  # stands for any other action
    session.click((8, 12, 29))
    assert session.mask[3].all()
    assert model.queries[-1].prompts == (VolumeClick((8, 12, 29)),)
    assert model.queries[-1].initial is not None
    assert (session.mask[labels > 0]).all()


def test_an_answer_that_was_overtaken_is_dropped():
    volume, labels = balls()
    held: list[Request] = []

    def later(request: Request) -> Result | None:
        held.append(request)
        return None

    session = Session(BrightParts(), volume, runner=later)
    session.click((8, 12, 10))
    session.click((8, 12, 29))
    assert not session.accept(run(held[0])) or session.is_pending(Plane(0, 8))
    assert session.accept(run(held[1]))
    assert np.array_equal(session.mask, labels > 0)
    assert session.request(Plane(0, 8)) is None


def test_a_cancelled_answer_changes_nothing():
    volume, _ = balls()
    session = Session(BrightParts(), volume, runner=lambda _: None)
    session.click((8, 12, 10))
    request = session.request(Plane(0, 8))
    assert request is not None
    result = run(request, lambda: True)
    assert not result.is_complete
    assert not session.accept(result)
    assert not session.mask.any()
    assert session.is_pending(Plane(0, 8))  # and can be asked again
    assert session.accept(run(request))


def test_propagation_has_nothing_left_to_do(made):
    session, _, _ = made
    session.click((8, 12, 10))
    before = session.mask
    assert not session.can_propagate(1)
    assert session.propagate().planes == ()
    assert session.propagate_all().planes == ()
    assert np.array_equal(session.mask, before)


def test_planes_are_answered_first_for_a_model_that_wants_them():
    volume, labels = balls()
    model = BrightParts(answers_planes=True)
    session = Session(model, volume)
    session.click((8, 12, 10))
    assert list(model.queries[0].planes) == [Plane(0, 8)]
    session.click((10, 12, 10))
    assert sorted(model.queries[1].planes) == [Plane(0, 8), Plane(0, 10)]
    assert np.array_equal(session.mask, labels == 1)


def test_clicks_on_planes_of_two_axes_are_one_question(made):
    session, _, labels = made
    model = session.model
    session.click((8, 12, 10))
    session.axis = 2
    session.click((6, 12, 10), positive=False)
    assert model.queries[-1].prompts[1] == VolumeClick((6, 12, 10), positive=False)
    assert not session.mask[6, 12, 10]
    assert session.mask[10, 12, 10]
    session.undo()
    assert np.array_equal(session.mask, labels == 1)


def test_another_model_answers_the_next_prompt_on_the_mask_there_is(made):
    session, _, labels = made
    session.click((8, 12, 10))
    second = BrightParts("second")
    session.model = second
    session.click((8, 12, 29))
    assert np.array_equal(session.mask, labels > 0)
    assert second.queries[-1].prompts == (VolumeClick((8, 12, 29)),)


def test_a_journal_replays_to_the_same_labels(made):
    session, model, _ = made
    session.click((8, 12, 10))
    session.click((5, 12, 10), positive=False)
    session.new_object()
    session.click((8, 12, 29))
    session.undo()
    session.redo()
    volume, _ = balls()
    written = parse_journal([json.dumps(line) for line in session.journal.lines])
    again = replay(written, lambda _: volume, lambda _: model)
    assert again.differences == ()
    assert np.array_equal(again.sessions[0].labels, session.labels)


def test_two_such_models_are_compared():
    volume, labels = balls()
    both = SideBySide.of({"a": BrightParts(), "b": BrightParts("other")}, volume)
    assert both.click((8, 12, 10)).overlaps["a", "b"].iou == 1
    both.propagate()
    assert both.overlap("a", "b").both == np.count_nonzero(labels == 1)


def test_a_mirror_answers_the_same_prompts_in_3d(made):
    session, _, labels = made
    session.click((8, 12, 10))
    mirror = MirrorSession(BrightParts("second"), session.volume)
    assert mirror.follow(session, 1, Plane(0, 8))
    request = mirror.session.request(Plane(0, 8))
    assert request is not None
    assert mirror.session.accept(run(request))
    assert np.array_equal(mirror.session.mask, labels == 1)


def test_a_2d_image_is_answered_by_the_other_contract():
    volume, labels = balls()
    model = BrightParts()
    session = Session(model, Volume(volume.data[8]))
    session.click((12, 10))
    assert np.array_equal(session.mask, labels[8] == 1)
    assert not model.queries


def test_a_single_plane_is_no_volume():
    volume, labels = balls()
    model = BrightParts()
    session = Session(model, Volume(volume.data[8:9]))
    session.click((0, 12, 10))
    assert np.array_equal(session.mask[0], labels[8] == 1)
    assert not model.queries
