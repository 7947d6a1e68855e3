"""Numbers of a run: a CSV file, and TensorBoard where it is installed."""

import csv
import io
from collections.abc import Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_intseg.core.files import write_text
from napari_intseg.training.validate import Measured

_MEASURED = tuple(field.name for field in fields(Measured))
COLUMNS = ("step", "seconds", "size_px", "rate", "loss", "first_iou", "last_iou", *_MEASURED)


class Log:
    """Appends rows to ``log.csv``; a run that goes on forgets what it will do again.

    Parameters
    ----------
    output : Path
        Folder of the run.
    step : int
        Rows behind this step are of a run that was killed, and are taken out.
    """

    def __init__(self, output: Path, step: int = 0) -> None:
        self._path = output / "log.csv"
        kept = [row for row in read_log(output) if int(row["step"]) <= step] if step else []
        stream = io.StringIO()
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(kept)
        write_text(self._path, stream.getvalue())
        self._board: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(output / "tensorboard"), purge_step=step or None)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Append a row; columns that are not given, or None, stay empty."""
        values = {name: value for name, value in values.items() if value is not None}
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            shown = {name: f"{value:.6g}" for name, value in values.items()}
            csv.DictWriter(stream, COLUMNS).writerow({"step": step, **shown})
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Let go of TensorBoard's file."""
        if self._board is not None:
            self._board.close()


def read_log(output: Path) -> list[dict[str, str]]:
    """Return the rows of a run's log; none when there is no log yet."""
    path = output / "log.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [dict(row) for row in csv.DictReader(stream)]


def measurements(output: Path) -> dict[int, Measured]:
    """Return what was measured so far, by step."""
    return {
        int(row["step"]): Measured(*(_number(row.get(name)) for name in _MEASURED))  # type: ignore[arg-type]
        for row in read_log(output)
        if row[_MEASURED[0]]
    }


def _number(text: str | None) -> float | None:
    """Return a value of the log; None where it is empty or older than its column."""
    return float(text) if text else None
