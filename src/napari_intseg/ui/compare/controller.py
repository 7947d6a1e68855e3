"""A second model beside the first, chosen, shown and ended; and the suggested click.

That click is a mark where two answers disagree most: of two models, or of one and its mirrored
answer. It is no prompt, and goes when it has served.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels, Points
from psygnal import Signal

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.session.compare.two_answers import SuggestedClick, both_ways, deepest, differing
from napari_intseg.session.question import Question
from napari_intseg.ui.compare.keep import (
    ComparisonState,
    KeepRun,
    place_of,
    possible_truths,
    put_masks,
    show_plane,
    show_worst,
    state_of,
    wish_of,
)
from napari_intseg.ui.compare.pair import MirroredModel, MirroredPropagations, grid_voxel
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.model_loader import Choice, Loader, load
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.layer_registry import note_made
from napari_intseg.ui.layers.points_codec import Place, geometry
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Outcome, Post, ShouldStop, listen, told

NAME = "suggested click"
COLOUR = "#ffe14d"


class Hint:
    """Suggests a click in one viewer, and shows where.

    Parameters
    ----------
    on_change : callable
        Called when the mark has come or gone.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._mark: Points | None = None
        self._image_controller: ImageController | None = None
        self._place: Place | None = None
        self._given: Prompts | None = None
        self._asked = 0

    @property
    def mark(self) -> Points | None:
        """The layer with the mark; None while there is none."""
        return self._mark

    def suggest(self, image_controller: ImageController, pair: MirroredModel | None) -> None:
        """Mark where two models disagree most deeply on the plane in the window.

        Without a second model it is where the answers on the slice and on its mirror image do.
        """
        now = image_controller.displayed_slice
        if isinstance(now, str):
            image_controller.tools.signals.failed.emit(now)
            return
        place = Place(now.time, image_controller.session_store.object, now.plane)
        session = image_controller.session_store.sessions.get(now.time)
        shown = None if session is None else session.document.state(place.object, now.plane).shown
        # answers to earlier questions are dropped by this number
        self._asked += 1
        if pair is not None:
            one, other = pair.masks(place)
            image_controller.tools.worker.submit(
                lambda _: deepest(one ^ other),
                partial(self._found, image_controller, place, self._asked),
            )
        elif session is None or shown is None or shown.question is None:
            image_controller.tools.signals.failed.emit(
                Message("There is no answer to doubt yet. Click first.")
            )
        else:
            question, store = shown.question, session.cache

            def work(_: ShouldStop) -> SuggestedClick | None:
                return _doubt(question, store)

            image_controller.tools.worker.submit(
                work, partial(self._found, image_controller, place, self._asked)
            )

    def check(self) -> None:
        """Take the mark away once something else has been given at its place."""
        if self._image_controller is None or self._place is None:
            return
        is_old = (
            self._image_controller.is_closed
            or self._prompts(self._image_controller, self._place) != self._given
        )
        if self._mark is not None and (is_old or self._mark not in self._layers()):
            self.clear()

    def clear(self) -> None:
        """Take the mark away."""
        self._asked += 1
        mark, self._mark = self._mark, None
        if mark is not None and mark in self._layers():
            self._layers().remove(mark)
        self._image_controller = self._place = self._given = None
        self._on_change()

    def _found(
        self,
        image_controller: ImageController,
        place: Place,
        number: int,
        outcome: Outcome[SuggestedClick | None],
    ) -> None:
        if number != self._asked or image_controller.is_closed:
            return
        signals = image_controller.tools.signals
        if outcome.error is not None:
            signals.failed.emit(told(outcome.error))
        elif outcome.value is None:
            self.clear()
            signals.message.emit(
                Message("There is no disagreement on this plane, hence no click to suggest.")
            )
        else:
            self._show(image_controller, place, outcome.value)
            signals.message.emit(
                Message(
                    "Suggested: click at the yellow ring, left if it belongs to the object and "
                    "right if it does not."
                )
            )

    def _show(self, image_controller: ImageController, place: Place, spot: SuggestedClick) -> None:
        self.clear()
        voxel = grid_voxel(image_controller, place.time, place.plane, spot.row, spot.col)
        self._image_controller, self._place = image_controller, place
        self._given = self._prompts(image_controller, place)
        self._mark = Points(
            np.array([voxel], float),
            name=NAME,
            symbol="disc",
            face_color="transparent",
            border_color=COLOUR,
            # a share of the size: a thin ring, through which the pixel is seen (not tuned)
            border_width=0.12,
            # wider than a click's point, so that it is seen round one (not tuned)
            size=float(np.max(image_controller.points.current_size)) * 1.6,
            canvas_size_limits=(14, 40),
            **geometry(image_controller.image_axes),
        )
        self._mark.editable = False
        note_made(self._mark, image_controller.image_axes.image, "hint")
        layers = self._layers()
        active = layers.selection.active
        # napari selects what is added: the person's layer stays
        # the active one, or the next click is lost
        layers.append(self._mark)
        layers.selection.active = active
        self._on_change()

    def _layers(self) -> Any:
        return [] if self._image_controller is None else self._image_controller.tools.viewer.layers

    def _prompts(self, image_controller: ImageController, place: Place) -> Prompts:
        session = image_controller.session_store.sessions.get(place.time)
        if session is None:
            return Prompts()
        return session.document.state(place.object, place.plane).prompts


