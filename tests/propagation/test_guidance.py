"""Propagation by a model's own memory, with a model that only remembers."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest

from napari_intseg.core.prompts import Prompts
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
