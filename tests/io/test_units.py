"""Words for units: one table, and every reader that asks it."""

import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
import zarr

from napari_intseg.io.hooks import layer_grid
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.suffixes import FileWarning
from napari_intseg.io.units import (
    factors_mm,
    mm_per_unit,
    resolution,
    seconds_per_unit,
    sizes_of_makers,
    unit_of,
)
from napari_intseg.io.write import write_labels

CELL = (2e-3, 0.25e-3, 0.25e-3)


@pytest.mark.parametrize(
    ("mm", "words"),
    [
        (1e-3, ["µm", "μm", "um", "UM", "micron", "Microns", "micrometer", "micrometers", "u"]),
        (1e-3, ["micrometre", "Micrometre", r"\u00B5m", r"\u00b5m", "Âµm", '"um"', " µm\0"]),
        (1e-6, ["nm", "nanometer", "nanometers", "nanometre"]),
        (1e-7, ["Å", "Å", "angstrom", "Angstroms", "Ångström"]),
        (1e-9, ["pm", "picometer"]),
        (1.0, ["mm", "MM", "millimeter", "Millimetres"]),
        (1e6, ["km", "kilometer"]),
        (1e9, ["Mm"]),
        (10.0, ["cm", "centimeter"]),
        (1e3, ["m", "meter", "metres"]),
        (25.4, ["inch", "inches", "in", "Inch", '"']),
    ],
)
def test_words_of_a_length_are_known_in_every_writing(mm, words):
    for word in words:
        assert mm_per_unit(word) == pytest.approx(mm, rel=1e-12), word


def test_words_that_are_no_length_are_none():
    for word in ("", None, "pixel", "px", "reference frame", "furlong", "s", "ms", "second"):
        assert mm_per_unit(word) is None, word


def test_units_of_time():
    known = {"s": 1, "sec": 1, "ms": 1e-3, "millisecond": 1e-3, "µs": 1e-6, "min": 60}
    for word, seconds in {**known, "minutes": 60, "hour": 3600, "": 0, "um": 0}.items():
        assert seconds_per_unit(word) == seconds, word


def test_what_is_not_known_is_told_and_what_says_nothing_is_not(tmp_path):
    path = tmp_path / "a.tif"
    with pytest.warns(FileWarning, match=r"'a.tif': unit of length is not known: got 'furlong'"):
        assert factors_mm(("furlong", "um"), path) == ((1e-3, 1e-3), "µm")
    with pytest.warns(FileWarning, match="some axes have no unit of length; .* as µm"):
        assert factors_mm(("", "um"), path) == ((1e-3, 1e-3), "µm")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert factors_mm(("", "pixel"), path) == ((1.0, 1.0), "pixel")
        assert factors_mm(("mm", "um"), path) == ((1.0, 1e-3), "µm")
    assert [unit_of(mm) for mm in (None, 1.0, 10.0, 1e-3)] == ["pixel", "mm", "mm", "µm"]


def imagej(path, lines, **tags):
    text = "ImageJ=1.54f\nimages=5\nslices=5\n" + "".join(f"{line}\n" for line in lines)
    tifffile.imwrite(
        path, np.zeros((5, 20, 30), np.uint16), description=text.encode("latin-1"), metadata=None,
        photometric="minisblack", **{"resolution": (4, 4), "resolutionunit": "NONE", **tags},
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    "lines",
    [
        ["unit=\\u00B5m", "spacing=2.0"],
        ["unit=µm", "spacing=-2.0"],
        ["unit=micron", "spacing=2.0"],
        ["unit=Microns", "spacing=2"],
        ["unit=micrometers", "spacing=2"],
        ["unit=um", "zunit=nm", "spacing=2000"],
        ["unit=um", "yunit=nm", "zunit=pm", "spacing=2000000"],
    ],
)
def test_imagej_tells_micrometres_in_many_ways(tmp_path, lines):
    tags = {"resolution": (4, 4e-3)} if "yunit=nm" in lines else {}
    volume = read_volume(imagej(tmp_path / "i.tif", lines, **tags))
    assert volume.source.unit == "µm"
    np.testing.assert_allclose(volume.spacing, CELL, rtol=1e-6)
    write_labels(tmp_path / "l.tif", np.ones(volume.shape, np.uint8), volume)
    np.testing.assert_allclose(read_volume(tmp_path / "l.tif").spacing, CELL, rtol=1e-6)


def test_72_dots_an_inch_without_a_unit_is_no_calibration(tmp_path):
    tags = {"resolution": (72, 72), "resolutionunit": "INCH"}
    volume = read_volume(imagej(tmp_path / "i.tif", ["spacing=1.0"], **tags))
    assert (volume.source.unit, volume.spacing) == ("pixel", (1.0, 1.0, 1.0))
    tifffile.imwrite(tmp_path / "p.tif", np.zeros((5, 6), np.uint8), **tags)
    plain = read_volume(tmp_path / "p.tif")
    assert (plain.source.unit, plain.spacing) == ("pixel", (1.0, 1.0))
    told = read_volume(imagej(tmp_path / "u.tif", ["unit=inch", "spacing=1"], **tags))
    np.testing.assert_allclose(told.spacing, (25.4, 25.4 / 72, 25.4 / 72), rtol=1e-6)


