"""COCO JSON: one annotation for each object of a flat image."""

import colorsys
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.polygons import Ring, outlines
from napari_intseg.io.source import FileVolume

Shape = Literal["auto", "rle", "polygon"]

_OBJECT = "object"
"""The category of objects that have no name."""


def write_coco(
    path: Path,
    labels: Array,
    like: Volume,
    *,
    shape: Shape = "auto",
    names: Mapping[int, str] | None = None,
) -> None:
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
    names : mapping of int to str, optional
        What objects are called: each name is a category, "object" is that of the others.

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
    called = {n: word for n, word in (names or {}).items() if word and n in numbers}
    words = dict.fromkeys((_OBJECT, *sorted(called.values())))
    kinds = {word: number for number, word in enumerate(words, 1)}
    content = {
        "info": {"description": "Labels of napari-intseg"},
        "licenses": [],
        "images": [{"id": 1, "file_name": name, "width": width, "height": height}],
        "categories": [
            {"id": number, "name": word, "supercategory": ""} for word, number in kinds.items()
        ],
        "annotations": [
            _annotation(labels == n, n, shape, kinds[called.get(n, _OBJECT)]) for n in numbers
        ],
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def run_lengths(mask: BoolArray) -> list[int]:
    """Return COCO's run lengths: zeros, ones, zeros, … down the columns."""
    flat = np.asarray(mask, bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def _annotation(mask: BoolArray, number: int, shape: Shape, category: int) -> dict[str, Any]:
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
        "category_id": category,
        "segmentation": segmentation,
        "area": int(np.count_nonzero(mask)),
        "bbox": [left, top, *size],
        "iscrowd": 0,
    }


_GOLDEN = 0.618033988749895  # hues that follow one another differ most


def write_geojson(
    path: Path,
    labels: Array,
    like: Volume,
    time_step_s: float | None = None,
    *,
    names: Mapping[int, str] | None = None,
) -> None:
    """Write labels as polygons with holes along pixel edges; planes go into QuPath's `plane`.

    Parameters
    ----------
    path : Path
        A ``.geojson`` file.
    labels : ndarray of integers, shape (H, W) or (D, H, W)
        With time before these if `time_step_s` is given.
    like : Volume
        The image.
    time_step_s : float, optional
        That there is time; the format holds numbers of time points, not their distance.
    names : mapping of int to str, optional
        What objects are called: their `name`, and their `classification` in QuPath.

    References
    ----------
    .. [1] RFC 7946, and https://qupath.readthedocs.io, "Exporting annotations".
    """
    timed = time_step_s is not None
    is_flat = like.ndim == 2 and not timed
    times = labels if timed else labels[np.newaxis]
    features = [
        feature
        for t, time in enumerate(times)
        for z, plane in enumerate(time if like.ndim == 3 else time[np.newaxis])
        for feature in _features(plane, None if is_flat else {"c": -1, "z": z, "t": t}, names or {})
    ]
    content = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(content), encoding="utf-8")


def _features(
    plane: Array, where: dict[str, int] | None, names: Mapping[int, str]
) -> list[dict[str, Any]]:
    numbers = [int(n) for n in np.unique(plane) if n]
    ranks = np.searchsorted(numbers, plane) + 1
    ranks[plane == 0] = 0
    found = []
    for number, box in zip(numbers, ndimage.find_objects(ranks), strict=True):
        row, col = box[0].start, box[1].start
        parts = [
            [_closed(ring, col, row) for ring in (part.outer, *part.holes)]
            for part in outlines(plane[box] == number)
        ]
        several = len(parts) > 1
        geometry: dict[str, Any] = {
            "type": "MultiPolygon" if several else "Polygon",
            "coordinates": parts if several else parts[0],
        }
        if where is not None:
            geometry["plane"] = where
        found.append(
            {
                "type": "Feature",
                "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}/{where}")),
                "geometry": geometry,
                "properties": {
                    "objectType": "annotation",
                    "name": names.get(number) or f"Object {number}",
                    "color": _colour(number),
                    "measurements": {"Label": number},
                    **_classified(names.get(number), number),
                },
            }
        )
    return found


def _classified(name: str | None, number: int) -> dict[str, Any]:
    """Return the class of an object that has a name, as QuPath reads it."""
    return {"classification": {"name": name, "color": _colour(number)}} if name else {}


def _closed(ring: Ring, col: int, row: int) -> list[list[int]]:
    # anticlockwise by the standard, whose y points up; on the screen ours are the same turned over
    moved = [[x + col, y + row] for x, y in ring]
    return [*moved, moved[0]]


def _colour(number: int) -> list[int]:
    return [round(255 * c) for c in colorsys.hsv_to_rgb(number * _GOLDEN % 1.0, 0.75, 0.95)]
