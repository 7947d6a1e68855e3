"""`napari-intseg batch`: many images, each segmented as by `segment`."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_intseg.cli import segment
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt, write_report
from napari_intseg.errors import DataError, FileError

if TYPE_CHECKING:
    from napari_intseg.cli.batch_run import JobRecord
    from napari_intseg.cli.batch_table import BatchJob

HELP = "segment many images, from a table or from folders"
DESCRIPTION = """Segment many images as `segment` does one. Processes of this machine share the
jobs, or the workers of a dask cluster; each loads a model once and goes on with it.

An input is a table (.csv), an image, a folder of images, or a pattern in quotes. A table has the
column "image" and any of: output, points, clicks, boxes, scribbles, lassos, and the long options
below by name (init, model, window, propagate, planes, …), with ; between several values of a cell,
blanks between several lines. Paths of a table are relative to its folder. An option given here
holds where a cell is empty. Every value is checked before anything runs.

DIR gets the labels, summary.csv, summary.html, and jobs/ with a log of each job. A job that fails
does not end the others. A worker that dies is replaced, and its job is done again.

examples:
  napari-intseg batch jobs.csv -o out/ --workers 4
  napari-intseg batch jobs.csv -o out/ --workers 4 --resume
  napari-intseg batch "cells/*.tif" -o out/ --points points/ --model random-walker
  napari-intseg batch jobs.csv -o /shared/out --scheduler tcp://127.0.0.1:8786"""
# exit codes; 130 is what shells give to a program that Ctrl+C has ended, 128 + SIGINT
SOME_FAILED, INTERRUPTED = 1, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="table, image, folder, pattern")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder; made if missing"
    )
    parser.add_argument(
        "--points", type=Path, metavar="FILE",
        help="clicks as CSV (a saved Points layer); a folder: that of each image's name. "
        "--init takes such a folder, too",
    )  # fmt: skip
    parser.add_argument(
        "--format", metavar="ENDING", help="of the labels, such as .nii.gz; default: the image's"
    )
    parser.add_argument(
        "--no-journal", action="store_true", help="write no journal beside the labels"
    )
    running = parser.add_argument_group("running")
    running.add_argument(
        "--workers", type=int, metavar="N", help="processes; default: one for 4 processors"
    )
    running.add_argument("--scheduler", metavar="ADDRESS", help="a dask cluster instead")
    running.add_argument(
        "--insecure", action="store_true", help="a cluster on another machine without TLS"
    )
    running.add_argument(
        "--resume", action="store_true",
        help="skip jobs that are done and whole, do the others (again)",
    )  # fmt: skip
    running.add_argument("--overwrite", action="store_true", help="replace files that exist")
    running.add_argument("--quiet", action="store_true", help="no progress, no summary")
    segment.add_shared(parser)


def run(args: argparse.Namespace) -> int:
    """Check all, then segment and sum up.

    Returns
    -------
    int
        0; 1 when a job failed; 130 when it was interrupted, with what was done by then kept.
    """
    from napari_intseg.cli.batch_run import as_csv, as_html, counted, is_whole, record_of, run_jobs
    from napari_intseg.cli.batch_table import read_jobs

    workers = _workers(args)
    jobs = read_jobs(args)
    _check_outputs(args, jobs)
    # only what is whole on disk counts as done, not what the record says alone
    done: dict[str, JobRecord] = {}
    if args.resume:
        for job in jobs:
            record = record_of(job)
            if record is not None and is_whole(job, record):
                done[job.name] = replace(record, status="skipped")
    left = [job for job in jobs if job.name not in done]
    # the report is written also when Ctrl-C ends the run
    with (
        stop_on_interrupt() as stop,
        progress_bar("batch", "job", quiet=args.quiet) as show,
    ):
        show(len(done), len(jobs))
        for job, record in run_jobs(
            left, stop, workers=workers, scheduler=args.scheduler, insecure=args.insecure
        ):
            done[job.name] = record
            show(len(done), len(jobs))
            if record.status == "failed" and not args.quiet:
                print(f"{job.place}: failed: {record.error}", file=sys.stderr)
    rows = [(job, done[job.name]) for job in jobs if job.name in done]
    write_report(args.output / "summary.csv", as_csv(rows))
    write_report(args.output / "summary.html", as_html(rows))
    if not args.quiet:
        print(f"{counted(rows) or 'nothing done'}; see {args.output / 'summary.html'}")
    if len(rows) < len(jobs):
        print(f"interrupted: {len(jobs) - len(rows)} jobs are left; --resume does them",
              file=sys.stderr)  # fmt: skip
        return INTERRUPTED
    return SOME_FAILED if any(record.status == "failed" for _, record in rows) else 0


