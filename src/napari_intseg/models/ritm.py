"""RITM: clicks and the previous mask into one forward pass; SimpleClick, on another network.

References
----------
.. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance for
       interactive segmentation", arXiv:2102.06583.
.. [2] Liu, Q. et al. "SimpleClick: interactive image segmentation with simple vision transformers",
       arXiv:2210.11006.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor, nn

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import (
    CLICKS,
    Answer,
    FloatArray,
    PictureView,
    Prepared,
    Query,
    Traits,
    ZoomIn,
)
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import (
    Precision,
    choose_device,
    choose_precision,
    convolutions,
    download,
    memory_guard,
    upload,
    upload_picture,
)
from napari_intseg.models.model_table import CLICKS_MASK
from napari_intseg.models.net_model import (
    NetModel,
    OnDevice,
    cast_layers,
    quicken,
    random_start_skipped,
)
from napari_intseg.models.nets.click_maps import NO_TAPS, MapKind, PrevKind, Taps
from napari_intseg.models.nets.click_net import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClickInput,
    ClickNet,
    DeepLabClicks,
    HRNetClicks,
    Logits,
)
from napari_intseg.models.nets.resnet import BACKBONES
from napari_intseg.models.nets.simple_click import SimpleClickNet, SimpleClickSizes

# what files name for the same layer; which of the two makes no difference to answers
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
    # of training alone; files have it, and it must be known to be passed over
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
    with random_start_skipped():
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
        # strictly: a parameter that is not known may change what the network does
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


PUBLISHED_ZOOM_IN = ZoomIn(skip_clicks=-1, target_size=400)
"""Of the published evaluation ("cvpr" mode); the authors take 600 on DAVIS alone."""

_CENTRE = Prompts((Click(200, 200),))


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    zoom_in: ZoomIn | None = PUBLISHED_ZOOM_IN,
    flip: bool = True,
    longer_side_px: int | None = 800,
    plain: bool = False,
) -> "Ritm":
    """Return RITM with a published checkpoint; the defaults are those of its evaluation [1]_.

    Parameters
    ----------
    name : str
        The name it is registered under; which network it is, the checkpoint says.
    weights : Path
        The checkpoint.
    device : str, default "auto"
        See `choose_device`.
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto" is float16 on CUDA and float32 elsewhere.
    zoom_in : ZoomIn or None
        Which view to take. By default a crop round the object, 400 pixels on its longer side; at
        the first click, the whole slice at that size.
    flip : bool, default True
        Average the logits with those of the mirrored view.
    longer_side_px : int or None, default 800
        Limit of the published demo. It matters only where zoom-in leaves views larger: with a
        larger or no target size, before the first crop (``skip_clicks >= 0``), or without
        zoom-in. Under the default zoom-in no view ever reaches it.
    plain : bool, default False
        Run the network layer by layer as published, batch norm unfolded, channels first.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    DeviceError
        If the device or precision does not exist.

    References
    ----------
    .. [1] arXiv:2102.06583, and its repository's ``scripts/evaluate_model.py``.
    """
    net = load_ritm(required(weights, name))
    traits = Traits(
        name,
        CLICKS_MASK if net.clicks.with_prev else CLICKS,
        resample="probability",
        # as the published evaluation of RITM does, on probabilities
        threshold=0.49,
        zoom_in=zoom_in,
        longer_side_px=longer_side_px,
        flip=flip,
        uses_prev=net.clicks.with_prev,
    )
    return Ritm(traits, net, device=device, precision=precision, plain=plain)


def build_exact(
    name: str, weights: Path | None, *, device: str, precision: Precision, **options: Any
) -> "Ritm":
    """Return RITM in float32 whatever precision is asked for, for what needs its gradient.

    Half precision has none that is exact enough. A precision that does not exist is refused, as
    `build` does; its other parameters and errors are the same.
    """
    model = build(name, weights, device=device, precision="float32", **options)
    # only for its error: what is asked for must exist even where it is not used
    choose_precision(precision, model.device)
    return model


class Ritm(NetModel):
    """A network of clicks, as a `Segmenter` that answers several queries in one pass.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    net : ClickNet
        Loaded, in evaluation mode; taken over and changed.
    device, precision : str
        See `build`.
    plain : bool
        See `build`.

    Attributes
    ----------
    hosted : OnDevice
        The network, folded unless `plain`; `logits` runs it, with gradients if the caller wants
        them.
    """

    def __init__(
        self,
        traits: Traits,
        net: ClickNet | SimpleClickNet,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        plain: bool = False,
    ) -> None:
        chosen = choose_device(device)
        dtype = choose_precision(precision, chosen)
        quick = quicken(net, fold=not plain, channels_last=not plain)
        # layers alone: mean, deviation and positions of clicks stay exact
        cast_layers(quick, dtype)
        self.hosted = OnDevice(quick, chosen, dtype, cast=cast_layers)
        self.traits = traits
        self.sees_pictures = self.hosted.is_asynchronous and self.hosted.is_half
        self._layout = torch.contiguous_format if plain else torch.channels_last

    def prepare(self, image: FloatArray | PictureView) -> Prepared:
        """Keep the image for the network, in main memory; the first question uploads it.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3), or PictureView
            RGB in [0, 1].
        """
        if isinstance(image, PictureView):
            # the picture is counted by itself
            size = self.hosted.device_bytes(3 * 4 * image.shape[0] * image.shape[1])
            return Prepared(image.shape, image, 0, size)
        # a copy in order: what is kept must not change with the caller's array
        kept = torch.from_numpy(np.array(image, np.float32, order="C")).permute(2, 0, 1)[None]
        there = self.hosted.device_bytes(kept.nbytes)
        return Prepared((image.shape[0], image.shape[1]), kept, kept.nbytes, there)

    def _image(self, prepared: Prepared) -> Tensor:
        kept: Tensor | PictureView = prepared.payload

        def load() -> Tensor:
            if isinstance(kept, PictureView):
                return self.hosted.cut_out(kept).contiguous(memory_format=self._layout)
            exact = not self.hosted.is_half
            there = upload_picture(kept.numpy(), self.hosted.device, exact=exact)
            return there.contiguous(memory_format=self._layout)

        return self.hosted.on_device(prepared, load)

    def predict(self, query: Query) -> Answer:
        """Answer one query."""
        return self.predict_batch([query])[0]

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer queries on images of one size in one pass, in the order asked.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        with memory_guard(self.hosted.device), torch.inference_mode():
            # not in `logits`: others call that with weights and layers changed
            (logits,) = self.hosted.graphs("answer", self._answered, *self._asked(queries))
            found = download(logits[:, 0], exact=self.hosted.dtype == torch.float32)
        return [Answer(np.ascontiguousarray(one)) for one in found]

    def logits(self, queries: Sequence[Query], taps: Taps = NO_TAPS) -> Tensor:
        """Return the logits of queries on images of one size, in the caller's gradient mode.

        Parameters
        ----------
        queries : sequence of Query
            At least one.
        taps : mapping, optional
            Places where the caller changes what flows by, see `ClickNet`.

        Returns
        -------
        Tensor of float32, shape (B, 1, H, W)
            On the model's device.
        """
        asked = self._asked(queries)
        with convolutions(tf32=self.hosted.dtype != torch.float32):
            answer: Logits = self.hosted.net(*asked, taps)
        return answer.main

    def _asked(self, queries: Sequence[Query]) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, clicks and previous probabilities on the device."""
        self.hosted.bring()
        images = [self._image(query.prepared) for query in queries]
        # few counts of clicks, so that what was recorded of one serves others
        table = pack_clicks(
            [q.prompts.clicks for q in queries], doubling=self.hosted.is_asynchronous
        )
        points = upload(table, self.hosted.device)
        image = images[0] if len(images) == 1 else torch.cat(images)
        return image, points, self._before(queries)

    def _answered(self, *asked: Tensor) -> list[Tensor]:
        with convolutions(tf32=self.hosted.dtype != torch.float32):
            answer: Logits = self.hosted.net(*asked)
        return [answer.main]

    def _before(self, queries: Sequence[Query]) -> Tensor:
        """Return the previous probabilities, (B, 1, H, W)."""
        if all(query.prev_logits is None for query in queries):
            shape = (len(queries), 1, *queries[0].prepared.shape)
            return torch.zeros(shape, device=self.hosted.device)
        logits = np.stack([_prev(query) for query in queries])
        # what the network computes in is fine enough to travel in
        dtype = None if self.hosted.device.type == "cpu" else self.hosted.dtype
        return upload(logits, self.hosted.device, dtype).float().sigmoid()

    def warm_up(self, shape: tuple[int, int] = (400, 400)) -> None:
        """Answer once on an empty image, in the thread that will predict.

        Parameters
        ----------
        shape : tuple of int, default (400, 400)
            ``(H, W)`` of the views to come; CUDA plans for each shape on its own.
        """
        query = Query(self.prepare(np.zeros((*shape, 3), np.float32)), _CENTRE)
        # with its mirror image there are two in a batch, which is another shape to CUDA
        self.predict_batch([query, query] if self.traits.flip else [query])


