"""The files of an exported network: its description, and whether its ONNX keeps to itself."""

import mmap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from napari_intseg.core.files import check_values, parse_json, read_text
from napari_intseg.errors import WeightsError

Kind = Literal[
    "classes", "foreground", "instances", "embedding", "spatial-embedding", "distance", "stars",
    "flows", "centre-offsets", "list", "peaks",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
Normalise = Literal["none", "percentile", "zero-mean"]

RDF_NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
"""What the description of a package of the BioImage Model Zoo is called."""

# bytes of a description; one with a thousand names of classes has a twentieth of it
_MOST_BYTES = 1 << 20

EXAMPLE = '[input]\nrange = [0, 1]\n[output]\nkind = "classes"\nnames = ["background", "cell"]'
"""The shortest description of a network with a map a class."""


@dataclass(frozen=True, slots=True)
class InputRules:
    """How an RGB image in [0, 1] becomes a network's input.

    Parameters
    ----------
    channels : {1, 3}
        1: the mean of the colours.
    layout : {"NCHW", "NHWC"}
    range : (float, float)
        What 0 and 1 become.
    mean, std : tuple of float
        Subtracted and divided by afterwards; empty: not at all.
    normalise : {"none", "percentile", "zero-mean"}
        First, of each image: percentiles become 0 and 1; or mean 0 and deviation 1.
    percentiles : (float, float)
    size : (int, int) or None
        Height and width that images are resized to; None: as they are.
    multiple : int
        Sides are padded with zeros to a multiple of this.
    name : str
        Of the input; empty: the first.
    """

    channels: int = 3
    layout: str = "NCHW"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    normalise: str = "none"
    # 1 and 99.8 are what StarDist's networks are trained with
    percentiles: tuple[float, float] = (1.0, 99.8)
    size: tuple[int, int] | None = None
    multiple: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        """Ask for values that can be, whoever describes the network.

        Raises
        ------
        ValueError
            If one cannot.
        """
        _check_input(self)


@dataclass(frozen=True, slots=True)
class Description:
    """All that is declared of an exported network.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    title, licence, note, paper : str
        For people.
    input : InputRules
    outputs : mapping of str to str
        Name in the file by the name that the kind gives it; by default the same, or in the order
        of `ORDER`.
    names : tuple of str
        Of the classes, by their numbers.
    parameters : mapping
        Numbers of the kind, such as ``threshold``, ``bandwidth``, ``grid``, ``min_px``.
    layout : {"NCHW", "NHWC"}
        Of the outputs.
    """

    kind: str
    title: str = ""
    licence: str = ""
    note: str = ""
    paper: str = ""
    input: InputRules = field(default_factory=InputRules)
    outputs: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    layout: str = "NCHW"


def description_beside(path: Path) -> Path | None:
    """Return the description of a network: ``net.toml`` or ``net.json`` beside ``net.onnx``."""
    places = (path.with_suffix(end) for end in (".toml", ".json"))
    return next((place for place in places if place.is_file()), None)


def read_description(path: Path) -> Description:
    """Read a description.

    Raises
    ------
    WeightsError
        If it is too large, no TOML or JSON, or says something that is not understood.
    """
    try:
        text = read_text(path, _MOST_BYTES)
        if path.suffix == ".toml":
            told = tomllib.loads(text)
            check_values(told, len(text))
        else:
            told = parse_json(text)
        if not isinstance(told, dict):
            raise TypeError("no table")
        return _parsed(told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        raise WeightsError(
            f"description cannot be read: expected how input and output are made, such as "
            f"{EXAMPLE!r}, got {str(path)!r} ({err}). Correct it."
        ) from err


def _parsed(told: Mapping[str, Any]) -> Description:
    given, out = dict(told.get("input", {})), dict(told["output"])
    _known(given, InputRules.__dataclass_fields__, "input")
    for name in ("range", "mean", "std", "percentiles", "size"):
        if name in given:
            given[name] = tuple(given[name]) if given[name] is not None else None
    rules = InputRules(**given)
    kind = str(out.pop("kind"))
    if kind not in KINDS:
        raise ValueError(f"kind is none of {', '.join(KINDS)}: {kind!r}")
    layout = str(out.pop("layout", rules.layout))
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout is neither NCHW nor NHWC: {layout!r}")
    outputs = {str(k): str(v) for k, v in dict(out.pop("outputs", {})).items()}
    names = tuple(str(name) for name in out.pop("names", ()))
    about = {k: str(told.get(k, "")) for k in ("title", "licence", "note", "paper")}
    return Description(
        kind, input=rules, outputs=outputs, names=names, parameters=out, layout=layout, **about
    )


def _known(given: Mapping[str, Any], fields: Any, where: str) -> None:
    unknown = [name for name in given if name not in fields]
    if unknown:
        raise ValueError(f"{where} has no {unknown[0]!r}; it has {', '.join(fields)}")


MOST_SIDE = 16384
"""Pixels of a side that a network sees at most; the largest see an eighth of it."""


def _check_input(rules: InputRules) -> None:
    if rules.channels not in (1, 3):
        raise ValueError(f"channels are neither 1 nor 3: {rules.channels!r}")
    if rules.layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout is neither NCHW nor NHWC: {rules.layout!r}")
    if rules.normalise not in get_args(Normalise):
        raise ValueError(f"normalise is none of {get_args(Normalise)}: {rules.normalise!r}")
    sides = (*(rules.size or ()), rules.multiple)
    # a side that is larger is a mistake, and would take gigabytes
    if any(not isinstance(n, int) or not 1 <= n <= MOST_SIDE for n in sides):
        raise ValueError(f"size is no number of pixels: {sides!r}")
    if len(rules.range) != 2 or any(len(x) not in (0, 1, 3) for x in (rules.mean, rules.std)):
        raise ValueError("range, mean or std has another length")
    if any(v == 0 for v in rules.std):
        raise ValueError("std is 0")


# protobuf fields of one file; the largest published segmentation networks have some 100,000
_MOST_FIELDS = 5_000_000

# which parts of ONNX messages lead to a tensor: (message, number of the field) to message. They are
# read here, so that this check needs no package of its own.
_LEADS = {
    ("model", 7): "graph", ("model", 25): "function", ("function", 7): "node",
    ("graph", 1): "node", ("graph", 5): "tensor", ("graph", 15): "sparse",
    ("sparse", 1): "tensor", ("sparse", 2): "tensor", ("node", 5): "attribute",
    ("attribute", 5): "tensor", ("attribute", 6): "graph", ("attribute", 10): "tensor",
    ("attribute", 11): "graph", ("attribute", 22): "sparse", ("attribute", 23): "sparse",
    ("tensor", 13): "entry",
}  # fmt: skip
_KEY, _VALUE = 1, 2

Span = tuple[int, int]


def check_onnx(path: Path) -> None:
    """Ask for a file that names no others, or plain files beside it.

    Raises
    ------
    WeightsError
        If it is no ONNX file, or leads elsewhere.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            names = set(_external(data))
    except (OSError, ValueError) as err:
        raise WeightsError(
            f"network cannot be read: expected an ONNX file, got {str(path)!r} ({err}). "
            "Export it again."
        ) from err
    for name in names:
        place = path.parent / name
        # a pipe would be waited for without end; a missing file is told by onnxruntime
        is_odd = place.is_symlink() or (place.exists() and not place.is_file())
        if "/" in name or "\\" in name or name in ("", ".", "..") or is_odd:
            raise WeightsError(
                f"network is not safe to load: expected weights inside {path.name!r} or beside it, "
                f"got a lead to {name!r}. Do not use this file."
            )


def _external(data: mmap.mmap) -> Iterator[str]:
    """Yield the files that tensors name."""
    todo: list[tuple[str, Span]] = [("model", (0, len(data)))]
    seen = 0
    while todo:
        message, (at, end) = todo.pop()
        key = value = ""
        for number, span in _fields(data, at, end):
            seen += 1
            if seen > _MOST_FIELDS:
                raise ValueError(f"more than {_MOST_FIELDS} fields")
            if message == "entry":
                # no file name is longer; the stand-in holds a slash and is refused
                text = data[slice(*span)].decode("utf-8") if span[1] - span[0] < 4096 else "…/"
                key, value = (text, value) if number == _KEY else (key, text)
            elif (message, number) in _LEADS:
                todo.append((_LEADS[message, number], span))
        if message == "entry" and key == "location":
            yield value


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, Span]]:
    """Yield number and place of the fields with a length; others are passed over."""
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at, end)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(data, at, end)
            # a damaged file may declare any length
            if length > end - at:
                raise ValueError("a field is longer than the file")
            yield tag >> 3, (at, at + length)
            at += length
        else:
            raise ValueError("not in protobuf's form")


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        # numbers have 64 bits at most; without the bound a file of high bytes never ends
        if at >= end or shift > 63:
            raise ValueError("not in protobuf's form")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if not byte & 128:
            return value, at
