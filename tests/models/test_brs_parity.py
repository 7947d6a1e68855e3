"""RITM's network with refinement against the published predictor (fixtures, section 3)."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Segmenter, sigmoid
from napari_intseg.core.settings import ZoomIn
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.predict import Options, SliceAnswer, predict_slice
from napari_intseg.models.brs import build

STABLE = {
    "f_BRS_B": (5e-3, 5e-3, 2e-2),
    "RGB_BRS": (1e-3,) * 5,
    "DistMap_BRS": (1e-3,) * 2,
}
"""How far the probability may differ after each click, as far as the reference itself is stable.

Its README gives f-BRS-B 5e-3 for three clicks. The second search multiplies rounding: the answer
computed in float64 is 3.1e-3 away from the stored one after two clicks and 1.07e-2 after three,
that of the folded network in float32 2.7e-3 to 5.3e-3 depending on the processor, and with noise of
1e-6 on the image between 1.4e-3 and 8.3e-3. So the stored one is itself 1e-2 from exact, and 2e-2
is as much as can be asked. It still tells errors: another weight of the penalty or of its bias,
windows of 5x5 or a search that forgets its parameters move it by 0.98 or more.
"""


def play(model: Segmenter, image: np.ndarray, clicks: np.ndarray) -> Iterator[SliceAnswer]:
    """Give the clicks, rows of (positive, row, col), one after another."""
    zoom = ZoomIn(target_size=256, min_crop_size=128)
    options = Options(Intensity(), zoom_in=zoom, longer_side_px=None)
    given: tuple[Click, ...] = ()
    prev = None
    for positive, row, col in clicks:
        given = (*given, Click(float(row), float(col), bool(positive)))
        prev = predict_slice(
            model,
            lambda rows, cols: image[rows, cols],
            image.shape[:2],
            Prompts(given),
            options,
            prev=prev,
        )
        yield prev


@pytest.fixture(scope="module")
def checkpoint(shared: Path, det_state_dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HRNet-18s with the fixture's weights."""
    parity = shared / "parity"
    info = json.loads((parity / "ritm_hrnet18s_itermask.json").read_text())
    fixture = np.load(parity / "ritm_hrnet18s_predictor.npz")
    state_dict = det_state_dict(info)
    state_dict["maps_transform.3.scale"] = torch.tensor(fixture["maps_scale"])
    for part in ("weight", "bias"):
        name = f"feature_extractor.cls_head.{part}"
        state_dict[name] = torch.tensor(fixture[f"cls_head_{part}"])
    path = tmp_path_factory.mktemp("weights") / "det.pth"
    torch.save({"state_dict": state_dict, "config": info["config"]}, path)
    return path


@pytest.mark.parametrize("name", STABLE)
def test_clicks_equal_the_published_predictor(shared: Path, checkpoint: Path, name: str) -> None:
    fixture = np.load(shared / "parity" / "ritm_hrnet18s_predictor.npz")
    count = len(STABLE[name])
    mode = name.replace("f_BRS_", "f-BRS-").replace("_BRS", "-BRS")
    model = build("ritm-hrnet18s", checkpoint, device="cpu", mode=mode)
    answers = play(model, fixture["image"], fixture["clicks"][:count])
    expected = fixture[name][:count]
    for answer, prob, tolerance in zip(answers, expected, STABLE[name], strict=True):
        given = sigmoid(answer.patch.full())
        np.testing.assert_allclose(given, prob, rtol=0, atol=tolerance)
        assert np.mean((given > 0.49) != (prob > 0.49)) <= 2e-3