def _doubt(question: Question, store: PreparedStore) -> SuggestedClick | None:
    """Return where the plain and the mirrored answer differ most deeply."""
    differs, (row0, col0) = differing(question, both_ways(question, store))
    spot = deepest(differs)
    return None if spot is None else SuggestedClick(spot.row + row0, spot.col + col0, spot.depth_px)


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
        self.hint = Hint(self._marked)
        self._mirrored = MirroredPropagations(self.changed.emit)
        self._keeping: KeepRun | None = None
        self._is_closed = False
        self._listen()
        controller.viewer.layers.events.inserted.connect(self._layer_added)
        controller.viewer.layers.events.removed.connect(self._layer_removed)
        controller.viewer.dims.events.current_step.connect(self._plane_changed)

    @property
    def is_idle(self) -> bool:
        """Whether all is answered, propagated and compared."""
        is_busy = self._mirrored.is_running or self.is_keeping
        return not is_busy and (self.pair is None or self.pair.is_idle)

    @property
    def is_keeping(self) -> bool:
        """Whether masks are being kept, plane by plane."""
        return self._keeping is not None and self._keeping.is_running

    def choose(self, choice: Choice | None) -> None:
        """Compare with a model from now on, or with none."""
        self._end_pair()
        self.choice = choice
        model, self.loader.model = self.loader.model, None
        if model is not None:
            # in the inference thread, which may still be using it
            self.controller.worker.submit(partial(_release, model), lambda _: None)
        if choice is not None:
            self.loader.choose(choice)
        self.changed.emit()

    def possible_truths(self) -> tuple[Labels, ...]:
        """Return the Labels layers that lie on the grid of the image and are not ours."""
        image_controller = self.controller.image_controller
        return (
            ()
            if image_controller is None
            else possible_truths(self.controller.viewer, image_controller, self.pair)
        )

    def choose_truth(self, layer: Labels | None) -> None:
        """Measure both models by a layer, or by none."""
        self.truth = layer
        if self.pair is not None:
            self.pair.set_truth(layer)
        self.changed.emit()

    @property
    def state(self) -> ComparisonState | None:
        """What there is to show; None while nothing is compared."""
        pair, place = self.pair, self._place()
        if pair is None or place is None:
            return None
        name, mirrored = self.controller.loader.choice.name, self._mirrored.is_running
        return state_of(pair, place, name, is_waiting=mirrored)

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
        place, pair = self._place(), self.pair
        if place is None or pair is None:
            self._fail("There is nothing to keep yet. Choose a second model, then click.")
        elif self.is_keeping:
            self._fail("Masks are being kept already. Wait for them, or cancel.")
        elif self.controller.is_propagating or self._mirrored.is_running:
            self._fail("Masks are still being propagated. Wait for them, or cancel.")
        elif (wish := wish_of(pair, place, which, everywhere=everywhere)) is None:
            self._fail("There is nothing to keep: that mask is empty here.")
        else:
            self._keeping = KeepRun(pair, wish, on_end=self._kept)
            self._keeping.start()

    def cancel(self) -> None:
        """Keep no more planes; what is kept stays so."""
        if self._keeping is not None:
            self._keeping.cancel()

    def step_second(self, by: int = 1) -> None:
        """Put the second model's next mask in place, or the one before with -1."""
        place, pair = self._place(), self.pair
        if pair is None or place is None or not pair.step(place, by):
            self._fail("The second model gave one answer here. SAM and its kin give several.")

    def swap(self) -> None:
        """Go on with the second model from the first one's mask; the two change places."""
        place, pair = self._place(), self.pair
        model, choice = self.controller.loader.model, self.controller.loader.choice
        second, its_choice = self.loader.model, self.choice
        if pair is None or place is None or model is None or second is None or its_choice is None:
            self._fail("There is nothing to hand over yet. Choose a second model, then click.")
            return
        mask, _ = pair.masks(place)
        # the second model starts from this mask; without one it begins with nothing
        if mask.any() and not put_masks(self.controller, place, {place.plane: mask}):
            return
        self._trade()
        self.controller.signals.message.emit(
            Message(
                "{name} goes on from the mask of {name2}. The next click corrects it.",
                name=its_choice.name,
                name2=choice.name,
            )
        )

    def suggest(self) -> None:
        """Mark where the next click would say most."""
        if self.controller.image_controller is None:
            self._fail("There is nothing to suggest yet. Click on the object first.")
            return
        self.hint.suggest(self.controller.image_controller, self.pair)

    def go_to_worst(self) -> None:
        """Show the plane on which the two disagree most."""
        place, pair = self._place(), self.pair
        if pair is not None and place is not None:
            show_worst(pair, place)

    def plane_number(self, index: int) -> int:
        """Return the number on the slider of a plane of the axis in the window."""
        place = self._place()
        if self.pair is None or place is None:
            return index
        return self.pair.image_controller.plane_number(Plane(place.plane.axis, index))

    def go_to_plane(self, number: int) -> None:
        """Show a plane of the axis in the window, counted as the slider does."""
        place = self._place()
        if self.pair is not None and place is not None:
            image_controller = self.pair.image_controller
            show_plane(image_controller, image_controller.plane_at(place.plane.axis, number))

    def close(self) -> None:
        """Let go of the viewer; layers stay as they are, but the mark."""
        if self._is_closed:
            return
        self._is_closed = True
        self.loader.stop()
        signals, viewer = self.controller.signals, self.controller.viewer
        signals.leave(self._follow)
        for signal in (signals.answered, signals.progressed):
            listen(signal, self._follow, False)
        viewer.layers.events.inserted.disconnect(self._layer_added)
        viewer.layers.events.removed.disconnect(self._layer_removed)
        viewer.dims.events.current_step.disconnect(self._plane_changed)
        self.hint.clear()
        # layers stay: a panel that is closed takes nothing out of the viewer
        self._end_pair(remove=False)

    def release(self) -> None:
        """Release the second model's memory; called after the thread has ended."""
        self.loader.release()

    def _place(self) -> Place | None:
        return place_of(self.controller)

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
        self.choice, self.loader.model = main.choice, main.model
        self.loader.choice = main.choice
        main.put(choice, model)
        self._follow()

    def _listen(self) -> None:
        """Hear of clicks, answers and progress only while something is compared or marked."""
        signals = self.controller.signals
        is_used = self.pair is not None or self.hint.mark is not None
        signals.follow(self._follow, edits=is_used)
        for signal in (signals.answered, signals.progressed):
            listen(signal, self._follow, is_used)

    def _marked(self) -> None:
        if not self._is_closed:
            self._listen()
        self.changed.emit()

    def _follow(self, *_: Any) -> None:
        """Bring the comparison up to date after any change."""
        if self._is_closed:
            return
        image_controller = self.controller.image_controller
        # undo brought back the model that is now the second: both change places again
        if self._is_traded_back(image_controller):
            self._trade()
            return
        if self.pair is not None and (
            self.pair.image_controller is not image_controller
            or self.pair.image_controller.is_closed
        ):
            self._end_pair()
        if self.pair is None and image_controller is not None and not image_controller.is_closed:
            self._begin_pair(image_controller)
        if self.pair is not None:
            self.pair.follow()
        self.hint.check()
        self._mirrored.listen(self.controller, self.pair, self._place())
        self._listen()
        self.changed.emit()

    def _is_traded_back(self, image_controller: ImageController | None) -> bool:
        """Whether undo has brought back what is now the second model."""
        second = self.loader.model
        is_first = (
            image_controller is not None
            and second is not None
            and image_controller.session_store.model is second
        )
        return is_first and self.controller.loader.model is not second

    def _begin_pair(self, image_controller: ImageController) -> None:
        if self.loader.model is None or self.choice is None or self.loader.is_loading:
            return
        self.pair = MirroredModel(
            image_controller, self.loader.model, self.choice.name, on_change=self.changed.emit
        )
        if self.truth is not None and self.truth in self.possible_truths():
            self.pair.set_truth(self.truth)

    def _end_pair(self, *, remove: bool = True) -> None:
        pair, self.pair = self.pair, None
        self._mirrored.close()
        if self._keeping is not None:
            self._keeping.close()
        if pair is not None:
            pair.close(remove=remove)

    def _plane_changed(self, _event: Any = None) -> None:
        self.changed.emit()

    def _layer_added(self, event: Any) -> None:
        # the models may be measured by it
        if isinstance(event.value, Labels):
            self.changed.emit()

    def _layer_removed(self, event: Any) -> None:
        pair = self.pair
        if event.value is self.truth:
            self.choose_truth(None)
        # layers that are removed by the end of a comparison are no wish to end it
        if pair is None or pair.is_closed:
            self.changed.emit()
        elif event.value in (pair.labels, pair.agreement):
            self.choose(None)
            self.controller.signals.message.emit(
                Message(
                    "The layer {name!r} was removed, so the comparison has ended. Choose a second "
                    "model to begin again.",
                    name=event.value.name,
                )
            )


def _release(model: Any, _should_stop: Callable[[], bool]) -> None:
    method = getattr(model, "release", None)
    if method is not None:
        method()
