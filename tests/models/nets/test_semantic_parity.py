"""Semantic networks against the code of projects that publish files, through their checkpoints.

`tests/data/parity/semantic.npz` holds names and shapes of each network's state, and every third
pixel of what the project's code answered to a random image with values that follow from the names
(`small_zoo.made_by_name`). Those of `WIDTHS` were built with that share of their channels.
"""

import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.cli.main import main
from napari_intseg.errors import UnknownModelError, WeightsError
from napari_intseg.models.automatic import semantic_model
from napari_intseg.models.automatic.open_model import known_names, load_start_model
from napari_intseg.models.automatic.proposals import find_peaks
from napari_intseg.models.automatic.semantic_model import (
    MEAN,
    STD,
    load_semantic,
    write_published,
)
from napari_intseg.models.automatic.start_model import ClassMark
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.models.networks import (
    LAYOUTS,
    SEMANTIC_NETWORKS,
    SIZES,
    UNPROVEN,
    NetworkLayout,
    build_semantic,
)
from napari_intseg.models.weights.published_semantic import NAMES, read_published
from napari_intseg.training.options import SemanticOptions
from napari_intseg.training.semantic import _initialise
from small_zoo import made_by_name

FILE = Path(__file__).resolve().parents[2] / "data" / "parity" / "semantic.npz"
with np.load(FILE) as _file:
    STORED = dict(_file)
CASES = sorted({key.split("|")[0] for key in STORED})
# TorchSeg's answers are logarithms of probabilities
LOGARITHMS = {"torchseg pspnet", "torchseg bisenet", "torchseg dfn"}
WIDTHS = {
    "mmsegmentation": 0.25, "disir": 0.25, "prm": 0.25, "refinenet-pytorch": 0.25,
    "revolver": 0.125, "pytorch-fcn": 0.125, "deeplab-pytorch": 0.25,
}  # fmt: skip


def state_of(case):
    out = {}
    for line in zlib.decompress(STORED[f"{case}|names"].tobytes()).decode().splitlines():
        name, told = line.split()
        shape = () if told == "-" else tuple(int(n) for n in told.split("x"))
        is_count = name.endswith("num_batches_tracked")
        out[name] = torch.zeros(shape, dtype=torch.long) if is_count else made_by_name(name, shape)
    return out


def settings_of(case):
    project = case.split()[0]
    settings = {"width": WIDTHS[project]} if project in WIDTHS else {}
    return settings | ({"stride": 16, "grid": [1, 2, 4]} if case.endswith("grid") else {})


def image_of(case):
    height, width = STORED[f"{case}|size"].tolist()
    image = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height))
    # these divide by 255 what is normalised: less would hardly reach the answer
    return 255 * image if case.startswith(("unext", "nested-unet")) else image


@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_the_authors_code(case, tmp_path):
    path = tmp_path / "theirs.pth"
    torch.save({"state_dict": state_of(case)}, path)
    network = case.split()[1]
    state, layout, names, width = read_published(path, network, settings_of(case))
    net = build_semantic(network, len(names), width, layout)
    net.load_state_dict(state)
    with torch.no_grad():
        logits = net.eval()(image_of(case))
    found = (logits.log_softmax(1) if case in LOGARITHMS else logits)[0, :, ::3, ::3].numpy()
    answer = STORED[f"{case}|answer"]
    if len(found) > len(answer):
        # a background that the authors' code has not
        assert names[0] == "background"
        assert (found[0] == 0).all()
        found = found[1:]
    # a network of random weights that answered the same everywhere would prove nothing
    assert answer.std((1, 2)).max() > 0.04
    np.testing.assert_allclose(found, answer, atol=1e-4 * float(np.abs(answer).max()))


def test_annotations_of_classes_are_those_of_disirs_plugin(tmp_path):
    """Its plugin drew them, and its network answered; here the model of a converted file does."""
    case = "disir disir-classes"
    path, kept = tmp_path / "theirs.pth", tmp_path / "land.safetensors"
    torch.save({"state_dict": state_of(case), "epoch": 3}, path)
    names = ["water", "road", "grass", "roof"]
    told = write_published(kept, path, "disir-classes", {"width": 0.25, "names": names})
    assert told.endswith("from disir, 4 classes: water, road, grass, roof")
    image = image_of(case)
    model = load_semantic(kept, device="cpu")
    assert model.traits.marks == tuple(names)
    marks = [ClassMark(float(r), float(c), names[k]) for r, c, k in STORED[f"{case}|marks"]]
    seen = (image[0].permute(1, 2, 0).numpy() * STD + MEAN).astype(np.float32)
    found = {one.name: one.mask[::3, ::3] for one in model.marked(marks).find(seen)}
    owner = STORED[f"{case}|marked"].argmax(0)
    # annotations change the answer
    assert (owner != STORED[f"{case}|answer"].argmax(0)).sum() >= 10
    assert set(found) == {names[i] for i in np.unique(owner)}
    for name, mask in found.items():
        np.testing.assert_array_equal(mask, owner == names.index(name))


