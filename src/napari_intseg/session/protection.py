"""What may be written where: locked objects, regions, and who gives way when objects meet."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, PromptError
from napari_intseg.session.state import Window

Policy = Literal["keep", "overwrite", "ask"]
POLICIES: tuple[Policy, ...] = ("keep", "overwrite", "ask")

PROTECTION: Literal["protection"] = "protection"
"""Where history keeps the `Protection`."""


@dataclass(frozen=True, slots=True, eq=False)
class Protection:
    """Rules that every write obeys.

    Parameters
    ----------
    policy : {"keep", "overwrite", "ask"}
        When an answer reaches into another object that is not locked: "keep": that object keeps
        its pixels. "overwrite": it loses them. "ask": it keeps them until `take_over`.
    inside : int or None
        Pixels change only where this label is: they are taken from it, or from the current
        object.
    region : ndarray of bool, or None
        Of the data's shape; pixels outside it never change.
    locked, unlocked : frozenset of int
        Objects that are locked although they are not finished, and the other way round.
    """

    policy: Policy = "keep"
    inside: int | None = None
    region: BoolArray | None = None
    locked: frozenset[int] = frozenset()
    unlocked: frozenset[int] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether some pixels can be written by nobody, or not by the background."""
        return self.region is not None or self.inside is not None

    def region_on(self, volume: Volume, plane: Plane, window: Window) -> BoolArray | None:
        """Return the region on a window of a plane; None: everywhere."""
        if self.region is None:
            return None
        on_window: BoolArray = np.asarray(volume.of(self.region, plane)[window], bool)
        return on_window


def check_policy(policy: str) -> Policy:
    """Return the policy of a name.

    Raises
    ------
    PromptError
        If there is none.
    """
    for one in POLICIES:
        if one == policy:
            return one
    raise PromptError(
        f"overlap policy is unknown: expected one of {', '.join(POLICIES)}, got {policy!r}. "
        "Choose one of these."
    )


def check_region(region: BoolArray | None, volume: Volume) -> BoolArray | None:
    """Return a region as a mask of the data's shape; a slice's holds on all planes of axis 0.

    Raises
    ------
    DataError
        If it has another shape.
    """
    if region is None:
        return None
    given: BoolArray = np.asarray(region) != 0
    if given.shape == volume.shape:
        return given.copy()
    if given.shape == volume.slice_shape(0):
        return np.broadcast_to(given, volume.shape).copy()
    raise DataError(
        f"region is on another grid: expected shape {volume.shape} or {volume.slice_shape(0)}, "
        f"got {given.shape}. Resample it onto the data's grid first."
    )
