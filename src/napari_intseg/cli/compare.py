"""`napari-intseg compare`: several models on the same clicks."""

import argparse
import datetime
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli import looking, scans, values
from napari_intseg.cli.evaluate import parse_weights
from napari_intseg.cli.outputs import check_report, write_report
from napari_intseg.cli.progress import progress_bar, stop_on_interrupt
from napari_intseg.errors import DataError, PromptError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array, BoolArray
    from napari_intseg.core.volume import Plane
    from napari_intseg.io.source import FileVolume
    from napari_intseg.session.compare.side_by_side import Pair, Round, SideBySide
    from napari_intseg.session.compare.two_answers import Overlap, Spot

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
INTERRUPTED = 130


@dataclass(slots=True)
class Found:
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
    spots : dict of (str, str) to (Plane, Spot) or None
        Where the next click would say most.
    """

    label: int
    rounds: list["Round"] = field(default_factory=list)
    planes: dict["Plane", dict["Pair", "Overlap"]] = field(default_factory=dict)
    overlaps: dict["Pair", "Overlap"] = field(default_factory=dict)
    truth: dict[str, "Overlap"] = field(default_factory=dict)
    spots: dict["Pair", "tuple[Plane, Spot] | None"] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="file, or folder of DICOM files")
    parser.add_argument(
        "--click", type=values.click, action="append", default=[], metavar="P,R,C[:-][@N]",
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
    looking.add_init(parser)
    parser.add_argument(
        "--axis", type=int, action="append", default=[], metavar="N",
        help="planes across axis N, for all models alike",
    )  # fmt: skip
    parser.add_argument(
        "--propagate", action="store_true", help="every model goes on through the volume"
    )
    looking.add_arguments(parser.add_argument_group("image"))
    scans.add_reading(parser.add_argument_group("DICOM"))


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
    volume = scans.read_image(args)
    truth = None if args.truth is None else read_mask(args.truth, volume)
    initial = None if args.init is None else read_mask(args.init, volume)
    labels = tuple(dict.fromkeys(c.label or 1 for c in args.click))
    truths = {} if truth is None else {label: _truth_of(truth, label) for label in labels}
    both = SideBySide(_sessions(args, volume))
    found, interrupted = [], False
    for label in labels:
        both.select(label)
        if initial is not None:
            for session in both.sessions.values():
                looking.start_from(session, initial, label, alone=label == labels[0])
        clicks = [c for c in args.click if (c.label or 1) == label]
        one = Found(label)
        for click in clicks:
            one.rounds.append(both.click(click.position, click.positive, truths.get(label)))
        if args.propagate and not interrupted:
            interrupted = _propagate(both, args, label)
        _finish(both, one, truths.get(label), propagated=args.propagate)
        found.append(one)
    if not args.quiet:
        _tell(both, found)
    _write(args, both, found)
    return INTERRUPTED if interrupted else 0


def as_json(both: "SideBySide", found: Iterable[Found], args: argparse.Namespace) -> dict[str, Any]:
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


def _object(both: "SideBySide", one: Found, args: argparse.Namespace) -> dict[str, Any]:
    from napari_intseg.cli.compare_report import crossings_of

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


def _position(both: "SideBySide", plane: "Plane", spot: "Spot") -> tuple[float, ...]:
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
        axis = axes[min(i, len(axes) - 1)]
        made[name] = looking.begin(model, volume, args, axis=axis)
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


def _finish(both: "SideBySide", one: Found, truth: "BoolArray | None", *, propagated: bool) -> None:
    planes = both.planes()
    for plane in planes:
        one.planes[plane] = {pair: both.overlap(*pair, [plane]) for pair in both.pairs}
    one.overlaps = {pair: both.overlap(*pair, planes) for pair in both.pairs}
    one.spots = {pair: both.suggest(*pair) for pair in both.pairs}
    if truth is not None:
        where = None if propagated else planes
        one.truth = {name: both.overlap_with(name, truth, where) for name in both.names}


def _tell(both: "SideBySide", found: Iterable[Found]) -> None:
    from napari_intseg.cli.compare_report import crossing_words

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


def _write(args: argparse.Namespace, both: "SideBySide", found: list[Found]) -> None:
    if args.json is not None:
        text = json.dumps(as_json(both, found, args), indent=1, allow_nan=False)
        write_report(args.json, text + "\n")
    if args.report is not None:
        from napari_intseg.cli.compare_report import report_html

        page = report_html(both, found, ["napari-intseg", *sys.argv[1:]])
        write_report(args.report, page)
    for path in (args.json, args.report):
        if path is not None and not args.quiet:
            print(f"wrote {path}")
