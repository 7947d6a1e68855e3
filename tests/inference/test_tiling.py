"""Objects larger than the view: tiles against the whole, on a model that is a formula."""

import numpy as np
import pytest

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.errors import DataError
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.inference.tiling import Tiles, fade, places, prompts_in

TILES = Tiles(size_px=96, overlap_px=24)


class Formula:
    """The logit of a pixel is its own grey value: what is seen sharply is answered sharply."""

    def __init__(self, longer_side_px: int | None) -> None:
        self.traits = Traits("formula", longer_side_px=longer_side_px, uses_prev=True)
        self.shapes: list[tuple[int, int]] = []

    def prepare(self, image: FloatArray) -> Prepared:
        self.shapes.append((image.shape[0], image.shape[1]))
        return Prepared((image.shape[0], image.shape[1]), image[..., 0], image.nbytes)

    def predict(self, query: Query) -> Answer:
        assert query.prompts.has_positive
        return Answer((query.prepared.payload - 0.5) * np.float32(12))


class Shifting(Formula):
    """Each view is answered a little differently, as networks do."""

    def predict(self, query: Query) -> Answer:
        return Answer(super().predict(query).logits + np.float32(0.4 * (len(self.shapes) % 3)))


@pytest.fixture
def star() -> np.ndarray:
    """A large star with smooth edges, uint8 (300, 340)."""
    rows, cols = np.indices((300, 340)) - np.array([150, 170])[:, None, None]
    radius = 110 + 25 * np.sin(7 * np.arctan2(rows, cols))
    grey = 127.5 + 14 * (radius - np.hypot(rows, cols))
    return np.clip(grey, 0, 255).astype(np.uint8)


def ask(model, image, tiles=None):
    return predict_slice(
        model,
        lambda rows, cols: image[rows, cols],
        image.shape,
        Prompts((Click(150, 170),)),
        Options(tiles=tiles),
    ).patch


def test_tiles_give_what_the_whole_would_have_given(star):
    whole = ask(Formula(None), star).full()
    coarse = ask(Formula(64), star).full()
    tiled = ask(Formula(128), star, TILES).full()
    edge = (np.abs(whole) < 4).ravel()
    assert np.abs(tiled - whole).ravel()[edge].max() < 0.01
    assert np.abs(coarse - whole).ravel()[edge].max() > 1  # so it can go wrong
    np.testing.assert_array_equal(tiled > 0, whole > 0)


def test_no_view_is_larger_than_the_model_s(star):
    model = Formula(128)
    ask(model, star, TILES)
    assert len(model.shapes) > 5
    assert all(max(shape) <= 128 for shape in model.shapes)


def test_where_answers_differ_they_fade_into_each_other_without_a_seam(star):
    tiled = ask(Shifting(128), star, TILES).full()
    whole = ask(Formula(None), star).full()
    off = np.where(np.abs(whole) < 4, tiled - whole, np.nan)
    steps = [np.abs(np.diff(off, axis=axis)) for axis in (0, 1)]
    assert np.nanmax(off) > 0.3  # the tiles do differ
    assert max(np.nanmax(step) for step in steps) < 0.15


def test_an_object_that_fits_is_left_as_it_is(star):
    small = star[60:240:2, 60:280:2]
    np.testing.assert_array_equal(
        ask(Formula(128), small, TILES).full(), ask(Formula(128), small).full()
    )
    huge = Tiles(size_px=96, overlap_px=24, most_px=1000)
    np.testing.assert_array_equal(
        ask(Formula(128), star, huge).full(), ask(Formula(128), star).full()
    )


def test_tiles_cover_an_area_with_at_least_their_overlap():
    area = slice(5, 305), slice(10, 100)
    covered = np.zeros((310, 110), int)
    found = list(places(area, TILES))
    for rows, cols in found:
        covered[rows, cols] += 1
        assert rows.stop - rows.start == 96
    assert (covered[5:305, 10:100] >= 1).all()
    assert covered.sum() == covered[5:305, 10:100].sum()
    starts = sorted({rows.start for rows, _ in found})
    assert max(np.diff(starts)) <= 96 - 24


def test_weights_fall_towards_neighbours_only():
    area = slice(0, 300), slice(0, 90)
    weight = fade((slice(0, 96), slice(0, 90)), area, 24)
    assert weight[0].min() == 1
    assert weight[-1].max() < 0.05
    assert weight[:72].min() == 1


def test_a_tile_without_a_click_gets_one_inside():
    inside = np.zeros((20, 20), bool)
    inside[5:15, 2:12] = True
    place = slice(100, 120), slice(40, 60)
    given = Prompts((Click(0, 0), Click(110, 50, False)))
    clicks = prompts_in(place, given, inside).clicks
    assert [c.positive for c in clicks] == [False, True]
    assert inside[int(clicks[1].row) - 100, int(clicks[1].col) - 40]
    assert prompts_in(place, Prompts((Click(110, 50),)), inside).clicks == (Click(110, 50),)


@pytest.mark.parametrize("overlap", [0, 65, -1])
def test_tiles_that_do_not_overlap_are_refused(overlap):
    with pytest.raises(DataError, match="tiles do not fit"):
        Tiles(size_px=128, overlap_px=overlap)
