"""`napari-intseg more`: a few labelled objects become many."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_intseg.cli import shared_options
from napari_intseg.cli.each_image import add_running, check_running, is_many, labels_name, run_each
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.cli.shared_options import INTERRUPTED
from napari_intseg.errors import DataError, PromptError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array
    from napari_intseg.session.session import Session

HELP = "find more objects like the few in a file of labels"
DESCRIPTION = """Find more objects like those that are labelled, and write all of them as labels.

LABELS holds a few typical objects on the grid of the image, three to six for instance, each with a
number of its own: outlines that were drawn, or clicks that `napari-intseg segment` has turned into
labels. They stay as they are; what is found is numbered after the largest of them.

In a volume this is done on each plane that holds a labelled pixel, or on --plane alone, and each
object that is found lies on its one plane: the same cell on two planes gets two numbers. With
--propagate the given objects are first carried to the other planes, as far as they go, and what a
plane's search finds is before the next is searched. What is given stays as it is.

examples:
  napari-intseg segment cells.png -o few.tif --click 120,200 --click 60,90@2 --click 210,40@3
  napari-intseg more cells.png few.tif -o all.tif
  napari-intseg more stack.nii.gz few.nii.gz -o all.nii.gz --plane 12 --channels 0
  napari-intseg more stack.nii.gz few.nii.gz -o all.nii.gz --propagate
  napari-intseg more cells.png few.tif -o all.tif --network my-guide
  napari-intseg more images/ few/ -o all/"""

LARGEST = 1 << 30
"""Largest label in LABELS: half of what labels can hold is left for what is found."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Labels of what was found, by the index of the plane, and whether all was looked at."""

    by_plane: dict[int, tuple[int, ...]]
    interrupted: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "image", type=Path, metavar="IMAGE",
        help="file, or folder of one DICOM series; a folder of images or a pattern: each of them",
    )  # fmt: skip
    parser.add_argument(
        "labels", type=Path, metavar="LABELS",
        help="file with a few objects, on the image's grid; of several images, the folder of them",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT",
        help="file to write; of several images, the folder",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument(
        "--no-journal", action="store_true",
        help="do not write OUT.journal.jsonl, from which `replay` makes the labels again",
    )  # fmt: skip
    parser.add_argument(
        "--network", metavar="NAME",
        help="guided network that learns what objects look like, by name or file; default: a "
        "linear discriminant of pixels",
    )  # fmt: skip
    shared_options.add_model(parser.add_argument_group("model"))
    image = parser.add_argument_group("image")
    image.add_argument("--axis", type=int, default=0, metavar="N", help="planes across axis N")
    image.add_argument(
        "--plane", type=int, metavar="N", help="only this plane; by default all with an object"
    )
    image.add_argument(
        "--propagate", action="store_true", help="carry all objects through the volume"
    )
    shared_options.add_viewing(image)
    add_running(parser.add_argument_group("several images"))
    shared_options.add_dicom(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Take over what is labelled, find more, write.

    Returns
    -------
    int
        0; 130 when interrupted, with what was found by then written; 1 if some of several images
        failed.
    """
    if is_many(args.image):
        return run_each(args, run, of="image", beside=("labels",), name=labels_name)
    check_running(args, several="several images", is_several=False)
    from napari_intseg.io.output_files import check_journal
    from napari_intseg.io.read import read_mask
    from napari_intseg.io.write import check_fits, check_target, write_labels

    check_target(args.output, args.image, args.labels, overwrite=args.overwrite)
    if not args.no_journal:
        check_journal(args.output, overwrite=args.overwrite)
    volume = shared_options.read_image(args)
    check_fits(args.output, volume)
    given = read_mask(args.labels, volume)
    _check(given, args.labels)
    if args.propagate and volume.ndim == 2:
        raise PromptError(
            "nothing to propagate through: expected a volume with --propagate, got a flat image. "
            "Leave --propagate out."
        )
    name, model = shared_options.load(args)
    session = shared_options.begin(model, volume, args, axis=args.axis)
    if args.network is not None:
        from napari_intseg.models.guided.guided_network import load_guided

        network = load_guided(args.network, device=args.device)
        session.similar.network = lambda: network
    held = shared_options.held_labels(session, given)
    planes = _planes(args, held)
    # finished objects keep their pixels; those that are to be propagated must stay open
    shared_options.take_over(session, given, held, finish=not args.propagate)
    found = _find(session, planes, propagate=args.propagate, quiet=args.quiet)
    write_labels(
        args.output, session.labels, volume,
        overwrite=args.overwrite, names=shared_options.names(args, args.labels), algorithm=name,
    )  # fmt: skip
    if not args.no_journal:
        from napari_intseg.session.journal.replayer import save_beside

        save_beside(session, args.output, time=args.time or 0)
    if not args.quiet:
        _tell(found, args.output, flat=volume.ndim == 2)
    return INTERRUPTED if found.interrupted else 0


def _check(given: "Array", path: Path) -> None:
    """Refuse labels that nothing can be looked for by."""
    largest = int(given.max(initial=0))
    if largest < 1:
        raise PromptError(
            f"labels are empty: expected a few objects to go by, got none in {str(path)!r}. "
            "Draw some, or click on them with `napari-intseg segment`."
        )
    if largest > LARGEST:
        raise DataError(
            f"label is too large: expected at most {LARGEST}, got {largest!r} in {str(path)!r}. "
            "Number the objects from 1 on."
        )


def _planes(args: argparse.Namespace, held: dict[int, list[int]]) -> tuple[int, ...]:
    """Return the indices of the planes to look at."""
    if args.plane is None:
        return tuple(held)
    if args.plane not in held:
        raise PromptError(
            f"plane has no object to go by: expected one of {', '.join(map(str, held))} on axis "
            f"{args.axis}, got {args.plane!r}. Label an object on it, or choose another plane."
        )
    return (args.plane,)


def _find(session: "Session", planes: tuple[int, ...], *, propagate: bool, quiet: bool) -> _Found:
    from napari_intseg.core.volume import Plane
    from napari_intseg.propagation.guard import warnings

    by_plane: dict[int, tuple[int, ...]] = {}

    def carry() -> None:
        if propagate and not stopped():
            with progress_bar("propagate", "object", quiet=quiet) as show:
                change = session.propagate_all(on_progress=show, should_stop=stopped)
            for warning in [] if quiet else warnings(change.stops):
                print(warning, file=sys.stderr)

    with stop_on_interrupt() as stopped:
        # given objects go through the volume first, so that
        # they are not found again on other planes
        carry()
        for index in planes:
            title = "find more" if session.volume.ndim == 2 else f"plane {index}"
            with progress_bar(title, "place", quiet=quiet) as show:
                by_plane[index] = session.find_alike(
                    Plane(session.axis, index), on_progress=show, should_stop=stopped
                )
            carry()
            if stopped():
                break
        return _Found(by_plane, stopped())


def _tell(found: _Found, output: Path, *, flat: bool) -> None:
    for index, labels in found.by_plane.items():
        print(_counted(labels) if flat else f"plane {index}: {_counted(labels)}")
    if len(found.by_plane) > 1:
        every = tuple(label for labels in found.by_plane.values() for label in labels)
        print(f"in all: {_counted(every)}")
    print(f"wrote {output}")


def _counted(labels: tuple[int, ...]) -> str:
    if not labels:
        return "nothing was found"
    if len(labels) == 1:
        return f"1 object found, {labels[0]}"
    return f"{len(labels)} objects found, {min(labels)} to {max(labels)}"
