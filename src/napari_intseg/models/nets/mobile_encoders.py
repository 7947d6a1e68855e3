"""Small image encoders of SAM's kin: TinyViT as MobileSAM has it, RepViT as EdgeTAM has it.

Names of parameters are those of the published checkpoints. TinyViT [1]_ has the last merging left
at its resolution, and SAM's neck on top [2]_; RepViT-M1 [3]_ gives the features of its four stages
to the neck of SAM 2 [4]_.

References
----------
.. [1] Wu, K. et al. "TinyViT: fast pretraining distillation for small vision transformers",
   arXiv:2207.10666.
.. [2] Zhang, C. et al. "Faster segment anything: towards lightweight SAM for mobile applications",
   arXiv:2306.14289.
.. [3] Wang, A. et al. "RepViT: revisiting mobile CNN from ViT perspective", arXiv:2307.09283.
.. [4] Zhou, C. et al. "EdgeTAM: on-device track anything model", arXiv:2501.07256.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# channels, blocks, heads and sides of windows of the four stages; of TinyViT-5M (arXiv:2207.10666)
_DIMS, _DEPTHS, _HEADS, _WINDOWS = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
# channels of SAM's embedding, and classes of the unused classifier
_EMBEDDING_DIM, _CLASSES = 256, 1000
EARLY_DIM = _DIMS[2]
"""Channels of the feature after the second stage, which SAM-HQ reads."""


class ConvBatchNorm(nn.Module):
    """A convolution without bias, then batch normalisation."""

    def __init__(
        self, before: int, after: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, h, w) to (B, after, h / stride, w / stride)."""
        out: Tensor = self.bn(self.c(x))
        return out


class StridedEmbed(nn.Module):
    """Two strided convolutions, a quarter of the resolution."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvBatchNorm(3, dim // 2, 3, stride=2),
            nn.GELU(),
            ConvBatchNorm(dim // 2, dim, 3, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, h, w) to (B, dim, h / 4, w / 4)."""
        out: Tensor = self.seq(x)
        return out


class Expand(nn.Module):
    """Widen, filter each channel, narrow: the three convolutions of two kinds of block.

    Parameters
    ----------
    before, inside, after : int
        Channels.
    stride : int
        Of the filter in the middle.
    residual : bool
        Whether the input is added, before the last GELU (an inverted bottleneck).
    """

    def __init__(
        self, before: int, inside: int, after: int, *, stride: int = 1, residual: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = ConvBatchNorm(before, inside)
        self.conv2 = ConvBatchNorm(inside, inside, 3, stride=stride, groups=inside)
        self.conv3 = ConvBatchNorm(inside, after)
        self.act, self.residual = nn.GELU(), residual

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, h, w) to (B, after, h / stride, w / stride)."""
        y: Tensor = self.conv3(self.act(self.conv2(self.act(self.conv1(x)))))
        return self.act(x + y) if self.residual else y


class WindowAttention(nn.Module):
    """Self-attention in a window, with a learnt bias for each distance."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))

    def _bias(self) -> Tensor:
        """Return the bias of every pair of places, shape (heads, window², window²)."""
        at = torch.arange(self.window, device=self.attention_biases.device)
        # by distance alone: one bias serves all pairs that lie so far from each other
        apart = (at[:, None] - at[None, :]).abs()
        pairs = apart[:, None, :, None] * self.window + apart[None, :, None, :]
        return self.attention_biases[:, pairs.flatten(0, 1).flatten(1)]

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (n, window², dim) to the same shape."""
        count, size, dim = x.shape
        # the published order of channels: query, key and value of the first head, of the next, …
        qkv = self.qkv(self.norm(x)).view(count, size, self.heads, 3, dim // self.heads)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        out = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self._bias().to(query.dtype)
        )
        answer: Tensor = self.proj(out.transpose(1, 2).reshape(count, size, dim))
        return answer


class NormMlp(nn.Module):
    """A normalised two-layer perceptron."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        out: Tensor = self.fc2(self.act(self.fc1(self.norm(x))))
        return out


class WindowBlock(nn.Module):
    """Attention in windows, a local convolution, a perceptron."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(dim, heads, window)
        self.local_conv = ConvBatchNorm(dim, dim, 3, groups=dim)
        self.mlp = NormMlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, h, w) to the same shape."""
        x = self.local_conv(x + self._attend(x))
        tokens: Tensor = x.permute(0, 2, 3, 1)
        tokens = tokens + self.mlp(tokens)
        return tokens.permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        side, (batch, dim, height, width) = self.window, x.shape
        # windows must fill the map; what is padded is cut off again
        padded = nn.functional.pad(x, (0, -width % side, 0, -height % side))
        rows, cols = padded.shape[2] // side, padded.shape[3] // side
        windows = padded.view(batch, dim, rows, side, cols, side).permute(0, 2, 4, 3, 5, 1)
        out: Tensor = self.attn(windows.reshape(-1, side * side, dim))
        out = out.view(batch, rows, cols, side, side, dim).permute(0, 5, 1, 3, 2, 4)
        return out.reshape(padded.shape)[:, :, :height, :width]


