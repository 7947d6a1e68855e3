import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.layers.points_codec import Place


@pytest.fixture
def begun(controller, squares):
    """Painter and labels of an image on which work has begun."""
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    return controller.image_controller.labels_writer, controller.image_controller.labels


def test_pixels_that_one_object_leaves_go_to_the_other_in_either_order(begun, pump, squares):
    labels_writer, labels = begun
    left = np.zeros(squares.shape, bool)
    left[5:20, 5:30] = True
    none = np.zeros(squares.shape, bool)
    masks = {1: left, 2: none}
    labels_writer._mask_of = lambda place: masks[place.object]
    places = {label: Place(0, label, Plane(0, 0)) for label in masks}

    def paint(label):
        labels_writer.paint(places[label], first=True)
        pump.until(lambda: labels_writer.is_idle)

    paint(1)
    assert (labels.data[left] == 1).all()
    masks.update({1: none, 2: left})
    paint(2)
    assert (labels.data[left] == 1).all(), "others keep their pixels until they leave them"
    paint(1)
    assert (labels.data[left] == 2).all()
    assert not labels.data[~left].any()
    assert not labels_writer._barred


def test_what_waited_for_refused_pixels_is_written_when_they_are_put_back(begun, pump, squares):
    labels_writer, labels = begun
    mask = np.zeros(squares.shape, bool)
    mask[5:20, 5:30] = True
    labels_writer._mask_of = lambda _place: mask
    refused = tuple(i.ravel() for i in np.mgrid[5:8, 5:8])
    labels.data[refused] = 7  # a person paints; not yet put back
    labels_writer.paint(Place(0, 1, Plane(0, 0)))
    pump.until(lambda: labels_writer.is_idle)
    assert (labels.data[refused] == 7).all()
    nothing = np.zeros(refused[0].size, labels.data.dtype)
    labels_writer.put_back(refused, nothing, nothing)
    pump.until(lambda: labels_writer.is_idle)
    assert (labels.data[mask] == 1).all()


def test_a_foreign_label_is_put_back_and_a_label_of_ours_that_is_gone_is_not(begun):
    labels_writer, labels = begun
    where = (np.array([3, 3, 3]), np.array([4, 5, 6]))
    labels_writer.own((where[0][:1], where[1][:1]))
    held, old = np.array([0, 0, 2]), np.array([9, 9, 9])
    labels_writer.put_back(where, held, old)
    assert labels.data[where].tolist() == [0, 9, 2]
