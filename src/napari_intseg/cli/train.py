"""`napari-intseg train`: train the bundled network, or one that names every pixel's class."""

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.cli.shared_options import INTERRUPTED

if TYPE_CHECKING:
    from napari_intseg.training.loop import Trained

HELP = "train the bundled network, or another, on your own images and labels"
DESCRIPTION = """Learns from folders with images/ and masks/, from any layout that `evaluate` reads,
and from projects: NAME.tif with NAME_labels.tif beside it. Volumes are learnt slice by slice. Some
files are held out and measured, and the best weights are kept as one file, which becomes a model
of that name. Can be killed at any moment; --resume goes on as if nothing had happened.

--task semantic trains one of the plain networks of the literature (--network) to name the class of
every pixel: what it finds is a start, `napari-intseg start IMAGE --model NAME`. Its options are
--network, --width, --steps or --minutes, --batch, --size, --rate, --held-out, --seed and --masks.

--task guided trains the network of `napari-intseg guide --network NAME`, which one or a few
annotated images guide to the objects of others. Each folder holds images of one kind of object.
--task policy trains a policy for suggested clicks, `napari-intseg segment --auto-clicks --policy`.
--task vertices trains the network that moves the neighbours of a corrected vertex of an outline.
--task cloud trains the network of `napari-intseg cloud --network NAME`, on .npy files of rows x, y,
z, red, green, blue, object; --synthetic is the share of made rooms, 1 where there are no files.

examples:
  napari-intseg train my_cells --output run --name my-cells
  napari-intseg train photos:3 cells:2 ct:1 --output run --from imagenet --steps 40000 --batch 16
  napari-intseg train my_cells --output run --name my-cells --resume
  napari-intseg train my_cells --output run2 --network itis --name my-itis --steps 5000
  napari-intseg train VOC2012 --task semantic --network unet --output run3 --name my-unet
  napari-intseg train nuclei seedlings --task guided --output run4 --name my-guide --size 160
  napari-intseg train photos cells --task policy --output run5 --name my-policy"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("folders", nargs="+", type=weighted, metavar="FOLDER[:WEIGHT]")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="of the run")
    parser.add_argument("--name", default="fine-tuned", help="of the model; default fine-tuned")
    parser.add_argument(
        "--from", dest="start", metavar="WHERE",
        help="bundled, imagenet, nothing, a model you trained, or a weights file; default bundled, "
        "and nothing for another network",
    )  # fmt: skip
    parser.add_argument(
        "--network", metavar="NAME",
        help="which network to train, one that `napari-intseg models --networks` lists; default "
        "the bundled one, of --task semantic unet",
    )  # fmt: skip
    parser.add_argument(
        "--task", choices=("clicks", "semantic", "guided", "policy", "cloud", "vertices"),
        default="clicks", help="answer clicks (default), name every pixel's class, go by annotated "
        "images, suggest clicks, answer clicks on point clouds, or move vertices of outlines",
    )  # fmt: skip
    parser.add_argument(
        "--width", type=float, default=0.5, metavar="SHARE",
        help="of --task semantic: share of the published channels; default 0.5",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on where the run stopped")
    parser.add_argument(
        "--keep-in", type=Path, metavar="DIR",
        help="where the model is put to be found by name; default: the user's weights folder",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument(
        "--masks", action="append", default=[], metavar="[NAME=]KIND",
        help="binary, instances or classes; for folders with NAME in their name",
    )  # fmt: skip
    how = parser.add_argument_group("how")
    # 300 steps of 8 views of 256 px take a quarter of an hour on one thread (75 take 220 to 230 s,
    # docs/results.md); people with more time give --minutes
    how.add_argument("--steps", type=int, default=300, metavar="N", help="default 300")
    how.add_argument("--minutes", type=float, metavar="M", help="by the clock instead")
    how.add_argument("--batch", type=int, default=8, metavar="N", help="views a step; default 8")
    how.add_argument(
        "--size", type=sizes, default=(256,), metavar="PX[,PX…]",
        help="side of the views; several share the run; default 256",
    )  # fmt: skip
    how.add_argument("--passes", type=int, default=3, metavar="N", help="answers a view; default 3")
    how.add_argument(
        "--objects", type=int, default=1, metavar="N",
        help="of a view, learnt from its one encoding, at most; default 1",
    )  # fmt: skip
    how.add_argument(
        "--part", choices=("all", "drawn"), default="all",
        help="drawn: only what is made of other objects; default all",
    )  # fmt: skip
    how.add_argument("--rate", type=float, metavar="LR", help="learning rate")
    how.add_argument("--held-out", type=float, default=0.1, metavar="SHARE", help="default 0.1")
    how.add_argument(
        "--held-out-by", choices=("files", "objects"), default="files",
        help="of fewer than five files: slices (default), or objects in all slices they are on",
    )  # fmt: skip
    how.add_argument("--validate-every", type=int, metavar="N", help="steps; default: a tenth")
    # two minutes of work are lost at most when a run is killed (not tuned)
    how.add_argument("--checkpoint-s", type=float, default=120, metavar="S", help="default 120")
    how.add_argument(
        "--synthetic", type=float, default=0.0, metavar="WEIGHT",
        help="of invented pictures: organs, cell walls, phase contrast, relief, tubes; default 0",
    )  # fmt: skip
    how.add_argument(
        "--keep-every", type=int, metavar="N",
        help="steps between files of the weights as they are, NAME-000200.safetensors and so on",
    )  # fmt: skip
    how.add_argument("--seed", type=int, default=0)
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda, …")
    machine.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    machine.add_argument(
        "--processes", type=int, default=1, metavar="N", help="that take each step together"
    )
    machine.add_argument("--workers", type=int, metavar="N", help="processes that make views")
    machine.add_argument("--threads", type=int, metavar="N", help="of a CPU")
    machine.add_argument(
        "--attended", action="store_true",
        help="for a program that waits: low priority, lines of JSON on the standard output, the "
        "end with that of the standard input; the model is left in the output folder",
    )  # fmt: skip


def weighted(text: str) -> tuple[Path, float]:
    """Return the folder and weight of ``FOLDER`` or ``FOLDER:2.5``."""
    folder, _, tail = text.rpartition(":")
    try:
        return (Path(folder), float(tail)) if folder else (Path(text), 1.0)
    except ValueError:
        return Path(text), 1.0


def kinds(given: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """Return name and kind of each ``NAME=KIND``; the name is empty where it is left out."""
    return tuple((name, kind) for name, _, kind in (text.rpartition("=") for text in given))


def sizes(text: str) -> tuple[int, ...]:
    """Return the numbers of ``256`` or ``192,256``."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as err:
        raise argparse.ArgumentTypeError(
            f"size is not understood: expected numbers like 256 or 192,256, got {text!r}"
        ) from err


