"""More objects like those there are: one step of undo, in the journal, nothing overwritten."""

import json

import numpy as np
import pytest
from scipy.ndimage import label as parts_of

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, PromptError
from napari_intseg.session import similar
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.session.session import Session
from napari_intseg.session.similar import search


class Parts:
    """Answers with the bright part that lies in the middle of what is asked about."""

    def __init__(self, prompts=CLICKS | {"mask"}):
        self.traits = Traits("parts", prompts=prompts)
        self.queries: list[Prompts] = []

    def prepare(self, image):
        return Prepared(image.shape[:2], parts_of(image.mean(axis=2) > 0.4)[0], image.nbytes)

    def predict(self, query):
        self.queries.append(query.prompts)
        parts, box = query.prepared.payload, query.prompts.box
        if box is not None:
            at = (round((box.row0 + box.row1) / 2), round((box.col0 + box.col1) / 2))
        else:
            at = (round(query.prompts.clicks[-1].row), round(query.prompts.clicks[-1].col))
        inside = (parts == parts[at]) & (parts > 0)
        return Answer(np.where(inside, 8, -8).astype(np.float32))


@pytest.fixture
def field():
    """Twelve squares of 10 pixels, uint8 (60, 80); the last one is twice as wide."""
    image = np.zeros((60, 80), np.uint8)
    for row in range(5, 60, 20):
        for col in range(5, 80, 20):
            image[row : row + 10, col : col + 10] = 200
    image[45:55, 55:62] = 200
    return image


@pytest.fixture
def session(field):
    made = Session(Parts(), Volume(field))
    made.click((10, 10))
    made.new_object()
    made.click((10, 30))
    return made


def test_all_are_found_as_one_step_of_undo(session, field):
    before = session.labels
    done = []
    new = session.find_alike(on_progress=lambda *given: done.append(given))
    assert len(new) == 10
    np.testing.assert_array_equal(session.labels > 0, field > 0)
    np.testing.assert_array_equal(session.labels[before > 0], before[before > 0])
    assert session.object == 2
    assert done[-1][0] == done[-1][1] >= 10
    assert session.undo().title == "Find more"
    np.testing.assert_array_equal(session.labels, before)
    assert session.objects == (1, 2)
    session.redo()
    assert session.objects == (1, 2, *new)
    np.testing.assert_array_equal(session.labels > 0, field > 0)


class PartsBeside(Parts):
    """The same on a device, several places in one pass."""

    is_asynchronous = True

    def __init__(self):
        super().__init__()
        self.passes = []

    def predict_batch(self, queries):
        self.passes.append(len(queries))
        return [self.predict(query) for query in queries]


def test_a_device_is_asked_about_several_places_at_once_and_finds_the_same(session, field):
    beside = Session(PartsBeside(), Volume(field))
    beside.click((10, 10))
    beside.new_object()
    beside.click((10, 30))
    beside.model.passes.clear()
    done, same = [], []
    new = beside.find_alike(on_progress=lambda *given: done.append(given))
    assert new == session.find_alike(on_progress=lambda *given: same.append(given))
    assert done == same
    np.testing.assert_array_equal(beside.labels, session.labels)
    assert max(beside.model.passes) == 8
    assert len(beside.model.passes) < len(session.model.queries) / 2


class BrightOnTheLeft:
    """A guided network for which what is bright is an object, on the left half alone."""

    def __init__(self):
        self.shown = []

    def learn(self, examples, diameter_px):
        self.shown.append((np.unique(examples[0][1]).tolist(), round(diameter_px)))

        def likeness(image, shape):
            assert image.shape[:2] == shape
            bright = np.where(image.mean(axis=2) > 0.4, 1.0, -1.0)
            bright[:, 40:] = -1
            return bright.astype(np.float32)

        return likeness


def test_a_guided_network_says_what_is_like_the_objects(session, field):
    network = BrightOnTheLeft()
    session.similar.network = lambda: network
    assert len(session.find_alike()) == 4
    left = np.where(np.arange(80) < 40, field, 0)
    np.testing.assert_array_equal(session.labels > 0, left > 0)
    # the second round is shown what the first has found
    assert [len(labels) for labels, _ in network.shown] == [3, 7]
    assert network.shown[0][1] == 11


