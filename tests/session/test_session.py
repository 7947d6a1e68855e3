import numpy as np
import pytest

from napari_intseg import Box, Click, Lasso, Plane, Scribble, Session, Volume
from napari_intseg.core.prompts import Prompts
from napari_intseg.errors import DataError, PromptError
from napari_intseg.session.predictor import run


def ball_slice(volume, plane, col):
    """The connected bright part on a plane of axis 0, as `Bright` should find it."""
    data = volume.take(Plane(0, plane)) > 0
    return data & (np.indices(data.shape)[1] < 23 if col < 23 else np.indices(data.shape)[1] > 23)


def test_a_click_fills_the_object_on_its_plane_only(bright, two_balls):
    session = Session(bright(), two_balls)
    result = session.click((12, 20, 14))
    mask = session.mask
    assert mask.dtype == bool
    assert mask.shape == two_balls.shape
    np.testing.assert_array_equal(mask[12], ball_slice(two_balls, 12, 14))
    assert mask.sum() == mask[12].sum()
    np.testing.assert_array_equal(result.patch.mask(), mask[12])
    assert session.probability.dtype == np.float32
    np.testing.assert_array_equal(session.probability > 0.5, mask[12])


@pytest.mark.parametrize(
    ("shape", "position"),
    [
        ((30, 40), (5, 6)),
        ((30, 40, 3), (5, 6)),
        ((9, 30, 40), (4, 5, 6)),
        ((9, 30, 40, 3), (4, 5, 6)),
    ],
)
@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr"])
def test_every_shape_and_kind_of_array(bright, shape, position, kind):
    array = np.zeros(shape, np.uint8)
    tail = (slice(None),) if shape[-1] == 3 else ()
    array[(..., slice(2, 12), slice(3, 20), *tail)] = 200
    data = array
    if kind == "dask":
        data = pytest.importorskip("dask.array").from_array(array, chunks=5)
    if kind == "zarr":
        data = pytest.importorskip("zarr").array(array, chunks=(5,) * array.ndim)
    session = Session(bright(), Volume(data))
    session.click(position)
    spatial = shape[:-1] if shape[-1] == 3 else shape
    assert session.mask.shape == spatial
    assert session.labels.dtype == np.int32
    assert session.mask.sum() == session.labels.sum() == 10 * 17


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_clicks_work_on_planes_of_any_axis(bright, two_balls, axis):
    session = Session(bright(), two_balls, axis=axis)
    result = session.click((12, 20, 14))
    plane = Plane(axis, (12, 20, 14)[axis])
    assert result.plane == plane
    assert session.mask[12, 20, 14]
    outside = session.mask.copy()
    two_balls.put(outside, plane, np.zeros(two_balls.slice_shape(axis), bool))
    assert not outside.any()


def test_a_fraction_of_a_plane_goes_to_the_nearest(bright, two_balls):
    session = Session(bright(), two_balls)
    assert session.click((11.6, 20, 14)).plane == Plane(0, 12)
    assert session.click((-0.5, 20, 14)).plane == Plane(0, 0)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ((20, 14), "2 coordinates"),
        ((1, 2, 3, 4), "4 coordinates"),
        ((12, float("nan"), 14), "not a number"),
        ((12, 40, 14), "outside the data"),
        ((12, -0.6, 14), "outside the data"),
        ((24, 20, 14), "outside the data"),
        ((-1, 20, 14), "outside the data"),
    ],
)
def test_bad_positions_are_refused_and_change_nothing(bright, two_balls, position, message):
    session = Session(bright(), two_balls)
    with pytest.raises(PromptError, match=message):
        session.click(position)
    assert not session.clicks
    assert not session.can_undo


def test_a_plane_that_does_not_exist_is_refused(bright, two_balls):
    session = Session(bright(), two_balls)
    for plane in (Plane(0, 24), Plane(3, 0), Plane(0, -1)):
        with pytest.raises(PromptError, match="plane does not exist"):
            session.set_prompts(plane, Prompts((Click(1, 1),)))
    with pytest.raises(DataError, match="axis does not exist"):
        session.axis = 3
    with pytest.raises(DataError, match="axis does not exist"):
        Session(bright(), Volume(np.zeros((5, 5))), axis=1)


