"""The summary of a batch: a table for programs and a page for people."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from urllib.parse import quote

from napari_intseg import __version__
from napari_intseg.cli.batch_run import RECORDS, JobRecord
from napari_intseg.cli.batch_table import BatchJob

COLUMNS = ("job", "status", "image", "labels", "model", "objects", "pixels", "seconds", "error")

Done = tuple[BatchJob, JobRecord]


def counted(done: Iterable[Done]) -> str:
    """Return how many jobs came to which end, in words."""
    counts = Counter(record.status for _, record in done)
    return ", ".join(f"{counts[s]} {s}" for s in ("done", "skipped", "failed") if counts[s])


def as_csv(done: Sequence[Done]) -> str:
    """Return a table with one row a job."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(_row(job, record) for job, record in done)
    return out.getvalue()


def as_html(done: Sequence[Done]) -> str:
    """Return a page that needs no other file; it links labels and logs beside it."""
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
