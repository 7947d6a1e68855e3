"""The page of a comparison: curves, pictures of where models agree, planes; one HTML file."""

import io
import shlex
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_intseg import __version__
from napari_intseg.cli.overlay import Picture, overlay
from napari_intseg.evaluation.curves import curves_svg
from napari_intseg.evaluation.summary import Crossing, Row, crossings
from napari_intseg.session.compare.two_answers import BOTH, ONLY_A, ONLY_B, agreement

if TYPE_CHECKING:
    from napari_intseg.cli.compare import Found
    from napari_intseg.core.volume import Plane
    from napari_intseg.session.compare.side_by_side import Pair, SideBySide

_MOST_PICTURES = 6
_COLOURS = {BOTH: "#009e73", ONLY_A: "#0072b2", ONLY_B: "#e69f00"}
_AS_PAINTED = np.array([0, 3, 1, 2], np.int32)
"""Agreement values as labels whose colours in `overlay` are those above."""


def report_html(both: "SideBySide", found: Sequence["Found"], command: Sequence[str] = ()) -> str:
    """Return the page.

    Parameters
    ----------
    both : SideBySide
        What was compared; masks are taken from it for the pictures.
    found : sequence of Found
        One for each object.
    command : sequence of str
        What was typed, to be shown.

    Returns
    -------
    str
        HTML with inline style, SVG and pictures; no script.
    """
    style = files("napari_intseg.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    title = " and ".join(both.names)
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Comparison: {escape(title)}</title>",
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>",
        f"<h1>{escape(title)} on the same clicks</h1>",
        f'<p class="soft">napari-intseg {escape(__version__)}</p>',
        f"<p><code>{escape(shlex.join(command))}</code></p>" if command else "",
    ]
    for one in found:
        both.select(one.label)
        parts += _section(both, one)
    parts.append("</main>\n</body>\n</html>\n")
    return "\n".join(part for part in parts if part)


def rows_of(one: "Found") -> list[Row]:
    """Return curves over clicks: of each model with the truth, else of every two models."""
    rounds = one.rounds
    if rounds and rounds[0].truth:
        return [
            _row(name, [r.truth[name].iou for r in rounds], [r.truth[name].dice for r in rounds])
            for name in rounds[0].truth
        ]
    return [
        _row(
            " and ".join(pair),
            [r.overlaps[pair].iou for r in rounds],
            [r.overlaps[pair].dice for r in rounds],
        )
        for pair in rounds[0].overlaps
    ]


def crossings_of(one: "Found") -> tuple[Crossing, ...]:
    """Return after which clicks the model nearest to the truth changes; empty without truth."""
    if not one.truth:
        return ()
    return tuple(c for a, b in combinations(rows_of(one), 2) for c in crossings(a, b))


def crossing_words(one: "Found") -> list[str]:
    """Return the same in sentences; who leads throughout is told, too."""
    words = []
    for a, b in combinations(rows_of(one) if one.truth else [], 2):
        found = crossings(a, b)
        if not found and a.iou != b.iou:
            first = next(i for i, (x, y) in enumerate(zip(a.iou, b.iou, strict=True)) if x != y)
            ahead, behind = (a, b) if a.iou[first] > b.iou[first] else (b, a)
            words.append(f"{ahead.model} leads {behind.model} at every number of clicks.")
        words += [f"From click {c.click} on, {c.ahead} leads {c.behind}." for c in found]
    return words


def _row(name: str, iou: Sequence[float], dice: Sequence[float]) -> Row:
    return Row(
        model=name, dataset="", n_objects=1, n_seeds=1, noc=(), noc_spread=(), failures=(),
        iou=tuple(iou), dice=tuple(dice), surface_mm=None, hd95_mm=None, seconds=0.0,
        first_seconds=0.0,
    )  # fmt: skip


def _section(both: "SideBySide", one: "Found") -> list[str]:
    against = "each model and the truth" if one.truth else "the two masks"
    crossed = "".join(f"<li>{escape(w)}</li>" for w in crossing_words(one))
    return [
        f"<h2>Object {one.label}</h2>",
        f"<p>IoU of {against} over clicks, on the planes with clicks.</p>",
        curves_svg(rows_of(one), ()),
        f"<ul>{crossed}</ul>" if crossed else "",
        _click_table(both, one),
        _end_table(both, one),
        _legend(both) if len(both.names) == 2 else "",
        '<div class="cases">',
        *(_figure(both, pair, plane) for pair in both.pairs for plane in _chosen(one, pair)),
        "</div>",
        _plane_table(one) if len(one.planes) > 1 else "",
    ]


