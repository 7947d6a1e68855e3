"""A folder as a queue: what is done is found again, and becomes a training set."""

import json

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_intseg.errors import FileError
from napari_intseg.io.folder_queue import RECORD, ImageQueue
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels


@pytest.fixture
def folder(tmp_path):
    """Four pictures, labels of one of them, and what is no image."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "B.png", "c.jpg", "d.tif"):
        imsave(tmp_path / name, rng.integers(0, 255, (40, 50), np.uint8), check_contrast=False)
    imsave(tmp_path / "d_labels.tif", np.zeros((40, 50), np.uint8), check_contrast=False)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image either")
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(queue):
    return [item.path.name for item in queue.items]


def save(queue):
    labels = np.zeros((40, 50), np.int32)
    labels[5:20, 5:20], labels[25:38, 25:40] = 1, 2
    write_labels(queue.labels_of(queue.current), labels, read_volume(queue.current.path))


def test_images_come_by_name_and_labels_go_beside_them(folder):
    queue = ImageQueue.of_folder(folder)
    assert names(queue) == ["a.png", "B.png", "c.jpg", "d.tif"]
    written = [queue.labels_of(item).name for item in queue.items]
    assert written == ["a_labels.png", "B_labels.png", "c_labels.png", "d_labels.tif"]
    elsewhere = ImageQueue.of_folder(folder, folder / "out")
    assert elsewhere.labels_of(elsewhere.current) == folder / "out" / "a_labels.png"
    assert not (folder / "out").exists(), "it is made when something is written"


def test_a_series_in_a_folder_and_formats_for_volumes(folder):
    import pydicom
    from pydicom.data import get_testdata_file

    (folder / "scan").mkdir()
    pydicom.dcmread(get_testdata_file("CT_small.dcm")).save_as(folder / "scan" / "1.dcm")
    (folder / "mr.nii.gz").write_bytes(b"")
    queue = ImageQueue.of_folder(folder)
    written = {item.path.name: queue.labels_of(item).name for item in queue.items}
    assert written["scan"] == "scan_labels.nii.gz"
    assert written["mr.nii.gz"] == "mr_labels.nii.gz"


def test_what_is_done_is_found_again_another_day(folder):
    queue = ImageQueue.of_folder(folder)
    queue.mark("done", objects=3, seconds=60.0)
    assert queue.go(1).path.name == "B.png"
    queue.mark("skipped", seconds=2.0)
    queue.go(1)
    again = ImageQueue.of_folder(folder)
    assert again.current.path.name == "c.jpg", "the first that is open"
    assert [item.state for item in again.items] == ["done", "skipped", "open", "open"]
    assert again.items[0].objects == 3
    assert (again.count("done"), again.count("open")) == (1, 2)
    assert again.seconds_per_object == 20.0
    again.choose(0)
    again.mark("open")
    assert ImageQueue.of_folder(folder).current.path.name == "a.png"


def test_next_passes_what_is_done_and_comes_round(folder):
    queue = ImageQueue.of_folder(folder)
    queue.choose(2)
    queue.mark("done")
    queue.choose(1)
    assert queue.following.path.name == "d.tif"
    assert queue.go(1).path.name == "d.tif"
    assert queue.go(1).path.name == "a.png"
    assert queue.go(-1).path.name == "a.png"
    for index in range(4):
        queue.choose(index)
        queue.mark("done")
    assert queue.following is None
    assert queue.go(1).path.name == "d.tif", "nothing is open: it stays"


def test_a_moved_folder_keeps_its_record(folder):
    ImageQueue.of_folder(folder).mark("done")
    moved = folder.rename(folder.with_name("moved"))
    assert ImageQueue.of_folder(moved).items[0].state == "done"


def test_the_least_sure_come_first(folder):
    queue = ImageQueue.of_folder(folder)
    queue.choose(1)
    queue.sort([0.1, 0.4, 0.9, 0.4])
    assert names(queue) == ["c.jpg", "B.png", "d.tif", "a.png"]
    assert queue.current.path.name == "B.png"


def test_what_is_done_becomes_a_training_set(folder, tmp_path):
    sources = pytest.importorskip("napari_intseg.training.sources")
    (folder / "out").mkdir()
    queue = ImageQueue.of_folder(folder, folder / "out")
    for _ in range(2):
        save(queue)
        queue.mark("done", objects=2)
        queue.go(1)
    save(queue)  # not done
    assert queue.export(tmp_path / "set") == 2
    found = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert found == ["B.png", "B_labels.png", "a.png", "a_labels.png"]
    source = sources.read_source(tmp_path / "set")
    assert len(source.pictures) == 2
    assert all(len(picture.objects) == 2 for picture in source.pictures)


def test_of_a_series_that_is_done_each_time_point_becomes_an_image(tmp_path, rng):
    sources = pytest.importorskip("napari_intseg.training.sources")
    series = tmp_path / "in"
    series.mkdir()
    frames = rng.integers(0, 255, (3, 40, 50), np.uint8)
    tifffile.imwrite(series / "a.tif", frames, imagej=True, metadata={"axes": "TYX"})
    queue = ImageQueue.of_folder(series)
    labels = np.zeros((40, 50), np.int32)
    labels[5:20, 5:20], labels[25:38, 25:40] = 1, 2
    for time in (0, 2):
        like = read_volume(series / "a.tif", time=time)
        write_labels(queue.labels_of(queue.current, time), labels, like)
    assert set(queue.labels_in(queue.current)) == {0, 2}
    queue.mark("done", objects=2)
    assert queue.export(tmp_path / "set") == 1
    found = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert found == ["a_t000.tif", "a_t000_labels.tif", "a_t002.tif", "a_t002_labels.tif"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "set" / "a_t002.tif"), frames[2])
    source = sources.read_source(tmp_path / "set")
    assert [len(picture.objects) for picture in source.pictures] == [2, 2]


def test_an_image_named_as_a_time_point_of_another_keeps_its_labels(folder):
    imsave(folder / "d_t001.tif", np.zeros((40, 50), np.uint8), check_contrast=False)
    imsave(folder / "d_t001_labels.tif", np.ones((40, 50), np.uint8), check_contrast=False)
    queue = ImageQueue.of_folder(folder)
    queue.choose(names(queue).index("d.tif"))
    assert list(queue.labels_in(queue.current)) == [None]


def test_what_cannot_be_is_told(folder, tmp_path):
    with pytest.raises(FileError, match="folder does not exist"):
        ImageQueue.of_folder(folder / "gone")
    with pytest.raises(FileError, match="queue is empty"):
        ImageQueue.of_folder(folder / "empty")
    queue = ImageQueue.of_folder(folder)
    with pytest.raises(FileError, match="nothing to export"):
        queue.export(tmp_path / "set")
    with pytest.raises(FileError, match="image does not exist"):
        queue.choose(4)
    with pytest.raises(FileError, match="state is unknown"):
        queue.mark("finished")
    save(queue)
    queue.mark("done")
    with pytest.raises(FileError, match="folder is not empty"):
        queue.export(folder)
    (folder / RECORD).write_text("[" * 100_000)
    with pytest.raises(FileError, match="record of the queue cannot be read"):
        ImageQueue.of_folder(folder)
    (folder / RECORD).write_text("{")
    with pytest.raises(FileError, match="record of the queue cannot be read"):
        ImageQueue.of_folder(folder)
    (folder / RECORD).write_text(json.dumps({"format": "another", "images": {}}))
    with pytest.raises(FileError, match="another program's"):
        ImageQueue.of_folder(folder)
