"""Undo for one object, strokes and settings as entries; nothing asks the model again."""

import numpy as np
import pytest

from napari_intseg import Box, Plane, Scribble, Session, Volume
from napari_intseg.errors import DataError, PromptError

PLANE = Plane(0, 2)


@pytest.fixture
def model(bright):
    return bright(kinds=("click", "mask", "box", "scribble"))


@pytest.fixture
def session(model):
    data = (np.random.default_rng(0).random((6, 30, 32)) > 0.5).astype(np.uint8) * 255
    return Session(model, Volume(data))


def square(row, col, size=4):
    mask = np.zeros((30, 32), bool)
    mask[row : row + size, col : col + size] = True
    return mask


def table(session, other):
    """Every action that a person can take, by name: those of one object, then those of all."""
    flat = session.volume.ndim == 2

    def at(row, col):
        return (row, col) if flat else (2, row, col)

    here = Plane(0, 0) if flat else PLANE
    there = here if flat else Plane(0, 4)

    def set_model():
        session.model = other

    of_one = {
        "click": lambda: session.click(at(10, 10)),
        "negative click": lambda: session.click(at(20, 6), positive=False),
        "move": lambda: session.move_click(0, at(12, 10)),
        "box": lambda: session.set_box(Box(2, 2, 9, 9), here),
        "scribble": lambda: session.add_scribble(Scribble(((3.0, 3.0), (4.0, 8.0))), here),
        "delete": lambda: session.remove_click(1),
        "initial mask": lambda: session.set_initial_mask(square(3, 3), there),
        "brush stroke": lambda: session.paint({here: square(20, 20)}, 1),
        "eraser": lambda: session.paint({here: square(20, 20, 2)}, 0),
        "propagate": session.propagate,
        "post-processing": lambda: session.clean_up(largest=True),
        "accept": session.finish_object,
        "reopen": session.reopen_object,
    }
    if flat:
        del of_one["propagate"]
    of_all = {
        "window change": lambda: session.change_setup(window=(0, 100)),
        "model change": set_model,
        "policy": lambda: session.protect(policy="overwrite"),
        "lock": lambda: session.lock_object(1),
        "unlock": lambda: session.unlock_object(1),
        "drop painted": session.clear_painted,
        "new object": session.new_object,
        "remove object": session.remove_object,
    }
    return of_one, of_all


@pytest.fixture(params=["2-D", "3-D"])
def work(request, session, bright):
    """A session, a second model, and the table of actions on it."""
    if request.param == "2-D":
        session = Session(session.model, Volume(session.volume.data[2]))
    other = bright(kinds=("click", "mask", "box", "scribble"))
    return session, other, *table(session, other)


def test_every_kind_of_action_is_one_entry_and_comes_back_without_the_model(work):
    session, other, of_one, of_all = work
    model = session.model
    seen, models = [session.labels], [session.model]
    for name, act in {**of_one, **of_all}.items():
        before = len(session.document.history)
        act()
        assert len(session.document.history) == before + 1, name
        seen.append(session.labels)
        models.append(session.model)
    assert len({labels.tobytes() for labels in seen}) > 6
    asked = model.calls + other.calls
    for labels, used in zip(reversed(seen[:-1]), reversed(models[:-1]), strict=True):
        assert session.undo() is not None
        np.testing.assert_array_equal(session.labels, labels)
        assert session.model is used
    assert session.undo() is None
    for labels in seen[1:]:
        assert session.redo() is not None
        np.testing.assert_array_equal(session.labels, labels)
    assert session.redo() is None
    assert model.calls + other.calls == asked


def test_every_action_of_one_object_is_taken_back_for_it_alone_without_the_model(work):
    session, _, of_one, _ = work
    here = Plane(0, 0) if session.volume.ndim == 2 else Plane(0, 5)
    assert not session.can_go("undo", 1)
    seen = [session.labels == 1]
    for number, act in enumerate(of_one.values()):
        session.select_object(1)
        act()
        seen.append(session.labels == 1)
        # something for another object after each
        session.paint({here: square(26, min(2 * number, 28), 1)}, 2)
        np.testing.assert_array_equal(session.labels == 1, seen[-1])
    theirs, asked = session.labels == 2, session.model.calls
    assert not session.can_go("redo", 1)
    for labels in reversed(seen[:-1]):
        assert session.can_go("undo", 1)
        assert session.undo(object=1) is not None
        np.testing.assert_array_equal(session.labels == 1, labels)
    assert not session.can_go("undo", 1)
    assert session.undo(object=1) is None
    for labels in seen[1:]:
        assert session.can_go("redo", 1)
        assert session.redo(object=1) is not None
        np.testing.assert_array_equal(session.labels == 1, labels)
    assert not session.can_go("redo", 1)
    np.testing.assert_array_equal(session.labels == 2, theirs)
    assert session.model.calls == asked


def test_one_object_goes_back_while_others_stay(session):
    session.paint({PLANE: square(2, 2)}, 1)
    session.paint({PLANE: square(2, 10)}, 2)
    session.paint({PLANE: square(10, 2)}, 1)
    session.paint({PLANE: square(10, 10)}, 2)
    whole = session.labels
    assert session.undo(object=1).title == "Undo Paint of object 1"
    expected = whole.copy()
    expected[2][square(10, 2)] = 0
    np.testing.assert_array_equal(session.labels, expected)
    session.undo(object=1)
    expected[2][square(2, 2)] = 0
    np.testing.assert_array_equal(session.labels, expected)
    assert session.undo(object=1) is None
    assert session.redo(object=1).title == "Redo Paint of object 1"
    session.redo(object=1)
    np.testing.assert_array_equal(session.labels, whole)
    assert session.redo(object=1) is None
    for _ in range(4):
        session.undo()
    np.testing.assert_array_equal(session.labels, whole)  # what was done for one is undone too


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 1)])
def test_what_another_took_meanwhile_stays_its_own(session, one, other):
    session.paint({PLANE: square(2, 2)}, one)
    session.paint({PLANE: square(2, 2, 2)}, 0)
    session.paint({PLANE: square(2, 2, 1)}, other)
    session.undo(object=one)
    assert session.labels[2, 2, 2] == other
    assert session.labels[2, 3, 3] == one
    assert session.labels[2, 2, 3] == one
    assert not session.document.canvas.mask(one)[2, 2, 2]


