"""Mask2Former for video: objects through the frames of a time series.

`tests/data/parity/mask2former_video.npz` holds what the authors' decoder
(`VideoMultiScaleMaskedTransformerDecoder`) answered to random features of three frames, with
weights that follow from their names (`small_zoo.made_by_name`).
"""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_intseg.cli.main import main
from napari_intseg.io.read import read_raster
from napari_intseg.models.automatic import automatic
from napari_intseg.models.automatic.automatic import clip_queries, load_folder
from small_zoo import made_by_name

transformers = pytest.importorskip("transformers", reason="needs the extra 'automatic'")
FILE = Path(__file__).resolve().parents[2] / "data" / "parity" / "mask2former_video.npz"


# names of the library, and what takes their place in the authors' code
NAMES = (
    (r"^queries_embedder", "query_embed"),
    (r"^queries_features", "query_feat"),
    (r"^decoder\.layernorm", "decoder_norm"),
    (r"^decoder\.mask_predictor\.mask_embedder\.(\d)\.0", r"mask_embed.layers.\1"),
    (r"^decoder\.layers\.(\d)\.fc(\d)", r"transformer_ffn_layers.\1.linear\2"),
    (r"^decoder\.layers\.(\d)\.final_layer_norm", r"transformer_ffn_layers.\1.norm"),
    (r"^decoder\.layers\.(\d)\.(self|cross)_attn_layer_norm",
     r"transformer_\2_attention_layers.\1.norm"),
    (r"^decoder\.layers\.(\d)\.self_attn", r"transformer_self_attention_layers.\1.self_attn"),
    (r"^decoder\.layers\.(\d)\.cross_attn",
     r"transformer_cross_attention_layers.\1.multihead_attn"),
)  # fmt: skip


def theirs(name, shape):
    for pattern, known in NAMES:
        name = re.sub(pattern, known, name)
    # the library has three matrices where the authors' code has one
    part = re.search(r"\.self_attn\.([qkv])_proj\.(\w+)$", name)
    if part is None:
        return made_by_name(name, shape)
    whole = f"{name[: part.start()]}.self_attn.in_proj_{part[2]}"
    return made_by_name(whole, (3 * shape[0], *shape[1:])).chunk(3)["qkv".index(part[1])]


