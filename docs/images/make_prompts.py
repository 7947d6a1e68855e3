"""Take the picture of boxes and outlines anew, with a real mouse in a real window.

``xvfb-run -a -s "-screen 0 1600x1000x24" python docs/images/make_prompts.py``
"""

from make import Person, pause
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

SHIFT = Qt.KeyboardModifier.ShiftModifier


def drag(person, first, last):
    """Press at one position of the image, release at another."""
    canvas = person.viewer.window._qt_viewer.canvas
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    places = []
    for position in (first, last):
        world = person.viewer.layers[0].data_to_world(position)[-2:]
        x, y = canvas.view.scene.transform.map([world[1], world[0], 0, 1])[:2]
        places.append(QPoint(round(x), round(y)))

    def send(kind, place, button, buttons):
        at, on_screen = QPointF(place), QPointF(canvas.native.mapToGlobal(place))
        event = QMouseEvent(kind, at, on_screen, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(canvas.native, event)
        pause(0.05)

    send(QEvent.Type.MouseMove, places[0], none, none)
    send(QEvent.Type.MouseButtonPress, places[0], left, left)
    for i in range(1, 9):
        way = places[0] + (places[1] - places[0]) * i / 8
        send(QEvent.Type.MouseMove, way, none, left)
    send(QEvent.Type.MouseButtonRelease, places[1], left, none)
    person.settle()


def main():
    """Draw a box round the cell, correct the answer, and show its outline."""
    person = Person("grabcut")
    person.viewer.open_sample("napari-intseg", "cells")
    person.open_widget()
    person.widget.prompt_panel.tools["box"].click()
    pause(0.2)
    drag(person, (268, 314), (496, 532))
    person.click((376, 430))
    for at in ((376, 335), (290, 380), (470, 400)):
        person.click(at, positive=False)
    person.widget.prompt_panel.edit.click()
    person.take("widget-prompts.png")
    person.viewer.close()


if __name__ == "__main__":
    main()
