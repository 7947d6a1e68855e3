"""More objects like those on a plane, and objects that go, on a ViewerModel without Qt."""

import json

import numpy as np
import pytest
from scipy.ndimage import label as parts_of

from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.ui.controllers import find_more
from napari_intseg.ui.controllers.object_actions import accept
from napari_intseg.ui.preferences import Preferences

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
def begun(controller, settle, field):
    controller.choose_image(controller.viewer.add_image(field))
    controller.new_object()
    for at in ((10, 10), (30, 50)):
        controller.image_controller.points.add(at)
        settle()
        controller.new_object()
    return controller.image_controller


@pytest.fixture
def find(controller, pump, settle):
    def run():
        controller.searching.start()
        pump.until(lambda: not controller.searching.is_running)
        settle()

    return run


def test_all_others_are_found_and_one_undo_takes_them_back(
    controller, begun, find, settle, said, field
):
    before = begun.labels.data.copy()
    told = []
    controller.signals.progressed.connect(lambda *given: told.append(given))
    find()
    labels = begun.labels.data
    np.testing.assert_array_equal(labels > 0, field > 100)
    sizes = np.bincount(labels.ravel())[1:]
    assert sorted(sizes[sizes > 0]) == [SIDE * SIDE] * 20
    np.testing.assert_array_equal(labels[before > 0], before[before > 0])
    assert said.messages[-1].startswith("18 more objects found.")
    assert told[-1] == (0, 0, "")
    assert {of for *_, of in told[:-1]} == {"places"}
    np.testing.assert_array_equal(begun.session_store.sessions[0].labels, labels)
    controller.undo()
    settle()
    np.testing.assert_array_equal(begun.labels.data, before)
    assert len(begun.session_store.labels) == 3
    controller.redo()
    settle()
    np.testing.assert_array_equal(begun.labels.data > 0, field > 100)


class BrightOnTheLeft:
    """A guided network for which what is bright is an object, left of column 60 alone."""

    def learn(self, examples, diameter_px):
        assert len(examples) == 1
        assert diameter_px > 1

        def likeness(image, shape):
            bright = np.where(image.mean(axis=2) > 0.4, 1.0, -1.0)[: shape[0], : shape[1]]
            bright[:, 60:] = -1
            return bright.astype(np.float32)

        return likeness


def test_the_guided_network_of_the_preferences_is_asked(begun, find, said, monkeypatch, field):
    names = []

    def load(name):
        names.append(name)
        return BrightOnTheLeft()

    monkeypatch.setattr(find_more, "_guided", load)
    monkeypatch.setattr(find_more, "preferences", lambda: Preferences(guided_network="mine"))
    find()
    assert names == ["mine"]
    assert said.messages[-1].startswith("10 more objects found.")
    np.testing.assert_array_equal(begun.labels.data[:, :60] > 0, field[:, :60] > 100)


def test_a_replay_makes_the_same_objects_without_looking(begun, find, toy):
    find()
    session = begun.session_store.sessions[0]
    lines = [json.dumps(line) for line in begun.session_store.journal.lines]
    asked = toy.asked
    again = replay(
        parse_journal(lines), lambda _: Volume(begun.image_axes.image.data), lambda _: toy
    )
    np.testing.assert_array_equal(again.sessions[0].labels, session.labels)
    assert toy.asked - asked <= 2


def test_cancelled_in_the_middle_what_is_found_stays(controller, begun, pump, settle, said):
    controller.searching.start()
    pump.until(lambda: len(controller.searching._found) == 4)
    controller.cancel()
    pump.until(lambda: not controller.searching.is_running)
    settle()
    count = np.unique(begun.labels.data).size - 1
    assert 6 <= count <= 7
    assert "found so far" in said.messages[-1]


def test_cancelled_before_anything_is_found_it_does_not_claim_that_there_is_nothing(
    controller, begun, pump, settle, said
):
    before = begun.labels.data.copy()
    controller.searching.start()
    controller.cancel()
    pump.until(lambda: not controller.searching.is_running)
    settle()
    assert (begun.labels.data == before).all()
    assert said.messages[-1] == "Search cancelled; nothing was found so far."


