"""Planes between two anchors: what propagation works through in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from napari_intseg.inference.patch import Patch


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """A plane whose mask a person settled; propagation starts there and never changes it.

    Parameters
    ----------
    index : int
        Along the axis.
    patch : Patch
        The answer there, without what other objects hold.
    is_empty : bool
        Whether the object is absent there: nothing starts from such an anchor.
    source : object
        What the mask was made of; equal as long as it is still the same.
    doubt : str
        Why nothing starts from it although it has a mask, see `guard.doubted`; empty: it is sound.
    is_settled : bool
        Whether a person insisted on the mask, so that it is not doubted.
    removed : Patch or None
        What propagation had said there and a person took away: walks from the other side leave it
        out as well.
    is_remnant : bool
        Whether nobody pointed at the object there: it is what negative clicks left.
    """

    index: int
    patch: Patch
    is_empty: bool
    source: object
    doubt: str = ""
    is_settled: bool = False
    removed: Patch | None = None
    is_remnant: bool = False

    @property
    def is_start(self) -> bool:
        """Whether walks start from it."""
        return not self.is_empty and not self.doubt


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring planes without an anchor, and the anchors on either side.

    Parameters
    ----------
    axis : int
        The planes are perpendicular to it.
    left, right : Anchor or None
        The nearest before and after it; None if there is none. At least one is there, and it need
        not be next to the planes: those between are passed through and left as they are.
    first, last : int
        The planes to answer, both inclusive.
    """

    axis: int
    left: Anchor | None
    right: Anchor | None
    first: int
    last: int

    def __contains__(self, index: int) -> bool:
        return self.first <= index <= self.last

    @property
    def forward(self) -> range:
        """Planes in the order of a walk from the left anchor; none without its mask."""
        if self.left is None or not self.left.is_start:
            return range(0)
        return range(self.left.index + 1, self.last + 1)

    @property
    def backward(self) -> range:
        """Planes in the order of a walk from the right anchor; none without its mask."""
        if self.right is None or not self.right.is_start:
            return range(0)
        return range(self.right.index - 1, self.first - 1, -1)


def stretches(axis: int, anchors: Sequence[Anchor], planes: range) -> list[Stretch]:
    """Return a range of planes, split at the anchors, without them.

    Parameters
    ----------
    axis : int
        The planes are perpendicular to it.
    anchors : sequence of Anchor
        In any order.
    planes : range
        With step 1; only these are answered.
    """
    ordered: list[Anchor | None] = [None, *sorted(anchors, key=lambda a: a.index), None]
    found = []
    for left, right in pairwise(ordered):
        first = planes.start if left is None else max(planes.start, left.index + 1)
        last = planes.stop - 1 if right is None else min(planes.stop - 1, right.index - 1)
        if (left is not None or right is not None) and first <= last:
            found.append(Stretch(axis, left, right, first, last))
    return found
