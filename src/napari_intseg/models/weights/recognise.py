"""Tell which published network a checkpoint is; give weights of other projects our names."""

import io
import math
import pickle
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.files import read_matlab
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, read_tensorflow
from napari_intseg.models.networks import Network
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
        Names in the registry of models that read it; empty where there is none.
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
    # the first name that fits decides, so the order of the table counts
    for tell_tale, describe in _FAMILIES:
        if tell_tale in shapes:
            return describe(shapes, config)
    return None


def recognise_file(path: Path) -> Recognised | None:
    """Return which published network a file belongs to, None if it cannot be read or told.

    It is read as safely as any weights, and only its names and shapes are kept.
    """
    # here, so that reading the catalogue loads neither torch nor networks
    from napari_intseg.models.ritm import STAND_INS
    from napari_intseg.models.sam.mask_decoder import file_in

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
    # here: the table of models reads this room's catalogue
    from napari_intseg.models.model_table import MODELS
    from napari_intseg.models.ritm import STAND_INS

    families = {spec.weights: spec.family for spec in MODELS.values()}
    # the published checksum says more than names and shapes could
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
        # only now, as it reads the file again
        found = None if path is None else recognise_file(path)
        if found is None or any(model in names for model in found.models):
            raise
        raise WeightsError(f"{err} {found.advice}") from err


def _parameter(config: Any, name: str) -> Any:
    """Return a parameter of a published configuration, None if it is not there."""
    # RITM's training code writes each argument with its kind and value
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
    # HRNet-W18 and its small version W18s are equally wide; the small one has fewer modules in
    # stage 3
    return f"{width}s" if exchanges < 4 else str(width)


def _resnet(shapes: Shapes) -> str:
    blocks = _blocks(shapes, r"feature_extractor\.backbone\.layer3\.(\d+)\.")
    wide = any(name.startswith("feature_extractor.backbone.") and name.endswith("conv3.weight")
               for name in shapes)  # fmt: skip
    # ResNet-34 and -50 have as many blocks; only the latter's have a third convolution
    return {(6, False): "34", (6, True): "50", (23, True): "101"}.get((blocks, wide), "")


def _focalclick(shapes: Shapes, config: Any) -> Recognised:
    version = _parameter(config, "pipeline_version")
    # files without a configuration tell no stage; S2 is published in more sizes
    stage = version if version in ("s1", "s2") else "s2"
    side = _first(shapes, "feature_extractor.backbone.patch_embed_side1.proj.weight")
    if side:
        # SegFormer's B0 and B3 by the width of the first stage and the depth of the third
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
    # two channels are two disks; three are disks and the previous mask
    without = _parameter(config, "with_prev_mask") is False or (
        _first(shapes, "maps_transform.0.weight", 1) == 2
    )
    if without:
        return Recognised(f"RITM HRNet-{size} without previous mask", ("ritm-hrnet18-baseline",))
    known = size in ("18s", "18", "32")
    return Recognised(f"RITM HRNet-{size}", (f"ritm-hrnet{size}",) if known else ())


def _mixed(shapes: Shapes, config: Any) -> Recognised:
    """Return which of those that mix clicks and colours first: f-BRS, or RITM without disks."""
    # f-BRS publishes bare tensors, RITM its configuration with them
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
    # widths of the tokens in SimpleClick's own configurations
    sizes = {160: ("xtiny", "xtiny"), 768: ("B", "b"), 1024: ("L", "l"), 1280: ("H", "h")}
    title, name = sizes.get(width, (f"of width {width}", "b"))
    return Recognised(f"SimpleClick ViT-{title}", (f"simpleclick-vit-{name}",))


# widths of the tokens of ViT-B, -L and -H (arXiv:2010.11929)
_WIDTHS = {768: "b", 1024: "l", 1280: "h"}


def _sam(shapes: Shapes, _: Any) -> Recognised:
    """Return which SAM; fine-tuned ones look alike."""
    width = max(_first(shapes, f"{encoder}.pos_embed", -1)
                for encoder in ("image_encoder", "vision_encoder"))  # fmt: skip
    size = _WIDTHS.get(width, "")
    # TinyViT has stages called layers, plain ViT has blocks
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
    # EfficientSAM's ViT-Ti and -S (arXiv:2312.00863)
    size = {192: "t", 384: "s"}.get(_first(shapes, "image_encoder.pos_embed", -1), "")
    models = (f"efficient-sam-vit{size}",) if size else ()
    return Recognised(f"EfficientSAM ViT-{size.upper()}", models)