def run(args: argparse.Namespace) -> int:
    """Train, and make a model of the result.

    Returns
    -------
    int
        0; 130 when it was stopped, with a checkpoint to go on from.

    Raises
    ------
    MissingExtraError
        If OpenCV is not installed.
    """
    from napari_intseg.io.output_files import check_apart
    from napari_intseg.models.networks import DEFAULT_NETWORK
    from napari_intseg.models.weights.locate import cache_folder
    from napari_intseg.models.weights.store import keep_own
    from napari_intseg.training.sources import check_extra

    if args.task == "cloud":
        return _cloud(args)
    if args.task != "clicks":
        return _semantic(args) if args.task == "semantic" else _on_encoder(args)
    args.network = args.network or DEFAULT_NETWORK
    if args.start is None:
        args.start = "bundled" if args.network == DEFAULT_NETWORK else "nothing"
    check_extra(args.start)
    # fine-tuning must not write over the weights it began with
    check_apart(args.output / f"{args.name}.safetensors", args.start)
    from napari_intseg.training.loop import train
    from napari_intseg.training.options import TrainOptions
    from napari_intseg.training.run_state import launched_place

    # one frozen value, which the other processes of a run are given whole
    options = TrainOptions(
        tuple(args.folders), args.output, args.name, args.start, args.steps, args.minutes,
        args.batch, args.size, args.passes, args.rate, args.held_out, args.validate_every,
        args.checkpoint_s, args.seed, args.device, args.precision, args.processes,
        kinds(args.masks), args.workers, args.threads, args.keep_every,
        args.synthetic, args.objects, args.network, args.held_out_by, args.part,
    )  # fmt: skip
    if args.attended:
        attend(sys.stdin)
        tell(**outcome(train(options, resume=args.resume, on_progress=_tell_progress)))
        return 0
    unit, leads = "s" if args.minutes else "step", launched_place().leads
    with (
        progress_bar("train", unit, quiet=args.quiet or not leads) as bar,
        stop_on_interrupt() as should_stop,
    ):
        trained = train(options, resume=args.resume, on_progress=bar, should_stop=should_stop)
    if not leads:
        return 0  # the first process tells, and makes the model
    if trained.stopped:
        print(f"stopped after step {trained.step}: --resume goes on", file=sys.stderr)
        return INTERRUPTED
    kept = keep_own(trained.weights, args.keep_in or cache_folder())
    for when, found in (("before", trained.before), ("after", trained.measured)):
        if found is not None:
            noisy = "" if found.noisy85 is None else f"; in poor light NoC@85 {found.noisy85:.2f}"
            print(
                f"held-out objects {when}: NoC@85 {found.noc85:.2f}, NoC@90 {found.noc90:.2f}, "
                f"mean IoU {found.iou1:.3f} after one click and {found.iou3:.3f} after three{noisy}"
            )
    # on images that it knew the network can get worse; then nothing is replaced (docs/results.md)
    if trained.kept_step == 0:
        print("nothing learnt was better: the weights it began with are kept", file=sys.stderr)
    print(f"weights: {trained.weights}\nmodel {args.name!r}: {kept}")
    return 0


def attend(stream: TextIO) -> None:
    """Take what time others leave, and end with the program that waits, however that ended."""
    if hasattr(os, "nice"):  # on Windows it is started with its priority
        os.nice(10)

    def wait() -> None:
        stream.read()
        os._exit(INTERRUPTED)

    threading.Thread(target=wait, daemon=True).start()


