"""`napari-intseg series`: which DICOM series a folder holds."""

import argparse
import json
from pathlib import Path

HELP = "list the DICOM series of a folder"
DESCRIPTION = """List the images and volumes among DICOM files, with what is wrong with them.

The number in front is what `segment --series` takes. Nobody's name is shown.

examples:
  napari-intseg series disc/
  napari-intseg series disc/ --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("path", type=Path, metavar="FOLDER", help="folder or file")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print the list.

    Returns
    -------
    int
        0, or 1 if there is none.
    """
    from napari_intseg.io.dicom.series_reader import list_series

    found = list_series(args.path)
    if args.json:
        fields = (
            "number", "uid", "modality", "description", "slices", "shape", "spacing", "times",
            "is_localizer", "problems", "left_out",
        )  # fmt: skip
        print(json.dumps([{name: getattr(one, name) for name in fields} for one in found]))
    else:
        print("\n".join(str(one) for one in found) or "no DICOM images")
    return 0 if found else 1