def test_a_click_in_between_is_answered_and_nothing_is_lost(controller, begun, pump, settle, field):
    controller.searching.start()
    pump.until(lambda: len(controller.searching._found) == 3)
    begun.points.add((70, 90))
    own = begun.session_store.object
    pump.until(lambda: not controller.searching.is_running)
    settle()
    np.testing.assert_array_equal(begun.labels.data > 0, field > 100)
    assert (begun.labels.data[65:75, 85:95] == begun.labels.data[70, 90]).all()
    assert begun.session_store.object == own
    np.testing.assert_array_equal(begun.session_store.sessions[0].labels, begun.labels.data)


def test_foreign_labels_are_examples_and_stay(controller, settle, field, find):
    controller.choose_image(controller.viewer.add_image(field))
    controller.new_object()
    labels = controller.image_controller.labels
    labels.data[5:15, 5:15] = 40  # from elsewhere: no session knows it
    controller.image_controller.points.add((30, 50))
    settle()
    find()
    assert (labels.data[5:15, 5:15] == 40).all()
    np.testing.assert_array_equal(labels.data > 0, field > 100)


def test_with_nothing_to_go_by_it_says_what_to_do(controller, field, pump, said):
    controller.searching.start()
    assert "Click on an object or two first" in said.failures[-1]
    controller.choose_image(controller.viewer.add_image(field))
    controller.new_object()
    controller.searching.start()
    pump.until(lambda: not controller.searching.is_running)
    assert "nothing to look for" in said.failures[-1]


def test_removed_layers_and_a_closed_window_end_it(controller, begun, pump):
    controller.searching.start()
    pump.until(lambda: len(controller.searching._found) == 1)
    controller.viewer.layers.remove(begun.labels)
    pump.until(lambda: not controller.searching.is_running)
    controller.close()
    assert not controller.searching.is_running


class TestRemove:
    def test_an_object_goes_with_its_clicks_and_undo_brings_it_back(
        self, controller, begun, settle, press
    ):
        before, points = begun.labels.data.copy(), len(begun.points.data)
        controller.select_object(1)
        press()
        settle()
        assert not (begun.labels.data == 1).any()
        assert (begun.labels.data == 2).any()
        assert 1 not in begun.session_store.labels
        assert len(begun.points.data) == points - 1
        assert begun.session_store.object != 1
        controller.undo()
        settle()
        np.testing.assert_array_equal(begun.labels.data, before)
        assert len(begun.points.data) == points
        assert 1 in begun.session_store.labels

    def test_a_locked_one_stays(self, controller, begun, said, press):
        controller.select_object(2)
        controller.set_finished(2, True)
        press()
        assert (begun.labels.data == 2).any()
        assert "locked" in said.failures[-1]

    def test_the_last_one_leaves_a_new_one(self, controller, settle, field, press):
        controller.choose_image(controller.viewer.add_image(field))
        controller.new_object()
        controller.image_controller.points.add((10, 10))
        settle()
        press()
        settle()
        assert not controller.image_controller.labels.data.any()
        assert controller.image_controller.session_store.labels == (1,)
        controller.image_controller.points.add((30, 50))
        settle()
        assert (controller.image_controller.labels.data == 1).any()

    def test_without_an_object_it_says_so(self, said, press):
        press()
        assert "no object to remove" in said.failures[-1]

    @pytest.fixture
    def press(self, controller):
        from napari_intseg.ui.controllers.object_actions import remove

        return lambda: remove(controller)

    def test_while_it_propagates_nothing_of_it_comes_back(
        self, controller, boxes, pump, settle, press
    ):
        controller.choose_image(
            controller.viewer.add_image(np.where(boxes > 0, 200, 0).astype(np.uint8))
        )
        controller.new_object()
        controller.image_controller.points.add((5, 12, 15))
        settle()
        controller.new_object()
        controller.image_controller.points.add((5, 30, 35))
        settle()
        before = controller.image_controller.labels.data.copy()
        controller.propagate()
        pump.until(lambda: not np.array_equal(controller.image_controller.labels.data, before))
        press()
        settle()
        labels = controller.image_controller.labels.data
        np.testing.assert_array_equal(labels, np.where(before == 1, 1, 0))
        np.testing.assert_array_equal(
            controller.image_controller.session_store.sessions[0].labels, labels
        )
        assert not controller.is_propagating


def test_accept_goes_through_what_was_found(controller, begun, find):
    find()
    found = begun.session_store.labels[3:]
    assert len(found) >= 4
    controller.select_object(found[0])
    for following in found[1:4]:
        accept(controller)
        assert begun.session_store.object == following
