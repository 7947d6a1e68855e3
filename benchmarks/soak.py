"""Random actions for a long time in a real window: nothing raised, leaked or lost.

Run it on a display, or with ``xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/soak.py``.

Clicks, moves, strokes, undo, redo, planes, axes, models, windows, propagation, renamed and removed
layers, objects that are found and removed, and a viewer that is closed and opened again, in a
random order that a seed fixes. So are layers hidden, moved in the list, duplicated, deleted, scaled
and given other data, axes transposed, points replaced at once, the theme changed, layers of other
plugins opened, the dock closed and opened, and second widgets and viewers used. At each closing the
journal is replayed and must give the labels that were on the screen. ``--rush`` adds clicks at 20 a
second on a slow model. The model is a toy that looks at brightness: what is tested is everything
round it.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_intseg.session.journal.file import FOLDER_VARIABLE
from soak_memory import growth_kb, memory
from soak_window import (
    ACTIONS,
    MODELS,
    ON_LAYERS,
    SHAPE,
    WINDOW_PX,
    A,
    Report,
    Soak,
    drop_drawing,
    volume,
)

EVERY = 1000  # actions between two looks at memory


class Loop:
    """Does one thing a turn of Qt's event loop, which also deletes what napari left for later."""

    def __init__(self, step: Callable[[], bool]) -> None:
        self.step = step
        self.timer = QTimer()
        self.timer.timeout.connect(self.tick)
        self.loop = QEventLoop()

    def run(self) -> None:
        """Go on until a step returns False."""
        app = QApplication.instance()
        app.setQuitOnLastWindowClosed(False)  # a viewer is closed, another opened
        self.timer.start(0)
        self.loop.exec()
        app.setQuitOnLastWindowClosed(True)

    def tick(self) -> None:
        """Take a step; the timer waits meanwhile, since a step lets the window live."""
        self.timer.stop()
        if self.step():
            self.timer.start(0)
        else:
            self.loop.quit()


@dataclass
class Soaking:
    """Random actions, looked at now and then."""

    run: Soak
    actions: int
    every: int
    minutes: float
    loud: bool
    start: float = field(default_factory=time.monotonic)

    def step(self) -> bool:
        """Do one action; return whether there shall be another."""
        report = self.run.report
        try:
            self.run.act()
        except Exception as err:
            report.errors.append(
                f"{type(err).__name__}: {err} (action {report.actions}) in {_places(err)}"
            )
        if report.actions % self.every == 0:
            self.look()
        return report.actions < self.actions and self.seconds < 60 * self.minutes

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.start

    def look(self) -> None:
        """Note how much memory is taken when everything is at rest."""
        if not self.run.settle():
            return
        dropped, report = drop_drawing(), self.run.report
        report.memory.append((report.actions, memory()))
        if self.loud:
            print(
                f"{report.actions} actions: {report.memory[-1][1]}; "
                f"{dropped} drawing commands, {self.seconds:.0f} s, "
                f"{time.process_time():.0f} s of processor, {report.replays} replays, "
                f"different: {report.differences}, errors: {report.errors}",
                flush=True,
            )


def _places(err: BaseException) -> str:
    """Return where it was raised, the innermost function first."""
    return " < ".join(
        f"{f.name} ({Path(f.filename).name}:{f.lineno})"
        for f in traceback.extract_tb(err.__traceback__)[:-9:-1]
    )


def soak(
    actions: int,
    seed: int = 0,
    every: int = EVERY,
    *,
    minutes: float = np.inf,
    keep: Path | None = None,
    loud: bool = False,
) -> Report:
    """Act for so many times, or so long; return what came of it."""
    report = Report()

    def caught(kind: Any, value: Any, _trace: Any) -> None:
        report.errors.append(f"{kind.__name__}: {value} in {_places(value)}")

    before, sys.excepthook = sys.excepthook, caught
    soaking = Soaking(Soak(seed, report, keep), actions, every, minutes, loud)
    try:
        Loop(soaking.step).run()
        soaking.run.close()
        report.leaked = soaking.run.leaks()
    finally:
        sys.excepthook = before
    report.growth_kb = growth_kb(report.memory)
    report.seconds = soaking.seconds
    return report


