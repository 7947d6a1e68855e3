"""Nothing is written where it must not be, whatever is done."""

import json

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from napari_intseg import Plane, Session, Volume
from napari_intseg.errors import PromptError
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay

SHAPE = (4, 12, 14)
DATA = (np.random.default_rng(1).random(SHAPE) > 0.4).astype(np.uint8) * 255
POSITIONS = st.tuples(*(st.integers(0, n - 1) for n in SHAPE))
LABELS = st.integers(1, 3)


class Protected(RuleBasedStateMachine):
    """Random actions under random rules, one function at the bottom of all of them."""

    bright: type

    @initialize()
    def begin(self):
        self.session = Session(self.bright(), Volume(DATA))
        self.before = self.session.labels
        self.seen = [self.before]
        self.at = 0

    def _do(self, act, by=None):
        """Act, and check that only what may change has changed."""
        session = self.session
        before, rules, rev = session.labels, session.protection, len(session.document.history)
        locked = [label for label in session.objects if session.is_locked(label)]
        try:
            act()
        except PromptError:
            np.testing.assert_array_equal(session.labels, before)
            return
        after = session.labels
        changed = before != after
        for label in locked:
            assert not (changed & ((before == label) | (after == label))).any()
        if rules.region is not None:
            assert not (changed & ~rules.region).any()
        if rules.inside is not None:
            owners = {rules.inside, session.object if by is None else by}
            assert set(np.unique(before[changed])) <= owners
        if len(session.document.history) != rev:
            del self.seen[self.at + 1 :]
            self.seen.append(after)
            self.at += 1
        else:
            self.seen[self.at] = after

    @rule(position=POSITIONS, positive=st.booleans(), axis=st.integers(0, 2))
    def click(self, position, positive, axis):
        self.session.axis = axis
        if self.session.is_finished(self.session.object):
            return
        # two entries of the journal, one of the history: the answer joins its click
        self._do(lambda: self.session.click(position, positive))

    @rule(number=st.integers(0, 100))
    def remove_click(self, number):
        if self.session.clicks and not self.session.is_finished(self.session.object):
            self._do(lambda: self.session.remove_click(number % len(self.session.clicks)))

    @rule(position=POSITIONS, axis=st.integers(0, 2), label=st.integers(0, 3))
    def paint(self, position, axis, label):
        plane = Plane(axis, position[axis])
        row, col = (int(p) for p in plane.on_slice(position))
        stroke = np.zeros(self.session.volume.slice_shape(axis), bool)
        stroke[max(0, row - 2) : row + 2, max(0, col - 2) : col + 2] = True
        self._do(lambda: self.session.paint({plane: stroke}, label), by=label)

    @rule(label=LABELS)
    def clear_painted(self, label):
        if label in self.session.objects and not self.session.protection.is_limited:
            self._do(lambda: self.session.clear_painted(label), by=label)

    @rule(position=POSITIONS)
    def initial(self, position):
        mask = np.zeros(SHAPE[1:], bool)
        mask[position[1] :, position[2] :] = True
        if not self.session.is_finished(self.session.object):
            self._do(lambda: self.session.set_initial_mask(mask, Plane(0, position[0])))

    @rule(position=POSITIONS, label=LABELS)
    def begin_with(self, position, label):
        mask = np.zeros(SHAPE[1:], bool)
        mask[: position[1] + 1, position[2] :] = True
        self._do(lambda: self.session.begin_with({Plane(0, position[0]): mask}, label), by=label)

    @rule(position=POSITIONS, label=LABELS)
    def take_over(self, position, label):
        self._do(lambda: self.session.take_over(Plane(0, position[0]), label), by=label)

    @rule(label=LABELS)
    def select(self, label):
        if label in self.session.objects:
            self.session.select_object(label)
        else:
            self._do(lambda: self.session.new_object(label))

    @rule(label=LABELS, what=st.sampled_from(["finish", "reopen", "lock", "unlock"]))
    def lock(self, label, what):
        self._do(lambda: getattr(self.session, f"{what}_object")(label))

    @rule(policy=st.sampled_from(["keep", "overwrite", "ask"]))
    def policy(self, policy):
        self._do(lambda: self.session.protect(policy=policy))

    @rule(inside=st.one_of(st.none(), LABELS))
    def inside(self, inside):
        self._do(lambda: self.session.protect(inside=inside))

    @rule(cut=st.one_of(st.none(), st.integers(2, 10)))
    def region(self, cut):
        region = None if cut is None else np.indices(SHAPE)[1] < cut
        self._do(lambda: self.session.protect(region=region))

    @rule()
    def propagate(self):
        if not self.session.is_finished(self.session.object):
            self._do(self.session.propagate)

    @rule(label=LABELS)
    def remove_object(self, label):
        self._do(lambda: self.session.remove_object(label))

    @rule(label=LABELS, back=st.booleans())
    def one_object(self, label, back):
        others = self.session.labels
        act = self.session.undo if back else self.session.redo
        if self.session.is_finished(label) and label not in self.session.protection.locked:
            return  # it takes back that it was finished
        self._do(lambda: act(object=label))
        after = self.session.labels
        untouched = ~np.isin(others, [0, label])
        np.testing.assert_array_equal(after[untouched], others[untouched])

    @rule()
    def undo(self):
        if self.at:
            self.session.undo()
            self.at -= 1

    @rule()
    def redo(self):
        if self.at < len(self.seen) - 1:
            self.session.redo()
            self.at += 1

    @invariant()
    def what_is_seen_is_what_was_seen(self):
        np.testing.assert_array_equal(self.session.labels, self.seen[self.at])

    @invariant()
    def objects_never_overlap(self):
        labels, canvas = self.session.labels, self.session.document.canvas
        for label in self.session.objects:
            np.testing.assert_array_equal(labels == label, canvas.mask(label))
        for plane in (Plane(0, 1), Plane(1, 5), Plane(2, 6)):
            np.testing.assert_array_equal(
                self.session.labels_on(plane), self.session.volume.of(labels, plane)
            )

    def teardown(self):
        if not hasattr(self, "session"):
            return
        lines = [json.dumps(line) for line in self.session.journal.lines]
        again = replay(parse_journal(lines), lambda _: Volume(DATA), lambda _: self.bright())
        np.testing.assert_array_equal(again.sessions[0].labels, self.session.labels)


def test_random_actions_obey_every_rule_and_are_replayed_exactly(bright):
    Protected.bright = bright
    run_state_machine_as_test(
        Protected,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
