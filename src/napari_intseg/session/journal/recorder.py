"""Everything a person does, as it is done, in a form that can be done again; and read again.

Journals of every version there has been are read, damaged ends included.
"""

import inspect
import logging
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from napari_intseg._version import __version__
from napari_intseg.core.files import parse_json
from napari_intseg.core.volume import Plane
from napari_intseg.errors import FileError, JournalError
from napari_intseg.inference.intensity import Intensity
from napari_intseg.io.file_checks import check_regular
from napari_intseg.io.output_files import SUFFIX, journal_texts
from napari_intseg.propagation.walk import Step, Walk
from napari_intseg.session.document import Change
from napari_intseg.session.journal.codec import encode
from napari_intseg.session.question import Setup
from napari_intseg.session.validate_prompts import (
    NOT_TOLD,
    check_given,
    kinds_of,
    wrong_argument,
)

VERSION = 1
"""Of the format. It grows when older readers could not make sense of it."""

FORMAT = "napari-intseg"

KEY = "seen"
"""Key of the first answer, or step, that came of a window; older readers leave it out."""

# propagations that steps can still refer to: those of all objects that are propagated at once
_WALKS = 16

Line = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where lines go besides memory."""

    def follow(self, lines: Sequence[Line]) -> None:
        """Keep these lines; more will be added to them. Trouble is the sink's own to tell."""
        ...

    def added(self) -> None:
        """Keep the line that was added last as well."""
        ...


def header(**about: Any) -> Line:
    """Return the first line: the format, versions, the time, and what else is known."""
    versions = {
        "napari-intseg": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }
    return {"journal": FORMAT, "version": VERSION, "t": now(), "versions": versions, **about}


def now() -> str:
    """Return the time as ISO 8601, UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """Lines in memory, and in a sink once there is one.

    Attributes
    ----------
    lines : list of dict
        The header first; each is plain JSON.
    """

    def __init__(self, first: Line | None = None) -> None:
        self.lines: list[Line] = [header() if first is None else first]
        self._sink: Sink | None = None

    def __len__(self) -> int:
        return len(self.lines) - 1

    def write(self, line: Line) -> None:
        """Add a line."""
        self.lines.append(line)
        if self._sink is not None:
            self._sink.added()

    def describe(self, **about: Any) -> None:
        """Add to the header, before it goes to a sink."""
        self.lines[0] = {**self.lines[0], **about}

    def attach(self, sink: Sink | None) -> None:
        """Have all lines so far, and those to come, go to a sink as well; None: to none."""
        self._sink = sink
        if sink is not None:
            sink.follow(self.lines)


class Recorder:
    """Writes down what one session does.

    Parameters
    ----------
    journal : Journal
        Several sessions may share one.
    time : int, default 0
        The time point that the session is about.
    """

    def __init__(self, journal: Journal | None = None, time: int = 0) -> None:
        self.journal = Journal() if journal is None else journal
        self.time = time
        self._open: list[list[Line]] = []
        self._walks: deque[tuple[int, Walk]] = deque(maxlen=_WALKS)
        self._number = 0
        self._seen: set[Setup] = set()

    @property
    def lines(self) -> list[Line]:
        """All lines so far, of every session that shares the journal; the header first."""
        return self.journal.lines

    def join(self, journal: Journal, time: int = 0) -> None:
        """Go on in another journal, with what was written so far, as the session of a time."""
        lines, self.journal, self.time = self.journal.lines[1:], journal, time
        for line in lines:
            journal.write({**line, "time": time} if time else line)

    def note(self, do: str, /, **what: Any) -> None:
        """Write down something that was done; what it says is plain JSON already."""
        line: Line = {"t": now(), "do": do}
        if self.time:
            line["time"] = self.time
        line.update(what)
        if self._open:
            self._open[-1].append(line)
        else:
            self.journal.write(line)

    def began(self, walk: Walk, axis: int, planes: range | None) -> None:
        """Write down what is going to be propagated; the steps that are taken over follow."""
        self._number += 1
        # found by identity later: a step knows its walk, not the number in the journal
        self._walks.append((self._number, walk))
        given = {"planes": encode(planes), "settings": encode(walk.settings)}
        if walk.together is not None:
            given["together"] = walk.together
        if walk.near is not None:
            given["near"] = walk.near
        self.note("walk", number=self._number, object=walk.label, axis=axis, args=given)

    def answered(self, label: int, plane: Plane, setup: Setup) -> None:
        """Write down that a model's answer was taken over."""
        self.note("answer", object=label, plane=[plane.axis, plane.index], **self._once(setup))

    def stepped(self, step: Step, setup: Setup) -> None:
        """Write down that a step of a propagation was taken over."""
        number = next((n for n, walk in self._walks if walk is step.walk), 0)
        plane = None if step.plane is None else [step.plane.axis, step.plane.index]
        self.note("step", walk=number, plane=plane, done=step.done, **self._once(setup))

    @contextmanager
    def outer(self) -> Iterator[list[Line]]:
        """Hold back the lines noted inside; they are kept only if the block fails."""
        held: list[Line] = []
        self._open.append(held)
        try:
            # one recorded method may call others: what they note
            # counts as part of it, unless it fails
            yield held
        except BaseException:
            self._open.pop()
            # what was done before the failure stays done, so it must be in the journal
            for line in held:
                self._keep(line)
            raise
        self._open.pop()

    def _once(self, setup: Setup) -> dict[str, Any]:
        """Return how slices are shown to the model, the first time that is known; see `KEY`."""
        # limits measured on the data: once a setup, since they do not change
        intensity = None if setup in self._seen else setup.known_intensity
        if intensity is None:
            return {}
        self._seen.add(setup)
        return {KEY: intensity.written()}

    def _keep(self, line: Line) -> None:
        if self._open:
            self._open[-1].append(line)
        else:
            self.journal.write(line)


