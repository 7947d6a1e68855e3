"""What must be declared of an exported network: how its input is made and its outputs are read."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from napari_intseg.errors import WeightsError

Kind = Literal[
    "classes", "foreground", "instances", "embedding", "spatial-embedding", "distance", "stars",
    "flows", "centre-offsets", "list", "peaks",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
Normalise = Literal["none", "percentile", "zero-mean"]

RDF_NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
"""What the description of a package of the BioImage Model Zoo is called."""

_MOST_BYTES = 1 << 20
"""Of a description: a thousand names of classes take a twentieth of it."""

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
    percentiles: tuple[float, float] = (1.0, 99.8)
    size: tuple[int, int] | None = None
    multiple: int = 1
    name: str = ""


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
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        text = path.read_text("utf-8")
        told = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
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
    _check_input(rules)
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


def _check_input(rules: InputRules) -> None:
    if rules.channels not in (1, 3):
        raise ValueError(f"channels are neither 1 nor 3: {rules.channels!r}")
    if rules.layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout is neither NCHW nor NHWC: {rules.layout!r}")
    if rules.normalise not in get_args(Normalise):
        raise ValueError(f"normalise is none of {get_args(Normalise)}: {rules.normalise!r}")
    sides = (*(rules.size or ()), rules.multiple)
    if any(not isinstance(n, int) or not 1 <= n <= 16384 for n in sides):
        raise ValueError(f"size is no number of pixels: {sides!r}")
    if len(rules.range) != 2 or any(len(x) not in (0, 1, 3) for x in (rules.mean, rules.std)):
        raise ValueError("range, mean or std has another length")
    if any(v == 0 for v in rules.std):
        raise ValueError("std is 0")
