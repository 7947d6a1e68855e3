"""`napari-intseg evaluate`: how many clicks a model needs on images with known masks."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_intseg.cli.output_forms import (
    check_report,
    progress_bar,
    stop_on_interrupt,
    write_report,
)
from napari_intseg.cli.shared_options import INTERRUPTED
from napari_intseg.errors import DataError

HELP = "measure models on images with known masks"
DESCRIPTION = """Measure how many clicks models need. A robot user clicks on the errors of each
answer, as the published benchmarks do.

Reads published data sets as they are unpacked (GrabCut, Berkeley, BSDS500, DAVIS, COCO, LVIS, SBD,
Pascal VOC, Cityscapes, ADE20K, ISBI EM, IDRiD, ISPRS, DeepGlobe, run lengths of Kaggle, Cell
Tracking Challenge, Cellpose, Decathlon, nnU-Net, BraTS), and plain folders with
images/ and masks/ (2-D files and volumes). A folder that holds several such folders is measured
folder by folder. Ctrl-C ends the run and keeps what is done.

examples:
  napari-intseg evaluate cells/ --report cells.html
  napari-intseg evaluate GrabCut/ Berkeley/ --model random-walker --model ritm-hrnet18s \\
      --weights ritm-hrnet18s=coco_lvis_h18s_itermask.pth --json both.json --report both.html
  napari-intseg evaluate ct/ --volumes whole --masks classes --max-clicks 10 --workers 4
  napari-intseg evaluate cells/ --rule random --seeds 5 --limit 50"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--model", action="append", metavar="ID", help="repeat to compare; default: the default"
    )
    parser.add_argument(
        "--weights", action="append", default=[], metavar="ID=FILE", help="weights of a model"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps, …")
    robot = parser.add_argument_group("robot user")
    # 20 clicks at most is the published rule (RITM, arXiv:2102.06583)
    robot.add_argument("--max-clicks", type=int, default=20, metavar="N", help="default 20")
    robot.add_argument(
        "--target", action="append", type=float, metavar="IOU", help="default 0.85 and 0.90"
    )
    robot.add_argument(
        "--rule", choices=("deepest", "random", "human"), default="deepest",
        help="random: near the deepest point of the error; human: as people click, some wrongly",
    )  # fmt: skip
    robot.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="of random and human; default 5"
    )
    robot.add_argument(
        "--stop-early", action="store_true",
        help="leave an object at the highest target; saves time, NoC is the same",
    )  # fmt: skip
    _add_data(parser.add_argument_group("data"))
    _add_running(parser.add_argument_group("running and results"))


def _add_data(data: Any) -> None:
    data.add_argument("--layout", default="auto", help="default: found out")
    data.add_argument("--split", help="which list or subfolder of the set; default: val")
    data.add_argument(
        "--masks", action="append", default=[], metavar="[NAME=]KIND",
        help="binary, instances or classes; for data sets with NAME in their name",
    )  # fmt: skip
    data.add_argument(
        "--ignore", action="append", type=int, metavar="VALUE", help="mask value to ignore"
    )
    data.add_argument(
        "--volumes", choices=("slices", "whole", "live"), default="slices",
        help="live: whole objects, clicked where the largest error of any plane is, and a table of "
        "Dice, processor seconds and the share accepted unchanged",
    )  # fmt: skip
    data.add_argument(
        "--window", metavar="NAME", help="a CT window's name, for all images; default: the usual"
    )
    data.add_argument("--min-px", type=int, metavar="N", help="leave out smaller objects")
    data.add_argument(
        "--max-objects", type=int, metavar="N", help="a file, drawn by --draw-seed; 0: all"
    )
    data.add_argument("--draw-seed", type=int, default=0, metavar="N")
    data.add_argument("--limit", type=int, metavar="N", help="objects a data set, evenly spread")


