"""Sample data, keys, and loading, without a window."""

import socket
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_intseg.ui import samples
from napari_intseg.ui.controllers.model_loader import Choice, has_weights, load
from napari_intseg.ui.qt.keybindings import ACTIONS, Keys, used_keys


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise OSError("this test is offline")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("sample", "ndim", "rgb"),
    [
        (samples.cells, 2, False),
        (samples.tissue, 2, True),
        (samples.ct_phantom, 3, False),
        (samples.nuclei, 2, False),
        (samples.confocal, 3, False),
        (samples.ct, 3, False),
        (samples.mr, 3, False),
        (samples.time_series, 3, False),
    ],
)
def test_samples_open_offline(sample, ndim, rgb):
    viewer = ViewerModel()
    ((data, kwargs, kind),) = sample()
    assert kind == "image"
    layer = viewer.add_image(data, **kwargs)
    assert (layer.ndim, layer.rgb) == (ndim, rgb)


def test_the_ct_phantom_is_in_millimetres_and_hounsfield_units():
    ((data, kwargs, _),) = samples.ct_phantom()
    layer = ViewerModel().add_image(data, **kwargs)
    steps = layer.data_to_world((1, 1, 1)) - np.array(layer.data_to_world((0, 0, 0)))
    np.testing.assert_allclose(steps, (5, 1.75, 1.75))
    assert data.min() < -900
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3


def test_the_scans_have_their_geometry_and_the_files_stay_small():
    for sample in (samples.ct, samples.mr):
        ((data, kwargs, _),) = sample()
        layer = ViewerModel().add_image(data, **kwargs)
        steps = np.abs(np.subtract(layer.data_to_world((1, 1, 1)), layer.data_to_world((0, 0, 0))))
        np.testing.assert_allclose(steps, (3, 3, 3))
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    ((data, _, _),) = samples.ct()
    assert np.asarray(data).min() == -1024
    folder = Path(samples.__file__).with_name("sample_files")
    listed = (folder / "LICENCES.md").read_text("utf-8")
    files = [path for path in folder.iterdir() if path.suffix != ".md"]
    assert all(f"`{path.name}`" in listed for path in files)
    assert sum(path.stat().st_size for path in files) < 3_000_000


def calls(pressed):
    return {action.name: lambda name=action.name: pressed.append(name) for action in ACTIONS}


def test_every_action_has_a_key_that_is_free_in_napari():
    viewer = ViewerModel()
    pressed: list[str] = []
    keys = Keys(viewer, calls(pressed))
    assert keys.taken == ()
    for call in list(viewer.keymap.values()):
        call(viewer)
    assert pressed == [action.name for action in ACTIONS]
    keys.close()
    assert not viewer.keymap


def test_a_key_of_the_user_is_left_alone():
    viewer = ViewerModel()

    @viewer.bind_key("g")
    def mine(_viewer):
        return None

    keys = Keys(viewer, calls([]))
    assert [action.name for action in keys.taken] == ["propagate"]
    keys.close()
    assert list(viewer.keymap.values()) == [mine]


def test_a_key_the_user_takes_later_stays_theirs():
    viewer = ViewerModel()
    keys = Keys(viewer, calls([]))

    def mine(_viewer):
        return None

    viewer.bind_key("g", mine, overwrite=True)
    keys.close()
    assert list(viewer.keymap.values()) == [mine]


def test_other_keys_can_be_chosen_and_none():
    viewer = ViewerModel()
    pressed: list[str] = []
    chosen = {"propagate": "Ctrl-Alt-J", "cancel": "", "undo": "Ctrl-Alt-J"}
    keys = Keys(viewer, calls(pressed), chosen)
    assert [action.name for action in keys.taken] == ["propagate"]  # undo comes first
    (named,) = [call for key, call in viewer.keymap.items() if str(key) == "Ctrl+Alt+J"]
    named(viewer)
    assert pressed == ["undo"]
    assert not {"G", "U", "Shift+G"} & {str(key) for key in viewer.keymap}
    assert len(viewer.keymap) == len(ACTIONS) - 2
    keys.close()
    assert not viewer.keymap


def test_what_is_no_key_is_logged_and_the_usual_one_stays(caplog):
    viewer = ViewerModel()
    keys = Keys(viewer, calls([]), {"propagate": "the big one"})
    assert "key of propagate: expected one as napari writes them" in caplog.text
    assert "G" in {str(key) for key in viewer.keymap}
    keys.close()


def test_keys_of_layers_and_settings_count_as_used():
    used = used_keys(ViewerModel())
    assert {"Ctrl+Z", "V", "P", "Ctrl+Y"} <= used


def test_a_model_is_warmed_up_and_the_old_one_released(monkeypatch, toy):
    from napari_intseg.ui.controllers import model_loader

    old = type(toy)()
    asked = {}

    def load_model(name, **options):
        asked.update(options, name=name)
        return toy

    monkeypatch.setattr(model_loader, "load_model", load_model)
    model = load(Choice("toy", "cpu", "float32"), old, lambda: False)
    assert model is toy
    assert asked == {"name": "toy", "weights": None, "device": "cpu", "precision": "float32"}
    assert (len(toy.warmed), len(old.released), len(toy.released)) == (1, 1, 0)
    assert load(Choice("toy"), old, lambda: True) is None


def test_a_model_without_weights_needs_none():
    assert has_weights("random-walker")
