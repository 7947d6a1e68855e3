"""A second model beside the first, chosen, shown and ended; what is kept; the suggested click.

One of two masks, or both joined, are kept plane by plane while the window stays live. The suggested
click is a mark where two answers disagree most: of two models, or of one and its mirrored answer.
It is no prompt, and goes when it has served.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from operator import itemgetter
from typing import Any

import numpy as np
from napari.layers import Labels, Points
from psygnal import Signal

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.session.compare.two_answers import SuggestedClick, both_ways, deepest, differing
from napari_intseg.session.document import Document, HistoryEntry
from napari_intseg.session.question import Question
from napari_intseg.session.session import Session
from napari_intseg.ui.compare.pair import Compared, MirroredModel, current_place
from napari_intseg.ui.controllers.clicks import told_offer
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.model_loader import Choice, Loader, load
from napari_intseg.ui.controllers.object_actions import candidates
from napari_intseg.ui.controllers.review import bring
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.layer_registry import add_aside
from napari_intseg.ui.layers.points_codec import Place, geometry, position_on_grid
from napari_intseg.ui.messages import Message, counted, to_translate
from napari_intseg.ui.qt.worker_thread import Job, Outcome, Post, ShouldStop, listen, told

NAME = "suggested click"
COLOUR = "#ffe14d"

KEEP: dict[str, tuple[Message, Callable[[BoolArray, BoolArray], BoolArray]]] = {
    "A": (Message("A's mask"), lambda a, _b: a),
    "B": (Message("B's mask"), lambda _a, b: b),
    "both": (Message("what both say"), np.logical_and),
    "either": (Message("what either say"), np.logical_or),
}
"""What can be kept of two masks: in words, and how it is made of them."""

# in which mask the pixels are that are in both, in the first alone, in the second alone
_PARTS = np.array([[True, True, False], [True, False, True]])

_TOKENS = count()


class Hint:
    """Suggests a click in one viewer, and shows where; `on_change` hears of a mark come or gone."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self.mark: Points | None = None
        # the work that the mark is for, where it is, and what was given there
        self._serves: tuple[ImageController, Document, Place, Prompts] | None = None
        self._job: Job[SuggestedClick | None] | None = None

    def suggest(self, image_controller: ImageController, pair: MirroredModel | None) -> None:
        """Mark where two models disagree most deeply on the plane in the window.

        Without a second model it is where the answers on the slice and on its mirror image do.
        """
        tools, place = image_controller.tools, current_place(image_controller)
        if place is None:
            tools.signals.failed.emit(str(image_controller.displayed_slice))
            return
        session = image_controller.session_store.sessions.get(place.time)
        state = None if session is None else session.document.state(place.object, place.plane)
        question = None if state is None or state.shown is None else state.shown.question
        self.clear()
        submit = partial(tools.worker.submit, done=partial(self._found, image_controller, place))
        if session is not None and pair is not None:
            one, other = pair.masks(place)
            self._job = submit(lambda _: deepest(one ^ other))
        elif session is not None and question is not None:
            self._job = submit(partial(_doubt, question, session.cache))
        else:
            tools.signals.failed.emit(Message("There is no answer to doubt yet. Click first."))

    def check(self) -> None:
        """Take the mark away once something else has been given at its place."""
        if self._serves is not None:
            image_controller, document, place, given = self._serves
            now = document.state(place.object, place.plane).prompts
            is_old = image_controller.is_closed or now != given
            if is_old or self.mark not in image_controller.tools.viewer.layers:
                self.clear()

    def clear(self) -> None:
        """Take the mark away, and suggest nothing any more."""
        # what is computed is not told any more
        if self._job is not None:
            self._job.dropped = True
        mark, serves = self.mark, self._serves
        self.mark = self._serves = None
        if serves is not None and mark in serves[0].tools.viewer.layers:
            serves[0].tools.viewer.layers.remove(mark)
        self._on_change()

    def _found(
        self,
        image_controller: ImageController,
        place: Place,
        outcome: Outcome[SuggestedClick | None],
    ) -> None:
        signals = image_controller.tools.signals
        if image_controller.is_closed:
            return
        if outcome.error is not None:
            signals.failed.emit(told(outcome.error))
            return
        if outcome.value is None:
            text = Message("There is no disagreement on this plane, hence no click to suggest.")
        else:
            self._show(image_controller, place, outcome.value)
            text = Message(
                "Suggested: click at the yellow ring, left if it belongs to the object and right "
                "if it does not."
            )
        signals.message.emit(text)

    def _show(self, image_controller: ImageController, place: Place, spot: SuggestedClick) -> None:
        axes = image_controller.image_axes
        document = image_controller.session_store.sessions[place.time].document
        given = document.state(place.object, place.plane).prompts
        self._serves = image_controller, document, place, given
        self.mark = Points(
            np.array([position_on_grid(place, Click(spot.row, spot.col), axes)]),
            name=NAME,
            symbol="disc",
            face_color="transparent",
            border_color=COLOUR,
            # a share of the size: a thin ring, through which the pixel is seen (not tuned)
            border_width=0.12,
            # wider than a click's point, so that it is seen round one (not tuned)
            size=float(np.max(image_controller.points.current_size)) * 1.6,
            canvas_size_limits=(14, 40),
            **geometry(axes),
        )
        self.mark.editable = False
        add_aside(image_controller.tools.viewer, self.mark, axes.image, "hint")
        self._on_change()


