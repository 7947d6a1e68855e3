"""The script that is prepared for a GPU, tried where there is none."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

pytest.importorskip("cv2", reason="needs the extra 'zoo'")
pytest.importorskip("transformers", reason="needs the extra 'sam'")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
FAMILIES = ("bundled", "ritm-hrnet18s")
ON_CPU = ["--device", "cpu", "--quick", "--families", *FAMILIES]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_runs_to_its_end_and_writes_what_it_found(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gpu.json"
    parts = ("families", "graphs", "cleaned", "full")
    script.main([*ON_CPU, "--parts", *parts, "--json", str(path)])
    found = json.loads(path.read_text("utf-8"))
    assert [row["family"] for row in found["families"]] == list(FAMILIES)
    assert all(row["prob_differs"] <= script.PARITY for row in found["families"])
    assert list(found["recorded"]) == list(FAMILIES)
    assert found["cleaned"]["largest_part_differs"] == 0
    assert found["full_card"][0]["told"] == "not a GPU: not run"
    assert found["left_out"] == []
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2 + 1 + 1


def test_what_there_is_no_time_for_is_told_and_the_rest_is_kept(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gpu.json"
    script.main([*ON_CPU, "--each", "0", "--parts", "families", "full", "--json", str(path)])
    found = json.loads(path.read_text("utf-8"))
    assert found["left_out"] == [f"families, {family}" for family in FAMILIES]
    assert found["full_card"]
    assert capsys.readouterr().out.count("left out, ended after 0 s") == 2
    assert script.mask_decoder.SIDE_PX == 1024, "squares are small for the script alone"


def test_a_step_that_has_begun_counts_and_no_other_is_begun(script: ModuleType) -> None:
    budget, done = script.Budget(60), []

    def work() -> None:
        done.append(1)
        budget.end = 0.0

    assert script.timed(work, torch.device("cpu"), 30, budget) >= 0
    assert len(done) == 1
    with pytest.raises(TimeoutError, match="ended after 60 s"):
        script.timed(work, torch.device("cpu"), 30, budget)
