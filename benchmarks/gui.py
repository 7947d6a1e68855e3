"""How long a click holds the GUI thread: a timer in a real window, on large data.

Run it on a display, or with ``xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/gui.py``.
A timer ticks every millisecond; the longest time between two ticks is what a person would feel.
Beside it stand the same clicks with the widget closed, so that napari's own share is known.
"""

import argparse
import json
import time

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

LIMIT_REQUEST_MS, LIMIT_HELD_MS = 5.0, 30.0


class Heart:
    """Notes the time between the ticks of a timer."""

    def __init__(self) -> None:
        self.gaps_ms: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self.gaps_ms = []
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> float:
        self._timer.stop()
        return max(self.gaps_ms, default=0.0)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps_ms.append(1000 * (now - self._last))
        self._last = now


def run_until(condition, timeout_s: float = 120.0) -> None:
    app = QApplication.instance()
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        app.processEvents()
        time.sleep(0.0005)


def pause(seconds: float) -> None:
    end = time.monotonic() + seconds
    run_until(lambda: time.monotonic() > end)


def data(shape: tuple[int, ...]) -> np.ndarray:
    """Discs of several sizes on a noisy ground, uint8."""
    rng = np.random.default_rng(0)
    image = rng.integers(20, 60, shape[-2:]).astype(np.uint8)
    rows, cols = np.indices(shape[-2:])
    size = shape[-1]
    for row, col, radius in ((0.3, 0.3, 0.18), (0.7, 0.6, 0.1), (0.25, 0.75, 0.05)):
        image[np.hypot(rows - row * size, cols - col * size) < radius * size] += 120
    return image if len(shape) == 2 else np.broadcast_to(image, shape).copy()


def positions(shape: tuple[int, ...], clicks: int) -> list[tuple[float, ...]]:
    size, rng = shape[-1], np.random.default_rng(1)
    spots = ((0.3, 0.3), (0.7, 0.6), (0.25, 0.75))
    out = []
    for i in range(clicks):
        row, col = spots[i % 3]
        at = ((row + rng.normal() * 0.01) * size, (col + rng.normal() * 0.01) * size)
        out.append(at if len(shape) == 2 else (shape[0] // 2, *at))
    return out


def measure(viewer, heart: Heart, add, idle, places) -> dict[str, float]:
    """Return what clicks cost the GUI thread, in ms."""
    left, held = [], []
    for at in places:
        pause(0.15)
        heart.start()
        pause(0.02)
        start = time.perf_counter()
        add(at)
        left.append(1000 * (time.perf_counter() - start))
        run_until(idle)
        pause(0.15)
        held.append(heart.stop())
    return {
        "in the click, median": float(np.median(left)),
        "in the click, longest": max(left),
        "GUI held, median": float(np.median(held)),
        "GUI held, longest": max(held),
    }


def bench_on(viewer, widget, shape: tuple[int, ...], clicks: int) -> dict[str, dict[str, float]]:
    heart, bench = Heart(), widget.bench
    image = viewer.add_image(data(shape), name=f"{shape}")
    pause(0.5)
    bench.choose_image(image)
    bench.new_object()
    if len(shape) == 3:
        viewer.dims.set_point(0, shape[0] // 2)
    binder = bench.binder
    pause(0.5)
    places = positions(shape, clicks)

    leaving: list[float] = []
    submit = bench.worker.submit

    def timed(work, done, **options):
        leaving.append(time.perf_counter())
        return submit(work, done, **options)

    bench.worker.submit = timed

    def add(at) -> None:
        leaving.clear()
        add.start = time.perf_counter()
        binder.points.add(at)
        if leaving:
            requests.append(1000 * (leaving[0] - add.start))

    requests: list[float] = []
    idle = lambda: bench.worker.is_idle and binder.is_idle  # noqa: E731
    add(places[0])
    run_until(idle)  # the first answer loads code
    requests.clear()
    ours = measure(viewer, heart, add, idle, places[1:])
    ours["click to request, longest"] = max(requests, default=0.0)
    ours["pixels"] = float(np.count_nonzero(binder.labels.data))

    bench.worker.submit = submit
    points = viewer.add_points(np.zeros((0, len(shape))), name="plain")
    pause(0.3)
    plain = measure(viewer, heart, points.add, lambda: True, places)
    viewer.layers.clear()
    pause(0.3)
    return {"with the widget": ours, "napari alone": plain}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="random-walker")
    parser.add_argument("--weights", default=None)
    parser.add_argument("--clicks", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1500, 950)
    _, widget = viewer.window.add_plugin_dock_widget("napari-intseg")
    from pathlib import Path

    from napari_intseg.ui.loading import Choice

    weights = None if args.weights is None else Path(args.weights)
    widget.bench.loader.choose(Choice(args.model, weights=weights))
    run_until(lambda: not widget.bench.loader.is_loading)
    results = {}
    for shape in ((2048, 2048), (300, 512, 512)):
        results[str(shape)] = bench_on(viewer, widget, shape, args.clicks)
    viewer.close()
    if args.json:
        print(json.dumps(results))
        return
    for shape, columns in results.items():
        print(shape)
        for name, values in columns.items():
            print(f"  {name}")
            for what, value in values.items():
                print(f"    {what:28s} {value:10.1f}{'' if what == 'pixels' else ' ms'}")
    print(f"limits: click to request {LIMIT_REQUEST_MS} ms, GUI held {LIMIT_HELD_MS} ms")


if __name__ == "__main__":
    main()
