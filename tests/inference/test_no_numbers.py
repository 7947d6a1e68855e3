"""NaN from half precision: asked again in float32 and told; never "no object"."""

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import NOTHING, Answer, Prepared, Query, Saving, Traits
from napari_intseg.errors import WeightsError
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.memory_ladder import memory_note, within_memory
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.models.bundled import Bundled, read_traits
from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.models.ritm import Ritm

IMAGE = np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8)
TOLD = "half precision gave no numbers: computed in float32"


def ask(model, prepared=None):
    return predict_slice(
        model,
        lambda rows, cols: IMAGE[rows, cols],
        IMAGE.shape[:2],
        Prompts((Click(30, 40),)),
        Options(Intensity(), zoom_in=None),
        prepared=prepared,
    )


def overflowing(precision):
    """Return a network whose responses to a click are beyond 65,504, the most of float16."""
    torch.manual_seed(0)
    net = ClickPyramid().eval()
    with torch.no_grad():
        net.prompt.conv.weight.copy_(net.prompt.conv.weight.sign() * 2e4)
    return Bundled(read_traits("random", {}), net, device="cpu", precision=precision)


def test_what_overflows_is_asked_again_in_float32_and_told():
    model, exact = overflowing("float16"), overflowing("float32")
    alone = model.predict(Query(model.prepare(IMAGE / np.float32(255)), Prompts((Click(30, 40),))))
    assert np.isnan(alone.logits).any()
    answer, wanted = ask(model), ask(exact)
    assert answer.info["note"] == TOLD
    assert "note" not in wanted.info
    assert model.dtype == torch.float32
    agree = answer.patch.inside() == wanted.patch.inside()
    assert agree.mean() > 0.98  # the weights were rounded
    assert memory_note(model) == TOLD
    model.release()
    assert (model.dtype, model.saving, memory_note(model)) == (torch.float16, NOTHING, "")


def test_float32_is_kept_on_the_way_down_the_ladder():
    model = overflowing("float16")
    left = [3]

    def attempt():
        left[0] -= 1
        if left[0] >= 0:
            raise torch.OutOfMemoryError("full")
        return ask(model)

    ask(model)
    answer = within_memory(model, attempt, seen_px=lambda: 4000)
    assert model.saving == Saving(view_px=256, exact=True)
    assert answer.info["note"] == f"memory ran out: computed {model.saving.told}; {TOLD}"
    assert model.saving.told == "from a view of at most 256 px"


class Holes:
    """A model that has no number for some of its pixels."""

    traits = Traits("holes", resample="logits")

    def __init__(self, holes):
        self.holes = holes

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query):
        logits = np.ones(query.prepared.shape, np.float32)
        logits[self.holes] = np.nan
        return Answer(logits)


def test_what_float32_has_no_number_for_is_told():
    answer = ask(Holes(np.s_[:2]))
    assert answer.info["note"] == f"the model has no number for {2 * 96} of {64 * 96} pixels"
    assert not answer.patch.full()[:2].max() > 0
    assert answer.patch.full()[2:].min() > 0
    assert "note" not in ask(Holes(np.s_[:0])).info


def test_no_number_at_all_is_an_error():
    with pytest.raises(WeightsError, match=r"answers no number: .*'holes', got NaN for 6144 of"):
        ask(Holes(np.s_[:]))


def test_an_adapter_made_of_others_tells_that_it_is_half():
    assert overflowing("bfloat16").is_half
    assert not overflowing("float32").is_half
    assert hasattr(Ritm, "is_half")
