"""Options that commands share: what a model sees, where it starts, DICOM; and what values mean.

Values are understood without numpy, so that `--help` and mistakes are answered at once.
"""

import argparse
import math
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_intseg.errors import DataError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array, Segmenter
    from napari_intseg.inference.intensity import WindowChoice
    from napari_intseg.io.source import FileVolume
    from napari_intseg.session.predictor import Result
    from napari_intseg.session.session import Session

FAILED = 1
"""Exit code of a command that did some of what was asked, and told what failed."""

INTERRUPTED = 130
"""Exit code that shells give to a program which Ctrl+C has ended: 128 + SIGINT."""

_CLICK = re.compile(r"(?P<at>[^:@]+)(:(?P<sign>[+-]))?(@(?P<object>\d+))?")


@dataclass(frozen=True, slots=True)
class ClickOption:
    """A click as typed: where, its sign, and the object it is for, if named."""

    position: tuple[float, ...]
    positive: bool = True
    label: int | None = None


def click(text: str) -> ClickOption:
    """Return what ``40,120,200``, ``40,90,180:-`` or ``40,90,180:-@2`` means."""
    found = _CLICK.fullmatch(text.strip())
    numbers = numbers_of(found["at"]) if found else ()
    if found is None or len(numbers) not in (2, 3):
        raise argparse.ArgumentTypeError(
            f"click is not understood: expected PLANE,ROW,COL (ROW,COL in 2-D), then :- for a "
            f"negative one and @N for object N, got {text!r}"
        )
    number = label(found["object"]) if found["object"] else None
    return ClickOption(numbers, found["sign"] != "-", number)


def planes(text: str) -> tuple[int | None, int | None]:
    """Return the first plane and the one behind the last of ``20:60``, ``20:`` or ``:60``."""
    found = re.fullmatch(r"(\d*):(\d*)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"planes are not understood: expected FIRST:END, END not included, got {text!r}"
        )
    first, end = (int(part) if part else None for part in found.groups())
    return first, end


def channels(text: str) -> tuple[int, ...]:
    """Return the channels of ``0`` or ``0,2``."""
    if not re.fullmatch(r"\d+(,\d+)*", text.strip()):
        raise argparse.ArgumentTypeError(
            f"channels are not understood: expected numbers like 0 or 0,2, got {text!r}"
        )
    return tuple(int(part) for part in text.split(","))


def colours(text: str) -> tuple[str, ...]:
    """Return the names of ``magenta,green``."""
    from napari_intseg.inference.intensity import NAMED_COLOURS

    names = tuple(part.strip().lower() for part in text.split(","))
    if not set(names) <= set(NAMED_COLOURS):
        raise argparse.ArgumentTypeError(
            f"colours are not understood: expected some of {', '.join(NAMED_COLOURS)} with commas "
            f"between them, got {text!r}"
        )
    return names


def window(text: str) -> Any:
    """Return a name as it is, ``-160,240`` as limits, ``40/400`` as level and width."""
    from napari_intseg.inference.intensity import Window

    for sign in ",/":
        if sign in text:
            numbers = numbers_of(text.replace(sign, ","))
            if len(numbers) != 2:
                raise argparse.ArgumentTypeError(
                    f"window is not understood: expected LOW,HIGH or LEVEL/WIDTH or a name, "
                    f"got {text!r}"
                )
            return numbers if sign == "," else Window(*numbers)
    return text


LARGEST_LABEL = (1 << 31) - 1
"""Labels have 32 bits, signed: those that napari draws as they are."""


def label(text: str) -> int:
    """Return the number of an object, from 0 to `LARGEST_LABEL`."""
    if not text.strip().isdecimal() or int(text) > LARGEST_LABEL:
        raise argparse.ArgumentTypeError(
            f"label cannot be used: expected 1 to {LARGEST_LABEL}, got {text!r}"
        )
    return int(text)


def ordinal(text: str) -> int:
    """Return a place in an order, from 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"place is not understood: expected 1, 2, …, got {text!r}")
    return int(text)


def threads(text: str) -> int | Literal["measure"]:
    """Return how many threads, or that they are to be measured."""
    if text == "measure":
        return "measure"
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"threads are not understood: expected 1, 2, … or measure, got {text!r}"
        )
    return int(text)


def numbers_of(text: str) -> tuple[float, ...]:
    """Return finite numbers with commas between them, none if one cannot be read."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if all(math.isfinite(n) for n in numbers) else ()