def _sam2(shapes: Shapes, _: Any) -> Recognised:
    depth = max(_blocks(shapes, r"image_encoder\.trunk\.blocks\.(\d+)\."),
                _blocks(shapes, r"vision_encoder\.backbone\.blocks\.(\d+)\."))  # fmt: skip
    # blocks of the Hiera trunk by SAM 2's published configurations
    sizes = {12: "tiny", 16: "small", 24: "base-plus", 48: "large"}
    size = sizes.get(depth, "")
    # these came with 2.1; 2.0 works otherwise, and no model here reads it
    if not any("no_obj_embed_spatial" in n or "occlusion_spatial" in n for n in shapes):
        return Recognised(f"SAM 2.0 {size}", ())
    return Recognised(f"SAM 2.1 {size.replace('-', ' ')}", (f"sam2.1-{size}",) if size else ())


def _always(title: str, *models: str) -> Callable[[Shapes, Any], Recognised]:
    return lambda _shapes, _config: Recognised(title, models)


# A name that only one family has, and what then tells its size; the first that fits counts
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
    ("spatial_perceiver.latents_2d", _always("EdgeTAM", "edgetam")),
    ("maskmem_tpos_enc", _sam2),
    ("memory_temporal_positional_encoding", _sam2),
    ("mask_decoder.iou_token.weight", _sam),
    ("down.0.depthwise.weight", _always("the bundled network, or one trained here", "bundled")),
)  # fmt: skip


Rules = Sequence[tuple[str, str]]
"""Patterns of names, and what takes their place; an empty one leaves the entry out."""

PADDLE: Rules = (
    (r"^StructuredToParameterName@@$", ""),
    (r"\._conv\.", ".0."),
    (r"\._batch_norm\.", ".1."),
    (r"\._mean$", ".running_mean"),
    (r"\._variance$", ".running_var"),
    # of PReLU, which calls its one parameter so in Paddle
    (r"\._weight$", ".weight"),
)
"""Of Paddle's own layers, and of paddleseg's convolution with normalisation."""

RULES: Mapping[str, Rules] = {
    "edgeflow": (
        *PADDLE,
        (r"^finenet\.final_predict\.0\.(conv2|bn2)\..*", ""),
    ),
    # as in the PyTorch files that follow Caffe's names; scores of classes are not used here
    "dios-fcn8s": (
        (r"^(conv\d_\d\..*)", r"encoder.\1"),
        (r"^(features|upscore|score).*", ""),
    ),
    "dios-fcn16s": (
        (r"^(conv\d_\d\..*)", r"encoder.\1"),
        (r"^(features|upscore|score).*", ""),
    ),
    # kernels that are fixed, and what was remembered of the last task
    "revolver": (
        (r"^(anno_enc|decoder)\.weight$|^(z|num_z)$", ""),
        # newer PyTorch numbers layers where one is taken away, as the authors' code does
        *(
            (rf"^encoder\.{number}\.", f"encoder.conv{block}_{layer}.")
            for block, first in enumerate((0, 5, 10, 17, 24), 1)
            for layer, number in enumerate(range(first, first + (6 if block > 2 else 4), 2), 1)
        ),
        (r"^encoder\.31\.", "fc6."),
        (r"^(encoder|head)\.(fc6|fc7|score)\.", r"\2."),
    ),
    # the optimiser's numbers go, and what the layers remember of images, which is not asked for
    "latent-diversity": (
        (r".*/Adam(_\d)?$|^(beta\d_power|global_step)$|.*/moving_(mean|variance)$", ""),
        (r"^g_conv_last/", "last."),
        (r"^g_conv(\d)/", r"context.\1."),
        (r"(BatchNorm/beta)$", "beta"),
        (r"^(context\.\d\.)weights$", r"\1conv.weight"),
        (r"w0$", "plain"),
        (r"w1$", "normalised"),
        (r"^last\.weights$", "last.weight"),
        (r"^last\.biases$", "last.bias"),
    ),
    # of the files of Xception alone, whose names have slashes
    "itis": (
        (r".*/Adam(_\d)?$|^(beta\d_power|global_step)$", ""),
        (r"/(depthwise_)?weights$", "/conv/weight"),
        (r"/biases$", "/conv/bias"),
        (r"/BatchNorm/gamma$", "/bn/weight"),
        (r"/BatchNorm/beta$", "/bn/bias"),
        (r"/BatchNorm/moving_mean$", "/bn/running_mean"),
        (r"/BatchNorm/moving_variance$", "/bn/running_var"),
        (r"/xception_module", ""),
        (r"^(?=\w+/)", "body/"),
        (r"/", "."),
    ),
}
"""By network. Others have the names that are here."""


def _as_bytes(text: str, _encoding: str = "latin1") -> bytes:
    """Return bytes that an old protocol wrote as text; other encodings than its own do not come."""
    # the pickle names the codec; whatever it names, only this one is used
    return text.encode("latin1")


