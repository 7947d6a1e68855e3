"""`napari-intseg start`: an automatic model's result as labels that clicks can correct."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_intseg.cli import dicom_options, option_values, view_options
from napari_intseg.cli.each_image import is_many, labels_name, run_each
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.errors import DataError, PromptError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array, Segmenter
    from napari_intseg.core.volume import Volume
    from napari_intseg.io.source import FileVolume
    from napari_intseg.models.automatic.start_model import StartModel, StartTraits

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

examples:
  napari-intseg start cells.png -o start.tif --model net.onnx
  napari-intseg start cells.png -o start.tif --automatic mask2former --weights ~/m2f-cells
  napari-intseg start photo.png -o start.png --automatic clipseg --weights ~/clipseg --text "a dog"
  napari-intseg start ct.nii.gz -o start.nii.gz --masks totalsegmentator_output/
  napari-intseg start VOC2012/ -o starts/ --model ~/segformer-b0
  napari-intseg start ct.nii.gz -o start.nii.gz --window abdomen --automatic grounding-dino \\
      --weights ~/grounding-dino-tiny --text liver --masks-by medsam --planes 30:60"""  # noqa: E501
INTERRUPTED = 130
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
        "--masks-by", metavar="ID", help="model that turns boxes into masks, e.g. sam-vit-b"
    )
    model.add_argument("--masks-weights", type=Path, metavar="FILE", help="its weight file")
    model.add_argument("--device", default="auto", help="auto (default), cpu, cuda, mps, …")
    image = parser.add_argument_group("image")
    image.add_argument("--axis", type=int, default=0, metavar="N", help="planes across axis N")
    image.add_argument(
        "--planes",
        type=option_values.planes,
        metavar="A:B",
        help="only planes A to B - 1 of a volume",
    )
    image.add_argument("--split", help="which list or subfolder of a data set; default: val")
    image.add_argument("--limit", type=int, metavar="N", help="objects of a data set at most")
    view_options.add_seeing(image)
    dicom_options.add_reading(parser.add_argument_group("DICOM"))


def run(args: argparse.Namespace) -> int:
    """Find, number and write.

    Returns
    -------
    int
        0; 130 when interrupted, with what was done by then written; 1 when an image of a data set
        had to be left out, or one of several failed.
    """
    from napari_intseg.cli.start_set import is_data_set, run_set
    from napari_intseg.io.write import check_fits, check_target, write_labels

    traits = _check(args)
    if is_data_set(args.image):
        return run_set(args, traits)
    if is_many(args.image):
        if traits is not None:
            tell_licence(args, traits)
        return run_each(args, run, of="image", name=labels_name)
    inputs = (args.image, None if args.masks is None else Path(args.masks))
    check_target(args.output, *inputs, overwrite=args.overwrite)
    volume = dicom_options.read_image(args)
    check_fits(args.output, volume)
    planes = planes_of(args, volume)
    if args.masks is not None:
        labels, names, stopped = *given_masks(args, volume), False
    else:
        model, masks_by = load(args)
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
    from napari_intseg.models.automatic.families import find_family
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
    if bool(args.text) != family.takes_text:
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
        family.takes_text, needs_masks,
    )  # fmt: skip


def planes_of(args: argparse.Namespace, volume: "Volume") -> range:
    """Return the indices of the planes to look at.

    Raises
    ------
    DataError
        If they do not exist.
    """
    from napari_intseg.core.volume import Plane

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
    from napari_intseg.models.automatic.automatic import load_automatic
    from napari_intseg.models.automatic.open_model import load_start_model
    from napari_intseg.models.registry import load_model

    if args.model is not None:
        model: StartModel = load_start_model(args.model, device=args.device)
    else:
        model = load_automatic(args.automatic, args.weights, device=args.device)
    if args.masks_by is None:
        return model, None
    return model, load_model(args.masks_by, weights=args.masks_weights, device=args.device)


def given_masks(args: argparse.Namespace, volume: "FileVolume") -> "tuple[Array, dict[int, str]]":
    """Return the labels of `--masks` and the names of the objects."""
    import numpy as np

    from napari_intseg.io.mask_folder import read_mask_folder
    from napari_intseg.io.read import read_mask

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
    from napari_intseg.models.automatic.labels import Numbering

    model, masks_by, traits = using
    window = view_options.window_of(args, volume)
    intensity = resolve_intensity(volume, window, args.channels, args.colours)
    context = int(args.neighbours)
    check_context(volume, context)
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


def _tell(labels: "Array", names: dict[int, str]) -> None:
    if not names:
        print("nothing was found")
    for label, name in names.items():
        count = int((labels == label).sum())
        print(f"object {label}: {name}, {count} {'pixels' if labels.ndim == 2 else 'voxels'}")
