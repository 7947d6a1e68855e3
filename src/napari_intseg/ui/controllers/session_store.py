"""Sessions by time point, and the objects they share."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.inference.intensity import PerChannel, WindowChoice
from napari_intseg.session.journal.recorder import Journal
from napari_intseg.session.session import Session
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.storage.embedding_folder import EmbeddingFolder


class SessionStore:
    """Makes a session for a time point when it is first needed.

    Labels are the same everywhere: an object that is in a session is known to all, and made in
    another one when something is given for it there.

    Parameters
    ----------
    image_axes : ImageAxes
        Gives the volumes.
    window, channels : optional
        How they are shown to a model; see `Session`.
    embedding_folder : EmbeddingFolder, optional
        Where embeddings are kept beyond the day.
    """

    def __init__(
        self,
        image_axes: ImageAxes,
        *,
        window: Callable[[], WindowChoice],
        channels: tuple[int, ...] | None = None,
        embedding_folder: EmbeddingFolder | None = None,
    ) -> None:
        self.image_axes = image_axes
        self.embedding_folder = embedding_folder or EmbeddingFolder()
        self.model: Segmenter | None = None
        self.object = 1
        self._labels: set[int] = set()
        self._window = window
        self.channels = channels
        self._sessions: dict[int, Session] = {}
        self._shown: dict[str, Any] = {}
        self._looked: dict[int, WindowChoice] = {}
        self.journal = Journal()

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
                self.image_axes.volume(time),
                window=self._seen(),
                channels=self.channels,
            )
            if self._shown:
                self._sessions[time].change_setup(**self._shown)
            self._looked[time] = self._sessions[time].window
            detail = next((s.detail_mm for s in self._sessions.values()), 0.0)
            if detail:
                self._sessions[time].set_detail(detail)
            self._sessions[time].keep_embeddings(self.embedding_folder.files)
            self._sessions[time].journal.join(self.journal, time)
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
        """Use a model in all sessions from now on; one step of undo in each."""
        self.model = model
        for time in self._sessions:
            self._look(time, model)

    def set_window(self) -> None:
        """Set the chosen intensity window in all sessions, if it changed.

        One step of undo; a window restored by undo stays until another one is chosen.
        """
        for time, session in self._sessions.items():
            if self._looked.get(time) != self._seen():
                self._look(time, session.model)

    def look(self, **changes: Any) -> None:
        """Change further fields of every session's `Setup`, here and at other time points."""
        for session in self._sessions.values():
            session.change_setup(**changes)
        self._shown.update(changes)

    def take(self, sessions: Mapping[int, Session], journal: Journal) -> None:
        """Replace all sessions by others, such as those of a replayed journal."""
        self._sessions, self.journal = dict(sessions), journal
        self._looked = {time: self._seen() for time in sessions}
        for time, session in self._sessions.items():
            session.keep_embeddings(self.embedding_folder.files)
            session.journal.journal, session.journal.time = journal, time
            self.model = session.model
            self.know(session.objects)
            self.object = session.object

    def went_back(self, session: Session) -> None:
        """Take note that undo or redo may have brought another model back."""
        self.model = session.model

    def _seen(self) -> WindowChoice:
        """Return the chosen window; None if its ranges are for another number of channels."""
        window = self._window()
        if not isinstance(window, PerChannel):
            return window
        count = len(self.channels) if self.channels else min(3, self.image_axes.volume().n_channels)
        return window if len(window.windows) == max(1, count) else None

    def _look(self, time: int, model: Segmenter) -> None:
        session, window = self._sessions[time], self._seen()
        changes: dict[str, Any] = {}
        if model is not session.model:
            changes["model"] = model
        if window != self._looked.get(time):
            changes["window"] = window
        self._looked[time] = window
        if changes:
            session.change_setup(**changes)

    def new_label(self, least: int = 1) -> int:
        """Return an unused label, and make it the current object."""
        self.object = max([*self.labels, least - 1]) + 1
        self._labels.add(self.object)
        return self.object

    def know(self, labels: Iterable[int]) -> None:
        """Take note of objects that are in the layers."""
        self._labels.update(labels)

    def know_no_more(self, labels: Iterable[int]) -> None:
        """Forget objects that were never begun."""
        self._labels.difference_update(labels)

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
        """Return the prompts that a session has for a place."""
        session = self.session(place.time, place.object)
        if session is None or place.object not in session.objects:
            return Prompts()
        return session.prompts(place.plane)

    def is_finished(self, label: int) -> bool:
        """Whether an object has been accepted, at any time point."""
        return any(
            (info := s.document.objects.get(label)) is not None and info.finished
            for s in self._sessions.values()
        )

    def set_finished(self, label: int, finished: bool) -> None:
        """Lock an object against further prompts at all time points, or unlock it."""
        for session in self._sessions.values():
            if label in session.objects and session.is_finished(label) != finished:
                if finished:
                    session.finish_object(label)
                else:
                    session.reopen_object(label)
