"""What the model sees: a change answers anew and is undone, a picture, and a record."""

import json

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.looking import PREVIEW_PX, RECORD, Looking, small
from napari_intseg.ui.window import AS_SHOWN


@pytest.fixture
def looking(bench):
    looking = Looking(bench, bench.post)
    yield looking
    looking.close()


@pytest.fixture
def faint(squares):
    """The two squares in values that a wide window cannot tell apart, int16."""
    return squares.astype(np.int16)


@pytest.fixture
def start(bench):
    def run(data, **options):
        bench.choose_image(bench.viewer.add_image(data, **options))
        bench.new_object()
        return bench.binder

    return run


def test_another_window_answers_anew_and_is_one_step_of_undo(bench, looking, start, settle, faint):
    looking.choose_window((0, 200))
    binder = start(faint)
    binder.points.add((20, 20))
    settle()
    np.testing.assert_array_equal(binder.labels.data > 0, faint == 200)
    looking.choose_window((-3000, 3000))  # all is the same grey now
    settle()
    assert (binder.labels.data > 0).all()
    bench.undo()
    settle()
    np.testing.assert_array_equal(binder.labels.data > 0, faint == 200)
    assert len(binder.points.data) == 1  # the click is another step


def test_the_model_follows_the_display_if_it_shall(bench, looking, start, settle, pump, faint):
    looking.choose_window(AS_SHOWN)
    binder = start(faint, contrast_limits=(0, 200))
    binder.points.add((20, 20))
    settle()
    for high in (1000, 2000, 3000):  # the slider is dragged
        bench.image.contrast_limits = (-3000, high)
    pump.until(lambda: bool((binder.labels.data > 0).all()))
    settle()
    assert looking.setup.window == (-3000, 3000)
    looking.choose_window((0, 200))  # its own from now on
    settle()
    bench.image.contrast_limits = (-3000, 2500)
    pump.drain()
    settle()
    np.testing.assert_array_equal(binder.labels.data > 0, faint == 200)


def test_what_was_seen_is_kept_with_the_labels(looking, start, settle, faint):
    looking.choose_window("bone")
    binder = start(faint)
    binder.points.add((20, 20))
    settle()
    record = json.loads(json.dumps(binder.labels.metadata[RECORD]))
    assert record["model"] == "toy"
    assert record["window"] == "bone"
    assert (record["intensity"]["low"], record["intensity"]["high"]) == ([-500], [1300])


def test_neighbouring_planes_and_colours_are_choices(looking, start, settle, boxes, said):
    looking.choose(context=1)
    assert "Begin an object first" in said.failures[-1]
    binder = start(boxes)
    binder.points.add((5, 12, 15))
    settle()
    looking.choose(context=1)
    settle()
    assert looking.setup.context == 1
    assert small(looking.setup, Plane(0, 3))[9, 11].tolist() == [0, 200, 200]
    looking.choose(context=-1)
    assert "neighbouring planes cannot be shown" in said.failures[-1]
    assert binder.drawer.sessions[0].undo_title == "Change context"


def test_the_picture_is_what_the_model_sees(bench, looking, start, settle, pump, faint):
    seen = []
    looking.picture(seen.append)
    assert seen == [None]
    looking.choose_window((100, 200))
    start(np.kron(faint, np.ones((6, 6), np.int16)))
    bench.binder.points.add((100, 100))
    settle()
    looking.picture(seen.append)
    pump.until(lambda: len(seen) == 2)
    assert max(seen[1].shape) <= PREVIEW_PX
    assert seen[1].dtype == np.uint8
    assert set(np.unique(seen[1])) == {0, 255}
