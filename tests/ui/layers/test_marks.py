"""Points that are as they were are not read again, and what comes out is the same."""

import numpy as np

from napari_intseg.ui.layers.points_codec import MarkReader, read_marks


def test_a_reader_says_what_reading_all_anew_says(controller, squares):
    controller.choose_image(controller.viewer.add_image(squares, name="squares"))
    controller.new_object()
    image_controller = controller.image_controller
    points, given = (
        image_controller.points,
        (image_controller.points, image_controller.image_axes, image_controller.labels),
    )
    reader = MarkReader(*given)
    assert reader.read() == read_marks(*given) == ([], 0)
    for at in ((20, 20), (21, 25), (30, 12), (500, 3)):
        points.add(at)
        assert reader.read() == read_marks(*given)
    first = reader.read()[0]
    assert (len(first), reader.read()[1]) == (3, 1)
    data = np.array(points.data)
    data[1] = (40, 41)
    points.data = data
    again = reader.read()[0]
    assert again == read_marks(*given)[0]
    assert again[0] is first[0]
    assert (again[1].click.row, again[1].click.col) == (40, 41)
    points.features.loc[0, "sign"] = "negative"
    assert reader.read() == read_marks(*given)
    points.selected_data = {0}
    points.remove_selected()
    assert reader.read() == read_marks(*given)
