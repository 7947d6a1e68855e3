"""`evaluate` with several models: both curves, and the click at which they cross."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_intseg.cli.main import main
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.models import registry
from napari_intseg.models.registry import ModelSpec


class Part:
    """Answers with a part of what is bright, told for each number of clicks."""

    def __init__(self, name, shares):
        kinds = frozenset({"click", "mask"})
        self.traits = Traits(name, kinds, uses_prev=True)
        self.shares = shares

    def prepare(self, image):
        return Prepared(image.shape[:2], image[..., 0] > 0.5, 0)

    def predict(self, query):
        bright = query.prepared.payload
        share = self.shares[min(len(query.prompts.clicks), len(self.shares)) - 1]
        rows = np.flatnonzero(bright.any(axis=1))
        inside = bright.copy()
        inside[rows[0] + round(share * len(rows)) :] = False
        return Answer(np.where(inside, 6, -6).astype(np.float32))


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """A data set of two cells, and two models: one ahead at first, the other later."""
    shares = {"sam-like": (0.7, 0.72, 0.74, 0.76), "click-model": (0.2, 0.5, 0.9, 0.95)}

    def make(name, _weights, **_options):
        return Part(name, shares[name])

    monkeypatch.setattr("napari_intseg.testing.make_part", make, raising=False)
    for name in shares:
        spec = ModelSpec("napari_intseg.testing:make_part", name, "toy")
        monkeypatch.setitem(registry.MODELS, name, spec)
    for folder in ("images", "masks"):
        (tmp_path / "cells" / folder).mkdir(parents=True)
    for i in range(2):
        mask = np.zeros((60, 60), np.uint8)
        mask[10:50, 10 + 5 * i : 40] = 255
        for folder in ("images", "masks"):
            Image.fromarray(mask).save(tmp_path / "cells" / folder / f"{i}.png")
    return tmp_path / "cells"


def evaluate(cells, *models):
    out = cells.parent / "out"
    words = [word for name in models for word in ("--model", name)]
    words += ["--json", f"{out}.json", "--report", f"{out}.html", "--max-clicks", "4", "--quiet"]
    assert main(["evaluate", str(cells), *words]) == 0
    return json.loads(out.with_suffix(".json").read_text()), out.with_suffix(".html").read_text()


def test_both_curves_are_drawn_and_their_crossing_is_told(cells):
    found, page = evaluate(cells, "sam-like", "click-model")
    assert [row["model"] for row in found["rows"]] == ["sam-like", "click-model"]
    assert found["crossings"] == [
        {"dataset": "cells", "click": 3, "ahead": "click-model", "behind": "sam-like"}
    ]
    assert page.count("<polyline") == 2
    assert page.count('class="crossing"') == 1
    assert "From click 3 on, click-model leads sam-like." in page
    assert "sam-like: 0.70 after 1 click" in page


def test_a_hand_over_is_evaluated_like_any_other(cells):
    found, page = evaluate(cells, "sam-like", "click-model", "sam-like-then-click-model")
    first, _, both = (row["iou"] for row in found["rows"])
    assert both[0] == first[0], "the first click is the first model's"
    assert both[2:] == pytest.approx([0.9, 0.95], abs=0.03), "later ones the second's"
    assert page.count("<polyline") == 3
