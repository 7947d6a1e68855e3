"""The report: one HTML page that needs no other file."""

import io
import shlex
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_intseg import __version__
from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Array, BoolArray, bounding_box
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError, FileError
from napari_intseg.evaluation.benchmark import BenchmarkResult, Score
from napari_intseg.evaluation.datasets import Dataset, DatasetEntry
from napari_intseg.evaluation.metrics import noc
from napari_intseg.evaluation.run import Protocol
from napari_intseg.evaluation.summary import (
    Row,
    best_median_worst,
    crossings,
    machine,
    pairs_of,
    percent,
    table,
)
from napari_intseg.evaluation.truth import read_image, read_labels, truth_of
from napari_intseg.inference.intensity import resolve_intensity

# cards of report.css are 240 pixels wide or more
_SIDE_PX = 320
# three of Okabe and Ito's colours, as in the curves
_ANSWER, _POSITIVE, _NEGATIVE = (0, 114, 178), (0, 158, 115), (213, 94, 0)
# share of the object's size, and pixels: a small object is shown with something round it
_MARGIN, _LEAST_PX = 0.3, 48


def picture_of(score: Score, entry: DatasetEntry) -> str:
    """Return a picture of one object as a data URL (JPEG).

    The truth is outlined in white on black, the answer is blue, clicks are numbered: green with a
    plus on the object, orange with a minus off it; those that led to the answer shown, which is
    that at the highest target or else the last. Of a whole volume, the plane with most of the
    object is shown.

    Raises
    ------
    FileError, DataError
        If the files have become unreadable since the evaluation.
    """
    labels = read_labels(entry.mask)
    truth = truth_of(labels, score.ref, entry.rules)
    volume = read_image(entry.image, labels.shape, entry.mask)
    mask, plane = score.course.kept_mask, score.ref.plane or Plane(0, 0)
    made = score.course.clicks[: score.course.kept_after]
    clicks = [(i, click) for i, (_, click) in enumerate(made, start=1)]
    if truth.ndim == 3:
        # one plane has to stand for the volume: that with most of the object
        index = int((truth == 1).sum(axis=(1, 2)).argmax())
        plane, truth, mask = Plane(0, index), truth[index], mask[index]
        on = [at == index for at, _ in made]
        clicks = [pair for pair, here in zip(clicks, on, strict=True) if here]
    image = resolve_intensity(volume).to_rgb(volume.take(plane))
    return _data_url(_draw(image, truth == 1, mask, clicks))


def _draw(
    image: Array, truth: BoolArray, mask: BoolArray, clicks: list[tuple[int, Click]]
) -> Image.Image:
    rows, cols = _crop(truth | mask, [click for _, click in clicks])
    scale = _SIDE_PX / max(rows.stop - rows.start, cols.stop - cols.start)
    size = (
        max(1, round((cols.stop - cols.start) * scale)),
        max(1, round((rows.stop - rows.start) * scale)),
    )
    photo = Image.fromarray((image[rows, cols] * 255).round().astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    pixels = np.asarray(photo).astype(np.float64)
    answer, wanted = _scaled(mask[rows, cols], size), _scaled(truth[rows, cols], size)
    # the image stays visible through the answer
    pixels[answer] = 0.55 * pixels[answer] + 0.45 * np.array(_ANSWER)
    # a black line under the white one: seen on bright and on dark ground
    pixels[_edge(wanted, 3)] = 0
    pixels[_edge(wanted, 1)] = 255
    drawn = Image.fromarray(pixels.round().astype(np.uint8))
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(11)
    for number, click in clicks:
        x, y = (click.col - cols.start + 0.5) * scale, (click.row - rows.start + 0.5) * scale
        _mark(pen, font, (x, y), number, click.positive)
    return drawn


def _mark(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    at: tuple[float, float],
    number: int,
    positive: bool,
) -> None:
    x, y = at
    colour = _POSITIVE if positive else _NEGATIVE
    pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour, outline="white", width=1)
    pen.line((x - 3, y, x + 3, y), fill="white", width=2)
    if positive:
        pen.line((x, y - 3, x, y + 3), fill="white", width=2)
    pen.text(
        (x + 8, y - 7), str(number), fill="white", font=font, stroke_width=2, stroke_fill="black"
    )


def _crop(shown: BoolArray, clicks: list[Click]) -> tuple[slice, slice]:
    """Return the part of the image that holds object, answer and clicks, with a margin."""
    held = shown.copy()
    for click in clicks:
        held[int(click.row), int(click.col)] = True
    box = bounding_box(held) or (0, held.shape[0], 0, held.shape[1])
    out = []
    for low, high, length in ((*box[:2], held.shape[0]), (*box[2:], held.shape[1])):
        extra = max((high - low) * _MARGIN / 2, (_LEAST_PX - (high - low)) / 2, 2)
        out.append(slice(max(0, int(low - extra)), min(length, int(high + extra) + 1)))
    return out[0], out[1]