def _doubt(question: Question, store: PreparedStore, _stop: ShouldStop) -> SuggestedClick | None:
    """Return where the plain and the mirrored answer differ most deeply."""
    differs, (row0, col0) = differing(question, both_ways(question, store))
    spot = deepest(differs)
    return None if spot is None else SuggestedClick(spot.row + row0, spot.col + col0, spot.depth_px)


class KeepRun:
    """Goes on from what is kept of two masks: one plane in each turn of the event loop.

    All planes are one step of undo. If anything else is done meanwhile, undo for instance, it ends
    there, and what is done is kept.

    Parameters
    ----------
    pair : MirroredModel
        Has the masks.
    which : str
        A key of `KEEP`.
    places : tuple of Place
        Of one object at one time point.
    on_end : callable
        Called once with what to tell, and whether it went wrong; not after `close`.
    """

    def __init__(
        self,
        pair: MirroredModel,
        which: str,
        places: tuple[Place, ...],
        *,
        on_end: Callable[[str, bool], None],
    ) -> None:
        self._pair, self._places, self._on_end = pair, places, on_end
        self._tools = pair.image_controller.tools
        self._what, self._join = KEEP[which]
        self._title, self._token = f"Keep {which}", f"keep {next(_TOKENS)}"
        self._done = 0
        # what was done last, when this began or has kept a plane
        self._last: HistoryEntry | None = None
        self._cancelled = False
        self.is_running = False

    def start(self) -> None:
        """Keep the first plane in the next turn."""
        self.is_running = True
        session = self._session()
        self._last = None if session is None else session.document.history.last
        self._progress(0, len(self._places), "planes")
        self._tools.post(self._next)

    def cancel(self) -> None:
        """Stop before the next plane; what is done is kept."""
        self._cancelled = True

    def close(self) -> None:
        """Stop at once, and tell nobody."""
        if self.is_running:
            self.is_running = False
            self._progress(0, 0, "")

    def _next(self) -> None:
        if not self.is_running:
            return
        session = self._session()
        is_wrong = True
        if session is None or self._pair.is_closed or self._pair.image_controller.is_closed:
            text = to_translate("The comparison ended meanwhile.")
        elif self._done == len(self._places):
            text = to_translate("Kept {what} on {planes}. Clicks that follow correct it.")
            is_wrong = False
        elif self._cancelled:
            text, is_wrong = to_translate("Cancelled; {what} kept on {planes}."), False
        # what a person did meanwhile would come between steps that undo takes back together
        elif session.document.history.last is not self._last:
            text = to_translate(
                "Kept {what} on {planes} only: something else was done meanwhile. Press the "
                "button again for the rest."
            )
        else:
            self._keep(session, self._places[self._done])
            return
        planes = Message("this plane")
        if len(self._places) > 1:
            planes = counted(self._done, "{n} plane", "{n} planes")
        self.close()
        self._on_end(Message(text, what=self._what, planes=planes), is_wrong)

    def _keep(self, session: Session, place: Place) -> None:
        mask = self._join(*self._pair.masks(place))
        try:
            change = session.set_initial({place.plane: mask}, self._title, self._token)
        except IntSegError as err:
            self.close()
            self._on_end(told(err), True)
            return
        self._last = session.document.history.last
        self._done += 1
        self._pair.image_controller.draw(place.time, change)
        self._progress(self._done, len(self._places), "planes")
        self._tools.post(self._next)

    def _progress(self, done: int, total: int, of: str) -> None:
        # only for several planes: a bar for one would flash up and go
        if len(self._places) > 1:
            self._tools.signals.progressed.emit(done, total, of)

    def _session(self) -> Session | None:
        place = self._places[0]
        return self._pair.image_controller.session_store.session(place.time, place.object)


