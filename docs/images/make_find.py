"""Take the picture of *Find more like these*: five clicks, and what is found from them.

Usage: python make_find.py IMAGE LABELS. The published picture shows an image of the Data Science
Bowl 2018 (BBBC038, CC0); the labels say where to click.
"""

import sys

import numpy as np
from make import Person, pause, run_until
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.models.registry import DEFAULT_MODEL

CLICKS = 5


def main():
    """Click on a few typical nuclei, look for more, and take the picture."""
    image, labels = sys.argv[1:]
    truth = read_mask(labels, read_volume(image))
    person = Person(DEFAULT_MODEL)
    (layer,) = person.viewer.open(image)
    layer.contrast_limits = (0, int(layer.data.max()))
    layer.gamma = 0.6
    person.open_widget()
    person.widget.object_panel.each.click()
    pause(0.3)
    numbers = np.unique(truth[truth > 0])
    areas = np.bincount(truth.ravel())[numbers]
    typical = numbers[np.argsort(areas)][len(numbers) // 3 :: len(numbers) // 8][:CLICKS]
    for number in typical:
        person.click(np.argwhere(truth == number).mean(axis=0))
    native = person.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(native, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    run_until(lambda: not person.controller.searching.is_running)
    person.settle()
    person.take("find-more.png")
    person.viewer.close()


if __name__ == "__main__":
    main()
