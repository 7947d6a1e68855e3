"""Object-contextual representations for one object.

References
----------
.. [1] Yuan, Y., Chen, X., Wang, J. "Object-contextual representations for semantic
       segmentation", arXiv:1909.11065.
"""

from typing import cast

import torch
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
    """What each pixel takes from the objects' features, by attention."""

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

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return what the pixels take, shaped as their features, (B, C, h, w).

        Parameters
        ----------
        features : Tensor, shape (B, C, h, w)
            Of the pixels.
        context : Tensor, shape (B, C, n, 1)
            Of the n objects.
        """
        query = self.f_pixel(features).flatten(2).transpose(1, 2)  # (B, hw, K)
        key = self.f_object(context).flatten(2)  # (B, K, n)
        value = self.f_down(context).flatten(2).transpose(1, 2)  # (B, n, K)
        weights = (torch.matmul(query, key) * key.shape[1] ** -0.5).softmax(-1)
        taken = torch.matmul(weights, value).transpose(1, 2)
        return cast(Tensor, self.f_up(taken.reshape(features.shape[0], -1, *features.shape[-2:])))


class Distribute(nn.Module):
    """Join the pixels' features with what they take from the objects'."""

    def __init__(self, channels: int, key_channels: int, dropout: float = 0.05) -> None:
        super().__init__()
        self.object_context_block = ObjectAttention(channels, key_channels)
        self.conv_bn_dropout = nn.Sequential(
            _conv(2 * channels, channels), _norm(channels), nn.Dropout2d(dropout)
        )

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return features of the same shape, (B, C, h, w)."""
        taken = self.object_context_block(features, context)
        return cast(Tensor, self.conv_bn_dropout(torch.cat([taken, features], 1)))


class DistributeOne(nn.Module):
    """The same for one object, at inference, with much less work.

    A softmax over one object is 1 at every pixel, so that query and key have no influence, and
    all pixels take the same. The convolution of [taken, own] is then that of their own, plus a
    vector.

    Parameters
    ----------
    published : Distribute
        With its weights loaded; its layers are shared.
    """

    def __init__(self, published: Distribute) -> None:
        super().__init__()
        attention = published.object_context_block
        self.take = nn.Sequential(attention.f_down, attention.f_up)
        join, *after = published.conv_bn_dropout
        assert isinstance(join, nn.Conv2d)
        channels = join.in_channels // 2
        for_taken, for_own = join.weight.detach().chunk(2, 1)
        self.join_taken = _conv(channels, channels)
        self.join_own = nn.Conv2d(channels, channels, 1, bias=join.bias is not None)
        self.join_taken.weight = nn.Parameter(for_taken.clone(), requires_grad=False)
        self.join_own.weight = nn.Parameter(for_own.clone(), requires_grad=False)
        if join.bias is not None:
            self.join_own.bias = nn.Parameter(join.bias.detach(), requires_grad=False)
        self.after = nn.Sequential(*after)

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return features of the same shape, (B, C, h, w)."""
        joined = self.join_own(features)
        joined += self.join_taken(self.take(context))
        return cast(Tensor, self.after(joined))
