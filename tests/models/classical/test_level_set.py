"""The level set model: four extreme points, colours on both sides."""

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query
from napari_intseg.models.registry import load_model
from napari_intseg.testing import phantom_image, prompts_for


def ask(image, truth, prompts=None):
    model = load_model("level-set")
    given = prompts or prompts_for(model.traits, truth)
    return model.predict(Query(model.prepare(image), given)).logits > 0


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_a_disc_is_found_from_its_extreme_points():
    image, truth = phantom_image()
    assert overlap(ask(image, truth), truth) > 0.9


def test_the_outline_leaves_the_ellipse_for_what_the_colours_say():
    truth = np.zeros((96, 128), bool)
    truth[20:76, 30:50] = truth[56:76, 30:100] = True  # an L
    image = np.repeat(np.where(truth, 0.8, 0.2)[..., None], 3, axis=2).astype(np.float32)
    image[..., 2] = 0.5
    found = ask(image, truth)
    rows, cols = np.ogrid[:96, :128]
    ellipse = ((rows - 47.5) / 28) ** 2 + ((cols - 64.5) / 35) ** 2 <= 1
    assert overlap(found, truth) > 0.75 > overlap(ellipse, truth) + 0.2


def test_fewer_than_four_points_say_nothing():
    image, truth = phantom_image()
    three = Prompts((Click(10, 10), Click(20, 20), Click(30, 30)))
    assert not ask(image, truth, three).any()
