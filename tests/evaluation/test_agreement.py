"""How well readers agree, against values worked out by hand and by other libraries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_intseg.errors import DataError
from napari_intseg.evaluation.metrics import (
    agreement,
    agreement_csv,
    disagreement,
    kappa,
    majority,
    matched,
)
from napari_intseg.io.staple import staple

LABELS = arrays(np.int32, (6, 7), elements=st.integers(0, 3))


def square(first, last, label=1, shape=(40, 40)):
    out = np.zeros(shape, np.int32)
    out[first:last, first:last] = label
    return out


def test_dice_and_distance_are_those_of_the_pair():
    longer = np.zeros((40, 40), np.int32)
    longer[10:22, 10:20] = 1
    found = agreement([square(10, 20), longer], (2.0, 2.0))
    (one,) = found.objects
    assert one.voxels == (100, 120)
    assert one.dice == pytest.approx(2 * 100 / 220)
    assert one.distance.hd95_mm == pytest.approx(4.0)  # two pixels of 2 mm


def test_what_one_reader_left_out_counts_as_no_agreement():
    found = agreement([square(10, 20), square(10, 20) + square(25, 30, 2)], (1.0, 1.0))
    assert [one.dice for one in found.objects] == [1.0, 0.0]
    assert math.isinf(found.objects[1].distance.hd95_mm)
    assert found.mean_dice == 0.5


def test_kappa_of_two_is_cohens():
    # 20 items, both yes, first alone, second alone, neither; the corners keep them all in the box
    first = np.array([1] * 9 + [0] * 3 + [1] * 7 + [1])
    second = np.array([1] * 9 + [1] * 3 + [0] * 7 + [1])
    same = np.mean(first == second)
    chance = first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean())
    assert kappa([first, second]) == pytest.approx((same - chance) / (1 - chance))


def test_kappa_of_more_is_fleiss():
    # the example of Fleiss' paper is 30 × 6; this one is worked out by hand: 4 items, 3 readers
    readers = [np.array(row) for row in ([1, 1, 2, 1], [1, 2, 2, 1], [1, 1, 2, 2])]
    per_item = [1, 1 / 3, 1, 1 / 3]
    shares = [7 / 12, 5 / 12]
    chance = sum(share**2 for share in shares)
    assert kappa(readers) == pytest.approx((np.mean(per_item) - chance) / (1 - chance))


def test_background_far_away_does_not_count():
    small = kappa([square(10, 20), square(10, 22)])
    large = kappa([square(10, 20, shape=(400, 400)), square(10, 22, shape=(400, 400))])
    assert small == large


def test_kappa_of_nothing_is_unknown():
    assert math.isnan(kappa([np.zeros((3, 3), np.int32)] * 2))


@given(LABELS)
def test_who_agrees_agrees_fully(labels):
    found = agreement([labels, labels], (1.0, 1.0))
    assert all(one.dice == 1 for one in found.objects)
    assert not labels.any() or found.kappa == 1
    assert not disagreement([labels, labels]).any()
    assert (majority([labels, labels]) == labels).all()
    assert (staple([labels, labels]) == labels).all()


@given(LABELS, LABELS, LABELS)
def test_the_majority_is_what_more_than_half_say(a, b, c):
    out = majority([a, b, c])
    for voxel in np.ndindex(out.shape):
        said = [one[voxel] for one in (a, b, c)]
        most = max(said, key=said.count)
        assert out[voxel] == (most if said.count(most) > 1 else 0)
        assert disagreement([a, b, c])[voxel] == 3 - said.count(most)


def test_objects_are_paired_by_overlap_one_to_one():
    first = square(2, 10, 1) + square(20, 30, 2)
    second = square(2, 11, 7) + square(21, 30, 1) + square(33, 38, 2)
    out = matched(second, first)
    assert set(np.unique(out[2:10, 2:10])) == {1}
    assert set(np.unique(out[21:30, 21:30])) == {2}
    assert set(np.unique(out[33:38, 33:38])) == {8}, "what has no partner gets a free number"


@given(LABELS, LABELS)
def test_matching_moves_no_outline(reader, first):
    out = matched(reader, first)
    assert ((out == 0) == (reader == 0)).all()
    for label in np.unique(reader):
        assert np.unique(out[reader == label]).size == 1
    assert np.unique(out).size == np.unique(reader).size


def test_staple_trusts_who_agrees_with_the_rest():
    truth, careless = square(10, 30), square(2, 14)
    out = staple([truth, square(10, 31), square(10, 29), careless])
    agreed = square(10, 30).astype(bool)
    assert 2 * (agreed & (out == 1)).sum() / (agreed.sum() + (out == 1).sum()) > 0.97
    assert not out[2:9, 2:9].any()


def test_the_table_names_the_readers():
    table = agreement_csv(agreement([square(10, 20)] * 2, (1.0, 1.0)), ["a.tif", "b.tif"])
    assert table.splitlines() == [
        "object,voxels a.tif,voxels b.tif,dice,mean_mm,hd95_mm",
        "1,100,100,1.0000,0.000,0.000",
    ]


@pytest.mark.parametrize("use", [agreement, staple, majority, disagreement, kappa])
@pytest.mark.parametrize("readers", [[square(1, 3)], [square(1, 3), square(1, 3, shape=(9, 9))]])
def test_one_reader_or_two_grids_are_refused(use, readers):
    with pytest.raises(DataError):
        use(readers, (1.0, 1.0)) if use is agreement else use(readers)
