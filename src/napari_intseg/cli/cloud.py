"""`napari-intseg cloud`: clicks on a point cloud become a label for every point.

Point clouds are text and numpy files: coordinates, colours, and labels beside them.
"""

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from napari_intseg.cli import shared_options
from napari_intseg.cli.output_forms import check_report
from napari_intseg.core.files import read_text, write_bytes, write_text
from napari_intseg.errors import FileError, PromptError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HELP = "label the points of a cloud by clicks in space"
DESCRIPTION = """Clicks X,Y,Z in the cloud's own unit; behind one, ":-" makes it negative and "@N"
gives it to object N. A point belongs to the object that is the surest of it, or to none (0). Reads
.npy and text with x,y,z or x,y,z,r,g,b a line; writes x,y,z,label a line, or .npy. Points belong to
the clicks that are nearest along the cloud, without weights, or as a trained network says; those of
other objects are negative.

examples:
  napari-intseg cloud room.xyz -o labels.csv --click 1.2,0.4,0.8 --click 2,2,0:-
  napari-intseg cloud room.npy -o labels.npy --click 1.2,0.4,0.8@1 --click 2.6,0.4,0.7@2
  napari-intseg cloud room.npy -o labels.npy --click 1.2,0.4,0.8 --network my-cloud"""


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

    parser.add_argument(
        "--network", metavar="NAME",
        help="a network of `train --task cloud`, by name or file, instead of the nearest click",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="of --network; auto, cpu, cuda, …")


def run(args: argparse.Namespace) -> int:
    """Label and write; returns 0."""
    import numpy as np

    from napari_intseg.inference.point_cloud import PointClick, label_points, segment

    check_report(args.output, args.points, overwrite=args.overwrite)
    flat = [one.position for one in args.click if len(one.position) != 3]
    if flat:
        raise PromptError(
            f"click does not lie in space: expected X,Y,Z, got {flat[0]!r}. Give three numbers."
        )
    points, colours = read_points(args.points)
    if args.network is not None:
        from napari_intseg.training.cloud_network import load_cloud_network

        segment = load_cloud_network(args.network, device=args.device).segment
    clicks = [(one.label or 1, PointClick(one.position, one.positive)) for one in args.click]
    labels = label_points(points, clicks, colours=colours, edge=args.cube, by=segment)
    write_labels_of_points(args.output, points, labels)
    found, counts = np.unique(labels[labels > 0], return_counts=True)
    for label, count in zip(found.tolist(), counts.tolist(), strict=True):
        print(f"object {label}: {count} of {len(points)} points")
    print(f"wrote {args.output}")
    return 0


# coordinates beyond this have no distance: its square is more than a double holds
_FARTHEST = 1e150
_TEXT = (".csv", ".txt", ".xyz", ".pts")
# of a text: some ten million points
_MOST_BYTES = 1 << 30
# point files state no type of colour: values above 1 can only be of 0 to 255
_EIGHT_BITS = 255.0


def read_points(path: Path) -> tuple["NDArray[np.float64]", "NDArray[np.float32] | None"]:
    """Return the points of a file, (N, 3), and their colours, (N, 3) in [0, 1], if it has some.

    Parameters
    ----------
    path : Path
        ``.npy``, or text with a point a line: three coordinates, then perhaps red, green and blue,
        apart by commas or blanks. A first line that is no numbers is passed over. Colours above 1
        are of eight bits.

    Raises
    ------
    FileError
        If it is missing, of another kind, or does not hold such lines.
    """
    import numpy as np

    if not path.is_file():
        raise FileError(f"points are missing: expected a file, got {str(path)!r}. Check the path.")
    try:
        table = _table(path)
    except (OSError, ValueError) as err:
        raise FileError(
            f"points cannot be read: expected lines of numbers, got {str(path)!r} ({err}). "
            "Write x,y,z or x,y,z,r,g,b a line."
        ) from err
    # coordinates, and colours where there are some
    used = table[..., : 6 if table.shape[-1] >= 6 else 3]
    is_fine = table.ndim == 2 and table.shape[1] >= 3 and np.isfinite(used).all()
    if not is_fine or np.abs(used).max(initial=0) > _FARTHEST:
        raise FileError(
            f"points cannot be read: expected three finite coordinates a point, got an array of "
            f"shape {table.shape} in {str(path)!r}. Write x,y,z or x,y,z,r,g,b a line."
        )
    colours = table[:, 3:6] if table.shape[1] >= 6 else None
    if colours is not None and colours.max(initial=0) > 1:
        colours = colours / _EIGHT_BITS
    return table[:, :3].astype(float), None if colours is None else colours.astype(np.float32)


def _table(path: Path) -> "NDArray[np.float64]":
    import numpy as np

    from napari_intseg.io.raster import checked_bytes

    if path.suffix.lower() == ".npy":
        checked_bytes(path)
        table = np.load(path, allow_pickle=False)
        if table.dtype.kind not in "buif":
            raise ValueError(f"numbers of type {table.dtype}")
        return np.atleast_2d(table.astype(float))
    if path.suffix.lower() not in _TEXT:
        raise ValueError(f"a name ending in .npy, {', '.join(_TEXT)} is known")
    text = read_text(path, _MOST_BYTES).replace(",", " ").splitlines()
    try:
        # a header of names is no number
        float((text[0].split() or [""])[0])
    except (ValueError, IndexError):
        text = text[1:]
    return np.loadtxt(text, ndmin=2)


def write_labels_of_points(
    path: Path, points: "NDArray[np.float64]", labels: "NDArray[np.int32]"
) -> None:
    """Write ``x,y,z,label`` a line, or the labels alone to a ``.npy`` file."""
    if path.suffix.lower() == ".npy":
        import numpy as np

        content = io.BytesIO()
        np.save(content, labels)
        write_bytes(path, content.getvalue())
        return
    lines = ["x,y,z,label"]
    lines += [
        # 17 digits give back the same double
        f"{x:.17g},{y:.17g},{z:.17g},{label}"
        for (x, y, z), label in zip(points.tolist(), labels.tolist(), strict=True)
    ]
    write_text(path, "\n".join(lines) + "\n")
