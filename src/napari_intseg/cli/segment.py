"""`napari-intseg segment`: clicks on a file become a file of labels."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli import shared_options
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.cli.shared_options import INTERRUPTED
from napari_intseg.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_intseg.core.segmenter import Array, Segmenter
    from napari_intseg.io.source import FileVolume
    from napari_intseg.session.session import Session

HELP = "segment an image or a volume by clicks"
DESCRIPTION = """Turn clicks into a file of labels with the geometry of the image.

A click is PLANE,ROW,COL in a volume and ROW,COL in a flat image, counted from 0 along the axes of
the data, whatever --axis is. Behind it, ":-" makes it negative and "@N" gives it to object N.
Reads NIfTI, NRRD, MetaImage, TIFF, OME-Zarr, HDF5, PNG, JPEG, .npy, DICOM; writes all but JPEG, and
COCO .json, QuPath's .geojson, and of a GeoTIFF .map.geojson in its map's coordinates; beside an
OME-Zarr image as IMAGE.zarr/labels/NAME. Labels of DICOM are written as DICOM-SEG (.dcm) or
RT-STRUCT (a name that ends in rtstruct.dcm), too.

examples:
  napari-intseg segment cells.png -o cells_labels.png --click 120,200 --click 90,180:-
  napari-intseg segment ct.nii.gz -o liver.nii.gz --window abdomen \\
      --click 40,120,200 --click 55,118,190 --propagate --planes 20:70
  napari-intseg segment mr.nrrd -o two.nrrd --click 12,80,90@1 --click 12,80,140@2
  napari-intseg segment ct.nii.gz -o liver.nii.gz --model sam2.1-tiny --box 90,80,180,220@40 \\
      --propagate --method memory --embeddings ~/embeddings
  napari-intseg segment ct.nii.gz -o better.nii.gz --init liver.nii.gz --click 40,90,180:-
  napari-intseg segment disc/ -o liver.dcm --series 2 --name 1=liver --click 40,120,200"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "image", type=Path, metavar="IMAGE", help="file, or folder of one DICOM series"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="LABELS", help="file to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument(
        "--no-journal", action="store_true",
        help="do not write LABELS.journal.jsonl, from which `replay` makes the labels again",
    )  # fmt: skip
    parser.add_argument(
        "--probability", type=Path, metavar="FILE", help="also write the object's probability"
    )
    add_shared(parser)


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say what is done to an image; `batch` has them, too."""
    _add_prompts(parser.add_argument_group("prompts"))
    model = parser.add_argument_group("model")
    shared_options.add_model(model)
    model.add_argument(
        "--embeddings", type=Path, metavar="FOLDER",
        help="keep what the model prepares (SAM's embeddings) here, for the next time",
    )  # fmt: skip
    shared_options.add_viewing(parser.add_argument_group("image"))
    shared_options.add_dicom(parser.add_argument_group("DICOM"))


def _add_prompts(prompts: Any) -> None:
    prompts.add_argument(
        "--click", type=shared_options.click, action="append", default=[], metavar="P,R,C[:-][@N]",
        help="a click; repeat for more, they are made in this order",
    )  # fmt: skip
    prompts.add_argument(
        "--box", type=shared_options.box, action="append", default=[], metavar="R0,C0,R1,C1[@P]",
        help=shared_options.BOX_HELP,
    )  # fmt: skip
    prompts.add_argument(
        "--scribble", type=shared_options.scribble, action="append", default=[],
        metavar="[P:]R,C;R,C;…[:-][@N]", help="a line on the object, through these vertices",
    )  # fmt: skip
    prompts.add_argument(
        "--lasso", type=shared_options.lasso, action="append", default=[],
        metavar="[P:]R,C;R,C;…[:-][@N]",
        help="a closed line round the object, through at least three vertices; for a model that "
        "takes boxes but no lassos it is the box round it. Lines have their plane in front in a "
        "volume; they come after boxes and before clicks",
    )  # fmt: skip
    prompts.add_argument(
        "--answer", type=shared_options.ordinal, metavar="N",
        help="of the several masks that each object's first click may mean, take the N-th best "
        "(1: the best) and go on from it; they are asked for then",
    )  # fmt: skip
    prompts.add_argument(
        "--auto-clicks", type=shared_options.ordinal, metavar="N", nargs="?", const=4,
        help="after the clicks given, at most N more that the model's own doubts suggest "
        "(4 without a number), until it is unsure; Ctrl-C stops and keeps what is done",
    )  # fmt: skip
    prompts.add_argument(
        "--policy", metavar="NAME",
        help="of --auto-clicks: a learnt policy suggests them, by name or file; default: doubts",
    )  # fmt: skip
    prompts.add_argument(
        "--share", action="store_true",
        help="objects share corrections: a positive click or line of one is a negative one for the "
        "others with clicks on that plane, and each pixel goes to the object that is the surest",
    )  # fmt: skip
    prompts.add_argument(
        "--label", type=int, metavar="N",
        help="object of clicks without @N; by default the one of --init that they lie in, else 1",
    )  # fmt: skip
    shared_options.add_init(prompts)
    prompts.add_argument(
        "--init-by", metavar="WHERE",
        help="begin with the objects that a model finds without clicks: a file, folder or name, as "
        "`start --model` takes it; not with --init",
    )  # fmt: skip
    prompts.add_argument("--axis", type=int, default=0, metavar="N", help="planes across axis N")
    prompts.add_argument(
        "--propagate", action="store_true",
        help="go on through the volume; Ctrl-C stops and keeps what is done",
    )  # fmt: skip
    prompts.add_argument(
        "--planes",
        type=shared_options.planes,
        metavar="A:B",
        help="propagate from plane A to B - 1 only",
    )
    prompts.add_argument(
        "--method", choices=("neighbour", "memory"), default="neighbour",
        help="how to propagate: each mask guides the next plane (default), or the model's memory",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Segment and write.

    Returns
    -------
    int
        0; 130 when propagation was interrupted, with what was done by then written.
    """
    from napari_intseg.models.registry import load_model

    interrupted, _ = segment_file(args, load_model)
    return INTERRUPTED if interrupted else 0


