"""From clicked planes outward, plane by plane, the neighbour's mask as guidance."""

from collections.abc import Iterator
from dataclasses import dataclass

from napari_intseg.core.volume import Plane
from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.plan import Walk, WalkSettings, with_memory
from napari_intseg.propagation.stretch import Stretch
from napari_intseg.propagation.worker import Worker

__all__ = ["Step", "Walk", "WalkSettings", "walk", "with_memory"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One plane done, or the end of a stretch.

    Parameters
    ----------
    walk : Walk
        What it belongs to.
    stretch : Stretch
        The part of it.
    plane : Plane or None
        Which has an answer; None: the stretch is done.
    patch : Patch or None
        The answer. Between two anchors, that of the first walk comes first and is replaced by the
        reconciled one when the second passes by.
    confidence : float
        0 to 1, see `propagation.confidence`.
    done, total : int
        Of the work.
    answered : frozenset of int
        At the end of a stretch, all planes that have an answer.
    note : str
        What the model told people with the answer, e.g. that memory ran out; empty: nothing.
    """

    walk: Walk
    stretch: Stretch
    plane: Plane | None
    patch: Patch | None
    confidence: float
    done: int
    total: int
    answered: frozenset[int] = frozenset()
    note: str = ""


def walk(request: Walk) -> Iterator[Step]:
    """Propagate; stop iterating to cancel, what has come by then is good.

    From an anchor with anchors on both sides, walks start at both, each through the whole
    stretch, and where both have answered their probabilities are averaged, weighted by the
    distance to the other's anchor. So the answer passes smoothly from one to the other.

    Parameters
    ----------
    request : Walk
        From `Session.propagation_request`. Not changed.

    Yields
    ------
    Step
        One for each plane answered, and one at the end of each stretch.
    """
    done = 0
    for stretch in request.stretches:
        worker = Worker(request, stretch)
        for plane, patch, confidence, passed in worker.run():
            yield Step(
                request, stretch, plane, patch, confidence, done + passed, request.total,
                note=worker.note,
            )  # fmt: skip
        done += request.work(stretch)
        yield Step(
            request, stretch, None, None, 1.0, done, request.total, frozenset(worker.answers)
        )
