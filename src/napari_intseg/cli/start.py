"""`napari-intseg start`: an automatic model's result as labels that clicks can correct."""

import argparse
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari_intseg.cli import shared_options, start_tiles
from napari_intseg.cli.each_image import add_running, is_many, labels_name, run_each
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.cli.shared_options import FAILED, INTERRUPTED
from napari_intseg.core.prompts import Box
from napari_intseg.errors import DataError, FileError, PromptError
from napari_intseg.io.suffixes import WRITABLE, ending_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_intseg.core.segmenter import Array, FloatArray, Segmenter
    from napari_intseg.core.volume import Volume
    from napari_intseg.io.raster import Raster
    from napari_intseg.io.source import FileVolume
    from napari_intseg.models.automatic.start_model import (
        ClassMark,
        ClipModel,
        StartModel,
        StartTraits,
    )

HELP = "let an automatic model find objects, as a start for clicks"
DESCRIPTION = """Run an automatic model on an image or on the planes of a volume, and write what it finds as labels.
Go on with `napari-intseg segment IMAGE --init LABELS --click …`, or take the labels in the window.

--model is an ONNX file with its description beside it, an unpacked model of the BioImage Model Zoo,
a folder as the Hugging Face hub has them (config.json, preprocessor_config.json, safetensors), a
network of `napari-intseg train --task semantic`, or a name that `napari-intseg models --automatic`
lists. --automatic with --weights asks for a family. --masks takes masks that are there: a file, or
a folder with one for each object, as TotalSegmentator writes it. Nothing is downloaded.

IMAGE may be a data set that `napari-intseg evaluate` reads: then LABELS is a folder, each image gets
its labels, and what was found is compared with the set's own; --masks published takes those.

A flat time series, a video too, is looked at frame by frame, or together by Mask2Former for video;
objects keep their number through time. --time takes one time point.

--tiles looks at an image that is larger than memory tile by tile, here, in several processes or on a
dask cluster; LABELS is an OME-Zarr then, whose pieces are written by whoever found what is on them.

examples:
  napari-intseg start cells.png -o start.tif --model net.onnx
  napari-intseg start brain.zarr -o brain.zarr/labels/cells --model net.onnx --tiles 1024 --workers 8
  napari-intseg start cells.png -o start.tif --automatic mask2former --weights ~/m2f-cells
  napari-intseg start photo.png -o start.png --automatic clipseg --weights ~/clipseg --text "a dog"
  napari-intseg start ct.nii.gz -o start.nii.gz --masks totalsegmentator_output/
  napari-intseg start scene.tif -o classes.tif --model my-disir --annotate 120,200@road
  napari-intseg start cells.png -o start.tif --automatic sam3 --weights ~/sam3 --example 40,52,60,78
  napari-intseg start VOC2012/ -o starts/ --model ~/segformer-b0
  napari-intseg start ct.nii.gz -o start.nii.gz --window abdomen --automatic grounding-dino \\
      --weights ~/grounding-dino-tiny --text liver --masks-by medsam --planes 30:60"""  # noqa: E501
