"""Colours of labels that are told apart from the image below them."""

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import CyclicLabelColormap, label_colormap
from numpy.typing import NDArray
from skimage.color import rgb2lab

from napari_intseg.ui.preferences import preferences

_COLOURS = 49
"""As many as napari takes."""

_FIRST = 12
"""Labels that count: those of the objects a person begins with."""

_SEEDS = tuple(np.linspace(0.02, 0.98, 33))
"""Of napari's own colours, which a seed shifts; 33 choices take 20 ms and leave little to gain."""

_SAFE = np.array(
    [
        [0, 0, 0, 0],
        [0.90, 0.62, 0.00, 1],
        [0.34, 0.71, 0.91, 1],
        [0.00, 0.62, 0.45, 1],
        [0.94, 0.89, 0.26, 1],
        [0.00, 0.45, 0.70, 1],
        [0.84, 0.37, 0.00, 1],
        [0.80, 0.47, 0.65, 1],
        [1.00, 1.00, 1.00, 1],
    ]
)
"""Told apart by colour-blind people: Okabe, M., Ito, K. "Color universal design", 2008; white in
the place of their black, which is not seen on a dark image."""

_SHARE = 10
"""Per cent of the pixels that may be closer to a colour than is counted: noise, a few cells."""


def colours_for(image: Image) -> CyclicLabelColormap:
    """Return colours for labels of which the first few lie far from those of an image.

    Distances are those of CIELAB, as the image is shown, from its thumbnail; napari's first colour
    is a dark brown, which is hardly seen on stained tissue. Who prefers safe colours gets those of
    Okabe and Ito instead, whatever the image.
    """
    if preferences().safe_colours:
        return CyclicLabelColormap(colors=_SAFE, background_value=0)
    shown = np.asarray(image.thumbnail, float).reshape(-1, 4) / 255
    pixels = _lab(shown[shown[:, 3] > 0.5, :3])
    if not len(pixels):
        pixels = np.zeros((1, 3))  # black, as the canvas is
    maps = [label_colormap(_COLOURS, seed=float(seed), background_value=0) for seed in _SEEDS]
    return max(maps, key=lambda one: _distance(one, pixels))


def toggle_outlines(labels: Labels) -> bool:
    """Show labels as outlines, or filled again; return whether they are outlines now."""
    labels.contour = 0 if labels.contour else 2
    return bool(labels.contour)


def _distance(colours: CyclicLabelColormap, pixels: NDArray[np.float64]) -> float:
    """Return how far the worst of the first colours is from the image."""
    first = _lab(np.asarray(colours.map(np.arange(1, _FIRST + 1)))[:, :3])
    apart = np.linalg.norm(first[:, None] - pixels[None], axis=-1)
    return float(np.percentile(apart, _SHARE, axis=1).min())


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    lab: NDArray[np.float64] = rgb2lab(rgb[None])[0] if len(rgb) else np.zeros((0, 3))
    return lab
