"""Sample data for File › Open Sample; nothing is downloaded."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import to_napari
from napari_intseg.core.phantom import ct_phantom as make_ct_phantom
from napari_intseg.inference.intensity import CT_WINDOWS
from napari_intseg.io.hooks import read_layers

LayerData = tuple[Any, dict[str, Any], str]

_FILES = Path(__file__).with_name("sample_files")
"""Their origins and licences are in the folder too."""


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
        # as the model sees a CT by default; napari's own range runs from air to bone
        "contrast_limits": CT_WINDOWS["soft tissue"].limits,
    }
    return [(volume.data, shown, "image")]


def nuclei() -> list[LayerData]:
    """Return a field of 171 nuclei: 2-D, uint8 (CC0, Data Science Bowl 2018)."""
    from skimage.io import imread

    return [(imread(_FILES / "nuclei_field.jpg"), {"name": "nuclei"}, "image")]


def confocal() -> list[LayerData]:
    """Return noisy nuclei under a confocal microscope: 3-D, uint8 (MIT, PlantSeg)."""
    from tifffile import imread

    volume = imread(_FILES / "nuclei_confocal.tif")
    return [(volume, {"name": "confocal nuclei", "axis_labels": ("z", "y", "x")}, "image")]


def ct() -> list[LayerData]:
    """Return an abdominal CT at 3 mm: Hounsfield units, int16 (Apache-2.0, TotalSegmentator)."""
    ((data, shown, kind),) = read_layers(str(_FILES / "ct_3mm.nii.gz"))
    limits = CT_WINDOWS["soft tissue"].limits
    return [(data, {**shown, "name": "CT", "contrast_limits": limits}, kind)]


def mr() -> list[LayerData]:
    """Return an abdominal MR at 3 mm, int16 (Apache-2.0, TotalSegmentator)."""
    ((data, shown, kind),) = read_layers(str(_FILES / "mr_3mm.nii.gz"))
    return [(data, {**shown, "name": "MR"}, kind)]


def time_series() -> list[LayerData]:
    """Return discs that drift over 12 time points in noise: uint8 (made here)."""
    # always the same series, so that what one person reports another can see
    rng = np.random.default_rng(0)
    rows, cols = np.indices((128, 128))
    # not tuned: six discs that are in view from the start, and drift by at most 3.5 pixels per time
    # point, less than half their radius: each overlaps with where it was before
    starts, drifts = rng.uniform(25, 103, (6, 2)), rng.uniform(-2.5, 2.5, (6, 2))
    frames = []
    for time in range(12):
        bright = np.full((128, 128), 30.0)
        for start, drift in zip(starts, drifts, strict=True):
            row, col = start + time * drift
            bright[np.hypot(rows - row, cols - col) < 9] = 150
        # noise of a camera that counts photons
        frames.append(rng.poisson(bright).clip(0, 255))
    shown = {"name": "time series", "axis_labels": ("t", "y", "x")}
    return [(np.stack(frames).astype(np.uint8), shown, "image")]
