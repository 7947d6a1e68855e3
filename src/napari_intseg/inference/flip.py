"""The mirrored view: a second look, whose logits are averaged with the first."""

from dataclasses import dataclass, replace

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Array, FloatArray, Frame


@dataclass(frozen=True, slots=True)
class Flip:
    """A left-right mirrored image of a width in pixels; mirroring twice gives all back."""

    width: int

    def image(self, image: Array) -> Array:
        """Mirror an image, (H, W) or (H, W, C); the result is contiguous."""
        return np.ascontiguousarray(image[:, ::-1])

    def click(self, click: Click) -> Click:
        """Mirror a click."""
        return replace(click, col=self.width - 1 - click.col)

    def prompts(self, prompts: Prompts) -> Prompts:
        """Mirror all prompts."""
        return prompts.moved(lambda row, col: (row, self.width - 1 - col))

    def frame(self, frame: Frame) -> Frame:
        """Mirror the frame of a view's slice."""
        row0, row1, col0, col1 = frame
        return row0, row1, self.width - col1, self.width - col0

    def average(self, logits: FloatArray, mirrored: FloatArray) -> FloatArray:
        """Return the mean of logits and of those on the mirrored image, mirrored back."""
        return np.asarray((logits + mirrored[:, ::-1]) * np.float32(0.5), np.float32)