def test_peaks_and_what_they_come_from_are_those_of_prms_code(tmp_path):
    case = "prm prm"
    path = tmp_path / "theirs.pth"
    torch.save(state_of(case), path)
    state, layout, names, width = read_published(path, "prm", settings_of(case))
    net = build_semantic("prm", len(names), width, layout).eval()
    net.load_state_dict(state)
    image = image_of(case)
    with torch.no_grad():
        responses = net.responses(image)[0].numpy()
    peaks = [(kind, *at) for kind in (1, 2, 3) for at in find_peaks(responses[kind]).tolist()]
    theirs = STORED[f"{case}|peaks"] + (1, 0, 0)
    assert sorted(peaks) == sorted(map(tuple, theirs.tolist()))
    mean = [np.mean([responses[p] for p in peaks if p[0] == kind]) for kind in (1, 2, 3)]
    np.testing.assert_allclose(mean, STORED[f"{case}|aggregation"], rtol=1e-4)
    chosen = torch.from_numpy(theirs[STORED[f"{case}|chosen"]])
    sources = net.sources(image, chosen)
    np.testing.assert_allclose(sources.sum((1, 2)), np.ones(len(chosen)), rtol=1e-5)
    expected = STORED[f"{case}|sources"]
    found = sources[:, ::3, ::3].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(expected.max()))


