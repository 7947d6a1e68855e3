"""Models without weights: GrabCut and region growing, the latter against ITK."""

import sys

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble, seed_points
from napari_intseg.core.segmenter import Query, mask_to_logits
from napari_intseg.core.volume import Volume
from napari_intseg.errors import MissingExtraError
from napari_intseg.models.classical import grabcut
from napari_intseg.models.classical.region_growing import grow
from napari_intseg.models.registry import load_model
from napari_intseg.session.session import Session


def disc(shape, row, col, radius):
    rows, cols = np.indices(shape)
    return np.hypot(rows - row, cols - col) <= radius


def iou(mask, truth):
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


def picture(truth, rng, *, colour=True):
    """The object reddish on a greenish, noisy ground, or bright on dark."""
    inside, outside = ((0.7, 0.3, 0.3), (0.3, 0.5, 0.3)) if colour else ((0.7,) * 3, (0.3,) * 3)
    image = np.where(truth[..., None], inside, outside)
    noise = rng.normal(0, 0.05, image.shape if colour else (*truth.shape, 1))
    return np.clip(image + noise, 0, 1).astype(np.float32)


@pytest.fixture
def truth():
    return disc((70, 90), 35, 40, 18)


class TestRegionGrowing:
    @pytest.mark.parametrize("iterations", [0, 1, 4])
    @pytest.mark.parametrize("radius", [1, 2])
    @pytest.mark.parametrize("multiplier", [1.5, 2.5])
    @pytest.mark.parametrize("seeds", [[(20, 22)], [(20, 22), (25, 18), (14, 30)]])
    def test_it_equals_itk(self, rng, iterations, radius, multiplier, seeds):
        itk = pytest.importorskip("SimpleITK")
        grey = np.where(disc((40, 50), 20, 22, 12), 0.6, 0.3) + rng.normal(0, 0.06, (40, 50))
        grey = grey.astype(np.float32)
        wanted = itk.GetArrayFromImage(
            itk.ConfidenceConnected(
                itk.GetImageFromArray(grey),
                [(col, row) for row, col in seeds],
                numberOfIterations=iterations,
                multiplier=multiplier,
                initialNeighborhoodRadius=radius,
            )
        )
        given = grow(
            grey[..., None], seeds, multiplier=multiplier, iterations=iterations, radius_px=radius
        )
        # the last bit of the limits may differ
        assert np.count_nonzero(given != (wanted > 0)) <= 2
        assert 5 < np.count_nonzero(given) < 1900

    def test_colour_tells_what_grey_cannot(self, truth, rng):
        image = picture(truth, rng)
        model = load_model("region-growing")
        prompts = Prompts((Click(35, 40),))
        mask = model.predict(Query(model.prepare(image), prompts)).logits > 0
        assert iou(mask, truth) > 0.85
        grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
        leaked = model.predict(Query(model.prepare(grey), prompts)).logits > 0
        assert iou(leaked, truth) < iou(mask, truth)

    def test_a_negative_click_narrows_the_interval(self, rng):
        # two discs of almost the same grey, joined
        left, right = disc((60, 100), 30, 30, 16), disc((60, 100), 30, 62, 18)
        grey = np.select([left, right], [0.6, 0.68], 0.2) + rng.normal(0, 0.02, left.shape)
        image = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
        model = load_model("region-growing", multiplier=6.0)
        prepared = model.prepare(image)
        first = model.predict(Query(prepared, Prompts((Click(30, 30),)))).logits > 0
        assert first[30, 65]
        clicks = (Click(30, 30), Click(30, 65, False))
        second = model.predict(Query(prepared, Prompts(clicks))).logits > 0
        assert not second[30, 65]
        assert iou(second, left) > 0.8

    def test_what_cannot_be_told_apart_is_cut_out(self):
        image = np.full((30, 40, 3), 0.5, np.float32)
        clicks = (Click(10, 10), Click(20, 30, False))
        model = load_model("region-growing")
        mask = model.predict(Query(model.prepare(image), Prompts(clicks))).logits > 0
        assert mask[10, 10]
        assert not mask[20, 30]
        assert mask.mean() > 0.9

    def test_nothing_is_found_without_a_positive_prompt_on_the_image(self):
        model = load_model("region-growing")
        prepared = model.prepare(np.zeros((9, 9, 3), np.float32))
        for clicks in ((), (Click(4, 4, False),), (Click(-5, 4),)):
            assert (model.predict(Query(prepared, Prompts(clicks))).logits < 0).all()

    def test_a_line_is_as_good_as_clicks(self, truth, rng):
        model = load_model("region-growing")
        line = Scribble(((30.0, 35.0), (40.0, 45.0)))
        image = picture(truth, rng, colour=False)
        query = Query(model.prepare(image), Prompts(scribbles=(line,)))
        assert iou(model.predict(query).logits > 0, truth) > 0.85