# what a pickle of plain arrays is made of, by module and name; numpy 2 renamed its core
_PARTS: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): dict,
    ("_codecs", "encode"): _as_bytes,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0]
        for core in ("core", "_core")
    },
}
# it is read into memory whole, so that nothing runs while it is unpacked
_MOST_BYTES = 1 << 31


def read_paddle(path: Path) -> dict[str, Any]:
    """Return the arrays of a ``.pdparams`` file; Paddle is not needed, and nothing else is made.

    Raises
    ------
    WeightsError
        If the file is too large, damaged, or asks for anything but arrays.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise WeightsError(
            f"weights are too large: expected at most {_MOST_BYTES} bytes, got "
            f"{path.stat().st_size} in {str(path)!r}. Choose the network's own file."
        )
    try:
        # an old protocol writes bytes as text; latin1 gives each of them back as one byte
        found = _Arrays(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as err:
        # a damaged pickle may raise any exception
        raise WeightsError(
            f"weights cannot be read: expected a pickle of arrays as Paddle writes it, got "
            f"{str(path)!r} ({err}). Fetch the file again."
        ) from err
    if not isinstance(found, dict):
        raise WeightsError(
            f"weights cannot be read: expected arrays by name, got {type(found).__name__} in "
            f"{str(path)!r}. Choose a .pdparams file."
        )
    return {str(k): v for k, v in found.items() if isinstance(v, np.ndarray)}


# of half precision, in which weights are kept (IEEE 754: the largest finite number)
_MOST = 65504.0


def check_numbers(value: Any, name: str, path: Path, *, like: Any, most: float = math.inf) -> None:
    """Refuse a weight that is no tensor of finite numbers.

    Parameters
    ----------
    value : Any
        Under this name in the file.
    name : str
    path : Path
    like : Tensor
        What the network has there: real numbers are asked for where it holds such.
    most : float, optional
        No number may be larger, whatever its sign.

    Raises
    ------
    WeightsError
        If it is not.
    """
    import torch

    rule = "a tensor of numbers"
    if isinstance(value, torch.Tensor):
        if not value.is_floating_point():
            # counts of batches are whole numbers
            if not like.is_floating_point() and not value.is_complex():
                return
            rule = "real numbers"
        elif bool((value.isfinite() & (value.abs() <= most)).all()):
            return
        else:
            rule = "finite numbers" if most == math.inf else f"finite numbers up to {most:g}"
    kind = str(value.dtype) if isinstance(value, torch.Tensor) else type(value).__name__
    got = "larger ones, or none" if rule.startswith("finite") else kind
    raise WeightsError(
        f"weights are damaged: expected {rule} for {name!r}, got {got} in "
        f"{str(path)!r}. Fetch the file again, or choose the network's own."
    )


class _Arrays(pickle.Unpickler):
    """Makes numpy arrays and dictionaries, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PARTS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _PARTS[module, name]


