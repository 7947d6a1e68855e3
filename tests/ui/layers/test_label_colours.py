"""Labels are told apart from the image below them."""

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.colormaps import label_colormap

from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.layers.points_codec import (
    _distances,
    _first,
    _lab,
    colours_for,
    toggle_outlines,
)

BROWN = (120, 60, 30)


def shown(image):
    """What a window has drawn into the thumbnail."""
    image._update_thumbnail()
    pixels = np.asarray(image.thumbnail, float).reshape(-1, 4) / 255
    return _lab(pixels[pixels[:, 3] > 0.5, :3])


@pytest.mark.parametrize("colour", [BROWN, (20, 20, 20), (200, 200, 200), (180, 120, 200)])
def test_the_first_colours_lie_farther_from_the_image_than_those_of_napari(colour):
    image = Image(np.full((40, 50, 3), colour, np.uint8), rgb=True)
    pixels = shown(image)
    maps = colours_for(image), label_colormap(49, seed=0.5, background_value=0)
    ours, theirs = _distances(np.array([_first(one) for one in maps]), pixels)
    assert ours > theirs
    assert ours > 15  # a difference of 2 can just be seen


def test_the_background_stays_transparent():
    colours = colours_for(Image(np.zeros((4, 5), np.uint8)))
    assert colours.map(0)[3] == 0
    assert colours.map(1)[3] == 1


def test_outlines_are_switched_on_and_off():
    labels = Labels(np.zeros((4, 5), int))
    assert toggle_outlines(labels)
    assert labels.contour == 2
    assert not toggle_outlines(labels)
    assert labels.contour == 0


def test_the_window_says_how_labels_are_shown(controller, said, squares):
    object_actions.toggle_outlines(controller)
    assert said.failures == ["There is no object yet. Press New object, then click."]
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    object_actions.toggle_outlines(controller)
    assert controller.image_controller.labels.contour
    assert said.messages[-1] == "Labels are shown as outlines."
