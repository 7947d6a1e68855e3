"""Models are loaded, warmed up and swapped in the inference thread; weights are fetched there.

While that thread is idle, planes near the displayed one are prepared for the model.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import RemoteCancelledError, RemoteError
from napari_intseg.inference.memory_ladder import memory_note, warm_up
from napari_intseg.models.model_table import identity_of
from napari_intseg.models.registry import (
    DEFAULT_MODEL,
    ModelSpec,
    available_models,
    find_model,
    load_model,
)
from napari_intseg.remote.remote_segmenter import Certificates, RemoteSegmenter
from napari_intseg.session.embeddings import PrepareRequest, prepare, to_prepare
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.layers.image_axes import DisplayedSlice
from napari_intseg.ui.messages import Message, joined
from napari_intseg.ui.preferences import preferences
from napari_intseg.ui.qt.worker_thread import (
    Job,
    Outcome,
    Post,
    ShouldStop,
    Signals,
    Worker,
    listen,
    sentence,
    told,
)

_GOOD_FOR = {
    "bundled": Message("A start on any image: cells, organs, photographs; quick on a CPU."),
    "random walker": Message("Objects with soft edges; has no weights and learns nothing."),
    "region growing": Message("Even objects with clear edges; has no weights."),
    "level set": Message("Smooth, compact objects, from four extreme points."),
    "random walker 3-D": Message("Volumes: all planes are answered together."),
    "grabcut": Message("Colour images whose ground differs from the object, from a box."),
    "ritm": Message("Exact outlines over several clicks."),
    "fbrs": Message("Answers that obey every click; slower."),
    "sam": Message("A good mask from the first click or from a box."),
    "medsam": Message("Organs and lesions in CT, MR and ultrasound, from a box."),
    "sam-finetuned": Message("What it was trained on; micro-sam: cells and nuclei."),
    "fcanet": Message("Photographs with one main object, which the first click names."),
    "forte": Message("Very exact outlines over many clicks."),
    "dextr": Message("One object from four extreme points."),
    "deepgrabcut": Message("One object from a loose box."),
    "iog": Message("One object from a box and a click inside, then corrections."),
    "simpleclick": Message("Few clicks on photographs; the large ones want a GPU."),
    "focalclick": Message("Small, quick corrections, also on a CPU."),
    "hand-over": Message("A first mask by SAM, then exact corrections by the other."),
    "nninteractive": Message("Organs and lesions in whole CT and MR volumes at once."),
}
"""By the name of a model, or else by its kind."""


def good_for(name: str, spec: ModelSpec) -> str:
    """Return what a model is good for, if we know, and what else there is to know of it."""
    # a server's kind is called after the model that runs there
    kind = spec.family.removesuffix(" server")
    return joined([_GOOD_FOR.get(name, _GOOD_FOR.get(kind, Message(""))), spec.note])


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model, and how it runs.

    Parameters
    ----------
    name : str
        As in the registry.
    device, precision : str
        "auto" is right for most. A device may be the address of another machine.
    weights : Path or None
        A file that was picked; None: looked for in the usual folders.
    certificates, insecure : optional
        How the other machine is reached; see `load_remote`.
    """

    name: str
    device: str = "auto"
    precision: str = "auto"
    weights: Path | None = None
    certificates: Certificates | None = None
    insecure: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether the model runs on another machine."""
        return "://" in self.device


def load(choice: Choice, old: Segmenter | None, should_stop: ShouldStop) -> Segmenter | None:
    """Return the chosen model, warmed up, after releasing the memory of the old one.

    Where memory runs out, it is warmed up with less.

    None if it was cancelled before it began. Runs in the inference thread: plans of cuDNN belong
    to the thread that made them.
    """
    # a choice that was overtaken by another one is not loaded
    if should_stop():
        return None
    options: dict[str, Any] = {"weights": choice.weights}
    if choice.is_remote:
        # a file that was picked is one of this machine
        options = {
            "certificates": choice.certificates,
            "insecure": choice.insecure,
            "should_stop": should_stop,
        }
    elif preferences().measure_threads:
        options["threads"] = "measure"
    model = load_model(choice.name, device=choice.device, precision=choice.precision, **options)
    # only when the new one is there: if it cannot be loaded the old one goes on
    _call(old, "release")
    # the first click would otherwise wait for cuDNN's plans, 1.2 s on a fresh thread
    warm_up(model)
    return model


def devices() -> tuple[str, ...]:
    """Return the devices there are; loads torch, so it runs in the inference thread."""
    # ONNX Runtime computes the bundled network then, on the processor
    if find_spec("torch") is None:
        return ("auto", "cpu")
    from napari_intseg.models.device import list_devices

    return list_devices()


def weights_key(name: str) -> str | None:
    """Return the catalogue key of a model's weights; None if it needs none.

    Of a model made of others, that of the first whose weights are not there.
    """
    spec = find_model(name)
    lacking = [part for part in spec.parts if not find_model(part).has_weights]
    return weights_key(lacking[0]) if lacking else spec.weights


def keys_here() -> frozenset[str]:
    """Return the catalogue keys of all weights that are at hand."""
    from napari_intseg.models.weights.locate import list_weights

    return frozenset(found.entry.key for found in list_weights() if found.path is not None)


def has_weights(name: str) -> bool:
    """Whether a model's weights are at hand, or it needs none."""
    from napari_intseg.models.weights.locate import list_weights

    key = weights_key(name)
    if key is None:
        return True
    return any(f.entry.key == key and f.path is not None for f in list_weights())


