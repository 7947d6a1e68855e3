"""Sample data for File › Open Sample; nothing is downloaded."""

from typing import Any

from napari_intseg.core.affine import to_napari
from napari_intseg.core.phantom import ct_phantom as make_ct_phantom
from napari_intseg.inference.intensity import CT_WINDOWS

LayerData = tuple[Any, dict[str, Any], str]


def cells() -> list[LayerData]:
    """Return a cell under the microscope: 2-D, uint8 (CC0, comes with scikit-image)."""
    from skimage import data

    image = data.cell()  # type: ignore[no-untyped-call]
    return [(image, {"name": "cell"}, "image")]


def tissue() -> list[LayerData]:
    """Return a stained tissue section: RGB, uint8 (comes with scikit-image, no restrictions)."""
    from skimage import data

    image = data.immunohistochemistry()  # type: ignore[no-untyped-call]
    return [(image, {"name": "tissue", "rgb": True}, "image")]


def ct_phantom() -> list[LayerData]:
    """Return a made abdominal CT: Hounsfield units, int16, 5 mm slices, shown in a soft window."""
    volume, _ = make_ct_phantom()
    shown = {
        "name": "CT phantom",
        "affine": to_napari(volume.affine),
        "units": ("mm", "mm", "mm"),
        "axis_labels": ("z", "y", "x"),
        "contrast_limits": CT_WINDOWS["soft tissue"].limits,
    }
    return [(volume.data, shown, "image")]
