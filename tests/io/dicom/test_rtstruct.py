"""RT-STRUCT, read by pydicom and rasterised by scikit-image."""

import shutil

import numpy as np
import pytest
from pydicom import dcmread
from skimage.draw import polygon

from napari_intseg.errors import DataError, FileError
from napari_intseg.io.dicom.reference import colour_of
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels


def rasterised(data, number, slices, shape):
    """A region's voxels, from the contours and the source slices' own headers alone."""
    by_uid = {one.SOPInstanceUID: i for i, one in enumerate(slices)}
    out = np.zeros(shape, int)
    region = next(r for r in data.ROIContourSequence if r.ReferencedROINumber == number)
    for contour in region.ContourSequence:
        assert contour.ContourGeometricType == "CLOSED_PLANAR"
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        assert len(points) == contour.NumberOfContourPoints
        plane = by_uid[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        header = slices[plane]
        way = points - np.array(header.ImagePositionPatient, float)
        cosines = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
        np.testing.assert_allclose(way @ np.cross(*cosines), 0, atol=1e-3)  # in the plane, mm
        row_mm, col_mm = header.PixelSpacing
        cols, rows = way @ cosines[0] / col_mm, way @ cosines[1] / row_mm
        out[plane][polygon(rows, cols, shape[1:])] += 1
    return out


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_rasterising_the_contours_gives_the_labels_back(tmp_path, scanned, drawn):
    write_labels(tmp_path / "rtstruct.dcm", drawn, scanned.volume, names={3: "kidney"})
    data = dcmread(tmp_path / "rtstruct.dcm")
    for number in (3, 8):
        seen = rasterised(data, number, scanned.slices, drawn.shape)
        np.testing.assert_array_equal(seen, drawn == number)


def test_regions_have_names_colours_and_references(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    write_labels(
        tmp_path / "a.rtstruct.dcm", drawn, volume, names={3: "kidney"}, algorithm="ritm-hrnet18"
    )
    data = dcmread(tmp_path / "a.rtstruct.dcm")
    assert data.Modality == "RTSTRUCT"
    regions = data.StructureSetROISequence
    assert [(r.ROINumber, r.ROIName) for r in regions] == [(3, "kidney"), (8, "object 8")]
    assert {r.ROIGenerationAlgorithm for r in regions} == {"SEMIAUTOMATIC"}
    assert regions[0].ROIGenerationDescription == "ritm-hrnet18"
    assert list(data.ROIContourSequence[0].ROIDisplayColor) == list(colour_of(3))
    header = volume.source.dicom.frames[0].header
    reference = data.ReferencedFrameOfReferenceSequence[0]
    assert reference.FrameOfReferenceUID == header.reference
    study = reference.RTReferencedStudySequence[0]
    assert study.ReferencedSOPInstanceUID == header.study == data.StudyInstanceUID
    series = study.RTReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == header.series
    assert len(series.ContourImageSequence) == 5


def test_frames_of_a_multi_frame_source_are_referred_to_by_number(tmp_path, dicom):
    volume = read_volume(dicom.enhanced(tmp_path / "e.dcm"))
    labels = np.zeros(volume.shape, np.uint8)
    labels[2, 3:6, 3:6] = 1
    write_labels(tmp_path / "rtstruct.dcm", labels, volume)
    contour = dcmread(tmp_path / "rtstruct.dcm").ROIContourSequence[0].ContourSequence[0]
    image = contour.ContourImageSequence[0]
    assert image.ReferencedFrameNumber == volume.source.dicom.frames[2].number + 1
    middle = np.array(contour.ContourData, float).reshape(-1, 3).mean(0)
    np.testing.assert_allclose(middle, (volume.affine @ (2, 4, 4, 1))[:3], atol=1e-3)


def test_contours_need_slices_with_a_place(tmp_path, dicom, rng):
    path = dicom.picture(tmp_path / "i", rng.integers(0, 99, (8, 9)).astype(np.uint16))
    with pytest.raises(FileError, match=r"contours cannot be placed: .*got none"):
        write_labels(tmp_path / "rtstruct.dcm", np.ones((1, 8, 9), "u1"), read_volume(path))
    folder = dicom.Scan(shear=(0, -0.3, 0)).write(tmp_path / "s")
    with pytest.warns(UserWarning, match="gantry tilt"):
        volume = read_volume(folder, resample=True)
    with pytest.raises(FileError, match=r"contours cannot be placed: .*got resampled ones"):
        write_labels(tmp_path / "rtstruct.dcm", np.ones(volume.shape, "u1"), volume)


def test_labels_must_not_be_empty_nor_slices_gone(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    with pytest.raises(DataError, match="labels are empty"):
        write_labels(tmp_path / "rtstruct.dcm", drawn * 0, volume)
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(FileError, match="source slice is not there any more"):
        write_labels(tmp_path / "rtstruct.dcm", drawn, volume)
