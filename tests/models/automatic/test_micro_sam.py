"""micro-sam's decoder and its rule, against its authors' code, and its files.

`tests/data/parity/micro_sam.npz` holds what the authors' decoder answered (every third pixel) to a
random embedding with values that follow from names, in both ways of growing; and made maps of five
cells with the labels that the authors' rule gives them.
"""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.errors import MissingExtraError, WeightsError
from napari_intseg.models.automatic import click_and_cell_models
from napari_intseg.models.automatic.open_model import known_names, load_start_model
from napari_intseg.models.automatic.proposals import from_centre_and_edge
from small_zoo import made_by_name

pytest.importorskip("transformers", reason="needs the extra 'sam'")

from napari_intseg.models.sam import sam
from napari_intseg.models.sam.mask_decoder import PromptedNet

with np.load(Path(__file__).resolve().parents[2] / "data" / "parity" / "micro_sam.npz") as _file:
    STORED = dict(_file)


def decoder_state(kind):
    out = {}
    for line in zlib.decompress(STORED[f"{kind}|names"].tobytes()).decode().splitlines():
        name, told = line.split()
        shape = () if told == "-" else tuple(int(n) for n in told.split("x"))
        is_count = name.endswith("num_batches_tracked")
        out[name] = torch.zeros(shape, dtype=torch.long) if is_count else made_by_name(name, shape)
    return out


@pytest.mark.parametrize("kind", ["resized", "transposed"])
def test_the_decoder_s_maps_are_those_of_the_authors_code(kind):
    net = sam.make_decoder(decoder_state(kind), Path("vit_b_lm_decoder"))
    given = torch.randn(1, 256, 8, 8, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        found = net(given)[0, :, ::3, ::3].numpy()
    answer = STORED[f"{kind}|answer"]
    assert answer.std((1, 2)).min() > 0.3
    np.testing.assert_allclose(found, answer, atol=1e-4)


def test_objects_are_those_of_the_authors_rule():
    found = from_centre_and_edge(STORED["maps"].astype(np.float32), min_px=0)
    assert found.max() == 5
    np.testing.assert_array_equal(found, STORED["labels"])


def test_seeds_that_touch_at_a_corner_are_one_and_specks_go():
    maps = np.ones((3, 40, 40), np.float32)
    maps[1:, 10:14, 10:14] = maps[1:, 14:18, 14:18] = 0
    assert from_centre_and_edge(maps, smooth_px=1e-6).max() == 1
    maps[0] = 0
    maps[0, 10:13, 10:13] = 1
    assert from_centre_and_edge(maps, smooth_px=1e-6, min_px=5).max() == 1
    assert from_centre_and_edge(maps, smooth_px=1e-6, min_px=50).max() == 0


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """MobileSAM's part and the decoder's in one file, as micro-sam exports them."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("micro") / "vit_t_lm.pt"
    state = PromptedNet(sam.TinyEncoder()).state_dict()
    torch.save({"model_state": state, "decoder_state": decoder_state("resized")}, path)
    return path


def test_a_file_finds_objects_by_its_decoder(published, monkeypatch):
    seen = []
    told = STORED["maps"].astype(np.float32)
    monkeypatch.setattr(sam.CellMaps, "maps", lambda _, *given: seen.append(given) or told)
    model = load_start_model(f"micro-sam:{published}", device="cpu")
    assert model.traits.title == "micro-sam vit_t_lm"
    found = model.find(np.full((*told.shape[1:], 3), 0.5, np.float32))
    assert len(seen) == 1
    assert len(found) == 5
    for number, one in enumerate(found, 1):
        np.testing.assert_array_equal(one.mask, STORED["labels"] == number)


def test_the_decoder_may_lie_beside_in_micro_sam_s_folder(published, monkeypatch, tmp_path):
    monkeypatch.setenv("MICROSAM_CACHEDIR", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"expected a model of micro-sam, got none at .*vit_b_lm"
    ):
        load_start_model("micro-sam", device="cpu")
    folder = tmp_path / "models"
    folder.mkdir()
    whole = torch.load(published, weights_only=True)
    torch.save(whole["model_state"], folder / "vit_t_lm")
    with pytest.raises(WeightsError, match="weights have no decoder"):
        load_start_model("micro-sam:vit_t_lm", device="cpu")
    torch.save(whole["decoder_state"], folder / "vit_t_lm_decoder")
    assert load_start_model("micro-sam:vit_t_lm", device="cpu").traits.title == "micro-sam vit_t_lm"
    torch.save({"last.weight": torch.zeros(3)}, folder / "vit_t_lm_decoder")
    with pytest.raises(WeightsError, match="another model: expected the parameters of CellDecoder"):
        load_start_model("micro-sam:vit_t_lm", device="cpu")


class PixelEncoder(torch.nn.Module):
    """Has as its feature which pixels are bright and not padding."""

    def embed(self, pixels):
        return {"image": torch.nn.functional.avg_pool2d(pixels[:, :1], 64)}


class FeatureDecoder(torch.nn.Module):
    """Gives the feature, times a factor, as each of the maps."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, embedding):
        maps = self.factor * embedding.repeat(1, 3, 1, 1)
        return maps.repeat_interleave(16, 2).repeat_interleave(16, 3)


def test_maps_lie_on_the_image_whatever_its_shape():
    image = np.zeros((60, 120, 3), np.float32)
    image[:, 60:] = 1
    maps = sam.CellMaps(PixelEncoder(), FeatureDecoder()).maps(image, torch.device("cpu"))
    assert maps.shape == (3, 60, 120)
    assert maps[:, :, :50].max() < 0.5 < maps[:, :, 70:].min()


def test_what_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(click_and_cell_models, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"expected transformers\. .*napari-intseg\[sam\]"):
        load_start_model("micro-sam", device="cpu")
    assert known_names()["micro-sam"][2] == "ready"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state, name: {**state, 3: state[name]}, "1 unknown (3)"),
        (
            lambda state, name: {**state, name: state[name].to(torch.complex64)},
            "that are no real numbers",
        ),
        (lambda state, name: {**state, name: None}, "weights hold no state dict"),
    ],
)
def test_a_crafted_decoder_is_refused(change, told):
    state = decoder_state("resized")
    name = next(one for one, value in state.items() if value.is_floating_point())
    with pytest.raises(WeightsError) as error:
        sam.make_decoder(change(state, name), Path("vit_b_lm_decoder"))
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_decoder_without_numbers_is_told_and_not_taken_for_an_image_without_objects():
    net = sam.CellMaps(PixelEncoder(), FeatureDecoder(torch.nan))
    with pytest.raises(WeightsError, match="expected maps of finite numbers"):
        net.maps(np.zeros((16, 16, 3), np.float32), torch.device("cpu"))
