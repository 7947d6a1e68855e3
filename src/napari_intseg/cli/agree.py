"""`napari-intseg agree`: two or more readers' labels become agreement, a map and a consensus."""

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from napari_intseg.cli import shared_options

if TYPE_CHECKING:
    from napari_intseg.evaluation.metrics import Agreement

HELP = "tell how well two or more readers agree, and what they agree on"
DESCRIPTION = """Compare labels that two or more readers made of the same image: Dice, mean surface
distance and 95 % Hausdorff distance of every object, and kappa over the box that holds them all
(Cohen's for two readers, Fleiss' for more).

--map writes how many readers disagree at each voxel, --consensus what they agree on: more than half
of them (--rule majority), or STAPLE, which weighs each reader by how well they agree with the rest.
Objects are the same where their numbers are; --match overlap pairs those that overlap most instead.

To settle what is left, open the image, the consensus and the map in napari and correct the
consensus by clicks.

examples:
  napari-intseg agree first.nii.gz second.nii.gz
  napari-intseg agree a.tif b.tif c.tif --match overlap --rule staple \\
      --map map.tif --consensus consensus.tif -o agreement.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "labels", type=Path, nargs="+", metavar="LABELS", help="files of labels, one a reader"
    )
    parser.add_argument("--image", type=Path, metavar="IMAGE", help="the image they are on")
    parser.add_argument("--time", type=int, metavar="N", help="time point of the image, from 0")
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="table to write")
    parser.add_argument("--map", type=Path, metavar="LABELS", help="map of disagreement to write")
    parser.add_argument("--consensus", type=Path, metavar="LABELS", help="labels to write")
    parser.add_argument(
        "--rule", choices=("majority", "staple"), default="majority", help="of the consensus"
    )
    parser.add_argument(
        "--match",
        choices=("number", "overlap"),
        default="number",
        help="which objects are the same: those of one number (default), or that overlap most",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--quiet", action="store_true", help="no summary")
    shared_options.add_reading(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Compare and write; returns 0."""
    from napari_intseg.cli.output_forms import check_report, write_report
    from napari_intseg.evaluation.metrics import (
        agreement,
        agreement_csv,
        disagreement,
        majority,
        matched,
    )
    from napari_intseg.io.output_files import check_apart
    from napari_intseg.io.read import read_mask
    from napari_intseg.io.staple import staple
    from napari_intseg.io.write import check_target, write_labels

    written = [path for path in (args.output, args.map, args.consensus) if path is not None]
    inputs = [*args.labels, args.image]
    check_report(args.output, *inputs, overwrite=args.overwrite)
    for path in (args.map, args.consensus):
        if path is not None:
            check_target(path, *inputs, overwrite=args.overwrite)
    # three outputs of one name would replace each other without a word
    for one, other in itertools.combinations(written, 2):
        check_apart(other, one)
    # labels hold a grid too: the image is needed for the spacing of formats that tell none
    like = shared_options.read_image(args, args.image or args.labels[0])
    readers = [read_mask(path, like) for path in args.labels]
    if args.match == "overlap":
        readers = [readers[0], *(matched(one, readers[0]) for one in readers[1:])]
    found = agreement(readers, like.spacing)
    if args.output is not None:
        write_report(args.output, agreement_csv(found, [path.name for path in args.labels]))
    if args.map is not None:
        write_labels(args.map, disagreement(readers), like, overwrite=args.overwrite)
    if args.consensus is not None:
        rule = staple if args.rule == "staple" else majority
        write_labels(args.consensus, rule(readers), like, overwrite=args.overwrite)
    if not args.quiet:
        _tell(found, len(readers))
        for path in written:
            print(f"wrote {path}")
    return 0


def _tell(found: "Agreement", readers: int) -> None:
    for one in found.objects:
        sizes = ", ".join(map(str, one.voxels))
        print(
            f"object {one.label}: Dice {one.dice:.3f}, HD95 {one.distance.hd95_mm:.2f} mm, "
            f"voxels {sizes}"
        )
    count = len(found.objects)
    print(
        f"{readers} readers, {count} object{'s' * (count != 1)}: mean Dice "
        f"{found.mean_dice:.3f}, kappa {found.kappa:.3f}"
    )
