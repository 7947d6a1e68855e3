import json
import sys
import types
from pathlib import Path

import pytest
import torch

from napari_intseg.errors import WeightsError
from napari_intseg.models.registry import MODELS, load_model
from napari_intseg.models.ritm import STAND_INS
from napari_intseg.models.weights.locate import add, bundled_folder
from napari_intseg.models.weights.recognise import Recognised, recognise, recognise_file

FIXTURES = {
    "ritm_hrnet18s_itermask": ("RITM HRNet-18s", ("ritm-hrnet18s",)),
    "ritm_hrnet18_itermask": ("RITM HRNet-18", ("ritm-hrnet18",)),
    "ritm_hrnet32_itermask": ("RITM HRNet-32", ("ritm-hrnet32",)),
    "ritm_hrnet18_baseline": (
        "RITM HRNet-18 without previous mask", ("ritm-hrnet18-baseline",)),
    "ritm_resnet34_deeplab": ("RITM ResNet-34", ("ritm-resnet34",)),
    "fbrs_resnet34": ("f-BRS ResNet-34", ("fbrs-resnet34",)),
    "fbrs_resnet50": ("f-BRS ResNet-50", ("fbrs-resnet50",)),
    "fbrs_resnet101": ("f-BRS ResNet-101", ("fbrs-resnet101",)),
    "fbrs_hrnet18": ("f-BRS HRNet-18", ("fbrs-hrnet18",)),
    "fbrs_hrnet32": ("f-BRS HRNet-32", ("fbrs-hrnet32",)),
    "focalclick_hrnet18s_s1": ("FocalClick HRNet-18s-S1", ("focalclick-hrnet18s-s1",)),
    "focalclick_hrnet18s_s2": ("FocalClick HRNet-18s-S2", ("focalclick-hrnet18s-s2",)),
    "focalclick_hrnet32_s2": ("FocalClick HRNet-32-S2", ("focalclick-hrnet32-s2",)),
    "focalclick_segformer_b0_s1": (
        "FocalClick SegFormer-B0-S1", ("focalclick-segformer-b0-s1",)),
    "focalclick_segformer_b0_s2": (
        "FocalClick SegFormer-B0-S2", ("focalclick-segformer-b0-s2",)),
    "focalclick_segformer_b3_s2": (
        "FocalClick SegFormer-B3-S2", ("focalclick-segformer-b3-s2",)),
    "simpleclick_vit_xtiny": ("SimpleClick ViT-xtiny", ("simpleclick-vit-xtiny",)),
    "simpleclick_vit_b": ("SimpleClick ViT-B", ("simpleclick-vit-b",)),
    "simpleclick_vit_l": ("SimpleClick ViT-L", ("simpleclick-vit-l",)),
    "simpleclick_vit_h": ("SimpleClick ViT-H", ("simpleclick-vit-h",)),
    "fcanet_resnet": ("FCANet", ("fcanet",)),
    "fcanet_res2net": ("FCANet", ("fcanet",)),
    "forte_resnet50_gnws": ("the network of Forte et al.", ("forte",)),
    "dextr_resnet101_psp": (
        "DEXTR or DeepGrabCut, which look alike", ("dextr", "deepgrabcut")),
    "deepgrabcut_resnet101_psp": (
        "DEXTR or DeepGrabCut, which look alike", ("dextr", "deepgrabcut")),
    "iog_resnet101": ("IOG", ("iog",)),
    "iog_resnet101_refinement": ("IOG with its refinement branch", ("iog",)),
    "sam_vit_b": ("SAM ViT-B", ("sam-vit-b",)),
    "sam_vit_l": ("SAM ViT-L", ("sam-vit-l",)),
    "sam_vit_h": ("SAM ViT-H", ("sam-vit-h",)),
    "samhq_vit_b": ("SAM-HQ ViT-B", ("sam-hq-vit-b",)),
    "samhq_vit_tiny": ("SAM-HQ tiny", ("sam-hq-vit-tiny",)),
    "mobilesam_vit_t": ("MobileSAM", ("mobile-sam",)),
    "efficientsam_vitt": ("EfficientSAM ViT-T", ("efficient-sam-vitt",)),
    "efficientsam_vits": ("EfficientSAM ViT-S", ("efficient-sam-vits",)),
    "sam2_1_hiera_t": ("SAM 2.1 tiny", ("sam2.1-tiny",)),
    "sam2_1_hiera_s": ("SAM 2.1 small", ("sam2.1-small",)),
    "sam2_1_hiera_bplus": ("SAM 2.1 base plus", ("sam2.1-base-plus",)),
    "sam2_1_hiera_l": ("SAM 2.1 large", ("sam2.1-large",)),
}  # fmt: skip
WITH_CONFIG = ("ritm", "focalclick", "simpleclick")


