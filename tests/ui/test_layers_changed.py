"""Layers are hidden, moved, deleted, replaced or made for another image: no click is lost."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.object_actions import accept
from napari_intseg.ui.controllers.view_settings import ViewSettings
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import make_room
from napari_intseg.ui.storage.recovery import Recovery


@pytest.fixture
def begun(controller, boxes, settle):
    """Work on a volume with an accepted object; returns its image layer."""
    image = controller.viewer.add_image(boxes, name="ct")
    controller.choose_image(image)
    controller.new_object()
    controller.image_controller.points.add((5, 10, 12))
    settle()
    accept(controller)
    return image


@pytest.fixture
def again(toy, pump):
    """Return a viewer controller on the same viewer, as when the dock is opened again or twice."""
    made = []

    def make(controller):
        one = ViewerController(controller.viewer, pump.post, load_with=lambda *_: toy)
        one.loader.choose(one.loader.choice)
        pump.until(lambda: one.loader.model is toy)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def idle(pump, controller):
    pump.until(lambda: controller.worker.is_idle and controller.image_controller.is_idle)


def held(image_controller):
    """Return what the sessions hold; what the layer shows of them shall be the same."""
    return image_controller.session_store.sessions[0].labels


class TestNextImage:
    def test_of_the_same_name_it_gets_layers_of_its_own(self, controller, begun, boxes, settle):
        first, before = (
            controller.image_controller.labels,
            np.array(controller.image_controller.labels.data),
        )
        controller.viewer.layers.remove(begun)
        second = controller.viewer.add_image(boxes[::-1].copy(), name="ct")
        controller.choose_image(second)
        controller.new_object()
        settle()
        assert controller.image_controller.labels is not first
        assert len(controller.image_controller.points.data) == 0
        controller.image_controller.points.add((6, 10, 12))
        settle()
        np.testing.assert_array_equal(first.data, before)
        assert (controller.image_controller.labels.data == 1).any()

    def test_renamed_it_is_still_the_same(self, controller, begun):
        labels = controller.image_controller.labels
        begun.name, labels.name = "other", "mine"
        controller.viewer.layers.remove(controller.image_controller.points)
        controller.new_object()
        assert controller.image_controller.labels is labels

    @pytest.mark.parametrize("axes", [2, 3, 4])
    def test_put_into_the_same_layer_it_is_not_segmented_with_the_last_one_s_clicks(
        self, controller, begun, boxes, settle, said, axes
    ):
        first, before = (
            controller.image_controller.labels,
            np.array(controller.image_controller.labels.data),
        )
        begun.data = {2: boxes[5], 3: boxes + 1, 4: np.stack([boxes] * 7)}[axes]
        assert "was replaced" in said.failures[-1]
        controller.new_object()
        assert len(controller.axes) == axes
        assert len(controller.image_controller.points.data) == 0
        at = (5, 10, 12)[3 - min(axes, 3) :]
        controller.image_controller.points.add((0, *at) if axes == 4 else at)
        settle()
        assert controller.image_controller.labels.data.any()
        np.testing.assert_array_equal(first.data, before)

    def test_of_too_many_axes_is_told(self, controller, begun, boxes, said):
        begun.data = np.zeros((2, 2, 2, *boxes.shape), np.uint8)
        controller.new_object()
        assert "Split the layer first" in said.failures[-1]

    @pytest.mark.parametrize("axes", [2, 4])
    def test_of_other_axes_nothing_is_asked_of_it_before_work_has_ended(
        self, controller, begun, boxes, said, axes
    ):
        asked = []  # napari tells of the viewer's axes first, and of the data after that
        controller.signals.changed.connect(
            lambda: asked.append(
                controller.image_controller is None
                or controller.image_controller.image_axes.volume()
            )
        )
        shown = []
        for event in (controller.viewer.dims.events.ndim, controller.viewer.dims.events.order):
            event.connect(
                lambda: shown.append(
                    controller.image_controller is None
                    or isinstance(controller.image_controller.displayed_slice, str)
                )
            )
        begun.data = np.zeros((3, *boxes.shape) if axes == 4 else boxes.shape[1:], np.uint8)
        assert asked
        assert shown or axes == 2  # the other layers keep the viewer at three
        assert all(shown)
        assert controller.image_controller is None
        assert "was replaced" in said.failures[-1]

    @pytest.mark.parametrize("axes", [2, 4])
    def test_of_other_axes_while_a_propagation_runs_it_is_told(
        self, controller, begun, boxes, settle, said, pump, toy, axes
    ):
        controller.image_controller.points.add((5, 30, 35))
        settle()
        heard = []  # what is shown while work ends, as a panel asks
        controller.signals.progressed.connect(
            lambda *_: heard.append(
                controller.image_controller is None or controller.image_controller.displayed_slice
            )
        )
        toy.gate.clear()
        controller.propagate()
        assert controller.is_propagating
        begun.data = np.zeros((3, *boxes.shape) if axes == 4 else boxes.shape[1:], np.uint8)
        toy.gate.set()
        assert heard
        assert controller.image_controller is None
        assert "was replaced" in said.failures[-1]
        pump.until(lambda: controller.worker.is_idle)


class TestDockOpenedAgain:
    def test_goes_on_with_locks_history_and_a_new_object(
        self, controller, begun, settle, again, pump
    ):
        controller.image_controller.points.add((5, 30, 35))
        settle()
        labels, before = (
            controller.image_controller.labels,
            np.array(controller.image_controller.labels.data),
        )
        controller.close()
        other = again(controller)
        other.choose_image(begun)
        other.new_object()
        idle(pump, other)
        assert other.image_controller.labels is labels
        assert other.image_controller.session_store.object == 3
        assert other.image_controller.session_store.is_finished(1)
        np.testing.assert_array_equal(labels.data, before)
        other.undo()  # the new object
        other.undo()
        idle(pump, other)
        assert not (labels.data == 2).any()
        assert (labels.data == 1).any()

    def test_clicks_that_were_given_meanwhile_are_answered(self, controller, begun, again, pump):
        points, labels = controller.image_controller.points, controller.image_controller.labels
        controller.close()
        points.add((5, 30, 35))
        other = again(controller)
        other.choose_image(begun)
        other.new_object()
        idle(pump, other)
        assert labels.data[5, 30, 35] > 1

    def test_other_channels_or_axes_are_other_work(self, controller, begun, again, pump):
        controller.close()
        other = again(controller)
        other.choose_image(begun)
        other.choose_axes("tyx")
        other.new_object()
        idle(pump, other)
        assert not other.image_controller.goes_on

    def test_a_second_widget_has_layers_of_its_own(self, controller, begun, again, pump):
        before = np.array(controller.image_controller.labels.data)
        other, told = again(controller), []
        other.signals.message.connect(told.append)
        other.choose_image(begun)
        other.new_object()
        other.image_controller.points.add((5, 30, 35))
        idle(pump, other)
        assert other.image_controller.labels is not controller.image_controller.labels
        assert other.image_controller.points is not controller.image_controller.points
        assert any("another panel" in text for text in told)
        np.testing.assert_array_equal(controller.image_controller.labels.data, before)


@pytest.mark.usefixtures("begun")
class TestDeleted:
    @pytest.mark.parametrize("which", ["points", "labels"])
    def test_new_object_then_begins_one(self, controller, settle, said, which):
        controller.viewer.layers.remove(getattr(controller.image_controller, which))
        assert controller.image_controller is None
        assert "was removed" in said.failures[-1]
        controller.new_object()
        settle()
        assert controller.image_controller.session_store.object > 1
        controller.image_controller.points.add((5, 30, 35))
        settle()
        assert (
            controller.image_controller.labels.data[5, 30, 35]
            == controller.image_controller.session_store.object
        )


@pytest.mark.usefixtures("begun")
class TestHidden:
    def test_labels_are_written_and_shown_later(self, controller, settle):
        image_controller = controller.image_controller
        image_controller.labels.visible = False
        controller.viewer.dims.set_point(0, 3)
        image_controller.points.add((3, 30, 35))
        settle()
        controller.viewer.dims.order = (1, 0, 2)
        image_controller.points.add((7, 30, 35))
        settle()
        controller.undo()
        controller.redo()
        settle()
        image_controller.labels.visible = True
        image_controller.points.add((8, 30, 35))
        settle()
        np.testing.assert_array_equal(image_controller.labels.data, held(image_controller))

    def test_points_follow_undo(self, controller, settle):
        image_controller = controller.image_controller
        image_controller.points.add((5, 30, 35))
        image_controller.points.add((5, 2, 2))
        settle()
        image_controller.points.selected_data = {1, 2}
        image_controller.points.visible = False
        controller.viewer.dims.set_point(0, 2)
        controller.undo()
        settle()
        image_controller.points.visible = True
        controller.viewer.dims.set_point(0, 5)
        assert len(image_controller.points.data) == 2

    def test_what_cannot_be_written_is_told_and_the_next_answer_drawn(
        self, controller, settle, said, monkeypatch
    ):
        image_controller, failed = controller.image_controller, []

        def fail(*_args, **_kwargs):
            failed.append(1)
            raise RuntimeError("no canvas")

        with monkeypatch.context() as patched:
            patched.setattr(type(image_controller.labels), "data_setitem", fail)
            image_controller.points.add((5, 30, 35))
            settle()
        assert failed
        assert "could not be drawn" in said.failures[-1]
        image_controller.points.add((6, 30, 35))
        settle()
        assert image_controller.labels.data[6, 30, 35] == 2


@pytest.mark.usefixtures("begun")
class TestNumbers:
    def test_beyond_the_layer_s_type_it_grows(self, controller, settle):
        controller.select_object(70_000)
        controller.image_controller.points.add((5, 30, 35))
        settle()
        assert controller.image_controller.labels.data[5, 30, 35] == 70_000
        assert (controller.image_controller.labels.data == 1).any()

    @pytest.mark.parametrize("number", [2**31, 2**40])
    def test_beyond_what_a_session_holds_they_are_told(self, controller, settle, said, number):
        image_controller = controller.image_controller
        controller.select_object(number)
        assert "at most 2147483647" in said.failures[-1]
        assert image_controller.session_store.object == 2
        image_controller.points.add((5, 30, 35))
        image_controller.points.features = image_controller.points.features.assign(
            object=[1, number]
        )
        assert str(number) in said.failures[-1]
        image_controller.points.add((6, 30, 35))
        settle()
        assert image_controller.labels.data[6, 30, 35] == 2

    def test_when_none_is_left_no_object_is_begun(self, controller, said):
        points = controller.image_controller.points
        points.add((6, 30, 35))  # else the object that *Accept* began would be taken
        controller.select_object(2**31 - 1)
        points.add((5, 30, 35))
        controller.new_object()
        assert "at most 2147483647" in said.failures[-1]
        assert controller.image_controller.session_store.object == 2**31 - 1

    def test_labels_on_disk_keep_their_type(self, tmp_path):
        kept = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (4, 4))
        on_disk, in_memory = Labels(kept), Labels(np.zeros((4, 4), np.uint8))
        assert make_room(in_memory, 300)
        assert not make_room(on_disk, 300)
        assert on_disk.data is kept

    def test_another_type_of_the_same_labels_changes_nothing(self, controller, settle, said):
        labels = controller.image_controller.labels
        labels.data = labels.data.astype(np.uint8)
        assert said.failures == []
        controller.image_controller.points.add((5, 30, 35))
        settle()
        assert labels.data[5, 30, 35] == 2

    @pytest.mark.parametrize("shape", [(12, 40, 50), (3, 3)])
    def test_other_labels_in_the_layer_end_the_work(self, controller, said, shape):
        controller.image_controller.labels.data = np.zeros(shape, np.uint16)
        assert controller.image_controller is None
        assert "was replaced" in said.failures[-1]

    def test_other_labels_in_the_layer_are_not_gone_on_with_as_the_session_s(
        self, controller, settle
    ):
        labels = controller.image_controller.labels
        labels.data_setitem(tuple(np.array([[5], [30], [35]])), 2)
        other = np.zeros_like(labels.data)
        other[0, 0, :3] = 7
        labels.data = other
        controller.new_object()
        settle()
        image_controller = controller.image_controller
        assert image_controller.labels is labels
        assert not image_controller.goes_on
        own = np.where(labels.data == 7, 0, labels.data)
        np.testing.assert_array_equal(own, held(image_controller))
        assert (labels.data[0, 0, :3] == 7).all()

    def test_the_same_labels_put_back_are_gone_on_with(self, controller, settle):
        labels = controller.image_controller.labels
        mine, before = labels.data, held(controller.image_controller).copy()
        labels.data = np.zeros_like(mine)
        labels.data = mine
        controller.new_object()
        settle()
        assert controller.image_controller.goes_on
        np.testing.assert_array_equal(held(controller.image_controller), before)
        np.testing.assert_array_equal(labels.data, before)


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
    def test_layers_follow_the_image(self, controller, begun, settle, said, name, value):
        image_controller = controller.image_controller
        image_controller.boxes.shown()
        setattr(begun, name, value)
        for layer in (
            image_controller.points,
            image_controller.labels,
            image_controller.boxes.layer,
        ):
            at = (2, 3, 4)
            np.testing.assert_allclose(layer.data_to_world(at), begun.data_to_world(at))
            assert layer.units == begun.units
        assert "labels and clicks follow" in said.messages[-1]
        session = image_controller.session_store.sessions[0]
        np.testing.assert_allclose(
            session.volume.spacing, image_controller.image_axes.volume().spacing
        )
        image_controller.points.add(
            image_controller.points.world_to_data(begun.data_to_world((5, 30, 35)))
        )
        settle()
        assert said.failures == []
        assert image_controller.labels.data[5, 30, 35] == 2

    def test_labels_alone_are_put_back(self, controller, begun, said, name, value):
        labels = controller.image_controller.labels
        setattr(labels, name, value)
        np.testing.assert_allclose(labels.data_to_world((2, 3, 4)), (2, 3, 4))
        assert labels.units == begun.units
        assert "taken back" in said.messages[-1]


def test_spacing_stays_once_it_was_used(controller, boxes, settle, said, pump):
    image = controller.viewer.add_image(boxes)
    controller.choose_image(image)
    controller.new_object()
    controller.image_controller.points.add((5, 10, 12))
    settle()
    controller.propagate()
    pump.until(lambda: not controller.is_propagating)
    settle()
    image.scale = (3, 0.5, 0.5)
    assert "keep the spacing" in said.messages[-1]
    assert controller.image_controller.session_store.sessions[0].volume.spacing == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(controller.image_controller.labels.scale, (3, 0.5, 0.5))


@pytest.mark.usefixtures("begun")
def test_a_layer_of_more_axes_beside_changes_nothing(controller, settle, boxes):
    controller.viewer.add_image(np.zeros((3, *boxes.shape), np.uint8))
    controller.viewer.dims.set_point(1, 5)
    assert controller.image_controller.displayed_slice.plane == Plane(0, 5)
    controller.image_controller.points.add((5, 30, 35))
    settle()
    controller.undo()
    settle()
    np.testing.assert_array_equal(
        controller.image_controller.labels.data, held(controller.image_controller)
    )
    assert controller.image_controller.plane_number(Plane(0, 5)) == 5


@pytest.mark.parametrize("choose", ["axes", "data"])
def test_the_journal_names_the_image_as_it_is_now(
    controller, begun, tmp_path, pump, settle, choose, boxes
):
    recovery = Recovery(controller, tmp_path)
    controller.signals.changed.emit()
    pump.until(lambda: controller.worker.is_idle and bool(recovery._files))
    before = controller.image_controller.session_store.journal.lines[0]["image"]
    if choose == "axes":
        controller.choose_axes("tyx")
    else:
        begun.data = 255 - boxes
    controller.new_object()
    controller.image_controller.points.add((5, 30, 35))
    settle()
    pump.until(lambda: "image" in controller.image_controller.session_store.journal.lines[0])
    after = controller.image_controller.session_store.journal.lines[0]["image"]
    if choose == "axes":
        assert (before["shape"], after["shape"]) == ([12, 40, 50], [40, 50])
    assert after["sha256"] != before["sha256"]
    recovery.close()


class TestTurnedAxes:
    """As of a CT that was stored from head to feet, or from left to right."""

    @pytest.fixture
    def turned(self, controller, boxes):
        boxes[5, :10, :10] = 250
        image = controller.viewer.add_image(boxes, scale=(-2, 1, -1), translate=(22, 0, 49))
        controller.choose_image(image)
        controller.viewer.dims.set_point(0, 12)  # index 5
        controller.new_object()
        return controller.image_controller

    def test_planes_are_counted_as_the_slider_does(self, controller, turned, said, settle):
        assert turned.displayed_slice.plane == Plane(0, 5)
        number = controller.viewer.dims.current_step[0]
        assert number == 6
        turned.points.add((5, 10, 12))
        settle()
        assert said.answers[-1][0] == f"object 1, plane z = {number}"
        assert turned.plane_at(0, number) == Plane(0, 5)

    @pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
    def test_the_model_s_picture_lies_as_the_canvas_does(
        self, controller, turned, pump, settle, order
    ):
        turned.points.add((5, 10, 12))
        settle()
        controller.viewer.dims.order = order
        view_settings, shown = ViewSettings(controller, pump.post), []
        view_settings.picture(shown.append)
        pump.until(lambda: bool(shown))
        picture = shown[0]
        # bright on rows 0 to 9 and columns 0 to 9, and columns run to the left
        corner = picture[:10, -10:] if order == (0, 1, 2) else picture[-10:, :10]
        assert corner.min() > 200
        assert picture.shape[:2] == ((40, 50) if order == (0, 1, 2) else (50, 40))
        view_settings.close()
