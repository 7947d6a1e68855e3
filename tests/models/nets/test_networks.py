"""Networks that can be trained: shapes, sizes of the papers, weights there and back."""

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, mask_to_logits
from napari_intseg.errors import UnknownModelError, WeightsError
from napari_intseg.models.bundled import Bundled, build, load_net, read_traits
from napari_intseg.models.nets.click_net import as_points
from napari_intseg.models.nets.earlier_nets import (
    DiosNet,
    DisirNet,
    FctsfnNet,
    RisNet,
    evolved,
    region_boxes,
)
from napari_intseg.models.nets.edge_flow_net import edge_of
from napari_intseg.models.networks import NETWORKS, UNPROVEN, find_network
from napari_intseg.models.registry import find_model, load_model, own_models
from napari_intseg.models.weights.locate import FOLDERS_VARIABLE
from napari_intseg.testing import SegmenterContract, phantom_image
from napari_intseg.training.loop import write_weights

SMALL = {
    "dios-fcn8s": {"stride": 8, "width": 4, "hidden": 8},
    "dios-fcn16s": {"stride": 16, "width": 4, "hidden": 8},
    "ris-net": {"width": 4},
    "itis": {"width": 8},
    "fctsfn": {"width": 4},
    "latent-diversity": {"width": 4, "hidden": 8},
    "delse": {"width": 8},
    "disir": {"width": 8},
    "edgeflow": {"width": 8, "ocr_width": 8, "small": True},
}
CLICKS = torch.tensor([[[20.0, 30.0, 1], [50.0, 60.0, -1]], [[10.0, 10.0, 1], [0, 0, 0]]])


def made(name):
    torch.manual_seed(0)
    return NETWORKS[name].build(SMALL[name])


def test_every_network_built_from_a_paper_says_so_and_is_tested_here():
    assert set(SMALL) == set(NETWORKS) - {"click-pyramid"}
    for name in SMALL:
        # test_edgeflow_parity.py, test_itis_parity.py, test_latent_diversity.py
        is_compared = name in ("edgeflow", "itis", "latent-diversity")
        assert NETWORKS[name].title.endswith(UNPROVEN) is not is_compared
        assert "unproven" in NETWORKS[name].title
        assert NETWORKS[name].paper


@pytest.mark.parametrize("name", SMALL)
def test_answers_are_on_the_image_and_every_weight_learns(name):
    net = made(name).train()
    image, prev = torch.rand(2, 3, 64, 96), torch.rand(2, 1, 64, 96)
    logits = net.answer(net.encode(image), CLICKS, prev)
    assert logits.shape == (2, 6 if name == "latent-diversity" else 1, 64, 96)
    assert logits.dtype == torch.float32
    (logits * torch.randn_like(logits)).sum().backward()
    still = [n for n, p in net.named_parameters() if p.grad is None]
    # OCR's auxiliary head is a part of HRNet; fused branches that end nowhere would be named here
    assert [n for n in still if "cls_head" not in n and "head.layers" not in n] == []


@pytest.mark.parametrize("name", SMALL)
def test_clicks_change_the_answer(name):
    net = made(name).eval()
    if name.startswith("dios"):  # the new channels begin at zero, as the authors did
        torch.nn.init.kaiming_normal_(net.encoder.conv1_1.weight)
    image, prev = torch.rand(1, 3, 64, 96), torch.zeros(1, 1, 64, 96)
    with torch.no_grad():
        one, other = (
            net(image, torch.tensor([[[r, 30.0, 1], [40.0, 80.0, -1]]]), prev) for r in (10.0, 50.0)
        )
    assert (one - other).abs().max() > 1e-6


@pytest.mark.parametrize("name", SMALL)
def test_a_weights_file_is_a_model_of_its_own(name, tmp_path, monkeypatch):
    net = made(name).eval()
    path = write_weights(
        tmp_path / f"my-{name}.safetensors", net.state_dict(),
        architecture=NETWORKS[name].architecture, settings=net.settings,
    )  # fmt: skip
    again = load_net(path)
    for key, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[key].half(), value.half()), key
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    assert f"my-{name}" in own_models()
    assert find_model(f"my-{name}").has_weights
    model = load_model(f"my-{name}", device="cpu")
    image, _ = phantom_image(shape=(70, 90))
    answer = model.predict(
        Query(model.prepare(image), Prompts((Click(35, 45),)), mask_to_logits(image[..., 0] > 0.5))
    )
    assert answer.logits.shape == (70, 90)


