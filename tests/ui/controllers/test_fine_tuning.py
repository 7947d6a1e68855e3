"""A project's own model: what is learnt from, how it ends, and the way back; without Qt."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog
from skimage.io import imsave

from controls import visible_controls
from napari_intseg.io.folder_queue import ImageQueue
from napari_intseg.models.weights.store import ARCHITECTURE
from napari_intseg.ui.controllers import fine_tuning
from napari_intseg.ui.controllers.fine_tuning import (
    FOLDER,
    FineTuning,
    LearntModel,
    read_learnt,
    write_learnt,
)
from napari_intseg.ui.controllers.image_queue import QueueWork
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.controllers.object_actions import accept
from real_window import LEFT, Window, breathe, turn

COMMAND = fine_tuning.command

CHILD = """
import json, struct, sys, time
from pathlib import Path
home, after = Path(sys.argv[1]), float(sys.argv[2])
print("what a library prints")
for done in (0, 60):
    print(json.dumps({"done": done, "total": 60}), flush=True)
weights = home / "run" / f"fine-tuned-{sys.argv[3]}.safetensors"
weights.parent.mkdir()
(weights.parent / "log.csv").write_text("step")
head = json.dumps({"__metadata__": {"architecture": sys.argv[4]}}).encode()
weights.write_bytes(struct.pack("<Q", len(head)) + head)
print(json.dumps({"weights": str(weights), "kept_step": 9, "held_out": 5, "before": 5.3,
                  "after": after, "error": 0.7}), flush=True)
"""
FAILS = "import sys; print('napari-intseg: error: no room is left.', file=sys.stderr); sys.exit(2)"
WAITS = 'import time; print(\'{"done": 1, "total": 60}\', flush=True); time.sleep(60)'


@pytest.fixture(autouse=True)
def settings(tmp_path_factory, monkeypatch):
    """No folder that a person has chosen."""
    path = tmp_path_factory.mktemp("settings") / "settings.json"
    monkeypatch.setenv("NAPARI_INTSEG_SETTINGS", str(path))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Two objects are enough."""
    monkeypatch.setattr(fine_tuning, "LEAST", 2)


@pytest.fixture(autouse=True)
def child(monkeypatch):
    """Have another program stand for the one that trains."""

    def put(code=CHILD, *, after=3.2, number=1):
        def command(home, _count, _minutes):
            return [sys.executable, "-c", code, str(home), str(after), str(number), ARCHITECTURE]

        monkeypatch.setattr(fine_tuning, "command", command)

    put()
    return put


@pytest.fixture
def folder(tmp_path, squares):
    for name in ("a.tif", "b.tif"):
        imsave(tmp_path / name, squares, check_contrast=False)
    return tmp_path


@pytest.fixture
def tuning(controller):
    made = FineTuning(controller, QueueWork(controller))
    yield made
    made.close()


@pytest.fixture
def opened(controller, settle, folder):
    """Open an image of the folder, and finish its two objects."""

    def open_it(name="a.tif", *, finish=2, place=folder):
        layer = Image(tifffile.imread(place / name), name=name)
        layer.source.__dict__["path"] = None
        controller.viewer.add_layer(layer)
        layer._source = layer.source.model_copy(update={"path": str(place / name)})
        controller.choose_image(layer)
        for at in ((20, 20), (45, 55))[:finish]:
            controller.new_object()
            controller.image_controller.points.add(at)
            settle()
            accept(controller)

    return open_it


@pytest.fixture
def run(tuning, pump):
    """Learn, and wait for the end."""

    def learn(**given):
        assert tuning.start(**given)
        pump.until(lambda: not tuning.is_running)
        pump.drain()

    return learn


def loaded(controller, pump):
    pump.until(lambda: not controller.loader.is_loading)
    return controller.loader.choice