def segment_file(
    args: argparse.Namespace, load: "Callable[..., Segmenter]"
) -> tuple[bool, dict[int, int]]:
    """Segment and write, with a model from elsewhere.

    Parameters
    ----------
    args : Namespace
        With the options of `add_arguments`. Clicks and boxes get their objects' numbers.
    load : callable
        As `load_model`.

    Returns
    -------
    interrupted : bool
        Whether Ctrl-C ended the propagation, so that a part is missing.
    sizes : dict of int to int
        Pixels, or voxels, of each label that was written.
    """
    from napari_intseg.io.output_files import check_journal
    from napari_intseg.io.read import read_mask
    from napari_intseg.io.write import check_fits, check_target, write_array
    from napari_intseg.models.registry import DEFAULT_MODEL

    check(args)
    inputs = args.image, args.init, args.weights
    # all that can be refused is asked before an image is read or a model loaded
    check_target(args.output, *inputs, overwrite=args.overwrite)
    if not args.no_journal:
        check_journal(args.output, overwrite=args.overwrite)
    if args.probability is not None:
        check_target(args.probability, *inputs, args.output, overwrite=args.overwrite)
    volume = shared_options.read_image(args)
    check_fits(args.output, volume)
    initial = None if args.init is None else read_mask(args.init, volume)
    called: dict[int, str] = {}
    if args.init_by is not None:
        initial, called = _found_by(args, volume)
    source = args.init or Path(str(args.init_by))
    held = () if initial is None else shared_options.check_initial(initial, source)
    labels = _share_out(args, initial, held)
    model = load(
        args.model or DEFAULT_MODEL,
        weights=args.weights, device=args.device, precision=args.precision, threads=args.threads,
    )  # fmt: skip
    session = _begin(model, volume, args)
    _share_corrections(args, session)
    # taken over and locked before the first click, which must not take their pixels
    start = _start_of(args, held, labels)
    kept = _keep(session, initial, labels, start)
    interrupted = False
    for label in labels:
        if label not in session.objects:
            session.new_object(label)
        session.select_object(label)
        _prompt(session, args, label, initial if len(held) > 1 or label == start else None)
        if args.propagate and not interrupted:
            interrupted = _propagate(session, args)
    sizes = _write(args, session, volume, called | shared_options.names(args, args.init))
    if not args.no_journal:
        from napari_intseg.session.journal.replayer import save_beside

        save_beside(session, args.output, time=args.time or 0)
    if args.probability is not None:
        write_array(args.probability, _probability(session), volume, overwrite=args.overwrite)
    if not args.quiet:
        _tell(session, volume, args, {label: sizes.get(label, 0) for label in (*kept, *labels)})
    return interrupted, sizes


