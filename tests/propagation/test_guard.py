"""Clicked planes that break out are not carried on; corrections reach what one flood reached."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg import Plane, Session, Volume
from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.inference.intensity import holds_hounsfield
from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.ending import (
    CrossSection,
    Ending,
    affirmed,
    tapered_to,
)
from napari_intseg.propagation.guard import Stop, doubted, is_flood, warnings
from napari_intseg.propagation.guidance import start_of
from napari_intseg.propagation.restraint import Cones, Restraint
from napari_intseg.propagation.stretch import Anchor
from napari_intseg.propagation.walk import WalkSettings


def disc(radius, shape=(60, 60)):
    rows, cols = np.indices(shape)
    return np.hypot(rows - 30, cols - 30) <= radius


def anchor(index, mask, *, settled=False):
    patch = Patch.from_mask(mask)
    return Anchor(index, patch, not mask.any(), patch, is_settled=settled)


def doubts(anchors, max_spread=3.0):
    found = doubted(anchors, threshold=0.5, step_mm=1.0, spacing=(1.0, 1.0), max_spread=max_spread)
    return [a.doubt for a in found]


class Floods:
    """Answers with everything, but where a mask says what it is about; a negative: nothing."""

    traits = Traits("floods", uses_prev=True)

    def prepare(self, image):
        return Prepared(image.shape[:2], image[..., 0], image.nbytes)

    def predict(self, query):
        mask = np.ones(query.prepared.shape, bool)
        if query.prev_logits is not None and (query.prev_logits > 0).any():
            mask = (query.prev_logits > 0) | (query.prepared.payload > 0.5)
        if not all(click.positive for click in query.prompts.clicks):
            mask[:] = False
        return Answer(np.where(mask, np.float32(5), np.float32(-5)))


def test_a_flood_runs_into_most_sides_of_its_slice():
    assert is_flood(np.ones((20, 20), bool))
    assert not is_flood(disc(20))
    strip = np.zeros((20, 20), bool)
    strip[:4] = True  # three sides, and little of the slice
    assert not is_flood(strip)


def test_what_others_speak_against_is_doubted():
    assert doubts([anchor(3, disc(5)), anchor(6, disc(6)), anchor(7, disc(25))]) == [
        "", "", "contradicts",
    ]  # fmt: skip
    assert doubts([anchor(3, disc(24)), anchor(6, disc(5)), anchor(7, disc(25))]) == [
        "", "contradicts", "",
    ]  # fmt: skip
    assert doubts([anchor(3, disc(5)), anchor(40, disc(25))]) == ["", ""]  # it had room to grow
    assert doubts([anchor(3, disc(5)), anchor(6, np.ones((60, 60), bool))]) == ["", "flooded"]


def test_of_two_the_one_nobody_pointed_at_is_doubted():
    left = replace(anchor(3, disc(3)), is_remnant=True)
    assert doubts([left, anchor(6, disc(25))]) == ["contradicts", ""]


def test_what_a_person_insisted_on_is_not_doubted():
    assert doubts([anchor(3, disc(5)), anchor(6, disc(25), settled=True)]) == ["contradicts", ""]
    assert doubts([anchor(3, np.ones((60, 60), bool), settled=True)]) == [""]
    assert doubts([anchor(3, np.ones((60, 60), bool))], max_spread=0) == [""]


def test_an_end_is_told_in_words():
    grew = Stop(Plane(0, 52), "grew", 3.1)
    assert str(grew) == "stopped at plane 52: it grew threefold"
    flooded = Stop(Plane(0, 4), "flooded")
    assert str(flooded) == "not started from plane 4: the mask there covers the slice"
    assert warnings([(1, grew), (1, grew), (2, Stop(Plane(0, 9), "faded")), (3, flooded)]) == [
        f"object 1: {grew}", f"object 3: {flooded}",
    ]  # fmt: skip


def test_growth_ends_a_walk():
    areas = [np.count_nonzero(disc(5)), np.count_nonzero(disc(9))]
    assert Ending().reason(disc(10), disc(9), areas, 1.0) == "grew"
    assert Ending().reason(disc(10), disc(9), areas, 1.0, largest=areas[1]) is None
    assert Ending(max_spread=0).reason(disc(10), disc(9), areas, 1.0) is None


def test_a_flooded_click_is_not_carried_on():
    session = Session(Floods(), Volume(np.zeros((9, 30, 30), np.uint8)))
    session.click((4, 15, 15))
    change = session.propagate()
    assert session.mask.any(axis=(1, 2)).tolist() == [i == 4 for i in range(9)]
    assert {(label, str(stop)) for label, stop in change.stops} == {
        (1, "not started from plane 4: the mask there covers the slice")
    }


def test_a_first_click_starts_from_the_mask_of_the_plane_beside():
    session = Session(Floods(), Volume(np.zeros((9, 60, 60), np.uint8)))
    session.set_initial_mask(disc(8), Plane(0, 4))
    session.click((5, 31, 30))
    np.testing.assert_array_equal(session.mask_on(Plane(0, 5)), disc(8))
    session.click((8, 50, 50))  # beside it there is nothing
    assert session.mask_on(Plane(0, 8)).all()


@pytest.mark.parametrize(
    ("index", "at", "found"), [(5, (30, 30), True), (5, (30, 39), True), (5, (30, 45), False),
                               (12, (30, 30), False)],
)  # fmt: skip
def test_only_a_mask_nearby_is_started_from(index, at, found):
    start = start_of({4: disc(8)}, index, Click(*at, True), step_mm=1.0, spacing=(1.0, 1.0))
    assert (start is not None) == found


def test_cones_open_from_the_clicked_plane():
    whole = slice(0, 60), slice(0, 60)
    cones = Cones({4: disc(8)}, 1.0, 2.0, (1.0, 1.0))
    for index, radius in ((5, 11.5), (2, 13.5)):
        area = np.count_nonzero(cones.at(index, whole))
        assert area == pytest.approx(np.pi * radius**2, rel=0.1)
    assert Cones({}, 1.0, 2.0, (1.0, 1.0)).at(5, whole) is None


def test_what_was_taken_away_stays_away_nearby():
    whole = slice(0, 60), slice(0, 60)
    cones = Cones({}, 1.0, 1.0, (1.0, 1.0), {9: disc(10)})
    assert not (cones.at(9, whole) & disc(10)).any()
    assert (~cones.at(6, whole)).sum() == pytest.approx(np.pi * 7**2, rel=0.15)
    assert cones.at(25, whole).all()


def test_towards_an_emptied_plane_a_mask_closes():
    areas = [np.count_nonzero(Restraint().closed(disc(20), mm, (1.0, 1.0))) for mm in (1, 3, 20)]
    assert areas == sorted(areas)
    assert areas[0] < 0.1 * areas[2] == 0.1 * np.count_nonzero(disc(20))
    np.testing.assert_array_equal(Restraint(closing=0).closed(disc(9), 1, (1, 1)), disc(9))


def test_a_negative_click_reaches_the_planes_that_the_flood_reached():
    session = Session(Floods(), Volume(np.zeros((30, 60, 60), np.uint8)))
    session.set_initial_mask(disc(20), Plane(0, 4))
    session.propagate()
    before = session.mask.sum(axis=(1, 2))
    assert before[20] == before[4]
    session.click((14, 30, 30), positive=False)
    session.propagate()
    after = session.mask.sum(axis=(1, 2))
    assert not after[14:].any()
    assert (after[10:14] < 0.5 * before[10:14]).all()
    assert (np.diff(after[4:15]) <= 0).all()


def test_through_time_nothing_is_held_to_the_first_frame():
    settings = WalkSettings.through_time()
    assert (settings.restraint.cone, settings.restraint.closing) == (0.0, 0.0)
    assert settings.ending.max_spread == 0.0
    assert settings.ending.min_affirmed == 0.0, "planes across hold a place over time, no shape"
    assert settings.ending.min_alike == 0.0


def tapering():
    """Discs that narrow from a radius of 14 to 10, and discs of something else that touches."""
    data = np.zeros((20, 60, 60), np.uint8)
    radii = [14, 14, 14, 13.5, 13, 12, 11, 10]
    for index, radius in enumerate(radii, 2):
        data[index][disc(radius)] = 255
    data[10:18][:, np.roll(disc(11), 8, axis=1)] = 255
    return Volume(data)


class Parts:
    """Answers with what is bright and joined to the mask, and what is bright under clicks."""

    def __init__(self, across=False):
        self.traits = Traits("parts", uses_prev=True, across=across)

    def prepare(self, image):
        return Prepared(image.shape[:2], image[..., 0] > 0.5, image.nbytes)

    def predict(self, query):
        parts, _ = ndimage.label(query.prepared.payload)
        found = {int(parts[round(c.row), round(c.col)]) for c in query.prompts.clicks}
        if query.prev_logits is not None:
            found |= set(np.unique(parts[query.prev_logits > 0]).tolist())
        mask = np.isin(parts, [one for one in found if one])
        return Answer(np.where(mask, np.float32(5), np.float32(-5)))


def indices_of(mask):
    return np.flatnonzero(mask.any(axis=(1, 2))).tolist()


def test_what_tapered_is_not_larger_behind_its_end():
    assert tapered_to([300, 400, 600], 380, 1.3) == 300
    assert tapered_to([], 380, 1.3) == 0, "nothing is known"
    assert tapered_to([430, 500, 600], 380, 1.3) == 0, "it has not become small"
    assert tapered_to([200, 400, 600], 250, 1.3) == 200
    assert tapered_to([200, 400, 600], 280, 1.3) == 0, "a person says it is large behind a neck"
    small, large = disc(9), disc(10)
    led, before = [600, 400, 300, 380], int(np.count_nonzero(small))
    assert Ending().reason(large, disc(11), led, 1.0, led=3, tapered=before) == "another"
    assert Ending().reason(small, disc(11), led, 1.0, led=3, tapered=before) is None
    loose = Ending(max_widening=0)
    assert loose.reason(large, disc(11), led, 1.0, led=3, tapered=before) is None


def test_a_click_behind_the_end_does_not_lead_into_what_touches_it():
    reached = {}
    for times in (1.0, 0.0):
        settings = WalkSettings(Ending(max_widening=times))
        session = Session(Parts(), tapering(), window=(0, 255), zoom_in=None)
        session.click((3, 30, 30))
        session.propagate(settings=settings)
        assert indices_of(session.mask) == list(range(2, 10)), "it ends where it had tapered"
        session.click((10, 30, 38))
        session.propagate(settings=settings)
        reached[times] = indices_of(session.mask)
    assert reached == {1.0: list(range(2, 11)), 0.0: list(range(2, 18))}


def test_a_mask_that_a_person_insists_on_is_walked_on_from():
    session = Session(Parts(), tapering(), window=(0, 255), zoom_in=None)
    session.click((3, 30, 30))
    session.propagate()
    session.set_initial_mask(np.roll(disc(11), 8, axis=1), Plane(0, 10))
    session.propagate()
    assert indices_of(session.mask) == list(range(2, 18))


def test_a_correction_within_leaves_the_end_where_it_was():
    data = np.zeros((20, 60, 60), np.uint8)
    data[3:9, 20:40, 20:40] = 255
    data[9, 20:40, 20:28] = 255  # a neck, behind which something else begins
    data[10:17, 20:40, 20:40] = 255
    whole = data[3] > 0
    ends = {}
    for keeps in (False, True):
        settings = WalkSettings(Ending(keeps_ends=keeps, min_likeness=0))
        session = Session(Parts(), Volume(data), window=(0, 255), zoom_in=None)
        session.click((5, 30, 30))
        session.propagate(settings=settings)
        assert indices_of(session.mask) == list(range(3, 10))
        session.set_initial_mask(whole, Plane(0, 9))
        session.propagate(settings=settings)
        ends[keeps] = indices_of(session.mask)
    assert ends == {True: list(range(3, 10)), False: list(range(3, 17))}
    session.click((10, 30, 30))
    session.propagate(settings=settings)
    assert indices_of(session.mask) == list(range(3, 17)), "a click behind the end says so"


def test_a_second_correction_of_the_end_moves_it_no_more_than_the_first():
    data = np.zeros((20, 60, 60), np.uint8)
    data[3:9, 20:40, 20:40] = 255
    data[9, 20:40, 20:28] = 255  # a neck, behind which something else begins
    data[10:17, 20:40, 20:40] = 255
    settings = WalkSettings(Ending(min_likeness=0))
    session = Session(Parts(), Volume(data), window=(0, 255), zoom_in=None)
    session.click((5, 30, 30))
    session.propagate(settings=settings)
    for right in (36, 40):
        whole = np.zeros((60, 60), bool)
        whole[20:40, 20:right] = True
        session.set_initial_mask(whole, Plane(0, 9))
        session.propagate(settings=settings)
        assert indices_of(session.mask) == list(range(3, 10))


def stacked():
    """Two blocks of one grey that touch; only planes across show the gap between them."""
    data = np.zeros((20, 60, 60), np.uint8)
    data[3:17, 20:40, 20:40] = 255
    data[9, 28:31] = data[9, :, 28:31] = 0
    return data


def bent():
    """A block, and a narrower part of the same object that leaves it sideways."""
    data = np.zeros((20, 60, 60), np.uint8)
    data[3:7, 20:40, 20:40] = 255
    for index in range(7, 15):
        left = 30 + 2 * (index - 7)
        data[index, 25:35, left : left + 10] = 255
    return data


def reached(data, axis, share, spacing=(1.0, 1.0, 1.0), across=True, alike=0.0):
    volume = Volume(np.moveaxis(data, 0, axis), spacing=spacing)
    session = Session(Parts(across), volume, axis=axis, window=(0, 255), zoom_in=None)
    at = [28, 28]
    at.insert(axis, 5)
    session.click(tuple(at))
    session.propagate(settings=WalkSettings(Ending(min_affirmed=share, min_alike=alike)))
    return indices_of(np.moveaxis(session.mask, axis, 0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planes_across_end_an_object_whose_sections_do_not(axis):
    assert reached(stacked(), axis, 0.0) == list(range(3, 17))
    assert reached(stacked(), axis, 0.5) == list(range(3, 10))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_where_planes_across_affirm_it_an_object_goes_on(axis):
    assert reached(bent(), axis, 0.0) == list(range(3, 8))
    assert reached(bent(), axis, 0.5) == list(range(3, 15))


def test_where_grey_values_are_the_same_an_object_goes_on_with_a_model_that_is_good_across():
    alike = Ending().min_alike
    assert reached(bent(), 0, 0.0, alike=alike) == list(range(3, 15))
    assert reached(bent(), 0, 0.0, alike=alike, across=False) == list(range(3, 8))


def test_by_default_they_are_asked_of_a_model_that_is_good_at_it_alone():
    share = Ending().min_affirmed
    assert reached(stacked(), 0, share) == list(range(3, 10))
    assert reached(stacked(), 0, share, across=False) == list(range(3, 17))


def test_planes_far_apart_are_not_asked_across():
    assert reached(stacked(), 0, 0.5, (2.9, 1.0, 1.0)) == list(range(3, 10))
    assert reached(stacked(), 0, 0.5, (3.1, 1.0, 1.0)) == list(range(3, 17))


def test_in_hounsfield_units_planes_across_are_not_asked():
    # air with tissue in it: the same values as in grey, shown in the same window
    scan = np.where(stacked() > 0, np.int16(255), np.int16(-1000))
    scan[:, :, :15] = 40
    assert holds_hounsfield(Volume(scan))
    assert reached(scan, 0, 0.5) == list(range(3, 17))
    assert reached(np.maximum(scan, 0), 0, 0.5) == list(range(3, 10))


def lines(side=0, at=30, own=1.0):
    line = np.zeros((3, 10), bool)
    line[1, 2:6] = True  # pixels 22 to 25 of the line, on plane 8
    return CrossSection(side, at, 7, 20, line, own)


def test_only_what_crosses_a_section_in_its_middle_is_affirmed_or_not():
    mask = np.zeros((60, 60), bool)
    mask[30, 22:30] = True
    assert affirmed([lines()], 8, mask) == (0.5, 0.5)
    assert affirmed([lines()], 9, mask) == (0.0, 0.0)
    assert affirmed([lines()], 10, mask) is None, "it was not looked at so far away"
    assert affirmed([lines()], 8, np.roll(mask, 1, axis=0)) is None, "it passes by"
    assert affirmed([lines(side=1)], 8, mask.T) == (0.5, 0.5)
    wider = mask.copy()
    wider[31, 20:36] = True
    assert affirmed([lines()], 8, wider) == (0.5, 0.5), "half as much as of the widest row"
    wider[31, 36] = True
    assert affirmed([lines()], 8, wider) is None, "it passes near the rim"


def test_planes_across_are_heard_one_by_one_and_by_what_they_affirm_of_the_clicked_mask():
    mask = np.zeros((60, 60), bool)
    mask[22:30, 22:30] = True
    sections = lines(at=25), lines(side=1, at=25, own=0.8)
    assert affirmed(sections, 8, mask) == (0.5, 0.625)


def test_it_takes_all_planes_across_to_end_an_object_or_to_go_on():
    ending = Ending(min_affirmed=0.5)
    assert ending.overruled(None, (0.4, 0.5)) is None
    assert ending.overruled(None, (0.4, 0.4)) == "another"
    assert ending.overruled("another", (0.5, 1.0)) is None
    assert ending.overruled("another", (0.4, 1.0)) == "another"


def test_what_planes_across_say_overrules_a_taper_and_a_change_of_brightness_but_no_leak():
    ending = Ending(min_affirmed=0.5)
    for why in ("another", "unlike"):
        assert ending.overruled(why, (0.5, 1.0)) is None
        assert ending.overruled(why, (0.4, 1.0)) == why
        assert ending.overruled(why, (1.0, 1.0), tapered=300) == why
    assert ending.overruled("leaked", (1.0, 1.0)) == "leaked"
    assert ending.overruled(None, None) is None
    assert ending.overruled(None, (0.4, 0.4), tapered=300) == "another"


@pytest.mark.parametrize(
    ("why", "shares", "tapered", "told"),
    [
        ("another", (0.0, 0.5), 0, None),
        ("another", None, 0, None),
        ("another", (0.0, 0.4), 0, "another"),
        ("another", None, 300, "another"),
        ("unlike", None, 0, "unlike"),
        ("leaked", None, 0, "leaked"),
    ],
)
def test_where_grey_values_are_the_anchors_a_taper_ends_nothing_that_no_plane_denies(
    why, shares, tapered, told
):
    ending = Ending()
    assert ending.overruled(why, shares, likeness=0.8, tapered=tapered) == told
    assert ending.overruled(why, shares, likeness=0.79, tapered=tapered) == why
    unasked = Ending(min_alike=0)
    assert unasked.overruled(why, shares, likeness=1.0, tapered=tapered) == why