def test_queries_of_a_clip_are_those_of_the_authors_decoder():
    config = transformers.Mask2FormerConfig(
        feature_size=32, mask_feature_size=32, hidden_dim=32, dim_feedforward=16, decoder_layers=5,
        num_attention_heads=2, num_queries=5, dropout=0.0,
    )  # fmt: skip
    module = transformers.models.mask2former.modeling_mask2former
    decoder = module.Mask2FormerTransformerModule(32, config).eval()
    last = torch.nn.Linear(32, 4)
    with torch.no_grad():
        for name, value in decoder.named_parameters():
            value.copy_(theirs(name, tuple(value.shape)))
        for name, value in last.named_parameters():
            value.copy_(made_by_name(f"class_embed.{name}", tuple(value.shape)))
    random = torch.Generator().manual_seed(11)
    sizes = ((2, 3), (4, 6), (8, 12), (16, 24))
    maps = [torch.randn(3, 32, *size, generator=random) for size in sizes]
    seen = SimpleNamespace(decoder_hidden_states=maps[:3], decoder_last_hidden_state=maps[3])
    model = SimpleNamespace(pixel_level_module=lambda **_: seen, transformer_module=decoder)
    net = SimpleNamespace(model=model, class_predictor=last)
    with torch.no_grad():
        logits, masks = clip_queries(net, torch.zeros(3, 3, 64, 96))
    with np.load(FILE) as stored:
        np.testing.assert_allclose(logits, stored["logits"], atol=2e-5)
        np.testing.assert_allclose(masks, stored["masks"], atol=5e-5)
        # frames look at each other: each by itself would answer something else
        assert stored["masks"].std() > 1
    alone = [SimpleNamespace(decoder_hidden_states=[m[:1] for m in maps[:3]],
                             decoder_last_hidden_state=maps[3][:1])]  # fmt: skip
    model.pixel_level_module = lambda **_: alone[0]
    with torch.no_grad():
        assert not torch.allclose(clip_queries(net, torch.zeros(1, 3, 64, 96))[0], logits)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random network whose folder says that it is for video."""
    place = tmp_path_factory.mktemp("hub") / "video"
    torch.manual_seed(0)
    trunk = transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.Mask2FormerConfig(
        backbone_config=trunk, feature_size=32, mask_feature_size=32, hidden_dim=32,
        encoder_feedforward_dim=16, dim_feedforward=16, encoder_layers=1, decoder_layers=4,
        num_attention_heads=2, num_queries=6, id2label={0: "mouse", 1: "cell"},
    )  # fmt: skip
    transformers.Mask2FormerForUniversalSegmentation(config).save_pretrained(place)
    told = json.loads((place / "config.json").read_text())
    told["architectures"] = ["Mask2FormerForVideoSegmentation"]
    (place / "config.json").write_text(json.dumps(told))
    about = {"size": {"height": 64, "width": 96}, "image_mean": [0.5] * 3, "image_std": [0.3] * 3}
    (place / "preprocessor_config.json").write_text(json.dumps(about))
    return place


def frames(count):
    """A bright square that moves to the right."""
    out = np.full((count, 40, 60), 40, np.uint8)
    for time in range(count):
        out[time, 10:24, 4 + 2 * time : 18 + 2 * time] = 220
    return out


def test_a_folder_for_video_numbers_objects_through_time(folder):
    model = load_folder(folder, device="cpu")
    assert model.traits.joins_frames
    pictures = list(np.repeat(frames(5)[..., None], 3, axis=-1).astype(np.float32) / 255)
    seen = []
    labels, names = model.find_through(
        pictures, threshold=0.0, on_progress=lambda done, count: seen.append((done, count))
    )
    assert (labels.shape, labels.dtype, seen) == ((5, 40, 60), np.int32, [(5, 5)])
    assert set(np.unique(labels[labels > 0]).tolist()) == set(names) != set()
    assert model.find(pictures[0], threshold=0.0)
    assert model.find_through(pictures, threshold=1.0)[1] == {}


def test_objects_go_on_from_clip_to_clip(folder, monkeypatch):
    model = load_folder(folder, device="cpu")
    monkeypatch.setattr(automatic, "_CLIP", 3)
    series = frames(7)
    pictures = list(np.repeat(series[..., None], 3, axis=-1).astype(np.float32) / 255)

    # of each clip the bright square; its second number stands for one that comes later
    def clip(given, _):
        labels = np.stack([(one[..., 0] > 0.5).astype(np.int32) for one in given])
        labels[-1, 30:, :9] = 2
        return labels, {1: "cell", 2: "mouse"}

    monkeypatch.setattr(model, "_clip", clip)
    labels, names = model.find_through(pictures)
    np.testing.assert_array_equal(labels == 1, series > 100)
    assert names[1] == "cell"
    assert sorted(names.values()) == ["cell", "mouse", "mouse", "mouse"]


def test_the_shell_starts_from_a_time_series(folder, tmp_path, capsys):
    import tifffile

    path = tmp_path / "moving.tif"
    tifffile.imwrite(path, frames(4), imagej=True, metadata={"axes": "TYX", "finterval": 2.0})
    words = ["start", str(path), "--model", str(folder), "--device", "cpu", "--threshold", "0"]
    assert main([*words, "-o", str(tmp_path / "labels.tif")]) == 0
    raster = read_raster(tmp_path / "labels.tif")
    assert raster.levels[0].shape == (4, 40, 60)
    assert raster.axes == "tyx"
    assert np.asarray(raster.levels[0]).any()
    assert "object 1: " in capsys.readouterr().out
    # refused before anything is looked for
    assert main([*words, "-o", str(tmp_path / "labels.png")]) == 2
    assert main([*words, "--neighbours", "-o", str(tmp_path / "no.tif")]) == 2
    assert "object" not in capsys.readouterr().out
    # one time point alone is an image
    assert main([*words, "--time", "2", "-o", str(tmp_path / "one.tif")]) == 0
    assert read_raster(tmp_path / "one.tif").levels[0].shape == (40, 60)