def test_prompts_outside_the_slice_are_refused(bright, two_balls):
    session = Session(bright(), two_balls)
    with pytest.raises(PromptError, match="outside the data"):
        session.set_prompts(Plane(0, 3), Prompts((Click(1, 48),)))


def test_only_negative_clicks_give_an_empty_mask_without_the_model(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    result = session.click((12, 20, 14), positive=False)
    assert not session.mask.any()
    assert not result.patch.mask().any()
    assert model.calls == 0
    session.click((12, 20, 14))
    assert session.mask.any()


def test_removing_a_click_gives_what_the_rest_would_have_given(bright, two_balls):
    positions = [(12, 20, 14), (12, 18, 14), (12, 20, 32), (12, 22, 14)]
    signs = [True, False, True, False]
    for removed in range(4):
        session, other = Session(bright(), two_balls), Session(bright(), two_balls)
        for i, (position, sign) in enumerate(zip(positions, signs, strict=True)):
            session.click(position, sign)
            if i != removed:
                other.click(position, sign)
        session.remove_click(removed)
        np.testing.assert_array_equal(session.mask, other.mask)
        assert [c.click for c in session.clicks] == [c.click for c in other.clicks]


def test_removing_a_click_replays_only_those_after_it(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    for row in (14, 16, 18, 20, 22):
        session.click((12, row, 14))
    assert model.calls == 5
    session.remove_click(3)
    assert model.calls == 6
    session.remove_click(-1)
    assert model.calls == 6


def test_removing_a_click_before_many_has_those_answered_together(bright, two_balls):
    for obey, calls in ((True, 1), (False, 20)):
        model = bright()
        session = Session(model, two_balls, obey=obey)
        for number in range(30):
            session.click((12, 13 + number % 15, 14))
        model.calls = 0
        session.remove_click(9)
        assert model.calls == calls
        assert len(session.clicks) == 29
        assert not session.is_pending(Plane(0, 12))


def test_a_model_without_memory_is_asked_once_however_many_clicks(bright, two_balls):
    model = bright(uses_prev=False)
    session = Session(model, two_balls)
    session.set_prompts(Plane(0, 12), Prompts(tuple(Click(r, 14) for r in (14, 16, 18))))
    session.predict(Plane(0, 12))
    assert model.calls == 1


def test_a_click_moves_within_its_plane_and_to_another(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.move_click(0, (12, 20, 32))
    np.testing.assert_array_equal(session.mask[12], ball_slice(two_balls, 12, 32))
    session.move_click(0, (10, 20, 14))
    assert not session.mask[12].any()
    np.testing.assert_array_equal(session.mask[10], ball_slice(two_balls, 10, 14))
    session.undo()
    np.testing.assert_array_equal(session.mask[12], ball_slice(two_balls, 12, 32))
    assert not session.mask[10].any()


def test_clicks_that_do_not_exist_are_refused(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    for number in (1, -2):
        with pytest.raises(PromptError, match="click does not exist"):
            session.remove_click(number)
        with pytest.raises(PromptError, match="click does not exist"):
            session.move_click(number, (12, 20, 14))


def test_clicks_are_listed_in_the_order_they_were_made(bright, two_balls):
    session = Session(bright(), two_balls)
    for position in ((12, 20, 14), (3, 2, 2), (12, 18, 14)):
        session.click(position)
    assert [c.plane.index for c in session.clicks] == [12, 3, 12]
    assert [c.number for c in session.clicks] == [0, 0, 1]


def test_an_initial_mask_is_shown_and_corrected(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    mask = ball_slice(two_balls, 12, 14)
    session.set_initial_mask(mask, Plane(0, 12))
    np.testing.assert_array_equal(session.mask[12], mask)
    assert model.calls == 0
    session.click((12, 20, 32))
    np.testing.assert_array_equal(session.mask[12], two_balls.take(Plane(0, 12)) > 0)
    session.remove_click(0)
    np.testing.assert_array_equal(session.mask[12], mask)


def test_an_initial_mask_of_the_data_s_shape(bright, two_balls):
    session = Session(bright(), two_balls)
    truth = two_balls.data > 0
    session.click((0, 1, 1))
    session.set_initial_mask(truth)
    np.testing.assert_array_equal(session.mask, truth)
    session.undo()
    assert session.mask.sum() == session.mask[0].sum() > 0
    flat = Session(bright(), Volume(np.zeros((9, 9), np.uint8)))
    flat.set_initial_mask(np.eye(9, dtype=bool))
    np.testing.assert_array_equal(flat.mask, np.eye(9, dtype=bool))


def test_an_initial_mask_on_another_grid_is_refused(bright, two_balls):
    session = Session(bright(), two_balls)
    with pytest.raises(DataError, match="another grid: expected shape"):
        session.set_initial_mask(np.zeros((5, 5), bool), Plane(0, 3))
    with pytest.raises(DataError, match="another grid: expected the data's shape"):
        session.set_initial_mask(np.zeros((5, 5), bool))


def test_boxes_and_scribbles_for_models_that_take_them(bright, two_balls):
    model = bright(kinds=("click", "box", "scribble"))
    session = Session(model, two_balls)
    session.set_box(Box(2, 3, 5, 9), Plane(0, 12))
    assert session.mask.sum() == 4 * 7
    session.add_scribble(Scribble(((20, 14), (20, 15))), Plane(0, 12))
    assert session.mask.sum() == 4 * 7 + ball_slice(two_balls, 12, 14).sum()
    session.undo()
    session.set_box(None, Plane(0, 12))
    assert not session.mask.any()
    with pytest.raises(PromptError, match="plane is missing"):
        session.set_box(Box(2, 3, 5, 9))
    with pytest.raises(PromptError, match="outside the data"):
        session.set_box(Box(2, 3, 5, 99), Plane(0, 12))


def test_a_lasso_is_asked_as_a_box_where_the_model_takes_boxes_alone(bright, two_balls):
    session = Session(bright(kinds=("click", "box", "mask")), two_balls)
    session.add_lasso(Lasso(((2, 5), (5, 3), (4, 9))), Plane(0, 12))
    assert session.mask.sum() == 4 * 7  # of the box round it
    assert session.undo_title == "Add lasso"
    session.undo()
    assert not session.mask.any()
    session.redo()
    assert session.mask.sum() == 4 * 7
    assert session.prompts(Plane(0, 12)).lassos
    with pytest.raises(PromptError, match="takes no negative lasso: expected box, click, mask"):
        session.add_lasso(Lasso(((2, 5), (5, 3), (4, 9)), positive=False), Plane(0, 12))
    with pytest.raises(PromptError, match="lasso holds no area: expected at least 3 different"):
        session.add_lasso(Lasso(((2, 5), (5, 3), (2, 5))), Plane(0, 12))
    with pytest.raises(PromptError, match="outside the data"):
        session.add_lasso(Lasso(((2, 5), (5, 3), (2, 999))), Plane(0, 12))


def test_prompts_a_model_does_not_take_are_refused(bright, two_balls):
    session = Session(bright(), two_balls)
    with pytest.raises(PromptError, match="bright takes no box: expected click, mask"):
        session.set_box(Box(2, 3, 5, 9), Plane(0, 12))
    with pytest.raises(PromptError, match="takes no scribble"):
        session.add_scribble(Scribble(((1, 1),)), Plane(0, 12))
    with pytest.raises(PromptError, match="takes no lasso: expected click, mask"):
        session.add_lasso(Lasso(((2, 5), (5, 3), (4, 9))), Plane(0, 12))


def test_another_model_answers_the_next_click_from_the_first_on(bright, two_balls):
    first, second = bright(), bright()
    session = Session(first, two_balls)
    session.click((12, 20, 14))
    session.model = second
    assert session.mask.any()
    session.click((12, 20, 32))
    assert (first.calls, second.calls) == (1, 2)
    session.undo()
    session.undo()
    assert session.model is first


def test_another_window_predicts_anew_and_undo_brings_the_old_answer(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    session.click((12, 20, 14))
    before = session.mask
    session.window = (0, 2000)  # now nothing is bright
    assert session.mask.sum() < before.sum()
    calls = model.calls
    session.undo()
    np.testing.assert_array_equal(session.mask, before)
    assert model.calls == calls
    with pytest.raises(DataError, match="window is unknown"):
        session.window = "nonsense"
    with pytest.raises(DataError, match="data has no channels: expected none to be chosen"):
        session.channels = (1,)


def test_channels_are_chosen(bright):
    array = np.zeros((20, 30, 4), np.uint8)
    array[5:19, 5:19, 3] = 255
    session = Session(bright(), Volume(array), channels=(0,))
    session.click((12, 12))
    small = session.mask.sum()
    session.channels = (3,)
    assert session.mask.sum() == 14 * 14 != small


def test_a_request_is_overtaken_by_a_newer_click_but_its_work_is_kept(bright, two_balls):
    model, plane = bright(), Plane(0, 12)
    session = Session(model, two_balls)
    session.set_prompts(plane, Prompts((Click(20, 14),)))
    first = session.request(plane)
    session.set_prompts(plane, Prompts((Click(20, 14), Click(20, 32))))
    result = run(first)
    assert not session.accept(result)
    assert not session.mask.any()
    second = session.request(plane)
    assert second.counts == (2,)
    assert session.accept(run(second))
    assert model.calls == 2
    assert session.request(plane) is None
    session.undo()
    np.testing.assert_array_equal(session.mask[12], ball_slice(two_balls, 12, 14))
    assert model.calls == 2


def test_a_request_that_is_not_overtaken_is_accepted(bright, two_balls):
    session, plane = Session(bright(), two_balls), Plane(0, 12)
    session.set_prompts(plane, Prompts((Click(20, 14),)))
    request = session.request(plane)
    session.set_prompts(Plane(0, 5), Prompts((Click(20, 14),)))  # another plane does not matter
    assert session.accept(run(request))


def test_results_for_what_has_gone_are_refused(bright, two_balls):
    session, plane = Session(bright(), two_balls), Plane(0, 12)
    session.set_prompts(plane, Prompts((Click(20, 14),)))
    result = run(session.request(plane))
    session.finish_object()
    assert not session.accept(result)
    session.undo()
    session.change_setup(model=bright())
    assert not session.accept(result)
    session.undo()
    session.remove_object()
    assert not session.accept(result)
    session.undo()
    assert session.accept(result)


def test_several_clicks_are_answered_one_by_one_and_can_be_stopped_between(bright, two_balls):
    model, plane = bright(), Plane(0, 12)
    session = Session(model, two_balls)
    session.set_prompts(plane, Prompts(tuple(Click(r, 14) for r in (14, 16, 18))))
    request = session.request(plane)
    assert request.counts == (1, 2, 3)
    result = run(request, should_stop=lambda: model.calls == 2)
    assert not result.is_complete
    assert not session.accept(result)
    assert session.request(plane).counts == (3,)
    assert session.accept(run(session.request(plane)))
    assert model.calls == 3


def test_a_plane_is_prepared_once(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    for row in (14, 16, 18):
        session.click((12, row, 14))
    assert model.prepared == 1
    without = Session(model, two_balls, cache_bytes=0)
    without.click((12, 14, 14))
    without.click((12, 16, 14))
    assert model.prepared == 3


def test_only_the_planes_clicked_are_read(bright, two_balls, counting):
    data = counting(two_balls.data)
    session = Session(bright(), Volume(data), window=(0, 255))
    session.click((12, 20, 14))
    session.click((3, 20, 14))
    assert set(data.reads) == {12, 3}


def test_a_volume_larger_than_memory_can_be_clicked(bright):
    class Huge:
        shape, dtype = (2000, 2048, 2048), np.dtype(np.uint16)

        def __getitem__(self, index):
            size = [len(range(*i.indices(2048))) for i in index[1:]]
            out = np.zeros(size, np.uint16)
            out[tuple(slice(0, n // 2) for n in size)] = 60000
            return out

    session = Session(bright(), Volume(Huge()), window=(0, 65535), zoom_in=None)
    change = session.click((1000, 200, 200))
    assert change.plane == Plane(0, 1000)
    assert session.mask_on(Plane(0, 1000)).sum() == 1024 * 1024
    assert not session.mask_on(Plane(0, 999)).any()


def test_the_data_is_not_changed(bright, two_balls):
    before = two_balls.data.copy()
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.propagate()
    np.testing.assert_array_equal(two_balls.data, before)
