"""How long a click holds the GUI thread, and whose time that is: a timer in a real window.

Run it on a display, or with ``xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/gui.py``.

A timer ticks every millisecond. What lies between two ticks is a turn of the event loop: the
longest is what a person could feel. Of each turn it is told how much of it is ours: time inside
the widget's own functions, less what they call in napari (writing labels, refreshing a layer,
the looks of points). The rest is napari, Qt and OpenGL: adding the point, painting, panels.

"napari alone" stands beside it: the same points in a plain Points layer, and as many pixels
written to plain labels, while the widget rests. A virtual screen draws without a graphics card.
Wall time counts whatever else the machine does; processor time is that of the GUI thread alone.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Labels, Points
from numpy.typing import NDArray
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.layers.labels_layer import LabelsListener
from napari_intseg.ui.layers.points_listener import PointsListener
from napari_intseg.ui.qt.worker_thread import GuiThread

Time = NDArray[np.float64]
"""Wall and processor time, in ms."""

LIMIT_REQUEST_MS, LIMIT_HELD_MS = 5.0, 30.0
SHAPES = ((2048, 2048), (300, 512, 512))
SPOTS = ((0.3, 0.3), (0.7, 0.6), (0.25, 0.75))


OURS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (GuiThread, ("_call",)),
    (PointsListener, ("_data_changed", "_features_changed", "_tidy")),
    (ImageController, ("go",)),
    (LabelsListener, ("_painted",)),
)
"""Where the window calls us after a click."""

THEIRS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (Labels, ("data_setitem", "refresh")),
    (Points, ("refresh", "add", "remove")),
)
"""What of napari we call in turn."""


def now() -> Time:
    """Return wall and processor time of this thread, in ms."""
    return np.array([time.perf_counter(), time.thread_time()]) * 1000


class Shares:
    """Splits the time of the GUI thread between us and everything else."""

    def __init__(self) -> None:
        self._owners, self._since = [False], now()
        self._ours = np.zeros(2)
        for is_ours, places in ((True, OURS), (False, THEIRS)):
            for kind, names in places:
                for name in names:
                    self._watch(kind, name, is_ours)

    def take(self) -> Time:
        """Return wall and processor time that was ours since the last call, in ms."""
        self._note()
        ours, self._ours = self._ours, np.zeros(2)
        return ours

    def _watch(self, kind: type, name: str, is_ours: bool) -> None:
        plain = getattr(kind, name)

        @wraps(plain)
        def watched(*args: Any, **options: Any) -> Any:
            self._note()
            self._owners.append(is_ours)
            try:
                return plain(*args, **options)
            finally:
                self._note()
                self._owners.pop()

        setattr(kind, name, watched)

    def _note(self) -> None:
        at = now()
        if self._owners[-1]:
            self._ours += at - self._since
        self._since = at


class Heart:
    """Notes the turns of the GUI thread's event loop between the ticks of a timer."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin to beat."""
        self.turns: list[tuple[Time, Time]] = []
        self._shares.take()
        self._last = now()
        self._timer.start()

    def stop(self) -> list[tuple[Time, Time]]:
        """Return all turns: wall and processor time, and how much of them is ours, in ms."""
        self._timer.stop()
        return self.turns

    def _tick(self) -> None:
        at = now()
        self.turns.append((at - self._last, self._shares.take()))
        self._last = at


@dataclass
class Times:
    """What some clicks cost, in ms."""

    request: list[float] = field(default_factory=list)
    turns: list[list[tuple[Time, Time]]] = field(default_factory=list)
    pixels: int = 0

    def summary(self) -> dict[str, float]:
        """Return the longest turn of a click, median and longest of all clicks."""
        out: dict[str, float] = {}
        found: dict[str, list[float]] = {"request cpu": self.request} if self.request else {}
        for i, kind in enumerate(("wall", "cpu")):
            longest = [max(turns, key=lambda turn: turn[0][i]) for turns in self.turns]
            found[f"longest turn {kind}"] = [float(turn[0][i]) for turn in longest]
            found[f"  of it ours {kind}"] = [float(turn[1][i]) for turn in longest]
            found[f"  the rest {kind}"] = [float(turn[0][i] - turn[1][i]) for turn in longest]
            ours = [max(float(turn[1][i]) for turn in turns) for turns in self.turns]
            found[f"ours in any turn {kind}"] = ours
        for name, values in found.items():
            out[f"{name} median"] = round(float(np.median(values)), 1)
            out[f"{name} longest"] = round(max(values), 1)
        return out | {"pixels": self.pixels}


def run_until(condition: Callable[[], bool], timeout_s: float = 300.0) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.0005)


def pause(seconds: float) -> None:
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    run_until(lambda: time.monotonic() > end)


def data(shape: tuple[int, ...]) -> Any:
    """Return discs of several sizes on a noisy ground, uint8."""
    rng = np.random.default_rng(0)
    image = rng.integers(20, 60, shape[-2:]).astype(np.uint8)
    rows, cols = np.indices(shape[-2:])
    size = shape[-1]
    for (row, col), radius in zip(SPOTS, (0.18, 0.1, 0.05), strict=True):
        image[np.hypot(rows - row * size, cols - col * size) < radius * size] += 120
    return image if len(shape) == 2 else np.broadcast_to(image, shape).copy()


