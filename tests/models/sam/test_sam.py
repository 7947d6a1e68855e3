"""SAM as a segmenter: which masks it offers, what it is fed, and what it says of bad weights."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.segmenter import Prepared, Query, Saving, mask_to_logits
from napari_intseg.errors import MissingExtraError, WeightsError
from napari_intseg.models import registry
from napari_intseg.models.device import DeviceArrays
from napari_intseg.models.net_model import OnDevice
from napari_intseg.models.nets.mobile_encoders import EARLY_DIM
from napari_intseg.models.registry import load_model
from napari_intseg.testing import phantom_image

pytest.importorskip("transformers", reason="needs the extra 'sam'")

from transformers.models.sam.configuration_sam import SamConfig
from transformers.models.sam.modeling_sam import SamModel

from napari_intseg.models.sam import sam, sam2
from napari_intseg.models.sam import sam as sam_sizes
from napari_intseg.models.sam.efficient_sam import EfficientSamNet
from napari_intseg.models.sam.keys import SAM_RULES, unwrapped
from napari_intseg.models.sam.mask_decoder import (
    Asked,
    FewTokens,
    FewTokens2,
    PromptedNet,
    SamState,
    decoder_config,
    file_in,
    load_into,
    read_weights,
)
from napari_intseg.models.sam.sam import SamSegmenter, TinyEncoder
from napari_intseg.models.sam.square_frame import MASK_LOGIT, SquareFrame, fitted, resized

CPU = "cpu"
ONE = Prompts((Click(48, 60),))
TWO = Prompts((Click(48, 60), Click(5, 5, positive=False)))
BOX = Prompts(box=Box(20, 30, 70, 90))
SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "global_attn_indexes": [1],
}  # fmt: skip


class Patches(torch.nn.Module):
    """An image encoder of one convolution, smoothed: masks are then as smooth as an object."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 256, 16, 16)

    def embed(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the embedding of the square."""
        return {"image": torch.nn.functional.avg_pool2d(self.patches(pixels), 9, 1, 4)}


@pytest.fixture(scope="module")
def net() -> PromptedNet:
    """SAM's decoder with random, repeatable weights; MobileSAM's encoder takes 2 s an image."""
    torch.manual_seed(3)  # of the first ones it is the one whose three masks differ most
    made = PromptedNet(Patches())
    made.eval().requires_grad_(False)
    made.finish()
    return made


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return phantom_image()[0]


@pytest.fixture
def model(net: PromptedNet) -> SamSegmenter:
    return SamSegmenter(net, "mobile-sam", device=CPU)


@pytest.fixture(scope="module")
def prepared(net: PromptedNet, image: np.ndarray) -> Any:
    return SamSegmenter(net, "mobile-sam", device=CPU).prepare(image)


def test_one_click_offers_three_masks_and_answers_with_the_best(
    model: SamSegmenter, prepared: Any
) -> None:
    answer = model.predict(Query(prepared, ONE))
    assert len(answer.alternatives) == len(answer.scores) == 3
    best = int(np.argmax(answer.scores))
    np.testing.assert_array_equal(answer.logits, answer.alternatives[best])
    assert answer.info["score"] == max(answer.scores)


@pytest.mark.parametrize("prompts", [TWO, BOX], ids=["two clicks", "box"])
def test_prompts_that_say_what_is_meant_get_one_mask(
    model: SamSegmenter, prepared: Any, prompts: Prompts
) -> None:
    answer = model.predict(Query(prepared, prompts))
    assert answer.alternatives == answer.scores == ()
    model.multimask = True
    assert len(model.predict(Query(prepared, prompts)).alternatives) == 3


def test_the_previous_answer_is_fed_back_unless_told_otherwise(
    net: PromptedNet, model: SamSegmenter, prepared: Any
) -> None:
    first = model.predict(Query(prepared, ONE))
    fed = model.predict(Query(prepared, TWO, first.logits, first.state))
    plain = model.predict(Query(prepared, TWO))
    assert np.abs(fed.logits - plain.logits).max() > 1e-4
    deaf = SamSegmenter(net, "mobile-sam", device=CPU, feed_back=False)
    answer = deaf.predict(Query(prepared, TWO, first.logits, first.state))
    np.testing.assert_array_equal(answer.logits, plain.logits)


def test_going_on_with_another_mask_feeds_that_one_back(model: SamSegmenter, prepared: Any) -> None:
    first = model.predict(Query(prepared, ONE))
    for index, alternative in enumerate(first.alternatives):
        went_on = model.predict(Query(prepared, TWO, alternative, first.state))
        told = SamState(first.state.low[index : index + 1], 0)
        wanted = model.predict(Query(prepared, TWO, alternative, told))
        np.testing.assert_array_equal(went_on.logits, wanted.logits)


def test_a_mask_from_elsewhere_changes_the_answer(model: SamSegmenter, prepared: Any) -> None:
    mask = np.zeros(prepared.shape, bool)
    mask[20:60, 30:80] = True
    with_mask = model.predict(Query(prepared, TWO, mask_to_logits(mask)))
    without = model.predict(Query(prepared, TWO))
    assert np.abs(with_mask.logits - without.logits).max() > 1e-4


def test_a_mask_alone_is_asked_with_its_box(model: SamSegmenter, prepared: Any) -> None:
    mask = np.zeros(prepared.shape, bool)
    mask[20:61, 30:81] = True
    logits = mask_to_logits(mask)
    alone = model.predict(Query(prepared, Prompts(), logits))
    boxed = model.predict(Query(prepared, Prompts(box=Box(20, 30, 60, 80)), logits))
    np.testing.assert_array_equal(alone.logits, boxed.logits)
    empty = model.predict(Query(prepared, Prompts(), mask_to_logits(mask & False)))
    assert np.isfinite(empty.logits).all()


def test_a_mask_prompt_lies_where_the_image_lies() -> None:
    mask = np.zeros((100, 200), bool)
    mask[50:, 100:] = True
    low = SquareFrame("pad").low(mask_to_logits(mask))[0]
    assert low.shape == (256, 256)
    assert (low[66:126, 130:] == MASK_LOGIT).all()
    assert (low[:62] == -MASK_LOGIT).all()
    assert (low[130:] == -MASK_LOGIT).all()
    back = SquareFrame("pad").back(torch.from_numpy(low)[None], mask.shape)[0].numpy() > 0
    assert np.count_nonzero(back != mask) <= 160
    stretched = SquareFrame("stretch").low(mask_to_logits(mask))[0]
    assert (stretched[130:, 130:] == MASK_LOGIT).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (901, 2)])
def test_thin_images_are_answered(net: PromptedNet, shape: tuple[int, int]) -> None:
    model = SamSegmenter(net, "mobile-sam", device=CPU)
    thin = model.prepare(np.full((*shape, 3), 0.5, np.float32))
    answer = model.predict(Query(thin, Prompts((Click(0, 0),))))
    assert answer.logits.shape == shape
    assert np.isfinite(answer.logits).all()


class Counted(dict):
    """Tensors by name; counts how often one is looked up, which is what a way down begins with."""

    looked_up = 0

    def __getitem__(self, name: str) -> torch.Tensor:
        self.looked_up += 1
        return super().__getitem__(name)


def test_an_embedding_on_a_device_comes_down_when_it_is_read_and_stays_down_once_it_left() -> None:
    there = Counted(image=torch.arange(6.0).reshape(2, 3), early=torch.ones(4))
    arrays = DeviceArrays(there)
    assert list(arrays) == ["image", "early"]
    assert there.looked_up == 0
    np.testing.assert_array_equal(arrays["image"], there["image"].numpy())
    there.looked_up = 0
    copies = [dict(arrays), {**arrays}, dict(arrays.items()), pickle.loads(pickle.dumps(arrays))]
    copies += [dict(zip(arrays, arrays.values(), strict=True))]
    # two of each copy: nothing was kept in main memory meanwhile
    assert there.looked_up == 2 * len(copies)
    arrays.leave()
    assert arrays.tensors is None
    for one in (*copies, arrays):
        np.testing.assert_array_equal(one["image"], there["image"].numpy())
        np.testing.assert_array_equal(one["early"], np.ones(4))
    assert type(copies[3]) is dict


def test_what_was_embedded_leaves_a_device_whose_memory_is_wanted(
    net: PromptedNet, prepared: Any
) -> None:
    model = SamSegmenter(net, "sam", device="cpu")
    for give_up in (model.release, lambda: model.save_memory(Saving(half=True))):
        there = DeviceArrays({n: torch.from_numpy(a) for n, a in prepared.payload.items()})
        kept = Prepared(prepared.shape, there, 0, 1)
        model._made.add(kept)
        before = model.predict(Query(kept, ONE)).logits
        give_up()
        assert there.tensors is None
        np.testing.assert_array_equal(model.predict(Query(kept, ONE)).logits, before)
    model.release()


def test_it_warms_up_gives_memory_back_and_goes_on(model: SamSegmenter, prepared: Any) -> None:
    before = model.predict(Query(prepared, ONE)).logits
    model.warm_up()
    model.release()
    np.testing.assert_array_equal(model.predict(Query(prepared, ONE)).logits, before)


def test_the_signature_is_that_of_the_weights(net: PromptedNet, model: SamSegmenter) -> None:
    other = SamSegmenter(net, "mobile-sam", device=CPU, precision="bfloat16")
    assert len({model.signature, other.signature}) == 2
    assert model.signature == SamSegmenter(net, "other-name", device=CPU).signature


@pytest.mark.parametrize("side", [192, 512])
def test_every_encoder_takes_a_smaller_side(side: int) -> None:
    pixels = torch.zeros(1, 3, side, side)
    torch.manual_seed(0)
    nets: list[Any] = [
        TinyEncoder(), EfficientSamNet("vitt"), sam2.Sam2Net("tiny"), small_vit(hq=True),
    ]  # fmt: skip
    with torch.inference_mode():
        for made in nets:
            made.eval()
            found = made.embed(pixels) if hasattr(made, "embed") else made.encode(pixels)
            assert found["image"].shape == (1, 256, 64, 64)
            assert torch.isfinite(found["image"]).all()


def small_vit(**options: Any) -> sam.ViT:
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sam_sizes.SIZES, "vit-b", SMALL)
        return sam.ViT("vit-b", **options)


class TestWeights:
    """A SAM of 64 channels stands for ViT-B, so that its files are small."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sam_sizes.SIZES, "vit-b", SMALL)
        monkeypatch.setitem(sam_sizes._BY_WIDTH, 64, "vit-b")

    @pytest.fixture
    def named(self) -> dict[str, torch.Tensor]:
        """Random weights under the library's names."""
        torch.manual_seed(0)
        with torch.device("cpu"):
            made = PromptedNet(sam.ViT("vit-b")).state_dict()
        return {name.replace("encoder.body.", "encoder."): value for name, value in made.items()}

    @pytest.fixture
    def folder(self, tmp_path: Path, named: dict[str, torch.Tensor]) -> Path:
        """As the hub has them: what is tied is stored once."""
        named.pop("prompt_encoder.shared_embedding.positional_embedding")
        save_file({n: v.contiguous() for n, v in named.items()}, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text("{}")
        return tmp_path

    def test_a_hub_folder_loads(self, folder: Path, named: dict[str, torch.Tensor]) -> None:
        model: Any = load_model("sam-vit-b", weights=folder, device="cpu")
        loaded = model.net.state_dict()["vision_encoder.body.pos_embed"]
        assert torch.equal(loaded, named["vision_encoder.pos_embed"])
        code = model.net.prompt_encoder.shared_embedding.positional_embedding
        assert torch.equal(code, named["shared_image_embedding.positional_embedding"])

    def test_its_names_are_those_of_the_library(self, named: dict[str, torch.Tensor]) -> None:
        with torch.device("meta"):
            theirs = SamModel(SamConfig(vision_config=SMALL)).state_dict()
        ours = {name: tuple(value.shape) for name, value in named.items()}
        assert ours == {name: tuple(value.shape) for name, value in theirs.items()}

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda weights: {"model_state": {f"sam.{n}": v for n, v in weights.items()}},
            lambda weights: {"model": weights, "epoch": 3},
            lambda weights: {"state_dict": {f"module.{n}": v for n, v in weights.items()}},
        ],
        ids=["micro-sam", "MedSAM", "lightning"],
    )
    def test_wraps_of_trainers_are_taken_off(
        self, tmp_path: Path, named: dict[str, torch.Tensor], wrap: Any
    ) -> None:
        torch.save(wrap(named), tmp_path / "best.pt")
        model: Any = load_model("sam-finetuned", weights=tmp_path / "best.pt", device="cpu")
        assert isinstance(model, SamSegmenter)
        assert unwrapped(3) == 3

    def test_another_size_is_named(self, tmp_path: Path, named: dict[str, torch.Tensor]) -> None:
        torch.save(named, tmp_path / "sam.pth")
        with pytest.raises(WeightsError, match=r"another SAM size: expected vit-h .* got vit-b in"):
            load_model("sam-vit-h", weights=tmp_path / "sam.pth", device="cpu")

    def test_another_model_is_told(self, tmp_path: Path) -> None:
        torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "net.pth")
        for name, expected in (("sam-vit-l", "vit-l"), ("sam-finetuned", "one of vit-b, vit-l")):
            with pytest.raises(WeightsError, match=f"another model: expected a SAM {expected}"):
                load_model(name, weights=tmp_path / "net.pth", device="cpu")
        with pytest.raises(WeightsError, match="another model: expected the parameters of"):
            load_model("mobile-sam", weights=tmp_path / "net.pth", device="cpu")
        with pytest.raises(WeightsError, match=r"SAM 2 size: expected tiny .*no SAM 2\.1 at all"):
            load_model("sam2.1-tiny", weights=tmp_path / "net.pth", device="cpu")

    def test_another_sam2_size_is_named(self, tmp_path: Path) -> None:
        with torch.device("meta"):
            names = list(sam2.Sam2Net("small").body.state_dict())
        few = {name: torch.zeros(1, 96, 7, 7) for name in names if "backbone" in name}
        torch.save(few, tmp_path / "sam2.pt")
        with pytest.raises(WeightsError, match=r"expected tiny .*, got small in .*sam2\.1-small'"):
            load_model("sam2.1-tiny", weights=tmp_path / "sam2.pt", device="cpu")

    def test_a_truncated_file_is_told(self, tmp_path: Path, named: dict[str, torch.Tensor]) -> None:
        torch.save(named, tmp_path / "sam.pth")
        content = (tmp_path / "sam.pth").read_bytes()
        (tmp_path / "sam.pth").write_bytes(content[: len(content) // 2])
        with pytest.raises(WeightsError, match="weights cannot be read: expected a checkpoint"):
            load_model("sam-vit-b", weights=tmp_path / "sam.pth", device="cpu")

    def test_a_hub_folder_without_weights_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(
            WeightsError, match=r"folder has no weights: expected model\.safetensors .*config\.json"
        ):
            load_model("sam-vit-b", weights=tmp_path, device="cpu")
        (tmp_path / "config.json").unlink()
        with pytest.raises(WeightsError, match="got an empty folder"):
            file_in(tmp_path)

    def test_no_weights_and_no_state_dict_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="expected a file or folder for 'sam-vit-b'"):
            read_weights("sam-vit-b", None, SAM_RULES)
        torch.save([1, 2], tmp_path / "list.pth")
        with pytest.raises(WeightsError, match="weights hold no state dict"):
            read_weights("sam-vit-b", tmp_path / "list.pth", SAM_RULES)

    def test_missing_parameters_are_named(
        self, tmp_path: Path, named: dict[str, torch.Tensor]
    ) -> None:
        del named["mask_decoder.iou_token.weight"]
        torch.save(named, tmp_path / "sam.pth")
        with pytest.raises(WeightsError, match=r"1 missing \(mask_decoder\.iou_token\.weight\)"):
            load_model("sam-vit-b", weights=tmp_path / "sam.pth", device="cpu")
        net = sam.make_net("vit-b")
        with pytest.raises(WeightsError, match="another model"):
            load_into(net, {}, Path("nothing"))


def test_without_the_extra_it_is_listed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_intseg.models.model_table._THERE", set())
    monkeypatch.setattr("napari_intseg.models.model_table.find_spec", lambda _: None)
    assert not registry.available_models()["sam-vit-b"].is_installed
    with pytest.raises(MissingExtraError, match=r"transformers.*napari-intseg\[sam\]"):
        load_model("sam-vit-b")


def test_listing_the_models_loads_neither_torch_nor_transformers() -> None:
    import subprocess

    code = (
        "import sys; from napari_intseg.models.registry import available_models;"
        "assert 'sam2.1-large' in available_models();"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_efficient_sam_takes_more_points_than_it_was_trained_on() -> None:
    torch.manual_seed(0)
    made: Any = EfficientSamNet("vitt").eval()
    made.finish()
    embedding = {"image": torch.randn(1, 256, 64, 64)}
    points, labels = torch.rand(1, 9, 2) * 1024, torch.ones((1, 9), dtype=torch.int64)
    with torch.inference_mode():
        all_nine, _ = made.decode(embedding, Asked(points, labels), multimask=False)
        only_six, _ = made.decode(embedding, Asked(points[:, :6], labels[:, :6]), multimask=False)
    assert (all_nine - only_six).abs().max() > 1e-4


@pytest.mark.parametrize("ours", [FewTokens, FewTokens2])
def test_regrouped_attention_is_the_libraries(ours: Any) -> None:
    torch.manual_seed(0)
    config = decoder_config() if ours is FewTokens else sam2.sam2_config("tiny").mask_decoder_config
    config._attn_implementation = "sdpa"
    mine, theirs = ours(config), ours.__bases__[1](config)
    theirs.load_state_dict(mine.state_dict())
    few, keys, many, places = (torch.randn(1, 1, n, 256) for n in (7, 7, 500, 500))
    for given in ((few, many, places), (many, few, keys), (many, places, many), (few, few, keys)):
        got, wanted = mine(*given)[0], theirs(*given)[0]
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)
    several = torch.randn(2, 1, 7, 256), torch.randn(2, 1, 500, 256)
    got, wanted = (net(several[0], several[1], several[1])[0] for net in (mine, theirs))
    assert torch.equal(got, wanted)


def embedded(*names: str, seed: int) -> Prepared:
    """Random embeddings under the names a network keeps them by."""
    shapes = {"image": (256, 64, 64), "fine": (32, 256, 256), "high0": (32, 256, 256)}
    rng = np.random.default_rng(seed)
    shapes |= {"high1": (64, 128, 128)}
    made = {n: rng.normal(size=(1, *shapes[n])).astype(np.float32) for n in names}
    return Prepared((80, 120), made, 1)


@pytest.mark.parametrize(
    ("make", "kept", "takes_masks"),
    [
        (lambda: PromptedNet(TinyEncoder(hq=True), early_dim=EARLY_DIM), ("image", "fine"), True),
        (lambda: EfficientSamNet("vitt"), ("image",), False),
        (lambda: sam2.Sam2Net("tiny"), ("image", "high0", "high1"), True),
        (lambda: PromptedNet(TinyEncoder()), ("image",), True),
    ],
    ids=["sam-hq", "efficient-sam", "sam2", "sam"],
)
def test_a_device_decodes_questions_of_one_form_in_one_pass(
    make: Any, kept: tuple[str, ...], takes_masks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    made: Any = make().eval().requires_grad_(False)
    for name, value in made.named_buffers():
        if "gaussian" in name:
            # EfficientSAM's are 0 before its weights are loaded: all places would be alike
            value.normal_()
    made.finish()
    one, other = embedded(*kept, seed=0), embedded(*kept, seed=1)
    queries = [
        Query(one, ONE),
        Query(one, TWO),
        Query(one, Prompts((Click(9, 90),))),
        Query(one, BOX),
    ]
    queries.append(Query(other, ONE))
    if takes_masks:
        before = mask_to_logits(np.hypot(*np.ogrid[-40:40, -60:60]) < 20)
        queries += [Query(one, ONE, before), Query(other, ONE, before[::-1])]
    passes, decode = [], made.decode

    def counted(embedding: Any, asked: Asked, **how: Any) -> Any:
        passes.append((len(embedding["image"]), len(asked.points)))
        return decode(embedding, asked, **how)

    monkeypatch.setattr(made, "decode", counted)
    model = SamSegmenter(made, "of any kind", device=CPU)
    wanted = model.predict_batch(queries)
    assert passes == [(1, 1)] * len(queries), "a processor gains nothing by it"
    passes.clear()
    monkeypatch.setattr(OnDevice, "is_asynchronous", True)
    monkeypatch.setattr(sam, "AT_ONCE", 2)
    found = model.predict_batch(queries)
    # a click alone, on more images and oftener than goes into one pass; then other forms
    assert passes == [(1, 2), (1, 1), (1, 1), (1, 1), *([(2, 2)] if takes_masks else [])]
    for got, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got.logits, expected.logits, rtol=0, atol=1e-4)
        assert got.scores == pytest.approx(expected.scores, abs=1e-4)
    # so close that a question or image in another's place would show
    assert np.abs(wanted[0].logits - wanted[4].logits).max() > 1e-2
    assert np.abs(wanted[0].logits - wanted[2].logits).max() > 1e-3


@pytest.mark.parametrize("shape", [(150, 100), (300, 470)])
@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
def test_a_device_resizes_pictures_as_pillow_does(shape: tuple[int, int], how: Any) -> None:
    # noise has the steepest steps, where bicubic leaves the range of bytes
    image = np.random.default_rng(0).random((*shape, 3), np.float32)
    # of the first shape twice its size, where Pillow rounds many halves
    size = (300, 200)
    wanted = resized(image, size, how, torch.device(CPU))
    shown = torch.from_numpy(np.rint(image * 255).astype(np.uint8).transpose(2, 0, 1)[None])
    differs = (fitted(shown, size, how) - wanted).abs()
    assert differs.max() <= 1
    assert (differs > 0).float().mean() < 0.005
