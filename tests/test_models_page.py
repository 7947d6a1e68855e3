"""`docs/models.md` says what the registry says."""

import re
from pathlib import Path
from typing import Any

import pytest

from napari_intseg.models.automatic.hub_models import FAMILIES
from napari_intseg.models.registry import MODELS
from scripts import load_script

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def script() -> Any:
    return load_script(DOCS / "make_models.py")


def test_the_page_is_current(script: Any) -> None:
    # otherwise: python docs/make_models.py
    assert (DOCS / "models.md").read_text("utf-8") == script.render()


def test_every_model_and_family_stands_in_it_once() -> None:
    _, page = (DOCS / "models.md").read_text("utf-8").split("\n## All models\n")
    for name in (*MODELS, *FAMILIES):
        assert page.count(f"| `{name}`") == 1


def test_every_picture_it_shows_is_there(script: Any) -> None:
    shown = re.findall(r"\]\((images/models/[^)]+)\)", (DOCS / "models.md").read_text("utf-8"))
    assert len(shown) == len(set(shown)) == 10 + len(script.model_flows.FLOWS)
    sizes = [(DOCS / file).stat().st_size for file in shown]
    assert max(sizes) < 100_000
    assert sum(sizes) < 2_000_000


def test_every_kind_of_network_has_a_picture(script: Any) -> None:
    drawn = {MODELS[name].family for name, _ in script.model_flows.FLOWS}
    own = {s.family for s in MODELS.values() if s.weights not in (None, "bundled")}
    assert drawn == own - {"nninteractive"}  # it lives in another package, and answers volumes
