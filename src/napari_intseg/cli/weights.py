"""`napari-intseg weights`: list, fetch, add and verify weight files."""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from napari_intseg.cli.models import table
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.cli.shared_options import INTERRUPTED
from napari_intseg.core.files import parse_json
from napari_intseg.errors import IntSegError, WeightsError

HELP = "list, fetch, add or verify weight files"
DESCRIPTION = """Weight files are looked for in the folders named by NAPARI_INTSEG_WEIGHTS, among
those that ship with the package, and in the user cache.

examples:
  napari-intseg weights list
  napari-intseg weights fetch ritm-hrnet18s
  napari-intseg weights add ~/Downloads/coco_lvis_h18s_itermask.pth
  napari-intseg weights convert edgeflow.pdparams --network edgeflow --name edgeflow \\
      --setting width=18 --setting ocr_width=64 --setting small=false
  napari-intseg weights convert pspnet_r50-d8_512x1024_40k_cityscapes.pth \\
      --network pspnet --name pspnet-cityscapes
  napari-intseg weights convert ours_cvpr18/model.ckpt.index \\
      --network latent-diversity --name latent --setting width=64 --setting hidden=64
  napari-intseg weights convert pascal_itis.index --network itis --name itis \\
      --setting backbone=xception65 --setting width=32 --setting masked=false
  napari-intseg weights verify"""
# exit code: a file is not what was published
DAMAGED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of the sub-command."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show all known files, and where they are")
    fetch = actions.add_parser("fetch", help="download a file, check it, keep it")
    fetch.add_argument("key", metavar="KEY", help="one that `weights list` shows")
    add = actions.add_parser("add", help="keep a file that was downloaded by hand")
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--key", metavar="KEY", help="what it is, if its name does not say")
    verify = actions.add_parser("verify", help="compare files with their checksums")
    verify.add_argument("key", nargs="?", metavar="KEY", help="only this one")
    convert = actions.add_parser(
        "convert",
        help="keep a network's published file, of PyTorch, Paddle or TensorFlow, as a model",
    )
    convert.add_argument("file", type=Path, metavar="FILE")
    convert.add_argument(
        "--network", required=True, metavar="NAME", help="one of `napari-intseg models --networks`"
    )
    convert.add_argument(
        "--name", required=True, type=_name, metavar="NAME", help="of the model it becomes"
    )
    convert.add_argument("--overwrite", action="store_true", help="replace a model of that name")
    convert.add_argument(
        "--setting", action="append", default=[], metavar="NAME=VALUE",
        help="how the published network was built, as JSON values; others are those of training",
    )  # fmt: skip
    for action, function in (
        (listing, _list), (fetch, _fetch), (add, _add), (verify, _verify), (convert, _convert),
    ):  # fmt: skip
        action.add_argument(
            "--folder", type=Path, metavar="DIR", help="this folder instead of the user cache"
        )
        action.set_defaults(action=function)


def run(args: argparse.Namespace) -> int:
    """Do the chosen action.

    Returns
    -------
    int
        0; 1 when `verify` finds a damaged file; 130 when `fetch` was interrupted.
    """
    return int(args.action(args))


def _list(args: argparse.Namespace) -> int:
    from napari_intseg.models.weights.locate import list_weights

    rows = [("key", "file", "size", "licence", "state")]
    for found in list_weights(args.folder):
        entry = found.entry
        size = "?" if entry.size_mb is None else f"{entry.size_mb:g} MB"
        can = "can be fetched" if entry.address else "fetch by hand, then add"
        rows.append((entry.key, entry.file, size, entry.licence, str(found.path or can)))
    print(table(rows))
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from napari_intseg.models.weights.locate import fetch

    # before the first byte, as the licence binds whoever takes the file
    _tell_licence(args.key)
    with (
        stop_on_interrupt() as stopped,
        progress_bar(args.key, "B", unit_scale=True, unit_divisor=1000) as show,
    ):
        stored = fetch(args.key, folder=args.folder, on_progress=show, should_stop=stopped)
    if stored is None:
        print("interrupted; nothing is left behind")
        return INTERRUPTED
    _tell(stored.path, stored.is_checked, stored.sha256)
    return 0