@dataclass
class Rush:
    """What came of many clicks on a slow model."""

    clicks: int = 0
    held: int = 0
    stall_ms: float = 0.0
    is_last: bool = False


def rush(seconds: float, delay_s: float = 0.3, per_second: int = 20) -> Rush:
    """Click faster than a model answers; return what was lost and how long the window stood.

    There are ``seconds * per_second`` clicks; a busy machine takes longer for them.
    """
    MODELS[A].delay_s = delay_s
    run, out, last = Soak(0, Report()), Rush(), [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        out.stall_ms = max(out.stall_ms, 1000 * (now - last[0]))
        last[0] = now

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(1)
    image_controller, start = run.image_controller, time.monotonic()
    while out.clicks < seconds * per_second:
        if out.clicks < (time.monotonic() - start) * per_second:
            at = (6.0, *(float(run.rng.integers(n)) for n in SHAPE[1:]))
            image_controller.points.add(at)
            out.clicks += 1
        QApplication.processEvents()
    timer.stop()
    MODELS[A].delay_s = 0.0
    run.settle()
    session = image_controller.session_store.sessions[0]
    out.held = len(session.clicks)
    plane = session.clicks[-1].plane
    shown = session.document.state(session.object, plane).shown
    asked = shown.question.prompts.clicks if shown is not None and shown.question else ()
    out.is_last = bool(asked) and asked[-1] == session.clicks[-1].click
    run.close()
    return out


def viewers(count: int, with_widget: bool) -> float:
    """Return by how many MB memory grows a viewer that is opened, used a little and closed.

    Without the widget it is napari alone, with the same three layers.
    """
    taken = []
    for number in range(count):
        if with_widget:
            run = Soak(1, Report())
            run.image_controller.points.add((3, 10, 10))
            run.close()
        else:
            viewer = napari.Viewer(show=True)
            viewer.window.resize(*WINDOW_PX)
            viewer.window._qt_viewer.canvas.native.hide()
            viewer.add_image(volume(1))
            viewer.add_labels(np.zeros(SHAPE, np.int32))
            viewer.add_points(np.zeros((0, 3)), ndim=3).add((3, 10, 10))
            QApplication.processEvents()
            viewer.close()
            del viewer
        for _ in range(5):
            QApplication.processEvents()
            gc.collect()
        drop_drawing()
        taken.append((number, memory()))
    return growth_kb(taken[count // 3 :]) / 1000


def main() -> None:
    """Soak, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=np.inf, help="end after so long")
    parser.add_argument("--rush", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--keep", type=Path, help="folder for journals of what differed")
    parser.add_argument("--one-viewer", action="store_true", help="never close it, remove no layer")
    parser.add_argument("--layers", type=float, default=1, help="so much more done to layers")
    parser.add_argument("--viewers", type=int, default=0, help="open and close so many of each")
    args = parser.parse_args()
    ACTIONS.update({name: args.layers * ACTIONS[name] for name in ON_LAYERS})
    if args.one_viewer:
        ACTIONS.update(remove=0, reopen=0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER_VARIABLE] = str(Path(folder) / "journals")
        if args.actions:
            report = soak(args.actions, args.seed, minutes=args.minutes, keep=args.keep, loud=True)
            print(json.dumps(asdict(report), indent=1))
        if args.viewers:
            for name, with_widget in (("napari alone", False), ("with the widget", True)):
                grown = viewers(args.viewers, with_widget)
                print(f"{name}: {grown:.1f} MB more a viewer that was opened and closed")
        if args.rush:
            print(json.dumps(vars(rush(args.rush))))


if __name__ == "__main__":
    main()
