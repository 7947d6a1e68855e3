"""Make a trained network quicker without changing its answer."""

from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_intseg.models.nets.click_maps import Scale
from napari_intseg.models.nets.hrnet import Distribute, DistributeOne
from napari_intseg.models.nets.resnet import JoinedBottleneck, StridedBottleneck

Net = TypeVar("Net", bound=nn.Module)


def fold_batch_norm(net: Net) -> Net:
    """Fold each batch normalisation into the convolution before it, in place.

    At inference both are linear, so one convolution does the work of the two; likewise for a
    learnt `Scale`. Pairs are found by the order inside a `Sequential`, and by name elsewhere
    (``conv1`` and ``bn1``).

    Parameters
    ----------
    net : Module
        In evaluation mode, with its weights loaded. Names in its state dict change.

    Returns
    -------
    Module
        The same network.
    """
    assert not net.training, "running statistics are what is folded"
    for module in list(net.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
        else:
            _fold_named(module)
    return net


def quicken(net: Net, *, fold: bool = True, channels_last: bool = True) -> Net:
    """Return the network in evaluation mode, folded and with its channels last, in place."""
    net.eval().requires_grad_(False)
    if fold:
        fold_batch_norm(net)
        _merge(net)
    if channels_last:
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _merge(net: nn.Module) -> None:
    """Put layers that do the same with less work in the place of folded ones."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Distribute):
                module._modules[name] = DistributeOne(child)
            elif isinstance(child, StridedBottleneck) and _has_plain_shortcut(child):
                module._modules[name] = JoinedBottleneck(child)


def _has_plain_shortcut(block: StridedBottleneck) -> bool:
    if block.downsample is None:
        return False
    side = block.downsample[0]
    return isinstance(side, nn.Conv2d) and side.stride == (1, 1)


def _fold_sequence(sequence: nn.Sequential) -> None:
    for (first, conv), (second, following) in pairwise(list(sequence._modules.items())):
        if not isinstance(conv, nn.Conv2d):
            continue
        if isinstance(following, Scale):
            sequence._modules[first] = _scaled(conv, following)
            sequence._modules[second] = nn.Identity()
        elif isinstance(following, nn.BatchNorm2d):
            sequence._modules[first] = fuse_conv_bn_eval(conv, following)
            sequence._modules[second] = nn.Identity()
        elif isinstance(following, nn.Sequential) and isinstance(following[0], nn.BatchNorm2d):
            sequence._modules[first] = fuse_conv_bn_eval(conv, following[0])
            following[0] = nn.Identity()


def _scaled(conv: nn.Conv2d, scale: Scale) -> nn.Conv2d:
    with torch.no_grad():
        conv.weight.mul_(scale.scale.abs())
        if conv.bias is not None:
            conv.bias.mul_(scale.scale.abs())
    return conv


def _fold_named(module: nn.Module) -> None:
    for name, norm in list(module._modules.items()):
        partner = name.replace("bn", "conv", 1) if name.startswith("bn") else ""
        conv = module._modules.get(partner)
        if not isinstance(norm, nn.BatchNorm2d) or conv is None:
            continue
        if isinstance(conv, nn.Sequential):  # the deep stem ends in the convolution
            last = conv[-1]
            assert isinstance(last, nn.Conv2d)
            conv[-1] = fuse_conv_bn_eval(last, norm)
        elif isinstance(conv, nn.Conv2d):
            module._modules[partner] = fuse_conv_bn_eval(conv, norm)
        module._modules[name] = nn.Identity()
