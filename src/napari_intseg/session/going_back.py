"""Undo and redo: of everything, or of one object alone."""

from dataclasses import replace

from napari_intseg.session.document import Change
from napari_intseg.session.finding import Finding
from napari_intseg.session.journal.recorder import on_paper, recorded


class GoingBack(Finding):
    """A session whose actions can be taken back, at once and without the model."""

    @recorded
    def undo(self, object: int | None = None) -> Change | None:
        """Take back the last action, at once and without the model; None if there is none.

        Parameters
        ----------
        object : int, optional
            Take back the last action for this object alone, whatever was done to others since.
            That is an action of its own, so `undo()` takes it back in turn. Nothing else changes:
            what others took meanwhile stays theirs, and what this one had taken from them does
            not go back. That the object was begun is not taken back.

        Raises
        ------
        PromptError
            If that object is locked other than by being finished, or pixels outside a region must
            stay as they are.
        """
        if object is None:
            return self._refreshed(self.document.undo())
        self._check_may_go(object)
        return self._refreshed(self.document.revert(object))

    @recorded
    def redo(self, object: int | None = None) -> Change | None:
        """Bring back the action undone last, without the model; None if there is none.

        Parameters
        ----------
        object : int, optional
            What `undo` took back for this object alone, if nothing was done to it since.
        """
        if object is None:
            return self._refreshed(self.document.redo())
        self._check_may_go(object)
        return self._refreshed(self.document.bring_back(object))

    def can_go(self, action: str, object: int) -> bool:
        """Whether "undo" or "redo" of one object alone would do something."""
        document = self.document
        found = document.last_of(object) if action == "undo" else document.last_reverted(object)
        return object in self.objects and found is not None

    def _check_may_go(self, label: int) -> None:
        """Refuse an object that is locked; what was last done to a finished one is finishing it."""
        if not self.is_finished(label) or label in self.protection.locked:
            self._check_free(label)

    def answered_planes(self, result: object) -> list[list[int]]:
        """Return [label, axis, index] of planes that an action changed and that are answered."""
        found = []
        if isinstance(result, Change):
            for label in result.objects:
                for plane in result.planes:
                    state = self.document.state(label, plane)
                    shown = state.shown
                    if shown is None or shown.question is None:
                        continue
                    if shown.question == self._question(plane, state):
                        found.append([label, *on_paper(plane)])
        return found

    def _refreshed(self, change: Change | None) -> Change | None:
        """Put answers in place that are known, but came when nobody asked for them any more."""
        if change is None:
            return None
        open_planes = [] if self._is_shut(self.object) else self.clicked_planes()
        placed = [plane for plane in open_planes if self._place(self.object, plane)]
        if len(change.planes) == 1:
            self._last = change.planes[0]
        if not placed:
            return change
        objects = tuple(sorted({*change.objects, self.object}))
        return replace(change, objects=objects, planes=tuple(sorted({*change.planes, *placed})))
