"""Backpropagating refinement: make any differentiable click model obey its clicks.

A network may ignore a click. BRS [1]_ and f-BRS [2]_ search, at every click, for a small change
of what flows through the network after which the answer is right at all clicks: a number added to
each pixel of the input, or a scale and a bias for each channel of a late feature map.

References
----------
.. [1] Jang, W.-D., Kim, C.-S. "Interactive image segmentation via backpropagating refinement
       scheme", CVPR 2019.
.. [2] Sofiiuk, K., Petrov, I., Barinova, O., Konushin, A. "f-BRS: rethinking backpropagating
       refinement for interactive segmentation", arXiv:2001.10331.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import CLICKS, Answer, FloatArray, Prepared, Query, Traits, ZoomIn
from napari_intseg.errors import DeviceError, UnknownModelError, WeightsError
from napari_intseg.models.brs.optimisation import (
    PUBLISHED_SEARCH,
    AddedToInput,
    Differentiable,
    InjectionPoint,
    ScaleAndBias,
    SearchSettings,
    click_windows,
    search,
)
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision, choose_precision, convolutions, memory_guard
from napari_intseg.models.net_model import MadeOf, random_start_skipped
from napari_intseg.models.nets.click_net import ClickInput, ClickNet, DeepLabClicks, HRNetClicks
from napari_intseg.models.nets.resnet import Backbone
from napari_intseg.models.ritm import Ritm, build_exact

Mode = Literal["f-BRS-A", "f-BRS-B", "f-BRS-C", "RGB-BRS", "DistMap-BRS"]


class ClickModel(Differentiable, Protocol):
    """What `Brs` is wrapped round, for instance a `Ritm` in float32."""

    @property
    def traits(self) -> Traits:
        """How it wants to be used."""
        ...

    def prepare(self, image: FloatArray) -> Prepared:
        """Do the work that needs no prompt."""
        ...

    def release(self) -> None:
        """Return the device's memory."""
        ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where a mode acts, and how many clicks the network itself is told."""

    place: Callable[[Differentiable, Sequence[Query], tuple[str, ...]], InjectionPoint]
    taps: tuple[str, ...]
    clicks: int


# places and numbers of clicks (8 and 5) as in the published code of f-BRS
_KINDS: dict[str, _Kind] = {
    # HRNet has no pyramid: its joined branches serve for A as they do for B
    "f-BRS-A": _Kind(ScaleAndBias, ("backbone", "features"), 8),
    "f-BRS-B": _Kind(ScaleAndBias, ("features",), 8),
    "f-BRS-C": _Kind(ScaleAndBias, ("head",), 8),
    "RGB-BRS": _Kind(AddedToInput, ("image",), 5),
    "DistMap-BRS": _Kind(AddedToInput, ("maps",), 5),
}
MODES: tuple[str, ...] = tuple(_KINDS)


@dataclass(frozen=True, slots=True, eq=False)
class BrsState:
    """What is remembered from click to click on one view.

    Parameters
    ----------
    mode : str
        Whose parameters they are.
    params : ndarray of float32
        Where the next search begins.
    prev_logits : ndarray of float32, shape (H, W), or None
        The previous answer that the network was last told; it stays when clicks exceed the limit.
    """

    mode: str
    params: FloatArray
    prev_logits: FloatArray | None


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    mode: Mode = "f-BRS-B",
    **options: Any,
) -> "Brs":
    """Return RITM with refinement at test time.

    Parameters
    ----------
    name, weights, device, precision, **options
        See `ritm.build_exact`.
    mode : str, default "f-BRS-B"
        One of `MODES`.

    Raises
    ------
    UnknownModelError
        If the mode is unknown.
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    DeviceError
        If the device or precision does not exist.
    """
    _check_mode(mode)
    model = build_exact(name, weights, device=device, precision=precision, **options)
    return Brs(model, mode)


class Brs(MadeOf):
    """A click model whose answer is refined until it obeys the clicks.

    Plain and mirrored view are refined together, with the same parameters, so that the engine
    needs not mirror: `Traits.flip` is False, whatever the wrapped model has.

    Parameters
    ----------
    model : ClickModel
        In float32, its weights without gradient.
    mode : str, default "f-BRS-B"
        One of `MODES`. f-BRS is quick, as only the end of the network is repeated: B where the
        features are joined, A before, C after; RGB-BRS and DistMap-BRS repeat all of it.
    search : SearchSettings
        When a search stops.
    free_clicks : int, default 1
        Nothing is refined up to so many clicks.

    Raises
    ------
    UnknownModelError
        If the mode is unknown.
    DeviceError
        If the model computes in half precision.
    """

    # a gradient in half precision is too coarse for the search
    saves_by_half = False

    def __init__(
        self,
        model: ClickModel,
        mode: Mode = "f-BRS-B",
        *,
        search: SearchSettings = PUBLISHED_SEARCH,
        free_clicks: int = 1,
    ) -> None:
        _check_mode(mode)
        dtype = getattr(model, "dtype", torch.float32)
        if dtype != torch.float32:
            raise DeviceError(
                f"model is too coarse to be refined: expected a model in torch.float32, got "
                f"{dtype}. Load it with precision='float32'."
            )
        self.model = model
        self.mode = mode
        self.search = search
        self.free_clicks = free_clicks
        self._kind = _KINDS[mode]
        self._mirrored = model.traits.flip

    @property
    def traits(self) -> Traits:
        """How it wants to be used."""
        return replace(self.model.traits, flip=False)

    def prepare(self, image: FloatArray) -> Prepared:
        """Prepare the image and, if both views are refined, its mirror image.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        """
        images = [image, image[:, ::-1]] if self._mirrored else [image]
        views = tuple(self.model.prepare(np.ascontiguousarray(view)) for view in images)
        nbytes = sum(view.nbytes for view in views)
        return Prepared(views[0].shape, views, nbytes, sum(view.device_nbytes for view in views))

    def predict(self, query: Query) -> Answer:
        """Answer one query.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        UnknownModelError
            If the wrapped network has no place where the mode could act.
        """
        with memory_guard(self.model.device), convolutions(tf32=False):
            return self._answer(query)

    def _answer(self, query: Query) -> Answer:
        clicks = query.prompts.clicks
        held = query.state if isinstance(query.state, BrsState) else None
        if held is None or held.mode != self.mode:
            held = BrsState(self.mode, np.zeros(0, np.float32), query.prev_logits)
        told = query.prev_logits
        if len(clicks) > self._kind.clicks:
            # the network's input stays, and only the parameters move on
            told = held.prev_logits
        views = self._views(query, told)
        # the network is told the first clicks alone; the search obeys all of them
        limited = [_first_clicks(view, self._kind.clicks) for view in views]
        place = self._kind.place(self.model, limited, self._kind.taps)
        params = held.params
        if params.size != place.size:
            # nothing yet, or of another network
            params = np.zeros(place.size, np.float32)
        logits, evaluations = place.plain, 0
        if len(clicks) > self.free_clicks:
            windows = click_windows(
                [view.prompts.clicks for view in views], query.prepared.shape, self.model.device
            )
            threshold = self.traits.threshold
            found = search(place, params, windows, threshold=threshold, settings=self.search)
            params, logits, evaluations = found.params, found.logits, found.evaluations
        # what was found before still acts, though nothing new is searched for
        elif params.any():
            with torch.no_grad():
                logits = place.logits(torch.from_numpy(params).to(self.model.device))
        answer = logits.cpu().numpy()[:, 0]
        plain = (answer[0] + answer[1, :, ::-1]) / 2 if self._mirrored else answer[0]
        return Answer(
            np.ascontiguousarray(plain, np.float32),
            BrsState(self.mode, params, told),
            info={"evaluations": evaluations},
        )

    def _views(self, query: Query, told: FloatArray | None) -> list[Query]:
        """Return the query as it is and, if wanted, mirrored."""
        prepared = query.prepared.payload
        plain = Query(prepared[0], query.prompts, told)
        if not self._mirrored:
            return [plain]
        last = query.prepared.shape[1] - 1
        mirrored = query.prompts.moved(lambda row, col: (row, last - col))
        prev = None if told is None else np.ascontiguousarray(told[:, ::-1])
        return [plain, Query(prepared[1], mirrored, prev)]

    @property
    def parts(self) -> tuple[ClickModel]:
        """The wrapped model."""
        return (self.model,)


def _first_clicks(query: Query, count: int) -> Query:
    clicks = query.prompts.clicks[:count]
    return Query(query.prepared, Prompts(clicks), query.prev_logits)


def _check_mode(mode: str) -> None:
    if mode not in _KINDS:
        raise UnknownModelError(
            f"refinement is unknown: expected one of {', '.join(MODES)}, got {mode!r}. "
            "f-BRS-B is the usual choice."
        )


FbrsMode = Literal["NoBRS"] | Mode

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


def build_fbrs(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    mode: FbrsMode = "f-BRS-B",
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
    # 0.49 is the published code's threshold
    traits = Traits(
        name, CLICKS, resample="probability", threshold=0.49,
        zoom_in=zoom_in, longer_side_px=longer_side_px, flip=flip,
    )  # fmt: skip
    if mode == "NoBRS":
        return Ritm(traits, net, device=device, precision=precision)
    # whatever is asked: the search needs exact gradients; what is asked is checked all the same
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
    with random_start_skipped():
        net = _network(cast(dict[str, Tensor], loaded), path)
    known = net.state_dict()
    # heads that served training alone are left out; what the network has must be there
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