def test_something_new_ends_redo_for_that_object_alone(session):
    session.paint({PLANE: square(2, 2)}, 1)
    session.paint({PLANE: square(10, 2)}, 1)
    session.undo(object=1)
    session.paint({PLANE: square(20, 20)}, 2)
    assert session.redo(object=1) is not None
    session.undo(object=1)
    session.paint({PLANE: square(20, 2)}, 1)
    assert session.redo(object=1) is None


def test_undo_for_a_finished_object_opens_it_first(session):
    session.paint({PLANE: square(2, 2)}, 1)
    session.finish_object(1)
    session.undo(object=1)
    assert not session.is_finished(1)
    assert session.mask.any()


def test_painted_and_erased_pixels_are_kept_until_they_are_dropped(session):
    row, col = (int(i) for i in np.argwhere(session.volume.data[2])[40])
    session.click((2, row, col))
    session.paint({PLANE: square(row, col, 1)}, 0)
    session.paint({PLANE: square(20, 20)}, 1)
    session.click((2, row, col))
    session.click((2, 21, 21), positive=False)
    assert not session.mask[2, row, col]
    assert session.mask[2][square(20, 20)].all()
    session.clear_painted()
    assert session.mask[2, row, col]
    assert not session.mask[2, 21, 21]
    assert session.clear_painted() is None


def test_a_painted_object_is_carried_on(bright):
    data = np.zeros((8, 30, 32), np.uint8)
    data[:, 5:15, 5:15] = 255
    session = Session(bright(), Volume(data))
    session.paint({PLANE: square(5, 5, 10)}, 1)
    session.propagate()
    assert session.mask[:, 6, 6].all()


def test_strokes_that_cannot_be_are_told(session):
    with pytest.raises(PromptError, match="object cannot be painted"):
        session.paint({PLANE: square(0, 0)}, -1)
    with pytest.raises(DataError, match="mask is on another grid"):
        session.paint({PLANE: np.zeros((3, 3), bool)}, 1)
    with pytest.raises(PromptError, match="plane does not exist"):
        session.paint({Plane(0, 9): square(0, 0)}, 1)


def test_rules_that_cannot_be_are_told(session):
    session.paint({PLANE: square(2, 2)}, 1)
    with pytest.raises(PromptError, match="overlap policy is unknown"):
        session.protect(policy="fight")
    with pytest.raises(PromptError, match="rule is unknown"):
        session.protect(colour="red")
    with pytest.raises(DataError, match="region is on another grid"):
        session.protect(region=np.ones((2, 2), bool))
    with pytest.raises(PromptError, match="object does not exist"):
        session.lock_object(7)
    session.lock_object(1)
    with pytest.raises(PromptError, match="object cannot be changed"):
        session.protect(inside=1)
    with pytest.raises(PromptError, match="object is locked: expected one that takes prompts"):
        session.click((2, 5, 5))
    with pytest.raises(PromptError, match="object is locked: expected one that may change"):
        session.remove_object(1)
    session.unlock_object(1)
    session.protect(region=square(0, 0, 9))
    with pytest.raises(PromptError, match="may reach outside the region"):
        session.undo(object=1)


def test_people_are_asked_and_can_take_over(session):
    mask = square(2, 2)
    session.set_initial_mask(mask, PLANE)
    session.new_object()
    session.protect(policy="ask")
    session.set_initial_mask(square(3, 3), PLANE)
    assert session.contested_on(PLANE) == {1: 9}
    assert session.contested_on(Plane(0, 0)) == {}
    before = session.labels
    assert (before[2][mask] == 1).all()
    session.take_over(PLANE)
    assert (session.labels[2][square(3, 3)] == 2).all()
    assert session.contested_on(PLANE) == {}
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    session.protect(policy="overwrite")
    session.set_initial_mask(square(3, 3), PLANE)
    assert (session.labels[2][square(3, 3)] == 2).all()
    assert session.take_over(Plane(0, 0)) is None


def test_objects_share_their_positive_clicks(session):
    session.click((2, 5, 5))
    session.click((2, 6, 6), positive=False)
    session.new_object()
    session.click((2, 20, 20))
    session.add_scribble(Scribble(((20.0, 8.0), (20.0, 9.0))), PLANE)
    session.new_object()
    session.click((4, 20, 20))  # on another plane, where it is alone
    change = session.share_corrections(PLANE)
    assert change.objects == (1, 2)
    given = {n: session.document.state(n, PLANE).prompts for n in (1, 2)}
    assert [(c.row, c.positive) for c in given[1].clicks] == [(5, True), (6, False), (20, False)]
    assert [s.positive for s in given[1].scribbles] == [False]
    assert [(c.row, c.positive) for c in given[2].clicks] == [(20, True), (5, False)]
    assert session.predictor.is_pending(PLANE, 1)
    with pytest.raises(PromptError, match=r"nothing to share: .* got 2 with any"):
        session.share_corrections(PLANE)
    session.undo()
    assert len(session.document.state(1, PLANE).prompts.clicks) == 2
    assert session.document.state(1, PLANE).prompts.scribbles == ()
