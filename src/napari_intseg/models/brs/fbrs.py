"""The networks of the f-BRS repository, with refinement at test time.

References
----------
.. [1] Sofiiuk, K., Petrov, I., Barinova, O., Konushin, A. "f-BRS: rethinking backpropagating
       refinement for interactive segmentation", arXiv:2001.10331.
"""

from pathlib import Path
from typing import Literal, cast

from torch import Tensor

from napari_intseg.core.segmenter import CLICKS, Traits, ZoomIn
from napari_intseg.errors import UnknownModelError, WeightsError
from napari_intseg.models.brs.brs import MODES, Brs
from napari_intseg.models.brs.brs import Mode as BrsMode
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision, choose_precision
from napari_intseg.models.nets.click_net import ClickInput, ClickNet, DeepLabClicks, HRNetClicks
from napari_intseg.models.nets.resnet import Backbone
from napari_intseg.models.ritm import Ritm

Mode = Literal["NoBRS"] | BrsMode

PUBLISHED_ZOOM_IN = ZoomIn(skip_clicks=1, target_size=480)
"""Of the published demo: the first click sees the whole slice."""

# as all published networks of the repository were trained
_CLICKS = ClickInput(radius=260.0, maps="distance", entry="mixer", norm_last=True)
# parameters of each backbone at most: what tells them apart in a bare state dict
_DEPTHS: tuple[tuple[int, Backbone], ...] = (
    (181, "resnet34"),
    (276, "resnet50"),
    (531, "resnet101"),
)
# entries of a state dict; the small HRNet has fewer, the others more
_SMALL_HRNET = 1800


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    mode: Mode = "f-BRS-B",
    zoom_in: ZoomIn | None = PUBLISHED_ZOOM_IN,
    flip: bool = True,
    longer_side_px: int | None = 800,
) -> Ritm | Brs:
    """Return a network of f-BRS with a published checkpoint.

    Parameters
    ----------
    name : str
        The name it is registered under; which network it is, the checkpoint says.
    weights : Path
        The checkpoint.
    device : str, default "auto"
        See `choose_device`.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Refinement computes in float32 whatever is asked.
    mode : str, default "f-BRS-B"
        One of `brs.MODES`, or "NoBRS" for the bare network.
    zoom_in : ZoomIn or None
        Which view to take.
    flip : bool, default True
        Average the logits with those of the mirrored view.
    longer_side_px : int or None, default 800
        Views are never larger.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    UnknownModelError
        If the mode is unknown.
    DeviceError
        If the device or precision does not exist.
    """
    if mode != "NoBRS" and mode not in MODES:
        raise UnknownModelError(
            f"refinement is unknown: expected NoBRS or one of {', '.join(MODES)}, got {mode!r}. "
            "f-BRS-B is the usual choice."
        )
    net = load_fbrs(required(weights, name))
    traits = Traits(
        name, CLICKS, resample="probability", threshold=0.49,
        zoom_in=zoom_in, longer_side_px=longer_side_px, flip=flip,
    )  # fmt: skip
    if mode == "NoBRS":
        return Ritm(traits, net, device=device, precision=precision)
    model = Ritm(traits, net, device=device, precision="float32")
    choose_precision(precision, model.device)
    return Brs(model, mode)


def load_fbrs(path: Path) -> ClickNet:
    """Return the network of a checkpoint, which holds parameters by name and nothing else.

    Which network it is follows from names and shapes. Parameters that the network does not have,
    such as those of heads for training, are ignored.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, of another family or unsafe.
    """
    loaded = load_checkpoint(path)
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise _foreign(path, "no bare parameters by name")
    net = _network(cast(dict[str, Tensor], loaded), path)
    known = net.state_dict()
    load_strict(net, {name: value for name, value in loaded.items() if name in known}, path)
    return net.eval()


def _network(state_dict: dict[str, Tensor], path: Path) -> ClickNet:
    if "rgb_conv.3.weight" not in state_dict:
        raise _foreign(path, "no layers that mix clicks and colours")
    if "feature_extractor.ocr_distri_head.conv_bn_dropout.0.weight" in state_dict:
        return _hrnet(state_dict, path)
    return _deeplab(state_dict, path)


def _hrnet(state_dict: dict[str, Tensor], path: Path) -> HRNetClicks:
    entries = sum(name.startswith("feature_extractor.") for name in state_dict)
    width = _channels(state_dict, "feature_extractor.transition1.0.0.weight", path)
    double = _channels(state_dict, "feature_extractor.conv3x3_ocr.0.weight", path)
    return HRNetClicks(
        _CLICKS, width=width, ocr_width=double // 2, small=entries < _SMALL_HRNET
    )  # fmt: skip


def _deeplab(state_dict: dict[str, Tensor], path: Path) -> DeepLabClicks:
    entries = sum(
        name.startswith("feature_extractor.backbone.") and not name.endswith("num_batches_tracked")
        for name in state_dict
    )
    width = _channels(state_dict, "feature_extractor.aspp.project.0.weight", path)
    for most, backbone in _DEPTHS:
        if entries <= most:
            return DeepLabClicks(_CLICKS, backbone=backbone, width=width)
    raise _foreign(path, f"{entries} parameters in its backbone")


def _channels(state_dict: dict[str, Tensor], name: str, path: Path) -> int:
    if name not in state_dict or state_dict[name].ndim != 4:
        raise _foreign(path, f"no convolution {name}")
    return state_dict[name].shape[0]


def _foreign(path: Path, found: str) -> WeightsError:
    return WeightsError(
        "weights are of another model: expected a checkpoint of f-BRS (ResNet-34, 50 or 101 with "
        f"DeepLabV3+, or HRNet with OCR), got {str(path)!r} with {found}. "
        "Choose the model that this file belongs to."
    )
