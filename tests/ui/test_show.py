import numpy as np
from napari.components import ViewerModel

from napari_intseg.core.volume import Volume
from napari_intseg.io.write import write_array, write_labels, write_picture
from napari_intseg.ui.scripting import add_files, list_finished


def test_files_are_shown_in_the_same_place(tmp_path, rng):
    volume = Volume(rng.normal(0, 100, (4, 5, 6)).astype(np.float32), spacing=(5.0, 0.7, 0.8))
    labels = rng.integers(0, 3, (4, 5, 6))
    write_array(tmp_path / "i.nii.gz", volume.data, volume)
    write_labels(tmp_path / "l.nii.gz", labels, volume)
    viewer = ViewerModel()
    add_files(viewer, tmp_path / "i.nii.gz", tmp_path / "l.nii.gz")
    image, shown = viewer.layers
    np.testing.assert_array_equal(shown.data, labels)
    for layer in (image, shown):
        np.testing.assert_allclose(layer.data_to_world((1, 1, 1)), (5, 0.7, 0.8), rtol=1e-6)


def test_a_flat_rgb_image_is_shown_too(tmp_path, rng):
    write_picture(tmp_path / "i.png", rng.integers(0, 255, (5, 6, 3)).astype(np.uint8))
    write_labels(tmp_path / "l.png", np.ones((5, 6), int), Volume(np.zeros((5, 6))))
    viewer = ViewerModel()
    add_files(viewer, tmp_path / "i.png", tmp_path / "l.png")
    assert viewer.layers[0].rgb
    assert viewer.layers[1].data.shape == (5, 6)


def test_the_labels_are_finished_objects_in_the_list(controller, settle, squares, tmp_path):
    write_picture(tmp_path / "i.png", squares)
    write_labels(tmp_path / "l.png", (squares > 0).astype(int) + (squares > 150), Volume(squares))
    layer = add_files(controller.viewer, tmp_path / "i.png", tmp_path / "l.png")
    controller.choose_image(controller.viewer.layers[0])
    list_finished(controller, layer)
    settle()
    store = controller.image_controller.session_store
    assert store.labels == (1, 2)
    assert all(store.is_finished(label) for label in store.labels)
    assert layer not in controller.viewer.layers
    shown = controller.image_controller.labels.data
    np.testing.assert_array_equal(shown > 0, squares > 0)
