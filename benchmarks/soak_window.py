"""A viewer with the widget, used at random: what `soak.py` and the tests do for long and for short.

The model is a toy that looks at brightness: what is tested is everything round it.
"""

import gc
import json
import sys
import threading
import time
import traceback
import weakref
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer, Points, Shapes, Vectors
from qtpy.QtWidgets import QApplication
from vispy.gloo.glir import _GlirQueueShare as GlirQueueShare

from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Query, Traits
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.dock import SegmentWidget
from soak_memory import Memory, memory

THREAD = "napari-intseg inference"
SHAPE = (12, 48, 56)
WINDOW_PX = (700, 500)  # Qt paints in software here, at the price of its area
MOST_LAYERS = 9
PLACES: dict[str, list[Any]] = {
    "scale": [(1, 1, 1), (3, 0.5, 0.5), (-2, 1, 1)],
    "translate": [(0, 0, 0), (5, -3, 2)],
    "affine": [np.eye(4), np.diag([1.0, -1.0, 1.0, 1.0])],
    "units": [("pixel",) * 3, ("mm",) * 3],
}
A, B = "random-walker", "region-growing"  # names that need no weights; the toys stand for them


class Toy:
    """Answers with what is about as bright as the positive clicks, less discs round negatives."""

    def __init__(self, name: str, near: float, delay_s: float = 0.0) -> None:
        self.traits = Traits(name, prompts=CLICKS | {"mask"})
        self.near, self.delay_s, self.asked = near, delay_s, 0

    def prepare(self, image: Any) -> Prepared:
        """Keep the brightness."""
        return Prepared(image.shape[:2], image.mean(axis=2), image.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer from the clicks alone."""
        time.sleep(self.delay_s)
        self.asked += 1
        grey = query.prepared.payload
        rows, cols = np.indices(grey.shape)
        inside = np.zeros(grey.shape, bool)
        for click in query.prompts.clicks:
            row, col = (
                int(np.clip(round(at), 0, n - 1))
                for at, n in zip((click.row, click.col), grey.shape, strict=True)
            )
            if click.positive:
                inside |= np.abs(grey - grey[row, col]) < self.near
        for click in query.prompts.clicks:
            if not click.positive:
                inside &= np.hypot(rows - click.row, cols - click.col) > 4
        return Answer(np.where(inside, 8, -8).astype(np.float32))


MODELS = {name: Toy(name, near) for name, near in ((A, 0.1), (B, 0.25))}


@dataclass
class Report:
    """What came of it."""

    actions: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    of_napari: list[str] = field(default_factory=list)
    replays: int = 0
    differences: list[str] = field(default_factory=list)
    leaked: int = 0
    threads: int = 0
    memory: list[tuple[int, Memory]] = field(default_factory=list)
    closed: list[tuple[int, Memory]] = field(default_factory=list)  # with no viewer open
    growth_kb: float = float("nan")
    seconds: float = 0.0


def turn(condition: Any, timeout_s: float = 60.0) -> bool:
    """Let the window live until something is true; return whether it became so."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        QApplication.processEvents()
        time.sleep(0.0002)
    return True


def is_inside() -> bool:
    """Whether the widget's own code is under way: napari lets the window live while it draws a bar.

    A person may click and close then, but what is under way cannot end before.
    """
    image_axes = sys._getframe()
    while image_axes is not None:
        if "napari_intseg" in Path(image_axes.f_code.co_filename).parts:
            return True
        image_axes = image_axes.f_back
    return False


def is_of_napari(err: BaseException) -> bool:
    """Whether an error was raised in napari alone: no code of the widget was under way.

    napari 0.9.2 cannot always give a layer data of other axes while others are beside it (axis
    labels are merged, and extents drawn, with the number of axes of before).
    """
    frames = traceback.extract_tb(err.__traceback__)
    return not any("napari_intseg" in Path(frame.filename).parts for frame in frames)


def volume(seed: int) -> Any:
    """Return boxes of several brightnesses in the dark, uint8."""
    rng = np.random.default_rng(seed)
    data = np.zeros(SHAPE, np.uint8)
    for grey in (80, 120, 160, 200, 240):
        at = [int(rng.integers(0, n - n // 3)) for n in SHAPE]
        data[tuple(slice(a, a + n // 3) for a, n in zip(at, SHAPE, strict=True))] = grey
    return data


class Soak:
    """One viewer after another, used at random."""

    def __init__(self, seed: int, report: Report, keep: Path | None = None) -> None:
        self.rng, self.report, self.seed = np.random.default_rng(seed), report, seed
        self.keep = keep  # where to put the journal of a session that differed
        self.data = volume(seed)
        self.strangers: list[Any] = []  # layers that are not the widget's
        self.viewer: Any = None
        self.kept: list[weakref.ref[Any]] = []
        # what was in the Labels layer when a session began
        self.before: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self.open()

    def open(self) -> None:
        """Open a viewer with the widget and the image."""
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*WINDOW_PX)
        # napari alone crashes in Mesa's software OpenGL when layers are removed and added quickly
        # (no plugin needed); all but the drawing itself goes on without the canvas
        self.viewer.window._qt_viewer.canvas.native.hide()
        self.strangers.clear()
        self.dock()
        self.controller.choose_image(self.viewer.add_image(self.data, name="boxes"))
        self.begin()

    def dock(self) -> None:
        """Put the widget into the viewer, with a model."""
        self.widget = SegmentWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget, name="napari-intseg")
        self.controller = self.widget.controller
        self.controller.loader._load_with = lambda choice, _old, _stop: MODELS[choice.name]
        self.controller.loader.choose(Choice(A))
        turn(lambda: self.controller.loader.model in MODELS.values())

    def shut(self) -> None:
        """Take the widget out of the viewer, as a person does who closes the dock."""
        docked = self.widget.parent()
        self.viewer.window.remove_dock_widget(docked)
        self.widget.close()
        QApplication.processEvents()

    def close(self) -> None:
        """Replay what was done, close everything, and see what stays."""
        if self.settle():
            self.check()
        self.strangers.clear()
        layers = [weakref.ref(layer) for layer in self.viewer.layers]
        self.kept.extend(layers)
        self.widget.close()
        self.viewer.close()
        self.viewer = self.widget = self.controller = None
        QApplication.processEvents()
        self.report.threads += sum(t.name == THREAD for t in threading.enumerate())
        if not is_inside():
            drop_drawing()
            self.report.closed.append((self.report.actions, memory()))

    def leaks(self) -> int:
        """Return how many layers of closed viewers are still referred to."""
        for _ in range(5):
            QApplication.processEvents()
            gc.collect()
        return sum(ref() is not None for ref in self.kept)

    @property
    def image_controller(self) -> Any:
        """The image controller; a new one if its layers were removed."""
        if self.controller.image_controller is None:
            self.find_image()
            self.begin()
        return self.controller.image_controller

    def begin(self) -> None:
        """Begin an object where no work is under way, and note what the Labels layer holds then."""
        held = {
            layer: np.array(layer.data)
            for layer in self.viewer.layers
            if isinstance(layer, Labels) and layer.data.shape == SHAPE
        }
        self.controller.new_object()
        work = self.controller.image_controller
        for session in work.session_store.sessions.values():
            if session not in self.before:  # else it is gone on with
                self.before[session] = held.get(work.labels, np.zeros(SHAPE, int))

    def settle(self) -> bool:
        """Wait until everything is answered and drawn; return whether that can be waited for."""
        if is_inside():
            return False
        done = turn(
            lambda: (
                self.controller.worker.is_idle
                and not self.controller.is_propagating
                and not self.controller.searching.is_running
                and (
                    self.controller.image_controller is None
                    or self.controller.image_controller.is_idle
                )
            )
        )
        if not done:
            image_controller = self.controller.image_controller
            still = {
                "the worker": not self.controller.worker.is_idle,
                "a propagation": self.controller.is_propagating,
                "a search": self.controller.searching.is_running,
                "answers": image_controller is not None and image_controller.is_waiting,
                "drawing": image_controller is not None
                and not image_controller.labels_writer.is_idle,
                "strokes": image_controller is not None and not image_controller.brush.is_idle,
            }
            busy = ", ".join(what for what, is_busy in still.items() if is_busy) or "changes"
            self.report.errors.append(
                f"it did not come to rest within a minute: {busy} (action {self.report.actions})"
            )
        return True

    def check(self) -> None:
        """Compare the labels on the screen with the session's, and with a replay."""
        image_controller = self.controller.image_controller
        if image_controller is None or not image_controller.session_store.sessions:
            return
        shown, session = (
            np.array(image_controller.labels.data),
            image_controller.session_store.sessions[0],
        )
        # what was there before the session began is left alone, also where an answer reaches it;
        # of an object from before that a stroke met, the session knows the pixels of the stroke
        own = [label for label in session.objects if image_controller.is_begun(label)]
        foreign = (shown > 0) & ~np.isin(shown, own)
        untouched = ~image_controller.labels_writer.owns(tuple(np.indices(SHAPE)))
        foreign |= (shown > 0) & untouched & (shown == self.before.get(session, 0))
        written = parse_journal(
            [json.dumps(line) for line in image_controller.session_store.journal.lines]
        )

        # of the session, which keeps its spacing where the image was scaled after propagation
        volumes = {time: s.volume for time, s in image_controller.session_store.sessions.items()}
        again = replay(written, volumes.__getitem__, lambda identity: MODELS[identity.name])
        self.report.replays += 1
        kept = session.labels
        shown = np.where(foreign, kept, shown)
        for what, other in (("replayed", again.sessions[0].labels), ("shown", shown)):
            if not np.array_equal(other, kept):
                at = np.argwhere(other != kept)
                told = f"{len(at)} pixels from {at[0].tolist()}: {other[tuple(at[0])]} {what}, "
                self.report.differences.append(f"{told}{kept[tuple(at[0])]} in the session")
                if self.keep is not None:
                    lines = "\n".join(
                        json.dumps(line) for line in image_controller.session_store.journal.lines
                    )
                    self.keep.mkdir(parents=True, exist_ok=True)
                    file = self.keep / f"different-{self.seed}-{self.report.actions}-{what}.jsonl"
                    file.write_text(lines + "\n")

    def act(self) -> None:
        """Do one thing at random."""
        names, weights = zip(*ACTIONS.items(), strict=True)
        share = np.array(weights, float)
        name = str(self.rng.choice(names, p=share / share.sum()))
        self.report.actions += 1
        self.report.kinds[name] = self.report.kinds.get(name, 0) + 1
        self.controller.redo() if name == "redo" else getattr(self, f"do_{name}")()
        for _ in range(int(self.rng.integers(0, 4))):
            QApplication.processEvents()

    def where(self) -> tuple[float, ...]:
        """Return a place in the plane that is displayed."""
        at = [float(self.rng.integers(n)) for n in SHAPE]
        displayed_slice = self.image_controller.displayed_slice
        if not isinstance(displayed_slice, str):
            at[displayed_slice.plane.axis] = float(displayed_slice.plane.index)
        return tuple(at)

    def do_click(self) -> None:
        """Add a point of either sign."""
        image_controller = self.image_controller
        sign = "positive" if self.rng.random() < 0.7 else "negative"
        image_controller.clicking.set_defaults(sign=sign)
        image_controller.points.add(self.where())

    def do_move(self) -> None:
        """Move a point within its plane."""
        points = self.image_controller.points
        if len(points.data):
            data = np.array(points.data)
            i = int(self.rng.integers(len(data)))
            data[i, 1:] = np.clip(
                data[i, 1:] + self.rng.normal(0, 3, 2), 0, np.array(SHAPE[1:]) - 1
            )
            points.data = data

    def do_delete(self) -> None:
        """Delete a point."""
        points = self.image_controller.points
        if len(points.data):
            points.selected_data = {int(self.rng.integers(len(points.data)))}
            points.remove_selected()

    def do_stroke(self) -> None:
        """Paint, or erase, with the brush of the Labels layer."""
        image_controller = self.image_controller
        image_controller.labels.brush_size = int(self.rng.integers(1, 5))
        label = int(self.rng.choice([0, image_controller.session_store.object]))
        with image_controller.labels.block_history():
            for _ in range(3):
                image_controller.labels.paint(self.where(), label, refresh=False)
        image_controller.labels.refresh()

    def do_undo(self) -> None:
        """Undo by the button, or by Ctrl+Z in the Labels layer."""
        self.controller.undo() if self.rng.random() < 0.5 else self.image_controller.labels.undo()

    def do_plane(self) -> None:
        """Go to another plane."""
        for axis, size in enumerate(SHAPE):
            self.viewer.dims.set_point(axis, int(self.rng.integers(size)))

    def do_axis(self) -> None:
        """Look along another axis."""
        order = [(0, 1, 2), (1, 0, 2), (2, 0, 1)]
        self.viewer.dims.order = order[int(self.rng.integers(3))]

    def do_new(self) -> None:
        """Begin an object, unless there are many."""
        if len(self.image_controller.session_store.labels) < 12:
            self.controller.new_object()

    def do_select(self) -> None:
        """Choose an object, or lock or unlock it."""
        label = int(self.rng.choice(self.image_controller.session_store.labels or (1,)))
        if self.rng.random() < 0.3:
            self.controller.set_finished(
                label, not self.image_controller.session_store.is_finished(label)
            )
        else:
            self.controller.select_object(label)

    def do_model(self) -> None:
        """Choose another model."""
        self.controller.loader.choose(Choice(str(self.rng.choice(list(MODELS)))))

    def do_window(self) -> None:
        """Choose how values are shown to the model."""
        self.controller.choose_window([None, "full", (0.0, 200.0)][int(self.rng.integers(3))])

    def do_propagate(self) -> None:
        """Propagate one object or all, and sometimes cancel on the way."""
        self.controller.propagate(every=bool(self.rng.random() < 0.3))
        if self.rng.random() < 0.3:
            QApplication.processEvents()
            self.controller.cancel()

    def do_find(self) -> None:
        """Find more objects, unless there are many, and sometimes cancel on the way."""
        if len(self.image_controller.session_store.labels) < 12:
            self.controller.searching.start()
        if self.rng.random() < 0.3:
            QApplication.processEvents()
            self.controller.cancel()

    def do_discard(self) -> None:
        """Remove an object."""
        self.controller.select_object(
            int(self.rng.choice(self.image_controller.session_store.labels or (1,)))
        )
        object_actions.remove(self.controller)

    def do_rename(self) -> None:
        """Rename a layer."""
        layer = self.viewer.layers[int(self.rng.integers(len(self.viewer.layers)))]
        layer.name = f"{layer.name[:12]} {int(self.rng.integers(100))}"

    def do_hide(self) -> None:
        """Close or open the eye of a layer."""
        layer = self.layer()
        layer.visible = not layer.visible

    def do_reorder(self) -> None:
        """Move a layer up or down."""
        layers = self.viewer.layers
        layers.move(int(self.rng.integers(len(layers))), int(self.rng.integers(len(layers))))

    def do_duplicate(self) -> None:
        """Duplicate a layer as the menu does, unless there are many."""
        if len(self.viewer.layers) < MOST_LAYERS:
            layer = self.layer()
            copied, state, kind = layer.as_layer_data_tuple()
            # napari 0.9.2 lets both share a colour map, and with it the number that is selected:
            # where one has no room for the other's, it fails
            state = (
                {**state, "colormap": deepcopy(state["colormap"])} if "colormap" in state else state
            )
            self.viewer.add_layer(
                Layer.create(deepcopy(copied), {**state, "name": f"{layer.name} copy"}, kind)
            )
            self.strangers.append(self.viewer.layers[-1])

    def do_stranger(self) -> None:
        """Open a layer as other plugins do: of more or fewer axes, elsewhere; or close one."""
        if len(self.viewer.layers) >= MOST_LAYERS:
            for layer in self.strangers:
                if layer in self.viewer.layers:
                    self.viewer.layers.remove(layer)
            self.strangers.clear()
            return
        shape = [(3, *SHAPE), SHAPE[1:], SHAPE][int(self.rng.integers(3))]
        scale = float(self.rng.choice([1.0, 0.5, 3.0]))
        made: list[Any] = [
            Image(np.zeros(shape, np.float32), scale=[scale] * len(shape)),
            Labels(np.zeros(shape, np.int32), translate=[-scale] * len(shape)),
            Points(np.zeros((1, len(shape)))),
            Shapes([[(0, 0), (9, 9)]], shape_type="line"),
            Vectors(np.zeros((1, 2, len(shape)))),
        ]
        layer = made[int(self.rng.integers(len(made)))]
        self.strangers.append(self.viewer.add_layer(layer))

    def do_delete_layer(self) -> None:
        """Delete one of the layers; another image of the same name is opened if it was ours."""
        if self.settle():
            self.check()
        layer = self.layer()
        self.kept.append(weakref.ref(layer))
        self.viewer.layers.remove(layer)
        self.strangers = [x for x in self.strangers if x is not layer]
        del layer
        self.find_image()

    def do_replace_data(self) -> None:
        """Give the image, or the Labels layer, other data."""
        if self.settle():
            self.check()
        image, image_controller = self.controller.image, self.image_controller
        if self.rng.random() < 0.5:
            axes = int(self.rng.choice([2, 3, 4], p=[0.2, 0.6, 0.2]))
            if axes != 3:  # work ends; then the image is as it was, for the other actions
                other = np.zeros(((3, *SHAPE) if axes == 4 else SHAPE[1:]), np.uint8)
                try:
                    image.data = other
                    self.controller.new_object()
                    if self.settle():
                        self.controller.undo()
                except Exception as err:
                    if not is_of_napari(err):
                        raise
                    self.report.of_napari.append(f"{type(err).__name__}: {err}")
                    self.widget.close()
                    self.viewer.close()  # its dims and its layers do not fit any more
                    self.open()
                    return
            image.data = volume(int(self.rng.integers(100)))
        elif self.rng.random() < 0.5:
            image_controller.labels.data = np.asarray(image_controller.labels.data).astype(np.int32)
        else:
            image_controller.labels.selected_label = (
                1  # napari itself fails on one that has no room
            )
            image_controller.labels.data = np.zeros(SHAPE, np.uint16)

    def do_scale(self) -> None:
        """Scale, move, turn the image or one of its layers, or say its unit."""
        layer = self.layer()
        if layer.ndim != len(SHAPE):
            return
        name, values = list(PLACES.items())[int(self.rng.integers(len(PLACES)))]
        setattr(layer, name, values[int(self.rng.integers(len(values)))])

    def do_order(self) -> None:
        """Transpose or roll the axes, or go to 3-D and back."""
        dims = self.viewer.dims
        what = int(self.rng.integers(3))
        if what == 0:
            dims.transpose()
        elif what == 1:
            dims.roll()
        else:
            dims.ndisplay = 3
            QApplication.processEvents()
            dims.ndisplay = 2

    def do_points(self) -> None:
        """Replace all points at once."""
        if self.image_controller.points.ndim == len(SHAPE):
            count = int(self.rng.integers(0, 4))
            self.image_controller.points.data = np.array(
                [self.where() for _ in range(count)]
            ).reshape(count, len(SHAPE))

    def do_theme(self) -> None:
        """Change the theme."""
        self.viewer.theme = str(self.rng.choice(["dark", "light"]))

    def do_number(self) -> None:
        """Choose a number that the Labels layer cannot hold as it is."""
        self.controller.select_object(int(self.rng.choice([70_000, 2**31, 2**40])))

    def do_redock(self) -> None:
        """Close the dock, and open it again on the same layers."""
        if self.settle():
            self.check()
            self.shut()
            self.dock()
            self.find_image()

    def do_second(self) -> None:
        """Open a second widget in the same viewer, click in it, and close it again."""
        if not self.settle():
            return
        before = np.array(self.image_controller.labels.data)
        other = SegmentWidget(self.viewer)
        controller = other.controller
        controller.loader._load_with = lambda choice, _old, _stop: MODELS[choice.name]
        controller.loader.choose(Choice(A))
        turn(lambda: controller.loader.model in MODELS.values())
        controller.choose_image(self.controller.image)
        controller.new_object()
        own = controller.image_controller
        if own is not None:
            own.points.add(self.where())
            turn(lambda: controller.worker.is_idle and own.is_idle)
            if (
                own.labels is self.image_controller.labels
                or own.points is self.image_controller.points
            ):
                self.report.errors.append("two widgets work in the same layers")
            for layer in (own.labels, own.points):
                self.viewer.layers.remove(layer)
        other.close()
        if not np.array_equal(before, self.image_controller.labels.data):
            self.report.differences.append("a second widget changed the labels of the first")

    def do_viewer(self) -> None:
        """Open a second viewer with the widget, click in it, and close it again."""
        if self.settle():
            threads = self.report.threads
            other = Soak(int(self.rng.integers(1000)), self.report, self.keep)
            other.image_controller.points.add(other.where())
            other.close()
            self.kept += other.kept
            self.report.threads = threads  # that of this viewer is still needed

    def layer(self) -> Any:
        """Return any layer."""
        return self.viewer.layers[int(self.rng.integers(len(self.viewer.layers)))]

    def find_image(self) -> None:
        """Have an image of the usual shape chosen; a new one of the same name if there is none."""
        images = [
            x
            for x in self.viewer.layers
            if isinstance(x, Image) and x.data.shape == SHAPE and x not in self.strangers
        ]
        if not images:
            images = [self.viewer.add_image(volume(int(self.rng.integers(100))), name="boxes")]
        self.controller.choose_image(images[0])

    def do_remove(self) -> None:
        """Remove the Labels and the Points layer; the next action begins anew."""
        if self.settle():
            self.check()
        image_controller = self.image_controller
        self.kept += [weakref.ref(image_controller.labels), weakref.ref(image_controller.points)]
        for layer in (image_controller.labels, image_controller.points):
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def do_reopen(self) -> None:
        """Close the viewer, and open another."""
        self.close()
        self.open()


ACTIONS = {
    "click": 30, "move": 8, "delete": 4, "stroke": 8, "undo": 12, "redo": 8, "plane": 8, "axis": 3,
    "new": 3, "select": 6, "model": 2, "window": 2, "propagate": 2, "find": 1, "discard": 2,
    "rename": 1, "hide": 3, "reorder": 1, "duplicate": 0.3, "stranger": 1, "scale": 1, "order": 1,
    "points": 0.5, "theme": 0.2, "number": 0.2,
    "delete_layer": 0.3, "replace_data": 0.3, "redock": 0.2, "second": 0.2, "viewer": 0.1,
    "remove": 0.2, "reopen": 0.1,
}  # fmt: skip

ON_LAYERS = (
    "hide", "reorder", "duplicate", "stranger", "scale", "order", "points", "theme", "number",
    "delete_layer", "replace_data", "redock", "second", "viewer",
)  # fmt: skip
"""What a person does to layers and windows beside the widget."""


def drop_drawing() -> int:
    """Forget drawing commands that wait for the hidden canvas; return how many there were."""
    dropped = 0
    for one in gc.get_objects():
        if type(one) is GlirQueueShare:
            dropped += len(one._commands)
            one._commands.clear()
    gc.collect()
    return dropped
