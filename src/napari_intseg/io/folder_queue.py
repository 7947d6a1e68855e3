"""Images of a folder worked through one by one; what is done is written down beside the labels."""

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_intseg.core.files import read_json, write_text
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.header import looks_like_dicom
from napari_intseg.io.file_checks import check_regular
from napari_intseg.io.output_files import SUFFIX
from napari_intseg.io.read import read_volume
from napari_intseg.io.suffixes import KINDS, READABLE, ending_of
from napari_intseg.io.write import write_array

State = Literal["open", "done", "skipped"]
STATES: tuple[State, ...] = ("open", "done", "skipped")

RECORD = "napari-intseg-queue.json"
"""Name of the file that says what is done, in the folder of the labels."""

LABELS = "_labels"
"""Added to an image's name for that of its labels; `train` finds labels by it."""

# formats for labels of images whose own format holds no labels, or loses some of their values
_FORMAT = "napari-intseg queue"
_LOSSY = {".jpg": ".png", ".jpeg": ".png", ".npy": ".npy", ".dcm": ".nii.gz"}


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One image.

    Parameters
    ----------
    path : Path
        A file, or a folder with a DICOM series.
    state : {"open", "done", "skipped"}
    seconds : float
        Spent on it so far.
    objects : int
        In its labels when they were saved last.
    """

    path: Path
    state: State = "open"
    seconds: float = 0.0
    objects: int = 0


class ImageQueue:
    """Images in an order, which of them are done, and where their labels go.

    Parameters
    ----------
    paths : sequence of path
        The images, each once.
    labels : path
        Folder of the labels and of the record; made when it is needed.

    Raises
    ------
    FileError
        If there is no image, or the record of an earlier day cannot be read.

    Examples
    --------
    >>> queue = ImageQueue.of_folder("cells")  # doctest: +SKIP
    >>> queue.mark("done", objects=12, seconds=80.0)  # doctest: +SKIP
    >>> queue.go(1)  # doctest: +SKIP
    """

    def __init__(self, paths: Sequence[str | Path], labels: str | Path) -> None:
        self.labels = Path(labels)
        found = tuple(dict.fromkeys(Path(path) for path in paths))
        if not found:
            raise FileError(
                "queue is empty: expected at least one image, got none. Choose a folder with "
                f"images ({', '.join(READABLE)}) or DICOM series."
            )
        known = self._read()
        # work goes on at the first image that is not done
        self._items = [_item(path, known.get(self._name(path), {})) for path in found]
        self.at = next((i for i, one in enumerate(self._items) if one.state == "open"), 0)

    @classmethod
    def of_folder(cls, folder: str | Path, labels: str | Path | None = None) -> "ImageQueue":
        """Return the images of a folder in the order of their names; labels beside by default."""
        there = Path(folder)
        if not there.is_dir():
            raise FileError(
                f"folder does not exist: expected one with images, got {str(there)!r}. "
                "Choose another."
            )
        return cls(list(images_in(there)), there if labels is None else labels)

    @property
    def items(self) -> tuple[QueueItem, ...]:
        """All images, in order."""
        return tuple(self._items)

    @property
    def current(self) -> QueueItem:
        """The image that is worked on."""
        return self._items[self.at]

    def count(self, state: State) -> int:
        """Return how many images are in a state."""
        return sum(one.state == state for one in self._items)

    @property
    def seconds_per_object(self) -> float | None:
        """Time an object took, over all images with some; None before there is any."""
        timed = [one for one in self._items if one.objects and one.seconds]
        objects = sum(one.objects for one in timed)
        return sum(one.seconds for one in timed) / objects if objects else None

    def labels_of(self, item: QueueItem, time: int | None = None) -> Path:
        """Return where an image's labels are, or will be; of a time series, those of a time point.

        In the image's own format where that holds labels and geometry; pictures get PNG, DICOM
        NIfTI.
        """
        stem, ending = self._parts(item)
        at = "" if time is None else f"_t{time:03d}"
        return self.labels / f"{stem}{at}{LABELS}{ending}"

    def labels_in(self, item: QueueItem) -> dict[int | None, Path]:
        """Return an image's files of labels that are there, by time point; None: without one."""
        whole = self.labels_of(item)
        found: dict[int | None, Path] = {None: whole} if whole.exists() else {}
        stem, ending = self._parts(item)
        of_time = re.compile(f"{re.escape(stem)}_t(\\d{{3,9}}){LABELS}{re.escape(ending)}")
        # an image of the folder may be named as a time point of this one
        others = {self.labels_of(one) for one in self._items}
        for path in sorted(self.labels.iterdir()) if self.labels.is_dir() else ():
            match = of_time.fullmatch(path.name)
            if match and path not in others:
                found[int(match[1])] = path
        return found

    @staticmethod
    def _parts(item: QueueItem) -> tuple[str, str]:
        """Return an image's name without its ending, and the ending that its labels get."""
        ending = ending_of(item.path) or ".dcm"
        stem = item.path.name
        if ending and stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
        return stem, _LOSSY.get(ending, ending)

    def go(self, step: int) -> QueueItem:
        """Go to the next open image (1), or the one before, whatever its state (-1).

        Where there is none, the current one stays.
        """
        if step > 0:
            # from here on and then round from the start, so that skipped-over images come again
            later = [*range(self.at + 1, len(self._items)), *range(self.at)]
            self.at = next((i for i in later if self._items[i].state == "open"), self.at)
        else:
            self.at = max(0, self.at - 1)
        return self.current

    @property
    def following(self) -> QueueItem | None:
        """What `go(1)` would go to; None if nothing else is open."""
        later = [*self._items[self.at + 1 :], *self._items[: self.at]]
        return next((one for one in later if one.state == "open"), None)

    def choose(self, index: int) -> QueueItem:
        """Go to any image.

        Raises
        ------
        FileError
            If there is none of that number.
        """
        if not 0 <= index < len(self._items):
            raise FileError(
                f"image does not exist: expected a number from 0 to {len(self._items) - 1}, got "
                f"{index!r}. Choose one of the list."
            )
        self.at = index
        return self.current

    def sort(self, doubts: Sequence[float]) -> None:
        """Put the least sure images first.

        Parameters
        ----------
        doubts : sequence of float
            One for each of `items`; larger is less sure. Equal ones keep their order.
        """
        here = self.current.path
        order = sorted(range(len(self._items)), key=lambda i: -doubts[i])
        self._items = [self._items[i] for i in order]
        self.at = next(i for i, one in enumerate(self._items) if one.path == here)

    def mark(
        self,
        state: State,
        *,
        objects: int | None = None,
        seconds: float = 0.0,
        index: int | None = None,
    ) -> QueueItem:
        """Say how an image, the current one, stands, and write it down.

        Parameters
        ----------
        state : {"open", "done", "skipped"}
        objects : int, optional
            In its labels; by default as many as before.
        seconds : float, default 0.0
            Spent on it since the last time; it is added.
        index : int, optional
            Of another image.

        Raises
        ------
        FileError
            If the state is unknown, or the record cannot be written.
        """
        if state not in STATES:
            raise FileError(
                f"state is unknown: expected one of {', '.join(STATES)}, got {state!r}. "
                "Choose one of these."
            )
        at = self.at if index is None else index
        old = self._items[at]
        self._items[at] = replace(
            old,
            state=state,
            seconds=old.seconds + max(0.0, seconds),
            objects=old.objects if objects is None else objects,
        )
        self._write()
        return self._items[at]

    def export(self, folder: str | Path) -> int:
        """Copy what is done, images and labels side by side, as training reads them.

        A time series is written as an image for each time point that has labels.

        Parameters
        ----------
        folder : path
            New or empty.

        Returns
        -------
        int
            How many images were copied.

        Raises
        ------
        FileError
            If nothing is done, the folder holds something, or something cannot be copied.
        """
        target = Path(folder)
        done = {one.path: self.labels_in(one) for one in self._items if one.state == "done"}
        done = {image: labels for image, labels in done.items() if labels}
        if not done:
            raise FileError(
                "nothing to export: expected an image that is done and has labels, got none. "
                "Press Done on some first."
            )
        if target.exists() and any(target.iterdir()):
            raise FileError(
                f"folder is not empty: expected a new one, got {str(target)!r}. Choose another."
            )
        try:
            target.mkdir(parents=True, exist_ok=True)
            for image, by_time in done.items():
                for time, labels in by_time.items():
                    _copy(labels, target)
                    if time is None:
                        _copy(image, target)
                    else:
                        one = read_volume(image, time=time)
                        name = labels.name.replace(f"{LABELS}{ending_of(labels)}", "")
                        write_array(
                            target / f"{name}{ending_of(labels)}", np.asarray(one.data), one
                        )
        except OSError as err:
            raise FileError(
                f"training set cannot be written: expected room in {str(target)!r}, got {err}. "
                "Choose another folder."
            ) from err
        return len(done)

    def _name(self, path: Path) -> str:
        """Return how the record names an image: wherever the folder is moved, it is the same."""
        try:
            return path.resolve().relative_to(self.labels.resolve()).as_posix()
        except ValueError:
            return path.name

    def _read(self) -> dict[str, dict[str, Any]]:
        path = self.labels / RECORD
        if not path.exists():
            return {}
        check_regular(path)
        try:
            content = read_json(path, ours=True)
            if content["format"] != _FORMAT:
                raise ValueError("it is another program's")
            return {str(name): dict(one) for name, one in content["images"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            raise FileError(
                f"record of the queue cannot be read: expected what this program writes in "
                f"{str(path)!r}, got {err}. Move it away to begin anew; labels stay."
            ) from err

    def _write(self) -> None:
        # read again, so that what stands there about other images stays
        known = self._read()
        for one in self._items:
            # only what was touched is written down, so that the record stays short
            if one != QueueItem(one.path):
                about = {"state": one.state, "seconds": round(one.seconds, 1)}
                known[self._name(one.path)] = {**about, "objects": one.objects}
            else:
                known.pop(self._name(one.path), None)
        text = json.dumps({"format": _FORMAT, "version": 1, "images": known}, indent=1)
        try:
            self.labels.mkdir(parents=True, exist_ok=True)
            write_text(self.labels / RECORD, text + "\n")
        except OSError as err:
            raise FileError(
                f"record of the queue cannot be written: expected a folder that can be written "
                f"to, got {err}. Choose another folder for the labels."
            ) from err


def images_in(folder: Path) -> Iterable[Path]:
    """Go through the images of a folder by name: files, OME-Zarr groups, folders of DICOM series.

    Labels, journals and what is hidden are left out; so are folders in folders.
    """
    for path in sorted(folder.iterdir(), key=lambda one: one.name.lower()):
        name = path.name.lower()
        ending = ending_of(path)
        if name.startswith(".") or name.endswith(SUFFIX) or _is_labels(name, ending):
            continue
        if path.is_dir() and KINDS.get(ending or "") != "zarr":
            # three files, since an index or a text may lie
            # before the slices; more would be slow on a share
            if any(looks_like_dicom(one) for one in sorted(path.iterdir())[:3] if one.is_file()):
                yield path
        elif ending in READABLE:
            yield path


def _copy(path: Path, target: Path) -> None:
    (shutil.copytree if path.is_dir() else shutil.copy2)(path, target / path.name)


def _is_labels(name: str, ending: str | None) -> bool:
    stem = name.removesuffix(ending) if ending else name
    return stem.endswith(LABELS)


def _item(path: Path, known: dict[str, Any]) -> QueueItem:
    state = known.get("state")
    return QueueItem(
        path,
        state if state in STATES else "open",
        float(known.get("seconds", 0.0)),
        int(known.get("objects", 0)),
    )
