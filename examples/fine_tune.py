"""Teach the bundled network on a few labelled images.

A real run takes minutes; this one takes a few steps.

Needs the extra `train`: pip install "napari-intseg[train]".
"""

from pathlib import Path

import numpy as np
from skimage import data, filters, io, measure, morphology

from napari_intseg.training.loop import train
from napari_intseg.training.options import TrainOptions

folder = Path("my_cells")
for kind in ("images", "masks"):
    (folder / kind).mkdir(parents=True, exist_ok=True)
coins = data.coins()
bright = morphology.opening(coins > filters.threshold_otsu(coins), morphology.disk(5))
labels = measure.label(bright)
for number in range(4):
    window = np.s_[100:220, number * 60 : number * 60 + 120]
    io.imsave(folder / "images" / f"{number}.png", coins[window], check_contrast=False)
    io.imsave(
        folder / "masks" / f"{number}.png", labels[window].astype(np.uint8), check_contrast=False
    )

options = TrainOptions(
    folders=((folder, 1.0),), output=Path("run"), name="my-cells", steps=3, batch=2, sizes=(96,)
)
trained = train(options)
print(trained.weights, trained.before, trained.measured, sep="\n")
