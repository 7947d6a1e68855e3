"""`napari-intseg cloud`: clicks on a point cloud become a label for every point."""

import argparse
from pathlib import Path

from napari_intseg.cli import shared_options
from napari_intseg.cli.output_forms import check_report

HELP = "label the points of a cloud by clicks in space"
DESCRIPTION = """Clicks X,Y,Z in the cloud's own unit; behind one, ":-" makes it negative and "@N"
gives it to object N. A point belongs to the object that is the surest of it, or to none (0). Reads
.npy and text with x,y,z or x,y,z,r,g,b a line; writes x,y,z,label a line, or .npy. Points belong to
the clicks that are nearest along the cloud, without weights; those of other objects are negative.

examples:
  napari-intseg cloud room.xyz -o labels.csv --click 1.2,0.4,0.8 --click 2,2,0:-
  napari-intseg cloud room.npy -o labels.npy --click 1.2,0.4,0.8@1 --click 2.6,0.4,0.7@2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("points", type=Path, metavar="POINTS")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="LABELS")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--click", type=shared_options.click, action="append", required=True,
        metavar="X,Y,Z[:-][@N]", help="a click; repeat for more",
    )  # fmt: skip
    parser.add_argument(
        "--cube", type=float, default=0.05, metavar="EDGE",
        help="of the cube round a click whose points are of its sign, in the cloud's unit; "
        "default 0.05",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Label and write; returns 0."""
    import numpy as np

    from napari_intseg.errors import PromptError
    from napari_intseg.inference.point_cloud import PointClick, segment
    from napari_intseg.io.point_files import read_points, write_labels_of_points

    check_report(args.output, args.points, overwrite=args.overwrite)
    flat = [one.position for one in args.click if len(one.position) != 3]
    if flat:
        raise PromptError(
            f"click does not lie in space: expected X,Y,Z, got {flat[0]!r}. Give three numbers."
        )
    points, colours = read_points(args.points)
    # one half: a point belongs to no object that is less likely than not
    best, labels = np.full(len(points), 0.5, np.float32), np.zeros(len(points), np.int32)
    for label in dict.fromkeys(one.label or 1 for one in args.click):
        clicks = [
            PointClick(one.position, one.positive and (one.label or 1) == label)
            for one in args.click
            # positive clicks of other objects are negative for
            # this one; their negative ones say nothing
            if one.positive or (one.label or 1) == label
        ]
        sure = segment(points, clicks, colours=colours, edge=args.cube)
        labels[sure > best] = label
        best = np.maximum(best, sure)
    write_labels_of_points(args.output, points, labels)
    found, counts = np.unique(labels[labels > 0], return_counts=True)
    for label, count in zip(found.tolist(), counts.tolist(), strict=True):
        print(f"object {label}: {count} of {len(points)} points")
    print(f"wrote {args.output}")
    return 0
