"""Napari's preferences for this plugin."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from napari.layers import Image
from npe2 import PluginManifest

from napari_intseg.core.segmenter import Traits
from napari_intseg.errors import FileError
from napari_intseg.models.classical.region_growing import RegionGrowing
from napari_intseg.ui import preferences as module
from napari_intseg.ui.controllers import model_loader
from napari_intseg.ui.layers import points_codec
from napari_intseg.ui.layers.points_codec import colours_for
from napari_intseg.ui.preferences import Preferences, preferences, preferred_keys
from napari_intseg.ui.qt.keybindings import ACTIONS
from real_window import Window

MANIFEST = Path(__file__).parents[2] / "napari.yaml"


def test_the_manifest_describes_every_choice_with_its_default():
    content = yaml.safe_load(MANIFEST.read_text("utf-8"))
    described = content["contributions"]["configurations"]["segmentation"]["properties"]
    assert {name: one["default"] for name, one in described.items()} == {
        name: getattr(Preferences(), name) for name in Preferences.__slots__
    }
    PluginManifest.from_file(MANIFEST)


def test_the_manifest_describes_the_key_of_every_action():
    content = yaml.safe_load(MANIFEST.read_text("utf-8"))
    described = content["contributions"]["configurations"]["keys"]["properties"]
    assert {
        name: (one["default"], one["title"], one["description"]) for name, one in described.items()
    } == {action.name: (action.key, action.title, action.tip) for action in ACTIONS}


def test_keys_that_napari_holds_are_taken(monkeypatch):
    import napari.settings

    held = type("Held", (), {"keys": [("undo", " Shift-P "), ("cancel", "")]})
    monkeypatch.setattr(napari.settings, "get_plugin_settings", lambda _: held, raising=False)
    assert preferred_keys() == {"undo": "Shift-P", "cancel": ""}
    monkeypatch.setattr(napari.settings, "get_plugin_settings", lambda _: object(), raising=False)
    assert preferred_keys() == {}


@pytest.mark.gui
def test_a_button_says_the_key_that_was_chosen(make_napari_viewer, monkeypatch):
    from napari_intseg.ui import dock

    monkeypatch.setattr(dock, "preferred_keys", lambda: {"new_object": "F7", "accept_object": ""})
    window = Window(make_napari_viewer(show=True))
    try:
        panel = window.widget.action_panel
        assert panel.new.text() == "New object  (F7)"
        assert panel.accept.text() == "Accept"
        assert "Key" not in panel.accept.toolTip()
    finally:
        window.close()


def test_without_napari_s_part_the_defaults_hold(monkeypatch):
    settings = pytest.importorskip("napari.settings")
    monkeypatch.setattr(settings, "get_plugin_settings", lambda _: object(), raising=False)
    assert preferences() == Preferences()


def test_what_napari_holds_is_taken(monkeypatch):
    import napari.settings

    class Section:
        model, each_click_begins, safe_colours = "grabcut", True, True

    held = type("Held", (), {"segmentation": Section})
    monkeypatch.setattr(napari.settings, "get_plugin_settings", lambda _: held, raising=False)
    assert preferences() == Preferences("grabcut", True, True)


def test_safe_colours_are_told_apart(monkeypatch):
    monkeypatch.setattr(points_codec, "preferences", lambda: Preferences(safe_colours=True))
    colours = colours_for(Image(np.zeros((8, 8), np.uint8)))
    shown = np.asarray(colours.map(np.arange(9)))
    assert shown[0, 3] == 0
    apart = np.linalg.norm(shown[1:, None, :3] - shown[None, 1:, :3], axis=-1)
    assert apart[~np.eye(8, dtype=bool)].min() > 0.2


@pytest.mark.gui
def test_the_panel_opens_with_them(make_napari_viewer, monkeypatch):
    from napari_intseg.ui import dock

    chosen = Preferences("region-growing", each_click_begins=True)
    monkeypatch.setattr(dock, "preferences", lambda: chosen)
    assert module.PLUGIN == "napari-intseg"
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((40, 50), np.uint8))
    window = Window(viewer)
    assert window.controller.loader.model.traits.name == "region-growing"
    assert window.widget.object_panel.each.isChecked()
    assert window.controller.each_click_begins
    window.close()


@pytest.mark.parametrize(
    ("told", "content", "names"),
    [
        (" road, roof , road,", None, ("road", "roof")),
        ("list.txt", "# ours\nroad\n\nroof top\n", ("road", "roof top")),
        ("eiseg.txt", "1 road 255 0 0\n2 roof top 0 128 255\n", ("road", "roof top")),
        ("", None, ()),
    ],
)
def test_classes_that_are_always_offered(told, content, names, tmp_path, monkeypatch):
    if content is not None:
        (tmp_path / told).write_text(content, "utf-8")
        told = str(tmp_path / told)
    monkeypatch.setattr(module, "preferences", lambda: Preferences(classes=told))
    assert module.offered_classes() == names


def test_a_list_of_classes_that_is_not_there_is_told(tmp_path, monkeypatch):
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(2 << 20)
    (tmp_path / "folder.txt").mkdir()
    for path in (tmp_path / "gone.txt", tmp_path / "folder.txt", large):
        monkeypatch.setattr(module, "preferences", lambda told=str(path): Preferences(classes=told))
        with pytest.raises(FileError, match="list of classes cannot be read: expected a text file"):
            module.offered_classes()


@pytest.mark.parametrize("measures", [False, True])
def test_threads_are_measured_where_that_is_asked_for(monkeypatch, measures):
    given = []

    def load_model(name, **options):
        given.append(options.get("threads"))
        return RegionGrowing(Traits(name))

    monkeypatch.setattr(model_loader, "load_model", load_model)
    monkeypatch.setattr(model_loader, "preferences", lambda: Preferences(measure_threads=measures))
    model_loader.load(model_loader.Choice("bundled"), None, lambda: False)
    # a machine that is asked over the network has threads of its own
    model_loader.load(model_loader.Choice("bundled", "tcp://127.0.0.1:1"), None, lambda: False)
    assert given == ["measure" if measures else None, None]
