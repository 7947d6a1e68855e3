"""The weights that the fixtures in ``shared/parity`` were computed with.

They are what the fixtures' own ``det_weights.py`` makes, drawn a piece at a time: a network of 600
million weights takes a third of the time so, and no array of 5 GB. A test compares the two.
"""

import zlib
from typing import Any

import numpy as np
import torch

_PIECE = 1 << 16
"""Values drawn at once; they stay in the processor's cache."""


def reference_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the values of a parameter or buffer, which follow from its name and shape.

    Parameters
    ----------
    name : str
        As in the state dict.
    shape : tuple of int
        Of the tensor.

    Returns
    -------
    ndarray of float32, or of int64 for ``num_batches_tracked``
    """
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return rng.uniform(0.7, 1.3, shape).astype(np.float32)
    if name.endswith("running_mean"):
        return rng.normal(0, 0.1, shape).astype(np.float32)
    if len(shape) == 1 and name.endswith("weight"):
        return rng.uniform(0.6, 1.0, shape).astype(np.float32)
    if name.endswith("bias") or len(shape) < 2:
        return np.asarray(rng.normal(0, 0.05, shape), np.float32)
    values = np.empty(shape, np.float32)
    flat = values.reshape(-1)
    spread = np.sqrt(max(1, np.prod(shape[1:])))
    piece = np.empty(_PIECE)
    for start in range(0, flat.size, _PIECE):
        drawn = piece[: flat.size - start]
        rng.standard_normal(out=drawn)
        np.divide(drawn, spread, out=drawn)
        flat[start : start + _PIECE] = drawn
    return values


def reference_state_dict(info: dict[str, Any]) -> dict[str, Any]:
    """Return the state dict of a fixture's JSON, its overrides applied."""
    state_dict = {
        name: torch.from_numpy(reference_array(name, tuple(shape)).reshape(shape))
        for name, shape in info["shapes"].items()
    }
    for name, factor in info.get("overrides", {}).items():
        state_dict[name] = state_dict[name] * factor
    return state_dict
