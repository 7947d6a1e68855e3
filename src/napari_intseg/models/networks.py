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


NETWORKS: Mapping[str, Network] = MappingProxyType({
    network.name: network
    for network in (
        Network(
            DEFAULT_NETWORK, "Click pyramid, the bundled network",
            f"{_NETS}.click_pyramid:ClickPyramid", "click-pyramid-1",
            "arXiv:2102.06583, arXiv:2404.00741",
        ),
        _from_paper(
            "dios-fcn8s", "Deep interactive object selection, FCN-8s", "dios_net:DiosNet",
            "arXiv:1603.04042", stride=8, width=16, hidden=256,
        ),
        _from_paper(
            "dios-fcn16s", "Deep interactive object selection, FCN-16s", "dios_net:DiosNet",
            "arXiv:1603.04042", stride=16, width=16, hidden=256,
        ),
        _from_paper(
            "ris-net", "RIS-Net, regions between clicks", "ris_net:RisNet",
            "Liew et al., ICCV 2017", width=16,
        ),
        _from_paper(
            "itis", "ITIS, DeepLabV3+ with distances to the mask", "itis_net:ItisNet",
            "arXiv:1805.04398", backbone="resnet34", width=64,
        ),
        _from_paper(
            "fctsfn", "FCTSFN, two streams fused late", "fctsfn_net:FctsfnNet",
            "arXiv:1807.02480", width=16,
        ),
        _from_paper(
            "delse", "DELSE, level set evolution", "delse_net:DelseNet",
            "Wang et al., CVPR 2019", backbone="resnet34", width=64,
        ),
        _from_paper(
            "disir", "DISIR, annotations as channels of LinkNet", "disir_net:DisirNet",
            "arXiv:2003.14200", width=32,
        ),
        Network(
            "edgeflow", "EdgeFlow, guided by edges; how the previous edge is drawn is unproven",
            f"{_NETS}.edge_flow_net:EdgeFlowNet", "edgeflow-1", "arXiv:2109.09406",
            MappingProxyType({"width": 18, "ocr_width": 48, "small": True}),
        ),
    )
})  # fmt: skip


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
