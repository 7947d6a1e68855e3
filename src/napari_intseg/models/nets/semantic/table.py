"""Which semantic networks there are; none is imported before it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from napari_intseg.errors import UnknownModelError

_HERE = "napari_intseg.models.nets.semantic"
MOST_CLASSES = 1024
"""ImageNet-S has 919, the largest published set of classes for pixels."""


@dataclass(frozen=True, slots=True)
class SemanticSpec:
    """A network by where it is built.

    Parameters
    ----------
    title : str
    builder : str
        ``module:class`` below this package; called with the number of classes and the width.
    paper : str
    options : mapping
        Further arguments of the class.
    """

    title: str
    builder: str
    paper: str
    options: Mapping[str, Any] = field(default_factory=dict)


NETWORKS: dict[str, SemanticSpec] = {
    "unet": SemanticSpec("U-Net", "unets:UNet", "arXiv:1505.04597"),
    "unet++": SemanticSpec("UNet++", "unets:UNetPlusPlus", "arXiv:1807.10165"),
    "unext": SemanticSpec("UNeXt", "unets:UNeXt", "arXiv:2203.04967"),
    "fcn": SemanticSpec("FCN-8s", "vggs:FCN", "arXiv:1411.4038"),
    "fcn-32s": SemanticSpec("FCN-32s", "vggs:FCN", "arXiv:1411.4038", {"finest": 32}),
    "segnet": SemanticSpec("SegNet", "vggs:SegNet", "arXiv:1511.00561"),
    "parsenet": SemanticSpec("ParseNet", "vggs:ParseNet", "arXiv:1506.04579"),
    "deeplab-v1": SemanticSpec("DeepLab v1", "vggs:DeepLabV1", "arXiv:1412.7062"),
    "deeplab-v2": SemanticSpec("DeepLab v2", "pyramids:DeepLabV2", "arXiv:1606.00915"),
    "deeplab-v3": SemanticSpec("DeepLab v3", "pyramids:DeepLabV3", "arXiv:1706.05587"),
    "deeplab-v3+": SemanticSpec("DeepLab v3+", "pyramids:DeepLabV3Plus", "arXiv:1802.02611"),
    "pspnet": SemanticSpec("PSPNet", "pyramids:PSPNet", "arXiv:1612.01105"),
    "fastfcn": SemanticSpec("FastFCN", "pyramids:FastFCN", "arXiv:1903.11816"),
    "enet": SemanticSpec("ENet", "enet:ENet", "arXiv:1606.02147"),
    "refinenet": SemanticSpec("RefineNet", "cascades:RefineNet", "arXiv:1611.06612"),
    "icnet": SemanticSpec("ICNet", "cascades:ICNet", "arXiv:1704.08545"),
    "hrnet": SemanticSpec("HRNet", "cascades:HRNetSemantic", "arXiv:1908.07919"),
    "hrnet-ocr": SemanticSpec(
        "HRNet with OCR", "cascades:HRNetSemantic", "arXiv:1909.11065", {"context": True}
    ),
    "bisenet": SemanticSpec("BiSeNet", "attentions:BiSeNet", "arXiv:1808.00897"),
    "pan": SemanticSpec("PAN", "attentions:PAN", "arXiv:1805.10180"),
    "dfn": SemanticSpec("DFN", "attentions:DFN", "arXiv:1804.09337"),
}
"""By name. Adding one is a class and one line."""


def find_network(name: str) -> SemanticSpec:
    """Return a network by name.

    Raises
    ------
    UnknownModelError
        If there is none.
    """
    if name not in NETWORKS:
        raise UnknownModelError(
            f"network is unknown: expected one of {', '.join(NETWORKS)}, got {name!r}. "
            "Choose one of them."
        )
    return NETWORKS[name]


def build_network(name: str, classes: int, width: float = 1.0) -> Any:
    """Return an untrained network.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    classes : int
        Background included.
    width : float, default 1.0
        Share of the published channels, above 0 to 1.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    ValueError
        If a number is out of range.
    """
    spec = find_network(name)
    if not 2 <= classes <= MOST_CLASSES or not 0 < width <= 1:
        raise ValueError(
            f"network cannot be built: expected 2 to {MOST_CLASSES} classes and a width up to 1, "
            f"got {classes!r} and {width!r}. Choose others."
        )
    module, made = spec.builder.split(":")
    return getattr(import_module(f"{_HERE}.{module}"), made)(classes, width, **spec.options)
