"""The network in the box: the view is encoded once, each click costs the click pyramid alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from napari_intseg.core.prompts import Box, Click, Prompts, along_scribbles
from napari_intseg.core.segmenter import (
    Answer,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
    ZoomIn,
)
from napari_intseg.errors import WeightsError
from napari_intseg.models.device import (
    Precision,
    choose_device,
    choose_precision,
    download,
    memory_guard,
    upload,
)
from napari_intseg.models.model_table import CLICKS_DRAWN_MASK
from napari_intseg.models.net_model import NetModel, OnDevice
from napari_intseg.models.nets.click_net import WholeNet
from napari_intseg.models.nets.click_pyramid import STRIDE, ClickPyramid
from napari_intseg.models.networks import NETWORKS, Network, network_of
from napari_intseg.models.weights.locate import load_checkpoint, load_strict
from napari_intseg.models.weights.store import ARCHITECTURE, read_metadata

TARGET_PX = 384
"""Longer side of a view; the best of those measured (docs/results.md)."""

NARROWER = (0.75, 0.5)
"""Windows in which a first click is asked about beside the whole slice, as shares of its sides: an
organ of a body slice is too small for the network on the whole of it (docs/results.md)."""

NARROW = 0.35
"""Views whose values cover less than this are spread."""

SCRIBBLE_STEP_PX = 24.0
"""Between the clicks of a scribble, in pixels of the view. 8 is much worse on GrabCut's scribbles
(IoU .691 against .825): the network was not taught rows of clicks (docs/results.md)."""

BESIDE, BESIDE_PX = 4, 6.0
"""So many negative clicks beside each side of a box, so many pixels of the view away."""

_GUESS = 2.0
"""Logits in the ellipse in a box, as the first previous answer."""

_CENTRE = Prompts((Click(100, 100),))


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    **changed: Any,
) -> "Bundled":
    """Return the bundled network, or one that was trained from it.

    Parameters
    ----------
    name : str
        The name it is registered under.
    weights : Path
        A safetensors file that `napari-intseg train` wrote.
    device : str, default "auto"
        See `choose_device`.
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto" is half precision on CUDA, bfloat16 on processors that have it, float32 elsewhere;
        see `choose_precision`.
    **changed
        `zoom_in`, `flip` or `threshold` other than those the file was measured with.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or of another architecture.
    DeviceError
        If the device or precision does not exist.
    """
    if weights is None:
        raise WeightsError(
            f"weights are missing: expected a file for {name!r}, got None. "
            "Give its path as `weights`."
        )
    net = load_net(weights)
    traits = replace(read_traits(name, read_metadata(weights)), **changed)
    return Bundled(traits, net, device=device, precision=precision)


def load_net(path: Path) -> "ClickPyramid | WholeNet":
    """Return the network of a weights file, in evaluation mode and float32.

    Which of `networks.NETWORKS` it is, and how large, the file's metadata say.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or of another architecture.
    """
    state_dict = load_checkpoint(path)
    metadata = read_metadata(path)
    told = metadata.get("architecture")
    network = network_of(told)
    if network is None:
        known = ", ".join(one.architecture for one in NETWORKS.values())
        raise WeightsError(
            f"weights are of another network: expected architecture {known}, got {told!r} "
            f"in {str(path)!r}. Choose a file that `napari-intseg train` wrote."
        )
    net: ClickPyramid | WholeNet = _built(network, metadata, path)
    values = {
        name: value.float() if value.is_floating_point() else value
        for name, value in state_dict.items()
    }
    load_strict(net, values, path)
    return net.eval().requires_grad_(False)


def _built(network: Network, metadata: Mapping[str, str], path: Path) -> Any:
    """Return a network of the size that its file says."""
    try:
        return network.build(json.loads(metadata.get("settings", "{}")))
    except (TypeError, ValueError) as err:
        raise WeightsError(
            f"weights say a size that there is not: expected settings of {network.name!r}, got "
            f"{metadata.get('settings')!r} in {str(path)!r}. Train or convert it again."
        ) from err


def read_traits(name: str, metadata: Any) -> Traits:
    """Return how a network wants to be used, as far as its file says."""
    told = json.loads(metadata.get("traits", "{}"))
    is_measured = metadata.get("architecture", ARCHITECTURE) == ARCHITECTURE
    zoom_in = ZoomIn(
        skip_clicks=-1,
        target_size=int(told.get("target_size", TARGET_PX)),
        min_crop_size=int(told.get("min_crop_size", 128)),
        expansion=float(told.get("expansion", 1.4)),
        fine_size=int(told["fine_size"]) if "fine_size" in told else None,
        fine_clicks=int(told.get("fine_clicks", 4)),
        narrower=tuple(float(share) for share in told.get("narrower", NARROWER)),
    )
    return Traits(
        name,
        CLICKS_DRAWN_MASK,
        resample="probability",
        threshold=float(told.get("threshold", 0.5)),
        zoom_in=zoom_in,
        longer_side_px=int(told.get("longer_side_px", 640)),
        flip=bool(told.get("flip", False)),
        uses_prev=True,
        cascade=bool(told.get("cascade", is_measured)),
        enforced=frozenset({"box", "scribble"}),
    )


class Bundled(NetModel):
    """A click pyramid as a `Segmenter` that answers several queries in one pass.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    net : ClickPyramid or WholeNet
        Loaded, in evaluation mode; taken over and folded.
    device, precision : str
        See `build`.
    """

    def __init__(
        self,
        traits: Traits,
        net: "ClickPyramid | WholeNet",
        *,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> None:
        chosen = choose_device(device)
        measured = isinstance(net, ClickPyramid)  # others were not, in half precision on a CPU
        dtype = choose_precision(precision, chosen, half_on_cpu=measured)
        self.traits = traits
        self._made: WeakSet[Prepared] = WeakSet()
        net = net.eval().fold()
        net = net.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.hosted = OnDevice(net, chosen, dtype)

    def prepare(self, image: FloatArray) -> Prepared:
        """Encode a view.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        h, w = image.shape[:2]
        with memory_guard(self.hosted.device), torch.inference_mode():
            self.hosted.bring()
            spread = upload(spread_narrow(image), self.hosted.device, self.hosted.dtype)
            values = spread.permute(2, 0, 1)[None]
            padded = F.pad(values, (0, -w % STRIDE, 0, -h % STRIDE), value=0.5)
            kept = self.hosted.net.encode(padded.contiguous(memory_format=torch.channels_last))
        nbytes = sum(one.element_size() * one.nelement() for one in kept)
        there = self.hosted.device_bytes(nbytes)
        prepared = Prepared((h, w), Maps(kept), nbytes - there, there)
        self._made.add(prepared)
        return prepared

    def release(self) -> None:
        """Return the device's memory; what was encoded waits in main memory."""
        for prepared in self._made:
            prepared.payload.move(torch.device("cpu"))
        super().release()

    def predict(self, query: Query) -> Answer:
        """Answer one query."""
        return self.predict_batch([query])[0]

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer queries on images of one size, in the order asked; those with clicks in one pass.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        clicked = [query for query in queries if not _is_box_alone(query)]
        answers = iter(self._answered(clicked) if clicked else ())
        return [self._in_box(q) if _is_box_alone(q) else next(answers) for q in queries]

    def _in_box(self, query: Query) -> Answer:
        """Return the answer that fills a box best, of those to a click here and there in it."""
        box, given = query.prompts.box, query.prompts
        assert box is not None
        answers = self._answered(
            [
                replace(query, prompts=replace(given, clicks=(point, *given.clicks)))
                for point in points_in(box, query.prev_logits, query.prepared.shape)
            ]
        )
        return max(answers, key=lambda answer: _fit(answer.logits, box))

    def _answered(self, queries: Sequence[Query]) -> list[Answer]:
        h, w = queries[0].prepared.shape
        with memory_guard(self.hosted.device), torch.inference_mode():
            self.hosted.bring()
            for query in queries:
                query.prepared.payload.move(self.hosted.device)
            kept = _stack([query.prepared.payload.tensors for query in queries])
            clicks = upload(pack_clicks([as_clicks(q) for q in queries]), self.hosted.device)
            prev = F.pad(self._before(queries), (0, -w % STRIDE, 0, -h % STRIDE))
            logits = self.hosted.net.answer(kept, clicks, prev)
            found = download(logits[:, 0, :h, :w], exact=self.hosted.dtype == torch.float32)
        return [Answer(np.ascontiguousarray(one)) for one in found]

    def _before(self, queries: Sequence[Query]) -> Tensor:
        """Return the previous probabilities, (B, 1, H, W)."""
        if all(q.prev_logits is None and q.prompts.box is None for q in queries):
            shape = (len(queries), 1, *queries[0].prepared.shape)
            return torch.zeros(shape, device=self.hosted.device)
        logits = np.stack([_prev(query) for query in queries])
        # what the network computes in is fine enough to travel in
        dtype = None if self.hosted.device.type == "cpu" else self.hosted.dtype
        return upload(logits, self.hosted.device, dtype).float().sigmoid()

    def warm_up(self, shape: tuple[int, int] = (TARGET_PX, TARGET_PX)) -> None:
        """Answer once on an empty image, in the thread that will predict."""
        self.predict(Query(self.prepare(np.zeros((*shape, 3), np.float32)), _CENTRE))


