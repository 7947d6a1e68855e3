import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.errors import PromptError
from napari_intseg.evaluation.metrics import dice
from napari_intseg.propagation.ending import Ending
from napari_intseg.propagation.restraint import Restraint
from napari_intseg.propagation.walk import WalkSettings, walk


def box(shape=(20, 30, 30), planes=slice(4, 16)):
    data = np.zeros(shape, np.uint8)
    data[planes, 8:20, 9:22] = 200
    return data


def planes_of(mask):
    return np.flatnonzero(mask.any(axis=(1, 2))).tolist()


@pytest.mark.parametrize("uses_prev", [True, False])
def test_one_click_becomes_the_whole_object_and_stops_at_its_ends(bright, two_balls, uses_prev):
    session = Session(bright(uses_prev, ("click", "mask") if uses_prev else ("click",)), two_balls)
    session.click((12, 20, 14))
    session.propagate()
    truth = (two_balls.data > 0) & (np.indices(two_balls.shape)[2] < 23)
    assert dice(session.mask, truth) > 0.97
    assert not session.mask[truth.sum(axis=(1, 2)) == 0].any()


def test_it_works_along_every_axis(bright):
    for axis in range(3):
        data = np.moveaxis(box(), 0, axis)
        session = Session(bright(), Volume(data), axis=axis)
        session.click(tuple(np.moveaxis(np.indices(data.shape), 0, -1)[data > 0].mean(axis=0)))
        session.propagate()
        np.testing.assert_array_equal(session.mask, data > 0)


def test_only_the_planes_asked_for_are_changed_and_read(bright, counting):
    data = counting(box())
    session = Session(bright(), Volume(data), window=(0, 255))
    session.click((10, 12, 12))
    session.propagate(range(8, 13))
    assert planes_of(session.mask) == [8, 9, 10, 11, 12]
    assert set(data.reads) == {8, 9, 10, 11, 12}