def test_found_objects_take_clicks_that_correct_them(session):
    new = session.find_alike()
    session.select_object(new[0])
    row, col = (int(x) for x in np.argwhere(session.labels == new[0])[50])
    assert session.click((row, col)).patch.logits.size
    session.find_alike()
    assert session.find_alike() == (), "everything is found already"


def test_it_can_be_stopped_and_what_is_found_stays(session):
    new = session.find_alike(should_stop=lambda: len(session.objects) == 5)
    assert len(new) == 3
    assert np.unique(session.labels).size == 6


def test_a_replay_makes_them_again(session, field):
    session.find_alike()
    lines = [json.dumps(line) for line in session.journal.lines]
    again = replay(parse_journal(lines), lambda _: Volume(field), lambda _: Parts())
    np.testing.assert_array_equal(again.sessions[0].labels, session.labels)
    assert again.sessions[0].undo().title == "Find more"


def test_one_plane_of_a_volume_is_looked_at(field):
    volume = np.stack([np.zeros_like(field), field, field])
    session = Session(Parts(), Volume(volume))
    session.click((1, 10, 10))
    assert len(session.find_alike(Plane(0, 1))) == 11
    assert not session.labels[[0, 2]].any()
    with pytest.raises(PromptError, match="plane is missing"):
        session.find_alike()


def test_a_window_limits_it_and_labels_from_elsewhere_count(session, field):
    rows, cols = slice(0, 40), slice(20, 80)
    labels = np.zeros(field.shape, np.int32)[rows, cols]
    labels[5:15, 5:15] = 77
    found = [one.found for one in search(
        session.search_request(Plane(0, 0), window=(rows, cols), labels=labels)
    ) if one.found is not None]  # fmt: skip
    assert len(found) == 5
    both = np.sum(found, axis=0)
    assert both.max() == 1
    assert not both[40:].any()
    assert not both[:, :20].any()
    assert not both[5:15, 25:35].any()


def test_a_model_that_takes_boxes_alone_is_asked_by_them(field):
    model = Parts(frozenset({"box", "mask"}))
    session = Session(model, Volume(field))
    session.set_initial_mask(np.pad(np.ones((10, 10), bool), ((5, 45), (5, 65))))
    assert len(session.find_alike()) == 11
    assert all(prompts.box is not None and not prompts.clicks for prompts in model.queries)


def test_a_model_that_takes_neither_is_refused(field):
    session = Session(Parts(frozenset({"scribble", "mask"})), Volume(field))
    session.set_initial_mask(np.pad(np.ones((10, 10), bool), ((5, 45), (5, 65))))
    with pytest.raises(PromptError, match="model cannot look for objects"):
        session.find_alike()


def test_without_an_object_there_is_nothing_to_go_by(field):
    with pytest.raises(PromptError, match="nothing to look for"):
        Session(Parts(), Volume(field)).find_alike()


def test_a_part_that_is_empty_or_too_large_is_refused(session, monkeypatch):
    with pytest.raises(PromptError, match="part of the plane cannot be looked at"):
        session.search_request(Plane(0, 0), window=(slice(70, 90), slice(0, 10)))
    monkeypatch.setattr(similar, "LIMIT_PX", 100)
    with pytest.raises(PromptError, match="expected 1 to 100 pixels, got 4800"):
        session.search_request(Plane(0, 0))


def test_begin_with_refuses_what_new_object_and_initial_masks_refuse(session):
    mask = np.zeros((60, 80), bool)
    with pytest.raises(PromptError, match="label cannot be used"):
        session.begin_with({Plane(0, 0): mask}, label=1)
    with pytest.raises(DataError, match="mask is on another grid"):
        session.begin_with({Plane(0, 0): mask[1:]})
    with pytest.raises(PromptError, match="plane"):
        session.begin_with({Plane(0, 4): mask})
    assert session.objects == (1, 2)


def test_begin_with_takes_no_pixel_of_another(session):
    before = session.labels
    session.begin_with({Plane(0, 0): np.ones((60, 80), bool)})
    np.testing.assert_array_equal(session.labels[before > 0], before[before > 0])
    assert (session.labels[before == 0] == 3).all()
