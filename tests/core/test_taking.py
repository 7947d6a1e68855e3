"""What models take and wait for, from their traits alone."""

import pytest

from napari_intseg.core.prompts import Box, Click, Lasso, Prompts, Scribble
from napari_intseg.core.segmenter import Traits, explained, missing, refused, taken, with_boxes

BOX = Box(1, 2, 8, 9)
LINE = Scribble(((1.0, 1.0), (2.0, 5.0)))
RING = Lasso(((1.0, 4.0), (8.0, 9.0), (7.0, 2.0)))
HOLE = Lasso(RING.points, positive=False)
DEXTR = Traits("dextr", frozenset({"extreme_points"}), needs=frozenset({"extreme_points"}))
IOG = Traits("iog", frozenset({"box", "click"}), needs=frozenset({"box", "click"}))
GRABCUT = Traits("grabcut", frozenset({"box"}), needs=frozenset({"box"}))
SAM = Traits("sam", frozenset({"box", "click", "mask"}))
WALKER = Traits("walker", frozenset({"click", "scribble", "mask"}))
NN = Traits("nn", frozenset({"click", "box", "scribble", "lasso", "mask"}))
RITM = Traits("ritm", frozenset({"click", "mask"}))
CLICKS = tuple(Click(i, i) for i in range(4))


def test_only_what_a_model_takes_is_left():
    given = Prompts((Click(1, 1), Click(2, 2, False)), BOX, (LINE,))
    assert taken(given, SAM) == Prompts(given.clicks, BOX)
    assert taken(given, WALKER) == Prompts(given.clicks, None, (LINE,))
    assert taken(given, GRABCUT) == Prompts((), BOX)
    assert taken(given, DEXTR) == Prompts((Click(1, 1),))


@pytest.mark.parametrize(
    ("prompts", "traits", "kind"),
    [
        (Prompts(box=BOX), RITM, "box"),
        (Prompts(scribbles=(LINE,)), SAM, "scribble"),
        (Prompts(CLICKS), GRABCUT, "click"),
        (Prompts((Click(1, 1, False),)), DEXTR, "negative click"),
        (Prompts(CLICKS), DEXTR, ""),
        (Prompts(CLICKS, BOX), SAM, ""),
        (Prompts(lassos=(RING, HOLE)), NN, ""),
        (Prompts(lassos=(RING,)), SAM, ""),
        (Prompts(lassos=(HOLE,)), SAM, "negative lasso"),
        (Prompts(lassos=(RING,)), WALKER, "lasso"),
    ],
)
def test_what_a_model_does_not_take_is_named(prompts, traits, kind):
    assert refused(prompts, traits) == kind


def test_what_was_there_for_another_model_may_stay():
    held = Prompts(box=BOX)
    assert refused(Prompts(CLICKS, BOX), RITM, held) == ""
    assert refused(Prompts(CLICKS, Box(0, 0, 5, 5)), RITM, held) == "box"


def test_a_model_waits_for_all_it_needs():
    assert missing(Prompts(CLICKS[:1]), DEXTR) == "3 more extreme points"
    assert missing(Prompts(CLICKS[:3]), DEXTR) == "1 more extreme point"
    assert missing(Prompts(CLICKS), DEXTR) == ""
    assert missing(Prompts(), IOG) == "a box round the object and a click inside the box"
    assert missing(Prompts(box=BOX), IOG) == "a click inside the box"
    assert missing(Prompts((Click(3, 3, False),), BOX), IOG) == "a click inside the box"
    assert missing(Prompts((Click(3, 3),), BOX), IOG) == ""
    assert missing(Prompts(), SAM) == ""


def test_every_kind_of_model_is_explained_in_its_own_words():
    told = [explained(t) for t in (DEXTR, IOG, GRABCUT, SAM, WALKER, RITM)]
    assert len(set(told)) == 6
    assert "four extreme points" in told[0]
    assert "then click inside" in told[1]
    assert told[3] == "Mark the object by clicks or a box round it; combine them as you like."
    assert "scribbles" in told[4]


def test_a_lasso_is_a_box_for_a_model_that_takes_boxes_alone():
    given = Prompts(CLICKS, lassos=(HOLE, RING))
    assert with_boxes(given, SAM) == Prompts(CLICKS, Box(1, 2, 8, 9))
    assert with_boxes(Prompts(box=Box(0, 0, 5, 5), lassos=(RING,)), SAM).box == Box(0, 0, 5, 5)
    assert with_boxes(given, NN) == given
    assert with_boxes(given, RITM) == Prompts(CLICKS)
    assert taken(given, SAM) == Prompts(CLICKS, lassos=(RING,))
    assert missing(Prompts(lassos=(RING,)), GRABCUT) == ""