def _workers(args: argparse.Namespace) -> int:
    """Return the number of processes; a model makes use of up to about four processors."""
    if args.workers is None:
        return max(1, (os.cpu_count() or 1) // 4)
    if args.workers < 1:
        raise DataError(
            f"workers are too few: expected at least 1, got {args.workers!r}. Leave it out."
        )
    return int(args.workers)


def _check_outputs(args: argparse.Namespace, jobs: Sequence["BatchJob"]) -> None:
    """Make the folder, and refuse what would replace an input or a file of somebody else."""
    from napari_intseg.cli.batch_run import RECORDS, record_of
    from napari_intseg.core.files import hidden_folder
    from napari_intseg.io.output_files import check_journal
    from napari_intseg.io.write import check_target

    try:
        (args.output / RECORDS).mkdir(parents=True, exist_ok=True)
        # a trial write now: jobs may run for hours before the first label is written
        with hidden_folder(args.output):
            pass
    except OSError as err:
        raise FileError(
            f"folder cannot be used: expected one to write in, got {str(args.output)!r} "
            f"({err.strerror or err}). Choose another."
        ) from err
    _check_apart(args, jobs)
    for job in jobs:
        # --resume may replace what this batch wrote itself, and nothing else
        ours = args.overwrite or (args.resume and record_of(job) is not None)
        check_target(job.args.output, overwrite=ours)
        if not args.no_journal:
            check_journal(job.args.output, overwrite=ours)
    summary = args.output / "summary.csv"
    if summary.exists() and not (args.overwrite or args.resume):
        raise FileError(
            f"output exists: expected a folder without a summary, got {str(summary)!r}. Choose "
            "another folder, or add --resume or --overwrite."
        )


def _check_apart(args: argparse.Namespace, jobs: Sequence["BatchJob"]) -> None:
    """Refuse outputs that are, or lie in, an input of any job."""
    from napari_intseg.cli.batch_run import RECORDS
    from napari_intseg.io.output_files import SUFFIX, check_apart

    tables = [Path(given) for given in args.inputs if str(given).lower().endswith(".csv")]
    inputs = dict.fromkeys([*tables, *(path for job in jobs for path in job.inputs)])
    # looked up in sets and dictionaries: 1,000 outputs against 1,000 inputs are a million pairs
    places = {path.resolve(): path for path in inputs}
    # device and inode: hard links have other names and are the same file
    same = {(s.st_dev, s.st_ino): path for path in inputs for s in [path.stat()]}
    outputs = [args.output / name for name in ("summary.csv", "summary.html")]
    for job in jobs:
        kept = [args.output / RECORDS / f"{job.name}{end}" for end in (".json", ".log")]
        outputs += [job.args.output, Path(f"{job.args.output}{SUFFIX}"), *kept]
        check_apart(job.args.output, *job.inputs)
    for path in outputs:
        real = path.resolve()
        found = next((places[p] for p in (real, *real.parents) if p in places), None)
        if found is None and path.exists():
            status = path.stat()
            found = same.get((status.st_dev, status.st_ino))
        if found is not None:
            raise FileError(
                f"output is an input: expected another file than those that are read, got "
                f"{str(path)!r}, which is or belongs to {str(found)!r}. Choose another folder; "
                "what is read is never replaced."
            )
