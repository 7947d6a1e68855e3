"""Which axes are planes, time and channels; and that lazy data stays lazy."""

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Layer

from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError
from napari_intseg.io.hooks import read_layers
from napari_intseg.io.raster import Lazy
from napari_intseg.ui.layers.image_axes import ImageAxes, can_mix, channel_layers, possible_axes


def test_axes_are_guessed_from_shape_and_names():
    assert possible_axes(Image(np.zeros((9, 9))))[0] == "yx"
    assert possible_axes(Image(np.zeros((20, 64, 64))))[0] == "zyx"
    assert possible_axes(Image(np.zeros((3, 64, 64))))[0] == "cyx"
    assert possible_axes(Image(np.zeros((20, 9, 64, 64))))[0] == "tzyx"
    named = Image(np.zeros((3, 64, 64)), axis_labels=("time", "y", "x"))
    assert possible_axes(named)[0] == "tyx"
    assert possible_axes(Image(np.zeros((20, 64, 64, 3)), rgb=True)) == ("zyx", "tyx")


def test_too_many_axes_are_refused():
    with pytest.raises(DataError, match="expected 2 to 4 axes and channels, got 6"):
        possible_axes(Image(np.zeros((2, 2, 2, 2, 4, 4))))
    with pytest.raises(DataError, match="expected at most 4 axes of an RGB image, got 5"):
        possible_axes(Image(np.zeros((2, 2, 2, 4, 4, 3)), rgb=True))


def test_a_numpy_volume_is_not_copied():
    data = np.zeros((5, 6, 7))
    assert ImageAxes(Image(data), "zyx").volume().data is data


def test_a_time_point_of_a_channel_stack_reads_like_the_array(rng):
    data = rng.random((3, 4, 5, 6, 7))
    image_axes = ImageAxes(Image(data), "ctzyx")
    assert image_axes.shape == (4, 5, 6, 7)
    volume = image_axes.volume(2)
    assert (volume.shape, volume.n_channels) == ((5, 6, 7), 3)
    for plane, expected in (
        (Plane(0, 1), data[:, 2, 1]),
        (Plane(1, 4), data[:, 2, :, 4]),
        (Plane(2, 6), data[:, 2, :, :, 6]),
    ):
        read = volume.take(plane, slice(1, 4), slice(0, 3))
        np.testing.assert_array_equal(read, np.moveaxis(expected, 0, -1)[1:4, 0:3])


def test_mixed_layers_become_channels(rng):
    red, green = rng.random((5, 6, 7)), rng.random((5, 6, 7))
    volume = ImageAxes(Image(red), "zyx", (Image(green),)).volume()
    assert volume.n_channels == 2
    read = volume.take(Plane(1, 3))
    np.testing.assert_array_equal(read, np.stack([red[:, 3], green[:, 3]], axis=-1))


def test_only_layers_in_the_same_place_can_be_mixed():
    image = Image(np.zeros((9, 9)), scale=(2, 2))
    assert can_mix(image, Image(np.zeros((9, 9)), scale=(2, 2)))
    assert not can_mix(image, Image(np.zeros((9, 9))))
    assert not can_mix(image, Image(np.zeros((9, 8)), scale=(2, 2)))
    assert not can_mix(image, image)


def test_channels_of_a_layer_become_layers_in_its_place(rng):
    data = da.from_array(rng.random((4, 3, 5, 6)))
    turned = np.eye(5)
    turned[2:4, 2:4] = [[0, -1], [1, 0]]
    image = Image(
        data, axis_labels=("z", "c", "y", "x"), units=("um", "px", "um", "um"),
        scale=(3, 1, 0.5, 0.25), translate=(7, 0, 8, 9), affine=turned, name="cells",
    )  # fmt: skip
    layers = channel_layers(image, "zcyx")
    assert [layer.colormap.name for layer in layers] == ["red", "green", "blue"]
    for i, layer in enumerate(layers):
        assert not isinstance(layer.data, np.ndarray), "nothing is read"
        np.testing.assert_array_equal(np.asarray(layer.data), np.asarray(data[:, i]))
        expected = np.delete(image.data_to_world((2, i, 3, 4)), 1)
        np.testing.assert_allclose(layer.data_to_world((2, 3, 4)), expected)
        assert layer.axis_labels == ("z", "y", "x")
        assert layer.units == tuple(np.delete(np.array(image.units, object), 1))
    assert can_mix(layers[0], layers[1])


