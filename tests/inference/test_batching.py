"""Pieces of work side by side: what they ask a model is asked in few passes, with equal answers."""

import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import (
    NOTHING,
    Answer,
    FloatArray,
    Prepared,
    Query,
    Saving,
    Traits,
    ZoomIn,
)
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DeviceError
from napari_intseg.inference.batching import BatchedModel, gains_by_batches
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.propagation.walk import walk
from napari_intseg.session.session import Session


class Beside:
    """Answers with the bright part that is clicked on; says that it computes on a device.

    Attributes
    ----------
    passes : list of (str, int)
        What was asked, and about how many images.
    room : int
        So many images fit in a pass in full precision.
    nan : bool
        Whether half precision gives no numbers.
    """

    def __init__(self, *, is_asynchronous: bool = True) -> None:
        zoom = ZoomIn(target_size=48, min_crop_size=24)
        self.traits = Traits("beside", frozenset({"click", "mask"}), zoom_in=zoom, uses_prev=True)
        self.is_asynchronous = self.encodes_ahead = is_asynchronous
        self.passes: list[tuple[str, int]] = []
        self.threads: set[int] = set()
        self.room, self.nan = 99, False
        self.savings = (NOTHING, Saving(half=True), Saving(half=True, view_px=32))
        self.saving = NOTHING

    @property
    def is_half(self) -> bool:
        return self.nan and not self.saving.exact

    def save_memory(self, saving: Saving) -> None:
        self.saving = saving

    def prepare(self, image: FloatArray) -> Prepared:
        return self.prepare_batch([image])[0]

    @staticmethod
    def batch_shape(shape: tuple[int, int]) -> tuple[int, ...]:
        return tuple(-(-n // 8) * 8 for n in shape)

    def prepare_batch(self, images: Sequence[FloatArray]) -> list[Prepared]:
        self._enter("prepare", len(images))
        kept = [(image.mean(axis=2), self.saving) for image in images]
        return [Prepared(one[0].shape, one, one[0].nbytes) for one in kept]

    def predict(self, query: Query) -> Answer:
        return self.predict_batch([query])[0]

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        self._enter("predict", len(queries))
        assert len({self.batch_shape(query.prepared.shape) for query in queries}) == 1
        return [self._answer(query) for query in queries]

    def _enter(self, what: str, count: int) -> None:
        self.threads.add(threading.get_ident())
        self.passes.append((what, count))
        if count > self.room and self.saving == NOTHING:
            raise MemoryError

    def _answer(self, query: Query) -> Answer:
        if not query.prompts.clicks:
            raise ValueError("nothing was clicked")
        grey, saving = query.prepared.payload
        assert saving == self.saving, "prepared in another precision"
        last = query.prompts.clicks[-1]
        parts, _ = ndimage.label(grey > 0.45)
        at = parts[round(last.row), round(last.col)]
        logits = np.where((parts == at) & (parts > 0), np.float32(6), np.float32(-6))
        return Answer(np.full_like(logits, np.nan) if self.is_half else logits)

    def largest(self, what: str) -> int:
        return max(count for kind, count in self.passes if kind == what)


def ask(model, image: FloatArray, row: float) -> FloatArray:
    prepared = model.prepare(image)
    return model.predict(Query(prepared, Prompts((Click(row, 5),)))).logits


@pytest.fixture
def images() -> list[FloatArray]:
    rng = np.random.default_rng(0)
    return [rng.random((12 + 8 * (i % 2), 16 - i, 3), np.float32) for i in range(6)]


def test_what_is_asked_at_a_time_is_one_pass_for_each_size_in_the_callers_thread(images):
    model = Beside()
    expected = [ask(model, image, i) for i, image in enumerate(images)]
    model.passes.clear()
    together = BatchedModel(model)
    found = together.run([partial(ask, together, image, i) for i, image in enumerate(images)])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.passes == [("prepare", 3), ("prepare", 3), ("predict", 3), ("predict", 3)]
    assert model.threads == {threading.get_ident()}


def test_pieces_run_one_at_a_time_and_may_ask_different_things(images):
    model, order = Beside(), []
    together = BatchedModel(model)

    def work(number: int) -> int:
        order.append(number)
        for i in range(number):
            ask(together, images[0], i)
            order.append(number)
        return number

    assert together.run([partial(work, n) for n in (0, 2, 1)]) == [0, 2, 1]
    assert order == [0, 2, 1, 2, 1, 2]


def test_beside_no_other_work_it_is_the_model_itself(images):
    model = Beside()
    np.testing.assert_array_equal(ask(BatchedModel(model), images[0], 3), ask(model, images[0], 3))
    assert BatchedModel(model).encodes_ahead


def test_one_that_cannot_be_answered_spoils_no_other_and_its_error_is_raised(images):
    together, answered = BatchedModel(Beside()), []

    def work(row: float) -> None:
        if row < 0:
            together.predict(Query(together.prepare(images[0]), Prompts()))
        answered.append(ask(together, images[0], row))

    with pytest.raises(ValueError, match="nothing was clicked"):
        together.run([partial(work, row) for row in (1, -1, 3)])
    assert len(answered) == 2


@pytest.mark.parametrize("count", [2, 6])
def test_where_memory_runs_out_one_step_down_is_enough_for_all(images, count):
    model = Beside()
    model.room = 1
    together = BatchedModel(model)
    works = [
        partial(within_memory, together, partial(ask, together, images[0], i), seen_px=lambda: 999)
        for i in range(count)
    ]
    found = together.run(works)
    assert model.saving == Saving(half=True)
    for i, one in enumerate(found):
        np.testing.assert_array_equal(one, ask(model, images[0], i))


def test_where_nothing_helps_it_is_told(images):
    model = Beside()
    model.prepare_batch = lambda _: (_ for _ in ()).throw(MemoryError)
    together = BatchedModel(model)
    work = partial(
        within_memory, together, partial(ask, together, images[0], 1), seen_px=lambda: 999
    )
    with pytest.raises(DeviceError, match="memory is too small for 'beside'"):
        together.run([work, work])


def test_an_interruption_leaves_no_thread_waiting(images):
    model = Beside()
    together = BatchedModel(model)
    model.predict_batch = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        together.run([partial(ask, together, images[0], i) for i in range(3)])
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "_run" in thread.name:
            thread.join(5)
            assert not thread.is_alive()


def test_models_on_a_processor_and_those_that_take_one_question_are_asked_one_by_one():
    assert gains_by_batches(Beside())
    assert not gains_by_batches(Beside(is_asynchronous=False))
    lone = Beside()
    one = type("One", (), {"is_asynchronous": True, "predict": lone.predict})()
    assert not gains_by_batches(one)


def objects() -> Volume:
    """Four bright columns that lean, in 12 planes."""
    data = np.zeros((12, 90, 90), np.uint8)
    rows, cols = np.indices(data.shape[1:])
    for z in range(12):
        for row in (22, 67):
            for col in (22, 67):
                radius = 14 - abs(z - 6 + col // 30) * 0.8
                data[z][np.hypot(rows - row - z / 4, cols - col) < radius] = 200
    return Volume(data, spacing=(2.0, 1.0, 1.0))


def propagated(model: Beside, *, far: bool) -> tuple[Session, list]:
    session = Session(model, objects())
    for row in (22, 67):
        for col in (22, 67):
            if session.mask.any():
                session.new_object()
            session.click((6, row + 1, col))
            if far:
                session.click((9, row + 2, col))
    model.passes.clear()
    seen = []
    session.propagate_all(on_progress=lambda *done: seen.append(done))
    return session, seen


@pytest.mark.parametrize("far", [False, True])
def test_all_objects_and_directions_are_walked_abreast_with_the_same_masks_and_order(far):
    beside, alone = Beside(), Beside(is_asynchronous=False)
    (one, seen), (other, expected) = propagated(beside, far=far), propagated(alone, far=far)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert seen == expected
    # but for the times, and the first line, which tells about the session
    lines, same = ([{**line, "t": 0} for line in s.journal.lines[1:]] for s in (one, other))
    assert lines == same
    # four objects, each walked both ways, and between its two planes
    assert beside.largest("predict") == (12 if far else 8)
    assert alone.largest("predict") == 1
    assert len(beside.passes) < len(alone.passes) / 3


@pytest.mark.parametrize("near", [None, 6])
def test_one_object_is_walked_both_ways_at_once(near):
    beside, alone = Beside(), Beside(is_asynchronous=False)
    labels = []
    for model in (beside, alone):
        session = Session(model, objects())
        session.click((6, 23, 22))
        session.propagate(near=near)
        labels.append(session.labels)
    np.testing.assert_array_equal(*labels)
    assert labels[0][:, 24, 22].sum() > 7
    assert beside.largest("predict") == 2


@pytest.mark.parametrize("near", [None, 10])
@pytest.mark.parametrize("jump", [None, 5])
def test_two_walks_that_meet_are_made_side_by_side(near, jump):
    beside, alone = Beside(), Beside(is_asynchronous=False)
    told = []
    for model in (beside, alone):
        session = Session(model, objects() if jump is None else without_plane(jump))
        session.click((1, 23, 22))
        session.click((10, 25, 23))
        model.passes.clear()
        change = session.propagate(near=near)
        lines = [{**line, "t": 0} for line in session.journal.lines[1:]]
        told.append((session.labels, change.stops, lines))
    np.testing.assert_array_equal(told[0][0], told[1][0])
    assert told[0][1:] == told[1][1:]
    assert bool(told[0][1]) == (jump is not None)
    # one after the other, they share no pass, but for the planes that are not between
    assert beside.passes.count(("predict", 2)) >= 2
    assert len(beside.passes) < 0.8 * len(alone.passes)


def without_plane(index: int) -> Volume:
    """The same without the objects on a plane, where walks end."""
    volume = objects()
    data = np.array(volume.data)
    data[index] = 0
    return Volume(data, spacing=volume.spacing)


def test_a_device_encodes_the_next_plane_before_this_one_is_finished():
    for is_asynchronous in (True, False):
        model = Beside(is_asynchronous=is_asynchronous)
        session = Session(model, objects())
        session.click((0, 22, 22))
        model.passes.clear()
        steps = walk(session.propagation_request())
        for count in (1, 2, 3):
            assert next(steps).plane == Plane(0, count)
            encoded = sum(what == "prepare" for what, _ in model.passes)
            assert encoded == count + is_asynchronous
        # every plane was encoded once: the view that was foreseen was the one that was asked on
        assert len(list(steps)) == 9
        assert sum(what == "prepare" for what, _ in model.passes) == 11
