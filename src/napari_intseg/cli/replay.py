"""`napari-intseg replay`: do again what a journal says."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_intseg.cli import scans
from napari_intseg.cli.progress import progress_bar
from napari_intseg.errors import FileError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Segmenter
    from napari_intseg.core.volume import Volume
    from napari_intseg.models.identity import ModelIdentity
    from napari_intseg.session.canvas import Labels
    from napari_intseg.session.journal_read import Written
    from napari_intseg.session.replay import Replayed

HELP = "do again what a journal of a session says"
DESCRIPTION = """Make the labels of a session again from its journal and the image.

On the machine and device of the session they are equal bit for bit; where they are not, the
difference is reported. Without IMAGE, the file that the journal's name begins with is taken, else
one in the journal's folder with the same content. See docs/reference/journal.md.

examples:
  napari-intseg replay cells_labels.tif.journal.jsonl cells.tif -o again.tif
  napari-intseg replay liver.nii.gz.journal.jsonl ct.nii.gz --compare liver.nii.gz"""

DIFFERENT = 1
_SUFFIX = ".journal.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="file to replay")
    parser.add_argument(
        "image", type=Path, nargs="?", metavar="IMAGE", help="file, or folder of DICOM files"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="LABELS", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--compare", type=Path, metavar="LABELS", help="labels to compare with")
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
    from napari_intseg.io.write import check_target, write_labels
    from napari_intseg.session.journal_read import read_journal
    from napari_intseg.session.replay import replay

    if args.output is not None:
        check_target(args.output, overwrite=args.overwrite)
    written = read_journal(args.journal)
    image = args.image or _beside(args.journal, written)
    told: list[str] = []
    volume = scans.read_image(args, image)
    told += _image_differences(written, volume)
    if written.torn:
        told.append(f"{written.torn} line{'s' * (written.torn > 1)} at the end could not be read")

    def volume_of(time: int) -> "Volume":
        return volume if time == (args.time or 0) else scans.read_image(args, image, time=time)

    loader = _Loader(args.weights, args.device)
    with progress_bar("replaying", "line", quiet=args.quiet) as show:
        replayed = replay(written, volume_of, loader, on_progress=show)
    told += [*loader.differences, *replayed.differences]
    labels = _labels(replayed, args.time or 0, volume)
    if args.compare is not None:
        told += _compared(labels, args.compare, volume)
    if args.output is not None:
        write_labels(args.output, labels, volume, overwrite=args.overwrite)
    if not args.quiet:
        objects = len(set(labels[labels > 0].tolist()))
        print(f"{written.count} actions replayed; {objects} object{'s' * (objects != 1)}")
        if args.output is not None:
            print(f"wrote {args.output}")
    for one in told:
        print(f"difference: {one}", file=sys.stderr)
    return DIFFERENT if told else 0


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


def _beside(journal: Path, written: "Written") -> Path:
    """Return the image that belongs to a journal, if it lies beside it."""
    from napari_intseg.errors import IntSegError
    from napari_intseg.io.read import read_volume

    folder = journal.resolve().parent
    named = folder / journal.name.removesuffix(_SUFFIX)
    others = sorted(p for p in folder.iterdir() if p.is_file() and p != named)
    for path in [named, *others][:_MOST_TRIED]:
        if not path.is_file() or path.name.endswith(_SUFFIX):
            continue
        try:
            if not _image_differences(written, read_volume(path)):
                return path
        except IntSegError:
            continue
    raise FileError(
        f"image is not beside the journal: expected one that it was made on, got none in "
        f"{str(folder)!r}. Name it: napari-intseg replay JOURNAL IMAGE."
    )


_MOST_TRIED = 50


def _image_differences(written: "Written", volume: "Volume") -> list[str]:
    from napari_intseg.session.signature import image_signature, is_same_image

    wanted = written.header.get("image")
    if wanted is None:
        return []
    found = image_signature(volume)
    if is_same_image(wanted, found):
        return []
    if wanted.get("shape") != found["shape"]:
        return [f"image: shape {wanted.get('shape')} then, {found['shape']} now"]
    return ["image: other values than then"]


def _labels(replayed: "Replayed", time: int, volume: "Volume") -> "Labels":
    import numpy as np

    session = replayed.sessions.get(time)
    return np.zeros(volume.shape, np.int32) if session is None else session.labels


def _compared(labels: "Labels", path: Path, volume: "Volume") -> list[str]:
    import numpy as np

    from napari_intseg.io.read import read_mask

    wanted = read_mask(path, volume)
    wrong = int(np.count_nonzero(wanted != labels))
    return [f"{wrong} of {labels.size} labels are not those of {path}"] if wrong else []
