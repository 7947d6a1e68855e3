"""Several masks for one click, from models that answer with one."""

from dataclasses import replace

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits, ZoomIn
from napari_intseg.core.volume import Volume
from napari_intseg.inference.patch import Patch, distinct, likeliest, stability
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


def disc(radius, logit):
    rows, cols = np.indices((60, 80))
    near = np.hypot(rows - 30, cols - 40) <= radius
    return Patch(0, 0, np.where(near, logit, -4).astype(np.float32), (60, 80))


def test_of_first_answers_the_clearly_surer_one_is_the_likeliest():
    def chosen(*logits, at=(30, 40)):
        discs = [disc(5 + 5 * i, one) for i, one in enumerate(logits)]
        return likeliest(discs, Click(*at), 0.5)

    assert chosen(0.5, 0.6, 4.0, 0.5) == 2
    # as sure: each step has to win by more than it costs
    assert chosen(1.0, 1.0, 1.0, 1.0) == 0
    # no surer than the first by enough
    assert chosen(0.5, 0.55, 0.55, 0.55) == 0
    # an empty mask is never taken, and nothing is put in the place of one
    assert chosen(0.5, -3.0, -3.0, -3.0) == 0
    assert chosen(-3.0, 4.0, 4.0, 4.0) == 0
    # a click on the last pixel's far half
    assert chosen(0.5, 0.6, 4.0, 0.5, at=(59.6, 79.6)) == 2


class Doubtful(Growing):
    """Unsure of the first disc; sure of a larger one when the mask that leads it is surer."""

    def __init__(self, first=0.3, **traits):
        super().__init__()
        prompts = frozenset({"click", "box"})
        self.traits = replace(self.traits, cascade=True, prompts=prompts, **traits)
        self.first, self.asked = first, 0

    def predict(self, query):
        self.asked += 1
        rows, cols = np.indices(query.prepared.shape)
        middle = query.prompts.clicks[0] if query.prompts.clicks else Click(60, 80)
        near = np.hypot(rows - middle.row, cols - middle.col)
        led = query.prev_logits
        raised = led is not None and led.max() > 1
        inside = 5.0 if raised else self.first
        return Answer(np.where(near <= (20 if raised else 8), inside, -5).astype(np.float32))


RED = np.zeros((120, 160, 3), np.uint8) + np.array([200, 20, 20], np.uint8)


def first_answer(model, prompts=None, image=RED, prev=None, **options):
    given = prompts or Prompts((Click(60, 80),))
    options = Options(obey=False, **options)
    return predict_slice(
        model, lambda rows, cols: image[rows, cols], image.shape[:2], given, options, prev=prev
    )


def test_an_unsure_first_answer_in_colour_leads_to_a_likelier_one():
    model = Doubtful()
    answer = first_answer(model)
    assert 1000 < answer.patch.mask().sum() < 1500
    assert answer.patch.logits.max() == 5
    # its own, that led by it, and one for each step
    assert model.asked == 5
    # a second click goes on from it
    again = first_answer(model, Prompts((Click(60, 80), Click(60, 85))), prev=answer)
    assert (model.asked, again.seen) == (6, answer.seen)


@pytest.mark.parametrize(
    "why", ["sure", "two clicks", "box", "off", "empty", "grey", "faint", "deep"]
)
def test_other_first_answers_are_left_as_they_are(why):
    model = Doubtful({"sure": 0.9 * 5, "empty": -5}.get(why, 0.3))
    two = Prompts((Click(60, 80), Click(60, 81)))
    boxed = Prompts((Click(60, 80),), Box(50, 70, 70, 90))
    given = {"two clicks": two, "box": boxed}.get(why)
    nearly = np.full_like(RED, 90) + np.array([0, 1, 2], np.uint8)
    image = {"grey": RED[..., 0], "faint": nearly, "deep": RED * np.uint16(99)}.get(why, RED)
    answer = first_answer(model, given, image, cascade=why != "off")
    # by itself, and led by its own answer, twice where there is a box, unless that is off or the
    # answer empty; one that is sure leads to the larger disc at once
    assert model.asked == {"box": 3, "off": 1, "empty": 1}.get(why, 2)
    assert (answer.patch.logits.max() == 5) == (why == "sure")


def test_several_answers_begin_with_the_likeliest():
    answer = first_answer(Doubtful(), several=True)
    assert answer.alternatives[0] is answer.patch
    assert answer.patch.logits.max() == 5
    assert len(answer.alternatives) > 1
