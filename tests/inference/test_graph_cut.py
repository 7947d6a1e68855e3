"""Graph cut: the least energy there is, near the contour alone, and obedient to clicks."""

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits, logit
from napari_intseg.core.volume import Volume
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.inference.refinement import GraphCut, Problem, cut, problem
from napari_intseg.session.session import Session


def disc(shape, row, col, radius):
    rows, cols = np.indices(shape)
    return np.hypot(rows - row, cols - col) <= radius


@pytest.fixture
def scene(rng):
    """A bright disc in noise, and an answer whose contour misses its edge by 3 pixels."""
    truth = disc((80, 90), 38, 45, 20)
    grey = np.where(truth, 0.7, 0.3) + rng.normal(0, 0.05, truth.shape)
    image = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    rows, cols = np.indices(truth.shape)
    away = 23 - np.hypot(rows - 38, cols - 45)
    logits = np.clip(away / 2 + rng.normal(0, 0.3, truth.shape), -30, 30).astype(np.float32)
    return truth, image, logits


def reader(image):
    return lambda rows, cols: image[rows, cols]


def posed(rng, shape=(4, 4)):
    odds = rng.normal(0, 2, shape).astype(np.float32)
    image = rng.random((*shape, 3)).astype(np.float32)
    return odds, image


@pytest.mark.parametrize("seed", range(6))
def test_no_other_choice_has_less_energy(seed):
    odds, image = posed(np.random.default_rng(seed))
    whole = np.ones(odds.shape, bool)
    asked = problem(odds, image, whole, np.zeros(odds.shape, np.int8), 1.5)
    everything = np.array(list(product((False, True), repeat=16)))
    least = min(asked.energy(side) for side in everything)
    assert asked.energy(asked.solve()) == pytest.approx(least, abs=1e-4)
    # the energy itself, written out pixel by pixel
    side = everything[12345]
    assert asked.energy(side) == pytest.approx(written_out(odds, image, side.reshape(4, 4), 1.5))


def written_out(odds, image, side, strength):
    """The energy by its definition, with loops."""
    links = []
    for r, c, (dr, dc) in product(range(4), range(4), ((0, 1), (1, 0), (1, 1), (1, -1))):
        if r + dr < 4 and 0 <= c + dc < 4:
            links.append(((r, c), (r + dr, c + dc), np.hypot(dr, dc)))
    square = {(a, b): float(((image[a] - image[b]) ** 2).sum()) for a, b, _ in links}
    mean = np.mean(list(square.values()))
    total = sum(abs(o) for o, s in zip(odds.ravel(), side.ravel(), strict=True) if (o > 0) != s)
    for a, b, length in links:
        if side[a] != side[b]:
            total += strength * np.exp(-square[a, b] / (2 * mean)) / length
    return total


@pytest.mark.parametrize("seed", range(4))
def test_what_lies_outside_the_band_takes_part_but_does_not_move(seed):
    odds, image = posed(np.random.default_rng(seed))
    band = np.zeros((4, 4), bool)
    band[1:3, :3] = True
    asked = problem(odds, image, band, np.zeros((4, 4), np.int8), 2.0)
    whole = problem(odds, image, np.ones((4, 4), bool), np.zeros((4, 4), np.int8), 2.0)
    choices = np.array(list(product((False, True), repeat=6)))

    def spread(side):
        out = odds > 0
        out[band] = side
        return out

    # weights are relative to the band's own mean contrast, so compare by definition with that
    best = min(choices, key=lambda side: banded(odds, image, band, spread(side), 2.0))
    np.testing.assert_array_equal(asked.solve(), best)
    assert len(whole.odds) == 16
    assert len(asked.odds) == 6


def banded(odds, image, band, side, strength):
    pairs = []
    for r, c, (dr, dc) in product(range(4), range(4), ((0, 1), (1, 0), (1, 1), (1, -1))):
        a, b = (r, c), (r + dr, c + dc)
        if r + dr < 4 and 0 <= c + dc < 4 and (band[a] or band[b]):
            pairs.append((a, b, np.hypot(dr, dc), float(((image[a] - image[b]) ** 2).sum())))
    mean = np.mean([p[3] for p in pairs])
    total = sum(abs(odds[at]) for at in np.argwhere(band).tolist() for at in [tuple(at)]
                if (odds[at] > 0) != side[at])  # fmt: skip
    return total + sum(
        strength * np.exp(-square / (2 * mean)) / length
        for a, b, length, square in pairs
        if side[a] != side[b]
    )


def test_the_energy_is_never_above_that_of_the_thresholded_answer(scene):
    _, image, logits = scene
    asked = problem(
        logits, image, np.ones(logits.shape, bool), np.zeros(logits.shape, np.int8), 3.0
    )
    assert asked.energy(asked.solve()) < asked.energy(logits.ravel() > 0)


def test_rounding_never_makes_it_worse():
    # links too weak for the solver's integers
    asked = Problem(
        np.array([3e8, -3e8, 0.4]), np.array([0, 1]), np.array([1, 2]), np.array([4e8, 1e-3])
    )
    assert asked.energy(asked.solve()) <= asked.energy(asked.odds > 0)
    empty = Problem(*(np.zeros(0, t) for t in (float, np.intp, np.intp, float)))
    assert empty.solve().shape == (0,)


