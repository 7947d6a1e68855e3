"""Where on the earth an image lies: tags of GeoTIFF (OGC standard 19-008r4).

They are carried from images to their labels as they are, and read where outlines are to be written
in the coordinates of the map.
"""

from pathlib import Path
from typing import Any

import tifffile

from napari_intseg.errors import FileError

# Numbers that GeoTIFF 1.1 gives to ModelPixelScale, ModelTiepoint and ModelTransformation
SCALE, TIE_POINTS, MATRIX = 33550, 33922, 34264

# tags, and the types that they are stored as: doubles, whole numbers, text. That of missing
# values (42113) is left out: labels have none.
_GEO_KINDS = {SCALE: 12, TIE_POINTS: 12, MATRIX: 12, 34735: 3, 34736: 12, 34737: 2}

Tag = tuple[int, int, int, Any, bool]
"""As `tifffile.imwrite` takes further tags."""


def geo_tags(path: Path, *, row0: int = 0, col0: int = 0) -> tuple[Tag, ...]:
    """Return the tags that place a file's first page; none if it is no GeoTIFF.

    Parameters
    ----------
    path : Path
        A TIFF file; any other has no tags.
    row0, col0 : int, default 0
        First pixel of a part: its tags place that part.

    Raises
    ------
    FileError
        If a tag that places it has not the numbers that it must have.
    """
    if path.suffix.lower() not in (".tif", ".tiff") or not path.is_file():
        return ()
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        found = {t.code: t.value for t in page.tags.values() if t.code in _GEO_KINDS}  # type: ignore[union-attr]
    if not found.keys() & {TIE_POINTS, MATRIX}:
        return ()
    for code, count in ((SCALE, 3), (MATRIX, 16)):
        if code in found and len(found[code]) != count:
            raise _odd_tag(path, code, f"{count} numbers", found[code])
    if TIE_POINTS in found and (not found[TIE_POINTS] or len(found[TIE_POINTS]) % 6):
        raise _odd_tag(path, TIE_POINTS, "six numbers a point", found[TIE_POINTS])
    if row0 or col0:
        found |= _shifted(found, row0, col0)
    return tuple(
        # tifffile counts the characters of text itself
        (code, _GEO_KINDS[code], 0 if _GEO_KINDS[code] == 2 else len(value), value, True)
        for code, value in sorted(found.items())
    )


def map_place(path: Path) -> tuple[tuple[float, ...], str | None] | None:
    """Return where the pixel edges of a GeoTIFF lie on its map, and the name of the map's system.

    Returns
    -------
    (a, b, c, d, e, f), str or None
        A corner of pixels at column u and row v, 0 at the first pixel's outer corner, lies at
        ``x = a u + b v + c`` and ``y = d u + e v + f``. The system as in
        ``urn:ogc:def:crs:EPSG::32633``; None if the file gives no number of EPSG. None altogether
        if it is no GeoTIFF, or placed by several points.

    Raises
    ------
    FileError
        As `geo_tags` says.
    """
    found = {code: value for code, _, _, value, _ in geo_tags(path)}
    points = found.get(TIE_POINTS, ())
    if MATRIX in found:
        m = found[MATRIX]
        place = (m[0], m[1], m[3], m[4], m[5], m[7])
    elif len(points) == 6 and SCALE in found:
        col, row, _, x, y, _ = points
        wide, high, _ = found[SCALE]
        # rows go down, the map's y goes up
        place = (wide, 0.0, x - wide * col, 0.0, -high, y + high * row)
    else:
        return None
    keys = found.get(34735, ())
    told = {keys[i]: keys[i + 3] for i in range(4, len(keys) - 3, 4) if keys[i + 1] == 0}
    # a pixel's number stands for its middle, not its corner, where key 1025 says 2
    shift = -0.5 if told.get(1025) == 2 else 0.0
    a, b, c, d, e, f = (float(v) for v in place)
    # of a map in metres, or else of degrees; 32767 is a system that the file itself describes
    number = told.get(3072, told.get(2048, 32767))
    system = None if number == 32767 else f"urn:ogc:def:crs:EPSG::{number}"
    return (a, b, c + shift * (a + b), d, e, f + shift * (d + e)), system


def _shifted(found: dict[int, Any], row0: int, col0: int) -> dict[int, Any]:
    """Return the tags that differ for a part that begins at a pixel."""
    out: dict[int, Any] = {}
    if TIE_POINTS in found:
        points = list(found[TIE_POINTS])
        # the pixel of a point is counted from the part's corner; it may lie outside
        points[0::6] = [col - col0 for col in points[0::6]]
        points[1::6] = [row - row0 for row in points[1::6]]
        out[TIE_POINTS] = tuple(points)
    if MATRIX in found:
        m = list(found[MATRIX])
        for line in (0, 4, 8):
            m[line + 3] += m[line] * col0 + m[line + 1] * row0
        out[MATRIX] = tuple(m)
    return out


def _odd_tag(path: Path, code: int, wanted: str, value: Any) -> FileError:
    return FileError(
        f"file is placed in a way that cannot be read: expected {wanted} in tag {code}, got "
        f"{value!r} in {str(path)!r}. Write it again with the program that it comes from."
    )
