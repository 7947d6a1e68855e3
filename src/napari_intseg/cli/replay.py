"""`napari-intseg replay`: do again what a journal says."""

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli import shared_options
from napari_intseg.cli.output_forms import progress_bar
from napari_intseg.errors import FileError, IntSegError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array, Segmenter
    from napari_intseg.core.volume import Volume
    from napari_intseg.io.source import FileVolume
    from napari_intseg.models.model_table import ModelIdentity
    from napari_intseg.session.journal.recorder import Written
    from napari_intseg.session.journal.replayer import Replayed
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
  napari-intseg replay ct.zarr/labels/liver
  napari-intseg replay --verify liver-bundle ct.nii.gz"""

# exit code: masks came out otherwise than the journal says
DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "journal", type=Path, metavar="JOURNAL", help="journal to replay, or labels that have one"
    )
    parser.add_argument(
        "image", type=Path, nargs="?", metavar="IMAGE", help="file, or folder of DICOM files"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="JOURNAL is a folder that `napari-intseg bundle` wrote: tell whether the same labels "
        "come out here, within its tolerance",
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
    shared_options.add_reading(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Replay, compare and write.

    Returns
    -------
    int
        0; 1 if the outcome differs from what the journal says.
    """
    return _verify(args) if args.verify else _again(args)


def _again(args: argparse.Namespace) -> int:
    from napari_intseg.io.write import check_fits, check_target, write_labels
    from napari_intseg.session.journal.replayer import replay

    if args.output is not None:
        inputs = args.journal, args.image, args.compare, args.weights
        check_target(args.output, *inputs, overwrite=args.overwrite)
    written, wanted = read_journal_or_labels(args.journal)
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
    equal = []
    for path in filter(None, (wanted, args.compare)):
        wrong = _compared(labels, path, scan.volume)
        told += wrong
        equal += [] if wrong else [path]
    if args.output is not None:
        write_labels(args.output, labels, scan.volume, overwrite=args.overwrite)
    if not args.quiet:
        objects = len(set(labels[labels > 0].tolist()))
        print(f"{written.count} actions replayed; {objects} object{'s' * (objects != 1)}")
        for path in equal:
            print(f"the labels are those of {path}")
        if args.output is not None:
            print(f"wrote {args.output}")
    for one in told:
        print(f"difference: {one}", file=sys.stderr)
    return DIFFERENT if told else 0


def _verify(args: argparse.Namespace) -> int:
    """Replay a bundle; returns 0 if the same labels come out within its tolerance, else 1."""
    from napari_intseg.io.write import check_fits, check_target, write_labels
    from napari_intseg.session.journal.replayer import replay
    from napari_intseg.session.journal.ro_crate import environment, read_bundle

    bundle = read_bundle(args.journal)
    args.image = args.image or bundle.image
    args.journal = bundle.journal
    if args.output is not None:
        check_target(args.output, bundle.journal, args.image, overwrite=args.overwrite)
    scan, told = find_scan(args, bundle.written)
    if args.output is not None:
        check_fits(args.output, scan.volume)
    told += bundle.damaged
    loader = _Loader(args.weights, args.device)
    with progress_bar("replaying", "line", quiet=args.quiet) as show:
        replayed = replay(bundle.written, scan.seen, loader, on_progress=show)
    told += loader.differences
    # moved pixels are judged by the bundle's tolerance below, all else is a difference
    told += [one for one in replayed.differences if one not in replayed.moved]
    labels = _labels(replayed, scan)
    if bundle.labels is not None:
        told += _beyond(labels, bundle.labels, scan.volume, bundle.tolerance)
    else:
        told += replayed.moved
    if args.output is not None:
        write_labels(args.output, labels, scan.volume, overwrite=args.overwrite)
    if not args.quiet:
        here = environment()
        for name, then in bundle.environment.items():
            if here.get(name, "none") != then:
                print(f"{name}: {then} then, {here.get(name, 'none')} here")
        print(f"{bundle.written.count} actions replayed")
    for one in told:
        print(f"difference: {one}", file=sys.stderr)
    if not told and not args.quiet:
        exact = "to the voxel" if not replayed.moved else f"within {bundle.tolerance:.2%} an object"
        print(f"verified: the same labels come out here, {exact}")
    return DIFFERENT if told else 0


