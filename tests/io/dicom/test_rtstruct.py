"""RT-STRUCT, read by pydicom and rasterised by scikit-image."""

import shutil

import numpy as np
import pytest
from pydicom import dcmread
from skimage.draw import polygon

from napari_intseg.errors import DataError, FileError
from napari_intseg.io.annotations import ObjectName
from napari_intseg.io.dicom import rtstruct
from napari_intseg.io.dicom.reference import colour_of
from napari_intseg.io.dicom.rtstruct import read_structures, structure_names
from napari_intseg.io.dicom.series_reader import list_series, read_series
from napari_intseg.io.hooks import read_layers
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.suffixes import FileWarning
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
    names = {3: ObjectName("kidney", "organ at risk")}
    write_labels(tmp_path / "a.rtstruct.dcm", drawn, volume, names=names, algorithm="ritm-hrnet18")
    data = dcmread(tmp_path / "a.rtstruct.dcm")
    assert data.Modality == "RTSTRUCT"
    regions = data.StructureSetROISequence
    assert [(r.ROINumber, r.ROIName) for r in regions] == [(3, "kidney"), (8, "object 8")]
    assert [r.get("ROIDescription") for r in regions] == ["organ at risk", None]
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


@pytest.mark.parametrize("name", ["l.rtstruct.dcm", "l.dcm"])
def test_dicom_that_is_stopped_at_any_step_leaves_the_old_file(tmp_path, dicom, drawn, name):
    volume, steps = read_volume(dicom.Scan().write(tmp_path / "s")), []
    path = tmp_path / name
    write_labels(path, drawn, volume, check=lambda: steps.append(1))
    before = path.read_bytes()
    for last in {0, 1, len(steps) // 2, len(steps) - 1}:
        left = iter(range(last))

        def check(left=left):
            if next(left, None) is None:
                raise KeyError("asked")

        with pytest.raises(KeyError, match="asked"):
            write_labels(path, drawn, volume, overwrite=True, check=check)
        assert path.read_bytes() == before
        assert {p.name for p in tmp_path.iterdir()} == {"s", name}
    # before each contour of an RT-STRUCT; highdicom makes all frames at once
    assert len(steps) >= (4 if name == "l.dcm" else 9)


def test_labels_must_not_be_empty_nor_slices_gone(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    with pytest.raises(DataError, match="labels are empty"):
        write_labels(tmp_path / "rtstruct.dcm", drawn * 0, volume)
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(FileError, match="source slice is not there any more"):
        write_labels(tmp_path / "rtstruct.dcm", drawn, volume)


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_a_structure_set_opens_again_as_labels_on_its_series(tmp_path, scanned, drawn):
    path = tmp_path / "s" / "rtstruct.dcm"
    write_labels(path, drawn, scanned.volume, names={3: "kidney"})
    np.testing.assert_array_equal(read_mask(path, scanned.volume), drawn)
    (_, shown, kind), *others = read_layers(str(path))
    assert (kind, others, shown["name"]) == ("labels", [], "rtstruct.dcm")
    assert list(shown["features"]["name"]) == ["", "kidney", "object 8"]
    assert shown["colormap"][3] == "#" + bytes(colour_of(3)).hex()
    found, like = read_volume(path), scanned.volume
    np.testing.assert_array_equal(found.data, drawn)
    np.testing.assert_allclose(found.affine, like.affine)
    # and what is drawn on goes back to the series
    write_labels(tmp_path / "again.rtstruct.dcm", drawn, found)
    np.testing.assert_array_equal(read_mask(tmp_path / "again.rtstruct.dcm", like), drawn)


def test_a_structure_set_finds_its_series_among_others_and_its_time_point(tmp_path, dicom, drawn):
    folder = tmp_path / "s"
    dicom.Scan().write(folder)
    other = dicom.Scan(n=4).slices()
    for number, one in enumerate(other):
        dicom.save(one, folder / f"other{number}")
    one = next(s for s in list_series(folder) if s.slices == 5)
    write_labels(folder / "l_rtstruct.dcm", drawn, read_series(one))
    np.testing.assert_array_equal(read_volume(folder / "l_rtstruct.dcm").data, drawn)
    for path in one.files:
        path.unlink()
    with pytest.raises(FileError, match=r"no grid of its own: .*Put it into their folder"):
        read_volume(folder / "l_rtstruct.dcm")


def changed(path, change):
    data = dcmread(path)
    change(data)
    data.save_as(path)
    return path


@pytest.fixture
def foreign(tmp_path, dicom, drawn):
    """A structure set that another program has changed, and its image."""
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    write_labels(tmp_path / "s" / "rtstruct.dcm", drawn, volume)
    return lambda change: (changed(tmp_path / "s" / "rtstruct.dcm", change), volume)


def test_regions_whose_numbers_are_no_labels_are_counted(foreign, drawn):
    def change(data):
        data.StructureSetROISequence[0].ROINumber = 0
        data.ROIContourSequence[0].ReferencedROINumber = 0

    path, volume = foreign(change)
    found = read_mask(path, volume)
    np.testing.assert_array_equal(found, np.where(drawn == 3, 1, drawn // 4))
    assert structure_names(path) == {1: "object 3", 2: "object 8"}


def test_a_contour_in_a_contour_is_a_hole_and_points_are_told(foreign):
    def change(data):
        first = data.ROIContourSequence[0].ContourSequence
        whole = np.array(first[0].ContourData, float).reshape(-1, 3)
        low, high = whole.min(axis=0), whole.max(axis=0)
        for contour, inset in zip(first, (0.0, 2.1, 0.0), strict=False):
            (x, y, _), (u, v, _) = low + inset, high - inset
            ring = [x, y, whole[0, 2], u, y, whole[0, 2], u, v, whole[0, 2], x, v, whole[0, 2]]
            contour.ContourData, contour.NumberOfContourPoints = ring, 4
        first[2].ContourGeometricType = "POINT"
        data.ROIContourSequence[0].ContourSequence = first[:3]
        del data.ROIContourSequence[1]

    path, volume = foreign(change)
    with pytest.warns(FileWarning, match="1 of its contours are points"):
        found = read_mask(path, volume)
    ring = np.zeros((12, 14), bool)
    ring[1:11, 1:12], ring[4:8, 4:9] = True, False
    np.testing.assert_array_equal(found[1] == 3, ring)
    assert not found[2:].any()


def test_regions_that_overlap_are_told(foreign):
    def change(data):
        data.ROIContourSequence[1].ContourSequence = data.ROIContourSequence[0].ContourSequence

    path, volume = foreign(change)
    with pytest.warns(UserWarning, match=r"segments overlap .*, and 3 lost pixels"):
        assert set(np.unique(read_mask(path, volume))) == {0, 8}


def put(ring):
    def change(data):
        contour = data.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData, contour.NumberOfContourPoints = list(np.ravel(ring)), len(ring)

    return change


ON_PLANE = np.array([(-20, 30, -50), (-15, 30, -50), (-15, 34, -50)], float)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            put(ON_PLANE + np.array([0, 0, 1.0])),
            "contours are on another grid: .*at .-20.0, 30.0, -49.0",
        ),
        (put(ON_PLANE * np.array([1, 1, 1e9])), "structure set cannot be read"),
        (lambda data: data.pop("RTROIObservationsSequence"), "it is cut off"),
        (lambda data: setattr(data.StructureSetROISequence[1], "ROINumber", 3), "have one number"),
        (lambda data: setattr(data.ROIContourSequence[1], "ReferencedROINumber", 7), "be read"),
        (
            lambda data: setattr(
                data.ROIContourSequence[0].ContourSequence[0], "NumberOfContourPoints", 2
            ),
            "a contour of 2 points has",
        ),
    ],
)
def test_a_structure_set_that_cannot_be_trusted_is_refused(foreign, change, why):
    path, volume = foreign(change)
    with pytest.raises((FileError, DataError), match=why):
        read_mask(path, volume)


def test_a_contour_partly_outside_the_image_is_told(foreign):
    path, volume = foreign(put(ON_PLANE - np.array([10, 0, 0])))
    with pytest.warns(FileWarning, match="partly outside the image"):
        read_mask(path, volume)


def test_a_contour_that_winds_without_end_is_refused(monkeypatch, foreign):
    monkeypatch.setattr(rtstruct, "_MOST_CROSSINGS", 100)
    path, volume = foreign(put(np.tile(ON_PLANE, (40, 1))))
    with pytest.raises(FileError, match="wind without end"):
        read_mask(path, volume)


def test_a_structure_set_cut_anywhere_is_refused_or_whole(foreign, drawn):
    path, volume = foreign(lambda _: None)
    whole = path.read_bytes()
    for part in np.linspace(0.02, 0.999, 25):
        path.write_bytes(whole[: int(len(whole) * part)])
        try:
            found = read_structures(path, volume)
        except FileError:
            continue
        np.testing.assert_array_equal(found, drawn)
