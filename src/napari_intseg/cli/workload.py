"""`napari-intseg workload`: what the work took that journals tell of."""

import argparse
from pathlib import Path

HELP = "tell what the work took: time, clicks, planes, what was accepted"
DESCRIPTION = """Read the journals of sessions and tell how long each object took, how many clicks,
boxes, scribbles and strokes, on how many planes, and which answers were accepted unchanged; then
the same as a paragraph for a paper's methods section. Neither images nor models are needed.

JOURNAL is a journal, or labels that were exported with one. A gap of more than a minute between two
actions is a pause and not counted (--pause).

examples:
  napari-intseg workload liver.nii.gz
  napari-intseg workload results/*.journal.jsonl -o workload.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "journals", type=Path, nargs="+", metavar="JOURNAL", help="journals, or labels with one"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="table to write")
    # `work_time.PAUSE_S`, written again so that the help needs no import of it
    parser.add_argument(
        "--pause", type=float, default=60.0, metavar="SECONDS", help="longer gaps do not count"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a table that exists")
    parser.add_argument("--quiet", action="store_true", help="no table on the screen")


def run(args: argparse.Namespace) -> int:
    """Count and tell; returns 0."""
    from napari_intseg.cli.output_forms import check_report, write_report
    from napari_intseg.cli.replay import read_journal_or_labels
    from napari_intseg.errors import DataError
    from napari_intseg.session.journal.work_time import (
        methods_paragraph,
        pooled,
        workload,
        workload_csv,
    )

    check_report(args.output, *args.journals, overwrite=args.overwrite)
    if not args.pause > 0:
        raise DataError(
            f"--pause does not fit: expected seconds above 0, got {args.pause}. "
            "Leave it out for 60."
        )
    # each journal by itself: time between two of them is no work
    parts = {
        str(path): workload(read_journal_or_labels(path)[0], pause_s=args.pause)
        for path in args.journals
    }
    if args.output is not None:
        write_report(args.output, workload_csv(parts))
    if not args.quiet:
        for name, part in parts.items():
            for one in part.objects:
                print(
                    f"{name}: object {one.label}: {one.seconds:.1f} s, {one.interactions} given on "
                    f"{len(one.given)} of {len(one.answered | one.given)} planes, "
                    f"{len(one.corrected)} corrected"
                )
    print(methods_paragraph(pooled(parts.values()), len(parts)))
    if args.output is not None and not args.quiet:
        print(f"wrote {args.output}")
    return 0
