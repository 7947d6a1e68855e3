"""Take the pictures of the guide anew, with real mouse clicks in a real window.

``xvfb-run -a -s "-screen 0 1600x1000x24" python docs/images/make.py [--ct FILE --organs FILE]``
Without a CT, the phantom is taken. Clicks follow the robot user, hence the labels.
"""

import argparse
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_intseg.core.phantom import ct_phantom
from napari_intseg.evaluation.robot import RobotUser
from napari_intseg.models.registry import DEFAULT_MODEL
from napari_intseg.ui.controllers.model_loader import Choice

HERE = Path(__file__).parent
WAIT_S = 300


def run_until(condition, timeout_s=WAIT_S):
    """Let the window live until something is true."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def pause(seconds):
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    run_until(lambda: time.monotonic() > end)


class Person:
    """Somebody at the window."""

    def __init__(self, model):
        self.viewer = napari.Viewer()
        self.viewer.window._qt_window.resize(1366, 768)
        self.model = model

    def open_widget(self):
        """Open the widget, choose the model, begin an object."""
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-intseg")
        self.controller = self.widget.controller
        run_until(lambda: not self.controller.loader.is_loading)
        panel = self.widget.model_panel.model
        panel.setCurrentIndex(panel.findData(self.model))
        run_until(lambda: not self.controller.loader.is_loading)
        assert self.controller.loader.choice == Choice(self.model)
        self.widget.action_panel.new.click()
        pause(0.5)

    def settle(self):
        """Wait for answers and drawing."""
        controller = self.controller
        run_until(
            lambda: (
                controller.worker.is_idle
                and controller.image_controller.is_idle
                and not controller.is_propagating
            )
        )
        pause(0.3)

    def click(self, position, positive=True):
        """Click at a position of the image layer, in pixels."""
        world = self.viewer.layers[0].data_to_world(position)[-2:]
        canvas = self.viewer.window._qt_viewer.canvas
        x, y = canvas.view.scene.transform.map([world[1], world[0], 0, 1])[:2]
        at = QPoint(round(x), round(y))
        button = Qt.MouseButton.LeftButton if positive else Qt.MouseButton.RightButton
        QTest.mouseMove(canvas.native, at)
        pause(0.1)
        QTest.mouseClick(canvas.native, button, Qt.KeyboardModifier.NoModifier, at)
        pause(0.1)
        self.settle()

    def press(self, key):
        """Press a key on the canvas."""
        QTest.keyClick(self.viewer.window._qt_viewer.canvas.native, key)
        pause(0.1)
        self.settle()

    def go_to(self, plane):
        """Move the slider."""
        self.viewer.dims.set_point(0, self.viewer.layers[0].data_to_world((plane, 0, 0))[0])
        pause(0.2)

    def outline(self, plane, truth, clicks):
        """Click on a plane like the robot user."""
        self.go_to(plane)
        label = self.controller.image_controller.session_store.object
        robot = RobotUser(truth)
        for _ in range(clicks):
            mask = self.controller.image_controller.labels.data[plane] == label
            click = robot.next_click(mask)
            if click is None:
                break
            self.click((plane, click.row, click.col), click.positive)

    def take(self, name):
        """Take the picture."""
        pause(0.8)
        self.viewer.window._qt_window.grab().save(str(HERE / name))


def dice(a, b):
    """Return the Dice of two masks."""
    return 2 * np.count_nonzero(a & b) / max(1, np.count_nonzero(a) + np.count_nonzero(b))


def picture_2d(model):
    """Show clicks on an image."""
    person = Person(model)
    person.viewer.open_sample("napari-intseg", "cells")
    person.open_widget()
    person.click((376, 430))
    person.click((376, 335), positive=False)
    person.click((280, 470), positive=False)
    person.click((320, 425))
    person.take("widget-2d.png")
    person.viewer.close()


def picture_3d(args):
    """Show two objects that were propagated through a volume."""
    person = Person(args.model)
    if args.ct is None:
        person.viewer.open_sample("napari-intseg", "ct_phantom")
        _, organs = ct_phantom()
        wanted = {1: "liver", 4: "spleen"}
    else:
        from napari_intseg.io.read import read_mask, read_volume

        volume = read_volume(args.ct)
        organs = read_mask(args.organs, volume)
        from napari_intseg.core.affine import to_napari

        person.viewer.add_image(
            volume.data,
            name="CT",
            affine=to_napari(volume.affine),
            contrast_limits=(-110, 240),
            axis_labels=("z", "y", "x"),
        )
        wanted = dict.fromkeys(args.label, "organ")
    person.open_widget()
    middle = 0
    for number, label in enumerate(wanted):
        truth = organs == label
        areas = truth.sum(axis=(1, 2))
        planes = np.flatnonzero(areas > areas.max() / 4)
        if number:
            person.press(Qt.Key.Key_K)
        for plane in np.quantile(planes, (0.25, 0.75)).astype(int):
            person.outline(plane, truth[plane], args.clicks)
            middle = middle or int(plane)
        person.press(Qt.Key.Key_G)
        mask = (
            person.controller.image_controller.labels.data
            == person.controller.image_controller.session_store.object
        )
        told = person.widget.status_panel.message
        print(f"label {label}: Dice {dice(mask, truth):.3f}. {told}")  # noqa: T201
    person.go_to(middle)
    person.take("widget-3d.png")
    person.viewer.close()


def picture_compare():
    """Show two models on the same clicks in a volume, with truth, curves and a suggestion."""
    person = Person("bundled")
    person.viewer.window._qt_window.resize(1500, 1130)
    person.viewer.open_sample("napari-intseg", "ct_phantom")
    _, organs = ct_phantom()
    image, truth = person.viewer.layers[0], organs == 3
    layer = person.viewer.add_labels(
        organs,
        name="organs",
        affine=image.affine.affine_matrix,
        units=image.units,
        axis_labels=image.axis_labels,
        visible=False,
    )
    person.open_widget()
    comparison, panel = person.widget.comparison, person.widget.compare_panel
    panel.model.setCurrentIndex(panel.model.findData("random-walker"))
    run_until(lambda: not comparison.loader.is_loading)

    def settle():
        person.settle()
        run_until(lambda: comparison.is_idle)
        pause(0.3)

    plane = int(truth.sum(axis=(1, 2)).argmax())
    person.go_to(plane)
    rows, cols = (float(np.mean(p)) for p in np.nonzero(truth[plane]))
    person.viewer.camera.center = layer.data_to_world((plane, rows, cols))
    person.viewer.camera.zoom *= 3
    pause(0.3)
    person.outline(plane, truth[plane], 4)
    settle()
    panel.truth.setCurrentIndex(panel.truth.findText("organs"))
    person.controller.propagate(range(plane - 4, plane + 6))
    settle()
    panel.suggest.click()
    settle()
    person.widget.tabs.setCurrentIndex(2)
    pause(0.2)
    area = person.widget.tabs.currentWidget()
    area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
    person.take("compare.png")
    person.viewer.close()


def main():
    """Take all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--ct", type=Path)
    parser.add_argument("--organs", type=Path)
    parser.add_argument("--label", type=int, action="append")
    parser.add_argument("--clicks", type=int, default=6)
    pictures = {
        "2d": lambda: picture_2d(args.model),
        "3d": lambda: picture_3d(args),
        "compare": picture_compare,
    }
    parser.add_argument("--only", choices=pictures, help="take this one alone")
    args = parser.parse_args()
    for name, take in pictures.items():
        if args.only in (None, name):
            take()


if __name__ == "__main__":
    main()
