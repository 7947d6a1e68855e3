"""`napari-intseg batch`: many images, each segmented as by `segment`.

The jobs are done here, in several processes or on a dask cluster, and summed up.
"""

import argparse
import contextlib
import copy
import hashlib
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from napari_intseg import __version__
from napari_intseg.cli import segment
from napari_intseg.cli.batch_table import BatchJob, read_jobs
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt, write_report
from napari_intseg.cli.shared_options import FAILED, INTERRUPTED, told
from napari_intseg.core.files import csv_text, hidden_folder, read_json, write_text
from napari_intseg.core.workers import Died, futures_on_cluster, run_in_workers
from napari_intseg.errors import DataError, FileError, IntSegError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Segmenter

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
RECORDS = "jobs"
"""Folder in the output folder with a record and a log of each job."""

Status = Literal["begun", "done", "failed", "skipped"]
Threads = int | Literal["measure"] | None
Stop = Callable[[], bool]
Outcomes = Generator[tuple[BatchJob, "JobRecord"], None, None]

# one job at a time in a dask worker's threads: they share models and stdout
_one_at_a_time = threading.Lock()


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
    return FAILED if any(record.status == "failed" for _, record in rows) else 0


def _workers(args: argparse.Namespace) -> int:
    """Return the number of processes; a model makes use of up to about four processors."""
    if args.workers is None:
        return max(1, (os.cpu_count() or 1) // 4)
    if args.workers < 1:
        raise DataError(
            f"workers are too few: expected at least 1, got {args.workers!r}. Leave it out."
        )
    return int(args.workers)


def _check_outputs(args: argparse.Namespace, jobs: Sequence[BatchJob]) -> None:
    """Make the folder, and refuse what would replace an input or a file of somebody else."""
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


def _check_apart(args: argparse.Namespace, jobs: Sequence[BatchJob]) -> None:
    """Refuse outputs that are, or lie in, an input of any job."""
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


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What became of a job.

    Parameters
    ----------
    name : str
        Of the labels.
    settings : str
        Checksum of all that the labels depend on; see `settings_of`.
    status : str
        "begun" is left by a process that was killed.
    seconds : float
        What it took.
    sizes : dict of str to int
        Pixels, or voxels, of each label.
    parts : dict of str to int
        Bytes of each file that was written.
    error : str
        Empty if it went well.
    worker : str
        Machine and process.
    """

    name: str
    settings: str
    status: Status = "begun"
    seconds: float = 0.0
    sizes: dict[str, int] | None = None
    parts: dict[str, int] | None = None
    error: str = ""
    worker: str = ""


def run_here(job: BatchJob) -> JobRecord:
    """Do one job, and keep its record and its log beside the labels; nothing is raised."""
    with _one_at_a_time:
        begun = JobRecord(
            job.name, settings_of(job), worker=f"{socket.gethostname()} {os.getpid()}"
        )
        start = time.perf_counter()
        try:
            _keep(job, begun)
            # a line at a time, so that the log of a worker that is killed tells how far it came
            with _log_of(job).open("a", encoding="utf-8", buffering=1) as log:
                found = replace(begun, **_segmented(job, log))
            found = replace(found, seconds=round(time.perf_counter() - start, 3))
            _keep(job, found)
        except OSError as err:
            # no room for the record or the log
            return replace(begun, status="failed", error=str(err))
        return found


def _segmented(job: BatchJob, log: Any) -> dict[str, Any]:
    """Return what a record says of a job done now, all that is told written to a log."""
    log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {job.place}: {job.args.image}\n")
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log), told():
            # a copy: the command writes the numbers of objects into its options
            interrupted, sizes = segment.segment_file(copy.deepcopy(job.args), _load)
        if interrupted:
            return {"status": "failed", "error": "propagation was interrupted"}
    except IntSegError as err:
        log.write(f"error: {err}\n")
        return {"status": "failed", "error": str(err)}
    except Exception as err:
        # whatever it is, the other jobs go on
        log.write(traceback.format_exc())
        return {"status": "failed", "error": f"{type(err).__name__}: {err}"}
    parts = parts_of(job.args.output)
    return {"status": "done", "sizes": {str(n): s for n, s in sizes.items()}, "parts": parts}


def _load(
    name: str, *, weights: Path | None, device: str, precision: str, threads: Threads
) -> "Segmenter":
    return _loaded(name, weights, device, precision, threads)


# one model: two may not fit into memory, and jobs in a row mostly use the same
@lru_cache(maxsize=1)
def _loaded(
    name: str, weights: Path | None, device: str, precision: str, threads: Threads
) -> "Segmenter":
    """Return a model, that of the job before if it is the same."""
    from napari_intseg.models.registry import load_model

    return load_model(name, weights=weights, device=device, precision=precision, threads=threads)


def settings_of(job: BatchJob) -> str:
    """Return a checksum of a job's options, and of the sizes and times of the files it reads."""
    files = []
    for path in job.inputs:
        with contextlib.suppress(OSError):
            status = path.stat()
            # size and time instead of a checksum: reading all
            # inputs again would take as long as the jobs
            files.append((str(path), status.st_size, status.st_mtime_ns))
    # where it runs does not matter, and what is told neither
    options = sorted(
        (k, repr(v)) for k, v in vars(job.args).items() if k not in ("quiet", "device", "threads")
    )
    return hashlib.sha256(repr((options, files)).encode()).hexdigest()


def parts_of(path: Path) -> dict[str, int]:
    """Return the bytes of each file that labels consist of, by names relative to their folder."""
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    if path.suffix.lower() in (".mhd", ".nhdr"):
        # the data of a header lies in a file of its own beside it
        files += [p for p in path.parent.glob("*raw*") if p.name.startswith(f"{path.stem}.")]
    return {str(one.relative_to(path.parent)): one.stat().st_size for one in sorted(files)}


def record_of(job: BatchJob) -> JobRecord | None:
    """Return the record of a job that was begun before; None if there is none to read."""
    try:
        return JobRecord(**read_json(_record_of(job), ours=True))
    except (OSError, ValueError, TypeError):
        return None


def is_whole(job: BatchJob, record: JobRecord | None) -> bool:
    """Whether a job with these very settings was done, and its labels are as it wrote them."""
    if record is None or record.status != "done" or record.settings != settings_of(job):
        return False
    try:
        return parts_of(job.args.output) == record.parts
    except OSError:
        return False


def run_jobs(
    jobs: Sequence[BatchJob],
    stop: Stop,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    insecure: bool = False,
) -> Outcomes:
    """Yield the jobs with their records as they come.

    Parameters
    ----------
    jobs : sequence of BatchJob
        To be done.
    stop : callable
        Asked before another job is begun.
    workers : int, default 1
        Processes on this machine.
    scheduler : str, optional
        Address of a dask scheduler to use instead.
    insecure : bool, default False
        Allow an address of another machine without TLS.

    Raises
    ------
    RemoteError
        If the address is not safe; see `check_address`.
    MissingExtraError
        If dask's distributed is not installed.
    DataError
        If there is no cluster at the address.
    """
    if scheduler is not None:
        yield from _on_cluster(jobs, scheduler, stop, insecure)
        return
    for job, outcome in run_in_workers(run_here, jobs, workers, stop):
        # a worker that died could write no record: that is done here
        yield job, _lost(job, str(outcome)) if isinstance(outcome, Died) else outcome


def _on_cluster(jobs: Sequence[BatchJob], address: str, stop: Stop, insecure: bool) -> Outcomes:
    for job, future in futures_on_cluster(run_here, jobs, address, stop, insecure=insecure):
        try:
            found = future.result()
        except Exception as err:
            # its workers died, or the cluster is gone
            found = _lost(job, f"{type(err).__name__}: {err}")
        yield job, found


def _lost(job: BatchJob, reason: str) -> JobRecord:
    """Return the record of a job that could not keep one itself, and keep it."""
    found = JobRecord(job.name, settings_of(job), status="failed", error=reason)
    with contextlib.suppress(OSError):
        _keep(job, found)
    return found


def _keep(job: BatchJob, record: JobRecord) -> None:
    text = json.dumps(asdict(record), indent=1, ensure_ascii=False)
    write_text(_record_of(job), text + "\n")


def _record_of(job: BatchJob) -> Path:
    return Path(job.args.output.parent, RECORDS, f"{job.name}.json")


def _log_of(job: BatchJob) -> Path:
    return Path(job.args.output.parent, RECORDS, f"{job.name}.log")


COLUMNS = ("job", "status", "image", "labels", "model", "objects", "pixels", "seconds", "error")

Done = tuple[BatchJob, JobRecord]


def counted(done: Iterable[Done]) -> str:
    """Return how many jobs came to which end, in words."""
    counts = Counter(record.status for _, record in done)
    return ", ".join(f"{counts[s]} {s}" for s in ("done", "skipped", "failed") if counts[s])


def as_csv(done: Sequence[Done]) -> str:
    """Return a table with one row a job."""
    return csv_text([COLUMNS, *(_row(job, record) for job, record in done)])


def as_html(done: Sequence[Done]) -> str:
    """Return a page that needs no other file; it links labels and logs beside it."""
    # the style is written into the page, so that it needs no other file
    style = files("napari_intseg.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    head = "".join(f'<th scope="col" class="text">{name}</th>' for name in (*COLUMNS, "log"))
    body = "\n".join(_row_html(job, record) for job, record in done)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Batch</title>'
        f"<style>{style}</style></head><body>\n<h1>Batch of {len(done)} jobs</h1>\n"
        f'<p>{escape(counted(done))}. <span class="soft">napari-intseg {escape(__version__)}'
        f'</span></p>\n<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n'
        "</tbody></table></div></body></html>\n"
    )


def _row(job: BatchJob, record: JobRecord) -> list[str]:
    from napari_intseg.models.registry import DEFAULT_MODEL

    sizes = record.sizes or {}
    return [
        job.place,
        record.status,
        str(job.args.image),
        job.name,
        job.args.model or DEFAULT_MODEL,
        " ".join(sizes),
        " ".join(map(str, sizes.values())),
        f"{record.seconds:.3f}",
        " ".join(record.error.split()),
    ]


def _row_html(job: BatchJob, record: JobRecord) -> str:
    cells = [f'<td class="text">{escape(cell)}</td>' for cell in _row(job, record)]
    if record.status != "failed":
        cells[3] = f'<td class="text"><a href="{quote(job.name)}">{escape(job.name)}</a></td>'
    log = f'<td class="text"><a href="{RECORDS}/{quote(job.name)}.log">log</a></td>'
    return f"<tr>{''.join(cells)}{log}</tr>"
