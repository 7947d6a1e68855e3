"""Tell from a checkpoint's names and shapes which published network it is."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.models.sam.keys import unwrapped
from napari_intseg.models.weights.catalogue import WeightFile

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a checkpoint is.

    Parameters
    ----------
    title : str
        For people.
    models : tuple of str
        Names in the registry that read it; empty where there is none.
    """

    title: str
    models: tuple[str, ...]

    @property
    def advice(self) -> str:
        """What it is and what to choose, as a sentence."""
        if not self.models:
            return f"This is {self.title}, for which there is no model here."
        return f"This is {self.title}; choose {' or '.join(map(repr, self.models))}."


def recognise(checkpoint: Any) -> Recognised | None:
    """Return which published network a checkpoint belongs to, None if it is not known.

    Parameters
    ----------
    checkpoint : Any
        What its file holds: tensors by name, or those in one of the usual wraps, with or without
        a configuration. Only names and shapes are looked at.
    """
    tensors = unwrapped(checkpoint)
    if not isinstance(tensors, Mapping):
        return None
    shapes = {str(n): tuple(v.shape) for n, v in tensors.items() if hasattr(v, "shape")}
    config = checkpoint.get("config") if isinstance(checkpoint, Mapping) else None
    for tell_tale, describe in _FAMILIES:
        if tell_tale in shapes:
            return describe(shapes, config)
    return None


def recognise_file(path: Path) -> Recognised | None:
    """Return which published network a file belongs to, None if it cannot be read or told.

    It is read as safely as any weights, and only its names and shapes are kept.
    """
    from napari_intseg.models.sam.weight_files import file_in
    from napari_intseg.models.simpleclick import STAND_INS

    try:
        file = file_in(path) if path.is_dir() else path
        return recognise(load_checkpoint(file, stand_ins=STAND_INS, shapes_only=True))
    except WeightsError:
        return None


def check_network(entry: WeightFile, path: Path, checksum: str) -> None:
    """Check by names and shapes that a file holds a network of the family of its entry.

    Families that this package does not know are left to whoever loads them.

    Raises
    ------
    WeightsError
        If it cannot be read, or is another network; with a published checksum nothing is asked.
    """
    from napari_intseg.models.model_table import MODELS
    from napari_intseg.models.simpleclick import STAND_INS

    families = {spec.weights: spec.family for spec in MODELS.values()}
    if checksum == entry.sha256 or entry.key not in families:
        return
    found = recognise(load_checkpoint(path, stand_ins=STAND_INS, shapes_only=True))
    named = {MODELS[name].family for name in found.models if name in MODELS} if found else set()
    if families[entry.key] not in named:
        what = found.title if found else "names and shapes of none that is known"
        raise WeightsError(
            f"weights are of another network: expected those of {entry.key!r}, got {what} in "
            f"{path.name!r}. Add it with the key that it belongs to."
        )


@contextmanager
def foreign_files_named(names: Collection[str | None], path: Path | None) -> Iterator[None]:
    """Add to an error about weights which model the file belongs to.

    Parameters
    ----------
    names : collection of str
        The model that is loaded inside, and the one whose weights it takes.
    path : Path or None
        Its file.

    Raises
    ------
    WeightsError
        The one raised inside, with what the file is if that is known and another model.
    """
    try:
        yield
    except WeightsError as err:
        found = None if path is None else recognise_file(path)
        if found is None or any(model in names for model in found.models):
            raise
        raise WeightsError(f"{err} {found.advice}") from err


def _parameter(config: Any, name: str) -> Any:
    """Return a parameter of a published configuration, None if it is not there."""
    params = config.get("params") if isinstance(config, Mapping) else None
    param = params.get(name) if isinstance(params, Mapping) else None
    return param.get("value") if isinstance(param, Mapping) else param


def _first(shapes: Shapes, name: str, axis: int = 0) -> int:
    """Return one side of a tensor, 0 if it is not there."""
    shape = shapes.get(name, ())
    return shape[axis] if -len(shape) <= axis < len(shape) else 0


def _blocks(shapes: Shapes, pattern: str) -> int:
    """Return how many numbered blocks there are; the pattern's group is the number."""
    found = {m[1] for name in shapes if (m := re.match(pattern, name))}
    return len(found)


def _hrnet(shapes: Shapes) -> str:
    """Return "18", "18s", "32" …, as the published names have it."""
    width = _first(shapes, "feature_extractor.transition1.0.0.weight")
    exchanges = _blocks(shapes, r"feature_extractor\.stage3\.(\d+)\.")
    return f"{width}s" if exchanges < 4 else str(width)


def _resnet(shapes: Shapes) -> str:
    blocks = _blocks(shapes, r"feature_extractor\.backbone\.layer3\.(\d+)\.")
    wide = any(name.startswith("feature_extractor.backbone.") and name.endswith("conv3.weight")
               for name in shapes)  # fmt: skip
    return {(6, False): "34", (6, True): "50", (23, True): "101"}.get((blocks, wide), "")


def _focalclick(shapes: Shapes, config: Any) -> Recognised:
    version = _parameter(config, "pipeline_version")
    stage = version if version in ("s1", "s2") else "s2"
    side = _first(shapes, "feature_extractor.backbone.patch_embed_side1.proj.weight")
    if side:
        depth = _blocks(shapes, r"feature_extractor\.backbone\.block3\.(\d+)\.")
        size = {(32, 2): "b0", (64, 18): "b3"}.get((side, depth), "")
        title, name = f"SegFormer-{size.upper()}", f"segformer-{size}"
    else:
        size = _hrnet(shapes)
        title, name = f"HRNet-{size}", f"hrnet{size}"
    known = f"{name}-{stage}" in _FOCALCLICKS
    models = (f"focalclick-{name}-{stage}",) if known else ()
    return Recognised(f"FocalClick {title}-{stage.upper()}", models)