def published(shared: Path, fixture: str) -> dict:
    """A checkpoint as its authors wrap it; each tensor is one number, repeated without memory."""
    info = json.loads((shared / "parity" / f"{fixture}.json").read_text())
    state_dict = {n: torch.zeros(1).expand(s) if s else torch.zeros(()) for n, s in
                  info["shapes"].items()}  # fmt: skip
    if fixture.startswith(WITH_CONFIG):
        return {"state_dict": state_dict, "config": info["config"]}
    if fixture.startswith(("sam2", "efficientsam")):
        return {"model": state_dict}
    return state_dict


@pytest.mark.parametrize("fixture", FIXTURES)
def test_every_published_network_is_recognised(shared, fixture):
    assert recognise(published(shared, fixture)) == Recognised(*FIXTURES[fixture])


def test_every_model_with_weights_can_be_told_or_looks_like_one_that_can():
    told = {model for _, models in FIXTURES.values() for model in models} | {"bundled"}
    # these differ from a told one by what they were trained on, or by what wraps the network;
    # EdgeTAM's file is told in sam/test_edgetam_parity.py
    alike = {"medsam", "sam-finetuned", "ritm-hrnet18-sbd", "edgetam"}
    wrapped = {n for n in MODELS if n.endswith(("-sbd", "-fbrs-b")) or MODELS[n].parts}
    theirs = {n for n, spec in MODELS.items() if spec.family.startswith("nninteractive")}
    known = told | alike | wrapped | theirs
    others = {n for n, spec in MODELS.items() if spec.weights and n not in known}
    assert not {n for n in others if MODELS[n].weights not in told}, others


def test_the_bundled_file_is_recognised():
    folder = bundled_folder()
    assert folder is not None
    found = recognise_file(folder / "bundled.safetensors")
    assert found is not None
    assert found.models == ("bundled",)


@pytest.mark.parametrize("prefix", ["module.", "sam."])
def test_prefixes_of_trainers_do_not_matter(shared, prefix):
    state_dict = published(shared, "sam_vit_b")
    found = recognise({"model_state": {prefix + n: v for n, v in state_dict.items()}})
    assert found == Recognised("SAM ViT-B", ("sam-vit-b",))


def test_names_of_the_transformers_library_are_known():
    sam = {"vision_encoder.pos_embed": torch.zeros(1).expand(1, 64, 64, 1024),
           "mask_decoder.iou_token.weight": torch.zeros(1)}  # fmt: skip
    assert recognise(sam) == Recognised("SAM ViT-L", ("sam-vit-l",))
    sam2 = {f"vision_encoder.backbone.blocks.{k}.x": torch.zeros(1) for k in range(16)}
    sam2 |= {"memory_temporal_positional_encoding": torch.zeros(1),
             "occlusion_spatial_embedding_parameter": torch.zeros(1)}  # fmt: skip
    assert recognise(sam2) == Recognised("SAM 2.1 small", ("sam2.1-small",))


def test_networks_without_a_model_here_are_named_all_the_same(shared):
    bare = published(shared, "sam2_1_hiera_t")["model"]
    first = {n: v for n, v in bare.items() if n != "no_obj_embed_spatial"}
    found = recognise(first)
    assert found == Recognised("SAM 2.0 tiny", ())
    assert found.advice == "This is SAM 2.0 tiny, for which there is no model here."


@pytest.mark.parametrize("checkpoint", [None, 3, [], {}, {"weight": torch.zeros(2)}, {"a": "b"}])
def test_anything_else_is_not_recognised(checkpoint):
    assert recognise(checkpoint) is None


