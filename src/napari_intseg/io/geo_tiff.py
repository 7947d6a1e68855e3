"""Where on the earth an image lies: the tags of GeoTIFF, carried from images to their labels.

The tags are those of the OGC standard 19-008r4; what they mean is left to who reads the labels.
"""

from pathlib import Path
from typing import Any

import tifffile

from napari_intseg.errors import FileError

# numbers that GeoTIFF 1.1 gives to ModelPixelScale, ModelTiepoint and ModelTransformation
SCALE, TIE_POINTS, MATRIX = 33550, 33922, 34264
# tags, and the types that they are stored as: doubles, whole numbers, text. That of missing
# values (42113) is left out: labels have none.
_KINDS = {SCALE: 12, TIE_POINTS: 12, MATRIX: 12, 34735: 3, 34736: 12, 34737: 2}

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
        found = {t.code: t.value for t in page.tags.values() if t.code in _KINDS}  # type: ignore[union-attr]
    if not found.keys() & {TIE_POINTS, MATRIX}:
        return ()
    for code, count in ((SCALE, 3), (MATRIX, 16)):
        if code in found and len(found[code]) != count:
            raise _odd(path, code, f"{count} numbers", found[code])
    if TIE_POINTS in found and (not found[TIE_POINTS] or len(found[TIE_POINTS]) % 6):
        raise _odd(path, TIE_POINTS, "six numbers a point", found[TIE_POINTS])
    if row0 or col0:
        found |= _moved(found, row0, col0)
    return tuple(
        # tifffile counts the characters of text itself
        (code, _KINDS[code], 0 if _KINDS[code] == 2 else len(value), value, True)
        for code, value in sorted(found.items())
    )


def _moved(found: dict[int, Any], row0: int, col0: int) -> dict[int, Any]:
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


def _odd(path: Path, code: int, wanted: str, value: Any) -> FileError:
    return FileError(
        f"file is placed in a way that cannot be read: expected {wanted} in tag {code}, got "
        f"{value!r} in {str(path)!r}. Write it again with the program that it comes from."
    )
