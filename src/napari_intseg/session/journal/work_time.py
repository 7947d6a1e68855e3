"""What the work on an image took, by its journal: time, clicks, planes, what was accepted."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from napari_intseg.core.files import csv_text
from napari_intseg.errors import JournalError
from napari_intseg.session.journal.recorder import Line, Written

PAUSE_S = 60.0
"""A longer gap between two actions counts as a pause: looking at an answer and deciding takes
seconds, and a minute without any action means that the person was elsewhere."""

# time point, axis, index
_Place = tuple[int, int, int]
_Object = tuple[int, int]  # time point, number


@dataclass(slots=True)
class ObjectWork:
    """What one object took.

    Parameters
    ----------
    label : int
        Its number.
    time : int
        The time point that it is on.
    clicks, boxes, scribbles, lassos, strokes : int
        Given by the person and counted each time, also those that were taken back later.
    propagations, undone : int
        Propagations asked for; undos while the object was current.
    seconds : float
        Between the person's actions, pauses left out.
    given : set of tuple
        Planes on which the person gave something.
    answered : set of tuple
        Planes that the model answered, propagated ones included.
    corrected : set of tuple
        Planes on which something was given after the model had answered them.
    is_removed : bool
        Whether it was given up.
    """

    label: int
    time: int = 0
    clicks: int = 0
    boxes: int = 0
    scribbles: int = 0
    lassos: int = 0
    strokes: int = 0
    propagations: int = 0
    undone: int = 0
    seconds: float = 0.0
    given: set[_Place] = field(default_factory=set)
    answered: set[_Place] = field(default_factory=set)
    corrected: set[_Place] = field(default_factory=set)
    is_removed: bool = False

    @property
    def is_unchanged(self) -> bool:
        """Whether the first answer on every plane was accepted."""
        return bool(self.answered) and not self.corrected and not self.strokes

    @property
    def interactions(self) -> int:
        """Clicks, boxes, scribbles, lassos and strokes."""
        return self.clicks + self.boxes + self.scribbles + self.lassos + self.strokes


@dataclass(frozen=True, slots=True)
class Workload:
    """What the work took.

    Parameters
    ----------
    objects : tuple of ObjectWork
        Those that were kept, in the order in which they were begun.
    removed : int
        Objects that were given up.
    seconds : float
        Of all work, also on objects that were given up; pauses left out.
    models : tuple of str
        With the first 12 digits of the SHA-256 of their weights.
    version : str
        Of the program.
    """

    objects: tuple[ObjectWork, ...]
    removed: int
    seconds: float
    models: tuple[str, ...]
    version: str

    @property
    def share_unchanged(self) -> float:
        """Share of objects whose first answers were all accepted, 0 to 1; NaN without objects."""
        done = [one.is_unchanged for one in self.objects if one.answered]
        return sum(done) / len(done) if done else float("nan")

    @property
    def share_of_planes_unchanged(self) -> float:
        """Share of answered planes that were accepted as answered first; NaN without any."""
        answered = sum(len(one.answered) for one in self.objects)
        corrected = sum(len(one.corrected) for one in self.objects)
        return 1 - corrected / answered if answered else float("nan")


def workload(written: Written, *, pause_s: float = PAUSE_S) -> Workload:
    """Return what the work took that a journal tells of.

    Nothing is computed again: neither the image nor the model is needed.

    Parameters
    ----------
    written : Written
        The journal.
    pause_s : float, default 60
        Seconds between two actions beyond which the gap is not counted.

    Raises
    ------
    JournalError
        If a line is damaged.
    """
    return _Count(pause_s).of(written)


def pooled(parts: Iterable[Workload]) -> Workload:
    """Return several pieces of work as one, such as those of many images."""
    given = list(parts)
    models = dict.fromkeys(name for one in given for name in one.models)
    versions = dict.fromkeys(one.version for one in given)
    return Workload(
        tuple(one for part in given for one in part.objects),
        sum(part.removed for part in given),
        sum(part.seconds for part in given),
        tuple(models),
        ", ".join(versions),
    )


def workload_csv(parts: Mapping[str, Workload]) -> str:
    """Return a table with one row per object.

    Parameters
    ----------
    parts : mapping of str to Workload
        By the name that the first column gives, such as the journal's.
    """
    rows: list[list[object]] = [[
        "journal", "time", "object", "seconds", "clicks", "boxes", "scribbles", "lassos", "strokes",
        "propagations", "undone", "planes given", "planes answered", "planes corrected",
        "accepted unchanged",
    ]]  # fmt: skip
    for name, part in parts.items():
        for one in part.objects:
            rows.append([
                name, one.time, one.label, f"{one.seconds:.1f}", one.clicks, one.boxes,
                one.scribbles, one.lassos, one.strokes, one.propagations, one.undone,
                len(one.given), len(one.answered), len(one.corrected),
                "yes" if one.is_unchanged else "no",
            ])  # fmt: skip
    return csv_text(rows)


def methods_paragraph(work: Workload, images: int = 1) -> str:
    """Return what a paper's methods section would say of the work, in plain English.

    Parameters
    ----------
    work : Workload
        Of all images.
    images : int, default 1
        How many there were.
    """
    count = len(work.objects)
    if not count:
        return "No object was segmented."
    shares = work.share_unchanged, work.share_of_planes_unchanged
    unchanged = (
        ""
        if shares[0] != shares[0]
        else f" The first answers were accepted unchanged for {shares[0]:.0%} of the objects "
        f"and on {shares[1]:.0%} of the answered planes."
    )
    using = f" with {' and '.join(work.models)}" if work.models else ""
    return (
        f"napari-intseg {work.version}{using} was used to segment {count} object{_s(count)} on "
        f"{images} image{_s(images)} interactively. An object took a median of "
        f"{_median([one.seconds for one in work.objects]):.1f} s and "
        f"{_median([one.interactions for one in work.objects]):g} interactions (clicks, boxes, "
        f"scribbles, lassos and brush strokes), given on a median of "
        f"{_median([len(one.given) for one in work.objects]):g} planes.{unchanged} "
        f"In all the work took {work.seconds / 60:.1f} minutes, pauses left out"
        f"{_removed(work.removed)}."
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def _removed(count: int) -> str:
    return f"; {count} more object{_s(count)} begun and given up" if count else ""


class _Count:
    """Counts line by line."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._works: dict[_Object, ObjectWork] = {}
        self._prompts: dict[tuple[_Object, _Place], Mapping[str, Any]] = {}
        # time and number of a propagation → object
        self._walks: dict[tuple[int, int], int] = {}
        self._models: dict[str, None] = {}
        self._then: datetime | None = None
        self._seconds = 0.0

    def of(self, written: Written) -> Workload:
        for number, line in enumerate(written.actions, 2):
            try:
                self._take(line)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as err:
                raise JournalError(
                    f"journal is damaged: expected {line.get('do')!r} with its arguments on line "
                    f"{number}, got {type(err).__name__}: {err}. "
                    "Remove that line and those after it."
                ) from err
        kept = tuple(one for one in self._works.values() if not one.is_removed and _is_begun(one))
        removed = sum(one.is_removed for one in self._works.values())
        version = str(written.header.get("versions", {}).get("napari-intseg", "of unknown version"))
        return Workload(kept, removed, self._seconds, tuple(self._models), version)

    def _take(self, line: Line) -> None:
        do, time = line["do"], int(line.get("time", 0))
        self._note_models(line)
        if do == "answer":
            self._answered(time, line.get("object"), line.get("plane"))
            return
        if do == "step":
            self._answered(time, self._walks.get((time, line.get("walk", -1))), line.get("plane"))
            return
        # written by the program; "go on" is another day, and the time between is no work
        if do in ("labels", "close", "go on"):
            self._then = _time_of(line) if do == "go on" else self._then
            return
        args = line.get("args") or {}
        label = args.get("label") if isinstance(args.get("label"), int) else line.get("object")
        gap = self._gap(line)
        if do == "begin" or not isinstance(label, int):
            return
        work = self._work(time, label)
        # the time before an action is that of deciding on it, so it belongs to its object
        work.seconds += gap
        self._count(do, work, args, line)
        for one in line.get("answered", ()):
            self._answered(time, one[0], one[1:])

    def _count(self, do: str, work: ObjectWork, args: Mapping[str, Any], line: Line) -> None:
        if do == "add_clicks":
            for plane, clicks in _pairs(args.get("clicks")):
                work.clicks += len(clicks)
                self._given(work, plane)
        elif do == "change_prompts":
            for plane, prompts in _pairs(args.get("changes")):
                self._changed(work, plane, prompts)
        elif do == "paint":
            work.strokes += 1
            for plane, _ in _pairs(args.get("strokes")):
                self._given(work, plane)
        elif do == "walk":
            work.propagations += 1
            self._walks[work.time, line.get("number", -1)] = work.label
        elif do == "undo":
            work.undone += 1
        elif do == "remove_object":
            work.is_removed = True

    def _changed(self, work: ObjectWork, plane: Any, prompts: Any) -> None:
        """Count what a plane's prompts have that they had not before."""
        fields = prompts.get("fields", {}) if isinstance(prompts, dict) else {}
        place = _place(work.time, plane)
        key = (work.time, work.label), place
        before = self._prompts.get(key, {})
        self._prompts[key] = fields
        new = {
            "clicks": _more(fields.get("clicks"), before.get("clicks")),
            "scribbles": _more(fields.get("scribbles"), before.get("scribbles")),
            "lassos": _more(fields.get("lassos"), before.get("lassos")),
        }
        box = fields.get("box")
        work.clicks += new["clicks"]
        work.scribbles += new["scribbles"]
        work.lassos += new["lassos"]
        work.boxes += box is not None and box != before.get("box")
        self._given(work, plane)

    def _given(self, work: ObjectWork, plane: Any) -> None:
        place = _place(work.time, plane)
        work.given.add(place)
        # given after an answer: the person has corrected it
        if place in work.answered:
            work.corrected.add(place)

    def _answered(self, time: int, label: Any, plane: Any) -> None:
        if isinstance(label, int) and plane is not None:
            self._work(time, label).answered.add((time, int(plane[0]), int(plane[1])))

    def _work(self, time: int, label: int) -> ObjectWork:
        return self._works.setdefault((time, label), ObjectWork(label, time))

    def _gap(self, line: Line) -> float:
        now, then = _time_of(line), self._then
        self._then = now or then
        if now is None or then is None:
            return 0.0
        gap = (now - then).total_seconds()
        # clocks can be set back: such a gap counts nothing
        counted = gap if 0 <= gap <= self._pause_s else 0.0
        self._seconds += counted
        return counted

    def _note_models(self, line: Line) -> None:
        for given in (line.get("setup"), line.get("args")):
            model = given.get("model") if isinstance(given, dict) else None
            about = model.get("model") if isinstance(model, dict) else None
            if isinstance(about, dict) and about.get("name"):
                sha = about.get("sha256")
                weights = f" (weights SHA-256 {str(sha)[:12]}…)" if sha else ""
                self._models[f"the model {about['name']}{weights}"] = None


def _is_begun(work: ObjectWork) -> bool:
    return bool(work.given or work.answered or work.strokes or work.propagations)


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    """Return the items of a mapping as lines hold it."""
    items = value.get("map", ()) if isinstance(value, dict) else ()
    return [(one[0], one[1]) for one in items if isinstance(one, list) and len(one) == 2]


def _place(time: int, plane: Any) -> _Place:
    axis, index = plane["plane"]
    return time, int(axis), int(index)


def _more(now: Any, before: Any) -> int:
    """Return how many of a list are not in another."""
    # a list, not a set: the same click can be there twice
    rest = list(before or ())
    new = 0
    for one in now or ():
        if one in rest:
            rest.remove(one)
        else:
            new += 1
    return new


def _time_of(line: Line) -> datetime | None:
    try:
        return datetime.fromisoformat(str(line.get("t")).replace("Z", "+00:00"))
    except ValueError:
        return None
