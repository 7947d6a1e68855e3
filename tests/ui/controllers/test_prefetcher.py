"""Neighbouring planes are prepared ahead, and a click never waits for more than one of them."""

import threading

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.session.embeddings import EmbeddingFiles, prepare, to_prepare
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers import model_loader


class Slow:
    """Prepares one image at a time, when told to; notes in which order it does what."""

    def __init__(self) -> None:
        self.traits = Traits("slow", embeds=True)
        self.log: list[tuple[str, int]] = []
        self.steps, self.entered = threading.Semaphore(0), threading.Semaphore(0)
        self.is_free = True
        self.error: Exception | None = None
        self.gate = threading.Event()

    def prepare(self, image):
        plane = round(float(image[0, 0, 0]) * 255)
        if not self.is_free:
            self.entered.release()
            assert self.steps.acquire(timeout=240)
        self.log.append(("prepare", plane))
        if self.error is not None:
            raise self.error
        return Prepared(image.shape[:2], plane, 1000)

    def predict(self, query: Query) -> Answer:
        self.log.append(("predict", query.prepared.payload))
        return Answer(np.full(query.prepared.shape, 5, np.float32))


@pytest.fixture
def toy():
    return Slow()


@pytest.fixture
def stack():
    """Each plane's values are its index, uint8 (12, 6, 8)."""
    return np.broadcast_to(np.arange(12, dtype=np.uint8)[:, None, None], (12, 6, 8)).copy()


@pytest.fixture
def begin(controller, stack):
    def make(**kwargs):
        controller.choose_image(controller.viewer.add_image(stack, **kwargs))
        controller.viewer.dims.set_point(0, 5)
        controller.new_object()
        return controller.image_controller

    return make


def prepared(toy):
    return [plane for what, plane in toy.log if what == "prepare"]


def test_the_plane_in_view_and_two_to_either_side_are_prepared_in_turn(
    controller, toy, begin, pump
):
    begin()
    pump.until(lambda: len(toy.log) == 5 and controller.worker.is_idle)
    assert toy.log == [("prepare", p) for p in (5, 6, 4, 7, 3)]
    controller.viewer.dims.set_point(0, 6)
    pump.until(lambda: len(toy.log) == 6 and controller.worker.is_idle)
    assert toy.log[-1] == ("prepare", 8)


def test_a_click_during_it_is_answered_before_the_remaining_planes(controller, toy, begin, pump):
    toy.is_free = False
    image_controller = begin()
    pump.until(lambda: toy.entered.acquire(blocking=False))  # plane 5 is being prepared
    image_controller.points.add((9, 2, 2))
    toy.steps.release()
    pump.until(lambda: toy.entered.acquire(blocking=False))
    assert prepared(toy) == [5]
    toy.steps.release(10)
    toy.is_free = True
    pump.until(lambda: len(prepared(toy)) == 6 and controller.worker.is_idle)
    assert toy.log[:3] == [("prepare", 5), ("prepare", 9), ("predict", 9)]
    assert sorted(prepared(toy)[2:]) == [3, 4, 6, 7]
    assert (image_controller.labels.data[9] == 1).all()


def test_a_click_on_a_prepared_plane_prepares_nothing(controller, toy, begin, pump, settle):
    image_controller = begin()
    pump.until(lambda: len(toy.log) == 5 and controller.worker.is_idle)
    image_controller.points.add((4, 2, 2))
    settle()
    assert toy.log[5:] == [("predict", 4)]


def test_planes_that_are_scrolled_past_are_not_prepared(controller, toy, begin, pump, monkeypatch):
    calls = []
    monkeypatch.setattr(
        controller.prefetch, "_post", lambda call, delay: calls.append((call, delay))
    )
    begin()
    for plane in range(6, 11):
        controller.viewer.dims.set_point(0, plane)
    assert {delay for _, delay in calls} == {model_loader.REST_MS}
    for call, _ in calls:
        call()
    pump.until(lambda: len(toy.log) == 4 and controller.worker.is_idle)
    assert prepared(toy) == [10, 11, 9, 8]


@pytest.mark.parametrize("again", ["click", "plane", "model"])
def test_held_back_it_prepares_nothing_until_something_new_is_asked_for(
    controller, toy, begin, pump, again
):
    toy.is_free = False
    image_controller = begin()
    pump.until(lambda: toy.entered.acquire(blocking=False))  # plane 5 is being prepared
    controller.prefetch.hold()
    toy.is_free = True
    toy.steps.release(10)
    pump.until(lambda: controller.worker.is_idle)
    for _ in range(3):  # what else happens in the window asks for nothing new
        controller.signals.changed.emit()
        controller.signals.answered.emit("object 1", 0.1)
        pump.drain()
    pump.until(lambda: controller.worker.is_idle)
    assert toy.log == [("prepare", 5)]
    if again == "click":
        image_controller.points.add((5, 2, 2))
    elif again == "plane":
        controller.viewer.dims.set_point(0, 6)
    else:
        controller.loader.put(controller.loader.choice, toy)
    at_least = {"click": 5, "plane": 4, "model": 5}[again]
    pump.until(lambda: len(prepared(toy)) >= at_least and controller.worker.is_idle)


