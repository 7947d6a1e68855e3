"""Semantic networks of `napari-intseg train --task semantic`, and published ones, converted."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_intseg.core import files
from napari_intseg.core.segmenter import FloatArray, Segmenter
from napari_intseg.errors import UnknownModelError, WeightsError
from napari_intseg.models.automatic.proposals import find_peaks
from napari_intseg.models.automatic.start_model import (
    ClassMark,
    Finding,
    StartTraits,
    check_no_texts,
)
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.device import choose_device, give_back, memory_guard
from napari_intseg.models.image_input import load_opencv
from napari_intseg.models.nets.earlier_nets import DISK_PX
from napari_intseg.models.networks import SEMANTIC_NETWORKS, NetworkLayout, build_semantic
from napari_intseg.models.weights.published_semantic import read_published
from napari_intseg.models.weights.store import SEMANTIC, find_own, read_metadata

# of ImageNet; training (`training.semantic`) and use must take the same
MEAN = np.array((0.485, 0.456, 0.406), np.float32)
STD = np.array((0.229, 0.224, 0.225), np.float32)

# images are seen in squares of 1024 pixels that share 128: the fields of view of most of these
# networks are smaller, and no more memory is needed for a large image than for a small one. Sides
# are multiples of 32, by which encoders with five halvings divide them.
_MULTIPLE = 32
_SIDE = 1024
_OVERLAP = 128

PEAK_SIDE = 448
"""Of the square that PRM's published networks see, whatever the image's shape."""

PEAK_HEIGHT = 30.0
"""Response above which a peak stands for an object, the default of PRM's code."""

# pixels; smaller pieces are specks: to remove one by a click costs more than it mends
_LEAST_PX = 10


@dataclass(frozen=True, slots=True)
class SemanticFile:
    """What the metadata of a weights file says.

    Parameters
    ----------
    network : str
    width : float
    names : tuple of str
        Of the classes; the first one is no object where it is "background".
    apart : bool
        Whether pieces of a class are objects.
    layout : NetworkLayout or None
        How another project built it; None: as it is trained here.
    """

    network: str
    width: float
    names: tuple[str, ...]
    apart: bool
    layout: NetworkLayout | None = None

    @property
    def origin(self) -> str:
        """Where its weights come from, for people."""
        return "your own training" if self.layout is None else f"from {self.layout.project}"


def read_semantic(path: Path) -> tuple[SemanticFile, dict[str, Tensor]]:
    """Read a weights file.

    Raises
    ------
    WeightsError
        If it is none of these networks, or damaged.
    """
    told = read_metadata(path)
    try:
        if told.get("architecture") != SEMANTIC or told["network"] not in SEMANTIC_NETWORKS:
            raise ValueError(f"architecture {told.get('architecture')!r}")
        names = tuple(str(name) for name in files.parse_json(told["names"]))
        about = SemanticFile(
            told["network"], float(told["width"]), names, bool(files.parse_json(told["apart"])),
            read_layout(told),
        )  # fmt: skip
    except (KeyError, ValueError, TypeError) as err:
        raise WeightsError(
            f"weights are of another network: expected a file of `napari-intseg train --task "
            f"semantic`, got {str(path)!r} ({err}). Choose another file."
        ) from err
    return about, load_checkpoint(path)


def read_layout(told: Mapping[str, str]) -> NetworkLayout | None:
    """Return how another project built a network, of a file's metadata.

    Raises
    ------
    ValueError, TypeError, KeyError
        If that is damaged.
    """
    if not told.get("layout"):
        return None
    about = files.parse_json(told["layout"])
    return NetworkLayout(str(about["project"]), dict(about["sizes"]))