def _scaled(mask: BoolArray, size: tuple[int, int]) -> BoolArray:
    # smooth outlines, where enlarged pixels would be stairs
    shown = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(shown) > 127


def _edge(mask: BoolArray, width: int) -> BoolArray:
    """Return the pixels within so many of a mask's border."""
    change = np.zeros(mask.shape, bool)
    change[1:] |= mask[1:] ^ mask[:-1]
    change[:, 1:] |= mask[:, 1:] ^ mask[:, :-1]
    wide = change.copy()
    for _ in range(width // 2):
        padded = np.pad(wide, 1)
        wide = padded[1:-1, 1:-1] | padded[2:, 1:-1] | padded[:-2, 1:-1]
        wide |= padded[1:-1, 2:] | padded[1:-1, :-2]
    return wide


def _data_url(image: Image.Image) -> str:
    held = io.BytesIO()
    # colours at full resolution: thin coloured marks would blur otherwise
    image.save(held, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + b64encode(held.getvalue()).decode("ascii")


# colours that differ for colour-blind eyes too (Okabe & Ito, 2008), on white and on dark grey
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a67c00", "#56b4e9", "#7f7f7f")
# besides the colour, for grey prints and for more models than colours
DASHES = ("", "7 4", "2 4", "9 3 2 3", "12 4", "4 2", "1 3")

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 190, 16, 48


def curves_svg(rows: Sequence[Row], targets: Sequence[float]) -> str:
    """Return one picture with one curve for each row, on the same axes.

    Parameters
    ----------
    rows : sequence of Row
        Of one data set; each has its IoU after 1, 2, … clicks.
    targets : sequence of float
        Drawn as thin lines.

    Returns
    -------
    str
        An ``<svg>`` element that names no other file.
    """
    axes = _Axes(len(rows[0].iou), _floor([value for row in rows for value in row.iou]))
    told = "; ".join(
        f"{row.model}: {row.iou[0]:.2f} after 1 click, {row.iou[-1]:.2f} after {len(row.iou)}"
        for row in rows
    )
    parts = [
        # read aloud as one picture with this text
        f'<svg class="curves" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'aria-label="{escape(f"Mean IoU over clicks. {told}")}">',
        *axes.frame(targets),
        *(_curve(axes, row, i) for i, row in enumerate(rows)),
        *_crossing_marks(axes, rows),
        *_names(axes, rows),
        "</svg>",
    ]
    return "\n".join(parts)


class _Axes:
    """Clicks to the right, IoU upwards."""

    def __init__(self, clicks: int, low: float) -> None:
        self.clicks, self.low = clicks, low

    def x(self, click: float) -> float:
        # a single click has no distance to another
        share = (click - 1) / max(1, self.clicks - 1)
        return round(_LEFT + 12 + share * (_WIDTH - _LEFT - _RIGHT - 12), 1)

    def y(self, iou: float) -> float:
        share = (iou - self.low) / (1 - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def frame(self, targets: Sequence[float]) -> list[str]:
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        out = []
        steps = round((1 - self.low) * 10)
        for i in range(steps + 1):
            value = self.low + i / 10
            y = self.y(value)
            out.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
            out.append(f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4}">{value:.1f}</text>')
        # numbers of more than twenty clicks would touch
        every = 1 if self.clicks <= 20 else 5
        for click in range(1, self.clicks + 1):
            if click == 1 or click % every == 0:
                x = self.x(click)
                out.append(f'<text class="tick mid" x="{x}" y="{bottom + 18}">{click}</text>')
        for target in targets:
            if target >= self.low:
                y = self.y(target)
                out.append(f'<line class="target" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        middle, height = (_LEFT + right) / 2, (_TOP + bottom) / 2
        out.append(f'<text class="axis mid" x="{middle}" y="{_HEIGHT - 8}">clicks</text>')
        out.append(
            f'<text class="axis mid" transform="translate(14 {height}) rotate(-90)">mean IoU</text>'
        )
        return out


def _curve(axes: _Axes, row: Row, i: int) -> str:
    points = [(axes.x(k), axes.y(v)) for k, v in enumerate(row.iou, start=1)]
    line = " ".join(f"{x},{y}" for x, y in points)
    dash = f' stroke-dasharray="{_pick(DASHES, i)}"' if _pick(DASHES, i) else ""
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="3"><title>{escape(row.model)}, {k} '
        f"click{'s' * (k > 1)}: {value:.3f}</title></circle>"
        for k, ((x, y), value) in enumerate(zip(points, row.iou, strict=True), start=1)
    )
    colour = _pick(COLOURS, i)
    return (
        f'<g class="curve" stroke="{colour}" fill="{colour}">'
        f'<polyline points="{line}" fill="none"{dash}/>{dots}</g>'
    )


def _crossing_marks(axes: _Axes, rows: Sequence[Row]) -> list[str]:
    """Return a ring where one curve has overtaken another."""
    marks = []
    for one, other in pairs_of(rows):
        for crossing in crossings(one, other):
            ahead = one if crossing.ahead == one.model else other
            x, y = axes.x(crossing.click), axes.y(ahead.iou[crossing.click - 1])
            text = f"from click {crossing.click} on {crossing.ahead} leads {crossing.behind}"
            marks.append(
                f'<circle class="crossing" cx="{x}" cy="{y}" r="8">'
                f"<title>{escape(text)}</title></circle>"
            )
    return marks


def _names(axes: _Axes, rows: Sequence[Row]) -> list[str]:
    """Return the models' names at the ends of their curves, moved apart where they would touch."""
    gap, x = 17.0, _WIDTH - _RIGHT + 12
    order = sorted(range(len(rows)), key=lambda i: -rows[i].iou[-1])
    out, lowest = [], 0.0
    # high enough that all names fit above the axis
    start = min(axes.y(rows[order[0]].iou[-1]), _HEIGHT - _BOTTOM - gap * len(rows))
    for place, i in enumerate(order):
        y = max(axes.y(rows[i].iou[-1]), lowest) if place else start
        lowest = y + gap
        out.append(
            f'<text class="name" x="{x}" y="{y + 4}" style="fill:{_pick(COLOURS, i)}">'
            f"{escape(rows[i].model)}</text>"
        )
    return out


def _pick(choices: tuple[str, ...], i: int) -> str:
    return choices[i % len(choices)]


def _floor(values: Sequence[float]) -> float:
    """Return the tenth below all values, at most 0.8 so that the axis is not magnified too far."""
    return max(0.0, min(0.8, int(min(values) * 10) / 10))


Entries = dict[tuple[str, str], DatasetEntry]


def report_html(
    outcome: BenchmarkResult,
    rows: Sequence[Row],
    datasets: Sequence[Dataset],
    protocol: Protocol,
    *,
    command: Sequence[str] = (),
) -> str:
    """Return the page: a table, curves of IoU over clicks, and pictures of single cases.

    Parameters
    ----------
    outcome : BenchmarkResult
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
    # inside the page, so that it needs no other file
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
    outcome: BenchmarkResult, rows: Sequence[Row], protocol: Protocol, command: Sequence[str]
) -> list[str]:
    box, seeds = machine(), max((row.n_seeds for row in rows), default=1)
    rule = {
        "deepest": "at the deepest point of the larger error, as in the published protocol",
        "random": "at random near the deepest point of the larger error",
        "human": "as people click on the larger error, some of them beside it",
    }[protocol.rule]
    if protocol.rule != "deepest":
        spread = "median and, in brackets, lowest and highest mean over the seeds"
        rule += f", with {seeds} seeds ({spread})"
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
        # set, model and number of objects are no results
        if c < 3:
            continue
        for dataset in {line[0] for line in body}:
            rows = [r for r, line in enumerate(body) if line[0] == dataset]
            values = {r: _value(body[r][c]) for r in rows}
            found = [v for v in values.values() if v is not None]
            if len(rows) > 1 and found:
                # of IoU and Dice the highest is best, of clicks, failures, distances and seconds
                # the lowest
                wanted = max(found) if name.startswith(("IoU", "Dice")) else min(found)
                best |= {(r, c) for r, v in values.items() if v == wanted}
    return best


def _value(cell: str) -> float | None:
    try:
        # the number in front of a spread or a unit
        return float(cell.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None


def _section(
    name: str, outcome: BenchmarkResult, rows: Sequence[Row], protocol: Protocol, entries: Entries
) -> list[str]:
    here = [row for row in rows if row.dataset == name]
    scores = [score for score in outcome.scores if score.dataset == name]
    parts = [f"<h2>{escape(name)}</h2>", curves_svg(here, protocol.targets), _told(here)]
    parts.append(_every_click(here))
    if scores:
        # a folder of several sets has none of its own
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
            # without a crossing the first click tells who leads throughout
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
            # the file is gone; the numbers stand
            continue
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


def _skipped(outcome: BenchmarkResult) -> list[str]:
    if not outcome.skipped:
        return []
    items = "".join(
        f"<li>{escape(f'{s.dataset} {s.entry}, {s.model}: {s.reason}')}</li>"
        for s in outcome.skipped
    )
    return [f"<h2>Left out</h2><ul>{items}</ul>"]
