"""Which model it is: name, weights and how it runs, for whoever must find the same again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari_intseg.core.segmenter import Segmenter


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
    from napari_intseg.models.store import sha256_of

    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    if key not in _sums:
        _sums[key] = sha256_of(path)
    return _sums[key]
