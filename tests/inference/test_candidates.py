"""Places that look like the objects there are: found in grey and colour, at any size, cut apart."""

import numpy as np
import pytest
from skimage.draw import disk

from napari_intseg.errors import PromptError
from napari_intseg.inference import candidates
from napari_intseg.inference.candidates import Size, find_candidates


def discs(radius, gap=3.2, count=4, noise=0.05, colour=(0.8, 0.8, 0.8)):
    """Return discs on a darker ground, RGB float32, and their labels."""
    step = int(gap * radius)
    side = step * count
    labels = np.zeros((side, side + step), np.int32)
    for number in range(count * (count + 1)):
        row, col = divmod(number, count + 1)
        at = disk((step // 2 + row * step, step // 2 + col * step), radius, shape=labels.shape)
        labels[at] = number + 1
    image = np.where(labels[..., None] > 0, colour, (0.3, 0.3, 0.3))
    image = image + np.random.default_rng(0).normal(0, noise, image.shape[:2])[..., None]
    return np.clip(image, 0, 1).astype(np.float32), labels


@pytest.mark.parametrize("radius", [5, 12, 40])
@pytest.mark.parametrize("colour", [(0.8, 0.8, 0.8), (0.3, 0.3, 0.7)])
def test_all_others_are_found_each_once(radius, colour):
    image, labels = discs(radius, colour=colour)
    known = np.where(labels <= 2, labels, 0)
    found = find_candidates(image, known)
    middles = [labels[round(one.click.row), round(one.click.col)] for one in found]
    assert sorted(middles) == list(range(3, 21))
    for one, label in zip(found, middles, strict=True):
        mask, truth = one.patch.mask(), labels == label
        assert (mask & truth).sum() / (mask | truth).sum() > 0.7
    likenesses = [one.likeness for one in found]
    assert likenesses == sorted(likenesses, reverse=True)
    assert min(likenesses) > 0


def test_objects_that_touch_are_cut_apart():
    labels = np.zeros((60, 160), np.int32)
    for number, col in enumerate((20, 60, 80, 120, 139), 1):
        labels[disk((30, col), 11, shape=labels.shape)] = number
    image = np.repeat(np.where(labels > 0, 0.9, 0.1)[..., None], 3, axis=2).astype(np.float32)
    found = find_candidates(image, np.where(labels == 1, 1, 0))
    assert len(found) == 4


def test_what_is_much_larger_or_smaller_is_none():
    labels = np.zeros((120, 200), np.int32)
    for number, (row, col, radius) in enumerate(
        ((20, 20, 8), (20, 60, 8), (20, 100, 2), (70, 60, 30)), 1
    ):
        labels[disk((row, col), radius, shape=labels.shape)] = number
    image = np.repeat(np.where(labels > 0, 0.9, 0.1)[..., None], 3, axis=2).astype(np.float32)
    (one,) = find_candidates(image, np.where(labels == 1, 1, 0))
    assert labels[round(one.click.row), round(one.click.col)] == 2


def test_an_image_of_one_value_has_no_candidates_and_nothing_fails():
    labels = np.zeros((40, 50), np.int32)
    labels[10:20, 10:20] = 1
    assert find_candidates(np.full((40, 50, 3), 0.5, np.float32), labels) == []


def test_without_an_object_there_is_nothing_to_look_for():
    with pytest.raises(PromptError, match="nothing to look for: expected an object"):
        find_candidates(np.zeros((9, 9, 3), np.float32), np.zeros((9, 9), np.int32))


def test_what_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(candidates, "LIMIT_PX", 100)
    image, labels = discs(5)
    with pytest.raises(PromptError, match="slice is too large to look for objects"):
        find_candidates(image, labels)


def test_the_size_is_that_of_the_objects():
    labels = np.zeros((30, 30), np.int32)
    labels[:2, :2], labels[10:14, 10:14], labels[20:29, 20:29] = 1, 5, 9
    size = Size.of(labels)
    assert (size.least_px, size.most_px) == (4, 81)
    assert size.diameter_px == pytest.approx(2 * np.sqrt(16 / np.pi))
    assert size.fits(2, 0.5, 1)
    assert not size.fits(1.9, 0.5, 1)
    assert not size.fits(82, 0.5, 1)


@pytest.mark.parametrize("labels", [np.ones((30, 40), np.int32), np.eye(30, 40, dtype=np.int32)])
def test_where_there_is_next_to_nothing_to_tell_apart_nothing_is_found(labels, recwarn):
    image = np.random.default_rng(0).random((30, 40, 3)).astype(np.float32)
    labels[0, 0] = 2
    assert isinstance(find_candidates(image, labels), list)
    single = np.zeros_like(labels)
    single[3, 3] = 1
    assert find_candidates(image, single) == []
    assert not recwarn.list
