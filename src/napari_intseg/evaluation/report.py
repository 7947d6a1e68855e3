"""The report: one HTML page that needs no other file."""

import shlex
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from napari_intseg import __version__
from napari_intseg.errors import DataError, FileError
from napari_intseg.evaluation.benchmark import Outcome
from napari_intseg.evaluation.curves import curves_svg
from napari_intseg.evaluation.datasets import Dataset, Entry
from napari_intseg.evaluation.export import machine, pairs_of, percent, table
from napari_intseg.evaluation.jobs import Score
from napari_intseg.evaluation.metrics import noc
from napari_intseg.evaluation.pictures import picture_of
from napari_intseg.evaluation.run import Protocol
from napari_intseg.evaluation.summary import Row, best_median_worst, crossings

Entries = dict[tuple[str, str], Entry]


def report_html(
    outcome: Outcome,
    rows: Sequence[Row],
    datasets: Sequence[Dataset],
    protocol: Protocol,
    *,
    command: Sequence[str] = (),
) -> str:
    """Return the page: a table, curves of IoU over clicks, and pictures of single cases.

    Parameters
    ----------
    outcome : Outcome
        What was measured.
    rows : sequence of Row
        Of `summarise`.
    datasets : sequence of Dataset
        Those that were evaluated; their images are read again for the pictures.
    protocol : Protocol
        That of the run.
    command : sequence of str
        What was typed, to be shown.

    Returns
    -------
    str
        HTML with inline style, SVG and pictures; no script.
    """
    entries = {(entry.dataset, entry.name): entry for data in datasets for entry in data.entries}
    names = list(dict.fromkeys(row.dataset for row in rows))
    style = files("napari_intseg.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Evaluation: {escape(', '.join(names))}</title>",
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>",
        *_head(outcome, rows, protocol, command),
        _table_html(table(rows, protocol), "Means over all objects. The best in bold."),
        *(part for name in names for part in _section(name, outcome, rows, protocol, entries)),
        *_skipped(outcome),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _head(
    outcome: Outcome, rows: Sequence[Row], protocol: Protocol, command: Sequence[str]
) -> list[str]:
    box, seeds = machine(), max((row.n_seeds for row in rows), default=1)
    rule = (
        "at the deepest point of the larger error, as in the published protocol"
        if protocol.rule == "deepest"
        else f"at random near the deepest point of the larger error, with {seeds} seeds "
        "(median and, in brackets, lowest and highest mean over the seeds)"
    )
    early = " It left an object when the highest target was reached." * protocol.stop_early
    parts = [
        "<h1>How many clicks until the mask is right</h1>",
        f"<p>A robot user segmented an object {len(outcome.scores)} times, with up to "
        f"{protocol.max_clicks} clicks {rule}.{early} NoC@{percent(protocol.targets[-1])} is the "
        f"mean number of clicks until the IoU reaches {protocol.targets[-1]:g}; an object that "
        f"never does counts {protocol.max_clicks}, and is one of the failed.</p>",
        f'<p class="soft">napari-intseg {escape(__version__)}, Python {box["python"]}, '
        f"{escape(box['system'])}, {box['cores']} cores, {outcome.seconds:.0f} s in all.</p>",
    ]
    if command:
        parts.append(f"<p><code>{escape(shlex.join(command))}</code></p>")
    if outcome.cancelled:
        parts.append('<p class="notice">Stopped before all was done: these are the objects '
                     "that were finished.</p>")  # fmt: skip
    return parts


def _table_html(lines: Sequence[Sequence[str]], caption: str) -> str:
    head, *body = lines
    best = _best_cells(head, body)
    cells = "".join(
        f'<th scope="col"{" class=text" if i < 2 else ""}>{escape(name)}</th>'
        for i, name in enumerate(head)
    )
    out = [f'<div class="scroll"><table><caption>{escape(caption)}</caption>']
    out.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for r, line in enumerate(body):
        row = f'<th scope="row">{escape(line[0])}</th><td class="text">{escape(line[1])}</td>'
        row += "".join(
            f"<td{' class=best' if (r, c) in best else ''}>{escape(cell)}</td>"
            for c, cell in enumerate(line[2:], start=2)
        )
        out.append(f"<tr>{row}</tr>")
    return "\n".join([*out, "</tbody></table></div>"])


def _best_cells(head: Sequence[str], body: Sequence[Sequence[str]]) -> set[tuple[int, int]]:
    """Return the cells with the best number among models on the same set."""
    best = set()
    for c, name in enumerate(head):
        if c < 3:
            continue
        for dataset in {line[0] for line in body}:
            rows = [r for r, line in enumerate(body) if line[0] == dataset]
            values = {r: _value(body[r][c]) for r in rows}
            found = [v for v in values.values() if v is not None]
            if len(rows) > 1 and found:
                wanted = max(found) if name.startswith(("IoU", "Dice")) else min(found)
                best |= {(r, c) for r, v in values.items() if v == wanted}
    return best


def _value(cell: str) -> float | None:
    try:
        return float(cell.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None


def _section(
    name: str, outcome: Outcome, rows: Sequence[Row], protocol: Protocol, entries: Entries
) -> list[str]:
    here = [row for row in rows if row.dataset == name]
    scores = [score for score in outcome.scores if score.dataset == name]
    parts = [f"<h2>{escape(name)}</h2>", curves_svg(here, protocol.targets), _told(here)]
    parts.append(_every_click(here))
    if scores:  # a folder of several sets has none of its own
        parts.append(_KEY)
    for row in here:
        mine = [score for score in scores if score.model == row.model]
        figures = _figures(mine, protocol, entries) if mine else []
        if figures:
            parts.append(f"<h3>{escape(row.model)}</h3>")
            parts.append(f'<div class="cases">{"".join(figures)}</div>')
    return parts


_KEY = """<ul class="key"><li><span style="background:#009e73">+</span>click on the object</li>
<li><span style="background:#d55e00">−</span>click off it</li>
<li><span style="background:#0072b2"></span>the answer</li>
<li><span style="background:#fff;border:2px solid #000"></span>outline of the truth</li></ul>"""


def _told(rows: Sequence[Row]) -> str:
    """Return in words where curves cross."""
    items = []
    for one, other in pairs_of(rows):
        found = crossings(one, other)
        if not found:
            ahead, behind = (one, other) if one.iou[0] > other.iou[0] else (other, one)
            items.append(f"{ahead.model} leads {behind.model} at every number of clicks.")
        items += [f"From click {c.click} on, {c.ahead} leads {c.behind}." for c in found]
    return "<ul>" + "".join(f"<li>{escape(t)}</li>" for t in items) + "</ul>" if items else ""


def _every_click(rows: Sequence[Row]) -> str:
    head = ["mean", "model", *(str(k) for k in range(1, len(rows[0].iou) + 1))]
    lines = [["IoU", row.model, *(f"{v:.3f}" for v in row.iou)] for row in rows]
    lines += [["Dice", row.model, *(f"{v:.3f}" for v in row.dice)] for row in rows]
    inner = _table_html([head, *lines], "After each number of clicks.")
    return f"<details><summary>IoU and Dice after every click</summary>{inner}</details>"


def _figures(scores: Sequence[Score], protocol: Protocol, entries: Entries) -> list[str]:
    chosen = best_median_worst(scores, protocol)
    titles = (("Only case",), ("Best", "Worst"), ("Best", "Median", "Worst"))[len(chosen) - 1]
    target = max(protocol.targets)
    out = []
    for title, score in zip(titles, chosen, strict=True):
        try:
            source = picture_of(score, entries[score.dataset, score.entry])
        except (FileError, DataError):
            continue  # the file is gone; the numbers stand
        count = noc(score.course.ious, target=target, max_clicks=protocol.max_clicks)
        reached = max(score.course.ious, default=0.0) >= target
        label = score.entry + (f", object {score.ref.name}" if score.ref.name else "")
        clicks = f"{count} click{'s' * (count != 1)}"
        told = f"{clicks} to IoU {target:g}" if reached else f"not at {target:g} after {clicks}"
        first, last = score.course.ious[0], score.course.ious[-1]
        ious = f"IoU {first:.3f} after the first, {last:.3f} at the end"
        alt = f"{title} case of {score.model}: {label}, {told}"
        out.append(
            f'<figure><img src="{source}" alt="{escape(alt)}"><figcaption><strong>{title}: '
            f'{escape(told)}</strong>{escape(label)}<br><span class="soft">{ious}</span>'
            "</figcaption></figure>"
        )
    return out


def _skipped(outcome: Outcome) -> list[str]:
    if not outcome.skipped:
        return []
    items = "".join(
        f"<li>{escape(f'{s.dataset} {s.entry}, {s.model}: {s.reason}')}</li>"
        for s in outcome.skipped
    )
    return [f"<h2>Left out</h2><ul>{items}</ul>"]
