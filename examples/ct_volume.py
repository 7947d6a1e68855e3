"""Clicks on two planes of a CT become an organ, with its volume in millilitres."""

import numpy as np

from napari_intseg import Session, load_model
from napari_intseg.core.phantom import ct_phantom
from napari_intseg.io.write import write_labels

volume, truth = (
    ct_phantom()
)  # or read_volume("scan.nii.gz"), read_volume("folder of a DICOM series")
kidney = truth == 2
session = Session(load_model("bundled"), volume, window=(-160, 240))  # Hounsfield units
session.click((8, 117, 63))  # (plane, row, col)
session.click((12, 118, 63))
session.propagate(on_progress=lambda done, total: print(f"{done} of {total}", end="\r"))
mask = session.mask
dice = 2 * (mask & kidney).sum() / (mask.sum() + kidney.sum())
millilitres = mask.sum() * np.prod(volume.spacing) / 1000  # spacing is in mm
write_labels("kidney.nii.gz", session.labels, volume, overwrite=True)
print(f"\n{millilitres:.0f} ml, Dice {dice:.3f}")
for plane in session.to_check()[:3]:
    print("look at", plane)