def positions(shape: tuple[int, ...], clicks: int) -> list[tuple[float, ...]]:
    """Return places near the middles of the discs in turn."""
    size, rng = shape[-1], np.random.default_rng(1)
    out: list[tuple[float, ...]] = []
    for i in range(clicks):
        row, col = SPOTS[i % 3]
        at = ((row + rng.normal() * 0.01) * size, (col + rng.normal() * 0.01) * size)
        out.append(at if len(shape) == 2 else (shape[0] // 2, *at))
    return out


def measure(heart: Heart, click: Callable[[Any], None], idle: Callable[[], bool], at: Any) -> Times:
    """Return what clicks at some places cost."""
    times = Times()
    for place in at:
        pause(0.2)
        heart.start()
        pause(0.02)
        click(place)
        run_until(idle)
        pause(0.2)
        times.turns.append(heart.stop())
    return times


def add_objects(image_controller: Any, count: int) -> None:
    """Begin with so many other objects, squares of 12 px in rows below the clicks."""
    now = image_controller.displayed_slice
    session, plane = image_controller.session_store.session(now.time, make=True), now.plane
    shape, first = session.volume.slice_shape(plane.axis), session.object
    for number in range(count):
        session.new_object()
        mask = np.zeros(shape, bool)
        row, col = divmod(number, (shape[1] - 20) // 16)
        mask[-16 * row - 20 : -16 * row - 8, 16 * col + 4 : 16 * col + 16] = True
        session.set_initial({plane: mask})
    session.select_object(first)
    image_controller.show_all()


def with_widget(  # noqa: PLR0917 - one measurement
    viewer: Any, controller: Any, heart: Heart, shape: tuple[int, ...], clicks: int, objects: int
) -> dict[str, Times]:
    """Return what clicks, undo and strokes cost with the widget: request, answer, drawing."""
    controller.choose_image(viewer.add_image(data(shape), name="large"))
    controller.new_object()
    if len(shape) == 3:
        viewer.dims.set_point(0, shape[0] // 2)
    image_controller, request = controller.image_controller, []
    add_objects(image_controller, objects)
    submit = controller.worker.submit
    added: list[float] = []

    def noted(*args: Any, **options: Any) -> Any:
        if added:
            request.append(1000 * (time.thread_time() - added.pop()))
        return submit(*args, **options)

    def start(event: Any) -> None:
        # what comes before this event is napari's: it adds the point to its arrays
        if event.action == "added":
            added[:] = [time.thread_time()]

    controller.worker.submit = noted
    image_controller.points.events.data.connect(start, position="first")

    def idle() -> bool:
        return bool(controller.worker.is_idle and image_controller.is_idle)

    places = positions(shape, clicks + 1)
    image_controller.points.add(places[0])  # the first answer loads code
    run_until(idle)
    request.clear()
    times = measure(heart, image_controller.points.add, idle, places[1:])
    times.request = list(request)
    times.pixels = int(np.count_nonzero(image_controller.labels.data))
    undone = measure(heart, lambda _: image_controller.go("undo"), idle, places[1:4])
    controller.worker.submit = submit
    labels = image_controller.labels

    def stroke(place: Any) -> None:
        with labels.block_history():
            labels.paint(place, labels.selected_label)

    # beside the discs, where nothing is labelled yet
    beside = [(*place[:-1], place[-1] + 0.15 * shape[-1]) for place in places[1:]]
    painted = measure(heart, stroke, idle, beside)
    viewer.layers.clear()
    return {"click": times, "undo": undone, "stroke": painted}


def alone(viewer: Any, heart: Heart, shape: tuple[int, ...], clicks: int, pixels: int) -> Times:
    """Return what the same costs in napari: a point, and as many pixels at once."""
    viewer.add_image(data(shape), name="large")
    labels = viewer.add_labels(np.zeros(shape, np.uint16))
    points = viewer.add_points(np.zeros((0, len(shape))), ndim=len(shape))
    if len(shape) == 3:
        viewer.dims.set_point(0, shape[0] // 2)
    side = int(np.sqrt(pixels / clicks))
    rows, cols = (i.ravel() for i in np.indices((side, side)))
    first = () if len(shape) == 2 else (np.full(rows.size, shape[0] // 2),)

    def click(at: Any) -> None:
        points.add(at)
        QTimer.singleShot(60, partial(labels.data_setitem, (*first, rows, cols), len(points.data)))

    click(positions(shape, 1)[0])  # as with the widget, the first click is not counted
    pause(0.3)
    times = measure(heart, click, lambda: True, positions(shape, clicks + 1)[1:])
    times.pixels = pixels
    viewer.layers.clear()
    return times


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="random-walker")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--clicks", type=int, default=6)
    parser.add_argument("--objects", type=int, default=0, help="others on the plane")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    heart = Heart(Shares())
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1500, 930)
    _, widget = viewer.window.add_plugin_dock_widget("napari-intseg")
    loader = widget.controller.loader
    loader.choose(Choice(args.model, weights=args.weights))
    run_until(lambda: not loader.is_loading and loader.model is not None)
    results = {}
    for shape in SHAPES:
        ours = with_widget(viewer, widget.controller, heart, shape, args.clicks, args.objects)
        control = alone(viewer, heart, shape, args.clicks, ours["click"].pixels)
        results[str(shape)] = {
            **{what: times.summary() for what, times in ours.items()},
            "napari alone": control.summary(),
        }
    viewer.close()
    if args.json:
        print(json.dumps(results))
        return
    for name, columns in results.items():
        print(f"{name}: {columns['click']['pixels']} pixels labelled")
        print(f"  {'ms':32s} {''.join(f'{column:>14s}' for column in columns)}")
        for what in columns["click"]:
            if what != "pixels":
                row = "".join(f"{found.get(what, ''):14}" for found in columns.values())
                print(f"  {what:32s} {row}")
    print(f"limits: request {LIMIT_REQUEST_MS:g} ms, held {LIMIT_HELD_MS:g} ms")


if __name__ == "__main__":
    main()
