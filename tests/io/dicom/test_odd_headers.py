"""Headers that old scanners, films and ultrasound write: sizes and values as they are meant."""

import warnings

import numpy as np
import pytest
from pydicom.dataset import Dataset

from napari_intseg.io.dicom.series_reader import DicomWarning, list_series
from napari_intseg.io.read import read_volume


def region(columns, rows, units=(3, 3)):
    """A region of an ultrasound image, its pixels in centimetres (3), seconds (4), …"""
    made = Dataset()
    made.PhysicalDeltaX, made.PhysicalDeltaY = columns, rows
    made.PhysicalUnitsXDirection, made.PhysicalUnitsYDirection = units
    return made


AT_DETECTOR = r"those at the detector; in the patient they are smaller"
SIZES = {
    "at the detector": ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), f"{AT_DETECTOR}$"),
    "magnified": (
        {"ImagerPixelSpacing": [0.2, 0.1], "EstimatedRadiographicMagnificationFactor": 1.5},
        (0.2, 0.1), f"{AT_DETECTOR}, by 1.5",
    ),
    "not calibrated": (
        {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), AT_DETECTOR,
    ),
    "calibrated": (
        {"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.2, 0.2]}, (0.1, 0.1), None,
    ),
    "a film": ({"NominalScannedPixelSpacing": [0.3, 0.4]}, (0.3, 0.4), "film that was scanned"),
    "a shape": ({"PixelAspectRatio": [2, 1]}, (2, 1), "a shape and no size"),
    "nothing": ({}, (1, 1), "no size; 1 mm is taken"),
    "one region": ({"SequenceOfUltrasoundRegions": [region(0.01, 0.02)]}, (0.2, 0.1), None),
    "a curve": (
        {"SequenceOfUltrasoundRegions": [region(0.01, 0.02, (4, 3))]}, (1, 1), "no size",
    ),
    "speeds": (
        {"SequenceOfUltrasoundRegions": [region(0.01, 0.02, (3, 7))]}, (1, 1), "no size",
    ),
    "two regions": (
        {"SequenceOfUltrasoundRegions": [region(0.01, 0.02), region(0.03, 0.04)]}, (0.2, 0.1),
        "1 regions have other scales",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SIZES)
def test_sizes_of_pixels_are_told_where_they_are_not_those_in_the_patient(tmp_path, dicom, what):
    tags, spacing, told = SIZES[what]
    data = dicom.fresh(Modality="DX", **tags)
    path = dicom.save(dicom.put_pixels(data, np.zeros((4, 6), "u2")), tmp_path / "i.dcm")
    if told is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DicomWarning)
            volume = read_volume(path)
    else:
        with pytest.warns(DicomWarning, match=told):
            volume = read_volume(path)
    assert volume.spacing[1:] == pytest.approx(spacing)


@pytest.mark.filterwarnings("ignore:.*pixels have no size")
@pytest.mark.parametrize("sign", ["u2", "i2"])
@pytest.mark.parametrize("below", [0, 2, 4])
def test_values_that_begin_at_a_higher_bit_are_shifted_down(tmp_path, dicom, rng, sign, below):
    least = -2048 if sign == "i2" else 0
    values = rng.integers(least, least + 4096, (5, 7)).astype(sign)
    data = dicom.put_pixels(dicom.fresh(Modality="MR", BitsStored=12), (values << below))
    data.HighBit = 11 + below
    path = dicom.save(data, tmp_path / "i.dcm")
    np.testing.assert_array_equal(read_volume(path).data[0], values)


@pytest.mark.filterwarnings("ignore:.*pixels have no size")
def test_a_highest_bit_that_the_values_contradict_does_not_count(tmp_path, dicom, rng):
    values = rng.integers(0, 4096, (5, 7)).astype("u2")
    data = dicom.put_pixels(dicom.fresh(Modality="MR", BitsStored=12), values)
    data.HighBit = 15
    path = dicom.save(data, tmp_path / "i.dcm")
    np.testing.assert_array_equal(read_volume(path).data[0], values)


def _without_slope(slices):
    del slices[2].RescaleSlope, slices[2].RescaleIntercept


def _exchanged(slices):
    slices[2].PhotometricInterpretation = "MONOCHROME1"


def _mosaic(slices):
    for data in slices:
        data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]


ODD = {
    "offset": (_without_slope, "CT", "1 slices tell no slope and intercept; .* as stored"),
    "slope": (_without_slope, "MR", "1 slices tell no slope and intercept, as the others do"),
    "exchanged": (_exchanged, "MR", "1 slices have white and black exchanged"),
    "mosaic": (_mosaic, "MR", "side by side in one image"),
}


@pytest.mark.parametrize("what", ODD)
def test_slices_whose_values_differ_from_the_others_are_told(tmp_path, dicom, what):
    change, modality, told = ODD[what]
    slices = dicom.Scan(tags={"Modality": modality}).slices()
    folder = dicom.Scan().write(tmp_path / "whole", slices)
    assert list_series(folder)[0].problems == ()
    change(slices)
    with pytest.warns(DicomWarning, match=told):
        read_volume(dicom.Scan().write(tmp_path / "odd", slices))


def _real_values(slices):
    for data in slices:
        del data.RescaleSlope, data.RescaleIntercept
        data.RealWorldValueMappingSequence = [Dataset()]
        data.RealWorldValueMappingSequence[0].RealWorldValueSlope = 0.001


def _one_position(slices):
    for number, data in enumerate(slices):
        data.ImagePositionPatient = [0, 0, 0]
        data.SliceLocation = 2.5 * number


NOT_DONE = {
    "real-world values": (_real_values, "real ones are 0.001 times them"),
    "one position": (_one_position, "tell one position but several slice locations"),
}


@pytest.mark.parametrize("what", NOT_DONE)
def test_what_is_not_done_with_values_and_places_is_told(tmp_path, dicom, what):
    change, told = NOT_DONE[what]
    scan = dicom.Scan(n=3, tags={"Modality": "MR"})
    slices = scan.slices()
    assert list_series(scan.write(tmp_path / "whole", slices))[0].problems == ()
    change(slices)
    (series,) = list_series(scan.write(tmp_path / "odd", slices))
    assert any(told in problem for problem in series.problems)


def test_tiles_of_a_whole_slide_are_told(tmp_path, dicom):
    path = dicom.enhanced(tmp_path / "i.dcm", n=4, TotalPixelMatrixColumns=22)
    assert any("frames are tiles of one picture" in one for one in list_series(path)[0].problems)
    plain = dicom.enhanced(tmp_path / "j.dcm", n=4)
    assert list_series(plain)[0].problems == ()
