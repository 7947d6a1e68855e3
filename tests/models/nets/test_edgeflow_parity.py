"""EdgeFlow against the authors' code, run under Paddle with weights that follow from names.

`tests/data/parity/edgeflow.npz` holds what it was given (a random image, a previous mask, two
clicks), what it answered with a network of width 8 whose parameters `small_zoo.fill` set, and the
names of its state; the previous mask's edge was drawn here, and handed to it.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.models.networks import NETWORKS
from napari_intseg.models.weights.recognise import RULES, renamed
from small_zoo import fill

FILE = Path(__file__).resolve().parents[2] / "data" / "parity" / "edgeflow.npz"
SETTINGS = {"width": 8, "ocr_width": 8, "small": True}


@pytest.fixture(scope="module")
def stored():
    with np.load(FILE) as file:
        return dict(file)


def test_logits_are_those_of_the_authors_code(stored):
    net = NETWORKS["edgeflow"].build(SETTINGS).eval()
    fill(net)
    given = (torch.from_numpy(stored[name]) for name in ("image", "clicks", "prev"))
    with torch.no_grad():
        found = net(*given).numpy()
    assert stored["answer"].std() > 0.1
    np.testing.assert_allclose(found, stored["answer"], atol=1e-4)


def test_every_name_of_the_authors_file_has_one_here(stored):
    now = renamed(dict.fromkeys(stored["names"].tolist()), RULES["edgeflow"])
    state = NETWORKS["edgeflow"].build(SETTINGS).state_dict()
    assert set(now) == {name for name in state if not name.endswith("num_batches_tracked")}