def pack_clicks(clicks: Sequence[Sequence[Click]], *, doubling: bool = False) -> FloatArray:
    """Return the clicks of several queries as RITM's networks take them.

    Parameters
    ----------
    clicks : sequence of sequence of Click
        Of each query, in the order made.
    doubling : bool, default False
        Whether n is 1, 2, 4, 8 and so on, whatever the number of clicks; the answer is the same.

    Returns
    -------
    ndarray of float32, shape (B, 2n, 3)
        Rows ``(row, col, order)``; n positive ones, then n negative, absent ones all -1.
    """
    # at least one row of each sign: networks take no empty tables
    count = max([1, *(max(sum(c.positive for c in cs), sum(not c.positive for c in cs))
                      for cs in clicks)])  # fmt: skip
    if doubling:
        count = 1 << (count - 1).bit_length()
    points = np.full((len(clicks), 2, count, 3), -1, np.float32)
    for own, given in zip(points, clicks, strict=True):
        used = [0, 0]
        for order, click in enumerate(given):
            side = 0 if click.positive else 1
            own[side, used[side]] = click.row, click.col, order
            used[side] += 1
    return points.reshape(len(clicks), 2 * count, 3)


def _prev(query: Query) -> FloatArray:
    if query.prev_logits is None:
        return np.full((1, *query.prepared.shape), -np.inf, np.float32)
    return np.asarray(query.prev_logits, np.float32)[None]


STAND_INS = (
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.CrossEntropyLoss",
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.cross_entropy",
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.binary_cross_entropy",
    "isegm.model.modeling.transformer_helper.cross_entropy_loss.mask_cross_entropy",
)
"""What the published files name besides tensors and plain values; read as empty objects."""


def build_simpleclick(
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
    # it takes one size only, so smaller views would save nothing
    model.hosted.views_px = ()
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
    sizes = _vit_sizes(config.get("params", config) if isinstance(config, dict) else config, path)
    with random_start_skipped():
        net = SimpleClickNet(sizes)
    load_strict(net, loaded["state_dict"], path)
    return net.eval(), sizes.side_px


def _plain(value: Any) -> Any:
    """Unwrap ``{"type", "value", "specified"}``, as published configurations store arguments."""
    if isinstance(value, dict) and {"type", "value"} <= value.keys():
        return value["value"]
    return value


def _vit_sizes(config: Any, path: Path) -> SimpleClickSizes:
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
