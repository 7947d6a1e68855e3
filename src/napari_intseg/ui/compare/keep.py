"""Keep one of two masks, or both joined, plane by plane while the window stays live."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import count
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils import cancelable_progress

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.compare.two_answers import CurvePoint, Overlap
from napari_intseg.session.session import Session
from napari_intseg.ui.compare.layers import Compared
from napari_intseg.ui.compare.pair import MirroredModel
from napari_intseg.ui.controllers import clicks
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, told


@dataclass(frozen=True, slots=True)
class ComparisonState:
    """What there is to show now, of the current object on the plane in the window.

    Parameters
    ----------
    names : (str, str)
        Of the two models.
    overlap : Overlap or None
        Of their masks; None until both have been compared.
    seconds : (float or None, float or None)
        What each took for its last answer.
    moments : tuple of CurvePoint
        Click by click.
    truth : (float, float) or None
        IoU of each with the truth.
    planes : tuple of (int, int)
        Plane and pixels in disagreement, in volumes.
    here : int
        The plane in the window.
    is_waiting : bool
        Whether the second model has still to answer.
    offered : str
        Which of the second model's masks is in place, if it offers several.
    """

    names: tuple[str, str]
    overlap: Overlap | None = None
    seconds: tuple[float | None, float | None] = (None, None)
    moments: tuple[CurvePoint, ...] = ()
    truth: tuple[float, float] | None = None
    planes: tuple[tuple[int, int], ...] = ()
    here: int = 0
    is_waiting: bool = False
    offered: str = ""


def state_of(pair: MirroredModel, place: Place, name: str, *, is_waiting: bool) -> ComparisonState:
    """Return what there is to show of an object on a plane.

    Parameters
    ----------
    pair : MirroredModel
        Has compared.
    place : Place
        The object and plane.
    name : str
        Of the first model.
    is_waiting : bool
        Whether the second model has something to do beyond what the pair knows.
    """
    found = pair.compared.get(place)
    planes: tuple[tuple[int, int], ...] = ()
    if len(pair.image_controller.image_axes.spatial) == 3:
        counts = {p.plane.index: c.overlap.disagreeing for p, c in of_object(pair, place)}
        planes = tuple(sorted(counts.items()))
    return ComparisonState(
        (name, pair.name),
        None if found is None else found.overlap,
        _seconds(pair, place),
        () if found is None else found.moments,
        None if found is None else found.truth,
        planes,
        place.plane.index,
        is_waiting or pair.is_waiting,
        clicks.told_offer(pair.offered(place)),
    )


def place_of(controller: ViewerController) -> Place | None:
    """Return the current object and the plane in the window; None while there is none."""
    image_controller = controller.image_controller
    now = None if image_controller is None else image_controller.displayed_slice
    if image_controller is None or now is None or isinstance(now, str):
        return None
    return Place(now.time, image_controller.session_store.object, now.plane)


def of_object(pair: MirroredModel, place: Place) -> list[tuple[Place, Compared]]:
    """Return what was compared of an object on planes of the same axis."""
    wanted = place.time, place.object, place.plane.axis
    return [
        (p, compared)
        for p, compared in pair.compared.items()
        if (p.time, p.object, p.plane.axis) == wanted
    ]


def possible_truths(
    viewer: ViewerModel, image_controller: ImageController, pair: MirroredModel | None
) -> tuple[Labels, ...]:
    """Return the Labels layers on the grid of the image that are not ours."""
    own = {image_controller.labels}
    if pair is not None:
        own |= {pair.labels, pair.agreement}
    return tuple(
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels)
        and layer not in own
        and tuple(layer.data.shape) == image_controller.image_axes.shape
    )


def show_plane(image_controller: ImageController, plane: Plane) -> None:
    """Move the sliders to a plane of the axis that is not displayed."""
    dims, labels = image_controller.tools.viewer.dims, image_controller.labels
    # other layers may have more axes, which come first in napari
    offset = dims.ndim - len(image_controller.image_axes.grid)
    axis = image_controller.image_axes.spatial[plane.axis]
    at = np.asarray(labels.world_to_data(dims.point), float)
    at[axis] = plane.index
    world = labels.data_to_world(at)
    # by the world: the slider's steps may be those of another layer
    dims.set_point(offset + axis, float(world[axis]))


def show_worst(pair: MirroredModel, place: Place) -> None:
    """Move the sliders to the plane on which two masks of an object differ most."""
    found = of_object(pair, place)
    if found:
        worst, _ = max(found, key=lambda entry: entry[1].overlap.disagreeing)
        show_plane(pair.image_controller, worst.plane)


def put_masks(controller: ViewerController, place: Place, masks: Mapping[Plane, BoolArray]) -> bool:
    """Let an object start from masks, as one step of undo; return whether it was allowed."""
    image_controller = controller.image_controller
    session = (
        None
        if image_controller is None
        else image_controller.session_store.session(place.time, place.object)
    )
    if image_controller is None or session is None:
        return False
    try:
        change = session.set_initial(masks)
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return False
    image_controller.draw(place.time, change)
    controller.signals.changed.emit()
    return True


def _seconds(pair: MirroredModel, place: Place) -> tuple[float | None, float | None]:
    found = []
    for one in (
        pair.image_controller.session_store.sessions.get(place.time),
        pair.follower(place.time),
    ):
        answer = None if one is None else one.answer(place.plane, place.object)
        found.append(None if answer is None else answer.seconds)
    return found[0], found[1]


KEEP: dict[str, Callable[[BoolArray, BoolArray], BoolArray]] = {
    "A": lambda a, _b: a,
    "B": lambda _a, b: b,
    "both": lambda a, b: a & b,
    "either": lambda a, b: a | b,
}
"""What can be kept of two masks."""

_TOKENS = count()


@dataclass(frozen=True, slots=True, eq=False)
class KeepChoice:
    """What to keep, and where.

    Parameters
    ----------
    which : str
        A key of `KEEP`.
    places : tuple of Place
        Of one object at one time point.
    """

    which: str
    places: tuple[Place, ...]

    @property
    def words(self) -> str:
        """What is kept."""
        return {
            "A": Message("A's mask"),
            "B": Message("B's mask"),
            "both": Message("what both say"),
        }.get(self.which, Message("what either say"))


def wish_of(
    pair: MirroredModel, place: Place, which: str, *, everywhere: bool
) -> KeepChoice | None:
    """Return what is to be kept of an object; None if nothing is left of the two masks.

    Parameters
    ----------
    pair : MirroredModel
        Has compared.
    place : Place
        The object and plane.
    which : str
        A key of `KEEP`.
    everywhere : bool
        On all planes of the axis on which the two differ; elsewhere their masks are the same.
    """
    found = {p: compared.overlap for p, compared in of_object(pair, place)}
    places = [place]
    if everywhere:
        places = sorted(p for p, overlap in found.items() if overlap.disagreeing) or places
    if all(p not in found or _is_empty(which, found[p]) for p in places):
        return None
    return KeepChoice(which, tuple(places))


def _is_empty(which: str, overlap: Overlap) -> bool:
    sizes = {
        "A": overlap.both + overlap.only_a,
        "B": overlap.both + overlap.only_b,
        "both": overlap.both,
        "either": overlap.both + overlap.disagreeing,
    }
    return not sizes[which]


class KeepRun:
    """Goes on from what is kept of two masks: one plane in each turn of the event loop.

    All planes are one step of undo. Masks are joined in the inference thread. If anything else is
    done meanwhile, undo for instance, it ends there, and what is done is kept.

    Parameters
    ----------
    pair : MirroredModel
        Has the masks.
    wish : KeepChoice
        What to keep.
    on_end : callable
        Called once with what to tell, and whether it went wrong; not after `close`.
    """

    def __init__(
        self, pair: MirroredModel, wish: KeepChoice, *, on_end: Callable[[str, bool], None]
    ) -> None:
        self._pair, self._wish, self._on_end = pair, wish, on_end
        self._signals = pair.image_controller.tools.signals
        self._token = f"keep {next(_TOKENS)}"
        self._done = 0
        self._mark: tuple[int, str | None] = (0, None)
        self._bar: Any = None
        self._cancelled = False
        self.is_running = False

    def start(self) -> None:
        """Begin with the first plane."""
        self.is_running = True
        session = self._session()
        if session is not None:
            self._mark = _mark(session)
        if len(self._wish.places) > 1:
            # only for several planes: a bar for one would flash up and go
            self._bar = cancelable_progress(
                total=len(self._wish.places),
                desc=f"Keeping {self._wish.words}",
                cancel_callback=self.cancel,
                # the window shows it; nothing is printed
                file=StringIO(),
            )
            # napari has let the window live, which may have been closed
            if not self.is_running:
                self._bar.close()
                return
            self._signals.progressed.emit(0, len(self._wish.places), "planes")
        self._next()

    def cancel(self) -> None:
        """Stop before the next plane; what is done is kept."""
        self._cancelled = True

    def close(self) -> None:
        """Stop at once, and tell nobody."""
        if self.is_running:
            self.is_running = False
            if self._bar is not None:
                self._bar.close()
                self._bar = None
                self._signals.progressed.emit(0, 0, "")

    def _next(self) -> None:
        if not self.is_running:
            return
        session = self._session()
        if session is None or self._pair.is_closed or self._pair.image_controller.is_closed:
            self._end(Message("The comparison ended meanwhile."), wrong=True)
        elif self._done == len(self._wish.places):
            self._end(
                Message(
                    "Kept {what} on {planes}. Clicks that follow correct it.",
                    what=self._wish.words,
                    planes=self._on,
                )
            )
        elif self._is_cancelled():
            self._end(
                Message(
                    "Cancelled; {what} kept on {planes}.", what=self._wish.words, planes=self._on
                )
            )
        # what a person did meanwhile would come between steps that undo takes back together
        elif _mark(session) != self._mark:
            self._end(
                Message(
                    "Kept {what} on {planes} only: something else was done meanwhile. Press the "
                    "button again for the rest.",
                    what=self._wish.words,
                    planes=self._on,
                ),
                wrong=True,
            )
        else:
            # taken in this thread: sessions belong to it; only joining them is left to the other
            masks = self._pair.masks(self._wish.places[self._done])
            join = KEEP[self._wish.which]

            def work(_: ShouldStop) -> BoolArray:
                return join(*masks)

            self._pair.image_controller.tools.worker.submit(work, self._joined)

    def _joined(self, outcome: Outcome[BoolArray]) -> None:
        session, mask = self._session(), outcome.value
        if not self.is_running:
            return
        if mask is None or session is None or _mark(session) != self._mark:
            self._next()  # which says why it ends
            return
        place = self._wish.places[self._done]
        title = f"Keep {self._wish.which}"
        try:
            change = session.set_initial({place.plane: mask}, title, self._token)
        except IntSegError as err:
            self._end(str(err), wrong=True)
            return
        self._mark = _mark(session)
        self._done += 1
        self._pair.image_controller.draw(place.time, change)
        if len(self._wish.places) > 1:
            self._signals.progressed.emit(self._done, len(self._wish.places), "planes")
        else:
            self._signals.changed.emit()
        # last: napari lets the window live here, which may be closed
        if self._bar is not None:
            self._bar.update(1)
        self._pair.image_controller.tools.post(self._next)

    @property
    def _on(self) -> str:
        if len(self._wish.places) == 1:
            return "this plane"
        return counted(self._done, "{n} plane", "{n} planes")

    def _session(self) -> Session | None:
        place = self._wish.places[0]
        return self._pair.image_controller.session_store.session(place.time, place.object)

    def _is_cancelled(self) -> bool:
        return self._cancelled or (self._bar is not None and self._bar.is_canceled)

    def _end(self, text: str, *, wrong: bool = False) -> None:
        self.close()
        self._on_end(text, wrong)


def _mark(session: Session) -> tuple[int, str | None]:
    """Return what tells whether anything else was done: the steps of undo, and the last of them."""
    history = session.document.history
    # both: an undo and another action give the same number of steps
    return len(history), history.undo_title