class Maps:
    """What is kept of a view: on the device while it is used, in main memory once released."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors

    def move(self, device: torch.device) -> None:
        """Have them on a device."""
        self.tensors = [one.to(device) for one in self.tensors]


def spread_narrow(image: FloatArray) -> FloatArray:
    """Return a view (H, W, 3) in [0, 1] whose values cover the range, if they hardly did.

    Eight-bit microscopy may use a few of its 256 values. Training does the same, so that a nearly
    black picture looks to the network like any other.
    """
    low, high = (float(v) for v in np.percentile(image[::4, ::4], (0.5, 99.5)))
    if not 1e-3 < high - low < NARROW:
        return np.array(image, np.float32)
    spread = (image - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.clip(spread, 0, 1), np.float32)


def pack_clicks(clicks: Sequence[Sequence[Click]]) -> FloatArray:
    """Return the clicks of several queries as the network takes them.

    Returns
    -------
    ndarray of float32, shape (B, N, 3)
        Row, column, sign: 1 on the object, -1 off it, 0 no click; N is at least 1.
    """
    count = max(1, *(len(one) for one in clicks))
    table = np.zeros((len(clicks), count, 3), np.float32)
    for own, given in zip(table, clicks, strict=True):
        for row, click in zip(own, given, strict=False):
            row[:] = click.row, click.col, 1 if click.positive else -1
    return table


def as_clicks(query: Query) -> tuple[Click, ...]:
    """Return what a query is asked by, as clicks in pixels of its view, in order of time.

    The network was taught clicks alone: a scribble is a row of them, and a box says what lies
    beside it.
    """
    prompts = query.prompts
    lines = along_scribbles(prompts, query.prepared.shape, SCRIBBLE_STEP_PX)
    return (*_beside(prompts.box, query.prepared.shape), *lines, *prompts.clicks)


def filled(box: Box, shape: tuple[int, int]) -> BoolArray:
    """Return the ellipse in a box, bool (H, W): a first guess of an object that fills the box."""
    rows, cols = (np.arange(size, dtype=np.float32) for size in shape)
    row, col = (box.row0 + box.row1) / 2, (box.col0 + box.col1) / 2
    half = max(0.5, (box.row1 - box.row0) / 2), max(0.5, (box.col1 - box.col0) / 2)
    away = ((rows - row) / half[0])[:, None] ** 2 + ((cols - col) / half[1])[None, :] ** 2
    return np.asarray(away <= 1)


def points_in(box: Box, prev: FloatArray | None, shape: tuple[int, int]) -> list[Click]:
    """Return positive clicks of which one should be on the object in a box.

    With a previous answer in it, its deepest point. Else the middle of the box, and points between
    it and the sides, since the middle of a bent object is off it.
    """
    inside = filled(box, shape)
    if prev is not None and (held := inside & (prev > 0)).any():
        depth = ndimage.distance_transform_edt(np.pad(held, 1))[1:-1, 1:-1]
        row, col = np.unravel_index(int(depth.argmax()), shape)
        return [Click(float(row), float(col))]
    row, col = (box.row0 + box.row1) / 2, (box.col0 + box.col1) / 2
    down, right = (box.row1 - box.row0) / 4, (box.col1 - box.col0) / 4
    steps = ((0, 0), (-down, 0), (down, 0), (0, -right), (0, right))
    return [Click(row + r, col + c) for r, c in steps]


def _is_box_alone(query: Query) -> bool:
    """Whether nothing but a box says where the object is: the network wants a positive click."""
    prompts = query.prompts
    return prompts.box is not None and not replace(prompts, box=None).has_positive


def _fit(logits: FloatArray, box: Box) -> float:
    """Return the IoU of a box and that round what an answer has in it; 0 of none."""
    rows, cols = (slice(max(0, round(a)), max(0, round(b)) + 1) for a, b in _sides(box))
    mask = logits[rows, cols] > 0
    if not mask.any():
        return 0.0
    sizes = [int(np.ptp(np.flatnonzero(mask.any(axis=axis)))) + 1 for axis in (1, 0)]
    return float(np.prod(sizes) / mask.size)


def _sides(box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    return (box.row0, box.row1), (box.col0, box.col1)


def _beside(box: Box | None, shape: tuple[int, int]) -> list[Click]:
    """Return negative clicks beside the sides of a box, as far as they lie in the view."""
    if box is None:
        return []
    clicks = []
    for share in np.linspace(0, 1, BESIDE):
        row = box.row0 + share * (box.row1 - box.row0)
        col = box.col0 + share * (box.col1 - box.col0)
        clicks += [(box.row0 - BESIDE_PX, col), (box.row1 + BESIDE_PX, col)]
        clicks += [(row, box.col0 - BESIDE_PX), (row, box.col1 + BESIDE_PX)]
    return [Click(r, c, False) for r, c in clicks if 0 <= r < shape[0] and 0 <= c < shape[1]]


def _stack(payloads: list[list[Tensor]]) -> list[Tensor]:
    if len(payloads) == 1:
        return payloads[0]
    return [torch.cat(parts) for parts in zip(*payloads, strict=True)]


def _prev(query: Query) -> FloatArray:
    if query.prev_logits is not None:
        return np.asarray(query.prev_logits, np.float32)[None]
    guess = np.full((1, *query.prepared.shape), -np.inf, np.float32)
    if query.prompts.box is not None:
        guess[0, filled(query.prompts.box, query.prepared.shape)] = _GUESS
    return guess