_FOCALCLICKS = ("hrnet18s-s1", "hrnet18s-s2", "hrnet32-s2", "segformer-b0-s1", "segformer-b0-s2",
                "segformer-b3-s2")  # fmt: skip


def _ritm(shapes: Shapes, config: Any) -> Recognised:
    if "feature_extractor.aspp.project.0.weight" in shapes:
        return Recognised(f"RITM ResNet-{_resnet(shapes)}", ("ritm-resnet34",))
    size = _hrnet(shapes)
    without = _parameter(config, "with_prev_mask") is False or (
        _first(shapes, "maps_transform.0.weight", 1) == 2
    )
    if without:
        return Recognised(f"RITM HRNet-{size} without previous mask", ("ritm-hrnet18-baseline",))
    known = size in ("18s", "18", "32")
    return Recognised(f"RITM HRNet-{size}", (f"ritm-hrnet{size}",) if known else ())


def _mixed(shapes: Shapes, config: Any) -> Recognised:
    """Return which of those that mix clicks and colours first: f-BRS, or RITM without disks."""
    if config is not None or "rgb_conv.1.running_mean" in shapes:
        return _ritm(shapes, config)
    if "feature_extractor.aspp.project.0.weight" in shapes:
        size = _resnet(shapes)
        return Recognised(f"f-BRS ResNet-{size}", (f"fbrs-resnet{size}",) if size else ())
    size = _hrnet(shapes)
    known = size in ("18", "32")
    return Recognised(f"f-BRS HRNet-{size}", (f"fbrs-hrnet{size}",) if known else ())


def _simpleclick(shapes: Shapes, _: Any) -> Recognised:
    width = _first(shapes, "patch_embed_coords.proj.weight")
    sizes = {160: ("xtiny", "xtiny"), 768: ("B", "b"), 1024: ("L", "l"), 1280: ("H", "h")}
    title, name = sizes.get(width, (f"of width {width}", "b"))
    return Recognised(f"SimpleClick ViT-{title}", (f"simpleclick-vit-{name}",))


# of the tokens of ViT-B, -L and -H (arXiv:2010.11929)
_WIDTHS = {768: "b", 1024: "l", 1280: "h"}


def _sam(shapes: Shapes, _: Any) -> Recognised:
    """Return which SAM; fine-tuned ones look alike."""
    width = max(_first(shapes, f"{encoder}.pos_embed", -1)
                for encoder in ("image_encoder", "vision_encoder"))  # fmt: skip
    size = _WIDTHS.get(width, "")
    tiny = any(name.startswith(("image_encoder.layers.", "vision_encoder.layers.0.blocks"))
               for name in shapes) and not size  # fmt: skip
    if any(name.startswith(("mask_decoder.hf_token", "mask_decoder.hq_token")) for name in shapes):
        if tiny:
            return Recognised("SAM-HQ tiny", ("sam-hq-vit-tiny",))
        return Recognised(f"SAM-HQ ViT-{size.upper()}", ("sam-hq-vit-b",) if size == "b" else ())
    if tiny:
        return Recognised("MobileSAM", ("mobile-sam",))
    return Recognised(f"SAM ViT-{size.upper()}", (f"sam-vit-{size}",) if size else ())


def _efficient_sam(shapes: Shapes, _: Any) -> Recognised:
    size = {192: "t", 384: "s"}.get(_first(shapes, "image_encoder.pos_embed", -1), "")
    models = (f"efficient-sam-vit{size}",) if size else ()
    return Recognised(f"EfficientSAM ViT-{size.upper()}", models)


def _sam2(shapes: Shapes, _: Any) -> Recognised:
    depth = max(_blocks(shapes, r"image_encoder\.trunk\.blocks\.(\d+)\."),
                _blocks(shapes, r"vision_encoder\.backbone\.blocks\.(\d+)\."))  # fmt: skip
    sizes = {12: "tiny", 16: "small", 24: "base-plus", 48: "large"}
    size = sizes.get(depth, "")
    if not any("no_obj_embed_spatial" in n or "occlusion_spatial" in n for n in shapes):
        return Recognised(f"SAM 2.0 {size}", ())
    return Recognised(f"SAM 2.1 {size.replace('-', ' ')}", (f"sam2.1-{size}",) if size else ())


def _always(title: str, *models: str) -> Callable[[Shapes, Any], Recognised]:
    return lambda _shapes, _config: Recognised(title, models)


_FAMILIES: tuple[tuple[str, Callable[[Shapes, Any], Recognised]], ...] = (
    ("refiner.refine_trimap.weight", _focalclick),
    ("rgb_conv.3.weight", _mixed),
    ("rgb_conv.0.weight", _mixed),
    ("maps_transform.0.weight", _ritm),
    ("patch_embed_coords.proj.weight", _simpleclick),
    ("my_aspp.conv1.weight", _always("FCANet", "fcanet")),
    ("decoder.guided_map_conv1.weight", _always("the network of Forte et al.", "forte")),
    ("iog_points.0.weight", _always("IOG with its refinement branch", "iog")),
    ("Fine_net.final_predict.1.weight", _always("IOG", "iog")),
    ("layer5.final.weight", _always("DEXTR or DeepGrabCut, which look alike",
                                      "dextr", "deepgrabcut")),
    ("prompt_encoder.invalid_points.weight", _efficient_sam),
    ("maskmem_tpos_enc", _sam2),
    ("memory_temporal_positional_encoding", _sam2),
    ("mask_decoder.iou_token.weight", _sam),
    ("down.0.depthwise.weight", _always("the bundled network, or one trained here", "bundled")),
)  # fmt: skip
"""A name that only one family has, and what then tells its size; the first that fits counts."""
