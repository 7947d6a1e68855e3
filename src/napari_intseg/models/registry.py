"""The list of models, and loading one; names are dotted strings, so torch stays unloaded."""

import logging
import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.errors import DeviceError, MissingExtraError, UnknownModelError
from napari_intseg.models.model_table import (
    BUNDLED_BUILDER,
    BUNDLED_PAPER,
    CLICKS_BOX,
    CLICKS_DRAWN_MASK,
    CLICKS_MASK,
    DEFAULT_PAIR,
    MODELS,
    THEN,
    ModelSpec,
    remember,
    sum_of,
)
from napari_intseg.models.weights.catalogue import CATALOGUE, badge, find_entry
from napari_intseg.models.weights.store import (
    bundled_folder,
    check_unchanged,
    find_own,
    locate,
    search_folders,
)

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_PAIR",
    "ENTRY_POINTS",
    "MODELS",
    "THEN",
    "ModelSpec",
    "available_models",
    "find_model",
    "licence_lines",
    "load_model",
    "own_models",
    "third_party_models",
]

DEFAULT_MODEL = "bundled"


ENTRY_POINTS = "napari_intseg.models"
"""Group of entry points by which other packages add models; see `third_party_models`."""

_log = logging.getLogger(__name__)


# once: entry points are read from the files of all installed packages
@cache
def third_party_models() -> Mapping[str, ModelSpec]:
    """Return the models that other installed packages add.

    An entry point of the group `ENTRY_POINTS` names a `ModelSpec`, then its own name is the
    model's, or a function without arguments that returns them by name. One that cannot be
    loaded, or has a name that is taken, is left out and logged.
    """
    found: dict[str, ModelSpec] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            given = point.load()
            specs = {point.name: given} if isinstance(given, ModelSpec) else dict(given())
        except Exception as err:
            # somebody else's code: whatever it is, ours goes on
            _log.warning("models of %r cannot be loaded: %s", point.value, err)
            continue
        for name, spec in specs.items():
            if isinstance(spec, ModelSpec) and name not in MODELS and name not in found:
                found[name] = spec
            else:
                _log.warning("model %r of %r is left out: not a new ModelSpec", name, point.value)
    return MappingProxyType(found)


def own_models() -> dict[str, ModelSpec]:
    """Return the models that people trained themselves, by the stems of their weights files."""
    folders = tuple(f for f in search_folders() if f != bundled_folder())
    return {
        name: ModelSpec(
            BUNDLED_BUILDER, f"{name} (your own training)", "bundled", CLICKS_DRAWN_MASK, path.name,
            licence="your own", paper=BUNDLED_PAPER,
        )
        for name, path in find_own(folders).items()
    }  # fmt: skip


def available_models() -> dict[str, ModelSpec]:
    """Return all models by name, those whose extra or weights are not there included.

    `ModelSpec.is_installed` and `ModelSpec.has_weights` tell. A name of `MODELS` cannot be taken by
    another package, nor one of either by a weights file of one's own.
    """
    return {**own_models(), **third_party_models(), **MODELS}


def find_model(name: str) -> ModelSpec:
    """Return what the registry knows of a model.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    """
    known = {**third_party_models(), **MODELS}
    if name in known:
        # a file of one's own cannot have that name, so no folder is looked at: a window asks often
        return known[name]
    models = available_models()
    if name not in models and THEN in name:
        return _pair(*name.split(THEN, 1))
    if name not in models:
        raise UnknownModelError(
            f"model is unknown: expected one of {', '.join(sorted(models))}, got {name!r}. "
            "`napari-intseg models` lists them with what they need."
        )
    return models[name]


def licence_lines(key: str) -> list[str]:
    """Return what to tell of a weight file before its first byte comes.

    Parameters
    ----------
    key : str
        Of the catalogue.

    Returns
    -------
    list of str
        The licence of the weights, with a badge if it or that of a model binds; those of the models
        that use them, if they differ; and notes.

    Raises
    ------
    WeightsError
        If there is no such key.
    """
    entry = find_entry(key)
    specs = [spec for spec in available_models().values() if spec.weights == key]
    how = badge(entry.licence) or next((b for s in specs if (b := badge(s.licence, s.note))), "")
    licences = dict.fromkeys(spec.licence for spec in specs)
    notes = dict.fromkeys(note for note in (entry.note, *(s.note for s in specs)) if note)
    return [
        f"licence of the weights: {entry.licence}" + (f" [{how}]" if how else ""),
        *(f"licence of the model: {one}" for one in licences if one != entry.licence),
        *(f"note: {note}" for note in notes),
    ]


