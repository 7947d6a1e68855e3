"""The guide's package is installed as it stands: it is found, tested, and answers."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.models import registry
from napari_intseg.session.session import Session

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guides" / "own-model.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Lay the guide's package down as pip would, entry point included."""
    model, test = blocks("python")
    (tmp_path / "bright_spots.py").write_text(model)
    (toml,) = blocks("toml")
    groups = tomllib.loads(toml)["project"]["entry-points"]
    info = tmp_path / "bright_spots-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bright-spots\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in points.items())
        for group, points in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    registry.third_party_models.cache_clear()
    yield test
    registry.third_party_models.cache_clear()
    sys.modules.pop("bright_spots", None)


def test_it_takes_less_than_60_lines() -> None:
    lines = "\n".join((*blocks("python"), *blocks("toml"))).splitlines()
    assert sum(bool(line.strip()) for line in lines) < 60


def test_its_model_is_listed_and_keeps_the_contract(installed, capsys) -> None:
    assert "bright-spots" not in registry.MODELS
    assert main(["models"]) == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("bright-spots"))
    assert "ready" in line
    names: dict = {"__name__": "guide"}
    exec(installed, names)
    suite = names["TestBrightSpots"]()
    tests = [name for name in dir(suite) if name.startswith("test_")]
    assert len(tests) > 12
    for name in tests:
        getattr(suite, name)()


@pytest.mark.usefixtures("installed")
def test_its_model_answers_in_a_session() -> None:
    image = np.full((30, 40), 50, np.uint8)
    image[10:20, 10:20] = 200
    session = Session(registry.load_model("bright-spots"), Volume(image), window=(0, 255))
    session.click((15, 15))
    np.testing.assert_array_equal(session.mask, image == 200)
