"""A volume is followed from one time point to the next as a whole."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg import Plane, Session, Volume, load_model
from napari_intseg.evaluation.metrics import dice
from napari_intseg.inference.patch import Patch
from napari_intseg.session.tracking import VolumeTracking, tracking_request

SPACING = (2.0, 1.0, 1.0)
SHAPE = (14, 40, 56)
TIMES = 6


def ellipsoid(centre, radii):
    grid = np.indices(SHAPE).astype(float)
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


@pytest.fixture(scope="module")
def moving():
    """An ellipsoid that moves along all axes and grows, another one that stands still, noise."""
    rng = np.random.default_rng(5)
    truths, volumes = [], []
    for time in range(TIMES):
        grown = 1 + 0.03 * time
        truth = ellipsoid(
            (5 + 0.8 * time, 16 + 2 * time, 16 + 4 * time), (3.2 * grown, 8 * grown, 7 * grown)
        )
        still = ellipsoid((6, 34, 10), (3, 4, 5))
        grey = np.where(truth | still, 180.0, 60.0) + rng.normal(0, 12, SHAPE)
        truths.append(truth)
        volumes.append(Volume(np.clip(grey, 0, 255).astype(np.uint8), spacing=SPACING))
    return truths, volumes


def session_on(volume):
    return Session(load_model("random-walker"), volume)


@pytest.fixture
def start(moving):
    truths, volumes = moving
    session = session_on(volumes[0])
    session.click((5, 16, 16))
    session.click((5, 4, 16), positive=False)
    session.propagate()
    assert dice(session.mask, truths[0]) > 0.85
    return session


def follow(sessions, start, volumes, *, most=None):
    """Carry it out as the window does; return how many planes were answered."""
    count, token = 0, object()
    requests = tracking_request(sessions, start, 1, TIMES, volumes.__getitem__)
    for plane, step in (found for one in requests for found in one.steps()):
        if count == most:
            break
        time = step.plane.index
        if time not in sessions:
            sessions[time] = session_on(volumes[time])
        sessions[time].accept_followed(1, plane, step, token)
        assert 0 < step.done <= step.total
        count += 1
    return count


def mask_of(session):
    return session.labels == 1


def test_an_ellipsoid_that_moves_is_found_at_every_time_point(start, moving):
    truths, volumes = moving
    sessions = {0: start}
    follow(sessions, start, volumes)
    scores = [dice(mask_of(sessions[time]), truths[time]) for time in range(TIMES)]
    assert min(scores) > 0.85, scores
    for session in sessions.values():  # in one piece, and the other one is not touched
        assert ndimage.label(mask_of(session), np.ones((3, 3, 3)))[1] == 1
    first, last = (np.flatnonzero(mask_of(sessions[t]).any(axis=(1, 2))) for t in (0, TIMES - 1))
    assert last.min() > first.min()  # it has left planes, and come to others
    assert last.max() > first.max()


def test_what_a_person_gave_stays_and_is_gone_on_from(start, moving):
    truths, volumes = moving
    sessions = {0: start, 3: session_on(volumes[3])}
    there = Plane(0, 8)
    sessions[3].set_initial_mask(truths[3][8], there)
    follow(sessions, start, volumes)
    np.testing.assert_array_equal(sessions[3].mask_on(there, 1), truths[3][8])
    assert dice(mask_of(sessions[3]), truths[3]) > 0.85
    assert dice(mask_of(sessions[5]), truths[5]) > 0.85


def test_where_a_person_says_it_is_gone_it_ends(start, moving):
    _, volumes = moving
    sessions = {0: start, 2: session_on(volumes[2])}
    sessions[2].set_initial_mask(np.zeros(SHAPE[1:], bool), Plane(0, 6))
    follow(sessions, start, volumes)
    assert mask_of(sessions[1]).any()
    assert not mask_of(sessions[2]).any()
    assert set(sessions) == {0, 1, 2}


def test_stopping_in_the_middle_keeps_what_is_done_and_the_rest_can_follow(start, moving):
    truths, volumes = moving
    sessions = {0: start}
    assert follow(sessions, start, volumes, most=9) == 9
    assert 1 in sessions
    assert TIMES - 1 not in sessions
    follow(sessions, start, volumes)
    assert dice(mask_of(sessions[TIMES - 1]), truths[TIMES - 1]) > 0.85


def test_following_again_takes_away_what_is_not_found_any_more(start, moving):
    truths, volumes = moving
    sessions = {0: start}
    follow(sessions, start, volumes)
    leftover = Plane(0, SHAPE[0] - 1)
    stray = np.zeros(SHAPE[1:], bool)
    stray[:3, :3] = True
    (request,) = tracking_request(sessions, start, 1, TIMES, volumes.__getitem__)
    assert isinstance(request, VolumeTracking)
    _, step = next(request.steps())
    sessions[1].accept_followed(1, leftover, replace(step, patch=Patch.from_mask(stray)), "stray")
    assert sessions[1].mask_on(leftover, 1).any()
    follow(sessions, start, volumes)
    assert not sessions[1].mask_on(leftover, 1).any()
    assert dice(mask_of(sessions[1]), truths[1]) > 0.85
