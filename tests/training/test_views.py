import numpy as np
import pytest

from napari_intseg.training import views
from napari_intseg.training.sources import PictureSource, make_picture
from napari_intseg.training.step import add_clicks, depth, first_clicks, next_click, rough_mask
from napari_intseg.training.views import STEPS, ViewDataset, change_intensity, collate, draw_view


@pytest.fixture
def source():
    labels = np.zeros((80, 120), np.int32)
    labels[20:50, 30:90] = 3
    labels[70:, :] = -1
    image = np.where(labels == 3, 200, 40).astype(np.uint8)
    return PictureSource("box", (make_picture("a", image, labels),))


def test_a_view_depends_on_seed_and_number_alone(source):
    first, again, other = (draw_view([source], 1, n, 96) for n in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.clicks, again.clicks)
    assert not np.array_equal(first.image, other.image)


def test_views_hold_the_object_its_ground_and_the_border(source):
    drawn = [draw_view([source], 0, n, 64) for n in range(30)]
    assert all((view.truth == 1).sum() >= 12 for view in drawn)
    assert all(set(np.unique(view.truth)) <= {0, 1, 255} for view in drawn)
    assert any((view.truth == 255).any() for view in drawn)
    assert drawn[0].image.shape == (64, 64, 3)
    assert any(view.prev.any() for view in drawn)
    assert any(not view.prev.any() for view in drawn)


def test_the_first_click_lies_on_the_object(source):
    for n in range(30):
        view = draw_view([source], 2, n, 64)
        row, col, sign = view.clicks[0]
        assert sign == 1
        assert view.truth[int(row), int(col)] == 1
        for row, col, sign in view.clicks[view.clicks[:, 2] != 0]:
            assert view.truth[int(row), int(col)] == (1 if sign > 0 else 0)


def test_a_pasted_object_ends_where_its_picture_does(monkeypatch):
    monkeypatch.setattr(views, "change_intensity", lambda image, _: image)
    monkeypatch.setattr(views, "PASTED_SHARE", 1.0)
    labels = np.zeros((80, 80), np.int32)
    labels[25:55, 25:55] = 1
    red, blue = np.zeros((2, 80, 80, 3), np.uint8)
    red[...] = np.where(labels[..., None] == 1, (250, 0, 0), (120, 0, 0))
    blue[...] = np.where(labels[..., None] == 1, (0, 0, 250), (0, 0, 120))
    source = PictureSource(
        "both", (make_picture("a", red, labels), make_picture("b", blue, labels))
    )
    mixed = 0
    for n in range(40):
        view = draw_view([source], 3, n, 64)
        inside, outside = view.truth == 1, view.truth == 0
        assert inside.sum() >= 12
        kind = view.image.argmax(2)  # 0 on the red picture, 2 on the blue
        if len({*kind[inside], *kind[outside]} - {1}) == 2 and (view.truth != 255).all():
            mixed += 1
            own = np.bincount(kind[inside], minlength=3).argmax()
            assert (kind[inside] == own).mean() > 0.8  # all but its blended rim
    assert mixed


def test_grey_views_are_never_pasted(source, monkeypatch):
    monkeypatch.setattr(views, "_paste", None)
    monkeypatch.setattr(views, "PASTED_SHARE", 1.0)
    assert draw_view([source], 1, 5, 64).image.shape == (64, 64, 3)


@pytest.fixture
def crowd():
    labels = np.zeros((120, 120), np.int32)
    for number in range(9):
        row, col = divmod(number, 3)
        labels[40 * row + 8 : 40 * row + 34, 40 * col + 8 : 40 * col + 34] = number + 1
    labels[:4] = -1
    return PictureSource("crowd", (make_picture("a", (labels * 25).clip(0, 255), labels),))


def test_objects_of_a_crowd_share_one_view(crowd):
    counts = set()
    for n in range(20):
        drawn = views.draw_views([crowd], 1, n, 96, 4)
        counts.add(len(drawn))
        alone = draw_view([crowd], 1, n, 96)
        assert np.array_equal(drawn[0].image, alone.image)  # more objects do not change the first
        assert np.array_equal(drawn[0].clicks, alone.clicks)
        covered = np.zeros((96, 96), int)
        for view in drawn:
            assert view.image is drawn[0].image
            row, col, sign = view.clicks[0]
            assert (sign, view.truth[int(row), int(col)]) == (1, 1)
            assert np.array_equal(view.truth == 255, drawn[0].truth == 255)
            covered += view.truth == 1
        assert covered.max() == 1  # no object twice
    assert max(counts) == 4


def test_other_objects_are_shown_and_change_nothing_else(crowd):
    shares = []
    for n in range(30):
        plain = views.draw_views([crowd], 1, n, 96, 4)
        shown = views.draw_views([crowd], 1, n, 96, 4, share=1.0)
        for before, view in zip(plain, shown, strict=True):
            assert np.array_equal(before.image, view.image)
            assert np.array_equal(before.truth, view.truth)
            inside = view.truth == 1
            # the object itself is never shown, but for outlines that are wrong by a few pixels
            assert view.drawn[0][inside].mean() < 0.5
            shares.append(view.drawn[0].mean())
            assert np.array_equal(before.clicks, view.clicks)
    assert min(shares) == 0
    assert max(shares) > 0.1


