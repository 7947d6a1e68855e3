"""What the registry knows of a model; names are dotted strings, so torch stays unloaded."""

from dataclasses import dataclass
from importlib.util import find_spec

from napari_intseg.core.prompts import PromptKind
from napari_intseg.core.segmenter import CLICKS
from napari_intseg.errors import WeightsError

CLICKS_MASK: frozenset[PromptKind] = frozenset({"click", "mask"})
CLICKS_BOX: frozenset[PromptKind] = frozenset({"click", "box"})
CLICKS_BOX_MASK: frozenset[PromptKind] = frozenset({"click", "box", "mask"})

Table = dict[str, "ModelSpec"]
"""Models by name."""


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
            from napari_intseg.models.registry import find_model

            return all(find_model(part).has_weights for part in self.parts)
        from napari_intseg.models.weights import locate

        try:
            locate(self.weights)
        except WeightsError:
            return False
        return True