def test_a_word_that_imagej_does_not_explain_is_told(tmp_path):
    path = imagej(tmp_path / "i.tif", ["unit=cell", "spacing=2"])
    with pytest.warns(FileWarning, match="got 'cell'; lengths are taken as pixels"):
        volume = read_volume(path)
    assert (volume.source.unit, volume.spacing) == ("pixel", (2.0, 0.25, 0.25))


@pytest.mark.parametrize(
    ("unit", "sizes"),
    [
        ("nm", (2000, 250, 250)),
        ("Å", (20000, 2500, 2500)),
        ("pm", (2e6, 2.5e5, 2.5e5)),
        ("µm", (-2, 0.25, 0.25)),
        (None, (2, 0.25, 0.25)),
        ("mm", CELL),
    ],
)
def test_ome_tiff_tells_sizes_in_any_unit(tmp_path, unit, sizes):
    about = {f"PhysicalSize{a}": size for a, size in zip("ZYX", sizes, strict=True)}
    if unit:
        about |= {f"PhysicalSize{a}Unit": unit for a in "ZYX"}
    tifffile.imwrite(
        tmp_path / "i.ome.tif", np.zeros((5, 20, 30), np.uint16), ome=True,
        photometric="minisblack", metadata={"axes": "ZYX", **about},
    )  # fmt: skip
    np.testing.assert_allclose(read_volume(tmp_path / "i.ome.tif").spacing, CELL)


def ome_zarr(path, units, scale=(2, 0.25, 0.25), **more):
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", shape=(6, 20, 30), dtype="u2", chunks=(6, 20, 30))[...] = 1
    axes = [{"name": a, "type": "space", "unit": u} for a, u in zip("zyx", units, strict=True)]
    steps = [{"type": "scale", "scale": list(scale)}]
    image = {"version": "0.4", "axes": axes, "datasets": [
        {"path": "0", "coordinateTransformations": steps}]}  # fmt: skip
    group.attrs.update({"multiscales": [image], **more})
    return path


@pytest.mark.parametrize("unit", ["micrometer", "micron", "um", "µm", "Micrometers"])
def test_ome_zarr_tells_micrometres_in_many_ways(tmp_path, unit):
    volume = read_volume(ome_zarr(tmp_path / "i.zarr", (unit,) * 3))
    assert volume.source.unit == "µm"
    np.testing.assert_allclose(volume.spacing, CELL)


def test_axes_of_ome_zarr_may_differ_in_unit_or_lack_it(tmp_path):
    mixed = read_volume(ome_zarr(tmp_path / "m.zarr", ("nm", "um", "um"), (2000, 0.25, 0.25)))
    np.testing.assert_allclose(mixed.spacing, CELL)
    with pytest.warns(FileWarning, match="some axes have no unit"):
        some = read_volume(ome_zarr(tmp_path / "s.zarr", (None, "um", "um")))
    np.testing.assert_allclose(some.spacing, CELL)


@pytest.mark.parametrize(
    "omero",
    [
        None,
        {"channels": None},
        {"channels": [None]},
        {"channels": [{"label": None, "color": None, "window": None}]},
        {"channels": [{"window": {"start": None, "end": None, "min": 0, "max": 9}}]},
        {"channels": [{"window": {"start": 0, "end": float("nan")}, "color": "FF"}]},
    ],
)
def test_what_is_null_of_a_channel_is_not_told(tmp_path, omero):
    from napari_intseg.io.read import read_raster

    raster = read_raster(ome_zarr(tmp_path / "i.zarr", ("um",) * 3, omero=omero))
    for channel in raster.channels:
        assert (channel.name, channel.colour, channel.limits) == ("", "", None)


NRRD = """NRRD0004
type: short
dimension: 3
sizes: 12 14 6
{0}
endian: little
encoding: raw

"""


