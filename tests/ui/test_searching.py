"""More objects like those on a plane, and objects that go, on a ViewerModel without Qt."""

import json

import numpy as np
import pytest
from scipy.ndimage import label as parts_of

from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.session.journal.reader import parse_journal
from napari_intseg.session.journal.replay import replay

STEP, SIDE = 20, 10


class Parts:
    """Answers with the bright part that the last click lies in."""

    traits = Traits("toy", prompts=CLICKS | {"mask"})

    def __init__(self):
        self.asked = 0
        self.threads = set()

    def prepare(self, image):
        return Prepared(image.shape[:2], parts_of(image.mean(axis=2) > 0.4)[0], image.nbytes)

    def predict(self, query):
        self.asked += 1
        parts, click = query.prepared.payload, query.prompts.clicks[-1]
        at = tuple(
            int(np.clip(round(x), 0, n - 1))
            for x, n in zip((click.row, click.col), parts.shape, strict=True)
        )
        inside = (parts == parts[at]) & (parts > 0)
        return Answer(np.where(inside, 8, -8).astype(np.float32))


@pytest.fixture
def toy():
    made = Parts()
    made.gate = type("Gate", (), {"set": lambda _: None})()
    return made


@pytest.fixture
def field():
    """Twenty squares, four rows of five, on a ground with a little noise; uint8 (80, 100)."""
    image = np.random.default_rng(0).integers(0, 20, (80, 100)).astype(np.uint8)
    for row in range(5, 80, STEP):
        for col in range(5, 100, STEP):
            image[row : row + SIDE, col : col + SIDE] += 200
    return image


@pytest.fixture
def begun(bench, settle, field):
    bench.choose_image(bench.viewer.add_image(field))
    bench.new_object()
    for at in ((10, 10), (30, 50)):
        bench.binder.points.add(at)
        settle()
        bench.new_object()
    return bench.binder


@pytest.fixture
def find(bench, pump, settle):
    def run():
        bench.searching.start()
        pump.until(lambda: not bench.searching.is_running)
        settle()

    return run


def test_all_others_are_found_and_one_undo_takes_them_back(bench, begun, find, settle, said, field):
    before = begun.labels.data.copy()
    told = []
    bench.voice.progressed.connect(lambda *given: told.append(given))
    find()
    labels = begun.labels.data
    np.testing.assert_array_equal(labels > 0, field > 100)
    sizes = np.bincount(labels.ravel())[1:]
    assert sorted(sizes[sizes > 0]) == [SIDE * SIDE] * 20
    np.testing.assert_array_equal(labels[before > 0], before[before > 0])
    assert said.messages[-1].startswith("18 more objects found.")
    assert told[-1] == (0, 0, "")
    assert {of for *_, of in told[:-1]} == {"places"}
    np.testing.assert_array_equal(begun.drawer.sessions[0].labels, labels)
    bench.undo()
    settle()
    np.testing.assert_array_equal(begun.labels.data, before)
    assert len(begun.drawer.labels) == 3
    bench.redo()
    settle()
    np.testing.assert_array_equal(begun.labels.data > 0, field > 100)


def test_a_replay_makes_the_same_objects_without_looking(begun, find, toy):
    find()
    session = begun.drawer.sessions[0]
    lines = [json.dumps(line) for line in begun.drawer.journal.lines]
    asked = toy.asked
    again = replay(parse_journal(lines), lambda _: Volume(begun.frame.image.data), lambda _: toy)
    np.testing.assert_array_equal(again.sessions[0].labels, session.labels)
    assert toy.asked - asked <= 2


def test_cancelled_in_the_middle_what_is_found_stays(bench, begun, pump, settle, said):
    bench.searching.start()
    pump.until(lambda: len(bench.searching._found) == 4)
    bench.cancel()
    pump.until(lambda: not bench.searching.is_running)
    settle()
    count = np.unique(begun.labels.data).size - 1
    assert 6 <= count <= 7
    assert "found so far" in said.messages[-1]


