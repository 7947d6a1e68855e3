"""Answers that are no numbers: told, asked again, never taken for an empty mask."""

from collections.abc import Sequence

import numpy as np

from napari_intseg.core.segmenter import LOGIT_LIMIT, Answer, FloatArray, Segmenter


class NoNumbers(Exception):
    """A model answered NaN, which is nothing that can be drawn."""


def missing_numbers(model: Segmenter, answers: Sequence[Answer]) -> str:
    """Return what to tell of the pixels that a model has no number for; empty if there is none.

    Parameters
    ----------
    model : Segmenter
        Which answered.
    answers : sequence of Answer
        To one question: several where views are mirrored.

    Raises
    ------
    NoNumbers
        If it has none for any pixel, or if half precision may be why it has none for some.
    """
    lost, total = 0, 0
    for answer in answers:
        lost += int(np.count_nonzero(np.isnan(answer.logits)))
        total += answer.logits.size
    # a few missing pixels are shown as no object; none at all, or half precision, is worth another
    # attempt
    if lost and (lost == total or getattr(model, "is_half", False)):
        raise NoNumbers(
            f"model answers no number: expected logits of {model.traits.name!r}, got NaN for "
            f"{lost} of {total} pixels in float32. Its weights may be damaged: load them again, or "
            "choose another model."
        )
    return f"the model has no number for {lost} of {total} pixels" if lost else ""


def finite(logits: FloatArray) -> FloatArray:
    """Return logits (H, W), float32, within the limits; NaN is told, and no object."""
    out = np.clip(np.asarray(logits, np.float32), -LOGIT_LIMIT, LOGIT_LIMIT)
    undefined = np.isnan(out)
    if undefined.any():
        out[undefined] = -LOGIT_LIMIT
    return out
