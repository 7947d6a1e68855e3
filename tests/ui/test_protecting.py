"""Locks, regions and overlaps from the window, without Qt."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_intseg.errors import DataError
from napari_intseg.session.journal_read import read_journal
from napari_intseg.ui.exporting import export_labels
from napari_intseg.ui.protecting import (
    drop_painted,
    overlap,
    protect,
    protect_region,
    region_of,
    session_now,
    set_locked,
    take_over,
)


@pytest.fixture
def binder(bench, settle, squares):
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    return bench.binder


def test_a_region_drawn_as_a_shape_holds(bench, binder, settle):
    shape = Shapes([np.array([[0, 0], [0, 79], [40, 79], [40, 0]])], shape_type="polygon")
    assert protect_region(bench, shape)
    before = binder.labels.data.copy()
    binder.points.add((45, 55))
    settle()
    changed = before != binder.labels.data
    assert changed.any()
    assert not changed[42:].any()
    assert protect_region(bench, None)
    assert session_now(bench).protection.region is None


def test_people_are_asked_and_can_take_over(bench, binder, settle):
    protect(bench, policy="ask")
    bench.new_object()
    binder.points.add((21, 21))
    settle()
    assert overlap(bench) == {1: 400}
    take_over(bench)
    settle()
    assert (binder.labels.data[10:30, 10:30] == 2).all()
    assert overlap(bench) == {}


@pytest.mark.usefixtures("binder")
def test_a_lock_without_accepting(bench, said):
    set_locked(bench, True)
    assert session_now(bench).is_locked(1)
    protect(bench, inside=1)
    assert "object cannot be changed" in said.failures[-1]
    set_locked(bench, False)
    assert not session_now(bench).is_locked(1)


def test_painted_pixels_can_be_dropped(bench, binder, settle, said):
    drop_painted(bench)
    assert said.messages[-1] == "There is nothing of that kind here."
    with binder.labels.block_history():
        binder.labels.paint((20, 20), 0)
    drop_painted(bench)
    settle()
    assert (binder.labels.data[10:30, 10:30] == 1).all()


def test_what_is_no_region_is_told(bench, binder, squares, said):
    for layer in (Labels(np.zeros((3, 3), int)), Image(squares), Shapes()):
        with pytest.raises(DataError, match="layer is no region"):
            region_of(layer, binder.frame)
    assert not protect_region(bench, Image(squares))
    assert "layer is no region" in said.failures[-1]


def test_exported_labels_have_their_journal_beside_them(bench, binder, settle, tmp_path):
    export_labels(bench, tmp_path / "labels.tif")
    settle()
    assert read_journal(tmp_path / "labels.tif.journal.jsonl").count == 1
    assert binder.labels.data.any()
