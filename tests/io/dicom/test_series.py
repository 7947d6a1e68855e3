"""What is in a folder of DICOM, and how slices become a volume."""

import warnings

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    JPEGLSLossless,
    RLELossless,
    SegmentationStorage,
)

from napari_intseg.errors import FileError
from napari_intseg.io.dicom.series_reader import (
    DicomWarning,
    choose_series,
    list_series,
    read_series,
)
from napari_intseg.io.read import read_volume

ANGLE = np.deg2rad(20)
OBLIQUE = (np.cos(ANGLE), np.sin(ANGLE), 0, 0, 0, -1)
PLANES = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "flipped": (-1, 0, 0, 0, 1, 0),
    "oblique": OBLIQUE,
}


def by_simpleitk(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def expected(dicom, volume):
    """The phantom's values at the places that the affine gives."""
    index = np.stack([*np.indices(volume.shape), np.ones(volume.shape)], axis=-1)
    return dicom.value_at((index @ volume.affine.T)[..., :3])


@pytest.mark.parametrize("plane", PLANES)
def test_every_voxel_is_where_it_was_scanned(tmp_path, dicom, plane):
    folder = dicom.Scan(cosines=PLANES[plane]).write(tmp_path / "s")
    volume = read_volume(folder)
    assert volume.dtype == np.int16
    np.testing.assert_allclose(volume.data, expected(dicom, volume), atol=1)  # value is rounded
    image = by_simpleitk(folder)
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image))
    itk = volume.source.itk
    np.testing.assert_allclose(itk.spacing, image.GetSpacing(), rtol=1e-9)
    np.testing.assert_allclose(itk.origin, image.GetOrigin(), rtol=1e-12)
    np.testing.assert_allclose(itk.direction, image.GetDirection(), atol=1e-9)


def test_the_real_series_is_that_of_simpleitk_bit_for_bit(shared):
    folder = shared / "data" / "samples" / "ct_dicom_series"
    (series,) = list_series(folder)
    assert (series.modality, series.description) == ("CT", "CT Body 3.0")
    assert series.shape == (20, 512, 512)
    assert series.problems == ()
    volume, image = read_series(series), by_simpleitk(folder)
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image))
    itk = volume.source.itk
    assert itk.spacing == image.GetSpacing()
    assert itk.origin == image.GetOrigin()
    assert itk.direction == image.GetDirection()
    assert volume.window == (-110, 190)  # the first of the two windows in the file, 40 / 300


def test_series_in_one_folder_are_never_mixed(tmp_path, dicom):
    first = dicom.Scan(n=4)
    second = dicom.Scan(
        n=3, cosines=PLANES["sagittal"],
        tags={"SeriesDescription": "second", "SeriesNumber": 2, "Modality": "MR"},
    )  # fmt: skip
    first.write(tmp_path)
    second.write(tmp_path)
    found = list_series(tmp_path)
    told = [(s.number, s.modality, s.description, s.slices) for s in found]
    assert told == [(1, "MR", "second", 3), (2, "CT", "phantom", 4)]
    assert found[0].spacing == pytest.approx((2.5, 0.8, 0.7))
    assert {f.name for s in found for f in s.files} == {p.name for p in tmp_path.iterdir()}
    with pytest.raises(FileError, match=r"got 2 in .*--series.*1: MR 'second'.*2: CT 'phantom'"):
        read_volume(tmp_path)
    assert read_volume(tmp_path, series=2).shape == (4, 12, 14)
    assert read_volume(tmp_path, series="1").shape == (3, 12, 14)
    assert read_volume(tmp_path, series=found[0].uid).shape == (3, 12, 14)
    with pytest.raises(FileError, match=r"series does not exist: .*got 3"):
        read_volume(tmp_path, series=3)


def test_one_series_is_split_where_slices_lie_on_another_grid(tmp_path, dicom):
    slices = dicom.Scan(n=4).slices()
    other = dicom.Scan(n=2, cosines=PLANES["coronal"]).slices()
    for data in other:
        data.SeriesInstanceUID = slices[0].SeriesInstanceUID
    dicom.Scan().write(tmp_path / "s", slices + other)
    found = list_series(tmp_path / "s")
    assert [s.slices for s in found] == [4, 2]
    assert found[1].uid == found[0].uid + "#2"
    assert choose_series(tmp_path / "s", found[1].uid).slices == 2


