"""The same clicks for several models, headless: each has a session of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, PromptError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.session.compare.two_answers import Overlap, SuggestedClick, deepest, overlap
from napari_intseg.session.session import Session

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of one click, for all models.

    Parameters
    ----------
    clicks : int
        For the object so far.
    plane : Plane
        Where the click is.
    seconds : dict of str to float
        What each model took.
    overlaps : dict of (str, str) to Overlap
        Of every two models, over all planes with clicks.
    truth : dict of str to Overlap
        Of each model with the truth, likewise; empty without one.
    """

    clicks: int
    plane: Plane
    seconds: dict[str, float]
    overlaps: dict[Pair, Overlap]
    truth: dict[str, Overlap]


class SideBySide:
    """Several sessions, one for each model, with the same prompts.

    Parameters
    ----------
    sessions : mapping of str to Session
        By the models' names; on the same data, along the same axis.

    Raises
    ------
    DataError
        If they look at different data or along different axes.
    PromptError
        If there are fewer than two.

    Examples
    --------
    >>> both = SideBySide.of({"a": one, "b": other}, volume)  # doctest: +SKIP
    >>> both.click((40, 120, 200)).overlaps["a", "b"].iou  # doctest: +SKIP
    """

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        _check(sessions)
        self.sessions = dict(sessions)

    @classmethod
    def of(
        cls,
        models: Mapping[str, Segmenter],
        volume: Volume,
        *,
        axis: int = 0,
        window: WindowChoice = None,
        channels: tuple[int, ...] | None = None,
    ) -> "SideBySide":
        """Begin a session for each model; see `Session`."""
        return cls(
            {
                name: Session(model, volume, axis=axis, window=window, channels=channels)
                for name, model in models.items()
            }
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in order."""
        return tuple(self.sessions)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two models."""
        return tuple(combinations(self.names, 2))

    @property
    def first(self) -> Session:
        """One of the sessions, for what is the same in all."""
        return next(iter(self.sessions.values()))

    def select(self, label: int) -> None:
        """Go on with an object, or begin it."""
        for session in self.sessions.values():
            if label not in session.objects:
                session.new_object(label)
            session.select_object(label)

    def click(
        self, position: Sequence[float], positive: bool = True, truth: BoolArray | None = None
    ) -> Round:
        """Give all models a click for the current object.

        Parameters
        ----------
        position, positive
            See `Session.click`.
        truth : ndarray of bool, optional
            Of the data's shape, to compare with.

        Raises
        ------
        PromptError
            See `Session.click`.
        """
        seconds, plane = {}, Plane(0, 0)
        for name, session in self.sessions.items():
            result = session.click(position, positive)
            seconds[name], plane = result.seconds, result.plane
        planes = self.first.clicked_planes(self.first.axis)
        return Round(
            len(self.first.clicks),
            plane,
            seconds,
            {pair: self.overlap(*pair, planes) for pair in self.pairs},
            {} if truth is None else {n: self.overlap_with(n, truth, planes) for n in self.names},
        )

    def propagate(
        self,
        planes: range | None = None,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        """Have every model carry the current object through the volume; see `Session`."""
        for session in self.sessions.values():
            session.propagate(planes, on_progress=on_progress, should_stop=should_stop)

    def planes(self) -> tuple[Plane, ...]:
        """Return the planes of the axis on which any model has a mask of the current object."""
        found: set[Plane] = set()
        for session in self.sessions.values():
            found.update(session.clicked_planes(session.axis))
            found.update(session.propagated_planes(session.axis))
        return tuple(sorted(found))

    def overlap(self, a: str, b: str, planes: Iterable[Plane] | None = None) -> Overlap:
        """Return how two models' masks lie on each other; on all planes by default."""
        total = Overlap()
        for plane in self.planes() if planes is None else planes:
            total += overlap(self.sessions[a].mask_on(plane), self.sessions[b].mask_on(plane))
        return total

    def overlap_with(
        self, name: str, truth: BoolArray, planes: Iterable[Plane] | None = None
    ) -> Overlap:
        """Return how a model's mask lies on the truth, of the data's shape, bool."""
        session = self.sessions[name]
        if planes is None:
            return overlap(session.mask, truth)
        total = Overlap()
        for plane in planes:
            total += overlap(session.mask_on(plane), session.volume.of(truth, plane))
        return total

    def suggest(self, a: str, b: str) -> tuple[Plane, SuggestedClick] | None:
        """Return where two models disagree most deeply; None if they agree everywhere."""
        best: tuple[Plane, SuggestedClick] | None = None
        for plane in self.planes():
            differs = self.sessions[a].mask_on(plane) ^ self.sessions[b].mask_on(plane)
            spot = deepest(differs)
            if spot is not None and (best is None or spot.depth_px > best[1].depth_px):
                best = plane, spot
        return best


def _check(sessions: Mapping[str, Session]) -> None:
    if len(sessions) < 2:
        raise PromptError(
            f"nothing to compare with: expected two models or more, got {tuple(sessions)!r}. "
            "Name another model."
        )
    (one, first), *others = sessions.items()
    for name, session in others:
        if session.axis != first.axis:
            raise DataError(
                f"two models with different axes: expected planes of one axis for all, got axis "
                f"{first.axis!r} for {one} and {session.axis!r} for {name}. "
                "Give both the same axis."
            )
        if session.volume.shape != first.volume.shape:
            raise DataError(
                f"two models look at different data: expected one grid for all, got shape "
                f"{first.volume.shape!r} for {one} and {session.volume.shape!r} for {name}. "
                "Give both the same image."
            )