def _pair(first: str, then: str) -> ModelSpec:
    """Return what is known of a pair that is not listed."""
    one, other = find_model(first), find_model(then)
    # see `Handover`: boxes and scribbles begin an object
    goes_on = CLICKS_MASK if other.builder == BUNDLED_BUILDER else other.prompts
    return ModelSpec(
        "napari_intseg.models.handover:build", f"First click by {one.title}, then {other.title}",
        "hand-over", goes_on | (one.prompts & CLICKS_BOX),
        licence=f"{one.licence}; {other.licence}", paper="arXiv:2304.10517",
        needs=one.needs + other.needs, extra=one.extra or other.extra, parts=(first, then),
        part_weights=(*one.weight_keys, *other.weight_keys),
    )  # fmt: skip


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | Literal["measure"] | None = None,
    **options: Any,
) -> Segmenter:
    """Load a model by name, ready to prepare and predict.

    Parameters
    ----------
    name : str
        One of `available_models`, or two of them as ``"FIRST-then-THEN"``.
    weights : path, optional
        A checkpoint file; without it the file is looked for in the weights folders.
    device : str, default "auto"
        "auto" takes CUDA, then MPS, then CPU. An address such as ``tls://host:8786``: on a worker
        of the dask cluster there; see `load_remote` in `remote/remote_segmenter.py`, whose options
        are taken, too. `weights` is a path on the worker's machine then.
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto" is half precision on CUDA, for the bundled network also bfloat16 on processors that
        have it, and float32 elsewhere.
    threads : int or "measure", optional
        How many PyTorch computes with on a processor, from now on in the whole process. "measure"
        tries some on this machine, and takes the fewest that are as quick as any; PyTorch's own
        choice is as many as there are cores. Answers differ by rounding, 1e-5 of a logit.
    **options
        Further options of the family, e.g. `zoom_in=` or `flip=` for RITM.

    Raises
    ------
    UnknownModelError
        If there is no such model.
    MissingExtraError
        If a package it needs is not installed.
    WeightsError
        If its weights are missing, damaged, foreign or unsafe.
    DeviceError
        If the device does not exist.
    RemoteError
        If the address is not safe, or nobody answers there.
    """
    if "://" in device:
        if threads is not None:
            raise DeviceError(
                f"threads cannot be set on another machine: expected none, got {threads!r}. "
                "Set OMP_NUM_THREADS for the worker."
            )
        # by name, as the builders of models: this room knows of none above it
        remote = import_module("napari_intseg.remote.remote_segmenter")
        return remote.load_remote(  # type: ignore[no-any-return]
            name, device, weights=weights, precision=precision, **options
        )
    spec = find_model(name)
    if not spec.is_installed:
        raise MissingExtraError(
            f"{name} needs a package that is not installed: expected {', '.join(spec.needs)}. "
            f"Install it with: pip install 'napari-intseg[{spec.extra}]'"
        )
    path = None
    if spec.weights is not None:
        path = locate(spec.weights, weights)
        if weights is None and spec.weights in CATALOGUE:
            check_unchanged(path, sum_of(path), spec.weights)
    # before the builder is imported, and PyTorch with it
    wait_quietly()
    from napari_intseg.models.weights.recognise import foreign_files_named

    module, function = spec.builder.split(":")
    build = getattr(import_module(module), function)
    # an error then says which model the file belongs to, where that can be told
    with foreign_files_named((name, spec.weights), path):
        model: Segmenter = build(name, path, device=device, precision=precision, **options)
    remember(model, name, path, {"device": device, "precision": precision}, options)
    warm_up, there = getattr(model, "warm_up", None), getattr(model, "device", None)
    # models without a network have neither, and ONNX Runtime has threads of its own
    if threads is not None and warm_up is not None and str(there) == "cpu":
        import_module("napari_intseg.models.device").set_threads(threads, warm_up)
    return model


def wait_quietly() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user's environment says otherwise.

    By default they spin. On a laptop that does something else besides, each then takes the
    processor from the thread it waits for, and a click of 40 ms was seen to take seconds. Only
    works before PyTorch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
