"""Options for DICOM, and its remarks told in one line each."""

import argparse
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_intseg.io.source import FileVolume


def add_reading(group: Any) -> None:
    """Declare the options for reading DICOM."""
    group.add_argument(
        "--series", metavar="N", help="which series of a folder: a number of the list, or a uid"
    )
    group.add_argument(
        "--resample", action="store_true",
        help="interpolate tilted or unevenly spaced slices onto a regular grid",
    )  # fmt: skip


def add_arguments(group: Any) -> None:
    """Declare the options for reading and writing DICOM."""
    add_reading(group)
    group.add_argument(
        "--name", type=_name, action="append", default=[], metavar="N=NAME",
        help="what object N is called in DICOM, such as 1=liver; repeat for more",
    )  # fmt: skip
    group.add_argument(
        "--keep-patient", action="store_true",
        help="write the patient's name and number into DICOM; they are left out otherwise",
    )  # fmt: skip


def read_image(
    args: argparse.Namespace, image: Path | None = None, *, time: int | None = None
) -> "FileVolume":
    """Read the image of a command line, and tell what a person should know of it.

    Parameters
    ----------
    args : Namespace
        With the options of `add_reading`.
    image : Path, optional
        Another than `args.image`.
    time : int, optional
        Another time point than `args.time`.
    """
    from napari_intseg.io.read import read_volume

    with told():
        return read_volume(
            args.image if image is None else image,
            time=args.time if time is None else time,
            series=args.series,
            resample=args.resample,
            anonymous=not getattr(args, "keep_patient", False),
        )


@contextmanager
def told() -> Iterator[None]:
    """Print warnings as one line each on the standard error."""
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always", UserWarning)
        yield
    for remark in remarks:
        text = " ".join(str(remark.message).split())
        print(f"napari-intseg: note: {text}", file=sys.stderr)


def _name(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"\s*(\d+)=(.+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"name is not understood: expected N=NAME, such as 1=liver, got {text!r}"
        )
    return int(found[1]), found[2].strip()
