"""Replay a journal, and report what came out differently."""

import hashlib
import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import IntSegError, JournalError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.io.output_files import write_beside
from napari_intseg.propagation.walk import Step, Walk, walk
from napari_intseg.session.journal.codec import LoadModel, decode
from napari_intseg.session.journal.file import image_signature
from napari_intseg.session.journal.recorder import Journal, Line, Written, see_again
from napari_intseg.session.masks.canvas import Labels
from napari_intseg.session.question import SessionSettings
from napari_intseg.session.session import Session

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """The outcome of a replay.

    Parameters
    ----------
    sessions : dict of int to Session
        By time point, as they were at the end.
    differences : tuple of str
        Where the outcome is not what the journal says; empty if it is.
    moved : tuple of str
        Those of the differences that are about pixels of objects alone.
    """

    sessions: dict[int, Session]
    differences: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


def replay(
    written: Written,
    volume_of: Callable[[int], Volume],
    load: LoadModel,
    *,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Replayed:
    """Do again what was done; runs the models, and may run in any one thread.

    Parameters
    ----------
    written : Written
        What the journal says.
    volume_of : callable
        Returns the image at a time point.
    load : callable
        Returns the model of an identity.
    on_progress : callable, optional
        Called with lines done and lines in all.
    should_stop : callable, optional
        Asked between two lines.

    Raises
    ------
    JournalError
        If a line is damaged, unknown, or cannot be done here.
    """
    player = _Player(volume_of, load)
    total = len(written.actions)
    for number, line in enumerate(written.actions, 1):
        if should_stop():
            break
        try:
            player.do(line)
        # says by itself what to do
        except JournalError:
            raise
        except (IntSegError, TypeError, KeyError, ValueError, IndexError, AttributeError) as err:
            raise JournalError(
                f"line {number + 1} cannot be done again: expected {line.get('do')!r} to succeed, "
                f"got {type(err).__name__}: {err}. Remove that line and those after it, or check "
                "that this is the same image and model."
            ) from err
        if on_progress is not None:
            on_progress(number, total)
    return Replayed(player.sessions, tuple(player.differences), tuple(player.moved))


def labels_checksum(labels: Labels) -> str:
    """Return a hash of labels that does not depend on the machine."""
    return hashlib.sha256(np.ascontiguousarray(labels, "<i4").tobytes()).hexdigest()


def about_labels(labels: Labels | Iterable[Labels]) -> dict[str, Any]:
    """Return what a journal says of labels, so that a replay can tell whether it gets the same.

    They may come in parts, along the first axis: the outcome is that of the whole.
    """
    digest, voxels = hashlib.sha256(), Counter[int]()
    for part in labels:
        digest.update(np.ascontiguousarray(part, "<i4").tobytes())
        values, counts = np.unique(part[part > 0], return_counts=True)
        voxels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    return {"sha256": digest.hexdigest(), "voxels": {str(v): voxels[v] for v in sorted(voxels)}}


def in_parts(session: Session) -> Iterator[Labels]:
    """Return the labels of a session plane by plane, of which no more is in memory at a time."""
    return (session.labels_on(plane) for plane in session.volume.planes(0))


LARGE_BYTES = 4 << 30
"""Labels of more bytes, 4 for each voxel, are not put together in memory."""


def is_large(volume: Volume) -> bool:
    """Whether labels of a volume are too large to be put together in memory."""
    return 4 * math.prod(volume.shape) > LARGE_BYTES


def note_labels(session: Session) -> None:
    """Write down what the labels are now."""
    parts = in_parts(session) if is_large(session.volume) else session.labels
    session.journal.note("labels", **about_labels(parts))


def save_beside(session: Session, path: str | Path, *, time: int = 0) -> Path:
    """Write a session's journal where it stays with the labels that were written to a file.

    Parameters
    ----------
    session : Session
        Its journal is described and ends with the labels' checksum.
    path : path
        Of the labels; see `write_beside`.
    time : int, default 0
        The time point that the session is about.

    Returns
    -------
    Path
        What was written to.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    if time != session.journal.time:
        session.journal.join(Journal(), time)
    session.journal.journal.describe(image=image_signature(session.volume))
    note_labels(session)
    return write_beside(path, session.journal.lines)


@dataclass(slots=True, eq=False)
class _Player:
    """Sessions while they are made again."""

    volume_of: Callable[[int], Volume]
    load: LoadModel
    sessions: dict[int, Session] = field(default_factory=dict)
    walks: dict[tuple[int, int], tuple[Walk, Iterator[Step]]] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    # from before views were denoised and clicks obeyed
    is_old: bool = False

    def do(self, line: Line) -> None:
        name, time = line["do"], line.get("time", 0)
        if "unwritten" in line:
            raise JournalError(
                f"journal has a gap: expected the arguments of {name!r}, got none "
                f"({line['unwritten']}). It cannot be replayed beyond."
            )
        if name == "begin":
            self._begin(line, time)
        elif name not in ("close", "go on"):
            if time not in self.sessions:
                raise JournalError(
                    f"journal is damaged: expected 'begin' for time {time} first, got {name!r}. "
                    "Its first lines are missing."
                )
            own = _OWN.get(name)
            if own is not None:
                own(self, self.sessions[time], line)
            else:
                self._call(self.sessions[time], line)

    def _begin(self, line: Line, time: int) -> None:
        setup = {name: decode(value, self.load) for name, value in line["setup"].items()}
        model = setup.pop("model")
        self.is_old = "denoise" not in setup
        if self.is_old:
            new = ("denoise", "look_again", "obey", "follow_neighbours")
            # a journal that lacks a setting is from before there was one: it is replayed without it
            setup |= dict.fromkeys(new, False)
            setup["window"] = _window_then(setup.get("window"), self.volume_of(time))
        later = (
            "narrower", "partial", "keep_answers", "compete", "cascade", "others", "coarser",
        )  # fmt: skip
        # likewise for what came one after the other since
        setup = dict.fromkeys(later, False) | setup
        # settings of a later version that this one does not know are left out
        known = {*inspect.signature(Session.__init__).parameters, *SessionSettings.__annotations__}
        given = {name: value for name, value in setup.items() if name in known}
        session = Session(model, self.volume_of(time), axis=int(line["axis"]), **given)
        session.journal.time = time
        self.sessions[time] = session

    def _call(self, session: Session, line: Line) -> None:
        method = getattr(session, line["do"], None)
        # only recorded methods: a line must not call anything else of the session
        if not getattr(method, "is_recorded", False):
            raise JournalError(
                f"action is unknown: expected one of this version, got {line['do']!r}. "
                "Install a newer napari-intseg."
            )
        _select(session, line.get("object"))
        given = {name: decode(value, self.load) for name, value in line["args"].items()}
        assert method is not None
        if self.is_old and "window" in given:
            given["window"] = _window_then(given["window"], session.volume)
        method(**given)
        for label, axis, index in line.get("answered", ()):
            # answered at once, when they were answered then: later answers may depend on them
            _answer(session, label, Plane(axis, index))

    def answer(self, session: Session, line: Line) -> None:
        self._see(session, line)
        _answer(session, line["object"], Plane(*line["plane"]))

    def walk(self, session: Session, line: Line) -> None:
        session.set_axis(line["axis"])
        given = {name: decode(value, self.load) for name, value in line["args"].items()}
        request = session.propagation_request(label=line["object"], **given)
        self.walks[session.journal.time, line["number"]] = (request, walk(request))

    def step(self, session: Session, line: Line) -> None:
        self._see(session, line)
        _, steps = self.walks[session.journal.time, line["walk"]]
        plane = None if line["plane"] is None else Plane(*line["plane"])
        # the walk is made again lazily: steps that were dropped then are passed over
        for step in steps:
            if (step.plane, step.done) == (plane, line["done"]):
                session.accept_step(step)
                return
        where = "the end of a stretch" if plane is None else f"plane {plane.index}"
        self.differences.append(f"propagation did not come to {where}")

    def _see(self, session: Session, line: Line) -> None:
        told = see_again(session.setup, line)
        if told is not None:
            self.differences.append(told)

    def labels(self, session: Session, line: Line) -> None:
        labels = session.labels
        if labels_checksum(labels) == line["sha256"]:
            return
        # told object by object, so that a person sees what moved
        for label, count in line["voxels"].items():
            now = int(np.count_nonzero(labels == int(label)))
            told = f"{count} voxels then, {now} now"
            self.moved.append(f"object {label}: {told if now != count else 'moved'}")
        self.differences += self.moved


def _window_then(window: WindowChoice, volume: Volume) -> WindowChoice:
    """Return what the automatic window was before it recognised Hounsfield units and background."""
    is_plain = window is None and volume.dtype.itemsize > 1
    return "percentile" if is_plain else window


_OWN: dict[str, Callable[[_Player, Session, Line], None]] = {
    "answer": _Player.answer,
    "walk": _Player.walk,
    "step": _Player.step,
    "labels": _Player.labels,
}


def _select(session: Session, label: Any) -> None:
    if label is not None and label != session.object and label in session.objects:
        session.select_object(label)


def _answer(session: Session, label: int, plane: Plane) -> None:
    """Predict a plane of an object, whichever object is current."""
    current = session.object
    _select(session, label)
    session.predict(plane)
    _select(session, current)
