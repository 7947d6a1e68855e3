"""`napari-intseg models`: which models there are, and what each needs."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

HELP = "list the models, with prompts, licence, size and state"
DESCRIPTION = """List the models, with the prompts they take, licence, size of the weights, and
whether they can be used here and now. A licence in [brackets] binds: read it before you use the
model or what it makes.

examples:
  napari-intseg models
  napari-intseg models --automatic
  napari-intseg models --networks
  napari-intseg models --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("--json", action="store_true", help="for programs: everything, as JSON")
    parser.add_argument(
        "--automatic", action="store_true",
        help="instead those that need no clicks, for `napari-intseg start`",
    )  # fmt: skip

    parser.add_argument(
        "--networks", action="store_true",
        help="instead those that `napari-intseg train --network` builds",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print the list; returns 0."""
    if args.networks:
        return _tell_networks(as_json=args.json)
    rows = automatic_rows() if args.automatic else model_rows()
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    columns = ("name", "prompts", "licence", "size", "state", "title")
    shown = [_shown(row) for row in rows]
    print(table([columns, *(tuple(str(row[c]) for c in columns) for row in shown)]))
    return 0


def model_rows() -> list[dict[str, Any]]:
    """Return what is known of every model, as plain values."""
    from napari_intseg.models.registry import DEFAULT_MODEL, available_models
    from napari_intseg.models.weights.catalogue import CATALOGUE, badge

    rows, specs = [], available_models()
    for name, spec in specs.items():
        # a pair of models needs the files of both
        keys = [spec.weights, *(specs[part].weights for part in spec.parts)]
        sizes = [CATALOGUE[key].size_mb for key in keys if key in CATALOGUE]
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
                "badge": badge(spec.licence, spec.note),
                "weights": spec.weights,
                # a sum with an unknown part would be told as a size
                "size_mb": None if None in sizes or not sizes else sum(filter(None, sizes)),
                "state": state,
                "paper": spec.paper,
                "note": spec.note,
                "is_default": name == DEFAULT_MODEL,
            }
        )
    return rows


def automatic_rows() -> list[dict[str, Any]]:
    """Return what is known of all that finds objects without clicks by a name, as plain values."""
    from napari_intseg.models.automatic.hub_models import FAMILIES, is_installed
    from napari_intseg.models.automatic.open_model import known_names
    from napari_intseg.models.weights.catalogue import badge

    empty = {"weights": None, "size_mb": None, "paper": "", "note": "", "is_default": False}
    named = [
        {
            "name": name, "title": title, "family": "automatic", "prompts": ["image"],
            "licence": licence, "badge": badge(licence) if name != "everything" else "",
            "state": state, **empty,
        }
        for name, (title, licence, state) in known_names().items()
    ]  # fmt: skip
    state = "ready with a folder" if is_installed() else "needs napari-intseg[automatic]"
    return [
        {
            "name": family.name,
            "title": family.title,
            "family": "automatic",
            "prompts": ["image", "text"] if family.takes_text else ["image"],
            "licence": family.licence,
            "badge": badge(family.licence, family.note),
            "weights": None,
            "size_mb": None,
            "state": state,
            "paper": family.paper,
            "note": family.note,
            "is_default": False,
        }
        for family in FAMILIES.values()
    ] + named


def _tell_networks(*, as_json: bool) -> int:
    from napari_intseg.models import networks as semantic
    from napari_intseg.models.networks import NETWORKS

    heads = ("name", "title", "paper", "task")
    known = [(one.name, one.title, one.paper, "clicks") for one in NETWORKS.values()]
    known += [
        (n, one.title, one.paper, "semantic") for n, one in semantic.SEMANTIC_NETWORKS.items()
    ]
    guided = semantic.REVOLVER
    known.append((guided.name, guided.title, guided.paper, "guided"))
    if as_json:
        rows = [dict(zip(heads, row, strict=True)) for row in known]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print(table([heads, *known]))
    return 0


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as columns of text, the first row as the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    size = "" if row["size_mb"] is not None else "–" if row["weights"] is None else "?"
    note = f" – {row['note']}" if row["note"] else ""
    mark = " (default)" if row["is_default"] else ""
    return row | {
        "name": row["name"] + mark,
        "prompts": ", ".join(row["prompts"]),
        "licence": row["licence"] + (f" [{row['badge']}]" if row["badge"] else ""),
        "size": size or f"{row['size_mb']:g} MB",
        "title": row["title"] + note,
    }
