import argparse

import pytest

from napari_intseg.cli import option_values
from napari_intseg.cli.option_values import ClickOption
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
    assert option_values.click(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3,4", "a,b", "1,2:*", "1,2@", "1,2@x", "nan,1", "inf,1", "1,2@3:-"]
)
def test_a_strange_click_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="click is not understood"):
        option_values.click(text)


def test_planes_are_read():
    assert option_values.planes("20:60") == (20, 60)
    assert option_values.planes("20:") == (20, None)
    assert option_values.planes(":60") == (None, 60)
    with pytest.raises(argparse.ArgumentTypeError, match="planes are not understood"):
        option_values.planes("20-60")


def test_channels_are_read():
    assert option_values.channels("0,2") == (0, 2)
    with pytest.raises(argparse.ArgumentTypeError, match="channels are not understood"):
        option_values.channels("red")


def test_a_window_is_limits_or_level_and_width_or_a_name():
    assert option_values.window("-160,240") == (-160, 240)
    assert option_values.window("40/400") == Window(40, 400)
    assert option_values.window("-600/1500") == Window(-600, 1500)
    assert option_values.window("soft tissue") == "soft tissue"
    for text in ("1,2,3", "a/b"):
        with pytest.raises(argparse.ArgumentTypeError, match="window is not understood"):
            option_values.window(text)