def tell(**what: object) -> None:
    """Print a line of JSON at once."""
    print(json.dumps(what), flush=True)


def _tell_progress(done: int, total: int) -> None:
    tell(done=done, total=total)


def outcome(trained: "Trained") -> dict[str, Any]:
    """Return how a run ended, as plain JSON: clicks as in `HeldOutScores.clicks`."""
    before, after = trained.before, trained.measured
    return {
        "weights": str(trained.weights),
        "kept_step": trained.kept_step,
        "held_out": trained.held_out,
        "before": None if before is None else before.clicks,
        "after": None if after is None else after.clicks,
        "error": trained.error,
    }


def _semantic(args: argparse.Namespace) -> int:
    """Train a network that names every pixel's class; return the status."""
    from napari_intseg.io.output_files import check_apart
    from napari_intseg.models.networks import find_semantic
    from napari_intseg.models.weights.locate import cache_folder
    from napari_intseg.models.weights.store import keep_own
    from napari_intseg.training.options import RATE, SemanticOptions
    from napari_intseg.training.semantic import MARKS, train_semantic
    from napari_intseg.training.sources import check_extra

    check_extra("nothing")
    network = args.network or "unet"
    find_semantic(network)
    start = None if args.start in (None, "nothing") else Path(args.start)
    check_apart(args.output / f"{args.name}.safetensors", start)
    options = SemanticOptions(
        tuple(args.folders), args.output, args.name, network, args.width, start, args.steps,
        args.batch, args.size[0], args.minutes, args.rate or RATE, args.held_out,
        args.checkpoint_s, args.seed, args.device, kinds(args.masks),
    )  # fmt: skip
    unit = "s" if args.minutes else "step"
    with (
        progress_bar("train", unit, quiet=args.quiet) as bar,
        stop_on_interrupt() as should_stop,
    ):
        trained = train_semantic(
            options, resume=args.resume, on_progress=bar, should_stop=should_stop
        )
    if trained.stopped:
        print(f"stopped after step {trained.step}: --resume goes on", file=sys.stderr)
        return INTERRUPTED
    kept = keep_own(trained.weights, args.keep_in or cache_folder())
    results = (trained.before, trained.after, trained.marked)
    for when, found in zip(("before", "after", f"with {MARKS} annotations"), results, strict=True):
        if found:
            pairs = zip(trained.names, found, strict=True)
            told = ", ".join(f"{name} {iou:.3f}" for name, iou in pairs)
            print(f"IoU on held-out pictures {when}: {told}")
    print(f"weights: {trained.weights}\nmodel {args.name!r}: {kept}")
    return 0


def _on_encoder(args: argparse.Namespace) -> int:
    """Train a small network on the bundled encoder; return the status."""
    from napari_intseg.models.weights.locate import cache_folder
    from napari_intseg.models.weights.store import keep_own
    from napari_intseg.training.encoder_heads import train_guided, train_policy, train_vertices
    from napari_intseg.training.options import RATE, HeadOptions
    from napari_intseg.training.sources import check_extra

    check_extra("nothing")
    options = HeadOptions(
        tuple(args.folders), args.output, args.name, args.steps, args.batch, args.size[0],
        args.minutes, args.rate or RATE, args.held_out, args.seed, args.device, kinds(args.masks),
    )  # fmt: skip
    unit = "s" if args.minutes else "step"
    with (
        progress_bar("train", unit, quiet=args.quiet) as bar,
        stop_on_interrupt() as should_stop,
    ):
        by_task = {"guided": train_guided, "policy": train_policy, "vertices": train_vertices}
        trained = by_task[args.task](options, on_progress=bar, should_stop=should_stop)
    kept = keep_own(trained.weights, args.keep_in or cache_folder())
    if trained.before is not None and trained.after is not None:
        what = {"guided": "IoU", "vertices": "distance of neighbours"}.get(
            args.task, "clicks on the right side"
        )
        print(f"{what} on held-out pictures before {trained.before:.3f}, after {trained.after:.3f}")
    print(f"weights: {trained.weights}\n{args.task} network {args.name!r}: {kept}")
    return INTERRUPTED if trained.stopped else 0


def _cloud(args: argparse.Namespace) -> int:
    """Train a click network for point clouds; return the status."""
    from napari_intseg.models.weights.locate import cache_folder
    from napari_intseg.models.weights.store import keep_own
    from napari_intseg.training.cloud_network import RATE, CloudOptions, train_cloud

    options = CloudOptions(
        tuple(folder for folder, _ in args.folders), args.output, args.name, args.steps,
        args.minutes, args.synthetic, args.rate or RATE, args.seed, args.device,
    )  # fmt: skip
    unit = "s" if args.minutes else "step"
    with (
        progress_bar("train", unit, quiet=args.quiet) as bar,
        stop_on_interrupt() as should_stop,
    ):
        weights, _, stopped = train_cloud(options, on_progress=bar, should_stop=should_stop)
    kept = keep_own(weights, args.keep_in or cache_folder())
    print(f"weights: {weights}\ncloud network {args.name!r}: {kept}")
    return INTERRUPTED if stopped else 0
