"""All objects carried through a volume by one press, on a ViewerModel without Qt."""

import json

import numpy as np
import pytest

from napari_intseg.session.journal.reader import parse_journal
from napari_intseg.session.journal.replay import replay
from napari_intseg.ui.review import Review

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
def binder(bench, image, settle):
    bench.choose_image(bench.viewer.add_image(image))
    bench.new_object()
    for number, place in enumerate(PLACES):
        if number:
            bench.new_object()
        bench.viewer.dims.set_point(0, place[0])
        bench.binder.points.add(place)
        settle()
    return bench.binder


@pytest.fixture
def finish(bench, pump, settle):
    def wait():
        pump.until(lambda: not bench.is_propagating)
        settle()

    return wait


def planes_of(binder, label):
    return np.flatnonzero((binder.labels.data == label).any(axis=(1, 2))).tolist()


def test_one_press_carries_all(bench, binder, image, said, finish):
    bench.propagate(every=True)
    finish()
    np.testing.assert_array_equal(binder.labels.data > 0, image > 0)
    assert [planes_of(binder, n) for n in (1, 2, 3)] == [
        [*range(2, 9)], [*range(4, 11)], [*range(1, 6)],
    ]  # fmt: skip
    assert "3 of 3 objects propagated, 16 planes in all" in said.messages[-1]
    bench.propagate(every=True)
    finish()
    assert "All 3 objects are up to date" in said.messages[-1]


def test_one_undo_takes_all_of_it_back(bench, binder, image, finish, settle):
    bench.propagate(every=True)
    finish()
    bench.undo()
    settle()
    assert [planes_of(binder, n) for n in (1, 2, 3)] == [[5], [5], [3]]
    bench.redo()
    settle()
    np.testing.assert_array_equal(binder.labels.data > 0, image > 0)


def test_accepted_objects_stay_as_they_are(bench, binder, finish):
    bench.set_finished(2, True)
    bench.propagate(every=True)
    finish()
    assert [planes_of(binder, n) for n in (1, 2)] == [[*range(2, 9)], [5]]


def test_progress_counts_objects(bench, binder, finish):  # noqa: ARG001
    told = []
    bench.voice.progressed.connect(lambda *now: told.append(now))
    bench.propagate(every=True)
    finish()
    assert told[-2:] == [(3, 3, "objects"), (0, 0, "")]
    assert [now[0] for now in told[:-1]] == sorted(now[0] for now in told[:-1])


def test_cancel_keeps_what_is_done(bench, binder, toy, said, pump, finish):
    toy.gate.clear()
    toy.entered.clear()
    bench.propagate(every=True)
    pump.until(toy.entered.is_set)
    bench.cancel()
    toy.gate.set()
    finish()
    assert "cancelled; 1 plane done and kept" in said.messages[-1]
    assert [len(planes_of(binder, n)) for n in (1, 2, 3)] == [2, 1, 1]


@pytest.mark.parametrize("gone", [1, 2])
def test_an_object_removed_on_the_way_is_left_out(bench, binder, toy, pump, finish, gone):
    from napari_intseg.ui import one_object

    toy.gate.clear()
    toy.entered.clear()
    bench.propagate(every=True)
    pump.until(toy.entered.is_set)
    bench.select_object(gone)
    one_object.remove(bench)
    toy.gate.set()
    finish()
    assert planes_of(binder, gone) == []
    assert [len(planes_of(binder, n)) > 1 for n in {1, 2, 3} - {gone}] == [True, True]
    np.testing.assert_array_equal(binder.drawer.sessions[0].labels, binder.labels.data)


def test_a_click_on_another_object_is_answered_in_between(bench, binder, toy, pump, finish):
    toy.gate.clear()
    toy.entered.clear()
    bench.propagate(every=True)
    pump.until(toy.entered.is_set)
    bench.select_object(2)
    bench.viewer.dims.set_point(0, 7)
    binder.points.add((7, 26, 15))
    toy.gate.set()
    finish()
    assert [planes_of(binder, n) for n in (1, 2)] == [[*range(2, 9)], [*range(4, 11)]]
    assert binder.drawer.object == 2
    session = binder.drawer.sessions[0]
    np.testing.assert_array_equal(session.labels, binder.labels.data)
    written = parse_journal([json.dumps(line) for line in binder.drawer.journal.lines])
    again = replay(written, binder.frame.volume, lambda _: toy)
    assert again.differences == ()
    np.testing.assert_array_equal(again.sessions[0].labels, session.labels)


def test_planes_to_check_go_from_object_to_object(bench, binder, said, finish):
    bench.propagate(every=True)
    finish()
    bench.set_finished(2, True)
    bench.select_object(1)
    review, session, shown = Review(bench), binder.drawer.sessions[0], []
    for _ in range(6 + 4):  # all but the clicked ones of objects 1 and 3
        plane = review.next()
        assert binder.viewed.plane == plane
        shown.append((binder.drawer.object, plane))
        assert said.messages[-1].startswith(f"Object {binder.drawer.object}, plane")
    assert [label for label, _ in shown] == [1] * 6 + [3] * 4
    sure = [session.confidences_of(label)[plane] for label, plane in shown]
    assert sure[:6] == sorted(sure[:6])
    assert sure[6:] == sorted(sure[6:])
    assert review.next() == shown[6][1], "all have been seen: from the beginning"


def test_with_nothing_begun_it_says_what_to_do(bench, image, said):
    bench.choose_image(bench.viewer.add_image(image))
    bench.propagate(every=True)
    bench.new_object()
    bench.propagate(every=True)
    assert "Propagation needs clicks in a volume" in said.failures[-2]
    assert "Click on the object first" in said.failures[-1]
