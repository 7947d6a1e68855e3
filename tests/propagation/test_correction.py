"""Corrections are carried to the planes beside them, and to nothing else."""

import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.correction import Correction, corrected, grown


def square(row0, row1, col0, col1, shape=(40, 44)):
    mask = np.zeros(shape, bool)
    mask[row0:row1, col0:col1] = True
    return mask


def test_only_what_lies_near_the_change_is_carried():
    old, person = square(10, 20, 10, 20), square(10, 20, 10, 26)
    change = Correction.between(old, person)
    assert change.added.sum() == 60
    assert not change.removed.any()
    elsewhere = square(5, 10, 10, 20)
    found = change.carried(old, person | elsewhere, 2.0, (1.0, 1.0))
    np.testing.assert_array_equal(found.applied(old) & ~elsewhere, person)
    assert not (found.added & square(5, 10, 10, 17)).any()


def test_what_a_clicked_plane_vouches_for_is_not_removed():
    old, small = square(10, 20, 10, 20), square(10, 20, 10, 12)
    change = Correction.between(old, small)
    firm = square(13, 17, 13, 17)
    kept = change.carried(old, small, 1.0, (1.0, 1.0), firm).applied(old)
    np.testing.assert_array_equal(kept, small | firm)


def test_a_change_dies_out():
    mask = square(0, 30, 0, 30)
    nothing = Correction(mask & False, mask & False)
    assert nothing.is_settled(mask)
    assert Correction(square(0, 1, 0, 2), mask & False).is_settled(mask)
    assert not Correction(square(0, 4, 0, 4), mask & False).is_settled(mask)


def test_a_mask_grows_by_millimetres():
    out = grown(square(20, 21, 20, 21), 3.0, (1.0, 1.5))
    assert np.flatnonzero(out.any(axis=1)).tolist() == list(range(17, 24))
    assert np.flatnonzero(out.any(axis=0)).tolist() == [18, 19, 20, 21, 22]
    assert not grown(square(0, 0, 0, 0), 3.0, (1.0, 1.0)).any()


def test_an_answer_with_a_change_has_exactly_the_changed_mask():
    old, new = square(10, 20, 10, 20), square(12, 24, 8, 18)
    change = Correction.between(old, new)
    for answer in (Patch.from_mask(new), None):
        patch = corrected(Patch.from_mask(old), answer, change)
        wanted = new if answer is not None else old & ~change.removed
        np.testing.assert_array_equal(patch.mask(), wanted)
    nothing = Correction(old & False, old & False)
    assert corrected(Patch.empty(old.shape), None, nothing).box() is None


class Follows:
    """Answers with the mask it is given, and with what is bright round it."""

    traits = Traits("follows", uses_prev=True)

    def prepare(self, image):
        return Prepared(image.shape[:2], image[..., 0], image.nbytes)

    def predict(self, query):
        mask = query.prepared.payload > 0.5
        if query.prev_logits is not None:
            mask = mask | (query.prev_logits > 0)
        for click in query.prompts.clicks:
            if not click.positive:
                mask[:, int(click.col) :] = False
        return Answer(np.where(mask, np.float32(5), np.float32(-5)))


@pytest.fixture
def session():
    data = np.zeros((21, 40, 44), np.uint8)
    data[3:18, 10:20, 10:20] = 255
    data[3:18, 10:20, 30:38] = 255  # another one, which the model answers with as well
    return Session(Follows(), Volume(data), window=(0, 255), zoom_in=None, obey=False)


def test_a_correction_does_not_change_planes_that_it_is_not_about(session):
    session.set_initial_mask(square(10, 20, 10, 20), Plane(0, 10))
    session.propagate()
    before = session.mask
    session.set_initial_mask(square(10, 20, 10, 22), Plane(0, 14))
    session.propagate()
    np.testing.assert_array_equal(session.mask[:10], before[:10])
    added = (session.mask & ~before).any(axis=(1, 2))
    assert added[13:16].all(), "what was added is carried to the planes beside"
    assert not (before & ~session.mask).any(), "and nothing is taken away by it"


def test_a_walk_that_was_broken_off_goes_on_where_it_was(session):
    session.set_initial_mask(square(10, 20, 10, 20), Plane(0, 10))
    session.propagate()
    session.set_initial_mask(square(10, 20, 10, 22), Plane(0, 14))
    whole = session.propagate()
    wanted = session.mask
    session.undo()
    count = iter([False, False, True])
    part = session.propagate(should_stop=lambda: next(count))
    assert 0 < len(part.planes) < len(whole.planes)
    session.propagate()
    np.testing.assert_array_equal(session.mask, wanted)


def test_a_plane_with_an_answer_is_corrected_although_it_looks_unlike_the_clicked_one():
    data = np.zeros((21, 40, 44), np.uint8)
    for index, grey in zip(range(8, 14), (133, 133, 133, 143, 153, 255), strict=True):
        data[index, 10:20, 10:20], data[index, 10:20, 20:22] = grey, 102
    session = Session(Follows(), Volume(data), window=(0, 255), zoom_in=None, obey=False)
    session.set_initial_mask(square(10, 20, 10, 20), Plane(0, 10))
    ((_, stop),) = [s for s in session.propagate().stops if s[1].plane.index > 10]
    assert (stop.plane.index, stop.reason) == (13, "unlike"), "where nothing is known it ends"
    before = session.mask
    session.set_initial_mask(square(10, 20, 10, 22), Plane(0, 13))
    session.propagate()
    assert (session.mask & ~before)[12].any()


class Insists(Follows):
    """Answers with the mask it is given alone."""

    def predict(self, query):
        mask = np.zeros(query.prepared.shape, bool)
        if query.prev_logits is not None:
            mask = query.prev_logits > 0
        return Answer(np.where(mask, np.float32(5), np.float32(-5)))


def test_a_removal_leaves_the_shape_between_two_clicked_planes():
    data = np.zeros((21, 40, 44), np.uint8)
    data[:, 10:20, 10:20] = 255
    session = Session(Insists(), Volume(data), window=(0, 255), zoom_in=None, obey=False)
    for index in (5, 15):
        session.set_initial_mask(square(10, 20, 10, 20), Plane(0, index))
    session.propagate()
    session.set_initial_mask(square(10, 20, 10, 14), Plane(0, 15))
    session.propagate()
    widths = session.mask[:, 15].sum(axis=1)
    assert widths[14] < 6, "it is carried"
    # four tenths of the way to the corrected plane
    assert widths[9] >= 7
    assert (np.diff(widths[5:16]) <= 0).all()