def _add_running(running: Any) -> None:
    running.add_argument("--workers", type=int, default=1, metavar="N", help="processes")
    running.add_argument("--dask", metavar="ADDRESS", help="an existing dask cluster instead")
    running.add_argument(
        "--insecure", action="store_true", help="a cluster on another machine without TLS"
    )
    running.add_argument("--json", type=Path, metavar="OUT", help="every number")
    running.add_argument("--report", type=Path, metavar="OUT.html", help="one page with curves")
    running.add_argument("--overwrite", action="store_true", help="replace files that exist")
    running.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write what was asked for.

    Returns
    -------
    int
        0; 1 when an image had to be left out; 130 when it was cancelled, with what was done
        printed and written.
    """
    from napari_intseg.evaluation.benchmark import ModelChoice, evaluate
    from napari_intseg.evaluation.datasets import open_datasets
    from napari_intseg.evaluation.run import Protocol
    from napari_intseg.evaluation.summary import as_text, live_table, summarise, table
    from napari_intseg.models.registry import DEFAULT_MODEL

    check_report(args.json, *args.folders, overwrite=args.overwrite)
    check_report(args.report, *args.folders, args.json, overwrite=args.overwrite)
    # the targets that the published benchmarks report, NoC@85 and NoC@90
    targets = tuple(sorted(set(args.target or (0.85, 0.90))))
    protocol = Protocol(args.max_clicks, targets, args.rule, args.seeds, args.stop_early)
    names = list(dict.fromkeys(args.model or [DEFAULT_MODEL]))
    weights = parse_weights(args.weights, names)
    models = [ModelChoice(name, weights.get(name), args.device) for name in names]
    choices = _choices(args)
    datasets = _distinct([d for folder in args.folders for d in open_datasets(folder, choices)])
    with (
        progress_bar("evaluate", "object", quiet=args.quiet) as show,
        stop_on_interrupt() as stop,
    ):
        outcome = evaluate(
            datasets,
            models,
            protocol,
            workers=args.workers,
            dask=args.dask,
            insecure=args.insecure,
            on_progress=show,
            should_stop=stop,
        )
    rows = summarise(outcome.scores, protocol)
    if rows:
        print(as_text(table(rows, protocol)))
        if args.volumes == "live":
            print(as_text(live_table(outcome.scores)))
    _write(args, outcome, rows, protocol, datasets)
    for skipped in outcome.skipped:
        told = f"{skipped.dataset} {skipped.entry}, {skipped.model}: {skipped.reason}"
        print(f"left out: {told}", file=sys.stderr)
    if outcome.cancelled:
        print(f"cancelled: {len(outcome.scores)} results are kept", file=sys.stderr)
        return INTERRUPTED
    return 1 if outcome.skipped else 0


def parse_weights(given: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Return the weight file of each model from ``ID=FILE`` arguments.

    Raises
    ------
    DataError
        If an argument has no ``=``, or names a model that is not evaluated.
    """
    found = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or name not in names:
            raise DataError(
                f"weights belong to no model: expected ID=FILE with ID one of {', '.join(names)}, "
                f"got {text!r}. Name the model with --model."
            )
        found[name] = Path(path)
    return found


def _choices(args: argparse.Namespace) -> Any:
    from napari_intseg.evaluation.datasets import Choices

    masks = {}
    for text in args.masks:
        name, _, kind = text.rpartition("=")
        masks[name] = kind
    if args.limit is not None and args.limit < 1:
        raise DataError(
            f"limit is too small: expected at least 1 object, got {args.limit!r}. Leave it out "
            "for all."
        )
    return Choices(
        layout=args.layout,
        split=args.split,
        masks=masks,
        ignore=None if args.ignore is None else tuple(args.ignore),
        min_px=args.min_px,
        max_objects=args.max_objects,
        seed=args.draw_seed,
        limit=args.limit,
        volumes=args.volumes,
        window=args.window,
    )


def _distinct(datasets: Sequence[Any]) -> list[Any]:
    """Return the data sets under names that differ; a folder given twice counts once."""
    from dataclasses import replace

    # the first mask tells sets apart: folders may be given by different names
    by_place = {d.entries[0].mask: d for d in datasets}
    out: list[Any] = []
    for data in by_place.values():
        taken, name, number = {d.name for d in out}, data.name, 2
        # results are kept by name, so two sets of one name must not become one
        while name in taken:
            name, number = f"{data.name} ({number})", number + 1
        entries = tuple(replace(entry, dataset=name) for entry in data.entries)
        out.append(replace(data, name=name, entries=entries))
    return out


def _write(args: argparse.Namespace, outcome: Any, rows: Any, protocol: Any, data: Any) -> None:
    from napari_intseg.evaluation.report import report_html
    from napari_intseg.evaluation.summary import as_json

    command = ["napari-intseg", *sys.argv[1:]]
    if args.json is not None:
        text = json.dumps(as_json(outcome, rows, protocol, command), indent=1, allow_nan=False)
        write_report(args.json, text + "\n")
    if args.report is not None and rows:
        page = report_html(outcome, rows, data, protocol, command=command)
        write_report(args.report, page)