PUBLISHED = "published"
"""What `--masks` says for those of a data set."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "image", type=Path, metavar="IMAGE",
        help="file, folder of DICOM files, data set; a folder of images or a pattern: each of them",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="LABELS",
        help="file to write; a folder for a data set and for several images",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    model = parser.add_argument_group("model")
    which = model.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="WHERE", help="file, folder or name")
    which.add_argument("--automatic", metavar="FAMILY", help="see the list")
    which.add_argument("--masks", metavar="WHERE", help="masks that are there, instead of a model")
    model.add_argument("--weights", type=Path, metavar="FOLDER", help="of --automatic")
    model.add_argument(
        "--text", action="append", default=[], metavar="WORDS",
        help="what to look for, for families that take text; repeat for more",
    )  # fmt: skip
    model.add_argument(
        "--threshold", type=float, metavar="X", help="leave out what scores below; 0 to 1"
    )
    model.add_argument(
        "--example", type=example, action="append", default=[], metavar="R0,C0,R1,C1",
        help="a box round an example of what to look for, for SAM 3; repeat for more",
    )  # fmt: skip
    model.add_argument(
        "--annotate", type=annotation, action="append", default=[], metavar="ROW,COL@CLASS",
        help="the class of a pixel, for networks that take annotations; repeat for more",
    )  # fmt: skip
    model.add_argument(
        "--masks-by", metavar="ID", help="model that turns boxes into masks, e.g. sam-vit-b"
    )
    model.add_argument("--masks-weights", type=Path, metavar="FILE", help="its weight file")
    model.add_argument("--device", default="auto", help="auto (default), cpu, cuda, mps, …")
    image = parser.add_argument_group("image")
    image.add_argument("--axis", type=int, default=0, metavar="N", help="planes across axis N")
    image.add_argument(
        "--planes",
        type=shared_options.planes,
        metavar="A:B",
        help="only planes A to B - 1 of a volume",
    )
    add_running(parser.add_argument_group("several images, or tiles of one"))
    start_tiles.add_arguments(parser.add_argument_group("large images"))
    image.add_argument("--split", help="which list or subfolder of a data set; default: val")
    image.add_argument("--limit", type=int, metavar="N", help="objects of a data set at most")
    shared_options.add_seeing(image)
    shared_options.add_reading(parser.add_argument_group("DICOM"))


def annotation(text: str) -> "ClassMark":
    """Return what ``120,200@road`` means."""
    from napari_intseg.models.automatic.start_model import ClassMark

    at, _, name = text.partition("@")
    numbers = shared_options.numbers_of(at)
    if len(numbers) != 2 or not name:
        raise argparse.ArgumentTypeError(
            f"annotation is not understood: expected ROW,COL@CLASS, got {text!r}"
        )
    return ClassMark(numbers[0], numbers[1], name)


def example(text: str) -> Box:
    """Return the box of ``10,20,40,60``: first and last row and column as rows before columns."""
    numbers = shared_options.numbers_of(text)
    if len(numbers) != 4 or numbers[0] > numbers[2] or numbers[1] > numbers[3]:
        raise argparse.ArgumentTypeError(
            f"example is not understood: expected R0,C0,R1,C1, the first corner first, got {text!r}"
        )
    return Box(*numbers)


def run(args: argparse.Namespace) -> int:
    """Find, number and write.

    Returns
    -------
    int
        0; 130 when interrupted, with what was done by then written; 1 when an image of a data set
        had to be left out, or one of several failed.
    """
    from napari_intseg.io.write import check_fits, check_target, write_labels

    traits = _check(args)
    start_tiles.check(args)
    if is_data_set(args.image):
        return run_set(args, traits)
    if is_many(args.image):
        if traits is not None:
            tell_licence(args, traits)
        try:
            return run_each(args, run, of="image", name=labels_name)
        finally:
            _loaded.cache_clear()
    inputs = (args.image, None if args.masks is None else Path(args.masks))
    check_target(args.output, *inputs, overwrite=args.overwrite)
    try:
        volume = shared_options.read_image(args)
    except FileError:
        series = time_series(args)
        if series is None:
            raise
        return run_series(args, series, traits)
    check_fits(args.output, volume)
    planes = planes_of(args, volume)
    if args.tiles is not None:
        return start_tiles.run(args, volume, planes, load)
    if args.masks is not None:
        labels, names, stopped = *given_masks(args, volume), False
    else:
        model, masks_by = load(args)
        if args.annotate or args.example:
            model = _shown(args, model, volume)
        traits = traits or model.traits
        tell_licence(args, traits)
        labels, names, stopped = find(args, volume, planes, (model, masks_by, traits))
    write_labels(args.output, labels, volume, overwrite=args.overwrite, names=names)
    if not args.quiet:
        _tell(labels, names)
        print(f"wrote {args.output}", file=sys.stdout)
    return INTERRUPTED if stopped else 0


def tell_licence(args: argparse.Namespace, traits: "StartTraits") -> None:
    """Print under which licence the weights were published, as far as that is known."""
    if not args.quiet and traits.licence:
        note = f" ({traits.note})" if traits.note else ""
        print(f"{traits.title}: published under {traits.licence}{note}")


def _check(args: argparse.Namespace) -> "StartTraits | None":
    """Refuse what a family cannot take, before anything is read; return what is known of it."""
    from napari_intseg.models.automatic.hub_models import find_family
    from napari_intseg.models.automatic.start_model import StartTraits
    from napari_intseg.models.registry import find_model

    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise PromptError(
            f"threshold is no score: expected 0 to 1, got {args.threshold!r}. Choose another."
        )
    if (args.automatic is not None) != (args.weights is not None):
        needed = "--weights with" if args.weights is None else "no --weights without"
        raise PromptError(
            f"weights belong to a family: expected {needed} --automatic, got "
            f"{args.weights and str(args.weights)!r}. --model needs none."
        )
    if args.automatic is None:
        if args.masks is not None and (args.text or args.masks_by):
            raise PromptError(
                f"masks are there: expected neither --text nor --masks-by with --masks, got "
                f"{args.text or args.masks_by!r}. Leave them out."
            )
        return None
    family = find_family(args.automatic)
    if bool(args.text) != family.takes_text and not args.example:
        rule = "--text" if family.takes_text else "no --text"
        raise PromptError(
            f"{family.title} cannot be asked like that: expected {rule}, got {args.text!r}. "
            "`napari-intseg models --automatic` tells which families take text."
        )
    needs_masks = family.gives == "boxes"
    if needs_masks != (args.masks_by is not None):
        rule = "--masks-by with a model that takes boxes" if needs_masks else "no --masks-by"
        raise PromptError(
            f"{family.title} gives {'boxes' if needs_masks else 'masks'}: expected {rule}, got "
            f"{args.masks_by!r}. {'Add' if needs_masks else 'Leave out'} --masks-by."
        )
    if needs_masks and "box" not in find_model(args.masks_by).prompts:
        raise PromptError(
            f"{args.masks_by} takes no box: expected a model that does, got {args.masks_by!r}. "
            "Choose another, for instance sam-vit-b."
        )
    return StartTraits(
        family.title, family.licence, family.note, family.gives not in ("classes", "texts"),
        family.takes_text, needs_masks, takes_examples=family.gives == "objects",
    )  # fmt: skip


def planes_of(args: argparse.Namespace, volume: "Volume") -> range:
    """Return the indices of the planes to look at.

    Raises
    ------
    DataError
        If they do not exist.
    """
    from napari_intseg.core.volume import Plane

    # refuses an axis that does not exist, in words
    volume.check_plane(Plane(args.axis, 0))
    count = volume.shape[args.axis] if volume.ndim == 3 else 1
    first, end = args.planes or (None, None)
    chosen = range(first or 0, count if end is None else end)
    if not chosen or chosen[-1] >= count:
        raise DataError(
            f"planes do not exist: expected some of 0 to {count - 1} on axis {args.axis}, got "
            f"{chosen.start}:{chosen.stop}. Choose planes inside the data."
        )
    return chosen


def load(args: argparse.Namespace) -> "tuple[StartModel, Segmenter | None]":
    """Return the model that finds objects, and the one that turns boxes into masks."""
    load_anew = _loaded.__wrapped__
    return (_loaded if getattr(args, "is_of_several", False) else load_anew)(
        args.model, args.automatic, args.weights, args.masks_by, args.masks_weights, args.device
    )


# of several images, those of the one before
@lru_cache(maxsize=1)
def _loaded(*given: Any) -> "tuple[StartModel, Segmenter | None]":
    from napari_intseg.models.automatic.automatic import load_automatic
    from napari_intseg.models.automatic.open_model import load_start_model
    from napari_intseg.models.registry import load_model

    name, family, weights, masks_by, masks_weights, device = given
    if name is not None:
        model: StartModel = load_start_model(name, device=device)
    else:
        model = load_automatic(family, weights, device=device)
    if masks_by is None:
        return model, None
    return model, load_model(masks_by, weights=masks_weights, device=device)


def _shown(args: argparse.Namespace, model: "StartModel", volume: "FileVolume") -> "StartModel":
    """Return the model as it answers once --annotate and --example are known."""
    from napari_intseg.models.automatic.start_model import by_examples, marked

    places = [(m.row, m.col) for m in args.annotate]
    places += [(b.row0, b.col0) for b in args.example] + [(b.row1, b.col1) for b in args.example]
    away = [at for at in places if not _is_on(*at, volume.shape)]
    if volume.ndim != 2 or away:
        raise PromptError(
            f"annotation lies on no image: expected pixels of a flat one, got "
            f"{(away or places)[0]!r} on shape {volume.shape}. Take a single plane, or leave it "
            "out."
        )
    model = marked(model, args.annotate) if args.annotate else model
    return by_examples(model, args.example) if args.example else model


def _is_on(row: float, col: float, shape: tuple[int, ...]) -> bool:
    return 0 <= row <= shape[0] - 1 and 0 <= col <= shape[-1] - 1


def given_masks(args: argparse.Namespace, volume: "FileVolume") -> "tuple[Array, dict[int, str]]":
    """Return the labels of `--masks` and the names of the objects."""
    import numpy as np

    from napari_intseg.io.read import read_mask, read_mask_folder

    place = Path(args.masks)
    if place.is_dir() and not place.name.endswith(".zarr"):
        return read_mask_folder(place, volume)
    labels = np.asarray(read_mask(place, volume))
    return labels, {int(n): str(n) for n in np.unique(labels) if n}


def find(
    args: argparse.Namespace,
    volume: "FileVolume",
    planes: range,
    using: "tuple[StartModel, Segmenter | None, StartTraits]",
) -> "tuple[Array, dict[int, str], bool]":
    """Return labels of the data's shape, their names, and whether it was interrupted."""
    import numpy as np

    from napari_intseg.core.volume import Plane
    from napari_intseg.inference.intensity import resolve_intensity
    from napari_intseg.inference.slice_reader import SliceReader, check_context
    from napari_intseg.models.automatic.start_model import Numbering

    model, masks_by, traits = using
    window = shared_options.window_of(args, volume)
    intensity = resolve_intensity(volume, window, args.channels, args.colours)
    context = int(args.neighbours)
    check_context(volume, context)
    # classes keep one number on all planes; objects are numbered plane by plane
    numbering = Numbering(by_name=not traits.objects_apart)
    out = np.zeros(volume.shape, np.int32)
    quiet = args.quiet or len(planes) == 1
    with (
        stop_on_interrupt() as stopped,
        progress_bar(traits.title, "plane", quiet=quiet) as show,
    ):
        for done, index in enumerate(planes, start=1):
            plane = Plane(args.axis, index)
            image = intensity.to_rgb(SliceReader(volume, plane, context)(slice(None), slice(None)))
            found = model.find(image, args.text, threshold=args.threshold, masks_by=masks_by)
            volume.put(out, plane, numbering.labels(found, volume.slice_shape(args.axis)))
            show(done, len(planes))
            if stopped():
                break
        return out, numbering.names, stopped()


