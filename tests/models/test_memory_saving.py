"""Every network of the registry with less and less memory: small ones with made weights."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from napari_intseg.core.segmenter import Query, Saving, SavingSegmenter, is_out_of_memory
from napari_intseg.core.volume import Volume
from napari_intseg.models.adaptation import Adapting
from napari_intseg.models.brs.brs import Brs
from napari_intseg.models.net_model import OnDevice
from napari_intseg.models.registry import MODELS, load_model
from napari_intseg.session.session import Session
from napari_intseg.testing import phantom_image, prompts_for
from small_zoo import small_zoo as made_small

NAMES = tuple(
    {
        spec.builder: name
        for name, spec in reversed(MODELS.items())
        if not spec.family.startswith("nninteractive")  # its authors' code has the network
    }.values()
)
"""One name of each adapter."""
WITHOUT_NETWORK = {"random walker", "region growing", "grabcut", "level set"}


@pytest.fixture(scope="module", autouse=True)
def small_zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let every name of the registry be built without a checkpoint, small."""
    pytest.importorskip("cv2", reason="needs the extra 'zoo'")
    pytest.importorskip("transformers", reason="needs the extra 'sam'")
    with made_small(tmp_path_factory.mktemp("weights")):
        yield


def networks(model: Any) -> list[OnDevice]:
    """Return what a model is made of, down to networks on devices."""
    if isinstance(model, OnDevice):
        return [model]
    return [net for part in model.parts for net in networks(part)]


@pytest.mark.parametrize("name", NAMES)
def test_every_network_does_with_less_memory_step_by_step(name: str) -> None:
    # "cpu:0" stands for a GPU: another device to the ladder, and the same to PyTorch
    model: Any = load_model(name, device="cpu:0", precision="float32")
    assert isinstance(model, SavingSegmenter) != (MODELS[name].family in WITHOUT_NETWORK)
    if not isinstance(model, SavingSegmenter):
        return
    side = 224 if MODELS[name].family == "simpleclick" else 64
    image, truth = phantom_image(shape=(side, max(side, 96)))
    volume = Volume((image * 255).astype(np.uint8), channels=True)
    plane = volume.planes(0)[0]
    prompts = prompts_for(model.traits, truth)
    needed = model.saving

    def check(*_: Any) -> None:
        if model.saving != needed:
            raise torch.OutOfMemoryError("CUDA out of memory")

    def answer() -> Any:
        session = Session(model, volume, zoom_in=None, flip=False)
        session.set_prompts(plane, prompts)
        result = session.predict(plane)
        assert result is not None
        assert result.answer is not None
        return result.answer

    before = answer()
    steps = [step for step in model.savings if step.view_px is None]  # the image is small
    assert steps[-1] == Saving(on_cpu=True)
    learns = isinstance(model, Brs | Adapting)  # half precision has no gradient exact enough
    assert (Saving(half=True) in steps) != learns
    with torch.nn.modules.module.register_module_forward_pre_hook(check):
        for needed in steps[1:]:
            model.release()
            found = answer()
            assert model.saving == needed
            assert f"memory ran out: computed {needed.told}" in found.info["note"]
            assert np.isfinite(found.patch.logits).all()
            for part in networks(model):
                half = needed.half and part.casts
                wanted = {torch.bfloat16 if half else torch.float32}
                layers = {p.dtype for child in part.net.children() for p in child.parameters()}
                assert layers == wanted
                assert part.device == torch.device("cpu" if needed.on_cpu else "cpu:0")
    model.release()
    after = answer()
    assert "note" not in after.info
    np.testing.assert_array_equal(after.patch.logits, before.patch.logits)


@pytest.mark.parametrize("name", ["bundled", "sam2.1-tiny"])
def test_an_embedding_is_of_what_was_given_up_when_it_was_made(name: str) -> None:
    model: Any = load_model(name, device="cpu:0", precision="float32")
    image, truth = phantom_image(shape=(64, 96))
    query = Query(model.prepare(image), prompts_for(model.traits, truth))
    full = model.predict(query).logits
    model.save_memory(Saving(half=True))
    half = model.predict(Query(model.prepare(image), query.prompts)).logits
    assert np.abs(half - full).max() > 0
    assert np.abs(half - full).mean() < 0.1 * np.abs(full).mean() + 0.1


def test_sam_2_follows_with_less_memory() -> None:
    model: Any = load_model("sam2.1-tiny", device="cpu:0", precision="float32")
    image, truth = phantom_image(shape=(64, 96))
    found = {}
    for saving in (
        Saving(),
        Saving(half=True),
        Saving(half=True, view_px=512),
        Saving(on_cpu=True),
    ):
        model.save_memory(saving)
        walked = dict(model.follow(lambda _: image, [1], masks={0: truth}))
        assert np.isfinite(walked[1]).all()
        assert walked[1].shape == truth.shape
        found[saving] = walked[1]
    np.testing.assert_array_equal(found[Saving()], found[Saving(on_cpu=True)])
    assert np.abs(found[Saving()] - found[Saving(half=True)]).max() > 0


def test_an_error_that_only_sounds_like_it_is_another() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("full"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_a_network_that_was_converted_in_part_is_as_before() -> None:
    """Memory may end in the middle of what was to save it, and when it is to be taken again."""
    room = [1]

    def cast(net: torch.nn.Module, dtype: torch.dtype) -> None:
        net[0].to(dtype)
        if not room[0] and net[1].weight.dtype != dtype:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        net[1].to(dtype)

    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    exact = [one.clone() for one in net.parameters()]
    hosted = OnDevice(net, torch.device("cpu"), torch.float32, cast=cast)
    room[0] = 0
    with pytest.raises(RuntimeError, match="can't allocate"):
        hosted.save_memory(Saving(half=True))
    assert hosted.saving == Saving()
    assert all(torch.equal(now, was) for now, was in zip(net.parameters(), exact, strict=True))
    room[0] = 1
    hosted.save_memory(Saving(half=True))
    assert {one.dtype for one in net.parameters()} == {torch.bfloat16}
    # back again takes none: the values were kept
    room[0] = 0
    hosted.release()
    assert all(torch.equal(now, was) for now, was in zip(net.parameters(), exact, strict=True))
