"""A project's own network: trained on the objects that are finished, in a process of its own."""

import json
import logging
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache, partial
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image

from napari_intseg.core.files import parse_json, read_json, write_text
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError, IntSegError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.models.registry import DEFAULT_MODEL
from napari_intseg.models.weights.store import keep_own
from napari_intseg.training.sources import OPENCV, FinishedImage, write_finished
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.image_queue import QueueWork
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.controllers.viewer_controller import AS_SHOWN, ViewerController
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.worker_thread import Outcome, told
from napari_intseg.ui.storage.disk_folders import file_of, place_of
from napari_intseg.ui.storage.recovery import remember, remembered

FOLDER = "napari-intseg-model"
"""In the folder of a project: what was learnt from, the weights, and what was measured."""

RECORD = "model.json"
_FORMAT = "napari-intseg model"
_CHOSEN = "folders of models"
"""What is remembered: the folder that was chosen for images of another one."""

LEAST = 15
"""Finished objects to begin with: a third is measured, and ten are left to learn from."""

HELD_OUT, MOST_HELD_OUT = 0.34, 12
"""Share of the objects that is only measured, and how many are enough."""

MINUTES = 3.0
"""Of a run, by the clock; measuring at its end comes on top."""

BETTER = 0.05
"""Clicks that must be saved: fewer are told as 0.0."""

SURE = 2.0
"""So many standard errors they must be: 0.7 clicks on ten held-out nuclei, 1.3 standard errors,
were 0.2 on 21 others (docs/results.md)."""

# a plane that is being written when the window closes is finished first
_WAIT_S = 10.0
# of steps, and of seconds, that no run has
_NEVER = 10**9

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LearntModel:
    """What the record of a project says.

    Parameters
    ----------
    weights : str
        Name of the file in the same folder.
    before, after : float
        Clicks that held-out objects needed with the bundled network, and with these weights; see
        `HeldOutScores.clicks`.
    held_out, objects : int
        How many were measured, and how many there were in all.
    used : str, default ""
        Name of the file that was chosen for this project: these weights, or earlier ones; empty:
        the bundled network.
    """

    weights: str
    before: float
    after: float
    held_out: int
    objects: int
    used: str = ""

    @property
    def text(self) -> str:
        """What was measured, in a sentence."""
        return Message(
            "{fewer:.1f} clicks fewer on your data ({before:.1f} → {after:.1f}, {n} objects held "
            "out).",
            fewer=round(self.before, 1) - round(self.after, 1),  # of what is shown beside it
            before=self.before,
            after=self.after,
            n=self.held_out,
        )


def read_learnt(home: Path | None) -> LearntModel | None:
    """Return what was learnt in a folder; None if nothing was, or its weights are gone."""
    if home is None:
        return None
    try:
        known = read_json(home / RECORD, ours=True)
        if known.pop("format") != _FORMAT:
            return None
        known.pop("version")
        found = LearntModel(**known)
        return found if is_weights(home, found.weights) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        _log.warning("record of a model in %s cannot be read and is left out: %s", home, err)
        return None


def is_weights(home: Path, name: str) -> bool:
    """Whether a file lies in a folder itself, whatever its record says."""
    return name == Path(name).name and (home / name).is_file()


def write_learnt(home: Path, learnt: LearntModel) -> None:
    """Write the record."""
    record = {"format": _FORMAT, "version": 1, **asdict(learnt)}
    write_text(home / RECORD, json.dumps(record, indent=1) + "\n")


@dataclass(slots=True, eq=False)
class _Run:
    """What the thread is given, and what it shares with the window."""

    home: Path
    minutes: float
    images: Callable[[], Iterator[tuple[int, FinishedImage]]]
    stop: threading.Event
    thread: threading.Thread | None = None
    process: "subprocess.Popen[str] | None" = None


