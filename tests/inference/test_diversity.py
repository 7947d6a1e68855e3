"""Several masks for one click, from models that answer with one."""

from dataclasses import replace

import numpy as np
import pytest

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits, ZoomIn
from napari_intseg.core.volume import Volume
from napari_intseg.inference.patch import Patch, distinct, stability
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.session.session import Session


class Growing:
    """Answers with a disc; with a previous mask, with one twice as large as that."""

    def __init__(self, *, uses_prev: bool = True) -> None:
        self.traits = Traits("growing", uses_prev=uses_prev, zoom_in=ZoomIn(target_size=None))

    def prepare(self, image: np.ndarray) -> Prepared:
        return Prepared((image.shape[0], image.shape[1]), None, 8)

    def predict(self, query: Query) -> Answer:
        rows, cols = np.indices(query.prepared.shape)
        click = query.prompts.clicks[0]
        radius = 6.0
        if query.prev_logits is not None:
            radius = 1.5 * np.sqrt((query.prev_logits > 0).sum() / np.pi)
        near = np.hypot(rows - click.row, cols - click.col)
        return Answer(np.clip(radius - near, -8, 8).astype(np.float32))


def ask(model, **options):
    image = np.zeros((120, 160), np.uint8)
    return predict_slice(
        model,
        lambda rows, cols: image[rows, cols],
        image.shape,
        Prompts((Click(60, 80),)),
        Options.published(**options),
    )


def areas(answer):
    return [int(patch.mask().sum()) for patch in answer.alternatives]


def test_a_model_with_one_answer_is_led_to_larger_ones():
    plain, several = ask(Growing()), ask(Growing(), several=True)
    assert plain.alternatives == ()
    assert several.alternatives[0] is several.patch
    assert len(several.alternatives) == len(several.scores) >= 3
    assert len(set(areas(several))) == len(several.alternatives)
    np.testing.assert_array_equal(plain.patch.logits, several.patch.logits)


def test_a_model_without_an_ear_for_masks_has_its_own_made_larger_and_smaller():
    found = areas(ask(Growing(uses_prev=False), several=True))
    assert min(found) < found[0] < max(found)


def test_a_model_that_offers_masks_is_left_to_them():
    class Offering(Growing):
        def predict(self, query):
            one = super().predict(query)
            return replace(one, alternatives=(one.logits, one.logits - 3), scores=(0.9, 0.1))

    assert ask(Offering(), several=True).scores == (0.9, 0.1)


def test_a_session_steps_through_them_goes_on_from_one_and_undoes_it():
    session = Session(Growing(), Volume(np.zeros((120, 160), np.uint8)), several=True)
    session.click((60, 80))
    first, offered = int(session.mask.sum()), session.alternatives
    other = next(i for i, one in enumerate(offered) if not one.is_chosen)
    session.choose_alternative(other)
    chosen = int(session.mask.sum())
    assert chosen == int(offered[other].patch.mask().sum()) != first
    session.click((60, 81))
    assert int(session.mask.sum()) != first
    session.undo()
    session.undo()
    assert int(session.mask.sum()) == first


def test_masks_that_are_alike_are_one_and_the_first_is_always_kept():
    def disc(radius):
        rows, cols = np.indices((80, 80))
        return Patch.from_mask(np.hypot(rows - 40, cols - 40) <= radius)

    one, same, other = disc(20), disc(20.2), disc(30)
    assert distinct([one, same, other], 0.5) == (one, other)
    empty = Patch.empty((80, 80))
    assert distinct([empty, empty, one], 0.5) == (empty, one)


@pytest.mark.parametrize(("slope", "score"), [(100.0, 1.0), (0.01, 0.0)])
def test_a_steep_outline_is_steadier_than_a_flat_one(slope, score):
    rows = np.arange(40, dtype=np.float32)[:, None] - 19.5
    patch = Patch(0, 0, np.repeat(slope * rows, 40, axis=1).astype(np.float32), (40, 40))
    assert stability(patch, 0.5) == pytest.approx(score)
    assert stability(Patch.empty((4, 4)), 0.5) == 0