def renamed(state: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return entries under other names: every rule that fits is applied, in order."""
    out = {}
    for name, value in state.items():
        now = name
        for pattern, new in rules:
            now = re.sub(pattern, new, now)
        if now:
            out[now] = value
    return out


def converted(path: Path, network: Network, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of a published file as a network here has them.

    Parameters
    ----------
    path : Path
        ``.pdparams``, the ``.index`` of a TensorFlow checkpoint, or what `load_checkpoint` reads.
    network : Network
        Which one.
    settings : mapping
        How it is built, see `Network.build`.

    Returns
    -------
    dict of str to Tensor
        Those that the file does not hold, of layers that are ours, keep the values they begin with:
        scores of FCN, and the channels of clicks in its first convolution, which begin at zero.

    Raises
    ------
    WeightsError
        If the file cannot be read, or a weight is missing, unknown, or of another shape.
    """
    import torch

    given: Any
    if path.suffix == ".index":
        given = _as_torch(read_tensorflow(path))
        if network.name == "latent-diversity":
            given |= _read_vgg(path)
    else:
        given = read_paddle(path) if path.suffix == ".pdparams" else load_checkpoint(path)
    # wraps that trainers put round the tensors
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(given, dict) and isinstance(given.get(key), dict):
            given = given[key]
    if not isinstance(given, dict):
        raise WeightsError(
            f"weights cannot be read: expected arrays by name, got {type(given).__name__} in "
            f"{str(path)!r}. Choose the network's own file."
        )
    found = renamed({str(name): v for name, v in given.items()}, RULES.get(network.name, ()))
    try:
        net = network.build(settings)
    except Exception as err:
        # what a setting does not fit is found anywhere in a network, and memory may not suffice
        raise WeightsError(
            f"network cannot be built: expected settings like {dict(network.settings)!r}, got "
            f"{dict(settings)!r} ({str(err).splitlines()[0] if str(err) else type(err).__name__}). "
            "Correct them by --setting."
        ) from err
    state = dict(net.state_dict())
    own = _begins_anew(network)
    # what is ours begins anew, so a published file need not have it
    missing = [n for n in state if n not in found and not own(n)]
    unknown = [name for name in found if name not in state]
    if missing or unknown:
        raise _unlike(path, network, missing, unknown)
    for name, value in found.items():
        tensor = value
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
            tensor = torch.as_tensor(np.array(value))
        check_numbers(tensor, name, path, like=state[name], most=_MOST)
        state[name] = _fitted(
            state[name], tensor.reshape(fitted_shape(tensor, state[name])), name, path
        )
    return state


def _as_torch(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return TensorFlow's weights in PyTorch's order of axes: outputs and inputs first."""
    orders: dict[int, tuple[int, ...]] = {4: (3, 2, 0, 1), 2: (1, 0)}
    return {n: v.transpose(orders[v.ndim]) if v.ndim in orders else v for n, v in state.items()}


VGG_FILE = "imagenet-vgg-verydeep-19.mat"
"""Where latent diversity takes VGG-19 from, which it does not train: MatConvNet's own file."""


def _read_vgg(path: Path) -> dict[str, Any]:
    """Return the convolutions of VGG-19 that latent diversity looks at, from beside its files."""
    beside = [folder / VGG_FILE for folder in (path.parent, path.parent.parent)]
    file = next((one for one in beside if one.is_file()), None)
    if file is None:
        raise WeightsError(
            f"weights are missing: expected {VGG_FILE!r} beside {str(path)!r} or in the folder "
            "above, got none. Fetch it from MatConvNet's page of pretrained networks."
        )
    found = {}
    try:
        for record in read_matlab(file, _MOST_BYTES)["layers"].ravel():
            layer = record.ravel()[0]
            name = str(np.asarray(layer["name"]).ravel()[0])
            # in the last block the first two, see `LatentDiversityNet`
            if name.startswith("conv") and name not in ("conv5_3", "conv5_4"):
                weight, bias = layer["weights"].ravel()
                found[f"encoder.{name}.weight"] = weight.transpose(3, 2, 0, 1)
                found[f"encoder.{name}.bias"] = bias.ravel()
    except Exception as err:
        # SciPy raises any exception for a damaged file, and its layers may be anything
        raise WeightsError(
            f"weights cannot be read: expected layers as MatConvNet has them, got {str(file)!r} "
            f"({err}). Fetch the file again."
        ) from err
    return found


def _begins_anew(network: Network) -> Callable[[str], bool]:
    # FCN's scores are per class; those of object and background are trained here
    ours = ("score_",) if network.name.startswith("dios") else ()
    return lambda name: name.endswith("num_batches_tracked") or name.startswith(ours or ("\0",))


def fitted_shape(tensor: Any, wanted: Any) -> Any:
    """Return the shape to compare: that of a fully connected layer may stand for a convolution."""
    # axes of one entry say nothing
    given, asked = ([n for n in one.shape if n != 1] for one in (tensor, wanted))
    is_layer = len(given) == 2 and given[:1] == asked[:1]
    fits = tensor.numel() == wanted.numel() and (is_layer or given == asked)
    return wanted.shape if fits else tensor.shape


def _fitted(begun: Any, given: Any, name: str, path: Path) -> Any:
    """Return a weight; a convolution of colours alone leaves further channels as they begin."""
    if given.shape == begun.shape:
        return given.to(begun.dtype)
    is_wider = given.ndim == 4 and given.shape[1] == 3 and begun.shape[1] > 3
    if is_wider and given.shape[::2] == begun.shape[::2] and given.shape[3] == begun.shape[3]:
        # channels of clicks begin at zero, so that the network first sees what it was trained on
        out = begun.clone()
        out[:, :3] = given
        return out
    raise WeightsError(
        f"weights are of another size: expected {tuple(begun.shape)} for {name!r}, got "
        f"{tuple(given.shape)} in {str(path)!r}. Say the network's size by --setting."
    )


def _unlike(path: Path, network: Network, missing: list[str], unknown: list[str]) -> WeightsError:
    told = ", ".join(missing[:3]) or "all of them"
    return WeightsError(
        f"weights are of another network: expected those of {network.name!r}, missing are {told}, "
        f"unknown {', '.join(unknown[:3])[:200] or 'none'} in {str(path)!r}. Choose the network "
        "that the file belongs to, and its size by --setting."
    )
