"""From an image to the tensor a network takes, and from each kind of output to objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from napari_intseg.core.segmenter import Array, BoolArray, FloatArray, sigmoid
from napari_intseg.errors import WeightsError
from napari_intseg.models.automatic.clustering import (
    PanopticRules,
    SpatialRules,
    grow_metric_seeds,
    mean_shift,
    panoptic,
    spatial_embeddings,
)
from napari_intseg.models.automatic.exported_files import MOST_SIDE, Description
from napari_intseg.models.automatic.proposals import (
    BoxRules,
    ListRules,
    choose_by_peak,
    follow_flows,
    from_boxes,
    from_distance,
    from_list,
    from_proposal_embeddings,
    from_prototypes,
    from_stars,
    labels_to_findings,
    on_grid,
    unlike,
)
from napari_intseg.models.automatic.start_model import RawFinding

# of ImageNet, which nearly all encoders were trained on
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# of what memory and time grow with: how many times finer masks are drawn, pixels of a window and of
# a cell of a grid, objects of a class. Published networks have 2, 7, 4 and 300.
_MOST = {"finer": 16, "window": 511, "grid": 512, "most": 10_000}
# Pillow's number of the interpolation, as the files tell it
_BILINEAR = 2


@dataclass(frozen=True, slots=True)
class Preparation:
    """How an image becomes the tensor a network takes.

    Parameters
    ----------
    size : mapping of str to int
        ``height`` and ``width``, or ``shortest_edge`` and perhaps ``longest_edge``; empty: as is.
    mean, std : tuple of float
        Of the channels, after scaling to [0, 1].
    factor : float
        From bytes to what is normalised.
    multiple : int
        Sides are padded with zeros to a multiple of this.
    resample : int
        Pillow's number of the interpolation.
    """

    size: Mapping[str, int]
    mean: tuple[float, ...] = _MEAN
    std: tuple[float, ...] = _STD
    factor: float = 1 / 255
    multiple: int = 1
    resample: int = _BILINEAR

    def __post_init__(self) -> None:
        """Ask for values that can be.

        Raises
        ------
        ValueError
            If one cannot.
        """
        sides = (*self.size.values(), self.multiple)
        if not all(1 <= n <= MOST_SIDE for n in sides):
            raise ValueError(f"size is no number of pixels: {sides!r}")
        if any(len(x) not in (1, 3) for x in (self.mean, self.std)) or 0 in self.std:
            raise ValueError(f"mean or std is not that of colours: {self.mean!r}, {self.std!r}")
        # fails where Pillow has no such interpolation
        Image.Resampling(self.resample)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Preparation":
        """Return what a ``preprocessor_config.json`` says.

        Raises
        ------
        ValueError, TypeError, AttributeError
            If it cannot be meant.
        """
        size = told.get("size", {}) if told.get("do_resize", True) else {}
        if isinstance(size, int):
            longest = told.get("max_size")
            size = {"shortest_edge": size, **({"longest_edge": longest} if longest else {})}
        normal = told.get("do_normalize", True)
        multiple = told.get("size_divisor", told.get("size_divisibility")) or 1
        return cls(
            {k: int(v) for k, v in size.items() if v},
            tuple(told.get("image_mean") or _MEAN) if normal else (0.0, 0.0, 0.0),
            tuple(told.get("image_std") or _STD) if normal else (1.0, 1.0, 1.0),
            float(told.get("rescale_factor", 1 / 255)) if told.get("do_rescale", True) else 1.0,
            int(multiple),
            int(told.get("resample", _BILINEAR)),
        )

    def resized(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return height and width that an image of some shape gets, before padding."""
        if {"height", "width"} <= self.size.keys():
            return self.size["height"], self.size["width"]
        if "shortest_edge" not in self.size:
            return shape
        scale = self.size["shortest_edge"] / min(shape)
        # a strip of few pixels would become an image of millions
        longest = self.size.get("longest_edge", MOST_SIDE)
        if max(shape) * scale > longest:
            scale = longest / max(shape)
        return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))

    def __call__(self, image: FloatArray) -> tuple[Tensor, tuple[int, int]]:
        """Return the tensor (1, 3, h, w), and the height and width that the image has in it."""
        size = self.resized((image.shape[0], image.shape[1]))
        # bytes, since that is what the networks were trained on and what Pillow resizes
        picture = Image.fromarray(np.round(np.asarray(image) * 255).astype(np.uint8))
        if picture.size != size[::-1]:
            picture = picture.resize(size[::-1], Image.Resampling(self.resample))
        values = (np.asarray(picture, np.float32) * self.factor - self.mean) / self.std
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32)).permute(2, 0, 1)[None]
        down, right = (-n % self.multiple for n in size)
        return torch.nn.functional.pad(tensor, (0, right, 0, down)), size


