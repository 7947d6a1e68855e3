"""Semantic networks: sizes in and out, gradients, and numbers of parameters that papers state."""

import pytest
import torch
from torch import nn

from napari_intseg.errors import UnknownModelError
from napari_intseg.models.nets import semantic_parts
from napari_intseg.models.networks import SEMANTIC_NETWORKS, build_semantic

# millions, as the papers state them; of U-Net and SegNet as others that measured them do
STATED = {
    "unet++": 9.04,  # arXiv:1807.10165, table 1
    "unext": 1.47,  # arXiv:2203.04967, table 1
    "fcn": 134,  # arXiv:1411.4038, table 1
    "fcn-32s": 134,
    "deeplab-v1": 20.5,  # arXiv:1412.7062, table 2: LargeFOV
    "hrnet": 65.9,  # arXiv:1908.07919, table 3
    "unet": 31.0,  # arXiv:2102.10662 and others
    "segnet": 29.5,  # arXiv:1606.02147, table 3
    "enet": 0.37,  # arXiv:1606.02147, table 3
}


def count(net: nn.Module) -> float:
    return sum(p.numel() for p in net.parameters()) / 1e6


@pytest.mark.parametrize("name", STATED)
def test_it_has_as_many_parameters_as_is_stated(name):
    classes = 21 if name.startswith(("fcn", "deeplab")) else 19 if name in ("hrnet", "enet") else 2
    with torch.device("meta"):
        net = build_semantic(name, classes)
    # papers round, and leave normalisation out of their counts or do not have it
    assert count(net) == pytest.approx(STATED[name], rel=0.03)


def test_unet_has_23_convolutions():
    # arXiv:1505.04597, section 2: "In total the network has 23 convolutional layers."
    net = build_semantic("unet", 2, 0.125)
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    assert sum(isinstance(part, kinds) for part in net.modules()) == 23


@pytest.mark.parametrize("name", SEMANTIC_NETWORKS)
def test_logits_have_the_image_s_size_and_every_parameter_learns(name):
    torch.manual_seed(0)
    net = build_semantic(name, 3, 0.125)
    out = net(torch.randn(2, 3, 64, 64))
    assert out.shape == (2, 3, 64, 64)
    torch.nn.functional.cross_entropy(out, torch.randint(0, 3, (2, 64, 64))).backward()
    assert [key for key, p in net.named_parameters() if p.grad is None] == []
    with torch.inference_mode():
        assert net.eval()(torch.randn(1, 3, 50, 70)).shape == (1, 3, 50, 70)


# those on VGG or with four branches need pretrained weights to get anywhere in so few steps
QUICK = ("unet", "unet++", "unext", "segnet", "deeplab-v3+", "pspnet", "enet", "bisenet", "pan")


@pytest.mark.parametrize("name", QUICK)
def test_it_can_learn_two_halves_by_heart(name):
    torch.manual_seed(0)
    net = build_semantic(name, 2, 0.125)
    x = torch.zeros(2, 3, 32, 32)
    x[..., 16:] = 1
    truth = (x[:, 0] > 0.5).long()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(45):
        loss = torch.nn.functional.cross_entropy(net(x), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.55  # chance has ln 2 = 0.69


def test_strides_and_dilations_keep_the_field_of_view():
    for stride in (8, 16, 32):
        trunk = semantic_parts.SceneTrunk(18, 0.125, stride=stride)
        assert trunk(torch.zeros(1, 3, 64, 64))[-1].shape[-1] == 64 // stride


@pytest.mark.parametrize(("classes", "width"), [(1, 1.0), (2000, 1.0), (2, 0.0), (2, 1.5)])
def test_numbers_out_of_range_are_refused(classes, width):
    with pytest.raises(ValueError, match="network cannot be built"):
        build_semantic("unet", classes, width)


def test_an_unknown_network_is_told():
    with pytest.raises(UnknownModelError, match=r"expected one of unet, .*got 'vnet'"):
        build_semantic("vnet", 2)