def time_series(args: argparse.Namespace) -> "Raster | None":
    """Return the flat time series that no time point was chosen of; None if it is none."""
    from napari_intseg.io.read import read_raster

    if args.time is not None or args.masks is not None or args.tiles is not None:
        return None
    if args.annotate or args.example or args.planes is not None or args.image.is_dir():
        return None
    with shared_options.told():
        raster = read_raster(args.image)
    return raster if "t" in raster.axes and "z" not in raster.axes else None


class Pictures:
    """The frames of a time series as a model sees them, all by the contrast of the first."""

    def __init__(self, args: argparse.Namespace, series: "Raster") -> None:
        from napari_intseg.inference.intensity import resolve_intensity

        self._series = series
        self.first = series.volume(0)
        window = shared_options.window_of(args, self.first)
        self._intensity = resolve_intensity(self.first, window, args.channels, args.colours)

    def __len__(self) -> int:
        return int(self._series.levels[0].shape[self._series.axes.index("t")])

    def __getitem__(self, time: int) -> "FloatArray":
        from napari_intseg.core.volume import Plane
        from napari_intseg.inference.slice_reader import SliceReader

        read = SliceReader(self._series.volume(time), Plane(0, 0), 0)
        return self._intensity.to_rgb(read(slice(None), slice(None)))


