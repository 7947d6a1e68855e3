"""The published predictor, repeated with a network that is a formula (parity README, section 3)."""

from pathlib import Path

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Query, Segmenter, Traits, ZoomIn, sigmoid
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.predict import Options
from napari_intseg.models.ritm import build

SETTINGS = {
    "cvpr": ZoomIn(),
    "skip1": ZoomIn(skip_clicks=1),
    "fixed": ZoomIn(target_size=(320, 320)),
    "skip0": ZoomIn(skip_clicks=0, target_size=256, expansion=1.2, min_crop_size=100),
}


class FormulaNetwork:
    """4 - 0.12 d+ - 3 exp(-d-/12) + 2 (P - 0.25) + 3 (R - B)."""

    traits = Traits("formula", threshold=0.49, flip=True, uses_prev=True)

    def prepare(self, image: np.ndarray) -> Prepared:
        return Prepared(image.shape[:2], image, image.nbytes)

    def predict(self, query: Query) -> Answer:
        image = query.prepared.payload
        prev = 0.0 if query.prev_logits is None else sigmoid(query.prev_logits)
        near, far = (self._distance(query, sign) for sign in (True, False))
        return Answer(
            (
                4
                - 0.12 * near
                - 3 * np.exp(-far / 12)
                + 2 * (prev - 0.25)
                + 3 * (image[..., 0] - image[..., 2])
            ).astype(np.float32)
        )

    @staticmethod
    def _distance(query: Query, positive: bool) -> np.ndarray:
        rows, cols = np.ogrid[: query.prepared.shape[0], : query.prepared.shape[1]]
        distance = np.full(query.prepared.shape, 1000.0)
        for click in query.prompts.clicks:
            if click.positive == positive and click.row >= 0:
                np.minimum(distance, np.hypot(rows - click.row, cols - click.col), out=distance)
        return distance


@pytest.mark.parametrize("name", SETTINGS)
def test_click_sequence_equals_the_published_predictor(shared: Path, play, name: str) -> None:
    fixture = np.load(shared / "parity" / "ritm_pipeline.npz")
    options = Options.published(Intensity(), zoom_in=SETTINGS[name], longer_side_px=None)
    answers = play(FormulaNetwork(), fixture["image"], fixture["clicks"], options)
    for i, answer in enumerate(answers):
        box = (-1, 0, -1, 0) if answer.kept is None else answer.kept.box
        assert (box[0], box[1] - 1, box[2], box[3] - 1) == tuple(fixture[f"roi_{name}"][i])
        prob = sigmoid(answer.patch.full())
        np.testing.assert_allclose(prob, fixture[f"prob_{name}"][i], rtol=0, atol=1e-3)


@pytest.fixture(scope="module")
def hrnet18s(ritm_predictor_file: Path) -> Segmenter:
    """RITM HRNet-18s with the fixtures' deterministic weights, loaded from a file."""
    return build("ritm-hrnet18s", ritm_predictor_file, device="cpu", precision="float32")


@pytest.mark.parametrize("name", ["NoBRS", "NoBRS_noflip", "NoBRS_nozoom"])
def test_ritm_clicks_equal_the_published_predictor(
    shared: Path, play, hrnet18s: Segmenter, name: str
) -> None:
    fixture = np.load(shared / "parity" / "ritm_hrnet18s_predictor.npz")
    zoom = None if name == "NoBRS_nozoom" else ZoomIn(target_size=256, min_crop_size=128)
    options = Options.published(
        Intensity(), zoom_in=zoom, flip=name != "NoBRS_noflip", longer_side_px=None
    )
    answers = play(hrnet18s, fixture["image"], fixture["clicks"], options)
    for answer, prob in zip(answers, fixture[name], strict=True):
        np.testing.assert_allclose(sigmoid(answer.patch.full()), prob, rtol=0, atol=1e-3)
