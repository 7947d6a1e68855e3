"""Networks of clicks: RITM, BRS and f-BRS, SimpleClick, FocalClick, FCANet and Forte et al."""

from napari_intseg.core.prompts import PromptKind
from napari_intseg.core.segmenter import CLICKS
from napari_intseg.models.spec import CLICKS_MASK, ModelSpec, Table

_ROOM = "napari_intseg.models"
_RITM, _FBRS = "arXiv:2102.06583", "arXiv:2001.10331"


def _ritm(weights: str, title: str, prompts: frozenset[PromptKind] = CLICKS_MASK) -> ModelSpec:
    return ModelSpec(f"{_ROOM}.ritm:build", title, "ritm", prompts, weights, "MIT", _RITM)


def _refined(weights: str, title: str) -> ModelSpec:
    title = f"RITM {title}, refined by f-BRS-B"
    return ModelSpec(f"{_ROOM}.brs:build", title, "ritm", CLICKS_MASK, weights, "MIT", _FBRS)


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
        "RITM HRNet-18s, learning from corrections",
        "ritm",
        CLICKS_MASK,
        "ritm-hrnet18s",
        "MIT",
        "arXiv:1911.12709",
        note="built from the paper, without a reference output to compare with: unproven",
    ),
}

FBRS: Table = {
    name: ModelSpec(f"{_ROOM}.fbrs:build", f"f-BRS {title}", "fbrs", CLICKS, name, "MPL-2.0", _FBRS)
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
        f"{_ROOM}.simpleclick:build",
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
