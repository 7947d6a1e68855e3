"""Controls of what the model sees, in the panel: ranges a channel, tiles, units, the preview."""

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.intensity import PerChannel, resolve_intensity
from napari_intseg.inference.tiling import Tiles
from napari_intseg.ui.controllers.review import Review
from napari_intseg.ui.controllers.view_settings import ViewSettings
from napari_intseg.ui.layers.image_axes import displayed_mix
from napari_intseg.ui.panels.controls import Buttons
from napari_intseg.ui.panels.image_panel import ImagePanel
from napari_intseg.ui.panels.look_panel import CHANNELS
from napari_intseg.ui.panels.review_panel import ReviewPanel
from napari_intseg.ui.qt.keybindings import ACTIONS, Keys

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(controller, qtbot):
    made = ImagePanel(controller, ViewSettings(controller, controller.post))
    qtbot.addWidget(made)
    yield made
    made.close_panel()


@pytest.fixture
def two(squares):
    """The squares in the first of two channels, 12 bit; something else in the second."""
    return np.stack([squares.astype(np.uint16) * 10, np.full_like(squares, 7).astype(np.uint16)])


def begin(controller, panel, data, **options):
    controller.viewer.add_image(data, **options)
    panel._image_chosen(0)
    controller.new_object()
    return controller.image_controller


def choose(box, what):
    box.setCurrentIndex(next(i for i in range(box.count()) if box.itemData(i) == what))


def test_each_channel_has_a_range_and_it_is_undone(controller, panel, settle, pump, two):
    controller.viewer.add_image(two)
    controller.choose_axes("cyx")
    controller.new_object()
    image_controller = controller.image_controller
    image_controller.points.add((20, 20))
    settle()
    answered = image_controller.labels.data.copy()
    before = image_controller.session_store.sessions[0].setup
    choose(panel.contrast, CHANNELS)
    pump.until(lambda: len(panel.look.ranges.rows) == 2)
    low, high = panel.look.ranges.rows[0]
    assert (low.value(), high.value()) == (
        before.options.intensity.low[0],
        before.options.intensity.high[0],
    )
    assert low.toolTip()
    for row, pair in zip(panel.look.ranges.rows, ((-90_000, 90_000), (0, 14)), strict=True):
        for box, value in zip(row, pair, strict=True):
            box.setValue(value)
    settle()
    setup = image_controller.session_store.sessions[0].setup
    assert setup.window == PerChannel(((-90_000, 90_000), (0, 14)))
    assert (setup.options.intensity.low, setup.options.intensity.high) == (
        (-90_000, 0),
        (90_000, 14),
    )
    assert (image_controller.labels.data != answered).any()  # all is the same grey now
    for _ in range(4):
        if image_controller.session_store.sessions[0].setup is not before:
            controller.undo()
            settle()
    np.testing.assert_array_equal(image_controller.labels.data, answered)
    controller.choose_channels((0,))  # two ranges do not fit one channel
    settle()
    assert controller.image_controller.session_store.session(0, 1, make=True).window is None


def test_tiles_are_a_choice_a_step_of_undo_and_a_line_of_the_journal(
    controller, panel, settle, toy, squares
):
    large = np.kron(squares, np.ones((30, 30), np.uint8))  # the square has 600 pixels a side
    image_controller = begin(controller, panel, large)
    image_controller.points.add((600, 600))
    settle()
    assert not panel.look.tiles.isChecked()
    assert "larger than the model's view" in panel.look.tiles.toolTip()
    controller.signals.changed.emit()
    asked = len(toy.queries)
    panel.look.tiles.setChecked(True)
    settle()
    session = image_controller.session_store.sessions[0]
    assert session.setup.tiles == Tiles()
    assert len(toy.queries) > asked
    assert any(
        '"Tiles"' in str(line).replace("'", '"')
        for line in image_controller.session_store.journal.lines
    )
    controller.undo()
    settle()
    controller.signals.changed.emit()
    assert session.setup.tiles is None
    assert not panel.look.tiles.isChecked()


def test_the_preview_is_on_and_made_beside_the_clicks(
    controller, panel, settle, pump, toy, squares
):
    image_controller = begin(controller, panel, squares)
    image_controller.points.add((20, 20))
    settle()
    assert panel.preview.shown.isChecked()
    pump.until(lambda: panel.preview.picture.pixmap() and not panel.preview.picture.isHidden())
    picture = panel.preview.picture.pixmap().toImage()
    assert (picture.width(), picture.height()) == (80, 60)
    assert picture.pixelColor(20, 20).red() == 200
    assert len(toy.queries) == 1  # nobody asks the model for it
    panel.preview.shown.setChecked(False)
    QApplication.processEvents()
    assert panel.preview.picture.isHidden()


