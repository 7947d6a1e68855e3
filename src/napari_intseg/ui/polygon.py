"""The current object as polygons that can be edited: moving a vertex changes the mask."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.contour import TOLERANCE_PX, filled, outline
from napari_intseg.session.session import Session
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import FloatMatrix, Place, geometry
from napari_intseg.ui.made import note_made
from napari_intseg.ui.shapes_in import CLOSED, frame_slice, slice_points, vertices_on

if TYPE_CHECKING:
    from napari_intseg.ui.workbench import Workbench

TITLE = "Edit outline"
_SHARE_OF_DIAGONAL = 0.012
_DONE = ("added", "removed", "changed")

Rings = tuple[FloatMatrix, ...]


class Outliner:
    """Makes the polygon layer of one object on one plane, and takes it away again.

    Only pixels between the old and the new polygon change: elsewhere the mask keeps every pixel
    that a polygon with few vertices cannot tell.

    Parameters
    ----------
    bench : Workbench
        Whose object in view.
    """

    def __init__(self, bench: "Workbench") -> None:
        self._bench = bench
        self.layer: Shapes | None = None
        self._binder: Binder | None = None
        self._place: Place | None = None
        self._rings: Rings = ()
        self._mask: BoolArray = np.zeros((0, 0), bool)
        self._tolerance_px = TOLERANCE_PX
        self._quiet = self._waiting = False
        bench.viewer.layers.events.removed.connect(self._layer_removed)
        bench.voice.changed.connect(self._follow_soon)

    @property
    def is_open(self) -> bool:
        """Whether polygons are being edited."""
        return self.layer is not None

    def begin(self, tolerance_px: float | None = None) -> None:
        """Show the current object on the plane in view as polygons.

        Parameters
        ----------
        tolerance_px : float, optional
            See `outline`; by default so much that a hand can hold the vertices of a large object.
        """
        bench = self._bench
        self.finish()
        binder = bench.binder
        now = None if binder is None or binder.is_closed else binder.viewed
        if binder is None or now is None or isinstance(now, str):
            bench.voice.failed.emit(now or "There is no object yet. Press New object, then click.")
            return
        place = Place(now.time, binder.drawer.object, now.plane)
        session = binder.drawer.session(now.time, place.object)
        mask = None if session is None else self._own_mask(session, place)
        if session is None or mask is None or not mask.any():
            bench.voice.failed.emit(
                f"Object {place.object} has no pixels on this plane. Click on it first."
            )
            return
        if session.is_finished(place.object):
            bench.voice.failed.emit(
                "The object is accepted. Untick it in the list to go on with it."
            )
            return
        self._binder, self._place = binder, place
        self._tolerance_px = _coarseness(mask) if tolerance_px is None else tolerance_px
        self._open(binder, place, session)
        bench.voice.message.emit(
            "Drag a vertex to correct the outline; add and remove vertices with napari's tools. "
            "Press Done at the end."
        )
        bench.voice.changed.emit()

    def finish(self) -> None:
        """Take the polygons away; the mask stays as it is."""
        layer, binder = self.layer, self._binder
        if layer is None:
            return
        self._forget()
        layers = self._bench.viewer.layers
        if layer in layers:
            layers.remove(layer)
        if binder is not None and not binder.is_closed and binder.points in layers:
            layers.selection.active = binder.points
        self._bench.voice.changed.emit()

    def close(self) -> None:
        """Let go of everything."""
        self.finish()
        self._bench.viewer.layers.events.removed.disconnect(self._layer_removed)
        self._bench.voice.changed.disconnect(self._follow_soon)

    def _open(self, binder: Binder, place: Place, session: Session) -> None:
        frame = binder.frame
        colour = binder.labels.get_color(place.object)
        height, width = frame_slice(frame, place.plane)
        layer = Shapes(
            ndim=len(frame.grid),
            name=f"outline of object {place.object}",
            edge_color="white" if colour is None else np.asarray(colour),
            face_color="transparent",
            edge_width=max(max(height, width) / 400, 0.15),
            **geometry(frame),
        )
        self.layer = note_made(layer, frame.image, "outline")
        self._bench.viewer.add_layer(layer)
        self._trace(session, place)
        layer.selected_data = set(range(len(layer.data)))
        layer.mode = "direct"
        layer.events.data.connect(self._edited)

    def _trace(self, session: Session, place: Place) -> None:
        """Draw the polygons of the mask as it is now."""
        layer, binder = self.layer, self._binder
        if layer is None or binder is None:
            return
        self._mask = self._own_mask(session, place)
        self._rings = tuple(p.points for p in outline(self._mask, self._tolerance_px))
        before, self._quiet = self._quiet, True
        mode = layer.mode
        layer.selected_data = set()
        if len(layer.data):
            layer.remove(list(range(len(layer.data))))
        shapes = [
            vertices_on(layer, binder.frame, binder.labels, place, ring) for ring in self._rings
        ]
        if shapes:
            layer.add(shapes, shape_type="polygon")
        layer.mode = mode
        self._quiet = before

    def _edited(self, event: Any) -> None:
        action = str(getattr(event.action, "value", event.action))
        if self._quiet or action not in _DONE:
            return
        self._take()

    def _take(self) -> None:
        """Hand what the polygons say now to the session."""
        layer, binder, place = self.layer, self._binder, self._place
        if layer is None or binder is None or place is None:
            return
        session = binder.drawer.session(place.time, place.object)
        if session is None:
            return
        rings = self._read(layer, binder, place.plane)
        shape = self._mask.shape
        before, after = filled(self._rings, shape), filled(rings, shape)
        mask = np.where(before != after, after, self._mask)
        self._rings = rings
        if np.array_equal(mask, self._mask):
            return
        try:
            change = session.set_initial({place.plane: mask}, TITLE)
        except IntSegError as err:
            self._bench.voice.failed.emit(str(err))
            self._follow_soon()
            return
        finally:
            binder.drawer.session(place.time)  # of the current object again
        self._mask = self._own_mask(session, place)
        binder.draw(place.time, change)
        self._bench.voice.changed.emit()

    def _read(self, layer: Shapes, binder: Binder, plane: Plane) -> Rings:
        kinds: Sequence[str] = layer.shape_type
        return tuple(
            slice_points(layer, binder.frame, binder.labels, plane, vertices)
            for vertices, kind in zip(layer.data, kinds, strict=True)
            if kind in CLOSED
        )

    def _follow_soon(self) -> None:
        if self.layer is not None and not self._waiting:
            self._waiting = True
            self._bench.post(self._followed)

    def _followed(self) -> None:
        self._waiting = False
        self._follow()

    def _follow(self) -> None:
        """Draw the polygons anew if the mask was changed by anything else: undo, a click."""
        binder, place, session = self._binder, self._place, self._session()
        if self.layer is None or binder is None or place is None:
            return
        if binder.is_closed or session is None or session.is_finished(place.object):
            self.finish()
        elif not np.array_equal(self._own_mask(session, place), self._mask):
            self._trace(session, place)
            self.layer.selected_data = set(range(len(self.layer.data)))

    def _session(self) -> Session | None:
        binder, place = self._binder, self._place
        if binder is None or place is None:
            return None
        return binder.drawer.sessions.get(place.time)

    def _own_mask(self, session: Session, place: Place) -> BoolArray:
        if place.object not in session.objects:
            return np.zeros(session.volume.slice_shape(place.plane.axis), bool)
        return session.mask_on(place.plane, place.object)

    def _layer_removed(self, event: Any) -> None:
        if self.layer is not None and event.value == self.layer:
            self._forget()
            self._bench.voice.changed.emit()

    def _forget(self) -> None:
        if self.layer is not None:
            self.layer.events.data.disconnect(self._edited)
        self.layer = self._binder = self._place = None
        self._rings = ()


def _coarseness(mask: BoolArray) -> float:
    """Return a tolerance that leaves an object some dozens of vertices, whatever its size."""
    rows, cols = np.nonzero(mask)
    diagonal_px = float(np.hypot(np.ptp(rows) + 1, np.ptp(cols) + 1))
    return max(TOLERANCE_PX, _SHARE_OF_DIAGONAL * diagonal_px)
