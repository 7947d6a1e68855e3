"""The list of models, one line each; names are dotted strings, so torch stays unloaded."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_intseg.core.prompts import PromptKind
from napari_intseg.core.segmenter import CLICKS, Segmenter
from napari_intseg.errors import MissingExtraError, UnknownModelError

CLICKS_MASK: frozenset[PromptKind] = frozenset({"click", "mask"})


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
        Key of the catalogue in `models/weights.py`; None: needs none.
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

    @property
    def is_installed(self) -> bool:
        """Whether the packages it needs are there."""
        return all(find_spec(package) is not None for package in self.needs)


def _ritm(key: str, title: str, prompts: frozenset[PromptKind] = CLICKS_MASK) -> ModelSpec:
    return ModelSpec(
        "napari_intseg.models.ritm:build", title, "ritm", prompts, key, "MIT", "arXiv:2102.06583"
    )  # fmt: skip


MODELS: dict[str, ModelSpec] = {
    "random-walker": ModelSpec(
        "napari_intseg.models.random_walker:build", "Random walker (no weights)", "random walker",
        frozenset({"click", "scribble", "mask"}), paper="10.1109/TPAMI.2006.233",
    ),
    "ritm-hrnet18s": _ritm("ritm-hrnet18s", "RITM HRNet-18s (COCO+LVIS)"),
    "ritm-hrnet18": _ritm("ritm-hrnet18", "RITM HRNet-18 (COCO+LVIS)"),
    "ritm-hrnet32": _ritm("ritm-hrnet32", "RITM HRNet-32 (COCO+LVIS)"),
    "ritm-hrnet18-sbd": _ritm("ritm-hrnet18-sbd", "RITM HRNet-18 (SBD)"),
    "ritm-hrnet18-baseline": _ritm(
        "ritm-hrnet18-baseline", "RITM HRNet-18 without previous mask (COCO+LVIS)", CLICKS),
    "ritm-resnet34": _ritm(
        "ritm-resnet34", "RITM ResNet-34 without previous mask (own weights)", CLICKS),
}  # fmt: skip
"""Every model by name. Adding one is one adapter file and one line here."""

DEFAULT_MODEL = "random-walker"


def available_models() -> dict[str, ModelSpec]:
    """Return all models by name, those whose extra is not installed included."""
    return dict(MODELS)


def find_model(name: str) -> ModelSpec:
    """Return what the registry knows of a model.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    """
    if name not in MODELS:
        raise UnknownModelError(
            f"model is unknown: expected one of {', '.join(sorted(MODELS))}, got {name!r}. "
            "`napari-intseg models` lists them with what they need."
        )
    return MODELS[name]


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    **options: Any,
) -> Segmenter:
    """Load a model by name, ready to prepare and predict.

    Parameters
    ----------
    name : str
        One of `available_models`.
    weights : path, optional
        A checkpoint file; without it the file is looked for in the weights folders.
    device : str, default "auto"
        "auto" takes CUDA, then MPS, then CPU.
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto" is half precision on CUDA and float32 elsewhere.
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
    """
    spec = find_model(name)
    if not spec.is_installed:
        raise MissingExtraError(
            f"{name} needs a package that is not installed: expected {', '.join(spec.needs)}. "
            f"Install it with: pip install 'napari-intseg[{spec.extra}]'"
        )
    path = None
    if spec.weights is not None:
        from napari_intseg.models.weights import locate

        path = locate(spec.weights, weights)
    module, function = spec.builder.split(":")
    build = getattr(import_module(module), function)
    model: Segmenter = build(name, path, device=device, precision=precision, **options)
    return model
