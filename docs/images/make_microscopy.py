"""Take the picture of docs/guides/microscopy.md: run where its commands have been run.

Usage: python make_microscopy.py FOLDER, the folder that holds nuclei.zarr.
"""

import sys
from pathlib import Path

from make import Person, pause

from napari_intseg.models.registry import DEFAULT_MODEL


def main():
    """Open the channels by our reader, click on three nuclei, and take the picture."""
    person = Person(DEFAULT_MODEL)
    (path,) = (Path(word) / "nuclei.zarr" for word in sys.argv[1:])
    person.viewer.open(str(path), plugin="napari-intseg")
    layers = person.viewer.layers
    hazy = layers["nuclei channel 1"]
    for layer in layers[1:]:
        layers.remove(layer)
    person.viewer.scale_bar.visible = True
    person.open_widget()  # begins an object on the one image there is
    hazy.colormap, hazy.opacity = "magenta", 0.4
    layers.insert(1, hazy)
    layers.selection.active = person.controller.image_controller.points
    person.go_to(12)
    for number, (row, col) in enumerate(((225, 60), (45, 195), (130, 231))):
        if number:
            person.widget.action_panel.new.click()
            pause(0.3)
        person.click((12, row, col))
    person.widget.tabs.setCurrentIndex(3)
    person.take("microscopy.png")
    person.viewer.close()


if __name__ == "__main__":
    main()
