"""The second model propagates after the first: the same object, planes and way."""

from collections.abc import Callable, Iterator

from napari_intseg.errors import IntSegError
from napari_intseg.propagation.walk import Step, walk
from napari_intseg.ui.compare_pair import Pair
from napari_intseg.ui.voice import told
from napari_intseg.ui.worker import Outcome, ShouldStop


class Echo:
    """One propagation of the second model, a plane at a time so that clicks go in between.

    Parameters
    ----------
    pair : Pair
        Whose second model propagates.
    time, label : int
        Which object, at which time point.
    planes : range or None
        Only to these; None: as far as the object goes.
    on_end : callable
        Called once, unless it is closed before.
    """

    def __init__(
        self, pair: Pair, time: int, label: int, planes: range | None, on_end: Callable[[], None]
    ) -> None:
        self._pair, self._time, self._label, self._planes = pair, time, label, planes
        self._on_end = on_end
        self._steps: Iterator[Step] | None = None
        self.is_running = False

    def start(self, axis: int) -> None:
        """Propagate across the planes of an axis, as far as there is anything new to do."""
        follower = self._pair.follower(self._time)
        if follower is None or self._label not in follower.objects:
            self._on_end()
            return
        self.is_running = True
        try:
            follower.set_axis(axis)
            self._steps = walk(follower.propagation_request(self._planes, label=self._label))
        except IntSegError:  # it has no mask to start from; the panel shows that it has none
            self._end()
            return
        self._next()

    def close(self) -> None:
        """Stop, and tell nobody."""
        self.is_running, self._steps = False, None

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> Step | None:
            return None if steps is None else next(steps, None)

        self._pair.binder.tools.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Step | None]) -> None:
        if not self.is_running or self._pair.is_closed:
            return
        if outcome.error is not None:
            voice = self._pair.binder.tools.voice
            voice.failed.emit(f"{self._pair.name}: {told(outcome.error)}")
        follower, step = self._pair.follower(self._time), outcome.value
        if step is None or follower is None or not follower.accept_step(step):
            self._end()  # done, or overtaken by a click
            return
        self._pair.follow()
        self._next()

    def _end(self) -> None:
        self.close()
        self._pair.follow()
        self._on_end()