def test_a_file_with_a_size_that_there_is_not_is_refused(tmp_path):
    path = write_weights(
        tmp_path / "a.safetensors", {"a": torch.zeros(2)}, architecture="itis-1",
        settings={"height": 3},
    )  # fmt: skip
    with pytest.raises(WeightsError, match="size that there is not"):
        build("a", path, device="cpu")


def test_unknown_networks_are_refused():
    with pytest.raises(UnknownModelError, match="dios-fcn8s"):
        find_network("dios")


class TestDios(SegmenterContract):
    """One for all: they share the adapter."""

    def make(self):
        torch.manual_seed(0)
        net = DiosNet(8, 4, 8).eval()
        return Bundled(read_traits("dios", {}), net, device="cpu", precision="float32")


def count(net, *without):
    return sum(p.numel() for n, p in net.named_parameters() if not n.startswith(without))


def test_fcn_has_the_parameters_of_its_paper():
    with torch.device("meta"):
        net = DiosNet()
    # VGG-16 as published, less its last layer of 1000 classes: 138,357,544 - 4,097,000
    extra = 64 * 2 * 9  # two more channels in the first convolution
    assert count(net, "score") == 138_357_544 - 4_097_000 + extra
    assert count(net) - count(net, "score") == 4096 + 1 + 512 + 1 + 256 + 1
    with torch.device("meta"):
        assert not hasattr(DiosNet(16), "score_pool3")


def test_both_streams_of_fctsfn_are_those_of_vgg():
    with torch.device("meta"):
        net = FctsfnNet()
    assert count(net.encoder) == 14_714_688  # VGG-16's convolutions
    assert count(net.interaction) == 1_735_488 - 64 * 9  # its first three blocks, less a channel


def test_the_encoder_of_disir_is_that_of_resnet_18_but_for_its_channels():
    with torch.device("meta"):
        net = DisirNet()
    resnet18 = 11_689_512 - 513_000  # less its classes
    assert count(net.encoder) + count(net.enter) == resnet18 + 64 * 3 * 49


def test_clicks_of_either_sign_become_points_and_absent_ones_stay_absent():
    points = as_points(torch.tensor([[[3.0, 4, 1], [5, 6, -1], [0, 0, 0], [-2, -3, 1]]]))
    assert points[0].tolist() == [
        [3, 4], [-1, -1], [-1, -1], [0, 0], [-1, -1], [5, 6], [-1, -1], [-1, -1],
    ]  # fmt: skip


def test_regions_of_ris_net_lie_between_a_click_and_the_nearest_of_the_other_sign():
    clicks = torch.tensor([[10.0, 10, 1], [10, 110, -1], [200, 200, -1], [0, 0, 0]])
    assert region_boxes(clicks).tolist() == [[10, 60, 32, 100]]
    assert region_boxes(clicks[:1]).shape == (0, 4)


def test_a_region_of_ris_net_changes_the_answer_inside_alone():
    torch.manual_seed(0)
    net = RisNet(4).eval()
    image, prev = torch.rand(1, 3, 256, 256), torch.zeros(1, 1, 256, 256)
    clicks = torch.tensor([[[40.0, 40, 1], [40, 60, -1]]])
    with torch.no_grad():
        before = net(image, clicks, prev)
        net.region[-1].bias += 5
        changed = (net(image, clicks, prev) - before).abs()[0, 0]
    assert changed[40, 50] > 4
    assert changed[160:, 160:].max() == 0


def test_the_edge_of_a_mask_is_where_it_ends():
    prob = torch.zeros(1, 1, 20, 20)
    prob[..., 5:15, 5:15] = 0.9
    edge = edge_of(prob)[0, 0]
    assert edge[10, 10] == 0 == edge[0, 0]
    assert edge[5, 10] == 1 == edge[4, 10]


def test_a_level_set_is_carried_by_its_field_and_a_still_one_keeps_a_straight_outline():
    rows = torch.arange(20.0)[None, None, :, None].expand(1, 1, 20, 20) - 9.5
    still = torch.zeros(1, 2, 20, 20)
    assert torch.allclose(evolved(rows, still, torch.ones(1, 1, 20, 20)), rows, atol=1e-5)
    moving = still.clone()
    moving[:, 0] = 1
    moved = evolved(rows, moving, torch.zeros(1, 1, 20, 20))
    np.testing.assert_allclose(moved[0, 0, 5:15], rows[0, 0, 5:15] + 1, atol=1e-5)
