"""The inference thread: one, newest wins, errors are values, a clean end."""

import threading
import time

import pytest

from napari_intseg.ui.qt.worker_thread import Worker


@pytest.fixture
def worker(pump):
    made = Worker(pump.post, name="napari-intseg test")
    yield made
    made.close()
    assert "napari-intseg test" not in {t.name for t in threading.enumerate()}


def test_jobs_run_in_one_thread_and_outcomes_arrive_here(worker, pump):
    seen = []
    for i in range(3):
        worker.submit(
            lambda _, i=i: (i, threading.current_thread().name),
            lambda outcome: seen.append((*outcome.value, threading.current_thread().name)),
        )
    pump.until(lambda: len(seen) == 3)
    here = threading.current_thread().name
    assert seen == [(i, "napari-intseg test", here) for i in range(3)]


def test_the_newest_of_a_key_wins_among_those_that_wait(worker, pump):
    gate, done = threading.Event(), []
    worker.submit(lambda _: gate.wait(240), lambda _: None)
    for i in range(4):
        worker.submit(lambda _, i=i: i, lambda outcome: done.append(outcome.value), key="plane")
    worker.submit(lambda _: "other", lambda outcome: done.append(outcome.value))
    gate.set()
    pump.until(lambda: "other" in done)
    assert done == [3, "other"]


def test_what_a_person_asks_is_not_replaced_by_what_the_program_asks(worker, pump):
    gate, done = threading.Event(), []
    worker.submit(lambda _: gate.wait(240), lambda _: None)
    for name, idle in (("old count", True), ("clear", False), ("count", True), ("count 2", True)):
        worker.submit(
            lambda _, name=name: name,
            lambda outcome: done.append(outcome.value),
            key="folder",
            idle=idle,
        )
    gate.set()
    pump.until(lambda: "count 2" in done)
    assert done == ["clear", "count 2"]


def test_the_urgent_goes_first(worker, pump):
    gate, done = threading.Event(), []
    worker.submit(lambda _: gate.wait(240), lambda _: None)
    worker.submit(lambda _: 1, lambda outcome: done.append(outcome.value))
    worker.submit(lambda _: 2, lambda outcome: done.append(outcome.value), first=True)
    gate.set()
    pump.until(lambda: len(done) == 2)
    assert done == [2, 1]


def test_an_error_is_a_value_and_the_thread_lives_on(worker, pump):
    outcomes = []

    def fail(_):
        raise ValueError("no")

    worker.submit(fail, outcomes.append)
    worker.submit(lambda _: "yes", outcomes.append)
    pump.until(lambda: len(outcomes) == 2)
    assert str(outcomes[0].error) == "no"
    assert outcomes[1].value == "yes"


def test_close_stops_what_runs_drops_what_waits_and_tells_nobody(pump):
    worker = Worker(pump.post, name="napari-intseg closing")
    started, told = threading.Event(), []

    def long(should_stop):
        started.set()
        while not should_stop():
            time.sleep(0.001)

    worker.submit(long, told.append)
    worker.submit(lambda _: told.append("ran"), told.append)
    assert started.wait(240)
    worker.close()
    pump.drain()
    assert told == []
    assert worker.submit(lambda _: None, told.append).dropped
    assert "napari-intseg closing" not in {t.name for t in threading.enumerate()}


def test_a_job_can_be_cancelled(worker, pump):
    started, done = threading.Event(), []

    def long(should_stop):
        started.set()
        while not should_stop():
            time.sleep(0.001)
        return "stopped"

    job = worker.submit(long, lambda outcome: done.append(outcome.value))
    assert started.wait(240)
    job.cancel()
    pump.until(lambda: bool(done))
    assert done == ["stopped"]