def _add(args: argparse.Namespace) -> int:
    from napari_intseg.models.weights.locate import add

    stored = add(args.file, args.key, folder=args.folder)
    _tell(stored.path, stored.is_checked, stored.sha256)
    return 0


def _convert(args: argparse.Namespace) -> int:
    from napari_intseg.io.output_files import check_apart
    from napari_intseg.models.networks import REVOLVER, SEMANTIC_NETWORKS, Network, find_network
    from napari_intseg.models.weights.locate import cache_folder
    from napari_intseg.models.weights.recognise import converted
    from napari_intseg.models.weights.store import write_weights

    network: Network | None = None
    if args.network not in SEMANTIC_NETWORKS:
        network = REVOLVER if args.network == REVOLVER.name else find_network(args.network)
    if not args.file.is_file():
        raise WeightsError(
            f"weights are missing: expected a file, got {str(args.file)!r}. Check the path."
        )
    target = (args.folder or cache_folder()) / f"{args.name}.safetensors"
    check_apart(target, args.file)
    _check_free(target, args)
    given = dict(map(_setting, args.setting))
    if network is None:
        from napari_intseg.models.automatic.semantic_model import write_published

        try:
            told = write_published(target, args.file, args.network, given)
        except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, MemoryError) as err:
            if isinstance(err, IntSegError):
                raise
            # a made-up file or setting fails anywhere in a network
            raise WeightsError(
                f"weights cannot be converted: expected a published {args.network!r}, got "
                f"{str(args.file)!r} with {given!r} ({' '.join(str(err).split())[:200]}). Check "
                "--network and --setting."
            ) from err
        print(f"wrote {target}\nmodel {args.name!r}: {told}")
        return 0
    settings = {**network.settings, **given}
    write_weights(
        target, converted(args.file, network, settings), architecture=network.architecture,
        settings=settings, card=f"{network.title}, converted from {args.file.name}.",
    )  # fmt: skip
    kind = "guided network" if network is REVOLVER else "model"
    print(f"wrote {target}\n{kind} {args.name!r}: {network.title}")
    return 0


_NAME = re.compile(r"[\w][\w.+-]{0,99}")


def _name(text: str) -> str:
    """Return the name of a model, which becomes that of a file."""
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"name cannot be used: expected letters, digits and ._+-, at most 100, got {text!r}"
        )
    return text


def _check_free(target: Path, args: argparse.Namespace) -> None:
    """Refuse a name that a model has: its weights would be taken for the other's, or replaced."""
    from napari_intseg.models.registry import MODELS

    if args.name in MODELS:
        raise WeightsError(
            f"name is taken: expected one that no model of `napari-intseg models` has, got "
            f"{args.name!r}. Choose another."
        )
    if target.exists() and not args.overwrite:
        raise WeightsError(
            f"file exists: expected a new name, got {str(target)!r}. Choose another name, or allow "
            "it to be replaced with --overwrite."
        )


def _setting(text: str) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE``; a value that is no JSON is a text."""
    name, _, value = text.partition("=")
    try:
        return name, parse_json(value)
    except ValueError:
        return name, value


def _verify(args: argparse.Namespace) -> int:
    from napari_intseg.models.weights.locate import verify

    # only files that are there are checked: none is fetched
    checks = verify(args.key, folder=args.folder)
    for check in checks:
        print(f"{check.state:10}  {check.entry.key}  {check.path}")
    if not checks:
        print("no weight file is here yet; `napari-intseg weights list` shows what there is")
    return DAMAGED if any(check.state == "damaged" for check in checks) else 0


def _tell_licence(key: str) -> None:
    """Say what binds before the first byte comes; nothing is asked, so that scripts run on."""
    from napari_intseg.models.registry import licence_lines
    from napari_intseg.models.weights.catalogue import find_entry

    first, *others = licence_lines(key)
    print(f"{find_entry(key).file}: {first}", *others, sep="\n")
    # the bar goes to the standard error and would come first otherwise
    sys.stdout.flush()


def _tell(path: Path, is_checked: bool, sha256: str) -> None:
    how = "as published" if is_checked else "recorded; none is published"
    print(f"wrote {path}\nSHA-256 {sha256} ({how})")