@pytest.fixture
def review_panel(controller, qtbot):
    calls = {action.name: controller.cancel for action in ACTIONS}
    keys, review = Keys(controller.viewer, calls), Review(controller)
    made = ReviewPanel(controller, review, Buttons(calls, keys))
    qtbot.addWidget(made)
    yield made
    keys.close()


def test_the_plane_that_a_key_went_to_is_marked_in_the_list(
    controller, review_panel, settle, pump, boxes
):
    boxes[7, 8:20, 10:14] = 0
    controller.choose_image(controller.viewer.add_image(boxes, scale=(3, 1, 1)))
    controller.new_object()
    controller.image_controller.points.add((4, 12, 20))
    settle()
    controller.propagate()
    pump.until(lambda: not controller.is_propagating)
    settle()
    controller.signals.changed.emit()
    assert review_panel.list.currentRow() == -1
    for row in range(2):
        plane = review_panel.review.next()
        assert review_panel.list.currentRow() == row
        assert f"= {plane.index}:" in review_panel.list.currentItem().text()
    controller.image_controller.points.add((plane.index, 12, 20))  # corrected: it is an anchor now
    settle()
    controller.signals.changed.emit()
    texts = [review_panel.list.item(i).text() for i in range(review_panel.list.count())]
    assert not any(f"= {plane.index}:" in text for text in texts)
    assert review_panel.list.currentRow() == -1


@pytest.mark.parametrize(
    ("unit", "scale", "suffix", "shown", "mm"),
    [
        ("mm", (3, 1, 1), " mm", 3, 3),
        ("um", (2, 0.5, 0.5), " µm", 2, 0.002),
        ("pixel", (1, 1, 1), " px", 1, 1),
    ],
)
def test_lengths_are_in_the_unit_of_the_image(
    controller, review_panel, settle, boxes, unit, scale, suffix, shown, mm
):
    panel = review_panel
    layer = controller.viewer.add_image(boxes, scale=scale, units=(unit,) * 3)
    controller.choose_image(layer)
    controller.new_object()
    controller.image_controller.points.add((4, 12, 20))
    settle()
    controller.signals.changed.emit()
    assert (panel.reach.suffix(), panel.smoothing.suffix()) == (suffix, suffix)
    assert panel.smoothing.value() == shown
    assert panel.smoothing.mm == pytest.approx(mm)
    panel.reach.setValue(6 * shown)
    assert panel.review.reach_mm == pytest.approx(6 * mm)
    controller.signals.changed.emit()
    assert panel.reach.value() == pytest.approx(6 * shown)
    assert controller.image_controller.session_store.session(0).volume.of(boxes, Plane(0, 4)).any()


def test_long_names_of_channels_leave_the_panel_as_wide_as_it_is(controller, panel, squares):
    for number in (1, 2, 3):
        name = f"an image of a marker in many nuclei, channel {number}"
        controller.viewer.add_image(squares.copy(), name=name, blending="additive")
    assert [box.text() for box, _ in panel._boxes] == ["…2", "…3"]
    assert panel._boxes[0][0].toolTip().startswith("an image of a marker in many nuclei, channel 2")
    assert panel.channels.minimumSizeHint().width() < 200


def test_the_canvas_and_the_model_have_the_same_colours(make_napari_viewer, rng):
    # squares of 8 pixels, whose middles no interpolation changes
    data = np.kron(rng.integers(0, 4096, (3, 6, 6)), np.ones((1, 8, 8), int)).astype(np.uint16)
    viewer = make_napari_viewer(show=True)
    layers = tuple(
        viewer.add_image(channel, contrast_limits=(100, 3500), blending="additive", **look)
        for channel, look in zip(
            data,
            (
                {"colormap": "magenta", "gamma": 0.7},
                {"colormap": "viridis", "opacity": 0.4},
                {"colormap": "HiLo", "opacity": 0.6, "gamma": 1.4},
            ),
            strict=True,
        )
    )
    volume = Volume(np.moveaxis(data, 0, -1), channels=True)
    middles = [8 * i + 4 for i in range(6)]
    to_canvas = viewer.window._qt_viewer.canvas.view.scene.transform

    def differ():
        QApplication.processEvents()
        canvas = viewer.screenshot(canvas_only=True, flash=False)
        seen = resolve_intensity(volume, displayed_mix(viewer, layers)).to_rgb(volume.data) * 255
        places = [(r, c, *to_canvas.map([c, r, 0, 1])[:2]) for r in middles for c in middles]
        return max(
            np.abs(canvas[round(y), round(x), :3] - seen[r, c]).max() for r, c, x, y in places
        )

    assert differ() < 2
    layers[1].blending, layers[0].blending = "minimum", "translucent"
    assert differ() < 2
    viewer.layers.move(2, 0)
    layers[0].visible = False
    layers[1].blending = "translucent_no_depth"
    assert differ() < 2
