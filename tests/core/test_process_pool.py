import os
import signal
import sys
import threading

import pytest

from napari_intseg.core.workers import ATTEMPTS, THREAD_VARIABLES, Died, run_in_workers

# children import functions by name, so they are of modules that a child finds


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """A module of functions that children can import."""
    (tmp_path / "pool_functions.py").write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "import warnings\n"
        "def warns(n):\n"
        "    warnings.warn(f'odd {n}', stacklevel=1)\n"
        "    return n\n"
        "def double(n):\n"
        "    return 2 * n, os.getpid(), os.environ['OMP_NUM_THREADS']\n"
        "def dies_once(mark):\n"
        "    if mark and not Path(mark).exists():\n"
        "        Path(mark).write_text('here')\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return 'done'\n"
        "def dies(word):\n"
        "    if word == 'die':\n"
        "        os._exit(7)\n"
        "    return word\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import pool_functions

    yield pool_functions
    sys.modules.pop("pool_functions")


def test_a_process_does_many_jobs(functions):
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    done = dict(run_in_workers(functions.double, range(20), 2))
    assert {job: found[0] for job, found in done.items()} == {n: 2 * n for n in range(20)}
    pids = {found[1] for found in done.values()}
    assert len(pids) <= 2
    assert os.getpid() not in pids
    assert {found[2] for found in done.values()} == {str(max(1, (os.cpu_count() or 1) // 2))}
    assert {name: os.environ.get(name) for name in THREAD_VARIABLES} == before


def test_what_a_job_warns_of_is_warned_of_here(functions, capfd):
    with pytest.warns(UserWarning, match="odd") as told:
        assert sorted(run_in_workers(functions.warns, [1, 2], 1)) == [(1, 1), (2, 2)]
    assert sorted(str(one.message) for one in told) == ["odd 1", "odd 2"]
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_the_job_of_a_killed_process_is_done_again(functions, tmp_path):
    jobs = ["", str(tmp_path / "mark"), "", ""]
    done = list(run_in_workers(functions.dies_once, jobs, 1))
    assert sorted(job for job, _ in done) == sorted(jobs)
    assert {outcome for _, outcome in done} == {"done"}
    assert (tmp_path / "mark").exists()


def test_a_job_that_ends_every_process_is_told_and_the_others_are_done(functions):
    done = dict(run_in_workers(functions.dies, ["a", "die", "b"], 1))
    assert done == {"a": "a", "b": "b", "die": Died(7)}
    assert str(done["die"]) == f"its process died {ATTEMPTS} times, the last time with exit code 7"


def test_after_a_stop_nothing_is_begun(functions):
    stop = threading.Event()
    done = []
    for job, _ in run_in_workers(functions.double, range(9), 1, stop.is_set):
        done.append(job)
        if job == 2:
            stop.set()
    assert done == [0, 1, 2]
