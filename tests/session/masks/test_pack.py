"""Answers are packed where they are computed."""

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.patch import Patch
from napari_intseg.models.registry import load_model
from napari_intseg.session import predictor
from napari_intseg.session.masks.plane_state import pack
from napari_intseg.session.predictor import run
from napari_intseg.session.session import Session


def test_what_is_packed_holds_the_same_pixels_near_the_mask(rng):
    logits = rng.normal(-3, 1, (50, 60)).astype(np.float32)
    logits[20:30, 25:40] = 4
    for threshold in (0.49, 0.5):
        patch = Patch(5, 6, logits, (80, 90))
        packed = pack(patch, threshold)
        found = np.zeros(patch.shape, bool)
        found[packed.patch.slices] = packed.inside
        np.testing.assert_array_equal(found, patch.mask(threshold))
        assert packed.patch.nbytes < logits.nbytes


def test_nothing_is_packed_when_an_answer_is_taken_over(monkeypatch):
    image = np.full((40, 50), 20, np.uint8)
    image[10:30, 10:30] = 200
    packed = []

    def noted(patch, threshold):
        packed.append(patch)
        return pack(patch, threshold)

    session = Session(load_model("random-walker"), Volume(image))
    session.set_prompts(Plane(0, 0), Prompts((Click(20, 20),)))
    result = run(session.request(Plane(0, 0)))
    monkeypatch.setattr(predictor, "pack", noted)
    assert session.accept(result)
    assert not packed, "it came packed"
    shown = session.document.state(1, Plane(0, 0)).shown
    assert shown.patch is result.packed.patch
    np.testing.assert_array_equal(session.mask, result.patch.mask(0.5))
    session.undo()
    session.redo()
    session.remove_click(0)
    session.click((20, 20))
    np.testing.assert_array_equal(session.mask, result.patch.mask(0.5))
    assert packed, "an answer that is known, but came for another request, is packed here"
