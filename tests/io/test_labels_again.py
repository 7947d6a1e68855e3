"""Labels that were saved without a journal are labels when they are opened again."""

import json
import shutil

import nibabel
import npe2
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels
from PIL import Image as Picture
from pydicom import dcmread

from napari_intseg.core.affine import from_spacing
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.reference import colour_of
from napari_intseg.io.read import read_mask, read_raster, read_volume
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.write import write_array, write_labels, write_picture

PLUGIN = "napari-intseg"
VOLUMES = [
    ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".tif", ".ome.tif", ".zarr", ".h5",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def plugin():
    npe2.PluginManager.instance().discover()


def opened(path, **kwargs):
    return ViewerModel().open(str(path), plugin=PLUGIN, **kwargs)


def drawn(shape, highest=7):
    labels = np.zeros(shape, np.uint32)
    labels[..., 1:4, 2:5], labels[..., 5, 6], labels[..., 0, 0] = 1, 3, highest
    return labels


@pytest.mark.parametrize("highest", [7, 70_000])
@pytest.mark.parametrize("ending", VOLUMES)
def test_labels_are_labels_in_their_place(tmp_path, ending, highest):
    labels, volume = drawn((4, 8, 9), highest), Volume(np.zeros((4, 8, 9)), spacing=(5, 0.7, 0.6))
    write_labels(tmp_path / f"x{ending}", labels, volume)
    (layer,) = opened(tmp_path / f"x{ending}")
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(np.asarray(layer.data), labels)
    np.testing.assert_allclose(layer.scale, (5, 0.7, 0.6), rtol=1e-6)
    # whoever wants to see the numbers as grey still can
    (image,) = opened(tmp_path / f"x{ending}", layer_type="image")
    assert isinstance(image, Image)


@pytest.mark.parametrize("ending", VOLUMES)
def test_an_image_of_whole_numbers_stays_an_image(tmp_path, ending):
    volume = Volume(np.zeros((4, 8, 9)), spacing=(5, 0.7, 0.6))
    write_array(tmp_path / f"x{ending}", drawn((4, 8, 9)).astype(np.uint16), volume)
    (layer,) = opened(tmp_path / f"x{ending}")
    assert isinstance(layer, Image)


# napari itself writes images as plain TIFF
@pytest.mark.parametrize("ending", [e for e in VOLUMES if e != ".tif"])
def test_labels_saved_as_an_image_layer_are_an_image(tmp_path, ending):
    volume = Volume(np.zeros((4, 8, 9)), spacing=(5, 0.7, 0.6))
    write_labels(tmp_path / f"x{ending}", drawn((4, 8, 9)), volume)
    (image,) = opened(tmp_path / f"x{ending}", layer_type="image")
    assert image.save(str(tmp_path / f"y{ending}"), plugin=PLUGIN)
    (layer,) = opened(tmp_path / f"y{ending}")
    assert isinstance(layer, Image)


@pytest.mark.parametrize("ending", [e for e in VOLUMES if e != ".zarr"])
def test_labels_at_several_times_are_labels(tmp_path, ending):
    labels = drawn((3, 4, 8, 9))
    write_labels(tmp_path / f"x{ending}", labels, Volume(np.zeros((4, 8, 9))), time_step_s=2.0)
    (layer,) = opened(tmp_path / f"x{ending}")
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(np.asarray(layer.data), labels)


@pytest.mark.parametrize("ending", [*VOLUMES, ".png"])
def test_flat_labels_are_labels(tmp_path, ending):
    labels = drawn((8, 9))
    write_labels(tmp_path / f"labels{ending}", labels, Volume(np.zeros((8, 9))))
    (layer,) = opened(tmp_path / f"labels{ending}")
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(np.squeeze(np.asarray(layer.data)), labels)


def test_pictures_are_labels_by_their_mark_not_their_name(tmp_path, rng):
    write_picture(tmp_path / "labels.png", rng.integers(0, 9, (8, 9)).astype(np.uint8))
    (layer,) = opened(tmp_path / "labels.png")
    assert isinstance(layer, Image)
    write_picture(tmp_path / "red labels.png", rng.integers(0, 9, (8, 9, 3)).astype(np.uint8))
    (layer,) = opened(tmp_path / "red labels.png")
    assert isinstance(layer, Image)
    assert layer.rgb
    write_labels(tmp_path / "x_labels_%02d.png", drawn((3, 8, 9)), Volume(np.zeros((3, 8, 9))))
    (layer,) = opened(tmp_path / "x_labels_01.png")
    assert isinstance(layer, Labels)


def test_labels_saved_in_napari_are_labels(tmp_path):
    layer = ViewerModel().add_labels(drawn((4, 8, 9)).astype(int), scale=(5, 0.7, 0.6))
    for ending in VOLUMES:
        layer.save(str(tmp_path / f"x{ending}"), plugin=PLUGIN)
        (again,) = opened(tmp_path / f"x{ending}")
        assert isinstance(again, Labels)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha", ".tif", ".ome.tif", ".png"])
def test_other_programs_read_marked_labels(tmp_path, ending):
    shape = (8, 9) if ending == ".png" else (4, 8, 9)
    labels, path = drawn(shape), tmp_path / f"x{ending}"
    write_labels(path, labels, Volume(np.zeros(shape)))
    if ending.endswith(".tif"):
        seen = tifffile.imread(path)
    elif ending == ".png":
        seen = np.asarray(Picture.open(path))
    else:
        seen = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(seen, labels)
    np.testing.assert_array_equal(read_mask(path, Volume(np.zeros(shape))), labels)


def test_nifti_tells_labels_to_nibabel(tmp_path):
    write_labels(tmp_path / "x.nii.gz", drawn((4, 8, 9)), Volume(np.zeros((4, 8, 9))))
    assert nibabel.load(tmp_path / "x.nii.gz").header.get_intent()[0] == "label"
    write_array(tmp_path / "p.nii.gz", np.zeros((4, 8, 9), np.uint8), Volume(np.zeros((4, 8, 9))))
    assert nibabel.load(tmp_path / "p.nii.gz").header.get_intent()[0] == "none"


TABLE = b"""<?xml version="1.0"?><CaretExtension><VolumeInformation Index="0"><LabelTable>
<Label Key="0" Red="1" Green="1" Blue="1" Alpha="0"><![CDATA[???]]></Label>
<Label Key="3" Red="1.0" Green="0.5" Blue="0" Alpha="1"><![CDATA[left lung]]></Label>
<Label Key="7" Red="no" Green="0" Blue="0" Alpha="1">liver &amp; bile</Label></LabelTable>
</VolumeInformation></CaretExtension>"""


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_label_table_in_nifti_tells_names_and_colours(tmp_path, ending):
    image = nibabel.Nifti1Image(drawn((4, 8, 9)).T.astype(np.uint8), np.eye(4))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, TABLE))
    nibabel.save(image, tmp_path / f"i{ending}")
    (layer,) = opened(tmp_path / f"i{ending}")
    assert isinstance(layer, Labels)
    table = dict(zip(layer.features["index"], layer.features["name"], strict=True))
    assert table == {0: "", 3: "left lung", 7: "liver & bile"}
    np.testing.assert_allclose(layer.get_color(3), (1, 0.5, 0, 1), atol=0.003)
    # objects of which no colour is told, and new ones, are seen all the same
    assert layer.get_color(7)[3] == layer.get_color(5000)[3] == 1
    image.header.extensions[0] = nibabel.nifti1.Nifti1Extension(0, b"<LabelTable></LabelTable>")
    nibabel.save(image, tmp_path / f"e{ending}")
    assert isinstance(opened(tmp_path / f"e{ending}")[0], Image)


