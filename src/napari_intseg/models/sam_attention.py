"""Attention between few tokens and many places, in less work: how a click is answered in time.

SAM's decoder projects all 4096 places of the image for every attention, although there are only
some ten tokens. Products of matrices may be taken in another order: projecting the tokens back to
where the places are needs less than half the work, with the same outcome up to rounding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.sam.modeling_sam import SamAttention
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoAttention

_FEW = 16  # tokens up to which it is less work: 8 heads of 16 channels against 256


class _Regrouped(nn.Module):
    """The arithmetic, for either of the library's attention modules."""

    num_attention_heads: int
    scaling: float
    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear

    @property
    def last(self) -> nn.Linear:
        """The projection of what was attended to."""
        raise AttributeError

    def to_places(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Let tokens (n, C) attend to places (N, C)."""
        heads, dim = self.num_attention_heads, key.shape[1]
        asked = self.q_proj(query).view(len(query), heads, -1).transpose(0, 1) * self.scaling
        # the bias of k_proj shifts all scores of a token alike, and falls out of the softmax
        asked = (asked @ self.k_proj.weight.view(heads, -1, dim)).view(-1, dim)
        weights = (asked @ key.T).softmax(dim=-1)
        mixed = (weights @ value).view(heads, -1, dim)
        found = mixed @ self.v_proj.weight.view(heads, -1, dim).transpose(1, 2)
        out: Tensor = self.last(found.transpose(0, 1).flatten(1) + self.v_proj.bias)
        return out

    def from_places(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Let places (N, C) attend to tokens (n, C)."""
        heads, dim = self.num_attention_heads, query.shape[1]
        offered = self.k_proj(key).view(len(key), heads, -1).transpose(0, 1) * self.scaling
        wanted = (offered @ self.q_proj.weight.view(heads, -1, dim)).view(-1, dim)
        shift = (offered * self.q_proj.bias.view(heads, 1, -1)).sum(dim=-1).flatten()
        # places last, so that the softmax over a few tokens runs along them
        scores = torch.addmm(shift[:, None], wanted, query.T).view(heads, len(key), -1)
        carried = self.v_proj(value).view(len(key), heads, -1).transpose(0, 1)
        back = self.last.weight.view(dim, heads, -1).permute(1, 2, 0)
        weights = scores.softmax(dim=1).view(-1, len(query))
        return torch.addmm(self.last.bias, weights.T, (carried @ back).view(-1, dim))

    def regrouped(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor | None:
        """Return the outcome for a single image and prompt, None where it is not worth while."""
        if query.shape[0] != 1 or query.shape[1] != 1:
            return None
        one, other, third = query[0, 0], key[0, 0], value[0, 0]
        if len(one) <= _FEW < len(other):
            return self.to_places(one, other, third)[None, None]
        if len(other) <= _FEW < len(one):
            return self.from_places(one, other, third)[None, None]
        return None


class FewTokens(_Regrouped, SamAttention):
    """The attention of SAM's decoder."""

    @property
    def last(self) -> nn.Linear:
        """The projection of what was attended to."""
        return self.out_proj

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any) -> Any:
        """Attend, (1, 1, n, C) to (1, 1, m, C); the second value is the library's."""
        found = self.regrouped(query, key, value)
        if found is None:
            return super().forward(query, key, value, *rest, **more)
        return found, None


class FewTokens2(_Regrouped, Sam2VideoAttention):
    """The attention of SAM 2's decoder."""

    @property
    def last(self) -> nn.Linear:
        """The projection of what was attended to."""
        return self.o_proj

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any) -> Any:
        """Attend, (1, 1, n, C) to (1, 1, m, C); the second value is the library's."""
        found = self.regrouped(query, key, value)
        if found is None:
            return super().forward(query, key, value, *rest, **more)
        return found, None


def regroup(decoder: Any) -> None:
    """Give a mask decoder of the library this attention; before its weights are loaded."""
    transformer = decoder.transformer
    config = transformer.config
    kind: Any = FewTokens2 if isinstance(_first(transformer), Sam2VideoAttention) else FewTokens
    for layer in transformer.layers:
        layer.cross_attn_token_to_image = kind(config)
        layer.cross_attn_image_to_token = kind(config)
    transformer.final_attn_token_to_image = kind(config)


def _first(transformer: Any) -> nn.Module:
    attention: nn.Module = transformer.final_attn_token_to_image
    return attention