def test_localizers_are_apart_and_do_not_hinder_the_choice(tmp_path, dicom):
    dicom.Scan().write(tmp_path)
    scout = dicom.Scan(n=1, cosines=PLANES["coronal"], tags={"SeriesNumber": 1})
    scout.tags["ImageType"] = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.write(tmp_path)
    found = list_series(tmp_path)
    assert [s.is_localizer for s in found] == [False, True]
    assert "localizer" in str(found[1])
    name = found[1].files[0].name
    with pytest.warns(DicomWarning, match=rf"left out: 1 image \('{name}'\), a localizer"):
        assert read_volume(tmp_path).shape == (5, 12, 14)
    assert read_volume(tmp_path, series=2).shape == (1, 12, 14)


OTHERS = {
    "turned otherwise": {"cosines": PLANES["coronal"]},
    "16x14 pixels, not 12x14": {"shape": (16, 14)},
    "pixels of another size": {"spacing": (0.9, 0.7)},
    "a localizer": {"tags": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}},
}


@pytest.mark.parametrize("why", OTHERS)
def test_images_of_a_series_that_lie_apart_are_told_with_the_reason(tmp_path, dicom, why):
    slices = dicom.Scan(n=4).slices()
    other = dicom.Scan(n=2, **OTHERS[why]).slices()
    for data in other:
        data.SeriesInstanceUID = slices[0].SeriesInstanceUID
    folder = dicom.Scan().write(tmp_path / "s", slices + other)
    series = list_series(folder)[0]
    (left_out,) = series.left_out
    assert left_out.startswith("2 images ('IM00")
    assert left_out.endswith(why)
    with pytest.warns(DicomWarning, match=rf"left out: 2 images \(.*\), {why}"):
        assert read_volume(folder, series=1).shape[0] == 4


def test_files_named_like_slices_that_are_none_are_told(tmp_path, dicom):
    folder = dicom.Scan(n=3).write(tmp_path / "s")
    (folder / "IM003_7").write_bytes(b"")
    (folder / "IM004_8").symlink_to(folder / "nowhere")
    (folder / "b.dcm").write_bytes(b"half of a slice")
    (folder / "._b.dcm").write_bytes(b"what macOS leaves")
    (folder / "README").write_text("a disc from the hospital")
    with pytest.warns(DicomWarning) as told:
        assert [s.slices for s in list_series(folder)] == [3]
    assert sorted(str(one.message) for one in told) == [
        "1 file ('IM003_7') cannot be read: it is empty",
        "1 file ('IM004_8') cannot be read: a link to a missing file",
        "1 file ('b.dcm') cannot be read: it does not begin as DICOM does",
    ]


def test_an_image_that_does_not_tell_its_rows_is_told(tmp_path, dicom):
    slices = dicom.Scan(n=4).slices()
    del slices[3].Rows
    folder = dicom.Scan().write(tmp_path / "s", slices)
    with pytest.warns(DicomWarning, match="cannot be read: no number of rows"):
        assert [s.slices for s in list_series(folder)] == [3]


@pytest.mark.parametrize("resample", [False, True])
def test_a_slice_with_damaged_pixels_is_left_out_and_told(tmp_path, dicom, resample):
    slices = dicom.Scan(n=6).slices()
    slices[2].PixelData = slices[2].PixelData[:-20] + bytes(60)
    folder = dicom.Scan().write(tmp_path / "s", slices)
    with pytest.warns(DicomWarning) as told:
        volume = read_volume(folder, resample=resample)
    texts = [str(one.message) for one in told]
    assert any("1 slice ('IM002_" in text and "left out: pixels" in text for text in texts)
    assert any("1 slice is missing: at -45.00 mm" in text for text in texts)
    assert not any("image" in text and "left out" in text for text in texts[1:])
    assert volume.shape[0] == (6 if resample else 5)
    assert volume.affine[2, 3] == -50
    (first, *_), last = volume.source.dicom.frames, volume.source.dicom.frames[-1]
    assert (first.position[2], last.position[2]) == (-50, -37.5)
    np.testing.assert_allclose(volume.data[:2], expected(dicom, volume)[:2], atol=8)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_damaged_frame_of_many_is_left_out_where_frames_say_where_they_end(
    tmp_path, dicom, is_compressed
):
    path = dicom.enhanced(tmp_path / "e.dcm", n=6)
    data = pydicom.dcmread(path)
    if is_compressed:
        data.compress(RLELossless)
        frames = list(generate_frames(data.PixelData, number_of_frames=6))
        frames[4] = b"\x09" + frames[4][1:]
        data.PixelData = encapsulate(frames)
    else:
        data.PixelData += bytes(90)
    data.save_as(path)
    if not is_compressed:
        with pytest.raises(FileError, match="pixels cannot be decoded"):
            read_volume(path)
        return
    with pytest.warns(DicomWarning, match=r"1 slice \('e.dcm'\) left out: .*frame 4"):
        volume = read_volume(path)
    assert volume.shape == (5, 9, 11)
    places = [frame.position for frame in volume.source.dicom.frames]
    lps = [dicom.places(at, (0, 1, 0), (0, 0, -1), (0.8, 0.7), (9, 11)) for at in places]
    np.testing.assert_allclose(volume.data, dicom.value_at(np.stack(lps)), atol=1)


