"""`napari-intseg compare`: several models on the same clicks."""

import argparse
import datetime
import io
import json
import shlex
import sys
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg import __version__
from napari_intseg.cli import shared_options
from napari_intseg.cli.evaluate import parse_weights
from napari_intseg.cli.output_forms import (
    Picture,
    check_report,
    overlay,
    progress_bar,
    stop_on_interrupt,
    write_report,
)
from napari_intseg.cli.shared_options import INTERRUPTED
from napari_intseg.errors import DataError, PromptError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array, BoolArray
    from napari_intseg.core.volume import Plane
    from napari_intseg.evaluation.summary import Crossing, Row
    from napari_intseg.io.source import FileVolume
    from napari_intseg.session.compare.side_by_side import Pair, Round, SideBySide
    from napari_intseg.session.compare.two_answers import Overlap, SuggestedClick

HELP = "compare models on the same clicks"
DESCRIPTION = """Give the same clicks to two models or more, and tell where they agree: after every
click, plane by plane, and where the next click would say most.

Clicks are written as for `napari-intseg segment`. With --truth each model is also measured, object
N by label N where the file holds several labels.

examples:
  napari-intseg compare cells.png --click 120,200 --click 90,180:- \\
      --model bundled --model random-walker --report both.html
  napari-intseg compare ct.nii.gz --window abdomen --click 40,120,200 --propagate \\
      --model ritm-hrnet18s --model sam-vit-b --truth organs.nii.gz --json both.json"""

FORMAT = "napari-intseg comparison 1"


