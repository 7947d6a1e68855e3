"""Short versions of `benchmarks/soak.py`, which says what they are for."""

from pathlib import Path

import pytest
from napari._qt._qapp_model.qactions import init_qactions
from napari.plugins import _initialize_plugins

from scripts import load_script

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.usefixtures("qapp")]
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def soak(mock_app_model):  # noqa: ARG001
    """The script, with menus of its own: it opens viewers as a person does."""
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()
    for name in ("soak_memory.py", "soak_window.py"):
        load_script(FOLDER / name)
    return load_script(FOLDER / "soak.py")


def test_random_actions_raise_leak_and_lose_nothing(soak):
    report = soak.soak(150, seed=3, every=75)
    assert report.errors == []
    assert report.replays > 0
    assert report.differences == []
    assert (report.leaked, report.threads) == (0, 0)


def test_clicks_faster_than_the_model_are_all_kept_and_the_last_is_answered(soak, record_property):
    came = soak.rush(1.0, delay_s=0.1, per_second=40)
    assert came.held == came.clicks == 40
    assert came.is_last
    record_property("longest stall of the window, ms", round(came.stall_ms))
