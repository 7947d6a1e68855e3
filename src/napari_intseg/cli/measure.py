"""`napari-intseg measure`: a file of labels becomes a table."""

import argparse
from pathlib import Path

from napari_intseg.cli import shared_options
from napari_intseg.cli.each_image import add_running, check_running, is_many, run_each, stem_of
from napari_intseg.cli.output_forms import progress_bar

HELP = "measure the objects of a file of labels"
DESCRIPTION = """Write a CSV with one row an object: volume in ml or µm³ (area on flat images),
largest diameter, centre and, with --image, mean and standard deviation of the image's values.

Lengths are in the unit of the image: millimetres for NIfTI, NRRD, MetaImage and DICOM, what the
file says for TIFF, OME-Zarr and HDF5, pixels where it tells no size. The names of the columns tell.

examples:
  napari-intseg measure liver.nii.gz --image ct.nii.gz -o liver.csv
  napari-intseg measure image.zarr/labels/cells --image image.zarr -o cells.csv
  napari-intseg measure out/ --image images/ -o tables/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "labels", type=Path, metavar="LABELS", help="file of labels; a folder or pattern: each file"
    )
    parser.add_argument(
        "--image", type=Path, metavar="IMAGE", help="the image they are on, or the folder of them"
    )
    parser.add_argument("--time", type=int, metavar="N", help="time point of the image, from 0")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="CSV",
        help="table to write; of several, the folder",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a table that exists")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    add_running(parser.add_argument_group("several images"))
    shared_options.add_reading(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Measure and write; returns 0, or 1 if some of several files could not be measured."""
    if is_many(args.labels):
        return run_each(
            args, run, of="labels", beside=("image",), name=lambda path: f"{stem_of(path)}.csv"
        )
    check_running(args, several="several images", is_several=False)
    from napari_intseg.io.measurements import check_csv, measure, write_measurements
    from napari_intseg.io.read import read_mask

    check_csv(args.output, args.labels, args.image, overwrite=args.overwrite)
    # labels know their own spacing: the image is needed for its values alone
    like = shared_options.read_image(args, args.labels if args.image is None else args.image)
    labels = read_mask(args.labels, like)
    with progress_bar("measuring", "object", quiet=args.quiet) as show:
        rows = measure(labels, like, intensity=args.image is not None, on_progress=show)
    write_measurements(args.output, rows, like, overwrite=args.overwrite)
    if not args.quiet:
        print(f"{len(rows)} object{'' if len(rows) == 1 else 's'}")
        print(f"wrote {args.output}")
    return 0
