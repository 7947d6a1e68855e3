"""A second model beside the work on one image: it follows every click, and is compared.

Its labels, and where the two agree, are layers. It propagates after the first: the same object,
planes and way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import DTypeLike

from napari_intseg.core.segmenter import Array, BoolArray, MemorySegmenter, Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.patch import Window, joint_window
from napari_intseg.propagation.walk import Step, walk
from napari_intseg.session.compare.side_by_side import MirrorSession
from napari_intseg.session.compare.two_answers import (
    BOTH,
    ONLY_A,
    ONLY_B,
    CurvePoint,
    Overlap,
    agreement,
    curve_point,
    iou_with,
    overlap,
)
from napari_intseg.session.document import SETUP
from napari_intseg.session.masks.plane_state import PlaneState
from napari_intseg.session.predictor import Result, run
from napari_intseg.session.question import Setup
from napari_intseg.session.session import Session
from napari_intseg.session.suggestions import Alternative
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.layer_registry import add_aside
from napari_intseg.ui.layers.points_codec import (
    LABEL_DTYPE,
    Place,
    geometry,
    make_room,
    position_on_grid,
)
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Job, Outcome, ShouldStop, sentence, told

COLOURS = {BOTH: "#00b487", ONLY_A: "#56b4e9", ONLY_B: "#f0a202"}
"""Green, blue and orange that the colour-blind can tell apart, too (after Okabe and Ito, 2008)."""

OUTLINE = "white"
"""Of the second model's mask: none of the colours above, which fill."""

_PLANES = 2
"""Changed planes that are followed in a turn of the event loop, so that the window lives on."""

# pixels written in a turn of the event loop: 2 million bytes or 8 million are written in some ms
_BAND_PX = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """How the two answers on a plane compare.

    Parameters
    ----------
    window : (slice, slice)
        Outside of it neither has a pixel.
    overlap : Overlap
        Of the masks that are shown.
    seconds : (float or None, float or None)
        What each took for its last answer.
    moments : tuple of CurvePoint
        Click by click.
    truth : (float, float) or None
        IoU of each with the truth.
    """

    window: Window
    overlap: Overlap
    seconds: tuple[float | None, ...]
    moments: tuple[CurvePoint, ...]
    truth: tuple[float, ...] | None


