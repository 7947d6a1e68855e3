"""`napari-intseg track`: labels of a time series become tracks with divisions and merges."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli.output_forms import progress_bar
from napari_intseg.errors import DataError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array

HELP = "link the objects of a time series, divisions and merges included"
DESCRIPTION = """Link the objects of labels from time point to time point; write them as a folder of
the Cell Tracking Challenge: mask000.tif, ... and res_track.txt. Tells what divides, merges, appears
and ends. Needs the extra "tracking" (LapTrack).

LABELS has all time points; numbers of different ones need not agree. Planes of a file that does not
tell time from planes are time points. A folder such as 01_RES or 01_GT/TRA is read as well.

examples:
  napari-intseg track cells.tif -o 01_RES
  napari-intseg track nuclei.nii.gz --image scan.nii.gz --reach 0.02 -o 01_RES"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "labels", type=Path, metavar="LABELS", help="file with labels of all time points, or folder"
    )
    parser.add_argument(
        "--image", type=Path, metavar="IMAGE", help="the image they are on, for its spacing"
    )
    parser.add_argument(
        "--reach", type=float, metavar="MM",
        help="how far a centre may move between two time points; by default twice the diameter "
        "of the median object. Millimetres, or pixels where no size is known",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that exists")
    parser.add_argument("--quiet", action="store_true", help="no progress, no events")


def run(args: argparse.Namespace) -> int:
    """Link and write; returns 0."""
    import numpy as np

    from napari_intseg.io.cell_tracking import check_folder, write_ctc
    from napari_intseg.io.output_files import check_apart
    from napari_intseg.session.tracking import link

    check_folder(args.output, overwrite=args.overwrite)
    check_apart(args.output, args.labels, args.image)
    labels, spacing = _read(args.labels)
    if args.image is not None:
        image, spacing = _grid(args.image)
        if image.shape != labels.shape:
            raise DataError(
                f"labels are on another grid: expected shape {tuple(image.shape)}, got "
                f"{tuple(labels.shape)} in {str(args.labels)!r}. Name the image they are on."
            )
    with progress_bar("linking", "time point", quiet=args.quiet) as show:
        tracks = link(labels, spacing=spacing, reach_mm=args.reach, on_progress=show)
    tracked = np.stack([tracks.apply(np.asarray(labels[t]), t) for t in range(len(labels))])
    write_ctc(args.output, tracked, tracks.parents, overwrite=args.overwrite)
    if not args.quiet:
        for event in tracks.events:
            print(event)
        print(f"{len(tracks.spans)} tracks over {len(labels)} time points")
        print(f"wrote {args.output}")
    return 0


def _read(path: Path) -> "tuple[Array, tuple[float, ...]]":
    """Return the labels of all time points, and the spacing of their spatial axes."""
    from napari_intseg.io.cell_tracking import is_ctc, read_ctc

    if is_ctc(path):
        labels, _ = read_ctc(path)
        return labels, (1.0,) * (labels.ndim - 1)
    return _grid(path)


def _grid(path: Path) -> "tuple[Any, tuple[float, ...]]":
    """Return what a file holds for all time points, as it is stored, and its spacing."""
    from napari_intseg.core.affine import spacing_of
    from napari_intseg.io.raster import ordered
    from napari_intseg.io.read import read_raster

    raster = read_raster(path)
    data, axes = ordered(raster.levels[0], raster.axes)
    if axes not in ("tyx", "tzyx", "zyx"):
        raise DataError(
            "file is no time series of labels: expected time, perhaps planes, rows and columns, "
            f"got axes {axes!r} of shape {tuple(data.shape)} in {str(path)!r}. Save labels of all "
            "time points to one file."
        )
    spacing = (1.0,) * 3 if raster.affine is None else spacing_of(raster.affine)
    return data, spacing[len(spacing) - data.ndim + 1 :]
