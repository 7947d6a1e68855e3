"""Point clouds in text and numpy files: coordinates, colours, and labels beside them."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.files import write_bytes, write_text
from napari_intseg.errors import FileError

_TEXT = (".csv", ".txt", ".xyz", ".pts")
# point files state no type of colour: values above 1 can only be of 0 to 255
_EIGHT_BITS = 255.0


def read_points(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Return the points of a file, (N, 3), and their colours, (N, 3) in [0, 1], if it has some.

    Parameters
    ----------
    path : Path
        ``.npy``, or text with a point a line: three coordinates, then perhaps red, green and blue,
        apart by commas or blanks. A first line that is no numbers is passed over. Colours above 1
        are of eight bits.

    Raises
    ------
    FileError
        If it is missing, of another kind, or does not hold such lines.
    """
    if not path.is_file():
        raise FileError(f"points are missing: expected a file, got {str(path)!r}. Check the path.")
    try:
        table = _table(path)
    except (OSError, ValueError) as err:
        raise FileError(
            f"points cannot be read: expected lines of numbers, got {str(path)!r} ({err}). "
            "Write x,y,z or x,y,z,r,g,b a line."
        ) from err
    if table.ndim != 2 or table.shape[1] < 3 or not np.isfinite(table[:, :3]).all():
        raise FileError(
            f"points cannot be read: expected three finite coordinates a point, got an array of "
            f"shape {table.shape} in {str(path)!r}. Write x,y,z or x,y,z,r,g,b a line."
        )
    colours = table[:, 3:6] if table.shape[1] >= 6 else None
    if colours is not None and colours.max(initial=0) > 1:
        colours = colours / _EIGHT_BITS
    return table[:, :3].astype(float), None if colours is None else colours.astype(np.float32)


def _table(path: Path) -> NDArray[np.float64]:
    if path.suffix.lower() == ".npy":
        return np.atleast_2d(np.load(path, allow_pickle=False).astype(float))
    if path.suffix.lower() not in _TEXT:
        raise ValueError(f"a name ending in .npy, {', '.join(_TEXT)} is known")
    text = path.read_text("utf-8").replace(",", " ").splitlines()
    try:
        # a header of names is no number
        float((text[0].split() or [""])[0])
    except (ValueError, IndexError):
        text = text[1:]
    return np.loadtxt(text, ndmin=2)


def write_labels_of_points(
    path: Path, points: NDArray[np.float64], labels: NDArray[np.int32]
) -> None:
    """Write ``x,y,z,label`` a line, or the labels alone to a ``.npy`` file."""
    if path.suffix.lower() == ".npy":
        content = io.BytesIO()
        np.save(content, labels)
        write_bytes(path, content.getvalue())
        return
    lines = ["x,y,z,label"]
    lines += [
        # 17 digits give back the same double
        f"{x:.17g},{y:.17g},{z:.17g},{label}"
        for (x, y, z), label in zip(points.tolist(), labels.tolist(), strict=True)
    ]
    write_text(path, "\n".join(lines) + "\n")
