"""Points of a Points layer get labels by selecting some of them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points
from npe2 import PluginManifest

from napari_intseg.ui.panels.cloud_panel import CLICKS, OBJECT, CloudPanel, label_cloud

pytestmark = pytest.mark.gui


@pytest.fixture
def cloud(rng):
    """Two balls of 150 points that are far apart, one red and one blue."""
    ball = rng.normal(size=(300, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    ball[150:] += (5, 0, 0)
    colours = np.where(np.arange(300)[:, None] < 150, [1.0, 0, 0, 1], [0, 0, 1.0, 1])
    return Points(ball, face_color=colours)


@pytest.fixture
def viewer(cloud):
    made = ViewerModel()
    made.add_layer(Points(np.zeros((4, 2)), name="flat"))
    made.add_layer(cloud)
    return made


@pytest.fixture
def panel(qtbot, viewer):
    made = CloudPanel(viewer)
    qtbot.addWidget(made)
    yield made
    made.close_panel()


def press(qtbot, panel, button):
    before = panel.status.text()
    button.click()
    qtbot.waitUntil(lambda: panel.status.text() not in (before, "Labelling …"), timeout=240_000)


def test_selected_points_are_clicks_and_all_points_get_labels(qtbot, panel, cloud):
    assert [panel.cloud.itemData(i) for i in range(panel.cloud.count())] == [cloud]
    panel.edge.setValue(0.5)
    panel.on_object.click()
    assert "Select points of the cloud" in panel.status.text()
    cloud.selected_data = {0}
    press(qtbot, panel, panel.on_object)
    panel.label.setValue(2)
    cloud.selected_data = {200}
    press(qtbot, panel, panel.on_object)
    np.testing.assert_array_equal(cloud.features[OBJECT], np.repeat([1, 2], 150))
    assert panel.status.text() == "object 1: 150 points\nobject 2: 150 points"
    assert len(np.unique(cloud.face_color, axis=0)) == 2
    assert not (cloud.face_color == [1, 0, 0, 1]).all(1).any()
    press(qtbot, panel, panel.undo)
    assert [one.label for one in cloud.metadata[CLICKS]] == [1]
    assert not (cloud.features[OBJECT] == 2).any()


def test_an_error_is_told_and_the_clicks_stay(qtbot, panel, cloud):
    panel.network.setText("no-such-network")
    cloud.selected_data = {0}
    press(qtbot, panel, panel.on_object)
    assert "no-such-network" in panel.status.text()
    assert len(cloud.metadata[CLICKS]) == 1
    assert OBJECT not in cloud.features


def test_a_cloud_that_goes_is_no_choice_any_more(panel, viewer, cloud):
    viewer.layers.remove(cloud)
    assert panel.cloud.count() == 0
    assert not panel.on_object.isEnabled()


def test_the_panel_opens_once_and_no_second_widget_hides_the_first(qtbot, viewer):
    docks = {}

    def add(widget, *, name, area):
        assert area == "right"
        docks[name] = widget

    window = SimpleNamespace(dock_widgets=docks, add_dock_widget=add)
    place = SimpleNamespace(window=window, layers=viewer.layers, dims=viewer.dims)
    label_cloud(place)
    (made,) = docks.values()
    qtbot.addWidget(made)
    label_cloud(place)
    assert list(docks.values()) == [made]
    made.close_panel()
    # napari would put several into a menu of their own
    manifest = PluginManifest.from_file(Path(__file__).parents[2] / "napari.yaml")
    assert [one.display_name for one in manifest.contributions.widgets] == [
        "Interactive segmentation"
    ]