BOX_HELP = (
    "a box round the object, first and last row and column; in a volume with its plane. "
    "PLANE,R0,C0,R1,C1@N gives it to object N (PLANE is 0 in a flat image)"
)
_BOX = re.compile(r"(?P<at>[^@]+)(@(?P<behind>\d+))?")


@dataclass(frozen=True, slots=True)
class BoxOption:
    """A box as typed: corners, its plane, and the object it is for, if named."""

    corners: tuple[float, float, float, float]
    plane: int | None = None
    label: int | None = None


def box(text: str) -> BoxOption:
    """Return what ``10,20,50,60``, ``10,20,50,60@7`` or ``7,10,20,50,60@2`` means."""
    found = _BOX.fullmatch(text.strip())
    numbers = numbers_of(found["at"]) if found else ()
    if found is None or len(numbers) not in (4, 5):
        raise argparse.ArgumentTypeError(
            f"box is not understood: expected R0,C0,R1,C1, R0,C0,R1,C1@PLANE or "
            f"PLANE,R0,C0,R1,C1@N, got {text!r}"
        )
    behind = int(found["behind"]) if found["behind"] else None
    r0, c0, r1, c1 = numbers[-4:]
    # corners may be given in any order
    corners = (min(r0, r1), min(c0, c1), max(r0, r1), max(c0, c1))
    if len(numbers) == 5:
        return BoxOption(corners, int(numbers[0]), label(found["behind"]) if behind else behind)
    return BoxOption(corners, behind)


_LINE = re.compile(r"((?P<plane>\d+):)?(?P<at>[^:@]+)(:(?P<sign>[+-]))?(@(?P<object>\d+))?")


@dataclass(frozen=True, slots=True)
class LineOption:
    """A scribble or lasso as typed: vertices, plane, sign, and the object it is for, if named."""

    points: tuple[tuple[float, float], ...]
    plane: int | None = None
    positive: bool = True
    label: int | None = None


def scribble(text: str) -> LineOption:
    """Return what ``40:90,180;95,200``, in 2-D ``90,180;95,200``, means; see `click`."""
    return _line("scribble", text, 1)


def lasso(text: str) -> LineOption:
    """Return what ``40:90,180;95,200;120,190:-@2`` means; see `scribble`."""
    return _line("lasso", text, 3)


def _line(what: str, text: str, least: int) -> LineOption:
    found = _LINE.fullmatch(text.strip())
    pairs = [numbers_of(part) for part in found["at"].strip(" ;").split(";")] if found else []
    if found is None or len(pairs) < least or any(len(pair) != 2 for pair in pairs):
        many = "" if least == 1 else f" with at least {least} vertices"
        raise argparse.ArgumentTypeError(
            f"{what} is not understood: expected PLANE:ROW,COL;ROW,COL;… (without PLANE: in 2-D)"
            f"{many}, then :- for a negative one and @N for object N, got {text!r}"
        )
    plane = int(found["plane"]) if found["plane"] else None
    number = label(found["object"]) if found["object"] else None
    points = tuple((row, col) for row, col in pairs)
    return LineOption(points, plane, found["sign"] != "-", number)


DrawnOption = BoxOption | LineOption


def draw(session: "Session", drawn: "Mapping[str, Iterable[DrawnOption]]") -> "list[Result]":
    """Draw for the current object, each on its plane of the session's axis.

    Parameters
    ----------
    session : Session
        It is changed.
    drawn : mapping of str to iterable
        By kind: "box", "scribble" and "lasso".

    Raises
    ------
    PromptError
        If a plane is missing or does not exist, a position lies outside, or the model does not take
        that kind.
    """
    from napari_intseg.core.prompts import Box, Lasso, Scribble
    from napari_intseg.core.volume import Plane

    results = []
    for kind, given in drawn.items():
        for one in given:
            plane = None if one.plane is None else Plane(session.axis, one.plane)
            if isinstance(one, BoxOption):
                results.append(session.set_box(Box(*one.corners), plane))
            elif kind == "lasso":
                results.append(session.add_lasso(Lasso(one.points, one.positive), plane))
            else:
                results.append(session.add_scribble(Scribble(one.points, one.positive), plane))
    return results


def counted(session: "Session") -> str:
    """Return in words what was given for the current object."""
    given = [session.prompts(plane) for plane in session.clicked_planes()]
    numbers = {
        "box": sum(one.box is not None for one in given),
        "scribble": sum(len(one.scribbles) for one in given),
        "lasso": sum(len(one.lassos) for one in given),
        "click": len(session.clicks),
    }
    return ", ".join(
        f"{number} {kind}{'' if number == 1 else 'es' if kind == 'box' else 's'}"
        for kind, number in numbers.items()
        if number or kind == "click"
    )


