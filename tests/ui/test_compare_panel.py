"""The comparison in a real window: two models, mouse clicks, and what the panel says."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QImage
from qtpy.QtTest import QTest

from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Traits
from napari_intseg.core.volume import Plane
from napari_intseg.ui.compare.controller import NAME, Comparison
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.compare_panel import Curve, Plot
from napari_intseg.ui.qt.worker_thread import GuiThread
from real_window import THREAD, Window, breathe, turn

pytestmark = pytest.mark.gui


class Compared(Window):
    """A viewer with the widget, the bundled network and the random walker beside it."""

    def __init__(self, viewer, image):
        self.image = viewer.add_image(image, name="cell")
        super().__init__(viewer)
        self.comparison, self.panel = self.widget.comparison, self.widget.compare_panel
        self.choose("random-walker")
        self.widget.action_panel.new.click()
        breathe()

    def choose(self, name):
        self.panel.model.setCurrentIndex(self.panel.model.findData(name))
        turn(lambda: not self.comparison.loader.is_loading)

    @property
    def is_idle(self):
        return super().is_idle and self.comparison.is_idle

    def settle(self, timeout_s=240.0):
        super().settle(timeout_s)
        breathe()

    @property
    def told(self):
        return self.panel.numbers.text()


@pytest.fixture
def picture():
    """A bright disc with a less bright half on a dark ground, uint8 (120, 140)."""
    rows, cols = np.indices((120, 140))
    disc = np.hypot(rows - 60, cols - 70) < 28
    noise = np.random.default_rng(0).normal(0, 6, disc.shape)
    values = np.where(disc, np.where(cols > 70, 200, 150), 40) + noise
    return np.clip(values, 0, 255).astype(np.uint8)


@pytest.fixture
def window(shared_viewer, picture):
    made = Compared(shared_viewer, picture)
    yield made
    made.close()


def test_clicks_go_to_both_models_and_the_panel_tells(window):
    assert window.panel.inside.isHidden() or window.comparison.state is not None
    window.click((60, 85))
    window.click((10, 10), Qt.MouseButton.RightButton)
    window.settle()
    state = window.comparison.state
    assert state.names == ("bundled", "random-walker")
    assert f"IoU <b>{state.compared.overlap.iou:.3f}</b>" in window.told
    assert f"Dice <b>{state.compared.overlap.dice:.3f}</b>" in window.told
    assert f"<b>{state.compared.overlap.disagreeing:,}</b> px differ" in window.told
    assert f"only A, bundled: {state.compared.overlap.only_a:,} px" in window.told
    assert window.told.count("answered in") == 2
    first = window.controller.image_controller.labels.data > 0
    second = window.comparison.pair.labels.data > 0
    assert state.compared.overlap.both == np.count_nonzero(first & second)
    assert state.compared.overlap.disagreeing == np.count_nonzero(first ^ second)
    assert window.panel.clicks.limits()[:2] == (1, 2)
    assert not window.panel.clicks.isHidden()
    assert window.panel.planes.isHidden(), "one plane has no curve over planes"
    assert {"cell labels", "cell random-walker", "cell agreement"} <= {
        layer.name for layer in window.viewer.layers
    }


def test_a_truth_is_measured_and_drawn_as_curves(window, picture):
    truth = (picture > 100).astype(np.uint8)
    layer = window.viewer.add_labels(truth, name="truth")
    window.viewer.layers.selection.active = window.controller.image_controller.points
    window.click((60, 85))
    window.settle()
    window.panel.truth.setCurrentIndex(window.panel.truth.findText("truth"))
    window.settle()
    assert window.comparison.truth is layer
    for value in window.comparison.state.compared.truth:
        assert f"IoU with the truth <b>{value:.3f}</b>" in window.told
    names = [s.name for s in window.panel.clicks.series]
    assert names == ["A and B", "bundled and truth", "random-walker and truth"]


def test_the_buttons_keep_hand_over_and_undo(window):
    window.click((60, 85))
    window.settle()
    first = window.controller.image_controller.labels.data.copy()
    second = window.comparison.pair.labels.data > 0
    window.panel.keep["B"].click()
    window.settle()
    np.testing.assert_array_equal(window.controller.image_controller.labels.data > 0, second)
    assert "<b>0</b> px differ" in window.told
    window.press(Qt.Key.Key_U)
    window.settle()
    np.testing.assert_array_equal(window.controller.image_controller.labels.data, first)
    window.panel.swap.click()
    window.settle()
    assert window.widget.model_panel.model.currentData() == "random-walker"
    assert window.panel.model.currentData() == "bundled"
    np.testing.assert_array_equal(window.controller.image_controller.labels.data, first)
    window.click((60, 60))
    window.settle()
    assert window.comparison.state.names == ("random-walker", "bundled")
    assert not window.widget.status_panel.error


def test_the_key_marks_the_next_click(window):
    window.click((60, 85))
    window.settle()
    if not window.comparison.state.compared.overlap.disagreeing:
        pytest.fail("the two models should differ on this picture")
    window.press(Qt.Key.Key_H)
    turn(lambda: NAME in window.viewer.layers)
    ((row, col),) = window.viewer.layers[NAME].data
    assert window.comparison.pair.agreement.data[int(row), int(col)] > 1
    assert "yellow ring" in window.widget.status_panel.message
    window.click((row, col))
    window.settle()
    assert NAME not in window.viewer.layers
    assert len(window.controller.image_controller.points.data) == 2


def test_disagreement_over_planes_is_drawn_and_a_click_goes_there(shared_viewer, picture):
    volume = np.stack([picture] * 9)
    window = Compared(shared_viewer, volume)
    for plane in (1, 3):
        window.viewer.dims.set_point(0, plane)
        window.click((60, 85 if plane == 1 else 60))
        window.settle()
    plot = window.panel.planes
    assert not plot.isHidden()
    assert [x for x, _ in plot.series[0].points] == [1, 3]
    assert plot.mark == 3
    window.panel.worst.click()
    breathe()
    counts = dict(window.comparison.state.planes)
    assert counts[Plane(0, window.viewer.dims.current_step[0])] == max(counts.values())
    for x, plane in ((plot.width() - 9, 3), (41, 1)):
        QTest.mouseClick(plot, Qt.MouseButton.LeftButton, pos=QPoint(x, 40))
        breathe()
        assert window.viewer.dims.current_step[0] == plane
    window.panel.everywhere.setChecked(True)
    window.panel.keep["either"].click()
    window.settle()
    assert sum(count for _, count in window.comparison.state.planes) == 0
    window.widget.close()


@pytest.mark.parametrize("closed", ["widget", "viewer"])
def test_ending_in_the_middle_leaves_no_error(make_napari_viewer, picture, closed):
    window = Compared(make_napari_viewer(show=True), picture)
    window.controller.image_controller.points.add((60, 85))
    turn(lambda: window.comparison.pair is not None)
    if closed == "widget":
        window.viewer.layers.remove(window.comparison.pair.labels)
        window.settle()
        assert window.panel.model.currentIndex() == 0
        window.choose("random-walker")
        turn(lambda: window.comparison.pair is not None)
        window.panel.model.setCurrentIndex(0)
        window.settle()
        assert window.panel.inside.isHidden()
        window.choose("random-walker")
        turn(lambda: window.comparison.pair is not None)
        assert not window.widget.status_panel.error
        window.widget.close()
    else:
        window.viewer.close()
    breathe(0.2)
    assert THREAD not in {t.name for t in threading.enumerate()}


class TestPlot:
    def make(self, qtbot, **options):
        plot = Plot("IoU", **options)
        qtbot.addWidget(plot)
        plot.resize(300, 112)
        return plot

    def colours(self, plot):
        image = plot.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        return {
            image.pixelColor(x, y).name()
            for x in range(image.width())
            for y in range(image.height())
        }

    def test_each_curve_has_its_colour(self, qtbot):
        plot = self.make(qtbot, fraction=True)
        assert not {"#ff0000", "#0000ff"} & self.colours(plot)
        plot.set_series(
            [
                Curve("a", "#ff0000", ((1, 0.2), (2, 0.9))),
                Curve("b", "#0000ff", ((1, 0.9), (2, 0.3)), dashed=True),
                Curve("nothing", "#00ff00", ()),
            ]
        )
        found = self.colours(plot)
        assert {"#ff0000", "#0000ff"} <= found
        assert "#00ff00" not in found
        assert plot.limits() == (1, 2, 0.2, 1.0)

    def test_values_show_under_the_mouse(self, qtbot):
        plot = self.make(qtbot, fraction=True)
        assert plot.told_at(100) == ""
        plot.set_series([Curve("a", "red", ((1, 0.25), (2, 1.0))), Curve("b", "blue", ((2, 0.5),))])
        assert plot.told_at(291) == "2\na: 1.000\nb: 0.500"
        assert plot.told_at(40) == "1\na: 0.250"
        assert plot.told_at(160) == ""

    def test_counts_begin_at_nothing_and_one_point_is_in_the_middle(self, qtbot):
        picked = []
        plot = self.make(qtbot, on_pick=picked.append)
        plot.set_series([Curve("pixels", "red", ((7.0, 4200.0),))], 7)
        assert plot.limits() == (6.5, 7.5, 0.0, 4200.0)
        self.colours(plot)
        QTest.mouseClick(plot, Qt.MouseButton.LeftButton, pos=QPoint(60, 50))
        assert picked == [7]
        assert plot.minimumHeight() == plot.maximumHeight() > 100


def test_a_sam_is_compared_with_the_bundled_network(shared_viewer, picture, monkeypatch):
    """Random weights: what it answers is of no interest, that it answers is."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers", reason="needs the extra 'sam'")
    from napari_intseg.models import registry
    from napari_intseg.models.model_table import CLICKS_BOX_MASK, ModelSpec
    from napari_intseg.models.sam.mask_decoder import PromptedNet
    from napari_intseg.models.sam.sam import SamSegmenter, TinyEncoder

    def make(name, _weights, **_options):
        torch.manual_seed(0)
        net = PromptedNet(TinyEncoder())
        net.eval().requires_grad_(False)
        net.finish()
        return SamSegmenter(net, name, device="cpu")

    monkeypatch.setattr("napari_intseg.testing.make_sam", make, raising=False)
    spec = ModelSpec("napari_intseg.testing:make_sam", "A SAM", "sam", CLICKS_BOX_MASK)
    monkeypatch.setitem(registry.MODELS, "random-sam", spec)
    window = Compared(shared_viewer, picture)
    window.choose("random-sam")
    window.click((60, 85))
    window.click((10, 10), Qt.MouseButton.RightButton)
    window.settle()
    state = window.comparison.state
    assert state.names == ("bundled", "random-sam")
    assert all(seconds > 0 for seconds in state.compared.seconds)
    assert [m.clicks for m in state.compared.moments] == [1, 2]
    assert "only B, random-sam" in window.told
    assert not window.widget.status_panel.error
    window.widget.close()