@dataclass(frozen=True, slots=True)
class Frame:
    """Sizes of an image: its own, in the tensor, and the tensor's with padding."""

    shape: tuple[int, int]
    size: tuple[int, int]
    padded: tuple[int, ...]

    def back(self, maps: Tensor) -> Tensor:
        """Return maps (K, h, w) of the padded tensor on the image's grid, (K, H, W)."""
        up = torch.nn.functional.interpolate(
            maps[None].float(), size=self.padded, mode="bilinear", align_corners=False
        )
        # the padding goes before the second step: it would bleed into the image's edge
        up = up[..., : self.size[0], : self.size[1]]
        return torch.nn.functional.interpolate(
            up, size=self.shape, mode="bilinear", align_corners=False
        )[0]

    def labels_back(self, mask: BoolArray) -> BoolArray:
        """Return a mask on the tensor's grid, without padding, on the image's: the nearest."""
        if mask.shape == self.shape:
            return mask
        return on_grid(mask, self.shape)

    def on_input(self, maps: Tensor) -> Tensor:
        """Return maps (K, h, w) of the padded tensor on the tensor's grid, padding left out."""
        if tuple(maps.shape[1:]) != tuple(self.padded):
            maps = torch.nn.functional.interpolate(
                maps[None].float(), size=tuple(self.padded), mode="bilinear", align_corners=False
            )[0]
        return maps[:, : self.size[0], : self.size[1]]


