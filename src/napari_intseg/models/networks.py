"""Networks that `napari-intseg train` builds; names are dotted strings, so torch stays unloaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

from napari_intseg.errors import UnknownModelError

UNPROVEN = "built from the paper, unproven"
"""No output of the authors' code could be compared with."""

DEFAULT_NETWORK = "click-pyramid"

_NETS = "napari_intseg.models.nets"


@dataclass(frozen=True, slots=True)
class Network:
    """A network that can be trained here, and whose weights file becomes a model.

    Parameters
    ----------
    name : str
        As `train --network` takes it.
    title : str
        What people read.
    builder : str
        ``"package.module:Class"``.
    architecture : str
        What the weights file names; its number changes when old files no longer fit.
    paper : str
        An arXiv number or a DOI.
    settings : mapping
        How it is built for training unless the weights file says otherwise: sizes that a person's
        machine can train.
    """

    name: str
    title: str
    builder: str
    architecture: str
    paper: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, settings: Mapping[str, Any] | None = None) -> Any:
        """Return the network with random weights; `settings` instead of its own."""
        module, kind = self.builder.split(":")
        chosen = self.settings if settings is None else settings
        return getattr(import_module(module), kind)(**chosen)


def _from_paper(name: str, what: str, builder: str, paper: str, **settings: Any) -> Network:
    title = f"{what}; {UNPROVEN}"
    return Network(
        name, title, f"{_NETS}.{builder}", f"{name}-1", paper, MappingProxyType(settings)
    )


# narrower than published: what a person's machine can train, see `Network`
NETWORKS: Mapping[str, Network] = MappingProxyType({
    network.name: network
    for network in (
        Network(
            DEFAULT_NETWORK, "Click pyramid, the bundled network",
            f"{_NETS}.click_pyramid:ClickPyramid", "click-pyramid-1",
            "arXiv:2102.06583, arXiv:2404.00741",
        ),
        _from_paper(
            "dios-fcn8s", "Deep interactive object selection, FCN-8s", "earlier_nets:DiosNet",
            "arXiv:1603.04042", stride=8, width=16, hidden=256,
        ),
        _from_paper(
            "dios-fcn16s", "Deep interactive object selection, FCN-16s", "earlier_nets:DiosNet",
            "arXiv:1603.04042", stride=16, width=16, hidden=256,
        ),
        _from_paper(
            "ris-net", "RIS-Net, regions between clicks", "earlier_nets:RisNet",
            "Liew et al., ICCV 2017", width=16,
        ),
        Network(
            "itis", "ITIS, DeepLabV3+ with distances to the mask; unproven on residual networks",
            f"{_NETS}.earlier_nets:ItisNet", "itis-1", "arXiv:1805.04398",
            MappingProxyType({"backbone": "resnet34", "width": 64}),
        ),
        Network(
            "latent-diversity",
            "Latent diversity, six answers at once; the code's choice among them is unproven",
            f"{_NETS}.earlier_nets:LatentDiversityNet", "latent-diversity-1",
            "Li et al., CVPR 2018", MappingProxyType({"width": 16, "hidden": 32}),
        ),
        _from_paper(
            "fctsfn", "FCTSFN, two streams fused late", "earlier_nets:FctsfnNet",
            "arXiv:1807.02480", width=16,
        ),
        _from_paper(
            "delse", "DELSE, level set evolution", "earlier_nets:DelseNet",
            "Wang et al., CVPR 2019", backbone="resnet34", width=64,
        ),
        _from_paper(
            "disir", "DISIR, annotations as channels of LinkNet", "earlier_nets:DisirNet",
            "arXiv:2003.14200", width=32,
        ),
        Network(
            "edgeflow", "EdgeFlow, guided by edges; how the previous edge is drawn is unproven",
            f"{_NETS}.edge_flow_net:EdgeFlowNet", "edgeflow-1", "arXiv:2109.09406",
            MappingProxyType({"width": 18, "ocr_width": 48, "small": True}),
        ),
    )
})  # fmt: skip


