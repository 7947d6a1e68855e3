"""Take the pictures of the CT guide anew, with real mouse clicks in a real window.

``xvfb-run -a -s "-screen 0 1600x1000x24" python docs/images/make_ct.py FOLDER``
FOLDER holds the sample CT series; the clicks are those of the guide.
"""

import argparse
import tempfile
from pathlib import Path

from make import HERE, Person, pause
from pydicom import dcmread
from pydicom.uid import generate_uid
from qtpy.QtCore import Qt

from napari_intseg.io.dicom.series_reader import list_series
from napari_intseg.models.registry import DEFAULT_MODEL
from napari_intseg.ui.controllers.label_export import export_labels
from napari_intseg.ui.qt.open_scan import SeriesDialog

CLICKS = [
    ((3, 294, 263), True), ((3, 351, 246), False), ((3, 329, 260), False), ((3, 281, 251), False),
    ((15, 300, 263), True), ((15, 345, 251), False), ((15, 271, 259), False),
    ((15, 282, 257), False),
]  # fmt: skip


def disc(folder, out):
    """Make a disc of three series: the CT, the same without a slice, and a localizer."""
    files = sorted(folder.iterdir(), key=lambda f: float(dcmread(f).SliceLocation))
    series = [
        ("CT Body 3.0", 2, files, {}),
        ("CT Lung 3.0", 3, files[:7] + files[8:], {}),
        ("Topogram", 1, files[:1], {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
    ]
    for name, number, chosen, tags in series:
        uid = generate_uid()
        for i, file in enumerate(chosen):
            data = dcmread(file)
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
            data.SeriesInstanceUID, data.SeriesDescription = uid, name
            data.SeriesNumber = number
            for keyword, value in tags.items():
                setattr(data, keyword, value)
            data.save_as(out / f"{number}_{i:02d}.dcm")


def picture_of_series(person, folder):
    """Show the list to choose from."""
    with tempfile.TemporaryDirectory() as out:
        disc(folder, Path(out))
        dialog = SeriesDialog(list_series(Path(out)), person.viewer.window._qt_window)
        dialog.show()
        pause(0.5)
        dialog.grab().save(str(HERE / "ct-series.png"))
        dialog.close()


def main():
    """Open, click, propagate, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    person = Person(DEFAULT_MODEL)
    picture_of_series(person, folder)
    person.viewer.open(str(folder), plugin="napari-intseg")
    person.open_widget()
    for (plane, row, col), positive in CLICKS:
        person.go_to(plane)
        person.click((plane, row, col), positive)
    person.press(Qt.Key.Key_G)
    with tempfile.TemporaryDirectory() as out:
        export_labels(person.controller, Path(out) / "aorta.dcm")
        person.settle()
        pause(2)
        assert (Path(out) / "aorta.dcm").exists()
    person.go_to(15)
    person.take("ct.png")
    person.viewer.close()


if __name__ == "__main__":
    main()