def test_unreadable_and_hostile_files_are_not_recognised(tmp_path):
    class Run:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"refiner.refine_trimap.weight": Run()}, tmp_path / "hostile.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    for name in ("hostile.pth", "text.pth", "missing.pth", ""):
        assert recognise_file(tmp_path / name) is None
    assert not (tmp_path / "ran").exists()


def test_a_published_simpleclick_is_recognised_with_its_pickled_loss(shared, tmp_path, monkeypatch):
    module_name, class_name = STAND_INS[0].rsplit(".", 1)
    module = types.ModuleType(module_name)
    loss = type(class_name, (), {"__module__": module_name})
    setattr(module, class_name, loss)
    parts = module_name.split(".")
    for k in range(1, len(parts) + 1):
        name = ".".join(parts[:k])
        monkeypatch.setitem(
            sys.modules, name, module if k == len(parts) else types.ModuleType(name)
        )
    checkpoint = published(shared, "simpleclick_vit_b")
    torch.save({**checkpoint, "config": {"params": {"loss": loss()}}}, tmp_path / "file.pth")
    monkeypatch.undo()
    found = recognise_file(tmp_path / "file.pth")
    assert found == Recognised("SimpleClick ViT-B", ("simpleclick-vit-b",))


@pytest.fixture(scope="module")
def foreign(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    for fixture in ("focalclick_segformer_b3_s2", "sam_vit_b"):
        torch.save(published(shared, fixture), folder / f"{fixture}.pth")
    return folder


NEEDING = {name: spec for name, spec in MODELS.items() if spec.weights and spec.is_installed}
OTHER_WAYS = {
    "mobile-sam", "sam-hq-vit-b", "medsam", "sam-finetuned", "edgetam", "fbrs-hrnet18",
    "ritm-resnet34", "focalclick-segformer-b0-s1",
}  # fmt: skip
BY_ADAPTER = {spec.builder: name for name, spec in reversed(NEEDING.items())}
FOREIGN = sorted({*BY_ADAPTER.values(), *(OTHER_WAYS & NEEDING.keys())})
"""One name of each adapter, and of each way to read a file."""


@pytest.mark.parametrize("name", FOREIGN)
def test_every_adapter_names_a_foreign_file(foreign, name):
    if MODELS[name].family == "focalclick":
        fixture, told = "sam_vit_b", "This is SAM ViT-B; choose 'sam-vit-b'"
    else:
        fixture = "focalclick_segformer_b3_s2"
        told = "FocalClick SegFormer-B3-S2; choose 'focalclick-segformer-b3-s2'"
    with pytest.raises(WeightsError, match=told) as raised:
        load_model(name, weights=foreign / f"{fixture}.pth", device="cpu")
    assert str(foreign) in str(raised.value)


def test_adding_a_file_by_a_name_of_no_meaning_tells_its_key(foreign, tmp_path):
    named = tmp_path / "last_checkpoint.pth"
    named.write_bytes((foreign / "focalclick_segformer_b3_s2.pth").read_bytes())
    with pytest.raises(WeightsError, match="choose 'focalclick-segformer-b3-s2'"):
        add(named, folder=tmp_path / "cache")
    stored = add(named, "focalclick-segformer-b3-s2", folder=tmp_path / "cache")
    assert stored.path.name == "focalclick_segformerB3_S2_cclvs.pth"


@pytest.mark.parametrize(
    ("name", "fixture", "lost"),
    [
        ("focalclick-hrnet18s-s2", "focalclick_hrnet18s_s2", "refiner.refine_pred.weight"),
        ("ritm-hrnet18s-adapting", "ritm_hrnet18s_itermask", "feature_extractor.cls_head.bias"),
    ],
)
def test_a_damaged_file_of_the_right_model_is_not_called_another(
    shared, tmp_path, name, fixture, lost
):
    checkpoint = published(shared, fixture)
    del checkpoint["state_dict"][lost]
    torch.save(checkpoint, tmp_path / "cut.pth")
    with pytest.raises(WeightsError, match="1 missing") as raised:
        load_model(name, weights=tmp_path / "cut.pth", device="cpu")
    assert "This is" not in str(raised.value)
