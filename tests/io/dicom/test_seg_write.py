"""DICOM-SEG, checked by highdicom, pydicom and dciodvfy."""

import errno
import os
import shutil
import sys

import highdicom
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import DigitalXRayImageStorageForPresentation

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError, MissingExtraError
from napari_intseg.io.annotations import ObjectName
from napari_intseg.io.dicom.reference import colour_of
from napari_intseg.io.dicom.series_reader import list_series, read_series
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import check_fits, write_array, write_labels


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_highdicom_finds_every_segment_on_its_source_slice(tmp_path, scanned, drawn):
    path, volume = tmp_path / "l.dcm", scanned.volume
    write_labels(path, drawn, volume, names={3: ObjectName("target", "liver")})
    seg = highdicom.seg.segread(path)
    segment = seg.SegmentSequence[0]
    assert (segment.SegmentLabel, segment.SegmentDescription) == ("target", "liver")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Liver"
    assert "SegmentDescription" not in seg.SegmentSequence[1]
    uids = [frame.header.uid for frame in volume.source.dicom.frames]
    seen = seg.get_pixels_by_source_instance(
        uids, combine_segments=True, ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )  # fmt: skip
    np.testing.assert_array_equal(seen, np.searchsorted([0, 3, 8], drawn))
    np.testing.assert_array_equal(read_mask(path, volume), drawn)


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_frames_lie_where_the_slices_lie(tmp_path, scanned, drawn):
    volume = scanned.volume
    write_labels(tmp_path / "l.dcm", drawn, volume)
    seg = dcmread(tmp_path / "l.dcm")
    frames = volume.source.dicom.frames
    of = {tuple(np.round(f.position, 4)): plane for plane, f in enumerate(frames)}
    pixels = seg.pixel_array
    shared = seg.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    np.testing.assert_allclose(measures.PixelSpacing, volume.spacing[1:])
    directions = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    np.testing.assert_allclose(directions, [*frames[0].cols, *frames[0].rows], atol=1e-9)
    for group, frame in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        position = group.PlanePositionSequence[0].ImagePositionPatient
        plane = of[tuple(np.round(np.array(position, float), 4))]
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        np.testing.assert_array_equal(frame, drawn[plane] == [0, 3, 8][number])
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == frames[plane].header.uid


