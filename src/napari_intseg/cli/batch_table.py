"""The jobs of `batch`: rows of a table, or the images of folders and patterns, each checked.

Clicks may come from a table of points: a napari Points layer saved as CSV, or one like it.
"""

import argparse
import copy
import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_intseg.cli import segment, shared_options
from napari_intseg.cli.each_image import images_of, labels_name, stem_of
from napari_intseg.cli.shared_options import LARGEST_LABEL, ClickOption
from napari_intseg.errors import DataError, FileError, IntSegError, PromptError
from napari_intseg.io.file_checks import check_regular
from napari_intseg.io.suffixes import WRITABLE, ending_of

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
    check_regular(path)
    try:
        # spreadsheets put a mark of byte order before UTF-8, which would become part of a name
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            columns = _position_columns(path, table.fieldnames or ())
            # from 2 on: people count the header as row 1
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
    # napari's own columns count first: a table may hold both
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


_ALIASES = {"clicks": "click", "boxes": "box", "scribbles": "scribble", "lassos": "lasso",
            "windows": "window", "names": "name",
            "initial": "init", "initial-labels": "init"}  # fmt: skip
_PLACES = ("init", "weights", "embeddings")
_YES, _NO = ("1", "true", "yes", "x"), ("0", "false", "no")
# letters that no system refuses in a file's name, Windows included; % would mean a series of files
_NAME = re.compile(r"[^\\/:*?\"<>|%\x00-\x1f]+")
_DEVICE = re.compile(r"auto|[a-z]+(:\d+)?")


@dataclass(frozen=True, slots=True, eq=False)
class BatchJob:
    """One image to segment.

    Parameters
    ----------
    place : str
        For people: the row of the table, or the image.
    name : str
        Of the file of labels; what is kept about the job is named after it.
    args : Namespace
        Options of `segment`, all paths absolute.
    points : Path or None
        Where clicks of `args` came from.
    """

    place: str
    name: str
    args: argparse.Namespace
    points: Path | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files and folders that it reads."""
        given = (self.args.image, self.args.init, self.args.weights, self.points)
        return tuple(path for path in given if path is not None)


def read_jobs(args: argparse.Namespace) -> list[BatchJob]:
    """Return the jobs of a command line, every value checked.

    Raises
    ------
    DataError, FileError
        If a value cannot be used; its row and column are named.
    """
    jobs = [job for given in args.inputs for job in _jobs_of(str(given), args)]
    if not jobs:
        raise DataError(
            "nothing to do: expected a table with rows, images, folders or patterns, got "
            f"{', '.join(map(repr, map(str, args.inputs)))} without an image. Check the names."
        )
    return _with_own_names(jobs, args)


def _jobs_of(given: str, args: argparse.Namespace) -> Iterator[BatchJob]:
    path = Path(given)
    if path.suffix.lower() == ".csv":
        yield from _rows(path, args)
        return
    for image in images_of(path):
        yield _job(str(image), {"image": image.absolute()}, args)


def _rows(path: Path, args: argparse.Namespace) -> Iterator[BatchJob]:
    """Yield the jobs of a table."""
    # columns are the long options of `segment` themselves, so that both take the same values
    actions = _actions()
    check_regular(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file, strict=True)
            columns = _columns(path, next(table, []), actions)
            rows = [(n, row) for n, row in enumerate(table, 2) if any(c.strip() for c in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise FileError(
            f"table of jobs cannot be read: expected CSV in UTF-8, got {str(path)!r} ({err}). "
            "Save it as CSV with commas."
        ) from err
    folder = path.absolute().parent
    for number, row in rows:
        if len(row) > len(columns):
            raise DataError(
                f"row {number} is too long: expected {len(columns)} values, got {len(row)}. "
                "Put values with commas in double quotes."
            )
        values = {}
        for name, cell in zip(columns, row, strict=False):
            if cell.strip() and not name.startswith("#"):
                with _located(f"row {number}, column {name!r}"):
                    values[name] = _value(name, cell.strip(), actions, folder)
        if "image" not in values:
            raise DataError(
                f"row {number}, column 'image': value is missing: expected a file, got nothing. "
                "Name the image."
            )
        yield _job(f"row {number}", values, args)


def _columns(path: Path, header: Sequence[str], actions: Mapping[str, Any]) -> list[str]:
    names = [re.sub(r"[\s_]+", "-", name.strip().lower()) for name in header]
    names = [_ALIASES.get(name, name) for name in names]
    known = ("image", "output", "points", *actions)
    for name, given in zip(names, header, strict=True):
        if name not in known and not name.startswith("#"):
            raise DataError(
                f"column is unknown: expected some of {', '.join(known)}, got {given!r} in "
                f"{str(path)!r}. Correct it, or put # before the name of a column to pass over."
            )
        if names.count(name) > 1:
            raise DataError(
                f"column is there twice: expected {name!r} once, got {given!r} again in "
                f"{str(path)!r}. Remove one."
            )
    if "image" not in names:
        raise DataError(
            f"table has no images: expected a column 'image', got {', '.join(header) or 'none'} in "
            f"{str(path)!r}. Name the columns in the first row."
        )
    return names


def _actions() -> dict[str, argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    segment.add_shared(parser)
    return {action.option_strings[0].lstrip("-"): action for action in parser._actions}


@contextmanager
def _located(place: str) -> Iterator[None]:
    """Put before an error where it is."""
    try:
        yield
    except (IntSegError, argparse.ArgumentTypeError) as err:
        raise DataError(f"{place}: {err}") from err


def _value(name: str, text: str, actions: Mapping[str, argparse.Action], folder: Path) -> Any:
    if name == "output":
        return text
    if name in ("image", "points", *_PLACES):
        path = folder / text
        # that folder is made when it is first needed
        if name != "embeddings" and not path.exists():
            raise FileError(f"file is missing: expected one that exists, got {str(path)!r}")
        return path
    action = actions[name]
    if action.nargs == 0:
        if text.lower() not in (*_YES, *_NO):
            raise DataError(f"value is not understood: expected yes or no, got {text!r}")
        return text.lower() in _YES
    if isinstance(action.default, list) or name == "window":
        # names and windows may hold blanks; prompts do not, and lines hold semicolons
        between = {"name": ";", "window": ";", "scribble": r"\s+", "lasso": r"\s+"}
        parts = re.split(between.get(name, r"[;\s]+"), text)
        return [_converted(name, action, part.strip()) for part in parts if part.strip()]
    return _converted(name, action, text)


def _converted(name: str, action: argparse.Action, text: str) -> Any:
    convert: Any = action.type or str
    try:
        value = convert(text)
    except (ValueError, TypeError) as err:
        raise DataError(
            f"value is not understood: expected a value like --{name} takes, got {text!r}"
        ) from err
    if action.choices is not None and value not in action.choices:
        choices = ", ".join(map(str, action.choices))
        raise DataError(f"value is unknown: expected one of {choices}, got {text!r}")
    _check_range(name, value, text)
    return value


def _check_range(name: str, value: Any, text: str) -> None:
    """Refuse what the option's type lets pass and the work would stumble over."""
    from napari_intseg.inference.intensity import check_window

    if name == "window":
        check_window(value, 1)
    rules: dict[str, tuple[str, bool]] = {
        "axis": ("0, 1 or 2", value in (0, 1, 2)),
        "time": ("a number from 0 on", name != "time" or value >= 0),
        "label": (
            f"1 to {shared_options.LARGEST_LABEL}",
            name != "label" or 1 <= value <= shared_options.LARGEST_LABEL,
        ),
        "device": ("auto, cpu, cuda, cuda:1, mps, …", bool(_DEVICE.fullmatch(text))),
    }
    rule, holds = rules.get(name, ("", True))
    if not holds:
        raise DataError(f"value cannot be used: expected {rule}, got {text!r}")


