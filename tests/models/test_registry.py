"""The list of models: known and unknown names, what is missing, and models of others."""

import logging
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from napari_intseg.errors import MissingExtraError, UnknownModelError, WeightsError
from napari_intseg.models import registry
from napari_intseg.models.registry import (
    DEFAULT_MODEL,
    MODELS,
    ModelSpec,
    available_models,
    find_model,
    load_model,
    third_party_models,
)
from napari_intseg.models.weights.catalogue import CATALOGUE

OTHER = ModelSpec("somewhere.else:build", "Other", "other")


def others() -> dict[str, Any]:
    return {"other-a": OTHER, "random-walker": OTHER, "other-b": "no spec"}


def broken() -> dict[str, Any]:
    raise RuntimeError("no luck today")


@pytest.fixture
def add_entry_points(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that other packages declare entry points, by their values."""

    def add(**values: str) -> None:
        group = registry.ENTRY_POINTS
        points = EntryPoints(EntryPoint(name, value, group) for name, value in values.items())
        monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))
        third_party_models.cache_clear()

    # importlib mode gives this file a name that cannot be imported again
    monkeypatch.setitem(sys.modules, "models_of_others", sys.modules[__name__])
    yield add
    monkeypatch.undo()
    third_party_models.cache_clear()


def test_the_default_model_needs_neither_weights_nor_extras() -> None:
    spec = find_model(DEFAULT_MODEL)
    assert spec.has_weights
    assert spec.is_installed


def test_every_weights_key_is_in_the_catalogue_and_every_builder_is_named() -> None:
    for name, spec in MODELS.items():
        assert spec.weights is None or spec.weights in CATALOGUE, name
        module, function = spec.builder.split(":")
        assert module.startswith("napari_intseg.models.")
        assert function.isidentifier()


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownModelError, match=r"expected one of .*ritm-hrnet18s.*got 'rtim'"):
        load_model("rtim")


def test_a_model_without_its_extra_stays_listed_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = ModelSpec("a:b", "Absent", "absent", needs=("no_such_package",), extra="sam")
    monkeypatch.setitem(MODELS, "absent", spec)
    assert not available_models()["absent"].is_installed
    with pytest.raises(MissingExtraError, match=r"pip install 'napari-intseg\[sam\]'"):
        load_model("absent")


def test_a_model_knows_whether_its_weights_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_INTSEG_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(
        "napari_intseg.models.weights.store.cache_folder", lambda: tmp_path / "none"
    )
    spec = find_model("ritm-hrnet32")
    assert not spec.has_weights
    with pytest.raises(WeightsError, match="napari-intseg weights fetch ritm-hrnet32"):
        load_model("ritm-hrnet32")
    (tmp_path / "coco_lvis_h32_itermask.pth").touch()
    assert spec.has_weights


def test_other_packages_add_models(add_entry_points: Any) -> None:
    assert "mine" not in available_models()
    add_entry_points(mine="models_of_others:OTHER")
    assert available_models()["mine"] == OTHER
    assert find_model("mine") == OTHER


def test_what_others_break_leaves_ours_alone(
    add_entry_points: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # a person's own trained models are listed as well
    before = set(available_models())
    add_entry_points(
        many="models_of_others:others",
        bad="models_of_others:broken",
        absent="no_such_module_at_all:x",
    )
    with caplog.at_level(logging.WARNING, logger="napari_intseg"):
        models = available_models()
    assert set(models) - before == {"other-a"}
    assert models["random-walker"] is MODELS["random-walker"]
    for part in ("no luck today", "no_such_module_at_all", "'other-b'", "'random-walker'"):
        assert part in caplog.text


def test_listing_models_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from napari_intseg import available_models;"
        "from napari_intseg.models.weights.locate import list_weights;"
        "[(s.is_installed, s.has_weights) for s in available_models().values()]; list_weights();"
        "print({'torch', 'transformers', 'napari', 'SimpleITK'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
