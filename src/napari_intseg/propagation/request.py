"""The request of a propagation and its settings: values that can go to another thread."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_intseg.core.segmenter import MemorySegmenter, Segmenter
from napari_intseg.core.volume import Volume
from napari_intseg.errors import PromptError
from napari_intseg.inference.predict import Options
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.propagation.ending import Ending
from napari_intseg.propagation.restraint import Restraint
from napari_intseg.propagation.stretch import Stretch

Method = Literal["neighbour", "memory", "interpolate"]


@dataclass(frozen=True, slots=True)
class WalkSettings:
    """How propagation works.

    Parameters
    ----------
    ending : Ending
        When it stops.
    method : {"neighbour", "memory", "interpolate"}
        "neighbour": each mask is the question on the next plane, for any model; "memory": the
        model remembers the planes before, if it is a `MemorySegmenter` (SAM 2); "interpolate": no
        model, shapes between two anchors by signed distance, see `between`.
    fill : {"interpolate", "nothing"}
        What becomes of planes between two anchors that neither walk reached: a person said that
        the object is on both sides, so by default its shape is interpolated.
    restraint : Restraint
        How far a mask may be from its neighbour's.
    """

    ending: Ending = field(default_factory=Ending)
    method: Method = "neighbour"
    fill: Literal["interpolate", "nothing"] = "interpolate"
    restraint: Restraint = field(default_factory=Restraint)

    @classmethod
    def through_time(cls, motion_mm: float = 0.0, method: Method = "neighbour") -> "WalkSettings":
        """Return settings for an axis that is time: objects move and divide, but do not taper.

        Parameters
        ----------
        motion_mm : float, default 0.0
            How far an outline may move from one time point to the next, in the unit of the
            slice's spacing; at least seven tenths of the object's radius are allowed.
        method : {"neighbour", "memory", "interpolate"}
            As above.
        """
        # looser than along z, and off where it asks for a taper: objects move, divide and grow
        # between time points
        ending = Ending(
            min_area=0.1,
            min_overlap=0.1,
            max_growth=3.0,
            max_regrowth=1e9,
            min_nested=0.0,
            min_likeness=0.3,
            max_spread=0.0,
            max_widening=0.0,
            keeps_ends=False,
            min_affirmed=0.0,
            min_alike=0.0,
        )
        # an object may move by 7/10 of its radius (docs/reference/propagation.md)
        restraint = Restraint(steepness=0.0, motion_mm=motion_mm, share=0.7, cone=0.0, closing=0.0)
        return cls(ending, method, restraint=restraint)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A propagation to be done; frozen, so that it can go to another thread.

    Parameters
    ----------
    label : int
        Of the object.
    model : Segmenter
        Who answers.
    volume : Volume
        What is looked at.
    options : callable
        Returns how slices are shown to the model; may read from the data the first time.
    stretches : tuple of Stretch
        What there is to do.
    settings : WalkSettings
        How.
    prepared : PreparedStore or None
        What the model prepared earlier.
    key : Any
        Names model and intensity in `prepared`.
    context : int
        Neighbouring planes that the model sees as channels, see `SliceReader`.
    together : str or None
        Walks with the same word, with nothing done between them, are one step of undo.
    areas : mapping of int to int
        Pixels of the object on the planes where it is known, clicked or answered before.
    near : int or None
        Planes are answered from this one on, the nearest first; None: stretch after stretch.
    """

    label: int
    model: Segmenter
    volume: Volume
    options: Callable[[], Options]
    stretches: tuple[Stretch, ...]
    settings: WalkSettings = field(default_factory=WalkSettings)
    prepared: PreparedStore | None = None
    key: Any = None
    context: int = 0
    together: str | None = None
    areas: Mapping[int, int] = field(default_factory=dict)
    near: int | None = None

    def work(self, stretch: Stretch) -> int:
        """Return how many times something is computed at most on one stretch."""
        if self.settings.method == "interpolate":
            return stretch.last - stretch.first + 1
        return len(stretch.forward) + len(stretch.backward)

    @property
    def total(self) -> int:
        """The same on all of them."""
        return sum(self.work(stretch) for stretch in self.stretches)


def with_memory(model: Segmenter) -> MemorySegmenter:
    """Return a model that can follow an object by what it remembers.

    Raises
    ------
    PromptError
        If it cannot.
    """
    if not isinstance(model, MemorySegmenter):
        raise PromptError(
            f"model has no memory: expected one that follows an object, e.g. 'sam2.1-tiny', "
            f"got {model.traits.name!r}. Choose such a model, or method='neighbour'."
        )
    return model