@pytest.mark.parametrize("held", [None, ""])
def test_slices_that_do_not_tell_their_thickness_get_a_segmentation(tmp_path, dicom, drawn, held):
    slices = dicom.Scan().slices()
    for one in slices:
        if held is None:
            del one.SliceThickness
        else:
            one.SliceThickness = held
    volume = read_volume(dicom.Scan().write(tmp_path / "s", slices))
    write_labels(tmp_path / "l.dcm", drawn, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", volume), drawn)
    measures = dcmread(tmp_path / "l.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert float(measures[0].SliceThickness) == pytest.approx(2.5)


def test_segments_have_names_codes_colours_and_how_they_were_made(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    drawn[4, 0, 0] = 9
    names = {3: "left kidney", 8: "Tumour"}
    write_labels(tmp_path / "l.dcm", drawn, volume, names=names, algorithm="ritm-hrnet18")
    kidney, tumour, other = dcmread(tmp_path / "l.dcm").SegmentSequence
    assert [s.SegmentLabel for s in (kidney, tumour, other)] == [
        "left kidney", "Tumour", "object 9",
    ]  # fmt: skip
    assert kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"  # SNOMED: kidney
    assert tumour.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"  # neoplasm
    assert other.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    for label, segment in zip((3, 8, 9), (kidney, tumour, other), strict=True):
        assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert segment.SegmentAlgorithmName == "ritm-hrnet18"
        lab = highdicom.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        np.testing.assert_allclose(lab.to_rgb(), colour_of(label), atol=2)
    assert len({colour_of(label) for label in range(1, 50)}) == 49


def test_every_name_that_is_coded_exists():
    from pydicom.sr.codedict import codes

    from napari_intseg.io.dicom.seg import _FINDINGS, _ORGANS, _SPOKEN, _codes

    for name in (*_ORGANS, *_FINDINGS, *_SPOKEN):
        assert _codes(name)[1] != codes.SCT.Tissue


def test_frames_of_a_multi_frame_source_are_referred_to_by_number(tmp_path, dicom):
    source = dicom.enhanced(tmp_path / "e.dcm", n=4, times=2)
    volume = read_volume(source, time=1)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1, 2:5, 2:5], labels[3, 4, 4] = 1, 3
    write_labels(tmp_path / "l.dcm", labels, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", volume), labels)
    seg = dcmread(tmp_path / "l.dcm")
    numbers = {
        int(g.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for g in seg.PerFrameFunctionalGroupsSequence
    }
    assert numbers == {volume.source.dicom.frames[plane].number + 1 for plane in (1, 3)}


def test_a_source_of_several_multi_frame_files_keeps_every_frame_in_place(tmp_path, dicom):
    uids = {n: f"1.2.3.{i}" for i, n in enumerate(("SeriesInstanceUID", "FrameOfReferenceUID"))}
    for first in (0, 3):
        dicom.enhanced(tmp_path / f"e{first}", n=3, first=first, **uids)
    volume = read_volume(tmp_path)
    assert volume.shape == (6, 9, 11)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1, 2:5, 2:5], labels[4, 4, 4] = 1, 3
    write_labels(tmp_path / "l.dcm", labels, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", volume), labels)


def test_labels_on_a_resampled_image_lie_on_its_own_grid(tmp_path, dicom):
    folder = dicom.Scan(n=6, shape=(20, 24), shear=(0, -0.3, 0)).write(tmp_path / "s")
    with pytest.warns(UserWarning, match="gantry tilt"):
        volume = read_series(list_series(folder)[0], resample=True)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:4, 5:9, 6:12] = 4
    write_labels(tmp_path / "l.dcm", labels, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", volume), labels)
    seen = highdicom.seg.segread(tmp_path / "l.dcm").get_volume(combine_segments=True)
    centres = [
        (affine @ [*np.argwhere(array).mean(0), 1])[:3]
        for affine, array in ((seen.affine, seen.array), (volume.affine, labels))
    ]
    np.testing.assert_allclose(*centres, atol=1e-4)


def test_an_x_ray_without_a_place_in_the_patient_is_labelled_too(tmp_path, dicom, rng):
    image = rng.integers(0, 4000, (8, 9)).astype(np.uint16)
    path = dicom.picture(
        tmp_path / "i", image, Modality="DX", sop_class=DigitalXRayImageStorageForPresentation
    )
    volume = read_volume(path)
    labels = np.zeros(volume.shape, np.uint8)
    labels[0, 2:4, 3:7] = 1
    write_labels(tmp_path / "l.dcm", labels, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", volume), labels)


def test_the_real_series_without_uids_is_labelled_and_says_so(tmp_path, shared):
    volume = read_volume(shared / "data" / "samples" / "ct_dicom_series")
    labels = np.zeros(volume.shape, np.uint8)
    labels[4:9, 200:300, 100:200] = 1
    with pytest.warns(UserWarning, match="no study UID"):
        write_labels(tmp_path / "l.dcm", labels, volume, names={1: "liver"})
    np.testing.assert_array_equal(read_mask(tmp_path / "l.dcm", volume), labels)
    with pytest.warns(UserWarning, match="no study UID"):
        write_labels(tmp_path / "m.dcm", labels, volume)
    made = [dcmread(tmp_path / f"{n}.dcm").StudyInstanceUID for n in "lm"]
    assert made[0] == made[1]


def test_segments_of_others_keep_their_numbers(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    write_labels(tmp_path / "l.dcm", drawn, volume)
    data = dcmread(tmp_path / "l.dcm")
    for segment in data.SegmentSequence:
        del segment.TrackingID
    data.save_as(tmp_path / "other")  # known by its content
    seen = read_mask(tmp_path / "other", volume)
    np.testing.assert_array_equal(seen, np.searchsorted([0, 3, 8], drawn))


def test_a_segmentation_of_another_grid_is_refused(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    write_labels(tmp_path / "l.dcm", drawn, volume)
    small = read_volume(dicom.Scan(shape=(6, 14)).write(tmp_path / "t"))
    with pytest.raises(DataError, match=r"another grid: expected planes of \(6, 14\)"):
        read_mask(tmp_path / "l.dcm", small)
    moved = read_volume(dicom.Scan(origin=(0, 0, 0)).write(tmp_path / "u"))
    with pytest.raises(DataError, match="expected frames on the planes of the image, got one at"):
        read_mask(tmp_path / "l.dcm", moved)
    content = (tmp_path / "l.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(content[: len(content) - 300])
    with pytest.raises(FileError, match="segmentation cannot be read"):
        read_mask(tmp_path / "cut.dcm", volume)


def test_only_labels_of_dicom_become_dicom(tmp_path):
    volume = Volume(np.zeros((4, 5, 6)))
    for name in ("l.dcm", "l_rtstruct.dcm"):
        with pytest.raises(FileError, match="expected an image that was read from DICOM"):
            check_fits(tmp_path / name, volume)
        with pytest.raises(FileError, match="expected an image that was read from DICOM"):
            write_labels(tmp_path / name, np.ones((4, 5, 6), np.uint8), volume)
        with pytest.raises(FileError, match="pictures hold no probability"):
            write_array(tmp_path / name, np.ones((4, 5, 6), np.float32), volume)
    check_fits(tmp_path / "l.nii.gz", volume)
    assert list(tmp_path.iterdir()) == []


def test_dicom_has_no_empty_segmentation(tmp_path, dicom):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    with pytest.raises(DataError, match="labels are empty"):
        write_labels(tmp_path / "l.dcm", np.zeros(volume.shape, np.uint8), volume)


def test_slices_that_are_gone_are_named(tmp_path, dicom, drawn):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(FileError, match="source slice is not there any more"):
        write_labels(tmp_path / "l.dcm", drawn, volume)


def test_without_highdicom_the_extra_is_named(tmp_path, dicom, drawn, monkeypatch):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(MissingExtraError, match=r"napari-intseg\[dicom\]"):
        write_labels(tmp_path / "l.dcm", drawn, volume)


def test_a_disk_that_is_full_is_told_in_one_line(tmp_path, dicom, drawn, monkeypatch):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))

    def save_as(*_args, **_keywords):
        # pydicom repeats what was raised in words of its own, with a traceback in them
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as err:
            raise OSError("With tag (7FE0,0010) got exception\nTraceback …") from err

    monkeypatch.setattr(Dataset, "save_as", save_as)
    for name in ("l.dcm", "l_rtstruct.dcm"):
        with pytest.raises(FileError, match=r"expected room for it, .*Free some space") as told:
            write_labels(tmp_path / name, drawn, volume)
        assert "Traceback" not in str(told.value)
        assert not (tmp_path / name).exists()
