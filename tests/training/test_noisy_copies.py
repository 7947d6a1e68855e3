import numpy as np
import pytest
import torch

from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.training import loop as module
from napari_intseg.training.loop import validate
from napari_intseg.training.sources import Task, make_picture
from napari_intseg.training.synthetic import STRENGTHS, add_noisy_copies


def tasks(count=7, colour=False):
    labels = np.zeros((64, 64), np.int32)
    labels[16:48, 16:48] = 1
    image = np.where(labels > 0, 200, 60).astype(np.uint8)
    if colour:
        image = np.stack((image, image // 2, image // 3), 2)
    return tuple(Task(make_picture(f"p{n}", image, labels), 1) for n in range(count))


@pytest.mark.parametrize("colour", [False, True])
def test_every_second_object_has_a_noisy_copy_that_is_always_the_same(colour):
    clean = tasks(colour=colour)
    both, again = (add_noisy_copies(clean, seed=1) for _ in range(2))
    assert both[:7] == clean
    assert [task.noisy for task in both] == [False] * 7 + [True] * 4
    assert [task.picture.name for task in both[7:]] == ["p0", "p2", "p4", "p6"]
    for one, same in zip(both[7:], again[7:], strict=True):
        assert np.array_equal(one.picture.image, same.picture.image)
        assert one.picture.image.dtype == np.uint8
        assert one.picture.image.shape == clean[0].picture.image.shape
        assert one.picture.labels is clean[0].picture.labels or one.picture.labels.any()
    other = add_noisy_copies(clean, seed=2)
    assert not np.array_equal(other[7].picture.image, both[7].picture.image)


def test_the_strengths_are_those_that_are_named():
    first, second, third, fourth = (t.picture.image for t in add_noisy_copies(tasks(), seed=0)[7:])
    where = np.s_[20:44, 20:44]  # within the object, at 200 of 255
    for image, sensor in zip((first, second, fourth), (*STRENGTHS[:2], STRENGTHS[0]), strict=True):
        light = 200 / 255 * sensor.photons
        expected = 255 * np.sqrt(light + sensor.read**2) / sensor.photons
        assert image[where].std() == pytest.approx(expected, rel=0.25)
    assert third[where].std() > first[where].std()


def test_nothing_held_out_gets_no_copies():
    assert add_noisy_copies((), seed=0) == ()


def test_noisy_copies_are_measured_apart(monkeypatch):
    torch.manual_seed(0)
    net = ClickPyramid()
    noisy = []

    def course(_model, task, _protocol):
        noisy.append(task.noisy)
        return (6.0, 8.0, 0.1, 0.2, 0.3) if task.noisy else (2.0, 3.0, 0.7, 0.8, 0.9)

    monkeypatch.setattr(module, "_clicks_and_ious", course)
    found = validate(net, add_noisy_copies(tasks(3), seed=0), device="cpu")
    assert noisy == [False] * 3 + [True] * 2
    assert (found.noc85, found.noc90, found.iou3) == pytest.approx((2, 3, 0.8))
    assert (found.noisy85, found.noisy90) == (6, 8)
    assert validate(net, tasks(2), device="cpu").noisy85 is None
    assert validate(net, (), device="cpu") is None
