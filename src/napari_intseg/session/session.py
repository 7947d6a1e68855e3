"""A session for scripts, the shell and the robot user: every action is answered at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import Array, Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError, PromptError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.propagation.walk import Walk, WalkSettings, walk
from napari_intseg.session.alike import TITLE as TITLE_ALIKE
from napari_intseg.session.alike import search
from napari_intseg.session.alternatives import Alternatives
from napari_intseg.session.cleaning import Cleaning
from napari_intseg.session.document import Change
from napari_intseg.session.propagating import TITLE, TITLE_ALL
from napari_intseg.session.request import Result, run
from napari_intseg.session.validate_prompts import place


class Session(Alternatives, Cleaning):
    """One person's (or robot's) work on one volume.

    Examples
    --------
    >>> session = Session(model, Volume(array, spacing=(5.0, 0.7, 0.7)))  # doctest: +SKIP
    >>> session.click((40, 120, 200))  # doctest: +SKIP
    >>> session.mask  # doctest: +SKIP
    """

    @property
    def axis(self) -> int:
        """Clicks and propagation use planes perpendicular to it; settable."""
        return self._axis

    @axis.setter
    def axis(self, axis: int) -> None:
        self.set_axis(axis)

    @property
    def model(self) -> Segmenter:
        """Who answers; settable. Masks stay; the next prompt on a plane asks the new model."""
        return self.setup.model

    @model.setter
    def model(self, model: Segmenter) -> None:
        self.change_setup(model=model)

    @property
    def window(self) -> WindowChoice:
        """How values become grey; settable. The current object is then predicted anew."""
        return self.setup.window

    @window.setter
    def window(self, window: WindowChoice) -> None:
        self.change_setup(window=window)
        self._predict_all()

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Which channels the model sees; settable. The current object is then predicted anew."""
        return self.setup.channels

    @channels.setter
    def channels(self, channels: tuple[int, ...] | None) -> None:
        self.change_setup(channels=channels)
        self._predict_all()

    def click(self, position: Sequence[float], positive: bool = True) -> Result:
        """Add a click for the current object and predict its plane.

        Parameters
        ----------
        position : sequence of float
            ``(plane, row, col)`` in the order of the data's axes, whatever `axis` is;
            ``(row, col)`` in 2-D. Pixels; the centre of the first is 0.
        positive : bool, default True
            Whether it lies on the object.

        Returns
        -------
        Result
            Its `patch` is the answer on the plane.

        Raises
        ------
        PromptError
            If the position has another number of coordinates, holds NaN or lies outside, or the
            object is finished.
        """
        plane, row, col = place(self.volume, self.axis, position)
        given = self.prompts(plane)
        return self._ask(
            plane,
            replace(given, clicks=(*given.clicks, Click(row, col, positive))),
            "Positive click" if positive else "Negative click",
        )

    def set_box(self, box: Box | None, plane: Plane | None = None) -> Result:
        """Put a box round the current object, or take it away with None, and predict.

        Parameters
        ----------
        box : Box or None
            In pixels of the plane's slice.
        plane : Plane, optional
            May be left out in 2-D.

        Raises
        ------
        PromptError
            If the plane does not exist or is missing, the box lies outside, or the model takes no
            boxes.
        """
        where = _plane(self, plane)
        return self._ask(where, replace(self.prompts(where), box=box), "Set box")

    def add_scribble(self, scribble: Scribble, plane: Plane | None = None) -> Result:
        """Draw a line on, or beside, the current object and predict; see `set_box`."""
        where = _plane(self, plane)
        given = self.prompts(where)
        scribbles = (*given.scribbles, scribble)
        return self._ask(where, replace(given, scribbles=scribbles), "Add scribble")

    def remove_click(self, number: int) -> Change:
        """Remove a click and answer those after it again, as if it had not been made.

        Parameters
        ----------
        number : int
            Index in `clicks`; negative counts from the end.

        Raises
        ------
        PromptError
            If there is no such click.
        """
        plane, clicks, at = _find(self, number)
        left = clicks[:at] + clicks[at + 1 :]
        return self._change({plane: left}, "Remove click")

    def move_click(self, number: int, position: Sequence[float]) -> Change:
        """Move a click, to another plane if need be, and answer again.

        Parameters
        ----------
        number : int
            Index in `clicks`; negative counts from the end.
        position : sequence of float
            As in `click`.

        Raises
        ------
        PromptError
            If there is no such click, or the position is not on a plane of the click's axis.
        """
        plane, clicks, at = _find(self, number)
        target, row, col = place(self.volume, plane.axis, position)
        moved = Click(row, col, clicks[at].positive)
        if target == plane:
            return self._change({plane: (*clicks[:at], moved, *clicks[at + 1 :])}, "Move click")
        there = (*self.prompts(target).clicks, moved)
        return self._change({plane: clicks[:at] + clicks[at + 1 :], target: there}, "Move click")

    def set_initial_mask(self, mask: Array, plane: Plane | None = None) -> Change:
        """Start the current object from a mask; clicks that follow correct it.

        Parameters
        ----------
        mask : ndarray of bool
            Of a slice's shape (H, W) with `plane`, or of the data's shape; of any other dtype,
            non-zero is the object. In 3-D, planes of `axis` that hold a pixel of it, or that a
            person worked on, take over their slice.
        plane : Plane, optional
            May be left out in 2-D.

        Raises
        ------
        DataError
            If the mask is on another grid.
        PromptError
            If the plane does not exist, or the object is finished.
        """
        if plane is not None or self.volume.ndim == 2:
            return self.set_initial({_plane(self, plane): mask})
        if np.shape(mask) != self.volume.shape:
            raise DataError(
                f"mask is on another grid: expected the data's shape {self.volume.shape}, got "
                f"{np.shape(mask)!r}. Give a plane with a 2-D mask, or resample it first."
            )
        clicked = set(self.clicked_planes(self.axis))
        slices = {p: self.volume.of(np.asarray(mask), p) for p in self.volume.planes(self.axis)}
        return self.set_initial({p: m for p, m in slices.items() if p in clicked or m.any()})

    def predict(self, plane: Plane) -> Result | None:
        """Answer what the current object's prompts on a plane still wait for; None if nothing."""
        request = self.request(plane)
        if request is None:
            return None
        result = run(request)
        self.accept(result)
        return result

    def propagate(
        self,
        planes: range | None = None,
        *,
        settings: WalkSettings | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Change:
        """Carry the current object's masks from the clicked planes of `axis` to their neighbours.

        Planes a person worked on stay as they are. It stops where the object ends, see `Ending`.
        What an earlier call did and nothing has changed is not done again.

        Parameters
        ----------
        planes : range, optional
            Only these are changed; all by default.
        settings : WalkSettings, optional
            When to stop.
        on_progress : callable, optional
            Called with planes done and planes in all.
        should_stop : callable, optional
            Asked between two planes; what has been done by then stays.

        Raises
        ------
        PromptError
            See `propagation_request`.
        """
        self._answer_all(self.object)
        request = self.propagation_request(planes, settings=settings)
        return self._walk(request, on_progress, should_stop)

    def propagate_all(
        self,
        planes: range | None = None,
        *,
        settings: WalkSettings | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Change:
        """Carry every object that is not finished to its neighbouring planes; one step of undo.

        Objects come in the order of their labels; where two would overlap, the overlap rule
        decides, so by default the first has the pixel.

        Parameters
        ----------
        planes, settings
            As in `propagate`.
        on_progress : callable, optional
            Called with objects done and objects in all.
        should_stop : callable, optional
            Asked between two planes; what has been done by then stays.

        Raises
        ------
        PromptError
            If no object can be propagated, see `can_propagate` and `propagation_request`.
        """
        for label in self.objects:
            self._answer_all(label)
        chosen = [label for label in self.objects if self.can_propagate(label)]
        if not chosen:
            raise PromptError(
                f"nothing to propagate: expected an object that is not finished, with a mask on a "
                f"plane of axis {self.axis} that a person worked on, got none. Click on one first."
            )
        together = f"{TITLE_ALL} {self.document.next_serial()}"
        changes = []
        for number, label in enumerate(chosen):
            if should_stop is not None and should_stop():
                break
            request = self.propagation_request(
                planes, settings=settings, label=label, together=together
            )
            changes.append(self._walk(request, None, should_stop))
            if on_progress is not None:
                on_progress(number + 1, len(chosen))
        return Change(
            TITLE_ALL,
            tuple(sorted({plane for change in changes for plane in change.planes})),
            tuple(label for change in changes for label in change.objects),
        )

    def find_alike(
        self,
        plane: Plane | None = None,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> tuple[int, ...]:
        """Find more objects like those on a plane, and begin each; one step of undo for all.

        Parameters
        ----------
        plane : Plane, optional
            May be left out in 2-D.
        on_progress : callable, optional
            Called with places looked at and places in all.
        should_stop : callable, optional
            Asked between two places; what has been found by then stays.

        Returns
        -------
        tuple of int
            Their labels. The current object stays the current one.

        Raises
        ------
        PromptError
            If there is no object on the plane, see also `search_request` and `search`.
        """
        where = _plane(self, plane)
        request = self.search_request(where)
        token, before = f"{TITLE_ALIKE} {self.document.next_serial()}", self.objects
        for sought in search(request):
            if sought.found is not None:
                self.begin_with({where: sought.found}, token=token)
            if on_progress is not None:
                on_progress(sought.done, sought.total)
            if should_stop is not None and should_stop():
                break
        return tuple(label for label in self.objects if label not in before)

    def _answer_all(self, label: int) -> None:
        """Have an object answered on every plane of the axis that waits for it."""
        current = self.object
        self.select_object(label)
        for plane in self.clicked_planes(self.axis):
            self.predict(plane)
        self.select_object(current)

    def _walk(
        self,
        request: Walk,
        on_progress: Callable[[int, int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> Change:
        changed = set()
        for step in walk(request):
            self.accept_step(step)
            if step.plane is not None:
                changed.add(step.plane)
            if on_progress is not None:
                on_progress(step.done, step.total)
            if should_stop is not None and should_stop():
                break
        return Change(TITLE, tuple(sorted(changed)), (request.label,))

    def _ask(self, plane: Plane, prompts: Prompts, title: str) -> Result:
        self.give({plane: prompts}, title)
        result = self.predict(plane)
        if result is not None:
            return result
        answer, question = (
            self.answer(plane),
            self._question(plane, self.document.state(self.object, plane)),
        )
        answers = () if answer is None else ((len(prompts.clicks), answer),)
        return Result(self.revision, self.object, question, answers)

    def _change(self, clicks: dict[Plane, tuple[Click, ...]], title: str) -> Change:
        changes = {p: replace(self.prompts(p), clicks=given) for p, given in clicks.items()}
        change = self.give(changes, title)
        for plane in changes:
            self.predict(plane)
        return change

    def _predict_all(self) -> None:
        for plane in self.clicked_planes():
            self.predict(plane)


def _find(session: Session, number: int) -> tuple[Plane, tuple[Click, ...], int]:
    clicks = session.clicks
    if not -len(clicks) <= number < len(clicks):
        raise PromptError(
            f"click does not exist: expected a number below {len(clicks)}, got {number!r}. "
            "See `clicks` for those of the current object."
        )
    placed = clicks[number]
    return placed.plane, session.prompts(placed.plane).clicks, placed.number


def _plane(session: Session, plane: Plane | None) -> Plane:
    if plane is None and session.volume.ndim == 3:
        raise PromptError(
            "plane is missing: expected a Plane in a volume, got None. "
            "Say on which plane, e.g. Plane(0, 40)."
        )
    return plane or Plane(0, 0)
