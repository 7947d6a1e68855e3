"""How unsure a model is of an image without clicks."""

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.inference.patch import Patch
from napari_intseg.session.image_doubt import PLACES, doubt_of, doubt_steps, places


class Soft:
    """Answers a click with a disc whose rim of so many pixels is near the threshold."""

    def __init__(self, rim_px, prompts=frozenset({"click", "mask"}), needs=frozenset()):
        self.traits = Traits("soft", prompts=prompts, needs=needs)
        self.rim_px, self.clicks = rim_px, []

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query):
        (click,) = query.prompts.clicks
        self.clicks.append((click.row, click.col))
        away = np.hypot(
            *(np.indices(query.prepared.shape) - np.array([[[click.row]], [[click.col]]]))
        )
        logits = np.where(away < 6, 8.0, np.where(away < 6 + self.rim_px, 0.0, -8.0))
        return Answer(logits.astype(np.float32))


@pytest.fixture
def image():
    made = np.full((80, 100), 20, np.uint8)
    made[10:30, 10:30] = 200
    made[50:70, 60:75] = 120
    return made


def test_places_are_in_the_middle_of_what_stands_out(image):
    (first, second) = places(image / 255)
    assert np.abs(np.subtract(first, (20, 20))).max() <= 2
    assert np.abs(np.subtract(second, (60, 67))).max() <= 2
    dark = places(1 - image / 255)
    assert np.abs(np.subtract(dark[0], (20, 20))).max() <= 2, "what is darker stands out too"
    assert places(np.full((40, 40), 0.5)) == []


def test_no_more_places_than_asked_for_and_no_specks(rng):
    many = np.zeros((120, 120))
    many[5:115:22, 5:115:22] = 1
    assert places(many) == [], "single pixels are noise"
    for row in range(5, 105, 22):
        for col in range(5, 105, 22):
            many[row : row + 12, col : col + 12] = 1
    assert len(places(many + rng.normal(0, 0.01, many.shape))) == PLACES
    assert len(places(many, 2)) == 2


@pytest.mark.parametrize("shape", ["flat", "volume"])
def test_an_answer_that_hangs_on_its_threshold_is_doubted(image, shape):
    data = image if shape == "flat" else np.stack([image * 0, image, image * 0])
    sure, unsure, least = (list(doubt_steps(Soft(rim), Volume(data))) for rim in (1, 3, 6))
    assert len(sure) == 2, "one for each place"
    assert sure[-1] < unsure[-1] < least[-1]


def test_doubt_is_the_stability_score_turned_round():
    logits = np.array([[8, 8, 8, 0.5], [-0.5, -8, -8, -8]], np.float32)
    assert doubt_of(Patch(0, 0, logits, (2, 4))) == pytest.approx(1 - 3 / 5)
    assert doubt_of(Patch(0, 0, np.full((2, 4), -8, np.float32), (2, 4))) == 1.0


def test_where_nothing_stands_out_or_no_click_is_taken_nothing_is_told(image):
    assert list(doubt_steps(Soft(1), Volume(np.full((40, 40), 7, np.uint8)))) == []
    assert list(doubt_steps(Soft(1, frozenset({"box"})), Volume(image))) == []
    both = Soft(1, frozenset({"box", "click"}), frozenset({"box", "click"}))
    assert list(doubt_steps(both, Volume(image))) == []
