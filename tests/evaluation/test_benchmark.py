import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_intseg.errors import (
    DataError,
    MissingExtraError,
    PromptError,
    RemoteError,
    UnknownModelError,
)
from napari_intseg.evaluation.benchmark import ModelChoice, evaluate
from napari_intseg.evaluation.datasets import Choices, open_datasets
from napari_intseg.evaluation.run import Protocol
from napari_intseg.models.registry import MODELS, ModelSpec

WALKER = (ModelChoice("random-walker"),)


@pytest.fixture
def folder(tmp_path):
    """Four images with two bright squares each."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / "squares" / name).mkdir(parents=True)
    for i in range(4):
        labels = np.zeros((64, 80), np.uint8)
        labels[8 + i : 28, 8:30] = 1
        labels[36:56, 40 : 70 - i] = 2
        image = np.where(labels > 0, 190, 40) + rng.normal(0, 5, labels.shape)
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "squares" / "images" / f"{i}.png")
        Image.fromarray(labels).save(tmp_path / "squares" / "masks" / f"{i}.png")
    return tmp_path / "squares"


def told(outcome):
    return [
        (s.model, s.dataset, s.entry, s.ref, s.seed, s.size_px, s.course.clicks, s.course.ious)
        for s in outcome.scores
    ]


def test_every_object_gets_a_score_in_order(folder):
    seen = []
    outcome = evaluate(
        open_datasets(folder), WALKER, Protocol(3), on_progress=lambda *p: seen.append(p)
    )
    assert [(s.entry, s.ref.value) for s in outcome.scores] == [
        (str(i), value) for i in range(4) for value in (1, 2)
    ]
    assert outcome.scores[0].size_px == 20 * 22
    assert seen == [(2, 8), (4, 8), (6, 8), (8, 8)]
    assert not outcome.cancelled
    assert all(s.course.ious[-1] > 0.8 for s in outcome.scores)


@pytest.mark.slow
def test_processes_give_the_same_scores_and_warn_here(folder, capfd):
    protocol = Protocol(3)
    before = os.environ.get("OMP_NUM_THREADS")
    # a picture that asks to be shown turned, of which the reader warns
    picture = folder / "images" / "1.png"
    Image.open(picture).save(picture.with_suffix(".tif"), tiffinfo={274: 3})
    picture.unlink()
    data = open_datasets(folder)
    with pytest.warns(UserWarning, match="turned"):
        spread = evaluate(data, WALKER, protocol, workers=2)
    assert "UserWarning" not in capfd.readouterr().err
    assert told(spread) == told(evaluate(data, WALKER, protocol))
    assert os.environ.get("OMP_NUM_THREADS") == before


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_scores(folder):
    distributed = pytest.importorskip("distributed")
    data, protocol = open_datasets(folder), Protocol(2)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        assert cluster.scheduler_address.startswith("tcp://"), "jobs and scores are sent"
        spread = evaluate(data, WALKER, protocol, dask=cluster.scheduler_address)
    assert told(spread) == told(evaluate(data, WALKER, protocol))


def test_a_cluster_that_does_not_answer_is_named(folder):
    pytest.importorskip("distributed")
    with pytest.raises(DataError, match=r"dask cluster does not answer.*'tcp://127\.0\.0\.1:9'"):
        evaluate(open_datasets(folder), WALKER, dask="tcp://127.0.0.1:9")


def test_a_cluster_without_its_package_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'napari-intseg\[cluster\]'"):
        evaluate(open_datasets(folder), WALKER, dask="tcp://127.0.0.1:9")


def test_stopping_keeps_what_is_done(folder):
    done = []
    outcome = evaluate(
        open_datasets(folder),
        WALKER,
        Protocol(1),
        on_progress=lambda n, _: done.append(n),
        should_stop=lambda: bool(done) and done[-1] >= 4,
    )
    assert outcome.cancelled
    assert [s.entry for s in outcome.scores] == ["0", "0", "1", "1"]


@pytest.mark.slow
def test_stopping_processes_keeps_what_is_under_way(folder):
    data, seen = open_datasets(folder) * 50, []
    outcome = evaluate(
        data,
        WALKER,
        Protocol(1),
        workers=2,
        on_progress=lambda *p: seen.append(p),
        should_stop=lambda: True,
    )
    assert outcome.cancelled
    assert 0 < len(outcome.scores) < 50 * 8
    assert seen[-1] == (len(outcome.scores), 50 * 8)


def test_an_interrupt_keeps_what_is_done(folder):
    def interrupt(done, _):
        if done >= 6:
            raise KeyboardInterrupt

    outcome = evaluate(open_datasets(folder), WALKER, Protocol(1), on_progress=interrupt)
    assert outcome.cancelled
    assert len(outcome.scores) == 6


def test_random_clicks_are_run_with_every_seed(folder):
    data = open_datasets(folder, Choices(limit=2))
    outcome = evaluate(data, WALKER, Protocol(2, rule="random", seeds=3))
    assert [s.seed for s in outcome.scores] == [0, 1, 2, 0, 1, 2]
    assert len({s.course.clicks for s in outcome.scores}) == 6


def test_the_python_of_the_guide_runs(folder, monkeypatch, capsys):
    guide = Path(__file__).resolve().parents[2] / "docs" / "guides" / "evaluate.md"
    (block,) = re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(folder.parent)
    folder.rename("cells")
    exec(compile(block, str(guide), "exec"), {})
    name, model, noc85, noc90 = capsys.readouterr().out.split()
    assert (name, model) == ("cells", "random-walker")
    assert 1 <= float(noc85.strip("(,")) <= float(noc90.strip(")")) <= 10


def test_the_deepest_rule_has_one_seed(folder):
    data = open_datasets(folder, Choices(limit=2))
    assert len(evaluate(data, WALKER, Protocol(1, seeds=9)).scores) == 2


def test_an_image_that_has_gone_is_left_out_and_named(folder):
    data = open_datasets(folder)
    (folder / "images" / "2.png").write_bytes(b"broken")
    outcome = evaluate(data, WALKER, Protocol(1))
    assert {s.entry for s in outcome.scores} == {"0", "1", "3"}
    (skipped,) = outcome.skipped
    assert (skipped.dataset, skipped.entry) == ("squares", "2")
    assert "file cannot be read" in skipped.reason


def test_an_unknown_model_is_refused_before_anything_runs(folder):
    with pytest.raises(UnknownModelError, match="model is unknown"):
        evaluate(open_datasets(folder), [*WALKER, ModelChoice("nonesuch")])


def test_a_model_that_takes_nothing_the_robot_gives_is_refused(folder, monkeypatch):
    lines = ModelSpec("nowhere:build", "Lines", "lines", frozenset({"scribble"}))
    monkeypatch.setitem(MODELS, "lines-only", lines)
    with pytest.raises(PromptError, match=r"nothing the robot user gives.*'lines-only'"):
        evaluate(open_datasets(folder), [ModelChoice("lines-only")])


def test_no_workers_are_refused(folder):
    with pytest.raises(DataError, match="number of workers is too small: expected at least 1"):
        evaluate(open_datasets(folder), WALKER, workers=0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_ctrl_c_stops_processes_and_keeps_what_is_done(folder, tmp_path):
    script = tmp_path / "go.py"
    script.write_text(
        "import sys\n"
        "from napari_intseg.evaluation.benchmark import evaluate\n"
        "from napari_intseg.evaluation.datasets import open_datasets\n"
        "from napari_intseg.evaluation.benchmark import ModelChoice\n"
        "from napari_intseg.evaluation.run import Protocol\n"
        "if __name__ == '__main__':\n"
        "    data = open_datasets(sys.argv[1]) * 200\n"
        "    show = lambda n, _: print(n, flush=True)\n"
        "    out = evaluate(data, [ModelChoice('random-walker')], Protocol(1), workers=2,"
        " on_progress=show)\n"
        "    print('kept', len(out.scores), out.cancelled, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    timer = threading.Timer(120, process.kill)
    timer.start()
    assert process.stdout is not None
    first = int(process.stdout.readline())
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and children
    last = process.stdout.read().split("\n")[-2]
    process.wait()
    timer.cancel()
    word, kept, cancelled = last.split()
    assert (word, cancelled) == ("kept", "True")
    assert first <= int(kept) < 200 * 8


def test_a_cluster_of_another_machine_needs_tls_or_to_be_insisted_on(folder, monkeypatch):
    distributed = pytest.importorskip("distributed")
    asked = []

    def refuse(address, **_options):
        asked.append(address)
        raise OSError("nobody there")

    monkeypatch.setattr(distributed, "Client", refuse)
    data = open_datasets(folder)
    with pytest.raises(RemoteError, match="address is not safe"):
        evaluate(data, WALKER, dask="tcp://10.0.0.5:8786")
    assert not asked
    for address, insecure in (("tcp://10.0.0.5:8786", True), ("tls://10.0.0.5:8786", False)):
        with pytest.raises(DataError, match="does not answer"):
            evaluate(data, WALKER, dask=address, insecure=insecure)
    assert len(asked) == 2
