"""What the registry knows of a model; names are dotted strings, so torch stays unloaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari_intseg.core.prompts import PromptKind
from napari_intseg.core.segmenter import CLICKS, Segmenter
from napari_intseg.models.weights.store import find_file, sha256_of

CLICKS_MASK: frozenset[PromptKind] = frozenset({"click", "mask"})
CLICKS_BOX: frozenset[PromptKind] = frozenset({"click", "box"})
CLICKS_BOX_MASK: frozenset[PromptKind] = frozenset({"click", "box", "mask"})
CLICKS_DRAWN_MASK: frozenset[PromptKind] = frozenset({"click", "box", "scribble", "mask"})

Table = dict[str, "ModelSpec"]
"""Models by name."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the registry knows of a model without loading it.

    Parameters
    ----------
    builder : str
        ``"package.module:function"``; the function is called as
        ``function(name, weights, device=..., precision=...)`` and returns a `Segmenter`.
        `weights` is a path, or None for a model without weights.
    title : str
        What people see in the list.
    family : str
        Models of one family share their adapter file.
    prompts : frozenset of str
        Kinds of prompt it takes.
    weights : str or None
        Key of the catalogue in `models/weights/catalogue.py`, or a file name; None: needs none.
    licence : str
        Of code and weights, SPDX where there is one.
    paper : str
        Where it comes from, an arXiv number or a DOI.
    needs : tuple of str
        Packages it imports beyond the hard dependencies.
    extra : str or None
        The extra that installs `needs`.
    note : str
        A restriction worth telling before use, e.g. "research only".
    parts : tuple of str
        Names of the models it is made of.
    part_weights : tuple of str
        Keys of the catalogue for the weights of those.
    """

    builder: str
    title: str
    family: str
    prompts: frozenset[PromptKind] = CLICKS
    weights: str | None = None
    licence: str = "BSD-3-Clause"
    paper: str = ""
    needs: tuple[str, ...] = ()
    extra: str | None = None
    note: str = ""
    parts: tuple[str, ...] = ()
    part_weights: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether the packages it needs are there."""
        return all(find_spec(package) is not None for package in self.needs)

    @property
    def has_weights(self) -> bool:
        """Whether its weights are in one of the weights folders, or it needs none."""
        return all(find_file(key) is not None for key in self.weight_keys)

    @property
    def weight_keys(self) -> tuple[str, ...]:
        """The catalogue's keys of all weights that it loads, those of its parts included."""
        return self.part_weights if self.weights is None else (self.weights, *self.part_weights)


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """All that is needed to load a model again.

    Parameters
    ----------
    name : str
        As in the registry.
    weights : str or None
        Name of the weight file, without its folder.
    sha256 : str or None
        Of its content.
    device, precision : str
        As they were asked for.
    options : mapping
        Further options of the family.
    """

    name: str
    weights: str | None = None
    sha256: str | None = None
    device: str = "auto"
    precision: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    path: Path | None
    device: str
    precision: str
    options: Mapping[str, Any]


_loaded: WeakKeyDictionary[Any, _Loaded] = WeakKeyDictionary()
_sums: dict[tuple[str, int, int], str] = {}


def remember(
    model: Segmenter,
    name: str,
    path: Path | None,
    how: Mapping[str, str],
    options: Mapping[str, Any],
) -> None:
    """Note where a model came from; `how` is its device and precision."""
    try:
        _loaded[model] = _Loaded(name, path, how["device"], how["precision"], dict(options))
    except TypeError:  # it cannot be referred to weakly, and has no more to tell than its name
        return


def identity_of(model: Segmenter) -> ModelIdentity:
    """Return which model it is; one that `load_model` did not load is known by its name alone.

    The first call for a weight file reads all of it.
    """
    try:
        known = _loaded.get(model)
    except TypeError:
        known = None
    if known is None:
        return ModelIdentity(model.traits.name)
    path = known.path if known.path is not None and known.path.is_file() else None
    return ModelIdentity(
        known.name,
        None if path is None else path.name,
        None if path is None else sum_of(path),
        known.device,
        known.precision,
        known.options,
    )


def weights_of(model: Segmenter) -> Path | None:
    """Return the file that a model's weights were loaded from, if that is known."""
    try:
        known = _loaded.get(model)
    except TypeError:
        return None
    return None if known is None else known.path


def sum_of(path: Path) -> str:
    """Return the SHA-256 of a file; it is read once as long as it stays the same."""
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    if key not in _sums:
        _sums[key] = sha256_of(path)
    return _sums[key]
