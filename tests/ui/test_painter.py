import numpy as np

from napari_intseg.core.volume import Plane
from napari_intseg.ui.layers import Place


def test_pixels_that_one_object_leaves_go_to_the_other_in_either_order(bench, pump, squares):
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    painter, labels = bench.binder.painter, bench.binder.labels
    left = np.zeros(squares.shape, bool)
    left[5:20, 5:30] = True
    none = np.zeros(squares.shape, bool)
    masks = {1: left, 2: none}
    painter._mask_of = lambda place: masks[place.object]
    places = {label: Place(0, label, Plane(0, 0)) for label in masks}

    def paint(label):
        painter.paint(places[label], first=True)
        pump.until(lambda: painter.is_idle)

    paint(1)
    assert (labels.data[left] == 1).all()
    masks.update({1: none, 2: left})
    paint(2)
    assert (labels.data[left] == 1).all(), "others keep their pixels until they leave them"
    paint(1)
    assert (labels.data[left] == 2).all()
    assert not labels.data[~left].any()
    assert not painter._barred
