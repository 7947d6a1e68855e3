"""Answers made ready to be kept: what takes time is done where they are computed."""

from dataclasses import dataclass

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.squeezed import squeeze
from napari_intseg.propagation.blend import trimmed


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """What is kept for ever of an answer.

    Parameters
    ----------
    patch : Patch
        Its logits near the mask, packed.
    inside : ndarray of bool
        Its mask, on the patch's rectangle.
    """

    patch: Patch
    inside: BoolArray


def pack(patch: Patch, threshold: float) -> Packed:
    """Return what is kept of an answer, the same for the same answer; see `Traits.threshold`.

    It takes tens of milliseconds on a large slice, so a window has it done in another thread.
    """
    kept = squeeze(trimmed(patch, threshold), threshold)
    return Packed(kept, kept.inside(threshold))
