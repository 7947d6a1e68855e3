"""What TIFFs of ImageJ, cameras and slide scanners say of sizes, times and values."""

import json
import warnings

import numpy as np
import pytest
import tifffile

from napari_intseg.io.read import read_raster, read_volume
from napari_intseg.io.suffixes import FileWarning
from napari_intseg.io.write import write_labels

IMAGE = np.arange(16 * 24, dtype=np.uint16).reshape(16, 24)
STACK = np.arange(4 * 16 * 24, dtype=np.uint16).reshape(4, 16, 24)


def described(path, words, data=IMAGE, **more):
    """A TIFF with ImageJ's description."""
    text = "ImageJ=1.54\n" + "".join(f"{name}={value}\n" for name, value in words.items())
    tifffile.imwrite(path, data, metadata=None, description=text, photometric="minisblack", **more)
    return path


@pytest.mark.parametrize(
    ("first", "by", "kind"),
    [(-32768, 1, np.int16), (-1000, 2, np.int32), (0, 0.5, np.float32), (-1024, 1, np.int32)],
)
def test_values_that_imagej_shows_are_read(tmp_path, first, by, kind):
    path = described(tmp_path / "i.tif", {"cf": 0, "c0": first, "c1": by, "vunit": "HU"})
    volume = read_volume(path)
    assert volume.dtype == kind
    np.testing.assert_array_equal(volume.data, first + by * IMAGE.astype(float))


@pytest.mark.parametrize("words", [{"cf": 3, "c0": 1, "c1": 2}, {"cf": 0, "c0": "x", "c1": 1}])
def test_values_by_another_function_are_told(tmp_path, words):
    path = described(tmp_path / "i.tif", words)
    with pytest.warns(FileWarning, match="calibration of its values is no straight line"):
        np.testing.assert_array_equal(read_volume(path).data, IMAGE)


def test_pages_that_a_description_leaves_out_are_told(tmp_path):
    path = described(tmp_path / "i.tif", {"images": 3, "slices": 3}, STACK)
    with pytest.warns(FileWarning, match="1 of 4 pages belong to no image"):
        assert read_volume(path).shape == (3, 16, 24)
    path = described(tmp_path / "j.tif", {"images": 4, "slices": 4}, STACK)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FileWarning)
        assert read_volume(path).shape == (4, 16, 24)


def test_images_a_second_tell_a_step(tmp_path):
    words = {"images": 4, "frames": 4, "fps": 8}
    assert read_raster(described(tmp_path / "i.tif", words, STACK)).time_step_s == 0.125


def test_sizes_of_cameras_and_slide_scanners_come_and_go_on_to_labels(tmp_path):
    about = json.dumps({"PixelSizeUm": 0.325})
    tifffile.imwrite(tmp_path / "c.tif", IMAGE, extratags=[(51123, "s", 0, about, True)])
    tifffile.imwrite(
        tmp_path / "s.tif", IMAGE, metadata=None, photometric="minisblack",
        description="Aperio Image Library v11\n24x16 |AppMag = 20|MPP = 0.325",
    )  # fmt: skip
    for name in "cs":
        volume = read_volume(tmp_path / f"{name}.tif")
        assert volume.spacing == pytest.approx((0.000325, 0.000325), rel=1e-6)
        write_labels(tmp_path / f"{name}_labels.tif", IMAGE > 9, volume)
        assert read_volume(tmp_path / f"{name}_labels.tif").spacing == volume.spacing


@pytest.mark.parametrize(
    ("unit", "spacing"),
    [(1, (0.5, 1.0)), (2, (0.127, 0.254)), (3, (0.05, 0.1)), (4, (0.005, 0.01))],
)
def test_a_resolution_without_a_unit_tells_the_shape_of_pixels_alone(tmp_path, unit, spacing):
    tifffile.imwrite(tmp_path / "i.tif", IMAGE, resolution=(100, 200), resolutionunit=unit)
    assert read_volume(tmp_path / "i.tif").spacing == pytest.approx(spacing)


SIZES = {
    "X only": ({"PhysicalSizeX": "0.5"}, (0.0005, 0.0005)),
    "Y only": ({"PhysicalSizeY": "0.5"}, (0.0005, 0.0005)),
    "a decimal comma": ({"PhysicalSizeX": "0,5", "PhysicalSizeY": "0.25"}, (0.00025, 0.00025)),
    "no number": ({"PhysicalSizeX": "0.5", "PhysicalSizeY": "NaN"}, (0.0005, 0.0005)),
    "zero": ({"PhysicalSizeX": "0.5", "PhysicalSizeY": "0"}, (0.0005, 0.0005)),
}


@pytest.mark.parametrize("what", SIZES)
def test_sizes_that_ome_does_not_tell_are_told_as_such(tmp_path, what):
    sizes, spacing = SIZES[what]
    told = "".join(f' {name}="{value}"' for name, value in sizes.items())
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="P" DimensionOrder="XYCZT" Type="uint16" SizeX="24" '
        f'SizeY="16" SizeC="1" SizeZ="1" SizeT="1"{told}><TiffData IFD="0"/></Pixels></Image></OME>'
    )
    tifffile.imwrite(tmp_path / "i.ome.tif", IMAGE, description=text, metadata=None)
    with pytest.warns(FileWarning, match="rows or columns tell no size"):
        assert read_volume(tmp_path / "i.ome.tif").spacing == pytest.approx(spacing)


def test_what_is_shown_otherwise_or_no_planes_is_told(tmp_path):
    tifffile.imwrite(tmp_path / "w.tif", IMAGE, photometric="miniswhite")
    with pytest.warns(FileWarning, match="0 as white"):
        np.testing.assert_array_equal(read_volume(tmp_path / "w.tif").data, IMAGE)
    tifffile.imwrite(tmp_path / "h.ome.tif", STACK, metadata={"axes": "HYX"})
    with pytest.warns(FileWarning, match="axis 'H' is taken for planes"):
        assert read_volume(tmp_path / "h.ome.tif").shape == (4, 16, 24)


SEM = "\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 2.5 nm\r\nAP_WD\r\nWD = 4.1 mm\r\n"
MAKERS = {
    "FEI": (34682, "[User]\r\nUser=a\r\n[Scan]\r\nPixelWidth=2.5e-009\r\nPixelHeight=3.5e-009\r\n"),
    "Zeiss": (34118, SEM),
    "Zeiss, sizes that are not known": (34118, SEM.replace("nm", "nix")),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_sizes_of_electron_microscopes_count_before_dots_of_a_screen(tmp_path, maker):
    tag, about = MAKERS[maker]
    path = tmp_path / "i.tif"
    tifffile.imwrite(
        path, IMAGE, metadata=None, photometric="minisblack", resolution=(96, 96),
        resolutionunit=2, extratags=[(tag, "s", 0, about, True)],
    )  # fmt: skip
    volume = read_volume(path)
    rows = {"FEI": 3.5e-6, "Zeiss": 2.5e-6}.get(maker, 25.4 / 96)
    assert volume.spacing == pytest.approx((rows, 25.4 / 96 if "," in maker else 2.5e-6), rel=1e-6)
    write_labels(tmp_path / "labels.tif", IMAGE > 9, volume)
    assert read_volume(tmp_path / "labels.tif").spacing == pytest.approx(volume.spacing, rel=1e-6)
