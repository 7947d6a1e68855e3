"""What the stored values of DICOM become."""

import io

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    PositronEmissionTomographyImageStorage,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from napari_intseg.errors import FileError
from napari_intseg.io.dicom.series_reader import list_series
from napari_intseg.io.read import read_volume


@pytest.fixture
def grey(rng):
    return rng.integers(0, 4096, (10, 12)).astype(np.uint16)


@pytest.fixture
def colour(rng):
    return rng.integers(0, 256, (10, 12, 3)).astype(np.uint8)


def by_simpleitk(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [(1, 0, "uint16"), (1, -1024, "int16"), (2, -100000, "int32"), (0.5, 0.25, "float32")],
)
def test_slope_and_intercept_become_the_smallest_type_that_holds_them(
    tmp_path, dicom, grey, slope, intercept, dtype
):
    path = dicom.picture(tmp_path / "i", grey, RescaleSlope=slope, RescaleIntercept=intercept)
    volume = read_volume(path)
    assert volume.dtype == dtype
    np.testing.assert_array_equal(volume.data[0], grey * float(slope) + intercept)
    np.testing.assert_array_equal(volume.data, by_simpleitk(path))


def test_every_slice_has_its_own_slope(tmp_path, dicom):
    scan = dicom.Scan(
        n=4, slope=0.37, intercept=0.0, sop_class=PositronEmissionTomographyImageStorage,
        tags={"Modality": "PT"},
    )  # fmt: skip
    slices = scan.slices()
    for i, data in enumerate(slices):
        data.RescaleSlope = 0.25 * (i + 1)
    scan.write(tmp_path / "s", slices)
    data = read_volume(tmp_path / "s").data
    assert data.dtype == np.float32
    for i, one in enumerate(slices):
        stored = np.frombuffer(one.PixelData, "u2").reshape(12, 14)
        np.testing.assert_allclose(data[i], stored * 0.25 * (i + 1), rtol=1e-6)


def test_bits_beyond_those_stored_are_cleared_and_the_sign_is_spread(tmp_path, dicom, grey):
    overlay = grey | np.uint16(0x8000)
    path = dicom.picture(tmp_path / "i", overlay, BitsStored=12)
    np.testing.assert_array_equal(read_volume(path).data[0], grey)
    negative = np.array([[-5, 7], [-2048, 2047]], np.int16)
    path = dicom.picture(tmp_path / "j", (negative & 0x0FFF).astype(np.int16), BitsStored=12)
    np.testing.assert_array_equal(read_volume(path).data[0], negative)
    np.testing.assert_array_equal(by_simpleitk(path)[0], negative)


def test_monochrome1_is_turned_over_with_its_window(tmp_path, dicom, grey):
    path = dicom.picture(
        tmp_path / "i", grey, "MONOCHROME1", Modality="CR", BitsStored=12,
        sop_class=ComputedRadiographyImageStorage, WindowCenter=1000, WindowWidth=500,
    )  # fmt: skip
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data[0], 4095 - grey)
    np.testing.assert_array_equal(volume.data, by_simpleitk(path))
    assert volume.window == (2845, 3345)
    assert volume.window[0] == 4095 - 1250  # what was black is black


def test_hounsfield_units_are_never_turned_over(tmp_path, dicom, grey):
    path = dicom.picture(
        tmp_path / "i", grey, "MONOCHROME1", Modality="CT", RescaleIntercept=-1024, RescaleSlope=1
    )
    np.testing.assert_array_equal(read_volume(path).data[0], grey.astype(int) - 1024)


def test_window_of_the_file_is_what_is_shown(tmp_path, dicom, grey):
    path = dicom.picture(tmp_path / "i", grey, WindowCenter=[40, 300], WindowWidth=[400, 1500])
    assert read_volume(path).window == (-160, 240)
    assert read_volume(dicom.picture(tmp_path / "j", grey)).window is None
    zero = dicom.picture(tmp_path / "k", grey, WindowCenter=40, WindowWidth=0)
    assert read_volume(zero).window is None


