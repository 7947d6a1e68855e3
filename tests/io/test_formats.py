import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_intseg.core.volume import Volume
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_array, write_labels, write_picture


def test_imagej_stack_keeps_its_resolution(tmp_path, rng):
    data = rng.integers(0, 60000, (4, 5, 6)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "i.tif", data, imagej=True, resolution=(1 / 0.2, 1 / 0.25),
        metadata={"axes": "ZYX", "spacing": 1.5, "unit": "um"},
    )  # fmt: skip
    volume = read_volume(tmp_path / "i.tif")
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(volume.spacing, (1.5e-3, 0.25e-3, 0.2e-3), rtol=1e-6)
    labels = rng.integers(0, 300, (4, 5, 6))
    write_labels(tmp_path / "l.tif", labels, volume)
    with (
        tifffile.TiffFile(tmp_path / "i.tif") as image,
        tifffile.TiffFile(tmp_path / "l.tif") as made,
    ):
        for tag in ("XResolution", "YResolution", "ResolutionUnit"):
            assert made.pages[0].tags[tag].value == image.pages[0].tags[tag].value
        assert made.imagej_metadata["spacing"] == 1.5
        assert made.imagej_metadata["unit"] == image.imagej_metadata["unit"]
        assert made.asarray().dtype == np.uint16
        np.testing.assert_array_equal(made.asarray(), labels)


def test_ome_stack_keeps_its_resolution_and_many_labels(tmp_path, rng):
    sizes = {
        "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 200.0,
        "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 1.0,
    }  # fmt: skip
    tifffile.imwrite(
        tmp_path / "i.ome.tif", np.zeros((4, 5, 6), np.uint8), metadata={"axes": "ZYX", **sizes}
    )
    volume = read_volume(tmp_path / "i.ome.tif")
    np.testing.assert_allclose(volume.spacing, (1e-3, 2e-4, 2e-4), rtol=1e-9)
    labels = rng.integers(0, 2**20, (4, 5, 6))
    write_labels(tmp_path / "l.ome.tif", labels, volume)
    again = read_volume(tmp_path / "l.ome.tif")
    np.testing.assert_array_equal(again.data, labels)
    assert again.source.tiff.ome == volume.source.tiff.ome
    np.testing.assert_array_equal(again.affine, volume.affine)


def test_tiff_of_a_scan_is_written_in_millimetres(tmp_path):
    volume = Volume(np.zeros((4, 5, 6)), spacing=(5.0, 0.7, 0.8))
    write_labels(tmp_path / "l.tif", np.ones((4, 5, 6), bool), volume)
    np.testing.assert_allclose(read_volume(tmp_path / "l.tif").spacing, (5, 0.7, 0.8), rtol=1e-6)


def test_plain_tiff_states_dots_per_inch(tmp_path):
    tifffile.imwrite(
        tmp_path / "i.tif", np.zeros((5, 6), np.uint8), resolution=(254, 254), resolutionunit=2
    )
    np.testing.assert_allclose(read_volume(tmp_path / "i.tif").spacing, (0.1, 0.1))


@pytest.mark.parametrize(
    ("axes", "shape", "found"),
    [
        ("YX", (5, 6), ((5, 6), 0)),
        ("YXS", (5, 6, 3), ((5, 6), 3)),
        ("CYX", (2, 5, 6), ((5, 6), 2)),
        ("ZYX", (4, 5, 6), ((4, 5, 6), 0)),
        ("ZCYX", (4, 2, 5, 6), ((4, 5, 6), 2)),
        ("TZCYX", (1, 4, 1, 5, 6), ((4, 5, 6), 0)),
    ],
)
def test_axes_of_tiff_become_planes_rows_columns_channels(tmp_path, rng, axes, shape, found):
    data = rng.integers(0, 99, shape).astype(np.uint8)
    photometric = "rgb" if axes == "YXS" else "minisblack"
    tifffile.imwrite(
        tmp_path / "i.ome.tif", data, ome=True, photometric=photometric, metadata={"axes": axes}
    )
    volume = read_volume(tmp_path / "i.ome.tif")
    assert (volume.shape, volume.n_channels) == found
    if found[1] and axes != "YXS":
        moved = np.moveaxis(data, axes.index("C"), -1)
        np.testing.assert_array_equal(volume.data, moved.squeeze())


