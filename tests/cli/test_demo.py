import re
import subprocess

import numpy as np
import pytest

from napari_intseg.cli import demo
from napari_intseg.cli.demo import bright_structure, two_planes
from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array, write_labels


def score(text: str) -> float:
    return float(re.search(r"Dice of the volume: ([\d.]+)", text)[1])


def ball() -> tuple[Volume, np.ndarray]:
    z, y, x = np.ogrid[:12, :40, :50]
    truth = ((z - 6) * 2) ** 2 + (y - 20) ** 2 + (x - 30) ** 2 < 81
    noise = np.random.default_rng(0).normal(0, 10, truth.shape)
    return Volume((truth * 150 + noise).astype(np.float32), spacing=(2.0, 1.0, 1.0)), truth


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A place without the shared folder and without a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(demo.SHARED_VARIABLE, str(tmp_path / "nowhere"))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.slow
def test_demo_segments_real_images_and_the_phantom(alone, capsys):
    assert main(["demo", "--model", "random-walker"]) == 0
    told = capsys.readouterr().out
    assert "exact truth" in told
    assert score(told) > 0.8
    assert "no window" in told
    out = alone / "demo-output"
    for name in ("cell", "coins", "immunohistochemistry"):
        assert read_volume(out / f"{name}_labels.png").data.any()
        assert read_volume(out / f"{name}_overlay.png").n_channels == 3
    assert read_volume(out / "coins_labels.png").data.max() == 3
    image, labels = (read_volume(out / f"phantom_{n}.nii.gz") for n in ("image", "labels"))
    assert labels.data.any(axis=(1, 2)).sum() > 5
    np.testing.assert_array_equal(image.affine, labels.affine)
    assert image.spacing == (5.0, 1.75, 1.75)


def test_demo_takes_a_volume_with_clicks_and_truth(alone, monkeypatch, capsys):
    monkeypatch.setattr(demo, "FLAT", ())
    volume, truth = ball()
    write_array(alone / "v.nrrd", volume.data, volume)
    write_labels(alone / "t.nrrd", truth, volume)
    words = ["demo", "v.nrrd", "--model", "random-walker", "--no-window"]
    clicks = ["--click", "5,20,30", "--click", "7,20,30"]
    assert main([*words, *clicks, "--truth", "t.nrrd"]) == 0
    told = capsys.readouterr().out
    assert "your clicks: 2 clicks on planes 5, 7" in told
    assert score(told) > 0.85
    assert main(words) == 0
    assert "on the largest bright structure: 2 clicks" in capsys.readouterr().out
    assert read_volume("demo-output/v_labels.nii.gz").data.any(axis=(1, 2)).sum() > 2


@pytest.mark.parametrize(("y", "x"), [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_pictures_show_a_patient_as_napari_does(y, x):
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, x], [0.1, y, 0], [3, 0, 0.1]]  # tilted a little
    picture = np.arange(12).reshape(3, 4)
    shown = picture[demo._flips(Volume(np.zeros((2, 3, 4)), affine=affine))]
    np.testing.assert_array_equal(shown, picture[::y, ::x])


def test_flat_pictures_stay_as_they_are():
    assert demo._flips(Volume(np.zeros((3, 4)))) == (slice(None, None, 1), slice(None, None, 1))


def test_demo_finds_a_real_volume(shared, monkeypatch):
    monkeypatch.setenv(demo.SHARED_VARIABLE, str(shared))
    case = demo.find_volume(None)
    assert case.name == "ct"
    assert case.truth.sum() > 10_000


def test_demo_tells_what_is_wrong_in_one_line(alone, monkeypatch, capsys):
    monkeypatch.setattr(demo, "FLAT", ())
    write_array("flat.npy", np.zeros((5, 6)), Volume(np.zeros((5, 6))))
    write_array("empty.npy", np.zeros((5, 6, 7)), Volume(np.zeros((5, 6, 7))))
    (alone / "file").write_text("")
    for words, told in (
        (["flat.npy"], "demo needs a volume"),
        (["empty.npy"], "nothing to click on"),
        (["gone.nii"], "file is missing"),
        (["empty.npy", "--output", "file/below"], "folder cannot be made"),
    ):
        assert main(["demo", *words, "--model", "random-walker"]) == 2
        assert told in capsys.readouterr().err.splitlines()[-1]


def test_clicks_go_onto_two_planes_inside_the_object():
    _, truth = ball()
    planes = two_planes(truth)
    assert len(planes) == 2
    assert all(truth[plane.index].any() for plane in planes)
    with pytest.raises(DataError, match=r"nothing to click on: .* empty mask"):
        two_planes(np.zeros((3, 4, 5), bool))


def test_the_bright_structure_is_found():
    volume, truth = ball()
    found = bright_structure(volume.data)
    assert (found & truth).sum() > 0.7 * found.sum()
    with pytest.raises(DataError, match=r"nothing to click on: .* contrast"):
        bright_structure(np.ones((4, 5, 6)))


def test_napari_is_opened_with_the_files_where_there_is_a_display(monkeypatch, capsys):
    started = []

    def fail(command, **_options):
        started.append(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setattr(demo, "_why_no_window", lambda: "")
    demo._open_window(("i.nii.gz", "l.nii.gz"), no_window=False)
    assert started[0][1:] == ["-m", "napari_intseg.ui.scripting", "i.nii.gz", "l.nii.gz"]
    assert "could not be opened" in capsys.readouterr().out
    demo._open_window(("i.nii.gz", "l.nii.gz"), no_window=True)
    assert len(started) == 1


def test_it_says_why_there_is_no_window(monkeypatch):
    monkeypatch.setattr(demo.sys, "platform", "linux")
    monkeypatch.setattr(demo, "find_spec", lambda name: name)
    monkeypatch.setenv("DISPLAY", ":0")
    assert demo._why_no_window() == ""
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert demo._why_no_window() == "there is no display"
    monkeypatch.setattr(demo, "find_spec", lambda _name: None)
    assert "napari is not installed" in demo._why_no_window()
