"""`napari-intseg start` on a data set: labels for each image, compared with the set's own."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.suffixes import WRITABLE, ending_of

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array
    from napari_intseg.models.automatic.start_model import StartTraits

LEFT_OUT, INTERRUPTED = 1, 130


def is_data_set(place: Path) -> bool:
    """Whether a path is a folder with a layout that `napari-intseg evaluate` reads."""
    if not place.is_dir():
        return False
    from napari_intseg.evaluation.datasets import detect

    return detect(place) is not None


def run_set(args: argparse.Namespace, traits: "StartTraits | None") -> int:
    """Write labels for each image of a data set; return the status of `start`.

    Raises
    ------
    DataError
        If an option has no effect on data sets.
    FileError
        If the output is no folder, or a file in it exists and may not be replaced.
    """
    from napari_intseg.cli.start import PUBLISHED, load, tell_licence
    from napari_intseg.evaluation.datasets import Choices, open_datasets

    _check_options(args, PUBLISHED)
    choices = Choices(split=args.split, limit=args.limit, max_objects=0, volumes="whole")
    using: Any = None
    if args.masks is None:
        model, masks_by = load(args)
        traits = traits or model.traits
        tell_licence(args, traits)
        using = (model, masks_by, traits)
    (data,) = open_datasets(args.image, choices)
    targets = _targets(args, data.entries)
    overlaps: list[float] = []
    left_out = 0
    with stop_on_interrupt() as stopped, progress_bar("start", "image", quiet=args.quiet) as show:
        for done, (entry, target) in enumerate(zip(data.entries, targets, strict=True), 1):
            try:
                overlaps += _one(args, entry, target, using, data.names)
            except (DataError, FileError) as err:
                left_out += 1
                print(f"left out: {entry.name}: {err}", file=sys.stderr)
            show(done, len(targets))
            if stopped():
                break
    if not args.quiet:
        _tell(args, overlaps, len(data.entries) - left_out)
    if done < len(targets):
        return INTERRUPTED
    return LEFT_OUT if left_out else 0


def _check_options(args: argparse.Namespace, published: str) -> None:
    if args.planes is not None or args.masks not in (None, published):
        given = f"--masks {args.masks}" if args.planes is None else "--planes"
        raise DataError(
            f"{given} has no effect on a data set: expected a model, or --masks {published}, got "
            f"{str(args.image)!r}. Name a single image, or leave it out."
        )


def _targets(args: argparse.Namespace, entries: Any) -> list[Path]:
    """Return the file of each entry, after asking whether all can be written."""
    from napari_intseg.io.output_check import check_apart

    if ending_of(args.output) in WRITABLE or args.output.is_file():
        raise FileError(
            f"labels of a data set need a folder: expected one, got {str(args.output)!r}. "
            "Name a folder."
        )
    check_apart(args.output / "x.tif", args.image)
    targets = []
    for entry in entries:
        name = entry.name.replace("/", "_").replace("\\", "_").replace("#", "_")
        is_volume = entry.image.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"))
        path = args.output / f"{name}{'.nii.gz' if is_volume else '.tif'}"
        if path.exists() and not args.overwrite:
            raise FileError(
                f"file exists: expected a new one, got {str(path)!r}. --overwrite replaces it."
            )
        targets.append(path)
    args.output.mkdir(parents=True, exist_ok=True)
    return targets


def _one(
    args: argparse.Namespace, entry: Any, target: Path, using: Any, classes: Any
) -> list[float]:
    """Write the labels of one image; return for each object how well one of the found fits."""
    import numpy as np

    from napari_intseg.cli.start import find, planes_of
    from napari_intseg.evaluation.truth import read_labels
    from napari_intseg.io.read import read_volume
    from napari_intseg.io.write import write_labels

    truth = read_labels(entry.mask)
    volume = read_volume(entry.image, time=0)
    if volume.shape != truth.shape:
        raise DataError(
            f"image and mask are on different grids: expected {truth.shape}, got {volume.shape} in "
            f"{str(entry.image)!r}. Fetch the set again."
        )
    numbered, names = _numbered(truth, entry, classes)
    labels: Array = numbered
    if using is not None:
        labels, names, _ = find(args, volume, planes_of(args, volume), using)
    write_labels(target, labels, volume, overwrite=args.overwrite, names=names)
    return [_best(labels, numbered == n) for n in np.unique(numbered[numbered > 0])]


def _numbered(truth: "Array", entry: Any, classes: Any) -> "tuple[Array, dict[int, str]]":
    """Return the set's own objects as labels, and what they are called."""
    import numpy as np

    from napari_intseg.evaluation.truth import truth_of

    out = np.zeros(truth.shape, np.int32)
    names = {}
    for number, ref in enumerate(entry.objects, 1):
        out[truth_of(truth, ref, entry.rules) == 1] = number
        kind = entry.rules.kind
        known = ref.value if kind == "classes" else 1 if kind == "binary" else 0
        names[number] = str(classes.get(known, ref.name or "object"))
    return out, names


def _best(labels: "Array", mask: "Array") -> float:
    """Return the largest intersection over union of an object with one of the labels."""
    import numpy as np

    shared = np.bincount(labels[mask].ravel())
    sizes = np.bincount(labels.ravel(), minlength=len(shared))[: len(shared)]
    union = sizes + np.count_nonzero(mask) - shared
    overlap = shared[1:] / np.maximum(union[1:], 1)
    return float(overlap.max(initial=0.0))


def _tell(args: argparse.Namespace, overlaps: list[float], images: int) -> None:
    mean = sum(overlaps) / max(1, len(overlaps))
    told = f"{images} images in {args.output}"
    if args.masks is None and overlaps:
        told += f"; {len(overlaps)} objects of the set, mean IoU of the best found {mean:.3f}"
    print(told)
