"""Arguments of other types: one clear error, and nothing is changed, nor lost from the journal."""

import inspect

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Lasso, Prompts, Scribble
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, IntSegError, PromptError
from napari_intseg.models.registry import load_model
from napari_intseg.session.session import Session

AT = Plane(0, 1)
LINE = ((3.0, 3.0), (5.0, 5.0), (3.0, 9.0))
STROKE = {AT: np.ones((12, 14), bool)}
RIGHT = {
    "position": (1, 4, 5), "box": Box(3, 3, 8, 8), "plane": AT, "scribble": Scribble(LINE),
    "lasso": Lasso(LINE), "number": 0, "mask": STROKE[AT], "label": 1, "labels": (1, 2),
    "first": (1, 4, 5), "second": (1, 5, 6), "changes": {AT: Prompts((Click(3, 3),))},
    "clicks": {AT: (Click(3, 3),)}, "masks": STROKE, "strokes": STROKE, "mm": 1.0, "axis": 0,
    "object": 1, "numbers": {1: 5}, "click": Click(3, 3), "action": "undo", "prompts": Prompts(),
}  # fmt: skip
ODD = (
    "x", b"1", [], {"a": 1}, object(), 1.5, np.zeros(3), int, 10**30, float("nan"),
    Plane("a", "b"), Plane(0, 0.5), Click("a", 1), {AT: None}, {AT: "x"}, {None: None},
    {AT: (Click(None, None),)}, {AT: [1, 2]}, {AT: Prompts(clicks=5)}, {AT: np.array(["a"])},
    Scribble("ab"), Box(None, 1, 2, 3), Prompts(box=3), [[1, 2], [3]],
)  # fmt: skip


@pytest.fixture
def session():
    data = np.zeros((3, 12, 14), np.float32)
    data[1:, 2:9, 3:11] = 8
    made = Session(load_model("region-growing"), Volume(data, spacing=(2, 1, 1)))
    made.click((1, 4, 5))
    made.new_object()
    made.click((2, 11, 1))
    return made


def _arguments():
    for name, method in inspect.getmembers(Session, inspect.isfunction):
        if not name.startswith("_"):
            shape = list(inspect.signature(method).parameters.values())[1:]
            named = [one.name for one in shape if one.kind is not one.VAR_KEYWORD]
            # what a function that is called raises is its own
            yield from ((name, one) for one in named if one not in ("on_progress", "should_stop"))


@pytest.mark.parametrize(("name", "argument"), list(_arguments()))
def test_no_argument_of_another_type_ends_in_the_depth(session, name, argument):
    shape = inspect.signature(getattr(Session, name)).parameters.values()
    needed = {one.name for one in shape if one.default is one.empty} - {"self"}
    before = session.labels
    for odd in ODD:
        lines = len(session.journal.lines)
        given = {one: RIGHT.get(one) for one in needed} | {argument: odd}
        try:
            getattr(session, name)(**given)
        except IntSegError:
            np.testing.assert_array_equal(session.labels, before)
            assert len(session.journal.lines) == lines
        # whatever was done is written down, and can be undone
        assert not [line for line in session.journal.lines[lines:] if "unwritten" in line]
        if len(session.journal.lines) > lines and session.can_undo:
            session.undo()
        before = session.labels
    session.new_object()
    session.click((1, 4, 5))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda s: s.click(None), "position of click is of another type: expected Sequence"),
        (lambda s: s.click("abc"), "position is not one: expected a number for each of 3 axes"),
        (lambda s: s.set_box((1, 2, 3, 4), AT), r"box of set_box .* expected Box \| None, got \(1"),
        (lambda s: s.undo(b"1"), r"object of undo .* expected int \| None, got b'1'"),
        (lambda s: s.paint({AT: "x"}, 2**31), "at most 2147483647, got 2147483648"),
        (lambda s: s.add_clicks({AT: (Click("a", 1),)}), r"expected Mapping\[Plane, tuple\[Click"),
        (lambda s: s.set_initial_mask(STROKE[AT], Plane(0, 0.5)), "plane does not exist"),
        (lambda s: s.set_detail(1.0, labels="x"), "expected planes and numbers of objects"),
        (lambda s: s.protect(inside=[]), r"rule is of another type: expected inside"),
    ],
)
def test_what_is_wrong_is_named(session, act, told):
    with pytest.raises(PromptError, match=told):
        act(session)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"denoise": "no"}, "denoise cannot be used: .* got 'no'"),
        ({"window": (1,)}, r"window cannot be used: expected a name or \(low, high\)"),
        ({"zoom_in": 3}, "zoom_in cannot be used"),
        ({"model": "ritm"}, "model cannot be used"),
        ({"colour": 3}, "setting is unknown: expected some of model, .*, got colour"),
    ],
)
def test_settings_that_are_none_are_named(session, settings, told):
    with pytest.raises(DataError, match=told):
        session.change_setup(**settings)
    session.click((1, 4, 5))


def test_a_window_may_be_a_list(session):
    session.window = [0, 8]
    assert session.setup.options.intensity.high == (8.0,)