ORDER: dict[str, tuple[str, ...]] = {
    "classes": ("classes",),
    "foreground": ("foreground",),
    "instances": ("boxes", "labels", "scores", "masks"),
    "embedding": ("embedding", "foreground"),
    "spatial-embedding": ("maps",),
    "distance": ("distance",),
    "stars": ("prob", "distances"),
    "flows": ("flows",),
    "centre-offsets": ("classes", "heat", "offsets"),
    "list": ("masks", "stop"),
    "peaks": ("responses", "peak_maps", "proposals"),
}
"""Names of the outputs of each kind, in the order that is taken where they are not given."""


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What a network answered for one image.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        By the names of `ORDER`, without the first axis where that is a batch of one.
    told : Description
    frame : Frame
        Sizes of image and input.
    threshold : float or None
        That a person gave.
    """

    arrays: Mapping[str, Array]
    told: Description
    frame: Frame
    threshold: float | None = None

    def has(self, name: str) -> bool:
        """Whether there is such an output."""
        return name in self.arrays

    def values(self, name: str) -> Array:
        """Return an output as it is.

        Raises
        ------
        WeightsError
            If there is none.
        """
        if name not in self.arrays:
            raise WeightsError(
                f"network lacks an output: expected {name!r} for {self.told.kind!r}, got "
                f"{', '.join(sorted(self.arrays)) or 'none'}. Name it under [output] outputs."
            )
        return self.arrays[name]

    def maps(
        self, name: str, *, on_image: bool = False, resized: bool = True
    ) -> NDArray[np.float32]:
        """Return maps as float32 (C, h, w), on the grid of the input, of the image, or as is."""
        raw = self.values(name)
        raw = raw[None] if raw.ndim == 2 else raw
        if raw.ndim != 3:
            raise WeightsError(
                f"output is no map: expected 2 or 3 axes of {name!r}, got shape {raw.shape}. "
                "Name another output, or declare another kind."
            )
        if self.told.layout == "NHWC" and self.values(name).ndim == 3:
            raw = np.moveaxis(raw, -1, 0)
        if not resized:
            return np.asarray(raw, np.float32)
        tensor = torch.from_numpy(np.ascontiguousarray(raw, np.float32))
        out = self.frame.back(tensor) if on_image else self.frame.on_input(tensor)
        return np.asarray(out.numpy(), np.float32)

    def number(self, name: str, default: Any) -> Any:
        """Return a parameter, in the type of its default.

        Raises
        ------
        WeightsError
            If it is of another type, or asks for more than any network needs.
        """
        given = self.told.parameters.get(name, default)
        if name == "threshold" and self.threshold is not None:
            return self.threshold
        if isinstance(given, bool) != isinstance(default, bool) or not isinstance(
            given, (int, float)
        ):
            raise WeightsError(
                f"parameter is no number: expected one like {default!r} for {name!r}, got "
                f"{given!r}. Correct the description."
            )
        if name in _MOST and not 0 < given <= _MOST[name]:
            raise WeightsError(
                f"parameter is too large: expected more than 0 and at most {_MOST[name]} for "
                f"{name!r}, got {given!r}. Correct the description."
            )
        return type(default)(given)


def _probabilities(maps: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    if activation == "softmax":
        # subtracted so that no exponential overflows
        shifted = np.exp(maps - maps.max(axis=0))
        return np.asarray(shifted / shifted.sum(axis=0), np.float32)
    return np.asarray(sigmoid(maps), np.float32) if activation == "sigmoid" else maps


def _classes(out: Outputs) -> list[RawFinding]:
    maps = out.maps("classes", on_image=True)
    single = len(maps) == 1
    usual = "sigmoid" if single else "softmax"
    prob = _probabilities(maps, str(out.told.parameters.get("activation", usual)))
    if single:
        owner = np.where(prob[0] > out.number("threshold", 0.5), 1, 0)
        best, kinds = prob[0], [1]
    else:
        owner, best = prob.argmax(axis=0), prob.max(axis=0)
        kinds = np.unique(owner).tolist()
    apart = bool(out.number("apart", False))
    least = int(out.number("min_px", 1))
    found = []
    for kind in kinds:
        if apart and kind == 0:
            continue
        pieces, count = ndimage.label(owner == kind) if apart else (owner == kind, 1)
        sizes = np.bincount(np.asarray(pieces, np.int64).ravel(), minlength=count + 1)
        for number in range(1, count + 1):
            if sizes[number] >= least:
                mask = np.asarray(pieces == number)
                found.append(RawFinding(int(kind), float(best[mask].mean()), mask))
    least_score = 0.0 if single else out.number("threshold", 0.0)
    return [one for one in found if one.score >= least_score]


def _foreground_and_edges(out: Outputs) -> list[RawFinding]:
    """Read a map of objects and perhaps one of the edges between them."""
    # imported here, so that scikit-image is loaded only for networks that need it
    from skimage.segmentation import watershed

    usual = str(out.told.parameters.get("activation", "sigmoid"))
    prob = _probabilities(out.maps("foreground"), usual)
    least = out.number("threshold", 0.5)
    # edges cut seeds apart, and the watershed then gives their pixels back to the objects
    inside = prob[0] > least
    apart = inside & (prob[1] < out.number("edge_threshold", 0.5)) if len(prob) > 1 else inside
    seeds, _ = ndimage.label(apart)
    grown = watershed(-prob[0], seeds, mask=inside)  # type: ignore[no-untyped-call]
    labels = np.asarray(grown, np.int32)
    sizes = np.bincount(labels.ravel())
    labels[sizes[labels] < out.number("min_px", 20)] = 0
    numbers = range(1, int(labels.max(initial=0)) + 1)
    scores = np.asarray(ndimage.mean(prob[0], labels, numbers), np.float64)
    return labels_to_findings(labels, np.nan_to_num(scores).tolist())


def _instances(out: Outputs) -> list[RawFinding]:
    boxes = np.asarray(out.values("boxes"), np.float32).reshape(-1, 4)
    if out.told.parameters.get("boxes_as") == "centre":
        middle, half = boxes[:, :2], boxes[:, 2:] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)
    elif out.told.parameters.get("boxes_as") == "rows":
        boxes = boxes[:, [1, 0, 3, 2]]
    if out.number("relative", False):
        boxes = boxes * np.tile(np.array(out.frame.size[::-1], np.float32), 2)
    scores = np.asarray(out.values("scores"), np.float32)
    labels = np.asarray(out.values("labels"), np.int64).ravel() if out.has("labels") else None
    if scores.ndim == 2:
        # one a class, the first of them background
        first = int(out.number("background_first", True))
        labels = scores[:, first:].argmax(axis=1) + first
        scores = scores[:, first:].max(axis=1)
    if out.has("mask_scores"):
        scores = scores * np.asarray(out.values("mask_scores"), np.float32).ravel()
    labels = np.ones(len(scores), np.int64) if labels is None else labels
    rules = BoxRules(
        out.number("threshold", 0.5), out.number("overlap", 0.5), out.number("most", 100),
        # EmbedMask's published number is another
        out.number("mask_threshold", 0.53 if out.has("embedding") else 0.5),
    )  # fmt: skip
    masks = _masks_of(out, boxes, labels)
    return from_boxes(boxes, scores, labels, masks, shape=out.frame.size, rules=rules)


def _masks_of(out: Outputs, boxes: Array, labels: Array) -> Array:
    if out.has("prototypes"):
        prototypes = out.maps("prototypes", resized=False)
        weights = np.asarray(out.values("coefficients"), np.float32)
        # masks are made where the prototypes are, and grow afterwards, as published
        rows, cols = (n / whole for n, whole in zip(
            prototypes.shape[1:], out.frame.padded, strict=True,
        ))  # fmt: skip
        masks = from_prototypes(prototypes, weights, boxes * np.tile((cols, rows), 2))
        return np.asarray(out.frame.on_input(torch.from_numpy(masks)).numpy())
    if out.has("embedding"):
        return _by_embedding(out, boxes)
    masks = np.asarray(out.values("masks"), np.float32)
    if masks.ndim == 4:
        # one a class, or one for all
        masks = masks[np.arange(len(masks)), labels if masks.shape[1] > 1 else 0]
    if out.told.parameters.get("activation") == "sigmoid":
        masks = np.asarray(sigmoid(masks), np.float32)
    if masks.shape[1:] == tuple(out.frame.padded):
        masks = masks[:, : out.frame.size[0], : out.frame.size[1]]
    return masks


def _by_embedding(out: Outputs, boxes: Array) -> Array:
    """Return masks by the embeddings of pixels and of proposals, as EmbedMask makes them."""
    pixels = torch.from_numpy(out.maps("embedding", resized=False))
    # twice as fine, as published; boxes and the threshold's logarithm are taken there
    grown = torch.nn.functional.interpolate(
        pixels[None], scale_factor=float(out.number("finer", 2)), mode="bilinear",
        align_corners=False,
    )[0].numpy()  # fmt: skip
    rows, cols = (n / whole for n, whole in zip(grown.shape[1:], out.frame.padded, strict=True))
    proposals, margins = (
        np.asarray(out.values(name), np.float32) for name in ("proposals", "margins")
    )
    near = from_proposal_embeddings(grown, proposals, margins, boxes * np.tile((cols, rows), 2))
    return np.asarray(np.exp(out.frame.on_input(torch.from_numpy(near)).numpy()), np.float32)


def _embedding(out: Outputs) -> list[RawFinding]:
    embedding = out.maps("embedding")
    least = out.number("min_px", 20)
    if out.has("seediness"):
        seeds = out.maps("seediness")[0]
        labels, scores = grow_metric_seeds(
            embedding, seeds, diversity=out.number("diversity", 0.3),
            similarity=out.number("similarity", 0.5), least=out.number("threshold", 0.1),
        )  # fmt: skip
        return labels_to_findings(labels, scores)
    labels = mean_shift(
        embedding, _is_foreground(out), bandwidth=out.number("bandwidth", 1.5), min_px=least,
        on_sphere=out.number("on_sphere", False),
    )  # fmt: skip
    return labels_to_findings(labels)


def _is_foreground(out: Outputs) -> NDArray[np.bool_]:
    maps = out.maps("foreground")
    if len(maps) > 1:
        return np.asarray(maps.argmax(axis=0) > 0)
    prob = _probabilities(maps, str(out.told.parameters.get("activation", "sigmoid")))
    return np.asarray(prob[0] > out.number("threshold", 0.5))


def _spatial(out: Outputs) -> list[RawFinding]:
    maps = out.maps("maps")
    widths = out.number("sigmas", 1)
    rules = SpatialRules(
        step=out.number("step", 0.0) or None, least_seed=out.number("threshold", 0.9),
        min_px=out.number("min_px", 128), min_left=out.number("min_left", 128),
    )  # fmt: skip
    seeds = np.asarray(sigmoid(maps[2 + widths]), np.float32)
    labels, scores = spatial_embeddings(maps[:2], maps[2 : 2 + widths], seeds, rules)
    return labels_to_findings(labels, scores)


def _distance(out: Outputs) -> list[RawFinding]:
    labels = from_distance(
        out.maps("distance")[0], least=out.number("threshold", 0.5), window=out.number("window", 5),
        min_px=out.number("min_px", 20),
    )  # fmt: skip
    return labels_to_findings(labels)


def _stars(out: Outputs) -> list[RawFinding]:
    prob, distances = out.values("prob"), out.values("distances")
    prob = prob.squeeze()
    if out.told.layout == "NCHW":
        distances = np.moveaxis(distances, 0, -1)
    found = from_stars(
        np.asarray(prob, np.float32), np.asarray(distances, np.float32),
        grid=out.number("grid", 1), threshold=out.number("threshold", 0.5),
        overlap=out.number("overlap", 0.4), shape=(out.frame.padded[0], out.frame.padded[1]),
    )  # fmt: skip
    height, width = out.frame.size
    cut = [(one, one.mask[:height, :width]) for one in found if one.mask is not None]
    return [RawFinding(one.kind, one.score, mask) for one, mask in cut if mask.any()]


def _flows(out: Outputs) -> list[RawFinding]:
    # Cellpose: along rows, along columns, logit of being a cell
    maps = out.maps("flows")
    inside = maps[2] > out.number("threshold", 0.0)
    # Cellpose's networks are trained on five times the flow
    scale = out.number("flow_scale", 5.0)
    labels = follow_flows(maps[:2] / scale, inside, min_px=out.number("min_px", 15))
    return labels_to_findings(labels)


def _centre_offsets(out: Outputs) -> list[RawFinding]:
    maps = out.maps("classes")
    given = out.told.parameters.get("things", range(1, len(maps)))
    things = frozenset(int(kind) for kind in given)
    rules = PanopticRules(
        least=out.number("threshold", 0.1), window=out.number("window", 7),
        min_stuff_px=out.number("min_stuff_px", 2048),
    )  # fmt: skip
    labels, segments = panoptic(
        maps.argmax(axis=0), out.maps("heat")[0], out.maps("offsets"), things, rules
    )
    kinds = [segments[number][0] for number in sorted(segments)]
    return labels_to_findings(labels, [segments[n][1] for n in sorted(segments)], kinds)


def _list(out: Outputs) -> list[RawFinding]:
    masks = out.maps("masks", on_image=True)
    usual = str(out.told.parameters.get("activation", "none"))
    kinds = np.asarray(out.values("labels"), np.int64).ravel() if out.has("labels") else None
    # RVOS tells no end: all that it lists are objects
    stop = np.asarray(out.values("stop") if out.has("stop") else np.ones(len(masks)), np.float32)
    scores = None
    if out.has("classes"):
        # one probability a class, the first of which is none
        prob = np.asarray(out.values("classes"), np.float32)
        kinds, scores = np.asarray(prob.argmax(axis=1), np.int64), prob.max(axis=1)
    rules = ListRules(
        out.number("threshold", 0.5), out.number("mask_threshold", 0.5), out.number("ends", True),
        out.number("apart", True), out.number("weighted", False), out.number("least", 0.0),
    )  # fmt: skip
    found = from_list(_probabilities(masks, usual), stop.ravel(), kinds, scores=scores, rules=rules)
    least = out.number("class_threshold", 0.0)
    return [one for one in found if scores is None or (one.kind and one.score >= least)]


def _peaks(out: Outputs) -> list[RawFinding]:
    responses, peaks = out.maps("responses"), out.maps("peak_maps")
    proposals = out.maps("proposals") > 0.5
    density = out.maps("density", resized=False) if out.has("density") else None
    kinds = np.asarray(out.values("labels"), np.int64).ravel() if out.has("labels") else None
    found = []
    for i, peak in enumerate(peaks):
        kind = 0 if kinds is None else int(kinds[i])
        of_class = min(kind, len(responses) - 1)
        # CountSeg's map of densities has the count as its mean
        shares = None if density is None else density[of_class] / density[of_class].size
        best, score = choose_by_peak(peak, responses[of_class], proposals, density=shares)
        if best >= 0:
            found.append(RawFinding(kind, score, proposals[best]))
    return unlike(found, out.number("overlap", 0.3))


READERS: dict[str, Callable[[Outputs], list[RawFinding]]] = {
    "classes": _classes,
    "foreground": _foreground_and_edges,
    "instances": _instances,
    "embedding": _embedding,
    "spatial-embedding": _spatial,
    "distance": _distance,
    "stars": _stars,
    "flows": _flows,
    "centre-offsets": _centre_offsets,
    "list": _list,
    "peaks": _peaks,
}
"""By the kind of a description; masks are on the grid of the input or of the image."""
