"""Folders of any family that `transformers` has, and one way to load whatever finds objects."""

import json

import numpy as np
import pytest
import torch

from napari_intseg.errors import MissingExtraError, UnknownModelError, WeightsError
from napari_intseg.models.automatic import automatic, hub_models
from napari_intseg.models.automatic.automatic import load_folder
from napari_intseg.models.automatic.hub_models import FAMILIES, family_of_type
from napari_intseg.models.automatic.open_model import load_start_model
from small_onnx import linear

transformers = pytest.importorskip("transformers", reason="needs the extra 'automatic'")


THINGS = {0: "mouse", 1: "cell", 2: "nucleus"}
PREPARED = {
    "size": {"height": 64, "width": 64}, "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
}  # fmt: skip


def beit():
    config = transformers.BeitConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        image_size=64, patch_size=8, out_indices=[1, 2, 3, 4], use_auxiliary_head=False,
        pool_scales=[1, 2], id2label=THINGS,
    )  # fmt: skip
    return transformers.BeitForSemanticSegmentation(config)


def mobilevit():
    config = transformers.MobileViTConfig(
        hidden_sizes=[8, 8, 8], neck_hidden_sizes=[4, 4, 8, 8, 8, 8, 16], num_attention_heads=2,
        aspp_out_channels=8, atrous_rates=[2, 4, 6], image_size=64, id2label=THINGS,
    )  # fmt: skip
    return transformers.MobileViTForSemanticSegmentation(config)


def dpt():
    config = transformers.DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        image_size=64, patch_size=16, backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, use_auxiliary_head=False,
        id2label=THINGS, readout_type="project",
    )  # fmt: skip
    return transformers.DPTForSemanticSegmentation(config)


def eomt():
    config = transformers.EomtConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=64, patch_size=16,
        num_queries=5, num_blocks=1, num_upscale_blocks=1, mlp_ratio=2, id2label=THINGS,
    )  # fmt: skip
    return transformers.EomtForUniversalSegmentation(config)


def detr():
    trunk = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
        backbone_config=trunk, d_model=32, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=5, id2label=THINGS,
    )  # fmt: skip
    return transformers.DetrForSegmentation(config)


def oneformer():
    trunk = transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.OneFormerConfig(
        backbone_config=trunk, num_queries=5, conv_dim=32, mask_dim=32, hidden_dim=32,
        encoder_feedforward_dim=16, encoder_layers=2, decoder_layers=3, dim_feedforward=16,
        num_attention_heads=2, task_seq_len=16, max_seq_len=16, text_encoder_width=32,
        text_encoder_context_length=16, text_encoder_num_layers=1, text_encoder_vocab_size=20,
        use_auxiliary_loss=False, id2label=THINGS,
    )  # fmt: skip
    return transformers.OneFormerForUniversalSegmentation(config)


def rf_detr():
    trunk = transformers.RfDetrDinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=64, patch_size=16,
        num_windows=2, mlp_ratio=2, out_features=["stage2", "stage4"], window_block_indexes=[0, 2],
    )  # fmt: skip
    config = transformers.RfDetrConfig(
        backbone_config=trunk, d_model=32, decoder_layers=2, decoder_ffn_dim=16,
        decoder_self_attention_heads=2, decoder_cross_attention_heads=2, num_queries=5,
        group_detr=1, intermediate_size=16, id2label=THINGS,
    )  # fmt: skip
    return transformers.RfDetrForInstanceSegmentation(config)


def words_of_tasks(folder):
    """A tokenizer that knows the words of OneFormer's task."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ("[PAD]", "[UNK]", "the", "task", "is", "instance")
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)


MAKE = {
    "beit": beit, "mobilevit": mobilevit, "dpt": dpt, "eomt": eomt, "detr": detr,
    "oneformer": oneformer, "rf_detr": rf_detr,
}  # fmt: skip


@pytest.fixture
def image(rng):
    grey = rng.random((50, 70, 3)).astype(np.float32)
    grey[10:40, 20:50] *= 0.2
    return grey


def saved(folder, net, prepared=None):
    torch.manual_seed(0)
    for key, values in net.named_parameters():
        if "quer" in key:  # untrained, all would say the same
            torch.nn.init.normal_(values, std=3)
    net.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared or PREPARED))
    return folder


@pytest.mark.parametrize("name", list(MAKE))
def test_a_folder_says_itself_what_it_is(tmp_path, image, name):
    torch.manual_seed(1)
    words_of_tasks(tmp_path)
    model = load_start_model(saved(tmp_path, MAKE[name]()), device="cpu")
    found = model.find(image, threshold=0.0)
    assert found
    for one in found:
        assert one.mask.shape == (50, 70)
        assert one.name in THINGS.values()
    assert model.traits.objects_apart == (name in ("eomt", "detr", "oneformer", "rf_detr"))
    model.release()


def test_a_network_of_one_size_gets_it_whatever_the_folder_says(tmp_path, image):
    torch.manual_seed(1)
    other = PREPARED | {"size": {"shortest_edge": 48}}
    model = load_folder(saved(tmp_path, eomt(), other), device="cpu")
    assert model.find(image, threshold=0.0)


def test_families_with_an_entry_keep_it():
    for family in FAMILIES.values():
        assert family_of_type(family.model_type) is family


def test_one_for_semantic_segmentation_is_taken_by_its_class():
    family = family_of_type("new_kind", ["NewKindForSemanticSegmentation"])
    assert (family.loader, family.gives) == ("NewKindForSemanticSegmentation", "classes")
    with pytest.raises(UnknownModelError, match=r"got 'new_kind' for NewKindForImage"):
        family_of_type("new_kind", ["NewKindForImageClassification"])
    with pytest.raises(UnknownModelError, match="Export it to ONNX"):
        family_of_type("new_kind", ["os.system('x')ForSemanticSegmentation"])


def test_a_class_that_is_not_installed_is_told(tmp_path):
    saved(tmp_path, beit())
    told = json.loads((tmp_path / "config.json").read_text())
    told |= {"model_type": "new_kind", "architectures": ["NewKindForSemanticSegmentation"]}
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(MissingExtraError, match="expected transformers with NewKind"):
        load_folder(tmp_path)


def test_detections_keep_a_mask_of_their_own():
    class Frame:
        shape = (4, 6)

        @staticmethod
        def back(maps):
            return maps

    masks = torch.full((3, 4, 6), -9.0)
    masks[0, :, :4] = masks[1, :, 2:] = 9.0
    kinds = torch.tensor([[-9, -9, 3.0], [-9, 2.0, 0], [-9, -9, -9.0]])  # the last is no object
    out = type("Out", (), {"logits": kinds[None], "pred_masks": masks[None]})
    found = automatic.detections(out, Frame, 0.5)
    # the last class is one like the others
    assert [one.kind for one in found] == [2, 1]
    assert [int(one.mask.sum()) for one in found] == [16, 16]
    assert automatic.detections(out, Frame, 0.99) == []


def test_files_are_told_apart(tmp_path, image):
    path = linear(tmp_path / "net.onnx", [[0, 0, 0], [10, 10, 10]], [5, -10])
    path.with_suffix(".json").write_text('{"output": {"kind": "classes"}}')
    assert load_start_model(path, device="cpu").find(image)
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo/rdf.yaml").write_text("name: x")
    with pytest.raises(WeightsError, match="description is not understood"):
        load_start_model(tmp_path / "zoo")
    with pytest.raises(UnknownModelError, match="no model that segments without clicks"):
        load_start_model(tmp_path / "nothing")
    assert hub_models.is_installed()
