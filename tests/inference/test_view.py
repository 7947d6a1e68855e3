import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import logit, sigmoid
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.patch import Patch, stability, trimmed
from napari_intseg.inference.view import Flip, View, longer_side, resize


class Reader:
    """Counts the pixels that are asked for."""

    def __init__(self, image: np.ndarray) -> None:
        self.image, self.pixels, self.largest = image, 0, 0

    def __call__(self, rows: slice, cols: slice) -> np.ndarray:
        part = np.array(self.image[rows, cols])
        self.pixels += part.shape[0] * part.shape[1]
        self.largest = max(self.largest, part.nbytes)
        return part


@pytest.mark.parametrize("out_shape", [(7, 90), (60, 70), (35, 41)])
def test_reading_equals_resizing_the_crop(
    rng: np.random.Generator, out_shape: tuple[int, int]
) -> None:
    image = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
    view = View(10, 45, 20, 61, out_shape, (80, 100))
    expected = resize(image[10:45, 20:61] / np.float32(255), out_shape)
    reader = Reader(image)
    np.testing.assert_allclose(view.read(reader, Intensity()), expected, atol=1e-6)
    np.testing.assert_allclose(view.crop(image / np.float32(255)), expected, atol=1e-6)
    assert reader.pixels <= 35 * 41


def test_a_large_slice_is_read_in_blocks() -> None:
    image = np.broadcast_to(np.arange(6000, dtype=np.uint16)[:, None], (6000, 6000))
    reader = Reader(image)
    rgb = View.whole(image.shape, (100, 100)).read(reader, Intensity((0.0,), (5999.0,)))
    np.testing.assert_allclose(rgb[:, 0, 0], np.linspace(0, 1, 100), atol=1e-5)
    assert reader.largest <= 16_000_000


def test_a_grey_view_holds_one_number_a_pixel() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(6, 8)
    rgb = View.whole((6, 8), (12, 16)).read(Reader(image), Intensity())
    assert rgb.shape == (12, 16, 3)
    assert rgb.strides[2] == 0
    with pytest.raises(ValueError, match="read-only"):
        rgb[0, 0] = 1


def test_a_huge_slice_is_thinned_out() -> None:
    ramp = np.linspace(0, 1, 40_000, dtype=np.float32)
    reader = Reader(np.broadcast_to(ramp[None], (40_000, 40_000)))
    rgb = View.whole((40_000, 40_000), (400, 400)).read(reader, Intensity((0.0,), (1.0,)))
    np.testing.assert_allclose(rgb[7, :, 1], np.linspace(0, 1, 400), atol=2e-3)
    assert reader.pixels <= 1_000_000


def test_a_view_at_its_own_size_gives_all_back_exactly(rng: np.random.Generator) -> None:
    view = View(2, 8, 3, 13, (6, 10), (12, 16))
    logits = rng.normal(size=(6, 10)).astype(np.float32)
    for resample in ("probability", "logits"):
        patch = view.put_back(logits, resample)
        np.testing.assert_array_equal(patch.full()[2:8, 3:13], logits)
        np.testing.assert_array_equal(view.prev_logits(patch, resample), logits)


def test_what_is_interpolated_is_as_asked() -> None:
    view = View.whole((1, 3), (1, 2))
    ends = np.array([[-9.0, 1.0]], np.float32)
    assert view.put_back(ends, "logits").logits[0, 1] == pytest.approx(-4.0)
    middle = sigmoid(ends).mean()
    assert sigmoid(view.put_back(ends, "probability").logits)[0, 1] == pytest.approx(middle)


def test_interpolated_probabilities_stay_finite(rng: np.random.Generator) -> None:
    certain = logit((rng.random((9, 9)) > 0.3).astype(np.float32))
    assert np.isfinite(View.whole((50, 61), (9, 9)).put_back(certain).logits).all()


def test_smooth_answers_survive_there_and_back() -> None:
    rows, cols = np.mgrid[:60, :80]
    logits = (np.sin(rows / 15) + np.cos(cols / 20)).astype(np.float32)
    view = View(5, 55, 10, 70, (150, 180), (60, 80))
    there = view.prev_logits(Patch(0, 0, logits, (60, 80)))
    back = view.put_back(there).full()[5:55, 10:70]
    np.testing.assert_allclose(back, logits[5:55, 10:70], atol=0.01)


def test_prompts_scale_with_the_view() -> None:
    view = View(10, 30, 40, 80, (40, 20), (100, 100))
    assert view.click(Click(15, 60, False)) == Click(10, 10, False)
    prompts = Prompts((Click(0, 0),), Box(10, 40, 20, 60), (Scribble(((20, 80),)),))
    moved = prompts.moved(view.position)
    assert moved.clicks == (Click(-20, -20),)
    assert moved.box == Box(0, 0, 20, 10)
    assert moved.scribbles[0].points == ((20, 20),)


def test_no_side_of_a_view_vanishes() -> None:
    assert longer_side((1, 20_000), 400) == (1, 400)
    assert longer_side((20_000, 3), 400) == (400, 1)
    assert View.whole((2000, 1000)).limited(800).out_shape == (800, 400)
    assert View.whole((20, 10)).limited(800).out_shape == (20, 10)
    assert View.whole((2000, 10)).limited(None).out_shape == (2000, 10)


