"""What napari gets to see of each kind of file, through the manifest."""

from fnmatch import fnmatch

import nibabel
import npe2
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from pydicom import dcmread

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.hooks import get_reader, layers_of, read_layers, write_labels_layer
from napari_intseg.io.output_files import METADATA, write_beside
from napari_intseg.io.raster import ORDER
from napari_intseg.io.read import read_mask, read_raster, read_volume
from napari_intseg.io.suffixes import KINDS, READABLE, WRITABLE
from napari_intseg.io.write import write_array, write_labels, write_picture
from napari_intseg.ui.layers.image_axes import ImageAxes, possible_axes
from napari_intseg.ui.layers.layer_registry import layers_for

PLUGIN = "napari-intseg"
SIZES = {"t": 3, "c": 2, "z": 4, "y": 16, "x": 20}


def only(path):
    ((data, meta, kind),) = read_layers(str(path))
    return Layer.create(data, meta, kind)


@pytest.fixture(scope="module")
def manifest():
    manager = npe2.PluginManager()
    manager.discover()
    return manager.get_manifest(PLUGIN)


def test_the_manifest_is_valid_and_names_what_exists(manifest):
    for command in manifest.contributions.commands:
        assert callable(npe2.manifest.utils.import_python_name(command.python_name)), command.id
    (reader,) = manifest.contributions.readers
    assert reader.accepts_directories
    # napari reads pictures and bare arrays just as well: its own reader stays the only one, but for
    # names that say labels, which it would show as an image
    napari_reads = {ending for ending, kind in KINDS.items() if kind in ("picture", "npy")}
    patterns = set(reader.filename_patterns)
    assert not {f"*{ending}" for ending in napari_reads} & patterns
    for ending in set(READABLE) - napari_reads:
        assert any(fnmatch(f"image{ending}", pattern) for pattern in patterns), ending
    for writer in manifest.contributions.writers:
        if writer.layer_types == ["labels"]:
            # the structures of RT-STRUCT are written by Export alone
            assert set(WRITABLE) - {"rtstruct.dcm"} <= set(writer.filename_extensions)
        assert ".nii.gz" in writer.filename_extensions
        assert (".dcm" in writer.filename_extensions) == (writer.layer_types == ["labels"])


def test_napari_opens_and_saves_through_the_manifest(tmp_path, rng):
    npe2.PluginManager.instance().discover()
    data = rng.integers(-1000, 1000, (4, 5, 6)).astype(np.int16)
    write_array(tmp_path / "i.nii.gz", data, Volume(data, spacing=(5.0, 0.7, 0.7)))
    viewer = ViewerModel()
    (layer,) = viewer.open(str(tmp_path / "i.nii.gz"), plugin=PLUGIN)
    assert layer.name == "i"
    np.testing.assert_allclose(layer.scale, (5.0, 0.7, 0.7), rtol=1e-6)
    labels = viewer.add_labels(np.ones((4, 5, 6), int), scale=layer.scale, units=layer.units)
    assert labels.save(str(tmp_path / "l.nrrd"), plugin=PLUGIN) == [str(tmp_path / "l.nrrd")]
    assert sitk.ReadImage(str(tmp_path / "l.nrrd")).GetSpacing() == pytest.approx((0.7, 0.7, 5))
    assert layer.save(str(tmp_path / "again.mha"), plugin=PLUGIN)
    np.testing.assert_array_equal(read_volume(tmp_path / "again.mha").data, data)


