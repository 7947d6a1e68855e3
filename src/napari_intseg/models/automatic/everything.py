"""Everything that a click model finds from a grid of clicks, as SAM's automatic masks."""

from collections.abc import Sequence

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import BoolArray, FloatArray, Query, Segmenter
from napari_intseg.models.automatic.start_model import Finding, StartTraits, check_no_texts

_SIDE = 16
"""Clicks along each side. SAM takes 32: four times the time, for objects below a thirtieth of the
image, which are too many to correct one by one."""

_STABLE, _MARGIN = 0.9, 1.0
"""A mask stays if it hardly changes where logits are cut at -1 and 1; SAM asks for 0.95 of masks
that were trained to be so, arXiv:2304.02643, appendix B."""

_OVERLAP = 0.7  # of two masks; as SAM's, the less stable one goes
_MOST_SHARE = 0.9  # of the image: a larger mask is its ground


class Everything:
    """Clicks on a grid, one after the other, and keeps what is stable and new; see `load`."""

    def __init__(self, model: Segmenter, side: int = _SIDE) -> None:
        self._model, self._side = model, side

    @property
    def traits(self) -> StartTraits:
        """What is told of it before it runs."""
        return StartTraits(f"everything by {self._model.traits.name}")

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        """Return what is in an image (H, W, 3) in [0, 1], the most stable first.

        Parameters
        ----------
        image : ndarray of float32
        texts : sequence of str
            Must be empty.
        threshold : float, optional
            Least stability, 0 to 1; 0.9 by default.
        masks_by : Segmenter, optional
            Not used.

        Raises
        ------
        PromptError
            If there are texts.
        """
        check_no_texts(self.traits.title, texts)
        least = _STABLE if threshold is None else threshold
        prepared = self._model.prepare(image)
        found: list[tuple[float, BoolArray]] = []
        height, width = image.shape[:2]
        for row in (np.arange(self._side) + 0.5) * height / self._side:
            for col in (np.arange(self._side) + 0.5) * width / self._side:
                click = Click(float(int(row)), float(int(col)))
                logits = self._model.predict(Query(prepared, Prompts((click,)))).logits
                mask, score = np.asarray(logits > 0), stability(logits)
                if score >= least and 0 < mask.sum() < _MOST_SHARE * mask.size:
                    found.append((score, mask))
        return tuple(Finding(mask, "object", score) for score, mask in distinct(found))

    def release(self) -> None:
        """Return the device's memory."""
        release = getattr(self._model, "release", None)
        if release is not None:
            release()


def stability(logits: FloatArray) -> float:
    """Return the overlap of the masks cut a margin above and below 0; 0 for an empty one."""
    low = np.count_nonzero(logits > -_MARGIN)
    return np.count_nonzero(logits > _MARGIN) / low if low else 0.0


def distinct(found: Sequence[tuple[float, BoolArray]]) -> list[tuple[float, BoolArray]]:
    """Return scores and masks of which no two overlap much, the best first."""
    kept: list[tuple[float, BoolArray]] = []
    for score, mask in sorted(found, key=lambda one: -one[0]):
        size = np.count_nonzero(mask)
        shared = ((np.count_nonzero(mask & other), np.count_nonzero(other)) for _, other in kept)
        if all(both <= _OVERLAP * (size + own - both) for both, own in shared):
            kept.append((score, mask))
    return kept


def load(rest: str = "", *, device: str = "auto") -> Everything:
    """Load a click model by name, "bundled" by default, to click everywhere with.

    Raises
    ------
    UnknownModelError, MissingExtraError, WeightsError, DeviceError
        As for `load_model`.
    """
    from napari_intseg.models.registry import DEFAULT_MODEL, load_model

    return Everything(load_model(rest or DEFAULT_MODEL, device=device))
