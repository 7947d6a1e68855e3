"""Segment every image of a folder from clicks that are known, and write labels beside each."""

from pathlib import Path

import numpy as np
from skimage import data, io

from napari_intseg import Session, load_model
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels

folder = Path("images")
folder.mkdir(exist_ok=True)
coins = data.coins()
for number, rows in enumerate((slice(90, 160), slice(160, 225))):
    io.imsave(folder / f"row_{number}.png", coins[rows], check_contrast=False)
clicks = {"row_0": [(34, 44), (35, 102)], "row_1": [(36, 43)]}  # one click an object

model = load_model("bundled")  # once for all images
for path in sorted(folder.glob("row_?.png")):
    volume = read_volume(path)
    session = Session(model, volume)
    for number, position in enumerate(clicks[path.stem]):
        if number:
            session.new_object()
        session.click(position)
    write_labels(folder / f"{path.stem}_labels.png", session.labels, volume, overwrite=True)
    print(path.name, np.unique(session.labels)[1:])