def test_one_time_point_is_read_of_tiff_itk_and_npy(tmp_path, rng):
    data = rng.integers(0, 99, (3, 4, 5, 6)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "i.ome.tif", data, ome=True, metadata={"axes": "TZYX"})
    itk = sitk.JoinSeries([sitk.GetImageFromArray(one) for one in data])
    itk.SetSpacing((0.7, 0.7, 5.0, 1.0))
    sitk.WriteImage(itk, str(tmp_path / "i.nii.gz"))
    np.save(tmp_path / "i.npy", data)
    for name in ("i.ome.tif", "i.nii.gz", "i.npy"):
        volume = read_volume(tmp_path / name, time=2)
        np.testing.assert_array_equal(volume.data, data[2])
        write_labels(tmp_path / f"l_{name}", np.ones((4, 5, 6), bool), volume)
        assert read_volume(tmp_path / f"l_{name}").shape == (4, 5, 6)
        np.testing.assert_allclose(read_volume(tmp_path / f"l_{name}").affine, volume.affine)


@pytest.mark.parametrize(("mode", "channels"), [("L", 0), ("RGB", 3), ("RGBA", 4), ("LA", 0)])
def test_pictures_have_their_channels_last(tmp_path, rng, mode, channels):
    from PIL import Image

    n = len(mode)
    data = rng.integers(0, 255, (5, 6, n) if n > 1 else (5, 6)).astype(np.uint8)
    Image.fromarray(data, mode).save(tmp_path / "i.png")
    volume = read_volume(tmp_path / "i.png")
    assert (volume.shape, volume.n_channels) == ((5, 6), channels)


@pytest.mark.parametrize("highest", [200, 60000])
def test_png_labels_come_back(tmp_path, rng, highest):
    labels = rng.integers(0, highest, (5, 6))
    write_labels(tmp_path / "l.png", labels, Volume(np.zeros((5, 6))))
    np.testing.assert_array_equal(read_volume(tmp_path / "l.png").data, labels)


def test_jpeg_is_read_as_rgb(tmp_path, rng):
    import imageio.v3 as iio

    iio.imwrite(tmp_path / "i.jpg", rng.integers(0, 255, (20, 30, 3)).astype(np.uint8))
    assert read_volume(tmp_path / "i.jpg").n_channels == 3


def test_components_of_an_itk_image_are_channels(tmp_path, rng):
    data = rng.integers(0, 99, (4, 5, 6, 2)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(data, isVector=True), str(tmp_path / "i.mha"))
    volume = read_volume(tmp_path / "i.mha")
    assert volume.n_channels == 2
    np.testing.assert_array_equal(volume.data, data)


def test_dicom_series_is_read_in_order_of_position(shared):
    samples = shared / "data" / "samples"
    volume = read_volume(samples / "ct_dicom_series")
    organs = read_volume(samples / "ct_dicom_series_organs.nii.gz")
    assert volume.shape == organs.shape == (20, 512, 512)
    assert volume.data.min() <= -1000
    corners = np.array([[0, 0, 0, 1], [19, 511, 511, 1]]).T
    boxes = [np.sort((v.affine @ corners)[:3]) for v in (volume, organs)]
    np.testing.assert_allclose(boxes[0], boxes[1], atol=0.5)
    one = read_volume(next((samples / "ct_dicom_series").iterdir()))
    assert one.shape == (1, 512, 512)


def test_mask_of_an_image_is_read(tmp_path, rng):
    volume = Volume(np.zeros((4, 5, 6)), spacing=(5.0, 0.7, 0.7))
    labels = rng.integers(0, 2, (4, 5, 6))
    write_labels(tmp_path / "m.nii.gz", labels, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.nii.gz", volume), labels)


def test_probability_and_picture_are_written(tmp_path, rng):
    prob = rng.random((5, 6), np.float32)
    volume = Volume(np.zeros((5, 6)))
    for name in ("p.npy", "p.tif", "p.mha"):
        write_array(tmp_path / name, prob, volume)
        np.testing.assert_array_equal(read_volume(tmp_path / name).data, prob)
    picture = rng.integers(0, 255, (5, 6, 3)).astype(np.uint8)
    write_picture(tmp_path / "p.png", picture)
    np.testing.assert_array_equal(read_volume(tmp_path / "p.png").data, picture)
