"""Two models on the same clicks: what the panel does, without Qt."""

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Labels
from psygnal import Signal

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.compare_hint import Hint
from napari_intseg.ui.compare_keep import Keeping, wish_of
from napari_intseg.ui.compare_pair import Pair
from napari_intseg.ui.compare_spread import Echoes
from napari_intseg.ui.compare_state import (
    State,
    place_of,
    possible_truths,
    put_masks,
    show_plane,
    show_worst,
    state_of,
)
from napari_intseg.ui.layers import Place
from napari_intseg.ui.loading import Choice, Loader, load
from napari_intseg.ui.workbench import Workbench
from napari_intseg.ui.worker import Post


class Comparison:
    """A second model for a workbench.

    Parameters
    ----------
    bench : Workbench
        Where the first model works.
    post : callable
        As for the workbench.
    load_with : callable, optional
        Loads a model; another than `load` in tests.
    """

    changed = Signal()
    """There is something new to show."""

    def __init__(
        self,
        bench: Workbench,
        post: Post,
        *,
        load_with: Callable[..., Segmenter | None] = load,
    ) -> None:
        self.bench = bench
        self.loader = Loader(
            bench.worker, post, bench.voice, on_model=self._model_ready, load_with=load_with
        )
        self.choice: Choice | None = None
        self.truth: Labels | None = None
        self.pair: Pair | None = None
        self.hint = Hint(self.changed.emit)
        self._echoes = Echoes(self.changed.emit)
        self._keeping: Keeping | None = None
        self._is_closed = False
        for signal in (bench.voice.changed, bench.voice.answered, bench.voice.progressed):
            signal.connect(self._follow)
        bench.viewer.layers.events.removed.connect(self._layer_removed)
        bench.viewer.dims.events.current_step.connect(self._plane_changed)

    @property
    def is_idle(self) -> bool:
        """Whether all is answered, propagated and compared."""
        is_busy = self._echoes.is_running or self.is_keeping
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
            self.bench.worker.submit(partial(_release, model), lambda _: None)
        if choice is not None:
            self.loader.choose(choice)
        self.changed.emit()

    def possible_truths(self) -> tuple[Labels, ...]:
        """Return the Labels layers that lie on the grid of the image and are not ours."""
        binder = self.bench.binder
        return () if binder is None else possible_truths(self.bench.viewer, binder, self.pair)

    def choose_truth(self, layer: Labels | None) -> None:
        """Measure both models by a layer, or by none."""
        self.truth = layer
        if self.pair is not None:
            self.pair.set_truth(layer)
        self.changed.emit()

    @property
    def state(self) -> State | None:
        """What there is to show; None while nothing is compared."""
        pair, place = self.pair, self._place()
        if pair is None or place is None:
            return None
        name, echoes = self.bench.loader.choice.name, self._echoes.is_running
        return state_of(pair, place, name, is_waiting=echoes)

    def keep(self, which: str, *, everywhere: bool = False) -> None:
        """Go on from one of the masks, or both together, as one step of undo.

        It takes a turn of the event loop a plane, see `Keeping`.

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
        elif self.bench.is_propagating or self._echoes.is_running:
            self._fail("Masks are still being propagated. Wait for them, or cancel.")
        elif (wish := wish_of(pair, place, which, everywhere=everywhere)) is None:
            self._fail("There is nothing to keep: that mask is empty here.")
        else:
            self._keeping = Keeping(pair, wish, on_end=self._kept)
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
        model, choice = self.bench.loader.model, self.bench.loader.choice
        second, its_choice = self.loader.model, self.choice
        if pair is None or place is None or model is None or second is None or its_choice is None:
            self._fail("There is nothing to hand over yet. Choose a second model, then click.")
            return
        mask, _ = pair.masks(place)
        if mask.any() and not put_masks(self.bench, place, {place.plane: mask}):
            return
        self._trade()
        self.bench.voice.message.emit(
            f"{its_choice.name} goes on from the mask of {choice.name}. The next click corrects it."
        )

    def suggest(self) -> None:
        """Mark where the next click would say most."""
        if self.bench.binder is None:
            self._fail("There is nothing to suggest yet. Click on the object first.")
            return
        self.hint.suggest(self.bench.binder, self.pair)

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
        return self.pair.binder.plane_number(Plane(place.plane.axis, index))

    def go_to_plane(self, number: int) -> None:
        """Show a plane of the axis in the window, counted as the slider does."""
        place = self._place()
        if self.pair is not None and place is not None:
            binder = self.pair.binder
            show_plane(binder, binder.plane_at(place.plane.axis, number))

    def close(self) -> None:
        """Let go of the viewer; layers stay as they are, but the mark."""
        if self._is_closed:
            return
        self._is_closed = True
        voice, viewer = self.bench.voice, self.bench.viewer
        for signal in (voice.changed, voice.answered, voice.progressed):
            signal.disconnect(self._follow)
        viewer.layers.events.removed.disconnect(self._layer_removed)
        viewer.dims.events.current_step.disconnect(self._plane_changed)
        self.hint.clear()
        self._end_pair(remove=False)

    def release(self) -> None:
        """Give back the second model's memory; the thread has ended."""
        self.loader.release()

    def _place(self) -> Place | None:
        return place_of(self.bench)

    def _fail(self, text: str) -> None:
        self.bench.voice.failed.emit(text)

    def _kept(self, text: str, is_wrong: bool) -> None:
        (self.bench.voice.failed if is_wrong else self.bench.voice.message).emit(text)
        self.bench.voice.changed.emit()

    def _model_ready(self, _model: Segmenter) -> None:
        self._end_pair()
        self._follow()

    def _trade(self) -> None:
        """Have the two models change places."""
        main, model, choice = self.bench.loader, self.loader.model, self.choice
        if main.model is None or model is None or choice is None:
            return
        self._end_pair()
        self.choice, self.loader.model = main.choice, main.model
        self.loader.choice = main.choice
        main.put(choice, model)
        self._follow()

    def _follow(self, *_: Any) -> None:
        """Answer to whatever has happened."""
        if self._is_closed:
            return
        binder = self.bench.binder
        if self._is_traded_back(binder):
            self._trade()
            return
        if self.pair is not None and (self.pair.binder is not binder or self.pair.binder.is_closed):
            self._end_pair()
        if self.pair is None and binder is not None and not binder.is_closed:
            self._begin_pair(binder)
        if self.pair is not None:
            self.pair.follow()
        self.hint.check()
        self._echoes.listen(self.bench, self.pair, self._place())
        self.changed.emit()

    def _is_traded_back(self, binder: Binder | None) -> bool:
        """Whether undo has brought back what is now the second model."""
        second = self.loader.model
        is_first = binder is not None and second is not None and binder.drawer.model is second
        return is_first and self.bench.loader.model is not second

    def _begin_pair(self, binder: Binder) -> None:
        if self.loader.model is None or self.choice is None or self.loader.is_loading:
            return
        self.pair = Pair(binder, self.loader.model, self.choice.name, on_change=self.changed.emit)
        if self.truth is not None and self.truth in self.possible_truths():
            self.pair.set_truth(self.truth)

    def _end_pair(self, *, remove: bool = True) -> None:
        pair, self.pair = self.pair, None
        self._echoes.close()
        if self._keeping is not None:
            self._keeping.close()
        if pair is not None:
            pair.close(remove=remove)

    def _plane_changed(self, _event: Any = None) -> None:
        self.changed.emit()

    def _layer_removed(self, event: Any) -> None:
        pair = self.pair
        if event.value is self.truth:
            self.choose_truth(None)
        if pair is None or pair.is_closed:
            self.changed.emit()
        elif event.value in (pair.labels, pair.agreement):
            self.choose(None)
            self.bench.voice.message.emit(
                f"The layer {event.value.name!r} was removed, so the comparison has ended. Choose "
                "a second model to begin again."
            )


def _release(model: Any, _should_stop: Callable[[], bool]) -> None:
    method = getattr(model, "release", None)
    if method is not None:
        method()