class Whole:
    """Answers with what is brighter than half, less the left of it if it is asked to."""

    def __init__(self, name, cut=0):
        self.traits, self._cut = Traits(name, prompts=CLICKS | {"mask"}), cut

    def prepare(self, image):
        return Prepared(image.shape[:2], image.mean(axis=2), image.nbytes)

    def predict(self, query):
        inside = query.prepared.payload > 0.5
        inside[:, : self._cut] = False
        return Answer(np.where(inside, 8, -8).astype(np.float32))


@pytest.fixture
def deep(shared_viewer, monkeypatch):
    """Twelve planes, propagated by two models that differ on all of them."""
    models = {"bundled": Whole("whole"), "random-walker": Whole("cut", cut=15)}
    for kind in (ViewerController, Comparison):
        monkeypatch.setitem(
            kind.__init__.__kwdefaults__, "load_with", lambda choice, *_: models[choice.name]
        )
    volume = np.zeros((12, 24, 30), np.uint8)
    volume[:, 6:18, 8:22] = 200
    window = Compared(shared_viewer, volume)
    window.viewer.dims.set_point(0, 6)
    window.click((12, 18))
    window.settle()
    window.widget.action_panel.propagate.click()
    window.settle(600)
    assert len(window.comparison.state.planes) == 12
    yield window
    window.widget.close()


