import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.evaluation.metrics import iou
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_array, write_labels

RADII = (9, 10, 11)


def discs() -> tuple[np.ndarray, np.ndarray]:
    """Twelve bright discs of three sizes in noise, uint8, and their labels."""
    row, col = np.ogrid[:160, :210]
    labels = np.zeros((160, 210), np.uint8)
    for number in range(12):
        middle = 26 + 52 * (number // 4), 28 + 50 * (number % 4)
        inside = (row - middle[0]) ** 2 + (col - middle[1]) ** 2 < RADII[number % 3] ** 2
        labels[inside] = number + 1
    noise = np.random.default_rng(0).normal(0, 6, labels.shape)
    return np.clip(60 + 110 * (labels > 0) + noise, 0, 255).astype(np.uint8), labels


def few(labels: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    """Return some of the discs under other labels: 0 where there is none of them."""
    out = np.zeros_like(labels)
    for old, new in numbers.items():
        out[labels == old] = new
    return out


def saved(folder, image: np.ndarray, labels: np.ndarray, ending: str) -> tuple[str, str]:
    """Write an image and labels, and return where."""
    volume = Volume(image, channels=False)
    paths = str(folder / f"image{ending}"), str(folder / f"few{ending}")
    write_array(paths[0], image, volume)
    write_labels(paths[1], labels, volume)
    return paths


@pytest.fixture
def flat(tmp_path):
    """An image of which discs 2 and 7 are labelled, as 1 and 4."""
    image, labels = discs()
    return saved(tmp_path, image, few(labels, {2: 1, 7: 4}), ".tif")


@pytest.fixture
def stack(tmp_path):
    """Four planes of discs; disc 2 is labelled 5 on planes 1 and 2, and disc 7 is 6 on plane 2."""
    image, labels = discs()
    given = np.zeros((4, *labels.shape), np.uint8)
    given[1] = few(labels, {2: 5})
    given[2] = few(labels, {2: 5, 7: 6})
    return saved(tmp_path, np.stack([image] * 4), given, ".nrrd")


def more(paths: tuple[str, str], output, *words: str) -> int:
    return main(["more", *paths, "-o", str(output), "--model", "random-walker", *words])


def best(labels: np.ndarray, truth: np.ndarray) -> float:
    """Return how well a disc is met by the label that has most of it."""
    counts = np.bincount(labels[truth])
    counts[0] = 0
    return iou(labels == counts.argmax(), truth) if counts.any() else 0.0


def test_the_other_discs_are_found_and_the_given_ones_stay(flat, tmp_path, capsys):
    assert more(flat, tmp_path / "all.tif") == 0
    labels, truth = read_volume(tmp_path / "all.tif").data, discs()[1]
    given = few(truth, {2: 1, 7: 4})
    np.testing.assert_array_equal(labels[given > 0], given[given > 0])
    assert np.unique(labels[given == 0]).tolist() == [0, *range(5, 15)]
    others = [n for n in range(1, 13) if n not in (2, 7)]
    assert min(best(labels, truth == n) for n in others) > 0.8
    told = capsys.readouterr()
    assert told.out == f"10 objects found, 5 to 14\nwrote {tmp_path / 'all.tif'}\n"
    assert "find more" in told.err


def test_the_bundled_network_finds_them(flat, tmp_path, capsys):
    assert more(flat, tmp_path / "all.tif", "--model", "bundled", "--quiet") == 0
    labels, truth = read_volume(tmp_path / "all.tif").data, discs()[1]
    assert min(best(labels, truth == n) for n in range(1, 13)) > 0.7
    assert labels.max() == 14
    assert capsys.readouterr() == ("", "")


def test_each_plane_with_a_label_is_searched(stack, tmp_path, capsys):
    assert more(stack, tmp_path / "all.nrrd") == 0
    labels = read_volume(tmp_path / "all.nrrd").data
    given = read_volume(stack[1]).data
    np.testing.assert_array_equal(labels[given > 0], given[given > 0])
    assert np.flatnonzero(labels.any(axis=(1, 2))).tolist() == [1, 2]
    found = np.setdiff1d(labels, given)
    assert found.tolist() == list(range(7, 28))
    for label in found:  # each lies on its one plane
        assert (labels == label).any(axis=(1, 2)).sum() == 1
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == [
        "plane 1: 11 objects found, 7 to 17",
        "plane 2: 10 objects found, 18 to 27",
        "in all: 21 objects found, 7 to 27",
    ]


def test_one_plane_can_be_chosen(stack, tmp_path, capsys):
    assert more(stack, tmp_path / "all.nrrd", "--plane", "2") == 0
    labels, given = (read_volume(path).data for path in (tmp_path / "all.nrrd", stack[1]))
    np.testing.assert_array_equal(labels[1], given[1])
    assert np.setdiff1d(labels[2], given).tolist() == list(range(7, 17))
    assert capsys.readouterr().out.startswith("plane 2: 10 objects found, 7 to 16\nwrote ")


def test_planes_may_lie_across_another_axis(tmp_path):
    image, labels = discs()
    given = np.zeros((*labels.shape, 3), np.uint8)
    given[..., 1] = few(labels, {2: 1, 7: 2})
    paths = saved(tmp_path, np.stack([image] * 3, axis=2), given, ".nrrd")
    assert more(paths, tmp_path / "all.nrrd", "--axis", "2") == 0
    found = read_volume(tmp_path / "all.nrrd").data
    assert np.flatnonzero(found.any(axis=(0, 1))).tolist() == [1]
    assert min(best(found[..., 1], labels == n) for n in range(1, 13)) > 0.8


def test_the_journal_makes_the_labels_again(stack, tmp_path, capsys):
    assert more(stack, tmp_path / "all.nrrd", "--plane", "1") == 0
    journal = str(tmp_path / "all.nrrd.journal.jsonl")
    again = str(tmp_path / "again.nrrd")
    assert main(["replay", journal, stack[0], "-o", again]) == 0, capsys.readouterr().err
    np.testing.assert_array_equal(read_volume(again).data, read_volume(tmp_path / "all.nrrd").data)
    assert more(stack, tmp_path / "bare.nrrd", "--plane", "1", "--no-journal") == 0
    assert not (tmp_path / "bare.nrrd.journal.jsonl").exists()


def test_what_is_unlike_is_not_found(tmp_path, capsys):
    row, col = np.ogrid[:96, :96]
    disc = (row - 48) ** 2 + (col - 48) ** 2 < 100
    noise = np.random.default_rng(0).normal(0, 6, disc.shape)
    image = np.clip(60 + 110 * disc + noise, 0, 255).astype(np.uint8)
    paths = saved(tmp_path, image, disc.astype(np.uint8), ".tif")
    assert more(paths, tmp_path / "all.tif") == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "all.tif").data, disc)
    assert capsys.readouterr().out.startswith("nothing was found\n")


