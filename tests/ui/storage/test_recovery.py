"""What a crash interrupted is offered at the next start; trouble with the disk loses nothing."""

import errno
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_intseg.io.output_files import METADATA
from napari_intseg.session.journal import file as journal_file
from napari_intseg.session.journal.recorder import read_journal
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.storage.recovery import Offer, Recovery


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journals"


@pytest.fixture
def recovery(controller, folder):
    made = Recovery(controller, folder)
    yield made
    if not controller.worker.is_closed:
        made.close()


@pytest.fixture
def next_start(toy, pump, folder):
    """What a person sees who starts again after a crash."""
    made = []

    def start(image):
        controller = ViewerController(
            ViewerModel(), pump.post, load_with=lambda _choice, _old, _stop: toy
        )
        controller.loader.choose(controller.loader.choice)
        recovery = Recovery(controller, folder)
        made.append((controller, recovery))
        pump.until(lambda: controller.loader.model is toy)
        controller.choose_image(controller.viewer.add_image(image))
        pump.until(lambda: controller.worker.is_idle)
        pump.drain()
        return controller, recovery

    yield start
    for controller, recovery in made:
        recovery.close()
        controller.close()


@pytest.fixture
def east(monkeypatch):
    """A clock five hours before that of UTC."""
    monkeypatch.setenv("TZ", "Etc/GMT-5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def work(controller, settle, image):
    controller.choose_image(controller.viewer.add_image(image))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    with controller.image_controller.labels.block_history():
        controller.image_controller.labels.paint((2, 2), 1)
    controller.new_object()
    controller.image_controller.points.add((45, 55))
    settle()
    return controller.image_controller.labels.data.copy()


def crash(recovery):
    """Let go of the files as a killed process does: nothing says that work has ended."""
    for file in recovery._files.values():
        file.close()
        file.close = lambda _last=None: None


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the clock's place cannot be set here")
@pytest.mark.usefixtures("east")
@pytest.mark.parametrize(
    ("stamp", "told"),
    [("2026-01-31T22:30:00.000Z", "on 2026-02-01 03:30."), ("yesterday", "on yesterday.")],
)
def test_when_it_was_is_told_by_the_clock_here(stamp, told):
    offer = Offer(None, Path(), SimpleNamespace(count=1, actions=[{"t": stamp}]))
    assert offer.text.endswith(told)


def test_interrupted_work_is_offered_and_brought_back(
    controller, recovery, settle, squares, next_start, pump
):
    labels = work(controller, settle, squares)
    crash(recovery)
    again, offered = next_start(squares)
    assert "5 actions" not in offered.offer.text
    assert "was interrupted" in offered.offer.text
    offered.go_on()
    pump.until(lambda: not offered.is_replaying)
    pump.until(lambda: again.worker.is_idle and again.image_controller.is_idle)
    np.testing.assert_array_equal(again.image_controller.labels.data, labels)
    np.testing.assert_allclose(again.image_controller.points.data, [[20, 20], [45, 55]])
    assert again.image_controller.session_store.labels == (1, 2)
    assert offered.offer is None
    again.undo()
    again.undo()
    pump.until(lambda: again.worker.is_idle and again.image_controller.is_idle)
    assert (again.image_controller.labels.data == 2).sum() == 0
    kept = again.image_controller.labels.metadata[METADATA]
    assert kept[0]["journal"] == "napari-intseg"


def test_work_that_ended_well_is_not_offered(
    controller, recovery, settle, squares, next_start, folder
):
    work(controller, settle, squares)
    recovery.close()
    (path,) = folder.iterdir()
    assert read_journal(path).is_closed
    _, offered = next_start(squares)
    assert offered.offer is None


def test_another_image_gets_no_offer(controller, recovery, settle, squares, next_start):
    work(controller, settle, squares)
    crash(recovery)
    _, offered = next_start(squares[::-1].copy())
    assert offered.offer is None


def test_an_offer_can_be_declined(controller, recovery, settle, squares, next_start, folder):
    work(controller, settle, squares)
    crash(recovery)
    _, offered = next_start(squares)
    offered.discard()
    assert offered.offer is None
    assert not list(folder.iterdir())


@pytest.mark.parametrize(("clicks", "words"), [(1, "1 action."), (2, "2 actions.")])
def test_how_much_was_brought_back_is_told(
    controller, recovery, settle, squares, next_start, pump, clicks, words
):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    for col in range(clicks):
        controller.image_controller.points.add((20, 20 + col))
        settle()
    crash(recovery)
    again, offered = next_start(squares)
    messages = []
    again.signals.message.connect(messages.append)
    offered.go_on()
    pump.until(lambda: not offered.is_replaying)
    assert f"Brought back {words}" in messages


def test_new_work_is_not_replaced(controller, recovery, settle, squares, next_start, pump):
    work(controller, settle, squares)
    crash(recovery)
    again, offered = next_start(squares)
    messages = []
    again.signals.message.connect(messages.append)
    again.new_object()
    assert offered.offer is not None
    earlier = offered.offer.path
    again.image_controller.points.add((5, 5))
    pump.until(lambda: again.worker.is_idle and again.image_controller.is_idle)
    offered.go_on()
    assert offered.offer is None
    assert any("The interrupted work is kept" in one for one in messages)
    assert earlier.exists()
    assert again.image_controller.labels.data[5, 5] == 1


def test_nothing_is_left_behind_where_nothing_was_done(
    controller, recovery, settle, squares, folder
):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    settle()
    recovery.close()
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_work_goes_on_in_memory_and_is_saved_elsewhere(
    controller, recovery, said, settle, squares, tmp_path, monkeypatch, code
):
    write = os.write

    def broken(_file, _content):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(journal_file.os, "write", broken)
    labels = work(controller, settle, squares)
    assert sum("work cannot be saved" in text for text in said.failures) == 1
    assert os.strerror(code) in recovery.trouble
    assert (labels > 0).any()
    monkeypatch.setattr(journal_file.os, "write", write)
    assert recovery.save_elsewhere(tmp_path / "elsewhere")
    assert recovery.trouble is None
    (path,) = (tmp_path / "elsewhere").iterdir()
    assert read_journal(path).count == 4


def test_the_plane_that_was_worked_on_is_shown_again(
    controller, recovery, settle, boxes, next_start, pump
):
    controller.choose_image(controller.viewer.add_image(boxes))
    controller.new_object()
    middle = controller.viewer.dims.current_step[0]
    plane = 1 if middle != 1 else 2
    controller.image_controller.points.add((plane, 12, 15))
    settle()
    crash(recovery)
    again, offered = next_start(boxes)
    assert again.viewer.dims.current_step[0] != plane
    offered.go_on()
    pump.until(lambda: not offered.is_replaying)
    pump.until(lambda: again.worker.is_idle and again.image_controller.is_idle)
    assert again.viewer.dims.current_step[0] == plane
