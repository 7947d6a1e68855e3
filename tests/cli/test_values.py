import argparse

import numpy as np
import pytest
from PIL import Image

from napari_intseg.cli import batch, shared_options
from napari_intseg.cli.main import main
from napari_intseg.cli.shared_options import ClickOption
from napari_intseg.errors import WeightsError
from napari_intseg.inference.intensity import Window
from napari_intseg.models import registry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40,120,200", ClickOption((40, 120, 200))),
        ("40,90,180:-", ClickOption((40, 90, 180), positive=False)),
        ("40,90,180:+", ClickOption((40, 90, 180))),
        ("1.5,2@3", ClickOption((1.5, 2), label=3)),
        ("1,2:-@3", ClickOption((1, 2), positive=False, label=3)),
        ("-1,2", ClickOption((-1, 2))),
    ],
)
def test_a_click_is_read(text, expected):
    assert shared_options.click(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3,4", "a,b", "1,2:*", "1,2@", "1,2@x", "nan,1", "inf,1", "1,2@3:-"]
)
def test_a_strange_click_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="click is not understood"):
        shared_options.click(text)


def test_planes_are_read():
    assert shared_options.planes("20:60") == (20, 60)
    assert shared_options.planes("20:") == (20, None)
    assert shared_options.planes(":60") == (None, 60)
    with pytest.raises(argparse.ArgumentTypeError, match="planes are not understood"):
        shared_options.planes("20-60")


def test_channels_are_read():
    assert shared_options.channels("0,2") == (0, 2)
    with pytest.raises(argparse.ArgumentTypeError, match="channels are not understood"):
        shared_options.channels("red")


def test_a_window_is_limits_or_level_and_width_or_a_name():
    assert shared_options.window("-160,240") == (-160, 240)
    assert shared_options.window("40/400") == Window(40, 400)
    assert shared_options.window("-600/1500") == Window(-600, 1500)
    assert shared_options.window("soft tissue") == "soft tissue"
    for text in ("1,2,3", "a/b"):
        with pytest.raises(argparse.ArgumentTypeError, match="window is not understood"):
            shared_options.window(text)


def test_threads_are_a_number_or_measured():
    assert shared_options.threads("3") == 3
    assert shared_options.threads("measure") == "measure"
    for text in ("0", "-1", "many", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="threads are not understood"):
            shared_options.threads(text)


@pytest.mark.parametrize("command", ["segment", "batch"])
def test_threads_of_the_command_line_are_those_of_the_model(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((20, 30), np.uint8)).save("a.png")
    given = []

    def load_model(_name, **options):
        given.append(options["threads"])
        raise WeightsError("none here.")

    monkeypatch.setattr(registry, "load_model", load_model)
    monkeypatch.setattr(
        batch, "run_in_workers",
        lambda function, jobs, _workers, _stop: ((job, function(job)) for job in jobs),
    )  # fmt: skip
    out = {"segment": "out.png", "batch": "out"}[command]
    main([command, "a.png", "-o", out, "--click", "3,4", "--threads", "measure"])
    assert given == ["measure"]