def test_first_ctrl_c_keeps_what_is_done(stack, tmp_path, monkeypatch):
    from napari_intseg.session.session import Session

    find_alike = Session.find_alike

    def interrupted(self, plane, *, on_progress, should_stop):
        def progress(done, total):
            on_progress(done, total)
            if done == 3:
                os.kill(os.getpid(), signal.SIGINT)

        return find_alike(self, plane, on_progress=progress, should_stop=should_stop)

    monkeypatch.setattr(Session, "find_alike", interrupted)
    assert more(stack, tmp_path / "all.nrrd") == 130
    labels, given = (read_volume(path).data for path in (tmp_path / "all.nrrd", stack[1]))
    assert 0 < np.setdiff1d(labels[1], given).size <= 3
    np.testing.assert_array_equal(labels[2], given[2])


def test_what_is_found_is_carried_through_the_volume(stack, tmp_path, capsys):
    assert more(stack, tmp_path / "all.nrrd", "--propagate") == 0
    labels, given = (read_volume(path).data for path in (tmp_path / "all.nrrd", stack[1]))
    np.testing.assert_array_equal(labels[given > 0], given[given > 0])
    assert np.unique(labels).tolist() == [0, *range(5, 17)]
    truth = discs()[1]
    for n in range(1, 13):  # each disc is one object on all four planes
        found = labels[:, truth == n]
        assert len({np.bincount(plane[plane > 0]).argmax() for plane in found}) == 1
    assert "propagate" in capsys.readouterr().err