@pytest.mark.parametrize("lazy", [False, True])
def test_the_frames_before_the_end_of_a_file_that_was_cut_off_are_read(tmp_path, dicom, lazy):
    path = dicom.enhanced(tmp_path / "e.dcm", n=6, order=range(6))
    whole = read_volume(path)
    # within the fifth of six frames of 9 by 11 pixels of 16 bits
    path.write_bytes(path.read_bytes()[: -2 * 9 * 11 - 50])
    (series,) = list_series(path)
    assert "'e.dcm' ends before the last 2 of its 6 frames, which are missing" in str(series)
    with pytest.warns(DicomWarning, match="before the last 2 of its 6 frames"):
        volume = read_series(series, lazy=lazy)
    np.testing.assert_array_equal(volume.data, whole.data[:4])
    np.testing.assert_allclose(volume.affine, whole.affine)


@pytest.mark.parametrize("has_table", [False, True])
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_so_are_compressed_frames(tmp_path, dicom, syntax, has_table):
    path = dicom.enhanced(tmp_path / "e.dcm", n=6, order=range(6))
    whole = read_volume(path)
    data = pydicom.dcmread(path)
    if syntax == RLELossless:
        data.compress(syntax)
        frames = list(generate_frames(data.PixelData, number_of_frames=6))
    else:
        stored = np.frombuffer(data.PixelData, np.uint16).reshape(6, 9, 11)
        frames = [bytes(imagecodecs.jpegls_encode(frame)) for frame in stored]
        frames = [frame + b"\0" * (len(frame) % 2) for frame in frames]
        data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate(frames, has_bot=has_table)
    data["PixelData"].is_undefined_length = True
    data.save_as(path)
    # within the fifth frame: behind it are the sixth, its head and the mark of the end
    path.write_bytes(path.read_bytes()[: -len(frames[5]) - 8 - 8 - 20])
    (series,) = list_series(path)
    assert "'e.dcm' ends before the last 2 of its 6 frames" in str(series)
    with pytest.warns(DicomWarning, match="before the last 2 of its 6 frames"):
        volume = read_series(series)
    np.testing.assert_array_equal(volume.data, whole.data[:4])


def test_frames_of_a_deflated_file_that_was_cut_off_are_read(tmp_path, dicom):
    path = dicom.enhanced(tmp_path / "e.dcm", n=6, order=range(6))
    whole = read_volume(path)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    # noise, which deflates to no less: where the file is cut its pixels are
    data.save_as(path)
    content = path.read_bytes()
    for cut in range(len(content) - 4, len(content) - 600, -20):
        path.write_bytes(content[:cut])
        with pytest.warns(DicomWarning, match="left out: pixels cannot be decoded"):
            volume = read_volume(path)
        if len(volume.data) < 5:
            break
    assert 0 < len(volume.data) < 5
    np.testing.assert_array_equal(volume.data, whole.data[: len(volume.data)])


def test_a_file_of_other_rows_than_its_header_says_is_not_taken_for_one_that_was_cut_off(
    tmp_path, dicom
):
    path = dicom.enhanced(tmp_path / "e.dcm", n=6)
    data = pydicom.dcmread(path)
    data.Rows = 12
    data.save_as(path)
    with pytest.raises(FileError, match=r"bytes for 6 frames|pixels cannot be decoded"):
        read_volume(path)


def test_slices_in_folders_beside_slices_are_told(tmp_path, dicom):
    folder = dicom.Scan(n=3).write(tmp_path / "s")
    dicom.Scan(n=2).write(folder / "more")
    with pytest.warns(DicomWarning, match=r"1 folder \('more'\): DICOM in it is left out"):
        assert [s.slices for s in list_series(folder)] == [3]


