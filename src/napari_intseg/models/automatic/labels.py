"""Findings of an automatic model as labels, the same object under the same number on all planes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.models.automatic.findings import Finding

Labels = NDArray[np.int32]

_ALIKE = 0.3  # objects on neighbouring planes that overlap so far (IoU) are one


@dataclass(slots=True)
class Numbering:
    """Gives numbers to findings, plane after plane.

    Parameters
    ----------
    by_name : bool
        True: all that has one name is one object. False: an object goes on where one of the same
        name on the plane before overlaps it, and is a new one otherwise.
    names : dict of int to str
        Filled as labels are given.
    """

    by_name: bool
    names: dict[int, str] = field(default_factory=dict)
    _before: Labels | None = None

    def labels(self, findings: Sequence[Finding], shape: tuple[int, int]) -> Labels:
        """Return the labels of a plane, int32 (H, W); where findings overlap, the surer one's.

        Parameters
        ----------
        findings : sequence of Finding
            The surest first.
        shape : (int, int)
            Of the plane.
        """
        out = np.zeros(shape, np.int32)
        taken: set[int] = set()
        for finding in findings:
            free = finding.mask & (out == 0)
            if not free.any():
                continue
            label = self._label(finding.name, free, taken)
            taken.add(label)
            out[free] = label
        self._before = out
        return out

    def _label(self, name: str, mask: BoolArray, taken: set[int]) -> int:
        known = [label for label, other in self.names.items() if other == name]
        if self.by_name:
            label = known[0] if known else 0
        else:
            label = self._same(mask, [one for one in known if one not in taken])
        if not label:
            label = len(self.names) + 1
            self.names[label] = name
        return label

    def _same(self, mask: BoolArray, candidates: Sequence[int]) -> int:
        """Return which object of the plane before goes on, 0 if none does."""
        best, best_overlap = 0, _ALIKE
        if self._before is None:
            return best
        for label in candidates:
            other = self._before == label
            overlap = np.count_nonzero(mask & other) / np.count_nonzero(mask | other)
            if overlap >= best_overlap:
                best, best_overlap = label, overlap
        return best
