"""Where planes of different axes cross, what was given later decides, however late answers come."""

import numpy as np
import pytest

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.session.predictor import run
from napari_intseg.session.session import Session

FLAT, UPRIGHT = Plane(0, 2), Plane(1, 10)
GIVEN = {FLAT: Click(10, 10), UPRIGHT: Click(2, 20)}


class Disc:
    """Answers with a disc round the last click."""

    def __init__(self, radius=3):
        self.traits = Traits("disc", prompts=CLICKS)
        self.radius = radius

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query):
        rows, cols = np.indices(query.prepared.shape)
        click = query.prompts.clicks[-1]
        inside = np.hypot(rows - click.row, cols - click.col) <= self.radius
        return Answer(np.where(inside, 8, -8).astype(np.float32))


@pytest.mark.parametrize("arrived", [(FLAT, UPRIGHT), (UPRIGHT, FLAT)])
@pytest.mark.parametrize("given", [(FLAT, UPRIGHT), (UPRIGHT, FLAT)])
def test_the_order_of_answers_changes_nothing(given, arrived):
    session = Session(Disc(), Volume(np.zeros((6, 30, 32), np.uint8)))
    for plane in given:
        session.set_prompts(plane, Prompts((GIVEN[plane],)))
    for plane in arrived:
        assert session.accept(run(session.request(plane)))
    line = session.mask[2, 10]
    middle = 20 if given[-1] == UPRIGHT else 10
    assert np.flatnonzero(line).tolist() == list(range(middle - 3, middle + 4))
    session.model = Disc(radius=1)  # both are answered anew, in the other order
    for plane in reversed(arrived):
        session.accept(run(session.request(plane)))
    assert np.flatnonzero(session.mask[2, 10]).tolist() == [middle - 1, middle, middle + 1]


def test_a_further_click_makes_a_plane_the_later_one():
    session = Session(Disc(), Volume(np.zeros((6, 30, 32), np.uint8)))
    for plane in (FLAT, UPRIGHT):
        session.set_prompts(plane, Prompts((GIVEN[plane],)))
        session.predict(plane)
    session.set_prompts(FLAT, Prompts((GIVEN[FLAT], Click(10, 11))))
    session.predict(FLAT)
    assert np.flatnonzero(session.mask[2, 10]).tolist() == list(range(8, 15))
    session.undo()
    assert np.flatnonzero(session.mask[2, 10]).tolist() == list(range(17, 24))
    session.redo()
    assert np.flatnonzero(session.mask[2, 10]).tolist() == list(range(8, 15))


def test_others_on_a_window_are_those_with_pixels_in_it(rng):
    session = Session(Disc(), Volume(np.zeros((6, 30, 32), np.uint8)))
    for _ in range(12):
        session.new_object()
        plane = Plane(int(rng.integers(3)), int(rng.integers(6)))
        shape = session.volume.slice_shape(plane.axis)
        click = Click(*(int(rng.integers(n)) for n in shape))
        session.set_prompts(plane, Prompts((click,)))
        session.predict(plane)
        if rng.random() < 0.3:
            stroke = np.zeros((30, 32), bool)
            stroke[rng.integers(30), rng.integers(32)] = True
            session.paint({Plane(0, int(rng.integers(6))): stroke}, session.object)
    session.undo()
    session.undo()
    canvas, labels, seen = session.document.canvas, session.labels, 0
    masks = {label: canvas.mask(label) for label in session.objects}
    for _ in range(200):
        plane = Plane(int(rng.integers(3)), int(rng.integers(6)))
        row, col = (int(rng.integers(n - 4)) for n in session.volume.slice_shape(plane.axis))
        window = slice(row, row + 4), slice(col, col + 4)
        found = {label for label, _, mask in canvas.others(0, plane, window) if mask.any()}
        there = session.volume.of(labels, plane)[window]
        assert found == set(np.unique(there[there > 0]).tolist())
        np.testing.assert_array_equal(canvas.labels_on(plane, window), there)
        for label, mask in masks.items():
            whole = session.volume.of(mask, plane)
            np.testing.assert_array_equal(canvas.mask_on(label, plane, window), whole[window])
        seen += len(found)
    assert seen