# side of the pieces of labels that are written plane by plane, as for flat images
_PIECE_PX = 1024


def _write(
    args: argparse.Namespace, session: "Session", volume: "FileVolume", names: dict[int, str]
) -> dict[int, int]:
    """Write labels, those too large for memory plane by plane; return the pixels of each."""
    from collections import Counter

    import numpy as np

    from napari_intseg.io.ome_zarr import put_tile
    from napari_intseg.io.suffixes import KINDS, ending_of
    from napari_intseg.io.write import tiled_labels, write_labels
    from napari_intseg.models.registry import DEFAULT_MODEL
    from napari_intseg.session.journal.replayer import in_parts, is_large

    is_zarr = KINDS.get(ending_of(args.output) or "") == "zarr"
    if not (is_zarr and is_large(volume)):
        written = session.labels
        write_labels(
            args.output, written, volume, overwrite=args.overwrite, names=names,
            algorithm=args.model or DEFAULT_MODEL,
        )  # fmt: skip
        numbers, counts = np.unique(written, return_counts=True)
        return {int(n): int(count) for n, count in zip(numbers, counts, strict=True) if n}
    sizes, highest = Counter[int](), max(session.objects, default=0)
    with tiled_labels(
        args.output, volume, highest=highest, tile_px=_PIECE_PX, overwrite=args.overwrite
    ) as target:
        for index, labels in enumerate(in_parts(session)):
            if labels.any():
                put_tile(target, (index, 0, 0), labels, tile_px=_PIECE_PX)
                for label in set(labels[labels > 0].tolist()):
                    sizes[label] += int((labels == label).sum())
    return dict(sizes)


def _found_by(args: argparse.Namespace, volume: "FileVolume") -> "tuple[Array, dict[int, str]]":
    """Return the labels and names of what a model finds without clicks, on all planes."""
    from napari_intseg.cli.start import find, planes_of
    from napari_intseg.models.automatic.open_model import load_start_model

    model = load_start_model(args.init_by, device=args.device)
    # `find` is the one of `start`: its own options are left at their defaults
    told = argparse.Namespace(**{**vars(args), "text": [], "threshold": None, "planes": None})
    try:
        labels, names, _ = find(told, volume, planes_of(told, volume), (model, None, model.traits))
    finally:
        # its memory is needed by the model that takes the clicks
        model.release()
    return labels, names


def _begin(model: "Segmenter", volume: "FileVolume", args: argparse.Namespace) -> "Session":
    from napari_intseg.propagation.walk import with_memory
    from napari_intseg.session.embeddings import EmbeddingFiles

    # raises at once where the model has no memory to propagate by
    if args.method == "memory":
        with_memory(model)
    session = shared_options.begin(model, volume, args, axis=args.axis)
    if args.embeddings is not None:
        session.keep_embeddings(EmbeddingFiles(args.embeddings))
    return session


def check(args: argparse.Namespace) -> None:
    """Refuse what does not belong together, before anything is read.

    Raises
    ------
    PromptError
        If nothing says where the object is, or the model does not take a prompt.
    UnknownModelError
        If there is no such model.
    """
    given = _given(args)
    if args.init is not None and args.init_by is not None:
        raise PromptError(
            f"two starts are given: expected --init or --init-by, got {str(args.init)!r} and "
            f"{args.init_by!r}. Leave one out."
        )
    if not given and args.init is None and args.init_by is None:
        raise PromptError(
            "nothing says where the object is: expected --click, --box, --scribble, --lasso or "
            "--init, got none. Add --click PLANE,ROW,COL."
        )
    wrong = [n for n in (args.label, *(one.label for one in given)) if n is not None and n < 1]
    if wrong:
        raise PromptError(
            f"label cannot be used: expected at least 1, got {wrong[0]!r}. "
            "0 is the background; choose another."
        )
    alone = "--planes" if args.planes is not None else "--method"
    if (args.planes is not None or args.method == "memory") and not args.propagate:
        raise PromptError(
            f"{alone} has no effect: expected it with --propagate, got it alone. Add --propagate."
        )
    _check_kinds(args)


_DRAWN = ("box", "scribble", "lasso")


def _given(args: argparse.Namespace) -> list[Any]:
    """Return all prompts, in the order they are given to the model."""
    return [one for kind in (*_DRAWN, "click") for one in getattr(args, kind)]


