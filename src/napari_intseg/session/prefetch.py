"""Preparing planes before their first click."""

from dataclasses import dataclass
from functools import partial

from napari_intseg.core.volume import Plane
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.predict import (
    Options,
    largest_view_px,
    prepare_slice,
    whole_keys,
)
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.session.embeddings import LayeredCache, PreparedCache
from napari_intseg.session.question import Setup
from napari_intseg.session.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class PrepareRequest:
    """A plane to be prepared; frozen, so that it can go to another thread.

    Parameters
    ----------
    setup : Setup
        Model, data and how it is shown.
    plane : Plane
        Which.
    store : PreparedStore
        Where it is kept.
    """

    setup: Setup
    plane: Plane
    store: PreparedStore


def to_prepare(session: Session, plane: Plane) -> PrepareRequest | None:
    """Return what there is to prepare of a plane before anyone clicks on it.

    None for models whose preparation is quick or depends on the clicks, where there is no such
    plane, and when it is in memory already.
    """
    setup, store = session.setup, session.cache
    count = session.volume.shape[plane.axis] if session.volume.ndim == 3 else 1
    options = Options(zoom_in=setup.zoom_in, flip=setup.flip, longer_side_px=setup.longer_side_px)
    # a view that depends on the clicks cannot be prepared before them
    is_whole = options.resolved(setup.model).zoom_in is None
    if not (setup.model.traits.embeds and is_whole and 0 <= plane.index < count):
        return None
    # memory alone is asked: to look on disk would hash the whole slice
    memory: PreparedCache = store.memory if isinstance(store, LayeredCache) else store
    shape = session.volume.slice_shape(plane.axis)
    keys = whole_keys(setup.model, shape, options, (setup, plane))
    if all(memory.get(key) is not None for key in keys):
        return None
    return PrepareRequest(setup, plane, store)


def prepare(ahead: PrepareRequest) -> None:
    """Prepare a plane, in whichever one thread models are used; with less memory if need be."""
    setup, plane = ahead.setup, ahead.plane
    shape = setup.volume.slice_shape(plane.axis)
    work = partial(
        prepare_slice,
        setup.model,
        SliceReader(setup.volume, plane, setup.context),
        shape,
        setup.options,
        prepared=ahead.store,
        key=(setup, plane),
    )
    seen_px = partial(largest_view_px, setup.model, shape, setup.options)
    within_memory(setup.model, work, store=ahead.store, seen_px=seen_px)