def slicer(path, data, layers=(0, 0)):
    """A segmentation as 3D Slicer saves it."""
    image = sitk.GetImageFromArray(data, isVector=data.ndim > 3)
    for number, (label, name, colour) in enumerate(
        ((1, "liver", "0.5 0.25 0"), (3, "spleen", "0 1 1"))
    ):
        for key, value in (
            ("LabelValue", label), ("Name", name), ("Color", colour), ("Layer", layers[number]),
        ):  # fmt: skip
            image.SetMetaData(f"Segment{number}_{key}", str(value))
    sitk.WriteImage(image, str(path))


def test_segments_of_slicer_have_their_names_and_colours(tmp_path):
    slicer(tmp_path / "x.seg.nrrd", drawn((4, 8, 9)).astype(np.uint8))
    (layer,) = opened(tmp_path / "x.seg.nrrd")
    assert isinstance(layer, Labels)
    assert list(layer.features["name"]) == ["", "liver", "spleen"]
    np.testing.assert_allclose(layer.get_color(1), (0.5, 0.25, 0, 1), atol=0.003)


@pytest.mark.parametrize("label", [256, 1 << 40, 10**40])
def test_labels_that_pixels_cannot_hold_have_neither_name_nor_colour(tmp_path, label):
    image = nibabel.Nifti1Image(drawn((4, 8, 9)).T.astype(np.uint8), np.eye(4))
    table = TABLE.replace(b'Key="3"', b'Key="%d"' % label)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, table))
    nibabel.save(image, tmp_path / "i.nii")
    (layer,) = opened(tmp_path / "i.nii")
    assert isinstance(layer, Labels)
    assert list(layer.features["index"]) == [0, 7]
    assert layer.get_color(3)[3] == 1


