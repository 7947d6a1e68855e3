"""Clicks from a table of points: a napari Points layer saved as CSV, or one like it."""

import csv
import math
import re
from pathlib import Path

from napari_intseg.cli.option_values import LARGEST_LABEL, ClickOption
from napari_intseg.errors import PromptError

_AXIS = re.compile(r"axis-(\d+)")
_NAMED = ("plane", "row", "col")
_POSITIVE = {"": True, "1": True, "true": True, "+": True, "yes": True,
             "0": False, "false": False, "-": False, "no": False, "-1": False}  # fmt: skip


def read_points(path: Path) -> list[ClickOption]:
    """Return the clicks of a table of points, in its order.

    Parameters
    ----------
    path : Path
        CSV with a header. ``axis-0``, ``axis-1``, … as napari saves a Points layer, or ``plane``
        (volumes), ``row`` and ``col``: positions in pixels along the axes of the data. Optional:
        ``positive`` (1 or 0, true or false, + or -) and ``object``, a number from 1 on.

    Raises
    ------
    PromptError
        If it cannot be read, or a value is not what it has to be; the row and column are named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            columns = _position_columns(path, table.fieldnames or ())
            clicks = [_click(path, number, row, columns) for number, row in enumerate(table, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise PromptError(
            f"points cannot be read: expected a CSV table, got {str(path)!r} ({err}). "
            "Save a Points layer as CSV."
        ) from err
    if not clicks:
        raise PromptError(
            f"points are missing: expected a row for each click, got none in {str(path)!r}. "
            "Add one."
        )
    return clicks


def _position_columns(path: Path, names: "list[str] | tuple[()] | object") -> list[str]:
    given = list(names) if isinstance(names, list) else []
    axes = sorted((n for n in given if _AXIS.fullmatch(n)), key=lambda n: int(n[5:]))
    columns = axes or [name for name in _NAMED if name in given]
    if len(columns) not in (2, 3) or (not axes and columns[-2:] != ["row", "col"]):
        raise PromptError(
            f"points have no positions: expected the columns axis-0, axis-1 (, axis-2) or (plane, "
            f") row, col, got {', '.join(map(repr, given)) or 'no header'} in {str(path)!r}. "
            "Name them in the first row."
        )
    return columns


def _click(path: Path, number: int, row: dict[str, str | None], columns: list[str]) -> ClickOption:
    position = tuple(_number(path, number, name, row[name] or "") for name in columns)
    sign = (row.get("positive") or "").strip().lower()
    if sign not in _POSITIVE:
        raise _refusal(path, number, "positive", "1 or 0", sign)
    label = (row.get("object") or "").strip()
    if label and not (label.isdecimal() and 1 <= int(label) <= LARGEST_LABEL):
        raise _refusal(path, number, "object", f"a number from 1 to {LARGEST_LABEL}", label)
    return ClickOption(position, _POSITIVE[sign], int(label) if label else None)


def _number(path: Path, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _refusal(path, number, name, "a number", text)
    return value


def _refusal(path: Path, number: int, name: str, rule: str, got: str) -> PromptError:
    return PromptError(
        f"point cannot be used: expected {rule} in row {number}, column {name!r} of {str(path)!r}, "
        f"got {got!r}. Correct it."
    )
