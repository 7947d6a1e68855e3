"""Objects of a time series are linked to tracks that divide and merge."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from made_series import EVENTS, series
from napari_intseg.errors import DataError, MissingExtraError, PromptError
from napari_intseg.io.cell_tracking import Tracks, read_ctc, write_ctc
from napari_intseg.session.tracking import link


def names(tracks, numbers):
    """The track of each object by its name; an object has one track, and a track one object."""
    found = {}
    for known, there in zip(tracks.numbers, numbers, strict=True):
        for name, number in there.items():
            assert found.setdefault(name, known[number]) == known[number], name
    assert len(set(found.values())) == len(found)
    return found


def test_a_division_a_merge_one_that_leaves_and_one_that_comes_are_found():
    labels, numbers = series()
    before = labels.copy()
    tracks = link(labels)
    np.testing.assert_array_equal(labels, before)
    name_of = {track: name for name, track in names(tracks, numbers).items()}
    told = {
        (event.kind, event.time): (
            {name_of[one] for one in event.tracks},
            {name_of[one] for one in event.into},
        )
        for event in tracks.events
    }
    assert told == {
        ("division", 3): ({"m"}, {"d1", "d2"}),
        ("merge", 2): ({"a", "b"}, {"ab"}),
        ("ends", 4): ({"left"}, set()),
        ("appears", 2): (set(), {"new"}),
    }
    assert len(tracks.events) == len(EVENTS)
    division = next(event for event in tracks.events if event.kind == "division")
    assert str(division).startswith("time 3: ")
    assert " divides into " in str(division)
    assert tracks.graph == {child: list(parents) for child, parents in tracks.parents.items()}


def test_what_comes_of_a_division_has_numbers_of_its_own():
    labels, numbers = series()
    tracks = link(labels)
    known = names(tracks, numbers)
    assert known["m"] == numbers[0]["m"]  # the first number of a track is kept where it is free
    assert tracks.parents[known["d1"]] == tracks.parents[known["d2"]] == (known["m"],)
    spans = tracks.spans
    assert spans[known["m"]] == (0, 2)
    assert spans[known["d1"]] == (3, 5)


def moved(planes):
    """A ball that moves by some planes from one time point to the next."""
    z, y, x = np.indices((12, 16, 16))
    return np.stack([
        ((z - 3 - t * planes) ** 2 + (y - 8) ** 2 + (x - 8) ** 2 <= 9).astype(np.uint8)
        for t in range(2)
    ])  # fmt: skip


@pytest.mark.parametrize(("mm", "count"), [(1.0, 1), (5.0, 2)])
def test_distances_are_in_millimetres(mm, count):
    found = link(moved(2), spacing=(mm, 1.0, 1.0), reach_mm=8.0)
    assert len(found.spans) == count


def test_by_default_an_object_may_move_twice_its_diameter():
    labels = np.zeros((2, 12, 40), int)
    labels[0, 4:8, 2:6] = labels[1, 4:8, 9:13] = 1  # 7 px; the disc of its size has 4.5
    assert len(link(labels).spans) == 1
    assert len(link(labels, reach_mm=6.0).spans) == 2


def test_what_is_kept_keeps_its_number_and_is_one_track():
    labels, numbers = series()
    last = numbers[-1]["new"]
    labels[-1][labels[-1] == last] = 77
    kept = {time: {77} for time in range(len(labels))}
    assert 77 in link(labels, kept=kept).spans
    tracks = link(labels, kept=kept)
    numbers[-1]["new"] = 77
    assert names(tracks, numbers)["new"] == 77
    # far apart, and the same by a person's word
    labels = np.zeros((2, 12, 40), int)
    labels[0, 4:8, 2:6] = labels[1, 4:8, 34:38] = 5
    labels[1, 4:8, 2:6] = 6
    assert link(labels, kept={0: {5}, 1: {5}}).spans == {5: (0, 1), 6: (1, 1)}
    # otherwise the nearest goes on as 5, and what was called 5 there gets a number of its own
    assert link(labels).spans == {5: (0, 1), 7: (1, 1)}


def test_two_that_are_kept_with_two_numbers_are_two_tracks():
    labels = np.zeros((2, 12, 40), int)
    labels[0, 4:8, 2:6], labels[1, 4:8, 2:6] = 5, 6
    tracks = link(labels, kept={0: {5}, 1: {6}})
    assert tracks.spans == {5: (0, 0), 6: (1, 1)}
    assert [str(event) for event in tracks.events] == ["time 1: 5 goes on as 6"]


def test_a_gap_of_what_is_kept_is_told():
    labels = np.zeros((3, 8, 8), int)
    labels[0, :3], labels[2, :3] = 4, 4
    with pytest.raises(PromptError, match=r"object has a gap: expected 4, .* got none at 1"):
        link(labels, kept={0: {4}, 1: {4}, 2: {4}})
    assert len(link(labels).spans) == 2


def test_a_series_without_objects_has_no_tracks():
    assert link(np.zeros((3, 4, 5), int)) == Tracks(({}, {}, {}), {})


@pytest.mark.parametrize("labels", [np.zeros((4, 5), int), np.zeros((2, 4, 5), float)])
def test_what_is_no_series_of_labels_is_refused(labels):
    with pytest.raises(DataError, match="labels are no time series"):
        link(labels)


def test_masks_are_labels_too_and_negative_ones_are_refused(tmp_path):
    masks = np.zeros((2, 6, 6), bool)
    masks[:, 1:4, 1:4] = True
    tracks = link(masks)
    np.testing.assert_array_equal(tracks.apply(masks[0], 0), masks[0].astype(int))
    write_ctc(tmp_path / "01_RES", masks)
    assert (tmp_path / "01_RES" / "res_track.txt").read_text() == "1 0 1 0\n"
    with pytest.raises(DataError, match=r"not counted from 0: .* got -1 at time point 0"):
        link(-masks.astype(int))


def test_a_reach_that_is_no_distance_is_refused():
    with pytest.raises(PromptError, match=r"reach is no distance: .* got 0"):
        link(np.zeros((2, 4, 5), int), reach_mm=0)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    with pytest.raises(MissingExtraError, match=r"napari-intseg\[tracking\]"):
        link(np.zeros((2, 4, 5), int))


def test_progress_counts_time_points():
    told = []
    link(np.ones((3, 4, 5), int), on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@settings(max_examples=8, deadline=None, derandomize=True)
@given(arrays(np.uint8, (3, 3, 4), elements=st.integers(0, 3)))
def test_any_labels_are_exported_as_they_are_linked(tmp_path_factory, labels):
    tracks = link(labels)
    tracked = np.stack([tracks.apply(frame, time) for time, frame in enumerate(labels)])
    for frame, after in zip(labels, tracked, strict=True):  # numbers change, objects do not
        pairs = {(int(a), int(b)) for a, b in zip(frame.flat, after.flat, strict=True)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        assert (0, 0) in pairs or 0 not in frame
    folder = tmp_path_factory.mktemp("made") / "01_RES"
    write_ctc(folder, tracked, tracks.parents)
    labels_again, again = read_ctc(folder)
    np.testing.assert_array_equal(labels_again, tracked)
    assert again.spans == tracks.spans
    assert again.parents == {child: of[:1] for child, of in tracks.parents.items()}
