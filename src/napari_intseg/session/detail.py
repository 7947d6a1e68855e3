"""The detail of outlines as part of a session: masks follow it, and stay what they were below."""

import math
from collections.abc import Collection, Hashable
from typing import Any

from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.session.document import DETAIL, Change, Document
from napari_intseg.session.masks.plane_state import PlaneKey
from napari_intseg.session.masks.smooth_outline import plain

TITLE = "Change detail"


class OutlineDetail:
    """Changes how much detail the outlines of a document show.

    Parameters
    ----------
    document : Document
        Is changed.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def set(
        self,
        mm: float,
        planes: Collection[Plane] | None,
        labels: Collection[int] | None,
        token: Hashable,
    ) -> Change:
        """Show outlines with another detail; see `Session.set_detail`."""
        if not 0 <= mm < math.inf:
            raise PromptError(
                f"detail cannot be used: expected millimetres, 0 or more, got {mm!r}. "
                "0 shows outlines as the model gave them."
            )
        document = self.document
        changes: dict[Hashable, Any] = {DETAIL: float(mm) or None}
        for label in document.objects:
            if document.is_locked(label) or (labels is not None and label not in labels):
                continue
            for plane, state in document.canvas.states(label):
                if state.shown is None or (planes is not None and plane not in planes):
                    continue
                if mm or state.shown.plain is not None:
                    changes[PlaneKey(label, plane)] = plain(state)
        return document.do(TITLE, changes, token)
