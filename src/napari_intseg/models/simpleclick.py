"""SimpleClick: plain vision transformers that take clicks and the previous mask.

References
----------
.. [1] Liu, Q. et al. "SimpleClick: interactive image segmentation with simple vision
   transformers", arXiv:2210.11006.
"""

from pathlib import Path
from typing import Any

from napari_intseg.core.segmenter import Traits, ZoomIn
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision
from napari_intseg.models.model_table import CLICKS_MASK
from napari_intseg.models.nets.simple_click import SimpleClickNet, SimpleClickSizes
from napari_intseg.models.ritm import Ritm

STAND_INS = (
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.CrossEntropyLoss",
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.cross_entropy",
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.binary_cross_entropy",
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.mask_cross_entropy",
)
"""What the published files name besides tensors and plain values; read as empty objects."""


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    flip: bool = True,
) -> Ritm:
    """Return SimpleClick with a published checkpoint and its published evaluation's defaults.

    Parameters
    ----------
    name : str
        The name it is registered under; which size it is, the checkpoint says.
    weights : Path
        The checkpoint.
    device, precision : str
        See `ritm.build`.
    flip : bool, default True
        Average the logits with those of the mirrored view.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    DeviceError
        If the device or precision does not exist.
    """
    net, side = load_simpleclick(required(weights, name))
    traits = Traits(
        name,
        CLICKS_MASK,
        resample="probability",
        threshold=0.49,
        zoom_in=ZoomIn(skip_clicks=-1, target_size=(side, side)),
        flip=flip,
        uses_prev=True,
    )
    model = Ritm(traits, net, device=device, precision=precision)
    model.hosted.views_px = ()  # it takes one size only
    return model


def load_simpleclick(path: Path) -> tuple[SimpleClickNet, int]:
    """Return the network of a checkpoint and the image side it takes.

    Parameters
    ----------
    path : Path
        ``{"state_dict", "config"}``. The published configuration holds a pickled loss object;
        an inert stand-in takes its place, and nothing that the file names is imported.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or foreign, or names anything else.
    """
    loaded = load_checkpoint(path, stand_ins=STAND_INS)
    if not isinstance(loaded, dict) or not {"state_dict", "config"} <= loaded.keys():
        raise WeightsError(
            f"checkpoint has no configuration: expected 'state_dict' and 'config', got "
            f"{str(path)!r}. Use the published file of SimpleClick."
        )
    config = loaded["config"]
    sizes = _sizes(config.get("params", config) if isinstance(config, dict) else config, path)
    net = SimpleClickNet(sizes)
    load_strict(net, loaded["state_dict"], path)
    return net.eval(), sizes.side_px


def _plain(value: Any) -> Any:
    """Unwrap ``{"type", "value", "specified"}``, as published configurations store arguments."""
    if isinstance(value, dict) and {"type", "value"} <= value.keys():
        return value["value"]
    return value


def _sizes(config: Any, path: Path) -> SimpleClickSizes:
    try:
        backbone, neck, head = (
            _plain(config[part]) for part in ("backbone_params", "neck_params", "head_params")
        )
        sides, patches = backbone["img_size"], backbone["patch_size"]
        sizes = SimpleClickSizes(
            side_px=int(sides[0]),
            patch_px=int(patches[0]),
            dim=int(backbone["embed_dim"]),
            depth=int(backbone["depth"]),
            heads=int(backbone["num_heads"]),
            mlp_ratio=float(backbone["mlp_ratio"]),
            qkv_bias=bool(backbone["qkv_bias"]),
            pyramid=tuple(int(n) for n in neck["out_dims"]),
            channels=int(head["channels"]),
            upsample=str(head.get("upsample", "x1")),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as err:
        raise WeightsError(
            f"configuration is not of SimpleClick: expected backbone_params, neck_params and "
            f"head_params, got {str(path)!r} ({type(err).__name__}: {err}). "
            "Choose the model that this file belongs to."
        ) from err
    if sizes.upsample not in ("x1", "x2", "x4") or len(sizes.pyramid) != 4:
        raise WeightsError(
            f"configuration is unknown: expected upsample x1, x2 or x4 and four scales, got "
            f"{sizes.upsample!r} and {len(sizes.pyramid)} in {str(path)!r}. "
            "Use the published file of SimpleClick."
        )
    return sizes
