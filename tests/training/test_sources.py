import numpy as np
import pytest
import tifffile

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.training import sources
from napari_intseg.training.sources import (
    FinishedImage,
    PictureSource,
    hold_out,
    make_picture,
    read_source,
    write_finished,
)


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


def finished(labels, **changed):
    """A volume in which each label is as bright as its number, and its labels."""
    volume = Volume((labels * 20 + 10).astype(np.uint8))
    return FinishedImage(
        "my cells",
        volume,
        lambda plane: labels if labels.ndim == 2 else labels.take(plane.index, plane.axis),
        **changed,
    )


class TestFinishedObjects:
    def test_planes_with_finished_objects_become_a_project_of_one_group(self, tmp_path):
        labels = np.zeros((6, 40, 50), np.int32)
        labels[2:5, 5:15, 5:15], labels[3, 20:30, 20:30], labels[4, 30:40, :10] = 3, 7, 9
        image = finished(labels, finished=frozenset({3, 9}))
        assert write_finished(tmp_path, 1, image) == {3, 9}
        source = read_source(tmp_path, masks={"": "instances"})
        assert [picture.name for picture in source.pictures] == [
            f"001-my_cells@0-0-{index}-0_labels" for index in (2, 3, 4)
        ]
        assert {picture.group for picture in source.pictures} == {"001-my_cells"}
        assert [picture.objects.tolist() for picture in source.pictures] == [[3], [3], [3, 9]]
        assert (source.pictures[1].labels[20:30, 20:30] == 0).all(), "not finished: background"
        assert (source.pictures[1].image[5:15, 5:15] == 70).all(), "8-bit values as they are"

    def test_of_many_planes_those_worked_on_stay(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sources, "SLICES_A_VOLUME", 3)
        labels = np.zeros((9, 20, 20), np.int32)
        labels[1:8, 5:15, 5:15] = 1
        write_finished(tmp_path, 1, finished(labels, worked=(6,)))
        names = sorted(path.stem for path in tmp_path.glob("*_labels.tif"))
        assert names == [f"001-my_cells@0-0-{index}-0_labels" for index in (1, 4, 6)]

    def test_other_axes_and_objects_that_are_too_small(self, tmp_path):
        labels = np.zeros((20, 30, 20), np.int32)
        labels[5:15, 4, 5:15], labels[:2, 9, :2] = 1, 2
        assert write_finished(tmp_path, 1, finished(labels, axis=1)) == {1}
        assert [p.name for p in read_source(tmp_path).pictures] == ["001-my_cells@0-1-4-0"]

    def test_a_large_plane_is_written_where_its_objects_are(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sources, "WHOLE_PX", 80)
        labels = np.zeros((100, 300), np.int32)
        labels[10:20, 10:20], labels[12:22, 22:32], labels[80:90, 280:290] = 1, 2, 3
        assert write_finished(tmp_path, 1, finished(labels)) == {1, 2, 3}
        pictures = read_source(tmp_path).pictures
        assert [picture.objects.tolist() for picture in pictures] == [[1, 2], [3]]
        assert {picture.group for picture in pictures} == {"001-my_cells"}
        assert max(side for picture in pictures for side in picture.image.shape) <= 40

    def test_when_it_is_stopped_nothing_more_is_written(self, tmp_path):
        labels = np.ones((3, 20, 20), np.int32)
        assert write_finished(tmp_path, 1, finished(labels), lambda: True) == set()
        assert not list(tmp_path.iterdir())

    def test_an_object_is_held_out_on_all_planes_it_is_on(self, tmp_path):
        labels = np.zeros((8, 40, 100), np.int32)
        for label in range(1, 7):
            labels[label - 1 : label + 2, 5 : 15 + label, 16 * label - 14 : 16 * label - 2] = label
        write_finished(tmp_path, 1, finished(labels))
        source = read_source(tmp_path, masks={"": "instances"})
        kept, tasks = hold_out(source, share=0.34, most=9, seed=0, by="objects")
        held = {task.label for task in tasks}
        assert len(held) == len(tasks) == 2
        left = {label for picture in kept.pictures for label in picture.objects.tolist()}
        assert left == set(range(1, 7)) - held
        assert all(len(picture.objects) == len(picture.areas) > 0 for picture in kept.pictures)
        by_slices = hold_out(source, share=0.34, most=99, seed=0)
        seen = {label for picture in by_slices[0].pictures for label in picture.objects.tolist()}
        assert seen & {task.label for task in by_slices[1]}, "slices give objects away"
