"""A model that answers in 3-D without weights, and what it is tried on."""

import numpy as np
from scipy import ndimage

from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.core.volume_segmenter import (
    PreparedVolume,
    VolumeChange,
    VolumeClick,
    VolumeQuery,
    VolumeScribble,
    VolumeSource,
    box_of,
)


class BrightParts:
    """The bright parts under positive clicks, whole, less balls round the negative ones."""

    def __init__(self, name: str = "bright parts", *, answers_planes: bool = False) -> None:
        kinds = frozenset({"click", "box", "scribble", "lasso", "mask"})
        self.traits = Traits(name, kinds, uses_prev=True)  # type: ignore[arg-type]
        self.answers_planes = answers_planes
        self.queries: list[VolumeQuery] = []
        self.prepared = 0

    def prepare(self, image: FloatArray) -> Prepared:
        return Prepared(image.shape[:2], image.mean(axis=2) > 0.5, image.nbytes)

    def predict(self, query: Query) -> Answer:
        parts, _ = ndimage.label(query.prepared.payload)
        mask = np.zeros(parts.shape, bool)
        for click in query.prompts.clicks:
            part = parts[round(click.row), round(click.col)]
            if click.positive and part:
                mask |= parts == part
        return Answer(np.where(mask, np.float32(4), np.float32(-4)))

    def prepare_volume(self, source: VolumeSource) -> PreparedVolume:
        self.prepared += 1
        return PreparedVolume(source, source.read(source.whole).mean(axis=-1) > 0.5)

    def predict_volume(self, query: VolumeQuery) -> VolumeChange | None:
        self.queries.append(query)
        if query.cancelled():
            return None
        parts, _ = ndimage.label(query.prepared.payload)
        mask = np.zeros(parts.shape, bool)
        if query.initial is not None:
            mask[query.initial.block] = query.initial.inside
        at = np.indices(parts.shape)
        for prompt in query.prompts:
            points = [prompt.at] if isinstance(prompt, VolumeClick) else []
            points += list(prompt.points) if isinstance(prompt, VolumeScribble) else []
            for point in points:
                place = tuple(round(p) for p in point)
                if not prompt.positive:
                    away = sum((a - p) ** 2 for a, p in zip(at, place, strict=True))
                    mask &= away > 9
                elif parts[place]:
                    mask |= parts == parts[place]
        block = box_of(mask) or (slice(0, 0),) * 3
        corner = block[0].start, block[1].start, block[2].start
        return VolumeChange(corner, np.where(mask[block], np.float32(4), np.float32(-4)))


def balls() -> tuple[Volume, np.ndarray]:
    """Two bright balls that do not touch, and their labels."""
    z, y, x = np.indices((16, 24, 40))
    labels = np.zeros(z.shape, np.int32)
    for number, col in ((1, 10), (2, 29)):
        labels[((z - 8) * 1.5) ** 2 + (y - 12) ** 2 + (x - col) ** 2 <= 49] = number
    return Volume(np.where(labels > 0, 200, 20).astype(np.uint8), spacing=(3.0, 2.0, 2.0)), labels
