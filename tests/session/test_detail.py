"""Outlines are smoothed as they are put in place, and come back as they were."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.measure import perimeter

from napari_intseg import Plane, Session, Volume
from napari_intseg.errors import PromptError
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import note_labels, replay
from napari_intseg.session.masks.settle import smoothed

from .conftest import Bright


def ragged(seed=0, shape=(60, 70)):
    """A disc with a ragged rim and a spike."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    angle = np.arctan2(rows - 30, cols - 30)
    rim = 18 + 2 * np.sin(15 * angle) + rng.normal(0, 1, shape)
    disc = np.hypot(rows - 30, cols - 30) < rim
    return disc | ((np.abs(rows - 30) < 1) & (cols > 30) & (cols < 64))


@pytest.fixture
def session(bright):
    session = Session(bright(), Volume(np.zeros((3, 60, 70), np.uint8), spacing=(4.0, 0.5, 0.5)))
    session.set_initial_mask(np.stack([ragged(seed) for seed in range(3)]))
    return session


def test_the_outline_is_smoother_and_the_size_stays():
    mask = ragged()
    after = smoothed(mask, (3, 3))
    assert after.sum() == mask.sum()
    assert perimeter(after) < 0.8 * perimeter(mask)
    assert not after[30, 60], "the spike is gone"
    np.testing.assert_array_equal(smoothed(mask, (0, 0)), mask)
    assert not smoothed(np.zeros((5, 5), bool), (2, 2)).any()


@pytest.mark.parametrize(
    "mask", [ragged(), np.eye(9, dtype=bool), np.kron(np.eye(4), np.ones((2, 3)))]
)
def test_the_best_pixels_are_taken_and_of_equal_ones_the_first(mask):
    mask = mask > 0
    near = gaussian_filter(mask.astype(np.float32), (2, 3), mode="constant", truncate=3)
    # both diagonal masks have ties: they are their own mirror images
    order = np.argsort(-near, axis=None, kind="stable")[: mask.sum()]
    found = smoothed(mask, (2, 3))
    assert set(np.flatnonzero(found)) == set(order)


def test_the_detail_is_in_millimetres(session):
    session.set_detail(3.0)
    assert session.detail_mm == 3.0
    np.testing.assert_array_equal(
        session.mask[0], smoothed(np.pad(ragged(), 9), (3, 3))[9:-9, 9:-9]
    )


def test_it_is_one_entry_and_0_brings_everything_back(session):
    before = session.labels
    session.set_detail(2.0, token="slider")
    session.set_detail(5.0, (Plane(0, 1),), token="slider")
    session.set_detail(4.0, token="slider")
    after = session.labels
    assert not np.array_equal(after, before)
    session.set_detail(0.0)
    np.testing.assert_array_equal(session.labels, before)
    session.undo()
    np.testing.assert_array_equal(session.labels, after)
    assert session.detail_mm == 4.0
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    assert session.detail_mm == 0.0
    session.redo()
    np.testing.assert_array_equal(session.labels, after)


def test_only_some_planes_change_where_those_are_named(session):
    before = session.labels
    session.set_detail(4.0, (Plane(0, 1),))
    changed = (session.labels != before).any(axis=(1, 2))
    assert changed.tolist() == [False, True, False]


def test_what_comes_later_is_smoothed_too_and_clicks_are_obeyed(bright):
    data = ragged().astype(np.uint8) * 200
    session = Session(bright(), Volume(data))
    session.click((30, 30))
    size = session.mask.sum()
    session.undo()
    session.set_detail(6.0)
    session.click((30, 30))
    assert session.mask.sum() == size
    assert not session.mask[30, 58]
    session.click((30, 62))  # on the spike
    assert session.mask[30, 62]
    session.click((22, 30), positive=False)
    assert not session.mask[22, 30]


def test_locked_objects_and_other_labels_keep_their_pixels(session):
    session.new_object()
    beside = np.zeros((60, 70), bool)
    beside[5:20, 40:65] = True
    session.set_initial_mask(beside & ~session.mask_on(Plane(0, 0), 1), Plane(0, 0))
    held = session.labels
    session.finish_object(1)
    session.set_detail(8.0)
    np.testing.assert_array_equal(session.labels == 1, held == 1)
    assert not np.array_equal(session.labels == 2, held == 2)


def test_detail_beyond_the_image_takes_no_more_memory_than_the_image(session):
    session.set_detail(1e12)
    session.set_detail(0.0)
    assert session.detail_mm == 0.0


@pytest.mark.parametrize("mm", [-1.0, float("nan"), float("inf")])
def test_what_is_no_length_is_refused(session, mm):
    with pytest.raises(PromptError, match="detail cannot be used"):
        session.set_detail(mm)
    assert session.detail_mm == 0.0


@given(mm=st.floats(0.0, 12.0), seed=st.integers(0, 9999))
# a sliver between others, which smoothing moved under them
@example(mm=5.0, seed=830)
@settings(max_examples=40, deadline=None)
def test_no_object_vanishes_there_and_back_is_exact_and_a_journal_agrees(mm, seed):
    rng = np.random.default_rng(seed)
    volume = Volume(np.zeros((2, 24, 26), np.uint8), spacing=(3.0, *rng.uniform(0.3, 2.0, 2)))
    session = Session(Bright(), volume)
    for label in range(1, 4):
        mask = np.zeros(volume.shape, bool)
        top, left = rng.integers(0, 18, 2)
        mask[rng.integers(2), top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] = (
            True
        )
        if label > 1:
            session.new_object()
        session.set_initial_mask(mask)
    before = session.labels
    session.set_detail(mm)
    for label in np.unique(before[before > 0]):
        assert (session.labels == label).any()
    session.merge_objects([1, 2])
    merged = session.labels
    note_labels(session)
    lines = [json.dumps(line) for line in session.journal.lines]
    replayed = replay(parse_journal(lines), lambda _: volume, lambda _: Bright())
    assert replayed.differences == ()
    np.testing.assert_array_equal(replayed.sessions[0].labels, merged)
    session.undo()
    session.set_detail(0.0)
    np.testing.assert_array_equal(session.labels, before)