REVOLVER = Network(
    "revolver", "Guided networks (revolver), late guidance on VGG-16",
    f"{_NETS}.earlier_nets:RevolverNet", "revolver-1", "arXiv:1806.07373",
)  # fmt: skip
"""Of published files alone; `guide` and its kin take them, none is a click model."""


def find_network(name: str) -> Network:
    """Return a network by its name.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    """
    if name not in NETWORKS:
        raise UnknownModelError(
            f"network is unknown: expected one of {', '.join(NETWORKS)}, got {name!r}. "
            "`napari-intseg models --networks` lists them."
        )
    return NETWORKS[name]


def network_of(architecture: str | None) -> Network | None:
    """Return the network that a weights file names; None if it is none of ours."""
    return next((n for n in NETWORKS.values() if n.architecture == architecture), None)


MOST_CLASSES = 1024
"""ImageNet-S has 919, the largest published set of classes for pixels."""


@dataclass(frozen=True, slots=True)
class SemanticSpec:
    """A network that names the class of every pixel, by where it is built.

    Parameters
    ----------
    title : str
    builder : str
        ``module:class`` in `models/nets`; called with the number of classes and the width.
    paper : str
    options : mapping
        Further arguments of the class.
    """

    title: str
    builder: str
    paper: str
    options: Mapping[str, Any] = field(default_factory=dict)


SEMANTIC_NETWORKS: dict[str, SemanticSpec] = {
    "unet": SemanticSpec("U-Net", "semantic_decoders:UNet", "arXiv:1505.04597"),
    "unet++": SemanticSpec("UNet++", "semantic_decoders:UNetPlusPlus", "arXiv:1807.10165"),
    "unext": SemanticSpec("UNeXt", "semantic_decoders:UNeXt", "arXiv:2203.04967"),
    "fcn": SemanticSpec("FCN-8s", "semantic_decoders:FCN", "arXiv:1411.4038"),
    "fcn-resnet": SemanticSpec("FCN on ResNet", "semantic_context:SceneFCN", "arXiv:1411.4038"),
    "fcn-32s": SemanticSpec("FCN-32s", "semantic_decoders:FCN", "arXiv:1411.4038", {"finest": 32}),
    "segnet": SemanticSpec(f"SegNet; {UNPROVEN}", "semantic_decoders:SegNet", "arXiv:1511.00561"),
    "parsenet": SemanticSpec(
        f"ParseNet; {UNPROVEN}", "semantic_decoders:ParseNet", "arXiv:1506.04579"
    ),
    "deeplab-v1": SemanticSpec(
        f"DeepLab v1; {UNPROVEN}", "semantic_decoders:DeepLabV1", "arXiv:1412.7062"
    ),
    "deeplab-v2": SemanticSpec("DeepLab v2", "semantic_context:DeepLabV2", "arXiv:1606.00915"),
    "deeplab-v3": SemanticSpec("DeepLab v3", "semantic_context:DeepLabV3", "arXiv:1706.05587"),
    "deeplab-v3+": SemanticSpec(
        "DeepLab v3+", "semantic_context:DeepLabV3Plus", "arXiv:1802.02611"
    ),
    "pspnet": SemanticSpec("PSPNet", "semantic_context:PSPNet", "arXiv:1612.01105"),
    "fastfcn": SemanticSpec("FastFCN", "semantic_context:FastFCN", "arXiv:1903.11816"),
    "enet": SemanticSpec("ENet", "semantic_decoders:ENet", "arXiv:1606.02147"),
    "refinenet": SemanticSpec("RefineNet", "semantic_context:RefineNet", "arXiv:1611.06612"),
    "icnet": SemanticSpec("ICNet", "semantic_context:ICNet", "arXiv:1704.08545"),
    "hrnet": SemanticSpec("HRNet", "semantic_context:HRNetSemantic", "arXiv:1908.07919"),
    "hrnet-ocr": SemanticSpec(
        "HRNet with OCR", "semantic_context:HRNetSemantic", "arXiv:1909.11065", {"context": True}
    ),
    "bisenet": SemanticSpec("BiSeNet", "semantic_context:BiSeNet", "arXiv:1808.00897"),
    "upernet": SemanticSpec("UPerNet", "semantic_context:UPerNet", "arXiv:1807.10221"),
    "prm": SemanticSpec(
        "PRM, peaks of classes and what they come from",
        "semantic_decoders:PeakNet",
        "arXiv:1804.00880",
    ),
    "pan": SemanticSpec("PAN", "semantic_context:PAN", "arXiv:1805.10180"),
    "dfn": SemanticSpec("DFN", "semantic_context:DFN", "arXiv:1804.09337"),
    "disir-classes": SemanticSpec(
        f"DISIR, annotations of classes as channels of LinkNet; {UNPROVEN}",
        "earlier_nets:DisirClasses",
        "arXiv:2003.14200",
    ),
}
"""By name. Adding one is a class and one line."""


