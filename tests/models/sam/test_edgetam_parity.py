"""EdgeTAM on an image and with its memory, by the authors' code.

`tests/data/parity/edgetam.npz` holds an image, the names and shapes of the network's parameters,
and what the authors' video predictor answers with weights that follow from those names: on the
image by two clicks, and on the same image as the plane that follows, by memory alone.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.models.checkpoint import load_strict
from napari_intseg.models.weights.recognise import recognise
from reference_weights import reference_state_dict

pytest.importorskip("transformers", reason="needs the extra 'sam'")

from napari_intseg.models.sam.keys import library_names
from napari_intseg.models.sam.sam import asked_in
from napari_intseg.models.sam.sam2 import EdgeTamNet, Tracker, find_size

FILE = Path(__file__).resolve().parents[2] / "data" / "parity" / "edgetam.npz"


@pytest.fixture(scope="module")
def stored() -> Any:
    with np.load(FILE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def published(stored: Any) -> dict[str, Any]:
    return reference_state_dict({"shapes": json.loads(str(stored["shapes"]))})


def close(got: Any, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_answers_and_memory_are_those_of_the_authors_code(stored, published):
    net = EdgeTamNet()
    named = {f"body.{name}": value for name, value in library_names(published).items()}
    load_strict(net, named, FILE)
    net.eval().requires_grad_(False)
    net.finish()
    shape = stored["image"].shape[:2]
    clicks = Prompts((Click(45, 60), Click(12, 10, positive=False)))

    def full(low: torch.Tensor) -> Any:
        return net.frame.back(low[None], shape)[0, ::2, ::2]

    with torch.inference_mode():
        tracker = Tracker(net, 2)
        seen = tracker.look(stored["image"].astype(np.float32) / 255)
        asked = asked_in(net.frame, shape, clicks, torch.device("cpu"))
        close(full(tracker.ask(0, seen, asked)), stored["prompt_logits"])
        kept = tracker.memory.prompted[0].features
        assert kept.shape == (512, 64)
        # in bfloat16, as the authors keep it
        np.testing.assert_allclose(kept.float()[::8, ::8], stored["memory0"], atol=2e-2)
        close(full(tracker.follow(1, seen)), stored["followed_logits"])
        close(tracker.memory.followed[1].pointer, stored["pointer1"])


def test_published_names_and_those_of_the_hub_are_read(published):
    ours = library_names(published)
    assert find_size(ours) == "edgetam"
    for names in (published, ours):
        found = recognise(names)
        assert found is not None
        assert found.models == ("edgetam",)
    wrapped = {
        name.replace("vision_encoder.backbone.", "vision_encoder.backbone.timm_model."): value
        for name, value in ours.items()
    }
    assert wrapped != ours
    assert library_names(wrapped).keys() == ours.keys()