@pytest.mark.parametrize("resample", ["probability", "logits"])
def test_on_a_huge_slice_only_what_may_be_object_comes_back(resample: str) -> None:
    logits = np.full((400, 400), -9.0, np.float32)
    logits[100:120, 30:50] = 3.0
    view = View.whole((6000, 6000), (400, 400))
    patch = view.put_back(logits, resample)
    np.testing.assert_allclose(
        sigmoid(patch.full()[::7, ::7]),
        sigmoid(resized(logits, resample)[::7, ::7]),
        atol=1e-2,
    )
    assert patch.logits.size < 400 * 400
    assert (patch.mask() == (resized(logits, resample) > 0)).all()
    assert view.put_back(np.full((400, 400), -9.0, np.float32), resample).logits.size == 0


def resized(logits: np.ndarray, resample: str) -> np.ndarray:
    if resample == "logits":
        return resize(logits, (6000, 6000))
    return logit(resize(sigmoid(logits), (6000, 6000)))


def test_a_view_knows_the_frame_of_its_slice() -> None:
    assert View.whole((40, 60)).frame == (0, 40, 0, 60)
    view = View(10, 30, 20, 50, (10, 15), (40, 60))
    assert view.frame == (-5, 15, -10, 20)
    assert Flip(15).frame(view.frame) == (-5, 15, -5, 25)
    assert Flip(15).frame(Flip(15).frame(view.frame)) == view.frame


@pytest.mark.parametrize("out_shape", [(40, 44), (130, 150)])
@pytest.mark.parametrize("resample", ["probability", "logits"])
def test_what_is_put_back_in_part_holds_the_mask_and_what_is_kept_round_it(
    rng: np.random.Generator, resample: str, out_shape: tuple[int, int]
) -> None:
    view = View(5, 85, 10, 98, out_shape, (90, 120))
    rows, cols = (np.linspace(-1, 1, n) for n in out_shape)
    logits = (9 - 80 * (rows[:, None] ** 2 + cols[None] ** 2)).astype(np.float32)
    logits += rng.normal(0, 0.5, out_shape).astype(np.float32)
    whole, part = (view.put_back(logits, resample, whole=all_) for all_ in (True, False))
    assert part.logits.size < whole.logits.size / 2
    kept, wanted = trimmed(part, 0.5), trimmed(whole, 0.5)
    assert (kept.row0, kept.col0) == (wanted.row0, wanted.col0)
    np.testing.assert_array_equal(kept.logits, wanted.logits)
    assert view.put_back(np.full(out_shape, -9, np.float32), resample, whole=False).box() is None


@pytest.mark.parametrize("resample", ["probability", "logits"])
def test_a_previous_answer_is_seen_as_if_it_were_on_all_of_the_slice(
    rng: np.random.Generator, resample: str
) -> None:
    logits = rng.normal(0, 4, (14, 20)).astype(np.float32)
    for row0, col0 in ((30, 40), (0, 0), (46, 60)):
        patch = Patch(row0, col0, logits, (60, 80))
        whole = Patch(0, 0, patch.full(), (60, 80))
        for out_shape in ((21, 30), (90, 77)):
            view = View(10, 50, 5, 60, out_shape, (60, 80))
            found = view.prev_logits(patch, resample)
            np.testing.assert_array_equal(found, view.prev_logits(whole, resample))


def test_an_answer_on_a_large_slice_is_the_same_in_parts(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View(0, 700, 0, 801, (96, 110), (700, 801))
    logits = rng.normal(0, 3, view.out_shape).astype(np.float32)
    parts = view.put_back(logits).logits
    monkeypatch.setattr("napari_intseg.inference.view._AT_ONCE_PX", 700 * 801)
    np.testing.assert_array_equal(view.put_back(logits).logits, parts)


@pytest.mark.parametrize("resample", ["probability", "logits"])
def test_an_answer_on_a_large_slice_is_computed_as_far_as_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, resample: str
) -> None:
    view = View(20, 720, 0, 801, (96, 110), (750, 801))
    rows, cols = np.ogrid[:96, :110]
    logits = (9 - np.hypot(rows - 60, cols - 30)).astype(np.float32)
    computed, part_of = [], View.put_back_part
    monkeypatch.setattr(
        View,
        "put_back_part",
        lambda *args: computed.append(part_of(*args)) or computed[-1],
    )
    whole = view.put_back(logits, resample)
    assert whole.logits.any()
    assert computed.pop().logits.shape == (700, 801)
    patch = view.put_back(logits, resample)
    assert (patch.box(), stability(patch, 0.5)) == (whole.box(), stability(whole, 0.5))
    crop = View(380, 680, 100, 433, (40, 50), view.shape)
    found, seen = (crop.prev_logits(one, resample) for one in (patch, whole))
    np.testing.assert_allclose(found, seen, rtol=1e-5, atol=1e-5)
    assert sum(one.logits.size for one in computed) < whole.logits.size / 2
    np.testing.assert_array_equal(patch.logits, whole.logits)
    assert computed[-1].logits.shape == (700, 801)
    # where most of a view may be object, all is computed at once
    most = view.put_back(logits + 40, resample)
    assert most.near(0) is most