def test_lazy_data_is_read_plane_by_plane():
    read = []

    def block(block_info):
        location = block_info[None]["array-location"]
        read.append(location[0])
        return np.full([stop - start for start, stop in location], location[0][0], np.uint8)

    data = da.map_blocks(block, chunks=((1,) * 6, (1,) * 4, 5, 5), dtype=np.uint8)
    image_axes = ImageAxes(Image(data, contrast_limits=(0, 6)), "tzyx")
    read.clear()
    image = image_axes.volume(3).take(Plane(0, 2))
    assert read == [(3, 4)]
    assert (image == 3).all()


def test_of_a_multiscale_image_the_finest_level_is_taken():
    levels = [np.ones((64, 64)), np.zeros((32, 32))]
    volume = ImageAxes(Image(levels, multiscale=True), "yx").volume()
    assert volume.shape == (64, 64)
    np.testing.assert_array_equal(volume.data[:, :], levels[0])


def test_a_lazy_array_indexes_like_numpy(rng):
    data = rng.random((4, 5, 6))
    lazy = Lazy([data], {1: 2})
    assert (lazy.shape, lazy.ndim, lazy.dtype) == ((4, 6), 2, np.float64)
    np.testing.assert_array_equal(lazy[1:3], data[1:3, 2])
    np.testing.assert_array_equal(lazy[:, 3], data[:, 2, 3])


def test_spacing_is_in_millimetres_whatever_the_unit_and_wherever_it_is_stated():
    data = np.zeros((4, 5, 6))
    turned = np.array([[0, 0, 2.0, 7], [0, -0.5, 0, 8], [3.0, 0, 0, 9], [0, 0, 0, 1]])
    by_affine = Image(data, affine=turned, units=("mm",) * 3)
    assert ImageAxes(by_affine, "zyx").volume().spacing == pytest.approx((3.0, 0.5, 2.0))
    small = Image(data, scale=(2.0, 0.5, 0.25), units=("um",) * 3)
    assert ImageAxes(small, "zyx").volume().spacing == pytest.approx((2e-3, 5e-4, 2.5e-4))
    bare = Image(data, scale=(2.0, 0.5, 0.25))
    assert ImageAxes(bare, "zyx").volume().spacing == pytest.approx((2.0, 0.5, 0.25))


def test_channels_of_a_file_that_are_in_sight_are_mixed_for_the_model(
    controller, squares, tmp_path
):
    path, channels = tmp_path / "two.tif", np.stack([squares, squares[::-1]])
    tifffile.imwrite(path, channels, imagej=True, metadata={"axes": "CYX"})
    made = [Layer.create(*one) for one in read_layers(str(path))]
    assert [layer.colormap.name for layer in made] == ["red", "green"]
    for layer in made:
        controller.viewer.add_layer(layer)
    controller.choose_image(made[1])
    assert controller.others == (made[0],)
    made[0].visible = False
    controller.new_object()
    assert controller.image_controller.image_axes.others == (), "what is hidden is not seen"
    made[0].visible = True
    controller.choose_channels(None, (made[0],))
    assert controller.image_controller.image_axes.others == (made[0],)
    assert controller.image_controller.image_axes.volume(0).n_channels == 2
    controller.choose_channels(None, ())
    assert controller.image_controller.image_axes.others == (), "chosen by a person"