class TestLearning:
    def test_what_is_better_is_told_used_on_request_and_there_is_a_way_back(
        self, controller, tuning, opened, run, folder, said, pump, toy, monkeypatch
    ):
        opened()
        run(folder=folder)
        home = folder / FOLDER
        wanted = "2.1 clicks fewer on your data (5.3 → 3.2, 5 objects held out)."
        assert tuning.learnt.text == wanted
        assert said.messages[-1] == f"{wanted} Press Use it to have it answer clicks."
        assert loaded(controller, pump).weights is None, "nothing changes unasked"
        labels = tifffile.imread(home / "set" / "000-a_tif@0-0-0-0_labels.tif")
        assert np.unique(labels).tolist() == [0, 1, 2]
        assert [path.name for path in (home / "run").iterdir()] == ["log.csv"]
        monkeypatch.setattr(controller.loader, "_load_with", lambda *_: type(toy)())
        tuning.use()
        assert loaded(controller, pump).weights == home / "fine-tuned-1.safetensors"
        assert tuning.is_newest_used
        assert read_learnt(home).used == "fine-tuned-1.safetensors"
        assert controller.image_controller.session_store.journal.lines[-1]["do"] == "change_setup"
        tuning.back()
        assert loaded(controller, pump) == Choice("bundled")
        assert not tuning.is_used
        assert read_learnt(home).used == ""
        assert read_learnt(home).weights == "fine-tuned-1.safetensors", "it is kept"
        assert not said.failures

    def test_what_is_no_better_changes_nothing(self, opened, run, child, folder, said):
        opened()
        run(folder=folder)
        child(after=4.0, number=2)  # less than twice the standard error
        run()
        assert said.messages[-1].startswith("No better: nothing changed (5 objects held out, 5.3")
        assert read_learnt(folder / FOLDER).weights == "fine-tuned-1.safetensors"
        assert not list((folder / FOLDER).glob("*-2.safetensors"))

    def test_the_next_run_leaves_what_is_used_until_the_new_one_is_chosen(
        self, controller, tuning, opened, run, child, folder, pump
    ):
        opened()
        run(folder=folder)
        tuning.use()
        child(after=2.0, number=2)
        run()
        assert loaded(controller, pump).weights.name == "fine-tuned-1.safetensors"
        assert tuning.is_used
        assert not tuning.is_newest_used
        assert read_learnt(folder / FOLDER).used == "fine-tuned-1.safetensors"
        tuning.use()
        assert loaded(controller, pump).weights.name == "fine-tuned-2.safetensors"

    def test_it_says_how_many_are_missing(self, controller, tuning, opened, said, monkeypatch):
        monkeypatch.setattr(fine_tuning, "LEAST", 3)
        assert tuning.reason == "3 more finished objects are needed: 0 of 3."
        opened()
        assert tuning.reason == "1 more finished object is needed: 2 of 3."
        assert not tuning.start(folder=Path("nowhere"))
        assert said.failures == ["1 more finished object is needed: 2 of 3."]
        controller.set_finished(1, False)
        assert tuning.count == 1

    def test_objects_that_are_too_small_are_told_at_the_start(
        self, opened, run, folder, said, monkeypatch
    ):
        opened()
        monkeypatch.setattr("napari_intseg.training.sources.MIN_AREA_PX", 450)
        run(folder=folder)
        assert "expected at least 2 finished objects of 40 pixels, got 1" in said.failures[0]

    def test_a_place_is_needed(self, tuning, opened, said):
        opened()
        assert not tuning.start()
        assert said.failures == ["Choose a folder for the model first."]
        assert tuning.suggested.is_dir()

    def test_a_process_that_fails_is_told_with_what_it_said(
        self, tuning, opened, run, child, folder, said
    ):
        opened()
        child(FAILS)
        run(folder=folder)
        assert said.failures[0].startswith("training ended before its end: no room is left. What")
        assert tuning.text == said.failures[0]
        assert tuning.learnt is None
        child()
        run()
        assert tuning.learnt is not None

    def test_cancelling_ends_the_process(self, tuning, opened, child, folder, pump, said):
        opened()
        child(WAITS)
        assert tuning.start(folder)
        assert not tuning.start(folder), "one at a time"
        pump.until(lambda: tuning.progress == (1, 60))
        assert tuning.text == f"Learning from {folder.name} …"
        process = tuning._run.process
        tuning.cancel()
        pump.until(lambda: not tuning.is_running)
        assert process.poll() is not None
        assert said.messages[-1] == "Learning was cancelled; nothing changed."
        assert read_learnt(folder / FOLDER) is None

    def test_closing_the_window_ends_the_process(self, controller, opened, child, folder, pump):
        made = FineTuning(controller, QueueWork(controller))
        opened()
        child(WAITS)
        assert made.start(folder)
        pump.until(lambda: made.progress == (1, 60))
        process, thread = made._run.process, made._run.thread
        made.close()
        assert process.poll() is not None
        assert not thread.is_alive()


