"""Read FocalClick's published checkpoints; their configuration says which network they are."""

from pathlib import Path
from typing import Any

from napari_intseg.errors import WeightsError
from napari_intseg.models.nets.focal_click import FocalClickNet, FocalHRNet, FocalSegFormer
from napari_intseg.models.nets.segformer import SIZES
from napari_intseg.models.ritm_config import (
    COMMON,
    HRNET,
    Known,
    click_input,
    load_published,
    read_params,
)

_SHARED: Known = COMMON | {
    "pipeline_version": (lambda v: v in ("s1", "s2"), "s1"),
    "feature_stride": (lambda v: v == 4, 4),
    "use_rgb_conv": (lambda v: v is False, False),
    "use_disks": (lambda v: v is True, True),
    "click_maps": (lambda v: v in (None, "disk"), None),
    "prev_map": (lambda v: v in (None, "probability"), None),
    "conv_extend": (lambda v: v is False, False),
    "with_prev_mask": (lambda v: v is True, True),
}
# names in the files, compared as text; nothing is ever imported by them
_CLASSES: dict[str, Known] = {
    "isegm.model.is_hrnet_model.HRNetModel": _SHARED
    | HRNET
    | {"ocr_width": (lambda v: isinstance(v, int) and v > 0, 256)},
    "isegm.model.is_segformer_model.SegFormerModel": _SHARED
    | {"model_version": (lambda v: v in SIZES, "b0")},
}


def load_focalclick(path: Path) -> FocalClickNet:
    """Return the network of a published checkpoint; see `load_published`."""
    return load_published(path, "FocalClick", net_of_config)


def net_of_config(config: Any, path: Path) -> FocalClickNet:
    """Return the network, with random weights, that a checkpoint's configuration describes.

    Parameters
    ----------
    config : dict
        ``{"class": dotted name, "params": {name: {"type", "value", "specified"}}}``.
    path : Path
        The file it comes from, for messages.

    Raises
    ------
    WeightsError
        If the class, a parameter or a value is not known, or there is no pipeline version.
    """
    name = config.get("class") if isinstance(config, dict) else None
    params = config.get("params") if isinstance(config, dict) else None
    known = _CLASSES.get(name) if isinstance(name, str) else None
    if known is None or not isinstance(params, dict) or "pipeline_version" not in params:
        raise WeightsError(
            f"weights are not of FocalClick: expected a configuration of {', '.join(_CLASSES)} "
            f"with a 'pipeline_version', got {name!r} in {str(path)!r}. "
            "Choose the model that this file belongs to."
        )
    values = read_params(params, known, path)
    halved = values["pipeline_version"] == "s1"
    if "model_version" in values:
        return FocalSegFormer(click_input(values), size=values["model_version"], halved=halved)
    return FocalHRNet(
        click_input(values),
        width=values["width"],
        ocr_width=values["ocr_width"],
        small=values["small"],
        halved=halved,
    )
