"""Values as JSON and back: what actions are called with, for the journal."""

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Array, BoolArray, Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import JournalError
from napari_intseg.models.model_table import ModelIdentity, identity_of

VALUES: dict[str, str] = {
    "Box": "core.prompts",
    "Displayed": "inference.intensity",
    "DisplayedChannel": "inference.intensity",
    "Ending": "propagation.ending",
    "GraphCut": "inference.refinement",
    "Lasso": "core.prompts",
    "LevelSet": "inference.refinement",
    "PerChannel": "inference.intensity",
    "Percentiles": "inference.intensity",
    "Prompts": "core.prompts",
    "Restraint": "propagation.restraint",
    "Scribble": "core.prompts",
    "Tiles": "inference.tiling",
    "WalkSettings": "propagation.request",
    "Window": "inference.intensity",
    "ZoomIn": "core.segmenter",
}
"""Frozen dataclasses that actions may be called with, and their modules. A new one is one line
here; its fields may be anything that `encode` takes, and fields added later need a default."""

BEFORE: dict[str, dict[str, Any]] = {
    "Ending": {
        "max_spread": 0.0,
        "max_widening": 0.0,
        "keeps_ends": False,
        "min_affirmed": 0.0,
        "min_alike": 0.0,
    },
    "Restraint": {"cone": 0.0, "closing": 0.0},
}
"""What fields stood for before there were any, where that is not their default: journals are
replayed as they were."""

LoadModel = Callable[[ModelIdentity], Segmenter]


