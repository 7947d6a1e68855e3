"""A magicgui widget of one's own in napari round the engine.

`main(show=False)` makes it without an event loop.

Needs the extra `gui`.
"""

from typing import TYPE_CHECKING

import numpy as np

from napari_intseg import Session, Volume, load_model

if TYPE_CHECKING:
    import napari


def segment(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return labels, one object a point; points are (N, 2) in pixels."""
    session = Session(load_model("bundled"), Volume(image))
    for number, position in enumerate(points):
        if number:
            session.new_object()
        session.click(tuple(position))
    return session.labels


def main(show: bool = True) -> "napari.components.ViewerModel":
    """Open the coins with a button that segments one object for each point."""
    import napari
    from magicgui import magicgui
    from skimage import data

    viewer = napari.Viewer() if show else napari.components.ViewerModel()
    image = viewer.add_image(data.coins(), name="coins")
    points = viewer.add_points([[124, 44], [125, 102]], name="one point an object")

    @magicgui(call_button="Segment")
    def widget() -> None:
        viewer.add_labels(segment(image.data, points.data), name="segmented")

    if show:
        viewer.window.add_dock_widget(widget)
        napari.run()
    else:
        widget()
    return viewer


if __name__ == "__main__":
    main()