@pytest.mark.parametrize(
    "lines",
    [
        "space: left-posterior-superior\nspace directions: (0.5,0,0) (0,0.5,0) (0,0,2)\n"
        'space origin: (1,2,3)\nspace units: "um" "um" "um"',
        "space: right-anterior-superior\nspace directions: (0.5,0,0) (0,0.5,0) (0,0,2)\n"
        'space origin: (-1,-2,3)\nspace units: "µm" "micron" "nm"',
        'spacings: 0.5 0.5 2\nunits: "um" "um" "um"',
    ],
)
def test_units_of_nrrd_count(tmp_path, lines):
    factor = 1e-3 if '"nm"' in lines else 1.0
    path = tmp_path / "i.nrrd"
    path.write_bytes(NRRD.format(lines).encode() + np.zeros((6, 14, 12), np.int16).tobytes())
    volume = read_volume(path)
    np.testing.assert_allclose(volume.spacing, (2e-3 * factor, 0.5e-3, 0.5e-3))
    if "origin" in lines:
        np.testing.assert_allclose(volume.affine[:3, 3], (1e-3, 2e-3, 3e-3 * factor))
    for name in ("l.nrrd", "l.mha", "l.nii.gz"):
        labels = np.ones(volume.shape, np.uint8)
        write_labels(tmp_path / name, labels, volume)
        found = read_volume(tmp_path / name)
        np.testing.assert_allclose(found.affine, volume.affine, rtol=1e-5, atol=1e-9)
        np.testing.assert_array_equal(read_mask(tmp_path / name, volume), labels)


def test_a_unit_of_nrrd_that_is_not_known_is_told(tmp_path):
    path = tmp_path / "i.nrrd"
    lines = 'spacings: 0.5 0.5 2\nunits: "ell" "ell" "ell"'
    path.write_bytes(NRRD.format(lines).encode() + np.zeros((6, 14, 12), np.int16).tobytes())
    with pytest.warns(FileWarning, match="got 'ell'; lengths are taken as pixels"):
        volume = read_volume(path)
    assert (volume.source.unit, volume.spacing) == ("pixel", (2.0, 0.5, 0.5))


def test_distance_units_of_metaimage_count(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((6, 14, 12), np.int16))
    image.SetSpacing((0.5, 0.5, 2.0))
    sitk.WriteImage(image, str(tmp_path / "i.mha"))
    raw = (tmp_path / "i.mha").read_bytes()
    (tmp_path / "i.mha").write_bytes(raw.replace(b"ElementSp", b"DistanceUnits = um\nElementSp"))
    volume = read_volume(tmp_path / "i.mha")
    assert volume.source.unit == "µm"
    np.testing.assert_allclose(volume.spacing, (2e-3, 0.5e-3, 0.5e-3))


def test_layers_tell_a_unit_for_each_axis():
    meta = {"scale": (2000, 0.25, 0.25), "units": ("nanometer", "micrometer", "micrometer")}
    grid = layer_grid(np.zeros((5, 20, 30)), meta)
    assert grid.source.unit == "µm"
    np.testing.assert_allclose(grid.spacing, CELL)


# in the words of tifffile's metadata
MAKERS = {
    "lsm": ({"VoxelSizeX": 1e-7, "VoxelSizeY": 2e-7, "VoxelSizeZ": 1e-6}, (1.0, 0.2, 0.1)),
    "sis": ({"pixelsizex": 1e-7, "pixelsizey": 2e-7}, (0, 0.2, 0.1)),
    "tvips": ({"PixelSizeX": 0.5, "PixelSizeY": 0.25}, (0, 0.00025, 0.0005)),
    "fei": ({"IScan": {"PixelWidth": 1e-9}}, (0, 1e-3, 1e-3)),
    "sem": ({"ap_image_pixel_size": ("Image Pixel Size", 2.0, "µm")}, (0, 2.0, 2.0)),
}
NOTHING = [
    ("lsm", {}), ("lsm", {"VoxelSizeX": "no", "VoxelSizeY": 1e-7}), ("fei", {"Scan": "no"}),
    ("sis", {"pixelsizex": math.nan, "pixelsizey": 1.0}), ("tvips", None),
    ("sem", {"ap_image_pixel_size": ("Image Pixel Size", "no")}),
]  # fmt: skip


def made_by(maker, told):
    """What tifffile says of a file by a maker."""
    file = SimpleNamespace(pages=SimpleNamespace(first=SimpleNamespace(tags={}, description="")))
    file.is_svs = False
    for name in MAKERS:
        setattr(file, f"is_{name}", name == maker)
        setattr(file, f"{name}_metadata", told if name == maker else None)
    return file


@pytest.mark.parametrize("maker", MAKERS)
def test_sizes_that_makers_of_microscopes_tell_are_micrometres(maker):
    told, sizes = MAKERS[maker]
    assert sizes_of_makers(made_by(maker, told)) == pytest.approx(sizes)


@pytest.mark.parametrize(("maker", "told"), NOTHING)
def test_sizes_of_makers_that_are_none_are_passed_over(maker, told):
    assert sizes_of_makers(made_by(maker, told)) is None


@pytest.mark.parametrize("um", [1e-4, 2.5e-3, 0.325, 1 / 3, 25.4, 4000.0])
def test_a_size_is_two_whole_numbers_of_a_tiff(um):
    pixels, micrometres = resolution(um)
    assert max(pixels, micrometres) < 2**32
    assert micrometres / pixels == pytest.approx(um, rel=1e-6)
