"""The Shapes layer for boxes and scribbles: made when first needed, watched while it is there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Labels, Shapes

from napari_intseg.core.prompts import Prompts
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import COLOURS, NEGATIVE, POSITIVE, Place, is_positive
from napari_intseg.ui.lying import lay
from napari_intseg.ui.made import find_free, hold, let_go, note_made
from napari_intseg.ui.shapes_in import (
    make_shapes,
    read_drawn,
    rewrite_shapes,
    superseded,
    with_drawn,
)

if TYPE_CHECKING:
    from napari_intseg.ui.binder import Tools

MODES: dict[Literal["box", "scribble"], str] = {"box": "add_rectangle", "scribble": "add_path"}
_DONE = ("added", "removed", "changed")
_MODIFIER = "Shift"
_TIDY_MS = 40


class Boxes:
    """Watches shapes and says when what they mean has changed.

    Parameters
    ----------
    tools : Tools
        The viewer that the layer is added to, and where to speak.
    frame : Frame
        The grid.
    labels : Labels
        On the grid.
    defaults : callable
        Returns "object", "axis" and "sign" of a shape that is drawn now.
    on_change : callable
        Called when shapes were added, moved, deleted or given other features.
    """

    def __init__(
        self,
        tools: "Tools",
        frame: Frame,
        labels: Labels,
        *,
        defaults: Callable[[], Mapping[str, Any]],
        on_change: Callable[[], None],
    ) -> None:
        self.layer: Shapes | None = None
        self._viewer, self._frame, self._labels = tools.viewer, frame, labels
        self._post, self._voice = tools.post, tools.voice
        self._defaults, self._on_change = defaults, on_change
        self._quiet = self._closed = self._untidy = False
        self._pressed: str | None = None
        self._dragged = self._was_drawn = False
        self._seen: Any = None
        self._held: dict[Place, Prompts] = {}
        tools.viewer.layers.events.removed.connect(self._layer_removed)
        found = find_free(tools.viewer, frame.image, "boxes", Shapes)
        if found is not None and found.ndim == len(frame.grid):
            lay(found, frame)
            hold([found], self)
            self._watch(found)

    def shown(self) -> Shapes:
        """Return the layer, made if there is none."""
        if self.layer is None:
            image = self._frame.image
            layer = note_made(make_shapes(self._frame, f"{image.name} boxes"), image, "boxes")
            hold([layer], self)
            active = self._viewer.layers.selection.active
            self._viewer.add_layer(layer)
            self._viewer.layers.selection.active = active
            self._watch(layer)
        assert self.layer is not None
        return self.layer

    def with_drawn(self, clicked: dict[Place, Prompts]) -> tuple[dict[Place, Prompts], int]:
        """Return prompts with what is drawn added, and how many shapes lie outside the image."""
        if self.layer is None:
            return clicked, 0
        self._complete()
        marks, outside = read_drawn(self.layer, self._frame, self._labels)
        return with_drawn(clicked, marks), outside

    def follow(self, held: Mapping[Place, Prompts]) -> None:
        """Make the shapes be what a session holds, after undo or a refused shape."""
        self._held.update(held)
        if self._pressed is None:
            self._follow()
        else:
            self._tidy_soon()  # napari is drawing: its shape can be taken away after that

    def close(self) -> None:
        """Let go of the layer."""
        self._closed = True
        let_go(self)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._unwatch()

    def _watch(self, layer: Shapes) -> None:
        self.layer = layer
        self._complete()
        layer.events.data.connect(self._data_changed)
        layer.events.features.connect(self._features_changed)
        layer.events.mode.connect(self._stay_last)
        layer.mouse_drag_callbacks.append(self._press)
        self.set_defaults()

    def _unwatch(self) -> None:
        layer, self.layer = self.layer, None
        if layer is None:
            return
        layer.events.data.disconnect(self._data_changed)
        layer.events.features.disconnect(self._features_changed)
        layer.events.mode.disconnect(self._stay_last)
        if self._press in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._press)

    def set_defaults(self) -> None:
        """Have the next shape belong to the current object, and look like its sign."""
        layer, values = self.layer, self._defaults()
        if layer is None:
            return
        with self._silent():
            layer.feature_defaults = dict(values)
            if not layer.selected_data:
                layer.current_edge_color = COLOURS[is_positive(values["sign"])]

    def _press(self, layer: Shapes, event: Any) -> Iterator[None]:
        """From press to release, know the sign; what finishes the shape runs before or after."""
        positive = is_positive(self._defaults()["sign"])
        turned = _MODIFIER in event.modifiers and layer.mode == MODES["scribble"]
        self._pressed = POSITIVE if positive != turned else NEGATIVE
        self._dragged = False
        yield
        while event.type == "mouse_move":
            self._dragged = True
            yield
        self._tidy_soon()  # it forgets the press

    def _stay_last(self, _event: Any = None) -> None:
        """Release after napari's own callback, which is replaced when the mode changes."""
        callbacks = [] if self.layer is None else self.layer.mouse_drag_callbacks
        if self._press in callbacks and callbacks[-1] != self._press:
            callbacks.remove(self._press)
            callbacks.append(self._press)

    def _data_changed(self, event: Any) -> None:
        action = str(getattr(event.action, "value", event.action))
        layer = self.layer
        if self._quiet or action not in _DONE or layer is None:
            return
        if action == "added" and self._pressed is not None and len(layer.data):
            if not self._dragged:
                self._take_back(layer)
                return
            self._was_drawn = True
            values = {**self._defaults(), "sign": self._pressed}
            self._complete()
            table = layer.features
            for name, value in values.items():
                table.iat[len(table) - 1, table.columns.get_loc(name)] = value
        self._on_change()
        self._tidy_soon()

    def _take_back(self, layer: Shapes) -> None:
        """Remove what a press without a drag has made."""
        with self._silent():
            layer.selected_data = set()
            layer.remove([len(layer.data) - 1])
        self._voice.failed.emit("Hold the mouse button down and drag from corner to corner.")

    def _features_changed(self, _event: Any = None) -> None:
        layer = self.layer
        if self._quiet or layer is None or layer.features.equals(self._seen):
            return
        if len(layer.features) == len(layer.data):
            self._on_change()
            self._tidy_soon()

    def _complete(self) -> None:
        """Give every shape the features it lacks; napari forgets to drop those of removed ones."""
        layer = self.layer
        if layer is None:
            return
        table, values = layer.features, self._defaults()
        if len(table) > len(layer.data):
            table.drop(index=table.index[len(layer.data) :], inplace=True)
        lacking = [name for name in values if name not in table]
        if lacking:
            full = table.copy()
            for name in lacking:
                full[name] = [values[name]] * len(full)
            with self._silent():
                layer.features = full

    def _tidy_soon(self) -> None:
        if not self._untidy:
            self._untidy = True
            self._post(self._tidy, _TIDY_MS)

    def _tidy(self) -> None:
        self._untidy = False
        self._pressed = None
        layer = self.layer
        if self._closed or layer is None:
            return
        self._follow()
        drawn, self._was_drawn = self._was_drawn, False
        with self._silent():
            marks, _ = read_drawn(layer, self._frame, self._labels)
            rows = superseded(marks)
            if rows:
                layer.selected_data = set()
                layer.remove(rows)
            _show_signs(layer)
        self._seen = layer.features.copy()
        self.set_defaults()
        if drawn and len(layer.data):
            self._voice.drawn.emit("scribble" if layer.shape_type[-1] == "path" else "box")

    def _follow(self) -> None:
        held, self._held = self._held, {}
        has_drawn = any(p.box is not None or p.scribbles for p in held.values())
        if not held or (self.layer is None and not has_drawn):
            return
        layer = self.shown()
        with self._silent():
            rewrite_shapes(layer, self._frame, self._labels, held)
            _show_signs(layer)
        self._seen = layer.features.copy()

    def _layer_removed(self, event: Any) -> None:
        if self.layer is not None and event.value == self.layer:
            self._unwatch()
            self._on_change()

    @contextmanager
    def _silent(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def _show_signs(layer: Shapes) -> None:
    """Show each shape's sign by its colour."""
    if len(layer.data) and len(layer.features) == len(layer.data):
        layer.edge_color = [COLOURS[is_positive(sign)] for sign in layer.features["sign"]]