class FineTuning:
    """Trains a network for the project that is open, and says whether it is better.

    A thread writes the training set, starts the process and hears what it tells; clicks are
    answered meanwhile.

    Parameters
    ----------
    controller : ViewerController
        Whose finished objects.
    queue_work : QueueWork
        Of a folder that is open all images count that are done.

    Attributes
    ----------
    home : Path or None
        The folder of this project's network, there or not; None until a place is chosen.
    learnt : LearntModel or None
        What it holds.
    text : str
        What the run is at, or how it ended.
    progress : (int, int)
        Seconds done, and in all; (0, 0): not learning.
    """

    def __init__(self, controller: ViewerController, queue_work: QueueWork) -> None:
        self._controller, self._queue_work = controller, queue_work
        self._run: _Run | None = None
        self._seen: tuple[Any, ...] | None = None
        self._put: WeakKeyDictionary[Image, Path] = WeakKeyDictionary()
        self.home: Path | None = None
        self.learnt: LearntModel | None = None
        self.text = ""
        self.progress = (0, 0)
        controller.signals.changed.connect(self._follow)

    @property
    def is_running(self) -> bool:
        """Whether a network is being trained."""
        return self._run is not None

    @property
    def is_used(self) -> bool:
        """Whether the network of this project answers clicks."""
        weights = self._controller.loader.choice.weights
        return self.home is not None and weights is not None and weights.parent == self.home

    @property
    def is_newest_used(self) -> bool:
        """Whether it answers with what was learnt last."""
        weights = self._controller.loader.choice.weights
        return (
            self.is_used
            and self.learnt is not None
            and weights is not None
            and weights.name == self.learnt.weights
        )

    @property
    def count(self) -> int:
        """How many objects are finished: here, and in the images of the queue that are done."""
        queue, here = self._queue_work.queue, len(self._finished_here())
        if queue is None:
            return here
        return here + sum(one.objects for one in queue.items if one.state == "done")

    @property
    def reason(self) -> str:
        """Why nothing can be learnt now; empty if it can."""
        if not _can_train():
            return Message(
                "Learning needs packages that are not installed: pip install "
                "'napari-intseg[torch,train]'"
            )
        have = self.count
        lacking = LEAST - have
        if lacking <= 0:
            return ""
        return counted(
            lacking,
            "{n} more finished object is needed: {have} of {least}.",
            "{n} more finished objects are needed: {have} of {least}.",
            have=have,
            least=LEAST,
        )

    @property
    def suggested(self) -> Path:
        """The folder to begin with when a person is asked for one."""
        return self._project() or Path.home()

    def put(self, folder: Path) -> None:
        """Keep the network of this project in another folder, from now on."""
        project, image = self._project(), self._controller.image
        if image is not None:
            self._put[image] = folder
        if project is not None:
            remember(**{_CHOSEN: {**_folders_chosen(), str(project): str(folder)}})
        self.look_again()
        self._controller.signals.changed.emit()

    def _project(self) -> Path | None:
        """Return the folder of the queue's labels, of labels on disk, or else of the image."""
        queue = self._queue_work.queue
        if queue is not None:
            return queue.labels
        file = self._labels_on_disk() or self._file()
        return None if file is None else file.parent

    def _file(self) -> Path | None:
        image = self._controller.image
        return None if image is None else file_of(image)

    def _labels_on_disk(self) -> Path | None:
        image_controller = self._controller.image_controller
        return None if image_controller is None else place_of(image_controller.labels.data)

    def _find_home(self) -> Path | None:
        """Return where the network of this project is, or would be.

        Where it was put, else beside labels; None if none are saved yet.
        """
        project, image = self._project(), self._controller.image
        put = None if image is None else self._put.get(image)
        chosen = put or _folders_chosen().get(str(project))
        if chosen is not None or project is None:
            return None if chosen is None else Path(chosen) / FOLDER
        file = self._file()
        is_saved = (
            self._queue_work.queue is not None
            or self._labels_on_disk() is not None
            or (project / FOLDER).is_dir()
            or (file is not None and any(project.glob(f"{escape(_stem(file))}_labels*")))
        )
        return project / FOLDER if is_saved else None

    def look_again(self) -> None:
        """See where the project's network is now: labels may have been saved meanwhile."""
        self._seen = None
        self._follow()

    def start(self, folder: Path | None = None, minutes: float = MINUTES) -> bool:
        """Begin to learn; return whether that was possible.

        Parameters
        ----------
        folder : Path, optional
            Of the project, where none is known.
        minutes : float, default 3
            By the clock.
        """
        if folder is not None:
            self.put(folder)
        home = self.home if folder is None else folder / FOLDER
        why = self.reason
        if home is None and not why:
            why = Message("Choose a folder for the model first.")
        if why or self.is_running or home is None:
            self._controller.signals.failed.emit(why or Message("A model is being trained."))
            return False
        run = _Run(home, minutes, self._images(), threading.Event())
        run.thread = threading.Thread(
            target=self._work, args=(run,), name="napari-intseg training", daemon=True
        )
        self._run = run
        self._tell(Message("Writing the training set …"))
        run.thread.start()
        return True

    def cancel(self) -> None:
        """End the process; weights of an earlier run stay."""
        run = self._run
        if run is not None:
            run.stop.set()
            if run.process is not None:
                run.process.kill()

    def close(self) -> None:
        """End the process with the window."""
        run = self._run
        self.cancel()
        self._run = None
        if run is not None and run.thread is not None:
            run.thread.join(_WAIT_S)
        self._controller.signals.changed.disconnect(self._follow)

    def use(self) -> None:
        """Have this project's network answer clicks, here and whenever the project is opened."""
        home, learnt = self.home, self.learnt
        if home is not None and learnt is not None:
            self._note(home, replace(learnt, used=learnt.weights))
            self._choose(home / learnt.weights)

    def back(self) -> None:
        """Have the bundled network answer again, here and whenever the project is opened."""
        home, learnt = self.home, self.learnt
        if home is not None and learnt is not None:
            self._note(home, replace(learnt, used=""))
        self._choose(None)

    def _note(self, home: Path, learnt: LearntModel) -> None:
        self.learnt = learnt
        try:
            write_learnt(home, learnt)
        except OSError as err:
            _log.warning("the choice cannot be kept in %s: %s", home, err)

    def _choose(self, weights: Path | None) -> None:
        loader = self._controller.loader
        choice = loader.choice
        device = "auto" if "://" in choice.device else choice.device
        loader.choose(Choice(DEFAULT_MODEL, device, choice.precision, weights))

    def _tell(self, text: str, progress: tuple[int, int] = (0, 0)) -> None:
        self.text, self.progress = text, progress
        self._controller.signals.changed.emit()

    def _follow(self) -> None:
        """Use the network of a project that is opened, if that was chosen; leave that of another.

        Another model that a person has chosen stays.
        """
        controller, queue = self._controller, self._queue_work.queue
        image = controller.image
        if image is None:  # between two images of a queue
            return
        labels = self._labels_on_disk()
        seen = weakref.ref(image), None if queue is None else queue.labels, labels
        if seen == self._seen:
            return
        self._seen = seen
        home = self._find_home()
        if home != self.home and not self.is_running:
            self.text = ""  # it is about another project
        self.home = home
        self.learnt = learnt = read_learnt(home)
        choice = controller.loader.choice
        if choice.name != DEFAULT_MODEL:
            return
        if home is not None and learnt is not None and is_weights(home, learnt.used):
            if choice.weights != home / learnt.used:
                self._choose(home / learnt.used)
                controller.signals.message.emit(
                    Message("The model that learnt from this project's objects is used.")
                )
            return
        own = None if choice.weights is None else choice.weights.parent
        if own is not None and own.name == FOLDER and own != home:
            self._choose(None)

    def _finished_here(self) -> set[int]:
        """Return the objects that are finished on the image in the window."""
        image_controller, queue = self._controller.image_controller, self._queue_work.queue
        if image_controller is None or image_controller.is_closed:
            return set()
        is_of_queue = queue is not None and image_controller is self._queue_work.image_controller
        if is_of_queue and queue is not None and queue.current.state == "done":
            return set()  # its file counts
        sessions = image_controller.session_store.sessions.values()
        return {label for one in sessions for label in one.objects if one.is_finished(label)}

    def _images(self) -> Callable[[], Iterator[tuple[int, FinishedImage]]]:
        """Return what reads the images with finished objects, numbered; it runs in the thread.

        All time points of the image in the window have the same number: its objects are the same.
        """
        controller, queue = self._controller, self._queue_work.queue
        here: list[FinishedImage] = []
        if self._finished_here() and controller.image_controller is not None:
            here = _finished_images(controller.image_controller)
        window = None if controller.window == AS_SHOWN else controller.window
        channels = controller.channels
        items = () if queue is None else queue.items
        done = [one for one in items if one.state == "done" and one.objects]

        def images() -> Iterator[tuple[int, FinishedImage]]:
            yield from ((0, image) for image in here)
            for number, one in enumerate(done, 1):
                files = {} if queue is None else queue.labels_in(one)
                for time, labels in files.items():
                    try:
                        yield number, _read_done(one.path, time, labels, window, channels)
                    except IntSegError as err:
                        _log.warning("%s is left out: %s", one.path.name, err)

        return images

    def _work(self, run: _Run) -> None:
        """Train, in the thread; nothing is posted any more once the window is closed."""
        outcome: Outcome[LearntModel | None]
        try:
            outcome = Outcome(self._trained(run))
        except Exception as err:  # shown in the window, as that of a job is
            outcome = Outcome(error=err)
        if self._run is run:
            self._controller.post(partial(self._ended, run, outcome))

    def _trained(self, run: _Run) -> LearntModel | None:
        """Return what was learnt; None if it is no better, or was cancelled."""
        home = run.home
        for part in ("set", "run"):
            shutil.rmtree(home / part, ignore_errors=True)
        written: set[tuple[int, int]] = set()
        for number, image in run.images():
            labels = write_finished(home / "set", number, image, run.stop.is_set)
            written |= {(number, label) for label in labels}
        count = len(written)
        if run.stop.is_set():
            return None
        if count < LEAST:
            raise DataError(
                Message(
                    "nothing to learn from: expected at least {least} finished objects of 40 "
                    "pixels, got {count}. Finish some more.",
                    least=LEAST,
                    count=count,
                )
            )
        ended = self._listen(run, count)
        before, after = ended.get("before"), ended.get("after")
        if run.stop.is_set() or before is None or after is None:
            return None
        learnt = LearntModel("", before, after, int(ended["held_out"]), count)
        if before - after >= max(BETTER, SURE * (ended.get("error") or 0.0)):
            earlier = read_learnt(home)
            used = "" if earlier is None else earlier.used
            kept = keep_own(Path(ended["weights"]), home).name
            learnt = replace(learnt, weights=kept, used=used)
            write_learnt(home, learnt)
        for path in (home / "run").glob("*"):
            if path.name != "log.csv" and path.is_file():
                path.unlink()
        return learnt

    def _listen(self, run: _Run, count: int) -> dict[str, Any]:
        """Start the process, hear it to its end, and return what it said last."""
        errors = run.home / "errors.txt"
        with errors.open("w", encoding="utf-8") as told_here:
            run.process = process = subprocess.Popen(
                command(run.home, count, run.minutes), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=told_here, text=True, encoding="utf-8",
                creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
            )  # fmt: skip
            if run.stop.is_set():
                process.kill()
            self._post_progress(run, 0, 0)
            last: dict[str, Any] = {}
            assert process.stdout is not None
            for line in process.stdout:
                with suppress(ValueError, TypeError):  # what a library prints is passed over
                    last = dict(parse_json(line))
                    self._post_progress(run, last.get("done", 0), last.get("total", 0))
            code = process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if run.stop.is_set():
            return {}
        if code or "weights" not in last:
            lines = errors.read_text("utf-8", "replace").strip().splitlines()
            why = lines[-1].removeprefix("napari-intseg: error: ") if lines else f"{code}"
            raise DataError(
                Message(
                    "training ended before its end: {why} What it said is in {path}.",
                    why=why,
                    path=str(errors),
                )
            )
        errors.unlink()
        return last

    def _post_progress(self, run: _Run, done: int, total: int) -> None:
        def show() -> None:
            if self._run is run and not run.stop.is_set():
                text = Message("Learning from {name} …", name=run.home.parent.name)
                if not total:
                    text = Message("Measuring what the bundled model needs …")
                elif done >= total:
                    text = Message("Measuring what was learnt …")
                self._tell(text, (done, total))

        if self._run is run:
            self._controller.post(show)

    def _ended(self, run: _Run, outcome: Outcome[LearntModel | None]) -> None:
        if self._run is not run:
            return  # the window has closed meanwhile
        self._run, self._seen = None, None
        signals, learnt = self._controller.signals, outcome.value
        if outcome.error is not None:
            text = told(outcome.error)
            signals.failed.emit(text)
        else:
            text = _how_it_ended(learnt, was_cancelled=run.stop.is_set())
            signals.message.emit(text)
        self._follow()
        self._tell(text)


