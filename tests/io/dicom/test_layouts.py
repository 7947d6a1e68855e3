"""DICOM whose headers place slices in other ways than one position and one uid a file."""

import warnings

import numpy as np
import pytest
from pydicom.dataset import Dataset

from napari_intseg.io.dicom.series_reader import DicomWarning, list_series
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_labels

N, SHAPE = 5, (9, 11)
FRAME_TIME, GRID_OFFSETS, SLICES, TIME_SLOTS = 0x00181063, 0x3004000C, 0x00540080, 0x00540070


def pixels(n):
    return np.arange(n * SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(n, *SHAPE)


def multi(dicom, path, n=N, **tags):
    """One classic file of many frames; a tag that is None is left out."""
    told = {
        "PixelSpacing": [0.8, 0.7], "SliceThickness": 0.5, "ImagePositionPatient": [1, 2, 3],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "RescaleIntercept": 0, **tags,
    }  # fmt: skip
    told = {name: value for name, value in told.items() if value is not None}
    data = dicom.fresh(NumberOfFrames=n, **told)
    dicom.put_pixels(data, pixels(n)[..., None])
    data.SamplesPerPixel = 1
    return dicom.save(data, path)


def nuclear(dicom, path, **tags):
    detector = Dataset()
    detector.ImagePositionPatient = [-5, -6, -7]
    detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    tags = {
        "Modality": "NM", "ImagePositionPatient": None, "ImageOrientationPatient": None,
        "DetectorInformationSequence": [detector], **tags,
    }  # fmt: skip
    return multi(dicom, path, **tags)


@pytest.mark.parametrize("modality", ["CT", "PT", "OT"])
def test_frames_of_one_position_are_planes_and_that_is_told(tmp_path, dicom, modality):
    path = multi(dicom, tmp_path / "i.dcm", Modality=modality)
    (series,) = list_series(path)
    assert (series.slices, series.times, series.spacing) == (N, 1, (0.5, 0.8, 0.7))
    with pytest.warns(DicomWarning, match="one position for 5 frames; .* planes 0.5 mm apart"):
        volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, pixels(N))
    np.testing.assert_allclose(volume.affine[:3, [0, 3]], [[0, 1], [0, 2], [0.5, 3]])


def test_a_distance_that_is_not_told_is_told(tmp_path, dicom):
    path = multi(dicom, tmp_path / "i.dcm", SliceThickness=None)
    with pytest.warns(DicomWarning, match="planes 1 mm, since none is told, apart"):
        assert read_volume(path).spacing == (1.0, 0.8, 0.7)


@pytest.mark.parametrize(
    "tags", [{"FrameIncrementPointer": FRAME_TIME, "FrameTime": "33"}, {"Modality": "XA"}]
)
def test_moments_of_one_place_stay_time_points(tmp_path, dicom, tags):
    (series,) = list_series(multi(dicom, tmp_path / "i.dcm", **tags))
    assert (series.slices, series.times) == (1, N)


@pytest.mark.parametrize(
    ("tags", "order"),
    [
        ({"GridFrameOffsetVector": [0, 1, 2, 3, 4]}, [0, 1, 2, 3, 4]),
        ({"GridFrameOffsetVector": [0, -1, -2, -3, -4]}, [4, 3, 2, 1, 0]),
        ({"SliceLocationVector": [7, 9, 8, 10, 11]}, [0, 2, 1, 3, 4]),
    ],
)
def test_offsets_of_frames_count(tmp_path, dicom, tags, order):
    path = multi(dicom, tmp_path / "i.dcm", **tags)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(path)
    assert volume.spacing[0] == 1.0
    np.testing.assert_array_equal(volume.data, pixels(N)[order])
    first = tags.get("GridFrameOffsetVector", [0])[order[0]]
    np.testing.assert_allclose(volume.affine[:3, 3], (1, 2, 3 + first))


