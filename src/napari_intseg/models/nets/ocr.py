"""Object-contextual representations for one object.

References
----------
.. [1] Yuan, Y., Chen, X., Wang, J. "Object-contextual representations for semantic
       segmentation", arXiv:1909.11065.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def gather(features: Tensor, scores: Tensor) -> Tensor:
    """Return the object's mean feature, pixels weighted by the softmax of their scores.

    Parameters
    ----------
    features : Tensor, shape (B, C, h, w)
    scores : Tensor, shape (B, 1, h, w)

    Returns
    -------
    Tensor, shape (B, C, 1, 1)
    """
    # in float32: the weights of many pixels are too small for half precision
    weights = scores.float().flatten(2).softmax(-1)  # (B, 1, hw)
    context = torch.matmul(features.float().flatten(2), weights.transpose(1, 2))
    return context[..., None].to(features.dtype)


def _norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


class ObjectAttention(nn.Module):
    """What each pixel takes from the object's feature.

    Attention is a softmax over the objects. With one object it is 1 at every pixel whatever the
    query and key are; these layers of the published network have no influence and are here so
    that its file loads.
    """

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.f_pixel = self._two_layers(channels, key_channels)
        self.f_object = self._two_layers(channels, key_channels)
        self.f_down = nn.Sequential(_conv(channels, key_channels), _norm(key_channels))
        self.f_up = nn.Sequential(_conv(key_channels, channels), _norm(channels))

    @staticmethod
    def _two_layers(channels: int, key_channels: int) -> nn.Sequential:
        first = (_conv(channels, key_channels), _norm(key_channels))
        return nn.Sequential(*first, _conv(key_channels, key_channels), _norm(key_channels))

    def forward(self, context: Tensor) -> Tensor:
        """Return what every pixel gets, shape (B, C, 1, 1), of the object's feature alike."""
        return cast(Tensor, self.f_up(self.f_down(context)))


class Distribute(nn.Module):
    """Join the pixels' features with what they take from the object's."""

    def __init__(self, channels: int, key_channels: int, dropout: float = 0.05) -> None:
        super().__init__()
        self.object_context_block = ObjectAttention(channels, key_channels)
        self.conv_bn_dropout = nn.Sequential(
            _conv(2 * channels, channels), _norm(channels), nn.Dropout2d(dropout)
        )

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return features of the same shape, (B, C, h, w)."""
        taken = self.object_context_block(context)
        join = cast(nn.Conv2d, self.conv_bn_dropout[0])
        # the convolution of [taken, features] is a sum, and what is taken is the same everywhere
        for_taken, for_features = join.weight.chunk(2, 1)
        own = F.conv2d(features, for_features, join.bias)
        own += F.conv2d(taken, for_taken)
        return cast(Tensor, self.conv_bn_dropout[1:](own))
