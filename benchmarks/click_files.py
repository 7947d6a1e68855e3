"""Count the files and functions of the package that one click passes, without a window and in one.

    python benchmarks/click_files.py               # both; needs a display, or xvfb-run -a
    python benchmarks/click_files.py --hidden      # with a window that is made but not shown
    python benchmarks/click_files.py --headless    # without napari

Only the second click is traced: by then the model is loaded and the session exists. In the window
all threads are traced from the moment the point is added until nothing waits any more, and for
half a second after: what is put off counts as well, and so does what Qt calls to draw and lay out.
"""

import argparse
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from napari_intseg import Session, Volume, load_model
from napari_intseg.ui.controllers.model_loader import Choice

PACKAGE = "/napari_intseg/"
FIRST, SECOND = (4, 30, 30), (4, 35, 22)

# longer than anything that waits for a click to be over: a picture of what the model sees is made
# after 250 ms, planes are prepared ahead after 300
REST_S = 0.5


class Trace:
    """Notes each function of the package that is called while it is on, in any thread.

    Attributes
    ----------
    calls : Counter
        How often each (file, function) was called.
    """

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self._is_on = False

    @contextmanager
    def on(self) -> Iterator[None]:
        """Note calls inside of the `with` block, in the threads that are watched."""
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    @contextmanager
    def on_in_this_thread(self) -> Iterator[None]:
        """Watch this thread inside of the `with` block."""
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)

    def watch_new_threads(self) -> None:
        """Watch threads that start from now on."""
        threading.setprofile(self._note)

    @property
    def files(self) -> list[str]:
        """The files passed, sorted."""
        return sorted({file for file, _ in self.calls})

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename.replace("\\", "/")
        if self._is_on and event == "call" and PACKAGE in file:
            self.calls[file.rpartition(PACKAGE)[2], frame.f_code.co_qualname] += 1


def volume() -> Any:
    """Return a bright box in a noisy volume, as the structure tool clicks on."""
    data = np.zeros((8, 64, 64))
    data[2:7, 20:40, 20:40] = 150
    return data + np.random.default_rng(0).normal(0, 5, data.shape)


def headless() -> Trace:
    """Return what a click passes in a script."""
    session = Session(load_model("random-walker"), Volume(volume()))
    session.click(FIRST)
    trace = Trace()
    with trace.on(), trace.on_in_this_thread():
        session.click(SECOND)
    return trace


def in_window(*, is_shown: bool = True) -> Trace:
    """Return what a click passes from the Points layer to the Labels layer, panels included."""
    import napari
    from qtpy.QtWidgets import QApplication

    trace = Trace()
    trace.watch_new_threads()
    viewer = napari.Viewer(show=is_shown)
    _, widget = viewer.window.add_plugin_dock_widget("napari-intseg")
    _second_click(viewer, widget.controller, trace, QApplication.processEvents)
    viewer.close()
    return trace


def by_controllers() -> Trace:
    """Return the same on napari's viewer model: no Qt, so no panels that show the outcome."""
    from napari.components import ViewerModel

    from napari_intseg.ui.controllers.viewer_controller import ViewerController

    posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def turn() -> None:
        while not posted.empty():
            posted.get()()

    trace = Trace()
    trace.watch_new_threads()
    viewer = ViewerModel()
    controller = ViewerController(viewer, lambda call, _delay_ms=0, /: posted.put(call))
    _second_click(viewer, controller, trace, turn)
    controller.close()
    return trace


def _second_click(viewer: Any, controller: Any, trace: Trace, turn: Callable[[], None]) -> None:
    """Click twice and trace the second; `turn` does what the GUI thread has to do."""
    loader = controller.loader
    loader.choose(Choice("random-walker"))
    run_until(lambda: not loader.is_loading and loader.model is not None, turn)
    controller.choose_image(viewer.add_image(volume(), name="box"))
    controller.new_object()
    viewer.dims.set_point(0, FIRST[0])
    image = controller.image_controller

    def is_idle() -> bool:
        return bool(controller.worker.is_idle and image.is_idle)

    def traced_turn() -> None:
        # the question whether all is idle is ours, and no part of the click
        with trace.on_in_this_thread():
            turn()

    image.points.add(FIRST)
    run_until(is_idle, turn)
    # what is left of the first click is no part of the second
    rest(turn)
    with trace.on():
        with trace.on_in_this_thread():
            image.points.add(SECOND)
        run_until(is_idle, traced_turn)
        rest(traced_turn)
    if not np.count_nonzero(image.labels.data):
        raise RuntimeError("click without a mask: expected labelled pixels, got 0.")


def run_until(
    condition: Callable[[], bool], turn: Callable[[], None], timeout_s: float = 120.0
) -> None:
    """Take turns of the GUI thread until something is true."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no answer: expected one within {timeout_s:g} s, got none.")
        turn()
        time.sleep(0.001)


def rest(turn: Callable[[], None]) -> None:
    """Take turns of the GUI thread for `REST_S`."""
    end = time.monotonic() + REST_S
    run_until(lambda: time.monotonic() > end, turn)


def show(title: str, trace: Trace, *, functions: bool) -> None:
    """Print the counts, and the files with how many of their functions were passed."""
    passed = Counter(file for file, _ in trace.calls)
    rooms = Counter(file.split("/")[0] for file in trace.files)
    by_room = ", ".join(f"{room} {count}" for room, count in sorted(rooms.items()))
    print(f"{title}: {len(passed)} files, {len(trace.calls)} functions ({by_room})")
    for file in trace.files:
        print(f"  {passed[file]:3d}  {file}")
        if functions:
            for name in sorted(name for where, name in trace.calls if where == file):
                print(f"         {name}")


def main() -> None:
    """Print one or both lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--headless", action="store_true", help="leave the window out")
    parser.add_argument("--hidden", action="store_true", help="do not show the window")
    parser.add_argument("--functions", action="store_true", help="name each function as well")
    args = parser.parse_args()
    show("one click, no window", headless(), functions=args.functions)
    if not args.headless:
        found = in_window(is_shown=not args.hidden)
        show("one click in the window", found, functions=args.functions)
        found = by_controllers()
        show("the same without Qt's panels", found, functions=args.functions)


if __name__ == "__main__":
    main()
