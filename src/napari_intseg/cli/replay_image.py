"""The image of a journal: found in a file whose axes and channels a session may have seen apart."""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli import scans
from napari_intseg.errors import FileError, IntSegError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array
    from napari_intseg.core.volume import Volume
    from napari_intseg.io.source import FileVolume
    from napari_intseg.session.journal.reader import Written

_MOST_MIXED = 150
_MOST_TRIED = 50


@dataclass(frozen=True, slots=True)
class Look:
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

        if self == Look():
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


def find_look(volume: "Volume", wanted: dict[str, Any]) -> Look | None:
    """Return how a session saw a volume of a file; None if it is another image.

    Parameters
    ----------
    volume : Volume
        As the file is read.
    wanted : dict
        The signature of the image in the journal.
    """
    from napari_intseg.session.journal.image_signature import image_signature, is_same_image

    for look in _looks(volume, wanted):
        found = image_signature(look.seen(volume))
        if is_same_image(wanted, found):
            # lengths in mm count in propagation, so they are those of the session to the last bit
            spacing = tuple(float(mm) for mm in wanted.get("spacing", ()))
            same = not spacing or list(spacing) == found["spacing"]
            return look if same else replace(look, spacing=spacing)
    return None


def _looks(volume: "Volume", wanted: dict[str, Any]) -> Iterator[Look]:
    """Go through the ways to see a volume that have the right shape and number of channels."""
    from napari_intseg.io.layer_grid import nearest_order

    orders: list[tuple[int, ...]] = [()]
    if volume.ndim == 3 and (nearest := nearest_order(volume.affine)) != (0, 1, 2):
        orders.append(nearest)
    count = int(wanted.get("channels") or 0)
    for order in orders:
        shape = [volume.shape[axis] for axis in order or range(volume.ndim)]
        if shape != wanted.get("shape"):
            continue
        if count == volume.n_channels:
            yield Look(order)
        chosen = itertools.permutations(range(volume.n_channels), count or 1)
        for channels in itertools.islice(chosen, _MOST_MIXED if volume.n_channels else 0):
            yield Look(order, channels, is_one=not count)


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
    look : Look
        How the session saw it.
    """

    args: argparse.Namespace
    path: Path
    volume: "FileVolume"
    time: int
    look: Look

    def seen(self, time: int) -> "Volume":
        """Return the volume at a time point as the session saw it."""
        known = time == self.time
        volume = self.volume if known else scans.read_image(self.args, self.path, time=time)
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
    from napari_intseg.io.beside import SUFFIX

    if args.image is not None:
        return _open(args, args.image, written)
    folder = args.journal.resolve().parent
    named = folder / args.journal.name.removesuffix(SUFFIX)
    near = [p for p in folder.iterdir() if p.is_file() or p.name.endswith(".zarr")]
    paths = [named, *sorted(p for p in near if p != named and not p.name.endswith(SUFFIX))]
    if folder.name == "labels":  # of an OME-Zarr image, which holds its labels
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
    from napari_intseg.session.journal.image_signature import image_signature

    wanted = written.header.get("image")
    time = int(args.time if args.time is not None else (written.times or (0,))[-1])
    read, errors = [], []
    for at in dict.fromkeys((time or None, time, 0)):  # None: a file may know no time
        try:
            volume = scans.read_image(args, path, time=at)
        except IntSegError as err:
            errors.append(err)
            continue
        look = Look() if wanted is None else find_look(volume, wanted)
        if look is not None:
            same = (at or 0) == time
            right = volume if same else scans.read_image(args, path, time=time)
            return Scan(args, path, right, time, look), []
        read.append(volume)
    if not read:
        raise errors[0]
    assert wanted is not None
    now, told = image_signature(read[0]), "image: other values than then"
    if wanted.get("shape") != now["shape"]:
        told = f"image: shape {wanted.get('shape')} then, {now['shape']} now"
    return Scan(args, path, read[0], time, Look()), [told]
