import zlib

import numpy as np
import pytest

from napari_intseg.core.prompts import Click
from napari_intseg.evaluation.benchmark import BenchmarkResult, Score, Skipped
from napari_intseg.evaluation.metrics import SurfaceDistance
from napari_intseg.evaluation.run import Course, Protocol
from napari_intseg.evaluation.summary import (
    FORMAT,
    Crossing,
    as_json,
    as_text,
    best_median_worst,
    crossings,
    percent,
    summarise,
    table,
)
from napari_intseg.evaluation.truth import ObjectRef


def score(model="a", dataset="d", entry="1", *, ious=(0.5,), seed=0, surfaces=(), wrong=()):
    mask = np.zeros((4, 4), bool)
    course = Course(
        tuple((None, Click(float(i), 0.0)) for i in range(len(ious))),
        tuple(ious),
        tuple(2 * v / (1 + v) for v in ious),
        tuple(0.1 * (i + 1) for i in range(len(ious))),
        tuple(surfaces),
        zlib.compress(np.packbits(mask).tobytes()),
        mask.shape,
        wrong=tuple(wrong),
    )
    return Score(model, dataset, entry, ObjectRef(1), seed, 7, course)


PROTOCOL = Protocol(4, (0.85, 0.9))


def test_a_row_holds_the_means_over_objects():
    scores = [score(ious=(0.5, 0.87, 0.95)), score(entry="2", ious=(0.3, 0.4, 0.5, 0.6))]
    (row,) = summarise(scores, PROTOCOL)
    assert (row.n_objects, row.n_seeds) == (2, 1)
    assert row.noc == ((2 + 4) / 2, (3 + 4) / 2)
    assert row.failures == (0.5, 0.5)
    assert row.iou == pytest.approx((0.4, 0.635, 0.725, 0.775))
    assert row.dice[0] == pytest.approx((2 * 0.5 / 1.5 + 0.6 / 1.3) / 2)
    assert row.seconds == pytest.approx(0.2)
    assert row.first_seconds == pytest.approx(0.1)
    assert row.surface_mm is None
    assert row.noc_spread == ()


def test_seeds_give_a_spread_of_the_mean():
    scores = [
        score(entry=entry, seed=seed, ious=[0.0] * (k - 1) + [0.95])
        for entry in "12"
        for seed, k in ((0, 1), (1, 2), (2, 4))
    ]
    (row,) = summarise(scores, PROTOCOL)
    assert (row.n_objects, row.n_seeds) == (2, 3)
    assert (row.noc_spread[1].low, row.noc_spread[1].median, row.noc_spread[1].high) == (1, 2, 4)
    assert "2.00 [1.00–4.00]" in table([row], PROTOCOL)[1]


def test_sets_of_one_folder_are_also_counted_together():
    scores = [score(dataset=f"m/{d}", ious=(v,)) for d, v in (("x", 0.2), ("y", 0.4))]
    scores.append(score(dataset="other", ious=(0.9,)))
    rows = summarise(scores, PROTOCOL)
    assert [row.dataset for row in rows] == ["m/x", "m/y", "m", "other"]
    assert rows[2].iou[0] == pytest.approx(0.3)


def test_folders_in_folders_are_counted_each():
    scores = [score(dataset=d) for d in ("all/m/x", "all/m/y", "all/r/z", "all/w")]
    rows = summarise(scores, PROTOCOL)
    assert [(row.dataset, row.n_objects) for row in rows] == [
        ("all/m/x", 1), ("all/m/y", 1), ("all/m", 2), ("all/r/z", 1), ("all/w", 1), ("all", 4),
    ]  # fmt: skip


def test_surface_distances_are_medians_after_the_last_click():
    far, near = SurfaceDistance(np.inf, np.inf), SurfaceDistance(1.0, 2.0)
    scores = [
        score(entry=str(i), ious=(0.5, 0.6), surfaces=(far, last))
        for i, last in enumerate((near, near, far))
    ]
    (row,) = summarise(scores, PROTOCOL)
    assert (row.surface_mm, row.hd95_mm) == (1.0, 2.0)
    assert table([row], PROTOCOL)[0][-3:-1] == ["surface mm", "HD95 mm"]


