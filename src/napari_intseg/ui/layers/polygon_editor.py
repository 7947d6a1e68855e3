"""The current object as polygons that can be edited: moving a vertex changes the mask."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from napari.layers import Shapes

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.contour import (
    TOLERANCE_PX,
    VertexPredictor,
    filled,
    follow,
    moved_vertex,
    outline,
)
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.layers.layer_registry import note_made
from napari_intseg.ui.layers.points_codec import FloatMatrix, Place, geometry
from napari_intseg.ui.layers.shapes import BOXES, frame_slice, slice_points, vertices_on
from napari_intseg.ui.messages import Message
from napari_intseg.ui.preferences import preferences
from napari_intseg.ui.qt.worker_thread import listen, told

TITLE = "Edit outline"
# tolerance of the polygons as a share of the object's diagonal:
# some dozens of vertices, whatever its size (not tuned)
_SHARE_OF_DIAGONAL = 0.012
# pixels round an outline in which neighbours look for edges
_ROOM_PX = 32
# and as a share of the outline's longer side: what a network sees round it
_ROOM_SHARE = 0.15
_DONE = ("added", "removed", "changed")

Rings = tuple[FloatMatrix, ...]


@cache
def _network(name: str) -> VertexPredictor:
    # imports torch, which edges do not need
    from napari_intseg.models.vertex_predictors import load_vertices

    return load_vertices(name)


class PolygonEditor:
    """Makes the polygon layer of one object on one plane, and takes it away again.

    Only pixels between the old and the new polygon change: elsewhere the mask keeps every pixel
    that a polygon with few vertices cannot tell.

    Parameters
    ----------
    tools : Tools
        The viewer and the signals.
    current : callable
        Returns the work on the chosen image; None before there is any.

    Attributes
    ----------
    neighbours_follow : bool
        Whether the vertices beside one that is moved follow it.
    predict : VertexPredictor or None
        Where they go; None: as the network of the preferences says, or to edges.
    """

    def __init__(self, tools: Tools, current: Callable[[], ImageController | None]) -> None:
        self._tools, self._current = tools, current
        self.layer: Shapes | None = None
        self._image_controller: ImageController | None = None
        self._place: Place | None = None
        self._rings: Rings = ()
        self._mask: BoolArray = np.zeros((0, 0), bool)
        self._tolerance_px = TOLERANCE_PX
        self._quiet = self._waiting = False
        self.neighbours_follow = False
        self.predict: VertexPredictor | None = None
        tools.viewer.layers.events.removed.connect(self._layer_removed)

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
        signals = self._tools.signals
        self.finish()
        image_controller = self._current()
        now = (
            None
            if image_controller is None or image_controller.is_closed
            else image_controller.displayed_slice
        )
        if image_controller is None or now is None or isinstance(now, str):
            signals.failed.emit(
                now or Message("There is no object yet. Press New object, then click.")
            )
            return
        place = Place(now.time, image_controller.session_store.object, now.plane)
        session = image_controller.session_store.session(now.time, place.object)
        mask = None if session is None else self._own_mask(session, place)
        if session is None or mask is None or not mask.any():
            signals.failed.emit(
                Message(
                    "Object {object} has no pixels on this plane. Click on it first.",
                    object=place.object,
                )
            )
            return
        if session.is_finished(place.object):
            signals.failed.emit(
                Message("The object is accepted. Untick it in the list to go on with it.")
            )
            return
        self._image_controller, self._place = image_controller, place
        self._tolerance_px = _coarseness(mask) if tolerance_px is None else tolerance_px
        self._open(image_controller, place, session)
        signals.message.emit(
            Message(
                "Drag a vertex to correct the outline; add and remove vertices with napari's "
                "tools. Press Done at the end."
            )
        )
        signals.changed.emit()

    def finish(self) -> None:
        """Take the polygons away; the mask stays as it is."""
        layer, image_controller = self.layer, self._image_controller
        if layer is None:
            return
        self._forget()
        layers = self._tools.viewer.layers
        if layer in layers:
            layers.remove(layer)
        if (
            image_controller is not None
            and not image_controller.is_closed
            and image_controller.points in layers
        ):
            layers.selection.active = image_controller.points
        self._tools.signals.changed.emit()

    def close(self) -> None:
        """Disconnect from all layers."""
        self.finish()
        self._tools.viewer.layers.events.removed.disconnect(self._layer_removed)

    def _open(self, image_controller: ImageController, place: Place, session: Session) -> None:
        image_axes = image_controller.image_axes
        colour = image_controller.labels.get_color(place.object)
        height, width = frame_slice(image_axes, place.plane)
        layer = Shapes(
            ndim=len(image_axes.grid),
            name=f"outline of object {place.object}",
            edge_color="white" if colour is None else np.asarray(colour),
            face_color="transparent",
            # in pixels of the image: about two pixels on screen
            # while the whole slice is in view (not tuned)
            edge_width=max(max(height, width) / 400, 0.15),
            **geometry(image_axes),
        )
        self.layer = note_made(layer, image_axes.image, "outline")
        self._tools.viewer.add_layer(layer)
        self._trace(session, place)
        # vertices are only seen, and can only be moved, on selected shapes
        layer.selected_data = set(range(len(layer.data)))
        layer.mode = "direct"
        layer.events.data.connect(self._edited)
        listen(self._tools.signals.edited, self._follow_soon, True)

    def _trace(self, session: Session, place: Place) -> None:
        """Draw the polygons of the mask as it is now."""
        if self.layer is None:
            return
        self._mask = self._own_mask(session, place)
        self._rings = tuple(p.points for p in outline(self._mask, self._tolerance_px))
        self._show_rings()

    def _show_rings(self) -> None:
        """Put the vertices that are known into the layer."""
        layer, image_controller, place = self.layer, self._image_controller, self._place
        if layer is None or image_controller is None or place is None:
            return
        before, self._quiet = self._quiet, True
        # removing and adding shapes changes the mode
        mode = layer.mode
        layer.selected_data = set()
        if len(layer.data):
            layer.remove(list(range(len(layer.data))))
        shapes = [
            vertices_on(layer, image_controller.image_axes, image_controller.labels, place, ring)
            for ring in self._rings
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
        """Hand the mask inside the polygons to the session."""
        layer, image_controller, place = self.layer, self._image_controller, self._place
        if layer is None or image_controller is None or place is None:
            return
        session = image_controller.session_store.session(place.time, place.object)
        if session is None:
            return
        rings = self._read(layer, image_controller, place.plane)
        followed = self._followed_by_neighbours(rings, session, place.plane)
        rings = followed or rings
        shape = self._mask.shape
        before, after = filled(self._rings, shape), filled(rings, shape)
        # pixels that both polygons agree on stay as the mask has them, which is finer than they are
        mask = np.where(before != after, after, self._mask)
        self._rings = rings
        # vertices that were added on an edge change nothing
        if np.array_equal(mask, self._mask):
            return
        try:
            change = session.set_initial({place.plane: mask}, TITLE)
        except IntSegError as err:
            self._tools.signals.failed.emit(told(err))
            self._follow_soon()
            return
        finally:
            # of the current object again
            image_controller.session_store.session(place.time)
        self._mask = self._own_mask(session, place)
        image_controller.draw(place.time, change)
        # not now: napari is still in the midst of the edit
        if followed is not None:
            self._tools.post(self._show_followed)
        self._tools.signals.changed.emit()

    def _show_followed(self) -> None:
        self._show_rings()
        if self.layer is not None:
            self.layer.selected_data = set(range(len(self.layer.data)))

    def _followed_by_neighbours(self, rings: Rings, session: Session, plane: Plane) -> Rings | None:
        """Return rings in which the neighbours of the one moved vertex have followed it."""
        # a shape was added or removed: nothing tells which vertex moved
        if not self.neighbours_follow or len(rings) != len(self._rings):
            return None
        moved = [moved_vertex(a, b) for a, b in zip(self._rings, rings, strict=True)]
        at = [i for i, one in enumerate(moved) if one is not None]
        if len(at) != 1:
            return None
        ring, index = at[0], moved[at[0]]
        assert index is not None
        before, after = self._rings[ring], rings[ring]
        # a part of the slice, with room for the edges round the outline
        room = max(_ROOM_PX, int(_ROOM_SHARE * np.ptp(after, 0).max()))
        low = np.maximum(0, np.floor(after.min(0)).astype(int) - room)
        high = np.ceil(after.max(0)).astype(int) + room
        read = SliceReader(session.volume, plane, session.setup.context)
        seen = session.setup.options.intensity.to_rgb(
            read(slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
        )
        predict = self.predict or self._preferred()
        now = predict(seen, before - low, after - low, index) + low
        return (*rings[:ring], now, *rings[ring + 1 :])

    def _preferred(self) -> VertexPredictor:
        """Return the network of the preferences; of none, or of one that fails, edges."""
        name = preferences().vertex_network.strip()
        try:
            return _network(name) if name else follow
        except IntSegError as err:
            self._tools.signals.failed.emit(told(err))
            return follow

    def _read(self, layer: Shapes, image_controller: ImageController, plane: Plane) -> Rings:
        kinds: Sequence[str] = layer.shape_type
        return tuple(
            slice_points(
                layer, image_controller.image_axes, image_controller.labels, plane, vertices
            )
            for vertices, kind in zip(layer.data, kinds, strict=True)
            if kind in (*BOXES, "polygon")
        )

    def _follow_soon(self) -> None:
        if self.layer is not None and not self._waiting:
            self._waiting = True
            self._tools.post(self._followed)

    def _followed(self) -> None:
        self._waiting = False
        self._follow()

    def _follow(self) -> None:
        """Draw the polygons anew if the mask was changed by anything else: undo, a click."""
        image_controller, place, session = self._image_controller, self._place, self._session()
        if self.layer is None or image_controller is None or place is None:
            return
        if image_controller.is_closed or session is None or session.is_finished(place.object):
            self.finish()
        # compared by pixels: signals tell of many things that do not concern the outline
        elif not np.array_equal(self._own_mask(session, place), self._mask):
            self._trace(session, place)
            self.layer.selected_data = set(range(len(self.layer.data)))

    def _session(self) -> Session | None:
        image_controller, place = self._image_controller, self._place
        if image_controller is None or place is None:
            return None
        return image_controller.session_store.sessions.get(place.time)

    def _own_mask(self, session: Session, place: Place) -> BoolArray:
        if place.object not in session.objects:
            return np.zeros(session.volume.slice_shape(place.plane.axis), bool)
        return session.mask_on(place.plane, place.object)

    def _layer_removed(self, event: Any) -> None:
        if self.layer is not None and event.value == self.layer:
            self._forget()
            self._tools.signals.changed.emit()

    def _forget(self) -> None:
        if self.layer is not None:
            self.layer.events.data.disconnect(self._edited)
        listen(self._tools.signals.edited, self._follow_soon, False)
        self.layer = self._image_controller = self._place = None
        self._rings = ()


def _coarseness(mask: BoolArray) -> float:
    """Return a tolerance that leaves an object some dozens of vertices, whatever its size."""
    rows, cols = np.nonzero(mask)
    diagonal_px = float(np.hypot(np.ptp(rows) + 1, np.ptp(cols) + 1))
    return max(TOLERANCE_PX, _SHARE_OF_DIAGONAL * diagonal_px)
