import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.models.image_input import raw_logits
from napari_intseg.testing import SegmenterContract, phantom_image, phantom_volume, prompts_for
from napari_intseg.testing import raw_logits as offered


class Threshold:
    """Brighter than half is object: the simplest model that keeps the contract."""

    traits = Traits("threshold")

    def prepare(self, image: np.ndarray) -> Prepared:
        grey = image.mean(axis=2, dtype=np.float32)
        return Prepared(grey.shape, grey, grey.nbytes)

    def predict(self, query: Query) -> Answer:
        return Answer(np.asarray((query.prepared.payload - 0.5) * 20, np.float32))

    def predict_batch(self, queries: list[Query]) -> list[Answer]:
        return [self.predict(query) for query in queries]


class Forgetful(Threshold):
    calls = 0

    def predict(self, query: Query) -> Answer:
        self.calls += 1
        return Answer(super().predict(query).logits + self.calls)


class Spoiling(Threshold):
    def prepare(self, image: np.ndarray) -> Prepared:
        image -= 0.5
        return super().prepare(image)


class Skewed(Threshold):
    def predict(self, query: Query) -> Answer:
        return Answer(np.roll(super().predict(query).logits, 30, axis=1))


class Unlike(Threshold):
    def predict_batch(self, queries: list[Query]) -> list[Answer]:
        return super().predict_batch(queries)[::-1]


class NotFinite(Threshold):
    def predict(self, query: Query) -> Answer:
        return Answer(np.full(query.prepared.shape, np.nan, np.float32))


class TestAModelOfThreeLinesKeepsTheContract(SegmenterContract):
    def make(self) -> Threshold:
        return Threshold()


@pytest.mark.parametrize(
    ("model", "broken"),
    [
        (Forgetful, "test_the_same_query_gives_the_same_answer"),
        (Spoiling, "test_arguments_stay_as_they_are"),
        (Skewed, "test_a_mirrored_image_gives_a_mirrored_answer"),
        (Unlike, "test_a_batch_equals_one_by_one"),
        (NotFinite, "test_logits_are_float32_finite_and_on_the_image"),
    ],
)
def test_the_contract_notices_a_model_that_breaks_it(model: type, broken: str) -> None:
    class Suite(SegmenterContract):
        def make(self) -> Threshold:
            return self.model

        model = None

    suite = Suite()
    suite.model = model()
    with pytest.raises((AssertionError, ValueError)):
        getattr(suite, broken)()


def test_phantoms_repeat_by_seed_and_differ_between_seeds() -> None:
    for make in (
        phantom_image,
        lambda seed: (phantom_volume(seed)[0].data, phantom_volume(seed)[1]),
    ):
        first, again, other = make(3), make(3), make(4)
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])
        assert (first[0] != other[0]).any()


def test_phantom_image_fits_what_models_take() -> None:
    image, truth = phantom_image(shape=(40, 50))
    assert image.shape == (40, 50, 3)
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() <= 1
    assert image[truth].mean() > image[~truth].mean() + 0.3


def test_phantom_volume_is_ct_like_and_its_ball_is_round_in_millimetres() -> None:
    volume, labels = phantom_volume(1)
    assert volume.dtype == np.int16
    assert volume.spacing == (3.0, 1.0, 1.0)
    assert max(volume.shape) <= 64
    assert set(np.unique(labels)) == {0, 1, 2}
    for label, hu in ((1, 160), (2, 400)):
        assert abs(volume.data[labels == label].mean() - hu) < 5
    planes, rows, cols = np.nonzero(labels == 1)
    extents = [np.ptp(rows), np.ptp(cols), np.ptp(planes) * 3.0]
    assert max(extents) - min(extents) <= 4
    assert not (ndimage.binary_dilation(labels == 1) & (labels == 2)).any()


def test_raw_logits_is_offered_here() -> None:
    assert offered is raw_logits
    logits = offered(Threshold(), np.full((4, 4, 3), 255, np.uint8), np.full((2, 3), -1))
    np.testing.assert_allclose(logits, 10.0)
    assert Prompts().is_empty


def test_importing_it_loads_no_torch() -> None:
    code = "import sys, napari_intseg.testing; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_contract_notices_a_half_precision_that_says_something_else() -> None:
    class Suite(SegmenterContract):
        def make(self) -> Threshold:
            return Threshold()

        def make_half(self) -> Threshold:
            return Skewed()

    with pytest.raises(AssertionError):
        Suite().test_bfloat16_on_the_cpu_gives_the_same_answer_roughly()


@pytest.mark.parametrize(
    ("kinds", "needs", "clicks", "has_box"),
    [
        ({"click", "mask"}, set(), 1, False),
        ({"click", "box"}, set(), 1, False),
        ({"click", "box"}, {"click", "box"}, 1, True),
        ({"box"}, set(), 0, True),
        ({"extreme_points"}, {"extreme_points"}, 4, False),
    ],
)
def test_a_model_is_asked_by_the_prompts_it_needs(
    kinds: set[str], needs: set[str], clicks: int, has_box: bool
) -> None:
    _, truth = phantom_image()
    traits = Traits("x", frozenset(kinds), needs=frozenset(needs))
    prompts = prompts_for(traits, truth)
    assert len(prompts.clicks) == clicks
    assert all(truth[round(c.row), round(c.col)] for c in prompts.clicks)
    assert (prompts.box is not None) == has_box
