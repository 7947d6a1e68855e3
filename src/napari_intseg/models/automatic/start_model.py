"""What every model that segments without clicks can do, wherever it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from napari_intseg.core.segmenter import FloatArray, Segmenter
from napari_intseg.models.automatic.findings import Finding


@dataclass(frozen=True, slots=True)
class StartTraits:
    """What is told of a model before it runs.

    Parameters
    ----------
    title : str
        What people read.
    licence, note : str
        Of its weights, as far as it is known, and a restriction worth telling.
    objects_apart : bool
        Whether two objects of one class are two findings; else one finding is a class.
    takes_text : bool
        Whether it must be told in words what to look for.
    gives_boxes : bool
        Whether a model that takes boxes must turn what it finds into masks.
    """

    title: str
    licence: str = ""
    note: str = ""
    objects_apart: bool = True
    takes_text: bool = False
    gives_boxes: bool = False


class StartModel(Protocol):
    """A model that finds objects on a slice."""

    @property
    def traits(self) -> StartTraits:
        """What is told of it."""
        ...

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,
    ) -> tuple[Finding, ...]:
        """Return what is in an image (H, W, 3) in [0, 1], the surest first."""
        ...

    def release(self) -> None:
        """Return the device's memory."""
        ...
