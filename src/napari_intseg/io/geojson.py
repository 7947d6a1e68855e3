"""GeoJSON as QuPath reads it: one annotation for each object and plane, in pixels."""

import colorsys
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.io.outlines import Ring, outlines

_GOLDEN = 0.618033988749895  # hues that follow one another differ most


def write_geojson(
    path: Path, labels: Array, like: Volume, time_step_s: float | None = None
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
        for feature in _features(plane, None if is_flat else {"c": -1, "z": z, "t": t})
    ]
    content = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(content), encoding="utf-8")


def _features(plane: Array, where: dict[str, int] | None) -> list[dict[str, Any]]:
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
                    "name": f"Object {number}",
                    "color": _colour(number),
                    "measurements": {"Label": number},
                },
            }
        )
    return found


def _closed(ring: Ring, col: int, row: int) -> list[list[int]]:
    # anticlockwise by the standard, whose y points up; on the screen ours are the same turned over
    moved = [[x + col, y + row] for x, y in ring]
    return [*moved, moved[0]]


def _colour(number: int) -> list[int]:
    return [round(255 * c) for c in colorsys.hsv_to_rgb(number * _GOLDEN % 1.0, 0.75, 0.95)]
