import json
import shutil

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.cli.replay import find_look
from napari_intseg.core.volume import Volume
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.io.hooks import nearest_order
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_array, write_labels
from napari_intseg.session import question
from napari_intseg.session.journal.file import image_signature
from napari_intseg.testing import phantom_volume


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A volume, labels from clicks in it, and their journal."""
    folder = tmp_path_factory.mktemp("made")
    volume, _ = phantom_volume()
    write_array(folder / "scan.nrrd", volume.data, volume)
    clicks = ["--click", "8,24,20@1", "--click", "8,24,44@2", "--model", "random-walker"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # so that the journal names no place that is left
        assert main(["segment", "scan.nrrd", "-o", "labels.nrrd", "--quiet", *clicks]) == 0
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy of what was made, to work in."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def replay(folder, *words):
    journal = folder / "labels.nrrd.journal.jsonl"
    return main(["replay", str(journal), *(str(word) for word in words), "--quiet"])


def test_the_same_labels_are_made_again(folder):
    out = folder / "again.nrrd"
    assert replay(folder, folder / "scan.nrrd", "-o", out, "--compare", folder / "labels.nrrd") == 0
    made, first = read_volume(out).data, read_volume(folder / "labels.nrrd").data
    np.testing.assert_array_equal(made, first)
    assert first.any()


def test_equal_labels_are_told(folder, capsys):
    labels = folder / "labels.nrrd"
    assert main(["replay", str(labels), str(folder / "scan.nrrd")]) == 0
    assert f"the labels are those of {labels}" in capsys.readouterr().out
    doubled = np.asarray(read_volume(labels).data) * 2
    write_labels(labels, doubled, read_volume(folder / "scan.nrrd"), overwrite=True)
    assert main(["replay", str(labels), str(folder / "scan.nrrd")]) == 1
    assert "the labels are those of" not in capsys.readouterr().out


def test_the_image_beside_the_journal_is_found_by_its_content(folder):
    assert replay(folder) == 0


def test_without_the_image_it_is_asked_for(folder, capsys):
    (folder / "scan.nrrd").unlink()
    assert replay(folder) == 2
    assert "image is not beside the journal: expected" in capsys.readouterr().err


def test_differences_are_told(folder, capsys):
    volume = read_volume(folder / "scan.nrrd")
    write_array(folder / "other.nrrd", np.roll(volume.data, 3, axis=2), volume)
    labels = np.zeros(volume.shape, np.uint8)
    write_labels(folder / "none.nrrd", labels, volume)
    assert replay(folder, folder / "other.nrrd", "--compare", folder / "none.nrrd") == 1
    told = capsys.readouterr().err
    assert "difference: image: other values than then" in told
    assert "labels are not those of" in told


def test_a_journal_can_be_left_out(folder):
    words = ["segment", str(folder / "scan.nrrd"), "-o", str(folder / "b.nrrd"), "--quiet"]
    more = ["--click", "8,24,20", "--model", "random-walker", "--no-journal"]
    assert main([*words, *more]) == 0
    assert not (folder / "b.nrrd.journal.jsonl").exists()


def segment(image, output, *words):
    given = ["segment", str(image), "-o", str(output), "--quiet", "--model", "random-walker"]
    return main([*given, *(str(word) for word in words)])


@pytest.mark.parametrize("name", ["labels.zarr", "labels.tif", "labels.h5", "labels.geojson"])
def test_labels_find_their_journal_and_their_image_by_themselves(folder, name, capsys):
    path = folder / name
    assert segment(folder / "scan.nrrd", path, "--click", "8,24,20", "--propagate") == 0
    assert main(["replay", str(path), "--quiet"]) == 0, capsys.readouterr().err
    assert main(["replay", str(path), str(folder / "scan.nrrd"), "--quiet"]) == 0


def test_labels_inside_a_zarr_image_are_made_again(folder):
    volume = read_volume(folder / "scan.nrrd")
    image = folder / "image.zarr"
    write_array(image, volume.data, Volume(volume.data, spacing=volume.spacing))
    path = image / "labels" / "cells"
    assert segment(image, path, "--click", "8,24,20") == 0
    assert replay_labels(path) == 0
    assert [p.name for p in folder.glob("**/*.jsonl")] == ["labels.nrrd.journal.jsonl"]


def replay_labels(path, *words):
    return main(["replay", str(path), *(str(word) for word in words), "--quiet"])


def test_labels_that_were_changed_since_are_told(folder, capsys):
    volume = read_volume(folder / "scan.nrrd")
    labels = read_mask(folder / "labels.nrrd", volume)
    write_labels(folder / "labels.nrrd", np.where(labels == 1, 0, labels), volume, overwrite=True)
    assert replay_labels(folder / "labels.nrrd") == 1
    count = int((labels == 1).sum())
    assert f"difference: {count} of {labels.size} labels are not" in capsys.readouterr().err


def test_labels_without_a_journal_are_told(folder, capsys):
    (folder / "labels.nrrd.journal.jsonl").unlink()
    assert replay_labels(folder / "labels.nrrd") == 2
    assert "labels have no journal: expected" in capsys.readouterr().err


def test_a_journal_that_does_not_tell_its_image_asks_for_it(folder, capsys):
    path = folder / "labels.nrrd.journal.jsonl"
    first, *others = path.read_text().splitlines()
    about = json.loads(first)
    del about["image"]
    path.write_text("\n".join([json.dumps(about), *others]))
    assert replay(folder) == 2
    assert "image is not beside the journal" in capsys.readouterr().err
    assert replay(folder, folder / "scan.nrrd") == 0


def test_one_time_point_of_a_series_is_made_again(tmp_path, rng):
    series = rng.integers(0, 40, (3, 60, 70)).astype(np.uint8)
    series[1, 10:40, 12:50] += 150
    np.save(tmp_path / "series.npy", series)
    words = ["--time", "1", "--click", "20,20", "--click", "50,60:-"]
    assert segment(tmp_path / "series.npy", tmp_path / "l.npy", *words) == 0
    assert replay_labels(tmp_path / "l.npy") == 0
    assert replay_labels(tmp_path / "l.npy", tmp_path / "series.npy", "--time", 1) == 0
    assert np.load(tmp_path / "l.npy").any()


@pytest.mark.parametrize("channel", [None, (1,), (2, 0)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_file_is_recognised_however_a_session_saw_it(rng, channel, order):
    data = rng.integers(0, 900, (6, 8, 10, 3)).astype(np.uint16)
    affine = np.eye(4)  # the axis of the data that runs along z is the first, or the second
    if order != (0, 1, 2):
        affine[:3, :3] = [[0.5, 0, 0], [0, 0, 0.7], [0, 2.0, 0]]
        order = nearest_order(affine)
        assert order != (0, 1, 2)
    file = Volume(data, affine=affine, channels=True)
    chosen = data if channel is None else data[..., list(channel)]
    seen = chosen.transpose((*order, 3))
    if channel == (1,):
        seen = seen[..., 0]
    spacing = (1.5, 0.25, 0.3)  # of a layer that was scaled by hand
    then = Volume(seen, spacing=spacing, channels=seen.ndim == 4)
    look = find_look(file, image_signature(then))
    again = look.seen(file)
    np.testing.assert_array_equal(again.data, seen)
    assert again.spacing == spacing
    labels = rng.integers(0, 3, then.shape)
    assert look.back(labels).shape == file.shape
    np.testing.assert_array_equal(look.back(labels).transpose(order), labels)
    assert (
        find_look(file, image_signature(Volume(seen[::-1].copy(), channels=seen.ndim == 4))) is None
    )


def test_the_numbers_of_a_window_are_those_of_the_journal(folder, monkeypatch, capsys):
    journal = folder / "labels.nrrd.journal.jsonl"
    lines = [json.loads(text) for text in journal.read_text().splitlines()]
    (seen,) = [line["seen"] for line in lines if "seen" in line]  # once for each window
    volume = read_volume(folder / "scan.nrrd")
    measured = resolve_intensity(volume, None)
    assert seen == json.loads(json.dumps(measured.written()))

    def other(*_):
        raise AssertionError("a later version that measures differently was asked")

    monkeypatch.setattr(
        question, "resolve_intensity", lambda v, w, c, k: checked(v, w, c, k, other)
    )
    assert replay_labels(folder / "labels.nrrd") == 0, capsys.readouterr().err


def checked(volume, window, channels, colours, other):
    """Stand for a version whose statistics are others: what is fixed is allowed."""
    return resolve_intensity(volume, window, channels, colours) if window == (0, 1) else other()


def test_a_journal_without_numbers_is_read_as_ever_and_other_numbers_are_told(folder, capsys):
    journal = folder / "labels.nrrd.journal.jsonl"
    lines = [json.loads(text) for text in journal.read_text().splitlines()]
    without = [{k: v for k, v in line.items() if k != "seen"} for line in lines]
    journal.write_text("\n".join(map(json.dumps, without)))
    assert replay(folder) == 0
    late = [dict(line) for line in without]
    answers = [line for line in late if line["do" if "do" in line else "t"] == "answer"]
    answers[-1]["seen"] = {**resolve_intensity(Volume(np.zeros((4, 4)))).written(), "high": [7.0]}
    journal.write_text("\n".join(map(json.dumps, late)))
    assert replay(folder) == 1
    assert "difference: window: [0.0] to [7.0] then" in capsys.readouterr().err


ODD = [
    (0, ("image",), "/dev/zero", "names and values for 'image'"),
    (0, ("versions",), [], "names and values for 'versions'"),
    (0, ("image", "channels"), "x", "0 to 10000 channels of the image"),
    (0, ("image", "channels"), -1, "0 to 10000 channels of the image"),
    (0, ("image", "channels"), 10**15, "0 to 10000 channels of the image"),
    (0, ("image", "channels"), [["a"]], "0 to 10000 channels of the image"),
    (0, ("image", "spacing"), None, "numbers above 0 for the spacing"),
    (0, ("image", "spacing"), "../x", "numbers above 0 for the spacing"),
    (0, ("image", "spacing", 0), {}, "numbers above 0 for the spacing"),
    (0, ("image", "spacing", 0), -1, "numbers above 0 for the spacing"),
    (0, ("image", "shape", 0), "x", "numbers above 0 for the shape"),
    (3, ("seen", "low"), [], "no limits of the contrast"),
]


@pytest.mark.parametrize(("number", "path", "value", "told"), ODD)
def test_a_journal_with_odd_values_is_one_clear_error(tmp_path, capsys, number, path, value, told):
    image = np.zeros((20, 24), np.uint8)
    image[5:15, 5:15] = 200
    write_array(tmp_path / "i.npy", image, Volume(image))
    words = ["segment", str(tmp_path / "i.npy"), "--model", "region-growing", "--click", "9,9"]
    assert main([*words, "--quiet", "-o", str(tmp_path / "l.tif")]) == 0
    journal = tmp_path / "l.tif.journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    at = lines[number]
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    capsys.readouterr()
    made = str(tmp_path / "r.tif")
    assert main(["replay", str(journal), str(tmp_path / "i.npy"), "--quiet", "-o", made]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line
