"""Another machine in the window: the dialog, a line that is cut, Cancel."""

import json
import os
import threading
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDialogButtonBox

from napari_intseg.models.model_table import ModelIdentity
from napari_intseg.models.registry import load_model
from napari_intseg.remote import remote_segmenter
from napari_intseg.remote.remote_segmenter import Certificates, RemoteSegmenter, served
from napari_intseg.ui import dock
from napari_intseg.ui.controllers import model_loader
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels import model_panel
from napari_intseg.ui.panels.model_panel import RemoteDialog
from napari_intseg.ui.preferences import Preferences
from napari_intseg.ui.storage import recovery
from real_window import LEFT, Window, turn
from tunnel import Tunnel

pytest.importorskip("distributed")

NAME = "region-growing"
FIRST, SECOND, THIRD = (20, 20), (45, 60), (12, 12)


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and a worker, each a process, as `serve` starts them."""
    with served(port=0, resources={"GPU": 1}) as address:
        yield address


@pytest.fixture
def tunnel(cluster, monkeypatch):
    """A line to them that can be cut; it is tried often."""
    monkeypatch.setattr(remote_segmenter, "RETRY_S", 0.02)
    made = Tunnel(urlsplit(cluster).port)
    yield made
    made.cut()


@pytest.fixture
def work(pump, squares):
    """A viewer controller on an image, its model loaded as in the window."""
    made = ViewerController(ViewerModel(), pump.post)
    made.loader.choose(Choice(NAME))
    pump.until(lambda: made.loader.model is not None)
    made.choose_image(made.viewer.add_image(squares))
    yield made
    made.close()


def connect(controller, pump, tunnel):
    controller.loader.choose(Choice(NAME, tunnel.address))
    pump.until(lambda: not controller.loader.is_loading)
    assert isinstance(controller.loader.model, RemoteSegmenter)


def settle(controller, pump):
    pump.until(lambda: controller.worker.is_idle and controller.image_controller.is_idle)


def labels(controller):
    return np.asarray(controller.image_controller.labels.data).copy()


@pytest.fixture
def expected(squares, pump):
    """Labels after the clicks, answered on this machine."""
    made = ViewerController(ViewerModel(), pump.post)
    made.loader.choose(Choice(NAME, "cpu"))
    pump.until(lambda: made.loader.model is not None)
    made.choose_image(made.viewer.add_image(squares))
    made.new_object()
    for at in (FIRST, SECOND, THIRD):
        made.image_controller.points.add(at)
        settle(made, pump)
    found = labels(made)
    made.close()
    return found


@pytest.mark.slow
def test_a_cut_line_loses_no_click(work, pump, tunnel, expected):
    said, failures = [], []
    work.signals.message.connect(said.append)
    work.signals.failed.connect(failures.append)
    connect(work, pump, tunnel)
    work.new_object()
    work.image_controller.points.add(FIRST)
    settle(work, pump)
    tunnel.cut()
    work.image_controller.points.add(SECOND)
    pump.until(lambda: work.loader.lost)
    assert work.loader.lost == tunnel.address
    work.image_controller.points.add(THIRD)
    pump.until(lambda: work.image_controller.queue.clicks_waiting == 2)
    tunnel.open()
    settle(work, pump)
    assert not work.loader.lost
    assert not work.image_controller.queue.clicks_waiting
    assert f"Connected to {tunnel.address} again." in said
    assert not failures
    np.testing.assert_array_equal(labels(work), expected)


@pytest.mark.slow
def test_cancel_returns_to_this_machine_and_asks_all_that_waits(work, pump, tunnel, expected):
    failures = []
    work.signals.failed.connect(failures.append)
    connect(work, pump, tunnel)
    there = work.loader.model
    work.new_object()
    work.image_controller.points.add(FIRST)
    settle(work, pump)
    session = work.image_controller.session_store.session(0)
    tunnel.cut()
    work.image_controller.points.add(SECOND)
    pump.until(lambda: work.loader.lost)
    work.cancel()
    work.image_controller.points.add(THIRD)  # before the model here is loaded
    settle(work, pump)
    assert work.loader.choice == Choice(NAME, "cpu")
    assert work.loader.model is not there
    assert work.image_controller.session_store.session(0) is session
    assert not failures
    np.testing.assert_array_equal(labels(work), expected)

    tunnel.open()
    while work.loader.model is not there:
        work.undo()
    settle(work, pump)
    assert work.loader.choice == Choice(NAME, tunnel.address)
    assert there.is_connected, "undo leads back to the machine"


@pytest.mark.slow
def test_cancel_ends_a_propagation_as_well(work, pump, tunnel, boxes):
    said, failures = [], []
    work.signals.message.connect(said.append)
    work.signals.failed.connect(failures.append)
    connect(work, pump, tunnel)
    work.choose_image(work.viewer.add_image(boxes))
    work.new_object()
    work.viewer.dims.set_current_step(0, 5)
    work.image_controller.points.add((5, 12, 15))
    settle(work, pump)
    tunnel.cut()
    work.propagate()
    pump.until(lambda: work.loader.lost)
    assert work.is_propagating
    work.cancel()
    pump.until(lambda: not work.is_propagating and not work.loader.is_loading)
    assert "Propagation cancelled; 0 planes done and kept." in said
    assert not failures
    work.propagate()
    pump.until(lambda: not work.is_propagating)
    assert labels(work)[4].any(), "it goes on here"


@pytest.mark.slow
def test_a_window_closes_while_a_machine_is_waited_for(pump, tunnel, squares):
    controller = ViewerController(ViewerModel(), pump.post)
    connect(controller, pump, tunnel)
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    tunnel.cut()
    controller.image_controller.points.add(FIRST)
    pump.until(lambda: controller.loader.lost)
    controller.close()
    assert "napari-intseg inference" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.slow
def test_a_line_that_breaks_while_nobody_asks_is_noticed(work, pump, tunnel):
    connect(work, pump, tunnel)
    work.loader.look_after()
    assert work.worker.is_idle, "there is nothing to do"
    tunnel.cut()
    pump.until(lambda: not work.loader.model.is_connected)
    work.loader.look_after()
    pump.until(lambda: work.loader.lost)
    tunnel.open()
    pump.until(lambda: not work.loader.lost)
    assert work.loader.model.is_connected


def test_connecting_is_cancelled_at_once_and_the_model_before_goes_on(work, pump):
    said = []
    work.signals.message.connect(said.append)
    before, silent = work.loader.model, Tunnel(0)
    work.loader.choose(Choice(NAME, silent.address))
    assert work.loader.is_connecting
    assert silent.entered.wait(240)
    work.cancel()
    pump.until(lambda: not work.loader.is_loading)
    silent.cut()
    assert work.loader.model is before
    assert work.loader.choice == Choice(NAME)
    assert said[-1] == f"Connecting was cancelled; {NAME} answers."


def test_another_model_chosen_meanwhile_ends_connecting(work, pump):
    silent = Tunnel(0)
    work.loader.choose(Choice(NAME, silent.address))
    assert silent.entered.wait(240)
    work.loader.choose(Choice("random-walker"))
    pump.until(lambda: not work.loader.is_loading and work.worker.is_idle)
    silent.cut()
    assert work.loader.choice == Choice("random-walker")
    assert work.loader.model.traits.name == load_model("random-walker").traits.name


def test_closing_waits_for_no_machine(pump):
    controller, silent = ViewerController(ViewerModel(), pump.post), Tunnel(0)
    controller.loader.choose(Choice(NAME, silent.address))
    assert silent.entered.wait(240)
    controller.close()
    silent.cut()


@pytest.mark.slow
def test_what_the_machine_lacks_is_told_with_its_address(work, pump, cluster):
    failures, before = [], work.loader.model
    work.signals.failed.connect(failures.append)
    for choice in (Choice("none-such", cluster), Choice(NAME, "tcp://127.0.0.1:1")):
        work.loader.choose(choice)
        pump.until(lambda: not work.loader.is_loading)
        assert (work.loader.choice, work.loader.model) == (Choice(NAME), before)
    assert failures[0].startswith(f"At {cluster}: ")
    assert "none-such" in failures[0]
    assert failures[1].startswith("machine does not answer: ")


def test_a_model_that_runs_only_there_gives_way_to_the_bundled_one(work, pump, monkeypatch):
    monkeypatch.setattr(model_loader, "has_weights", lambda _name: False)
    monkeypatch.setattr(work.loader, "_load_with", lambda *_: work.loader.model)
    work.loader._come_back()
    pump.until(lambda: not work.loader.is_loading)
    assert work.loader.choice == Choice("bundled", "cpu")


def test_interrupted_work_finds_its_machine_with_its_certificates(monkeypatch):
    files = Certificates(Path("ca.pem"), Path("here.pem"), Path("here.key"))
    recovery.remember_machine("tls://gpu:8786", files, insecure=False)
    asked = []
    monkeypatch.setattr(recovery, "load_model", lambda name, **how: asked.append((name, how)))
    for device in ("tls://gpu:8786", "cpu"):
        recovery._load(None, ModelIdentity(NAME, device=device))
    how = {"certificates": files, "insecure": False, "precision": "auto"}
    assert asked[0] == (NAME, {"device": "tls://gpu:8786", **how})
    assert asked[1] == (NAME, {"device": "cpu", "precision": "auto"})


@pytest.mark.parametrize("known", [None, 5, {}, {"address": 5}, {"address": "a", "ca": 3}])
def test_settings_that_say_nothing_of_use_are_no_machine(known):
    recovery.remember(remote=known)
    _, certificates, insecure = recovery.known_machine()
    assert (certificates, insecure) == (None, False)


class TestDialog:
    @pytest.fixture
    def dialog(self, qtbot):
        made = RemoteDialog()
        qtbot.addWidget(made)
        made.show()
        return made

    def test_a_plain_address_of_another_machine_is_refused_unless_insisted_on(self, dialog):
        chosen = []
        dialog.chosen.connect(chosen.append)
        QTest.keyClicks(dialog.address, "tcp://gpu:8786")
        assert "not encrypted" in dialog.why.text()
        assert not dialog.connect_button.isEnabled()
        QTest.keyClick(dialog.address, Qt.Key.Key_Return)
        assert not chosen
        dialog.insist.click()
        assert dialog.connect_button.isEnabled()
        QTest.keyClick(dialog.address, Qt.Key.Key_Backspace)
        assert not dialog.insist.isChecked(), "one insists for one address"
        dialog.insist.click()
        QTest.mouseClick(dialog.connect_button, LEFT)
        assert chosen == [{"device": "tcp://gpu:878", "certificates": None, "insecure": True}]
        assert not dialog.isVisible()

    def test_only_what_is_refused_can_be_insisted_on(self, dialog):
        for address in ("", "gpu", "tcp://127.0.0.1:8786", "tls://gpu:8786"):
            dialog.address.setText(address)
            assert not dialog.insist.isVisible()
            assert dialog.connect_button.isEnabled() == ("://" in address)

    def test_certificates_come_back_and_keys_stay_where_they_are(self, dialog, qtbot, tmp_path):
        key = tmp_path / "here.key"
        key.write_text("SECRET")
        dialog.address.setText("tls://gpu:8786")
        dialog.files["ca"].setText("ca.pem")
        assert not dialog.connect_button.isEnabled()
        assert "all three" in dialog.why.text()
        dialog.files["cert"].setText("here.pem")
        dialog.files["key"].setText(str(key))
        QTest.mouseClick(dialog.connect_button, LEFT)
        kept = Path(os.environ["NAPARI_INTSEG_SETTINGS"]).read_text()
        assert "SECRET" not in kept
        assert json.loads(kept)["remote"]["key"] == str(key)
        again = RemoteDialog()
        qtbot.addWidget(again)
        assert again.address.text() == "tls://gpu:8786"
        assert again.certificates == Certificates(Path("ca.pem"), Path("here.pem"), key)
        again.address.setText("tcp://127.0.0.1:8786")
        assert again.certificates is None, "of no use there"

    def test_without_dask_it_says_what_to_install(self, monkeypatch, qtbot):
        monkeypatch.setattr(model_panel, "find_spec", lambda _: None)
        made = RemoteDialog()
        qtbot.addWidget(made)
        made.address.setText("tcp://127.0.0.1:8786")
        assert "napari-intseg[cluster]" in made.why.text()
        assert not made.connect_button.isEnabled()


@pytest.mark.gui
@pytest.mark.slow
def test_a_person_connects_loses_the_line_and_cancels(
    make_napari_viewer, tunnel, squares, monkeypatch
):
    # nothing here needs PyTorch, which takes seconds to load
    monkeypatch.setattr(dock, "preferences", lambda: Preferences(model=NAME))
    monkeypatch.setattr(model_panel, "devices", lambda: ("auto", "cpu"))
    viewer = make_napari_viewer(show=True)
    viewer.add_image(squares)
    window = Window(viewer)
    panel, controller = window.widget.model_panel, window.controller
    status = window.widget.status_panel
    try:
        turn(lambda: panel.device.findData("remote") >= 0)
        panel.device.setCurrentIndex(panel.device.findData("remote"))
        assert panel.device.currentData() == "auto", "nothing is chosen yet"
        QTest.mouseClick(panel.remote.buttons.button(QDialogButtonBox.StandardButton.Cancel), LEFT)
        assert not panel.remote.isVisible()
        panel.device.setCurrentIndex(panel.device.findData("remote"))
        QTest.keyClicks(panel.remote.address, tunnel.address)
        QTest.mouseClick(panel.remote.connect_button, LEFT)
        assert status.doing == "Connecting"
        assert status.cancel.isVisible()
        turn(lambda: not controller.loader.is_loading)
        assert status.message.startswith(f"{NAME} is ready at {tunnel.address}.")
        assert panel.device.currentData() == tunnel.address
        window.click(FIRST)
        window.settle()
        assert window.labels[FIRST] == 1
        tunnel.cut()
        window.click(SECOND)
        lost = f"The connection to {tunnel.address} is lost: trying again."
        turn(lambda: controller.loader.lost)
        assert status.message == f"{lost} 1 click waits. Cancel goes on with this machine."
        window.click(THIRD)
        turn(lambda: "2 clicks wait." in status.message)
        assert not window.labels[SECOND]
        QTest.mouseClick(status.cancel, LEFT)
        window.settle()
        assert panel.device.currentData() == "cpu"
        assert window.labels[SECOND] == 1
        tunnel.open()
        panel.device.setCurrentIndex(panel.device.findData(tunnel.address))
        turn(lambda: not controller.loader.is_loading)
        assert isinstance(controller.loader.model, RemoteSegmenter)
    finally:
        window.close()