@pytest.mark.parametrize(
    "axes", ["yx", "cyx", "zyx", "tyx", "zcyx", "czyx", "tcyx", "tzyx", "tzcyx", "tczyx", "ctzyx"]
)
def test_ome_tiff_channels_become_layers_wherever_they_are(tmp_path, rng, axes):
    data = rng.integers(0, 900, [SIZES[a] for a in axes]).astype(np.uint16)
    named = (
        {"Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, 16711935]}} if "c" in axes else {}
    )
    tifffile.imwrite(
        tmp_path / "i.ome.tif", data, ome=True, photometric="minisblack",
        metadata={
            "axes": axes.upper(), "PhysicalSizeX": 0.2, "PhysicalSizeY": 200.0,
            "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 1.5, "TimeIncrement": 500,
            "TimeIncrementUnit": "ms", **named,
        },
    )  # fmt: skip
    layers = [Layer.create(*one) for one in read_layers(str(tmp_path / "i.ome.tif"))]
    seen = "".join(a for a in ORDER if a in axes and a != "c")
    names = ["i DAPI", "i GFP"] if "c" in axes else ["i"]
    assert [layer.name for layer in layers] == names
    for number, layer in enumerate(layers):
        part = data.take(number, axes.index("c")) if "c" in axes else data
        left = axes.replace("c", "")
        part = part.transpose([left.index(a) for a in seen])
        np.testing.assert_array_equal(layer.data, part)
        assert layer.axis_labels == tuple(seen)
        steps = {"t": 0.5, "z": 1.5, "y": 0.2, "x": 0.2}
        np.testing.assert_allclose(layer.scale, [steps[a] for a in seen])
        units = ["second" if a == "t" else "micrometer" for a in seen]
        assert [str(unit) for unit in layer.units] == units
        # the widget understands the axes without being told
        assert possible_axes(layer)[0] == seen
        mm = tuple(steps[a] * 1e-3 for a in seen if a in "zyx")
        assert ImageAxes(layer, seen).volume().spacing == pytest.approx(mm)
    if "c" in axes:
        assert [layer.colormap.name for layer in layers] == ["blue", "green"]
        assert layers[0].blending == "additive"


def test_imagej_channels_have_their_limits_and_colours(tmp_path, rng):
    data = rng.integers(0, 900, (4, 2, 16, 20)).astype(np.uint16)
    tables = [np.zeros((3, 256), np.uint8) for _ in range(2)]
    tables[0][0], tables[1][2] = np.arange(256), np.arange(256)
    tifffile.imwrite(
        tmp_path / "i.tif", data, imagej=True, resolution=(4, 4),
        metadata={
            "axes": "ZCYX", "spacing": 2.0, "unit": "micron", "mode": "composite",
            "Ranges": (10.0, 500.0, 20.0, 600.0), "LUTs": tables, "finterval": 2.0,
        },
    )  # fmt: skip
    first, second = (Layer.create(*one) for one in read_layers(str(tmp_path / "i.tif")))
    np.testing.assert_array_equal(second.data, data[:, 1])
    assert first.contrast_limits == [10.0, 500.0]
    assert second.contrast_limits == [20.0, 600.0]
    np.testing.assert_allclose(first.colormap.colors[-1], (1, 0, 0, 1))
    np.testing.assert_allclose(second.colormap.colors[-1], (0, 0, 1, 1))
    np.testing.assert_allclose(first.scale, (2.0, 0.25, 0.25))


def test_colours_of_8_bits_are_rgb_and_others_channels(tmp_path, rng):
    data = rng.integers(0, 255, (16, 20, 3)).astype(np.uint8)
    write_picture(tmp_path / "i.png", data)
    tifffile.imwrite(tmp_path / "i.tif", data, photometric="rgb")
    for name in ("i.png", "i.tif"):
        layer = only(tmp_path / name)
        assert layer.rgb
        np.testing.assert_array_equal(layer.data, data)
        assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]
    tifffile.imwrite(tmp_path / "16.tif", data.astype(np.uint16) * 256, photometric="rgb")
    assert len(read_layers(str(tmp_path / "16.tif"))) == 3


def test_a_pyramid_of_tiff_is_multiscale(tmp_path, rng):
    data = rng.integers(0, 255, (256, 320)).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "i.tif") as file:
        file.write(data, subifds=1, tile=(64, 64))
        file.write(data[::2, ::2], subfiletype=1, tile=(64, 64))
    layer = only(tmp_path / "i.tif")
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(256, 320), (128, 160)]


@pytest.mark.parametrize("kwargs", [{}, {"tile": (64, 64), "compression": "zlib"}])
def test_a_large_tiff_stays_on_disk(tmp_path, rng, monkeypatch, kwargs):
    data = rng.integers(0, 900, (2, 3, 256, 320)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "i.ome.tif", data, ome=True, photometric="minisblack",
        metadata={"axes": "CZYX"}, **kwargs,
    )  # fmt: skip
    monkeypatch.setattr("napari_intseg.io.tiff.LAZY_BYTES", 1000)
    raster = read_raster(tmp_path / "i.ome.tif")
    assert not isinstance(raster.levels[0], np.ndarray)
    volume = raster.volume()
    assert volume.n_channels == 2
    np.testing.assert_array_equal(
        volume.take(volume.planes(0)[1], slice(5, 9)), np.moveaxis(data[:, 1, 5:9], 0, -1)
    )
    np.testing.assert_array_equal(np.asarray(layers_of(raster)[1][0]), data[1])


def test_a_time_series_of_nifti_has_seconds(tmp_path, rng):
    data = rng.integers(0, 900, (6, 5, 4, 3)).astype(np.int16)
    image = nibabel.Nifti1Image(data, np.diag([-0.7, -0.7, 5.0, 1.0]))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 1500
    nibabel.save(image, tmp_path / "i.nii.gz")
    layer = only(tmp_path / "i.nii.gz")
    assert layer.axis_labels == ("t", "z", "y", "x")
    np.testing.assert_allclose(layer.scale, (1.5, 5.0, 0.7, 0.7), rtol=1e-6)
    np.testing.assert_array_equal(layer.data, data.T)


