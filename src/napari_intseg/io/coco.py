"""COCO JSON: one annotation for each object of a flat image."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.outlines import outlines
from napari_intseg.io.source import FileVolume

Shape = Literal["auto", "rle", "polygon"]


def write_coco(path: Path, labels: Array, like: Volume, *, shape: Shape = "auto") -> None:
    """Write labels as COCO instance annotations; an object's label is its id.

    Parameters
    ----------
    path : Path
        A ``.json`` file.
    labels : ndarray of integers, shape (H, W)
    like : Volume
        The image; its file's name goes into the file.
    shape : "auto", "rle" or "polygon"
        Run lengths, or outlines along pixel edges, which hold no holes: "auto" writes run lengths
        for objects that have some, "polygon" fills them.

    Raises
    ------
    FileError
        If there are several planes.

    References
    ----------
    .. [1] Lin, T.-Y. et al. "Microsoft COCO: Common Objects in Context", ECCV 2014; data format at
       https://cocodataset.org/#format-data.
    """
    if labels.ndim != 2:
        raise FileError(
            f"COCO cannot hold these labels: expected one plane, got shape {labels.shape}. Write "
            ".geojson, .tif or .nii.gz instead, or save one plane."
        )
    height, width = labels.shape
    name = like.source.path.name if isinstance(like, FileVolume) else path.stem
    numbers = [int(n) for n in np.unique(labels) if n]
    content = {
        "info": {"description": "Labels of napari-intseg"},
        "licenses": [],
        "images": [{"id": 1, "file_name": name, "width": width, "height": height}],
        "categories": [{"id": 1, "name": "object", "supercategory": ""}],
        "annotations": [_annotation(labels == n, n, shape) for n in numbers],
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def run_lengths(mask: BoolArray) -> list[int]:
    """Return COCO's run lengths: zeros, ones, zeros, … down the columns."""
    flat = np.asarray(mask, bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def _annotation(mask: BoolArray, number: int, shape: Shape) -> dict[str, Any]:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(cols[0])
    size = int(cols[-1]) - left + 1, int(rows[-1]) - top + 1
    found = [] if shape == "rle" else outlines(mask)
    segmentation: Any = [[n for point in part.outer for n in point] for part in found]
    if shape == "rle" or (shape == "auto" and any(part.holes for part in found)):
        segmentation = {"size": list(mask.shape), "counts": run_lengths(mask)}
    return {
        "id": number,
        "image_id": 1,
        "category_id": 1,
        "segmentation": segmentation,
        "area": int(np.count_nonzero(mask)),
        "bbox": [left, top, *size],
        "iscrowd": 0,
    }
