"""Two models on the same clicks: without Qt, then in a real window."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels, Points
from scipy import ndimage

from napari_intseg.core.segmenter import Answer, Query, Traits
from napari_intseg.core.volume import Plane
from napari_intseg.session.compare.side_by_side import MirrorSession
from napari_intseg.session.compare.two_answers import BOTH, ONLY_A, ONLY_B, Overlap
from napari_intseg.ui.compare import pair
from napari_intseg.ui.compare.controller import NAME, Comparison
from napari_intseg.ui.controllers import clicks, object_actions
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.layers.points_codec import Place


def make_second(toy: Any) -> Any:
    """A model like the toy whose answers lack their left half."""

    class Half(type(toy)):  # type: ignore[misc]
        traits = Traits("half", prompts=toy.traits.prompts)

        def predict(self, query: Query) -> Answer:
            answer = super().predict(query)
            logits = answer.logits.copy()
            cols = np.flatnonzero((logits > 0).any(axis=0))
            if cols.size:
                logits[:, : (int(cols[0]) + int(cols[-1]) + 1) // 2] = -8
            return Answer(logits)

    return Half()


@pytest.fixture
def second(toy):
    return make_second(toy)


@pytest.fixture
def comparison(controller, pump, second):
    made = Comparison(controller, pump.post, load_with=lambda _choice, _old, _stop: second)
    yield made
    second.gate.set()
    made.close()
    made.loader.release()


@pytest.fixture
def ready(controller, pump, comparison):
    """Wait until both models have answered, and all is compared and drawn."""

    def wait() -> None:
        pump.until(
            lambda: (
                controller.worker.is_idle
                and (controller.image_controller is None or controller.image_controller.is_idle)
                and comparison.is_idle
                and not controller.is_propagating
            )
        )
        pump.drain()

    return wait


@pytest.fixture
def clicked(controller, comparison, ready, squares):
    """One click on the first square, with both models."""
    controller.viewer.add_image(squares, name="squares")
    controller.choose_image(controller.viewer.layers[0])
    comparison.choose(Choice("half"))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    ready()
    return controller.image_controller


FIRST = np.zeros((60, 80), bool)
FIRST[10:30, 10:30] = True
RIGHT = FIRST & (np.arange(80) >= 20)


class TestBothModels:
    def test_a_click_goes_to_both_and_each_has_a_layer(self, comparison, clicked, second):
        np.testing.assert_array_equal(clicked.labels.data > 0, FIRST)
        pair = comparison.pair
        np.testing.assert_array_equal(pair.labels.data == 1, RIGHT)
        assert pair.labels.name == "squares half"
        expected = np.where(RIGHT, BOTH, np.where(FIRST, ONLY_A, 0))
        np.testing.assert_array_equal(pair.agreement.data, expected)
        assert second.threads == {"napari-intseg inference"}
        assert comparison.controller.viewer.layers.selection.active is clicked.points

    @pytest.mark.usefixtures("clicked")
    def test_the_numbers_are_those_of_the_masks(self, comparison):
        state = comparison.state
        assert state.names == (comparison.controller.loader.choice.name, "half")
        assert state.compared.overlap == Overlap(200, 200, 0)
        assert state.compared.overlap.iou == 0.5
        assert [m.clicks for m in state.compared.moments] == [1]
        assert all(s > 0 for s in state.compared.seconds)
        assert not state.is_waiting

    def test_the_first_answer_does_not_wait_for_the_second_model(
        self, toy, comparison, clicked, second, pump, ready
    ):
        second.entered.clear()
        second.gate.clear()
        clicked.points.add((20, 25))
        pump.until(lambda: second.entered.is_set() and not clicked.is_waiting)
        assert len(toy.queries) == 2, "the first has answered while the second still works"
        pump.drain()
        assert comparison.state.is_waiting
        second.gate.set()
        ready()
        assert [m.clicks for m in comparison.state.compared.moments] == [1, 2]

    def test_an_overtaken_answer_is_dropped_and_the_newest_is_drawn(
        self, comparison, clicked, second, pump, ready
    ):
        second.entered.clear()
        second.gate.clear()
        clicked.points.add((20, 25))
        pump.until(second.entered.is_set)
        clicked.points.add((45, 60))  # the other square, while the second model works
        pump.drain()
        second.gate.set()
        ready()
        state = comparison.state
        assert max(m.clicks for m in state.compared.moments) == 3
        assert (
            comparison.pair.labels.data > 0
        ).sum() == state.compared.overlap.both + state.compared.overlap.only_b
        own, other = comparison.pair.masks(next(iter(comparison.pair.compared)))
        np.testing.assert_array_equal(own, clicked.labels.data > 0)
        np.testing.assert_array_equal(other, comparison.pair.labels.data > 0)

    def test_undo_and_redo_are_followed(self, controller, comparison, clicked, ready, second):
        clicked.points.add((45, 60))
        ready()
        both = comparison.pair.labels.data.copy()
        asked = len(second.queries)
        controller.undo()
        ready()
        np.testing.assert_array_equal(comparison.pair.labels.data > 0, RIGHT)
        assert [m.clicks for m in comparison.state.compared.moments] == [1]
        controller.undo()
        ready()
        assert not comparison.pair.labels.data.any()
        assert not comparison.pair.agreement.data.any()
        assert comparison.state.compared is None
        controller.redo()
        controller.redo()
        ready()
        np.testing.assert_array_equal(comparison.pair.labels.data, both)
        assert len(second.queries) == asked, "known answers are not asked for again"

    def test_objects_keep_their_own_labels_and_maps(self, controller, comparison, clicked, ready):
        controller.new_object()
        clicked.points.add((45, 60))
        ready()
        assert set(np.unique(comparison.pair.labels.data)) == {0, 1, 2}
        agree = comparison.pair.agreement.data
        assert (agree[FIRST] > 0).all()
        assert (
            comparison.state.compared.overlap.both + comparison.state.compared.overlap.only_a
            == 20 * 25
        )
        controller.select_object(1)
        assert comparison.state.compared.overlap == Overlap(200, 200, 0)

    def test_brush_strokes_count_for_both(self, comparison, clicked, ready):
        clicked.labels.data_setitem((np.array([50, 51]), np.array([3, 3])), 1)
        ready()
        assert (comparison.pair.labels.data[50:52, 3] == 1).all()
        assert comparison.state.compared.overlap == Overlap(202, 200, 0)

    def test_a_second_model_chosen_later_answers_what_was_clicked(
        self, controller, comparison, ready, squares
    ):
        controller.viewer.add_image(squares)
        controller.choose_image(controller.viewer.layers[0])
        controller.new_object()
        controller.image_controller.points.add((20, 20))
        ready()
        assert comparison.state is None
        comparison.choose(Choice("half"))
        ready()
        assert comparison.state.compared.overlap == Overlap(200, 200, 0)

    def test_another_window_is_for_both(self, controller, comparison, clicked, ready):
        controller.choose_window((0.0, 400.0))
        clicked.points.add((20, 25))
        ready()
        session = clicked.session_store.sessions[0]
        assert session.window == (0.0, 400.0)
        assert comparison.pair.follower(0).window == (0.0, 400.0)

    @pytest.mark.usefixtures("comparison")
    def test_a_second_model_that_fails_is_told_and_the_first_works_on(
        self, clicked, second, ready, said
    ):
        second.error = RuntimeError("out of luck")
        clicked.points.add((45, 60))
        ready()
        assert any("half: The model failed" in text for text in said.failures)
        assert (clicked.labels.data > 0).sum() == 400 + 500

    def test_a_second_model_that_cannot_be_loaded_is_told(self, controller, pump, said):
        def fail(*_):
            raise RuntimeError("no such file")

        other = Comparison(controller, pump.post, load_with=fail)
        other.choose(Choice("half"))
        pump.until(lambda: not other.loader.is_loading)
        assert "no such file" in said.failures[-1]
        assert other.state is None
        other.close()


class TestTruth:
    @pytest.mark.usefixtures("clicked")
    def test_each_model_is_measured_click_by_click(self, controller, comparison, ready):
        truth = np.zeros((60, 80), np.uint8)
        truth[10:30, 10:30], truth[40:50, 40:50] = 3, 7
        layer = controller.viewer.add_labels(truth, name="truth")
        controller.viewer.add_labels(np.zeros((9, 9), np.uint8))
        assert comparison.possible_truths() == (layer,)
        comparison.choose_truth(layer)
        ready()
        assert comparison.state.compared.truth == (1.0, 0.5), "of the label under the first click"
        assert comparison.state.compared.moments[0].truth == (1.0, 0.5)
        comparison.choose_truth(None)
        ready()
        assert comparison.state.compared.truth is None
        assert comparison.state.compared.moments[0].truth is None

    @pytest.mark.usefixtures("clicked")
    def test_a_removed_truth_is_forgotten(self, controller, comparison, ready):
        layer = controller.viewer.add_labels(FIRST.astype(np.uint8))
        comparison.choose_truth(layer)
        ready()
        controller.viewer.layers.remove(layer)
        ready()
        assert comparison.truth is None
        assert comparison.state.compared.truth is None


class TestKeep:
    @pytest.mark.parametrize(
        ("which", "mask"), [("A", FIRST), ("B", RIGHT), ("both", RIGHT), ("either", FIRST)]
    )
    def test_what_is_kept_is_in_the_labels_and_can_be_undone(
        self, controller, comparison, clicked, ready, which, mask
    ):
        comparison.keep(which)
        ready()
        np.testing.assert_array_equal(clicked.labels.data > 0, mask)
        np.testing.assert_array_equal(comparison.pair.labels.data > 0, mask)
        assert comparison.state.compared.overlap.disagreeing == 0
        assert controller.can("undo")
        controller.undo()
        ready()
        np.testing.assert_array_equal(clicked.labels.data > 0, FIRST)
        np.testing.assert_array_equal(comparison.pair.labels.data > 0, RIGHT)

    def test_other_objects_are_never_overwritten(self, controller, comparison, clicked, ready):
        labels = clicked.labels
        comparison.keep("B")
        ready()
        controller.new_object()
        clicked.points.add((15, 12))  # on what the first object has let go
        ready()
        painted = labels.data.copy()
        assert (painted == 2).any()
        assert not (painted[RIGHT] == 2).any()
        controller.select_object(1)
        controller.undo()
        controller.undo()
        ready()
        controller.redo()
        controller.redo()
        ready()
        controller.select_object(2)
        comparison.keep("either")
        ready()
        np.testing.assert_array_equal(labels.data[RIGHT], 1)

    def test_clicks_that_follow_correct_what_was_kept(self, comparison, clicked, ready):
        comparison.keep("B")
        ready()
        clicked.points.feature_defaults = {
            "sign": "negative", "object": 1, "order": 0, "axis": 0}  # fmt: skip
        clicked.points.add((20, 25))
        ready()
        assert [m.clicks for m in comparison.state.compared.moments] == [2]
        assert not clicked.labels.data[20, 25]

    def test_nothing_to_keep_is_told(self, comparison, said):
        comparison.keep("A")
        assert "nothing to keep yet" in said.failures[-1]
        comparison.swap()
        assert "nothing to hand over yet" in said.failures[-1]
        comparison.suggest()
        assert "nothing to suggest yet" in said.failures[-1]
        comparison.go_to_worst()
        assert len(said.failures) == 3

    @pytest.mark.usefixtures("clicked")
    def test_an_empty_mask_is_not_kept(self, comparison, said, controller):
        controller.new_object()
        comparison.keep("both")
        assert "that mask is empty here" in said.failures[-1]

    def test_a_locked_object_is_left_alone(self, controller, comparison, clicked, ready, said):
        controller.set_finished(1, True)
        comparison.keep("B")
        ready()
        assert "finished" in said.failures[-1]
        np.testing.assert_array_equal(clicked.labels.data > 0, FIRST)


class TestHandingOver:
    def test_the_second_goes_on_from_the_firsts_mask_and_they_change_places(
        self, controller, toy, comparison, clicked, second, ready, said
    ):
        name = controller.loader.choice.name
        comparison.swap()
        ready()
        assert controller.loader.model is second
        assert controller.loader.choice.name == "half"
        assert comparison.loader.model is toy
        assert comparison.state.names == ("half", name)
        np.testing.assert_array_equal(clicked.labels.data > 0, FIRST)
        assert f"half goes on from the mask of {name}" in said.messages[-1]
        asked = len(second.queries)
        clicked.points.add((45, 60))
        ready()
        assert len(second.queries) == asked + 1
        assert controller.viewer.layers[f"{clicked.image_axes.image.name} {name}"].data.any()
        assert not toy.released
        assert not second.released

    def test_undo_brings_both_models_back_to_their_places(
        self, controller, toy, comparison, clicked, ready, second
    ):
        name = controller.loader.choice.name
        comparison.swap()
        ready()
        controller.undo()
        ready()
        assert controller.loader.model is toy
        assert comparison.loader.model is second
        assert comparison.state.names == (name, "half")
        controller.undo()
        ready()
        np.testing.assert_array_equal(clicked.labels.data > 0, FIRST)
        np.testing.assert_array_equal(comparison.pair.labels.data > 0, RIGHT)
        assert comparison.state.compared.overlap == Overlap(200, 200, 0)
        controller.redo()
        controller.redo()
        ready()
        assert comparison.state.names == ("half", name)
        assert comparison.state.compared.overlap.disagreeing == 0


class TestSuggesting:
    def mark(self, controller):
        return [layer for layer in controller.viewer.layers if layer.name == NAME]

    def test_the_mark_is_where_the_two_disagree_most_and_is_no_prompt(
        self, controller, comparison, clicked, ready, toy
    ):
        asked = len(toy.queries)
        comparison.suggest()
        ready()
        (mark,) = self.mark(controller)
        assert isinstance(mark, Points)
        ((row, col),) = mark.data
        assert comparison.pair.agreement.data[int(row), int(col)] == ONLY_A
        assert (row, col) == (14, 14), "the middle of the left half, the first in reading order"
        assert len(clicked.points.data) == 1
        assert len(toy.queries) == asked
        assert controller.viewer.layers.selection.active is clicked.points

    def test_it_goes_with_the_next_click(self, controller, comparison, clicked, ready):
        comparison.suggest()
        ready()
        assert self.mark(controller)
        controller.signals.changed.emit()
        assert self.mark(controller), "nothing has been given yet"
        clicked.points.add((20, 12))
        ready()
        assert not self.mark(controller)
        assert comparison.hint.mark is None

    @pytest.mark.usefixtures("clicked")
    def test_a_new_suggestion_takes_its_place(self, controller, comparison, ready):
        comparison.suggest()
        comparison.suggest()
        ready()
        assert len(self.mark(controller)) == 1

    @pytest.mark.usefixtures("clicked")
    def test_a_mark_that_a_person_removes_is_forgotten(self, controller, comparison, ready):
        comparison.suggest()
        ready()
        controller.viewer.layers.remove(NAME)
        ready()
        controller.signals.changed.emit()
        assert comparison.hint.mark is None
        comparison.suggest()
        ready()
        assert self.mark(controller)

    @pytest.mark.usefixtures("clicked")
    def test_models_that_agree_suggest_nothing(self, controller, comparison, ready, said):
        comparison.keep("A")
        ready()
        comparison.suggest()
        ready()
        assert not self.mark(controller)
        assert "no click to suggest" in said.messages[-1]

    def test_with_one_model_the_mirrored_answer_is_asked(
        self, controller, toy, comparison, ready, squares, said
    ):
        controller.viewer.add_image(squares)
        controller.choose_image(controller.viewer.layers[0])
        controller.new_object()
        comparison.suggest()
        assert "no answer to doubt yet" in said.failures[-1]
        controller.image_controller.points.add((20, 20))
        ready()
        comparison.suggest()
        ready()
        assert toy.queries[-1].clicks[0].col == 79 - 20
        assert "no click to suggest" in said.messages[-1], "the toy is symmetric"

    def test_with_one_model_the_mark_is_where_it_doubts_its_answer(
        self, controller, pump, second, squares
    ):
        controller.loader.put(Choice("half"), second)
        controller.viewer.add_image(squares)
        controller.choose_image(controller.viewer.layers[0])
        comparison = Comparison(controller, pump.post)
        controller.new_object()
        controller.image_controller.points.add((20, 20))
        pump.until(lambda: controller.worker.is_idle and controller.image_controller.is_idle)
        comparison.suggest()
        pump.until(lambda: controller.worker.is_idle and comparison.hint.mark is not None)
        ((row, col),) = comparison.hint.mark.data
        assert FIRST[int(row), int(col)]
        comparison.close()
        assert not self.mark(controller)


class TestVolumes:
    @pytest.fixture
    def volume(self, controller, comparison, ready, boxes):
        controller.viewer.add_image(boxes, scale=(5, 1, 1))
        controller.choose_image(controller.viewer.layers[0])
        comparison.choose(Choice("half"))
        controller.viewer.dims.set_point(0, 5 * 5)
        controller.new_object()
        controller.image_controller.points.add((5, 12, 20))
        ready()
        return controller.image_controller

    def test_the_second_propagates_after_the_first(
        self, controller, comparison, volume, ready, boxes
    ):
        controller.propagate()
        ready()
        first = boxes == 200
        np.testing.assert_array_equal(volume.labels.data > 0, first)
        planes = dict(comparison.state.planes)
        assert len(planes) >= 6
        follower = comparison.pair.follower(0)
        np.testing.assert_array_equal(comparison.pair.labels.data > 0, follower.mask)
        for plane, count in planes.items():
            differs = first[plane.index] ^ follower.mask_on(plane)
            assert count == differs.sum()
        controller.undo()
        ready()
        assert [p.index for p, _ in comparison.state.planes] == [5]
        assert not comparison.pair.labels.data[4].any()

    @pytest.mark.usefixtures("volume")
    def test_the_plane_that_disagrees_most_is_shown(self, controller, comparison, ready):
        controller.propagate(range(3, 8))
        ready()
        planes = comparison.state.planes
        worst = max(planes, key=lambda pair: pair[1])[1]
        controller.viewer.dims.set_point(0, 0)
        comparison.go_to_worst()
        here = controller.viewer.dims.current_step[0]
        assert dict(planes)[Plane(0, here)] == worst
        assert comparison.state.here == Plane(0, here)
        comparison.go_to_plane(4)
        assert controller.viewer.dims.current_step[0] == 4
        assert all(3 <= plane.index < 8 for plane, _ in planes), (
            "the second keeps to the same planes"
        )

    def test_all_planes_are_kept_in_one_step(self, controller, comparison, volume, ready):
        controller.propagate()
        ready()
        before = volume.labels.data.copy()
        follower = comparison.pair.follower(0).mask
        comparison.keep("B", everywhere=True)
        ready()
        np.testing.assert_array_equal(volume.labels.data > 0, follower)
        controller.undo()
        ready()
        np.testing.assert_array_equal(volume.labels.data, before)


class TestEnding:
    @pytest.mark.parametrize("which", ["labels", "agreement"])
    def test_a_removed_layer_ends_the_comparison(
        self, controller, comparison, clicked, ready, said, which
    ):
        controller.viewer.layers.remove(getattr(comparison.pair, which))
        ready()
        assert comparison.state is None
        assert comparison.choice is None
        assert "the comparison has ended" in said.messages[-1]
        assert len([x for x in controller.viewer.layers if isinstance(x, Labels)]) == 1
        clicked.points.add((45, 60))
        ready()
        assert (clicked.labels.data > 0).sum() == 900
        comparison.choose(Choice("half"))
        ready()
        assert comparison.state.compared is not None

    def test_a_layer_removed_in_the_middle_leaves_no_error(
        self, controller, comparison, clicked, second, pump, ready, said
    ):
        second.entered.clear()
        second.gate.clear()
        clicked.points.add((45, 60))
        pump.until(second.entered.is_set)
        controller.viewer.layers.remove(comparison.pair.labels)
        second.gate.set()
        ready()
        assert not said.failures

    def test_closing_in_the_middle_leaves_no_error_and_no_callbacks(
        self, controller, comparison, clicked, second, pump
    ):
        second.entered.clear()
        second.gate.clear()
        clicked.points.add((45, 60))
        pump.until(second.entered.is_set)
        events = controller.viewer.layers.events
        assert [c for c in events.removed.callbacks if "Comparison" in repr(c)]
        comparison.close()
        assert not [c for c in events.removed.callbacks if "Comparison" in repr(c)]
        second.gate.set()
        pump.until(lambda: controller.worker.is_idle)
        pump.drain()
        comparison.close()
        comparison.loader.release()
        assert second.released

    def test_another_image_is_compared_by_itself(
        self, controller, comparison, clicked, ready, boxes
    ):
        other = controller.viewer.add_image(boxes, name="boxes")
        controller.choose_image(other)
        assert comparison.state is None
        controller.new_object()
        controller.viewer.dims.set_point(0, 5)
        controller.image_controller.points.add((5, 12, 20))
        ready()
        assert comparison.state.compared.overlap.only_a > 0
        assert comparison.pair.labels.name == "boxes half"
        controller.choose_image(clicked.image_axes.image)
        ready()
        assert comparison.pair.labels.name == "squares half"
        np.testing.assert_array_equal(comparison.pair.labels.data > 0, RIGHT)

    @pytest.mark.usefixtures("clicked")
    def test_no_second_model_takes_its_layers_away(self, controller, comparison, second, pump):
        comparison.choose(None)
        pump.until(lambda: bool(second.released))
        assert len([x for x in controller.viewer.layers if isinstance(x, Labels)]) == 1


def test_time_points_are_compared_each_by_itself(controller, comparison, ready, squares):
    series = np.stack([squares, squares[::-1], squares])
    controller.viewer.add_image(series, axis_labels=("t", "y", "x"))
    controller.choose_image(controller.viewer.layers[0])
    comparison.choose(Choice("half"))
    controller.new_object()
    controller.image_controller.points.add((0, 20, 20))
    controller.viewer.dims.set_point(0, 1)
    controller.image_controller.points.add((1, 40, 20))
    ready()
    data = comparison.pair.labels.data
    np.testing.assert_array_equal(data[0] > 0, RIGHT)
    np.testing.assert_array_equal(data[1] > 0, RIGHT[::-1])
    assert not data[2].any()
    assert comparison.state.compared.overlap == Overlap(200, 200, 0)


def test_a_time_point_without_clicks_has_nothing_to_suggest_or_to_hand_over(
    controller, comparison, ready, squares, said
):
    controller.viewer.add_image(np.stack([squares, squares]), axis_labels=("t", "y", "x"))
    controller.choose_image(controller.viewer.layers[0])
    comparison.choose(Choice("half"))
    controller.new_object()
    controller.image_controller.points.add((0, 20, 20))
    ready()
    controller.viewer.dims.set_point(0, 1)
    comparison.suggest()
    assert "no answer to doubt yet" in said.failures[-1]
    comparison.swap()
    assert "nothing to hand over yet" in said.failures[-1]


def test_numbers_that_outgrow_the_layer_are_drawn_for_both(controller, comparison, clicked, ready):
    object_actions.relabel(controller, 1, 70_000)
    ready()
    np.testing.assert_array_equal(comparison.pair.labels.data, np.where(RIGHT, 70_000, 0))
    assert set(np.unique(comparison.pair.agreement.data)) == {0, BOTH, ONLY_A}
    assert (clicked.labels.data[FIRST] == 70_000).all()


def test_a_waiting_second_answer_lets_the_next_click_go_first(
    toy, comparison, clicked, second, pump, ready
):
    order = []
    for model in (toy, second):
        plain = model.predict

        def noted(query, plain=plain, model=model):
            order.append((model.traits.name, len(query.prompts.clicks)))
            return plain(query)

        model.predict = noted
    toy.entered.clear()
    toy.gate.clear()
    clicked.points.add((20, 25))
    pump.until(toy.entered.is_set)
    comparison.pair.follow()  # the second model hears of the click while the first is at work
    clicked.points.add((20, 27))
    pump.drain()
    toy.gate.set()
    ready()
    assert order[:2] == [("toy", 2), ("toy", 3)]
    assert order[-1] == ("half", 3)


def test_layers_lie_where_the_image_lies(controller, comparison, ready, squares):
    affine = np.array([[0, -2, 5], [3, 0, 7], [0, 0, 1]], float)
    image = controller.viewer.add_image(squares, scale=(0.5, 2), affine=affine)
    controller.choose_image(image)
    comparison.choose(Choice("half"))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    ready()
    comparison.suggest()
    ready()
    for layer in (comparison.pair.labels, comparison.pair.agreement, comparison.hint.mark):
        np.testing.assert_allclose(layer.data_to_world((3, 4)), image.data_to_world((3, 4)))
    assert not comparison.pair.labels.editable


@pytest.mark.usefixtures("clicked")
def test_large_changes_are_written_in_pieces(comparison, pump, monkeypatch):
    monkeypatch.setattr(pair, "_BAND_PX", 60)
    two, place = comparison.pair, Place(0, 1, Plane(0, 0))
    values = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)
    change = (slice(34, 44), slice(7, 17)), (values, values + 1)
    before = [layer.data.copy() for layer in two.layers]
    two._write(place, *change)
    for layer, old in zip(two.layers, before, strict=True):
        assert layer.data[34:40, 7:17].all()
        np.testing.assert_array_equal(layer.data[40:], old[40:])
    pump.drain()
    for layer, old, new in zip(two.layers, before, change[1], strict=True):
        np.testing.assert_array_equal(layer.data[34:44, 7:17], new)
        layer.data[34:44, 7:17] = 0
        np.testing.assert_array_equal(layer.data, old)
    two.close()
    two._write(place, *change)
    np.testing.assert_array_equal(two.labels.data, before[0], "nobody wants it any more")


class TestKeepingManyPlanes:
    """One plane in each turn of the event loop, and one step of undo."""

    PLANES = 24

    @pytest.fixture
    def volume(self, controller, comparison, ready):
        data = np.zeros((self.PLANES, 24, 30), np.uint8)
        data[:, 6:18, 8:22] = 200
        controller.viewer.add_image(data)
        controller.choose_image(controller.viewer.layers[0])
        comparison.choose(Choice("half"))
        controller.viewer.dims.set_point(0, 12)
        controller.new_object()
        controller.image_controller.points.add((12, 12, 18))
        ready()
        controller.propagate()
        ready()
        assert len(comparison.state.planes) == self.PLANES
        return controller.image_controller

    def test_each_turn_writes_one_plane_and_all_are_one_step(
        self, controller, comparison, volume, pump, ready
    ):
        before, follower = volume.labels.data.copy(), comparison.pair.follower(0).mask
        session, turns, progress = volume.session_store.sessions[0], [], []
        steps, count = len(session.document.history), [0]
        keep = session.set_initial

        def noted(masks, *args):
            count[0] += len(masks)
            return keep(masks, *args)

        session.set_initial = noted
        controller.signals.progressed.connect(lambda done, total, _: progress.append((done, total)))
        plain = pump._calls.get

        def turn(*args, **options):
            turns.append(count[0])
            return plain(*args, **options)

        pump._calls.get = turn
        comparison.keep("B", everywhere=True)
        assert count == [0], "nothing is done in the turn of the button"
        assert comparison.is_keeping
        ready()
        assert count == [self.PLANES]
        assert max(np.diff(turns)) == 1
        assert progress[:2] == [(0, self.PLANES), (1, self.PLANES)]
        assert (self.PLANES, self.PLANES) in progress
        assert progress[-1][0] == progress[-1][1], "the bar goes"
        np.testing.assert_array_equal(volume.labels.data > 0, follower)
        assert comparison.state.compared.overlap.disagreeing == 0
        assert len(session.document.history) == steps + 1
        controller.undo()
        ready()
        np.testing.assert_array_equal(volume.labels.data, before)
        controller.redo()
        ready()
        np.testing.assert_array_equal(volume.labels.data > 0, follower)

    @pytest.mark.usefixtures("volume")
    def test_the_second_model_follows_a_few_planes_in_each_turn(
        self, controller, comparison, pump, ready, monkeypatch
    ):
        followed, turns = [0], []
        plain, get = MirrorSession.follow, pump._calls.get

        def noted(self, *args):
            followed[0] += 1
            return plain(self, *args)

        def turn(*args, **options):
            turns.append(followed[0])
            return get(*args, **options)

        monkeypatch.setattr(MirrorSession, "follow", noted)
        comparison.keep("both", everywhere=True)
        ready()
        pump._calls.get = turn
        controller.undo()  # all planes have changed at once
        ready()
        assert followed[0] >= self.PLANES
        assert max(np.diff(turns)) <= 2 * 3, "two a turn, and the window tells it thrice at most"

    def test_cancelled_in_the_middle_keeps_what_is_done_as_one_step(
        self, controller, comparison, volume, ready, said
    ):
        before, follower = volume.labels.data.copy(), comparison.pair.follower(0).mask
        comparison.keep("B", everywhere=True)
        controller.signals.progressed.connect(lambda done, *_: done == 9 and comparison.cancel())
        ready()
        assert not comparison.is_keeping
        assert "Cancelled; B's mask kept on 9 planes." in said.messages
        now = volume.labels.data
        changed = np.flatnonzero((now != before).any(axis=(1, 2)))
        np.testing.assert_array_equal(changed, range(9))
        np.testing.assert_array_equal(now[:9] > 0, follower[:9])
        controller.undo()
        ready()
        np.testing.assert_array_equal(volume.labels.data, before)

    def test_undo_in_the_middle_ends_it(self, controller, comparison, volume, ready, said):
        before = volume.labels.data.copy()
        comparison.keep("B", everywhere=True)
        done = []

        def undo(count, *_):
            if count == 7 and not done:
                done.append(count)
                controller.undo()

        controller.signals.progressed.connect(undo)
        ready()
        assert "something else was done meanwhile" in said.failures[-1]
        np.testing.assert_array_equal(volume.labels.data, before)
        comparison.keep("B", everywhere=True)
        ready()
        assert comparison.state.compared.overlap.disagreeing == 0

    @pytest.mark.usefixtures("volume")
    def test_one_at_a_time(self, comparison, ready, said):
        comparison.keep("B", everywhere=True)
        comparison.keep("A", everywhere=True)
        assert "being kept already" in said.failures[-1]
        ready()

    def test_not_while_masks_are_propagated(self, controller, comparison, volume, ready, said):
        volume.points.add((3, 12, 18))
        ready()
        controller.propagate()
        comparison.keep("A", everywhere=True)
        assert "still being propagated" in said.failures[-1]
        assert not comparison.is_keeping
        ready()

    @pytest.mark.parametrize("what", ["comparison", "layer", "image", "window"])
    def test_closing_in_the_middle_is_safe(self, controller, comparison, volume, pump, said, what):
        comparison.keep("either", everywhere=True)
        acts = {
            "comparison": comparison.close,
            "layer": lambda: controller.viewer.layers.remove(comparison.pair.labels),
            "image": lambda: controller.viewer.layers.remove(volume.image_axes.image),
            "window": controller.close,
        }
        done = []

        def act(count, *_):
            if count == 5 and not done:
                done.append(count)
                acts[what]()

        controller.signals.progressed.connect(act)
        pump.until(lambda: bool(done))
        pump.until(lambda: controller.worker.is_idle)
        pump.drain()
        assert not comparison.is_keeping
        kept = [c for c in said.messages if c.startswith("Kept")]
        assert not kept


class TestProtection:
    """The second model's labels keep to the rules of the first's."""

    @pytest.fixture
    def two(self, controller, comparison, ready):
        """Object 1 on the left of one bright field, object 2 about to claim all of it."""
        image = np.zeros((40, 60), np.uint8)
        image[5:35, 5:55] = 200
        controller.viewer.add_image(image)
        controller.choose_image(controller.viewer.layers[0])
        comparison.choose(Choice("half"))
        controller.new_object()
        controller.image_controller.points.add((20, 50))
        ready()
        return controller.image_controller

    def second_says(self, comparison, label):
        return comparison.pair.labels.data == label

    def test_by_default_the_first_come_keeps_its_pixels(self, controller, comparison, two, ready):
        one = self.second_says(comparison, 1).copy()
        controller.new_object()
        two.points.add((20, 10))
        ready()
        np.testing.assert_array_equal(self.second_says(comparison, 1), one)

    @pytest.mark.parametrize("is_locked", [False, True])
    def test_overlaps_go_by_the_policy_but_never_over_a_locked_object(
        self, controller, comparison, two, ready, is_locked
    ):
        one = self.second_says(comparison, 1).copy()
        assert one.any()
        assert object_actions.protect(controller, policy="overwrite")
        if is_locked:
            controller.set_finished(1, True)
        controller.new_object()
        two.points.add((20, 10))
        ready()
        now = self.second_says(comparison, 1)
        follower = comparison.pair.follower(0)
        if is_locked:
            np.testing.assert_array_equal(now, one)
            assert not self.second_says(comparison, 2)[one].any()
        else:
            assert not now.any()
            # and the pixels round its click, which lies beside what the toy says and is obeyed
            assert self.second_says(comparison, 2)[one].all()
        for label in (1, 2):  # the layer and the numbers say the same
            np.testing.assert_array_equal(
                self.second_says(comparison, label), follower.mask_on(Plane(0, 0), label)
            )
        taken = [follower.mask_on(Plane(0, 0), label) for label in (1, 2)]
        assert not (taken[0] & taken[1]).any()

    def test_an_answer_that_was_asked_for_before_the_lock_still_comes(
        self, controller, comparison, two, second, pump, ready
    ):
        second.entered.clear()
        second.gate.clear()
        two.points.add((20, 48))
        pump.until(lambda: second.entered.is_set() and not two.is_waiting)
        controller.set_finished(1, True)
        second.gate.set()
        ready()
        assert [m.clicks for m in comparison.state.compared.moments] == [1, 2]

    def test_painted_pixels_belong_to_one_object_only(self, controller, comparison, two, ready):
        controller.new_object()
        two.points.add((20, 10))
        ready()
        one = np.argwhere(self.second_says(comparison, 1))[:3].T
        two.labels.data_setitem((one[0], one[1]), 2)
        ready()
        follower = comparison.pair.follower(0)
        both = follower.mask_on(Plane(0, 0), 1) & follower.mask_on(Plane(0, 0), 2)
        assert not both.any()


def make_offering(toy: Any, scores: tuple[float, ...] = (0.9, 0.6)) -> Any:
    """A model like the toy that offers its mask, and one three pixels smaller all round."""

    class Offering(type(toy)):  # type: ignore[misc]
        traits = Traits("offering", prompts=toy.traits.prompts, embeds=False)

        def predict(self, query: Query) -> Answer:
            logits = super().predict(query).logits
            small = np.where(ndimage.binary_erosion(logits > 0, iterations=3), 8, -8)
            return Answer(logits, alternatives=(logits, small.astype(np.float32)), scores=scores)

    return Offering()


SMALL = np.zeros((60, 80), bool)
SMALL[13:27, 13:27] = True


class TestAlternatives:
    """Stepping through the masks of either model is seen in the agreement and the numbers."""

    @pytest.fixture
    def second(self, toy):
        return make_offering(toy)

    def test_the_seconds_masks_are_stepped_through(self, comparison, clicked, second, ready, said):
        assert comparison.state.compared.overlap == Overlap(400, 0, 0)
        assert comparison.state.offered == "1 of 2 · score 0.90"
        asked = len(second.queries)
        comparison.step_second()
        ready()
        np.testing.assert_array_equal(comparison.pair.labels.data > 0, SMALL)
        expected = np.where(SMALL, BOTH, np.where(FIRST, ONLY_A, 0))
        np.testing.assert_array_equal(comparison.pair.agreement.data, expected)
        assert comparison.state.compared.overlap == Overlap(196, 204, 0)
        assert comparison.state.compared.moments[-1].overlap == Overlap(196, 204, 0)
        assert comparison.state.offered == "2 of 2 · score 0.60"
        assert len(second.queries) == asked, "it is known already"
        np.testing.assert_array_equal(clicked.labels.data > 0, FIRST)
        comparison.step_second(-1)
        ready()
        assert comparison.state.compared.overlap == Overlap(400, 0, 0)
        assert not said.failures

    def test_clicks_that_follow_go_on_from_the_one_in_place(self, comparison, clicked, ready):
        comparison.step_second()
        ready()
        clicked.points.add((45, 60))
        ready()
        follower = comparison.pair.follower(0)
        state = follower.document.state(1, Plane(0, 0))
        assert state.choices == ((1, 1),)

    def test_the_firsts_masks_are_stepped_through(
        self, controller, comparison, toy, clicked, ready
    ):
        first = make_offering(toy)
        controller.loader.put(Choice("offering"), first)
        ready()
        assert comparison.state.compared.overlap == Overlap(400, 0, 0)
        clicks.step(controller)
        ready()
        np.testing.assert_array_equal(clicked.labels.data > 0, SMALL)
        assert comparison.state.compared.overlap == Overlap(196, 0, 204)
        expected = np.where(SMALL, BOTH, np.where(FIRST, ONLY_B, 0))
        np.testing.assert_array_equal(comparison.pair.agreement.data, expected)
        controller.undo()
        ready()
        assert comparison.state.compared.overlap == Overlap(400, 0, 0)


@pytest.mark.usefixtures("clicked")
def test_a_second_model_with_one_answer_says_so(comparison, said):
    assert comparison.state.offered == ""
    comparison.step_second()
    assert "gave one answer here" in said.failures[-1]
