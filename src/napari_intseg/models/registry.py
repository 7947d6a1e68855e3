"""The list of models, one line each; names are dotted strings, so torch stays unloaded."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_intseg.core.prompts import PromptKind
from napari_intseg.core.segmenter import CLICKS, Segmenter
from napari_intseg.errors import MissingExtraError, UnknownModelError, WeightsError
from napari_intseg.models.identity import remember
from napari_intseg.models.threads import wait_quietly

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
        Key of the catalogue in `models/catalogue.py`, or a file name; None: needs none.
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
        Names of the models it is made of; they bring their own weights.
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

    @property
    def is_installed(self) -> bool:
        """Whether the packages it needs are there."""
        return all(find_spec(package) is not None for package in self.needs)

    @property
    def has_weights(self) -> bool:
        """Whether its weights are in one of the weights folders, or it needs none."""
        if self.weights is None:
            return all(find_model(part).has_weights for part in self.parts)
        from napari_intseg.models.weights import locate

        try:
            locate(self.weights)
        except WeightsError:
            return False
        return True


def _ritm(key: str, title: str, prompts: frozenset[PromptKind] = CLICKS_MASK) -> ModelSpec:
    return ModelSpec(
        "napari_intseg.models.ritm:build", title, "ritm", prompts, key, "MIT", "arXiv:2102.06583"
    )  # fmt: skip


CLICKS_BOX: frozenset[PromptKind] = frozenset({"click", "box"})
CLICKS_BOX_MASK: frozenset[PromptKind] = frozenset({"click", "box", "mask"})


def _sam(
    module: str,
    key: str,
    title: str,
    paper: str = "arXiv:2304.02643",
    prompts: frozenset[PromptKind] = CLICKS_BOX_MASK,
) -> ModelSpec:
    return ModelSpec(
        f"napari_intseg.models.{module}:build", title, "sam", prompts, key, "Apache-2.0", paper,
        needs=("transformers",), extra="sam",
    )  # fmt: skip


_HQ, _MOBILE = "arXiv:2306.01567", "arXiv:2306.14289"
_EFFICIENT, _SAM2 = "arXiv:2312.00863", "arXiv:2408.00714"


def _ritm_refined(key: str, title: str) -> ModelSpec:
    return ModelSpec(
        "napari_intseg.models.brs:build", title, "ritm", CLICKS_MASK, key, "MIT",
        "arXiv:2001.10331",
    )  # fmt: skip


def _fbrs(key: str, title: str) -> ModelSpec:
    return ModelSpec(
        "napari_intseg.models.fbrs:build", title, "fbrs", CLICKS, key, "MPL-2.0",
        "arXiv:2001.10331",
    )  # fmt: skip


def _simpleclick(key: str, title: str) -> ModelSpec:
    return ModelSpec(
        "napari_intseg.models.simpleclick:build", title, "simpleclick", CLICKS_MASK, key, "MIT",
        "arXiv:2210.11006",
    )  # fmt: skip


THEN = "-then-"
"""Between the names of two models it names the one that begins with the first and goes on with the
second, see `models/handover.py`; any pair can be named so, whether it is listed or not."""

DEFAULT_PAIR = ("sam-vit-b", "ritm-hrnet18s")


def _handover(first: str, then: str, title: str) -> ModelSpec:
    return ModelSpec(
        "napari_intseg.models.handover:build", title, "hand-over", CLICKS_BOX_MASK,
        licence="Apache-2.0 and MIT", paper="arXiv:2304.10517", needs=("transformers",),
        extra="sam", parts=(first, then),
    )  # fmt: skip


def _focalclick(key: str, title: str) -> ModelSpec:
    binds = "segformer" in key
    return ModelSpec(
        "napari_intseg.models.focalclick:build", f"FocalClick {title} (COCO+LVIS)", "focalclick",
        CLICKS_MASK, key, "NVIDIA Source Code License" if binds else "MIT", "arXiv:2204.02574",
        note="research and evaluation only (SegFormer's backbone)" if binds else "",
    )  # fmt: skip


_BUNDLED, _PYRAMID = "napari_intseg.models.bundled:build", "arXiv:2102.06583, arXiv:2404.00741"

MODELS: dict[str, ModelSpec] = {
    "bundled": ModelSpec(
        _BUNDLED, "Bundled network (in the box)", "bundled", CLICKS_MASK, "bundled",
        paper=_PYRAMID,
    ),
    "random-walker": ModelSpec(
        "napari_intseg.models.random_walker:build", "Random walker (no weights)", "random walker",
        frozenset({"click", "scribble", "mask"}), paper="10.1109/TPAMI.2006.233",
    ),
    "region-growing": ModelSpec(
        "napari_intseg.models.region_growing:build", "Region growing (no weights)",
        "region growing", frozenset({"click", "scribble"}), paper="ITK Software Guide, 9.1.3",
    ),
    "grabcut": ModelSpec(
        "napari_intseg.models.grabcut:build", "GrabCut (no weights)", "grabcut",
        frozenset({"click", "box", "scribble", "mask"}), paper="10.1145/1015706.1015720",
        needs=("cv2",), extra="zoo",
    ),
    "ritm-hrnet18s": _ritm("ritm-hrnet18s", "RITM HRNet-18s (COCO+LVIS)"),
    "ritm-hrnet18": _ritm("ritm-hrnet18", "RITM HRNet-18 (COCO+LVIS)"),
    "ritm-hrnet32": _ritm("ritm-hrnet32", "RITM HRNet-32 (COCO+LVIS)"),
    "ritm-hrnet18-sbd": _ritm("ritm-hrnet18-sbd", "RITM HRNet-18 (SBD)"),
    "ritm-hrnet18-baseline": _ritm(
        "ritm-hrnet18-baseline", "RITM HRNet-18 without previous mask (COCO+LVIS)", CLICKS),
    "ritm-resnet34": _ritm(
        "ritm-resnet34", "RITM ResNet-34 without previous mask (own weights)", CLICKS),
    "ritm-hrnet18s-fbrs-b": _ritm_refined("ritm-hrnet18s", "RITM HRNet-18s, refined by f-BRS-B"),
    "ritm-hrnet18-fbrs-b": _ritm_refined("ritm-hrnet18", "RITM HRNet-18, refined by f-BRS-B"),
    "ritm-hrnet32-fbrs-b": _ritm_refined("ritm-hrnet32", "RITM HRNet-32, refined by f-BRS-B"),
    "ritm-hrnet18s-adapting": ModelSpec(
        "napari_intseg.models.adaptation:build", "RITM HRNet-18s, learning from corrections",
        "ritm", CLICKS_MASK, "ritm-hrnet18s", "MIT", "arXiv:1911.12709",
        note="built from the paper, without a reference output to compare with: unproven"),
    "fbrs-resnet34": _fbrs("fbrs-resnet34", "f-BRS ResNet-34 (SBD)"),
    "fbrs-resnet50": _fbrs("fbrs-resnet50", "f-BRS ResNet-50 (COCO+LVIS)"),
    "fbrs-resnet50-sbd": _fbrs("fbrs-resnet50-sbd", "f-BRS ResNet-50 (SBD)"),
    "fbrs-resnet101": _fbrs("fbrs-resnet101", "f-BRS ResNet-101 (SBD)"),
    "fbrs-hrnet18": _fbrs("fbrs-hrnet18", "f-BRS HRNet-18 (SBD)"),
    "fbrs-hrnet32": _fbrs("fbrs-hrnet32", "f-BRS HRNet-32 (COCO+LVIS)"),
    "fbrs-hrnet32-sbd": _fbrs("fbrs-hrnet32-sbd", "f-BRS HRNet-32 (SBD)"),
    "sam-vit-b": _sam("sam", "sam-vit-b", "SAM ViT-B"),
    "sam-vit-l": _sam("sam", "sam-vit-l", "SAM ViT-L"),
    "sam-vit-h": _sam("sam", "sam-vit-h", "SAM ViT-H"),
    "medsam": _sam("sam", "medsam", "MedSAM (ViT-B)", "arXiv:2304.12306"),
    "sam-finetuned": _sam("sam", "sam-finetuned", "SAM fine-tuned, e.g. micro-sam (any size)"),
    "sam-hq-vit-b": _sam("sam", "sam-hq-vit-b", "SAM-HQ ViT-B", _HQ),
    "sam-hq-vit-tiny": _sam("mobile_sam", "sam-hq-vit-tiny", "SAM-HQ tiny (for a CPU)", _HQ),
    "mobile-sam": _sam("mobile_sam", "mobile-sam", "MobileSAM (for a CPU)", _MOBILE),
    "efficient-sam-vitt": _sam(
        "efficient_sam", "efficient-sam-vitt", "EfficientSAM ViT-T (for a CPU)", _EFFICIENT,
        CLICKS_BOX),
    "efficient-sam-vits": _sam(
        "efficient_sam", "efficient-sam-vits", "EfficientSAM ViT-S (for a CPU)", _EFFICIENT,
        CLICKS_BOX),
    "sam2.1-tiny": _sam("sam2", "sam2.1-tiny", "SAM 2.1 tiny", _SAM2),
    "sam2.1-small": _sam("sam2", "sam2.1-small", "SAM 2.1 small", _SAM2),
    "sam2.1-base-plus": _sam("sam2", "sam2.1-base-plus", "SAM 2.1 base plus", _SAM2),
    "sam2.1-large": _sam("sam2", "sam2.1-large", "SAM 2.1 large", _SAM2),
    "fcanet": ModelSpec(
        "napari_intseg.models.fcanet:build", "FCANet (first-click attention)", "fcanet",
        CLICKS, "fcanet", "research and education only", "Lin et al., CVPR 2020", ("cv2",), "zoo",
        note="research and education only"),
    "forte": ModelSpec(
        "napari_intseg.models.forte:build", "Forte et al. (Getting to 99 %)", "forte",
        CLICKS_MASK, "forte", "MIT", "arXiv:2003.07932", ("cv2",), "zoo"),
    "dextr": ModelSpec(
        "napari_intseg.models.dextr:build", "DEXTR (four extreme points)", "dextr",
        frozenset({"extreme_points"}), "dextr", "GPL-3.0 (the authors' code)", "arXiv:1711.09081",
        ("cv2",), "zoo"),
    "deepgrabcut": ModelSpec(
        "napari_intseg.models.deepgrabcut:build", "DeepGrabCut (box)", "deepgrabcut",
        frozenset({"box"}), "deepgrabcut", "not stated", "arXiv:1707.00243", ("cv2",), "zoo"),
    "iog": ModelSpec(
        "napari_intseg.models.iog:build", "IOG (box, a click inside, corrections)", "iog",
        frozenset({"box", "click"}), "iog", "none stated", "Zhang et al., CVPR 2020", ("cv2",),
        "zoo", note="no licence stated: ask the authors before any use but trying"),
    "simpleclick-vit-b": _simpleclick("simpleclick-vit-b", "SimpleClick ViT-B (COCO+LVIS)"),
    "simpleclick-vit-l": _simpleclick("simpleclick-vit-l", "SimpleClick ViT-L (COCO+LVIS)"),
    "simpleclick-vit-h": _simpleclick("simpleclick-vit-h", "SimpleClick ViT-H (COCO+LVIS)"),
    "focalclick-hrnet18s-s1": _focalclick("focalclick-hrnet18s-s1", "HRNet-18s-S1"),
    "focalclick-hrnet18s-s2": _focalclick("focalclick-hrnet18s-s2", "HRNet-18s-S2"),
    "focalclick-hrnet32-s2": _focalclick("focalclick-hrnet32-s2", "HRNet-32-S2"),
    "focalclick-segformer-b0-s1": _focalclick("focalclick-segformer-b0-s1", "SegFormer-B0-S1"),
    "focalclick-segformer-b0-s2": _focalclick("focalclick-segformer-b0-s2", "SegFormer-B0-S2"),
    "focalclick-segformer-b3-s2": _focalclick("focalclick-segformer-b3-s2", "SegFormer-B3-S2"),
    "handover": _handover(*DEFAULT_PAIR, "First click by SAM ViT-B, then RITM HRNet-18s"),
    "mobile-sam-then-ritm-hrnet18s": _handover(
        "mobile-sam", "ritm-hrnet18s", "First click by MobileSAM, then RITM HRNet-18s"),
    "mobile-sam-then-bundled": _handover(
        "mobile-sam", "bundled", "First click by MobileSAM, then the bundled network"),
}  # fmt: skip
"""Every model by name. Adding one is one adapter file and one line here."""

DEFAULT_MODEL = "bundled"


ENTRY_POINTS = "napari_intseg.models"
"""Group of entry points by which other packages add models; see `third_party_models`."""

_log = logging.getLogger(__name__)


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
        except Exception as err:  # somebody else's code: whatever it is, ours goes on
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
    from napari_intseg.models.own import find_own
    from napari_intseg.models.weights import bundled_folder, search_folders

    folders = tuple(f for f in search_folders() if f != bundled_folder())
    return {
        name: ModelSpec(
            _BUNDLED, f"{name} (your own training)", "bundled", CLICKS_MASK, path.name,
            licence="your own", paper=_PYRAMID,
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
    models = available_models()
    if name not in models and THEN in name:
        return _pair(*name.split(THEN, 1))
    if name not in models:
        raise UnknownModelError(
            f"model is unknown: expected one of {', '.join(sorted(models))}, got {name!r}. "
            "`napari-intseg models` lists them with what they need."
        )
    return models[name]


def _pair(first: str, then: str) -> ModelSpec:
    """Return what is known of a pair that is not listed."""
    one, other = find_model(first), find_model(then)
    return ModelSpec(
        "napari_intseg.models.handover:build", f"First click by {one.title}, then {other.title}",
        "hand-over", other.prompts | (one.prompts & CLICKS_BOX),
        licence=f"{one.licence}; {other.licence}", paper="arXiv:2304.10517",
        needs=one.needs + other.needs, extra=one.extra or other.extra, parts=(first, then),
    )  # fmt: skip


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
        One of `available_models`, or two of them as ``"FIRST-then-THEN"``.
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
    wait_quietly()
    from napari_intseg.models.recognise import foreign_files_named

    module, function = spec.builder.split(":")
    build = getattr(import_module(module), function)
    with foreign_files_named((name, spec.weights), path):
        model: Segmenter = build(name, path, device=device, precision=precision, **options)
    remember(model, name, path, {"device": device, "precision": precision}, options)
    return model
