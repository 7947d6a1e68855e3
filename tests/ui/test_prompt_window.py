"""Boxes, scribbles, outlines and further answers in the real window, by mouse and keys."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog
from skimage.draw import polygon2mask

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels import disk_panel
from real_window import LEFT, PLAIN, Window, breathe, turn

pytestmark = pytest.mark.gui
NONE = Qt.MouseButton.NoButton
SHIFT = Qt.KeyboardModifier.ShiftModifier
ALL = frozenset({"click", "box", "scribble", "mask"})
WIDTH_PX = 260
"""Which the panel asks for, so that the canvas keeps most of a small screen."""


class Fake:
    """Fills boxes and scribbles; offers three discs round a single click."""

    signature = "fake"

    def __init__(self, prompts=ALL, **traits) -> None:
        self.traits = Traits("fake", prompts, uses_prev=True, **traits)

    def prepare(self, image):
        return Prepared(image.shape[:2], {"grey": image.mean(axis=2)}, image.nbytes)

    def predict(self, query: Query) -> Answer:
        prompts, shape = query.prompts, query.prepared.shape
        rows, cols = np.indices(shape)

        def disc(click, radius):
            near = np.hypot(rows - click.row, cols - click.col) <= radius
            return np.where(near, np.float32(5), np.float32(-5))

        is_single = len(prompts.clicks) == 1 and prompts.box is None
        if is_single and query.prev_logits is None and not prompts.scribbles:
            masks = tuple(disc(prompts.clicks[0], r) for r in (5, 10, 20))
            return Answer(masks[1], None, masks, (0.5, 0.9, 0.7))
        mask = np.zeros(shape, bool)
        if query.prev_logits is not None:
            mask |= query.prev_logits > 0
        if prompts.box is not None:
            box = prompts.box
            mask |= (
                (rows >= box.row0) & (rows <= box.row1) & (cols >= box.col0) & (cols <= box.col1)
            )
        for scribble in prompts.scribbles:
            for row, col in scribble.points:
                mask[round(row), round(col)] = scribble.positive
        for lasso in prompts.lassos:
            mask |= polygon2mask(shape, lasso.points) & lasso.positive
        for click in prompts.clicks:
            mask[disc(click, 3) > 0] = click.positive
        return Answer(np.where(mask, np.float32(5), np.float32(-5)))


class Following(Fake):
    """Carries the mask on unchanged."""

    def follow(self, read, planes, *, masks=None, prompts=None):
        assert prompts is None
        assert read is not None
        ((_, mask),) = masks.items()
        for index in planes:
            yield index, np.where(mask, np.float32(5), np.float32(-5))


class Prompted(Window):
    """A viewer with the widget docked and a fake model in it."""

    def __init__(self, viewer, image):
        self.layer = viewer.add_image(image)
        super().__init__(viewer)
        self.panel = self.widget.prompt_panel
        breathe()

    def send(self, kind, point, button, buttons, keys=PLAIN):
        native = self.canvas.native
        place = QPointF(native.mapToGlobal(point))
        event = QMouseEvent(kind, QPointF(point), place, button, buttons, keys)
        QApplication.sendEvent(native, event)
        breathe(0.03)

    def drag(self, *places, keys=PLAIN):
        """Press at the first place, go through the others, release at the last."""
        points = [self.at(place) for place in places]
        self.send(QEvent.Type.MouseMove, points[0], NONE, NONE, keys)
        self.send(QEvent.Type.MouseButtonPress, points[0], LEFT, LEFT, keys)
        for before, after in pairwise(points):
            for i in range(1, 5):
                self.send(
                    QEvent.Type.MouseMove, before + (after - before) * i / 4, NONE, LEFT, keys
                )
        self.send(QEvent.Type.MouseButtonRelease, points[-1], LEFT, NONE, keys)
        self.settle()

    def click(self, place, keys=PLAIN):
        super().click(place, keys=keys)
        self.settle()

    def press(self, key, keys=PLAIN):
        super().press(key, keys)
        self.settle()

    def settle(self, timeout_s=240.0):
        breathe()
        super().settle(timeout_s)
        breathe()

    def in_use(self):
        shown = {self.panel.round: self.panel.round.tool}
        tools = self.panel.tools.items()
        return [shown.get(button, tool) for tool, button in tools if button.isChecked()]

    def area(self, label=1):
        return int(np.count_nonzero(self.controller.image_controller.labels.data == label))


@pytest.fixture
def open_window(shared_viewer, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(disk_panel, "usual_folder", lambda: tmp_path / "embeddings")

    def make(model=None, image=None):
        monkeypatch.setitem(
            ViewerController.__init__.__kwdefaults__, "load_with", lambda *_: model or Fake()
        )
        picture = np.full((100, 120), 90, np.uint8) if image is None else image
        made.append(Prompted(shared_viewer, picture))
        return made[-1]

    yield make
    for window in made:
        window.widget.close()


def test_a_rectangle_drawn_by_mouse_is_a_box_and_can_be_moved(open_window):
    window = open_window()
    window.press(Qt.Key.Key_N)
    assert window.in_use() == ["click"]
    window.panel.tools["box"].click()
    breathe()
    assert window.in_use() == ["box"]
    window.drag((20, 30), (60, 80))
    box = window.controller.image_controller.session_store.sessions[0].prompts(Plane(0, 0)).box
    np.testing.assert_allclose((box.row0, box.col0, box.row1, box.col1), (20, 30, 60, 80), atol=1)
    whole = window.area()
    assert whole == pytest.approx(41 * 51, abs=150)
    assert window.in_use() == ["click"]  # ready to correct
    assert "answered in" in window.widget.status_panel.message, "of its own it says nothing"
    assert "Object 1: 1 box" in window.widget.object_panel.table.words(0)
    window.click((80, 100))
    assert window.area() > whole
    shapes = window.controller.image_controller.boxes.layer
    window.viewer.layers.selection.active = shapes
    shapes.mode = "select"
    breathe()
    window.drag((40, 55), (55, 70))
    moved = window.controller.image_controller.session_store.sessions[0].prompts(Plane(0, 0)).box
    np.testing.assert_allclose((moved.row0, moved.col0), (35, 45), atol=2)
    assert window.controller.image_controller.labels.data[25, 35] == 0
    window.press(Qt.Key.Key_U)
    np.testing.assert_allclose(shapes.data[0].min(axis=0), (box.row0, box.col0), atol=0.01)
    assert window.controller.image_controller.labels.data[25, 35] == 1
    shapes.selected_data = {0}
    window.press(Qt.Key.Key_Delete)
    assert window.controller.image_controller.labels.data[25, 35] == 0


def test_a_press_without_a_drag_is_no_box(open_window):
    window = open_window()
    window.press(Qt.Key.Key_B, SHIFT)
    window.click((40, 40))
    assert len(window.controller.image_controller.boxes.layer.data) == 0
    assert "drag from corner to corner" in window.widget.status_panel.error
    window.drag((20, 30), (60, 80))
    assert len(window.controller.image_controller.boxes.layer.data) == 1


def test_scribbles_are_drawn_and_shift_turns_their_sign(open_window):
    window = open_window()
    window.press(Qt.Key.Key_S, SHIFT)
    assert window.in_use() == ["scribble"]
    assert window.widget.status_panel.message.startswith("Scribble: drag along the object")
    window.drag((20, 20), (20, 60), (40, 60))
    window.drag((70, 20), (70, 60), keys=SHIFT)
    shapes = window.controller.image_controller.boxes.layer
    assert list(shapes.features["sign"]) == ["positive", "negative"]
    scribbles = (
        window.controller.image_controller.session_store.sessions[0].prompts(Plane(0, 0)).scribbles
    )
    assert [s.positive for s in scribbles] == [True, False]
    assert window.controller.image_controller.labels.data[20, 20] == 1
    assert window.in_use() == ["scribble"]
    assert "2 scribbles" in window.widget.object_panel.table.words(0)


def test_box_and_lasso_share_a_button_that_stays_at_the_last(open_window):
    window = open_window(Fake(ALL | {"lasso"}))
    box, lasso = window.panel.round.choices().actions()
    lasso.trigger()
    assert window.in_use() == ["lasso"]
    assert window.panel.round.text() == "Lasso ▾"
    window.panel.tools["click"].click()
    assert window.in_use() == ["click"]
    window.panel.round.click()
    assert window.in_use() == ["lasso"]
    box.trigger()
    assert window.in_use() == ["box"]
    assert window.panel.round.text() == "Box ▾"


def test_a_model_that_takes_no_lasso_has_a_box_alone(open_window):
    window = open_window(Fake(ALL))
    window.panel.round.click()
    assert window.in_use() == ["box"]
    assert window.panel.round.choices() is None


def test_lassos_are_drawn_and_shift_turns_their_sign(open_window):
    window = open_window(Fake(ALL | {"lasso"}))
    window.press(Qt.Key.Key_F, SHIFT)
    assert window.in_use() == ["lasso"]
    window.drag((20, 20), (20, 60), (40, 60), (40, 20))
    assert window.controller.image_controller.labels.data[30, 40] == 1
    window.drag((45, 20), (45, 80), (80, 80), (80, 20), keys=SHIFT)
    shapes = window.controller.image_controller.boxes.layer
    assert shapes.shape_type == ["polygon", "polygon"]
    assert list(shapes.features["sign"]) == ["positive", "negative"]
    sessions = window.controller.image_controller.session_store.sessions
    assert [one.positive for one in sessions[0].prompts(Plane(0, 0)).lassos] == [True, False]
    assert window.in_use() == ["lasso"]
    assert "2 lassos" in window.widget.object_panel.table.words(0)
    window.press(Qt.Key.Key_U)
    assert len(shapes.data) == 1


def test_only_what_the_model_takes_is_offered_and_explained(open_window):
    points = frozenset({"extreme_points"})
    window = open_window(Fake(points, needs=points))
    assert not any(button.isVisible() for button in window.panel.tools.values())
    assert "four extreme points" in window.panel.advice.text()
    assert not window.widget.action_panel.swap.isVisible()
    window.press(Qt.Key.Key_B, SHIFT)
    assert "fake takes no box" in window.widget.status_panel.error
    window.press(Qt.Key.Key_N)
    for number, place in enumerate([(20, 60), (80, 60), (50, 20)], 1):
        window.click(place)
        left = 4 - number
        assert f"Still wanted here: {left} more extreme point" in window.panel.advice.text()
        assert window.area() == 0
    window.click((50, 100))
    assert "Still wanted" not in window.panel.advice.text()
    assert window.area() > 0


def test_a_model_for_boxes_alone_begins_with_the_box_tool(open_window):
    kinds = frozenset({"box"})
    window = open_window(Fake(kinds, needs=kinds))
    assert "Draw a box" in window.panel.advice.text()
    window.press(Qt.Key.Key_N)
    window.drag((20, 30), (60, 80))
    assert window.area() > 1500
    window.press(Qt.Key.Key_K)
    window.drag((70, 30), (90, 80))
    assert window.area(2) > 500


def test_answers_are_stepped_through_by_button_and_key(open_window):
    window = open_window()
    assert not window.panel.next.isVisible()
    window.press(Qt.Key.Key_N)
    window.click((50, 60))
    assert window.panel.answer.text() == "Answer 1 of 3 · score 0.90"
    first = window.area()
    window.panel.next.click()
    window.settle()
    assert window.panel.answer.text() == "Answer 2 of 3 · score 0.70"
    assert window.area() > first
    window.press(Qt.Key.Key_J)
    assert window.panel.answer.text() == "Answer 3 of 3 · score 0.50"
    assert window.area() < first
    window.press(Qt.Key.Key_J, SHIFT)
    assert window.panel.answer.text() == "Answer 2 of 3 · score 0.70"
    for _ in range(3):
        window.press(Qt.Key.Key_U)
    assert window.panel.answer.text() == "Answer 1 of 3 · score 0.90"
    assert window.area() == first


def test_vertices_are_dragged_added_and_removed_by_mouse(open_window):
    window = open_window()
    window.press(Qt.Key.Key_B, SHIFT)
    window.drag((20, 30), (60, 80))
    window.press(Qt.Key.Key_E, SHIFT)
    layer = window.controller.outliner.layer
    assert window.panel.done.isVisible()
    # else its right edge is cut off
    assert window.widget.minimumSizeHint().width() <= WIDTH_PX
    labels = window.controller.image_controller.labels
    ring = layer.data[0]
    corner = ring[np.argmin(np.linalg.norm(ring - (60, 80), axis=1))]
    window.drag(corner, (85, 105))
    assert labels.data[75, 93] == 1
    before = window.area()
    layer.mode = "vertex_insert"
    breathe()
    window.click((20, 55))  # on the upper edge
    layer.mode = "direct"
    breathe()
    window.drag((20, 55), (5, 55))
    assert labels.data[12, 55] == 1
    assert window.area() > before
    layer.mode = "vertex_remove"
    breathe()
    window.click((5, 55))
    assert labels.data[12, 55] == 0
    window.press(Qt.Key.Key_U)
    assert labels.data[12, 55] == 1
    window.panel.done.click()
    window.settle()
    assert layer not in window.viewer.layers
    assert not window.panel.done.isVisible()
    assert labels.data[75, 93] == 1
    assert window.in_use() == ["click"]


def test_embeddings_are_kept_counted_and_cleared(open_window, tmp_path, monkeypatch):
    window = open_window(Fake(embeds=True), np.full((9, 60, 60), 90, np.uint8))
    panel = window.widget.embeddings_panel
    for section in (window.widget.more, window.widget.sections["device"]):
        section.toggleButton().click()
    assert panel.keep.isVisible()
    assert not panel.clear.isVisible()
    panel.keep.click()
    window.press(Qt.Key.Key_N)
    window.click((30, 30))
    turn(lambda: len(list((tmp_path / "embeddings").glob("*"))) >= 1)
    window.settle()
    assert "MB of 4 GB" in panel.used.text()
    panel.clear.click()
    window.settle()
    assert not list((tmp_path / "embeddings").glob("*.embedding"))
    other = tmp_path / "other"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(other))
    panel.choose.click()
    window.viewer.dims.set_point(0, 8)
    window.click((30, 30))
    turn(lambda: other.exists() and len(list(other.iterdir())) >= 1)
    panel.keep.click()
    assert window.controller.embedding_folder.files is None
    assert all(
        s.cache is not None
        for s in window.controller.image_controller.session_store.sessions.values()
    )


def test_the_memory_of_a_model_is_offered_where_there_is_one(open_window):
    stack = np.full((6, 60, 60), 90, np.uint8)
    window = open_window(Following(), stack)
    method = window.widget.volume_panel.method
    window.press(Qt.Key.Key_N)
    window.widget.tabs.setCurrentIndex(1)
    assert method.isVisible()
    method.setCurrentIndex(1)
    assert window.controller.settings.method == "memory"
    window.click((30, 30))
    window.press(Qt.Key.Key_G)
    labels = window.controller.image_controller.labels.data
    assert labels.any(axis=(1, 2)).all()
    assert (labels == labels[0]).all()
    window.controller.loader.put(Choice("random-walker"), Fake())
    breathe()
    assert not method.isVisible()
    assert window.controller.settings.method == "neighbour"


LICENCES = (
    ("fcanet", "research and education only", "[research only]"),
    ("focalclick-segformer-b0-s1", "NVIDIA Source Code License", "[research only]"),
    ("dextr", "GPL-3.0", "[copyleft]"),
    ("iog", "none stated", "[no licence]"),
    ("fbrs-resnet34", "MPL-2.0", "[copyleft by file]"),
    ("ritm-hrnet18s", "MIT", ""),
    ("sam-vit-b", "Apache-2.0", ""),
)


def test_a_licence_is_told_with_its_badge_before_a_download(open_window, monkeypatch, tmp_path):
    from napari_intseg.models.weights import locate

    monkeypatch.setenv(locate.FOLDERS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
    panel = open_window().widget.model_panel
    for name, told, how in LICENCES:
        row = panel.model.findData(name)
        tip = panel.model.itemData(row, Qt.ItemDataRole.ToolTipRole)
        panel.model.setCurrentIndex(row)
        breathe()
        assert panel.missing.isVisible(), name
        for text in (panel.text.text(), tip):
            assert told in text, name
            assert how in text, name
            assert ("[" in text) == bool(how), name


def test_models_say_what_they_take_to_use(open_window, monkeypatch, tmp_path):
    from dataclasses import replace

    from napari_intseg.models import registry
    from napari_intseg.models.weights import locate

    monkeypatch.setenv(locate.FOLDERS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
    spec = registry.MODELS["mobile-sam"]
    absent = replace(spec, title="Absent", needs=("no_such_package",), extra="sam")
    monkeypatch.setitem(registry.MODELS, "absent", absent)
    window = open_window()
    panel = window.widget.model_panel
    box = panel.model
    assert box.itemText(box.findData("absent")) == "Absent – needs the extra 'sam'"
    row = box.findData("mobile-sam")
    assert "40.7 MB to fetch or add" in box.itemText(row)
    assert "licence Apache-2.0" in box.itemData(row, Qt.ItemDataRole.ToolTipRole)
    box.setCurrentIndex(row)
    breathe()
    assert panel.missing.isVisible()
    assert "Licence of the weights: Apache-2.0" in panel.text.text()
    assert panel.fetch.text().startswith("Fetch (")
    file = tmp_path / "mine.pth"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    panel.pick.click()
    assert panel.missing.isVisible()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    QTest.mouseClick(panel.pick, LEFT)
    window.settle()
    assert window.controller.loader.choice == Choice("mobile-sam", weights=Path(file))
    assert not panel.missing.isVisible()
    panel.precision.setCurrentIndex(1)  # another precision keeps the file
    window.settle()
    assert window.controller.loader.choice == Choice("mobile-sam", "auto", "float32", Path(file))


def test_a_box_stays_on_its_plane_in_a_scaled_volume(open_window):
    window = open_window(image=np.full((7, 60, 60), 90, np.uint8))
    window.layer.scale = (5, 1, 1)
    window.viewer.dims.set_point(0, 15)
    window.press(Qt.Key.Key_B, SHIFT)
    window.drag((10, 10), (40, 40))
    session = window.controller.image_controller.session_store.sessions[0]
    assert isinstance(session.prompts(Plane(0, 3)).box, Box)
    assert np.flatnonzero(
        window.controller.image_controller.labels.data.any(axis=(1, 2))
    ).tolist() == [3]
    window.viewer.dims.set_point(0, 20)
    breathe()
    assert len(window.controller.image_controller.boxes.layer._data_view.displayed_vertices) == 0