def test_planes_between_the_anchor_and_the_range_guide_but_stay_as_they_are(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    session.propagate(range(10, 13))
    assert planes_of(session.mask) == [6, 10, 11, 12]


def test_bad_ranges_are_refused(bright):
    session = Session(bright(), Volume(box()))
    session.click((10, 12, 12))
    for planes in (range(5, 21), range(-1, 4), range(5, 5), range(0, 10, 2)):
        with pytest.raises(PromptError, match="planes cannot be propagated to"):
            session.propagate(planes)
    flat = Session(bright(), Volume(box()[10]))
    flat.click((12, 12))
    with pytest.raises(PromptError, match="more than one plane"):
        flat.propagate()


def test_without_a_mask_there_is_nothing_to_propagate(bright):
    session = Session(bright(), Volume(box()))
    with pytest.raises(PromptError, match="nothing to propagate from"):
        session.propagate()
    session.click((10, 12, 12), positive=False)
    with pytest.raises(PromptError, match="nothing to propagate from"):
        session.propagate()


def test_a_plane_the_person_settled_is_neither_changed_nor_crossed(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    session.set_initial_mask(np.zeros((30, 30), bool), Plane(0, 10))
    session.propagate()
    assert planes_of(session.mask) == [4, 5, 6, 7, 8, 9]
    session.undo()
    session.undo()
    session.propagate()
    assert planes_of(session.mask) == list(range(4, 16))


def test_a_correction_does_again_only_the_stretch_it_affects(bright):
    model = bright()
    session = Session(model, Volume(box()))
    session.click((6, 12, 12))
    session.click((12, 12, 12))
    session.propagate()
    calls = model.calls
    session.propagate()
    assert model.calls == calls  # nothing has changed
    session.click((9, 8, 9), positive=False)
    clicked = model.calls
    session.propagate()
    # planes 8 and 10, where the correction has died out; nothing before 6 nor after 12
    assert model.calls - clicked == 2
    assert planes_of(session.mask) == list(range(4, 16))


def test_a_correction_at_an_end_leaves_the_rest_alone(bright):
    model = bright()
    session = Session(model, Volume(box()))
    session.click((6, 12, 12))
    session.click((12, 12, 12))
    session.propagate()
    before, calls = session.mask, model.calls
    session.click((14, 12, 12))
    session.propagate()
    assert model.calls - calls == 1 + 2  # the click; 13 and 15, where nothing changes
    np.testing.assert_array_equal(session.mask[:13], before[:13])


def test_when_a_correction_is_removed_the_stretch_is_done_again(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    session.propagate()
    whole = session.mask
    session.click((10, 12, 12), positive=False)
    session.propagate()
    assert (session.mask != whole).any()
    session.remove_click(-1)
    session.propagate()
    np.testing.assert_array_equal(session.mask, whole)


def test_a_click_on_a_propagated_plane_starts_from_its_mask(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    session.propagate()
    assert Plane(0, 9) in session.propagated_planes(0)
    session.click((9, 14, 14), positive=False)
    corrected = session.mask[9]
    assert not corrected[14, 14]
    assert corrected.sum() > 12 * 13 - 40
    assert session.clicked_planes(0) == (Plane(0, 6), Plane(0, 9))
    session.remove_click(-1)
    assert session.mask[9].sum() == 12 * 13
    assert Plane(0, 9) in session.propagated_planes(0)


def test_what_an_earlier_walk_left_beyond_the_new_end_goes(bright):
    data = box()
    session = Session(bright(), Volume(data))
    session.click((6, 12, 12))
    session.propagate()
    assert planes_of(session.mask) == list(range(4, 16))
    session.set_initial_mask(np.zeros((30, 30), bool), Plane(0, 10))
    session.propagate()
    assert planes_of(session.mask) == list(range(4, 10))


def test_answers_from_two_sides_pass_into_each_other(bright):
    """The left half of the box is clicked on one plane, all of it on another."""
    data = box()
    session = Session(bright(), Volume(data))
    half = data[10] > 0
    half[:, 15:] = False
    session.set_initial_mask(half, Plane(0, 5))
    session.set_initial_mask(data[10] > 0, Plane(0, 14))

    class Keeps(bright):
        def predict(self, query):
            answer = super().predict(query)
            logits = np.where((query.prev_logits > 0), np.float32(4), np.float32(-4))
            return type(answer)(logits)

    session.model = Keeps()
    session.propagate()
    areas = session.mask.sum(axis=(1, 2))
    assert areas[5] == half.sum()
    assert areas[14] == (data[10] > 0).sum()
    assert (np.diff(areas[5:15]) >= 0).all()
    assert (session.mask[6] == half).all()
    assert (session.mask[13] == (data[10] > 0)).all()
    agreement = half.sum() / (data[10] > 0).sum()
    confidences = [session.confidence(Plane(0, i)) for i in range(6, 14)]
    assert all(0.8 * agreement < c <= agreement for c in confidences)


def test_where_both_walks_lose_the_object_its_shape_is_interpolated(bright):
    class Lost(bright):
        def predict(self, query):
            answer = super().predict(query)
            return type(answer)(np.full_like(answer.logits, -4))

    data = box()
    session = Session(Lost(), Volume(data))
    for plane in (6, 12):
        session.set_initial_mask(data[10] > 0, Plane(0, plane))
    session.propagate()
    np.testing.assert_array_equal(session.mask[6:13], data[6:13] > 0)
    assert planes_of(session.mask) == list(range(6, 13))
    assert session.confidence(Plane(0, 9)) == 0.5  # lost, between masks that are alike
    session.undo()
    session.propagate(settings=WalkSettings(fill="nothing"))
    assert planes_of(session.mask) == [6, 12]


def test_a_leak_is_stopped(bright):
    data = box()
    data[12:, 2:28, 2:28] = 200
    session = Session(bright(), Volume(data))
    session.click((8, 12, 12))
    session.propagate()
    assert planes_of(session.mask) == list(range(4, 12))
    session.propagate(settings=WalkSettings(Ending(max_growth=99, max_spread=0)))
    assert planes_of(session.mask) == list(range(4, 20))
    # what looks like the object is followed then, but by so many millimetres a plane alone
    assert session.mask[12].sum() < 1.8 * session.mask[11].sum()
    session.propagate(
        settings=WalkSettings(Ending(max_growth=99, max_spread=0), restraint=Restraint(99.0))
    )
    assert session.mask[12].sum() == 26 * 26


def test_it_is_one_entry_of_the_history(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    clicked = session.mask
    session.propagate()
    whole = session.mask
    assert session.undo_title == "Propagate"
    change = session.undo()
    assert {p.index for p in change.planes} >= {4, 5, 7, 15}
    np.testing.assert_array_equal(session.mask, clicked)
    session.redo()
    np.testing.assert_array_equal(session.mask, whole)


def test_cancelling_keeps_what_is_done_and_going_on_finishes_it(bright):
    model = bright()
    session = Session(model, Volume(box()))
    session.click((10, 12, 12))
    seen = []
    session.propagate(
        on_progress=lambda done, total: seen.append((done, total)),
        should_stop=lambda: len(seen) == 3,
    )
    assert len(planes_of(session.mask)) == 4
    assert [done for done, _ in seen] == [1, 2, 3]
    session.propagate()
    assert planes_of(session.mask) == list(range(4, 16))


def test_progress_reaches_its_end(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    session.click((12, 12, 12))
    seen = []
    session.propagate(on_progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_a_step_is_refused_where_the_person_has_worked_meanwhile(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    steps = list(walk(session.propagation_request()))
    assert session.accept_step(steps[0])
    session.click((9, 14, 14), positive=False)
    refused = {s.plane.index for s in steps if s.plane and not session.accept_step(s)}
    assert refused == set(range(7, 16))  # before plane 6 nothing has changed


def test_steps_of_another_model_or_a_finished_object_are_refused(bright):
    session = Session(bright(), Volume(box()))
    session.click((6, 12, 12))
    steps = list(walk(session.propagation_request()))
    session.model = bright()
    assert not session.accept_step(steps[0])
    session.undo()
    session.finish_object()
    assert not session.accept_step(steps[0])
    session.undo()
    assert session.accept_step(steps[0])


def test_other_objects_are_left_alone(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.propagate()
    first = session.labels == 1
    session.new_object()
    session.click((12, 20, 32))
    session.click((12, 20, 14))
    session.propagate()
    np.testing.assert_array_equal(session.labels == 1, first)
    assert (session.labels == 2).any(axis=(1, 2)).sum() > 5


@pytest.mark.parametrize("spacing_mm", [1.0, 3.0])
def test_the_reach_is_in_millimetres(bright, spacing_mm):
    session = Session(bright(), Volume(box(), spacing=(spacing_mm, 1.0, 1.0)))
    session.click((10, 12, 12))
    session.propagate(settings=WalkSettings(Ending(reach_mm=3.5)))
    reach = int(3.5 // spacing_mm)
    assert planes_of(session.mask) == list(range(10 - reach, 11 + reach))


def test_thick_planes_let_an_outline_move_farther(bright):
    """The same voxels: a box that widens by 4 pixels at once."""
    data = box()
    data[11:16, 4:24, 5:26] = 200
    for spacing_mm, is_followed in ((1.0, False), (5.0, True)):
        session = Session(bright(), Volume(data, spacing=(spacing_mm, 1.0, 1.0)))
        session.click((8, 12, 12))
        session.propagate()
        assert bool(session.mask[11].sum() == (data[11] > 0).sum()) is is_followed


def test_a_ball_keeps_its_last_plane(bright):
    z, y, x = np.indices((26, 40, 40))
    ball = (z - 12) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 81
    ball &= abs(z - 12) < 9  # its poles, a single pixel each, are no plane worth the name
    session = Session(bright(), Volume(np.where(ball, 200, 20).astype(np.uint8)))
    session.click((12, 20, 20))
    session.propagate()
    assert planes_of(session.mask) == planes_of(ball)


def test_shapes_are_interpolated_without_a_model(bright):
    data = box()
    model = bright()
    session = Session(model, Volume(data))
    for plane in (5, 14):
        session.set_initial_mask(data[10] > 0, Plane(0, plane))
    session.propagate(settings=WalkSettings(method="interpolate"))
    assert model.calls == 0
    np.testing.assert_array_equal(session.mask[5:15], data[5:15] > 0)
    assert planes_of(session.mask) == list(range(5, 15))
    assert session.confidences == {Plane(0, i): 1.0 for i in range(6, 14)}


def test_every_propagated_plane_has_a_confidence_and_the_worst_come_first(bright):
    data = box()
    data[11, 8:20, 16:22] = 0  # half of it is missing on one plane
    session = Session(bright(), Volume(data))
    session.click((6, 12, 12))
    session.propagate()
    found = session.confidences
    assert set(found) == set(session.propagated_planes(0))
    assert all(0 <= c <= 1 for c in found.values())
    worst = session.to_check()
    assert worst[0].index in (11, 12)
    assert [found[p] for p in worst] == sorted(found.values())
    session.click((11, 12, 12))
    assert Plane(0, 11) not in session.confidences  # a person has settled it


def test_two_time_points_apart_an_object_is_followed_though_it_moves(bright):
    """Axis 0 is time: a disc that moves by most of its radius from frame to frame."""
    frames = np.zeros((8, 40, 90), np.uint8)
    rows, cols = np.indices((40, 90))
    for time in range(8):
        frames[time][(rows - 20) ** 2 + (cols - 12 - 6 * time) ** 2 <= 64] = 200
    session = Session(bright(False, ("click",)), Volume(frames))
    session.click((0, 20, 12))
    session.propagate(settings=WalkSettings.through_time())
    assert all(dice(session.mask[time], frames[time] > 0) > 0.95 for time in range(8))
    apart = Session(bright(False, ("click",)), Volume(frames))
    apart.click((0, 20, 12))
    apart.propagate()  # as if it were a volume: an outline does not move so far
    assert planes_of(apart.mask) != list(range(8)) or dice(apart.mask, frames > 0) < 0.9


class Flood:
    """Answers all that is bright, nearer to a positive click than to any negative one.

    With negative clicks alone it forgets the object, as networks do.
    """

    traits = Traits("flood", frozenset({"click", "mask"}), uses_prev=True)

    def __init__(self):
        self.queries = []

    def prepare(self, image):
        return Prepared(image.shape[:2], image.mean(axis=2) > 0.5, image.nbytes)

    def predict(self, query):
        self.queries.append(query)
        away = {True: np.inf, False: np.inf}
        rows, cols = np.indices(query.prepared.shape)
        for click in query.prompts.clicks:
            near = np.hypot(rows - click.row, cols - click.col)
            away[click.positive] = np.minimum(away[click.positive], near)
        mask = query.prepared.payload & (away[True] < away[False])
        return Answer(np.where(mask, np.float32(4), np.float32(-4)))


@pytest.mark.parametrize("follows", [True, False])
def test_a_negative_click_on_a_flood_keeps_the_object_and_mends_the_planes_beside(follows):
    data = np.zeros((12, 40, 60), np.uint8)
    data[1:11, 8:32, 6:54] = 200
    model = Flood()
    session = Session(model, Volume(data, spacing=(2.0, 1.0, 1.0)), follow_neighbours=follows)
    session.click((3, 20, 14))
    session.propagate()
    assert session.mask[1:11, 20, 50].all()  # it flooded all planes
    session.click((6, 20, 36), positive=False)
    assert session.mask[6, 20, 14] == follows
    assert not session.mask[6, 20, 36]
    if not follows:
        return
    asked = len(model.queries)
    session.propagate()
    mask = session.mask
    assert mask[1:11, 20, 14].all()
    # on either side, though the first click's plane vouches for the flood
    assert not mask[[5, 7, 8], 20, 45].any()
    signs = {tuple(click.positive for click in q.prompts.clicks) for q in model.queries[asked:]}
    assert (True, False) in signs  # it was told what had been clicked away
    session.undo()
    session.undo()
    assert session.mask[1:11, 20, 50].all()


def test_a_positive_click_on_a_propagated_plane_takes_nothing_away(bright):
    class Moves(bright):
        """After a click, answers with the click's columns alone."""

        def predict(self, query):
            answer = super().predict(query)
            given = [int(click.col) for click in query.prompts.clicks]
            logits = np.array(answer.logits)
            if given and given[-1] >= 20:
                logits[:, :18] = -5
                logits[8:20, 18:24] = 5
            return type(answer)(logits)

    for keep in (True, False):
        session = Session(Moves(), Volume(box()), zoom_in=None, keep_answers=keep)
        session.click((6, 12, 12))
        session.propagate()
        before = session.mask[9]
        session.click((9, 12, 23))
        now = session.mask[9]
        assert now[12, 23]
        assert (before & ~now).any() != keep