class TestGrabCut:
    @pytest.fixture(autouse=True)
    def _opencv(self):
        pytest.importorskip("cv2", reason="needs the extra 'zoo'")

    def ask(self, image, prompts, prev=None):
        model = load_model("grabcut")
        return model.predict(Query(model.prepare(image), prompts, prev)).logits > 0

    def test_a_loose_box_finds_the_object(self, truth, rng):
        box = Box(10, 15, 60, 65)
        assert iou(self.ask(picture(truth, rng), Prompts(box=box)), truth) > 0.95

    def test_nothing_outside_the_box_belongs_to_it(self, rng):
        two = disc((70, 90), 35, 25, 14) | disc((70, 90), 35, 65, 14)
        mask = self.ask(picture(two, rng), Prompts(box=Box(15, 5, 55, 45)))
        assert mask[:, :46].any()
        assert not mask[:, 46:].any()

    def test_a_click_in_its_middle_finds_the_object(self, truth, rng):
        assert iou(self.ask(picture(truth, rng), Prompts((Click(35, 40),))), truth) > 0.9

    def test_clicks_of_both_signs_are_obeyed(self, truth, rng):
        image = picture(truth, rng)
        clicks = (Click(35, 40), Click(35, 50, False), Click(60, 80))
        mask = self.ask(image, Prompts(clicks))
        assert mask[35, 40]
        assert mask[60, 80]
        assert not mask[35, 50]

    def test_it_goes_on_from_a_mask(self, truth, rng):
        image = picture(truth, rng)
        given = mask_to_logits(disc(truth.shape, 38, 44, 15))
        assert iou(self.ask(image, Prompts((Click(35, 40),)), given), truth) > 0.9

    @pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
    def test_flat_and_tiny_images_are_answered(self, value):
        for shape in ((1, 1), (2, 3), (40, 50)):
            image = np.full((*shape, 3), value, np.float32)
            assert self.ask(image, Prompts((Click(0, 0),)))[0, 0]
            self.ask(image, Prompts(box=Box(0, 0, shape[0] - 1, shape[1] - 1)))

    def test_nothing_is_found_without_a_positive_prompt(self):
        image = np.zeros((20, 20, 3), np.float32)
        assert not self.ask(image, Prompts((Click(3, 3, False),))).any()

    def test_a_missing_opencv_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "cv2", None)
        with pytest.raises(MissingExtraError, match=r"OpenCV is not installed.*napari-intseg\[zoo"):
            grabcut.build("grabcut")

    def test_a_session_takes_its_box_and_its_clicks(self, truth, rng):
        data = (picture(truth, rng) * 255).astype(np.uint8)
        session = Session(load_model("grabcut"), Volume(data, channels=True))
        session.set_box(Box(10, 15, 60, 65))
        assert iou(session.mask, truth) > 0.95
        session.click((35, 55), positive=False)
        assert not session.mask[35, 55]


def test_lines_are_followed_in_steps_of_a_pixel():
    line = Scribble(((2.0, 2.0), (2.0, 6.0), (5.0, 6.0)), positive=False)
    points = seed_points(Prompts((Click(9, 9),), scribbles=(line,)))
    assert [p for p, sign in points if not sign] == [
        (2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (3, 6), (4, 6), (5, 6),
    ]  # fmt: skip
    assert points[-1] == ((9, 9), True)
