"""Answers are bounded in bytes; masks and undo are not."""

import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume
from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.inference.patch import CompactAnswer, Patch
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.inference.view import View
from napari_intseg.session.embeddings import AnswerCache, size_of
from napari_intseg.session.masks.plane_state import pack
from napari_intseg.session.question import Question


@pytest.fixture
def question(bright, two_balls):
    session = Session(bright(), two_balls)
    clicks = tuple(Click(row, 14) for row in range(8))
    return Question(session.setup, Plane(0, 12), Prompts(clicks))


def answer(side=10):
    patch = Patch(0, 0, np.zeros((side, side), np.float32), (40, 48))
    return SliceAnswer(patch, None, View.whole((40, 48)), state=(np.zeros(50), None))


def test_an_answer_s_size_counts_its_arrays_once():
    one = answer()
    assert size_of(one) == 400 + 400 + 64
    both = SliceAnswer(one.patch, None, one.seen, alternatives=(one.patch, answer().patch))
    assert size_of(both) == 800 + 64


def test_what_was_not_asked_for_longest_is_forgotten(question):
    memory = AnswerCache(limit_bytes=3 * size_of(answer()))
    memory.keep(question, [(n, answer()) for n in (1, 2, 3)])
    assert memory.get(question.after(1)) is not None
    memory.keep(question, [(4, answer())])
    assert [memory.get(question.after(n)) is not None for n in (1, 2, 3, 4)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert memory.nbytes <= memory.limit_bytes
    memory.keep(question, [(4, answer())])  # the same again takes no more
    assert memory.nbytes == 3 * size_of(answer())
    memory.keep(question, [(5, answer(100))])  # too large alone, and the newest
    assert (len(memory), memory.get(question.after(5)) is not None) == (1, True)


def test_undo_is_exact_and_asks_nobody_though_all_answers_are_forgotten(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    session.predictor.answers.limit_bytes = 1
    masks = [session.mask]
    for row in (14, 16, 18, 20):
        session.click((12, row, 14))
        masks.append(session.mask)
    session.propagate()
    calls = model.calls
    session.undo()
    for mask in reversed(masks[:-1]):
        session.undo()
        np.testing.assert_array_equal(session.mask, mask)
    for mask in masks[1:]:
        session.redo()
        np.testing.assert_array_equal(session.mask, mask)
    assert model.calls == calls


def test_a_forgotten_answer_is_computed_again_from_the_first_click(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    for row in (14, 16, 18):
        session.click((12, row, 14))
    kept = session.mask
    session.predictor.answers.limit_bytes = 1
    session.click((12, 30, 30))
    calls = model.calls
    session.remove_click(-1)  # its answer was forgotten: three clicks are answered again
    assert model.calls - calls == 3
    np.testing.assert_array_equal(session.mask, kept)


def test_a_hundred_clicks_on_large_slices_hold_little(bright):
    session = Session(bright(False), Volume(np.full((3, 700, 700), 200, np.uint8)))
    session.predictor.answers.limit_bytes = 10 << 20
    for number in range(12):
        session.click((number % 3, 10 + 20 * number, 30))
    assert session.predictor.answers.nbytes <= 10 << 20
    states = [state for _, state in session.document.canvas.states(1)]
    assert all(isinstance(s.shown.patch, CompactAnswer) for s in states)
    assert sum(s.shown.patch.nbytes for s in states) < 100_000


@pytest.mark.parametrize("threshold", [0.5, 0.49, 0.7])
def test_a_compact_answer_keeps_its_mask_exactly(rng, threshold):
    logits = rng.normal(0, 3, (50, 60)).astype(np.float32)
    logits[0, 0], logits[0, 1] = 30, -30
    patch = Patch(3, 4, logits, (90, 80))
    small = CompactAnswer(patch.row0, patch.col0, patch.logits, patch.shape, threshold)
    np.testing.assert_array_equal(small.mask(threshold), patch.mask(threshold))
    assert np.abs(small.logits - np.clip(logits, -15, 15)).max() < 1.9
    assert np.abs(1 / (1 + np.exp(-small.logits)) - 1 / (1 + np.exp(-logits))).max() < 0.04
    assert small.slices == patch.slices
    assert small.nbytes < logits.nbytes / 3
    kept = pack(patch, threshold)
    np.testing.assert_array_equal(kept.inside, kept.patch.inside(threshold))
    assert kept.patch.logits.any()
    assert not pack(Patch.empty((9, 9)), threshold).inside.size


def test_no_more_answers_are_kept_than_allowed_however_small(question):
    memory = AnswerCache(limit_answers=2)
    memory.keep(question, [(n, answer()) for n in (1, 2, 3)])
    assert [memory.get(question.after(n)) is not None for n in (1, 2, 3)] == [False, True, True]
    assert memory.nbytes == 2 * size_of(answer())
