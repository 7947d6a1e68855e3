"""When memory runs out: a smaller view instead of no answer, and a plain word of it."""

import logging
from collections.abc import Callable
from dataclasses import replace

from napari_intseg.errors import DeviceError
from napari_intseg.inference.predict import Options, SliceAnswer

SMALLER_PX = (768, 512, 256)
"""Longer sides of the view that are tried in turn."""

_log = logging.getLogger(__name__)


def is_out_of_memory(err: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on whichever device."""
    if isinstance(err, MemoryError):
        return True
    said = str(err).lower()
    return isinstance(err, RuntimeError) and ("out of memory" in said or "memory is too" in said)


def answer_within_memory(ask: Callable[..., SliceAnswer], options: Options) -> SliceAnswer:
    """Ask a model; where memory runs out, ask again with smaller views.

    Models that can do more by themselves (SAM computes in half precision, then on the CPU) have
    done so before.

    Parameters
    ----------
    ask : callable
        Asks; takes `options` by name.
    options : Options
        As they are wanted.

    Returns
    -------
    SliceAnswer
        Its `info` holds a note if the view was smaller than wanted.

    Raises
    ------
    DeviceError
        If there is no room even for the smallest.
    """
    failed: Exception
    try:
        return ask(options=options)
    except (MemoryError, RuntimeError) as err:
        if not is_out_of_memory(err):
            raise
        failed = err
    for side in SMALLER_PX:
        try:
            answer = ask(options=replace(options, longer_side_px=side))
        except (MemoryError, RuntimeError) as err:
            if not is_out_of_memory(err):
                raise
            failed = err
            continue
        note = f"memory ran out; the view was limited to {side} px"
        _log.warning(note)
        return replace(answer, info={**answer.info, "note": note})
    raise DeviceError(
        f"memory is too small for one answer: expected room for a view of {SMALLER_PX[-1]} px, "
        f"got none ({failed}). Close other programs, choose a smaller model, or device='cpu'."
    ) from failed
