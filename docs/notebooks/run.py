"""Run notebooks and keep what they print: ``python docs/notebooks/run.py [name …]``."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def run(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Run all code cells of a notebook, one after the other, in one namespace.

    Parameters
    ----------
    path : Path
        An `.ipynb` file; the working directory is where it looks for files.

    Returns
    -------
    names : dict
        What the cells have defined.
    printed : list of str
        What each code cell has printed.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for number, cell in enumerate(code_cells(json.loads(path.read_text("utf-8"))), start=1):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
        printed.append(out.getvalue())
    return names, printed


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of a notebook that are run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def keep(path: Path) -> None:
    """Run a notebook and write what it prints into it."""
    notebook = json.loads(path.read_text("utf-8"))
    _, printed = run(path)
    for number, (cell, text) in enumerate(zip(code_cells(notebook), printed, strict=True), start=1):
        cell["execution_count"] = number
        lines = text.splitlines(keepends=True)
        cell["outputs"] = (
            [{"name": "stdout", "output_type": "stream", "text": lines}] if text else []
        )
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb")):
        keep(HERE / f"{name}.ipynb")
