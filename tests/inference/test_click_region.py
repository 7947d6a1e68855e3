"""A second look between clicks of both signs."""

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits, mask_to_logits
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.inference.tiling import click_region, in_region

SHAPE = (200, 300)
PAIR = Prompts((Click(100, 100), Click(20, 280), Click(100, 140, False)))


def test_the_region_holds_the_last_click_and_the_nearest_of_the_other_sign():
    rows, cols = click_region(PAIR, SHAPE)
    assert (rows, cols) == (slice(60, 140), slice(80, 160))


def test_without_a_pair_or_in_a_slice_no_larger_there_is_no_region():
    assert click_region(Prompts(), SHAPE) is None
    assert click_region(Prompts((Click(3, 4), Click(5, 6))), SHAPE) is None
    assert click_region(PAIR, (60, 60)) is None
    assert click_region(Prompts((Click(0, 0), Click(2, 2, False))), SHAPE) == (
        slice(0, 64), slice(0, 64),
    )  # fmt: skip


def test_the_answer_changes_inside_the_region_alone_and_fades_at_its_sides():
    first = Patch(0, 0, np.full(SHAPE, -4, np.float32), SHAPE)

    def ask(view, given, led_by):
        assert led_by is first
        assert given is PAIR
        return view.put_back(np.full(view.out_shape, 4, np.float32), "logits")

    out = in_region(ask, first, PAIR).full()
    rows, cols = click_region(PAIR, SHAPE)
    assert (out[rows, cols] > -4).all()
    assert abs(out[100, 120] - 4) < 1e-4
    assert -4 < out[60, 120] < 4
    outside = np.ones(SHAPE, bool)
    outside[rows, cols] = False
    assert (out[outside] == -4).all()


class Whole:
    """Says that everything it sees is the object."""

    traits = Traits("whole", uses_prev=True)

    def __init__(self):
        self.queries: list[Query] = []

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query: Query):
        self.queries.append(query)
        return Answer(np.full(query.prepared.shape, 4, np.float32))


def asked(model, *last, **options):
    image, before = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool)
    before[90:110, 90:110] = True
    before[10:20, 270:290] = True
    return predict_slice(
        model,
        lambda rows, cols: image[rows, cols],
        SHAPE,
        Prompts((*PAIR.clicks, *last)),
        Options.published(**options),
        initial=Patch(0, 0, mask_to_logits(before), SHAPE),
    ).patch.mask()


def test_the_second_look_shows_the_region_enlarged_led_by_the_first_answer():
    model = Whole()
    asked(model)
    assert [query.prepared.shape for query in model.queries] == [SHAPE]
    model = Whole()
    assert asked(model, regional=True).all()
    assert [query.prepared.shape for query in model.queries] == [SHAPE, (256, 256)]
    assert (model.queries[1].prev_logits > 0).all()


def test_a_local_click_changes_the_region_it_is_about():
    # what differs from the mask is one region here, and the last click lies in it
    assert asked(Whole(), local=True).all()
    kept = asked(Whole(), PAIR.clicks[0], local=True)  # this one lies on the mask
    assert 0 < kept.sum() < kept.size