def test_labels_by_intent_are_labels(tmp_path):
    image = nibabel.Nifti1Image(np.ones((6, 5, 4), np.uint8), np.eye(4))
    image.header.set_intent("label")
    nibabel.save(image, tmp_path / "l.nii.gz")
    assert isinstance(only(tmp_path / "l.nii.gz"), Labels)
    write_labels(tmp_path / "l.h5", np.ones((4, 5, 6), int), Volume(np.zeros((4, 5, 6))))
    assert isinstance(only(tmp_path / "l.h5"), Labels)
    nibabel.save(nibabel.Nifti1Image(np.ones((6, 5, 4), np.uint8), np.eye(4)), tmp_path / "i.nii")
    assert isinstance(only(tmp_path / "i.nii"), Image)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha", ".tif", ".npy", ".h5"])
def test_labels_with_a_journal_beside_them_are_labels(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    made = Labels(np.ones((4, 5, 6), int), metadata={METADATA: [{"journal": "napari-intseg"}]})
    data, meta, _ = made.as_layer_data_tuple()
    write_labels_layer(str(path), data, meta)
    assert isinstance(only(path), Labels)
    np.testing.assert_array_equal(only(path).data, data)


def test_numbers_that_are_not_whole_are_an_image(tmp_path):
    like = Volume(np.zeros((4, 5, 6)))
    # they cannot be labels, whatever lies beside them
    write_array(tmp_path / "p.nrrd", np.full((4, 5, 6), 0.5, np.float32), like)
    write_beside(tmp_path / "p.nrrd", [{"journal": "napari-intseg"}])
    assert isinstance(only(tmp_path / "p.nrrd"), Image)


def test_micrometres_in_nifti_are_micrometres(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((6, 5, 4), np.uint8), np.diag([-2.0, -3.0, 4.0, 1.0]))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "i.nii")
    layer = only(tmp_path / "i.nii")
    np.testing.assert_allclose(layer.scale, (4, 3, 2), rtol=1e-6)
    assert {str(unit) for unit in layer.units} == {"micrometer"}


def test_contrast_limits_leave_out_the_rarest_values(tmp_path, rng):
    data = rng.normal(100, 10, (4, 64, 64)).astype(np.float32)
    data[0, 0, 0], data[0, 0, 1] = np.nan, np.inf
    data[1, 5, 5] = 1e9
    np.save(tmp_path / "i.npy", data)
    low, high = only(tmp_path / "i.npy").contrast_limits
    assert 50 < low < 90
    assert 110 < high < 150


def test_what_is_not_ours_is_left_to_others(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "more").mkdir()
    assert get_reader(str(tmp_path / "notes.txt")) is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader([str(tmp_path / "a.nii"), str(tmp_path / "b.nii")]) is None
    assert get_reader([str(tmp_path / "a.nii")]) is read_layers


def test_a_dicom_folder_is_recognised_and_shown_in_its_window(shared):
    folder = str(shared / "data" / "samples" / "ct_dicom_series")
    assert get_reader(folder) is read_layers
    layer = only(folder)
    np.testing.assert_allclose(layer.scale, (2.0, 0.9765625, 0.9765625))
    assert layer.contrast_limits == [-110.0, 190.0]


def test_labels_of_an_rgb_image_have_no_colour_axis(tmp_path, rng):
    write_picture(tmp_path / "i.png", rng.integers(0, 255, (16, 20, 3)).astype(np.uint8))
    image = only(tmp_path / "i.png")
    labels = Labels(np.ones((16, 20), int), metadata=image.metadata)
    data, meta, _ = labels.as_layer_data_tuple()
    write_labels_layer(str(tmp_path / "l.tif"), data, meta)
    assert read_volume(tmp_path / "l.tif").shape == (16, 20)


def test_napari_saves_labels_of_a_dicom_image_as_dicom(tmp_path, dicom):
    npe2.PluginManager.instance().discover()
    folder = dicom.Scan(cosines=(0, 1, 0, 0, 0, -1)).write(tmp_path / "s")
    viewer = ViewerModel()
    (image,) = viewer.open(str(folder), plugin=PLUGIN)
    _, labels, _ = layers_for(viewer, ImageAxes(image, "zyx"))
    labels.data[3, 2, 1] = 4
    for name in ("l.dcm", "rtstruct.dcm"):
        path = str(tmp_path / name)
        assert labels.save(path, plugin=PLUGIN) == [path]
        assert dicom.PATIENT.encode() not in (tmp_path / name).read_bytes()
    assert dicom.PATIENT not in repr(labels.metadata)
    volume = read_volume(folder)
    mask = read_mask(tmp_path / "l.dcm", volume)
    (index,) = np.argwhere(mask == 4)
    assert mask.sum() == 4
    world = volume.affine @ [*index, 1]
    np.testing.assert_allclose(world[2::-1], labels.data_to_world((3, 2, 1)), atol=1e-6)
    assert dcmread(tmp_path / "rtstruct.dcm").Modality == "RTSTRUCT"
    other = viewer.add_labels(np.ones((4, 5, 6), int))
    with pytest.raises(FileError, match=r"labels cannot be written as DICOM: .*the widget made"):
        other.save(str(tmp_path / "other.dcm"), plugin=PLUGIN)
    assert not (tmp_path / "other.dcm").exists()
