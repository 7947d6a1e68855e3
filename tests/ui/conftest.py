import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.settings import get_settings
from npe2 import PluginManifest
from vispy.gloo.program import Program

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import CLICKS, Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.ui.controllers.viewer_controller import ViewerController


@pytest.fixture(scope="session", autouse=True)
def _manifests_read_once() -> Iterator[None]:
    """Read each plugin's manifest once a process.

    Every viewer looks for plugins anew; what it has found already is parsed, in pure Python, and
    dropped: a tenth of what a window costs.
    """
    read = PluginManifest._from_entrypoint
    kept: dict[Any, PluginManifest] = {}

    def once(entry_point: Any, distribution: Any = None) -> PluginManifest:
        if entry_point not in kept:
            kept[entry_point] = read(entry_point, distribution)
        return kept[entry_point]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "_from_entrypoint", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _settings_of_napari_stay() -> Iterator[None]:
    """Write nothing into the file of napari's settings: it is the user's, and all processes'.

    A window writes it nine times while it opens, a twentieth of what it costs.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(get_settings(), "_save_on_change", False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _shaders_read_once() -> Iterator[None]:
    """Look for the variables of a shader once a process.

    Each layer's are read again and again, by an expression that takes 13 ms each time: a tenth of
    what the first click in a window costs.
    """
    read = Program._parse_variables_from_code
    kept: dict[tuple[str, ...], dict[str, Any]] = {}

    def once(self: Program, update_variables: bool = True) -> None:
        code = tuple(shader.code for shader in self._shaders)
        if code not in kept:
            read(self, update_variables=False)
            kept[code] = self._code_variables
        self._code_variables = dict(kept[code])
        if update_variables:
            self._process_pending_variables()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Program, "_parse_variables_from_code", once)
        yield


@pytest.fixture(scope="module")
def viewer_of_module(qapp: Any) -> Iterator[Any]:  # noqa: ARG001
    """The viewer that tests of a module share, see `SharedViewer`; not open yet."""
    from real_window import SharedViewer

    shared = SharedViewer()
    yield shared
    shared.close()


@pytest.fixture
def shared_viewer(viewer_of_module: Any) -> Iterator[Any]:
    """A viewer in a window, without layers and docks; for tests that do not close it.

    Opening and closing one take a third of what a test in a window costs.
    """
    yield viewer_of_module.open()
    viewer_of_module.empty()


@pytest.fixture
def _no_shared_viewer(viewer_of_module: Any) -> None:
    viewer_of_module.close()


@pytest.fixture
def make_napari_viewer(_no_shared_viewer: None, make_napari_viewer: Any) -> Any:
    """napari's own, beside which no other viewer may be open."""
    return make_napari_viewer


class Toy:
    """Answers with what is as bright as the last positive click, less discs round negatives."""

    traits = Traits("toy", prompts=CLICKS | {"mask"})

    def __init__(self) -> None:
        self.queries: list[Prompts] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Exception | None = None
        self.warmed: list[str] = []
        self.released: list[str] = []

    def prepare(self, image: FloatArray) -> Prepared:
        return Prepared(image.shape[:2], image.mean(axis=2), image.nbytes)

    def predict(self, query: Query) -> Answer:
        self.entered.set()
        assert self.gate.wait(240)
        self.threads.add(threading.current_thread().name)
        self.queries.append(query.prompts)
        if self.error is not None:
            raise self.error
        grey = query.prepared.payload
        rows, cols = np.indices(grey.shape)
        inside = np.zeros(grey.shape, bool)
        for click in query.prompts.clicks:
            if click.positive:
                at = grey[
                    int(np.clip(round(click.row), 0, grey.shape[0] - 1)),
                    int(np.clip(round(click.col), 0, grey.shape[1] - 1)),
                ]
                inside |= np.abs(grey - at) < 0.2
        if not query.prompts.has_positive and query.prev_logits is not None:
            inside = query.prev_logits > 0
        for click in query.prompts.clicks:
            if not click.positive:
                inside &= np.hypot(rows - click.row, cols - click.col) > 4
        return Answer(np.where(inside, 8, -8).astype(np.float32))

    def warm_up(self) -> None:
        self.warmed.append(threading.current_thread().name)

    def release(self) -> None:
        self.released.append(threading.current_thread().name)


class Pump:
    """Stands for the event loop: what is posted is called when a test says so."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue()

    def post(self, call: Callable[[], None], _delay_ms: int = 0, /) -> None:
        self._calls.put(call)

    def until(self, condition: Callable[[], bool], timeout_s: float = 240.0) -> None:
        """Call what is posted until something is true."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            try:
                self._calls.get(timeout=0.02)()
            except queue.Empty:
                continue

    def drain(self) -> None:
        """Call what has been posted so far."""
        while not self._calls.empty():
            self._calls.get()()


class Said:
    """Everything a voice has said."""

    def __init__(self, controller: ViewerController) -> None:
        self.messages: list[str] = []
        self.failures: list[str] = []
        self.answers: list[tuple[str, float]] = []
        controller.signals.message.connect(self.messages.append)
        controller.signals.failed.connect(self.failures.append)
        controller.signals.lost.connect(self.failures.append)
        controller.signals.answered.connect(self._answered)

    def _answered(self, where: str, seconds: float) -> None:
        self.answers.append((where, seconds))


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def controller(toy: Toy, pump: Pump) -> Iterator[ViewerController]:
    """A viewer controller without Qt whose model is the toy, already loaded."""
    made = ViewerController(ViewerModel(), pump.post, load_with=lambda _choice, _old, _stop: toy)
    made.loader.choose(made.loader.choice)
    pump.until(lambda: made.loader.model is toy)
    yield made
    toy.gate.set()
    made.close()
    assert "napari-intseg inference" not in {t.name for t in threading.enumerate()}


@pytest.fixture
def said(controller: ViewerController) -> Said:
    return Said(controller)


@pytest.fixture
def settle(controller: ViewerController, pump: Pump) -> Callable[[], None]:
    """Wait until every click is answered and in the layer."""

    def wait() -> None:
        pump.until(
            lambda: (
                controller.worker.is_idle
                and controller.image_controller is not None
                and controller.image_controller.is_idle
            )
        )

    return wait


@pytest.fixture
def closing_bar(
    controller: ViewerController, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], list[Any]]:
    """Have napari's bar of a module close the window when it is "made" or "moved on".

    napari lets the window live while it draws a bar. Returns the bars that are made.
    """
    bars: list[Any] = []

    def put(module: str, when: str) -> list[Any]:
        class Bar:
            n, is_canceled = 0, False

            def __init__(self, **_given: object) -> None:
                self.is_open = True
                bars.append(self)
                if when == "made":
                    controller.close()

            def update(self, _by: int) -> None:
                controller.close()

            def close(self) -> None:
                self.is_open = False

        monkeypatch.setattr(f"napari_intseg.ui.{module}.cancelable_progress", Bar)
        return bars

    return put


@pytest.fixture
def squares() -> np.ndarray:
    """A dark slice with two bright squares, uint8 (60, 80)."""
    image = np.zeros((60, 80), np.uint8)
    image[10:30, 10:30] = 200
    image[35:55, 45:70] = 100
    return image


@pytest.fixture
def boxes() -> np.ndarray:
    """A dark volume with a bright box and a grey one, uint8 (12, 40, 50)."""
    volume = np.zeros((12, 40, 50), np.uint8)
    volume[3:9, 8:20, 10:25] = 200
    volume[2:10, 25:36, 30:45] = 100
    return volume