def test_folders_in_a_folder_are_searched_if_it_has_no_slices(tmp_path, dicom):
    (tmp_path / "readme.txt").write_text("a disc from the hospital")
    (tmp_path / "ST0").mkdir()
    dicom.Scan(n=3).write(tmp_path / "ST0" / "SE0")
    assert read_volume(tmp_path).shape == (3, 12, 14)


def test_other_objects_beside_the_slices_are_left_out(tmp_path, dicom):
    dicom.Scan(n=3).write(tmp_path)
    dicom.save(dicom.fresh(BasicTextSRStorage, Modality="SR"), tmp_path / "report")
    mask = dicom.put_pixels(dicom.fresh(SegmentationStorage, Modality="SEG"), np.ones((4, 4), "u1"))
    dicom.save(mask, tmp_path / "seg")
    assert len(list_series(tmp_path)) == 1
    with pytest.raises(FileError, match="file holds no image"):
        list_series(tmp_path / "report")


def test_a_missing_path_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(FileError, match=r"file is missing: expected DICOM, got .*nowhere"):
        list_series(tmp_path / "nowhere")
    assert list_series(tmp_path) == []
    with pytest.raises(FileError, match=r"folder does not hold one image: .* got 0"):
        choose_series(tmp_path)


@pytest.mark.parametrize(
    ("heights", "told"),
    [
        ([0, 2.5, 5, 10, 12.5], r"1 slice is missing: at -42\.50 mm"),
        ([0, 2.5, 10, 12.5, 15], r"2 slices are missing: at -45\.00, -42\.50 mm"),
        ([0, 2.5, 5, 8.7, 11.2], r"unevenly spaced: 2\.50 to 3\.70 mm"),
    ],
)
def test_gaps_are_told_with_their_places(tmp_path, dicom, heights, told):
    folder = dicom.Scan(heights=heights).write(tmp_path / "s")
    with pytest.warns(DicomWarning, match=told):
        volume = read_volume(folder)
    # the ends are right, the mean distance in between
    assert volume.spacing[0] == pytest.approx(heights[-1] / 4)
    with pytest.warns(DicomWarning, match=told):
        again = read_volume(folder, resample=True)
    assert again.spacing[0] == pytest.approx(2.5)
    assert again.shape[0] == int(heights[-1] / 2.5) + 1
    np.testing.assert_allclose(again.data, expected(dicom, again), atol=2)


def test_a_long_gap_is_not_listed_to_its_end(tmp_path, dicom):
    dicom.Scan(heights=[0, 1, 2, 103]).write(tmp_path / "s")
    (series,) = list_series(tmp_path / "s")
    assert "100 slices are missing" in series.problems[0]
    assert len(series.problems[0]) < 200


def test_small_errors_of_rounding_are_no_problem(tmp_path, dicom, rng):
    heights = np.arange(8) * 2.5 + rng.uniform(-0.004, 0.004, 8)
    dicom.Scan(heights=heights).write(tmp_path / "s")
    assert list_series(tmp_path / "s")[0].problems == ()


def test_the_same_slice_twice_is_taken_once(tmp_path, dicom):
    scan = dicom.Scan()
    slices = scan.slices()
    scan.write(tmp_path / "s", [*slices, slices[2]])
    with pytest.warns(DicomWarning, match="1 slice is there twice"):
        volume = read_volume(tmp_path / "s")
    np.testing.assert_allclose(volume.data, expected(dicom, volume), atol=1)


def test_two_slices_at_one_place_are_told(tmp_path, dicom):
    scan = dicom.Scan()
    extra = scan.slices()[3]
    slices = scan.slices()
    extra.SeriesInstanceUID, extra.InstanceNumber = slices[0].SeriesInstanceUID, 99
    extra.PixelData = bytes(len(extra.PixelData))
    scan.write(tmp_path / "s", [*slices, extra])
    with pytest.warns(
        DicomWarning, match=r"several slices at one position.*-42\.50 mm; 1 left out"
    ):
        volume = read_volume(tmp_path / "s")
    np.testing.assert_allclose(volume.data, expected(dicom, volume), atol=1)  # not the zeros


def test_images_at_the_same_places_are_time_points(tmp_path, dicom):
    scan = dicom.Scan(n=3)
    early, late = scan.slices(), scan.slices()
    for i, data in enumerate(late):
        data.SeriesInstanceUID = early[0].SeriesInstanceUID
        data.TemporalPositionIdentifier, early[i].TemporalPositionIdentifier = 2, 1
        data.PixelData = (np.frombuffer(data.PixelData, "u2") + 500).astype("u2").tobytes()
    scan.write(tmp_path / "s", late + early)
    (series,) = list_series(tmp_path / "s")
    assert (series.times, series.slices) == (2, 3)
    assert "2 time points" in str(series)
    with pytest.raises(FileError, match="one time point, got 2"):
        read_volume(tmp_path / "s")
    first, second = (read_volume(tmp_path / "s", time=t) for t in (0, 1))
    np.testing.assert_array_equal(second.data, first.data + 500)


