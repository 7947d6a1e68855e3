"""How clicks are drawn, against scipy's distance transform."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, mask_to_logits, sigmoid
from napari_intseg.errors import WeightsError
from napari_intseg.models.nets.click_maps import ClickMaps, distance_map
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


def saved_with(kind, ritm_file, tmp_path, name="click_maps"):
    """The checkpoint, its network trained on another encoding."""
    checkpoint = torch.load(ritm_file, weights_only=True)
    checkpoint["config"]["params"][name] = {"type": "builtin", "value": kind}
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


def as_prob(mask):
    return torch.from_numpy(np.where(mask, 0.9, 0.1).astype(np.float32))[None, None]


def test_the_previous_mask_is_a_map_of_distances():
    """Known values: a 5x5 square in a corner, 128 pixels are 1."""
    mask = np.zeros((20, 300), bool)
    mask[:5, :5] = True
    far = distance_map(as_prob(mask))[0, 0].numpy()
    assert not far[mask].any()
    assert far[0, 5] == pytest.approx(1 / 128)
    assert far[7, 8] == pytest.approx(5 / 128)  # 3 down and 4 to the right
    assert far[0, 4 + 64] == pytest.approx(0.5)
    assert far[0, 4 + 128 :].min() == 1
    both = distance_map(as_prob(mask), signed=True)[0, 0].numpy()
    np.testing.assert_array_equal(both[~mask], far[~mask])
    assert both[4, 4] == pytest.approx(-1 / 128)
    assert both[0, 0] == pytest.approx(-5 / 128)


def test_masks_without_an_edge_have_a_map_too():
    none, some = np.zeros((6, 7), bool), np.ones((6, 7), bool)
    for signed, inside in ((False, 0), (True, -1)):
        assert (distance_map(as_prob(none), signed=signed) == 1).all()
        assert (distance_map(as_prob(some), signed=signed) == inside).all()
        # nothing answered yet
        assert not distance_map(torch.zeros(1, 1, 6, 7), signed=signed).any()


def test_each_of_a_batch_has_a_map_of_its_own(rng):
    prob = torch.from_numpy(rng.random((2, 1, 9, 12), np.float32))
    both = distance_map(prob, signed=True)
    for one, alone in zip(both, prob, strict=True):
        torch.testing.assert_close(one[None], distance_map(alone[None], signed=True))


@pytest.mark.parametrize("kind", ["distance", "signed_distance"])
def test_a_network_is_told_the_previous_mask_as_its_configuration_says(ritm_file, tmp_path, kind):
    path = saved_with(kind, ritm_file, tmp_path, "prev_map")
    model = load_model("ritm-hrnet18s", weights=path, device="cpu")
    prev = as_prob(np.eye(8, dtype=bool))
    maps = model.net._prev(prev, torch.zeros(1, 2, 8, 8))
    torch.testing.assert_close(maps, distance_map(prev, signed=kind == "signed_distance"))
    image, truth = phantom_image(shape=(48, 64))
    query = Query(model.prepare(image), Prompts((Click(20, 30),)))
    first = model.predict(query)
    second = model.predict(Query(query.prepared, query.prompts, mask_to_logits(truth)))
    assert np.abs(sigmoid(first.logits) - sigmoid(second.logits)).max() > 3e-5


def test_an_unknown_map_of_the_previous_mask_is_refused(ritm_file, tmp_path):
    path = saved_with("spiral", ritm_file, tmp_path, "prev_map")
    with pytest.raises(WeightsError, match="value of the parameter 'prev_map'"):
        load_model("ritm-hrnet18s", weights=path, device="cpu")