def _call(model: Any, name: str) -> None:
    method = getattr(model, name, None)
    if method is not None:
        method()


class Loader:
    """Holds the model in use, and loads the next one in the inference thread.

    Parameters
    ----------
    worker : Worker
        Where models are loaded and weights fetched.
    post : callable
        Brings progress to the GUI thread.
    signals : Signals
        Told of what happens.
    on_model : callable
        Given each model when it is ready.
    load_with : callable
        Loads a model; another than `load` in tests.
    waits : bool, default False
        Whether a lost connection to another machine is waited for, until `cancel`; else it is an
        error of whatever is under way.

    Attributes
    ----------
    lost : str
        Address of the machine whose connection is lost and waited for; empty if none is.
    """

    def __init__(
        self,
        worker: Worker,
        post: Post,
        signals: Signals,
        *,
        on_model: Callable[[Segmenter], None],
        load_with: Callable[..., Segmenter | None] = load,
        waits: bool = False,
    ) -> None:
        self.choice = Choice(DEFAULT_MODEL)
        self.model: Segmenter | None = None
        self.is_loading = False
        self.lost = ""
        self._waits = waits
        self._wanted = self.choice
        self._loading: Job[Segmenter | None] | None = None
        self._worker = worker
        self._post = post
        self._signals = signals
        self._on_model = on_model
        self._load_with = load_with
        self._fetching: Job[bool] | None = None
        # by id of what was brought, for the way back
        self._choices: dict[int, Choice] = {}

    @property
    def is_fetching(self) -> bool:
        """Whether weights are on their way."""
        return self._fetching is not None

    @property
    def is_connecting(self) -> bool:
        """Whether a model on another machine is on its way; `cancel` ends that."""
        return self.is_loading and self.choice.is_remote

    def choose(self, choice: Choice) -> None:
        """Load a model; clicks made meanwhile are answered by it when it is there."""
        self._leave_waiting()
        self.choice = self._wanted = choice
        self.is_loading = True
        text = Message("Loading {name} …", name=choice.name)
        if choice.is_remote:
            text = Message("Connecting to {address} …", address=choice.device)
        self._signals.message.emit(text)
        self._signals.changed.emit()
        self._loading = self._worker.submit(
            # one key: of several choices only the last is loaded
            partial(self._load_with, choice, self.model),
            partial(self._loaded, choice),
            key=self,
        )

    def put(self, choice: Choice, model: Segmenter) -> None:
        """Use a model that has been loaded already."""
        self.choice = choice
        self._use(choice, model)
        self._on_model(model)
        self._signals.changed.emit()

    def adopt(self, model: Segmenter, choice: Choice) -> None:
        """Take a model that was loaded elsewhere, or used before, as the one in use."""
        self.choice = choice
        self._use(choice, model)
        self._signals.changed.emit()

    def _use(self, choice: Choice, model: Segmenter) -> None:
        old, self.lost = self.model, ""
        if isinstance(old, RemoteSegmenter) and old is not model:
            old.watch(None)
        self.model = model
        self._choices[id(model)] = choice
        if isinstance(model, RemoteSegmenter) and self._waits:
            model.watch(lambda is_there: self._post(partial(self._told_of, model, is_there)))

    def _told_of(self, model: RemoteSegmenter, is_there: bool) -> None:
        """Take note that a connection is lost, or back."""
        if model is not self.model or model.is_given_up:
            return
        self.lost = "" if is_there else model.address
        if is_there:
            self._signals.message.emit(
                Message("Connected to {address} again.", address=model.address)
            )
        self._signals.changed.emit()

    def look_after(self) -> None:
        """Have a connection that broke while nobody asked anything noticed, and made again."""
        model = self.model
        if not isinstance(model, RemoteSegmenter) or self.is_loading or self.lost:
            return

        def work(_: ShouldStop) -> None:
            if model is self.model:
                model.check()

        if not model.is_connected:
            self._worker.submit(work, lambda _: None, key=model, idle=True)

    def follow(self, model: Segmenter | None) -> None:
        """Use an earlier model again, as undo asks; the memory of the other one is released.

        Nothing happens while another model is loading: that one will be in use.
        """
        # kept in a name of its own: the thread releases it after the new one is in use
        old = self.model
        if model is None or model is old or self.is_loading:
            return
        # by identity: the choice that brought this very model
        choice = self._choices.get(id(model))
        if choice is None:
            who = identity_of(model)
            choice = Choice(who.name, who.device, who.precision)
        self.adopt(model, choice)
        self._release_soon(old)

    def drop(self) -> None:
        """Go on without a model; its memory is released by the thread, which may still use it."""
        old, self.model = self.model, None
        if old is not None:
            self._release_soon(old)

    def fetch(self, key: str) -> None:
        """Fetch weights, then load the model that is chosen."""
        signals, post = self._signals, self._post

        def progress(done: int, total: int) -> None:
            post(partial(signals.progressed.emit, done, total, "bytes"))

        self._signals.message.emit(Message("Fetching weights {key!r} …", key=key))
        self._fetching = self._worker.submit(partial(_fetch, key, progress), self._fetched)
        self._signals.changed.emit()

    def cancel(self) -> None:
        """Stop fetching or connecting; instead of waiting for a lost machine, use this one.

        Of what is fetched nothing is left behind. What waited for the machine is asked again here.
        """
        if self._fetching is not None:
            self._fetching.cancel()
        if self.is_connecting and self._loading is not None:
            self._loading.cancel()
        elif self.lost:
            self._come_back()

    def stop(self) -> None:
        """Wait for no machine any more; the thread is about to end."""
        self._leave_waiting()
        if isinstance(self.model, RemoteSegmenter):
            self.model.give_up()

    def _leave_waiting(self) -> None:
        """End what waits in the thread for another machine: it would hold up all else."""
        if self._loading is not None:
            self._loading.cancel()
        if self.lost and isinstance(self.model, RemoteSegmenter):
            self.model.give_up()
            self.lost = ""

    def _come_back(self) -> None:
        """Load the same model on this machine, or one that always runs here."""
        name = self.choice.name
        is_here = find_model(name).is_installed and has_weights(name)
        self.choose(Choice(name if is_here else DEFAULT_MODEL, "cpu"))

    def release(self) -> None:
        """Release the model's memory; called after the thread has ended."""
        model, self.model = self.model, None
        _call(model, "release")

    def _release_soon(self, model: Segmenter | None) -> None:
        self._worker.submit(lambda _: _call(model, "release"), lambda _: None)

    def _loaded(self, choice: Choice, outcome: Outcome[Segmenter | None]) -> None:
        # another was chosen meanwhile
        if choice.is_remote and choice is not self._wanted:
            self._release_soon(outcome.value)
            return
        self.is_loading = False
        if choice.is_remote and outcome.value is None:
            self._not_connected(choice, outcome.error)
        elif outcome.error is not None:
            self._signals.failed.emit(told(outcome.error))
        elif outcome.value is not None:
            self._use(choice, outcome.value)
            self._on_model(outcome.value)
            note = memory_note(outcome.value)
            known = available_models().get(choice.name) if choice.weights is None else None
            # a list in the window calls it by its title
            name = choice.name if known is None else known.title
            ready = Message("{name} is ready.", name=name)
            if choice.is_remote:
                ready = Message(
                    "{name} is ready at {address}.", name=choice.name, address=choice.device
                )
            self._signals.message.emit(joined([ready, sentence(note)]) if note else ready)
        self._signals.changed.emit()

    def _not_connected(self, choice: Choice, error: Exception | None) -> None:
        """Go on with the model that was in use before, and say why."""
        model = self.model
        if model is None or getattr(model, "is_given_up", False):
            self._come_back()
        else:
            self.choice = self._choices.get(id(model), replace(choice, device="cpu"))
        if error is None or isinstance(error, RemoteCancelledError):
            text = Message("Connecting was cancelled; {name} answers.", name=self.choice.name)
            self._signals.message.emit(text)
        elif isinstance(error, RemoteError):
            self._signals.failed.emit(told(error))
        else:
            # of the model there, in words that would be taken for those of this machine
            text = Message("At {address}: {error}", address=choice.device, error=told(error))
            self._signals.failed.emit(text)

    def _fetched(self, outcome: Outcome[bool]) -> None:
        self._fetching = None
        self._signals.progressed.emit(0, 0, "")
        if outcome.error is not None:
            self._signals.failed.emit(told(outcome.error))
        elif outcome.value:
            # the file that was picked is not the one that was fetched
            self.choose(replace(self.choice, weights=None))
        else:
            self._signals.message.emit(Message("Fetching was cancelled; nothing is left behind."))
        self._signals.changed.emit()