def run_series(args: argparse.Namespace, series: "Raster", traits: "StartTraits | None") -> int:
    """Find objects through time, and write the labels of all frames; return the status.

    A model that sees frames together says which object is which. Others are asked frame by frame,
    and an object goes on where one of its name overlaps it, as on the planes of a volume.
    """
    import numpy as np

    from napari_intseg.inference.slice_reader import check_context
    from napari_intseg.io.write import check_fits, check_times, write_labels
    from napari_intseg.models.automatic.start_model import Numbering

    pictures = Pictures(args, series)
    # what means nothing to a flat image is refused as for one
    planes_of(args, pictures.first)
    check_context(pictures.first, int(args.neighbours))
    check_fits(args.output, pictures.first)
    check_times(args.output, len(pictures))
    model, masks_by = load(args)
    traits = traits or model.traits
    tell_licence(args, traits)
    numbering = Numbering(by_name=not traits.objects_apart)
    labels = np.zeros((len(pictures), *pictures.first.shape), np.int32)
    names = numbering.names
    with (
        stop_on_interrupt() as stopped,
        progress_bar(traits.title, "frame", quiet=args.quiet) as show,
    ):

        def told(done: int, count: int) -> None:
            show(done, count)
            # of a series that is seen together nothing is known before its end
            if stopped():
                raise KeyboardInterrupt

        if model.traits.joins_frames:
            labels, names = cast("ClipModel", model).find_through(
                cast("Sequence[FloatArray]", pictures), threshold=args.threshold, on_progress=told
            )
        for time in range(0 if model.traits.joins_frames else len(pictures)):
            found = model.find(
                pictures[time], args.text, threshold=args.threshold, masks_by=masks_by
            )
            labels[time] = numbering.labels(found, pictures.first.slice_shape(0))
            show(time + 1, len(pictures))
            if stopped():
                break
    write_labels(
        args.output, labels, pictures.first, overwrite=args.overwrite, names=names,
        time_step_s=series.time_step_s,
    )  # fmt: skip
    if not args.quiet:
        _tell(labels, names)
        print(f"wrote {args.output}", file=sys.stdout)
    return INTERRUPTED if stopped() else 0


