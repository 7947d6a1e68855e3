"""What unlimited undo costs: memory an action, over thousands of random actions without a window.

Run ``python benchmarks/history_memory.py``. Discs are clicked, moved, painted over, undone and
brought back on slices of 512 × 512 pixels; `tracemalloc` counts what Python and numpy hold. The
same run is made with the journal and without it.
"""

import argparse
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg import Plane, Session, Volume
from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Query, Traits

SHAPE = (8, 512, 512)


class Discs:
    """Answers with discs of 40 pixels round positive clicks, less smaller ones round negatives."""

    traits = Traits("discs", prompts=CLICKS)

    def prepare(self, image: Any) -> Prepared:
        """Keep the shape."""
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query: Query) -> Answer:
        """Answer from the clicks alone."""
        logits = np.full(query.prepared.shape, -8, np.float32)
        for click in query.prompts.clicks:
            radius = 40 if click.positive else 15
            top, left = (max(0, round(at) - radius) for at in (click.row, click.col))
            part = logits[top : round(click.row) + radius, left : round(click.col) + radius]
            rows, cols = np.ogrid[: part.shape[0], : part.shape[1]]
            near = np.hypot(rows + top - click.row, cols + left - click.col) < radius
            part[near] = 8 if click.positive else -8
        return Answer(logits)


def act(session: Session, rng: np.random.Generator) -> None:
    """Do one thing at random."""
    plane, row, col = (int(rng.integers(n)) for n in SHAPE)
    kind = rng.integers(10)
    if kind < 5:
        where = Plane(0, plane)
        clicks = session.prompts(where).clicks
        if len(clicks) > 20:
            session.give({where: Prompts()})
        session.click((plane, row, col), bool(rng.random() < 0.7))
    elif kind < 6:
        stroke = np.zeros(SHAPE[1:], bool)
        stroke[row : row + 12, col : col + 30] = True
        session.paint({Plane(0, plane): stroke}, int(rng.integers(3)))
    elif kind < 8:
        session.undo()
    elif kind < 9:
        session.redo()
    elif clicks := session.clicks:
        placed = clicks[int(rng.integers(len(clicks)))]
        moved = list(session.prompts(placed.plane).clicks)
        moved[placed.number] = Click(float(row), float(col), placed.click.positive)
        session.give({placed.plane: Prompts(tuple(moved))})
        session.predict(placed.plane)


def main() -> None:
    """Act, and print what it costs after each thousand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=4000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    session = Session(Discs(), Volume(np.zeros(SHAPE, np.uint8)))
    tracemalloc.start()
    start, before = time.monotonic(), 0
    for number in range(1, args.actions + 1):
        act(session, rng)
        if number % 1000 == 0:
            now = tracemalloc.get_traced_memory()[0]
            room = Path("session", "journal")
            journal = held_by(str(room / "recorder.py"), str(room / "codec.py"))
            each = (now - before) / 1000
            print(
                f"{number} actions: {now / 1e6:.1f} MB, {each:.0f} bytes an action since the last "
                f"look; the journal {journal / 1e6:.1f} MB, {time.monotonic() - start:.0f} s",
                flush=True,
            )
            before = now


def held_by(*files: str) -> int:
    """Return the bytes that were asked for in some files."""
    traces = tracemalloc.take_snapshot().statistics("filename")
    return sum(one.size for one in traces if one.traceback[0].filename.endswith(files))


if __name__ == "__main__":
    main()
