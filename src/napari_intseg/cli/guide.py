"""`napari-intseg guide`: one or a few labelled images segment a folder of others."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli import shared_options
from napari_intseg.cli.output_forms import (
    check_report,
    progress_bar,
    stop_on_interrupt,
    write_report,
)
from napari_intseg.cli.shared_options import FAILED, INTERRUPTED
from napari_intseg.core.files import csv_text
from napari_intseg.errors import DataError, IntSegError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_intseg.core.segmenter import Segmenter
    from napari_intseg.inference.candidates import LikenessNetwork, Support
    from napari_intseg.session.question import Setup

HELP = "segment a folder of images by one or a few that are labelled"
DESCRIPTION = """Learn what objects look like from IMAGE=LABELS, flat images with a few objects
each, and find them on every image of FOLDER, by a small network in the package. Labels are written
to OUT under the images' names, and OUT/review.csv lists every object with its image, size and
likeness, the least likely first: those are the ones to look at. An image that cannot be read is
told and left out. Ctrl-C keeps what is done.

examples:
  napari-intseg guide scans/ --by cells_1.png=cells_1_labels.png -o found/
  napari-intseg guide scans/ --by a.tif=a_l.tif --by b.tif=b_l.tif -o found/ --model mobile-sam
  napari-intseg guide scans/ --by cells_1.png=cells_1_labels.png -o found/ --network my-guide"""
NO_NETWORK = "none"
"""What `--network` says for the discriminant."""

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of images to segment")
    parser.add_argument(
        "--by", action="append", required=True, metavar="IMAGE=LABELS", help="repeat for more"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder of labels"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument(
        "--network", metavar="NAME",
        help="guided network that learns what objects look like, by name or file; default: that "
        "in the package; none: a linear discriminant of pixels, as without PyTorch",
    )  # fmt: skip
    shared_options.add_model(parser.add_argument_group("model"))
    shared_options.add_viewing(parser.add_argument_group("image"))
    shared_options.add_dicom(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Learn, find, write.

    Returns
    -------
    int
        0; 1 if an image could not be read or its labels not be written; 130 when interrupted, with
        what was found by then written.
    """
    from napari_intseg.io.read import read_mask
    from napari_intseg.io.write import write_labels
    from napari_intseg.session.similar import learn

    targets = _targets(args)
    review = args.output / "review.csv"
    # all is asked before the model is loaded
    check_report(review, overwrite=args.overwrite)
    name, model = shared_options.load(args)
    examples = []
    for text in args.by:
        image, _, labels = text.partition("=")
        setup = _setup(model, Path(image), args)
        examples.append((setup, read_mask(Path(labels), setup.volume)))
    support, rows = learn(examples, _network(args)), list[dict[str, Any]]()
    failed, written = list[str](), 0
    with (
        stop_on_interrupt() as stopped,
        progress_bar("guide", "image", quiet=args.quiet) as show,
    ):
        for done, (path, target) in enumerate(targets.items(), 1):
            if stopped():
                break
            try:
                setup = _setup(model, path, args)
                labels, found = _found(support, setup, path.name)
                write_labels(target, labels, setup.volume, overwrite=args.overwrite, algorithm=name)
            except IntSegError as err:
                # one that is damaged does not end the others
                failed.append(f"{path}: failed: {' '.join(str(err).split())}")
            else:
                rows += found
                written += 1
            show(done, len(targets))
    _write_review(review, rows)
    # behind the bar, where they stay to be read
    for line in failed:
        print(line, file=sys.stderr)
    if not args.quiet:
        print(
            f"{len(rows)} objects on {written} of {len(targets)} images; {review} lists what to "
            "look at first"
        )
    return INTERRUPTED if stopped() else FAILED if failed else 0


def _targets(args: argparse.Namespace) -> dict[Path, Path]:
    """Return where the labels of each image go; the folder is made.

    Raises
    ------
    DataError
        If labels would replace one another.
    FileError
        If one exists, or is an input.
    """
    from napari_intseg.io.write import check_target

    images = _images(args.folder)
    # TIFF, whatever the images are: it numbers more objects than 8 bits can
    targets = {path: args.output / f"{path.stem}.tif" for path in images}
    if len(set(targets.values())) < len(images):
        raise DataError(
            f"labels would replace one another: expected images of different names, got two alike "
            f"but for their endings in {str(args.folder)!r}. Rename one."
        )
    args.output.mkdir(parents=True, exist_ok=True)
    examples = [Path(name) for text in args.by for name in text.split("=", 1)]
    for target in targets.values():
        check_target(target, *images, *examples, overwrite=args.overwrite)
    return targets


def _found(
    support: "Support", setup: "Setup", image: str
) -> tuple["NDArray[np.int32]", list[dict[str, Any]]]:
    """Return the labels of what is found on an image, and a row for each object."""
    import numpy as np

    from napari_intseg.session.similar import segment_guided

    labels, rows = np.zeros(setup.volume.shape, np.int32), []
    for number, one in enumerate(segment_guided(support, setup), 1):
        labels[one.mask] = number
        pixels, likeness = int(one.mask.sum()), f"{one.likeness:.3f}"
        rows.append({"image": image, "object": number, "pixels": pixels, "likeness": likeness})
    return labels, rows


def _network(args: argparse.Namespace) -> "LikenessNetwork | None":
    # it finds more than the discriminant does (docs/results.md), and needs PyTorch
    name = args.network or ("guided" if find_spec("torch") else NO_NETWORK)
    if name == NO_NETWORK:
        return None
    from napari_intseg.models.guided.guided_network import load_guided

    return load_guided(name, device=args.device)


def _images(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in _ENDINGS)
    if not found:
        raise DataError(
            f"folder has no images: expected files ending in {', '.join(_ENDINGS)}, got none in "
            f"{str(folder)!r}. Choose another folder."
        )
    return found


def _setup(model: "Segmenter", path: Path, args: argparse.Namespace) -> "Setup":
    """Return how the model sees one image."""
    own = argparse.Namespace(**{**vars(args), "image": path})
    volume = shared_options.read_image(own)
    return shared_options.begin(model, volume, own, axis=0).setup


def _write_review(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = ("image", "object", "pixels", "likeness")
    # the least likely first: those are worth a look
    least = sorted(rows, key=lambda row: float(row["likeness"]))
    write_report(path, csv_text([columns, *([row[name] for name in columns] for row in least)]))
