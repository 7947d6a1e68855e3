"""One model asked twice, about a slice and its mirror image: where the two differ, it is unsure."""

from dataclasses import replace
from functools import partial

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Array
from napari_intseg.inference.flip import Flip
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import SliceAnswer, predict_slice
from napari_intseg.inference.reading import SliceReader
from napari_intseg.inference.seeing import PreparedStore
from napari_intseg.session.compare import joint_window, mask_in
from napari_intseg.session.setup import Question


def both_ways(question: Question, prepared: PreparedStore | None = None) -> tuple[Patch, Patch]:
    """Return a model's answer on a slice, and that on the mirrored slice, mirrored back.

    They are the two answers that flip averaging takes the mean of, each with its own history of
    clicks and its own zoom-in. Where they differ, the answer depends on something that it should
    not depend on.

    Parameters
    ----------
    question : Question
        Any that can be answered.
    prepared : PreparedStore, optional
        Where to look for and to keep what the model prepares.

    Returns
    -------
    plain, mirrored : Patch
        Both on the slice as it is.
    """
    volume, plane = question.setup.volume, question.plane
    flip = Flip(volume.slice_shape(plane.axis)[1])
    plain = _asked(question, prepared, None)
    mirrored = _asked(question, prepared, flip)
    return plain.patch, flipped(mirrored.patch)


def differing(question: Question, patches: tuple[Patch, Patch]) -> tuple[Array, tuple[int, int]]:
    """Return where two answers to a question differ, bool, and the slice's pixel it begins at."""
    window = joint_window(*(patch.slices for patch in patches))
    threshold = question.setup.model.traits.threshold
    one, other = (mask_in(patch, threshold, window) for patch in patches)
    return one ^ other, (window[0].start, window[1].start)


def flipped(patch: Patch) -> Patch:
    """Return a patch on the mirrored slice; doing it again gives it back."""
    col0 = patch.shape[1] - patch.col0 - patch.logits.shape[1]
    return replace(patch, col0=col0, logits=np.ascontiguousarray(patch.logits[:, ::-1]))


def _asked(question: Question, prepared: PreparedStore | None, flip: Flip | None) -> SliceAnswer:
    setup, plane = question.setup, question.plane
    shape = setup.volume.slice_shape(plane.axis)
    initial = question.initial
    if flip is not None and initial is not None:
        initial = flipped(initial)
    prev: SliceAnswer | None = None

    read_plain = SliceReader(setup.volume, plane, setup.context)

    def read(rows: slice, cols: slice) -> Array:
        return _window(read_plain, rows, cols, flip)

    for count in question.counts:
        prompts: Prompts = question.after(count).prompts
        ask = partial(
            predict_slice,
            setup.model,
            read,
            shape,
            prompts if flip is None else flip.prompts(prompts),
            replace(setup.options, flip=False),
            prev=prev,
            initial=initial,
            prepared=prepared,
            key=(setup, plane) if flip is None else (setup, plane, "mirrored"),
        )
        prev = within_memory(setup.model, ask, store=prepared)
    assert prev is not None
    return prev


def _window(read: SliceReader, rows: slice, cols: slice, flip: Flip | None) -> Array:
    """Read a window of the slice, or of its mirror image."""
    if flip is None:
        return read(rows, cols)
    wanted = range(*cols.indices(flip.width))
    if not wanted:
        return read(rows, slice(0, 0))
    there = slice(flip.width - 1 - wanted[-1], flip.width - wanted[0], wanted.step)
    return np.ascontiguousarray(read(rows, there)[:, ::-1])
