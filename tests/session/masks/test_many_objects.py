"""Among many objects those that a mask meets are looked up, and are the same as one by one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.patch import Patch
from napari_intseg.session.masks import canvas as masks
from napari_intseg.session.masks.canvas import Canvas, Painted
from napari_intseg.session.masks.plane_state import PlaneState, Shown

SHAPE = (4, 48, 40)


def shown(rng: Any, shape: tuple[int, int], serial: int) -> PlaneState:
    """Return a state whose mask is a rectangle with a hole."""
    top, left = rng.integers(0, shape[0] - 3), rng.integers(0, shape[1] - 3)
    mask = np.zeros(shape, bool)
    mask[top : top + rng.integers(2, 9), left : left + rng.integers(2, 9)] = True
    mask[top + 1, left + 1] = False
    patch = Patch.from_mask(mask)
    return PlaneState(shown=Shown(patch, mask[patch.slices], (False, serial)), is_painted=True)


def painted(rng: Any) -> Painted:
    """Return what a stroke added and erased."""
    height, width = rng.integers(2, 8, 2)
    added = rng.random((height, width)) < 0.5
    row, col = rng.integers(0, SHAPE[1] - height), rng.integers(0, SHAPE[2] - width)
    return Painted(int(row), int(col), added, ~added)


def change(canvas: Canvas, rng: Any, serial: int) -> None:
    """Put something of an object in place, or take it away."""
    label, kind = int(rng.integers(1, 60)), rng.random()
    if kind < 0.6:
        canvas.put(label, Plane(0, 1), shown(rng, SHAPE[1:], serial))
    elif kind < 0.75:
        canvas.put(label, Plane(0, 1), None)
    elif kind < 0.9:
        canvas.put_painted(label, 1, painted(rng) if rng.random() < 0.7 else None)
    else:
        new = shown(rng, (SHAPE[0], SHAPE[2]), serial) if rng.random() < 0.4 else None
        canvas.put(label, Plane(1, 20), new)


@pytest.mark.parametrize("axis", [0, 1])
def test_what_a_mask_meets_is_the_same_as_asking_each_object(axis: int) -> None:
    rng = np.random.default_rng(axis)
    canvas, plane = Canvas(Volume(np.zeros(SHAPE, np.uint8))), Plane(axis, (1, 20)[axis])
    window = canvas.whole(plane)
    for label in range(1, 51):
        canvas.put(label, Plane(0, 1), shown(rng, SHAPE[1:], label))
    looked_up = 0
    for serial in range(51, 101):
        change(canvas, rng, serial)
        label = int(rng.integers(0, 60))
        wanted = np.zeros(canvas.volume.slice_shape(axis), bool)
        top, left = rng.integers(0, wanted.shape[0]), rng.integers(0, wanted.shape[1])
        wanted[top : top + 9, left : left + 9] = True
        met = {}
        for other, at, mask in canvas.others(label, plane, window, wanted):
            if (mask & wanted[at]).any():
                met[other] = int(np.count_nonzero(mask & wanted[at]))
        expected = {}
        for other in range(1, 60):
            count = int(np.count_nonzero(canvas.mask_on(other, plane) & wanted))
            if count and other != label:
                expected[other] = count
        assert met == expected, f"after change {serial}"
        looked_up += bool(canvas._plane_labels)
    assert (looked_up > 30) == (axis == 0)


def test_few_objects_are_asked_one_by_one() -> None:
    canvas, rng = Canvas(Volume(np.zeros(SHAPE, np.uint8))), np.random.default_rng(0)
    for label in range(1, 9):
        canvas.put(label, Plane(0, 1), shown(rng, SHAPE[1:], label))
    wanted = np.ones(SHAPE[1:], bool)
    assert len(list(canvas.others(1, Plane(0, 1), canvas.whole(Plane(0, 1)), wanted))) == 7
    assert not canvas._plane_labels


def test_an_object_that_another_covered_for_a_moment_is_found_again() -> None:
    canvas, rng = Canvas(Volume(np.zeros(SHAPE, np.uint8))), np.random.default_rng(0)
    plane, window = Plane(0, 1), (slice(0, 48), slice(0, 40))
    for label in range(1, masks._MANY + 3):
        canvas.put(label, plane, shown(rng, SHAPE[1:], label))
    first = canvas.get(1, plane)
    assert first is not None
    assert first.shown is not None
    wanted = canvas.mask_on(1, plane)

    def met() -> set[int]:
        return {other for other, _, _ in canvas.others(99, plane, window, wanted)}

    assert 1 in met()
    # while masks are put in place two may hold a pixel
    canvas.put(50, plane, replace(first, shown=replace(first.shown, rank=(False, 99))))
    assert {1, 50} <= met()
    canvas.put(50, plane, None)
    assert 1 in met()
    assert 50 not in met()


def test_an_object_too_large_to_be_drawn_at_each_stroke_is_asked_itself() -> None:
    canvas, rng = Canvas(Volume(np.zeros((600, 600), np.uint8))), np.random.default_rng(0)
    plane = Plane(0, 0)
    for label in range(1, masks._MANY + 2):
        canvas.put(label, plane, shown(rng, (100, 100), label))
    whole = np.zeros((600, 600), bool)
    whole[100:590, 100:590] = True
    patch = Patch.from_mask(whole)
    canvas.put(99, plane, PlaneState(shown=Shown(patch, whole[patch.slices], (False, 99))))
    near = slice(95, 110), slice(95, 110)
    found = {other for other, _, _ in canvas.others(1, plane, near, np.ones((15, 15), bool))}
    assert 99 in found
    assert canvas._plane_labels[plane].labels.max() < 99