def encode(value: Any) -> Any:
    """Return a value as plain JSON.

    Parameters
    ----------
    value : Any
        None, bool, numbers, text, sequences, mappings, `range`, numpy arrays, models, and the
        dataclasses of `VALUES`, nested as you like. Masks become run lengths.

    Raises
    ------
    JournalError
        If there is no way to write it.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    if type(value).__module__ == f"napari_intseg.{VALUES.get(type(value).__name__)}":
        return {"value": type(value).__name__, "fields": _fields(value)}
    if hasattr(value, "traits") and hasattr(value, "predict"):
        return {"model": _fields(identity_of(value))}
    raise JournalError(
        "action cannot be written down: expected values that the journal knows, got "
        f"{type(value).__name__}. Add the class to VALUES in session/journal/codec.py."
    )


def decode(value: Any, load: LoadModel | None = None) -> Any:
    """Return what `encode` was given; sequences come back as tuples.

    Parameters
    ----------
    value : Any
        From JSON.
    load : callable, optional
        Brings models back.

    Raises
    ------
    JournalError
        If it is damaged, or of a kind this version does not know.
    """
    try:
        return _decoded(value, load)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, zlib.error) as err:
        if isinstance(err, JournalError):
            raise
        raise JournalError(
            f"journal holds a damaged value: expected what this program writes, got "
            f"{_short(value)}. Remove that line and those after it."
        ) from err


def encode_mask(mask: BoolArray) -> dict[str, Any]:
    """Return a mask as its shape and the lengths of its runs, the first of them outside."""
    flat = np.ascontiguousarray(mask, bool).reshape(-1)
    # a stroke is a few lines of a large slice: runs begin and end on these alone
    width = max(1, mask.shape[-1] if mask.ndim else 1)
    lines = np.flatnonzero(flat.reshape(-1, width).any(axis=1))
    start = max(0, int(lines[0]) * width - 1) if lines.size else 0
    part = flat[start : (int(lines[-1]) + 1) * width + 1] if lines.size else flat[:0]
    turns = np.flatnonzero(part[1:] != part[:-1]) + start + 1
    ends = [0, *turns.tolist(), flat.size]
    runs = [b - a for a, b in pairwise(ends)]
    if flat.size and flat[0]:
        runs.insert(0, 0)
    return {"mask": {"shape": list(mask.shape), "runs": runs}}


def decode_mask(given: Mapping[str, Any]) -> BoolArray:
    """Return the mask of a shape and run lengths."""
    shape = tuple(int(n) for n in given["shape"])
    runs = np.asarray(given["runs"], np.int64)
    size = int(np.prod(shape, dtype=np.int64))
    if (runs < 0).any() or int(runs.sum()) != size:
        raise ValueError("run lengths do not fill the shape")
    inside = np.arange(runs.size) % 2 == 1
    return np.repeat(inside, runs).reshape(shape)


def _array(array: Array) -> dict[str, Any]:
    if array.dtype == bool:
        return encode_mask(array)
    if array.dtype.kind not in "iuf":
        raise JournalError(
            f"action cannot be written down: expected an array of numbers, got {array.dtype}. "
            "Convert it first."
        )
    # deflated and in base64: a journal is text, one line an action
    plain = np.ascontiguousarray(array)
    packed = base64.b64encode(zlib.compress(plain.tobytes())).decode()
    return {"array": {"dtype": plain.dtype.str, "shape": list(array.shape), "zlib": packed}}


_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Plane, lambda value: {"plane": [value.axis, value.index]}),
    (Click, lambda value: {"click": [float(value.row), float(value.col), bool(value.positive)]}),
    # JSON has no number for infinity; and float comes before np.generic, of which float64 is both
    (float, lambda value: value if np.isfinite(value) else {"float": repr(float(value))}),
    (np.generic, lambda value: encode(value.item())),
    (np.ndarray, lambda value: _array(value)),  # noqa: PLW0108 - defined below
    (Mapping, lambda value: {"map": list(map(encode, value.items()))}),
    (range, lambda value: {"range": [value.start, value.stop, value.step]}),
    (tuple | list, lambda value: list(map(encode, value))),
    # sorted, so that the same action always gives the same line
    (set | frozenset, lambda value: {"set": [encode(one) for one in sorted(value)]}),
)


def _fields(value: Any) -> dict[str, Any]:
    assert is_dataclass(value)
    return {f.name: encode(getattr(value, f.name)) for f in fields(value)}


def _decoded(value: Any, load: LoadModel | None) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(one, load) for one in value)
    if not isinstance(value, dict):
        return value
    if "value" in value:
        # only names of `VALUES` are imported: a journal cannot name code of its own
        name = value["value"]
        kind = getattr(import_module(f"napari_intseg.{VALUES[name]}"), name)
        # fields of a later version are left out, those of an
        # earlier one get what they stood for then
        known = {f.name for f in fields(kind)}
        given = {n: _decoded(one, load) for n, one in value["fields"].items() if n in known}
        return kind(**BEFORE.get(name, {}) | given)
    # exactly one key: anything else is damaged and raises here
    ((tag, inner),) = value.items()
    if tag == "model":
        if load is None:
            raise ValueError("no way to load models was given")
        return load(model_identity(inner))
    return _TAGS[tag](inner, load)


def model_identity(given: Mapping[str, Any]) -> ModelIdentity:
    """Return which model was meant by the fields of an identity."""
    known = {f.name for f in fields(ModelIdentity)}
    return ModelIdentity(**{n: _decoded(one, None) for n, one in given.items() if n in known})


def _unpacked(inner: Any, _load: Any) -> Array:
    dtype = np.dtype(inner["dtype"])
    if dtype.kind not in "iuf":
        raise ValueError("array is not of numbers")
    shape = tuple(int(n) for n in inner["shape"])
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size < 0:
        raise ValueError("shape is not one")
    engine = zlib.decompressobj()
    # bounded: a damaged or hostile line must not unpack to more than the array it declares
    content = engine.decompress(base64.b64decode(inner["zlib"]), size + 1)
    if len(content) != size:
        raise ValueError("array is not as large as it says")
    # a copy: arrays from a buffer are read-only
    return np.frombuffer(content, dtype).reshape(shape).copy()


# what a journal may hold beyond JSON's own types. Nothing else is
# made from a file, so that a journal from a stranger runs no code.
_TAGS: dict[str, Callable[[Any, LoadModel | None], Any]] = {
    "plane": lambda inner, _: Plane(int(inner[0]), int(inner[1])),
    "click": lambda inner, _: Click(float(inner[0]), float(inner[1]), bool(inner[2])),
    "float": lambda inner, _: float(inner),
    "mask": lambda inner, _: decode_mask(inner),
    "array": _unpacked,
    "map": lambda inner, load: {_decoded(k, load): _decoded(v, load) for k, v in inner},
    "range": lambda inner, _: range(*(int(n) for n in inner)),
    "set": lambda inner, load: frozenset(_decoded(one, load) for one in inner),
}


def _short(value: Any) -> str:
    text = repr(value)
    # a line of a terminal; what is longer is told to a person, not read back
    return text if len(text) < 80 else text[:77] + "..."