@pytest.mark.parametrize(
    ("sop_class", "modality"), [(EnhancedCTImageStorage, "CT"), (EnhancedMRImageStorage, "MR")]
)
def test_frames_of_an_enhanced_file_are_ordered_and_rescaled_one_by_one(
    tmp_path, dicom, sop_class, modality
):
    path = dicom.enhanced(tmp_path / "e.dcm", sop_class=sop_class, Modality=modality)
    (series,) = list_series(path)
    assert series.modality == modality
    assert (series.slices, series.times, series.problems) == (6, 1, ())
    volume = read_volume(path)
    assert volume.spacing == pytest.approx((3.0, 0.8, 0.7))
    index = np.stack([*np.indices(volume.shape), np.ones(volume.shape)], axis=-1)
    at = (index @ volume.affine.T)[..., :3]
    np.testing.assert_allclose(volume.data, dicom.value_at(at), atol=1)
    assert volume.window == (840, 1240)
    # GDCM sorts no frames, so a file that is in order already is the second source
    ordered = dicom.enhanced(tmp_path / "o.dcm", order=range(6))
    np.testing.assert_allclose(
        read_volume(ordered).affine[:3, 3], sitk.ReadImage(str(ordered)).GetOrigin(), atol=1e-6
    )


def test_time_points_of_an_enhanced_file_are_apart(tmp_path, dicom):
    path = dicom.enhanced(tmp_path / "e.dcm", n=4, times=3)
    with pytest.raises(FileError, match="one time point, got 3"):
        read_volume(path)
    volumes = [read_volume(path, time=t).data for t in range(3)]
    np.testing.assert_array_equal(volumes[2] - volumes[0], 2)


def test_rgb_of_either_layout_is_channels_last(tmp_path, dicom, colour):
    path = dicom.picture(tmp_path / "i", colour, "RGB", Modality="US")
    volume = read_volume(path)
    assert (volume.shape, volume.n_channels, volume.dtype) == ((1, 10, 12), 3, np.uint8)
    np.testing.assert_array_equal(volume.data[0], colour)
    data = dcmread(path)
    data.PlanarConfiguration = 1
    data.PixelData = np.moveaxis(colour, -1, 0).tobytes()
    data.save_as(tmp_path / "j")
    np.testing.assert_array_equal(read_volume(tmp_path / "j").data[0], colour)


def test_ybr_becomes_rgb(tmp_path, dicom, colour):
    ybr = convert_color_space(colour, "RGB", "YBR_FULL")
    path = dicom.picture(tmp_path / "i", ybr, "YBR_FULL", sop_class=UltrasoundImageStorage)
    np.testing.assert_allclose(read_volume(path).data[0].astype(int), colour, atol=2)
    np.testing.assert_allclose(
        read_volume(path).data[0].astype(int), by_simpleitk(path).astype(int)[0], atol=2
    )


def test_a_palette_becomes_rgb(tmp_path, dicom, rng):
    index = rng.integers(0, 4, (10, 12)).astype(np.uint8)
    palette = rng.integers(0, 256, (3, 256)).astype(np.uint8)
    tags = {}
    for name, line in zip(("Red", "Green", "Blue"), palette, strict=True):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        tags[f"{name}PaletteColorLookupTableData"] = line.tobytes()
    path = dicom.picture(tmp_path / "i", index, "PALETTE COLOR", **tags)
    volume = read_volume(path)
    assert volume.n_channels == 3
    np.testing.assert_array_equal(volume.data[0], palette.T[index])


def test_a_cine_loop_is_a_stack_of_frames_and_says_so(tmp_path, dicom, rng):
    loop = rng.integers(0, 256, (5, 10, 12, 3)).astype(np.uint8)
    region = Dataset()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.05, 0.04
    path = dicom.picture(
        tmp_path / "i", loop, "RGB", Modality="US", NumberOfFrames=5,
        sop_class=UltrasoundMultiFrameImageStorage, SequenceOfUltrasoundRegions=[region],
        PixelSpacing=None,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="slices have no position"):
        volume = read_volume(path)
    assert (volume.shape, volume.n_channels) == ((5, 10, 12), 3)
    assert volume.spacing[1:] == pytest.approx((0.4, 0.5))
    np.testing.assert_array_equal(volume.data, loop)


def compressed_by_gdcm(path, image, compressor):
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(sitk.GetImageFromArray(image))
    return path