class Stage(nn.Module):
    """Blocks at one resolution, then a merging to the next."""

    def __init__(self, index: int) -> None:
        super().__init__()
        dim = _DIMS[index]
        self.blocks = nn.ModuleList(
            Expand(dim, 4 * dim, dim, residual=True)
            if index == 0
            else WindowBlock(dim, _HEADS[index], _WINDOWS[index])
            for _ in range(_DEPTHS[index])
        )
        self.downsample: nn.Module | None = None
        if index + 1 < len(_DIMS):
            after = _DIMS[index + 1]
            # MobileSAM keeps SAM's 1/16 from here on, as the last stage would halve it again
            stride = 1 if index + 2 == len(_DIMS) else 2
            self.downsample = Expand(dim, after, after, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, h, w) to the channels and size of the next stage."""
        for block in self.blocks:
            x = block(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of (B, C, h, w)."""

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        # the default is that of SAM's neck
        super().__init__(dim, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; the shape stays."""
        out: Tensor = super().forward(x.permute(0, 2, 3, 1))
        return out.permute(0, 3, 1, 2)


class TinyViT(nn.Module):
    """MobileSAM's image encoder; the classifier of its pre-training lies unused in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = StridedEmbed(_DIMS[0])
        self.layers = nn.ModuleList(Stage(index) for index in range(len(_DIMS)))
        # both in the published file, and without a use here
        self.norm_head = nn.LayerNorm(_DIMS[-1])
        self.head = nn.Linear(_DIMS[-1], _CLASSES)
        self.neck = nn.Sequential(
            nn.Conv2d(_DIMS[-1], _EMBEDDING_DIM, 1, bias=False),
            ChannelNorm(_EMBEDDING_DIM),
            nn.Conv2d(_EMBEDDING_DIM, _EMBEDDING_DIM, 3, padding=1, bias=False),
            ChannelNorm(_EMBEDDING_DIM),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 3, s, s) to the embedding and the feature after the second stage.

        Returns
        -------
        embedding : Tensor, shape (B, 256, s / 16, s / 16)
        early : Tensor, shape (B, 160, s / 16, s / 16)
        """
        x = self.patch_embed(x)
        early = x
        for index, stage in enumerate(self.layers):
            x = stage(x)
            if index == 1:
                early = x
        return self.neck(x), early


# channels and blocks of the four stages of RepViT-M1 (arXiv:2307.09283), whose blocks widen twice
_REP_DIMS, _REP_DEPTHS, _REP_WIDER = (48, 96, 192, 384), (2, 2, 14, 2), 2
# of a block's channels in its weighing of channels
_SQUEEZED = 4


class RepMixer(nn.Module):
    """Two filters of each channel and the input, added."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = ConvBatchNorm(dim, dim, 3, groups=dim)
        self.conv1 = ConvBatchNorm(dim, dim, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """Filter (B, dim, h, w); the shape stays."""
        out: Tensor = self.conv(x) + self.conv1(x) + x
        return out


class ChannelWeights(nn.Module):
    """Channels weighed by what their means say."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # as the published network rounds it: to a multiple of 8
        inside = max(8, (dim // _SQUEEZED + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(dim, inside, 1)
        self.fc2 = nn.Conv2d(inside, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh (B, dim, h, w); the shape stays."""
        inside = torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(inside))


class RepMlp(nn.Module):
    """Widen and narrow, without the input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = ConvBatchNorm(dim, _REP_WIDER * dim)
        self.conv2 = ConvBatchNorm(_REP_WIDER * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, h, w) to the same shape."""
        out: Tensor = self.conv2(nn.functional.gelu(self.conv1(x)))
        return out


class RepBlock(nn.Module):
    """Mix places, then channels."""

    def __init__(self, dim: int, *, is_weighed: bool) -> None:
        super().__init__()
        self.token_mixer = RepMixer(dim)
        self.se = ChannelWeights(dim) if is_weighed else nn.Identity()
        self.channel_mixer = RepMlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, h, w) to the same shape."""
        x = self.se(self.token_mixer(x))
        out: Tensor = x + self.channel_mixer(x)
        return out


class RepDownsample(nn.Module):
    """Half the resolution, with other channels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.pre_block = RepBlock(before, is_weighed=False)
        self.spatial_downsample = ConvBatchNorm(before, before, 3, stride=2, groups=before)
        self.channel_downsample = ConvBatchNorm(before, after)
        self.ffn = RepMlp(after)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, h, w) to (B, after, h / 2, w / 2)."""
        x = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        out: Tensor = x + self.ffn(x)
        return out


class RepStem(nn.Module):
    """Two strided convolutions, a quarter of the resolution."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = ConvBatchNorm(3, dim // 2, 3, stride=2)
        self.conv2 = ConvBatchNorm(dim // 2, dim, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, h, w) to (B, dim, h / 4, w / 4)."""
        out: Tensor = self.conv2(nn.functional.gelu(self.conv1(x)))
        return out


class RepStage(nn.Module):
    """Blocks at one resolution, every other of which weighs its channels."""

    def __init__(self, before: int | None, dim: int, depth: int) -> None:
        super().__init__()
        self.downsample = nn.Identity() if before is None else RepDownsample(before, dim)
        self.blocks = nn.Sequential(
            *(RepBlock(dim, is_weighed=index % 2 == 0) for index in range(depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, h, w) to the channels and size of this stage."""
        out: Tensor = self.blocks(self.downsample(x))
        return out


class RepViT(nn.Module):
    """RepViT-M1 without its classifier.

    Parameters
    ----------
    dims, depths : sequence of int
        Channels and blocks of the stages.
    """

    def __init__(
        self, dims: Sequence[int] = _REP_DIMS, depths: Sequence[int] = _REP_DEPTHS
    ) -> None:
        super().__init__()
        self.stem = RepStem(dims[0])
        self.count = len(dims)
        for index, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
            before = dims[index - 1] if index else None
            self.add_module(f"stages_{index}", RepStage(before, dim, depth))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features (B, dim, h, w) of each stage, at strides 4, 8, 16 and 32."""
        x, found = self.stem(x), []
        for index in range(self.count):
            x = self.get_submodule(f"stages_{index}")(x)
            found.append(x)
        return found
