"""Folders of the Cell Tracking Challenge: what is written, what is read, what is refused."""

import numpy as np
import pytest
import tifffile

from made_series import series
from napari_intseg.core import files
from napari_intseg.errors import DataError, FileError
from napari_intseg.io import cell_tracking
from napari_intseg.io.cell_tracking import Tracks, is_ctc, objects_of, read_ctc, write_ctc
from napari_intseg.io.hooks import get_reader


@pytest.fixture
def labels():
    """Track 2 divides into 5 and 9 after two of four time points, 3 stays; four planes."""
    labels = np.zeros((4, 4, 8, 12), np.int64)
    labels[:, 1:3, :2] = 3
    labels[:2, 1:3, 4:8, 2:9] = 2
    labels[2:, 1:3, 4:8, 2:5], labels[2:, 1:3, 4:8, 6:9] = 5, 9
    return labels


@pytest.fixture
def folder(tmp_path, labels):
    return write_ctc(tmp_path / "01_RES", labels, {5: (2,), 9: (2,)})


def test_the_folder_is_as_the_challenge_says(folder, labels):
    assert sorted(path.name for path in folder.iterdir()) == [
        "mask000.tif", "mask001.tif", "mask002.tif", "mask003.tif", "res_track.txt",
    ]  # fmt: skip
    assert (folder / "res_track.txt").read_text() == "2 0 1 0\n3 0 3 0\n5 2 3 2\n9 2 3 2\n"
    for time, frame in enumerate(labels):
        read = tifffile.imread(folder / f"mask{time:03d}.tif")
        assert read.dtype == np.uint16
        np.testing.assert_array_equal(read, frame)


@pytest.mark.parametrize("planes", [0, 1, 3])
def test_there_and_back(tmp_path, labels, planes):
    given = labels[:, 1] if not planes else labels[:, 1 : 1 + planes]
    write_ctc(tmp_path / "01_RES", given, {5: (2,), 9: (2,)})
    read, tracks = read_ctc(tmp_path / "01_RES")
    np.testing.assert_array_equal(read, given)
    assert tracks.parents == {5: (2,), 9: (2,)}
    assert tracks.spans == {2: (0, 1), 3: (0, 3), 5: (2, 3), 9: (2, 3)}
    assert [str(event) for event in tracks.events] == ["time 2: 2 divides into 5 and 9"]


def test_what_people_marked_is_read_from_its_folder(folder):
    marked = folder.parent / "01_GT" / "TRA"
    marked.parent.mkdir()
    folder.rename(marked)
    for path in list(marked.iterdir()):
        path.rename(marked / path.name.replace("mask", "man_track").replace("res_", "man_"))
    for there in (marked, marked.parent):
        assert is_ctc(there)
        assert read_ctc(there)[1].spans[5] == (2, 3)


def test_of_a_merge_the_first_parent_is_written(tmp_path):
    labels = np.zeros((2, 4, 9), int)
    labels[0, :, :3], labels[0, :, 5:], labels[1] = 1, 2, 3
    write_ctc(tmp_path / "01_RES", labels, {3: (2, 1)})
    assert (tmp_path / "01_RES" / "res_track.txt").read_text() == "1 0 0 0\n2 0 0 0\n3 1 1 2\n"


def test_a_thousand_time_points_have_four_digits(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "sync", lambda _: None)  # a thousand files on the disk take seconds
    write_ctc(tmp_path / "01_RES", np.zeros((1001, 1, 1), np.uint8))
    assert (tmp_path / "01_RES" / "mask1000.tif").is_file()
    assert (tmp_path / "01_RES" / "mask0001.tif").is_file()


def test_numbers_that_16_bits_do_not_hold_are_refused(tmp_path):
    write_ctc(tmp_path / "most", np.full((1, 2, 2), 65535))
    with pytest.raises(DataError, match="1 to 65535, which 16 bits hold, got 65536"):
        write_ctc(tmp_path / "01_RES", np.full((1, 2, 2), 65536))
    assert not (tmp_path / "01_RES").exists()


def test_gaps_and_parents_that_go_on_are_refused(tmp_path, labels):
    with pytest.raises(DataError, match="expected a parent that has ended before 5 begins at 2"):
        write_ctc(tmp_path / "01_RES", labels, {5: (3,)})
    with pytest.raises(DataError, match="expected a track as the parent of 5, got 4"):
        write_ctc(tmp_path / "01_RES", labels, {5: (4,)})
    labels[1][labels[1] == 3] = 0
    with pytest.raises(DataError, match=r"track has a gap: expected 3 at every .* got none at 1"):
        write_ctc(tmp_path / "01_RES", labels)
    with pytest.raises(DataError, match="labels are no time series"):
        write_ctc(tmp_path / "01_RES", labels[0, 0])
    assert not any(tmp_path.iterdir())


