"""Click on three coins; the others are found."""

from skimage import data

from napari_intseg import Plane, Session, Volume, load_model

session = Session(load_model("bundled"), Volume(data.coins()))
session.click((124, 44))
for position in ((125, 102), (196, 43)):
    session.new_object()
    session.click(position)
found = session.find_alike(Plane(0, 0))
print(f"{len(found)} more objects: {found}")
