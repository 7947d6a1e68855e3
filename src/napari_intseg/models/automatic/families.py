"""Families of automatic models whose results clicks can correct; nothing heavy is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from napari_intseg.errors import UnknownModelError

Gives = Literal["instances", "detections", "classes", "texts", "boxes"]


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of a family without loading it.

    Parameters
    ----------
    name : str
        What people type.
    title : str
        What people read.
    model_type : str
        What the ``config.json`` of its folders says.
    loader : str
        Class of `transformers` that reads such a folder.
    gives : {"instances", "detections", "classes", "texts", "boxes"}
        Objects apart that share the pixels, or each with a mask of its own; one mask a class, one
        mask a text, or boxes for a text, which a model that takes boxes turns to masks.
    threshold : float
        Objects below this score are left out; of "texts", pixels below this probability.
    licence : str
        Of the published weights; a folder of one's own may have another.
    paper : str
        An arXiv number.
    note : str
        A restriction worth telling before use.
    """

    name: str
    title: str
    model_type: str
    loader: str
    gives: Gives
    threshold: float
    licence: str
    paper: str
    note: str = ""

    @property
    def takes_text(self) -> bool:
        """Whether it must be told in words what to look for."""
        return self.gives in ("texts", "boxes")


_BY_TYPE: dict[str, tuple[str, Gives]] = {
    "beit": ("BeitForSemanticSegmentation", "classes"),
    "data2vec-vision": ("Data2VecVisionForSemanticSegmentation", "classes"),
    "dpt": ("DPTForSemanticSegmentation", "classes"),
    "mobilenet_v2": ("MobileNetV2ForSemanticSegmentation", "classes"),
    "mobilevit": ("MobileViTForSemanticSegmentation", "classes"),
    "mobilevitv2": ("MobileViTV2ForSemanticSegmentation", "classes"),
    "detr": ("DetrForSegmentation", "instances"),
    "eomt": ("EomtForUniversalSegmentation", "instances"),
    "eomt_dinov3": ("EomtDinov3ForUniversalSegmentation", "instances"),
    "oneformer": ("OneFormerForUniversalSegmentation", "instances"),
    "rf_detr": ("RfDetrForInstanceSegmentation", "detections"),
}
"""Loader and output by what a ``config.json`` says, of folders that no entry below speaks of."""

SQUARE = frozenset({"eomt", "eomt_dinov3", "rf_detr"})
"""Types whose networks take images of one size alone, that of their configuration."""


def is_installed() -> bool:
    """Whether the package that reads all of them is there."""
    return find_spec("transformers") is not None


_FAMILIES = (
    Family("mask2former", "Mask2Former", "mask2former", "Mask2FormerForUniversalSegmentation",
           "instances", 0.5, "MIT", "arXiv:2112.01527"),
    Family("maskformer", "MaskFormer", "maskformer", "MaskFormerForInstanceSegmentation",
           "instances", 0.5, "CC-BY-NC-4.0", "arXiv:2107.06278", "not for commercial use"),
    Family("segformer", "SegFormer", "segformer", "SegformerForSemanticSegmentation", "classes",
           0.0, "NVIDIA Source Code License", "arXiv:2105.15203",
           "NVIDIA source licence: research and evaluation only"),
    Family("upernet", "UPerNet", "upernet", "UperNetForSemanticSegmentation", "classes", 0.0,
           "MIT", "arXiv:1807.10221"),
    Family("clipseg", "CLIPSeg (by text)", "clipseg", "CLIPSegForImageSegmentation", "texts", 0.4,
           "Apache-2.0", "arXiv:2112.10003"),
    Family("grounding-dino", "Grounding DINO (boxes by text, then SAM)", "grounding-dino",
           "GroundingDinoForObjectDetection", "boxes", 0.25, "Apache-2.0", "arXiv:2303.05499"),
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in _FAMILIES}
"""Every family by name. One that `transformers` reads the same way is one entry above."""


def find_family(name: str) -> Family:
    """Return a family by name.

    Raises
    ------
    UnknownModelError
        If there is none.
    """
    if name not in FAMILIES:
        raise UnknownModelError(
            f"automatic model is unknown: expected one of {', '.join(FAMILIES)}, got {name!r}. "
            "`napari-intseg models --automatic` tells more of each."
        )
    return FAMILIES[name]


def family_of_type(model_type: str, architectures: Sequence[str] = ()) -> Family:
    """Return the family of a folder by what its ``config.json`` says.

    Parameters
    ----------
    model_type : str
    architectures : sequence of str
        Classes of `transformers` that the weights are of; types that are not listed here are taken
        if one of these ends in "ForSemanticSegmentation".

    Raises
    ------
    UnknownModelError
        If nothing here reads its output.
    """
    known = next((one for one in _FAMILIES if one.model_type == model_type), None)
    if known is not None:
        return known
    loader, gives = _BY_TYPE.get(model_type, ("", "classes"))
    ending = "ForSemanticSegmentation"
    loader = loader or next((str(a) for a in architectures if str(a).endswith(ending)), "")
    if not loader.isidentifier():
        types = ", ".join(sorted({*_BY_TYPE, *(one.model_type for one in _FAMILIES)}))
        raise UnknownModelError(
            f"automatic model is unknown: expected one of {types}, or one for semantic "
            f"segmentation, got {model_type!r} for {', '.join(architectures) or 'nothing'}. Export "
            "it to ONNX and describe its output."
        )
    threshold = 0.0 if gives == "classes" else 0.5
    return Family(
        model_type, loader, model_type, loader, gives, threshold, "as its folder says", ""
    )
