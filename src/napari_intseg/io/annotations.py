"""Masks as closed contours without holes: COCO JSON and GeoJSON, and back."""

import colorsys
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.files import go_on
from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.geo_tags import map_place
from napari_intseg.io.source import FileVolume

RingArray = NDArray[np.float64]


class ObjectName(str):
    """What an object is called, with its class; one without a name is called as its class.

    Parameters
    ----------
    name, class_name : str
        Either may be empty.

    Examples
    --------
    >>> one = ObjectName("left kidney", "kidney")
    >>> one, one.class_name
    ('left kidney', 'kidney')
    """

    class_name: str

    def __new__(cls, name: str, class_name: str = "") -> "ObjectName":
        """Make a text that knows the class."""
        made = super().__new__(cls, name or class_name)
        made.class_name = class_name or name
        return made


def class_name_of(name: str) -> str:
    """Return the class of an object; one that has a name alone is the only one of its class."""
    return name.class_name if isinstance(name, ObjectName) else name


@dataclass(frozen=True, slots=True, eq=False)
class _Loop:
    points: RingArray
    is_hole: bool

    @property
    def rightmost(self) -> int:
        return int(np.argmax(self.points[:, 1]))


def closed_contours(mask: BoolArray) -> list[RingArray]:
    """Return the contours of a mask, halfway between the pixels inside and outside.

    A hole is joined to the contour round it by a channel of no width, along a row, so that every
    reader fills the same pixels whatever it thinks of nested contours (the "keyhole" that DICOM
    asks for).

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)

    Returns
    -------
    list of ndarray of float, shape (n, 2)
        ``(row, col)``; the first point is not repeated at the end. The centres of exactly the
        mask's pixels lie inside, or on a channel.

    References
    ----------
    .. [1] DICOM PS3.3 C.8.8.6.3, "Representing inner and outer contours".
    """
    from skimage import measure

    contour: Any = measure.find_contours  # not annotated
    # one empty pixel all round closes contours at the border of the slice; "low" keeps pixels that
    # meet at a corner in contours of their own, as masks joined by edges are
    found = contour(np.pad(mask, 1).astype(np.float32), 0.5, fully_connected="low")
    loops = [_loop(points[:-1] - 1) for points in found]
    rings = [loop.points for loop in loops if not loop.is_hole]
    holes = [loop for loop in loops if loop.is_hole]
    # from right to left: the contour to the right of a hole has its own holes joined by then
    for hole in sorted(holes, key=lambda h: -h.points[h.rightmost, 1]):
        _join(rings, hole)
    return [_without_straight(ring) for ring in rings]


def _loop(points: RingArray) -> _Loop:
    row, col = points.T
    # the shoelace formula; find_contours runs round holes the other way, so the sign tells them
    area = np.sum(col * np.roll(row, -1) - np.roll(col, -1) * row)
    return _Loop(points, bool(area < 0))


def _join(rings: list[RingArray], hole: _Loop) -> None:
    """Join a hole to the ring that lies to the right of its rightmost point, in place.

    Contours between pixel centres cross the rows of pixels at points of their own only, so the
    channel along a row ends at such a point.
    """
    start = hole.rightmost
    row, col = hole.points[start]
    best: tuple[float, int, int] | None = None
    for number, ring in enumerate(rings):
        # exact equality is safe: contour points are whole or
        # half pixels, which floats hold without rounding
        at = np.flatnonzero((ring[:, 0] == row) & (ring[:, 1] > col))
        if at.size:
            nearest = int(at[np.argmin(ring[at, 1])])
            if best is None or ring[nearest, 1] < best[0]:
                best = float(ring[nearest, 1]), number, nearest
    assert best is not None, "a hole has a contour round it"
    _, number, end = best
    round_trip = np.concatenate([hole.points[start:], hole.points[: start + 1]])
    ring = rings[number]
    rings[number] = np.concatenate([ring[: end + 1], round_trip, ring[end:]])


def _without_straight(ring: RingArray) -> RingArray:
    """Leave out points on straight lines; turns back by half a circle stay."""
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    forward = np.sum(before * after, axis=1) > 0
    return np.asarray(ring[~((cross == 0) & forward)])


Point = tuple[int, int]
Ring = list[Point]