SHEARS = {"towards the feet": (0.0, -0.3, 0.0), "sideways": (0.25, 0.1, 0.0)}


@pytest.mark.parametrize("shear", SHEARS)
def test_gantry_tilt_is_told_and_becomes_a_shear(tmp_path, dicom, shear):
    folder = dicom.Scan(n=9, shape=(20, 24), shear=SHEARS[shear]).write(tmp_path / "s")
    (series,) = list_series(folder)
    angle = np.degrees(np.arctan(np.hypot(*SHEARS[shear][:2])))
    assert f"{angle:.1f}° (gantry tilt)" in series.problems[0]
    with pytest.warns(DicomWarning, match="gantry tilt.*Ask for resampling"):
        volume = read_series(series)
    np.testing.assert_allclose(volume.data, expected(dicom, volume), atol=1)
    assert volume.source.itk is None  # ITK would lay the planes straight
    with pytest.warns(DicomWarning, match="gantry tilt"):
        straight = read_series(series, resample=True)
    axes = straight.affine[:3, :3] / straight.spacing
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert straight.source.itk is not None
    imaged = straight.data > straight.data.min() + 1  # the corners that a tilt leaves empty
    assert imaged.mean() > 0.5
    inner = imaged.copy()
    for axis in (1, 2):
        inner &= np.roll(imaged, 1, axis) & np.roll(imaged, -1, axis)
    np.testing.assert_allclose(straight.data[inner], expected(dicom, straight)[inner], atol=2)


def test_slices_without_a_position_are_stacked_by_number_and_told(tmp_path, dicom):
    slices = dicom.Scan().slices()
    for data in slices:
        del data.ImagePositionPatient
    dicom.Scan().write(tmp_path / "s", slices)
    with pytest.warns(DicomWarning, match="slices have no position"):
        volume = read_volume(tmp_path / "s")
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    order = [np.frombuffer(d.PixelData, "u2").reshape(12, 14) for d in slices]
    np.testing.assert_array_equal(volume.data + 1024, order)


def test_pictures_without_a_place_are_no_stack(tmp_path, dicom, rng):
    uid = "1.2.3.4.5"
    for name in "ab":
        dicom.picture(
            tmp_path / name, rng.integers(0, 4000, (6, 7)).astype(np.uint16), Modality="DX",
            sop_class=DigitalXRayImageStorageForPresentation, SeriesInstanceUID=uid,
        )  # fmt: skip
    assert [s.uid for s in list_series(tmp_path)] == [uid, uid + "#2"]


def test_size_and_orientation_that_are_missing_or_wrong_are_told(tmp_path, dicom):
    slices = dicom.Scan(n=3).slices()
    for data in slices:
        del data.PixelSpacing
        data.ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    dicom.Scan().write(tmp_path / "s", slices)
    (series,) = list_series(tmp_path / "s")
    assert "pixels have no size; 1 mm is taken" in series.problems
    assert "slices have no valid orientation; axial is taken" in series.problems
    with pytest.warns(DicomWarning):
        assert read_series(series).spacing == pytest.approx((2.5, 1, 1))


def test_a_damaged_file_among_slices_is_told_by_its_name_alone(tmp_path, dicom):
    folder = dicom.Scan(n=3).write(tmp_path / "s")
    whole = next(folder.iterdir()).read_bytes()
    at = whole.index(b"\x28\x00\x10\x00US")
    (folder / "broken").write_bytes(whole[: at + 8] + b"\0\0" + whole[at + 10 :])  # no rows
    with pytest.warns(DicomWarning, match=r"1 file \('broken'\) cannot be read: 1 frames of 0x14"):
        assert [s.slices for s in list_series(folder)] == [3]
    with pytest.raises(FileError, match="file cannot be read: expected a DICOM image"):
        list_series(folder / "broken")
    (folder / "broken").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list_series(folder)


def test_progress_is_told(tmp_path, dicom):
    (series,) = list_series(dicom.Scan(n=3).write(tmp_path / "s"))
    told = []
    read_series(series, on_progress=lambda *n: told.append(n))
    assert told == [(1, 3), (2, 3), (3, 3)]
