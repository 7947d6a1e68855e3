"""What several readers most likely meant, each weighed by how well they agree with the others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError

# STAPLE settles within some ten rounds; the bound is for data that never does
_MAX_ROUNDS = 100


def staple(readers: Sequence[Array]) -> Array:
    """Return the labels that several readers most likely meant, by STAPLE [1]_.

    Each object is estimated by itself, in the smallest box that holds what anyone marked as it,
    grown by a voxel; where two objects claim a voxel the likelier one has it.

    Parameters
    ----------
    readers : sequence of ndarray of int, shape (H, W) or (D, H, W) each
        Two or more on one grid; a number means the same object in each.

    Returns
    -------
    ndarray of int32, shape of each
        Voxels of an object where its probability is at least one half.

    Raises
    ------
    DataError
        If there are fewer than two readers or the grids differ.

    References
    ----------
    .. [1] Warfield, S. K., Zou, K. H., Wells, W. M. "Simultaneous truth and performance level
       estimation (STAPLE)", IEEE Transactions on Medical Imaging 23, 2004.
    """
    import SimpleITK

    # most of it has no annotations
    sitk: Any = SimpleITK
    if len(readers) < 2 or len({one.shape for one in readers}) > 1:
        raise DataError(
            "readers do not fit: expected two or more on one grid, got shapes "
            f"{[tuple(one.shape) for one in readers]}. Resample the labels onto one image first."
        )
    out = np.zeros(readers[0].shape, np.int32)
    # one half: a voxel belongs to an object that more likely covers it than not
    best = np.full(readers[0].shape, 0.5)
    for label in sorted(set().union(*(set(np.unique(one).tolist()) for one in readers)) - {0}):
        box = _box(readers, label)
        masks = [np.ascontiguousarray(one[box] == label).astype(np.uint8) for one in readers]
        if all((mask == masks[0]).all() for mask in masks):
            # nothing to estimate: the answer is what all say
            likely = masks[0].astype(float)
        else:
            images = [sitk.GetImageFromArray(mask) for mask in masks]
            estimate = sitk.STAPLEImageFilter()
            estimate.SetMaximumIterations(_MAX_ROUNDS)
            estimate.SetForegroundValue(1.0)
            likely = sitk.GetArrayFromImage(estimate.Execute(images))
        wins = likely >= best[box]
        best[box][wins] = likely[wins]
        out[box][wins] = label
    return out


def _box(readers: Sequence[Array], label: int) -> tuple[slice, ...]:
    marked = np.any([one == label for one in readers], axis=0)
    (box,) = ndimage.find_objects(marked.astype(np.uint8))
    # one voxel of background all round, from which STAPLE learns how specific readers are
    return tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
