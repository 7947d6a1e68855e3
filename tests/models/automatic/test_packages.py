"""Models of other packages, with stand-ins for these, and everything that a click model finds."""

import importlib.machinery
import json
import sys
import types

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.errors import MissingExtraError, PromptError, WeightsError
from napari_intseg.models.automatic import click_and_cell_models
from napari_intseg.models.automatic.open_model import NAMED, load_start_model, names_here


def module(monkeypatch, name, **content):
    made = types.ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    for key, value in content.items():
        setattr(made, key, value)
    monkeypatch.setitem(sys.modules, name, made)
    return made


def picture():
    image = np.zeros((40, 60, 3), np.float32)
    image[5:15, 5:20] = 0.8
    image[20:35, 30:50] = 0.8
    return image


def labelled(image):
    from scipy.ndimage import label

    return label(image.mean(axis=-1) > 0.5)[0]


class Cellpose:
    def __init__(self, pretrained_model, device, use_bfloat16):
        self.told = pretrained_model, str(device), use_bfloat16

    def eval(self, image, channel_axis):
        assert channel_axis == -1
        return labelled(image), None, None


def test_cellpose_s_labels_are_findings(monkeypatch, tmp_path):
    models = module(monkeypatch, "cellpose.models", CellposeModel=Cellpose)
    module(monkeypatch, "cellpose", models=models)
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path))
    with pytest.raises(WeightsError, match="expected Cellpose's file cpsam_v2"):
        load_start_model("cellpose", device="cpu")
    (tmp_path / "cpsam").write_bytes(b"x")
    model = load_start_model("cellpose", device="cpu")
    assert model.traits.note == "not for commercial use"
    found = model.find(picture())
    assert [int(one.mask.sum()) for one in found] == [150, 300]
    assert {one.name for one in found} == {"cell"}
    assert model.find(picture(), threshold=1.5) == ()
    with pytest.raises(PromptError, match="expected no text"):
        model.find(picture(), ["cell"])
    with pytest.raises(WeightsError, match="weights are missing"):
        load_start_model("cellpose:nothing/here")
    assert load_start_model(f"cellpose:{tmp_path / 'cpsam'}", device="cpu").find(picture())
    assert "cellpose" in names_here()
    model.release()


class InstanSeg:
    def __init__(self, name, device, verbosity):
        self.told = name, device, verbosity

    def eval_small_image(self, image, return_image_tensor, target):
        import torch

        assert not return_image_tensor
        labels = labelled(np.moveaxis(image, 0, -1))
        both = np.stack([labels * 0, labels])
        return torch.from_numpy(both if target == "all_outputs" else both[1:])[None]


@pytest.mark.parametrize("name", ["instanseg:nuclei_model", "instanseg:nuclei_model:cells"])
def test_instanseg_runs_what_it_has_fetched_itself(monkeypatch, tmp_path, name):
    module(monkeypatch, "instanseg", InstanSeg=InstanSeg, __file__=str(tmp_path / "__init__.py"))
    monkeypatch.delenv("INSTANSEG_BIOIMAGEIO_PATH", raising=False)
    folder = tmp_path / "bioimageio_models"
    folder.mkdir()
    with pytest.raises(WeightsError, match="expected one of none"):
        load_start_model(name)
    (folder / "model-index.json").write_text(json.dumps([{"name": "nuclei_model"}]))
    with pytest.raises(WeightsError, match="expected one of none"):
        load_start_model(name)
    (folder / "nuclei_model/0.1").mkdir(parents=True)
    (folder / "nuclei_model/0.1/instanseg.pt").write_bytes(b"x")
    found = load_start_model(name, device="cpu").find(picture())
    assert [int(one.mask.sum()) for one in found] == [150, 300]


@pytest.mark.parametrize("name", ["cellpose", "instanseg"])
def test_a_package_that_is_not_there_names_its_extra(monkeypatch, name):
    monkeypatch.setattr(click_and_cell_models, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"napari-intseg\[cells\]"):
        load_start_model(name)


class Bright:
    """Answers a click with the connected bright piece it lies in, or all that is dark."""

    traits = Traits("bright")

    def prepare(self, image):
        return Prepared(image.shape[:2], labelled(image), 0)

    def predict(self, query):
        labels = query.prepared.payload
        click = query.prompts.clicks[-1]
        mask = labels == labels[int(click.row), int(click.col)]
        return Answer(np.where(mask, 6, -6).astype(np.float32))


def test_everything_is_found_once_and_the_ground_is_left_out():
    model = click_and_cell_models.Everything(Bright(), side=8)
    image = picture()
    image[37:, 57:] = 0.8  # no click of the grid lies in it
    found = model.find(image)
    ground = 40 * 60 - 150 - 300 - 9
    assert sorted(int(one.mask.sum()) for one in found) == [150, 300, ground]
    image[:, :] = 0
    assert model.find(image) == ()
    with pytest.raises(PromptError, match="expected no text"):
        model.find(image, ["cell"])
    model.release()


def test_masks_that_change_with_the_cut_are_unstable():
    logits = np.full((10, 10), -5.0, np.float32)
    assert click_and_cell_models.stability(logits) == 0
    logits[:4] = 5
    assert click_and_cell_models.stability(logits) == 1
    logits[4:8] = 0.5
    assert click_and_cell_models.stability(logits) == 0.5


def test_everything_by_the_bundled_network_runs():
    model = load_start_model("everything:region-growing", device="cpu")
    assert model.traits.title == "everything by region-growing"
    found = model.find(picture())
    assert any(one.mask[10, 10] and not one.mask[0, 0] for one in found)
    assert set(NAMED) <= {"cellpose", "instanseg", "micro-sam", "everything"}