def test_an_object_alone_has_nothing_beside_it(source):
    assert all(len(views.draw_views([source], 0, n, 64, 4)) == 1 for n in range(10))


def test_a_step_has_each_image_once_and_says_whose_objects_are_whose(crowd):
    drawn = ViewDataset([crowd], 1, 3)
    image, truth, clicks, prev, owner, shown = collate([drawn[(n, 64)] for n in range(4)])
    assert shown.shape == (len(owner), 1, 64, 64)
    assert not shown.any()
    assert image.shape == (4, 3, 64, 64)
    assert truth.shape == prev.shape == (len(owner), 1, 64, 64)
    assert clicks.shape == (len(owner), 24, 3)
    assert owner.tolist() == sorted(owner.tolist())
    assert set(owner.tolist()) == {0, 1, 2, 3}
    assert len(owner) > 4


def test_views_are_shared_out_by_weight(monkeypatch):
    monkeypatch.setattr(views, "change_intensity", lambda image, _: image)
    labels = np.ones((50, 50), np.int32)
    labels[:10] = 0
    sources = [
        PictureSource(
            name, (make_picture(name, np.full((50, 50), level, np.uint8), labels),), weight
        )
        for name, level, weight in (("dark", 20, 0.5), ("bright", 220, 1.5))
    ]
    drawn = [draw_view(sources, 0, n, 32).image.mean() > 120 for n in range(400)]
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.07)  # three deviations of 400 draws


def test_depth_counts_to_the_outside():
    region = np.zeros((9, 9), bool)
    region[2:7, 2:7] = True
    found = depth(region)
    assert found[4, 4] == pytest.approx(3, abs=0.1)
    assert found[0, 0] == 0
    assert depth(np.ones((3, 3), bool))[0, 0] == pytest.approx(1)


def test_the_next_click_goes_to_the_deeper_error():
    truth = np.zeros((40, 40), np.uint8)
    truth[10:30, 10:30] = 1
    rng = np.random.default_rng(0)
    row, col, sign = next_click(np.zeros((40, 40), np.float32), truth, rng)
    assert sign == 1
    assert truth[row, col] == 1
    row, col, sign = next_click(np.ones((40, 40), np.float32), truth, rng)
    assert truth[row, col] == (1 if sign > 0 else 0)
    assert next_click(truth.astype(np.float32), truth, rng) is None


def test_ignored_pixels_get_no_click():
    truth = np.full((20, 20), 255, np.uint8)
    assert next_click(np.ones((20, 20), np.float32), truth, np.random.default_rng(0)) is None


def test_clicks_are_added_behind_the_others_and_a_full_table_stays():
    truth = np.zeros((2, 20, 20), np.uint8)
    truth[:, 5:15, 5:15] = 1
    table = np.zeros((2, 24, 3), np.float32)
    table[1] = 1
    before = table.copy()
    out = add_clicks(table, np.zeros(truth.shape, np.float32), truth, np.random.default_rng(0))
    assert out[0, 0, 2] == 1
    assert (out[0, 1:] == 0).all()
    assert (out[1] == 1).all()
    assert np.array_equal(table, before)


def test_a_view_without_object_gets_no_click():
    assert not first_clicks(np.zeros((9, 9), np.uint8), np.random.default_rng(0)).any()


def test_a_rough_mask_is_near_the_object():
    truth = np.zeros((64, 64), np.uint8)
    truth[16:48, 16:48] = 1
    for seed in range(10):
        rough = rough_mask(truth, np.random.default_rng(seed))
        both, either = (rough * truth).sum(), np.maximum(rough, truth).sum()
        assert 0.15 < both / either < 1


@pytest.mark.parametrize("step", [step for step, *_ in STEPS], ids=lambda s: s.__name__)
def test_every_change_keeps_the_shape_and_does_something(step):
    image = np.random.default_rng(0).random((32, 48, 3), np.float32)
    before = image.copy()
    out = step(image, np.random.default_rng(1))
    assert out.shape == image.shape
    assert np.isfinite(out).all()
    assert not np.allclose(out, image)
    assert np.array_equal(image, before)


def test_the_changes_are_functions_of_their_generator():
    image = np.random.default_rng(0).random((32, 48, 3), np.float32)
    for step, *_ in STEPS:
        first, again = (step(image, np.random.default_rng(4)) for _ in range(2))
        assert np.array_equal(first, again), step


def test_sensor_noise_is_common_on_grey_and_rare_on_colour():
    shares = {step.__name__: shares for step, *shares in STEPS}
    assert shares["_sensor"] == [0.12, 0.40]


def test_changed_views_stay_in_range():
    image = np.random.default_rng(0).random((32, 48, 3), np.float32)
    for seed in range(30):
        out = change_intensity(image, np.random.default_rng(seed))
        assert out.dtype == np.float32
        assert 0 <= out.min() <= out.max() <= 1