def find_semantic(name: str) -> SemanticSpec:
    """Return a network by name.

    Raises
    ------
    UnknownModelError
        If there is none.
    """
    if name not in SEMANTIC_NETWORKS:
        raise UnknownModelError(
            f"network is unknown: expected one of {', '.join(SEMANTIC_NETWORKS)}, got {name!r}. "
            "Choose one of them."
        )
    return SEMANTIC_NETWORKS[name]


_GRID = {"stride": 16, "grid": (2, 4, 8)}
# pyramid of mmsegmentation's DeepLab heads at stride 8
_WIDE = {"rates": (12, 24, 36), "size": 3}
_NARROW = {"stem": "narrow"}

LAYOUTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "semseg": {"pspnet": {"corners": True, "trunk": {"at_once": True}}},
    "torchseg": {
        "pspnet": {"corners": True},
        "fcn-resnet": {"corners": True, "trunk": {"stride": 32, "stem": "wide"}},
        "dfn": {"corners": True, "published": True, "trunk": {"stem": "wide"}},
        "bisenet": {"corners": True, "late": "bilinear"},
    },
    "vedaseg": {
        "pspnet": {"corners": True, "trunk": {"stem": "plain", "at_once": True}},
        "deeplab-v3": {"corners": True, "trunk": _GRID},
        "deeplab-v3+": {"corners": True, "trunk": _GRID},
    },
    "mmsegmentation": {
        "fcn-resnet": {"corners": False, "convs": 2, "joined": True, "trunk": _NARROW},
        "pspnet": {"corners": False, "trunk": _NARROW},
        "deeplab-v3": {
            "corners": False, "hidden": 512, "convs": 0, "pyramid": _WIDE,
            "trunk": {"stride": 8, "stem": "narrow"},
        },
        "deeplab-v3+": {
            "corners": False, "hidden": 512, "split": True, "pyramid": {**_WIDE, "split": True},
            "trunk": {"stride": 8, "stem": "narrow"},
        },
        "fastfcn": {"context": "pooling", "trunk": {"stem": "narrow", "dilations": (1, 1, 2, 4)}},
        "upernet": {"trunk": _NARROW},
        "icnet": {"fuller": True, "trunk": {"stem": "narrow", "ceil": True}},
        "hrnet": {"corners": False},
        "hrnet-ocr": {"corners": False},
        "bisenet": {"corners": False, "late": "nearest", "short_gate": True, "hidden": 256},
    },
    # by the paper's author: Caffe's network in PyTorch
    "revolver": {"fcn-32s": {"finest": 32, "published": True}},
    # ports of the authors' networks in Caffe, which their weights were converted for
    "pytorch-fcn": {"fcn": {"published": True}},
    "deeplab-pytorch": {
        "deeplab-v2": {"published": True, "trunk": {"at_once": True, "ceil": "caffe"}}
    },
    # a library; PAN's authors published no code
    "segmentation-models": {"pan": {"published": True, "trunk": {"at_once": True}}},
    "unext": {"unext": {"published": True}},
    "nested-unet": {"unet++": {"published": True}, "unet": {"published": True}},
    "pytorch-enet": {"enet": {"published": True}},
    "disir": {"disir-classes": {"published": True}},
    "prm": {"prm": {}},
    "refinenet-pytorch": {"refinenet": {"chain": 4, "units": 3, "corners": True}},
})  # fmt: skip
"""How other projects build networks of this list, where that differs from ours."""

