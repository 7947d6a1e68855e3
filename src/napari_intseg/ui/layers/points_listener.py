"""Listens to the Points layer: signs by mouse button, features kept complete."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_intseg.ui.layers.points_codec import (
    NEGATIVE,
    POSITIVE,
    complete_features,
    number_new,
    show_next,
    show_signs,
)
from napari_intseg.ui.qt.worker_thread import Post

MODIFIER = "Shift"
"""Held down, it turns the sign of a click; Shift has no meaning for napari's add mode."""

FloatVector = NDArray[np.float64]

# the number that vispy gives the right button
_RIGHT = 2
# milliseconds until looks are tidied: the new point is
# drawn before, so that neither adds to the other's time
_TIDY_MS = 40
_DONE = ("added", "removed", "changed")


class PointsListener:
    """Watches a Points layer and says when what it holds has changed.

    Parameters
    ----------
    points : Points
        The layer; its features are kept complete and its looks follow the signs.
    post : callable
        Has the GUI thread tidy up after the event: looks can wait, the request cannot.
    on_change : callable
        Called at once when points were added, moved, deleted or given other features.
    on_tidied : callable
        Called a little later, when they also look like it.
    can_click : callable
        Asked when the mouse adds a point; returns None, or why it is refused.
    on_refused : callable
        Told why.
    aim : callable
        Called before a click of the mouse is given to an object, with its index in the data and
        whether it is positive; may choose another object by `set_defaults`.

    Attributes
    ----------
    divert : callable or None
        While there is one, clicks of the mouse are no prompts: it is given their positions.
    """

    def __init__(
        self,
        points: Points,
        *,
        post: Post,
        on_change: Callable[[], None],
        on_tidied: Callable[[], None],
        can_click: Callable[[], str | None],
        on_refused: Callable[[str], None],
        aim: Callable[[tuple[int, ...], bool], None],
    ) -> None:
        self.points = points
        self._post = post
        self._on_change = on_change
        self._on_tidied = on_tidied
        self._can_click = can_click
        self._on_refused = on_refused
        self._aim = aim
        self.divert: Callable[[FloatVector], None] | None = None
        self._defaults: dict[str, Any] = {"sign": POSITIVE, "object": 1, "axis": 0, "order": 0}
        self._pressed: str | None = None
        self._by_mouse = False
        self._quiet = False
        self._untidy = False
        self._expected = False
        self._closed = False
        self._seen = points.features.copy()
        points.events.data.connect(self._data_changed)
        points.events.features.connect(self._features_changed)
        points.events.mode.connect(self._stay_last)
        # appended: napari's own callback comes first and adds the point
        points.mouse_drag_callbacks.append(self._press)

    @property
    def positive(self) -> bool:
        """The sign of a plain left click."""
        return bool(self._defaults["sign"] == POSITIVE)

    @property
    def defaults(self) -> dict[str, Any]:
        """Sign, object and axis of a prompt that is given now."""
        return {name: self._defaults[name] for name in ("object", "axis", "sign")}

    def set_defaults(self, **values: Any) -> None:
        """Choose "sign", "object" or "axis" of the points to come."""
        self._defaults.update(values)
        self._store_defaults()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Change the points without calling `on_change`; symbols and colours follow at the end."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            show_signs(self.points)
            self._seen = self.points.features.copy()
            self._quiet = before

    def click(self, position: FloatVector, positive: bool = True) -> None:
        """Click as the mouse would: for the object there, or a new one; see `aim`."""
        before, self._pressed = self._pressed, POSITIVE if positive else NEGATIVE
        try:
            self.points.add(position)
        finally:
            self._pressed = before

    def complete(self) -> None:
        """Make sure of the features and looks of points that were there before."""
        with self.quiet():
            complete_features(self.points, self._defaults)

    def close(self) -> None:
        """Disconnect from the layer."""
        self._closed = True
        self.points.events.data.disconnect(self._data_changed)
        self.points.events.features.disconnect(self._features_changed)
        self.points.events.mode.disconnect(self._stay_last)
        if self._press in self.points.mouse_drag_callbacks:
            self.points.mouse_drag_callbacks.remove(self._press)

    def _press(self, _layer: Points, event: Any) -> Iterator[None]:
        """Remember the sign from press to release; napari adds the point just before the end."""
        turned = event.button == _RIGHT or MODIFIER in event.modifiers
        self._pressed = POSITIVE if self.positive != turned else NEGATIVE
        # before napari adds the point, so that it has the right look at once
        show_next(self.points, self._pressed == POSITIVE)
        yield
        while event.type == "mouse_move":
            yield
        self._pressed = None

    def _stay_last(self, _event: Any = None) -> None:
        """Release after napari's own callback, which is replaced when the mode changes."""
        callbacks = self.points.mouse_drag_callbacks
        if self._press in callbacks and callbacks[-1] != self._press:
            callbacks.remove(self._press)
            callbacks.append(self._press)

    def _data_changed(self, event: Any) -> None:
        action = str(getattr(event.action, "value", event.action))
        # "adding" and its kin come before anything is there
        if self._quiet or action not in _DONE:
            return
        count = len(self.points.data)
        # napari also gives negative indices
        new = [int(i) % count for i in event.data_indices] if action == "added" else []
        label = None
        if new and self._pressed is not None:
            refusal = self._can_click()
            if refusal is not None:
                self._take_back(new)
                self._on_refused(refusal)
                return
            if self.divert is not None:
                position = np.array(self.points.data[new[-1]], float)
                self._take_back(new)
                self.divert(position)
                return
            self._by_mouse = True
            at = tuple(int(i) for i in np.rint(self.points.data[new[-1]]))
            self._aim(at, self._pressed == POSITIVE)
            label = int(self._defaults["object"])
        if action == "changed":
            # data that was set as a whole, by a script for instance, may have grown
            new = list(range(len(self._seen), count))
        if new:
            number_new(self.points, self._defaults, new, self._pressed, label)
        self._on_change()
        # napari tells of features right after
        self._expected = True
        self._tidy_soon()

    def _take_back(self, new: list[int]) -> None:
        with self.quiet():
            self.points.remove(new)

    def _features_changed(self, _event: Any = None) -> None:
        if self._quiet:
            return
        if self._expected:
            self._expected = False
            return
        # napari emits the event also where nothing has changed
        if self.points.features.equals(self._seen):
            return
        with self.quiet():
            complete_features(self.points, self._defaults)
        self._on_change()
        self._tidy_soon()

    def _tidy_soon(self) -> None:
        if not self._untidy:
            self._untidy = True
            self._post(self._tidy, _TIDY_MS)

    def _tidy(self) -> None:
        self._untidy = self._expected = False
        if self._closed:
            return
        with self.quiet():
            if self._by_mouse:
                # adding a point selects it, and selecting takes over its features as defaults
                self._by_mouse = False
                self._store_defaults()
        self._on_tidied()

    def _store_defaults(self) -> None:
        stored = self.points.feature_defaults
        # napari makes its table anew also for the same values. The row is read at once: asked
        # column by column, pandas takes a millisecond, after every click and undo
        held = dict(zip(stored.columns, stored.to_numpy()[0], strict=True)) if len(stored) else {}
        if all(n in held and held[n] == v for n, v in self._defaults.items()):
            return
        before, self._quiet = self._quiet, True
        try:
            # napari refuses a table without the columns that somebody else has added
            self.points.feature_defaults = {
                **{name: stored[name].to_numpy() for name in stored},
                **{name: np.array([value]) for name, value in self._defaults.items()},
            }
        finally:
            self._quiet = before
