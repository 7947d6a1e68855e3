"""Automatic models from folders: tiny random networks, saved and read offline."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.errors import MissingExtraError, PromptError, UnknownModelError, WeightsError
from napari_intseg.models.automatic import automatic
from napari_intseg.models.automatic.automatic import (
    Automatic,
    Finding,
    Preparation,
    load_automatic,
    load_folder,
)
from napari_intseg.models.automatic.hub_models import FAMILIES
from napari_intseg.models.automatic.outputs import Frame
from napari_intseg.models.automatic.start_model import Numbering, by_examples

transformers = pytest.importorskip("transformers", reason="needs the extra 'automatic'")

WORDS = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", ".", "cell", "nucleus", "dark", "mouse")
ID2LABEL = {0: "background", 1: "cell", 2: "nucleus"}
THINGS = {0: "mouse", 1: "cell", 2: "nucleus"}


def swin(*stages: int) -> Any:
    return transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=64,
        out_features=[f"stage{n}" for n in stages],
    )  # fmt: skip


def segformer() -> Any:
    return transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16, id2label=ID2LABEL,
        )
    )  # fmt: skip


def upernet() -> Any:
    trunk = transformers.ConvNextConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1],
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    return transformers.UperNetForSemanticSegmentation(
        transformers.UperNetConfig(
            backbone_config=trunk, hidden_size=16, use_auxiliary_head=False, id2label=ID2LABEL
        )
    )


def mask2former() -> Any:
    return transformers.Mask2FormerForUniversalSegmentation(
        transformers.Mask2FormerConfig(
            backbone_config=swin(1, 2, 3, 4), feature_size=32, mask_feature_size=32, hidden_dim=32,
            encoder_feedforward_dim=16, dim_feedforward=16, encoder_layers=1, decoder_layers=2,
            num_attention_heads=2, num_queries=5, id2label=THINGS,
        )
    )  # fmt: skip


def maskformer() -> Any:
    decoder = transformers.DetrConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=5,
    )  # fmt: skip
    return transformers.MaskFormerForInstanceSegmentation(
        transformers.MaskFormerConfig(
            backbone_config=swin(1, 2, 3, 4), fpn_feature_size=32, mask_feature_size=32,
            decoder_config=decoder, id2label=THINGS,
        )
    )  # fmt: skip


def clipseg() -> Any:
    small = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3,
        "num_attention_heads": 2,
    }  # fmt: skip
    text = {"vocab_size": len(WORDS), "max_position_embeddings": 16}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    return transformers.CLIPSegForImageSegmentation(
        transformers.CLIPSegConfig(
            text_config={**small, **text, **ends},
            vision_config={**small, "image_size": 64, "patch_size": 16},
            projection_dim=16, extract_layers=[0, 1, 2], reduce_dim=8,
            decoder_num_attention_heads=2, decoder_intermediate_size=16,
        )
    )  # fmt: skip


def grounding_dino() -> Any:
    text = transformers.BertConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        vocab_size=len(WORDS), max_position_embeddings=64,
    )  # fmt: skip
    return transformers.GroundingDinoForObjectDetection(
        transformers.GroundingDinoConfig(
            backbone_config=swin(2, 3, 4), text_config=text, num_queries=8, encoder_layers=1,
            decoder_layers=2, d_model=32, encoder_ffn_dim=16, decoder_ffn_dim=16,
            encoder_attention_heads=2, decoder_attention_heads=2, max_text_len=32,
        )
    )  # fmt: skip


def sam3() -> Any:
    part = {
        "hidden_size": 32, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    }  # fmt: skip
    vit = {
        "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 16,
        "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 112, "patch_size": 14,
        "window_size": 4, "global_attn_indexes": [1], "pretrain_image_size": 56,
    }  # fmt: skip
    text = {
        "model_type": "clip_text_model", "vocab_size": len(WORDS), "hidden_size": 16,
        "intermediate_size": 16, "projection_dim": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 32, "bos_token_id": 0,
        "eos_token_id": 1, "pad_token_id": 2,
    }  # fmt: skip
    return transformers.Sam3Model(
        transformers.Sam3Config(
            vision_config={
                "backbone_config": vit, "fpn_hidden_size": 32,
                "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            },
            text_config=text, geometry_encoder_config=part, detr_encoder_config=part,
            detr_decoder_config={**part, "num_queries": 5},
            mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
        )
    )  # fmt: skip


MAKE = {
    "mask2former": mask2former, "maskformer": maskformer, "segformer": segformer,
    "upernet": upernet, "clipseg": clipseg, "grounding-dino": grounding_dino, "sam3": sam3,
}  # fmt: skip
PREPARED = {
    "size": {"height": 128, "width": 128}, "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25], "resample": 2,
}  # fmt: skip


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make a family's folder when it is first asked for."""
    root, made = tmp_path_factory.mktemp("hub"), {}

    def folder(name: str) -> Path:
        if name not in made:
            torch.manual_seed(0)
            made[name] = root / name
            net = MAKE[name]()
            for key, values in net.named_parameters():
                if "queries" in key:  # untrained, all would say the same
                    torch.nn.init.normal_(values, std=3)
            net.save_pretrained(made[name])
            (made[name] / "preprocessor_config.json").write_text(json.dumps(PREPARED))
            if FAMILIES[name].takes_text:
                save_tokenizer(made[name])
        return made[name]

    return folder


