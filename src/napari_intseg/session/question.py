"""What answers depend on besides prompts: the model, the data and how it is shown to the model."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cache
from reprlib import repr as shortened
from typing import Any, Generic, Literal, TypedDict, TypeVar, get_type_hints

from napari_intseg.core.prompts import KnownPoint, Prompts
from napari_intseg.core.segmenter import Segmenter, ZoomIn, missing
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.core.volume_segmenter import VolumeSegmenter
from napari_intseg.errors import DataError
from napari_intseg.inference.intensity import (
    Colour,
    Intensity,
    WindowChoice,
    check_window,
    resolve_intensity,
)
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, SliceAnswer
from napari_intseg.inference.refinement import GraphCut, LevelSet
from napari_intseg.inference.slice_reader import check_context
from napari_intseg.inference.tiling import Tiles
from napari_intseg.inference.view import Read
from napari_intseg.session.journal.codec import encode
from napari_intseg.session.validate_prompts import fits

T = TypeVar("T")


class LazyValue(Generic[T]):
    """A value computed when first asked for, by whichever thread comes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: list[T] = []

    @property
    def known(self) -> T | None:
        """The value; None if nobody has asked for it."""
        return self._values[0] if self._values else None

    def get(self, compute: Callable[[], T]) -> T:
        """Return the value, computing it if nobody has."""
        # two threads that ask at once must not both read the data
        with self._lock:
            if not self._values:
                self._values.append(compute())
            return self._values[0]


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """A model on a volume, seen in one way; two setups are equal only if they are the same object.

    Parameters
    ----------
    model : Segmenter
        Any.
    volume : Volume
        Any.
    window : str or (low, high) or Window or None
        See `resolve_intensity`; statistics are read when first needed, not before.
    channels : tuple of int or None
        Which are shown; None: the first three.
    zoom_in, flip, longer_side_px, graph_cut, tiles
        See `Options`.
    colours : tuple of str or (float, float, float), or None
        What each channel is shown in; see `resolve_intensity`.
    context : int
        Planes before and behind that the model sees as channels; see `SliceReader`.
    denoise, look_again, obey, narrower, coarser, partial, several, local, regional, cascade : bool
        See `Options`.
    level_set : LevelSet or None
        See `Options`.
    follow_neighbours : bool, default True
        Whether a plane's first click starts from the object's mask on a plane beside it, what
        negative clicks took away on a plane is kept away by propagation on the planes beside it,
        and a negative one on a flood takes it away from round the positive click nearby.
    keep_answers : bool, default True
        Whether propagation after a correction keeps the planes that were answered before, but for
        what the correction is about; False: the planes up to the next clicked ones are done anew.
    others : bool, default False
        Whether a model that knows other objects, see `Traits`, is shown those of the plane. It
        helps where cells fill the plane, and costs a little on noisy nuclei (docs/results.md).
    compete : bool, default True
        Whether a pixel that propagation gives to two objects is the more probable one's; False: it
        stays the one's that had it first.
    """

    model: Segmenter
    volume: Volume
    window: WindowChoice = None
    channels: tuple[int, ...] | None = None
    zoom_in: ZoomIn | Literal["model"] | None = "model"
    flip: bool | Literal["model"] = "model"
    longer_side_px: int | Literal["model"] | None = "model"
    graph_cut: GraphCut | None = None
    tiles: Tiles | None = None
    colours: tuple[str | Colour, ...] | None = None
    context: int = 0
    denoise: bool = True
    look_again: bool = True
    obey: bool = True
    follow_neighbours: bool = True
    narrower: bool = True
    coarser: bool = True
    partial: bool = True
    several: bool = False
    local: bool = False
    regional: bool = False
    level_set: LevelSet | None = None
    keep_answers: bool = True
    compete: bool = True
    cascade: bool = True
    others: bool = False
    _intensity: LazyValue[Intensity] = field(default_factory=LazyValue)

    def __post_init__(self) -> None:
        """Refuse a window, channels or planes that do not exist, without reading statistics.

        Raises
        ------
        DataError
            If one of them does not exist, or a field is of another type.
        """
        for name, hint in _setup_types().items():
            value = getattr(self, name)
            if not fits(value, hint) or (name == "model" and not hasattr(value, "traits")):
                raise DataError(
                    f"{name} cannot be used: expected one of the type that Setup names, got "
                    f"{shortened(value)}. See its documentation."
                )
        # with given limits nothing is read: channels and colours alone are checked
        shown = resolve_intensity(self.volume, (0, 1), self.channels, self.colours)
        check_window(self.window, len(shown.channels) if shown.channels else 1)
        check_context(self.volume, self.context)

    @property
    def options(self) -> Options:
        """How slices are shown to the model; the first call may read from the data."""
        intensity = self._intensity.get(
            lambda: resolve_intensity(self.volume, self.window, self.channels, self.colours)
        )
        return Options(
            intensity, self.zoom_in, self.flip, self.longer_side_px, graph_cut=self.graph_cut,
            tiles=self.tiles, denoise=self.denoise, look_again=self.look_again, obey=self.obey,
            narrower=self.narrower, partial=self.partial, several=self.several, local=self.local,
            regional=self.regional, level_set=self.level_set, cascade=self.cascade,
            coarser=self.coarser,
        )  # fmt: skip

    @property
    def volume_model(self) -> VolumeSegmenter | None:
        """The model if it answers these data in 3-D, else None."""
        model: object = self.model
        # a stack of one plane is answered as a slice
        is_deep = self.volume.ndim == 3 and min(self.volume.shape) > 1
        return model if is_deep and isinstance(model, VolumeSegmenter) else None

    def changed(self, **changes: Any) -> "Setup":
        """Return another setup with some fields changed; see the parameters above."""
        # a new setup measures its limits anew
        names = [f.name for f in fields(self) if f.name != "_intensity"]
        unknown = set(changes) - set(names)
        if unknown:
            raise DataError(
                f"setting is unknown: expected some of {', '.join(names)}, got "
                f"{', '.join(sorted(unknown))}. Check the name."
            )
        return Setup(**{name: getattr(self, name) for name in names} | changes)

    def seen(self) -> dict[str, Any]:
        """Return the model and how it sees the image as plain JSON; may read from the data."""
        return {
            "model": self.model.traits.name,
            "intensity": self.options.intensity.written(),
            "window": encode(self.window),
            "context": self.context,
            "denoise": self.denoise,
        }

    def written(self) -> dict[str, Any]:
        """Return all that the journal needs of it: everything but the data."""
        names = [f.name for f in fields(self) if f.name not in ("volume", "_intensity")]
        return {name: encode(getattr(self, name)) for name in names}

    @property
    def known_intensity(self) -> Intensity | None:
        """How slices are shown to the model if that is known yet; nothing is read."""
        return self._intensity.known

    def look_through(self, intensity: Intensity) -> Intensity:
        """Show slices with this intensity, unless one is in use already; return the one in use."""
        return self._intensity.get(lambda: intensity)


