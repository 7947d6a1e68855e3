"""Options that say what a model sees of an image, and where it starts; the same in all commands."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_intseg.cli import option_values
from napari_intseg.errors import DataError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array, Segmenter
    from napari_intseg.inference.intensity import WindowChoice
    from napari_intseg.io.source import FileVolume
    from napari_intseg.session.session import Session


def add_seeing(group: Any) -> None:
    """Declare what any model sees."""
    group.add_argument(
        "--window", type=option_values.window, action="append", metavar="W",
        help="what is shown black and white: LOW,HIGH or LEVEL/WIDTH, a CT window such as "
        "abdomen, lung or bone, percentile or full; once for each channel, or once for all",
    )  # fmt: skip
    group.add_argument(
        "--channels", type=option_values.channels, metavar="N,…", help="which to look at"
    )
    group.add_argument(
        "--colours", type=option_values.colours, metavar="NAME,…",
        help="the colour in which the model sees each channel, such as magenta,green",
    )  # fmt: skip
    group.add_argument(
        "--neighbours", action="store_true",
        help="show the planes before and behind as red and blue (2.5-D; grey volumes)",
    )  # fmt: skip
    group.add_argument("--time", type=int, metavar="N", help="time point of a series, from 0")


def add_arguments(group: Any) -> None:
    """Declare what models that take clicks see, and what becomes of their answers."""
    add_seeing(group)
    group.add_argument(
        "--tiles", action="store_true",
        help="draw outlines of objects larger than the model's view tile by tile",
    )  # fmt: skip
    group.add_argument(
        "--no-denoise", action="store_true", help="show noisy slices to the model as they are"
    )
    group.add_argument(
        "--refine", choices=("graph-cut", "level-set"),
        help="move every answer's contour onto the edges nearby: by a minimal cut, or as a level "
        "set that evolves on the model's logits",
    )  # fmt: skip
    group.add_argument(
        "--local", action="store_true",
        help="a click changes only the region it is about; the rest of the mask stays as it is",
    )  # fmt: skip
    group.add_argument(
        "--regional", action="store_true",
        help="ask once more in the region between the last click and the nearest of the other sign",
    )  # fmt: skip


def add_model(group: Any) -> None:
    """Declare the model that takes clicks, and where it runs."""
    group.add_argument("--model", metavar="ID", help="one that `napari-intseg models` lists")
    group.add_argument("--weights", type=Path, metavar="FILE", help="its weight file")
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, mps, …")
    group.add_argument(
        "--precision", default="auto", choices=("auto", "float32", "bfloat16", "float16")
    )


def add_init(group: Any) -> None:
    """Declare a mask to start from."""
    group.add_argument(
        "--init", type=Path, metavar="MASK",
        help="start from this mask; where it holds several labels, each object from its own",
    )  # fmt: skip


def window_of(args: argparse.Namespace, volume: "FileVolume") -> "WindowChoice":
    """Return the window of a command line; that of the file where none is given."""
    from napari_intseg.inference.intensity import PerChannel

    given = args.window
    if not given:
        return None if volume.n_channels else volume.window
    return given[0] if len(given) == 1 else PerChannel(tuple(given))


def begin(
    model: "Segmenter", volume: "FileVolume", args: argparse.Namespace, *, axis: int
) -> "Session":
    """Begin a session that sees an image as a command line says.

    Parameters
    ----------
    model : Segmenter
        Who answers.
    volume : FileVolume
        As `scans.read_image` returns it.
    args : Namespace
        With the options of `add_arguments`.
    axis : int
        Planes are perpendicular to it.
    """
    from napari_intseg.inference.graph_cut import GraphCut
    from napari_intseg.inference.level_set_outline import LevelSet
    from napari_intseg.inference.tiling import Tiles
    from napari_intseg.session.session import Session

    session = Session(
        model, volume, axis=axis, window=window_of(args, volume), channels=args.channels,
        graph_cut=GraphCut() if args.refine == "graph-cut" else None,
        level_set=LevelSet() if args.refine == "level-set" else None,
        local=args.local, regional=args.regional,
        several=getattr(args, "answer", None) is not None,
    )  # fmt: skip
    further: dict[str, Any] = {
        "colours": args.colours,
        "context": int(args.neighbours),
        "tiles": Tiles() if args.tiles else None,
    }
    changes = {name: value for name, value in further.items() if value}
    if args.no_denoise:
        changes["denoise"] = False
    if changes:
        session.change_setup(**changes)
    return session


def start_from(session: "Session", initial: "Array", label: int, *, alone: bool) -> None:
    """Start the current object from a mask file: from its own label, or from all of one object.

    Parameters
    ----------
    session : Session
        With the object selected.
    initial : ndarray of int
        Of the data's shape.
    label : int
        The object's.
    alone : bool
        Whether a file with one label means this object.
    """
    several = len(set(initial[initial > 0].tolist())) > 1
    if several or alone:
        session.set_initial_mask(initial == label if several else initial > 0)


def held_labels(session: "Session", given: "Array") -> dict[int, list[int]]:
    """Return the labels on each plane of the session's axis that holds some, by its index."""
    import numpy as np

    held: dict[int, list[int]] = {}
    for plane in session.volume.planes(session.axis):
        option_values = np.unique(session.volume.of(given, plane))
        if option_values[-1] > 0:
            held[plane.index] = option_values[option_values > 0].tolist()
    return held


def take_over(
    session: "Session", given: "Array", held: Mapping[int, Iterable[int]], *, finish: bool
) -> None:
    """Begin each labelled object with its masks on all planes, which stay as they are.

    Parameters
    ----------
    session : Session
        To begin them in.
    given : ndarray of int
        Labels of the data's shape.
    held : mapping of int to iterable of int
        Of `held_labels`, or fewer labels.
    finish : bool
        Lock them.
    """
    from napari_intseg.core.volume import Plane

    places: dict[int, list[Plane]] = {}
    for index, labels in held.items():
        for label in labels:
            places.setdefault(label, []).append(Plane(session.axis, index))
    for label, planes in sorted(places.items()):
        masks = {plane: session.volume.of(given, plane) == label for plane in planes}
        if label in session.objects:  # a session begins with one
            session.set_initial(masks)
        else:
            session.begin_with(masks, label, title="Set initial mask")
        if finish:
            session.finish_object(label)


def check_initial(initial: "Array", path: Path) -> tuple[int, ...]:
    """Return the labels of a mask to start from.

    Raises
    ------
    DataError
        If one is larger than labels can be here.
    """
    import numpy as np

    from napari_intseg.session.document import LARGEST_LABEL

    found = tuple(int(label) for label in np.unique(initial) if label)
    if found and max(found) > LARGEST_LABEL:
        raise DataError(
            f"label is too large: expected at most {LARGEST_LABEL}, got {max(found)!r} in "
            f"{str(path)!r}. Renumber the objects."
        )
    return found


def names(args: argparse.Namespace, labels: Path | None) -> dict[int, str]:
    """Return what objects are called: as in a DICOM-SEG they come from, unless it is said."""
    from napari_intseg.io.dicom.seg import is_segmentation, segment_names

    known = segment_names(labels) if labels is not None and is_segmentation(labels) else {}
    return {**known, **dict(args.name)}
