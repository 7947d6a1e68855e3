"""What an automatic model finds: masks with a class, a score and perhaps a box."""

from dataclasses import dataclass

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class RawFinding:
    """A raw finding: the number of its class or text (of a box, of its token), score and where."""

    kind: int
    score: float
    mask: BoolArray | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One object, or all pixels of one class.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        On the image's grid.
    name : str
        Its class, or the text it answers.
    score : float
        Between 0 and 1, the model's own.
    box : Box or None
        Where the model gave one.
    """

    mask: BoolArray
    name: str
    score: float
    box: Box | None = None
