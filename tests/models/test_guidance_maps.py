"""How clicks are drawn, against scipy's distance transform."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, sigmoid
from napari_intseg.errors import WeightsError
from napari_intseg.models.nets.click_maps import ClickMaps
from napari_intseg.models.registry import load_model
from napari_intseg.testing import phantom_image

SHAPE = (40, 50)
POSITIVE, NEGATIVE = [(3, 4), (20, 30), (39, 49)], [(10, 45)]
ABSENT = (-1, -1)


def distance(clicks: list[tuple[int, int]]) -> np.ndarray:
    clear = np.ones(SHAPE, bool)
    clear[tuple(np.transpose(clicks))] = False
    return ndimage.distance_transform_edt(clear)


EXPECTED = {
    "disk": lambda d, r: d <= r,
    "distance": lambda d, r: np.tanh(2 * d / r),
    "truncated": lambda d, r: np.minimum(d, r) / r,
    "gaussian": lambda d, r: np.exp(-(d**2) / (2 * r**2)),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_maps_equal_those_from_the_distance_transform(kind):
    points = torch.tensor([POSITIVE + NEGATIVE + [ABSENT, ABSENT]], dtype=torch.float32)
    maps = ClickMaps(10.0, kind)(points, SHAPE)[0]
    for drawn, clicks in zip(maps, (POSITIVE, NEGATIVE), strict=True):
        expected = EXPECTED[kind](distance(clicks), 10.0)
        np.testing.assert_allclose(drawn, expected, atol=1e-6)


@pytest.mark.parametrize(("kind", "far"), [("disk", 0), ("distance", 1), ("truncated", 1),
                                           ("gaussian", 0)])  # fmt: skip
def test_without_clicks_every_pixel_is_far(kind, far):
    points = torch.tensor([[ABSENT, ABSENT]], dtype=torch.float32)
    assert torch.equal(ClickMaps(10.0, kind)(points, SHAPE), torch.full((1, 2, *SHAPE), float(far)))


def saved_with(kind, ritm_file, tmp_path):
    """The checkpoint, its network trained on another encoding."""
    checkpoint = torch.load(ritm_file, weights_only=True)
    checkpoint["config"]["params"]["click_maps"] = {"type": "builtin", "value": kind}
    path = tmp_path / "own.pth"
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize("kind", ["truncated", "gaussian"])
def test_a_network_gets_the_maps_that_its_configuration_names(ritm_file, tmp_path, kind):
    path = saved_with(kind, ritm_file, tmp_path)
    model = load_model("ritm-hrnet18s", weights=path, device="cpu")
    assert model.net.click_maps.kind == kind
    image, _ = phantom_image()
    prompts = Prompts((Click(40, 60),))
    answer = model.predict(Query(model.prepare(image), prompts)).logits
    disks = load_model("ritm-hrnet18s", weights=ritm_file, device="cpu")
    plain = disks.predict(Query(disks.prepare(image), prompts)).logits
    # untrained, so that clicks hardly count; rounding is a hundred times less
    assert np.abs(sigmoid(answer) - sigmoid(plain)).max() > 3e-5


def test_unknown_maps_are_refused(ritm_file, tmp_path):
    path = saved_with("spiral", ritm_file, tmp_path)
    with pytest.raises(WeightsError, match="value of the parameter 'click_maps'"):
        load_model("ritm-hrnet18s", weights=path, device="cpu")
