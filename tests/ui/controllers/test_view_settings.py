"""What the model sees: a change answers anew and is undone, a picture, and a record."""

import json

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers import session_store
from napari_intseg.ui.controllers.session_store import RECORD
from napari_intseg.ui.controllers.view_settings import PREVIEW_PX, ViewSettings, small
from napari_intseg.ui.controllers.viewer_controller import AS_SHOWN
from napari_intseg.ui.preferences import Preferences


@pytest.fixture
def view_settings(controller):
    view_settings = ViewSettings(controller, controller.post)
    yield view_settings
    view_settings.close()


@pytest.fixture
def faint(squares):
    """The two squares in values that a wide window cannot tell apart, int16."""
    return squares.astype(np.int16)


@pytest.fixture
def start(controller):
    def run(data, **options):
        controller.choose_image(controller.viewer.add_image(data, **options))
        controller.new_object()
        return controller.image_controller

    return run


@pytest.mark.parametrize("are_seen", [False, True])
def test_other_objects_are_shown_to_the_model_if_preferred(start, squares, monkeypatch, are_seen):
    chosen = Preferences(other_objects=are_seen)
    monkeypatch.setattr(session_store, "preferences", lambda: chosen)
    session = start(squares).session_store.session(0)
    assert session.document.setup.others == are_seen


def test_another_window_answers_anew_and_is_one_step_of_undo(
    controller, view_settings, start, settle, faint
):
    view_settings.choose_window((0, 200))
    image_controller = start(faint)
    image_controller.points.add((20, 20))
    settle()
    np.testing.assert_array_equal(image_controller.labels.data > 0, faint == 200)
    view_settings.choose_window((-3000, 3000))  # all is the same grey now
    settle()
    assert (image_controller.labels.data > 0).all()
    controller.undo()
    settle()
    np.testing.assert_array_equal(image_controller.labels.data > 0, faint == 200)
    assert len(image_controller.points.data) == 1  # the click is another step


