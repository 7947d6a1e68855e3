"""Of clicks that are added only those are written down, and a replay comes to the same."""

import json

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.session.session import Session

HERE = Plane(0, 12)
CLICKS = tuple(Click(14.0 + n, 14.0, n != 2) for n in range(4))


def written(session):
    """Return the actions and their arguments."""
    lines = session.journal.lines[1:]
    return [(line["do"], line["args"]) for line in lines if "args" in line]


def test_only_the_clicks_that_are_new_are_written(bright, two_balls):
    session = Session(bright(), two_balls)
    for count in range(1, 5):
        session.set_prompts(HERE, Prompts(CLICKS[:count]))
    done = written(session)
    assert [name for name, _ in done] == ["add_clicks"] * 4
    assert all(json.dumps(args).count('"click"') == 1 for _, args in done)
    session.predict(HERE)
    lines = [json.dumps(line) for line in session.journal.lines]
    again = replay(parse_journal(lines), lambda _: two_balls, lambda _: bright()).sessions[0]
    assert again.prompts(HERE) == Prompts(CLICKS)
    assert np.array_equal(again.labels, session.labels)
    assert [p.click for p in again.clicks] == list(CLICKS)
    session.undo()
    assert session.prompts(HERE) == Prompts(CLICKS[:3])


def test_whatever_else_changes_is_written_whole(bright, two_balls):
    session = Session(bright(kinds=("click", "box")), two_balls)
    session.set_prompts(HERE, Prompts(CLICKS[:2]))
    session.set_prompts(HERE, Prompts(CLICKS[1:2]))
    session.set_prompts(HERE, Prompts(CLICKS[1:3], Box(3, 3, 9, 9)))
    assert [name for name, _ in written(session)] == ["add_clicks", *["change_prompts"] * 2]


def test_a_new_click_outside_is_refused_after_others_were_taken(bright, two_balls):
    session = Session(bright(), two_balls)
    session.set_prompts(HERE, Prompts(CLICKS))
    with pytest.raises(PromptError, match="outside the data"):
        session.set_prompts(HERE, Prompts((*CLICKS, Click(-4.0, 3.0))))
    assert session.prompts(HERE) == Prompts(CLICKS)


def test_an_entry_is_called_after_what_was_done(bright):
    session = Session(bright(kinds=("click", "box", "scribble")), Volume(np.zeros((20, 20))))
    plane, line = Plane(0, 0), Scribble(((2.0, 2.0), (3.0, 9.0)))
    one, two, moved = Click(3, 3), Click(5, 5, False), Click(4, 4)
    for given, words in (
        (Prompts((one,)), "Positive click"),
        (Prompts((one, two)), "Negative click"),
        (Prompts((moved, two)), "Move click"),
        (Prompts((moved,)), "Remove click"),
        (Prompts((moved, one, two)), "Add clicks"),
        (Prompts(()), "Remove clicks"),
        (Prompts((), Box(1, 1, 9, 9)), "Set box"),
        (Prompts(()), "Remove box"),
        (Prompts((), None, (line,)), "Add scribble"),
        (Prompts(()), "Change scribble"),
        (Prompts((one,), Box(1, 1, 9, 9)), "Change prompts"),
    ):
        session.give({plane: given})
        assert session.undo_title == words
