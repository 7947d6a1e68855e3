"""Layers are hidden, moved, deleted, replaced or made for another image: no click is lost."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_intseg.core.volume import Plane
from napari_intseg.ui.layers import make_room
from napari_intseg.ui.looking import Looking
from napari_intseg.ui.recovery import Recovery
from napari_intseg.ui.workbench import Workbench


@pytest.fixture
def begun(bench, boxes, settle):
    """Work on a volume with an accepted object; returns its image layer."""
    image = bench.viewer.add_image(boxes, name="ct")
    bench.choose_image(image)
    bench.new_object()
    bench.binder.points.add((5, 10, 12))
    settle()
    bench.accept_object()
    return image


@pytest.fixture
def again(toy, pump):
    """Return a workbench on the same viewer, as when the dock is opened again or twice."""
    made = []

    def make(bench):
        one = Workbench(bench.viewer, pump.post, load_with=lambda *_: toy)
        one.loader.choose(one.loader.choice)
        pump.until(lambda: one.loader.model is toy)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def idle(pump, bench):
    pump.until(lambda: bench.worker.is_idle and bench.binder.is_idle)


def held(binder):
    """Return what the sessions hold; what the layer shows of them shall be the same."""
    return binder.drawer.sessions[0].labels


class TestNextImage:
    def test_of_the_same_name_it_gets_layers_of_its_own(self, bench, begun, boxes, settle):
        first, before = bench.binder.labels, np.array(bench.binder.labels.data)
        bench.viewer.layers.remove(begun)
        second = bench.viewer.add_image(boxes[::-1].copy(), name="ct")
        bench.choose_image(second)
        bench.new_object()
        settle()
        assert bench.binder.labels is not first
        assert len(bench.binder.points.data) == 0
        bench.binder.points.add((6, 10, 12))
        settle()
        np.testing.assert_array_equal(first.data, before)
        assert (bench.binder.labels.data == 1).any()

    def test_renamed_it_is_still_the_same(self, bench, begun):
        labels = bench.binder.labels
        begun.name, labels.name = "other", "mine"
        bench.viewer.layers.remove(bench.binder.points)
        bench.new_object()
        assert bench.binder.labels is labels

    @pytest.mark.parametrize("axes", [2, 3, 4])
    def test_put_into_the_same_layer_it_is_not_segmented_with_the_last_one_s_clicks(
        self, bench, begun, boxes, settle, said, axes
    ):
        first, before = bench.binder.labels, np.array(bench.binder.labels.data)
        begun.data = {2: boxes[5], 3: boxes + 1, 4: np.stack([boxes] * 7)}[axes]
        assert "was replaced" in said.failures[-1]
        bench.new_object()
        assert len(bench.axes) == axes
        assert len(bench.binder.points.data) == 0
        at = (5, 10, 12)[3 - min(axes, 3) :]
        bench.binder.points.add((0, *at) if axes == 4 else at)
        settle()
        assert bench.binder.labels.data.any()
        np.testing.assert_array_equal(first.data, before)

    def test_of_too_many_axes_is_told(self, bench, begun, boxes, said):
        begun.data = np.zeros((2, 2, 2, *boxes.shape), np.uint8)
        bench.new_object()
        assert "Split the layer first" in said.failures[-1]


class TestDockOpenedAgain:
    def test_goes_on_with_locks_history_and_a_new_object(self, bench, begun, settle, again, pump):
        bench.binder.points.add((5, 30, 35))
        settle()
        labels, before = bench.binder.labels, np.array(bench.binder.labels.data)
        bench.close()
        other = again(bench)
        other.choose_image(begun)
        other.new_object()
        idle(pump, other)
        assert other.binder.labels is labels
        assert other.binder.drawer.object == 3
        assert other.binder.drawer.is_finished(1)
        np.testing.assert_array_equal(labels.data, before)
        other.undo()  # the new object
        other.undo()
        idle(pump, other)
        assert not (labels.data == 2).any()
        assert (labels.data == 1).any()

    def test_clicks_that_were_given_meanwhile_are_answered(self, bench, begun, again, pump):
        points, labels = bench.binder.points, bench.binder.labels
        bench.close()
        points.add((5, 30, 35))
        other = again(bench)
        other.choose_image(begun)
        other.new_object()
        idle(pump, other)
        assert labels.data[5, 30, 35] > 1

    def test_other_channels_or_axes_are_other_work(self, bench, begun, again, pump):
        bench.close()
        other = again(bench)
        other.choose_image(begun)
        other.choose_axes("tyx")
        other.new_object()
        idle(pump, other)
        assert not other.binder.goes_on

    def test_a_second_widget_has_layers_of_its_own(self, bench, begun, again, pump):
        before = np.array(bench.binder.labels.data)
        other, told = again(bench), []
        other.voice.message.connect(told.append)
        other.choose_image(begun)
        other.new_object()
        other.binder.points.add((5, 30, 35))
        idle(pump, other)
        assert other.binder.labels is not bench.binder.labels
        assert other.binder.points is not bench.binder.points
        assert any("another panel" in text for text in told)
        np.testing.assert_array_equal(bench.binder.labels.data, before)


@pytest.mark.usefixtures("begun")
class TestDeleted:
    @pytest.mark.parametrize("which", ["points", "labels"])
    def test_new_object_then_begins_one(self, bench, settle, said, which):
        bench.viewer.layers.remove(getattr(bench.binder, which))
        assert bench.binder is None
        assert "was removed" in said.failures[-1]
        bench.new_object()
        settle()
        assert bench.binder.drawer.object > 1
        bench.binder.points.add((5, 30, 35))
        settle()
        assert bench.binder.labels.data[5, 30, 35] == bench.binder.drawer.object


@pytest.mark.usefixtures("begun")
class TestHidden:
    def test_labels_are_written_and_shown_later(self, bench, settle):
        binder = bench.binder
        binder.labels.visible = False
        bench.viewer.dims.set_point(0, 3)
        binder.points.add((3, 30, 35))
        settle()
        bench.viewer.dims.order = (1, 0, 2)
        binder.points.add((7, 30, 35))
        settle()
        bench.undo()
        bench.redo()
        settle()
        binder.labels.visible = True
        binder.points.add((8, 30, 35))
        settle()
        np.testing.assert_array_equal(binder.labels.data, held(binder))

    def test_points_follow_undo(self, bench, settle):
        binder = bench.binder
        binder.points.add((5, 30, 35))
        binder.points.add((5, 2, 2))
        settle()
        binder.points.selected_data = {1, 2}
        binder.points.visible = False
        bench.viewer.dims.set_point(0, 2)
        bench.undo()
        settle()
        binder.points.visible = True
        bench.viewer.dims.set_point(0, 5)
        assert len(binder.points.data) == 2

    def test_what_cannot_be_written_is_told_and_the_next_answer_drawn(
        self, bench, settle, said, monkeypatch
    ):
        binder, failed = bench.binder, []

        def fail(*_args, **_kwargs):
            failed.append(1)
            raise RuntimeError("no canvas")

        with monkeypatch.context() as patched:
            patched.setattr(type(binder.labels), "data_setitem", fail)
            binder.points.add((5, 30, 35))
            settle()
        assert failed
        assert "could not be drawn" in said.failures[-1]
        binder.points.add((6, 30, 35))
        settle()
        assert binder.labels.data[6, 30, 35] == 2


@pytest.mark.usefixtures("begun")
class TestNumbers:
    def test_beyond_the_layer_s_type_it_grows(self, bench, settle):
        bench.select_object(70_000)
        bench.binder.points.add((5, 30, 35))
        settle()
        assert bench.binder.labels.data[5, 30, 35] == 70_000
        assert (bench.binder.labels.data == 1).any()

    @pytest.mark.parametrize("number", [2**31, 2**40])
    def test_beyond_what_a_session_holds_they_are_told(self, bench, settle, said, number):
        binder = bench.binder
        bench.select_object(number)
        assert "at most 2147483647" in said.failures[-1]
        assert binder.drawer.object == 2
        binder.points.add((5, 30, 35))
        binder.points.features = binder.points.features.assign(object=[1, number])
        assert str(number) in said.failures[-1]
        binder.points.add((6, 30, 35))
        settle()
        assert binder.labels.data[6, 30, 35] == 2

    def test_when_none_is_left_no_object_is_begun(self, bench, said):
        bench.select_object(2**31 - 1)
        bench.binder.points.add((5, 30, 35))
        bench.new_object()
        assert "at most 2147483647" in said.failures[-1]
        assert bench.binder.drawer.object == 2**31 - 1

    def test_labels_on_disk_keep_their_type(self, tmp_path):
        kept = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (4, 4))
        on_disk, in_memory = Labels(kept), Labels(np.zeros((4, 4), np.uint8))
        assert make_room(in_memory, 300)
        assert not make_room(on_disk, 300)
        assert on_disk.data is kept

    def test_another_type_of_the_same_labels_changes_nothing(self, bench, settle, said):
        labels = bench.binder.labels
        labels.data = labels.data.astype(np.uint8)
        assert said.failures == []
        bench.binder.points.add((5, 30, 35))
        settle()
        assert labels.data[5, 30, 35] == 2

    @pytest.mark.parametrize("shape", [(12, 40, 50), (3, 3)])
    def test_other_labels_in_the_layer_end_the_work(self, bench, said, shape):
        bench.binder.labels.data = np.zeros(shape, np.uint16)
        assert bench.binder is None
        assert "was replaced" in said.failures[-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", (3, 0.5, 0.5)),
        ("scale", (-1, 1, 1)),
        ("translate", (5, 6, 7)),
        ("rotate", 20),
        ("shear", (0.1, 0, 0)),
        ("affine", np.diag([2.0, -1.0, 1.0, 1.0])),
        ("units", ("mm", "mm", "mm")),
    ],
)
class TestPlacedLater:
    def test_layers_follow_the_image(self, bench, begun, settle, said, name, value):
        binder = bench.binder
        binder.boxes.shown()
        setattr(begun, name, value)
        for layer in (binder.points, binder.labels, binder.boxes.layer):
            at = (2, 3, 4)
            np.testing.assert_allclose(layer.data_to_world(at), begun.data_to_world(at))
            assert layer.units == begun.units
        assert "labels and clicks follow" in said.messages[-1]
        session = binder.drawer.sessions[0]
        np.testing.assert_allclose(session.volume.spacing, binder.frame.volume().spacing)
        binder.points.add(binder.points.world_to_data(begun.data_to_world((5, 30, 35))))
        settle()
        assert said.failures == []
        assert binder.labels.data[5, 30, 35] == 2

    def test_labels_alone_are_put_back(self, bench, begun, said, name, value):
        labels = bench.binder.labels
        setattr(labels, name, value)
        np.testing.assert_allclose(labels.data_to_world((2, 3, 4)), (2, 3, 4))
        assert labels.units == begun.units
        assert "taken back" in said.messages[-1]


def test_spacing_stays_once_it_was_used(bench, boxes, settle, said, pump):
    image = bench.viewer.add_image(boxes)
    bench.choose_image(image)
    bench.new_object()
    bench.binder.points.add((5, 10, 12))
    settle()
    bench.propagate()
    pump.until(lambda: not bench.is_propagating)
    settle()
    image.scale = (3, 0.5, 0.5)
    assert "keep the spacing" in said.messages[-1]
    assert bench.binder.drawer.sessions[0].volume.spacing == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(bench.binder.labels.scale, (3, 0.5, 0.5))


@pytest.mark.usefixtures("begun")
def test_a_layer_of_more_axes_beside_changes_nothing(bench, settle, boxes):
    bench.viewer.add_image(np.zeros((3, *boxes.shape), np.uint8))
    bench.viewer.dims.set_point(1, 5)
    assert bench.binder.viewed.plane == Plane(0, 5)
    bench.binder.points.add((5, 30, 35))
    settle()
    bench.undo()
    settle()
    np.testing.assert_array_equal(bench.binder.labels.data, held(bench.binder))
    assert bench.binder.plane_number(Plane(0, 5)) == 5


@pytest.mark.parametrize("choose", ["axes", "data"])
def test_the_journal_names_the_image_as_it_is_now(
    bench, begun, tmp_path, pump, settle, choose, boxes
):
    recovery = Recovery(bench, tmp_path)
    bench.voice.changed.emit()
    pump.until(lambda: bench.worker.is_idle and bool(recovery._files))
    before = bench.binder.drawer.journal.lines[0]["image"]
    if choose == "axes":
        bench.choose_axes("tyx")
    else:
        begun.data = 255 - boxes
    bench.new_object()
    bench.binder.points.add((5, 30, 35))
    settle()
    pump.until(lambda: "image" in bench.binder.drawer.journal.lines[0])
    after = bench.binder.drawer.journal.lines[0]["image"]
    if choose == "axes":
        assert (before["shape"], after["shape"]) == ([12, 40, 50], [40, 50])
    assert after["sha256"] != before["sha256"]
    recovery.close()


class TestTurnedAxes:
    """As of a CT that was stored from head to feet, or from left to right."""

    @pytest.fixture
    def turned(self, bench, boxes):
        boxes[5, :10, :10] = 250
        image = bench.viewer.add_image(boxes, scale=(-2, 1, -1), translate=(22, 0, 49))
        bench.choose_image(image)
        bench.viewer.dims.set_point(0, 12)  # index 5
        bench.new_object()
        return bench.binder

    def test_planes_are_counted_as_the_slider_does(self, bench, turned, said, settle):
        assert turned.viewed.plane == Plane(0, 5)
        number = bench.viewer.dims.current_step[0]
        assert number == 6
        turned.points.add((5, 10, 12))
        settle()
        assert said.answers[-1][0] == f"object 1, plane z = {number}"
        assert turned.plane_at(0, number) == Plane(0, 5)

    @pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
    def test_the_model_s_picture_lies_as_the_canvas_does(self, bench, turned, pump, settle, order):
        turned.points.add((5, 10, 12))
        settle()
        bench.viewer.dims.order = order
        looking, shown = Looking(bench, pump.post), []
        looking.picture(shown.append)
        pump.until(lambda: bool(shown))
        picture = shown[0]
        # bright on rows 0 to 9 and columns 0 to 9, and columns run to the left
        corner = picture[:10, -10:] if order == (0, 1, 2) else picture[-10:, :10]
        assert corner.min() > 200
        assert picture.shape[:2] == ((40, 50) if order == (0, 1, 2) else (50, 40))
        looking.close()
