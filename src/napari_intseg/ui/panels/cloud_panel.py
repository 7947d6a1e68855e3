"""A panel that labels a cloud of points: selected points are clicks on objects."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from napari.utils.colormaps import label_colormap
from numpy.typing import NDArray
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QLineEdit, QPushButton, QSpinBox, QWidget

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.inference.point_cloud import CUBE, PointClick, label_points, segment
from napari_intseg.ui.panels.controls import combo, fill, form
from napari_intseg.ui.preferences import preferences
from napari_intseg.ui.qt.translation import preferred_language, tr, use_language
from napari_intseg.ui.qt.worker_thread import GuiThread, Outcome, Worker, told

if TYPE_CHECKING:
    import napari

OBJECT = "object"
"""Column of the layer's features with each point's object, 0 for none."""

CLICKS = "napari-intseg cloud clicks"
"""Key of the layer's metadata with the clicks, in order."""

# key of the layer's metadata with the colours it came with
_COLOURS = "napari-intseg cloud colours"


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A click for an object of a cloud."""

    label: int
    click: PointClick


def label_cloud(viewer: "napari.Viewer") -> None:
    """Open the panel in a viewer, or show the one that is open.

    A command and no widget of the manifest: with a second widget, napari would move the one for
    images from the menu *Plugins* into a menu of its own.
    """
    use_language(preferred_language(preferences().language))
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, CloudPanel):
            widget.show()
            return
    viewer.window.add_dock_widget(CloudPanel(viewer), name=tr("Point cloud"), area="right")


class CloudPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Clicks on a Points layer, and the labels of its points.

    Points are selected with napari's own tool, in 3-D as well; what is selected becomes clicks of
    one object. Labels are a column of the layer's features, named `OBJECT`, and its colours.

    Parameters
    ----------
    viewer : napari.Viewer
        Its Points layers in three dimensions are offered.
    """

    def __init__(self, viewer: "napari.Viewer") -> None:
        super().__init__()
        use_language(preferred_language(preferences().language))
        self._viewer: Any = viewer
        self._bridge = GuiThread()
        self._worker = Worker(self._bridge.post, name="napari-intseg cloud")
        self._networks: dict[str, Callable[..., FloatArray]] = {"": segment}
        self.cloud = combo(tr("The Points layer whose points are labelled."))
        self.label = QSpinBox()
        self.label.setRange(1, 2**31 - 1)
        self.label.setToolTip(tr("The object that the clicks are for."))
        self.edge = QDoubleSpinBox()
        self.edge.setDecimals(4)
        self.edge.setRange(0, 1e9)
        self.edge.setValue(CUBE)
        self.edge.setToolTip(
            tr("Points in a cube of this edge round a click are of its sign, in the cloud's unit.")
        )
        self.network = QLineEdit()
        self.network.setToolTip(
            tr(
                "A network of `napari-intseg train --task cloud`, by name or file; empty: points "
                "belong to the clicks that are nearest along the cloud."
            )
        )
        self.on_object = QPushButton(tr("Selected points are on it"))
        self.off_object = QPushButton(tr("Selected points are not"))
        self.undo = QPushButton(tr("Take the last click back"))
        self.status = QLabel(tr("Select points of the cloud, then say what they are on."))
        self.status.setWordWrap(True)
        layout = form(self)
        layout.addRow(tr("Cloud"), self.cloud)
        layout.addRow(tr("Object"), self.label)
        layout.addRow(tr("Cube"), self.edge)
        layout.addRow(tr("Network"), self.network)
        for one in (self.on_object, self.off_object, self.undo, self.status):
            layout.addRow(one)
        self.on_object.clicked.connect(lambda _: self.click(positive=True))
        self.off_object.clicked.connect(lambda _: self.click(positive=False))
        self.undo.clicked.connect(lambda _: self.take_back())
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._show)
        self.destroyed.connect(partial(_close, self._worker, self._bridge))
        self._show()

    def close_panel(self) -> None:
        """Let go of the viewer, and end the thread."""
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._show)
        _close(self._worker, self._bridge)

    def click(self, *, positive: bool) -> None:
        """Take the selected points of the chosen layer as clicks, and label its points."""
        layer = self.cloud.currentData()
        chosen = [] if layer is None else sorted(layer.selected_data)
        if not chosen:
            self.status.setText(tr("Select points of the cloud, then say what they are on."))
            return
        new = [
            PlacedPoint(self.label.value(), PointClick((float(x), float(y), float(z)), positive))
            for x, y, z in np.asarray(layer.data)[chosen]
        ]
        self._answer(layer, [*layer.metadata.get(CLICKS, ()), *new])

    def take_back(self) -> None:
        """Forget the last click of the chosen layer, and label its points anew."""
        layer = self.cloud.currentData()
        if layer is not None and layer.metadata.get(CLICKS):
            self._answer(layer, layer.metadata[CLICKS][:-1])

    def _answer(self, layer: Points, clicks: list[PlacedPoint]) -> None:
        layer.metadata[CLICKS] = clicks
        if _COLOURS not in layer.metadata:
            layer.metadata[_COLOURS] = np.array(layer.face_color)
        name, points = self.network.text().strip(), np.array(layer.data, float)
        colours = np.asarray(layer.metadata[_COLOURS][:, :3], np.float32)
        # points of one colour tell nothing by it
        told_colours = colours if len(colours) and np.ptp(colours, 0).max() > 0 else None

        def work(_should_stop: Any) -> NDArray[np.int32]:
            if name not in self._networks:
                # imports torch, which points without a network do not need
                from napari_intseg.training.cloud_network import load_cloud_network

                self._networks[name] = load_cloud_network(name).segment
            given = [(one.label, one.click) for one in clicks]
            return label_points(
                points, given, colours=told_colours, edge=self.edge.value(),
                by=self._networks[name],
            )  # fmt: skip

        self.status.setText(tr("Labelling …"))
        self._worker.submit(work, partial(self._answered, layer, clicks), key=id(layer))

    def _answered(
        self, layer: Points, clicks: list[PlacedPoint], outcome: Outcome[NDArray[np.int32]]
    ) -> None:
        labels = outcome.value
        if labels is None:
            self.status.setText(str(told(outcome.error)))
            return
        if layer.metadata.get(CLICKS) is not clicks or len(labels) != len(layer.data):
            # overtaken: a newer answer comes, or the cloud is another one
            return
        features = layer.features.copy()
        features[OBJECT] = labels
        layer.features = features
        shown = np.array(layer.metadata[_COLOURS])
        shown[labels > 0] = label_colormap(background_value=0).map(labels[labels > 0])
        layer.face_color = shown
        found, counts = np.unique(labels[labels > 0], return_counts=True)
        each = [
            tr("object {label}: {n} points", label=one, n=n)
            for one, n in zip(found.tolist(), counts.tolist(), strict=True)
        ]
        self.status.setText("\n".join(each) or tr("No point is labelled."))

    def _show(self, _event: Any = None) -> None:
        clouds = [
            (layer.name, layer)
            for layer in self._viewer.layers
            if isinstance(layer, Points) and layer.ndim == 3 and len(layer.data) > 1
        ]
        chosen = self.cloud.currentData()
        layers = [layer for _, layer in clouds]
        fill(self.cloud, clouds, chosen if chosen in layers else layers[-1] if layers else None)
        for one in (self.on_object, self.off_object, self.undo):
            one.setEnabled(bool(clouds))


def _close(worker: Worker, bridge: GuiThread, *_: object) -> None:
    worker.close()
    bridge.close()