def _share_out(
    args: argparse.Namespace, initial: "Array | None", held: Sequence[int]
) -> tuple[int, ...]:
    """Give each prompt its object; return the objects, in the order they are worked on.

    One without a number is for --label; without that, where --init holds several objects, for the
    one it lies in, else for that of the prompt before it.
    """
    several = len(held) > 1
    last = args.label or 1
    for kind in (*_DRAWN, "click"):
        shared = []
        for one in getattr(args, kind):
            label = one.label or args.label or 0
            if not label and several and kind == "click":
                label = _label_at(initial, one.position)
                if not args.quiet and label:
                    at = ",".join(f"{n:g}" for n in one.position)
                    print(f"click {at} is for object {label}, which it lies in", file=sys.stderr)
            # as on paper: a click without a number goes on with the object before it
            label = label or (last if several else 1)
            last = label
            shared.append(replace(one, label=label))
        setattr(args, kind, shared)
    given = tuple(dict.fromkeys(one.label for one in _given(args)))
    if args.probability is not None and len(given) > 1:
        raise PromptError(
            f"probability is of one object: expected clicks for one, got objects {given}. "
            "Leave out --probability, or segment them one by one."
        )
    return given or (() if several and args.label is None else (args.label or 1,))


def _share_corrections(args: argparse.Namespace, session: "Session") -> None:
    """Give every object the others' positive clicks and lines as negative ones, if asked to.

    On planes alone on which it has some itself: it was not meant to be on others.

    References
    ----------
    .. [1] Agustsson, E. et al. "Interactive full image segmentation by considering all regions
       jointly", arXiv:1812.01888: a correction of one region is one of all its neighbours.
    """
    if not args.share:
        return
    session.protect(policy="joint")

    def plane_of(one: Any) -> float:
        if not isinstance(one, shared_options.ClickOption):
            return one.plane or 0
        return one.position[session.axis] if len(one.position) == 3 else 0

    labels = {one.label for one in _given(args)}
    planes = {(one.label, plane_of(one)) for one in _given(args)}
    for kind in ("scribble", "click"):
        given = getattr(args, kind)
        shared = [
            replace(one, label=label, positive=False)
            for label in sorted(labels)
            for one in given
            if one.positive and one.label != label and (label, plane_of(one)) in planes
        ]
        setattr(args, kind, [*given, *shared])


def _label_at(labels: "Array | None", position: Sequence[float]) -> int:
    """Return the label at a position; 0 outside."""
    # half up: pixels reach from -0.5 to 0.5, and `round` goes to even numbers
    at = tuple(math.floor(n + 0.5) for n in position)
    if labels is None or len(at) != labels.ndim:
        return 0
    inside = all(0 <= i < n for i, n in zip(at, labels.shape, strict=True))
    return int(labels[at]) if inside else 0


def _start_of(args: argparse.Namespace, held: Sequence[int], labels: Sequence[int]) -> int | None:
    """Return the object that starts from a file of one object; None if none or several do.

    Such a file is a mask whatever its number is, unless other objects alone are prompted for.
    """
    if len(held) != 1:
        return None
    return next((one for one in (held[0], args.label or 1) if one in labels), None)


def _keep(
    session: "Session", initial: "Array | None", labels: Sequence[int], start: int | None
) -> tuple[int, ...]:
    """Take over the objects of --init that no prompt is for; they stay as they are."""
    if initial is None or start is not None:
        return ()
    held = {
        index: [label for label in on_plane if label not in labels]
        for index, on_plane in shared_options.held_labels(session, initial).items()
    }
    shared_options.take_over(session, initial, held, finish=True)
    return tuple(sorted({label for on_plane in held.values() for label in on_plane}))


def _check_kinds(args: argparse.Namespace) -> None:
    """Refuse prompts that the model does not take, before anything is read."""
    from napari_intseg.core.prompts import Box, Click, Lasso, Prompts, Scribble
    from napari_intseg.core.segmenter import Traits, refused
    from napari_intseg.models.registry import DEFAULT_MODEL, find_model

    name = args.model or DEFAULT_MODEL
    kinds = find_model(name).prompts
    clicks = tuple(Click(0, 0, click.positive) for click in args.click)
    drawn = Box(0, 0, 0, 0) if args.box else None
    scribbles = tuple(Scribble(one.points, one.positive) for one in args.scribble)
    lassos = tuple(Lasso(one.points, one.positive) for one in args.lasso)
    kind = refused(Prompts(clicks, drawn, scribbles, lassos), Traits(name, kinds))
    if kind:
        raise PromptError(
            f"{name} takes no {kind}: expected {', '.join(sorted(kinds))}, got "
            f"--{kind.split()[-1]}. "
            f"Choose a model that takes it; `napari-intseg models` tells."
        )


