"""What the window does as plain functions on layers, for widgets that people build themselves."""

import numpy as np
from napari.layers import Image, Labels, Points

from napari_intseg.errors import PromptError
from napari_intseg.models.registry import load_model
from napari_intseg.session.session import Session
from napari_intseg.ui.layers.image_axes import ImageAxes, possible_axes
from napari_intseg.ui.layers.points_codec import NEGATIVE


def segment(image: Image, points: Points, model: str = "bundled", propagate: bool = True) -> Labels:
    """Return the objects that points say, as labels on the grid of an image.

    A magicgui widget can be made of it as it is: the layers are chosen in boxes.

    Parameters
    ----------
    image : napari.layers.Image
        2-D, RGB or a volume.
    points : napari.layers.Points
        Each is a click. A feature ``object`` says whose it is, 1 without; a feature ``sign`` that
        is ``negative`` says that it is beside the object.
    model : str, default "bundled"
        Of `available_models`.
    propagate : bool, default True
        In a volume, whether objects are carried to the other planes.

    Returns
    -------
    napari.layers.Labels
        Placed like the image; not yet in any viewer.

    Raises
    ------
    PromptError
        If there are no points, or one lies outside the image.
    DataError
        If the image has other axes, such as time.

    Examples
    --------
    >>> from magicgui import magicgui
    >>> widget = magicgui(segment, call_button="Segment")  # doctest: +SKIP
    """
    if not len(points.data):
        raise PromptError(
            f"points are missing: expected at least one on the object, got none in "
            f"{points.name!r}. Add a point first."
        )
    axes = ImageAxes(image, possible_axes(image)[0])
    session = Session(load_model(model), axes.volume(0))
    features = points.features
    count = len(points.data)
    labels = features["object"].tolist() if "object" in features else [1] * count
    signs = features["sign"].tolist() if "sign" in features else [""] * count
    places = [image.world_to_data(points.data_to_world(one)) for one in points.data]
    for label in dict.fromkeys(int(label) for label in labels):
        if label not in session.objects:
            session.new_object(label)
        session.select_object(label)
        for place, sign in (
            (p, s) for p, s, other in zip(places, signs, labels, strict=True) if other == label
        ):
            at = np.asarray(place, float)[: session.volume.ndim]
            session.click(at.tolist(), sign != NEGATIVE)
    if propagate and session.volume.ndim > 2:
        session.propagate_all()
    labels_layer = Labels(session.labels, name=f"{image.name} labels")
    for name in ("scale", "translate", "rotate", "shear", "affine", "units"):
        setattr(labels_layer, name, getattr(image, name))
    return labels_layer