def places_to_keep(
    pair: MirroredModel, place: Place, which: str, *, everywhere: bool
) -> tuple[Place, ...]:
    """Return where to keep a mask, a key of `KEEP`: on a plane, or wherever the two differ.

    Elsewhere their masks are the same. Empty if nothing is left of the masks.
    """
    found = {p: compared.overlap for p, compared in pair.of_object(place).items()}
    places = [place]
    if everywhere:
        places = sorted(p for p, overlap in found.items() if overlap.disagreeing) or places
    kept = KEEP[which][1](*_PARTS)
    overlaps = [found[p] for p in places if p in found]
    is_any = any(np.dot(kept, (one.both, one.only_a, one.only_b)) for one in overlaps)
    return tuple(places) if is_any else ()


@dataclass(frozen=True, slots=True)
class ComparisonState:
    """What there is to show now, of the current object on the plane in the window.

    Parameters
    ----------
    names : (str, str)
        Of the two models.
    compared : Compared or None
        Their masks; None until both have been compared.
    planes : tuple of (Plane, int)
        Plane and pixels in disagreement, in volumes.
    here : Plane
        The plane in the window.
    is_waiting : bool
        Whether the second model has still to answer.
    offered : str
        Which of the second model's masks is in place, if it offers several.
    """

    names: tuple[str, str]
    compared: Compared | None
    planes: tuple[tuple[Plane, int], ...]
    here: Plane
    is_waiting: bool
    offered: str


