"""How long a new user takes from `napari` to a good mask, and to a saved organ, in a real window.

``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/first_use.py cell`` (or ``spleen``)

The walk is done by the mouse alone, by what menus and buttons say, at 1366 × 768. Before each press
it waits as long as a person needs to decide and to point there, by the keystroke-level model
[1]_; what the program itself takes comes on top. ``--truth``
names labels to compare the result with.

.. [1] Card, Moran and Newell, "The keystroke-level model for user performance time with interactive
   systems", Communications of the ACM 23, 1980.
"""

import time

START = time.perf_counter()

import argparse  # noqa: E402 - the clock runs from the first line
import tempfile  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import napari  # noqa: E402
import numpy as np  # noqa: E402
from qtpy.QtCore import QPoint, Qt, QTimer  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton  # noqa: E402

# seconds: to decide what comes next, to point at it, to press and release
DECIDE_S, POINT_S, PRESS_S = 1.35, 1.1, 0.2
LEFT = Qt.MouseButton.LeftButton
SAMPLES = {"cell": "Nuclei (3-D confocal, noisy)", "spleen": "CT, 3 mm"}
# in the world of the samples: the brightest nucleus of the first plane seen; the spleen where it is
# as large as a palm
PLACES = {"cell": (49.0, 67.0, 63.0), "spleen": (379.3, -131.7, 131.8)}


class Person:
    """Somebody at the window, who counts their own time apart from the program's."""

    def __init__(self) -> None:
        self.own_s = 0.0
        self.presses = 0
        self.viewer = napari.Viewer()
        self.window: Any = self.viewer.window._qt_window
        self.window.resize(1366, 768)
        self.wait(lambda: bool(self.window.isActiveWindow()) or self.window.activateWindow())
        self.told("napari is there")

    def told(self, what: str) -> None:
        """Say when something was reached."""
        now = time.perf_counter() - START
        print(f"{now:6.1f} s  {what} ({self.presses} presses; {self.own_s:.1f} s of a person)")

    def wait(self, condition: Callable[[], object], timeout_s: float = 300) -> None:
        """Let the window live until something is true."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            QApplication.processEvents()
            time.sleep(0.005)

    def think(self, seconds: float = DECIDE_S + POINT_S + PRESS_S) -> None:
        """Take a person's time."""
        self.own_s += seconds
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end)

    def press(self, widget: Any, at: QPoint | None = None) -> None:
        """Point at a place of a widget, and press."""
        self.think()
        self.presses += 1
        at = widget.rect().center() if at is None else at
        QTest.mouseMove(widget, at)
        QTest.mouseClick(widget, LEFT, pos=at)
        QApplication.processEvents()

    def choose(self, *titles: str) -> None:
        """Go down the menus."""
        menu = self.window.menuBar()
        for title in titles:
            action = next(a for a in menu.actions() if a.text().replace("&", "").startswith(title))
            self.press(menu, menu.actionGeometry(action).center())
            menu = action.menu()

    def button(self, words: str) -> Any:
        """Return the button that says something."""
        found = self.panel.findChildren(QPushButton)
        return next(b for b in found if b.isVisible() and b.text().startswith(words))

    def at(self, world: Any) -> QPoint:
        """Return where a place of the plane in view is on the canvas."""
        x, y = self.canvas.view.scene.transform.map([world[-1], world[-2], 0, 1])[:2]
        return QPoint(round(x), round(y))

    @property
    def canvas(self) -> Any:
        """What the layers are drawn on."""
        return self.viewer.window._qt_viewer.canvas

    @property
    def panel(self) -> Any:
        """Our panel, which the menu has opened."""
        return next(w for w in QApplication.allWidgets() if type(w).__name__ == "SegmentWidget")

    def settle(self) -> None:
        """Wait for the model's answers."""
        controller = self.panel.controller
        self.wait(
            lambda: (
                controller.worker.is_idle
                and not controller.is_propagating
                and controller.image_controller is not None
                and controller.image_controller.is_idle
            )
        )

    def slide(self, plane: int) -> None:
        """Drag the slider's handle until a plane is seen."""
        self.think()
        self.presses += 1
        slider = self.viewer.window._qt_viewer.dims.slider_widgets[0].slider
        now, last = (self.viewer.dims.current_step[0], self.viewer.dims.nsteps[0] - 1)
        room = slider.width() - 26  # the handle's own width in napari's style

        def place(index: float) -> QPoint:
            return QPoint(round(13 + room * index / last), slider.height() // 2)

        QTest.mousePress(slider, LEFT, pos=place(now))
        for index in np.linspace(now, plane, 25):
            QTest.mouseMove(slider, place(index))
            # a person looks at what goes by
            self.think(0.1)
        QTest.mouseRelease(slider, LEFT, pos=place(plane))


def main() -> None:
    """Walk, and say when what was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=SAMPLES)
    parser.add_argument("--truth", type=Path, help="labels of the sample's volume")
    given = parser.parse_args()
    person = Person()
    person.choose("File", "Open Sample", "IntSeg", SAMPLES[given.what])
    person.wait(lambda: len(person.viewer.layers) == 1)
    person.told("the image is there")
    person.choose("Plugins", "Interactive segmentation")
    person.wait(lambda: person.panel.controller.loader.model is not None)
    person.told("the panel says: " + person.panel.status_panel.message)
    if given.what == "spleen":
        person.slide(95)
    person.press(person.canvas.native, person.at(PLACES[given.what]))
    person.settle()
    # a look at the mask
    person.think(DECIDE_S)
    person.told(person.panel.status_panel.message)
    if given.what == "spleen":
        save(person)
    if given.truth is not None:
        compare(person, given.truth)
    person.viewer.close()


def save(person: Person) -> None:
    """Propagate, check the least sure planes, accept, and export."""
    person.press(person.button("Propagate"))
    person.settle()
    person.told(person.panel.status_panel.message)
    bar = person.panel.tabs.tabBar()
    person.press(bar, bar.tabRect(1).center())
    for _ in range(3):
        person.press(person.button("Next plane to check"))
        person.think(DECIDE_S)
    person.told(person.panel.status_panel.message)
    person.press(person.button("Accept"))
    person.press(bar, bar.tabRect(3).center())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spleen.nii.gz"

        def answer() -> None:
            dialog: Any = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                QTimer.singleShot(100, answer)
                return
            # the folder is there; the name is typed, with the return key
            person.own_s += DECIDE_S + 0.28 * (len("spleen") + 1)
            name = dialog.findChild(QLineEdit)
            name.setText(str(path))
            QTest.keyClick(name, Qt.Key.Key_Return)

        QTimer.singleShot(0, answer)
        person.press(person.button("Export"))
        person.wait(path.exists)
        person.settle()
        person.told(person.panel.status_panel.message)


def compare(person: Person, truth: Path) -> None:
    """Compare with that object of the truth that is met most."""
    from napari_intseg.io.read import read_volume

    work = person.panel.controller.image_controller
    mask = np.asarray(work.labels.data) == 1
    labels = np.asarray(read_volume(truth).data)
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    met = np.bincount(labels[mask])
    met[0] = 0
    part = labels == int(met.argmax())
    if len(planes) == 1:
        mask, part = mask[planes[0]], part[planes[0]]
    union = np.count_nonzero(mask | part)
    iou = np.count_nonzero(mask & part) / union
    print(f"object {int(met.argmax())} of the truth: IoU {iou:.3f}, Dice {2 * iou / (1 + iou):.3f}")


if __name__ == "__main__":
    main()