class TestWhatIsLearntFrom:
    def test_of_a_volume_all_planes_with_the_object(
        self, controller, tuning, run, boxes, settle, folder
    ):
        controller.viewer.add_image(boxes)
        controller.choose_image(controller.viewer.layers["boxes"])
        controller.new_object()
        for at in ((4, 14, 15), (6, 14, 15)):
            controller.image_controller.points.add(at)
            settle()
        accept(controller)
        controller.image_controller.points.add((5, 30, 35))
        settle()
        accept(controller)
        assert tuning.count == 2
        run(folder=folder)
        names = sorted(path.stem for path in (folder / FOLDER / "set").glob("*[0-9].tif"))
        assert names == [f"000-boxes@0-0-{index}-0" for index in (4, 5, 6)]
        assert tuning.learnt is not None, "an image of no file knows its folder while it is open"

    def test_of_a_series_an_object_is_one_at_all_times(
        self, controller, tuning, run, squares, settle, folder, monkeypatch
    ):
        layer = controller.viewer.add_image(np.stack([squares] * 2), name="series")
        controller.choose_image(layer)
        controller.choose_axes("tyx")
        controller.new_object()
        for time in (0, 1):
            controller.viewer.dims.set_current_step(0, time)
            controller.image_controller.points.add((time, 20, 20))
            settle()
        accept(controller)
        assert tuning.count == 1
        monkeypatch.setattr(fine_tuning, "LEAST", 1)
        run(folder=folder)
        names = sorted(path.stem for path in (folder / FOLDER / "set").glob("*[0-9].tif"))
        assert names == [f"000-series@{time}-0-0-0" for time in (0, 1)]
        assert read_learnt(folder / FOLDER).objects == 1

    def test_what_cannot_be_read_is_left_out(self, tuning, run, folder, pump, said, controller):
        ImageQueue.of_folder(folder).mark("done", objects=2)
        (folder / "a_labels.tif").write_bytes(b"no labels")
        tuning._queue_work.open(folder)
        pump.until(lambda: controller.image is not None and controller.worker.is_idle)
        run()
        assert "expected at least 2 finished objects of 40 pixels, got 0" in said.failures[-1]

    def test_of_a_queue_the_images_that_are_done(
        self, controller, tuning, run, folder, squares, pump, said
    ):
        labels = np.zeros(squares.shape, np.uint8)
        labels[10:30, 10:30], labels[35:55, 45:70] = 2, 7
        imsave(folder / "a_labels.tif", labels, check_contrast=False)
        ImageQueue.of_folder(folder).mark("done", objects=2)
        tuning._queue_work.open(folder)
        pump.until(lambda: controller.image is not None and controller.worker.is_idle)
        pump.drain()
        assert tuning.count == 2
        run()
        written = tifffile.imread(folder / FOLDER / "set" / "001-a@0-0-0-0_labels.tif")
        np.testing.assert_array_equal(written, labels)
        assert tuning.learnt.objects == 2
        assert not said.failures

    def test_of_a_series_of_the_queue_each_time_point_that_has_labels(
        self, controller, tuning, run, tmp_path, squares, pump, said
    ):
        times = np.stack([np.roll(squares, 2 * time, axis=1) for time in range(3)])
        tifffile.imwrite(tmp_path / "s.tif", times, imagej=True, metadata={"axes": "TYX"})
        labels = np.zeros(squares.shape, np.uint8)
        labels[10:30, 10:30], labels[35:55, 45:70] = 2, 7
        for time in (0, 2):
            imsave(tmp_path / f"s_t{time:03d}_labels.tif", labels, check_contrast=False)
        ImageQueue.of_folder(tmp_path).mark("done", objects=2)
        tuning._queue_work.open(tmp_path)
        pump.until(lambda: controller.image is not None and controller.worker.is_idle)
        pump.drain()
        run(folder=tmp_path)
        names = sorted(path.stem for path in (tmp_path / FOLDER / "set").glob("*[0-9].tif"))
        assert names == [f"001-s@{time}-0-0-0" for time in (0, 2)]
        assert not said.failures


class TestAnotherDay:
    @pytest.fixture
    def learnt(self, tuning, opened, run, folder, controller, pump):
        opened()
        run(folder=folder)
        tuning.use()
        assert loaded(controller, pump).weights is not None
        return folder / FOLDER

    def test_another_project_has_the_bundled_model_and_this_one_its_own(
        self, controller, learnt, opened, tmp_path_factory, squares, pump, said
    ):
        other = tmp_path_factory.mktemp("other")
        imsave(other / "c.tif", squares, check_contrast=False)
        opened("c.tif", finish=0, place=other)
        assert loaded(controller, pump) == Choice("bundled")
        opened("b.tif", finish=0)
        assert loaded(controller, pump).weights == learnt / "fine-tuned-1.safetensors"
        assert "The model that learnt from this project's objects is used." in said.messages
        assert not (other / FOLDER).exists()

    @pytest.mark.usefixtures("learnt")
    def test_a_model_that_a_person_has_chosen_stays(self, controller, opened, pump):
        controller.loader.choose(Choice("random-walker"))
        opened("b.tif", finish=0)
        assert loaded(controller, pump) == Choice("random-walker")