def _tell(labels: "Array", names: dict[int, str]) -> None:
    if not names:
        print("nothing was found")
    for label, name in names.items():
        count = int((labels == label).sum())
        print(f"object {label}: {name}, {count} {'pixels' if labels.ndim == 2 else 'voxels'}")


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
            # one bad file does not end a set of thousands
            except (DataError, FileError) as err:
                left_out += 1
                print(f"left out: {entry.name}: {err}", file=sys.stderr)
            show(done, len(targets))
            if stopped():
                break
    if not args.quiet:
        _tell_set(args, overlaps, len(data.entries) - left_out)
    if done < len(targets):
        return INTERRUPTED
    return FAILED if left_out else 0


def _check_options(args: argparse.Namespace, published: str) -> None:
    if args.planes is not None or args.masks not in (None, published):
        given = f"--masks {args.masks}" if args.planes is None else "--planes"
        raise DataError(
            f"{given} has no effect on a data set: expected a model, or --masks {published}, got "
            f"{str(args.image)!r}. Name a single image, or leave it out."
        )


def _targets(args: argparse.Namespace, entries: Any) -> list[Path]:
    """Return the file of each entry, after asking whether all can be written."""
    from napari_intseg.io.output_files import check_apart

    if ending_of(args.output) in WRITABLE or args.output.is_file():
        raise FileError(
            f"labels of a data set need a folder: expected one, got {str(args.output)!r}. "
            "Name a folder."
        )
    # any name in that folder: none may lie among the images of the set
    check_apart(args.output / "x.tif", args.image)
    targets = list[Path]()
    for entry in entries:
        # entries are named by folder and number, of which file names can hold neither
        name = entry.name.replace("/", "_").replace("\\", "_").replace("#", "_")
        is_volume = entry.image.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"))
        path = args.output / f"{name}{'.nii.gz' if is_volume else '.tif'}"
        if path in targets:
            raise DataError(
                f"labels would replace one another: expected names of their own, got two images "
                f"whose labels would be {path.name!r}. Rename one."
            )
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


def _tell_set(args: argparse.Namespace, overlaps: list[float], images: int) -> None:
    mean = sum(overlaps) / max(1, len(overlaps))
    told = f"{images} images in {args.output}"
    if args.masks is None and overlaps:
        told += f"; {len(overlaps)} objects of the set, mean IoU of the best found {mean:.3f}"
    print(told)
