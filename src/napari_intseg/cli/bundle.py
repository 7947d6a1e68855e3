"""`napari-intseg bundle`: a session becomes a folder that others can check."""

import argparse
from pathlib import Path

HELP = "put a session into one folder that others can check"
DESCRIPTION = """Write a folder (an RO-Crate) with the journal of a session, its labels, versions of
all that was used and the signature of the image; with --with-image the image as well.
Whoever gets it checks it with `napari-intseg replay --verify FOLDER`.

JOURNAL is a journal, or labels that were exported with one; those go into the bundle.

Names of files are kept, and an image may tell who the patient is: look at what you publish.

examples:
  napari-intseg bundle liver.nii.gz -o liver-bundle --image ct.nii.gz --with-image
  napari-intseg bundle cells.tif.journal.jsonl --labels cells.tif -o cells-bundle"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "journal", type=Path, metavar="JOURNAL", help="journal, or labels that have one"
    )
    parser.add_argument("--labels", type=Path, metavar="LABELS", help="the labels that came out")
    parser.add_argument("--image", type=Path, metavar="IMAGE", help="the image of the session")
    parser.add_argument("--with-image", action="store_true", help="copy the image into the bundle")
    parser.add_argument(
        "--tolerance",
        type=float,
        # `ro_crate.TOLERANCE`, written again so that the help needs no import of it
        default=0.005,
        metavar="SHARE",
        help="share of an object's voxels that may differ elsewhere; default 0.005",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="new folder to write"
    )
    parser.add_argument("--quiet", action="store_true", help="no summary")


def run(args: argparse.Namespace) -> int:
    """Write the bundle; returns 0."""
    from napari_intseg.cli.replay import read_journal_or_labels
    from napari_intseg.errors import DataError
    from napari_intseg.session.journal.ro_crate import write_bundle

    # the journal only holds the image's signature
    if args.with_image and args.image is None:
        raise DataError("--with-image needs the image: expected --image FILE, got none. Add it.")
    if not 0 <= args.tolerance < 1:
        raise DataError(
            f"--tolerance does not fit: expected a share from 0 to below 1, got {args.tolerance}. "
            "Leave it out for 0.005."
        )
    written, own = read_journal_or_labels(args.journal)
    write_bundle(
        args.output,
        written,
        labels=args.labels or own,
        image=args.image if args.with_image else None,
        tolerance=args.tolerance,
    )
    if not args.quiet:
        print(f"{written.count} actions")
        print(f"wrote {args.output}")
    return 0
