"""`napari-intseg models`: which models there are, and what each needs."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

HELP = "list the models, with prompts, licence, size and state"
DESCRIPTION = """List the models, with the prompts they take, licence, size of the weights, and
whether they can be used here and now.

examples:
  napari-intseg models
  napari-intseg models --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("--json", action="store_true", help="for programs: everything, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the list; returns 0."""
    rows = model_rows()
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    columns = ("name", "prompts", "licence", "size", "state", "title")
    shown = [_shown(row) for row in rows]
    print(table([columns, *(tuple(str(row[c]) for c in columns) for row in shown)]))
    return 0


def model_rows() -> list[dict[str, Any]]:
    """Return what is known of every model, as plain values."""
    from napari_intseg.models.catalogue import CATALOGUE
    from napari_intseg.models.registry import DEFAULT_MODEL, available_models

    rows = []
    for name, spec in available_models().items():
        weights = CATALOGUE.get(spec.weights) if spec.weights else None
        state = "ready" if spec.has_weights else "weights missing"
        if not spec.is_installed:
            state = f"needs napari-intseg[{spec.extra}]"
        rows.append(
            {
                "name": name,
                "title": spec.title,
                "family": spec.family,
                "prompts": sorted(spec.prompts),
                "licence": spec.licence,
                "weights": spec.weights,
                "size_mb": weights.size_mb if weights else None,
                "state": state,
                "paper": spec.paper,
                "note": spec.note,
                "is_default": name == DEFAULT_MODEL,
            }
        )
    return rows


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as columns of text, the first row as the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    size = "–" if row["weights"] is None else "?" if row["size_mb"] is None else ""
    note = f" – {row['note']}" if row["note"] else ""
    mark = " (default)" if row["is_default"] else ""
    return row | {
        "name": row["name"] + mark,
        "prompts": ", ".join(row["prompts"]),
        "size": size or f"{row['size_mb']:g} MB",
        "title": row["title"] + note,
    }