def test_a_flat_image_has_nothing_to_propagate_through(flat, tmp_path, capsys):
    assert more(flat, tmp_path / "all.tif", "--propagate") == 2
    assert "expected a volume with --propagate, got a flat image" in told_error(capsys)


def test_a_dicom_series_gives_a_segmentation_object(tmp_path, shared, capsys):
    series = str(shared / "data" / "samples" / "ct_dicom_series")
    few = tmp_path / "few.nii.gz"
    words = ("--window", "abdomen", "--model", "random-walker", "--quiet")
    assert main(["segment", series, "-o", str(few), "--click", "10,250,170", *words]) == 0
    assert more((series, str(few)), tmp_path / "all.dcm", "--name", "1=liver", *words[:2]) == 0
    written, given = read_mask(tmp_path / "all.dcm", read_volume(series)), read_volume(few).data
    np.testing.assert_array_equal(written == 1, given == 1)
    assert "wrote" in capsys.readouterr().out


def told_error(capsys) -> str:
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.zeros((160, 210), np.uint8), "labels are empty: expected a few objects"),
        (np.full((160, 210), 1 << 31, np.uint32), "label is too large: expected at most"),
        (np.ones((160, 200), np.uint8), "mask is on another grid: expected shape"),
    ],
)
def test_labels_that_cannot_be_gone_by_are_refused(given, told, tmp_path, capsys):
    paths = saved(tmp_path, discs()[0], np.zeros((160, 210), np.uint8), ".npy")
    np.save(paths[1], given)
    assert more(paths, tmp_path / "all.npy") == 2
    assert re.match(f"napari-intseg: error: {told}", told_error(capsys))
    assert not (tmp_path / "all.npy").exists()


def test_a_plane_without_an_object_is_refused(stack, tmp_path, capsys):
    assert more(stack, tmp_path / "all.nrrd", "--plane", "3") == 2
    assert "no object to go by: expected one of 1, 2 on axis 0, got 3" in told_error(capsys)


def test_a_file_that_exists_is_not_replaced(flat, tmp_path, capsys):
    out = tmp_path / "all.tif"
    out.write_bytes(Path(flat[1]).read_bytes())
    assert more(flat, out) == 2
    assert "file exists" in told_error(capsys)
    assert more(flat, out, "--overwrite") == 0
    assert read_volume(out).data.max() == 14


def test_the_labels_that_were_given_are_not_replaced(flat, capsys):
    assert more(flat, flat[1], "--overwrite") == 2
    assert "output is an input" in told_error(capsys)


def test_a_folder_of_images_is_searched_image_by_image(flat, tmp_path, capsys):
    image, given = (Path(path) for path in flat)
    for place in ("images", "few"):
        (tmp_path / place).mkdir()
    for name in ("a", "b"):
        (tmp_path / "images" / f"{name}.tif").write_bytes(image.read_bytes())
    (tmp_path / "few" / "a_labels.tif").write_bytes(given.read_bytes())
    alone, out = tmp_path / "alone.tif", tmp_path / "all"
    words = ["--model", "random-walker", "--no-journal"]
    assert main(["more", str(image), str(given), "-o", str(alone), "--quiet", *words]) == 0
    folders = [str(tmp_path / "images"), str(tmp_path / "few"), "-o", str(out)]
    assert main(["more", *folders, *words]) == 1
    told = capsys.readouterr()
    assert "b.tif: failed: nothing goes with 'b.tif'" in told.err
    assert told.out.endswith("1 of 2 done\n")
    assert [path.name for path in out.iterdir()] == ["a_labels.tif"]
    np.testing.assert_array_equal(
        read_mask(out / "a_labels.tif", read_volume(image)),
        read_mask(alone, read_volume(image)),
    )
