"""The objects of a session: begin, choose, finish, remove."""

from collections.abc import Hashable
from typing import Any

from napari_intseg.errors import PromptError
from napari_intseg.session.document import OBJECT, Change
from napari_intseg.session.journal.recorder import recorded
from napari_intseg.session.masks.canvas import PaintedKey
from napari_intseg.session.masks.plane_state import ObjectInfo, ObjectKey, PlaneKey
from napari_intseg.session.painting import Painting


class Objects(Painting):
    """Several objects in one volume, each with its label; prompts are for the current one."""

    @recorded
    def new_object(self, label: int | None = None) -> int:
        """Begin an object and make it the current one.

        Parameters
        ----------
        label : int, optional
            At least 1 and not in use; by default one more than the largest.

        Returns
        -------
        int
            Its label.

        Raises
        ------
        PromptError
            If the label is in use or below 1.
        """
        chosen = self._new_label(label)
        self.document.do("New object", {ObjectKey(chosen): ObjectInfo(chosen), OBJECT: chosen})
        return chosen

    def select_object(self, label: int) -> None:
        """Make an object the current one.

        Raises
        ------
        PromptError
            If there is none of that label.
        """
        self.document.object = self._checked(label)

    @recorded
    def remove_object(self, label: int | None = None) -> Change:
        """Remove an object with its prompts and mask; the current one by default.

        Another becomes the current one; without any other, label 1 begins anew.

        Raises
        ------
        PromptError
            If there is none of that label, it is locked, or pixels outside a region must stay.
        """
        gone = self._checked(self.object if label is None else label)
        self._check_free(gone)
        changes: dict[Hashable, Any] = {ObjectKey(gone): None}
        for plane, _ in self.document.canvas.states(gone):
            changes[PlaneKey(gone, plane)] = None
        for index in self.document.canvas.painted(gone):
            changes[PaintedKey(gone, index)] = None
        left = [one for one in self.objects if one != gone]
        if not left:
            changes[ObjectKey(1)] = ObjectInfo(1)
        if gone == self.object:
            changes[OBJECT] = left[-1] if left else 1
        return self.document.do("Remove object", changes)

    @recorded
    def finish_object(self, label: int | None = None) -> Change:
        """Lock an object: it takes no further prompts until reopened.

        Raises
        ------
        PromptError
            If there is none of that label.
        """
        return self._set_finished(label, True, "Finish object")

    @recorded
    def reopen_object(self, label: int | None = None) -> Change:
        """Let a finished object take prompts again; see `finish_object`."""
        return self._set_finished(label, False, "Reopen object")

    def _set_finished(self, label: int | None, finished: bool, title: str) -> Change:
        chosen = self._checked(self.object if label is None else label)
        return self.document.do(title, {ObjectKey(chosen): ObjectInfo(chosen, finished)})

    def _new_label(self, label: int | None) -> int:
        largest = max(self.objects, default=0)
        chosen = largest + 1 if label is None else int(label)
        if chosen < 1 or chosen in self.objects:
            raise PromptError(
                f"label cannot be used: expected at least 1 and none of {self.objects}, "
                f"got {label!r}. Leave it out for {largest + 1}."
            )
        return chosen

    def _checked(self, label: int) -> int:
        if label not in self.objects:
            raise PromptError(
                f"object does not exist: expected one of {self.objects}, got {label!r}. "
                "Begin it with new_object."
            )
        return label

    def _check_open(self, label: int | None = None) -> int:
        chosen = self.object if label is None else self._checked(label)
        if self.is_finished(chosen) or self.is_locked(chosen):
            is_what = "finished" if self.is_finished(chosen) else "locked"
            raise PromptError(
                f"object is {is_what}: expected one that takes prompts, got {chosen!r}. "
                "Reopen or unlock it, or begin a new object."
            )
        return chosen
