"""The second model propagates after the first: the same object, planes and way."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from napari_intseg.core.segmenter import MemorySegmenter
from napari_intseg.errors import IntSegError
from napari_intseg.propagation.walk import Step, WalkSettings, walk
from napari_intseg.ui.compare.pair import MirroredModel
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, sentence, told


class MirroredPropagation:
    """One propagation of the second model, a plane at a time so that clicks go in between.

    Parameters
    ----------
    pair : MirroredModel
        Whose second model propagates.
    place : Place
        The object, its time point, and a plane of the axis.
    on_end : callable
        Called once, unless it is closed before.
    """

    def __init__(self, pair: MirroredModel, place: Place, *, on_end: Callable[[], None]) -> None:
        self._pair, self._place = pair, place
        self._on_end = on_end
        self._steps: Iterator[Step] | None = None
        self.is_running = False

    def start(self, planes: range | None, settings: WalkSettings | None) -> None:
        """Propagate as the first model has done, as far as there is anything new to do.

        Parameters
        ----------
        planes : range or None
            Only to these; None: as far as the object goes.
        settings : WalkSettings or None
            How; by memory only if the second model has one.
        """
        follower, label = self._pair.follower(self._place.time), self._place.object
        if follower is None or label not in follower.objects:
            self._on_end()
            return
        if settings is not None and settings.method == "memory":
            has_memory = isinstance(follower.model, MemorySegmenter)
            settings = settings if has_memory else replace(settings, method="neighbour")
        self.is_running = True
        try:
            follower.set_axis(self._place.plane.axis)
            request = follower.propagation_request(planes, settings=settings, label=label)
            self._steps = walk(request)
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

        self._pair.image_controller.tools.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Step | None]) -> None:
        if not self.is_running or self._pair.is_closed:
            return
        if outcome.error is not None:
            signals = self._pair.image_controller.tools.signals
            signals.failed.emit(
                Message("{name}: {error}", name=self._pair.name, error=told(outcome.error))
            )
        follower, step = self._pair.follower(self._place.time), outcome.value
        if step is None or follower is None or not follower.accept_step(step):
            self._end()  # done, or overtaken by a click
            return
        if step.note:
            told_by = Message("{name}: {error}", name=self._pair.name, error=sentence(step.note))
            self._pair.image_controller.tools.signals.message.emit(told_by)
        self._pair.follow()
        self._next()

    def _end(self) -> None:
        self.close()
        self._pair.follow()
        self._on_end()


class MirroredPropagations:
    """Has the second model propagate whenever the first has done so.

    Parameters
    ----------
    on_end : callable
        Called at the end of each propagation of the second model.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._heard: Place | None = None
        self._echo: MirroredPropagation | None = None

    @property
    def is_running(self) -> bool:
        """Whether the second model propagates."""
        return self._echo is not None and self._echo.is_running

    def listen(
        self, controller: ViewerController, pair: MirroredModel | None, place: Place | None
    ) -> None:
        """Remember a propagation of the first model, and repeat it once that has ended.

        Parameters
        ----------
        controller : ViewerController
            Where the first model works.
        pair : MirroredModel or None
            The second model.
        place : Place or None
            The object, and the plane in the window.
        """
        if controller.is_propagating:
            self._heard = self._heard or place
            return
        heard, self._heard = self._heard, None
        if heard is not None and pair is not None:
            self.close()
            self._echo = MirroredPropagation(pair, heard, on_end=self._on_end)
            self._echo.start(controller.planes, controller.settings)

    def close(self) -> None:
        """Stop, and tell nobody."""
        echo, self._echo = self._echo, None
        if echo is not None:
            echo.close()
