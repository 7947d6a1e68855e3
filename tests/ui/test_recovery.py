"""What a crash interrupted is offered at the next start; trouble with the disk loses nothing."""

import errno
import os

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_intseg.io.beside import METADATA
from napari_intseg.session.journal import file as journal_file
from napari_intseg.session.journal.reader import read_journal
from napari_intseg.ui.recovery import Recovery
from napari_intseg.ui.workbench import Workbench


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journals"


@pytest.fixture
def recovery(bench, folder):
    made = Recovery(bench, folder)
    yield made
    if not bench.worker.is_closed:
        made.close()


@pytest.fixture
def next_start(toy, pump, folder):
    """What a person sees who starts again after a crash."""
    made = []

    def start(image):
        bench = Workbench(ViewerModel(), pump.post, load_with=lambda _choice, _old, _stop: toy)
        bench.loader.choose(bench.loader.choice)
        recovery = Recovery(bench, folder)
        made.append((bench, recovery))
        pump.until(lambda: bench.loader.model is toy)
        bench.choose_image(bench.viewer.add_image(image))
        pump.until(lambda: bench.worker.is_idle)
        pump.drain()
        return bench, recovery

    yield start
    for bench, recovery in made:
        recovery.close()
        bench.close()


def work(bench, settle, image):
    bench.choose_image(bench.viewer.add_image(image))
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    with bench.binder.labels.block_history():
        bench.binder.labels.paint((2, 2), 1)
    bench.new_object()
    bench.binder.points.add((45, 55))
    settle()
    return bench.binder.labels.data.copy()


def crash(recovery):
    """Let go of the files as a killed process does: nothing says that work has ended."""
    for file in recovery._files.values():
        file.close()
        file.close = lambda _last=None: None


def test_interrupted_work_is_offered_and_brought_back(
    bench, recovery, settle, squares, next_start, pump
):
    labels = work(bench, settle, squares)
    crash(recovery)
    again, offered = next_start(squares)
    assert "5 actions" not in offered.offer.text
    assert "was interrupted" in offered.offer.text
    offered.go_on()
    pump.until(lambda: not offered.is_replaying)
    pump.until(lambda: again.worker.is_idle and again.binder.is_idle)
    np.testing.assert_array_equal(again.binder.labels.data, labels)
    np.testing.assert_allclose(again.binder.points.data, [[20, 20], [45, 55]])
    assert again.binder.drawer.labels == (1, 2)
    assert offered.offer is None
    again.undo()
    again.undo()
    pump.until(lambda: again.worker.is_idle and again.binder.is_idle)
    assert (again.binder.labels.data == 2).sum() == 0
    kept = again.binder.labels.metadata[METADATA]
    assert kept[0]["journal"] == "napari-intseg"


def test_work_that_ended_well_is_not_offered(bench, recovery, settle, squares, next_start, folder):
    work(bench, settle, squares)
    recovery.close()
    (path,) = folder.iterdir()
    assert read_journal(path).is_closed
    _, offered = next_start(squares)
    assert offered.offer is None


def test_another_image_gets_no_offer(bench, recovery, settle, squares, next_start):
    work(bench, settle, squares)
    crash(recovery)
    _, offered = next_start(squares[::-1].copy())
    assert offered.offer is None


def test_an_offer_can_be_declined(bench, recovery, settle, squares, next_start, folder):
    work(bench, settle, squares)
    crash(recovery)
    _, offered = next_start(squares)
    offered.discard()
    assert offered.offer is None
    assert not list(folder.iterdir())


def test_new_work_is_not_replaced(bench, recovery, settle, squares, next_start, pump):
    work(bench, settle, squares)
    crash(recovery)
    again, offered = next_start(squares)
    failures = []
    again.voice.failed.connect(failures.append)
    again.new_object()
    again.binder.points.add((5, 5))
    pump.until(lambda: again.worker.is_idle and again.binder.is_idle)
    offered.go_on()
    assert "New work on this image has begun" in failures[-1]
    assert again.binder.labels.data[5, 5] == 1


def test_nothing_is_left_behind_where_nothing_was_done(bench, recovery, settle, squares, folder):
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    settle()
    recovery.close()
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_work_goes_on_in_memory_and_is_saved_elsewhere(
    bench, recovery, said, settle, squares, tmp_path, monkeypatch, code
):
    write = os.write

    def broken(_file, _content):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(journal_file.os, "write", broken)
    labels = work(bench, settle, squares)
    assert sum("work cannot be saved" in text for text in said.failures) == 1
    assert os.strerror(code) in recovery.trouble
    assert (labels > 0).any()
    monkeypatch.setattr(journal_file.os, "write", write)
    assert recovery.save_elsewhere(tmp_path / "elsewhere")
    assert recovery.trouble is None
    (path,) = (tmp_path / "elsewhere").iterdir()
    assert read_journal(path).count == 4