def _beyond(labels: "Labels", path: Path, volume: "Volume", tolerance: float) -> list[str]:
    """Return what differs by more than a share of an object's voxels from labels in a file."""
    import numpy as np

    from napari_intseg.io.read import read_mask

    wanted = read_mask(path, volume)
    told = []
    for label in sorted(set(np.unique(labels).tolist()) | set(np.unique(wanted).tolist())):
        if label == 0:
            continue
        then = wanted == label
        wrong = int(np.count_nonzero(then != (labels == label)))
        # an object that is missing here counts all its voxels as wrong
        if wrong > tolerance * max(1, int(np.count_nonzero(then))):
            told.append(f"object {label}: {wrong} of {int(then.sum())} voxels are others")
    return told


def read_journal_or_labels(path: Path) -> "tuple[Written, Path | None]":
    """Return what a journal says, and the labels it stays with if those were given and are read."""
    from napari_intseg.io.suffixes import READABLE, ending_of
    from napari_intseg.session.journal.recorder import read_journal, read_journal_of

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
        from napari_intseg.models.model_table import identity_of
        from napari_intseg.models.registry import load_model

        # options may hold lists, which cannot be keys themselves
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
            # replayed all the same: the labels tell whether it matters
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


# choices of channels that are tried to find the image that a journal was about: each reads a
# sample of the data, and the number of choices grows with the factorial of the channels
_MOST_MIXED = 150
# files beside a journal that are read to find its image, at most
_MOST_TRIED = 50


@dataclass(frozen=True, slots=True)
class RecordedView:
    """How a session saw the volume of a file.

    napari shows the axes of a volume in the order nearest to z, y, x, and each channel as a layer.

    Parameters
    ----------
    order : tuple of int
        Axes of the file in the order of the session; empty: as they are.
    channels : tuple of int or None
        Which channels, in which order; None: as they are.
    is_one : bool
        Whether the one channel was an image without channels.
    spacing : tuple of float or None
        In mm, of the session's axes; None: as in the file.
    """

    order: tuple[int, ...] = ()
    channels: tuple[int, ...] | None = None
    is_one: bool = False
    spacing: tuple[float, ...] | None = None

    def seen(self, volume: "Volume") -> "Volume":
        """Return a volume of the file as the session saw it."""
        import numpy as np

        from napari_intseg.core.volume import Volume

        if self == RecordedView():
            return volume
        data, n_channels, spacing = volume.data, volume.n_channels, volume.spacing
        if self.channels is not None:
            data = np.asarray(data)[..., list(self.channels)]
            n_channels = len(self.channels)
        if self.is_one:
            data, n_channels = data[..., 0], 0
        if self.order:
            rest = range(len(self.order), np.ndim(data))
            data = np.asarray(data).transpose((*self.order, *rest))
            spacing = tuple(spacing[axis] for axis in self.order)
        return Volume(data, spacing=self.spacing or spacing, channels=n_channels > 0)

    def back(self, labels: "Array") -> "Array":
        """Return labels of the session with their axes as in the file."""
        back = sorted(range(len(self.order)), key=self.order.__getitem__)
        return labels.transpose(back) if back else labels


def find_look(volume: "Volume", wanted: dict[str, Any]) -> RecordedView | None:
    """Return how a session saw a volume of a file; None if it is another image.

    Parameters
    ----------
    volume : Volume
        As the file is read.
    wanted : dict
        The signature of the image in the journal.
    """
    from napari_intseg.session.journal.file import image_signature, is_same_image

    for look in _looks(volume, wanted):
        found = image_signature(look.seen(volume))
        if is_same_image(wanted, found):
            # lengths in mm count in propagation, so they are those of the session to the last bit
            spacing = tuple(float(mm) for mm in wanted.get("spacing", ()))
            same = not spacing or list(spacing) == found["spacing"]
            return look if same else replace(look, spacing=spacing)
    return None