def test_what_another_window_clears_is_not_prepared_again_at_once(
    controller, toy, begin, pump, tmp_path
):
    controller.keep_embeddings(EmbeddingFiles(tmp_path))
    toy.is_free = False
    begin()
    pump.until(lambda: toy.entered.acquire(blocking=False))  # plane 5 is being prepared
    EmbeddingFiles(tmp_path).clear()
    toy.is_free = True
    toy.steps.release(10)
    pump.until(lambda: controller.prefetch._is_held and controller.worker.is_idle)
    assert prepared(toy) == [5]
    controller.viewer.dims.set_point(0, 9)
    pump.until(lambda: len(toy.log) == 6 and controller.worker.is_idle)
    assert prepared(toy)[1:] == [9, 10, 8, 11, 7]


def test_a_plane_that_waits_to_be_prepared_is_not_when_held_back(controller, toy, begin, pump):
    gate = threading.Event()
    begin()
    controller.worker.submit(lambda _: gate.wait(240), lambda _: None)
    pump.until(lambda: controller.prefetch._job is not None)
    controller.prefetch.hold()
    gate.set()
    pump.until(lambda: controller.worker.is_idle and controller.prefetch._job is None)
    pump.drain()
    assert toy.log == []


def test_a_quick_model_prepares_nothing_ahead(toy, begin, pump, settle):
    toy.traits = Traits("quick")
    image_controller = begin()
    for _ in range(3):
        pump.drain()
    assert toy.log == []
    image_controller.points.add((5, 2, 2))
    settle()
    pump.drain()
    assert toy.log == [("prepare", 5), ("predict", 5)]


def test_it_follows_the_axis_in_view(controller, toy, begin, pump):
    image_controller = begin()
    pump.until(lambda: len(toy.log) == 5 and controller.worker.is_idle)
    controller.viewer.dims.order = (1, 0, 2)
    controller.viewer.dims.set_point(1, 2)
    pump.until(lambda: len(toy.log) >= 10 and controller.worker.is_idle)
    session = image_controller.session_store.sessions[0]
    assert all(to_prepare(session.setup, Plane(1, i), session.cache) is None for i in range(5))
    assert to_prepare(session.setup, Plane(1, 5), session.cache) is not None


def test_an_error_is_left_to_the_click_that_meets_it(controller, toy, begin, pump, said, settle):
    toy.error = MemoryError("no room")
    image_controller = begin()
    pump.until(lambda: len(toy.log) == 5 and controller.worker.is_idle)  # each is tried but once
    assert said.failures == []
    image_controller.points.add((5, 2, 2))
    settle()
    assert "no room" in said.failures[-1]


def test_embeddings_in_memory_stay_within_their_bound():
    toy = Slow()
    data = np.zeros((12, 6, 8), np.uint8)
    session = Session(toy, Volume(data), cache_bytes=3500)
    for index in range(12):
        ahead = to_prepare(session.setup, Plane(0, index), session.cache)
        assert ahead is not None
        prepare(ahead)
    assert 0 < len(session.cache) < 12
    assert session.cache.nbytes <= 3500
    assert to_prepare(session.setup, Plane(0, 11), session.cache) is None
    assert to_prepare(session.setup, Plane(0, 0), session.cache) is not None
    assert to_prepare(session.setup, Plane(0, 12), session.cache) is None


class Seeing(Slow):
    """Keeps the images it was given."""

    def __init__(self):
        super().__init__()
        self.images = []

    def prepare(self, image):
        self.images.append(image)
        return Prepared(image.shape[:2], 0, 1000)


@pytest.mark.parametrize("context", [0, 1])
def test_what_is_prepared_ahead_is_what_a_click_would_have_prepared(context):
    volume = Volume(np.random.default_rng(0).integers(0, 255, (5, 6, 8)).astype(np.uint8))
    model = Seeing()
    session, other = Session(model, volume), Session(model, volume)
    for one in (session, other):
        one.change_setup(context=context)
    prepare(to_prepare(session.setup, Plane(0, 2), session.cache))
    other.click((2, 1, 1))
    np.testing.assert_array_equal(*model.images)
    session.click((2, 1, 1))
    assert len(model.images) == 2


def test_nothing_is_prepared_after_closing(controller, toy, begin, pump):
    toy.is_free = False
    begin()
    pump.until(lambda: toy.entered.acquire(blocking=False))
    toy.steps.release(10)
    controller.close()
    pump.drain()
    assert prepared(toy) == [5]
