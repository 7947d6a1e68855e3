"""When memory runs out: predict again with smaller views, step by step, and say so.

The steps are half precision, smaller views, and the CPU, as far as a model can take them. A step
that was taken is kept for what comes next, so that memory does not run out at every click. It
belongs to the model: one that is loaded anew begins at the top, and so does one that was released.
"""

import gc
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard, TypeVar
from weakref import ref

from napari_intseg.core.segmenter import (
    NOTHING,
    Saving,
    SavingSegmenter,
    Segmenter,
    is_out_of_memory,
)
from napari_intseg.errors import DeviceError

SMALLER_PX = (768, 512, 256)
"""Longer sides of the view that are tried in turn, where a model does not say what it can do."""

_VIEWS = (NOTHING, *(Saving(view_px=side) for side in SMALLER_PX))
# what is given up for models that do not see to it themselves, by their id, while they live
_limits: dict[int, tuple[Callable[[], Any], Saving]] = {}
_log = logging.getLogger(__name__)

T = TypeVar("T")


class NoNumbers(Exception):
    """A model answered NaN, which is nothing that can be drawn."""


def saving_of(model: Segmenter) -> Saving:
    """Return what a model gives up now because memory ran out."""
    kept, saving = _limits.get(id(model), (None, NOTHING))
    # the number may have been that of a model that is gone
    if kept is not None and kept() is model:
        return saving
    own: Saving = getattr(model, "saving", NOTHING)
    return own


def memory_note(model: Segmenter) -> str:
    """Return what to tell people of an answer that a model gives now; empty: nothing."""
    saving = saving_of(model)
    if saving == NOTHING:
        return ""
    told = f"memory ran out: computed {saving.told}" if saving.told else ""
    exact = "half precision gave no numbers: computed in float32" if saving.exact else ""
    return "; ".join(note for note in (told, exact) if note)


def give_up_half(model: Segmenter) -> bool:
    """Have a model compute in float32 from now on; False if it does already, or cannot.

    What it computes in half precision may exceed that format's range, and becomes NaN. Like the
    steps down it holds until the model is loaded anew or released.
    """
    if not isinstance(model, SavingSegmenter) or not getattr(model, "is_half", False):
        return False
    model.save_memory(replace(model.saving, half=False, exact=True))
    _log.warning("%s: %s", model.traits.name, memory_note(model))
    return True


def within_memory(
    model: Segmenter,
    attempt: Callable[[], T],
    *,
    store: object = None,
    seen_px: Callable[[], float] | None = None,
) -> T:
    """Call a function that uses a model; where memory runs out, call it again with less.

    Parameters
    ----------
    model : Segmenter
        What it gives up is changed, and stays so.
    attempt : callable
        Asks the model; called again from the start after each step.
    store : PreparedStore, optional
        Emptied after each step if it has ``clear``: it may hold memory of the device, and what the
        model prepared before is of no use any more.
    seen_px : callable, optional
        Returns the longer side of what the model sees, when memory has run out for the first time;
        views that are not smaller are not tried.

    Returns
    -------
    Any
        What `attempt` returned.

    Raises
    ------
    DeviceError
        If there is no room whatever is given up. The next attempt then begins at the top.
    """
    largest_px: float | None = None
    while True:
        try:
            return attempt()
        except (MemoryError, RuntimeError) as err:
            if not is_out_of_memory(err):
                raise
            # kept without its frames; the next attempt begins outside of the handler, whose frames
            # hold memory
            failed = _bare(err)
        clear = getattr(store, "clear", None)
        if clear is not None:
            clear()
        # cycles round the error may hold what filled the memory
        gc.collect()
        if largest_px is None:
            # asked for here: it is of no use as long as there is memory
            largest_px = float("inf") if seen_px is None else seen_px()
        if not _step_down(model, largest_px):
            raise _no_room(model, failed) from failed
        _log.warning("%s: %s (%s)", model.traits.name, memory_note(model), failed)


def warm_up(model: Segmenter) -> None:
    """Have a model answer once, if it knows how to, with less memory if it must.

    Raises
    ------
    DeviceError
        If there is no room for it at all.
    """
    call: Callable[[], None] | None = getattr(model, "warm_up", None)
    if call is not None:
        # a warm-up has no view of its own, so smaller views are not tried for it
        within_memory(model, call, seen_px=lambda: 0)


def _step_down(model: Segmenter, seen_px: float) -> bool:
    """Give up more; False, and nothing given up, if there is no more to give up."""
    steps = _steps(model)
    is_exact = saving_of(model).exact
    now = replace(saving_of(model), exact=False)
    left = list(steps[steps.index(now) + 1 :] if now in steps else steps[1:])
    while left:
        step = left.pop(0)
        if step.view_px is not None and step.view_px >= seen_px:
            continue
        try:
            _save(model, replace(step, exact=is_exact))
        except (MemoryError, RuntimeError) as err:
            if not is_out_of_memory(err):
                raise
            continue
        return True
    # the next attempt begins at the top: there may be room by then
    _save(model, NOTHING)
    return False


def _steps(model: Segmenter) -> tuple[Saving, ...]:
    return model.savings if _is_able(model) else _VIEWS


def _save(model: Segmenter, saving: Saving) -> None:
    if _is_able(model):
        model.save_memory(saving)
        return
    key = id(model)
    if saving == NOTHING:
        _limits.pop(key, None)
        return
    kept: Callable[[], Any]
    try:
        # weakly, so that the table keeps no model alive, and the number of one that is gone is not
        # taken for that of another
        kept = ref(model, lambda _: _limits.pop(key, None))
    except TypeError:
        # it cannot be referred to weakly: it stays alive
        kept = partial(_same, model)
    _limits[key] = kept, saving


def _same(model: Any) -> Any:
    return model


def _is_able(model: Any) -> TypeGuard[SavingSegmenter]:
    return isinstance(model, SavingSegmenter) and bool(model.savings)


def _bare(err: BaseException) -> BaseException:
    """Return an error without its frames, which would keep alive what filled the memory."""
    found: BaseException | None = err
    while found is not None:
        found.__traceback__ = None
        found = found.__cause__ or found.__context__
    return err


def _no_room(model: Segmenter, failed: BaseException) -> DeviceError:
    steps = _steps(model)
    cpu = "" if _is_able(model) else ", or device='cpu'"
    return DeviceError(
        f"memory is too small for {model.traits.name!r}: expected room for an answer computed "
        f"{steps[-1].told or 'as it was loaded'}, got none ({failed}). Close other programs, "
        f"choose a smaller model{cpu}."
    )
