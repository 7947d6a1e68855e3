"""The models of this package, one row each, and what is known of a model that was loaded.

Builders are named by dotted strings, so torch stays unloaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
CLICKS_DRAWN_MASK: frozenset[PromptKind] = frozenset({"click", "box", "scribble", "lasso", "mask"})

Table = dict[str, "ModelSpec"]
"""Models by name."""


_THERE: set[str] = set()
"""Packages that were found: a window asks 400 times while it opens, 0.2 ms each. What was not found
is looked for anew, since it may be installed meanwhile."""


def _is_there(package: str) -> bool:
    if package not in _THERE and find_spec(package) is not None:
        _THERE.add(package)
    return package in _THERE


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
        return all(map(_is_there, self.needs))

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


# weakly, so that the table keeps no model in memory
_loaded: WeakKeyDictionary[Any, _Loaded] = WeakKeyDictionary()
# by path, size and time of change: reading a file of gigabytes once is enough
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
    except TypeError:
        # it cannot be referred to weakly, and has no more to tell than its name
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


def sum_of(path: Path) -> str:
    """Return the SHA-256 of a file; it is read once as long as it stays the same."""
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    if key not in _sums:
        _sums[key] = sha256_of(path)
    return _sums[key]


_ROOM = "napari_intseg.models"

BUNDLED_BUILDER, BUNDLED_PAPER = (
    f"{_ROOM}.bundled_engine:build",
    "arXiv:2102.06583, arXiv:2404.00741",
)

BASIC: Table = {
    "bundled": ModelSpec(
        BUNDLED_BUILDER,
        "Bundled network",
        "bundled",
        CLICKS_DRAWN_MASK,
        "bundled",
        paper=BUNDLED_PAPER,
    ),
    "random-walker": ModelSpec(
        f"{_ROOM}.classical.random_walker:build",
        "Random walker (no weights)",
        "random walker",
        frozenset({"click", "scribble", "mask"}),
        paper="10.1109/TPAMI.2006.233",
    ),
    "region-growing": ModelSpec(
        f"{_ROOM}.classical.region_growing:build",
        "Region growing (no weights)",
        "region growing",
        frozenset({"click", "scribble"}),
        paper="ITK Software Guide, 9.1.3",
    ),
    "level-set": ModelSpec(
        f"{_ROOM}.classical.level_set:build",
        "Level set from four extreme points (no weights)",
        "level set",
        frozenset({"extreme_points"}),
        paper="Wang et al., CVPR 2019; 10.1109/83.902291",
    ),
    "random-walker-3d": ModelSpec(
        f"{_ROOM}.volumes.random_walker_3d:build",
        "Random walker in 3-D on the bundled network's planes",
        "random walker 3-D",
        CLICKS_DRAWN_MASK,
        "bundled",
        paper="10.1109/CVPR.2005.239",
        needs=("torch",),
        extra="torch",
    ),
    "grabcut": ModelSpec(
        f"{_ROOM}.classical.grabcut:build",
        "GrabCut (no weights)",
        "grabcut",
        frozenset({"click", "box", "scribble", "mask"}),
        paper="10.1145/1015706.1015720",
        needs=("cv2",),
        extra="zoo",
    ),
}

GUIDED: Table = {
    "dextr": ModelSpec(
        f"{_ROOM}.guided.dextr:build",
        "DEXTR (four extreme points)",
        "dextr",
        frozenset({"extreme_points"}),
        "dextr",
        "GPL-3.0 (the authors' code)",
        "arXiv:1711.09081",
        ("cv2",),
        "zoo",
    ),
    "deepgrabcut": ModelSpec(
        f"{_ROOM}.guided.deepgrabcut:build",
        "DeepGrabCut (box)",
        "deepgrabcut",
        frozenset({"box"}),
        "deepgrabcut",
        "not stated",
        "arXiv:1707.00243",
        ("cv2",),
        "zoo",
    ),
    "iog": ModelSpec(
        f"{_ROOM}.guided.iog:build",
        "IOG (box, a click inside, corrections)",
        "iog",
        frozenset({"box", "click"}),
        "iog",
        "none stated",
        "Zhang et al., CVPR 2020",
        ("cv2",),
        "zoo",
        note="no licence stated: ask the authors before any use but trying",
    ),
}


_RITM, _FBRS = "arXiv:2102.06583", "arXiv:2001.10331"


def _ritm(weights: str, title: str, prompts: frozenset[PromptKind] = CLICKS_MASK) -> ModelSpec:
    return ModelSpec(f"{_ROOM}.ritm:build", title, "ritm", prompts, weights, "MIT", _RITM)


def _refined(weights: str, title: str) -> ModelSpec:
    title = f"RITM {title}, refined by f-BRS-B"
    return ModelSpec(f"{_ROOM}.brs.brs:build", title, "ritm", CLICKS_MASK, weights, "MIT", _FBRS)


RITM: Table = {
    "ritm-hrnet18s": _ritm("ritm-hrnet18s", "RITM HRNet-18s (COCO+LVIS)"),
    "ritm-hrnet18": _ritm("ritm-hrnet18", "RITM HRNet-18 (COCO+LVIS)"),
    "ritm-hrnet32": _ritm("ritm-hrnet32", "RITM HRNet-32 (COCO+LVIS)"),
    "ritm-hrnet18-sbd": _ritm("ritm-hrnet18-sbd", "RITM HRNet-18 (SBD)"),
    "ritm-hrnet18-baseline": _ritm(
        "ritm-hrnet18-baseline", "RITM HRNet-18 without previous mask (COCO+LVIS)", CLICKS
    ),
    "ritm-resnet34": _ritm(
        "ritm-resnet34", "RITM ResNet-34 without previous mask (own weights)", CLICKS
    ),
    "ritm-hrnet18s-fbrs-b": _refined("ritm-hrnet18s", "HRNet-18s"),
    "ritm-hrnet18-fbrs-b": _refined("ritm-hrnet18", "HRNet-18"),
    "ritm-hrnet32-fbrs-b": _refined("ritm-hrnet32", "HRNet-32"),
    "ritm-hrnet18s-adapting": ModelSpec(
        f"{_ROOM}.adaptation:build",
        "RITM HRNet-18s, learning from corrections; built from the paper, unproven",
        "ritm",
        CLICKS_MASK,
        "ritm-hrnet18s",
        "MIT",
        "arXiv:1911.12709",
    ),
}

FBRS: Table = {
    name: ModelSpec(
        f"{_ROOM}.brs.brs:build_fbrs", f"f-BRS {title}", "fbrs", CLICKS, name, "MPL-2.0", _FBRS
    )
    for name, title in {
        "fbrs-resnet34": "ResNet-34 (SBD)",
        "fbrs-resnet50": "ResNet-50 (COCO+LVIS)",
        "fbrs-resnet50-sbd": "ResNet-50 (SBD)",
        "fbrs-resnet101": "ResNet-101 (SBD)",
        "fbrs-hrnet18": "HRNet-18 (SBD)",
        "fbrs-hrnet32": "HRNet-32 (COCO+LVIS)",
        "fbrs-hrnet32-sbd": "HRNet-32 (SBD)",
    }.items()
}

SIMPLECLICK: Table = {
    f"simpleclick-vit-{size}": ModelSpec(
        f"{_ROOM}.ritm:build_simpleclick",
        f"SimpleClick ViT-{title} (COCO+LVIS)",
        "simpleclick",
        CLICKS_MASK,
        f"simpleclick-vit-{size}",
        "MIT",
        "arXiv:2210.11006",
    )
    for size, title in {"xtiny": "xTiny", "b": "B", "l": "L", "h": "H"}.items()
}

_BINDS = "research and evaluation only (SegFormer's backbone)"


def _focalclick(name: str, title: str) -> ModelSpec:
    binds = "segformer" in name
    return ModelSpec(
        f"{_ROOM}.focalclick:build",
        f"FocalClick {title} (COCO+LVIS)",
        "focalclick",
        CLICKS_MASK,
        name,
        "NVIDIA Source Code License" if binds else "MIT",
        "arXiv:2204.02574",
        note=_BINDS if binds else "",
    )


FOCALCLICK: Table = {
    name: _focalclick(name, title)
    for name, title in {
        "focalclick-hrnet18s-s1": "HRNet-18s-S1",
        "focalclick-hrnet18s-s2": "HRNet-18s-S2",
        "focalclick-hrnet32-s2": "HRNet-32-S2",
        "focalclick-segformer-b0-s1": "SegFormer-B0-S1",
        "focalclick-segformer-b0-s2": "SegFormer-B0-S2",
        "focalclick-segformer-b3-s2": "SegFormer-B3-S2",
    }.items()
}

FCANET: Table = {
    "fcanet": ModelSpec(
        f"{_ROOM}.fcanet:build",
        "FCANet (first-click attention)",
        "fcanet",
        CLICKS,
        "fcanet",
        "research and education only",
        "Lin et al., CVPR 2020",
        ("cv2",),
        "zoo",
        note="research and education only",
    ),
}

FORTE: Table = {
    "forte": ModelSpec(
        f"{_ROOM}.forte:build",
        "Forte et al. (Getting to 99 %)",
        "forte",
        CLICKS_MASK,
        "forte",
        "MIT",
        "arXiv:2003.07932",
        ("cv2",),
        "zoo",
    ),
}


_SAM, _MEDSAM, _HQ = "arXiv:2304.02643", "arXiv:2304.12306", "arXiv:2306.01567"
_MOBILE, _EFFICIENT, _SAM2 = "arXiv:2306.14289", "arXiv:2312.00863", "arXiv:2408.00714"

THEN = "-then-"
"""Between the names of two models it names the one that begins with the first and goes on with the
second, see `models/handover.py`; any pair can be named so, whether it is listed or not."""

# SAM for the first click, a click model for the corrections; see `models/handover.py`
DEFAULT_PAIR = ("sam-vit-b", "ritm-hrnet18s")

_LISTED: tuple[tuple[str, str, str, str, frozenset[PromptKind]], ...] = (
    # name, adapter, title, paper, prompts
    ("sam-vit-b", "sam", "SAM ViT-B", _SAM, CLICKS_BOX_MASK),
    ("sam-vit-l", "sam", "SAM ViT-L", _SAM, CLICKS_BOX_MASK),
    ("sam-vit-h", "sam", "SAM ViT-H", _SAM, CLICKS_BOX_MASK),
    ("medsam", "sam", "MedSAM (ViT-B)", _MEDSAM, CLICKS_BOX_MASK),
    ("sam-finetuned", "sam", "SAM fine-tuned, e.g. micro-sam (any size)", _SAM, CLICKS_BOX_MASK),
    ("sam-hq-vit-b", "sam", "SAM-HQ ViT-B", _HQ, CLICKS_BOX_MASK),
    ("sam-hq-vit-tiny", "sam", "SAM-HQ tiny (for a CPU)", _HQ, CLICKS_BOX_MASK),
    ("mobile-sam", "sam", "MobileSAM (for a CPU)", _MOBILE, CLICKS_BOX_MASK),
    ("efficient-sam-vitt", "efficient_sam", "EfficientSAM ViT-T (for a CPU)", _EFFICIENT,
     CLICKS_BOX),
    ("efficient-sam-vits", "efficient_sam", "EfficientSAM ViT-S (for a CPU)", _EFFICIENT,
     CLICKS_BOX),
    ("sam2.1-tiny", "sam2", "SAM 2.1 tiny", _SAM2, CLICKS_BOX_MASK),
    ("sam2.1-small", "sam2", "SAM 2.1 small", _SAM2, CLICKS_BOX_MASK),
    ("sam2.1-base-plus", "sam2", "SAM 2.1 base plus", _SAM2, CLICKS_BOX_MASK),
    ("sam2.1-large", "sam2", "SAM 2.1 large", _SAM2, CLICKS_BOX_MASK),
    ("edgetam", "sam2", "EdgeTAM (for a CPU)", "arXiv:2501.07256", CLICKS_BOX_MASK),
)  # fmt: skip

SAM: Table = {
    name: ModelSpec(
        f"{_ROOM}.sam.{adapter}:build",
        title,
        "sam",
        prompts,
        name,
        "Apache-2.0",
        paper,
        ("transformers",),
        "sam",
    )
    for name, adapter, title, paper, prompts in _LISTED
}


_WITH_PARTS: Table = {**BASIC, **RITM, **SAM}


def _handover(first: str, then: str, title: str) -> ModelSpec:
    return ModelSpec(
        f"{_ROOM}.handover:build",
        title,
        "hand-over",
        CLICKS_BOX_MASK,
        licence="Apache-2.0 and MIT",
        paper="arXiv:2304.10517",
        needs=("transformers",),
        extra="sam",
        parts=(first, then),
        part_weights=(*_WITH_PARTS[first].weight_keys, *_WITH_PARTS[then].weight_keys),
    )


HANDOVER: Table = {
    "handover": _handover(*DEFAULT_PAIR, "First click by SAM ViT-B, then RITM HRNet-18s"),
    "mobile-sam-then-ritm-hrnet18s": _handover(
        "mobile-sam", "ritm-hrnet18s", "First click by MobileSAM, then RITM HRNet-18s"
    ),
    "mobile-sam-then-bundled": _handover(
        "mobile-sam", "bundled", "First click by MobileSAM, then the bundled network"
    ),
}

_NN_INTERACTIVE = "arXiv:2503.08373"
_NN_LICENCE = "CC-BY-NC-SA-4.0 (weights); Apache-2.0 (code)"
_UNPROVEN = "proved with untrained networks of the package's own: unproven with these weights"

VOLUMES: Table = {
    "nninteractive": ModelSpec(
        f"{_ROOM}.volumes.nn_interactive:build",
        "nnInteractive: 3-D at once, for a GPU",
        "nninteractive",
        CLICKS_BOX_MASK | {"scribble", "lasso"},
        "nninteractive",
        _NN_LICENCE,
        _NN_INTERACTIVE,
        ("nnInteractive", "nnunetv2"),
        "nninteractive",
        note=_UNPROVEN,
    ),
    "nninteractive-server": ModelSpec(
        f"{_ROOM}.volumes.nn_interactive:build_client",
        "nnInteractive on a server (set NNINTERACTIVE_SERVER)",
        "nninteractive server",
        CLICKS_BOX_MASK | {"scribble", "lasso"},
        licence=_NN_LICENCE,
        paper=_NN_INTERACTIVE,
        needs=("nnInteractive",),
        extra="nninteractive-client",
        note=_UNPROVEN,
    ),
}


def _with_torch(table: Table) -> Table:
    """Return rows that name PyTorch among what they need."""
    return {
        name: replace(spec, needs=("torch", *spec.needs), extra=spec.extra or "torch")
        for name, spec in table.items()
    }


MODELS: Table = BASIC | _with_torch(
    RITM | FBRS | SAM | FCANET | FORTE | GUIDED | SIMPLECLICK | FOCALCLICK | HANDOVER | VOLUMES
)
"""Every model by name. Adding one is one adapter file and one row in its family's table."""