@dataclass(slots=True)
class ComparedObject:
    """What was found for one object.

    Parameters
    ----------
    label : int
        The object.
    rounds : list of Round
        Click by click.
    planes : dict of Plane to dict of (str, str) to Overlap
        At the end.
    overlaps : dict of (str, str) to Overlap
        At the end, over all planes.
    truth : dict of str to Overlap
        At the end, of each model with the truth; empty without one.
    spots : dict of (str, str) to (Plane, SuggestedClick) or None
        Where the next click would say most.
    """

    label: int
    rounds: list["Round"] = field(default_factory=list)
    planes: dict["Plane", dict["Pair", "Overlap"]] = field(default_factory=dict)
    overlaps: dict["Pair", "Overlap"] = field(default_factory=dict)
    truth: dict[str, "Overlap"] = field(default_factory=dict)
    spots: dict["Pair", "tuple[Plane, SuggestedClick] | None"] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="file, or folder of DICOM files")
    parser.add_argument(
        "--click", type=shared_options.click, action="append", default=[], metavar="P,R,C[:-][@N]",
        help="a click; repeat for more, they are made in this order",
    )  # fmt: skip
    parser.add_argument(
        "--model", action="append", default=[], metavar="ID", help="two or more, one each"
    )
    parser.add_argument(
        "--weights", action="append", default=[], metavar="ID=FILE", help="weights of a model"
    )
    parser.add_argument("--truth", type=Path, metavar="MASK", help="the right answer")
    parser.add_argument("--json", type=Path, metavar="OUT", help="every number")
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="one page with curves")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, mps, …")
    parser.add_argument(
        "--precision", default="auto", choices=("auto", "float32", "bfloat16", "float16")
    )
    shared_options.add_init(parser)
    parser.add_argument(
        "--axis", type=int, action="append", default=[], metavar="N",
        help="planes across axis N, for all models alike",
    )  # fmt: skip
    parser.add_argument(
        "--propagate", action="store_true", help="every model goes on through the volume"
    )
    shared_options.add_viewing(parser.add_argument_group("image"))
    shared_options.add_reading(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Compare, print a summary, write what was asked for.

    Returns
    -------
    int
        0; 130 when propagation was interrupted, with what was done by then told and written.
    """
    from napari_intseg.io.read import read_mask
    from napari_intseg.session.compare.side_by_side import SideBySide

    _check(args)
    volume = shared_options.read_image(args)
    truth = None if args.truth is None else read_mask(args.truth, volume)
    initial = None if args.init is None else read_mask(args.init, volume)
    # in the order in which they are clicked first
    labels = tuple(dict.fromkeys(c.label or 1 for c in args.click))
    # asked before any model is loaded: a label that is missing ends the command at once
    truths = {} if truth is None else {label: _truth_of(truth, label) for label in labels}
    both = SideBySide(_sessions(args, volume))
    found, interrupted = [], False
    for label in labels:
        both.select(label)
        if initial is not None:
            for session in both.sessions.values():
                shared_options.start_from(session, initial, label, alone=label == labels[0])
        clicks = [c for c in args.click if (c.label or 1) == label]
        one = ComparedObject(label)
        for click in clicks:
            one.rounds.append(both.click(click.position, click.positive, truths.get(label)))
        # after an interrupted propagation the other objects still get their clicks
        if args.propagate and not interrupted:
            interrupted = _propagate(both, args, label)
        _finish(both, one, truths.get(label), propagated=args.propagate)
        found.append(one)
    if not args.quiet:
        _tell(both, found)
    _write(args, both, found)
    return INTERRUPTED if interrupted else 0


def as_json(
    both: "SideBySide", found: Iterable[ComparedObject], args: argparse.Namespace
) -> dict[str, Any]:
    """Return all that was found as plain values."""
    from napari_intseg import __version__

    return {
        "format": FORMAT,
        "version": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": ["napari-intseg", *sys.argv[1:]],
        "image": str(args.image),
        "shape": list(both.first.volume.shape),
        "spacing": list(both.first.volume.spacing),
        "axis": both.first.axis,
        "models": list(both.names),
        "objects": [_object(both, one, args) for one in found],
    }


def _object(both: "SideBySide", one: ComparedObject, args: argparse.Namespace) -> dict[str, Any]:

    clicks = [c for c in args.click if (c.label or 1) == one.label]
    spots = [
        {"pair": list(pair)}
        | ({} if spot is None else {"position": list(_position(both, *spot))})
        | {"depth_px": None if spot is None else round(spot[1].depth_px, 2)}
        for pair, spot in one.spots.items()
    ]
    return {
        "label": one.label,
        "clicks": [{"position": list(c.position), "positive": c.positive} for c in clicks],
        "rounds": [
            {
                "clicks": r.clicks,
                "plane": r.plane.index,
                "seconds": {name: round(s, 4) for name, s in r.seconds.items()},
                "pairs": _pairs(r.overlaps),
                "truth": _truths(r.truth),
            }
            for r in one.rounds
        ],
        "crossings": [
            {"click": c.click, "ahead": c.ahead, "behind": c.behind} for c in crossings_of(one)
        ],
        "pairs": _pairs(one.overlaps),
        "truth": _truths(one.truth),
        "planes": [{"index": p.index, "pairs": _pairs(pairs)} for p, pairs in one.planes.items()],
        "next_click": spots,
    }


def _pairs(overlaps: "dict[Pair, Overlap]") -> list[dict[str, Any]]:
    return [
        {
            "models": list(pair),
            "iou": o.iou, "dice": o.dice, "disagreeing_px": o.disagreeing,
            "both_px": o.both, "only_first_px": o.only_a, "only_second_px": o.only_b,
        }
        for pair, o in overlaps.items()
    ]  # fmt: skip


def _truths(overlaps: "dict[str, Overlap]") -> dict[str, dict[str, float]]:
    return {name: {"iou": o.iou, "dice": o.dice} for name, o in overlaps.items()}


def _position(both: "SideBySide", plane: "Plane", spot: "SuggestedClick") -> tuple[float, ...]:
    """Return a spot as a click is written."""
    if both.first.volume.ndim == 2:
        return float(spot.row), float(spot.col)
    return plane.position(float(spot.row), float(spot.col))


def _check(args: argparse.Namespace) -> None:
    """Refuse before the work what cannot be compared, or not be written after it."""
    if not args.click:
        raise PromptError(
            "nothing says where the object is: expected --click, got none. "
            "Add --click PLANE,ROW,COL."
        )
    if len(args.model) < 2:
        raise PromptError(
            f"nothing to compare with: expected --model twice or more, got {args.model!r}. "
            "Name another model."
        )
    if len(set(args.model)) < len(args.model):
        raise PromptError(
            f"a model is named twice: expected different ones, got {args.model!r}. Leave one out."
        )
    inputs = args.image, args.truth, args.init, *_weights(args).values()
    check_report(args.json, *inputs, overwrite=args.overwrite)
    check_report(args.report, *inputs, args.json, overwrite=args.overwrite)


def _weights(args: argparse.Namespace) -> dict[str, Path]:
    return parse_weights(args.weights, args.model)


def _sessions(args: argparse.Namespace, volume: "FileVolume") -> dict[str, Any]:
    """Return a session for each model; an axis given for each is for the model in its place."""
    from napari_intseg.models.registry import load_model

    weights = _weights(args)
    axes = args.axis or [0]
    made = {}
    for i, name in enumerate(args.model):
        model = load_model(
            name, weights=weights.get(name), device=args.device, precision=args.precision
        )
        # one axis given holds for all models
        axis = axes[min(i, len(axes) - 1)]
        made[name] = shared_options.begin(model, volume, args, axis=axis)
    return made


def _truth_of(truth: "Array", label: int) -> "BoolArray":
    """Return where the right answer to an object is."""
    import numpy as np

    held = np.unique(truth[truth > 0]).tolist()
    if len(held) <= 1:
        return np.asarray(truth > 0)
    if label not in held:
        raise DataError(
            f"truth does not hold the object: expected one of its labels {held[:20]}, got "
            f"{label!r}. Give clicks as P,R,C@LABEL."
        )
    return np.asarray(truth == label)


def _propagate(both: "SideBySide", args: argparse.Namespace, label: int) -> bool:
    """Have every model propagate; return whether it was interrupted."""
    with stop_on_interrupt() as stopped:
        for name, session in both.sessions.items():
            with progress_bar(f"object {label}, {name}", "plane", quiet=args.quiet) as show:
                session.propagate(on_progress=show, should_stop=stopped)
        return stopped()


def _finish(
    both: "SideBySide", one: ComparedObject, truth: "BoolArray | None", *, propagated: bool
) -> None:
    planes = both.planes()
    for plane in planes:
        one.planes[plane] = {pair: both.overlap(*pair, [plane]) for pair in both.pairs}
    one.overlaps = {pair: both.overlap(*pair, planes) for pair in both.pairs}
    one.spots = {pair: both.suggest(*pair) for pair in both.pairs}
    if truth is not None:
        # without propagation only planes with clicks are compared: elsewhere nobody answered
        where = None if propagated else planes
        one.truth = {name: both.overlap_with(name, truth, where) for name in both.names}


def _tell(both: "SideBySide", found: Iterable[ComparedObject]) -> None:

    for one in found:
        for pair, overlap in one.overlaps.items():
            print(
                f"object {one.label}: {pair[0]} and {pair[1]}: IoU {overlap.iou:.3f}, Dice "
                f"{overlap.dice:.3f}, {overlap.disagreeing} pixels differ"
            )
        for name, overlap in one.truth.items():
            print(f"object {one.label}: {name} and truth: IoU {overlap.iou:.3f}")
        for words in crossing_words(one):
            print(f"object {one.label}: {words}")
        for pair, spot in one.spots.items():
            if spot is not None:
                at = ",".join(f"{p:g}" for p in _position(both, *spot))
                print(f"object {one.label}: {pair[0]} and {pair[1]} differ most at {at}")


def _write(args: argparse.Namespace, both: "SideBySide", found: list[ComparedObject]) -> None:
    if args.json is not None:
        text = json.dumps(as_json(both, found, args), indent=1, allow_nan=False)
        write_report(args.json, text + "\n")
    if args.report is not None:
        page = report_html(both, found, ["napari-intseg", *sys.argv[1:]])
        write_report(args.report, page)
    for path in (args.json, args.report):
        if path is not None and not args.quiet:
            print(f"wrote {path}")


# planes shown on a page, those where the two models differ most: more are scrolled past
_MOST_PICTURES = 6
# three colours of Okabe and Ito, which the colour-blind tell apart
_COLOURS = {"both": "#009e73", "only a": "#0072b2", "only b": "#e69f00"}
# agreement values as labels whose colours in `overlay` are those above, in the same order
_AS_PAINTED = (0, 3, 1, 2)


def report_html(
    both: "SideBySide", found: Sequence["ComparedObject"], command: Sequence[str] = ()
) -> str:
    """Return the page.

    Parameters
    ----------
    both : SideBySide
        What was compared; masks are taken from it for the pictures.
    found : sequence of ComparedObject
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


def rows_of(one: "ComparedObject") -> list["Row"]:
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


def crossings_of(one: "ComparedObject") -> tuple["Crossing", ...]:
    """Return after which clicks the model nearest to the truth changes; empty without truth."""
    from napari_intseg.evaluation.summary import crossings

    if not one.truth:
        return ()
    return tuple(c for a, b in combinations(rows_of(one), 2) for c in crossings(a, b))


def crossing_words(one: "ComparedObject") -> list[str]:
    """Return the same in sentences; who leads throughout is told, too."""
    from napari_intseg.evaluation.summary import crossings

    words = []
    for a, b in combinations(rows_of(one) if one.truth else [], 2):
        found = crossings(a, b)
        # they never cross: who leads is told by the first click at which they differ
        if not found and a.iou != b.iou:
            first = next(i for i, (x, y) in enumerate(zip(a.iou, b.iou, strict=True)) if x != y)
            ahead, behind = (a, b) if a.iou[first] > b.iou[first] else (b, a)
            words.append(f"{ahead.model} leads {behind.model} at every number of clicks.")
        words += [f"From click {c.click} on, {c.ahead} leads {c.behind}." for c in found]
    return words


def _row(name: str, iou: Sequence[float], dice: Sequence[float]) -> "Row":
    from napari_intseg.evaluation.summary import Row

    return Row(
        model=name, dataset="", n_objects=1, n_seeds=1, noc=(), noc_spread=(), failures=(),
        iou=tuple(iou), dice=tuple(dice), surface_mm=None, hd95_mm=None, seconds=0.0,
        first_seconds=0.0,
    )  # fmt: skip


def _section(both: "SideBySide", one: "ComparedObject") -> list[str]:
    from napari_intseg.evaluation.report import curves_svg

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


def _click_table(both: "SideBySide", one: "ComparedObject") -> str:
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


def _end_table(both: "SideBySide", one: "ComparedObject") -> str:
    rows = [(" and ".join(pair), o, _where(both, one, pair)) for pair, o in one.overlaps.items()]
    rows += [(f"{name} and truth", o, "") for name, o in one.truth.items()]
    lines = [
        [name, f"{o.iou:.3f}", f"{o.dice:.3f}", str(o.disagreeing), where]
        for name, o, where in rows
    ]
    head = ["", "IoU", "Dice", "pixels that differ", "where the next click says most"]
    return _table(head, lines, "At the end, on all planes.")


def _where(both: "SideBySide", one: "ComparedObject", pair: "Pair") -> str:
    spot = one.spots[pair]
    if spot is None:
        return "they agree"
    plane = f"plane {spot[0].index}, " if both.first.volume.ndim == 3 else ""
    return f"{plane}row {spot[1].row}, column {spot[1].col}"


def _plane_table(one: "ComparedObject") -> str:
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
    words = ("both", f"only {a}", f"only {b}")
    items = "".join(
        f'<li><span style="background:{colour}"></span>{escape(word)}</li>'
        for colour, word in zip(_COLOURS.values(), words, strict=True)
    )
    return f'<ul class="key">{items}</ul>'


def _chosen(one: "ComparedObject", pair: "Pair") -> list["Plane"]:
    """Return the planes that disagree most, in their order; in 2-D the only one."""
    ranked = sorted(one.planes, key=lambda plane: -one.planes[plane][pair].disagreeing)
    return sorted(ranked[:_MOST_PICTURES])


def _figure(both: "SideBySide", pair: "Pair", plane: "Plane") -> str:
    import numpy as np

    from napari_intseg.session.compare.two_answers import agreement

    session = both.first
    intensity = session.setup.options.intensity
    masks = [both.sessions[name].mask_on(plane) for name in pair]
    labels = np.array(_AS_PAINTED, np.int32)[agreement(*masks)]
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
    from PIL import Image

    held = io.BytesIO()
    # pictures lie in the page itself: JPEG keeps it small
    Image.fromarray(picture).save(held, "JPEG", quality=88)
    return "data:image/jpeg;base64," + b64encode(held.getvalue()).decode("ascii")
