"""A process that is killed loses at most the action under way."""

import os
import signal
import time

import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume
from napari_intseg.session.journal.file import (
    JournalFile,
    find_unfinished,
    image_signature,
    new_path,
)
from napari_intseg.session.journal.recorder import header
from napari_intseg.session.journal.replayer import replay

DATA = (np.random.default_rng(3).random((5, 24, 26)) > 0.4).astype(np.uint8) * 255
ROUNDS = 50


def work(session, seed, done):
    """Act for ever; `done` is called after each action with the labels."""
    rng = np.random.default_rng(seed)
    while True:
        row, col, plane = (int(rng.integers(n)) for n in (24, 26, 5))
        kind = rng.integers(8)
        if kind < 3:
            session.click((plane, row, col), bool(rng.random() < 0.7))
        elif kind == 3:
            stroke = np.zeros((24, 26), bool)
            stroke[row : row + 4, col : col + 4] = True
            session.paint({Plane(0, plane): stroke}, int(rng.integers(3)))
        elif kind == 4:
            session.undo()
        elif kind == 5:
            session.redo()
        elif kind == 6 and len(session.objects) < 4:
            session.new_object()
        else:
            session.select_object(session.objects[int(rng.integers(len(session.objects)))])
        done(session)


def child(bright, folder, seed, progress):
    """The process that will be killed: says how many lines were done, and a hash of the labels."""
    session = Session(bright(), Volume(DATA))
    signature = image_signature(session.volume)
    session.journal.lines[0] = header(image=signature)
    # a busy machine may keep the writing thread waiting for longer than an action would
    file = JournalFile(new_path(folder, signature), print, patience_s=60)
    session.journal.journal.attach(file)

    def done(now):
        count = len(now.journal.journal)
        progress.write(count.to_bytes(4, "little") + now.labels.tobytes())
        progress.flush()

    work(session, seed, done)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
def test_kill_at_any_moment_loses_at_most_the_action_under_way(bright, tmp_path):
    rng = np.random.default_rng(0)
    size, lost, replayed = DATA.size * 4, 0, 0
    for seed in range(ROUNDS):
        folder = tmp_path / str(seed)
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:  # pragma: no cover - it is killed
            os.close(read_end)
            try:
                child(bright, folder, seed, os.fdopen(write_end, "wb"))
            finally:
                os._exit(1)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as told:
            first = told.read(4 + size)
            while int.from_bytes(first[:4], "little") < 2:  # nothing was done that leaves a line
                first = told.read(4 + size)
            time.sleep(float(rng.uniform(0, 0.02)))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            rest = told.read()
        whole = first + rest[: len(rest) // (4 + size) * (4 + size)]
        last = whole[-(4 + size) :]
        count = int.from_bytes(last[:4], "little")
        labels = np.frombuffer(last[4:], np.int32).reshape(DATA.shape)
        ((_, written),) = find_unfinished(folder, image_signature(Volume(DATA)))
        assert len(written.actions) >= count  # what was done is there
        lost += written.torn
        whole_run = replay(written, lambda _: Volume(DATA), lambda _: bright())
        replayed += len(written.actions)
        assert not whole_run.differences
        again = whole_run
        if len(written.actions) > count:  # the kill came between writing the line and telling it
            as_told = type(written)(written.header, written.actions[:count])
            again = replay(as_told, lambda _: Volume(DATA), lambda _: bright())
        np.testing.assert_array_equal(again.sessions[0].labels, labels)
    assert replayed > 2 * ROUNDS
    assert lost <= ROUNDS  # a torn line is the action under way
