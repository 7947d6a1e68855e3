import numpy as np
import pytest
import tifffile

from napari_intseg.errors import DataError
from napari_intseg.training.sources import PictureSource, hold_out, make_picture, read_source


def test_a_folder_of_images_and_masks_is_read(make_folder):
    source = read_source(make_folder(count=3), 2.0)
    assert len(source.pictures) == 3
    assert source.weight == 2.0
    assert source.pictures[0].image.dtype == np.uint8
    assert source.pictures[0].objects.tolist() == [1, 2]


def test_a_grey_image_saved_in_colour_is_grey():
    image = np.repeat(np.arange(400, dtype=np.uint8).reshape(20, 20, 1), 3, 2)
    picture = make_picture("a", image, np.ones((20, 20), np.int32))
    assert picture.image.shape == (20, 20)


def test_objects_below_40_pixels_are_left_out():
    labels = np.zeros((20, 20), np.int32)
    labels[:3, :13] = 1
    assert make_picture("a", np.zeros((20, 20), np.uint8), labels) is None
    labels[3, :1] = 1
    assert make_picture("a", np.zeros((20, 20), np.uint8), labels).areas.tolist() == [40]


def test_ignored_pixels_are_minus_one(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    labels = np.zeros((30, 30), np.uint8)
    labels[5:15, 5:15], labels[20:, 20:] = 1, 255
    tifffile.imwrite(tmp_path / "images" / "a.tif", labels)
    tifffile.imwrite(tmp_path / "masks" / "a.tif", labels)
    (picture,) = read_source(tmp_path).pictures
    assert (picture.labels == -1).sum() == 100
    assert (picture.labels == 1).sum() == 100


def test_a_project_with_labels_beside_the_volume_is_cut_into_slices(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.zeros((6, 40, 40), np.uint16)
    labels[2:5, 10:30, 10:30] = 7
    volume = (labels * 100 + rng.integers(0, 90, labels.shape)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "nuclei.tif", volume, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "nuclei_labels.tif", labels, metadata={"axes": "ZYX"})
    source = read_source(tmp_path)
    axis0 = [p for p in source.pictures if "@0." in p.name]
    assert [p.name for p in axis0] == ["nuclei@0.2", "nuclei@0.3", "nuclei@0.4"]
    assert {p.group for p in source.pictures} == {"nuclei"}
    assert axis0[0].image[labels[2] > 0].min() > axis0[0].image[labels[2] == 0].max()


def test_a_project_without_objects_is_refused(tmp_path):
    labels = np.zeros((30, 30), np.uint8)
    labels[:2, :2] = 1
    tifffile.imwrite(tmp_path / "a.tif", labels)
    tifffile.imwrite(tmp_path / "a_labels.tif", labels)
    with pytest.raises(DataError, match="nothing to learn from: expected labelled objects"):
        read_source(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="data set is missing"):
        read_source(tmp_path / "nowhere")


def test_whole_files_are_held_out(make_folder):
    source = read_source(make_folder(count=10))
    kept, tasks = hold_out(source, share=0.2, most=99, seed=0)
    assert len(kept.pictures) == 8
    assert len(tasks) == 4
    assert not {p.name for p in kept.pictures} & {t.picture.name for t in tasks}
    assert hold_out(source, share=0.2, most=3, seed=0)[1][0].picture.name in {
        t.picture.name for t in tasks
    }


def test_a_single_picture_holds_out_objects():
    labels = np.repeat(np.arange(1, 11, dtype=np.int32), 60)[None].repeat(4, 0)
    source = PictureSource("one", (make_picture("a", labels.astype(np.uint8), labels),))
    kept, tasks = hold_out(source, share=0.3, most=99, seed=0)
    assert len(tasks) == 3
    assert not {t.label for t in tasks} & set(kept.pictures[0].objects.tolist())
    assert len(kept.pictures[0].objects) == 7


def test_nothing_is_held_out_on_request(make_folder):
    source = read_source(make_folder())
    assert hold_out(source, share=0, most=9, seed=0) == (source, ())
