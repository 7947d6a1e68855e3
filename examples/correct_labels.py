"""Labels of another program as a start: one object is cut in half, and a click brings it back."""

import numpy as np
from skimage import data

from napari_intseg import Plane, Session, Volume, load_model

image = data.coins()
wrong = np.zeros(image.shape, bool)
wrong[240:284, 22:45] = True  # the left half of a coin
session = Session(load_model("bundled"), Volume(image))
session.set_initial_mask(wrong, Plane(0, 0))
before = np.count_nonzero(session.mask)
session.click((259, 62))
print(f"{before} pixels before the click, {np.count_nonzero(session.mask)} after")