def write_published(path: Path, source: Path, network: str, settings: Mapping[str, Any]) -> str:
    """Write a published file as one of these models; returns what it is, for people.

    Parameters
    ----------
    path : Path
        Ends in ``.safetensors``; its stem is the model's name.
    source : Path
        See `read_published`.
    network : str
        One of `SEMANTIC_NETWORKS`.
    settings : mapping
        As `read_published` takes them, and "apart": whether pieces of a class are objects.

    Raises
    ------
    WeightsError
        As `read_published` says.
    """
    from safetensors.torch import save

    chosen = dict(settings)
    apart = bool(chosen.pop("apart", False))
    state, layout, names, width = read_published(source, network, chosen)
    about = {
        "architecture": SEMANTIC, "network": network, "width": repr(width),
        "names": json.dumps(list(names)), "apart": json.dumps(apart),
        "layout": json.dumps({"project": layout.project, "sizes": dict(layout.sizes)}),
        "card": f"converted from {source.name}",
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(path, save({k: v.contiguous() for k, v in state.items()}, about))
    title = SEMANTIC_NETWORKS[network].title
    return f"{title} from {layout.project}, {len(names)} classes: {', '.join(names[:5])}" + (
        ", …" if len(names) > 5 else ""
    )


class SemanticModel:
    """A trained network; made by `load_semantic`."""

    def __init__(
        self,
        net: Any,
        told: SemanticFile,
        name: str,
        device: torch.device,
        marks: Sequence[tuple[float, float, int]] = (),
    ) -> None:
        self._net = net.to(device)
        self._told = told
        self._name = name
        self._device = device
        self._marks = marks

    @property
    def traits(self) -> StartTraits:
        """What is told of it before it runs."""
        title = SEMANTIC_NETWORKS[self._told.network].title
        title = f"{self._name} ({title}, {self._told.origin})"
        marks = self._told.names if takes_annotations(self._net) else ()
        return StartTraits(title, "", "", self._told.apart or self._has_peaks, marks=marks)

    @property
    def _has_peaks(self) -> bool:
        # one that is trained here learns from masks, and answers as all others do
        return self._told.network == "prm" and self._told.layout is not None

    def marked(self, marks: Sequence[ClassMark]) -> "SemanticModel":
        """Return it as it answers once the class of some pixels is known."""
        names = self._told.names
        told = [(one.row, one.col, names.index(one.name)) for one in marks]
        return SemanticModel(self._net, self._told, self._name, self._device, told)

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        """Return what is in an image, the surest first.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        texts : sequence of str
            Must be empty.
        threshold : float, optional
            Objects, or classes, whose mean probability is below are left out.
        masks_by : Segmenter, optional
            Not used.

        Raises
        ------
        PromptError
            If there are texts.
        DeviceError
            If the device runs out of memory.
        """
        check_no_texts(self._name, texts)
        if self._has_peaks:
            return self._by_peaks(image, 0.5 if threshold is None else threshold)
        layout = self._told.layout
        maps = None
        if self._marks:
            draw = distance_maps if layout is not None else mark_maps
            maps = draw(self._marks, len(self._told.names), image.shape[:2])
        extra = int(layout is not None and layout.on_corners)
        prob = infer(self._net, image, self._device, extra=extra, marks=maps)
        owner = prob.argmax(axis=0)
        found = []
        # of published sets of classes some have no background
        first = int(self._told.names[0].lower() == "background")
        for kind in range(first, len(prob)):
            mask = owner == kind
            pieces, count = ndimage.label(mask) if self._told.apart else (mask, int(mask.any()))
            sizes = np.bincount(np.asarray(pieces, np.int64).ravel(), minlength=count + 1)
            for number in range(1, count + 1):
                here = np.asarray(pieces == number)
                score = float(prob[kind][here].mean())
                if sizes[number] >= _LEAST_PX and score >= (threshold or 0.0):
                    found.append(Finding(here, self._told.names[kind], score))
        return tuple(sorted(found, key=lambda one: -one.score))

    def _by_peaks(self, image: FloatArray, threshold: float) -> tuple[Finding, ...]:
        """Return what the peaks of classes come from; those of a class share its score."""
        values = torch.from_numpy(((image - MEAN) / STD).transpose(2, 0, 1))[None].float()
        seen = F.interpolate(values, PEAK_SIDE, mode="bilinear", antialias=True).to(self._device)
        with memory_guard(self._device):
            with torch.no_grad():
                responses = self._net.responses(seen)[0].float().cpu().numpy()
            # the first class is the background that the file lacks
            places = [(kind, find_peaks(responses[kind])) for kind in range(1, len(responses))]
            chosen, scores = [], []
            for kind, at in places:
                found = responses[kind][at[:, 0], at[:, 1]]
                score = 1 / (1 + np.exp(-found.mean())) if len(found) else 0.0
                high = at[found > PEAK_HEIGHT] if score >= threshold else at[:0]
                chosen += [(kind, row, col) for row, col in high.tolist()]
                scores += [float(score)] * len(high)
            if not chosen:
                return ()
            sources = self._net.sources(seen, torch.tensor(chosen, dtype=torch.long).view(-1, 3))
            maps = F.interpolate(sources[None], image.shape[:2], mode="bilinear", antialias=True)
        out: list[Finding] = []
        for (kind, _, _), score, source in zip(chosen, scores, maps[0].cpu().numpy(), strict=True):
            mask, name = _region(source), self._told.names[kind]
            # peaks of one object come from the same pixels
            if not any(one.name == name and _are_one(mask, one.mask) for one in out):
                out.append(Finding(mask, name, score))
        return tuple(sorted(out, key=lambda one: -one.score))

    def release(self) -> None:
        """Return the device's memory."""
        self._net.to("cpu")
        give_back(self._device)


def _region(source: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the part of an image (H, W) that most of a peak comes from."""
    # the pixels are scattered: what a hundredth of the side joins is one part, a fifth of the
    # highest value its edge (both chosen by eye on made images)
    smooth = ndimage.gaussian_filter(source, 0.01 * max(source.shape))
    parts, _ = ndimage.label(smooth >= 0.2 * smooth.max())
    return np.asarray(parts == parts.ravel()[smooth.argmax()])


def _are_one(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    # the paper's suppression
    shared, both = np.count_nonzero(mask & other), np.count_nonzero(mask | other)
    return bool(shared >= 0.3 * both)


def load_semantic(path: str | Path, *, device: str = "auto") -> SemanticModel:
    """Load a network from its weights file.

    Raises
    ------
    WeightsError
        If the file is none of these, or damaged.
    DeviceError
        If the device does not exist.
    """
    path = Path(path).expanduser()
    told, state = read_semantic(path)
    try:
        net = build_semantic(told.network, len(told.names), told.width, told.layout)
    except ValueError as err:
        raise WeightsError(
            f"weights are damaged: expected classes and width that can be, got {str(path)!r} "
            f"({err}). Fetch or train it again."
        ) from err
    load_strict(net, state, path)
    net.eval().requires_grad_(False)
    return SemanticModel(net, told, path.stem, choose_device(device))


def own_semantic() -> dict[str, Path]:
    """Return the weights files that people trained themselves, by name."""
    from napari_intseg.models.weights.locate import search_folders

    return find_own(tuple(search_folders()), SEMANTIC)


def load_own(name: str, *, device: str = "auto") -> SemanticModel:
    """Load a network that was trained here, by its name.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    """
    there = own_semantic()
    if name not in there:
        raise UnknownModelError(
            f"no network of that name was trained here: expected one of "
            f"{', '.join(sorted(there)) or 'none'}, got {name!r}. Train one with "
            "`napari-intseg train --task semantic`."
        )
    return load_semantic(there[name], device=device)


def takes_annotations(net: Any) -> bool:
    """Whether a network has channels for annotations of classes."""
    return bool(getattr(net, "takes_annotations", False))


def mark_maps(
    marks: Sequence[tuple[float, float, int]], classes: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return annotations as a network takes them, (C, H, W): 1 in a disk round each.

    Parameters
    ----------
    marks : sequence of (float, float, int)
        Row, column and number of the class; where disks meet, the later one counts.
    classes : int
    shape : (int, int)
        Of the image.
    """
    maps = np.zeros((classes, *shape), np.float32)
    for row, col, kind in marks:
        rows, cols = (
            slice(max(0, math.ceil(at - DISK_PX)), max(0, math.floor(at + DISK_PX) + 1))
            for at in (row, col)
        )
        part = maps[:, rows, cols]
        down, right = np.ogrid[rows.start : rows.start + part.shape[1],
                               cols.start : cols.start + part.shape[2]]  # fmt: skip
        near = (down - row) ** 2 + (right - col) ** 2 <= DISK_PX**2
        part[:, near] = 0
        part[kind, near] = 1
    return maps


def distance_maps(
    marks: Sequence[tuple[float, float, int]], classes: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return annotations as DISIR's published networks take them, (C, H, W) [1]_.

    Each is a disk of ten pixels, in which the distance to its edge counts.

    Parameters
    ----------
    marks : sequence of (float, float, int)
        Row, column and number of the class.
    classes : int
    shape : (int, int)
        Of the image.

    References
    ----------
    .. [1] Lenczner, G. et al. "DISIR: deep image segmentation with interactive refinement", 2020,
       arXiv:2003.14200.
    """
    cv2 = load_opencv()
    points = np.zeros((classes, *shape), np.uint8)
    for row, col, kind in marks:
        # an annotation half a pixel beyond the image is on its rim
        points[kind, *np.clip((round(row), round(col)), 0, np.subtract(shape, 1))] = 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (10, 10))
    maps = [cv2.distanceTransform(cv2.dilate(one, disk), cv2.DIST_L2, 3) for one in points]
    return np.stack(maps).astype(np.float32)


def infer(
    net: Any,
    image: FloatArray,
    device: torch.device,
    *,
    extra: int = 0,
    marks: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the probability of each class at each pixel, (C, H, W), of an image in [0, 1].

    Large images are seen in squares that overlap; where they do, the mean counts. The network sees
    `extra` pixels more than a multiple of its stride, and `marks` of `mark_maps` if there are some.
    """
    height, width = image.shape[:2]
    values = ((np.asarray(image, np.float32) - MEAN) / STD).transpose(2, 0, 1)
    total: NDArray[np.float32] | None = None
    seen = np.zeros((height, width), np.float32)
    for rows in _spans(height):
        for cols in _spans(width):
            given = [values] if marks is None else [values, marks]
            parts = [
                torch.from_numpy(np.ascontiguousarray(one[:, rows, cols]))[None].to(device)
                for one in given
            ]
            with memory_guard(device), torch.inference_mode():
                prob = _padded(net, parts, extra)
            if total is None:
                total = np.zeros((len(prob), height, width), np.float32)
            total[:, rows, cols] += prob
            seen[rows, cols] += 1
    assert total is not None
    return total / seen


def _spans(length: int) -> list[slice]:
    if length <= _SIDE:
        return [slice(0, length)]
    count = -(-(length - _OVERLAP) // (_SIDE - _OVERLAP))
    firsts = np.linspace(0, length - _SIDE, count).round().astype(int)
    return [slice(int(first), int(first) + _SIDE) for first in firsts]


def _padded(net: Any, parts: Sequence[Tensor], extra: int) -> NDArray[np.float32]:
    height, width = parts[0].shape[-2:]
    down, right = (extra - height) % _MULTIPLE, (extra - width) % _MULTIPLE
    # the edge is repeated: zeros would look like another object beside the image
    whole = [F.pad(one, (0, right, 0, down), mode="replicate") for one in parts]
    logits = net(*whole)[0, :, :height, :width]
    return np.asarray(logits.float().softmax(dim=0).cpu().numpy(), np.float32)