SIZES: Mapping[str, tuple[Any, ...]] = MappingProxyType({
    "depth": (18, 34, 50, 101, 152),
    "branch": (18, 32, 48),
    "small": (False, True),
    "context": ("pooling", "joined pyramid"),
    "stem": ("plain", "narrow", "wide"),
    "stride": (8, 16, 32),
    "grid": ((), (1, 2, 4), (2, 4, 8)),
})  # fmt: skip
"""What published files of one layout differ in, and the values that are taken."""

_OF_TRUNK = frozenset({"stem", "stride", "grid"})


@dataclass(frozen=True, slots=True)
class NetworkLayout:
    """How a published file's network is built.

    Parameters
    ----------
    project : str
        One of `LAYOUTS`.
    sizes : mapping
        Some of `SIZES`.
    """

    project: str
    sizes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def on_corners(self) -> bool:
        """Whether its images have a pixel more than a multiple of their stride."""
        return self.project in ("semseg", "vedaseg")

    def options(self, name: str) -> dict[str, Any]:
        """Return the arguments of a network's class.

        Raises
        ------
        ValueError
            If the project has no such network, or a size is none that is published.
        """
        known = LAYOUTS.get(self.project, {})
        if name not in known:
            raise ValueError(
                f"layout is unknown: expected one of {', '.join(known) or 'none'} of "
                f"{self.project!r}, got {name!r}. Choose another network."
            )
        out = dict(known[name])
        trunk = dict(out.get("trunk", {}))
        for key, told in self.sizes.items():
            value = tuple(told) if isinstance(told, list) else told
            if key not in SIZES or not any(value is v or value == v for v in SIZES[key]):
                raise ValueError(
                    f"size is unknown: expected one of {SIZES.get(key, tuple(SIZES))}, got "
                    f"{key}={value!r}. Choose another."
                )
            (trunk if key in _OF_TRUNK else out)[key] = value
        if out.get("hidden") == 512 and trunk["stride"] == 16:
            # half the stride, half the rates
            out["pyramid"] = {**out["pyramid"], "rates": (6, 12, 18)}
        return {**out, "trunk": trunk} if trunk else out


def build_semantic(
    name: str, classes: int, width: float = 1.0, layout: NetworkLayout | None = None
) -> Any:
    """Return an untrained network.

    Parameters
    ----------
    name : str
        One of `SEMANTIC_NETWORKS`.
    classes : int
        Background included.
    width : float, default 1.0
        Share of the published channels, above 0 to 1.
    layout : NetworkLayout, optional
        How another project builds it.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    ValueError
        If a number is out of range.
    """
    spec = find_semantic(name)
    if not 2 <= classes <= MOST_CLASSES or not 0 < width <= 1:
        raise ValueError(
            f"network cannot be built: expected 2 to {MOST_CLASSES} classes and a width up to 1, "
            f"got {classes!r} and {width!r}. Choose others."
        )
    module, made = spec.builder.split(":")
    options = {**spec.options, **(layout.options(name) if layout is not None else {})}
    return getattr(import_module(f"{_NETS}.{module}"), made)(classes, width, **options)
