"""Scores and rows as a table for the terminal, and as JSON."""

import datetime
import math
import os
import platform
from collections.abc import Sequence
from typing import Any

from napari_intseg import __version__
from napari_intseg.evaluation.benchmark import Outcome
from napari_intseg.evaluation.jobs import Score
from napari_intseg.evaluation.run import Protocol
from napari_intseg.evaluation.summary import Row, Spread, crossings

FORMAT = "napari-intseg evaluation 1"
SHOWN_CLICKS = (1, 3, 5, 10)


def table(rows: Sequence[Row], protocol: Protocol) -> list[list[str]]:
    """Return head and lines of the table, as text; columns that nothing fills are left out."""
    shown = [k for k in SHOWN_CLICKS if k <= protocol.max_clicks]
    head = ["set", "model", "objects"]
    head += [f"NoC@{percent(target)}" for target in protocol.targets]
    head += [f"failed@{percent(target)}" for target in protocol.targets]
    head += [f"IoU@{k}" for k in shown] + [f"Dice@{k}" for k in shown[-1:]]
    in_mm = any(row.surface_mm is not None for row in rows)
    head += (["surface mm", "HD95 mm"] if in_mm else []) + ["s/click"]
    lines = [head]
    for row in rows:
        spreads: tuple[Spread | None, ...] = row.noc_spread or (None,) * len(row.noc)
        line = [row.dataset, row.model, str(row.n_objects)]
        line += [_noc(value, s) for value, s in zip(row.noc, spreads, strict=True)]
        line += [f"{100 * share:.1f} %" for share in row.failures]
        line += [f"{row.iou[k - 1]:.3f}" for k in shown]
        line += [f"{row.dice[k - 1]:.3f}" for k in shown[-1:]]
        line += [_mm(row.surface_mm), _mm(row.hd95_mm)] if in_mm else []
        lines.append([*line, f"{row.seconds:.3f}"])
    return lines


def as_text(lines: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns; the first two are text, the others numbers."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = [
        [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    rule = ["-" * width for width in widths]
    return "\n".join("  ".join(line).rstrip() for line in [padded[0], rule, *padded[1:]])


def as_json(
    outcome: Outcome, rows: Sequence[Row], protocol: Protocol, command: Sequence[str] = ()
) -> dict[str, Any]:
    """Return all that was measured as plain values; infinite and undefined numbers are null.

    The keys are described in the reference, under "Evaluation".
    """
    return {
        "format": FORMAT,
        "version": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "machine": machine(),
        "cancelled": outcome.cancelled,
        "seconds": round(outcome.seconds, 2),
        "protocol": {
            "max_clicks": protocol.max_clicks,
            "targets": list(protocol.targets),
            "rule": protocol.rule,
            "seeds": protocol.seeds,
            "stop_early": protocol.stop_early,
        },
        "rows": [_row(row, protocol) for row in rows],
        "crossings": [
            {"dataset": one.dataset, "click": c.click, "ahead": c.ahead, "behind": c.behind}
            for one, other in pairs_of(rows)
            for c in crossings(one, other)
        ],
        "objects": [_score(score) for score in outcome.scores],
        "skipped": [
            {"model": s.model, "dataset": s.dataset, "image": s.entry, "reason": s.reason}
            for s in outcome.skipped
        ],
    }


def pairs_of(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return every two rows on the same data set."""
    return [
        (one, other)
        for i, one in enumerate(rows)
        for other in rows[i + 1 :]
        if one.dataset == other.dataset
    ]


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "system": platform.platform(terse=True),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def percent(share: float) -> str:
    """Return 0.9 as "90", 0.925 as "92.5"."""
    return f"{100 * share:.4g}"


def _noc(value: float, spread: Spread | None) -> str:
    if spread is None:
        return f"{value:.2f}"
    return f"{spread.median:.2f} [{spread.low:.2f}–{spread.high:.2f}]"


def _mm(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if math.isfinite(value) else "∞"


def _number(value: float | None, digits: int = 5) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None


def _row(row: Row, protocol: Protocol) -> dict[str, Any]:
    names = [percent(target) for target in protocol.targets]
    return {
        "model": row.model,
        "dataset": row.dataset,
        "objects": row.n_objects,
        "seeds": row.n_seeds,
        "noc": dict(zip(names, map(_number, row.noc), strict=True)),
        "noc_over_seeds": {
            name: {"low": s.low, "median": s.median, "high": s.high}
            for name, s in zip(names, row.noc_spread, strict=False)
        },
        "failed": dict(zip(names, map(_number, row.failures), strict=True)),
        "iou": [_number(value) for value in row.iou],
        "dice": [_number(value) for value in row.dice],
        "surface_mm": _number(row.surface_mm),
        "hd95_mm": _number(row.hd95_mm),
        "seconds": _number(row.seconds),
        "first_seconds": _number(row.first_seconds),
    }


def _score(score: Score) -> dict[str, Any]:
    course = score.course
    out: dict[str, Any] = {
        "model": score.model,
        "dataset": score.dataset,
        "image": score.entry,
        "object": score.ref.name,
        "seed": score.seed,
        "size_px": score.size_px,
        "clicks": [
            {"plane": plane, "row": c.row, "col": c.col, "positive": c.positive}
            for plane, c in course.clicks
        ],
        "iou": [_number(value) for value in course.ious],
        "dice": [_number(value) for value in course.dices],
        "seconds": [_number(value) for value in course.seconds],
    }
    if course.surfaces:
        out["surface_mm"] = [_number(s.mean_mm) for s in course.surfaces]
        out["hd95_mm"] = [_number(s.hd95_mm) for s in course.surfaces]
    return out