def test_a_click_in_between_is_answered_and_nothing_is_lost(bench, begun, pump, settle, field):
    bench.searching.start()
    pump.until(lambda: len(bench.searching._found) == 3)
    begun.points.add((70, 90))
    own = begun.drawer.object
    pump.until(lambda: not bench.searching.is_running)
    settle()
    np.testing.assert_array_equal(begun.labels.data > 0, field > 100)
    assert (begun.labels.data[65:75, 85:95] == begun.labels.data[70, 90]).all()
    assert begun.drawer.object == own
    np.testing.assert_array_equal(begun.drawer.sessions[0].labels, begun.labels.data)


def test_foreign_labels_are_examples_and_stay(bench, settle, field, find):
    bench.choose_image(bench.viewer.add_image(field))
    bench.new_object()
    labels = bench.binder.labels
    labels.data[5:15, 5:15] = 40  # from elsewhere: no session knows it
    bench.binder.points.add((30, 50))
    settle()
    find()
    assert (labels.data[5:15, 5:15] == 40).all()
    np.testing.assert_array_equal(labels.data > 0, field > 100)


def test_with_nothing_to_go_by_it_says_what_to_do(bench, field, pump, said):
    bench.searching.start()
    assert "Click on an object or two first" in said.failures[-1]
    bench.choose_image(bench.viewer.add_image(field))
    bench.new_object()
    bench.searching.start()
    pump.until(lambda: not bench.searching.is_running)
    assert "nothing to look for" in said.failures[-1]


def test_removed_layers_and_a_closed_window_end_it(bench, begun, pump):
    bench.searching.start()
    pump.until(lambda: len(bench.searching._found) == 1)
    bench.viewer.layers.remove(begun.labels)
    pump.until(lambda: not bench.searching.is_running)
    bench.close()
    assert not bench.searching.is_running


class TestRemove:
    def test_an_object_goes_with_its_clicks_and_undo_brings_it_back(
        self, bench, begun, settle, press
    ):
        before, points = begun.labels.data.copy(), len(begun.points.data)
        bench.select_object(1)
        press()
        settle()
        assert not (begun.labels.data == 1).any()
        assert (begun.labels.data == 2).any()
        assert 1 not in begun.drawer.labels
        assert len(begun.points.data) == points - 1
        assert begun.drawer.object != 1
        bench.undo()
        settle()
        np.testing.assert_array_equal(begun.labels.data, before)
        assert len(begun.points.data) == points
        assert 1 in begun.drawer.labels

    def test_a_locked_one_stays(self, bench, begun, said, press):
        bench.select_object(2)
        bench.set_finished(2, True)
        press()
        assert (begun.labels.data == 2).any()
        assert "locked" in said.failures[-1]

    def test_the_last_one_leaves_a_new_one(self, bench, settle, field, press):
        bench.choose_image(bench.viewer.add_image(field))
        bench.new_object()
        bench.binder.points.add((10, 10))
        settle()
        press()
        settle()
        assert not bench.binder.labels.data.any()
        assert bench.binder.drawer.labels == (1,)
        bench.binder.points.add((30, 50))
        settle()
        assert (bench.binder.labels.data == 1).any()

    def test_without_an_object_it_says_so(self, said, press):
        press()
        assert "no object to remove" in said.failures[-1]

    @pytest.fixture
    def press(self, bench):
        from napari_intseg.ui.one_object import remove

        return lambda: remove(bench)

    def test_while_it_propagates_nothing_of_it_comes_back(self, bench, boxes, pump, settle, press):
        bench.choose_image(bench.viewer.add_image(np.where(boxes > 0, 200, 0).astype(np.uint8)))
        bench.new_object()
        bench.binder.points.add((5, 12, 15))
        settle()
        bench.new_object()
        bench.binder.points.add((5, 30, 35))
        settle()
        before = bench.binder.labels.data.copy()
        bench.propagate()
        pump.until(lambda: not np.array_equal(bench.binder.labels.data, before))
        press()
        settle()
        labels = bench.binder.labels.data
        np.testing.assert_array_equal(labels, np.where(before == 1, 1, 0))
        np.testing.assert_array_equal(bench.binder.drawer.sessions[0].labels, labels)
        assert not bench.is_propagating
