"""Clicks with a model that answers in 3-D, on a ViewerModel without Qt."""

import threading

import numpy as np
import pytest

from napari_intseg.core.segmenter import Traits
from napari_intseg.core.volume_segmenter import (
    PreparedVolume,
    VolumeChange,
    VolumeClick,
    VolumeQuery,
    VolumeSource,
)
from napari_intseg.ui.controllers.object_actions import accept


class Levels:
    """All voxels as bright as those that are clicked on, less the planes of negative clicks."""

    traits = Traits("levels")
    answers_planes = False

    def __init__(self) -> None:
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.queries: list[VolumeQuery] = []

    def prepare(self, _):
        raise AssertionError("no slice is asked about")

    predict = prepare

    def prepare_volume(self, source: VolumeSource) -> PreparedVolume:
        return PreparedVolume(source, source.read(source.whole).mean(axis=-1))

    def predict_volume(self, query: VolumeQuery) -> VolumeChange | None:
        self.queries.append(query)
        self.entered.set()
        while not self.gate.wait(0.01):
            if query.cancelled():
                return None
        values = query.prepared.payload
        mask = np.zeros(values.shape, bool)
        for click in query.prompts:
            assert isinstance(click, VolumeClick)
            at = tuple(round(p) for p in click.at)
            if click.positive:
                mask |= np.abs(values - values[at]) < 0.2
            else:
                mask[at[0]] = False
        return VolumeChange((0, 0, 0), np.where(mask, 5, -5).astype(np.float32))


@pytest.fixture
def toy():
    return Levels()


@pytest.fixture
def begun(controller, boxes, settle):
    controller.choose_image(controller.viewer.add_image(boxes))
    controller.new_object()
    settle()
    return controller.image_controller


def planes(begun):
    return np.flatnonzero(np.asarray(begun.labels.data).any(axis=(1, 2))).tolist()


def click(begun, place):
    begun.tools.viewer.dims.set_point(0, place[0])
    begun.points.add(place)


def test_a_click_is_drawn_on_all_planes_and_undone_at_once(begun, controller, settle, boxes, said):
    click(begun, (5, 12, 15))
    settle()
    np.testing.assert_array_equal(np.asarray(begun.labels.data) > 0, boxes == 200)
    assert any("in 3-D: 6 planes" in told for told in said.messages)
    controller.undo()
    settle()
    assert planes(begun) == []
    controller.redo()
    settle()
    assert planes(begun) == list(range(3, 9))


def test_cancel_stops_the_answer_and_keeps_the_click(begun, controller, settle, pump, toy, said):
    toy.gate.clear()
    click(begun, (5, 12, 15))
    pump.until(lambda: begun.is_in_volume and toy.entered.is_set())
    controller.cancel()
    settle()
    assert planes(begun) == []
    assert len(begun.points.data) == 1
    assert "cancelled" in said.messages[-1]
    assert len(toy.queries) == 1  # and it is not asked again by itself
    toy.gate.set()
    click(begun, (6, 12, 16))
    settle()
    assert planes(begun) == list(range(3, 9))
    assert len(toy.queries[-1].prompts) == 2


def test_the_next_click_overtakes_an_answer(begun, settle, pump, toy):
    toy.gate.clear()
    click(begun, (5, 12, 15))
    pump.until(toy.entered.is_set)
    begun.points.add((4, 30, 40))
    pump.until(lambda: len(toy.queries) == 2)
    toy.gate.set()
    settle()
    assert len(toy.queries[-1].prompts) == 2
    assert planes(begun) == list(range(2, 10))


def test_the_first_of_two_clicks_taken_away_on_its_plane_is_answered_anew(begun, settle, boxes):
    click(begun, (5, 12, 15))
    click(begun, (4, 30, 40))
    settle()
    begun.points.selected_data = {0}
    begun.points.remove_selected()
    settle()
    np.testing.assert_array_equal(np.asarray(begun.labels.data) > 0, boxes == 100)
    begun.points.selected_data = {0}
    begun.points.remove_selected()
    settle()
    assert planes(begun) == []


def test_an_accepted_object_is_not_touched(begun, controller, settle, boxes):
    click(begun, (5, 12, 15))
    settle()
    accept(controller)
    settle()
    first = np.asarray(begun.labels.data).copy()
    click(begun, (5, 30, 40))
    settle()
    labels = np.asarray(begun.labels.data)
    np.testing.assert_array_equal(labels[boxes == 200], first[boxes == 200])
    assert len(np.unique(labels)) == 3


def test_nothing_is_propagated(begun, controller, settle, said):
    click(begun, (5, 12, 15))
    settle()
    controller.in_3d.is_on = True
    click(begun, (6, 12, 15))
    settle()
    assert not controller.is_propagating
    controller.propagate()
    settle()
    assert not said.failures