@pytest.fixture(autouse=True)
def torchvision_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """SAM 3's network needs torchvision for example boxes alone, which are not given here."""
    from transformers.utils import import_utils

    from napari_intseg.models.automatic import hub_models

    monkeypatch.setitem(import_utils.BACKENDS_MAPPING, "torchvision", (lambda: True, ""))
    found = hub_models.find_spec
    monkeypatch.setattr(hub_models, "find_spec", lambda n: n == "torchvision" or found(n))


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    grey = rng.random((50, 70, 3)).astype(np.float32)
    grey[10:40, 20:50] *= 0.2
    return grey


class Boxed:
    """Turns a box into the mask of all its pixels."""

    traits = Traits("boxed", prompts=frozenset({"box"}))

    def __init__(self) -> None:
        self.boxes: list[Box] = []

    def prepare(self, image: np.ndarray) -> Prepared:
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query: Query) -> Answer:
        box = query.prompts.box
        assert box is not None
        self.boxes.append(box)
        mask = np.zeros(query.prepared.shape, bool)
        mask[round(box.row0) : round(box.row1) + 1, round(box.col0) : round(box.col1) + 1] = True
        return Answer(np.where(mask, 9, -9).astype(np.float32))


@pytest.mark.parametrize("name", list(MAKE))
def test_each_family_is_read_from_its_folder_and_answers(
    name: str, folders: Any, image: np.ndarray
) -> None:
    family = FAMILIES[name]
    model = load_automatic(name, folders(name), device="cpu")
    texts = ("cell", "dark nucleus") if family.takes_text else ()
    masks_by = Boxed() if family.gives == "boxes" else None
    ask = {"threshold": 0.0, "masks_by": masks_by}
    before = image.copy()
    findings = model.find(image, texts, **ask)
    assert findings
    np.testing.assert_array_equal(image, before)
    for finding in findings:
        assert finding.mask.shape == (50, 70)
        assert finding.mask.dtype == bool
        assert finding.mask.any()
        assert 0 <= finding.score <= 1
        assert finding.name in (texts or {*ID2LABEL.values(), *THINGS.values()})
        assert finding.name != "background"
    scores = [finding.score for finding in findings]
    assert scores == sorted(scores, reverse=True)
    again = model.find(image, texts, **ask)
    for one, other in zip(findings, again, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
    # masks of one model do not overlap, but for those of several texts
    if masks_by is None and family.gives != "objects":
        assert sum(f.mask.astype(int) for f in findings).max() == 1
    assert not model.find(image, texts, threshold=1.1, masks_by=masks_by)
    model.release()


def test_a_semantic_network_is_read_as_its_library_reads_it(folders: Any) -> None:
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    net = transformers.SegformerForSemanticSegmentation.from_pretrained(folders("segformer"))
    values = (torch.from_numpy(data).permute(2, 0, 1)[None] / 255 - 0.5) / 0.25
    with torch.inference_mode():
        logits = net.eval()(pixel_values=values).logits
    up = torch.nn.functional.interpolate(logits, (128, 128), mode="bilinear", align_corners=False)
    wanted = up[0].argmax(dim=0).numpy()
    model = load_automatic("segformer", folders("segformer"), device="cpu")
    findings = model.find(data.astype(np.float32) / 255)
    assert findings
    for finding in findings:
        kind = {v: k for k, v in ID2LABEL.items()}[finding.name]
        assert (finding.mask != (wanted == kind)).mean() < 1e-3


class TestPreparation:
    def test_values_are_scaled_and_normalised(self, rng: np.random.Generator) -> None:
        data = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        prepare = Preparation.of(PREPARED)
        tensor, size = prepare(data.astype(np.float32) / 255)
        assert size == (128, 128)
        resized = np.asarray(Image.fromarray(data).resize((128, 128), Image.Resampling.BILINEAR))
        wanted = (resized / 255 - 0.5) / 0.25
        np.testing.assert_allclose(tensor[0].permute(1, 2, 0).numpy(), wanted, atol=1e-5)

    def test_it_equals_the_librarys_own_processor(self, rng: np.random.Generator) -> None:
        data = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        try:
            processor = transformers.ViTImageProcessor(**PREPARED)
            theirs = processor(images=Image.fromarray(data), return_tensors="np")["pixel_values"]
        except (ImportError, NameError) as err:
            pytest.skip(f"the library's processors need torchvision: {type(err).__name__}")
        tensor, _ = Preparation.of(PREPARED)(data.astype(np.float32) / 255)
        # they may resize floats, we resize bytes: half a grey level over 0.25
        np.testing.assert_allclose(tensor.numpy(), np.asarray(theirs), atol=0.02)

    @pytest.mark.parametrize(
        ("told", "shape", "wanted"),
        [
            ({"size": {"height": 32, "width": 48}}, (50, 70), (32, 48)),
            ({"size": {"shortest_edge": 100, "longest_edge": 120}}, (50, 70), (86, 120)),
            ({"size": {"shortest_edge": 100}}, (50, 70), (100, 140)),
            ({"size": 100, "max_size": 120}, (50, 70), (86, 120)),
            ({"size": {"height": 9, "width": 9}, "do_resize": False}, (50, 70), (50, 70)),
            ({}, (50, 70), (50, 70)),
        ],
    )
    def test_sizes_are_told_in_several_ways(
        self, told: dict[str, Any], shape: tuple[int, int], wanted: tuple[int, int]
    ) -> None:
        assert Preparation.of(told).resized(shape) == wanted

    def test_padding_reaches_a_multiple_and_comes_off_again(self) -> None:
        prepare = Preparation.of({"size_divisor": 32, "do_normalize": False})
        ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32)[:, None, None], (1, 50, 3))
        tensor, size = prepare(ramp)
        assert tuple(tensor.shape) == (1, 3, 64, 64)
        assert size == (40, 50)
        frame = Frame((40, 50), size, (64, 64))
        np.testing.assert_allclose(frame.back(tensor[0])[0].numpy(), ramp[..., 0], atol=1 / 255)

    def test_either_file_of_a_folder_tells_it(self, folders: Any, tmp_path: Path) -> None:
        from napari_intseg.models.automatic.hub_models import read_preparation

        (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": PREPARED}))
        assert read_preparation(tmp_path) == PREPARED == read_preparation(folders("segformer"))


class TestReading:
    """Outputs made by hand, with a known answer."""

    FRAME = SimpleNamespace(shape=(4, 6), back=lambda maps: maps)

    def test_queries_share_the_pixels(self) -> None:
        masks = torch.full((3, 4, 6), -9.0)
        masks[0, :, :3] = masks[1, :, 2:] = 9.0
        masks[2, 0, 0] = 9.0  # wholly inside a surer one
        kinds = torch.tensor([[9.0, 0, 0], [0, 5.0, 0], [3.0, 0, 0]])
        out = SimpleNamespace(class_queries_logits=kinds[None], masks_queries_logits=masks[None])
        found = automatic.instances(out, self.FRAME, 0.5)
        assert [f.kind for f in found] == [0, 1]
        assert found[0].mask is not None
        assert found[0].mask.sum() == 12
        assert found[1].mask is not None
        assert found[1].mask.sum() == 12
        unsure = SimpleNamespace(
            class_queries_logits=torch.zeros(1, 3, 3), masks_queries_logits=masks[None]
        )
        assert automatic.instances(unsure, self.FRAME, 0.5) == []

    def test_a_text_means_several_objects_if_it_is_there_at_all(self) -> None:
        masks = torch.full((1, 3, 4, 6), -9.0)
        masks[0, 0, :2], masks[0, 1, 1:] = 9.0, 9.0
        out = SimpleNamespace(
            pred_logits=torch.tensor([[3.0, 2.0, -3.0]]), pred_masks=masks,
            presence_logits=torch.tensor([[9.0]]),
        )  # fmt: skip
        found = automatic.objects(out, self.FRAME, 0.5)
        # each has its own pixels, and the unsure one goes
        assert [int(f.mask.sum()) for f in found if f.mask is not None] == [12, 18]
        assert found[0].score == pytest.approx(0.9525, abs=1e-3)
        out.presence_logits = torch.tensor([[-1.0]])
        assert automatic.objects(out, self.FRAME, 0.5) == []

    def test_boxes_are_shares_of_the_image(self) -> None:
        out = SimpleNamespace(
            logits=torch.tensor([[[-9.0, 2.0], [-9.0, -9.0]]]),
            pred_boxes=torch.tensor([[[0.5, 0.5, 1.0, 0.5], [0.1, 0.1, 0.1, 0.1]]]),
        )
        (found,) = automatic.boxes(out, self.FRAME, 0.25)
        assert found.kind == 1
        assert found.box == Box(0.5, 0, 2.5, 5)

    def test_a_text_claims_what_it_is_likeliest_for(self) -> None:
        maps = torch.full((2, 4, 6), -9.0)
        maps[0, :2], maps[1, 1:3] = 1.0, 2.0
        found = automatic.texts(SimpleNamespace(logits=maps), self.FRAME, 0.5)
        assert [int(f.mask.sum()) for f in found if f.mask is not None] == [6, 12]
        (one,) = automatic.texts(SimpleNamespace(logits=maps[0]), self.FRAME, 0.5)
        assert one.kind == 0


class Concepts(torch.nn.Module):
    """Answers as SAM 3 does: each text means one half of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(image_size=64)
        self.asked: list[list[int]] = []
        self.encoded = 0

    def get_vision_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        self.encoded += 1
        return pixel_values

    def forward(
        self, vision_embeds: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor,
        input_boxes: torch.Tensor | None = None, input_boxes_labels: torch.Tensor | None = None,
    ) -> Any:  # fmt: skip
        assert attention_mask.shape == input_ids.shape == (1, 32)
        self.boxes, self.labels = input_boxes, input_boxes_labels
        self.asked.append(input_ids[0, : int(attention_mask.sum())].tolist())
        masks = torch.full((1, 1, *vision_embeds.shape[2:]), -9.0)
        half = masks.shape[-1] // 2
        if len(self.asked) % 2:
            masks[..., :half] = 9.0
        else:
            masks[..., half:] = 9.0
        return SimpleNamespace(
            pred_logits=torch.full((1, 1), 3.0 + len(self.asked)), pred_masks=masks,
            presence_logits=torch.full((1, 1), 9.0),
        )  # fmt: skip


def test_sam_3_is_asked_each_text_alone_of_one_encoded_image(
    tmp_path: Path, image: np.ndarray
) -> None:
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": PREPARED}))
    save_tokenizer(tmp_path)
    net = Concepts()
    model = Automatic(FAMILIES["sam3"], net, tmp_path, "cpu")
    assert model.traits.objects_apart
    assert "accepts the licence" in model.traits.note
    found = model.find(image, ("cell", "dark nucleus"))
    assert net.encoded == 1
    words = [[WORDS[n] for n in ids] for ids in net.asked]
    assert words == [["[CLS]", "cell", "[SEP]"], ["[CLS]", "dark", "nucleus", "[SEP]"]]
    assert {one.name: bool(one.mask[:, :20].all()) for one in found} == {
        "cell": True, "dark nucleus": False,
    }  # fmt: skip


def test_boxes_round_examples_say_what_sam_3_is_to_look_for(
    tmp_path: Path, image: np.ndarray
) -> None:
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": PREPARED}))
    save_tokenizer(tmp_path)
    net = Concepts()
    model = Automatic(FAMILIES["sam3"], net, tmp_path, "cpu")
    assert model.traits.takes_examples
    rows, cols = image.shape[:2]
    box = Box(0, 0, rows / 2 - 0.5, cols / 4 - 0.5)
    found = by_examples(model, [box, box]).find(image)
    assert [one.name for one in found] == ["visual"]
    half = [0.5 / cols, 0.5 / rows]
    wanted = [(half[0] + 0.25) / 2, (half[1] + 0.5) / 2, 0.25 - half[0], 0.5 - half[1]]
    np.testing.assert_allclose(net.boxes[0], [wanted] * 2, rtol=1e-5)
    assert net.labels.tolist() == [[1, 1]]
    # the model itself knows of no example
    assert model.find(image, ("cell",))
    assert net.boxes is None
    with pytest.raises(PromptError, match="expected at least one text"):
        model.find(image)


def means_in_boxes(features: torch.Tensor, boxes: Any, size: int) -> torch.Tensor:
    """Return the mean in each box for all of its places: enough of torchvision's `roi_align`."""
    found = []
    for x0, y0, x1, y1 in boxes[0].round().int().tolist():
        part = features[:1, :, y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        found.append(part.mean((2, 3), keepdim=True).expand(-1, -1, size, size))
    return torch.cat(found)


def test_a_small_sam_3_answers_examples(
    folders: Any, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.sam3 import modeling_sam3

    # it is not installed for tests, and needed for this one function
    stand_in = SimpleNamespace(ops=SimpleNamespace(roi_align=means_in_boxes))
    monkeypatch.setattr(modeling_sam3, "torchvision", stand_in, raising=False)
    model = load_automatic("sam3", folders("sam3"), device="cpu")
    one = by_examples(model, [Box(2, 2, 20, 20)]).find(image, threshold=0)
    other = by_examples(model, [Box(20, 20, 38, 38)]).find(image, threshold=0)
    assert {found.name for found in one} <= {"visual"}
    assert [a.score for a in one] != [b.score for b in other]


def test_other_models_take_no_examples(folders: Any) -> None:
    model = load_automatic("segformer", folders("segformer"), device="cpu")
    with pytest.raises(PromptError, match="takes no examples"):
        by_examples(model, [Box(0, 0, 4, 4)])


def test_sam_3_is_a_part_of_the_folder_that_is_published(
    folders: Any, image: np.ndarray, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    part = load_automatic("sam3", folders("sam3"), device="cpu")
    shutil.copytree(folders("sam3"), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    whole = {"model_type": "sam3_video", "detector_config": config}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    tensors = load_file(tmp_path / "model.safetensors")
    tensors = {f"detector_model.{name}": value for name, value in tensors.items()}
    # its tracker is not read
    tensors["tracker_model.no_object_pointer"] = torch.zeros(1, 4)
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    model = load_folder(tmp_path, device="cpu")
    assert model.family is FAMILIES["sam3"]
    for one, other in zip(
        part.find(image, ["cell"], threshold=0), model.find(image, ["cell"], threshold=0),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(one.mask, other.mask)


def test_sam_3_tells_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from napari_intseg.models.automatic import hub_models

    monkeypatch.setattr(hub_models, "find_spec", {"transformers": object()}.get)
    with pytest.raises(MissingExtraError, match="expected torchvision"):
        load_automatic("sam3", tmp_path)


def test_a_box_is_named_after_the_text_its_token_belongs_to(
    folders: Any, image: np.ndarray
) -> None:
    model = load_automatic("grounding-dino", folders("grounding-dino"), device="cpu")
    asked: dict[str, Any] = {}

    def answer(**given: Any) -> Any:
        asked.update(given)
        logits = torch.full((1, 2, given["input_ids"].shape[1]), -9.0)
        logits[0, 0, 1], logits[0, 1, 4] = 1.0, 3.0  # the first word, and the second text's
        boxes = torch.tensor([[[0.3, 0.5, 0.2, 0.4], [0.7, 0.5, 0.2, 0.4]]])
        return SimpleNamespace(logits=logits, pred_boxes=boxes)

    model._net = Faked(answer, model._net.config)
    sam = Boxed()
    findings = model.find(image, ("Cell", "dark nucleus."), masks_by=sam)
    words = [WORDS[i] for i in asked["input_ids"][0].tolist()]
    assert words == ["[CLS]", "cell", ".", "dark", "nucleus", ".", "[SEP]"]
    assert [f.name for f in findings] == ["dark nucleus.", "Cell"]
    assert len(sam.boxes) == 2
    assert findings[0].box == sam.boxes[1]
    assert findings[0].mask[25, 49]


class Faked:
    """Stands for a network: says what a test wants it to."""

    def __init__(self, answer: Any, config: Any) -> None:
        self.config, self._answer = config, answer

    def __call__(self, **given: Any) -> Any:
        return self._answer(**given)


class TestRefusals:
    def test_an_unknown_family_is_told_with_the_known_ones(self) -> None:
        with pytest.raises(UnknownModelError, match=r"mask2former.*got 'yolo'"):
            load_automatic("yolo", "nowhere")

    def test_a_folder_of_another_family_is_named(self, folders: Any) -> None:
        with pytest.raises(WeightsError, match=r"got 'segformer'.*Choose 'segformer'"):
            load_automatic("upernet", folders("segformer"))

    def test_a_folder_nobody_knows_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(WeightsError, match=r"got 'bert'.*Choose one of mask2former"):
            load_automatic("upernet", tmp_path)

    def test_no_folder_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"expected one with config\.json"):
            load_automatic("upernet", tmp_path / "gone")

    def test_a_damaged_configuration(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{")
        with pytest.raises(WeightsError, match="file cannot be read: expected JSON"):
            load_automatic("upernet", tmp_path)

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"hidden_sizes": [16, 10**9, 16, 16]}, "number 1000000000 is larger"),
            ({"depths": [1, 900_000, 1, 1]}, "asks for more than its weights hold"),
            ({"decoder_hidden_size": 900_000}, "asks for more than its weights hold"),
        ],
    )
    def test_sizes_that_the_weights_cannot_have(
        self, folders: Any, tmp_path: Path, change: dict[str, Any], match: str
    ) -> None:
        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "large"))
        told = json.loads((folder / "config.json").read_text())
        assert set(change) <= set(told)
        (folder / "config.json").write_text(json.dumps({**told, **change}))
        with pytest.raises(WeightsError, match=match):
            load_automatic("segformer", folder)
        # what counts them is gone again
        assert load_automatic("segformer", folders("segformer"))

    @pytest.mark.parametrize(
        "change",
        [
            {"size": {"height": 10**9, "width": 128}}, {"size": [128, 128]}, {"image_std": [0] * 3},
            {"image_mean": [0.5] * 4}, {"size_divisor": 10**9}, {"resample": 77},
        ],
    )  # fmt: skip
    def test_images_that_cannot_be_prepared(
        self, folders: Any, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "odd"))
        (folder / "preprocessor_config.json").write_text(json.dumps({**PREPARED, **change}))
        with pytest.raises(WeightsError, match="does not say how to prepare images"):
            load_automatic("segformer", folder)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("model.safetensors.index.json", {"weight_map": {"a": "../other/model.safetensors"}}),
            ("model.safetensors.index.json", {"weight_map": {"a": 5}}),
            ("model.safetensors.index.json", {"weight_map": [[]]}),
            ("adapter_config.json", {"base_model_name_or_path": "/somewhere/else"}),
        ],
    )
    def test_weights_of_another_folder_are_not_read(
        self, folders: Any, tmp_path: Path, name: str, text: dict[str, Any]
    ) -> None:
        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "leads"))
        (folder / name).write_text(json.dumps(text))
        with pytest.raises(WeightsError, match="folder leads elsewhere"):
            load_automatic("segformer", folder)

    def test_weights_in_several_files_are_read(self, folders: Any, tmp_path: Path) -> None:
        whole = load_automatic("segformer", folders("segformer"))
        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "shards"))
        (folder / "model.safetensors").unlink()
        whole._net.save_pretrained(folder, max_shard_size="20KB")
        assert len(list(folder.glob("model-*.safetensors"))) > 1
        found = load_automatic("segformer", folder)._net.state_dict()
        for name, values in whole._net.state_dict().items():
            torch.testing.assert_close(found[name], values)

    def test_a_strip_of_few_pixels_stays_small(self) -> None:
        prepare = Preparation.of({"size": {"shortest_edge": 800}})
        assert prepare.resized((1, 4096)) == (4, 16384)

    def test_the_hub_is_not_asked_for_a_backbone(
        self, folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        monkeypatch.setattr("socket.socket.connect", lambda _, to: asked.append(to))
        folder = Path(shutil.copytree(folders("upernet"), tmp_path / "elsewhere"))
        told = json.loads((folder / "config.json").read_text())
        told |= {"backbone_config": None, "backbone": "somebody/anything"}
        (folder / "config.json").write_text(json.dumps(told))
        with pytest.raises(WeightsError, match="expected a model of UPerNet"):
            load_automatic("upernet", folder)
        assert not asked

    def test_a_tokenizer_with_code_is_not_asked_about(
        self, folders: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # without a word on it, the library asks at the console where it knows no tokenizer itself
        asked, read = [], transformers.AutoTokenizer.from_pretrained

        def noted(*where: Any, **how: Any) -> Any:
            asked.append(how.get("trust_remote_code"))
            return read(*where, **how)

        monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", noted)
        assert load_automatic("clipseg", folders("clipseg"))
        assert asked == [False]

    def test_pickled_weights_are_not_read(self, folders: Any, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "pickled"))
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        with pytest.raises(WeightsError, match="Pickled weights are not read"):
            load_automatic("segformer", folder)

    def test_damaged_weights(self, folders: Any, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "damaged"))
        (folder / "model.safetensors").write_bytes(b"not a checkpoint")
        with pytest.raises(WeightsError, match="expected a model of SegFormer"):
            load_automatic("segformer", folder)

    def test_weights_that_lack_a_parameter(self, folders: Any, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "short"))
        values = load_file(folder / "model.safetensors")
        values.pop("decode_head.classifier.weight")
        save_file(values, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=r"1 missing.*decode_head\.classifier\.weight"):
            load_automatic("segformer", folder)

    def test_no_word_on_how_to_prepare_images(self, folders: Any, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(folders("segformer"), tmp_path / "short"))
        (folder / "preprocessor_config.json").unlink()
        with pytest.raises(WeightsError, match=r"expected preprocessor_config\.json"):
            load_automatic("segformer", folder)

    def test_no_tokenizer(self, folders: Any, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(folders("clipseg"), tmp_path / "mute"))
        for path in folder.glob("token*"):
            path.unlink()
        with pytest.raises(WeightsError, match="folder has no tokenizer"):
            load_automatic("clipseg", folder)

    def test_text_is_asked_for_and_refused(self, folders: Any, image: np.ndarray) -> None:
        wordless = load_automatic("segformer", folders("segformer"), device="cpu")
        with pytest.raises(PromptError, match=r"expected no text, got \['cell'\]"):
            wordless.find(image, ["cell"])
        worded = load_automatic("clipseg", folders("clipseg"), device="cpu")
        for texts in ((), (" ",)):
            with pytest.raises(PromptError, match="expected at least one text"):
                worded.find(image, texts)

    def test_boxes_need_somebody_to_turn_them_to_masks(
        self, folders: Any, image: np.ndarray
    ) -> None:
        model = load_automatic("grounding-dino", folders("grounding-dino"), device="cpu")
        clicker = SimpleNamespace(traits=Traits("clicker"))
        for masks_by, told in ((None, "None"), (clicker, "'clicker'")):
            with pytest.raises(PromptError, match=f"boxes only.*got {told}"):
                model.find(image, ("cell",), masks_by=masks_by)

    def test_a_missing_package_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("napari_intseg.models.automatic.hub_models.is_installed", lambda: False)
        with pytest.raises(MissingExtraError, match=r"pip install 'napari-intseg\[automatic\]'"):
            load_automatic("segformer", "nowhere")


