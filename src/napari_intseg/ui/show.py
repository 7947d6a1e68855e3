"""Open napari on an image file and its labels, with the widget (`python -m` runs it)."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_intseg.core.affine import to_napari
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.io.read import read_mask, read_volume


def add_files(viewer: Any, image: Path, labels: Path) -> None:
    """Add an image and labels on its grid to a viewer, placed in millimetres.

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel
        Gets two layers.
    image, labels : Path
        Files that `read_volume` reads.
    """
    volume = read_volume(image)
    shown = resolve_intensity(volume, None)
    # a volume's affine always has three axes; napari wants one with as many as the data
    start = 3 - volume.ndim
    affine = to_napari(volume.affine)[start:, start:]
    # RGB or RGBA, as napari understands channels that are the last axis
    is_rgb = volume.n_channels in (3, 4)
    limits = {} if is_rgb else {"contrast_limits": (shown.low[0], shown.high[0])}
    viewer.add_image(volume.data, name=image.name, rgb=is_rgb, affine=affine, **limits)
    viewer.add_labels(read_mask(labels, volume), name=labels.name, affine=affine)


def main(argv: Sequence[str] | None = None) -> int:
    """Show the files named on the command line until the window is closed; returns 0."""
    import napari

    image, labels = (Path(word) for word in (sys.argv[1:] if argv is None else argv))
    viewer = napari.Viewer(title="napari-intseg demo")
    add_files(viewer, image, labels)
    # by its name in the manifest, as a person opens it from the menu
    viewer.window.add_plugin_dock_widget("napari-intseg", "Interactive segmentation")
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
