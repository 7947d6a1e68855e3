"""A network that annotated images guide to the objects of others [1]_.

Features of the bundled network's encoder are pooled under the annotation, and beside it, into one
vector for the task; it steers a small decoder of the query's features. What pooling loses, of
objects that look in several ways, comes from comparing every place with places of the annotation.
Built from the paper, unproven. The published network stands on VGG-16 and segments photographs;
its files are converted, and `RevolverNetwork` goes by one.

References
----------
.. [1] Rakelly, K. et al. "Few-shot segmentation propagation with guided networks", 2018,
       arXiv:1806.07373.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import WeightsError
from napari_intseg.models.bundled import built, load_net
from napari_intseg.models.bundled_input import spread_narrow
from napari_intseg.models.device import (
    choose_device,
    choose_precision,
    download,
    memory_guard,
    upload,
    upload_picture,
)
from napari_intseg.models.nets.click_pyramid import (
    STRIDE,
    WIDTHS,
    ClickPyramid,
    ConvNorm,
    WideBlock,
)
from napari_intseg.models.nets.earlier_nets import RevolverNet
from napari_intseg.models.networks import REVOLVER
from napari_intseg.models.weights.locate import load_own, locate, search_folders
from napari_intseg.models.weights.store import GUIDED, find_own, read_metadata

DIAMETER_PX = 40.0
"""Images are resized so that objects have this diameter: five places (not tuned)."""

OUT_STRIDE, PLACE = 4, 8
"""Pixels of the resized image for each number of an answer, and for each place of an annotation."""

LIMIT_PX = 1 << 22
"""Of a resized image; larger ones are resized to it, and their objects are smaller."""

PLACES = 128
"""Of each kind that are kept of an annotation, at most, for comparing (not tuned)."""

# parts of a feature that are compared by themselves, and numbers in each, as `Similarity` has them
HEADS, HEAD_DIM = 4, 16
WIDTH = 64
# places of an image that are compared at once: with one annotated image 34 MB for each table
_AT_ONCE = 8192
# beside objects as far as this share of their diameter is what they are told from: that of the
# discriminant in `inference.candidates`
RING = 0.6


class Memory(NamedTuple):
    """What is kept of annotations, for B tasks.

    Parameters
    ----------
    task : Tensor, shape (B, 3 * width)
        Features pooled over objects, over what is beside them, and over all.
    places : Tensor, shape (B, heads, dim, N)
        Unit vectors.
    kinds : Tensor, shape (B, N)
        What each place is: 1 on an object, 0 beside one, -1 nothing.
    """

    task: Tensor
    places: Tensor
    kinds: Tensor


class GuidedNet(nn.Module):
    """The part that is learnt: what stands on the maps of the bundled network's encoder."""

    def __init__(self) -> None:
        super().__init__()
        half = WIDTH // 2
        # the map at stride 2 is left out, and most is done at stride 8: time goes by the places
        self.fine = nn.Conv2d(WIDTHS[1], half, 1)
        self.reduce = nn.ModuleList(nn.Conv2d(width, WIDTH, 1) for width in WIDTHS[2:])
        self.join = ConvNorm(WIDTH * len(WIDTHS[2:]), WIDTH)
        self.embed = nn.Conv2d(WIDTH, HEADS * HEAD_DIM, 1)
        # how sharply places are compared: exp(2), about 7, to begin with, for cosines
        self.sharp = nn.Parameter(torch.full((HEADS,), 2.0))
        self.steer = nn.Linear(3 * WIDTH, 2 * WIDTH)
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)
        self.enter = ConvNorm(WIDTH + 3 * HEADS, WIDTH, 3)
        self.inner = nn.Sequential(WideBlock(WIDTH), WideBlock(WIDTH))
        self.up = ConvNorm(WIDTH, half)
        self.outer = WideBlock(half)
        self.head = nn.Conv2d(half, 1, 3, padding=1)

    def features(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return features at strides 8 (B, 64, h, w) and 4 (B, 32, 2 h, 2 w).

        They are of the encoder's maps at strides 4, 8, 16 and 32.
        """
        size = maps[1].shape[2:]
        reduced = [
            F.interpolate(layer(one), size=size, mode="bilinear", align_corners=False)
            for layer, one in zip(self.reduce, maps[1:], strict=True)
        ]
        return F.relu(self.join(torch.cat(reduced, 1))), self.fine(maps[0])

    def remember(self, features: Tensor, shown: Tensor) -> Memory:
        """Return what annotations say.

        Parameters
        ----------
        features : Tensor, shape (B, 64, h, w)
        shown : Tensor, shape (B, h, w)
            1 on objects, 0 beside them, -1 elsewhere. Places of both are kept, evenly spread.
        """
        kinds = [(shown == 1).float(), (shown == 0).float(), torch.ones_like(shown).float()]
        pooled = [_pooled(features, kind) for kind in kinds]
        units, what = self._units(features), shown.flatten(1)
        at = torch.stack([torch.cat([_spread(one == 1), _spread(one == 0)]) for one in what])
        kept = units.gather(3, at.clamp(min=0)[:, None, None].expand(-1, HEADS, HEAD_DIM, -1))
        named = what.gather(1, at.clamp(min=0)).masked_fill(at < 0, -1)
        return Memory(torch.cat(pooled, 1), kept, named)

    def answer(self, features: Tensor, fine: Tensor, memory: Memory) -> Tensor:
        """Return logits (B, 1, 2 h, 2 w) of the features of queries."""
        task, kept, named = memory
        scale, shift = self.steer(task)[:, :, None, None].chunk(2, 1)
        likeness = self._compared(features, kept, named)
        x = torch.cat((features * (1 + scale) + shift, likeness), 1)
        x = self.up(self.inner(F.relu(self.enter(x))))
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return cast(Tensor, self.head(F.relu(self.outer(F.relu(x + fine)))))

    def _units(self, features: Tensor) -> Tensor:
        b = len(features)
        return F.normalize(self.embed(features).view(b, HEADS, HEAD_DIM, -1), dim=2)

    def _compared(self, features: Tensor, kept: Tensor, named: Tensor) -> Tensor:
        """Return how like places are to those kept, (B, 3 * heads, h, w).

        For each head the share of objects among similar places, the best of objects and the best
        of what is beside them.
        """
        b, _, h, w = features.shape
        parts = torch.split(self._units(features), _AT_ONCE, 3)
        found = torch.cat([self._likeness(one, kept, named) for one in parts], 3)
        return found.view(b, 3 * HEADS, h, w)

    def _likeness(self, units: Tensor, kept: Tensor, named: Tensor) -> Tensor:
        """Return the three numbers of each head, (B, 3, heads, places)."""
        cosine = torch.einsum("bhdn,bhdp->bhnp", kept, units)
        no_place = (named < 0)[:, None, :, None]
        on = (named == 1)[:, None, :, None]
        sharp = self.sharp.exp()[None, :, None, None]
        # finite, or an annotation without any place would make all answers no numbers
        weights = (cosine * sharp).masked_fill(no_place, -1e4).softmax(2)
        share = (weights * on).sum(2)
        # -1, the least that a cosine can be, where nothing of a kind was shown
        best = [cosine.masked_fill(~one, -1.0).amax(2) for one in (on, ~on & ~no_place)]
        return torch.stack((share, *best), 1)


def _pooled(features: Tensor, weights: Tensor) -> Tensor:
    """Return means (B, C) of features (B, C, h, w) under weights (B, h, w)."""
    total = weights.flatten(1).sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("bchw,bhw->bc", features, weights) / total


def _spread(where: Tensor) -> Tensor:
    """Return `PLACES` indices of a mask, evenly spread; -1 where there are fewer."""
    at = where.nonzero()[:, 0]
    if len(at) > PLACES:
        return at[torch.arange(PLACES, device=at.device) * len(at) // PLACES]
    return F.pad(at, (0, PLACES - len(at)), value=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """A guided network that has seen annotated images.

    Parameters
    ----------
    network : GuidedNetwork
    memory : Memory
        Of one task.
    diameter_px : float
        Of the objects, in pixels of the images.
    """

    network: "GuidedNetwork"
    memory: Memory
    diameter_px: float

    def __call__(self, image: FloatArray, shape: tuple[int, int]) -> FloatArray:
        """Return how much each place is like the objects: from -1, not at all, to 1.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        shape : (int, int)
            Of the answer, which covers the image.
        """
        with memory_guard(self.network.device), torch.inference_mode():
            features, size = self.network.encode(image, self.diameter_px)
            logits = self.network.net.answer(*features, self.memory)
            whole = F.interpolate(logits, scale_factor=OUT_STRIDE, mode="bilinear")
            inside = whole[..., : size[0], : size[1]]
            likeness = F.interpolate(inside, shape, mode="bilinear", antialias=True)
            return download((2 * likeness.sigmoid() - 1)[0, 0], exact=True)


class GuidedNetwork:
    """A guided network with the encoder it stands on.

    Parameters
    ----------
    net : GuidedNet
        In evaluation mode.
    encoder : ClickPyramid
        The bundled network; taken over and folded.
    device : str
        See `choose_device`.
    """

    def __init__(self, net: GuidedNet, encoder: ClickPyramid, device: str = "auto") -> None:
        self.device = choose_device(device)
        self._dtype = choose_precision("auto", self.device, half_on_cpu=True)
        self.net = net.eval().to(self.device)
        folded = encoder.eval().fold().requires_grad_(False)
        self._encoder = folded.to(self.device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def learn(
        self, examples: Sequence[tuple[FloatArray, NDArray[np.integer]]], diameter_px: float
    ) -> Guidance:
        """Look at annotated images.

        Parameters
        ----------
        examples : sequence of (ndarray of float32 (H, W, 3), ndarray of int (H, W))
            RGB in [0, 1], and labels on them; unlabelled pixels far from objects say nothing.
        diameter_px : float
            Of the objects.
        """
        found = []
        with memory_guard(self.device), torch.inference_mode():
            for image, labels in examples:
                (features, _), size = self.encode(image, diameter_px)
                shown = shown_places(labels > 0, size, diameter_px * size[0] / len(labels))
                told = torch.full(features.shape[2:], -1.0, device=self.device)
                told[: shown.shape[0], : shown.shape[1]] = upload(shown, self.device)
                found.append(self.net.remember(features, told[None]))
            tasks, kept, named = zip(*found, strict=True)
            mean = torch.stack(tasks).mean(0)
            memory = Memory(mean, torch.cat(kept, 3), torch.cat(named, 1))
        return Guidance(self, memory, diameter_px)

    def encode(
        self, image: FloatArray, diameter_px: float
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Return features of an image, padded, and the size it was resized to."""
        height, width = image.shape[:2]
        scale = min(DIAMETER_PX / diameter_px, float(np.sqrt(LIMIT_PX / (height * width))))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        exact = self._dtype == torch.float32
        shown = upload_picture(spread_narrow(image), self.device, exact=exact)
        values = shown.permute(2, 0, 1)[None]
        return self.net.features(self.maps(resized(values, size))), size

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the encoder's maps at strides 4 to 32 of a batch (B, 3, H, W) in [0, 1]."""
        height, width = images.shape[2:]
        padded = F.pad(images, (0, -width % STRIDE, 0, -height % STRIDE), value=0.5)
        padded = padded.to(self._dtype).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            return [one.float() for one in self._encoder.encode(padded)[1:5]]


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a batch (B, C, H, W) in another size, without aliasing."""
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def shown_places(
    objects: NDArray[np.bool_], size: tuple[int, int], diameter_px: float
) -> FloatArray:
    """Return what an annotation shows at stride 8 of an image that is resized.

    Parameters
    ----------
    objects : ndarray of bool, shape (H, W)
    size : (int, int)
        Of the resized image.
    diameter_px : float
        Of the objects, in pixels of the resized image.

    Returns
    -------
    ndarray of float32, shape (ceil(h / 8), ceil(w / 8))
        1 on objects, 0 beside them, -1 elsewhere. An object smaller than a place has one.
    """
    whole = torch.from_numpy(objects.astype(np.float32))[None, None]
    grid = -(-size[0] // PLACE), -(-size[1] // PLACE)
    share = resized(whole, grid)
    reach = max(1, round(RING * diameter_px / PLACE))
    # the brightest of each neighbourhood: a square is near enough to a ring
    near = F.max_pool2d(share, 2 * reach + 1, 1, reach)
    # half a place; where objects are that small, the fullest places
    on = share >= min(0.5, float(share.max()))
    shown = torch.where(on & (share > 0), 1.0, torch.where((near > 0) & (share == 0), 0.0, -1.0))
    return cast(FloatArray, shown[0, 0].numpy())


PLACE_VGG = 32
"""Pixels of a resized image for each feature of the published network."""

LIMIT_VGG_PX = 1 << 20
"""Of a resized image there: features of VGG-16 take sixteen times as long as the bundled ones."""


@dataclass(frozen=True, slots=True, eq=False)
class RevolverGuidance:
    """The published network after it has seen annotated images; called as `Guidance` is."""

    network: "RevolverNetwork"
    memory: Tensor
    diameter_px: float

    def __call__(self, image: FloatArray, shape: tuple[int, int]) -> FloatArray:
        """Return how much each place is like the objects, see `Guidance`."""
        network = self.network
        with memory_guard(network.device), torch.inference_mode():
            seen = network.seen(image, self.diameter_px)
            scores = network.net.answer(network.net.features(seen), self.memory, seen)
            # of two classes: the softmax of one, from -1 to 1
            likeness = F.interpolate(
                ((scores[:, 1:] - scores[:, :1]) / 2).tanh(), shape, mode="bilinear", antialias=True
            )
            return download(likeness[0, 0], exact=True)


class RevolverNetwork:
    """The authors' guided network, of a converted file.

    Parameters
    ----------
    net : RevolverNet
        In evaluation mode.
    device : str
        See `choose_device`.
    """

    def __init__(self, net: RevolverNet, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.net = net.eval().to(self.device)

    def learn(
        self, examples: Sequence[tuple[FloatArray, NDArray[np.integer]]], diameter_px: float
    ) -> RevolverGuidance:
        """Look at annotated images; parameters are those of `GuidedNetwork.learn`."""
        found, counts = [], []
        with memory_guard(self.device), torch.inference_mode():
            for image, labels in examples:
                seen = self.seen(image, diameter_px)
                size = (seen.shape[2], seen.shape[3])
                shown = shown_places(labels > 0, size, diameter_px * size[0] / len(labels))
                told = upload(shown, self.device)[None, None]
                told = F.interpolate(told, scale_factor=PLACE, mode="nearest")[0, 0]
                kinds = torch.stack((told == 0, told == 1))[:, : size[0], : size[1]]
                found.append(self.net.remember(self.net.features(seen), kinds))
                counts.append(kinds.flatten(1).any(1)[:, None])
            # an image says nothing of a kind that it does not show
            told = torch.stack(counts).sum(0).clamp(min=1)
            return RevolverGuidance(self, torch.stack(found).sum(0) / told, diameter_px)

    def seen(self, image: FloatArray, diameter_px: float) -> Tensor:
        """Return an image (1, 3, h, w), resized so that objects have five places across."""
        height, width = image.shape[:2]
        scale = min(
            DIAMETER_PX / PLACE * PLACE_VGG / diameter_px,
            float(np.sqrt(LIMIT_VGG_PX / (height * width))),
        )
        # smaller ones have no feature
        size = [max(PLACE_VGG + 1, round(n * scale)) for n in (height, width)]
        values = upload(np.asarray(image, np.float32), self.device).permute(2, 0, 1)[None]
        return resized(values, (size[0], size[1]))


def load_guided(
    weights: str | Path | None = None, *, device: str = "auto", encoder: Path | None = None
) -> GuidedNetwork | RevolverNetwork:
    """Return a guided network on the bundled encoder, or a published one.

    Parameters
    ----------
    weights : path or str, optional
        A file that ``napari-intseg train --task guided`` or ``weights convert --network revolver``
        wrote, or the name of one in the weights folders; by default the one in the package.
    device : str, default "auto"
        See `choose_device`.
    encoder : Path, optional
        Weights of a click pyramid other than the bundled one.

    Raises
    ------
    WeightsError
        If the file is missing, or of another network.
    """
    published = None if weights is None else _revolver_file(weights)
    if published is not None:
        net = built(REVOLVER, read_metadata(published), published)
        return RevolverNetwork(load_own(net, published, REVOLVER.architecture, "guided"), device)
    net = load_own(GuidedNet(), weights or "guided", GUIDED, "guided")
    return GuidedNetwork(net, load_encoder(encoder), device)


def _revolver_file(weights: str | Path) -> Path | None:
    """Return the published network's file of that path or name; None if it is none."""
    named = find_own(tuple(search_folders()), REVOLVER.architecture)
    path = named.get(str(weights), Path(weights).expanduser())
    return path if read_metadata(path).get("architecture") == REVOLVER.architecture else None


def load_encoder(path: Path | None = None) -> ClickPyramid:
    """Return the bundled network, or another click pyramid.

    Raises
    ------
    WeightsError
        If the file is missing, or of another network.
    """
    found = load_net(path or locate("bundled"))
    if not isinstance(found, ClickPyramid):
        raise WeightsError(
            f"weights are of another network: expected a click pyramid, got "
            f"{json.dumps(read_metadata(path or Path()).get('architecture'))}. Choose another."
        )
    return found