def found(name: str, score: float, *where: tuple[slice, slice]) -> Finding:
    mask = np.zeros((8, 12), bool)
    for part in where:
        mask[part] = True
    return Finding(mask, name, score)


class TestNumbering:
    def test_the_surer_object_keeps_its_pixels(self) -> None:
        numbering = Numbering(by_name=False)
        one = found("cell", 0.9, np.s_[:4, :6])
        other = found("cell", 0.6, np.s_[:4, 4:9])
        hidden = found("cell", 0.5, np.s_[1:3, 1:3])
        labels = numbering.labels([one, other, hidden], (8, 12))
        assert labels.dtype == np.int32
        assert labels[0, 5] == 1
        assert labels[0, 6] == 2
        assert numbering.names == {1: "cell", 2: "cell"}

    def test_objects_keep_their_number_from_plane_to_plane(self) -> None:
        numbering = Numbering(by_name=False)
        first = [found("cell", 0.9, np.s_[:4, :4]), found("cell", 0.8, np.s_[4:, 6:])]
        then = [found("cell", 0.9, np.s_[4:, 7:]), found("cell", 0.7, np.s_[:4, :5])]
        numbering.labels(first, (8, 12))
        labels = numbering.labels(then, (8, 12))
        assert labels[6, 8] == 2
        assert labels[1, 1] == 1
        far = numbering.labels([found("cell", 0.9, np.s_[6:, :2])], (8, 12))
        assert far.max() == 3

    def test_an_object_of_another_name_is_another(self) -> None:
        numbering = Numbering(by_name=False)
        numbering.labels([found("cell", 0.9, np.s_[:4, :4])], (8, 12))
        labels = numbering.labels([found("nucleus", 0.9, np.s_[:4, :4])], (8, 12))
        assert labels.max() == 2

    def test_classes_go_by_name(self) -> None:
        numbering = Numbering(by_name=True)
        numbering.labels([found("cell", 0.9, np.s_[:4, :4])], (8, 12))
        both = [found("nucleus", 0.9, np.s_[:1, :4]), found("cell", 0.8, np.s_[6:, 6:])]
        labels = numbering.labels(both, (8, 12))
        assert labels[7, 7] == 1
        assert labels[0, 0] == 2
        assert numbering.names == {1: "cell", 2: "nucleus"}


def test_families_are_listed_without_torch_or_transformers() -> None:
    import subprocess

    code = (
        "import sys; from napari_intseg.models.automatic.hub_models import FAMILIES;"
        "print({'torch', 'transformers'} & set(sys.modules), len(FAMILIES))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()", str(len(FAMILIES))]
    assert isinstance(Automatic, type)