def _prompt(
    session: "Session", args: argparse.Namespace, label: int, initial: "Array | None"
) -> None:
    if initial is not None:
        shared_options.start_from(session, initial, label, alone=True)

    def is_ours(one: shared_options.DrawnOption | shared_options.ClickOption) -> bool:
        return one.label == label

    drawn = {kind: filter(is_ours, getattr(args, kind)) for kind in _DRAWN}
    results = shared_options.draw(session, drawn)
    for number, click in enumerate(filter(is_ours, args.click)):
        results.append(session.click(click.position, positive=click.positive))
        # only the first click is ambiguous: later ones say which object is meant
        if number == 0 and args.answer is not None:
            _choose_answer(session, args)
    if args.auto_clicks is not None and results:
        _auto_click(session, args)
    for note in [] if args.quiet else shared_options.notes_of(results[-1:]):
        print(f"object {label}: {note}", file=sys.stderr)


def _choose_answer(session: "Session", args: argparse.Namespace) -> None:
    """Put the answer that was asked for in place, and tell how many there are."""
    offered = len(session.alternatives)
    # a model with one answer has given its best
    if not offered and args.answer == 1:
        return
    if args.answer > max(1, offered):
        raise PromptError(
            f"answer cannot be taken: expected --answer 1 to {max(1, offered)} for the first click "
            f"of object {session.object}, got {args.answer}. Choose another, or click elsewhere."
        )
    session.choose_alternative(args.answer - 1)
    if not args.quiet:
        told = f"answer {args.answer} of {offered}"
        print(f"object {session.object}: {told}", file=sys.stderr)


def _auto_click(session: "Session", args: argparse.Namespace) -> None:
    """Go on with suggested clicks on every plane that clicks were given on."""
    if args.policy is not None and session.chain.policy is None:
        from napari_intseg.models.click_policy import load_policy

        session.chain.policy = load_policy(args.policy, device=args.device)
    for plane in session.clicked_planes(session.axis):
        with (
            stop_on_interrupt() as stopped,
            progress_bar("suggested", "click", quiet=args.quiet) as show,
        ):
            session.auto_clicks(plane, most=args.auto_clicks, on_progress=show, should_stop=stopped)


def _propagate(session: "Session", args: argparse.Namespace) -> bool:
    """Propagate the current object; return whether it was interrupted."""
    from napari_intseg.propagation.guard import warnings
    from napari_intseg.propagation.walk import WalkSettings

    length = session.volume.shape[session.axis]
    first, end = args.planes or (None, None)
    chosen = range(first or 0, length if end is None else end)
    title = f"object {session.object}"
    with stop_on_interrupt() as stopped, progress_bar(title, "plane", quiet=args.quiet) as show:
        change = session.propagate(
            chosen,
            settings=WalkSettings(method=args.method),
            on_progress=show,
            should_stop=stopped,
        )
        interrupted = stopped()
    for warning in [] if args.quiet else warnings(change.stops):
        print(warning, file=sys.stderr)
    return interrupted


def _probability(session: "Session") -> "Array":
    import numpy as np

    out = np.zeros(session.volume.shape, np.float32)
    axis = session.axis
    for plane in (*session.clicked_planes(axis), *session.propagated_planes(axis)):
        session.volume.put(out, plane, session.probability_on(plane))
    return out


def _tell(
    session: "Session", volume: "FileVolume", args: argparse.Namespace, sizes: dict[int, int]
) -> None:
    for label, count in sizes.items():
        session.select_object(label)
        size = _size(volume, count)
        print(f"object {label}: {shared_options.counted(session)}, {count} {size}")
    for target in (args.output, args.probability):
        if target is not None:
            print(f"wrote {target}", file=sys.stdout)


def _size(volume: "FileVolume", count: int) -> str:
    from napari_intseg.core.affine import voxel_size

    unit = volume.source.unit
    if volume.ndim == 2:
        return "pixels"
    if unit == "pixel":
        return "voxels"
    per_mm = 1e3 if unit == "µm" else 1.0
    # mm³ times the cube of units a millimetre
    return f"voxels ({count * voxel_size(volume.affine) * math.pow(per_mm, 3):.4g} {unit}³)"