def recorded(method: F) -> F:
    """Decorate a method of a session so that its calls are recorded; see the top of this file."""
    shape, kinds = inspect.signature(method), kinds_of(method)

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # by name, so that journals do not depend on the order of arguments
        given = shape.bind(self, *args, **kwargs).arguments
        # before anything is done: what is no argument cannot be written down either
        for name, kind in kinds.items():
            if name in given and not isinstance(given[name], kind):
                raise wrong_argument(method, name, given[name])
        # the object that was current before: the method itself may change it
        current = self.document.object
        with self.journal.outer():
            try:
                result = method(self, *args, **kwargs)
            except NOT_TOLD as err:
                check_given(method, given, err)
                raise
        what: Line = {"object": current, **_written(given, shape)}
        if isinstance(result, Change):
            answered = self.predictor.answered_planes(result)
            if answered:
                what["answered"] = [[label, at.axis, at.index] for label, at in answered]
        self.journal.note(method.__name__, **what)
        return result

    call.is_recorded = True  # type: ignore[attr-defined]
    return cast(F, call)


def checked(session: C) -> C:
    """Decorate a class: public methods that are not recorded refuse arguments of other types."""
    for name, method in inspect.getmembers(session, inspect.isfunction):
        is_inner = name.startswith("_") and name != "__init__"
        if not is_inner and not hasattr(method, "is_recorded"):
            setattr(session, name, _checked(method))
    return session


def _checked(method: F) -> F:
    shape, kinds = inspect.signature(method), kinds_of(method)

    @wraps(method)
    def call_checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = shape.bind(self, *args, **kwargs).arguments
        for name, kind in kinds.items():
            if name in given and not isinstance(given[name], kind):
                raise wrong_argument(method, name, given[name])
        try:
            return method(self, *args, **kwargs)
        except NOT_TOLD as err:
            check_given(method, given, err)
            raise

    return cast(F, call_checked)


def _written(given: Mapping[str, Any], shape: inspect.Signature) -> Line:
    """Return arguments as JSON; if there is no way to, say so instead: an action never fails."""
    plain: dict[str, Any] = {}
    try:
        for name, value in list(given.items())[1:]:
            if shape.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                # `change_setup(**changes)`: each keyword is an argument of its own
                plain.update((one, encode(further)) for one, further in value.items())
            else:
                plain[name] = encode(value)
        return {"args": plain}
    except JournalError as err:
        _log.warning("the journal ends here: %s", err)
        return {"unwritten": str(err)}


def see_again(setup: Setup, line: Mapping[str, Any]) -> str | None:
    """Show slices as a line of the journal says; return what is different, None if nothing is."""
    if KEY not in line:
        return None
    given = line[KEY]
    channels = given["channels"]
    if not given["low"] or not given["high"]:
        raise ValueError("no limits of the contrast")
    then = Intensity(
        tuple(float(v) for v in given["low"]),
        tuple(float(v) for v in given["high"]),
        None if channels is None else tuple(int(c) for c in channels),
        tuple((float(r), float(g), float(b)) for r, g, b in given["colours"]),
        float(given["gamma"]),
        given.get("adapts", "no"),
    )
    now = setup.look_through(then)
    if now == then:
        return None
    return f"window: {_range(then)} then, {_range(now)} now"


