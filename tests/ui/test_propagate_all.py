"""All objects carried through a volume by one press, on a ViewerModel without Qt."""

import json

import numpy as np
import pytest

from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.ui.controllers.review import Review

PLACES = ((5, 12, 15), (5, 26, 15), (3, 12, 30))


@pytest.fixture
def image():
    """Three boxes of different brightness on some of twelve planes, uint8."""
    out = np.zeros((12, 32, 40), np.uint8)
    out[2:9, 8:18, 10:21] = 100
    out[4:11, 22:30, 10:21] = 160
    out[1:6, 8:18, 25:36] = 220
    return out


@pytest.fixture
def image_controller(controller, image, settle):
    controller.choose_image(controller.viewer.add_image(image))
    controller.new_object()
    for number, place in enumerate(PLACES):
        if number:
            controller.new_object()
        controller.viewer.dims.set_point(0, place[0])
        controller.image_controller.points.add(place)
        settle()
    return controller.image_controller


@pytest.fixture
def finish(controller, pump, settle):
    def wait():
        pump.until(lambda: not controller.is_propagating)
        settle()

    return wait


def planes_of(image_controller, label):
    return np.flatnonzero((image_controller.labels.data == label).any(axis=(1, 2))).tolist()


def test_one_press_carries_all(controller, image_controller, image, said, finish):
    controller.propagate(every=True)
    finish()
    np.testing.assert_array_equal(image_controller.labels.data > 0, image > 0)
    assert [planes_of(image_controller, n) for n in (1, 2, 3)] == [
        [*range(2, 9)], [*range(4, 11)], [*range(1, 6)],
    ]  # fmt: skip
    assert "3 of 3 objects propagated, 16 planes in all" in said.messages[-1]
    controller.propagate(every=True)
    finish()
    assert "All 3 objects are up to date" in said.messages[-1]


def test_one_undo_takes_all_of_it_back(controller, image_controller, image, finish, settle):
    controller.propagate(every=True)
    finish()
    controller.undo()
    settle()
    assert [planes_of(image_controller, n) for n in (1, 2, 3)] == [[5], [5], [3]]
    controller.redo()
    settle()
    np.testing.assert_array_equal(image_controller.labels.data > 0, image > 0)


def test_accepted_objects_stay_as_they_are(controller, image_controller, finish):
    controller.set_finished(2, True)
    controller.propagate(every=True)
    finish()
    assert [planes_of(image_controller, n) for n in (1, 2)] == [[*range(2, 9)], [5]]


def test_progress_counts_objects(controller, image_controller, finish):  # noqa: ARG001
    told = []
    controller.signals.progressed.connect(lambda *now: told.append(now))
    controller.propagate(every=True)
    finish()
    assert told[-2:] == [(3, 3, "objects"), (0, 0, "")]
    assert [now[0] for now in told[:-1]] == sorted(now[0] for now in told[:-1])


def test_cancel_keeps_what_is_done(controller, image_controller, toy, said, pump, finish):
    toy.gate.clear()
    toy.entered.clear()
    controller.propagate(every=True)
    pump.until(toy.entered.is_set)
    controller.cancel()
    toy.gate.set()
    finish()
    assert "cancelled; 1 plane done and kept" in said.messages[-1]
    assert sorted(len(planes_of(image_controller, n)) for n in (1, 2, 3)) == [1, 1, 2]


@pytest.mark.parametrize("gone", [1, 2])
def test_an_object_removed_on_the_way_is_left_out(
    controller, image_controller, toy, pump, finish, gone
):
    from napari_intseg.ui.controllers import object_actions

    toy.gate.clear()
    toy.entered.clear()
    controller.propagate(every=True)
    pump.until(toy.entered.is_set)
    controller.select_object(gone)
    object_actions.remove(controller)
    toy.gate.set()
    finish()
    assert planes_of(image_controller, gone) == []
    assert [len(planes_of(image_controller, n)) > 1 for n in {1, 2, 3} - {gone}] == [True, True]
    np.testing.assert_array_equal(
        image_controller.session_store.sessions[0].labels, image_controller.labels.data
    )


def test_a_click_on_another_object_is_answered_in_between(
    controller, image_controller, toy, pump, finish
):
    toy.gate.clear()
    toy.entered.clear()
    controller.propagate(every=True)
    pump.until(toy.entered.is_set)
    controller.select_object(2)
    controller.viewer.dims.set_point(0, 7)
    image_controller.points.add((7, 26, 15))
    toy.gate.set()
    finish()
    assert [planes_of(image_controller, n) for n in (1, 2)] == [[*range(2, 9)], [*range(4, 11)]]
    assert image_controller.session_store.object == 2
    session = image_controller.session_store.sessions[0]
    np.testing.assert_array_equal(session.labels, image_controller.labels.data)
    written = parse_journal(
        [json.dumps(line) for line in image_controller.session_store.journal.lines]
    )
    again = replay(written, image_controller.image_axes.volume, lambda _: toy)
    assert again.differences == ()
    np.testing.assert_array_equal(again.sessions[0].labels, session.labels)


def test_planes_to_check_go_from_object_to_object(controller, image_controller, said, finish):
    controller.propagate(every=True)
    finish()
    controller.set_finished(2, True)
    controller.select_object(1)
    review, session, shown = Review(controller), image_controller.session_store.sessions[0], []
    for _ in range(6 + 4):  # all but the clicked ones of objects 1 and 3
        plane = review.next()
        assert image_controller.displayed_slice.plane == plane
        shown.append((image_controller.session_store.object, plane))
        assert said.messages[-1].startswith(
            f"Object {image_controller.session_store.object}, plane"
        )
    assert [label for label, _ in shown] == [1] * 6 + [3] * 4
    sure = [session.confidences_of(label)[plane] for label, plane in shown]
    assert sure[:6] == sorted(sure[:6])
    assert sure[6:] == sorted(sure[6:])
    assert review.next() == shown[6][1], "all have been seen: from the beginning"


def test_with_nothing_begun_it_says_what_to_do(controller, image, said):
    controller.choose_image(controller.viewer.add_image(image))
    controller.propagate(every=True)
    controller.new_object()
    controller.propagate(every=True)
    assert "Propagation needs clicks in a volume" in said.failures[-2]
    assert "Click on the object first" in said.failures[-1]
