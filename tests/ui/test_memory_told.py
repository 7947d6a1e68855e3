"""What the window tells when memory runs out, and that work goes on."""

import numpy as np
import pytest

from napari_intseg.core.segmenter import NOTHING, Saving
from napari_intseg.ui.controllers import model_loader
from napari_intseg.ui.controllers.model_loader import Choice, load
from napari_intseg.ui.controllers.review import TimeTracking
from napari_intseg.ui.qt.worker_thread import told

FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
STEPS = (NOTHING, Saving(half=True), Saving(on_cpu=True))


@pytest.fixture
def tight(toy):
    """The toy, which can save memory and needs to as far as `needs` says."""
    real = toy.predict
    toy.savings, toy.saving, toy.needs = STEPS, NOTHING, 0

    def save_memory(saving):
        toy.saving = saving

    def check():
        if STEPS.index(toy.saving) < toy.needs:
            raise FULL

    def predict(query):
        check()
        return real(query)

    toy.save_memory, toy.predict, toy.warm_up = save_memory, predict, check
    return toy


@pytest.fixture
def image_controller(controller, boxes):
    controller.choose_image(controller.viewer.add_image(boxes))
    controller.new_object()
    return controller.image_controller


@pytest.fixture
def finish(controller, pump, settle):
    def wait():
        pump.until(lambda: not controller.is_propagating)
        settle()

    return wait


@pytest.mark.parametrize(("needs", "how"), [(1, "in half precision"), (2, "on the CPU")])
def test_a_click_tells_what_was_given_up(tight, image_controller, said, settle, needs, how):
    tight.needs = needs
    image_controller.points.add((5, 12, 15))
    settle()
    assert said.messages[-1] == f"Memory ran out: computed {how}."
    assert not said.failures


@pytest.mark.parametrize(("needs", "how"), [(1, "in half precision"), (2, "on the CPU")])
def test_a_propagation_tells_what_was_given_up_at_the_plane_and_at_the_end(
    tight, controller, image_controller, said, finish, settle, boxes, needs, how
):
    image_controller.points.add((5, 12, 15))
    settle()
    tight.needs = needs
    controller.propagate()
    finish()
    note = f"Memory ran out: computed {how}."
    assert said.messages.count(note) == 1
    assert said.messages[-1] == f"Object 1 propagated to 5 planes. {note}"
    np.testing.assert_array_equal(image_controller.labels.data > 0, boxes == 200)


def test_with_room_nothing_is_told(tight, controller, image_controller, said, finish):
    assert tight.saving == NOTHING
    image_controller.points.add((5, 12, 15))
    controller.propagate()
    finish()
    assert not [text for text in said.messages if "emory" in text]


def test_without_any_room_it_is_told_and_work_goes_on(
    tight, controller, image_controller, said, finish, settle, boxes
):
    image_controller.points.add((5, 12, 15))
    settle()
    tight.needs = 3
    controller.propagate()
    finish()
    assert "memory is too small for 'toy'" in said.failures[-1]
    assert "Close other programs, choose a smaller model." in said.failures[-1]
    tight.needs = 0
    controller.propagate()
    finish()
    np.testing.assert_array_equal(image_controller.labels.data > 0, boxes == 200)


def test_following_through_time_tells_it_too(tight, controller, said, pump, settle):
    frames = np.zeros((4, 40, 60), np.uint8)
    frames[:, 10:24, 8:22] = 200
    controller.choose_image(controller.viewer.add_image(frames))
    controller.choose_axes("tyx")
    controller.new_object()
    controller.viewer.dims.set_point(0, 0)
    controller.image_controller.points.add((0, 17, 15))
    settle()
    through = TimeTracking(controller)
    for needs, end in ((3, "memory is too small"), (1, "computed in half precision.")):
        tight.needs = needs
        before = len(said.messages)
        through.start()
        pump.until(lambda: not through.is_running)
        settle()
        told_now = said.failures[-1] if needs == 3 else said.messages[-1]
        assert end in told_now
        if needs == 3:  # the error stays to be read
            assert not [text for text in said.messages[before:] if "followed to" in text]


@pytest.mark.parametrize(("needs", "how"), [(1, "in half precision"), (2, "on the CPU")])
def test_a_model_that_finds_no_room_to_warm_up_is_loaded_all_the_same(
    tight, controller, pump, said, monkeypatch, needs, how
):
    tight.needs = needs
    monkeypatch.setattr(model_loader, "load_model", lambda *_, **__: tight)
    monkeypatch.setattr(controller.loader, "_load_with", load)
    controller.loader.choose(Choice("toy"))
    pump.until(lambda: not controller.loader.is_loading)
    assert said.messages[-1] == f"toy is ready. Memory ran out: computed {how}."


def test_a_model_without_any_room_is_not_taken_and_the_old_one_stays(
    tight, controller, image_controller, pump, said, settle, monkeypatch
):
    tight.needs = 3
    monkeypatch.setattr(model_loader, "load_model", lambda *_, **__: tight)
    monkeypatch.setattr(controller.loader, "_load_with", load)
    controller.loader.choose(Choice("large"))
    pump.until(lambda: not controller.loader.is_loading)
    assert "memory is too small" in said.failures[-1]
    tight.needs = 0
    image_controller.points.add((5, 12, 15))
    settle()
    assert image_controller.labels.data[5].any()


@pytest.mark.parametrize("error", [MemoryError(), FULL])
def test_memory_that_runs_out_elsewhere_is_told_plainly(error):
    assert told(error).startswith("Memory ran out: ")
    assert "Close other programs" in told(error)
    assert "please report it" in told(RuntimeError("shapes differ"))