class TestRecord:
    LEARNT = LearntModel("mine.safetensors", 5.3, 3.2, 5, 15)

    def test_it_is_read_as_it_was_written(self, tmp_path):
        (tmp_path / "mine.safetensors").write_bytes(b"")
        write_learnt(tmp_path, self.LEARNT)
        assert read_learnt(tmp_path) == self.LEARNT
        (tmp_path / "mine.safetensors").unlink()
        assert read_learnt(tmp_path) is None, "there is nothing to use"

    @pytest.mark.parametrize("what", ["{", "[]", '{"format": "another"}'])
    def test_one_that_cannot_be_read_is_left_out(self, tmp_path, what):
        (tmp_path / "model.json").write_text(what)
        assert read_learnt(tmp_path) is None

    def test_weights_that_lie_elsewhere_are_not_used(self, tmp_path):
        (tmp_path / "home").mkdir()
        (tmp_path / "mine.safetensors").write_bytes(b"")
        write_learnt(tmp_path / "home", replace(self.LEARNT, weights="../mine.safetensors"))
        assert read_learnt(tmp_path / "home") is None


def test_the_command_measures_a_third_and_at_most_twelve():
    words = COMMAND(Path("home"), 15, 3.0)
    assert float(words[words.index("--held-out") + 1]) * 15 == pytest.approx(5, abs=0.2)
    words = COMMAND(Path("home"), 100, 3.0)
    assert words[words.index("--held-out") + 1] == "0.1200"
    assert words[words.index("--minutes") + 1] == "3.0"


@pytest.mark.gui
class TestWindow:
    @pytest.fixture
    def window(self, make_napari_viewer, folder):
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1366, 768)
        viewer.open(str(folder / "a.tif"), plugin="napari-intseg")
        window = Window(viewer)
        window.settle()
        breathe(0.3)
        yield window
        window.close()

    @pytest.fixture
    def panel(self, window):
        """The panel, in an image with two finished objects."""
        panel = window.widget.learn_panel
        window.widget.tabs.setCurrentIndex(3)
        breathe()
        assert not panel.button.isEnabled()
        assert panel.button.toolTip().startswith("2 more finished objects are needed: 0 of 2.")
        for at in ((20, 20), (45, 55)):
            window.click(at)
            window.settle()
            window.widget.do("accept_object")
        assert panel.button.isEnabled()
        assert len(visible_controls(window.widget)) <= 16
        return panel

    def test_a_person_learns_takes_it_goes_back_and_closes(
        self, window, panel, child, folder, monkeypatch
    ):
        widget = window.widget
        asked = []
        monkeypatch.setattr(
            QFileDialog, "getExistingDirectory", lambda *given: asked.append(given) or str(folder)
        )
        child(WAITS)
        QTest.mouseClick(panel.button, LEFT)
        dialog = panel.dialog
        turn(dialog.isVisible)
        assert dialog.about.text() == "2 finished objects to learn from."
        assert not dialog.use.isEnabled()
        assert not dialog.cancel.isEnabled()
        QTest.mouseClick(dialog.start, LEFT)
        turn(lambda: dialog.bar.maximum() == 60)
        assert dialog.bar.isVisible()
        assert not dialog.start.isEnabled()
        assert len(asked) == 1
        window.click((22, 60))  # napari stays usable
        window.settle()
        QTest.mouseClick(dialog.cancel, LEFT)
        turn(dialog.start.isEnabled)
        assert dialog.told.text() == "Learning was cancelled; nothing changed."
        child()
        QTest.mouseClick(dialog.start, LEFT)
        turn(dialog.use.isEnabled)
        assert len(asked) == 1, "the place is known by now"
        assert dialog.told.text().startswith("2.1 clicks fewer on your data (5.3 → 3.2, 5 obj")
        loader, model = window.controller.loader, window.controller.loader.model
        monkeypatch.setattr(loader, "_load_with", lambda *_: model)
        QTest.mouseClick(dialog.use, LEFT)
        turn(lambda: not loader.is_loading)
        assert loader.choice.weights == folder / FOLDER / "fine-tuned-1.safetensors"
        assert "fine-tuned-1" in widget.header.text()
        widget.model_panel._chosen()  # as when another device is chosen
        assert loader.choice.weights is not None
        QTest.mouseClick(dialog.back, LEFT)
        turn(lambda: not loader.is_loading)
        assert loader.choice.weights is None
        assert dialog.use.isEnabled()
        dialog.close()
        widget.do("learn_objects")
        turn(dialog.isVisible)
        child(WAITS)
        QTest.mouseClick(dialog.start, LEFT)
        turn(lambda: dialog.bar.maximum() == 60)
        process = widget.fine_tuning._run.process
        window.close()
        assert process.poll() is not None