def _job(place: str, values: Mapping[str, Any], args: argparse.Namespace) -> BatchJob:
    """Return a job with the values of its row, and those of the command line for the others."""
    # lists such as clicks must not be shared between jobs
    base = argparse.Namespace(**copy.deepcopy(vars(args)))
    for name in ("inputs", "points", "run", *_BATCH_ONLY):
        vars(base).pop(name, None)
    base.image = values["image"]
    for name, value in values.items():
        setattr(base, name.replace("-", "_"), value)
    for name in _PLACES:
        path = getattr(base, name)
        if path is not None and name not in values:
            setattr(base, name, _of_image(path, base.image, name).absolute())
    points = values.get("points") or args.points
    with _located(place):
        if points is not None:
            points = _of_image(points, base.image, "points").absolute()
            # an error names row, column and then the place in the table of points
            with _located("points"):
                base.click = [*read_points(points), *base.click]
        base.points = None
        segment.check(base)
    vars(base).pop("points")
    return BatchJob(place, values.get("output") or "", base, points)


_BATCH_ONLY = ("scheduler", "insecure", "workers", "resume", "format")


def _of_image(path: Path, image: Path, name: str) -> Path:
    """Return the file for an image in a folder that has one for each; any other path as it is."""
    if name not in ("init", "points") or not path.is_dir() or ending_of(path) == ".zarr":
        return path
    found = [one for one in sorted(path.iterdir()) if _names(one) & {stem_of(image), image.name}]
    if len(found) != 1:
        raise FileError(
            f"--{name} is not there for every image: expected one file named "
            f"{stem_of(image)!r} in {str(path)!r}, got {len(found)}. Add it, or use a table."
        )
    return found[0]


def _names(path: Path) -> set[str]:
    return {stem_of(path), path.stem}


def _with_own_names(jobs: Iterable[BatchJob], args: argparse.Namespace) -> list[BatchJob]:
    """Give each job the file that it writes; no two write the same."""
    jobs = list(jobs)
    plain = [job.name or labels_name(job.args.image, args.format) for job in jobs]
    folded = [name.casefold() for name in plain]
    taken: dict[str, str] = {}
    out = []
    for job, name in zip(jobs, plain, strict=True):
        # images of one name in several folders get that of their folder before theirs
        if not job.name and folded.count(name.casefold()) > 1:
            name = f"{job.args.image.parent.name}_{name}"  # noqa: PLW2901
        _check_name(job.place, name)
        # without regard to case: on Windows and macOS such names are one file
        if name.casefold() in taken:
            raise DataError(
                f"{job.place}: output is there twice: expected a name of its own, got {name!r} as "
                f"for {taken[name.casefold()]}. Add a column 'output' with other names."
            )
        taken[name.casefold()] = job.place
        own = argparse.Namespace(**vars(job.args))
        own.output = (args.output / name).absolute()
        # whether files may be replaced was asked for all jobs before the first began
        own.overwrite, own.quiet, own.probability = True, False, None
        out.append(BatchJob(job.place, name, own, job.points))
    return out


def _check_name(place: str, name: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith(".") or ending_of(Path(name)) not in WRITABLE:
        raise DataError(
            f"{place}, column 'output': name cannot be used: expected a file name without a "
            f"folder, ending in {', '.join(WRITABLE)}, got {name!r}"
        )