def test_a_large_label_keeps_its_name_and_is_seen(tmp_path):
    data = drawn((4, 8, 9)).astype(np.int32)
    data[data == 3] = 70_000
    image = nibabel.Nifti1Image(data.T, np.eye(4), dtype=np.int32)
    table = TABLE.replace(b'Key="3"', b'Key="70000"').replace(b'Red="no"', b'Red="1"')
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, table))
    nibabel.save(image, tmp_path / "i.nii")
    (layer,) = opened(tmp_path / "i.nii")
    assert list(layer.features["index"]) == [0, 7, 70_000]
    np.testing.assert_allclose(layer.get_color(7), (1, 0, 0, 1), atol=0.003)
    assert layer.get_color(70_000)[3] == 1


@pytest.mark.parametrize("count", [2, 3])
def test_layers_of_segments_are_layers_of_labels_not_colours(tmp_path, count):
    data = np.stack([drawn((4, 8, 9)).astype(np.uint8)] * count, axis=-1)
    slicer(tmp_path / "x.seg.nrrd", data, layers=(0, 1))
    layers = opened(tmp_path / "x.seg.nrrd")
    assert [type(layer) for layer in layers] == [Labels] * count
    np.testing.assert_array_equal(layers[1].data, data[..., 1])


def test_labels_in_ome_zarr_have_the_names_and_colours_that_it_tells(tmp_path):
    path = tmp_path / "x.zarr"
    write_labels(path, drawn((4, 8, 9)), Volume(np.zeros((4, 8, 9))), ome_zarr="0.4")
    told = json.loads((path / ".zattrs").read_text())
    told["image-label"] |= {
        "colors": [{"label-value": 3, "rgba": [255, 128, 0, 255]}, {"label-value": None}, 5],
        "properties": [{"label-value": 3, "name": "mitosis"}, {"label-value": 7, "area": 4}],
    }
    (path / ".zattrs").write_text(json.dumps(told))
    (layer,) = opened(path)
    assert list(layer.features["name"]) == ["", "mitosis"]
    np.testing.assert_allclose(layer.get_color(3), (1, 0.5, 0, 1), atol=0.003)


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
@pytest.mark.parametrize("is_beside", [True, False])
def test_segments_of_dicom_lie_where_the_image_lies(tmp_path, scanned, drawn, is_beside):
    volume = scanned.volume
    (tmp_path / "other").mkdir()
    path = tmp_path / ("s" if is_beside else "other") / "l.dcm"
    write_labels(path, drawn, volume, names={3: "liver"})
    heights = [frame.position for frame in volume.source.dicom.frames]
    raster = read_raster(path)
    assert raster.is_labels
    assert raster.names == {3: "liver", 8: "object 8"}
    if is_beside:
        np.testing.assert_array_equal(raster.levels[0], drawn)
        np.testing.assert_array_equal(raster.affine, volume.affine)
        return
    # planes 1 to 3 hold something
    held = np.asarray(raster.levels[0])
    for plane in range(1, 4):
        way = np.array(heights[plane]) - raster.affine[:3, 3]
        index = np.linalg.solve(raster.affine[:3, :3], way)
        np.testing.assert_allclose(index[1:], 0, atol=1e-6)
        np.testing.assert_allclose(index[0], round(index[0]), atol=1e-6)
        np.testing.assert_array_equal(held[round(index[0])], drawn[plane])
    assert np.count_nonzero(held) == np.count_nonzero(drawn)