class Comparison:
    """A second model beside the one of a viewer controller.

    Parameters
    ----------
    controller : ViewerController
        Where the first model works.
    post : callable
        As for `ViewerController`.
    load_with : callable, optional
        Loads a model; another than `load` in tests.
    """

    changed = Signal()
    """There is something new to show."""

    def __init__(
        self,
        controller: ViewerController,
        post: Post,
        *,
        load_with: Callable[..., Segmenter | None] = load,
    ) -> None:
        self.controller = controller
        self.loader = Loader(
            controller.worker,
            post,
            controller.signals,
            on_model=self._model_ready,
            load_with=load_with,
        )
        self.choice: Choice | None = None
        self.truth: Labels | None = None
        self.pair: MirroredModel | None = None
        self.hint = Hint(self._follow)
        self._keeping: KeepRun | None = None
        self._is_closed = False
        self._listen()
        # the models may be measured by a new layer
        controller.viewer.layers.events.inserted.connect(self._show_anew)
        controller.viewer.layers.events.removed.connect(self._layer_removed)
        controller.viewer.dims.events.current_step.connect(self._show_anew)

    @property
    def is_idle(self) -> bool:
        """Whether all is answered, propagated and compared."""
        return not self.is_keeping and (self.pair is None or self.pair.is_idle)

    @property
    def is_keeping(self) -> bool:
        """Whether masks are being kept, plane by plane."""
        return self._keeping is not None and self._keeping.is_running

    @property
    def state(self) -> ComparisonState | None:
        """What there is to show; None while nothing is compared."""
        if (here := self._here()) is None:
            return None
        pair, place = here
        planes: dict[Plane, int] = {}
        if len(pair.image_controller.image_axes.spatial) == 3:
            found = pair.of_object(place).items()
            planes = {p.plane: compared.overlap.disagreeing for p, compared in found}
        return ComparisonState(
            (self.controller.loader.choice.name, pair.name),
            pair.compared.get(place),
            tuple(sorted(planes.items())),
            place.plane,
            pair.is_waiting,
            told_offer(pair.offered(place)),
        )

    def choose(self, choice: Choice | None) -> None:
        """Compare with a model from now on, or with none."""
        self._end_pair()
        self.choice = choice
        self.loader.drop()
        if choice is not None:
            self.loader.choose(choice)
        self.changed.emit()

    def possible_truths(self) -> tuple[Labels, ...]:
        """Return the Labels layers that lie on the grid of the image and are not ours."""
        image_controller, pair = self.controller.image_controller, self.pair
        if image_controller is None:
            return ()
        shape, own = image_controller.image_axes.shape, () if pair is None else pair.layers
        found = (layer for layer in candidates(self.controller) if layer not in own)
        return tuple(layer for layer in found if tuple(layer.data.shape) == shape)

    def choose_truth(self, layer: Labels | None) -> None:
        """Measure both models by a layer, or by none."""
        self.truth = layer
        if self.pair is not None:
            self.pair.set_truth(layer)
        self.changed.emit()

    def keep(self, which: str, *, everywhere: bool = False) -> None:
        """Go on from one of the masks, or both together, as one step of undo.

        It takes a turn of the event loop a plane, see `KeepRun`.

        Parameters
        ----------
        which : str
            A key of `KEEP`.
        everywhere : bool, default False
            On all planes of the axis in the window that differ; else on the plane in the window.
        """
        here = self._here()
        if here is None:
            self._fail(Message("There is nothing to keep yet. Choose a second model, then click."))
        elif self.is_keeping:
            self._fail(Message("Masks are being kept already. Wait for them, or cancel."))
        elif self.controller.is_propagating or here[0].is_propagating:
            self._fail(Message("Masks are still being propagated. Wait for them, or cancel."))
        elif places := places_to_keep(*here, which, everywhere=everywhere):
            self._keeping = KeepRun(here[0], which, places, on_end=self._kept)
            self._keeping.start()
        else:
            self._fail(Message("There is nothing to keep: that mask is empty here."))

    def cancel(self) -> None:
        """Keep no more planes; what is kept stays so."""
        if self._keeping is not None:
            self._keeping.cancel()

    def step_second(self, by: int = 1) -> None:
        """Put the second model's next mask in place, or the one before with -1."""
        here = self._here()
        if here is None or not here[0].step(here[1], by):
            self._fail(
                Message("The second model gave one answer here. SAM and its kin give several.")
            )

    def swap(self) -> None:
        """Go on with the second model from the first one's mask; the two change places."""
        here, names = self._here(), (self.loader.choice.name, self.controller.loader.choice.name)
        if here is None or here[0].follower(here[1].time) is None:
            self._fail(
                Message("There is nothing to hand over yet. Choose a second model, then click.")
            )
            return
        pair, place = here
        mask, _ = pair.masks(place)
        session = pair.image_controller.session_store.session(place.time, place.object)
        # the second model starts from this mask; without one it begins with nothing
        if mask.any() and session is not None:
            try:
                pair.image_controller.draw(place.time, session.set_initial({place.plane: mask}))
            except IntSegError as err:
                self._fail(told(err))
                return
        self._trade()
        self.controller.signals.message.emit(
            Message(
                "{name} goes on from the mask of {name2}. The next click corrects it.",
                name=names[0],
                name2=names[1],
            )
        )

    def suggest(self) -> None:
        """Mark where the next click would say most."""
        if self.controller.image_controller is None:
            self._fail(Message("There is nothing to suggest yet. Click on the object first."))
        else:
            self.hint.suggest(self.controller.image_controller, self.pair)

    def go_to_plane(self, number: int) -> None:
        """Show a plane of the axis in the window, counted as the slider does."""
        if (here := self._here()) is not None:
            image_controller = here[0].image_controller
            bring(image_controller, image_controller.plane_at(here[1].plane.axis, number))

    def go_to_worst(self) -> None:
        """Show the plane on which the two disagree most."""
        state = self.state
        if self.pair is not None and state is not None and state.planes:
            bring(self.pair.image_controller, max(state.planes, key=itemgetter(1))[0])

    def close(self) -> None:
        """Let go of the viewer; layers stay as they are, but the mark."""
        if self._is_closed:
            return
        self._is_closed = True
        self.loader.stop()
        signals, viewer = self.controller.signals, self.controller.viewer
        signals.leave(self._follow)
        listen(signals.progressed, self._follow, False)
        viewer.layers.events.inserted.disconnect(self._show_anew)
        viewer.layers.events.removed.disconnect(self._layer_removed)
        viewer.dims.events.current_step.disconnect(self._show_anew)
        self.hint.clear()
        # layers stay: a panel that is closed takes nothing out of the viewer
        self._end_pair(remove=False)

    def _here(self) -> tuple[MirroredModel, Place] | None:
        """Return the second model at work, and the current object on the plane in the window."""
        pair = self.pair
        if pair is None or pair.image_controller is not self.controller.image_controller:
            return None
        place = current_place(pair.image_controller)
        return None if place is None else (pair, place)

    def _fail(self, text: str) -> None:
        self.controller.signals.failed.emit(text)

    def _kept(self, text: str, is_wrong: bool) -> None:
        (self.controller.signals.failed if is_wrong else self.controller.signals.message).emit(text)
        self.controller.signals.changed.emit()

    def _model_ready(self, _model: Segmenter) -> None:
        self._end_pair()
        self._follow()

    def _trade(self) -> None:
        """Swap the two models."""
        main, model, choice = self.controller.loader, self.loader.model, self.choice
        if main.model is None or model is None or choice is None:
            return
        self._end_pair()
        self.choice = self.loader.choice = main.choice
        self.loader.model = main.model
        main.put(choice, model)
        self._follow()

    def _listen(self) -> None:
        """Hear of clicks, answers and progress only while something is compared or marked."""
        signals = self.controller.signals
        is_used = self.pair is not None or self.hint.mark is not None
        signals.follow(self._follow, edits=is_used)
        # of planes that are propagated or kept no other signal tells
        listen(signals.progressed, self._follow, is_used)

    def _follow(self, *_: Any) -> None:
        """Bring the comparison up to date after any change."""
        if self._is_closed:
            return
        image_controller, second = self.controller.image_controller, self.loader.model
        if image_controller is not None and image_controller.is_closed:
            image_controller = None
        first = None if image_controller is None else image_controller.session_store.model
        if first is not None and first is second is not self.controller.loader.model:
            # undo brought back the model that is now the second: both change places again
            self._trade()
            return
        if self.pair is not None and self.pair.image_controller is not image_controller:
            self._end_pair()
        if self.pair is None and image_controller is not None:
            self._begin_pair(image_controller)
        if self.pair is not None:
            self.pair.follow()
        self.hint.check()
        self._listen()
        self.changed.emit()

    def _begin_pair(self, image_controller: ImageController) -> None:
        model, choice = self.loader.model, self.choice
        if model is None or choice is None or self.loader.is_loading:
            return
        self.pair = MirroredModel(
            self.controller, image_controller, model, choice.name, on_change=self.changed.emit
        )
        if self.truth in self.possible_truths():
            self.pair.set_truth(self.truth)

    def _end_pair(self, *, remove: bool = True) -> None:
        pair, self.pair = self.pair, None
        if self._keeping is not None:
            self._keeping.close()
        if pair is not None:
            pair.close(remove=remove)

    def _show_anew(self, _event: Any = None) -> None:
        self.changed.emit()

    def _layer_removed(self, event: Any) -> None:
        pair = self.pair
        if event.value is self.truth:
            self.choose_truth(None)
        # layers that are removed by the end of a comparison are no wish to end it
        if pair is None or pair.is_closed:
            self.changed.emit()
        elif event.value in pair.layers:
            self.choose(None)
            self.controller.signals.message.emit(
                Message(
                    "The layer {name!r} was removed, so the comparison has ended. Choose a second "
                    "model to begin again.",
                    name=event.value.name,
                )
            )
