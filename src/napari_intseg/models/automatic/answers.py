"""From what an automatic network says to masks and boxes on the image."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import BoolArray
from napari_intseg.models.automatic.families import Gives
from napari_intseg.models.automatic.findings import RawFinding

__all__ = [
    "READERS",
    "ImageSizes",
    "RawFinding",
    "boxes",
    "classes",
    "detections",
    "instances",
    "texts",
]

_LEAST_SHARE = 0.5  # of an object's own mask that must stay its own; else a surer one covers it


class ImageSizes(Protocol):
    """The sizes of an image; see `automatic`."""

    @property
    def shape(self) -> tuple[int, int]:
        """Of the image."""
        ...

    def back(self, maps: Tensor) -> Tensor:
        """Return maps of the network's input on the image's grid."""
        ...


def instances(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read queries that each have a class and a mask [1]_: pixels go to the likeliest query.

    Objects with a score below the threshold, or mostly covered by others, are left out.

    References
    ----------
    .. [1] Cheng, B. et al. "Per-pixel classification is not all you need for semantic
       segmentation", arXiv:2107.06278.
    """
    logits, masks = _queries(out)
    kinds = logits.float().softmax(dim=-1)[:, :-1]
    scores, classes = kinds.max(dim=-1)
    kept = (scores >= threshold).nonzero()[:, 0]
    if not len(kept):
        return []
    maps = frame.back(masks[kept]).sigmoid()
    owner = (scores[kept][:, None, None] * maps).argmax(dim=0)
    found = []
    for i, query in enumerate(kept.tolist()):
        whole = maps[i] > 0.5
        mask = whole & (owner == i)
        if mask.sum() >= _LEAST_SHARE * whole.sum():
            found.append(RawFinding(int(classes[query]), float(scores[query]), _numpy(mask)))
    return found


def _queries(out: Any) -> tuple[Tensor, Tensor]:
    """Return classes and masks of the queries, as the families call them; DETR has other names."""
    if hasattr(out, "class_queries_logits"):
        return out.class_queries_logits[0], out.masks_queries_logits[0]
    return out.logits[0], out.pred_masks[0]


def detections(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read queries whose classes do not exclude each other, each with a mask of its own.

    As RF-DETR's: the last class stands for no object.
    """
    logits, masks = _queries(out)
    scores, classes = logits.float().sigmoid()[:, :-1].max(dim=-1)
    kept = (scores >= threshold).nonzero()[:, 0]
    if not len(kept):
        return []
    inside = frame.back(masks[kept]) > 0
    return [
        RawFinding(int(classes[query]), float(scores[query]), _numpy(inside[i]))
        for i, query in enumerate(kept.tolist())
    ]


def classes(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read one map a class: each pixel goes to the likeliest; a class's score is its mean there."""
    prob = frame.back(out.logits[0]).softmax(dim=0)
    best, owner = prob.max(dim=0)
    found = []
    for kind in np.unique(owner.cpu().numpy()).tolist():
        mask = owner == kind
        score = float(best[mask].mean())
        if score >= threshold:
            found.append(RawFinding(int(kind), score, _numpy(mask)))
    return found


def texts(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read one map a text: a pixel goes to the likeliest text if that is likely enough."""
    logits = out.logits if out.logits.ndim == 3 else out.logits[None]
    prob = frame.back(logits).sigmoid()
    best, owner = prob.max(dim=0)
    found = []
    for kind in range(len(prob)):
        mask = (owner == kind) & (best > threshold)
        if mask.any():
            found.append(RawFinding(kind, float(best[mask].mean()), _numpy(mask)))
    return found


def boxes(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read boxes (centre, width and height, as shares of the image) with the token they mean."""
    scores, tokens = out.logits[0].float().sigmoid().max(dim=-1)
    height, width = frame.shape
    found = []
    for i in (scores > threshold).nonzero()[:, 0].tolist():
        x, y, w, h = (float(v) for v in out.pred_boxes[0, i])
        # shares count from the image's edge, half a pixel before the first centre
        rows = np.clip(np.array([y - h / 2, y + h / 2]) * height - 0.5, 0, height - 1)
        cols = np.clip(np.array([x - w / 2, x + w / 2]) * width - 0.5, 0, width - 1)
        box = Box(float(rows[0]), float(cols[0]), float(rows[1]), float(cols[1]))
        found.append(RawFinding(int(tokens[i]), float(scores[i]), None, box))
    return found


def _numpy(mask: Tensor) -> BoolArray:
    return np.asarray(mask.cpu().numpy(), bool)


READERS: Mapping[Gives, Callable[[Any, Any, float], list[RawFinding]]] = {
    "instances": instances,
    "detections": detections,
    "classes": classes,
    "texts": texts,
    "boxes": boxes,
}
"""How each kind of output is read, by what a family gives."""