def command(home: Path, count: int, minutes: float) -> list[str]:
    """Return the command line of the process that trains.

    Only the first and the last weights are measured: choosing among many by so few objects would
    tell of luck.

    Parameters
    ----------
    home : Path
        Holds the training set.
    count : int
        Of the objects in it.
    minutes : float
        By the clock.
    """
    share = min(HELD_OUT, MOST_HELD_OUT / count)
    name = f"fine-tuned-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    words: list[object] = [
        sys.executable, "-X", "utf8", "-m", "napari_intseg.cli.main", "train", home / "set",
        "--output", home / "run", "--name", name, "--masks", "instances", "--minutes", minutes,
        "--held-out", f"{share:.4f}", "--held-out-by", "objects", "--validate-every", _NEVER,
        "--checkpoint-s", _NEVER, "--threads", 1, "--workers", 0, "--device", "cpu", "--attended",
    ]  # fmt: skip
    return [str(word) for word in words]


@cache
def _can_train() -> bool:
    return find_spec(OPENCV) is not None and find_spec("torch") is not None


def _how_it_ended(learnt: LearntModel | None, *, was_cancelled: bool) -> str:
    if was_cancelled or learnt is None:
        return Message("Learning was cancelled; nothing changed.")
    if not learnt.weights:
        return Message(
            "No better: nothing changed ({n} objects held out, {before:.1f} clicks each).",
            n=learnt.held_out,
            before=learnt.before,
        )
    return joined([learnt.text, Message("Press Use it to have it answer clicks.")])