def test_curves_cross_where_the_leader_changes():
    one, other = summarise(
        [
            score("sam", ious=(0.5, 0.6, 0.6, 0.61)),
            score("ritm", ious=(0.1, 0.6, 0.7, 0.8)),
        ],
        PROTOCOL,
    )
    assert crossings(one, other) == (Crossing(3, "ritm", "sam"),)
    assert crossings(one, one) == ()


def test_best_median_and_worst_are_ranked_by_clicks_then_by_iou():
    made = {
        "quick": (0.95,),
        "slow": (0.1, 0.2, 0.95),
        "slower": (0.0, 0.1, 0.95),
        "never": (0.1, 0.1, 0.1, 0.1),
        "late": (0.1, 0.1, 0.1, 0.95),
    }
    scores = [score(entry=name, ious=ious) for name, ious in made.items()]
    chosen = [s.entry for s in best_median_worst(scores, PROTOCOL)]
    assert chosen == ["quick", "slower", "never"]
    assert len(best_median_worst(scores[:2], PROTOCOL)) == 2
    assert best_median_worst([], PROTOCOL) == ()


def test_the_table_has_one_line_a_row_and_shows_what_there_is():
    rows = summarise([score(ious=(0.5, 0.9))], Protocol(2, (0.925,)))
    lines = table(rows, Protocol(2, (0.925,)))
    assert lines[0] == [
        "set", "model", "objects", "NoC@92.5", "failed@92.5", "IoU@1", "Dice@1", "s/click",
    ]  # fmt: skip
    assert lines[1][:5] == ["d", "a", "1", "2.00", "100.0 %"]
    text = as_text(lines).splitlines()
    assert len(text) == 3
    assert len({line.index("NoC") if "NoC" in line else 0 for line in text}) <= 2


def test_json_holds_every_click_and_no_infinities():
    scores = [
        score("a", ious=(0.5, 0.6), surfaces=[SurfaceDistance(np.inf, 2.0)] * 2),
        score("b", ious=(0.4, 0.7)),
    ]
    outcome = BenchmarkResult(tuple(scores), (Skipped("a", "d", "9", "gone"),), True, 1.0)
    out = as_json(outcome, summarise(scores, PROTOCOL), PROTOCOL, ["napari-intseg"])
    assert out["format"] == FORMAT
    assert out["cancelled"]
    first = out["objects"][0]
    assert first["clicks"][1] == {"plane": None, "row": 1.0, "col": 0.0, "positive": True}
    assert first["iou"] == [0.5, 0.6]
    assert first["surface_mm"] == [None, None]
    assert first["hd95_mm"] == [2.0, 2.0]
    assert out["crossings"] == [{"dataset": "d", "click": 2, "ahead": "b", "behind": "a"}]
    assert out["skipped"] == [{"model": "a", "dataset": "d", "image": "9", "reason": "gone"}]
    assert out["rows"][0]["noc"] == {"85": 4.0, "90": 4.0}


def test_by_hand_the_table_tells_the_worst_tenth_and_what_a_wrong_click_costs():
    by_hand = Protocol(6, (0.9,), "human", seeds=2)
    slow = score(ious=(0.5, 0.3, 0.4, 0.6, 0.95), wrong=(False, True, False, False, False))
    lost = score(entry="2", ious=(0.5, 0.1, 0.2), wrong=(False, True, False), seed=1)
    quick = [score(entry=str(n), ious=(0.95,), wrong=(False,)) for n in range(3, 11)]
    (row,) = summarise([slow, lost, *quick], by_hand)
    assert row.worst == (6.0,)  # one of ten: never there
    assert (row.wrong_clicks, row.recovery) == (2, (2 + 4) / 2)
    head, line = table([row], by_hand)
    told = dict(zip(head, line, strict=True))
    assert (told["worst 10 %@90"], told["wrong"], told["recovery"]) == ("6.00", "2", "3.00")
    assert "wrong" not in table([row], Protocol(6, (0.9,), "random"))[0]
    outcome = BenchmarkResult((slow,), (), False, 1.0)
    found = as_json(outcome, [row], by_hand)["rows"][0]
    assert (found["worst_tenth"], found["wrong_clicks"], found["recovery"]) == ({"90": 6.0}, 2, 3.0)
    (none,) = summarise(quick, by_hand)
    assert table([none], by_hand)[1][-2] == ""


def test_percentages_have_no_needless_digits():
    assert [percent(v) for v in (0.9, 0.85, 0.925, 1.0)] == ["90", "85", "92.5", "100"]