def notes_of(results: Iterable[Any]) -> list[str]:
    """Return what models told with their answers, each once."""
    return list(dict.fromkeys(str(r.info["note"]) for r in results if r.info.get("note")))


def add_seeing(group: Any) -> None:
    """Declare what any model sees."""
    group.add_argument(
        "--window", type=window, action="append", metavar="W",
        help="what is shown black and white: LOW,HIGH or LEVEL/WIDTH, a CT window such as "
        "abdomen, lung or bone, percentile or full; once for each channel, or once for all",
    )  # fmt: skip
    group.add_argument("--channels", type=channels, metavar="N,…", help="which to look at")
    group.add_argument(
        "--colours", type=colours, metavar="NAME,…",
        help="the colour in which the model sees each channel, such as magenta,green",
    )  # fmt: skip
    group.add_argument(
        "--neighbours", action="store_true",
        help="show the planes before and behind as red and blue (2.5-D; grey volumes)",
    )  # fmt: skip
    group.add_argument("--time", type=int, metavar="N", help="time point of a series, from 0")


def add_viewing(group: Any) -> None:
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
    group.add_argument(
        "--threads", type=threads, metavar="N",
        help="PyTorch's on a processor, or `measure`: as many as are quickest here, which takes "
        "some seconds; default: one a core, or what OMP_NUM_THREADS says",
    )  # fmt: skip


def load(args: argparse.Namespace) -> "tuple[str, Segmenter]":
    """Return the name of the model that the options of `add_model` ask for, and the model."""
    from napari_intseg.models.registry import DEFAULT_MODEL, load_model

    name = args.model or DEFAULT_MODEL
    model = load_model(
        name,
        weights=args.weights,
        device=args.device,
        precision=args.precision,
        threads=args.threads,
    )
    return name, model


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
        # a file's window is of grey values; of colours it would darken each channel by itself
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
    from napari_intseg.inference.refinement import GraphCut, LevelSet
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
    # one change of the setup, and only if something differs: it is written to the journal
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
    # of several objects none may start from a mask that means another
    if several or alone:
        # a file with one label is a mask, whatever number it has
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
        # a session begins with one
        if label in session.objects:
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
    """Return the names of objects: those of --name, else those of the DICOM that they come from."""
    from napari_intseg.io.read import dicom_labels

    drawn = None if labels is None else dicom_labels(labels)
    known = {} if labels is None or drawn is None else drawn.names(labels)
    return {**known, **dict(args.name)}


def add_reading(group: Any) -> None:
    """Declare the options for reading DICOM."""
    group.add_argument(
        "--series", metavar="N", help="which series of a folder: a number of the list, or a uid"
    )
    group.add_argument(
        "--resample", action="store_true",
        help="interpolate tilted or unevenly spaced slices onto a regular grid",
    )  # fmt: skip


def add_dicom(group: Any) -> None:
    """Declare the options for reading and writing DICOM."""
    add_reading(group)
    group.add_argument(
        "--name", type=_name, action="append", default=[], metavar="N=NAME",
        help="what object N is called in DICOM, such as 1=liver; repeat for more",
    )  # fmt: skip
    group.add_argument(
        "--keep-patient", action="store_true",
        help="write the patient's name and number into DICOM; they are left out otherwise",
    )  # fmt: skip


def read_image(
    args: argparse.Namespace, image: Path | None = None, *, time: int | None = None
) -> "FileVolume":
    """Read the image of a command line, and tell what a person should know of it.

    Parameters
    ----------
    args : Namespace
        With the options of `add_reading`.
    image : Path, optional
        Another than `args.image`.
    time : int, optional
        Another time point than `args.time`.
    """
    from napari_intseg.io.read import read_volume

    return read_volume(
        args.image if image is None else image,
        time=args.time if time is None else time,
        series=args.series,
        resample=args.resample,
        anonymous=not getattr(args, "keep_patient", False),
    )


@contextmanager
def told() -> Iterator[None]:
    """Print warnings as one line each on the standard error, as they come."""

    def note(message: Warning | str, *_where: object, **_more: object) -> None:
        print(f"napari-intseg: note: {one_line(str(message))}", file=sys.stderr)

    with warnings.catch_warnings():
        # again for each command of one process: the same text of one line of code is told once
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = note
        yield


def one_line(text: str) -> str:
    """Return a text on one line, without what steers a terminal: messages quote files of anyone."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def _name(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"\s*(\d+)=(.+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"name is not understood: expected N=NAME, such as 1=liver, got {text!r}"
        )
    return int(found[1]), found[2].strip()
