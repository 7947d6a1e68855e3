"""Windows of files, and tables that stand for slope and intercept."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import ComputedRadiographyImageStorage, ImplicitVRLittleEndian

from napari_intseg.errors import FileError
from napari_intseg.io.dicom.series_reader import list_series, read_series
from napari_intseg.io.read import read_volume


@pytest.fixture
def grey(rng):
    return rng.integers(0, 4096, (10, 12)).astype(np.uint16)


def table_of(values, first=0, bits=16):
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item.ModalityLUTType = "US"
    item.LUTData = np.asarray(values, "<u2" if bits > 8 else "u1").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


def test_of_several_windows_the_first_is_shown_and_all_are_offered(tmp_path, dicom, grey):
    path = dicom.picture(
        tmp_path / "i", grey, WindowCenter=[40, -600, 40, 50, 9], WindowWidth=[400, 1500, 80, 0, 9],
        WindowCenterWidthExplanation=["SOFT TISSUE", "LUNG", "LUNG", "none"],
    )  # fmt: skip
    volume = read_volume(path)
    assert volume.window == (-160, 240)
    assert volume.windows == {
        "SOFT TISSUE": (-160, 240), "LUNG": (-1350, 150), "40/80": (0, 80), "9/9": (4.5, 13.5),
    }  # fmt: skip
    assert read_volume(dicom.picture(tmp_path / "j", grey)).windows == {}


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_limits_are_where_pydicom_draws_black_and_white(tmp_path, dicom, function):
    values = np.arange(3000, dtype=np.uint16).reshape(30, 100)
    path = dicom.picture(
        tmp_path / "i", values, WindowCenter=1040, WindowWidth=400, VOILUTFunction=function,
        BitsStored=12,
    )  # fmt: skip
    low, high = read_volume(path).window
    assert (low, high) == (840, 1240)
    drawn = apply_voi_lut(values, dcmread(path)).ravel() / 4095.0
    ours = np.clip((values.ravel() - low) / (high - low), 0, 1)
    if function == "SIGMOID":
        near = np.abs(values.ravel() - 1040.0) < 40  # a tangent
        assert np.abs(drawn - ours)[near].max() < 0.002
        assert np.abs(drawn - ours).max() < 0.125
    else:
        assert np.abs(drawn - ours).max() < 1.1 / 400  # LINEAR is white one value earlier


def test_windows_of_monochrome1_are_turned_with_the_values(tmp_path, dicom, grey):
    path = dicom.picture(
        tmp_path / "i", grey, "MONOCHROME1", Modality="CR", BitsStored=12, WindowCenter=[1000, 500],
        WindowWidth=[500, 200], sop_class=ComputedRadiographyImageStorage,
        RescaleSlope=2, RescaleIntercept=-10,
    )  # fmt: skip
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data[0], 2 * (4095 - grey.astype(int)) - 10)
    both = 2 * 4095 - 20
    assert volume.window == (both - 1250, both - 750)
    assert list(volume.windows.values())[1] == (both - 600, both - 400)


def test_the_window_of_an_enhanced_file_is_that_of_its_middle_plane(tmp_path, dicom):
    path = dicom.enhanced(tmp_path / "e.dcm", n=5, order=[4, 0, 3, 1, 2])
    data = dcmread(path)
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence):
        group.FrameVOILUTSequence[0].WindowCenter = 1000 + number
        group.FrameVOILUTSequence[0].WindowWidth = 100
    data.save_as(path)
    volume = read_volume(path)
    middle = volume.source.dicom.frames[2]
    assert middle.number != 2
    assert volume.window == (950 + middle.number, 1050 + middle.number)
    for frame in volume.source.dicom.frames:
        assert frame.windows[0].centre == 1000 + frame.number


def test_a_window_said_once_for_all_frames_counts_for_each(tmp_path, dicom):
    path = dicom.enhanced(tmp_path / "e.dcm", n=3)
    data = dcmread(path)
    for group in data.PerFrameFunctionalGroupsSequence:
        shared = group.FrameVOILUTSequence
        del group.FrameVOILUTSequence
    shared[0].WindowCenter, shared[0].WindowWidth = 30, 60
    data.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence = shared
    data.save_as(path)
    assert read_volume(path).window == (0, 60)


@pytest.mark.parametrize(
    ("first", "bits", "count"), [(0, 16, 4096), (100, 12, 300), (0, 8, 256), (0, 16, 1)]
)
@pytest.mark.parametrize("implicit", [False, True])
def test_a_table_of_values_is_applied(tmp_path, dicom, grey, rng, first, bits, count, implicit):
    values = rng.integers(0, 1 << bits, count)
    path = dicom.picture(
        tmp_path / "i", grey, BitsStored=12, ModalityLUTSequence=table_of(values, first, bits)
    )
    if implicit:
        data = dcmread(path)
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        data.save_as(path, enforce_file_format=True)
    volume = read_volume(path)
    assert volume.dtype == (np.uint8 if bits == 8 else np.uint16)
    index = np.clip(grey.astype(int) - first, 0, count - 1)
    np.testing.assert_array_equal(volume.data[0], values[index])
    if bits == 16 and count > 1:  # pydicom itself fails over the others
        np.testing.assert_array_equal(volume.data[0], apply_modality_lut(grey, dcmread(path)))
    (series,) = list_series(path)
    assert series.problems == ()
    lazy = read_series(series, lazy=True)
    assert lazy.dtype == volume.dtype
    np.testing.assert_array_equal(np.asarray(lazy.data), volume.data)


def test_a_table_for_values_with_a_sign_begins_below_zero(tmp_path, dicom):
    stored = np.array([[-300, -200, 0], [90, 99, 500]], np.int16)
    values = np.arange(300) * 7
    path = dicom.picture(tmp_path / "i", stored, ModalityLUTSequence=table_of(values, -200))
    index = np.clip(stored.astype(int) + 200, 0, 299)
    np.testing.assert_array_equal(read_volume(path).data[0], values[index])


def test_slope_and_intercept_come_before_a_table(tmp_path, dicom, grey):
    path = dicom.picture(
        tmp_path / "i", grey, RescaleSlope=2, RescaleIntercept=1,
        ModalityLUTSequence=table_of(np.zeros(4096)),
    )  # fmt: skip
    np.testing.assert_array_equal(read_volume(path).data[0], grey.astype(int) * 2 + 1)


def test_a_table_is_turned_over_with_its_window(tmp_path, dicom, grey):
    values = np.arange(4096) // 2
    path = dicom.picture(
        tmp_path / "i", grey, "MONOCHROME1", Modality="CR", ModalityLUTSequence=table_of(values),
        sop_class=ComputedRadiographyImageStorage, WindowCenter=1000, WindowWidth=500,
    )  # fmt: skip
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data[0], 65535 - values[grey])
    assert volume.window == (65535 - 1250, 65535 - 750)


def test_slices_with_a_table_and_with_a_slope_go_together(tmp_path, dicom):
    scan = dicom.Scan(n=4, intercept=0.0)
    slices = scan.slices()
    del slices[1].RescaleSlope, slices[1].RescaleIntercept
    slices[1].ModalityLUTSequence = table_of(np.arange(4096) * 2)
    for data in slices[2:]:
        data.RescaleIntercept = -5
    (series,) = list_series(scan.write(tmp_path / "s", slices))
    whole, lazy = (np.asarray(read_series(series, lazy=lazy).data) for lazy in (False, True))
    stored = [np.frombuffer(data.PixelData, "u2").reshape(12, 14).astype(int) for data in slices]
    expected = [stored[0], stored[1] * 2, stored[2] - 5, stored[3] - 5]
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(lazy, expected)


def test_a_table_that_lies_about_its_length_is_refused(tmp_path, dicom, grey):
    for bad in ([4096, 0, 16], [256, 0, 99], [256, 0]):
        sequence = table_of(np.arange(256))
        sequence[0].LUTDescriptor = bad
        path = dicom.picture(tmp_path / "i", grey, ModalityLUTSequence=sequence)
        with pytest.raises(FileError, match="file cannot be read: expected a DICOM image"):
            read_volume(path)