def _range(intensity: Intensity) -> str:
    return f"{list(intensity.low)} to {list(intensity.high)}"


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What a journal says.

    Parameters
    ----------
    header : dict
        The first line.
    actions : tuple of dict
        All others, in order.
    torn : int
        Lines at the end that could not be read and were left out: what was being written when the
        process was killed is one.
    """

    header: Line
    actions: tuple[Line, ...]
    torn: int = 0

    @property
    def lines(self) -> list[Line]:
        """All of it, the header first."""
        return [self.header, *self.actions]

    @property
    def times(self) -> tuple[int, ...]:
        """Time points that were worked on; the one that labels were written of comes last."""
        begun = [line.get("time", 0) for line in self.actions if line["do"] == "begin"]
        written = [line.get("time", 0) for line in self.actions if line["do"] == "labels"]
        return tuple(dict.fromkeys(reversed([*begun, *written])))[::-1]

    @property
    def is_closed(self) -> bool:
        """Whether work ended in an orderly way."""
        return bool(self.actions) and self.actions[-1].get("do") == "close"

    @property
    def count(self) -> int:
        """Actions of a person, answers and steps not counted."""
        return sum(line.get("do") not in _NOT_ACTIONS for line in self.actions)


# of an image: spectral cameras have some hundreds
_MOST_CHANNELS = 10_000
_NOT_ACTIONS = ("begin", "answer", "step", "close", "labels", "go on")


def read_journal(path: str | Path) -> Written:
    """Read a journal file.

    Parameters
    ----------
    path : path
        JSON lines, UTF-8.

    Raises
    ------
    FileError
        If the file cannot be read.
    JournalError
        If it is no journal, of a later version, or damaged before its end.
    """
    check_regular(Path(path))
    try:
        content = Path(path).read_bytes()
    except OSError as err:
        raise FileError(
            f"journal cannot be read: expected a readable file, got {str(path)!r} "
            f"({err.strerror or err}). Check the path."
        ) from err
    return parse_journal(content.decode("utf-8", errors="replace").splitlines())


def read_journal_of(labels: str | Path) -> Written:
    """Read the journal that stays with a file of labels; see `write_beside`.

    Raises
    ------
    FileError
        If there is none, or it cannot be read.
    JournalError
        As for `read_journal`.
    """
    return parse_journal(journal_texts(labels))


def parse_journal(texts: Iterable[str]) -> Written:
    """Return what lines of text say; see `read_journal`."""
    given = [text for text in texts if text.strip()]
    parsed = [_parsed(text) for text in given]
    first = parsed[0] if parsed else None
    if first is None or first.get("journal") != FORMAT:
        shown = given[0][:60] if given else ""
        raise JournalError(
            f'file is no journal: expected a first line with "journal": {FORMAT!r}, got '
            f"{shown!r}. Choose a file that ends in {SUFFIX}."
        )
    # older versions are read, newer ones are refused: their lines may mean something else
    version = first.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise JournalError(
            f"journal is of another version: expected 1 to {VERSION}, got {version!r}. "
            "Install a newer napari-intseg."
        )
    _check_header(first)
    actions = parsed[1:]
    torn = 0
    # a process that was killed leaves half a line, at the end alone
    while actions and not _is_whole(actions[-1]):
        actions.pop()
        torn += 1
    for number, line in enumerate(actions, 2):
        if not _is_whole(line):
            raise JournalError(
                f"journal is damaged: expected an action on line {number}, got "
                f"{given[number - 1][:60]!r}. Remove that line and those after it."
            )
    return Written(first, tuple(_of_now(line, version) for line in actions if line), torn)


def _check_header(first: Line) -> None:
    for name in ("image", "versions"):
        if not isinstance(first.get(name, {}), dict):
            raise _damaged(f"names and values for {name!r}", first[name])
    image = first.get("image", {})
    for name in ("shape", "spacing"):
        found = image.get(name, [])
        is_list = isinstance(found, list) and all(type(n) in (int, float) for n in found)
        if not is_list or any(n <= 0 for n in found):
            raise _damaged(f"numbers above 0 for the {name} of the image", found)
    channels = image.get("channels", 0)
    if type(channels) is not int or not 0 <= channels <= _MOST_CHANNELS:
        raise _damaged(f"0 to {_MOST_CHANNELS} channels of the image", channels)


def _damaged(rule: str, got: object) -> JournalError:
    shown = repr(got)[:60]
    return JournalError(
        f"journal is damaged: expected {rule} on its first line, got {shown}. Take another copy."
    )


def _parsed(text: str) -> Line | None:
    try:
        line = parse_json(text, ours=True)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _is_whole(line: Line | None) -> bool:
    if line is None or not isinstance(line.get("do"), str):
        return False
    return isinstance(line.get("time", 0), int)


def _of_now(line: Any, _version: int) -> Line:
    """Return a line of an older version as this one would write it; version 1 is the first."""
    translated: Line = line
    return translated