def _fetch(key: str, progress: Callable[[int, int], None], should_stop: ShouldStop) -> bool:
    """Return whether the weights arrived; False if it was cancelled."""
    from napari_intseg.models.weights.locate import fetch

    return fetch(key, on_progress=progress, should_stop=should_stop) is not None


REACH = (0, 1, -1, 2, -2)
"""Which planes, counted from the one in view, in this order."""

REST_MS = 300
"""So long a plane must be in view: those that are scrolled past are not prepared."""

_log = logging.getLogger(__name__)


class Prefetch:
    """Prepares, in the idle inference thread, what the next click will need.

    Only for models whose preparation is the slow part (`Traits.embeds`), only near the plane in
    view, and one plane at a time: a click that comes meanwhile waits for one plane at most.

    Parameters
    ----------
    tools : Tools
        The viewer, the inference thread and the signals.
    loader : Loader
        Which model.
    current : callable
        Returns the work on the chosen image; None before there is any.
    is_busy : callable
        Whether a propagation needs the thread.
    """

    def __init__(
        self,
        tools: Tools,
        loader: Loader,
        *,
        current: Callable[[], ImageController | None],
        is_busy: Callable[[], bool],
    ) -> None:
        self._tools, self._post, self._loader = tools, tools.post, loader
        self._current, self._is_busy = current, is_busy
        self._tried: set[tuple[int, Plane]] = set()
        self._near: DisplayedSlice | None = None
        self._looks = 0
        self._job: Job[bool] | None = None
        self._is_held = self._closed = False
        # when the folder of embeddings had been cleared, as of the first plane since `go_on`
        self._cleared_ns: int | None = None
        dims = tools.viewer.dims.events
        dims.point.connect(self._go_to)
        dims.order.connect(self._go_to)
        tools.signals.follow(self._look_soon, edits=False)

    def close(self) -> None:
        """Prepare nothing any more."""
        self._closed = True
        dims = self._tools.viewer.dims.events
        dims.point.disconnect(self._go_to)
        dims.order.disconnect(self._go_to)
        self._tools.signals.leave(self._look_soon)
        listen(self._tools.signals.given, self.go_on, False)

    def hold(self) -> None:
        """Prepare nothing until a prompt is given, or another plane, image or model is chosen.

        So what a person clears stays clear until something new is asked for.
        """
        self._is_held, self._near = True, None
        listen(self._tools.signals.given, self.go_on, True)
        if self._job is not None:
            self._job.cancel()

    def go_on(self) -> None:
        """Prepare planes again: something new was asked for."""
        self._is_held, self._cleared_ns = False, None
        listen(self._tools.signals.given, self.go_on, False)

    def _go_to(self, _event: Any = None) -> None:
        self.go_on()
        self._look_soon()

    def _look_soon(self, _event: Any = None) -> None:
        model = self._loader.model
        if self._closed:
            return
        embeds = model is not None and model.traits.embeds
        # answers to clicks leave the thread free, which concerns such models alone
        self._tools.signals.follow(self._look_soon, edits=embeds)
        if embeds:
            self._looks += 1
            self._post(partial(self._look, self._looks), REST_MS)

    def _look(self, number: int) -> None:
        if number == self._looks and self._job is None and not self._closed:
            self._prepare_next()

    def _prepare_next(self) -> None:
        ahead = None if self._is_held else self._next()
        if ahead is None:
            return

        files = self._tools.embedding_folder.files

        def work(should_stop: ShouldStop) -> bool:
            """Return whether another window has cleared the folder since something was asked."""
            cleared = 0 if files is None else files.cleared_ns()
            if self._cleared_ns is None:
                self._cleared_ns = cleared
            if not should_stop() and cleared == self._cleared_ns:
                prepare(ahead)
            return cleared != self._cleared_ns

        self._job = self._tools.worker.submit(work, self._done, idle=True)

    def _done(self, outcome: Outcome[bool]) -> None:
        self._job = None
        if outcome.value:
            self.hold()
        # a click there will tell, if it fails again
        if outcome.error is not None:
            _log.info("a plane could not be prepared ahead: %s", outcome.error)
        if not self._closed:
            self._prepare_next()

    def _next(self) -> PrepareRequest | None:
        """Return the next plane to prepare; None if there is none, or others need the thread."""
        image_controller = self._current()
        if (
            image_controller is None
            or image_controller.is_closed
            or self._is_busy()
            or image_controller.is_waiting
        ):
            return None
        now = image_controller.displayed_slice
        if isinstance(now, str):
            return None
        # planes are tried once for each place: a plane that fails would be tried for ever
        if now != self._near:
            self._near, self._tried = now, set()
        image_controller.session_store.set_window()
        session = image_controller.session_store.session(now.time)
        if session is None:
            return None
        # the plane in view first, then its neighbours in turn
        for step in REACH if session.volume.ndim == 3 else REACH[:1]:
            plane = Plane(now.plane.axis, now.plane.index + step)
            ahead = to_prepare(session.setup, plane, session.cache)
            if ahead is not None and (id(ahead.setup), plane) not in self._tried:
                self._tried.add((id(ahead.setup), plane))
                return ahead
        return None