def _looks(volume: "Volume", wanted: dict[str, Any]) -> Iterator[RecordedView]:
    """Go through the ways to see a volume that have the right shape and number of channels."""
    from napari_intseg.io.hooks import nearest_order

    orders: list[tuple[int, ...]] = [()]
    if volume.ndim == 3 and (nearest := nearest_order(volume.affine)) != (0, 1, 2):
        orders.append(nearest)
    count = int(wanted.get("channels") or 0)
    for order in orders:
        shape = [volume.shape[axis] for axis in order or range(volume.ndim)]
        if shape != wanted.get("shape"):
            continue
        if count == volume.n_channels:
            yield RecordedView(order)
        # in any order: a person may have chosen green before red
        chosen = itertools.permutations(range(volume.n_channels), count or 1)
        for channels in itertools.islice(chosen, _MOST_MIXED if volume.n_channels else 0):
            yield RecordedView(order, channels, is_one=not count)


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """The image of a journal.

    Parameters
    ----------
    args : Namespace
        How it is read.
    path : Path
        The file, or a folder of DICOM files.
    volume : FileVolume
        As it is read at a time point: labels are written onto its grid.
    time : int
        The time point whose labels are wanted.
    look : RecordedView
        How the session saw it.
    """

    args: argparse.Namespace
    path: Path
    volume: "FileVolume"
    time: int
    look: RecordedView

    def seen(self, time: int) -> "Volume":
        """Return the volume at a time point as the session saw it."""
        known = time == self.time
        volume = (
            self.volume if known else shared_options.read_image(self.args, self.path, time=time)
        )
        return self.look.seen(volume)


def find_scan(args: argparse.Namespace, written: "Written") -> tuple[Scan, list[str]]:
    """Return the image that was named, or is beside the journal, and in what it differs.

    Raises
    ------
    FileError
        If none is named and none is there.
    IntSegError
        If the one that is named cannot be read.
    """
    from napari_intseg.io.output_files import SUFFIX

    if args.image is not None:
        return _open(args, args.image, written)
    folder = args.journal.resolve().parent
    named = folder / args.journal.name.removesuffix(SUFFIX)
    # the file that the journal is named after comes first, then all beside it
    near = [p for p in folder.iterdir() if p.is_file() or p.name.endswith(".zarr")]
    paths = [named, *sorted(p for p in near if p != named and not p.name.endswith(SUFFIX))]
    # of an OME-Zarr image, which holds its labels
    if folder.name == "labels":
        paths.insert(0, folder.parent)
    for path in paths[:_MOST_TRIED] if "image" in written.header else ():
        try:
            scan, told = _open(args, path, written)
        except IntSegError:
            continue
        if not told:
            return scan, []
    raise FileError(
        f"image is not beside the journal: expected one that it was made on, got none in "
        f"{str(folder)!r}. Name it: napari-intseg replay JOURNAL IMAGE."
    )


def _open(args: argparse.Namespace, path: Path, written: "Written") -> tuple[Scan, list[str]]:
    """Read a file and recognise in it what the session saw; say what is different."""
    from napari_intseg.session.journal.file import image_signature

    wanted = written.header.get("image")
    time = int(args.time if args.time is not None else (written.times or (0,))[-1])
    read, errors = [], []
    # None: a file may know no time
    # the signature may be of another time point than the labels that are wanted
    for at in dict.fromkeys((time or None, time, 0)):
        try:
            volume = shared_options.read_image(args, path, time=at)
        except IntSegError as err:
            errors.append(err)
            continue
        look = RecordedView() if wanted is None else find_look(volume, wanted)
        if look is not None:
            same = (at or 0) == time
            right = volume if same else shared_options.read_image(args, path, time=time)
            return Scan(args, path, right, time, look), []
        read.append(volume)
    if not read:
        raise errors[0]
    assert wanted is not None
    now, told = image_signature(read[0]), "image: other values than then"
    if wanted.get("shape") != now["shape"]:
        told = f"image: shape {wanted.get('shape')} then, {now['shape']} now"
    return Scan(args, path, read[0], time, RecordedView()), [told]