class MirroredModel:
    """The prompts of an image controller, mirrored to a second model.

    Parameters
    ----------
    controller : ViewerController
        Whose propagations are repeated.
    image_controller : ImageController
        Is not changed.
    model : Segmenter
        The second model.
    name : str
        Its name; its layer is called after it.
    on_change : callable
        Called when there is something new to show.

    Attributes
    ----------
    compared : dict of Place to Compared
        How the two compare, wherever anything is given.
    labels, agreement : Labels
        The layers.
    """

    def __init__(
        self,
        controller: ViewerController,
        image_controller: ImageController,
        model: Segmenter,
        name: str,
        *,
        on_change: Callable[[], None],
    ) -> None:
        self.image_controller, self.model, self.name = image_controller, model, name
        self._controller, self._tools = controller, image_controller.tools
        self.is_closed = False
        self.compared: dict[Place, Compared] = {}
        self._on_change = on_change
        self._mirrors: dict[int, MirrorSession] = {}
        # what waits for an answer, and what for a comparison
        self._open: dict[Place, None] = {}
        self._dirty: dict[Place, None] = {}
        # the states, of both sessions, that were followed last
        self._seen: dict[tuple[int, int], dict[Plane, tuple[PlaneState | None, ...]]] = {}
        self._current: Place | None = None
        self._job: Job[Result] | None = None
        self._truth: Labels | None = None
        self._known: dict[Any, CurvePoint] = {}
        self._comparing = self._has_more = False
        # where the first model propagates, and what the second one then does
        self._heard: Place | None = None
        self._steps: Iterator[Step] | None = None
        axes = image_controller.image_axes
        # an outline has to stand out (not tuned), one pixel wide,
        # so that the first model's fill is seen beside it
        self.labels = _make_layer(axes, name, LABEL_DTYPE, 0.9, {None: OUTLINE})
        self.labels.contour = 1
        # the image should be seen through the areas (not tuned)
        colours: dict[Any, str] = {None: "transparent", **COLOURS}
        self.agreement = _make_layer(axes, "agreement", np.uint8, 0.6, colours)
        self.layers = self.labels, self.agreement
        viewer = self._tools.viewer
        for layer, role in zip(self.layers, ("second", "agreement"), strict=True):
            # right above the first model's labels
            at = viewer.layers.index(image_controller.labels) + 1
            add_aside(viewer, layer, axes.image, role, at)

    @property
    def is_waiting(self) -> bool:
        """Whether the second model has still to answer or to propagate."""
        return self._current is not None or bool(self._open) or self.is_propagating

    @property
    def is_propagating(self) -> bool:
        """Whether the second model propagates."""
        return self._steps is not None

    @property
    def is_idle(self) -> bool:
        """Whether the second model has answered all, and all is compared."""
        return not (self.is_waiting or self._dirty or self._comparing or self._has_more)

    def follower(self, time: int) -> Session | None:
        """Return the second model's session of a time point; None while there is no first."""
        session = self.image_controller.session_store.sessions.get(time)
        return None if session is None else self._mirror(time, session).session

    def second(self, place: Place) -> Session | None:
        """Return that session with an object selected; None if it does not know the object."""
        follower = self.follower(place.time)
        if follower is None or place.object not in follower.objects:
            return None
        if follower.object != place.object:
            follower.select_object(place.object)
        return follower

    def follow(self) -> None:
        """Mirror new prompts to the second model, and compare what has changed.

        Of many planes a few are mirrored at once, the others in later turns of the event loop.
        """
        if self.is_closed or self.image_controller.is_closed:
            return
        if len(list(islice(self._changes(), _PLANES))) == _PLANES and not self._has_more:
            self._has_more = True
            self._tools.post(self._follow_more)
        self._ask()
        self._compare()
        self._repeat_propagation()

    def masks(self, place: Place) -> tuple[BoolArray, BoolArray]:
        """Return both models' masks on a plane, bool (H, W)."""
        own, second = self.image_controller.session_store.mask(place), self.second(place)
        if second is None:
            return own, np.zeros_like(own)
        return own, second.mask_on(place.plane, place.object)

    def of_object(self, place: Place) -> dict[Place, Compared]:
        """Return what was compared of an object on planes of the same axis."""
        wanted = place.time, place.object, place.plane.axis
        return {
            p: compared
            for p, compared in self.compared.items()
            if (p.time, p.object, p.plane.axis) == wanted
        }

    def offered(self, place: Place) -> tuple[Alternative, ...]:
        """Return the masks that the second model offers on a plane, the best first."""
        second = self.second(place)
        return () if second is None else second.alternatives_on(place.plane)

    def step(self, place: Place, by: int) -> bool:
        """Put the second model's next mask in place; say whether there was another."""
        offered, second = self.offered(place), self.second(place)
        if not offered or second is None:
            return False
        now = next((i for i, one in enumerate(offered) if one.is_chosen), -1)
        second.choose_alternative((now + by) % len(offered), place.plane)
        self.follow()
        self._on_change()
        return True

    def set_truth(self, truth: Labels | None) -> None:
        """Measure by a layer on the grid of the labels, or by none."""
        if truth is not self._truth:
            self._truth = truth
            self._known.clear()
            for time, label in self._seen:
                self._compare_anew(time, label)
            self._compare()

    def close(self, *, remove: bool = True) -> None:
        """Ask for nothing any more; take the layers away, or leave them as they are."""
        if self.is_closed:
            return
        self.is_closed = True
        self._steps = None
        self._open.clear()
        self._dirty.clear()
        if self._job is not None:
            self._job.cancel()
        layers = self._tools.viewer.layers
        for layer in self.layers:
            if remove and layer in layers:
                layers.remove(layer)

    def _mirror(self, time: int, session: Session) -> MirrorSession:
        """Return what keeps the second model's session like the first one's."""
        mirror = self._mirrors.get(time)
        if mirror is None:
            mirror = MirrorSession(self.model, session.volume, axis=session.axis)
            self._mirrors[time] = mirror
        elif _looks(mirror.document.setup) == _looks(session.setup):
            return mirror
        # all settings of the first but its model: the two are compared on the same view
        mirror.document.history.amend(SETUP, replace(session.setup, model=self.model))
        return mirror

    def _follow_more(self) -> None:
        self._has_more = False
        self.follow()
        self._on_change()

    def _changes(self) -> Iterator[Place]:
        """Mirror what has changed, a plane of an object for each place that is taken from this."""
        for time, session in self.image_controller.session_store.sessions.items():
            mirror = self._mirror(time, session)
            # before any prompt: answers obey locks and regions from the start
            mirror.follow_protection(session)
            labels = {*session.objects, *mirror.session.objects}
            # first those that are gone: what they held may be another's now
            for label in sorted(labels, key=session.document.objects.__contains__):
                states = dict(session.document.canvas.states(label))
                if all(state.is_given for state in states.values()):
                    mirror.forget_propagated(label)
                own = dict(mirror.document.canvas.states(label))
                seen = self._seen.setdefault((time, label), {})
                for plane in sorted({*states, *own, *seen}):
                    # states are compared by identity: nothing has changed
                    if seen.get(plane) != (states.get(plane), own.get(plane)):
                        place = Place(time, label, plane)
                        self._follow_plane(place, session, mirror)
                        yield place
                if mirror.follow_strokes(session, label):
                    self._compare_anew(time, label)

    def _follow_plane(self, place: Place, session: Session, mirror: MirrorSession) -> None:
        label, plane = place.object, place.plane
        seen = self._seen[place.time, label]
        if mirror.follow(session, label, plane):
            # put in again, so that it is the newest: `_pop` takes those first
            self._open.pop(place, None)
            self._open[place] = None
            if place == self._current and self._job is not None:
                self._job.cancel()
        before = seen.pop(plane, (None, None))
        now = tuple(s.document.canvas.get(label, plane) for s in (session, mirror))
        # compared anew only where a mask is another one
        if any((a and a.shown) is not (b and b.shown) for a, b in zip(before, now, strict=True)):
            self._dirty[place] = None
        if any(now):
            seen[plane] = now

    def _compare_anew(self, time: int, label: int) -> None:
        self._dirty.update((Place(time, label, at), None) for at in self._seen[time, label])

    def _ask(self) -> None:
        """Submit the next request; those of the first model go before it."""
        # the first model goes first: nobody waits longer for an answer because of the comparison
        while self._current is None and self._open and not self.image_controller.is_waiting:
            place = self._pop(self._open)
            second = self.second(place)
            request = None if second is None else second.request(place.plane)
            if request is not None:
                self._current = place
                self._job = self._tools.worker.submit(
                    partial(run, request), partial(self._answered, place)
                )

    def _answered(self, place: Place, outcome: Outcome[Result]) -> None:
        self._current = self._job = None
        if self.is_closed:
            return
        follower = self.follower(place.time)
        if outcome.value is None:
            self._tools.signals.failed.emit(self._told(told(outcome.error)))
        elif follower is not None and not follower.accept(outcome.value):
            # overtaken: what has come meanwhile is asked next
            self._open[place] = None
        self.follow()
        self._on_change()

    def _pop(self, places: dict[Place, None]) -> Place:
        """Take out a place on the displayed slice if one is queued, else the newest."""
        now, chosen = self.image_controller.displayed_slice, next(reversed(places))
        if not isinstance(now, str):
            here = (p for p in reversed(places) if (p.time, p.plane) == (now.time, now.plane))
            chosen = next(here, chosen)
        del places[chosen]
        return chosen

    def _compare(self) -> None:
        if not self._comparing and self._dirty and not self.is_closed:
            place = self._pop(self._dirty)
            self._comparing = True
            self._tools.worker.submit(self._comparison(place), partial(self._found, place))

    def _comparison(self, place: Place) -> Callable[[ShouldStop], tuple[Compared, Array, Array]]:
        """Return what compares both on a plane, and says what the layers hold there."""
        # sessions belong to this thread: all that the other one needs of them is read here
        session = self.image_controller.session_store.sessions[place.time]
        both = session, self._mirror(place.time, session).session
        label, plane, known = place.object, place.plane, self._known
        window = self._window(both, place)
        drawn = self._drawn(place, window)
        one, other = (s.labels_on(plane, drawn) for s in both)
        questions = [s.asked(plane, label) for s in both]
        courses = [s.course(plane, label) for s in both]
        answers = [s.answer(plane, label) for s in both]
        seconds = tuple(None if answer is None else answer.seconds for answer in answers)
        thresholds = session.model.traits.threshold, self.model.traits.threshold
        where = self.image_controller.image_axes.index(place.time, plane)
        data, seed = None if self._truth is None else self._truth.data, self._seed(session, place)

        def work(_: ShouldStop) -> tuple[Compared, Array, Array]:
            masks, moments, told = (one == label, other == label), [], None
            truth = None if data is None else _truth_on(data, where, seed)
            for count in sorted(courses[0].keys() & courses[1].keys()):
                # equal questions have equal answers
                key = (*(question.after(count) for question in questions), seed)
                if key not in known:
                    pair = courses[0][count], courses[1][count]
                    known[key] = curve_point(count, pair, thresholds, truth)
                moments.append(known[key])
            if truth is not None:
                size = int(np.count_nonzero(truth))
                told = tuple(iou_with(mask, drawn, truth, size) for mask in masks)
            compared = Compared(window, overlap(*masks), seconds, tuple(moments), told)
            return compared, other, agreement(one, other)

        return work

    def _window(self, both: tuple[Session, Session], place: Place) -> Window:
        """Return the part of the slice, which may be huge, outside which neither has a pixel."""
        shown = []
        for canvas in (session.document.canvas for session in both):
            if any(canvas.crossing(place.object, place.plane)) or canvas.painted(place.object):
                return canvas.whole(place.plane)
            state = canvas.get(place.object, place.plane)
            shown += [] if state is None or state.shown is None else [state.shown.slices]
        return joint_window(*shown)

    def _drawn(self, place: Place, window: Window) -> Window:
        """Return a window with what was drawn of the object before, which has to go."""
        old = self.compared.get(place)
        return joint_window(window, window if old is None else old.window)

    def _seed(self, session: Session, place: Place) -> tuple[int, ...] | None:
        """Return the voxel of the object's first positive click: the truth there is meant."""
        axes = self.image_controller.image_axes
        for plane, state in session.document.canvas.states(place.object):
            for click in state.prompts.clicks:
                if click.positive:
                    at = position_on_grid(replace(place, plane=plane), click, axes)
                    voxel = np.floor(np.add(at, 0.5)).astype(int)
                    return tuple(np.clip(voxel, 0, np.subtract(axes.shape, 1)).tolist())
        return None

    def _found(self, place: Place, outcome: Outcome[tuple[Compared, Array, Array]]) -> None:
        self._comparing = False
        if self.is_closed:
            return
        if outcome.value is None:
            self._tools.signals.failed.emit(told(outcome.error))
        else:
            compared, *values = outcome.value
            window = self._drawn(place, compared.window)
            self.compared[place] = compared
            if place.plane not in self._seen.get((place.time, place.object), {}):
                # nothing is given there any more
                del self.compared[place]
            make_room(self.labels, int(values[0].max(initial=0)))
            self._write(place, window, values)
        self._compare()
        self._on_change()

    def _write(self, place: Place, window: Window, values: Sequence[Array], start: int = 0) -> None:
        """Put new pixels into the layers from a row of the window on, some in each turn."""
        rows, cols = window
        height, width = values[0].shape
        if self.is_closed or not values[0].size:
            return
        stop = min(height, start + max(1, _BAND_PX // width))
        where = self.image_controller.image_axes.index(place.time, place.plane)
        for layer, new in zip(self.layers, values, strict=True):
            # not by `data_setitem`: each band would become a step of napari's undo
            layer.data[where][rows.start + start : rows.start + stop, cols] = new[start:stop]
            if stop == height:
                layer.refresh()
        if stop < height:
            self._tools.post(partial(self._write, place, window, values, stop))

    def _repeat_propagation(self) -> None:
        """Note a propagation of the first model, and have the second do the same after it."""
        if self._controller.is_propagating:
            # the place at the beginning: the person may look at another object by its end
            self._heard = self._heard or current_place(self.image_controller)
            return
        heard, self._heard = self._heard, None
        second = None if heard is None else self.second(heard)
        if heard is None or second is None:
            return
        settings = self._controller.settings
        if settings.method == "memory" and not isinstance(second.model, MemorySegmenter):
            # the second model may lack what the first propagates by
            settings = replace(settings, method="neighbour")
        try:
            second.set_axis(heard.plane.axis)
            request = second.propagation_request(
                self._controller.planes, settings=settings, label=heard.object
            )
        except IntSegError:
            # it has no mask to start from; the panel shows that it has none
            return
        self._steps = walk(request)
        self._walk_on(second, self._steps)

    def _walk_on(self, second: Session, steps: Iterator[Step]) -> None:
        # a plane at a time, so that clicks go in between
        stepped = partial(self._stepped, second, steps)
        self._tools.worker.submit(lambda _: next(steps, None), stepped)

    def _stepped(
        self, second: Session, steps: Iterator[Step], outcome: Outcome[Step | None]
    ) -> None:
        # closed, or begun anew
        if steps is not self._steps:
            return
        step, signals = outcome.value, self._tools.signals
        if outcome.error is not None:
            signals.failed.emit(self._told(told(outcome.error)))
        if step is not None and second.accept_step(step):
            if step.note:
                signals.message.emit(self._told(sentence(step.note)))
            self._walk_on(second, steps)
        else:
            # done, or overtaken by a click
            self._steps = None
        self.follow()
        self._on_change()

    def _told(self, text: str) -> Message:
        return Message("{name}: {error}", name=self.name, error=text)


def current_place(image_controller: ImageController) -> Place | None:
    """Return the current object on the slice in the window; None while none can be clicked on."""
    now = image_controller.displayed_slice
    if isinstance(now, str):
        return None
    return Place(now.time, image_controller.session_store.object, now.plane)


def _make_layer(
    axes: ImageAxes, name: str, dtype: DTypeLike, opacity: float, colours: Mapping[Any, str]
) -> Labels:
    """Return an empty layer on the grid that nobody paints in."""
    layer = Labels(
        np.zeros(axes.shape, dtype),
        name=f"{axes.image.name} {name}",
        opacity=opacity,
        colormap=DirectLabelColormap(color_dict={0: "transparent", **colours}),
        **geometry(axes),
    )
    # what is painted there would belong to no session
    layer.editable = False
    return layer


def _looks(setup: Setup) -> list[object]:
    """Return all settings of a setup but the model: those that both models share."""
    return [getattr(setup, f.name) for f in fields(setup) if f.name not in ("model", "_intensity")]


def _truth_on(
    data: Array, where: tuple[int | slice, ...], seed: tuple[int, ...] | None
) -> BoolArray:
    """Return the truth on a slice: the label under the first click, or all labels."""
    # a truth with many objects means the one that the first click is in
    value = 0 if seed is None else int(np.asarray(data[seed]))
    on_slice = np.asarray(data[where])
    return np.asarray(on_slice == value if value else on_slice > 0)