# right, down, left, up as (x, y): each is a right turn from the one before
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclass(frozen=True, slots=True)
class Outline:
    """One connected part of a mask.

    Parameters
    ----------
    outer : list of (x, y)
        Corners of pixels, clockwise on the screen, the first not repeated; the top left corner of
        the first pixel is (0, 0).
    holes : list of list of (x, y)
        Likewise, anticlockwise.
    """

    outer: Ring
    holes: list[Ring]


def outlines(mask: BoolArray) -> list[Outline]:
    """Return the outlines of a mask, one for each part that hangs together by pixel edges.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)

    Returns
    -------
    list of Outline
        No ring touches itself.
    """
    parts, _ = ndimage.label(mask)
    found = []
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        row, col = box[0].start, box[1].start
        rings = [[(x + col, y + row) for x, y in ring] for ring in _rings(parts[box] == number)]
        # a part has one outer ring, and no hole in it can be larger
        outer = max(rings, key=lambda ring: abs(twice_area(ring)))
        found.append(Outline(outer, [ring for ring in rings if ring is not outer]))
    return found


def twice_area(ring: Ring) -> int:
    """Return twice the area inside a ring; negative if it runs anticlockwise on the screen."""
    x, y = np.array(ring).T
    return int(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def _rings(mask: BoolArray) -> list[Ring]:
    """Walk along all edges with the mask on the right hand."""
    edges = _edges(mask)
    rings: list[Ring] = []
    while edges:
        at = start = next(iter(edges))
        heading = edges[at][0]
        path: list[Point] = []
        while not path or at != start:
            path.append(at)
            choices = edges[at]
            # where two parts of a mask meet at a corner, keep to the same pixel: turn right
            right = (heading + 1) % 4
            # the first step has no edge before it that a turn could start from
            heading = right if right in choices and len(path) > 1 else choices[0]
            choices.remove(heading)
            if not choices:
                del edges[at]
            at = (at[0] + _STEPS[heading][0], at[1] + _STEPS[heading][1])
        # GeoJSON and QuPath ask for rings that do not touch themselves
        rings.extend(_corners(part) for part in _simple(path))
    return rings


def _edges(mask: BoolArray) -> dict[Point, list[int]]:
    """Return for each corner in which directions edges leave it."""
    padded = np.pad(mask, 1)
    here = padded[1:-1, 1:-1]
    beside = {
        0: (here & ~padded[:-2, 1:-1], (0, 0)),
        1: (here & ~padded[1:-1, 2:], (1, 0)),
        2: (here & ~padded[2:, 1:-1], (1, 1)),
        3: (here & ~padded[1:-1, :-2], (0, 1)),
    }
    edges: dict[Point, list[int]] = {}
    for heading, (where, (right, down)) in beside.items():
        for row, col in np.argwhere(where).tolist():
            edges.setdefault((col + right, row + down), []).append(heading)
    return edges


def _simple(path: list[Point]) -> list[Ring]:
    """Cut a closed path where it comes to a corner for the second time."""
    rings: list[Ring] = []
    places: dict[Point, int] = {}
    stack: list[Point] = []
    for point in path:
        if point in places:
            first = places[point]
            loop = stack[first:]
            for gone in loop[1:]:
                del places[gone]
            del stack[first + 1 :]
            rings.append(loop)
            continue
        places[point] = len(stack)
        stack.append(point)
    return [*rings, stack]


def _corners(ring: Ring) -> Ring:
    """Leave out points on straight lines."""
    points = np.array(ring)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return [(int(x), int(y)) for x, y in points[turns]]


Shape = Literal["auto", "rle", "polygon"]

# the category of objects that have no name
_OBJECT = "object"


def write_coco(
    path: Path,
    labels: Array,
    like: Volume,
    *,
    shape: Shape = "auto",
    names: Mapping[int, str] | None = None,
    check: Callable[[], None] = go_on,
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
        What objects are called: each class is a category, or each name where there is no class,
        and "object" is that of the others. A name of its own stands among "attributes".
    check : callable
        Called before each object; it may raise.

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
    words = dict.fromkeys((_OBJECT, *sorted(map(class_name_of, called.values()))))
    kinds = {word: number for number, word in enumerate(words, 1)}
    annotations = []
    for n in numbers:
        check()
        word = called.get(n, _OBJECT)
        annotations.append(_annotation(labels == n, n, shape, kinds[class_name_of(word)]))
        if class_name_of(word) != word:
            annotations[-1]["attributes"] = {"name": str(word)}
    content = {
        "info": {"description": "Labels of napari-intseg"},
        "licenses": [],
        "images": [{"id": 1, "file_name": name, "width": width, "height": height}],
        "categories": [
            {"id": number, "name": word, "supercategory": ""} for word, number in kinds.items()
        ],
        "annotations": annotations,
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def run_lengths(mask: BoolArray) -> list[int]:
    """Return COCO's run lengths: zeros, ones, zeros, … down the columns."""
    flat = np.asarray(mask, bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *ends.tolist(), flat.size]).tolist()
    # COCO counts zeros first, also where there are none
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


# the golden ratio's fractional part: neighbouring numbers
# get hues far apart, however many there are
_GOLDEN = 0.618033988749895


def write_geojson(
    path: Path,
    labels: Array,
    like: Volume,
    time_step_s: float | None = None,
    *,
    names: Mapping[int, str] | None = None,
    check: Callable[[], None] = go_on,
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
    check : callable
        Called before each object; it may raise.

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
        for feature in _features(
            plane, None if is_flat else {"c": -1, "z": z, "t": t}, names or {}, check
        )
    ]
    content = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(content), encoding="utf-8")


MAP = ".map.geojson"
"""How the name of a file ends whose polygons are in the coordinates of a map, not in pixels."""


def write_map(
    path: Path,
    labels: Array,
    like: Volume,
    *,
    names: Mapping[int, str] | None = None,
    check: Callable[[], None] = go_on,
) -> None:
    """Write labels of a GeoTIFF as polygons in the coordinates of its map, as GIS programs read.

    Parameters
    ----------
    path : Path
        Ends in ``.map.geojson``.
    labels : ndarray of integers, shape (H, W)
    like : Volume
        The image, from a GeoTIFF. The system of its map is named as GeoJSON of 2008 did; where the
        file names none, the coordinates are all that is told.
    names : mapping of int to str, optional
        What objects are called: their `name` and their `class`.
    check : callable
        Called before each object; it may raise.

    Raises
    ------
    FileError
        If the image is no flat GeoTIFF with one place on a map.
    """
    source = like.source.path if isinstance(like, FileVolume) else None
    place = None if source is None else map_place(source)
    if place is None or labels.ndim != 2:
        raise FileError(
            f"labels have no place on a map: expected a flat GeoTIFF, got shape {labels.shape} of "
            f"{str(source)!r}. Write .geojson, whose polygons are in pixels."
        )
    (a, b, c, d, e, f), system = place
    features = _features(labels, None, names or {}, check)
    for one in features:
        several = one["geometry"]["type"] == "MultiPolygon"
        parts = one["geometry"]["coordinates"] if several else [one["geometry"]["coordinates"]]
        for ring in (ring for part in parts for ring in part):
            ring[:] = [[a * u + b * v + c, d * u + e * v + f] for u, v in ring]
        number = one["properties"]["measurements"]["Label"]
        name = (names or {}).get(number)
        class_name = None if name is None else class_name_of(name)
        one["properties"] = {"label": number, "name": name, "class": class_name}
    content: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if system is not None:
        content["crs"] = {"type": "name", "properties": {"name": system}}
    path.write_text(json.dumps(content), encoding="utf-8")


def _features(
    plane: Array,
    where: dict[str, int] | None,
    names: Mapping[int, str],
    check: Callable[[], None],
) -> list[dict[str, Any]]:
    numbers = [int(n) for n in np.unique(plane) if n]
    # find_objects makes one box for every number up to the largest: ranks keep that list short
    ranks = np.searchsorted(numbers, plane) + 1
    ranks[plane == 0] = 0
    found = []
    for number, box in zip(numbers, ndimage.find_objects(ranks), strict=True):
        check()
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
                # made from the content, so that the same labels write the same file
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
    return (
        {"classification": {"name": class_name_of(name), "color": _colour(number)}} if name else {}
    )


def _closed(ring: Ring, col: int, row: int) -> list[list[int]]:
    # anticlockwise by the standard, whose y points up; on the screen ours are the same turned over
    moved = [[x + col, y + row] for x, y in ring]
    return [*moved, moved[0]]


def _colour(number: int) -> list[int]:
    # saturation and value: strong colours; not tuned
    return [round(255 * c) for c in colorsys.hsv_to_rgb(number * _GOLDEN % 1.0, 0.75, 0.95)]
