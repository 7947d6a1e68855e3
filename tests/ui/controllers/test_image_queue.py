"""A folder worked through in a viewer, on one day and on another."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QMenu, QMessageBox
from scipy.ndimage import distance_transform_edt
from skimage.io import imread, imsave

from controls import visible_controls
from napari_intseg.errors import FileError
from napari_intseg.io.folder_queue import ImageQueue
from napari_intseg.ui.controllers import label_export
from napari_intseg.ui.controllers.image_queue import QueueWork
from real_window import Window, breathe, turn


def press(words, box):
    """Press a button of a box, as `exec` lets a person do."""
    next(one for one in box.buttons() if one.text().replace("&", "") == words).click()


@pytest.fixture
def folder(tmp_path, squares):
    for number, name in enumerate(("a.tif", "b.tif", "c.tif")):
        imsave(tmp_path / name, np.roll(squares, number, axis=1), check_contrast=False)
    return tmp_path


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def work(controller, clock):
    return QueueWork(controller, clock)


@pytest.fixture
def shown(controller, pump):
    """Wait until an image of the queue is in the viewer and everything is written."""

    def wait(name):
        pump.until(lambda: controller.image is not None and controller.image.name == name)
        pump.until(lambda: controller.worker.is_idle)
        pump.drain()

    return wait


def click(controller, settle, at=(20, 20)):
    if controller.image_controller is None:
        controller.new_object()
    controller.image_controller.points.add(at)
    settle()


def test_images_come_one_by_one_and_labels_are_saved(
    controller, work, folder, shown, settle, clock, said
):
    assert work.open(folder)
    shown("a")
    click(controller, settle)
    labels = controller.image_controller.labels.data.copy()
    clock.now = 30.0
    work.done()
    shown("b")
    assert [layer.name for layer in controller.viewer.layers] == ["b"], "the one before has gone"
    np.testing.assert_array_equal(imread(folder / "a_labels.tif"), labels)
    assert work.queue.items[0].state == "done"
    assert (work.queue.items[0].objects, work.queue.items[0].seconds) == (1, 30.0)
    assert "Image 2 of 3: b.tif. 1 done, 2 open." in said.messages
    assert not said.failures
    work.skip()
    shown("c")
    assert not (folder / "b_labels.tif").exists(), "nothing was labelled"
    click(controller, settle)
    work.done()
    shown("c")
    assert (folder / "c_labels.tif").exists()
    assert "That was the last image" in said.messages[-1]
    assert [item.state for item in work.queue.items] == ["done", "skipped", "done"]


def test_another_day_goes_on_with_numbers_as_they_were(
    controller, work, folder, shown, settle, said
):
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 10:30], labels[35:55, 45:70] = 2, 7
    imsave(folder / "a_labels.tif", labels, check_contrast=False)
    ImageQueue.of_folder(folder).mark("done", objects=2)
    work.open(folder)
    shown("b")
    work.previous()
    shown("a")
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data, labels)
    assert {2, 7} <= set(controller.image_controller.session_store.labels)
    controller.select_object(7)
    controller.image_controller.clicking.set_defaults(sign="negative")
    controller.image_controller.points.add((45, 55))
    settle()
    assert controller.image_controller.labels.data[45, 55] == 0
    work.next()
    shown("b")
    assert imread(folder / "a_labels.tif")[45, 55] == 0
    assert imread(folder / "a_labels.tif")[36, 46] == 7
    assert work.queue.items[0].state == "done", "it stays what it was"
    assert not said.failures


@pytest.fixture
def series(tmp_path, squares):
    """A time series of three, and an image after it."""
    times = np.stack([np.roll(squares, 2 * time, axis=1) for time in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", times, imagej=True, metadata={"axes": "TYX"})
    imsave(tmp_path / "b.tif", squares, check_contrast=False)
    return tmp_path


def test_every_time_point_of_a_series_is_saved_and_comes_again(
    controller, work, series, shown, settle, said
):
    work.open(series)
    shown("a")
    click(controller, settle, (0, 20, 20))
    controller.viewer.dims.set_point(0, 2)
    controller.image_controller.points.add((2, 45, 60))
    settle()
    labels = np.array(controller.image_controller.labels.data)
    assert [bool(one.any()) for one in labels] == [True, False, True]
    work.done()
    shown("b")
    for time in (0, 2):
        np.testing.assert_array_equal(imread(series / f"a_t{time:03d}_labels.tif"), labels[time])
    assert not (series / "a_t001_labels.tif").exists()
    assert work.queue.items[0].objects == len(np.unique(labels)) - 1
    work.close()
    controller.viewer.layers.clear()
    # another day
    work.open(series)
    assert [item.path.name for item in work.queue.items] == ["a.tif", "b.tif"]
    shown("b")
    work.previous()
    shown("a")
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data, labels)
    controller.viewer.dims.set_point(0, 1)
    controller.image_controller.points.add((1, 45, 60))
    settle()
    more = np.array(controller.image_controller.labels.data)
    work.next()
    shown("b")
    for time in range(3):
        np.testing.assert_array_equal(imread(series / f"a_t{time:03d}_labels.tif"), more[time])
    assert not said.failures


def test_a_skipped_series_comes_again_with_all_its_time_points(
    controller, work, series, shown, settle
):
    work.open(series)
    shown("a")
    click(controller, settle, (0, 20, 20))
    controller.viewer.dims.set_point(0, 1)
    controller.image_controller.points.add((1, 20, 20))
    settle()
    labels = np.array(controller.image_controller.labels.data)
    work.skip()
    shown("b")
    assert not list(series.glob("*_labels*"))
    work.choose(0)
    shown("a")
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data, labels)


def test_what_is_not_worked_on_is_not_done(controller, work, folder, shown, settle, said):
    work.open(folder)
    # it is still being read
    work.done()
    assert said.failures.pop().startswith("a.tif is not the image that is worked on")
    shown("a")
    click(controller, settle)
    other = controller.viewer.add_image(np.zeros((60, 80), np.uint8), name="other")
    controller.choose_image(other)
    work.done()
    assert said.failures.pop().startswith("a.tif is not the image that is worked on")
    controller.choose_image(controller.viewer.layers["a"])
    controller.viewer.layers.remove("a")
    said.failures.clear()
    work.done()
    assert said.failures.pop().startswith("a.tif is not the image that is worked on")
    assert work.queue.at == 0
    assert [item.state for item in work.queue.items] == ["open"] * 3
    # opened again it can be
    work.choose(0)
    shown("a")
    click(controller, settle)
    work.done()
    shown("b")
    assert (folder / "a_labels.tif").exists()
    assert work.queue.items[0].state == "done"
    assert not said.failures


def test_skip_saves_nothing_and_keeps_what_was_done(
    controller, work, folder, shown, settle, said, monkeypatch
):
    from napari_intseg.ui.controllers import image_queue

    threads, real = [], image_queue.np.unique
    work.open(folder)
    shown("a")
    click(controller, settle)
    drawn = controller.image_controller.labels.data.copy()
    work.skip()
    shown("b")
    assert not (folder / "a_labels.tif").exists()
    assert work.queue.items[0].state == "skipped"
    assert said.messages[-1].startswith("a.tif is skipped: what was done on it is not saved")
    work.skip()
    shown("c")
    assert said.messages[-1].startswith("Image 3 of 3"), "nothing was done on b"
    work.choose(0)
    shown("a")
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data, drawn)

    def unique(*given, **options):
        threads.append(threading.current_thread().name)
        return real(*given, **options)

    monkeypatch.setattr(image_queue.np, "unique", unique)
    work.done()
    shown("c")
    np.testing.assert_array_equal(imread(folder / "a_labels.tif"), drawn)
    assert (work.queue.items[0].state, work.queue.items[0].objects) == ("done", 1)
    assert {*threads} == {"napari-intseg inference"}, "not while the window waits"


def test_skip_leaves_labels_of_another_day_as_they_were(
    controller, work, folder, shown, settle, said
):
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 10:30] = 2
    imsave(folder / "a_labels.tif", labels, check_contrast=False)
    before = (folder / "a_labels.tif").read_bytes()
    work.open(folder)
    shown("a")
    settle()
    work.skip()
    shown("b")
    assert said.messages[-1].startswith("Image 2 of 3"), "nothing was done, nothing is kept"
    work.choose(0)
    shown("a")
    settle()
    click(controller, settle, (45, 60))
    work.skip()
    shown("b")
    assert (folder / "a_labels.tif").read_bytes() == before
    assert "kept until the window closes" in said.messages[-1]
    assert [one.name for one in folder.iterdir() if "journal" in one.name] == []


@pytest.mark.parametrize("how", ["next", "choose", "close"])
def test_labels_are_saved_while_another_image_is_chosen(
    how, controller, work, folder, shown, pump, settle, said
):
    work.open(folder)
    shown("a")
    click(controller, settle)
    labels = controller.image_controller.labels.data.copy()
    other = controller.viewer.add_image(np.zeros((60, 80), np.uint8), name="other")
    controller.choose_image(other)
    click(controller, settle, (40, 60))
    its_work = controller.image_controller
    its_points = its_work.points
    getattr(work, how)(*([1] if how == "choose" else []))
    if how != "close":
        shown("b")
    pump.until(lambda: controller.worker.is_idle)
    np.testing.assert_array_equal(imread(folder / "a_labels.tif"), labels)
    # what was done on the other image is there, and goes on
    controller.choose_image(other)
    assert controller.image_controller is its_work
    assert not its_work.is_closed
    assert its_points in controller.viewer.layers
    assert not said.failures


def test_the_next_image_is_read_ahead(work, folder, shown, pump, monkeypatch):
    from napari_intseg.ui.controllers import image_queue

    read, real = [], image_queue.read_layers
    monkeypatch.setattr(image_queue, "read_layers", lambda path: (read.append(path), real(path))[1])
    work.open(folder)
    shown("a")
    pump.until(lambda: len(read) == 2)
    assert read[1].endswith("b.tif")
    shown("a")
    work.skip()
    shown("b")
    assert [path[-5:] for path in read].count("b.tif") == 1


def test_model_and_settings_stay(controller, work, folder, shown, settle):
    work.open(folder)
    shown("a")
    controller.each_click_begins = True
    model = controller.loader.model
    click(controller, settle)
    work.done()
    shown("b")
    click(controller, settle)
    assert controller.each_click_begins
    assert controller.image_controller.session_store.model is model


def test_what_cannot_be_written_is_told_kept_and_not_done(
    controller, work, folder, shown, settle, said, monkeypatch
):
    def refuse(*_args, **_keywords):
        raise FileError("file cannot be written: expected room for it.")

    work.open(folder)
    shown("a")
    click(controller, settle)
    drawn = controller.image_controller.labels.data.copy()
    with monkeypatch.context() as patch:
        patch.setattr(label_export, "write_labels", refuse)
        work.done()
        shown("b")
    assert "expected room for it" in said.failures[-1]
    assert work.queue.items[0].state == "open"
    # they are not lost
    work.choose(0)
    shown("a")
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data, drawn)
    work.done()
    shown("b")
    np.testing.assert_array_equal(imread(folder / "a_labels.tif"), drawn)
    assert work.queue.items[0].state == "done"


def test_labels_that_could_not_be_gone_on_with_are_not_replaced(
    controller, work, folder, shown, settle, said
):
    imsave(folder / "a_labels.tif", np.full((9, 8), 3, np.uint8), check_contrast=False)
    before = (folder / "a_labels.tif").read_bytes()
    work.open(folder)
    shown("a")
    settle()
    assert said.failures, "they are on another grid"
    click(controller, settle)
    work.done()
    assert "a_labels.tif is there, and the work here did not begin with it" in said.failures[-1]
    assert (folder / "a_labels.tif").read_bytes() == before
    assert work.queue.items[0].state == "open"
    (folder / "a_labels.tif").rename(folder / "others.npy")
    work.done()
    shown("b")
    assert imread(folder / "a_labels.tif").shape == (60, 80)
    assert work.queue.items[0].state == "done"


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (lambda path: path.write_bytes(b"II*\0 cut off"), "a_labels.tif"),
        (lambda path: imsave(path, np.eye(60, 80, dtype=np.float32)), "file holds no labels"),
    ],
)
def test_labels_that_cannot_be_read_are_told_and_stay_while_the_image_is_worked_on(
    controller, work, folder, shown, settle, said, write, why
):
    write(folder / "a_labels.tif")
    before = (folder / "a_labels.tif").read_bytes()
    work.open(folder)
    shown("a")
    assert why in said.failures[-1]
    click(controller, settle)
    work.next()
    assert "did not begin with it, so it is not replaced" in said.failures[-1]
    assert (folder / "a_labels.tif").read_bytes() == before
    (folder / "a_labels.tif").rename(folder / "others.npy")
    work.next()
    shown("b")
    assert imread(folder / "a_labels.tif")[20, 20] == 1


def test_labels_that_somebody_else_saved_meanwhile_are_not_replaced(
    controller, work, folder, shown, settle, said
):
    work.open(folder)
    shown("a")
    click(controller, settle)
    imsave(folder / "a_labels.tif", np.full((60, 80), 9, np.uint8), check_contrast=False)
    work.done()
    assert "did not begin with it" in said.failures[-1]
    assert imread(folder / "a_labels.tif").max() == 9
    assert controller.image_controller.labels.data.any()


def test_a_folder_without_images_is_refused(work, tmp_path, said):
    assert not work.open(tmp_path)
    assert "queue is empty" in said.failures[-1]
    work.done()
    assert "No folder is open" in said.failures[-1]


@pytest.mark.gui
class TestWindow:
    @pytest.fixture
    def window(self, make_napari_viewer):
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1366, 768)
        window = Window(viewer)
        window.settle()
        breathe(0.3)
        yield window
        window.close()

    def test_a_folder_is_worked_through_by_keys(self, window, folder, monkeypatch):
        panel = window.widget.queue_panel
        assert not panel.isVisible()
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
        for words in ("Cancel", "Beside the images"):
            assert window.controller.image is None
            monkeypatch.setattr(QMessageBox, "exec", lambda box, words=words: press(words, box))
            window.widget.do("open_queue")

        def shown(name):
            turn(lambda: window.controller.image is not None)
            turn(lambda: window.controller.image.name == name)
            window.settle()
            breathe(0.2)

        shown("a")
        assert panel.told.text() == "1 of 3 · 0 done · a.tif"
        panel.told.setText("a name that is longer than the panel is wide " * 3)
        assert QLabel.text(panel.told).endswith("…")
        window.click((20, 20))
        window.settle()
        assert window.labels[20, 20] == 1
        window.press(Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
        shown("b")
        assert "1 done" in panel.told.text()
        assert "s each" in panel.told.text()
        assert imread(folder / "a_labels.tif")[20, 20] == 1
        assert len(visible_controls(window.widget)) <= 16 + 3
        window.press(Qt.Key.Key_PageDown)
        shown("c")
        window.press(Qt.Key.Key_PageUp)
        shown("b")
        window.press(Qt.Key.Key_Q, Qt.KeyboardModifier.ShiftModifier)
        shown("c")
        menu = QMenu()
        panel.fill(menu)
        assert menu.actions()[0].text() == "Next image\tPageDown"
        images = next(a.menu() for a in menu.actions() if a.menu() is not None)
        assert [a.text() for a in images.actions()] == ["✓ a.tif", "– b.tif", "c.tif"]
        images.actions()[0].trigger()
        shown("a")
        assert window.labels[20, 20] == 1, "found again"
        chosen = folder / "set"
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(chosen))
        window.widget.do("export_queue")
        turn((chosen / "a_labels.tif").exists)
        window.settle()
        panel.work.close()
        assert not panel.isVisible()


class TestLeastSureFirst:
    @pytest.fixture
    def unsure(self, toy, monkeypatch):
        """Answer with as wide a rim near the threshold as the image's corner is bright."""
        plain = toy.predict

        def predict(query):
            answer = plain(query)
            logits = answer.logits.copy()
            corner = float(query.prepared.payload[0, 0])
            away = distance_transform_edt(logits < 0)
            logits[(away > 0) & (away < 40 * corner)] = 0
            return replace(answer, logits=logits)

        monkeypatch.setattr(toy, "predict", predict)

    @pytest.fixture
    def pictures(self, tmp_path, squares):
        for name, doubt in (("a", 0), ("b", 10), ("c", 60), ("d", 30), ("e", 20)):
            image = squares.copy()
            image[:3, :3] = doubt
            imsave(tmp_path / f"{name}.tif", image, check_contrast=False)
        return tmp_path

    @staticmethod
    def names(work):
        return "".join(item.path.stem for item in work.queue.items)

    @pytest.mark.usefixtures("unsure")
    def test_what_is_left_comes_in_the_order_of_doubt(self, work, pictures, shown, pump, said):
        work.open(pictures)
        shown("a")
        work.skip()
        shown("b")
        assert self.names(work) == "abcde"
        work.sort(True)
        pump.until(lambda: not work.is_sorting)
        assert self.names(work) == "abcde"[:2] + "cde"
        assert said.messages[-1] == "4 open images are in order, the least sure first."
        work.done()
        shown("c")
        assert not said.failures

    @pytest.mark.usefixtures("unsure")
    def test_it_can_be_stopped_and_begun_again(self, work, pictures, shown, pump, controller):
        work.open(pictures)
        shown("a")
        work.sort(True)
        pump.until(lambda: bool(work._doubts))
        work.sort(False)
        known = dict(work._doubts)
        pump.until(lambda: controller.worker.is_idle)
        pump.drain()
        assert work._doubts == known
        work.sort(True)
        pump.until(lambda: not work.is_sorting)
        assert self.names(work) == "acdeb"

    @pytest.mark.usefixtures("unsure")
    def test_a_file_that_cannot_be_read_is_left_and_nothing_is_raised(
        self, work, pictures, shown, pump, said, caplog
    ):
        (pictures / "c.tif").write_bytes(b"no picture")
        work.open(pictures)
        shown("a")
        work.sort(True)
        pump.until(lambda: not work.is_sorting)
        assert self.names(work) == "adebc"
        assert not said.failures
        assert "c.tif is left where it was" in caplog.text

    def test_it_ends_with_the_folder_and_needs_a_model(self, work, pictures, shown, said):
        work.sort(True)
        assert said.failures[-1].startswith("No folder is open")
        work.open(pictures)
        shown("a")
        work.sort(True)
        assert work.is_sorting
        work.close()
        assert not work.is_sorting

    def test_another_model_ends_it(self, work, pictures, shown, pump, controller, toy):
        work.open(pictures)
        shown("a")
        work.sort(True)
        controller.loader.model = type(toy)()
        pump.until(lambda: not work.is_sorting)
        assert not {item.path.stem for item in work.queue.items} - set("abcde")
