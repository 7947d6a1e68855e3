"""`napari-intseg replay`: do again what a journal says."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_intseg.cli import scans
from napari_intseg.cli.progress import progress_bar

if TYPE_CHECKING:
    from napari_intseg.cli.replay_image import Scan
    from napari_intseg.core.segmenter import Segmenter
    from napari_intseg.core.volume import Volume
    from napari_intseg.models.identity import ModelIdentity
    from napari_intseg.session.journal.reader import Written
    from napari_intseg.session.journal.replay import Replayed
    from napari_intseg.session.masks.canvas import Labels

HELP = "do again what a journal of a session says"
DESCRIPTION = """Make the labels of a session again from their journal and the image.

JOURNAL is a journal, or labels that were exported with one: they are then compared with what comes
out. On the machine and device of the session both are equal bit for bit; where they are not, the
difference is reported. Without IMAGE, the file that the journal's name begins with is taken, else
one in the same folder with the same content. See docs/reference/journal.md.

examples:
  napari-intseg replay liver.nii.gz ct.nii.gz
  napari-intseg replay cells_labels.tif.journal.jsonl cells.tif -o again.tif
  napari-intseg replay ct.zarr/labels/liver"""

DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "journal", type=Path, metavar="JOURNAL", help="journal to replay, or labels that have one"
    )
    parser.add_argument(
        "image", type=Path, nargs="?", metavar="IMAGE", help="file, or folder of DICOM files"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="LABELS", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--compare", type=Path, metavar="LABELS", help="other labels to compare with"
    )
    parser.add_argument("--time", type=int, metavar="N", help="time point to write, from 0")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's weight file")
    parser.add_argument("--device", help="instead of the one of the session")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    scans.add_reading(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Replay, compare and write.

    Returns
    -------
    int
        0; 1 if the outcome differs from what the journal says.
    """
    from napari_intseg.cli.replay_image import find_scan
    from napari_intseg.io.write import check_fits, check_target, write_labels
    from napari_intseg.session.journal.replay import replay

    if args.output is not None:
        inputs = args.journal, args.image, args.compare, args.weights
        check_target(args.output, *inputs, overwrite=args.overwrite)
    written, wanted = _journal(args.journal)
    scan, told = find_scan(args, written)
    if args.output is not None:
        check_fits(args.output, scan.volume)
    if written.torn:
        told.append(f"{written.torn} line{'s' * (written.torn > 1)} at the end could not be read")
    loader = _Loader(args.weights, args.device)
    with progress_bar("replaying", "line", quiet=args.quiet) as show:
        replayed = replay(written, scan.seen, loader, on_progress=show)
    told += [*loader.differences, *replayed.differences]
    labels = _labels(replayed, scan)
    for path in (wanted, args.compare):
        told += [] if path is None else _compared(labels, path, scan.volume)
    if args.output is not None:
        write_labels(args.output, labels, scan.volume, overwrite=args.overwrite)
    if not args.quiet:
        objects = len(set(labels[labels > 0].tolist()))
        print(f"{written.count} actions replayed; {objects} object{'s' * (objects != 1)}")
        if args.output is not None:
            print(f"wrote {args.output}")
    for one in told:
        print(f"difference: {one}", file=sys.stderr)
    return DIFFERENT if told else 0


def _journal(path: Path) -> "tuple[Written, Path | None]":
    """Return what a journal says, and the labels it stays with if those were given and are read."""
    from napari_intseg.io.suffixes import READABLE, ending_of
    from napari_intseg.session.journal.reader import read_journal, read_journal_of

    ending = ending_of(path)
    if ending is None:
        return read_journal(path), None
    return read_journal_of(path), path if ending in READABLE and path.exists() else None


class _Loader:
    """Loads the models of a journal, each once, and notes what differs."""

    def __init__(self, weights: Path | None, device: str | None) -> None:
        self.differences: list[str] = []
        self._weights, self._device = weights, device
        self._loaded: dict[str, Segmenter] = {}

    def __call__(self, wanted: "ModelIdentity") -> "Segmenter":
        from napari_intseg.models.identity import identity_of
        from napari_intseg.models.registry import load_model

        key = repr(wanted)
        if key not in self._loaded:
            model = load_model(
                wanted.name,
                weights=self._weights,
                device=self._device or wanted.device,
                precision=wanted.precision,
                **dict(wanted.options),
            )
            self._loaded[key] = model
            found = identity_of(model).sha256
            if found != wanted.sha256:
                self.differences.append(
                    f"weights of {wanted.name}: SHA-256 {wanted.sha256} then, {found} now"
                )
        return self._loaded[key]


def _labels(replayed: "Replayed", scan: "Scan") -> "Labels":
    """Return labels on the grid of the file."""
    import numpy as np

    session = replayed.sessions.get(scan.time)
    if session is None:
        return np.zeros(scan.volume.shape, np.int32)
    return scan.look.back(session.labels)


def _compared(labels: "Labels", path: Path, volume: "Volume") -> list[str]:
    import numpy as np

    from napari_intseg.io.read import read_mask

    wanted = read_mask(path, volume)
    wrong = int(np.count_nonzero(wanted != labels))
    return [f"{wrong} of {labels.size} labels are not those of {path}"] if wrong else []