@pytest.mark.slow
def test_many_planes_are_kept_one_in_each_turn_of_the_event_loop(deep, monkeypatch):
    panel, session = deep.panel, deep.controller.image_controller.session_store.sessions[0]
    before, steps = (
        deep.controller.image_controller.labels.data.copy(),
        len(session.document.history),
    )
    keep, call, kept, turns = session.set_initial, GuiThread._call, [], []

    def set_initial(masks, *args):
        kept.append(len(masks))
        return keep(masks, *args)

    def counted(bridge, posted):  # each plane ends with posting the next
        turns.append(len(kept))
        call(bridge, posted)

    monkeypatch.setattr(session, "set_initial", set_initial)
    monkeypatch.setattr(GuiThread, "_call", counted)
    panel.everywhere.setChecked(True)
    panel.keep["B"].click()
    assert not kept, "nothing is done in the turn of the button"
    assert not deep.widget.status_panel.cancel.isHidden()
    assert not panel.keep["A"].isEnabled()
    deep.settle(600)
    assert kept == [1] * 12
    assert max(np.diff(turns)) == 1
    assert deep.widget.status_panel.cancel.isHidden()
    assert deep.widget.status_panel.bar.isHidden()
    expected = np.where(np.arange(30) >= 15, before, 0)
    np.testing.assert_array_equal(deep.controller.image_controller.labels.data, expected)
    assert len(session.document.history) == steps + 1
    deep.widget.action_panel.undo.click()
    deep.settle(600)
    np.testing.assert_array_equal(deep.controller.image_controller.labels.data, before)