def _click_table(both: "SideBySide", one: "Found") -> str:
    head = ["click", "plane"]
    head += [f"IoU {a}, {b}" for a, b in both.pairs] + ["pixels that differ" for _ in both.pairs]
    head += [f"IoU {name}, truth" for name in one.truth]
    head += [f"{name}, ms" for name in both.names]
    lines = []
    for r in one.rounds:
        line = [str(r.clicks), str(r.plane.index)]
        line += [f"{o.iou:.3f}" for o in r.overlaps.values()]
        line += [f"{o.disagreeing}" for o in r.overlaps.values()]
        line += [f"{o.iou:.3f}" for o in r.truth.values()]
        line += [f"{1000 * r.seconds[name]:.0f}" for name in both.names]
        lines.append(line)
    return _table(head, lines, "After each click.")


def _end_table(both: "SideBySide", one: "Found") -> str:
    rows = [(" and ".join(pair), o, _where(both, one, pair)) for pair, o in one.overlaps.items()]
    rows += [(f"{name} and truth", o, "") for name, o in one.truth.items()]
    lines = [
        [name, f"{o.iou:.3f}", f"{o.dice:.3f}", str(o.disagreeing), where]
        for name, o, where in rows
    ]
    head = ["", "IoU", "Dice", "pixels that differ", "where the next click says most"]
    return _table(head, lines, "At the end, on all planes.")


def _where(both: "SideBySide", one: "Found", pair: "Pair") -> str:
    spot = one.spots[pair]
    if spot is None:
        return "they agree"
    plane = f"plane {spot[0].index}, " if both.first.volume.ndim == 3 else ""
    return f"{plane}row {spot[1].row}, column {spot[1].col}"


def _plane_table(one: "Found") -> str:
    pairs = list(next(iter(one.planes.values())))
    head = ["plane", *(f"pixels that differ, {a} and {b}" for a, b in pairs)]
    lines = [
        [str(plane.index), *(str(found[pair].disagreeing) for pair in pairs)]
        for plane, found in one.planes.items()
    ]
    inner = _table(head, lines, "Plane by plane.")
    return f"<details><summary>Disagreement plane by plane</summary>{inner}</details>"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], caption: str) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    rows = "".join(
        f'<tr><th scope="row">{escape(line[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in line[1:])
        + "</tr>"
        for line in lines
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _legend(both: "SideBySide") -> str:
    a, b = both.names
    parts = ((BOTH, "both"), (ONLY_A, f"only {a}"), (ONLY_B, f"only {b}"))
    items = "".join(
        f'<li><span style="background:{_COLOURS[v]}"></span>{escape(words)}</li>'
        for v, words in parts
    )
    return f'<ul class="key">{items}</ul>'


def _chosen(one: "Found", pair: "Pair") -> list["Plane"]:
    """Return the planes that disagree most, in their order; in 2-D the only one."""
    ranked = sorted(one.planes, key=lambda plane: -one.planes[plane][pair].disagreeing)
    return sorted(ranked[:_MOST_PICTURES])


def _figure(both: "SideBySide", pair: "Pair", plane: "Plane") -> str:
    session = both.first
    intensity = session.setup.options.intensity
    masks = [both.sessions[name].mask_on(plane) for name in pair]
    labels = _AS_PAINTED[agreement(*masks)]
    clicks = session.prompts(plane).clicks
    picture = overlay(intensity.to_rgb(session.volume.take(plane)), labels, clicks)
    differing = int(np.count_nonzero(masks[0] ^ masks[1]))
    where = f"plane {plane.index}, " if session.volume.ndim == 3 else ""
    told = f"{where}{differing} pixels differ"
    alt = f"Where {pair[0]} and {pair[1]} agree: {told}"
    return (
        f'<figure><img src="{_data_url(picture)}" alt="{escape(alt)}"><figcaption><strong>'
        f"{escape(told)}</strong>{escape(' and '.join(pair))}</figcaption></figure>"
    )


def _data_url(picture: Picture) -> str:
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=88)
    return "data:image/jpeg;base64," + b64encode(held.getvalue()).decode("ascii")
