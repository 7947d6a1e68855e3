"""What work took, counted from journals whose lines are known."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from napari_intseg.cli.main import main
from napari_intseg.errors import JournalError
from napari_intseg.session.journal.recorder import Written, read_journal
from napari_intseg.session.journal.work_time import (
    methods_paragraph,
    pooled,
    workload,
    workload_csv,
)

JOURNALS = Path(__file__).parents[2] / "data" / "journals"
START = datetime(2026, 1, 1, tzinfo=UTC)


def lines(*given):
    """Return a journal: each line is (seconds since the start, what was done, further keys)."""
    return Written(
        {"versions": {"napari-intseg": "9.9"}},
        tuple(
            {"t": (START + timedelta(seconds=s)).isoformat(), "do": do} | k for s, do, k in given
        ),
    )


def click(plane=3, count=1):
    one = {"click": [1.0, 2.0, True]}
    return {
        "object": 1,
        "args": {"clicks": {"map": [[{"plane": [0, plane]}, [one] * count]]}, "title": "x"},
    }


def answer(plane=3, label=1):
    return {"object": label, "plane": [0, plane]}


MODEL = {"model": {"model": {"name": "ritm", "sha256": "ab" * 32}}}


def test_clicks_planes_and_time_are_counted():
    work = workload(
        lines(
            (0, "begin", {"setup": MODEL}),
            (4, "add_clicks", click(3, 2)),
            (4.1, "answer", answer(3)),
            (10, "add_clicks", click(5)),
            (10.1, "answer", answer(5)),
            (200, "add_clicks", click(5)),  # after a pause, and a correction
            (201, "undo", {"object": 1, "args": {}}),
        )
    )
    (one,) = work.objects
    assert (one.clicks, one.undone, len(one.given), len(one.answered)) == (4, 1, 2, 2)
    assert {place[2] for place in one.corrected} == {5}
    assert one.seconds == pytest.approx(4 + 6 + 1)
    assert work.seconds == pytest.approx(11)
    assert not one.is_unchanged
    assert work.share_of_planes_unchanged == 0.5
    assert "ritm (weights SHA-256 abababababab…)" in methods_paragraph(work)


def test_what_propagation_answered_and_nobody_touched_is_unchanged():
    walk = {"number": 7, "object": 1, "args": {}}
    done = [(3 + k, "step", {"walk": 7, "plane": [0, k], "done": k}) for k in range(4, 8)]
    work = workload(
        lines(
            (0, "begin", {}),
            (1, "add_clicks", click()),
            (2, "answer", answer()),
            (3, "walk", walk),
            *done,
        )
    )
    (one,) = work.objects
    assert one.is_unchanged
    assert (len(one.answered), one.propagations) == (5, 1)
    assert work.share_unchanged == work.share_of_planes_unchanged == 1
    again = workload(Written({}, (*lines((0, "begin", {}), (1, "add_clicks", click())).actions,)))
    assert not again.objects[0].is_unchanged, "nothing was answered"


def test_prompts_that_stay_are_not_counted_twice():
    def prompts(clicks, box=None, scribbles=(), lassos=()):
        fields = {
            "clicks": clicks, "box": box, "scribbles": list(scribbles), "lassos": list(lassos),
        }  # fmt: skip
        value = {"value": "Prompts", "fields": fields}
        return {"object": 1, "args": {"changes": {"map": [[{"plane": [0, 3]}, value]]}}}

    a, b = {"click": [1.0, 1.0, True]}, {"click": [9.0, 9.0, False]}
    box = {"value": "Box", "fields": {}}
    work = workload(
        lines(
            (0, "begin", {}),
            (1, "change_prompts", prompts([a])),
            (2, "change_prompts", prompts([a, b])),
            (3, "change_prompts", prompts([a, b], box)),
            (4, "change_prompts", prompts([a, b], box, ["line"])),
            (5, "change_prompts", prompts([b], box, ["line"], ["ring"])),
            (6, "change_prompts", prompts([b], box, ["line"], ["ring"])),
        )
    )
    (one,) = work.objects
    assert (one.clicks, one.boxes, one.scribbles, one.lassos) == (2, 1, 1, 1)
    assert one.interactions == 5


def test_removed_objects_count_as_work_only():
    work = workload(
        lines(
            (0, "begin", {}),
            (5, "add_clicks", click()),
            (9, "remove_object", {"object": 1, "args": {"label": 1}}),
        )
    )
    assert not work.objects
    assert (work.removed, work.seconds) == (1, 9)
    assert math.isnan(work.share_unchanged)
    assert methods_paragraph(work) == "No object was segmented."


@pytest.mark.parametrize("path", sorted(JOURNALS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_recorded_sessions_are_counted(path):
    written = read_journal(path)
    work = workload(written)
    clicks = sum(line["do"] == "add_clicks" for line in written.actions)
    assert sum(one.clicks for one in work.objects) >= clicks - 1
    assert "was used to segment" in methods_paragraph(work)
    assert len(workload_csv({"one": work}).splitlines()) == len(work.objects) + 1


def test_several_journals_are_one_piece_of_work():
    paths = sorted(JOURNALS.glob("*.jsonl"))
    parts = [workload(read_journal(path)) for path in paths]
    together = pooled(parts)
    assert len(together.objects) == sum(len(one.objects) for one in parts)
    assert f"on {len(paths)} images" in methods_paragraph(together, len(paths))


@pytest.mark.parametrize(
    "line",
    [
        {"do": "add_clicks", "object": 1, "args": {"clicks": {"map": [["x", 3]]}}},
        {"do": "answer", "object": 1, "plane": ["a"]},
        {"do": "change_prompts", "object": 1, "args": {"changes": {"map": [[{"plane": 1}, 2]]}}},
    ],
)
def test_a_damaged_line_is_told(line):
    with pytest.raises(JournalError, match="line 2"):
        workload(Written({}, (line,)))


def test_the_command_writes_a_table_and_a_paragraph(tmp_path, capsys):
    table = tmp_path / "w.csv"
    assert main(["workload", str(JOURNALS / "ct.jsonl"), "-o", str(table)]) == 0
    told = capsys.readouterr().out
    assert "object 1:" in told
    assert "was used to segment 2 objects on 1 image interactively" in told
    assert table.read_text().startswith("journal,time,object,seconds,clicks,")
    assert main(["workload", str(tmp_path / "gone.jsonl")]) == 2
    assert main(["workload", str(JOURNALS / "ct.jsonl"), "--pause", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 2