@pytest.mark.filterwarnings("ignore:.*pixels have no size")
@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_lossless_compression_by_gdcm_loses_nothing(tmp_path, grey, compressor):
    path = compressed_by_gdcm(tmp_path / "i.dcm", grey, compressor)
    syntax = dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
    assert syntax.is_compressed
    np.testing.assert_array_equal(read_volume(path).data[0], grey)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_lossless_compression_by_pydicom_loses_nothing(tmp_path, dicom, syntax):
    scan = dicom.Scan(n=3)
    plain = read_volume(scan.write(tmp_path / "plain"))
    slices = scan.slices()
    for data in slices:
        data.compress(syntax, generate_instance_uid=False)
    scan.write(tmp_path / "s", slices)
    np.testing.assert_array_equal(read_volume(tmp_path / "s").data, plain.data)


def test_compressed_monochrome1_is_turned_over_once(tmp_path, dicom, grey):
    path = dicom.picture(
        tmp_path / "i", grey, "MONOCHROME1", Modality="CR", BitsStored=12,
        sop_class=ComputedRadiographyImageStorage,
    )  # fmt: skip
    data = dcmread(path)
    data.compress(JPEGLSLossless, generate_instance_uid=False)
    data.save_as(tmp_path / "j")
    np.testing.assert_array_equal(read_volume(tmp_path / "j").data[0], 4095 - grey)


@pytest.mark.parametrize("frames", [1, 3])
def test_jpeg_colour_is_that_of_pillow(tmp_path, dicom, frames):
    rows, cols = np.mgrid[:32, :48]
    smooth = np.stack([rows * 5, cols * 4, 200 - rows * 2 - cols], -1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(smooth).save(out, "JPEG", quality=95)
    path = dicom.picture(
        tmp_path / "i", smooth, "YBR_FULL_422", Modality="US",
        sop_class=UltrasoundMultiFrameImageStorage, NumberOfFrames=frames,
    )  # fmt: skip
    data = dcmread(path)
    data.PixelData = encapsulate([out.getvalue()] * frames)
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.save_as(tmp_path / "j")
    if frames > 1:
        with pytest.warns(UserWarning, match="slices have no position"):
            seen = read_volume(tmp_path / "j").data
    else:
        seen = read_volume(tmp_path / "j").data
    assert seen.shape == (frames, 32, 48, 3)
    by_pillow = np.asarray(Image.open(io.BytesIO(out.getvalue()))).astype(int)
    np.testing.assert_allclose(seen[-1].astype(int), by_pillow, atol=8)  # chroma is interpolated


def test_a_file_from_before_the_preamble_is_read(tmp_path, dicom, grey):
    path = dicom.picture(tmp_path / "i", grey)
    data = dcmread(path)
    plain = Dataset()
    plain.update(data)
    plain.save_as(tmp_path / "old.dcm", implicit_vr=True, little_endian=True)
    assert (tmp_path / "old.dcm").read_bytes()[:2] == b"\x08\x00"
    np.testing.assert_array_equal(read_volume(tmp_path / "old.dcm").data[0], grey)


def test_slices_of_which_one_is_colour_are_apart(tmp_path, dicom, colour):
    scan = dicom.Scan(n=3, shape=(10, 12))
    slices = scan.slices()
    dicom.put_pixels(slices[1], colour, "RGB")
    scan.write(tmp_path / "s", slices)
    assert sorted(s.slices for s in list_series(tmp_path / "s")) == [1, 2]


def test_a_palette_beside_grey_slices_is_refused_not_mixed(tmp_path, dicom):
    scan = dicom.Scan(n=3)
    slices = scan.slices()
    slices[1].PhotometricInterpretation = "PALETTE COLOR"
    for name in ("Red", "Green", "Blue"):
        setattr(slices[1], f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        data = np.arange(256, dtype=np.uint16).tobytes()
        setattr(slices[1], f"{name}PaletteColorLookupTableData", data)
    scan.write(tmp_path / "s", slices)
    with pytest.raises(FileError, match=r"pixels cannot be decoded: .*an image of shape"):
        read_volume(tmp_path / "s")


@pytest.mark.parametrize("kind", ["HSV", "YBR_PARTIAL_422"])
def test_colours_that_would_be_taken_for_red_green_and_blue_are_refused(
    tmp_path, dicom, colour, kind
):
    path = dicom.picture(tmp_path / "i", colour)
    data = dcmread(path)
    data.PhotometricInterpretation = kind
    data.save_as(path)
    with pytest.raises(FileError, match=f"colours are {kind}, not grey, RGB, YBR_FULL"):
        read_volume(path)
