"""Sessions by time point, and the objects they share."""

from collections.abc import Callable, Iterable

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.session.document import SETUP
from napari_intseg.session.session import Session
from napari_intseg.session.setup import Setup
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import Place
from napari_intseg.ui.shelf import Shelf


class Drawer:
    """Makes a session for a time point when it is first needed.

    Labels are the same everywhere: an object that is in a session is known to all, and made in
    another one when something is given for it there.

    Parameters
    ----------
    frame : Frame
        Gives the volumes.
    window, channels : optional
        How they are shown to a model; see `Session`.
    shelf : Shelf, optional
        Where embeddings are kept beyond the day.
    """

    def __init__(
        self,
        frame: Frame,
        *,
        window: Callable[[], WindowChoice],
        channels: tuple[int, ...] | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self.frame = frame
        self.shelf = shelf or Shelf()
        self.model: Segmenter | None = None
        self.object = 1
        self._labels: set[int] = set()
        self._window = window
        self.channels = channels
        self._sessions: dict[int, Session] = {}

    @property
    def labels(self) -> tuple[int, ...]:
        """All objects there are."""
        return tuple(sorted(self._labels))

    @property
    def sessions(self) -> dict[int, Session]:
        """Those that have been needed so far, by time point."""
        return dict(self._sessions)

    def session(self, time: int, label: int | None = None, *, make: bool = False) -> Session | None:
        """Return the session of a time point with an object selected; None while there is no model.

        Parameters
        ----------
        time : int
            0 if there is no time axis.
        label : int, optional
            The current object otherwise.
        make : bool, default False
            Make the object there if there is none; else whichever is selected stays so.
        """
        if self.model is None:
            return None
        if time not in self._sessions:
            self._sessions[time] = Session(
                self.model,
                self.frame.volume(time),
                window=self._window(),
                channels=self.channels,
            )
            self._sessions[time].keep_embeddings(self.shelf.files)
        session = self._sessions[time]
        wanted = self.object if label is None else label
        if wanted in session.objects:
            if session.object != wanted:
                session.select_object(wanted)
        elif make:
            self._labels.add(wanted)
            session.new_object(wanted)
        return session

    def set_model(self, model: Segmenter) -> None:
        """Have everything answered by a model from now on."""
        self.model = model
        for session in self._sessions.values():
            _look_through(session, model, self._window())

    def set_window(self) -> None:
        """Look through the window that is chosen now."""
        for session in self._sessions.values():
            if session.window != self._window():
                _look_through(session, session.model, self._window())

    def new_label(self, least: int = 1) -> int:
        """Return a label that nobody has, and make it the current object."""
        self.object = max([*self.labels, least - 1]) + 1
        self._labels.add(self.object)
        return self.object

    def know(self, labels: Iterable[int]) -> None:
        """Take note of objects that are in the layers."""
        self._labels.update(labels)

    def know_again(self, session: Session, labels: Iterable[int]) -> None:
        """Take note of which objects a session has, after undo."""
        for label in labels:
            (self._labels.add if label in session.objects else self._labels.discard)(label)

    def mask(self, place: Place) -> BoolArray:
        """Return the mask of an object on a plane, bool (H, W)."""
        session = self._sessions[place.time]
        if place.object not in session.objects:
            return np.zeros(session.volume.slice_shape(place.plane.axis), bool)
        return session.mask_on(place.plane, place.object)

    def given(self, place: Place) -> Prompts:
        """Return what a session holds for a place."""
        session = self.session(place.time, place.object)
        if session is None or place.object not in session.objects:
            return Prompts()
        return session.prompts(place.plane)

    def is_finished(self, label: int) -> bool:
        """Whether an object has been accepted, at any time point."""
        return any(label in s.objects and s.is_finished(label) for s in self._sessions.values())

    def set_finished(self, label: int, finished: bool) -> None:
        """Lock an object against further prompts at all time points, or unlock it."""
        for session in self._sessions.values():
            if label in session.objects and session.is_finished(label) != finished:
                if finished:
                    session.finish_object(label)
                else:
                    session.reopen_object(label)


def _look_through(session: Session, model: Segmenter, window: WindowChoice) -> None:
    """Change how a session's questions are answered; what the widget shows is no step of undo."""
    old = session.setup
    if model is not old.model:
        session.cache.clear()
    setup = Setup(
        model, old.volume, window, old.channels, old.zoom_in, old.flip, old.longer_side_px,
        old.graph_cut,
    )  # fmt: skip
    session.document.history.amend(SETUP, setup)