@cache
def _setup_types() -> dict[str, Any]:
    return get_type_hints(Setup)


class SessionSettings(TypedDict, total=False):
    """The fields of `Setup` that a session begins with; its defaults hold for those left out."""

    window: WindowChoice
    channels: tuple[int, ...] | None
    zoom_in: ZoomIn | Literal["model"] | None
    flip: bool | Literal["model"]
    graph_cut: GraphCut | None
    denoise: bool
    look_again: bool
    obey: bool
    follow_neighbours: bool
    narrower: bool
    coarser: bool
    partial: bool
    cascade: bool
    several: bool
    local: bool
    regional: bool
    level_set: LevelSet | None
    keep_answers: bool
    compete: bool
    others: bool


@dataclass(frozen=True, slots=True)
class Question:
    """All that the answer on a plane depends on; equal questions have equal answers.

    Parameters
    ----------
    setup : Setup
        Model, data and how it is shown.
    plane : Plane
        Where.
    prompts : Prompts
        Everything given there; what is drawn counts as given before the clicks.
    initial : Patch or None
        The mask to start from.
    start : int, default 0
        The number of clicks that had been made when `initial` came.
    drawn : Prompts
        What had been drawn when `initial` came.
    choices : tuple of (int, int)
        Numbers of clicks after which a person chose another of the model's masks, and which one.
    keeps : bool, default False
        Whether `initial` was propagated to this very plane, so that a first positive click adds to
        it; see `predict_slice`.
    others : callable or None
        Tells which pixels other objects had when the first prompt was given; see `predict_slice`.
    known : KnownPoint or None
        Where a click on a plane nearby says that the object is; see `guidance.clicked_nearby`.
    """

    setup: Setup
    plane: Plane
    prompts: Prompts
    initial: Patch | None = None
    start: int = 0
    drawn: Prompts = field(default_factory=Prompts)
    choices: tuple[tuple[int, int], ...] = ()
    keeps: bool = False
    others: Read | None = None
    known: KnownPoint | None = None

    def after(self, count: int) -> "Question":
        """Return the question that was asked after the first `count` clicks."""
        given = replace(self.prompts, clicks=self.prompts.clicks[:count])
        # most questions have none: no tuple is made for them
        choices = self.choices and tuple(one for one in self.choices if one[0] <= count)
        return replace(self, prompts=given, choices=choices)

    def chosen(self, answer: SliceAnswer) -> SliceAnswer:
        """Return an answer to this question with the mask that was chosen, if one was."""
        wanted = dict(self.choices).get(len(self.prompts.clicks))
        if wanted is None or not 0 <= wanted < len(answer.alternatives):
            return answer
        return replace(answer, patch=answer.alternatives[wanted])

    @property
    def is_answerable(self) -> bool:
        """Whether there is anything to ask beyond the initial mask, and enough to ask it."""
        is_more = len(self.prompts.clicks) > self.start or self.has_drawn
        return is_more and not missing(self.prompts, self.setup.model.traits)

    @property
    def has_drawn(self) -> bool:
        """Whether a box, a scribble or a lasso has come since `initial`."""
        return replace(self.prompts, clicks=()) not in (Prompts(), self.drawn)

    @property
    def counts(self) -> range:
        """Numbers of clicks after which the model is asked, in order."""
        given = self.prompts
        count = len(given.clicks)
        traits, zoom = self.setup.model.traits, self.setup.zoom_in
        zoom = traits.zoom_in if zoom == "model" else zoom
        if not traits.uses_prev and (zoom is None or not zoom.keep_crop):
            # no answer depends on those before it
            return range(count, count + 1)
        # what is drawn is asked before the first click; lassos that only take away after it
        is_first = self.initial is not None or not given.lassos or given.drawn.has_positive
        first = self.start if self.has_drawn and is_first else self.start + 1
        # models that need several prompts are not asked before they have them
        while first < count and missing(self.after(first).prompts, self.setup.model.traits):
            first += 1
        return range(first, count + 1)
