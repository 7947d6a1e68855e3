"""The SAM family, and pairs whose first answer is SAM's."""

from napari_intseg.core.prompts import PromptKind
from napari_intseg.models.spec import CLICKS_BOX, CLICKS_BOX_MASK, ModelSpec, Table

_ROOM = "napari_intseg.models"
_SAM, _MEDSAM, _HQ = "arXiv:2304.02643", "arXiv:2304.12306", "arXiv:2306.01567"
_MOBILE, _EFFICIENT, _SAM2 = "arXiv:2306.14289", "arXiv:2312.00863", "arXiv:2408.00714"

THEN = "-then-"
"""Between the names of two models it names the one that begins with the first and goes on with the
second, see `models/handover.py`; any pair can be named so, whether it is listed or not."""

DEFAULT_PAIR = ("sam-vit-b", "ritm-hrnet18s")

_LISTED: tuple[tuple[str, str, str, str, frozenset[PromptKind]], ...] = (
    # name, adapter, title, paper, prompts
    ("sam-vit-b", "sam", "SAM ViT-B", _SAM, CLICKS_BOX_MASK),
    ("sam-vit-l", "sam", "SAM ViT-L", _SAM, CLICKS_BOX_MASK),
    ("sam-vit-h", "sam", "SAM ViT-H", _SAM, CLICKS_BOX_MASK),
    ("medsam", "sam", "MedSAM (ViT-B)", _MEDSAM, CLICKS_BOX_MASK),
    ("sam-finetuned", "sam", "SAM fine-tuned, e.g. micro-sam (any size)", _SAM, CLICKS_BOX_MASK),
    ("sam-hq-vit-b", "sam", "SAM-HQ ViT-B", _HQ, CLICKS_BOX_MASK),
    ("sam-hq-vit-tiny", "mobile_sam", "SAM-HQ tiny (for a CPU)", _HQ, CLICKS_BOX_MASK),
    ("mobile-sam", "mobile_sam", "MobileSAM (for a CPU)", _MOBILE, CLICKS_BOX_MASK),
    ("efficient-sam-vitt", "efficient_sam", "EfficientSAM ViT-T (for a CPU)", _EFFICIENT,
     CLICKS_BOX),
    ("efficient-sam-vits", "efficient_sam", "EfficientSAM ViT-S (for a CPU)", _EFFICIENT,
     CLICKS_BOX),
    ("sam2.1-tiny", "sam2", "SAM 2.1 tiny", _SAM2, CLICKS_BOX_MASK),
    ("sam2.1-small", "sam2", "SAM 2.1 small", _SAM2, CLICKS_BOX_MASK),
    ("sam2.1-base-plus", "sam2", "SAM 2.1 base plus", _SAM2, CLICKS_BOX_MASK),
    ("sam2.1-large", "sam2", "SAM 2.1 large", _SAM2, CLICKS_BOX_MASK),
)  # fmt: skip

SAM: Table = {
    name: ModelSpec(
        f"{_ROOM}.{adapter}:build",
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