def test_a_folder_appears_whole_or_not_at_all(folder, labels, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write = tifffile.imwrite

    def full(path, *args, **kwargs):
        if path.name == "mask002.tif":
            raise OSError(28, "No space left on device")
        write(path, *args, **kwargs)

    monkeypatch.setattr(tifffile, "imwrite", full)
    for target in (folder, folder.parent / "02_RES"):
        with pytest.raises(FileError, match="expected room for it"):
            write_ctc(target, labels[:3], overwrite=True)
    assert [path.name for path in folder.parent.iterdir()] == ["01_RES"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    monkeypatch.undo()
    write_ctc(folder, labels[:2], overwrite=True)
    assert read_ctc(folder)[0].shape[0] == 2
    assert not (folder / "mask002.tif").exists()


def test_what_is_no_such_folder_is_never_replaced(folder, labels, tmp_path):
    with pytest.raises(FileError, match=r"folder exists: .*--overwrite"):
        write_ctc(folder, labels)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match=r"folder holds other files: .* got 'notes.txt'"):
        write_ctc(folder, labels, overwrite=True)
    with pytest.raises(FileError, match="folder is missing"):
        write_ctc(tmp_path / "none" / "01_RES", labels)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="got the file"):
        write_ctc(tmp_path / "file", labels, overwrite=True)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("nonsense", "expected lines of four whole numbers .* got 'nonsense' on line 1"),
        ("2 0 1\n", "got '2 0 1' on line 1"),
        ("2 0 1 0\n3 0 3 -1\n", "on line 2"),
        ("\x00\xff\x12", "on line 1"),
        ("2 0 1 0\n2 0 1 0\n", "expected each track once, got 2 twice"),
        ("0 0 1 0\n", "expected numbers from 1 to 65535, .* got 0"),
        ("2 0 4 0\n", "expected time points from 0 to 3, .* got 0 and 4 of track 2"),
        ("2 1 0 0\n", "got 1 and 0 of track 2"),
        ("2 0 1 7\n", "expected a track as the parent of 2, got 7, which there is not"),
        ("2 0 1 2\n", "expected a parent that has ended before 2 begins"),
        ("2 0 1 3\n3 0 3 2\n", "expected a parent that has ended before 2 begins"),  # a circle
        ("2 0 1 0\n3 0 3 0\n5 2 3 2\n", "labels and tracks do not agree: expected track 9 not"),
        ("2 0 1 0\n3 0 3 0\n4 1 1 0\n5 2 3 2\n9 2 3 2\n", "expected track 4 .* got none"),
        ("", "labels and tracks do not agree"),
    ],
)
def test_a_damaged_table_is_told_in_one_clear_error(folder, text, match):
    (folder / "res_track.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=match):
        read_ctc(folder)


def test_a_table_that_never_ends_is_not_read(folder):
    with (folder / "res_track.txt").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileError, match="got 1099511627776 bytes"):
        read_ctc(folder)


def test_missing_and_damaged_time_points_are_told(folder, labels, tmp_path):
    with pytest.raises(FileError, match="folder holds no tracks"):
        read_ctc(tmp_path)
    whole = (folder / "mask001.tif").read_bytes()
    (folder / "mask001.tif").unlink()
    with pytest.raises(FileError, match="time point is missing: expected a mask for 1, got 3"):
        read_ctc(folder)
    (folder / "mask001.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match=r"mask001\.tif"):
        read_ctc(folder)
    for odd in (labels[1, :2].astype(np.uint16), labels[1].astype(np.float32)):
        tifffile.imwrite(folder / "mask001.tif", odd, photometric="minisblack")
        with pytest.raises(FileError, match=r"expected whole numbers up to 65535 of shape \(4, 8"):
            read_ctc(folder)


def test_napari_shows_labels_and_tracks(folder, labels):
    reader = get_reader(str(folder))
    assert reader is not None
    (data, shown, kind), (rows, more, other) = reader(str(folder))
    assert (kind, other) == ("labels", "tracks")
    np.testing.assert_array_equal(data, labels)
    assert shown["name"] == "01_RES"
    assert more["graph"] == {5: [2], 9: [2]}
    assert rows.shape == (2 + 4 + 2 + 2, 5)
    np.testing.assert_array_equal(rows[0], [2, 0, 1.5, 5.5, 5.0])  # track, time, plane, row, col


def test_large_numbers_need_no_large_table(monkeypatch):
    labels, _ = series()
    tracks = Tracks(tuple({n: n + 1 for n in range(1, 9)} for _ in labels), {})
    first = tracks.apply(labels[0], 0)
    monkeypatch.setattr(cell_tracking, "_TABLE", 2)
    np.testing.assert_array_equal(tracks.apply(labels[0], 0), first)
    np.testing.assert_array_equal(first, np.where(labels[0] > 0, labels[0] + 1, 0))


def test_objects_are_measured_in_pixels():
    found = objects_of(np.array([[0, 7, 7], [2, 7, 7]]))
    assert found.numbers.tolist() == [2, 7]
    assert found.sizes.tolist() == [1, 4]
    assert found.by_number == {2: (1.0, 0.0), 7: (0.5, 1.5)}
    assert objects_of(np.zeros((2, 2), int)).by_number == {}
