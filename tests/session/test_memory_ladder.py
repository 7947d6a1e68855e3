"""Out of memory at every stage: a smaller view, a plain message, and the session goes on."""

import numpy as np
import pytest

from napari_intseg import Session, Volume
from napari_intseg.errors import DeviceError

DATA = np.zeros((4, 600, 900), np.uint8)
DATA[:, 100:300, 100:400] = 255
FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Short:
    """A model on a device with room for a view of so many pixels, at one stage."""

    def __init__(self, inner, stage, room_px, error=FULL):
        self.traits, self.inner = inner.traits, inner
        self.stage, self.room_px, self.error = stage, room_px, error

    def _check(self, stage, shape):
        if stage == self.stage and max(shape) > self.room_px:
            raise self.error

    def prepare(self, image):
        self._check("prepare", image.shape[:2])
        return self.inner.prepare(image)

    def predict(self, query):
        self._check("predict", query.prepared.shape)
        return self.inner.predict(query)


@pytest.mark.parametrize("stage", ["prepare", "predict"])
@pytest.mark.parametrize("error", [FULL, MemoryError(), DeviceError("device is out of memory: x")])
def test_a_smaller_view_is_tried(bright, stage, error):
    session = Session(Short(bright(), stage, 512, error), Volume(DATA))
    result = session.click((1, 200, 200))
    assert result.answer.info["note"] == "memory ran out; the view was limited to 512 px"
    truth = DATA[1] > 0
    mask = session.mask[1]
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


@pytest.mark.parametrize("stage", ["prepare", "predict"])
def test_without_any_room_it_is_told_and_the_session_goes_on(bright, stage):
    session = Session(Short(bright(), stage, 10), Volume(DATA))
    with pytest.raises(DeviceError, match="memory is too small for one answer"):
        session.click((1, 200, 200))
    assert len(session.clicks) == 1
    session.model = bright()
    session.predict(session.clicks[0].plane)
    assert session.mask.any()
    session.undo()
    session.undo()
    assert not session.mask.any()


def test_propagation_ends_with_the_message_and_keeps_what_is_done(bright):
    session = Session(bright(), Volume(DATA))
    session.click((1, 200, 200))
    before = session.mask
    session.change_setup(
        model=Short(bright(), "predict", 10, DeviceError("device is out of memory"))
    )
    session.model.room_px = 10_000
    session.predict(session.clicks[0].plane)
    session.model.room_px = 10
    with pytest.raises(DeviceError, match="memory is too small for one answer"):
        session.propagate()
    np.testing.assert_array_equal(session.mask, before)
    session.model.room_px = 10_000
    session.propagate()
    assert session.mask[:, 200, 200].all()


@pytest.mark.parametrize("stage", ["prepare", "predict"])
@pytest.mark.parametrize("error", [FULL, MemoryError(), DeviceError("device is out of memory: x")])
def test_propagation_goes_on_with_smaller_views(bright, stage, error):
    model = Short(bright(), stage, 10_000, error)
    session = Session(model, Volume(DATA))
    session.click((1, 200, 200))
    model.room_px = 512
    session.propagate()
    truth = DATA > 0
    for mask, right in zip(session.mask, truth, strict=True):
        assert (mask & right).sum() / (mask | right).sum() > 0.95


def test_other_errors_are_not_taken_for_it(bright):
    session = Session(Short(bright(), "predict", 10, RuntimeError("shape mismatch")), Volume(DATA))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        session.click((1, 200, 200))
