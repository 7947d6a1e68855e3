"""How long a click holds the GUI thread: a timer in a real window, on large data.

Run it on a display, or with ``xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/gui.py``.

A timer ticks every millisecond. The longest time between two ticks is what a person could feel;
the longest processor time that the GUI thread used between two ticks is the same on a machine
that has nothing else to do, and tells more on one that has. "napari alone" stands beside it: the
same points in a plain Points layer, and as many pixels written to plain labels, with no widget.
Drawing is included in both; a virtual screen draws without a graphics card.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_intseg.ui.loading import Choice

LIMIT_REQUEST_MS, LIMIT_HELD_MS = 5.0, 30.0
SHAPES = ((2048, 2048), (300, 512, 512))
SPOTS = ((0.3, 0.3), (0.7, 0.6), (0.25, 0.75))


class Heart:
    """Notes wall and processor time of the GUI thread between the ticks of a timer."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin to beat."""
        self.wall_ms, self.cpu_ms = 0.0, 0.0
        self._last = time.perf_counter(), time.thread_time()
        self._timer.start()

    def stop(self) -> tuple[float, float]:
        """Return the longest wall and processor times between two ticks, in ms."""
        self._timer.stop()
        return self.wall_ms, self.cpu_ms

    def _tick(self) -> None:
        now = time.perf_counter(), time.thread_time()
        self.wall_ms = max(self.wall_ms, 1000 * (now[0] - self._last[0]))
        self.cpu_ms = max(self.cpu_ms, 1000 * (now[1] - self._last[1]))
        self._last = now


@dataclass
class Times:
    """What some clicks cost, in ms."""

    request: list[float] = field(default_factory=list)
    click_cpu: list[float] = field(default_factory=list)
    held_wall: list[float] = field(default_factory=list)
    held_cpu: list[float] = field(default_factory=list)
    pixels: int = 0

    def summary(self) -> dict[str, float]:
        """Return median and longest of each."""
        out = {}
        for name, values in vars(self).items():
            if isinstance(values, list) and values:
                out[f"{name} median"] = round(float(np.median(values)), 2)
                out[f"{name} longest"] = round(max(values), 2)
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
    out = []
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
        start = time.thread_time()
        click(place)
        times.click_cpu.append(1000 * (time.thread_time() - start))
        run_until(idle)
        pause(0.2)
        wall, cpu = heart.stop()
        times.held_wall.append(wall)
        times.held_cpu.append(cpu)
    return times


def with_widget(viewer: Any, bench: Any, shape: tuple[int, ...], clicks: int) -> Times:
    """Return what clicks cost with the widget: request, answer, pixels, drawing."""
    bench.choose_image(viewer.add_image(data(shape), name="large"))
    bench.new_object()
    if len(shape) == 3:
        viewer.dims.set_point(0, shape[0] // 2)
    binder, request = bench.binder, []
    submit = bench.worker.submit
    added: list[float] = []

    def noted(*args: Any, **options: Any) -> Any:
        if added:
            request.append(1000 * (time.thread_time() - added.pop()))
        return submit(*args, **options)

    def start(event: Any) -> None:
        # what comes before this event is napari's: it adds the point to its arrays
        if event.action == "added":
            added[:] = [time.thread_time()]

    bench.worker.submit = noted
    binder.points.events.data.connect(start, position="first")

    def idle() -> bool:
        return bool(bench.worker.is_idle and binder.is_idle)

    places = positions(shape, clicks + 1)
    binder.points.add(places[0])  # the first answer loads code
    run_until(idle)
    request.clear()
    times = measure(Heart(), binder.points.add, idle, places[1:])
    times.request = list(request)
    times.pixels = int(np.count_nonzero(binder.labels.data))
    bench.worker.submit = submit
    viewer.layers.clear()
    return times


def alone(viewer: Any, shape: tuple[int, ...], clicks: int, pixels: int) -> Times:
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

    times = measure(Heart(), click, lambda: True, positions(shape, clicks))
    times.pixels = pixels
    viewer.layers.clear()
    return times


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="random-walker")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--clicks", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1500, 930)
    _, widget = viewer.window.add_plugin_dock_widget("napari-intseg")
    loader = widget.bench.loader
    loader.choose(Choice(args.model, weights=args.weights))
    run_until(lambda: not loader.is_loading and loader.model is not None)
    results = {}
    for shape in SHAPES:
        ours = with_widget(viewer, widget.bench, shape, args.clicks)
        plain = alone(viewer, shape, args.clicks, ours.pixels)
        results[str(shape)] = {"with the widget": ours.summary(), "napari alone": plain.summary()}
    viewer.close()
    if args.json:
        print(json.dumps(results))
        return
    for name, columns in results.items():
        print(f"{name}: {columns['with the widget']['pixels']} pixels labelled")
        print(f"  {'ms':24s} {'with the widget':>16s} {'napari alone':>14s}")
        for what in columns["with the widget"]:
            if what != "pixels":
                plain = columns["napari alone"].get(what, "")
                print(f"  {what:24s} {columns['with the widget'][what]:16} {plain:14}")
    print(f"limits: request {LIMIT_REQUEST_MS:g} ms, held {LIMIT_HELD_MS:g} ms")


if __name__ == "__main__":
    main()
