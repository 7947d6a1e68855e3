import json

import pytest

from napari_intseg.cli.main import main
from napari_intseg.models.registry import DEFAULT_MODEL, available_models
from napari_intseg.models.weights import locate
from napari_intseg.models.weights.catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(locate.FOLDERS_VARIABLE, str(tmp_path / "named"))
    return tmp_path / "named"


@pytest.fixture
def checkpoint(tmp_path):
    import torch

    key = "ritm-hrnet18s"
    path = tmp_path / CATALOGUE[key].file
    torch.save({"state_dict": {}, "config": {}}, path)
    return key, path


def test_models_are_listed_for_people(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["name", "prompts", "licence"]
    assert len(lines) == 1 + len(available_models())
    assert sum("(default)" in line for line in lines) == 1


def test_models_are_listed_for_programs(capsys):
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(available_models())
    walker = rows["random-walker"]
    assert walker["state"] == "ready"
    assert "click" in walker["prompts"]
    assert rows[DEFAULT_MODEL]["is_default"]
    ritm = rows["ritm-hrnet18s"]
    assert ritm["licence"] == "MIT"
    assert ritm["size_mb"] > 1


def test_a_model_is_ready_once_its_weights_are_there(checkpoint, cache, capsys):
    _, path = checkpoint

    def state():
        main(["models", "--json"])
        rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
        return rows["ritm-hrnet18s"]["state"]

    before = state()
    cache.mkdir()
    path.rename(cache / path.name)
    assert (before, state()) == ("weights missing", "ready")


def test_a_model_whose_package_is_absent_names_the_extra(monkeypatch, capsys):
    from dataclasses import replace

    from napari_intseg.models import registry

    spec = replace(registry.MODELS["random-walker"], needs=("no_such_package",), extra="sam")
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, "random-walker": spec})
    assert main(["models"]) == 0
    assert "needs napari-intseg[sam]" in capsys.readouterr().out


def test_weights_are_listed_added_and_verified(ritm_file, cache, capsys):
    path, unpublished = ritm_file, "ritm-hrnet18s"
    assert CATALOGUE[unpublished].sha256 is None
    assert main(["weights", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(entry in listed for entry in CATALOGUE)
    assert str(cache) not in listed
    assert main(["weights", "add", str(path), "--key", unpublished, "--folder", str(cache)]) == 0
    kept = cache / CATALOGUE[unpublished].file
    assert f"wrote {kept}" in capsys.readouterr().out
    assert kept.read_bytes() == path.read_bytes()
    assert main(["weights", "list"]) == 0
    assert str(kept) in capsys.readouterr().out
    assert main(["weights", "verify", unpublished]) == 0
    assert capsys.readouterr().out.startswith("ok")
    kept.write_bytes(kept.read_bytes() + b"x")
    assert main(["weights", "verify"]) == 1
    assert "damaged" in capsys.readouterr().out


def test_a_missing_file_to_add_is_one_line_and_status_2(capsys):
    assert main(["weights", "add", "gone.pth"]) == 2
    assert capsys.readouterr().err.startswith("napari-intseg: error: weights are missing")


def test_fetch_shows_progress_and_tells_the_checksum(monkeypatch, checkpoint, cache, capsys):
    key, _ = checkpoint
    entry = CATALOGUE[key]

    def fetch(key, *, folder, on_progress, should_stop):
        assert (key, should_stop()) == (entry.key, False)
        on_progress(5, 10)
        on_progress(10, 10)
        return locate.Stored(entry, folder / entry.file, "abc123", False)

    monkeypatch.setattr(locate, "fetch", fetch)
    assert main(["weights", "fetch", key, "--folder", str(cache)]) == 0
    told = capsys.readouterr()
    assert "100%" in told.err
    assert "abc123 (recorded; none is published)" in told.out


def test_an_interrupted_fetch_says_so(monkeypatch, capsys):
    import os
    import signal

    def fetch(_key, *, should_stop, **_options):
        os.kill(os.getpid(), signal.SIGINT)
        assert should_stop()

    monkeypatch.setattr(locate, "fetch", fetch)
    assert main(["weights", "fetch", "ritm-hrnet18s"]) == 130
    assert "nothing is left behind" in capsys.readouterr().out


def test_an_unknown_key_is_one_line_and_status_2(capsys):
    assert main(["weights", "fetch", "magic"]) == 2
    assert "magic" in capsys.readouterr().err
