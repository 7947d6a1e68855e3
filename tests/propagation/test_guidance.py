"""Propagation by a model's own memory, with a model that only remembers."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest

from napari_intseg.core.prompts import Click, KnownPoint, Prompts
from napari_intseg.core.segmenter import (
    Answer,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
    mask_to_logits,
)
from napari_intseg.core.volume import Volume
from napari_intseg.errors import PromptError
from napari_intseg.propagation.guidance import beyond_reach, clicked_nearby
from napari_intseg.propagation.walk import WalkSettings
from napari_intseg.session.session import Session


class Threshold:
    """Answers with what is bright."""

    traits = Traits("threshold", resample="logits")

    def prepare(self, image: FloatArray) -> Prepared:
        return Prepared((image.shape[0], image.shape[1]), image, image.nbytes)

    def predict(self, query: Query) -> Answer:
        return Answer(mask_to_logits(query.prepared.payload[..., 0] > 0.5))


class Shifting(Threshold):
    """Remembers a mask, and moves it by one column a plane."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def follow(
        self,
        read: Callable[[int], FloatArray],
        planes: Sequence[int],
        *,
        masks: Mapping[int, BoolArray] | None = None,
        prompts: Mapping[int, Prompts] | None = None,
    ) -> Iterator[tuple[int, FloatArray]]:
        assert prompts is None
        [(start, mask)] = (masks or {}).items()
        self.asked.append(list(planes))
        for index in planes:
            assert read(index).shape == (*mask.shape, 3)
            yield index, mask_to_logits(np.roll(mask, index - start, axis=1))


@pytest.fixture
def volume() -> Volume:
    """A bright bar that moves by one column a plane."""
    data = np.zeros((7, 20, 30), np.float32)
    for index in range(7):
        data[index, 6:14, 8 + index : 16 + index] = 1
    return Volume(data)


def propagated(model: Threshold, volume: Volume, method: str) -> Session:
    session = Session(model, volume, window=(0, 1))
    session.click((3, 10, 14))
    session.propagate(settings=WalkSettings(method=method))  # type: ignore[arg-type]
    return session


def test_a_model_with_memory_is_followed_both_ways(volume: Volume) -> None:
    model = Shifting()
    session = propagated(model, volume, "memory")
    np.testing.assert_array_equal(session.mask, np.asarray(volume.data) > 0.5)
    assert sorted(model.asked) == [[2, 1, 0], [4, 5, 6]]


def test_by_default_it_is_asked_on_each_plane(volume: Volume) -> None:
    model = Shifting()
    session = propagated(model, volume, "neighbour")
    np.testing.assert_array_equal(session.mask, np.asarray(volume.data) > 0.5)
    assert model.asked == []


def test_a_model_without_memory_is_refused(volume: Volume) -> None:
    with pytest.raises(PromptError, match=r"no memory: .*'sam2\.1-tiny', got 'threshold'"):
        propagated(Threshold(), volume, "memory")


def disc(row: int, col: int, radius: float) -> BoolArray:
    return np.asarray(np.hypot(*np.ogrid[-row : 60 - row, -col : 80 - col]) <= radius)


def test_a_click_nearby_tells_where_the_object_is_in_a_flood():
    flood, said = disc(30, 40, 20), Click(30, 25)
    near = {3: (said, Click(30, 48, positive=False), Click(30, 30)), 1: (Click(30, 22),)}
    own, far = (7, flood), Click(30, 50, positive=False)
    found = clicked_nearby(near, own, far, step_mm=2.0, spacing=(1.0, 0.5))
    # as wide as it is far along: a disc with a radius of 8 mm
    assert found == KnownPoint(said, round(np.pi * 64 / 0.5))
    # where it was said to be
    beside = Click(30, 27, positive=False)
    assert clicked_nearby({3: (said,)}, own, beside, step_mm=2.0, spacing=(1.0, 0.5)) is None


def test_a_click_nearby_beside_the_mask_tells_nothing():
    near = {3: (Click(30, 10),)}
    own, click = (4, disc(30, 40, 20)), Click(30, 50, positive=False)
    assert clicked_nearby(near, own, click, step_mm=1.0, spacing=(1.0, 1.0)) is None
    assert clicked_nearby({}, own, click, step_mm=1.0, spacing=(1.0, 1.0)) is None


def test_negative_clicks_go_along_where_the_outline_cannot_come_to():
    mask = disc(30, 40, 10)
    clicks = [Click(30, col, positive=False) for col in (79, 45, 53, 55, 75)]
    found = beyond_reach(clicks, mask, 4.0, (1.0, 1.0))
    assert [click.col for click in found] == [55, 75]  # the nearest two beyond
    assert [c.col for c in beyond_reach(clicks[:3], mask, 4.0, (1.0, 0.25))] == [79]
    assert beyond_reach([], mask, 4.0, (1.0, 1.0)) == ()