@pytest.mark.parametrize("step", [4.0, -4.0])
def test_positions_of_the_detector_count(tmp_path, dicom, step):
    path = nuclear(
        dicom, tmp_path / "i.dcm", SpacingBetweenSlices=step, FrameIncrementPointer=SLICES,
        SliceVector=[1, 2, 3, 4, 5],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(path)
    turn = 1 if step > 0 else -1
    np.testing.assert_array_equal(volume.data, pixels(N)[::turn])
    np.testing.assert_allclose(volume.spacing, (4.0, 0.8, 0.7))
    np.testing.assert_allclose(volume.affine[:3, 3], (-5, -6, -7 + min(0, step) * (N - 1)))


def test_time_slots_of_nuclear_medicine_are_time_points(tmp_path, dicom):
    path = nuclear(
        dicom, tmp_path / "i.dcm", n=6, SpacingBetweenSlices=4.0,
        FrameIncrementPointer=[TIME_SLOTS, SLICES], TimeSlotVector=[1, 1, 1, 2, 2, 2],
        SliceVector=[1, 2, 3, 1, 2, 3],
    )  # fmt: skip
    (series,) = list_series(path)
    assert (series.slices, series.times) == (3, 2)
    np.testing.assert_array_equal(read_volume(path, time=1).data, pixels(6)[3:])


def test_one_frame_of_a_detector_has_its_place(tmp_path, dicom):
    volume = read_volume(nuclear(dicom, tmp_path / "i.dcm", n=1))
    np.testing.assert_allclose(volume.affine[:3, 3], (-5, -6, -7))


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
@pytest.mark.parametrize("kind", ["classic", "nuclear"])
@pytest.mark.parametrize("name", ["l.dcm", "l_rtstruct.dcm"])
def test_labels_of_a_classic_file_of_frames_are_written_as_dicom(tmp_path, dicom, kind, name):
    pytest.importorskip("highdicom")
    path = tmp_path / "i.dcm"
    if kind == "classic":
        multi(dicom, path)
    else:
        nuclear(dicom, path, SpacingBetweenSlices=4.0, SliceVector=[1, 2, 3, 4, 5])
    volume = read_volume(path)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:4, 2:5, 3:8] = 1
    write_labels(tmp_path / name, labels, volume)
    if name == "l.dcm":
        np.testing.assert_array_equal(read_mask(tmp_path / name, volume), labels)


@pytest.mark.parametrize("uid", ["1.2.3.4", None])
@pytest.mark.parametrize("placed", [True, False])
def test_slices_that_share_or_lack_a_uid_are_all_there(tmp_path, dicom, uid, placed):
    scan = dicom.Scan(n=8)
    slices = scan.slices()
    wanted = read_volume(scan.write(tmp_path / "w", slices))
    (tmp_path / "s").mkdir()
    for number, data in enumerate(slices):
        data.SOPInstanceUID = uid or "1.2.3"
        if not placed:
            del data.ImagePositionPatient
        dicom.save(data, tmp_path / "s" / f"{number}")
        if uid is None:
            from pydicom import dcmread

            again = dcmread(tmp_path / "s" / f"{number}")
            del again.SOPInstanceUID, again.file_meta.MediaStorageSOPInstanceUID
            again.save_as(tmp_path / "s" / f"{number}", enforce_file_format=False)
    with pytest.warns(DicomWarning, match="8 slices share one SOPInstanceUID or lack it"):
        volume = read_volume(tmp_path / "s")
    np.testing.assert_array_equal(volume.data, wanted.data)


def test_copies_of_slices_of_one_uid_are_still_taken_once(tmp_path, dicom):
    scan = dicom.Scan(n=4)
    slices = scan.slices()
    for data in slices:
        data.SOPInstanceUID = "1.2.3.4"
    scan.write(tmp_path / "s", [*slices, *slices])
    (series,) = list_series(tmp_path / "s")
    assert (series.slices, series.times) == (4, 1)
    assert "4 slices are there twice" in series.problems[0]


def test_labels_of_slices_of_one_uid_are_written_and_read_back(tmp_path, dicom):
    pytest.importorskip("highdicom")
    scan = dicom.Scan(n=4)
    slices = scan.slices()
    for data in slices:
        data.SOPInstanceUID = "1.2.3.4"
    scan.write(tmp_path / "s", slices)
    labels = np.zeros((4, 12, 14), np.uint8)
    labels[1:3, 2:6, 3:9] = 2
    for _ in range(2):  # what is made up is the same each time
        with pytest.warns(DicomWarning, match="share one SOPInstanceUID"):
            volume = read_volume(tmp_path / "s")
        write_labels(tmp_path / "l.dcm", labels, volume, overwrite=True)
    with pytest.warns(DicomWarning):
        again = read_volume(tmp_path / "s")
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", again), labels)


@pytest.mark.parametrize("apart", [0.004, 0.03])
@pytest.mark.parametrize("times", [2, 3])
def test_phases_a_hair_apart_are_time_points(tmp_path, dicom, apart, times):
    heights = [5.0 * plane + apart * phase for plane in range(4) for phase in range(times)]
    scan = dicom.Scan(heights=heights, n=len(heights))
    slices = scan.slices()
    for i, data in enumerate(slices):
        data.TemporalPositionIdentifier = i % times + 1
        data.PixelData = np.full(scan.shape, i, np.uint16).tobytes()
    (series,) = list_series(scan.write(tmp_path / "s", slices))
    assert (series.slices, series.times, series.problems) == (4, times, ())
    for time in range(times):
        volume = read_volume(tmp_path / "s", time=time)
        wanted = np.arange(4) * times + time - 1024
        np.testing.assert_array_equal(volume.data[:, 0, 0], wanted)
        np.testing.assert_allclose(volume.spacing[0], 5.0)


def test_thin_slices_in_two_slabs_are_no_time_points(tmp_path, dicom):
    heights = [*(0.05 * np.arange(4)), *(20 + 0.05 * np.arange(4))]
    scan = dicom.Scan(heights=heights, n=8, step=0.05)
    (series,) = list_series(scan.write(tmp_path / "s"))
    assert (series.slices, series.times) == (8, 1)
