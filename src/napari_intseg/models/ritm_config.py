"""Read RITM's published checkpoints: the configuration in them says which network they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

from torch import nn

from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.nets.click_maps import MapKind
from napari_intseg.models.nets.click_net import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClickInput,
    ClickNet,
    DeepLabClicks,
    HRNetClicks,
)
from napari_intseg.models.nets.prev_maps import PrevKind
from napari_intseg.models.nets.resnet import BACKBONES

_NORMS = (
    "torch.nn.modules.batchnorm.BatchNorm2d",
    "torch.nn.modules.batchnorm.SyncBatchNorm",
)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_norm(value: Any) -> bool:
    return value in _NORMS


def _is_mean_std(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(isinstance(numbers, (list, tuple)) and len(numbers) == 3 for numbers in value)
        and all(_is_number(number) and number > 0 for numbers in value for number in numbers)
    )


Net = TypeVar("Net", bound=nn.Module)
Known = dict[str, tuple[Callable[[Any], bool], Any]]
# name: (what is allowed, value where the file does not say)
COMMON: Known = {
    "use_rgb_conv": (_is_flag, True),
    "with_aux_output": (_is_flag, False),
    "norm_radius": (lambda v: _is_number(v) and v > 0, 260),
    "use_disks": (_is_flag, False),
    "cpu_dist_maps": (_is_flag, False),
    # ours, for networks trained on the encodings of other papers; it goes before `use_disks`
    "click_maps": (lambda v: v is None or v in get_args(MapKind), None),
    # ours too: how a network after ITIS is told the previous mask
    "prev_map": (lambda v: v is None or v in get_args(PrevKind), None),
    "clicks_groups": (lambda v: v is None, None),
    "with_prev_mask": (_is_flag, False),
    "use_leaky_relu": (_is_flag, False),
    "binary_prev_mask": (_is_flag, False),
    "conv_extend": (_is_flag, False),
    "norm_layer": (_is_norm, _NORMS[0]),
    "norm_mean_std": (_is_mean_std, (IMAGENET_MEAN, IMAGENET_STD)),
    "backbone_lr_mult": (_is_number, 0.1),
}
HRNET: Known = {
    "width": (lambda v: _is_whole(v) and v > 0, 48),
    "ocr_width": (_is_whole, 256),
    "small": (_is_flag, False),
}
_DEEPLAB: Known = {
    "backbone": (lambda v: v in BACKBONES, "resnet50"),
    "deeplab_ch": (lambda v: _is_whole(v) and v > 1, 256),
    "aspp_dropout": (lambda v: _is_number(v) and v < 1, 0.5),
    "backbone_norm_layer": (lambda v: v is None or _is_norm(v), None),
}
# names in the files, compared as text; nothing is ever imported by them
_CLASSES = {
    "isegm.model.is_hrnet_model.HRNetModel": COMMON | HRNET,
    "isegm.model.is_deeplab_model.DeeplabModel": COMMON | _DEEPLAB,
}


def load_ritm(path: Path) -> ClickNet:
    """Return the network of a published checkpoint; see `load_published`."""
    return load_published(path, "RITM", net_of_config)


def load_published(path: Path, family: str, net_of_config: Callable[[Any, Path], Net]) -> Net:
    """Return the network that a checkpoint describes, loaded, in evaluation mode.

    Parameters
    ----------
    path : Path
        A file that holds ``{"state_dict": ..., "config": {"class": ..., "params": ...}}``.
    family : str
        Whose checkpoint is expected, for messages.
    net_of_config : callable
        Makes the network of the configuration and the path.

    Raises
    ------
    WeightsError
        If the file cannot be read safely, has no such entries, names a class, parameter or value
        that is not known, or its weights do not fit the network it describes.
    """
    checkpoint = load_checkpoint(path)
    entries = sorted(map(str, checkpoint)) if isinstance(checkpoint, dict) else []
    if "state_dict" not in entries or "config" not in entries:
        told = ", ".join(entries[:3]) + (", …" if len(entries) > 3 else "")
        raise WeightsError(
            f"weights are of another model: expected the entries 'state_dict' and 'config' of a "
            f"{family} checkpoint, got {told or type(checkpoint).__name__} in {str(path)!r}. "
            "Choose the model that this file belongs to."
        )
    net = net_of_config(checkpoint["config"], path)
    load_strict(net, checkpoint["state_dict"], path)
    net.eval()
    return net


def net_of_config(config: Any, path: Path) -> ClickNet:
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
        If the class, a parameter or a value is not known.
    """
    if not isinstance(config, dict) or not isinstance(config.get("params"), dict):
        raise WeightsError(
            f"weights have a broken configuration: expected the entries 'class' and 'params', got "
            f"{config!r} in {str(path)!r}. Fetch the file again."
        )
    name = config.get("class")
    if not isinstance(name, str) or name not in _CLASSES:
        raise WeightsError(
            f"weights are of an unknown class: expected one of {', '.join(_CLASSES)}, got "
            f"{name!r} in {str(path)!r}. Choose the model that this file belongs to."
        )
    values = read_params(config["params"], _CLASSES[name], path)
    clicks = click_input(values)
    if "width" in values:
        return HRNetClicks(
            clicks, width=values["width"], ocr_width=values["ocr_width"], small=values["small"]
        )
    return DeepLabClicks(
        clicks,
        backbone=values["backbone"],
        width=values["deeplab_ch"],
        dropout=float(values["aspp_dropout"]),
    )


def read_params(params: dict[str, Any], known: Known, path: Path) -> dict[str, Any]:
    """Return the values of a configuration's parameters, the usual ones where it says nothing.

    Parameters
    ----------
    params : dict
        As stored, ``{name: {"type", "value", "specified"}}``.
    known : Known
        What may be there.
    path : Path
        The file it comes from, for messages.

    Raises
    ------
    WeightsError
        If a parameter or a value is not known.
    """
    values = {name: default for name, (_, default) in known.items()}
    for name, param in params.items():
        if name not in known:
            raise WeightsError(
                f"weights have an unknown parameter: expected {', '.join(sorted(known))}, got "
                f"{name!r} in {str(path)!r}. Choose the model that this file belongs to."
            )
        value = param.get("value") if isinstance(param, dict) else param
        is_allowed, default = known[name]
        if not is_allowed(value):
            raise WeightsError(
                f"weights have an unknown value of the parameter {name!r}: expected one like "
                f"{default!r}, got {value!r} in {str(path)!r}. "
                "Choose the model that this file belongs to."
            )
        values[name] = value
    return values


def click_input(values: dict[str, Any]) -> ClickInput:
    """Return how clicks enter, of the values of `COMMON`."""
    mean, std = (tuple(map(float, numbers)) for numbers in values["norm_mean_std"])
    inner: Any = "convolution" if values["conv_extend"] else "branch"
    return ClickInput(
        with_prev=values["with_prev_mask"],
        binary_prev=values["binary_prev_mask"],
        prev=values["prev_map"] or "probability",
        radius=float(values["norm_radius"]),
        maps=values["click_maps"] or ("disk" if values["use_disks"] else "distance"),
        entry="mixer" if values["use_rgb_conv"] else inner,
        leaky=values["use_leaky_relu"],
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
    )