def test_the_contour_moves_onto_the_edge(scene):
    truth, image, logits = scene
    patch = Patch(0, 0, logits, truth.shape)
    refined = cut(patch, reader(image), [Click(38, 45)])
    before, after = ((p.mask() != truth).sum() for p in (patch, refined))
    assert before > 300
    assert after < before / 10


def test_pixels_outside_the_band_stay_bit_equal(scene):
    truth, image, logits = scene
    patch, how = Patch(0, 0, logits, truth.shape), GraphCut(band_px=5)
    refined = cut(patch, reader(image), [Click(38, 45)], settings=how)
    mask = logits > 0
    away = np.where(
        mask, ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    )
    np.testing.assert_array_equal(refined.full()[away > 5], patch.full()[away > 5])
    assert (refined.full() != patch.full()).any()
    same = (refined.full() > 0) == mask
    np.testing.assert_array_equal(refined.full()[same], logits[same])


def test_clicks_are_kept_whatever_the_answer_said(scene):
    truth, image, logits = scene
    clicks = [Click(5, 5), Click(38, 45, False), Click(70, 80, False), Click(38, 25)]
    clicks += [Click(20, 45), Click(20, 45, False)]  # of two on one pixel the last counts
    mask = cut(Patch(0, 0, logits, truth.shape), reader(image), clicks).mask()
    assert mask[5, 5]
    assert not mask[38, 45]
    assert not mask[70, 80]
    assert mask[38, 25]
    assert not mask[20, 45]


@pytest.mark.parametrize("threshold", [0.3, 0.49, 0.7])
def test_the_threshold_is_the_models(scene, threshold):
    truth, image, logits = scene
    shifted = logits + logit(np.array(threshold, np.float32))
    refined = cut(Patch(0, 0, shifted, truth.shape), reader(image), [], threshold=threshold)
    plain = cut(Patch(0, 0, logits, truth.shape), reader(image), [])
    assert (refined.mask(threshold) != plain.mask()).mean() < 1e-3
    assert np.isfinite(refined.logits).all()


def test_a_click_beyond_the_patch_grows_it(scene):
    truth, image, logits = scene
    inner = Patch(10, 10, logits[10:70, 10:80].copy(), truth.shape)
    refined = cut(inner, reader(image), [Click(2, 3)])
    assert refined.mask()[2, 3]
    assert refined.logits.shape[0] > inner.logits.shape[0]
    empty = cut(Patch.empty(truth.shape), reader(image), [Click(2, 3)])
    np.testing.assert_array_equal(np.argwhere(empty.mask()), [[2, 3]])


def test_nothing_to_do_gives_the_patch_itself(scene):
    truth, image, logits = scene
    patch = Patch(0, 0, logits, truth.shape)
    assert cut(patch, reader(image), [], settings=GraphCut(strength=0)) is patch
    nothing = Patch.empty(truth.shape)
    assert cut(nothing, reader(image), []) is nothing
    everything = Patch(0, 0, np.full(truth.shape, 9, np.float32), truth.shape)
    assert cut(everything, reader(image), [Click(3, 3)]) is everything


def test_a_band_too_large_for_a_click_is_left_alone(scene, monkeypatch):
    truth, image, logits = scene
    patch = Patch(0, 0, logits, truth.shape)
    assert cut(patch, reader(image), []) is not patch
    monkeypatch.setattr("napari_intseg.inference.refinement._MOST_NODES", 100)
    assert cut(patch, reader(image), []) is patch


def test_the_arguments_stay_as_they_are(scene):
    truth, image, logits = scene
    kept = logits.copy()
    logits.flags.writeable = image.flags.writeable = False
    cut(Patch(0, 0, logits, truth.shape), reader(image), [Click(38, 45)])
    np.testing.assert_array_equal(logits, kept)


class Smooth:
    """Answers every question with the same logits."""

    traits = Traits("smooth", threshold=0.49)

    def __init__(self, logits):
        self.logits = logits

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 0)

    def predict(self, _query: Query) -> Answer:
        return Answer(self.logits)


def test_it_is_an_option_of_every_model(scene):
    truth, image, logits = scene
    data = (image * 255).astype(np.uint8)

    def ask(options):
        prompts = Prompts((Click(38, 45),))
        read = reader(data)
        return predict_slice(Smooth(logits), read, truth.shape, prompts, options).patch.mask(0.49)

    intensity = Intensity(low=(0.0,), high=(255.0,))
    plain = ask(Options(intensity))
    refined = ask(Options(intensity, graph_cut=GraphCut()))
    assert (refined != truth).sum() < (plain != truth).sum() / 5


def test_a_session_refines_when_it_is_told_to(scene):
    truth, image, logits = scene
    volume = Volume((image[..., 0] * 255).astype(np.uint8))
    session = Session(Smooth(logits), volume, graph_cut=GraphCut())
    session.click((38, 45))
    refined = session.mask.copy()
    session.change_setup(graph_cut=None)
    session.predict(session.clicked_planes()[0])
    assert (refined != truth).sum() < (session.mask != truth).sum() / 5
