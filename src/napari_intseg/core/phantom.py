"""A CT-like phantom with exact truth, for samples, demos and tests: nothing to download."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.volume import Volume

ORGANS: dict[int, str] = {
    1: "liver",
    2: "right kidney",
    3: "left kidney",
    4: "spleen",
    5: "spine",
    6: "aorta",
}
"""What the labels of `ct_phantom` stand for."""

# with the spacing below, a body of 200 by 336 by 336 mm
_SHAPE = (40, 192, 192)
_SPACING = (5.0, 1.75, 1.75)
# Hounsfield units of air, of fat, and of soft tissue without contrast medium
_AIR_HU, _FAT_HU, _TISSUE_HU = -1000.0, -95.0, 45.0
# standard deviation; organs differ from the tissue round them by 63 HU and more, so all can be seen
_NOISE_HU = 12.0


@dataclass(frozen=True, slots=True)
class _Ellipsoid:
    """Centre and half-axes in mm, ``(z, y, x)``; y to the back, x to the patient's left."""

    label: int
    hu: float
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt_deg: float = 0.0
    power: float = 2.0


# Later ones cover earlier ones.
_PARTS = (
    _Ellipsoid(1, 108.0, (25, -18, -62), (62, 62, 66), 24, 2.4),
    _Ellipsoid(4, 122.0, (30, 30, 96), (42, 30, 20), -20),
    _Ellipsoid(2, 178.0, (-38, 40, -56), (48, 24, 19), 25),
    _Ellipsoid(3, 178.0, (-28, 42, 60), (48, 24, 19), -25),
    _Ellipsoid(5, 330.0, (0, 48, 0), (400, 17, 20)),
    _Ellipsoid(6, 205.0, (0, 20, 9), (400, 10, 10)),
)


def ct_phantom(seed: int = 0) -> tuple[Volume, NDArray[np.uint8]]:
    """Return a made abdominal CT and its exact labels.

    Organs are tilted ellipsoids in Hounsfield units in a body of fat and soft tissue; edges are
    softened as by a scanner and noise is added, correlated between neighbouring pixels.

    Parameters
    ----------
    seed : int, default 0
        Of the noise; the organs are always the same.

    Returns
    -------
    volume : Volume
        int16 Hounsfield units, shape (40, 192, 192), spacing (5, 1.75, 1.75) mm, the middle of
        the volume at the origin.
    labels : ndarray of uint8, shape (40, 192, 192)
        Numbers as in `ORGANS`, 0 elsewhere.
    """
    z, y, x = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * s for n, s in zip(_SHAPE, _SPACING, strict=True)),
        indexing="ij",
        sparse=True,
    )
    labels = np.zeros(_SHAPE, np.uint8)
    hu = np.full(_SHAPE, _AIR_HU, np.float32)
    # an ellipse of 224 by 304 mm, of which the outer tenth is fat
    body = (y / 112.0) ** 2 + (x / 152.0) ** 2
    hu[np.broadcast_to(body < 1, _SHAPE)] = _FAT_HU
    hu[np.broadcast_to(body < 0.8, _SHAPE)] = _TISSUE_HU
    for part in _PARTS:
        inside = _inside(part, z, y, x)
        labels[inside] = part.label
        hu[inside] = part.hu
    rng = np.random.default_rng(seed)
    noise = _soften(rng.standard_normal(_SHAPE, np.float32))
    # softened noise is weaker; it is brought back to the width that was asked for
    noisy = _soften(hu) + noise * (_NOISE_HU / noise.std())
    return Volume(np.round(noisy).astype(np.int16), affine=_centred()), labels


def _inside(
    part: _Ellipsoid, z: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.bool_]:
    (cz, cy, cx), (rz, ry, rx) = part.centre, part.radii
    angle = np.deg2rad(part.tilt_deg)
    along = np.cos(angle) * (y - cy) + np.sin(angle) * (x - cx)
    across = np.cos(angle) * (x - cx) - np.sin(angle) * (y - cy)
    distance = (
        abs((z - cz) / rz) ** part.power
        + abs(along / ry) ** part.power
        + abs(across / rx) ** part.power
    )
    return np.asarray(distance < 1)


def _soften(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blur within each plane by the binomial kernel 1-2-1, edges repeated."""
    for axis in (1, 2):
        pad = [(1, 1) if i == axis else (0, 0) for i in range(3)]
        wide = np.moveaxis(np.pad(image, pad, mode="edge"), axis, 0)
        blurred = np.asarray((wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4, np.float32)
        image = np.moveaxis(blurred, 0, axis)
    return image


def _centred() -> NDArray[np.float64]:
    affine = np.zeros((4, 4))
    for axis, (n, s) in enumerate(zip(_SHAPE, _SPACING, strict=True)):
        affine[2 - axis, axis] = s
        affine[2 - axis, 3] = -s * (n - 1) / 2
    affine[3, 3] = 1.0
    return affine
