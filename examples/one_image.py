"""Click on a coin twice: once on it, once where the mask is wrong."""

import numpy as np
from skimage import data, io

from napari_intseg import Session, Volume, load_model

image = data.coins()
session = Session(load_model("bundled"), Volume(image))
session.click((124, 44))  # (row, col), on the coin
session.click((124, 74), positive=False)  # not the ground between two coins
print(f"{np.count_nonzero(session.mask)} pixels")
io.imsave("coin.png", session.mask.astype(np.uint8) * 255, check_contrast=False)
