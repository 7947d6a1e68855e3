"""Many objects at once: what to look for, and taking over what was found."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.session.alike import TITLE, SearchRequest
from napari_intseg.session.document import Change
from napari_intseg.session.giving import Giving
from napari_intseg.session.journal.recorder import recorded
from napari_intseg.session.masks.plane_state import ObjectInfo, ObjectKey, Window
from napari_intseg.session.validate_prompts import check_plane

LIMIT_PX = 1 << 25
"""Of what is looked at in one go."""


class Finding(Giving):
    """A session that takes over objects that were found, computed elsewhere."""

    def search_request(
        self,
        plane: Plane,
        *,
        window: Window | None = None,
        labels: NDArray[np.integer] | None = None,
    ) -> SearchRequest:
        """Return what there is to look for: more objects like those on a plane. See `search`.

        Parameters
        ----------
        plane : Plane
            Where.
        window : (slice, slice), optional
            Rows and columns to look at; the whole plane by default.
        labels : ndarray of int, shape of the window, optional
            The objects there are; those of the session by default.

        Raises
        ------
        PromptError
            If the plane does not exist, or is too large to be looked at in one go.
        """
        height, width = self.volume.slice_shape(check_plane(self.volume, plane).axis)
        rows, cols = (
            slice(*part.indices(n)[:2])
            for part, n in zip(window or (slice(None),) * 2, (height, width), strict=True)
        )
        size = max(0, rows.stop - rows.start) * max(0, cols.stop - cols.start)
        if not 0 < size <= LIMIT_PX:
            raise PromptError(
                f"part of the plane cannot be looked at: expected 1 to {LIMIT_PX} pixels, got "
                f"{size!r}. Choose a smaller window, or crop the image."
            )
        known = self.labels_on(plane)[rows, cols] if labels is None else np.asarray(labels)
        return SearchRequest(self.setup, plane, (rows, cols), known, self.cache)

    @recorded
    def begin_with(
        self,
        masks: Mapping[Plane, BoolArray],
        label: int | None = None,
        title: str = TITLE,
        token: str | None = None,
    ) -> Change:
        """Begin an object with masks, as one entry; the current object stays the current one.

        Parameters
        ----------
        masks : mapping of Plane to ndarray of bool, shape (H, W)
            On the slices' grids; pixels that other objects keep are left out.
        label : int, optional
            As in `new_object`.
        title : str
            What people read beside Undo.
        token : str, optional
            Calls with the same token, with nothing done between them, are one step of undo.

        Raises
        ------
        PromptError
            If the label is in use, or a plane does not exist.
        DataError
            If a mask is on another grid.
        """
        chosen = self._new_label(label)
        changes: dict[Hashable, Any] = {ObjectKey(chosen): ObjectInfo(chosen)}
        return self.document.do(title, {**changes, **self._started(chosen, masks)}, token)
