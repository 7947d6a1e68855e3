import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from napari_intseg import Plane, Session, Volume
from napari_intseg.session.document import History
from napari_intseg.session.predictor import run


def test_undo_and_redo_do_not_ask_the_model(bright, two_balls):
    model = bright()
    session = Session(model, two_balls)
    masks = [session.mask]
    for row in (14, 16, 18):
        session.click((12, row, 14))
        masks.append(session.mask)
    session.propagate()
    masks.append(session.mask)
    calls = model.calls
    for mask in reversed(masks[:-1]):
        assert session.undo() is not None
        np.testing.assert_array_equal(session.mask, mask)
    assert session.undo() is None
    assert not session.can_undo
    for mask in masks[1:]:
        assert session.redo() is not None
        np.testing.assert_array_equal(session.mask, mask)
    assert session.redo() is None
    assert model.calls == calls


def test_a_new_action_forgets_what_was_undone(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 14, 14))
    session.undo()
    assert session.can_redo
    session.click((12, 16, 14))
    assert not session.can_redo


def test_what_is_done_without_a_plane_goes_on_where_undo_changed_something(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 14, 14))
    session.click((10, 14, 14))
    session.undo()
    session.undo()
    assert session.predictor.last_plane == Plane(0, 12)


def test_undo_says_what_it_would_take_back_and_what_it_changed(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 14, 14), positive=False)
    assert session.undo_title == "Negative click"
    change = session.undo()
    assert (change.title, change.planes, change.objects) == (
        "Negative click",
        (Plane(0, 12),),
        (1,),
    )
    assert session.redo_title == "Negative click"


def test_an_answer_that_comes_after_undo_is_there_after_redo(bright, two_balls):
    from napari_intseg import Click
    from napari_intseg.core.prompts import Prompts

    model, plane = bright(), Plane(0, 12)
    session = Session(model, two_balls)
    session.set_prompts(plane, Prompts((Click(20, 14),)))
    result = run(session.request(plane))
    session.undo()
    assert not session.accept(result)
    session.redo()
    assert session.mask.any()
    assert session.request(plane) is None


def test_amended_values_are_what_undo_and_redo_bring():
    history = History({"a": 0})
    history.do("one", {"a": 1})
    history.amend("a", 10)
    history.do("two", {"a": 2})
    history.undo()
    assert history.values["a"] == 10
    history.amend("a", 11)
    history.redo()
    history.undo()
    assert history.values["a"] == 11
    history.undo()
    assert history.values["a"] == 0
    history.redo()
    assert history.values["a"] == 11


def test_changes_with_one_token_are_one_entry():
    history = History({})
    history.do("walk", {"a": 1}, token="t")
    history.do("walk", {"b": 2, "a": 3}, token="t")
    history.do("walk", {"c": 1}, token="u")
    history.undo()
    assert history.values == {"a": 3, "b": 2}
    history.undo()
    assert history.values == {}
    assert history.undo() is None


POSITIONS = st.tuples(st.integers(0, 3), st.integers(0, 11), st.integers(0, 13))


class Sessions(RuleBasedStateMachine):
    """Random actions; undo and redo must bring back exactly what was seen."""

    bright: type

    @initialize()
    def begin(self):
        data = (np.random.default_rng(1).random((4, 12, 14)) > 0.4).astype(np.uint8) * 255
        self.session = Session(self.bright(), Volume(data))
        self.seen = [self.session.labels]
        self.at = 0

    def _did(self):
        del self.seen[self.at + 1 :]
        self.seen.append(self.session.labels)
        self.at += 1

    @precondition(lambda self: not self.session.is_finished(self.session.object))
    @rule(position=POSITIONS, positive=st.booleans(), axis=st.integers(0, 2))
    def click(self, position, positive, axis):
        self.session.axis = axis
        self.session.click(position, positive)
        self._did()

    @precondition(
        lambda self: self.session.clicks and not self.session.is_finished(self.session.object)
    )
    @rule(number=st.integers(0, 100), position=POSITIONS, moves=st.booleans())
    def change_click(self, number, position, moves):
        number %= len(self.session.clicks)
        if moves:
            self.session.move_click(number, position)
        else:
            self.session.remove_click(number)
        self._did()

    @precondition(lambda self: len(self.session.objects) < 3)
    @rule()
    def new_object(self):
        self.session.new_object()
        self._did()

    @rule(number=st.integers(0, 2))
    def select(self, number):
        objects = self.session.objects
        self.session.select_object(objects[number % len(objects)])

    @rule()
    def remove_object(self):
        self.session.remove_object()
        self._did()

    def _can_propagate(self):
        states = self.session.document.canvas.states(self.session.object, self.session.axis)
        return any(s.is_given and s.shown is not None and s.shown.inside.any() for _, s in states)

    @precondition(lambda self: self._can_propagate())
    @rule()
    def propagate(self):
        revision = self.session.revision
        self.session.propagate()
        if self.session.revision != revision:  # it may have been done already
            self._did()

    @precondition(lambda self: self.at > 0)
    @rule()
    def undo(self):
        self.session.undo()
        self.at -= 1

    @precondition(lambda self: self.at < len(self.seen) - 1)
    @rule()
    def redo(self):
        self.session.redo()
        self.at += 1

    @invariant()
    def what_is_seen_is_what_was_seen(self):
        np.testing.assert_array_equal(self.session.labels, self.seen[self.at])
        assert self.session.can_undo == (self.at > 0)
        assert self.session.can_redo == (self.at < len(self.seen) - 1)

    @invariant()
    def objects_never_overlap(self):
        labels, canvas = self.session.labels, self.session.document.canvas
        masks = [canvas.mask(label) for label in self.session.objects]
        assert (np.sum(masks, axis=0) <= 1).all()
        for label, mask in zip(self.session.objects, masks, strict=True):
            np.testing.assert_array_equal(labels == label, mask)

    @invariant()
    def every_plane_shows_the_same_as_the_volume(self):
        labels = self.session.labels
        for plane in (Plane(0, 1), Plane(1, 5), Plane(2, 6)):
            np.testing.assert_array_equal(
                self.session.labels_on(plane), self.session.volume.of(labels, plane)
            )


def test_random_actions_are_undone_and_redone_exactly(bright):
    from hypothesis.stateful import run_state_machine_as_test

    Sessions.bright = bright
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
