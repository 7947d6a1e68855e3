import argparse

import pytest

from napari_intseg.cli import shared_options
from napari_intseg.cli.shared_options import ClickOption
from napari_intseg.inference.intensity import Window


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