def _folders_chosen() -> dict[str, str]:
    known = remembered().get(_CHOSEN)
    return dict(known) if isinstance(known, dict) else {}


def _stem(file: Path) -> str:
    return file.name.split(".")[0]


def _finished_images(image_controller: ImageController) -> list[FinishedImage]:
    """Return the image in the window, once for each time point with finished objects."""
    store, axes = image_controller.session_store, image_controller.image_axes
    layer, found = image_controller.labels, []

    def labels(time: int, plane: Plane) -> Array:
        return np.asarray(layer.data[axes.index(time, plane)])

    for time, session in store.sessions.items():
        finished = frozenset(label for label in session.objects if session.is_finished(label))
        given = {p for label in finished for p in session.document.given_planes(label)}
        counts = [sum(plane.axis == axis for plane in given) for axis in range(3)]
        axis = counts.index(max(counts))
        if finished:
            found.append(
                FinishedImage(
                    axes.image.name, session.volume, partial(labels, time), finished,
                    session.window, store.channels, session.setup.colours, axis,
                    tuple(plane.index for plane in given if plane.axis == axis), time,
                )
            )  # fmt: skip
    return found


def _read_done(
    path: Path,
    time: int | None,
    labels: Path,
    window: WindowChoice,
    channels: tuple[int, ...] | None,
) -> FinishedImage:
    """Read an image of the queue that is done; all its objects are finished."""
    volume = read_volume(path, time=time)
    mask = read_mask(labels, volume)

    def on(plane: Plane) -> Array:
        return np.asarray(mask if volume.ndim == 2 else mask.take(plane.index, plane.axis))

    shown = channels if volume.n_channels else None
    return FinishedImage(_stem(path), volume, on, None, window, shown, time=time or 0)