def test_segments_of_dicom_are_labels_in_their_colours(tmp_path, dicom, drawn):
    folder = dicom.Scan().write(tmp_path / "s")
    (tmp_path / "other").mkdir()
    for path in (folder / "l.dcm", tmp_path / "other" / "l.dcm"):
        write_labels(path, drawn, read_volume(folder), names={3: "liver"})
        (layer,) = opened(path)
        assert isinstance(layer, Labels)
        assert list(layer.features["name"]) == ["", "liver", "object 8"]
        for label in (3, 8):
            wanted = np.array([*colour_of(label), 255]) / 255
            np.testing.assert_allclose(layer.get_color(label), wanted, atol=0.02)
    # the folder is the image all the same
    (image,) = opened(folder)
    assert isinstance(image, Image)


def test_every_second_plane_may_be_empty(tmp_path, dicom):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    labels = np.zeros(volume.shape, int)
    labels[0, 1, 1] = labels[2, 1, 1] = labels[4, 1, 1] = 2
    write_labels(tmp_path / "l.dcm", labels, volume)
    seg = dcmread(tmp_path / "l.dcm")
    seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 2.5
    seg.save_as(tmp_path / "l.dcm")
    raster = read_raster(tmp_path / "l.dcm")
    np.testing.assert_array_equal(raster.levels[0], labels)
    np.testing.assert_allclose(raster.affine, volume.affine, atol=1e-9)


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_segments_on_no_grid_are_told(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan(heights=[0, 2.5, 6, 10, 13.1]).write(tmp_path / "s"))
    write_labels(tmp_path / "l.dcm", drawn, volume)
    with pytest.raises(FileError, match="no grid of its own"):
        read_raster(tmp_path / "l.dcm")
    shutil.move(tmp_path / "l.dcm", tmp_path / "s" / "l.dcm")
    np.testing.assert_array_equal(read_raster(tmp_path / "s" / "l.dcm").levels[0], drawn)


def test_labels_of_more_than_16_bits_come_back_from_dicom(tmp_path, dicom):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    labels = np.zeros(volume.shape, np.uint32)
    labels[1, 2:4, 2:5], labels[2, 2, 2] = 70_000, 5
    write_labels(tmp_path / "l.dcm", labels, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", volume), labels)


def test_a_source_that_states_a_size_keeps_the_mark(tmp_path):
    source = Source(tmp_path / "i.tif", unit="µm")
    volume = FileVolume(np.zeros((8, 9)), source, affine=from_spacing((0.5, 0.5)), channels=False)
    for ending in (".tif", ".ome.tif"):
        write_labels(tmp_path / f"x{ending}", drawn((8, 9)), volume)
        (layer,) = opened(tmp_path / f"x{ending}")
        assert isinstance(layer, Labels)
        np.testing.assert_allclose(layer.scale, (500, 500))