def test_channels_of_one_layer_are_shown_in_colour_and_mixed(controller, squares):
    stack = np.stack(
        [squares, squares // 2, np.roll(squares, 9), squares.T[:60].repeat(2, 1)[:, :80]]
    )
    image = controller.viewer.add_image(stack, axis_labels=("c", "y", "x"), name="stack")
    controller.viewer.add_labels(np.zeros((60, 80), int))
    controller.choose_image(image)
    controller.show_in_colour()
    names = [f"stack channel {i}" for i in range(4)]
    assert [layer.name for layer in controller.viewer.layers] == [*names, "Labels"]
    assert (controller.image.name, controller.axes) == (names[0], "yx")
    assert [layer.name for layer in controller.others] == names[1:]
    controller.new_object()
    shown = controller.image_controller.session_store.session(0).document.setup.window
    assert [one.colours[-1] for one in shown.channels] == [
        (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0),
    ]  # fmt: skip


def test_a_layer_that_is_worked_on_stays_though_colour_is_asked_for(controller, squares):
    image = controller.viewer.add_image(np.stack([squares] * 3), axis_labels=("c", "y", "x"))
    controller.choose_image(image)
    controller.new_object()
    controller.show_in_colour()
    assert controller.image is image
    assert image in controller.viewer.layers


def test_the_model_follows_the_display_if_it_shall(
    controller, view_settings, start, settle, pump, faint
):
    view_settings.choose_window(AS_SHOWN)
    image_controller = start(faint, contrast_limits=(0, 200))
    image_controller.points.add((20, 20))
    settle()
    for high in (1000, 2000, 3000):  # the slider is dragged
        controller.image.contrast_limits = (-3000, high)
    pump.until(lambda: bool((image_controller.labels.data > 0).all()))
    settle()
    assert view_settings.setup.window == (-3000, 3000)
    view_settings.choose_window((0, 200))  # its own from now on
    settle()
    controller.image.contrast_limits = (-3000, 2500)
    pump.drain()
    settle()
    np.testing.assert_array_equal(image_controller.labels.data > 0, faint == 200)


def test_what_was_seen_is_kept_with_the_labels(view_settings, start, settle, faint):
    view_settings.choose_window("bone")
    image_controller = start(faint)
    image_controller.points.add((20, 20))
    settle()
    record = json.loads(json.dumps(image_controller.labels.metadata[RECORD]))
    assert record["model"] == "toy"
    assert record["window"] == "bone"
    assert (record["intensity"]["low"], record["intensity"]["high"]) == ([-500], [1300])


def test_neighbouring_planes_and_colours_are_choices(view_settings, start, settle, boxes, said):
    view_settings.choose(context=1)
    assert "Begin an object first" in said.failures[-1]
    image_controller = start(boxes)
    image_controller.points.add((5, 12, 15))
    settle()
    view_settings.choose(context=1)
    settle()
    assert view_settings.setup.context == 1
    assert small(view_settings.setup, Plane(0, 3))[9, 11].tolist() == [0, 200, 200]
    view_settings.choose(context=-1)
    assert "neighbouring planes cannot be shown" in said.failures[-1]
    assert image_controller.session_store.sessions[0].undo_title == "Change context"


def test_the_picture_is_what_the_model_sees(controller, view_settings, start, settle, pump, faint):
    seen = []
    view_settings.picture(seen.append)
    assert seen == [None]
    view_settings.choose_window((100, 200))
    start(np.kron(faint, np.ones((6, 6), np.int16)))
    controller.image_controller.points.add((100, 100))
    settle()
    view_settings.picture(seen.append)
    pump.until(lambda: len(seen) == 2)
    assert max(seen[1].shape) <= PREVIEW_PX
    assert seen[1].dtype == np.uint8
    assert set(np.unique(seen[1])) == {0, 255}


def test_the_model_sees_the_mix_that_is_displayed_and_follows_it(
    controller, view_settings, start, settle, pump, squares
):
    channels = np.stack([squares, squares[::-1]]).astype(np.uint16)
    other = controller.viewer.add_image(
        channels[1], colormap="green", blending="additive", contrast_limits=(0, 400)
    )
    image_controller = start(
        channels[0], colormap="magenta", blending="additive", contrast_limits=(0, 200)
    )
    image = controller.image
    assert image_controller.image_axes.others == (other,)
    image_controller.points.add((20, 20))
    settle()

    def seen():
        return small(view_settings.setup, Plane(0, 0))

    row, col = np.argwhere((squares == 200) & (squares[::-1] != 200))[0]
    assert seen()[row, col, [0, 2]].tolist() == [255, 255], "magenta"
    mirrored = seen()[-1 - row, col].tolist()
    assert mirrored[1] == 128, "half as bright, and green"
    before = view_settings.setup.window
    image.opacity, other.gamma = 0.5, 2.0
    pump.until(lambda: view_settings.setup.window != before)
    settle()
    assert seen()[row, col, 0] == 128
    assert seen()[-1 - row, col, 1] == 64
    image.visible = False
    pump.until(lambda: len(view_settings.setup.window.channels) == 1)
    settle()
    alone = seen()[-1 - row, col].tolist()
    assert alone == [64, 64, 64], "one channel alone is grey"
    controller.undo()
    settle()
    assert len(view_settings.setup.window.channels) == 2


def test_a_channel_shown_later_is_told_of(controller, start, squares, said):
    image_controller = start(squares, colormap="red", blending="additive")
    assert image_controller.image_axes.others == ()
    controller.viewer.add_image(squares.copy(), name="late", colormap="green", blending="additive")
    controller.follow_mix()
    assert said.messages[-1] == "The model does not see 'late' yet: tick it under Channels."


def test_limits_and_gamma_that_a_person_sets_count_for_any_type(controller, start, squares):
    start(squares)
    image = controller.image
    assert controller.image_controller.session_store._seen() is None
    image.contrast_limits = (0, 100)
    assert controller.image_controller.session_store._seen() == (0, 100)
    image.gamma = 0.5
    assert controller.image_controller.session_store._seen().channels[0].gamma == 0.5
    controller.choose_image(controller.viewer.add_image(squares * 2))
    assert controller.work_on(image).session_store._seen().channels[0].gamma == 0.5, "its own"
