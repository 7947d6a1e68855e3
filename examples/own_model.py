"""A model of one's own: what is as bright as a positive click.

A package offers its models by an entry point, see docs/guides/own-model.md.
"""

from dataclasses import dataclass

import numpy as np
from skimage import data

from napari_intseg import Session, Volume
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits


@dataclass(frozen=True)
class BrightSpots:
    """Takes the pixels that are as bright as the clicks."""

    traits: Traits
    width: float = 0.15

    def prepare(self, image: np.ndarray) -> Prepared:
        """Keep the brightness of a view, (H, W, 3) float32 in [0, 1]."""
        grey = image.mean(axis=2)
        return Prepared(grey.shape, grey, grey.nbytes)

    def predict(self, query: Query) -> Answer:
        """Return logits, (H, W) float32; above 0 is object."""
        grey, logits = query.prepared.payload, np.full(query.prepared.shape, -9, np.float32)
        for click in query.prompts.clicks:
            row, col = round(click.row), round(click.col)
            if 0 <= row < grey.shape[0] and 0 <= col < grey.shape[1]:
                alike = np.abs(grey - grey[row, col]) < self.width
                logits[alike] = 9 if click.positive else -9
        return Answer(logits)


session = Session(BrightSpots(Traits("bright-spots")), Volume(data.coins()))
session.click((259, 45))
print(f"{np.count_nonzero(session.mask)} pixels are as bright")
