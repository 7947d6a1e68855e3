"""`napari-intseg cutout`: an object of a file of labels as a picture with a transparent ground."""

import argparse
from pathlib import Path

from napari_intseg.cli import shared_options
from napari_intseg.errors import DataError

HELP = "cut an object out of its image, with a hard or a soft edge, as RGBA PNG"
DESCRIPTION = """Write one object of a file of labels as a PNG whose ground is transparent, cropped
to the object. With --soft the edge is found by closed-form matting in a band round the outline, for
hair, fur and edges out of focus; it needs the extra 'matting'.

examples:
  napari-intseg cutout photo.jpg photo_labels.png -o cat.png --label 1 --soft 8
  napari-intseg cutout stack.tif labels.tif -o cell.png --label 3 --plane 12"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "image", type=Path, metavar="IMAGE", help="file, or folder of one DICOM series"
    )
    parser.add_argument("labels", type=Path, metavar="LABELS", help="on the image's grid")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--label", type=int, metavar="N", help="which object; by default the only one"
    )
    parser.add_argument(
        "--soft", type=float, default=0.0, metavar="PX",
        help="half the width of the band in which the edge may be soft; default 0: none",
    )  # fmt: skip
    parser.add_argument("--axis", type=int, default=0, metavar="N", help="planes across axis N")
    parser.add_argument(
        "--plane", type=int, metavar="N", help="of a volume; by default that of its largest area"
    )
    shared_options.add_seeing(parser.add_argument_group("image"))
    shared_options.add_dicom(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Cut out and write; returns 0."""
    import imageio.v3 as imageio
    import numpy as np

    from napari_intseg.core.volume import Plane
    from napari_intseg.inference.intensity import resolve_intensity
    from napari_intseg.inference.slice_reader import SliceReader
    from napari_intseg.inference.soft_edge import cut_out
    from napari_intseg.io.read import read_mask
    from napari_intseg.io.write import check_target

    check_target(args.output, args.image, args.labels, overwrite=args.overwrite)
    if args.output.suffix.lower() != ".png":
        raise DataError(
            f"file cannot hold a transparent ground: expected a name ending in .png, got "
            f"{str(args.output)!r}. Choose such a name."
        )
    volume = shared_options.read_image(args)
    labels = read_mask(args.labels, volume)
    known = [int(n) for n in np.unique(labels) if n]
    if args.label is None and len(known) != 1:
        raise DataError(
            f"several objects to cut out: expected --label, got none of {known[:9]!r} in "
            f"{str(args.labels)!r}. Name one."
        )
    inside = labels == (known[0] if args.label is None else args.label)
    areas = [int(volume.of(inside, plane).sum()) for plane in volume.planes(args.axis)]
    # where the object is largest it is seen best
    plane = Plane(args.axis, int(np.argmax(areas)) if args.plane is None else args.plane)
    mask = volume.of(inside, plane)
    rows, cols = (slice(0, n) for n in mask.shape)
    shown = resolve_intensity(
        volume, shared_options.window_of(args, volume), args.channels, args.colours
    )
    image = shown.to_rgb(SliceReader(volume, plane)(rows, cols))
    found = cut_out(image, mask, soft_px=args.soft)
    # rounded, not cut off: opacity of 1 must become 255
    imageio.imwrite(args.output, np.rint(found * 255).astype(np.uint8))
    print(f"wrote {args.output}: {found.shape[1]} x {found.shape[0]} pixels")
    return 0