def test_a_converted_file_of_prm_finds_what_its_peaks_come_from(tmp_path, monkeypatch):
    kept = tmp_path / "peaks.safetensors"
    torch.save(state_of("prm prm"), tmp_path / "theirs.pth")
    told = write_published(kept, tmp_path / "theirs.pth", "prm", {"width": 0.25})
    assert "4 classes: background, class 0, class 1, class 2" in told
    monkeypatch.setattr(semantic_model, "PEAK_SIDE", 64)
    monkeypatch.setattr(semantic_model, "PEAK_HEIGHT", -np.inf)
    model = load_semantic(kept, device="cpu")
    assert model.traits.objects_apart
    image = image_of("prm prm")[0].permute(1, 2, 0).sigmoid().numpy()
    found = model.find(image, threshold=0.0)
    assert found
    assert {one.name for one in found} <= {"class 0", "class 1", "class 2"}
    assert all(one.mask.shape == image.shape[:2] and one.mask.sum() > 0 for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert model.find(image, threshold=1.0) == ()


def test_every_layout_has_names_and_a_case():
    known = {(who, network) for who, nets in LAYOUTS.items() for network in nets}
    assert set(NAMES) == known == {tuple(case.split()[:2]) for case in CASES}


def test_a_network_that_no_code_was_compared_with_says_so_in_its_title():
    compared = {network for nets in LAYOUTS.values() for network in nets} - {"disir-classes"}
    for name, spec in SEMANTIC_NETWORKS.items():
        # what is trained of DISIR is smaller than what was compared
        assert spec.title.endswith(UNPROVEN) is (name not in compared), name


BISENET = "mmsegmentation bisenet"


@pytest.fixture
def theirs(tmp_path):
    """A file as mmsegmentation writes it, with the names of its classes."""
    path = tmp_path / "bisenet.pth"
    about = {"CLASSES": ["road", "sky", "car"], "mmseg_version": "0.11"}
    torch.save({"state_dict": state_of(BISENET), "meta": about}, path)
    return path


def test_the_shell_makes_a_start_of_a_published_file(theirs, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NAPARI_INTSEG_WEIGHTS", str(tmp_path / "models"))
    words = ["weights", "convert", str(theirs), "--network", "bisenet", "--name", "streets"]
    folder = ["--folder", str(tmp_path / "models")]
    assert main([*words, "--setting", "width=0.25", *folder]) == 0
    assert "BiSeNet from mmsegmentation, 3 classes: road, sky, car" in capsys.readouterr().out
    assert known_names()["streets"][:2] == ("published weights, converted", "as published")
    (tmp_path / "streets").mkdir()  # a folder that is no model hides none
    monkeypatch.chdir(tmp_path)
    model = load_start_model("streets", device="cpu")
    assert "from mmsegmentation" in model.traits.title
    found = model.find(image_of(BISENET)[0].permute(1, 2, 0).sigmoid().numpy())
    # the first class is a class too, as there is no background
    covered = sum(one.mask.astype(int) for one in found)
    assert {one.name for one in found} <= {"road", "sky", "car"}
    assert (covered == 1).all()
    # what is built otherwise is not trained on by mistake
    net = build_semantic("bisenet", 3, 0.25)
    options = SemanticOptions(
        folders=((tmp_path, 1.0),),
        output=tmp_path,
        network="bisenet",
        width=0.25,
        start=tmp_path / "models" / "streets.safetensors",
    )
    with pytest.raises(WeightsError, match=r"cannot be trained on: .*from mmsegmentation"):
        _initialise(net, options, ("road", "sky", "car"))


def test_a_checkpoint_of_a_run_is_read_whatever_else_it_holds(theirs, tmp_path, monkeypatch):
    """As mmengine saves it: names of classes elsewhere, an optimiser, the course of the losses."""
    module = types.ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        def __init__(self):
            self._log_history, self._min = np.arange(5.0), np.float64(1)
            # as there: written as a call of `getattr`
            self._statistics = {"mean": HistoryBuffer.mean}

        def mean(self):
            raise AssertionError("nothing of it is called")

    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = module.__name__, "HistoryBuffer"
    HistoryBuffer.mean.__module__ = module.__name__
    HistoryBuffer.mean.__qualname__ = "HistoryBuffer.mean"
    module.HistoryBuffer = HistoryBuffer
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    whole = torch.load(theirs, weights_only=True)
    whole["meta"] = {"dataset_meta": {"classes": ("road", "sky", "bus")}, "seed": 1}
    whole |= {"message_hub": {"loss": HistoryBuffer()}, "optimizer": {"state": {}}}
    path = tmp_path / "iter_8000.pth"
    torch.save(whole, path)
    monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(WeightsError, match=r"asks to run code \(mmengine"):
        load_checkpoint(path)
    assert read_published(path, "bisenet", {"width": 0.25})[2] == ("road", "sky", "bus")


def test_a_file_that_is_not_converted_yet_says_so(theirs, tmp_path):
    with pytest.raises(UnknownModelError, match=r"Convert it first: .*weights convert FILE"):
        load_start_model(theirs)
    with pytest.raises(UnknownModelError, match="Check the path"):
        load_start_model(tmp_path / "nothing.pth")


def test_a_file_of_another_network_or_project_is_refused(theirs, tmp_path):
    with pytest.raises(WeightsError, match="another network: expected those of 'pspnet'"):
        read_published(theirs, "pspnet", {"width": 0.25, "depth": 18})
    with pytest.raises(WeightsError, match=r"unknown names: .*'unet' of mmsegmentation"):
        read_published(theirs, "unet", {})
    with pytest.raises(WeightsError, match="expected 3 classes, got 2 names"):
        read_published(theirs, "bisenet", {"width": 0.25, "names": ["a", "b"]})
    with pytest.raises(WeightsError, match="another network"):
        read_published(theirs, "bisenet", {"width": 0.5})
    with pytest.raises(WeightsError, match=r"size is unknown: .*stride=7"):
        read_published(theirs, "bisenet", {"width": 0.25, "stride": 7})
    other = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(3, 3)}, other)
    with pytest.raises(WeightsError, match="a project that is not known"):
        read_published(other, "pspnet", {})


def test_a_file_that_tells_one_class_gets_a_background(tmp_path):
    state = state_of("segmentation-models pan")
    for name in ("segmentation_head.0.weight", "segmentation_head.0.bias"):
        state[name] = state[name][:1]
    torch.save(state, tmp_path / "theirs.pth")
    found, _, names, _ = read_published(tmp_path / "theirs.pth", "pan", {})
    assert names == ("background", "class 0")
    assert found["last.weight"].shape[0] == 2
    assert not found["last.weight"][0].any()


def test_only_sizes_that_are_published_are_built():
    options = NetworkLayout("mmsegmentation", {"depth": 101, "stride": 16}).options("deeplab-v3")
    # half the stride, half the rates
    assert options["pyramid"]["rates"] == (6, 12, 18)
    assert options["trunk"]["stride"] == 16
    for key in SIZES:
        with pytest.raises(ValueError, match=rf"size is unknown: .*{key}=4096"):
            NetworkLayout("mmsegmentation", {key: 4096}).options("pspnet")
    with pytest.raises(ValueError, match=r"layout is unknown: .*'unet'"):
        NetworkLayout("semseg").options("unet")
