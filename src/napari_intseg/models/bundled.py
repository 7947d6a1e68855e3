"""The network in the box: the view is encoded once, each click costs the click pyramid alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_intseg.core.files import parse_json
from napari_intseg.core.segmenter import (
    Answer,
    FloatArray,
    PictureView,
    Prepared,
    Query,
    Traits,
)
from napari_intseg.errors import WeightsError
from napari_intseg.models.bundled_input import (
    CENTRE,
    NARROW,
    TARGET_PX,
    answer_all,
    as_clicks,
    drawn_on,
    pack_clicks,
    previous_logits,
    read_traits,
    spread_narrow,
    stacked,
)
from napari_intseg.models.device import (
    Precision,
    choose_device,
    choose_precision,
    download,
    memory_guard,
    upload,
    upload_picture,
)
from napari_intseg.models.net_model import NetModel, OnDevice
from napari_intseg.models.nets.click_net import WholeNet
from napari_intseg.models.nets.click_pyramid import STRIDE, ClickPyramid
from napari_intseg.models.networks import NETWORKS, Network, network_of
from napari_intseg.models.weights.locate import load_checkpoint, load_strict
from napari_intseg.models.weights.store import read_metadata

# values that a file may lack, see `DrawnPrompt`; and the largest channels or blocks of a setting,
# twice those of the widest published network
_SPARE_VALUES, _MOST_SETTING = 1_000_000, 8192


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
    others = isinstance(net, ClickPyramid) and net.drawn is not None
    traits = replace(read_traits(name, read_metadata(weights)), others=others, **changed)
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
    if "settings" in metadata:
        _check_size(network, metadata, state_dict, path)
    net: ClickPyramid | WholeNet = built(network, metadata, path)
    # files hold half precision, networks are loaded in float32: batch norm is folded in that
    values = {
        name: value.float() if value.is_floating_point() else value
        for name, value in state_dict.items()
    }
    if isinstance(net, ClickPyramid) and not any(name.startswith("drawn.") for name in values):
        # of a file from before it
        net.drawn = None
    load_strict(net, values, path)
    return net.eval().requires_grad_(False)


def _check_size(
    network: Network, metadata: Mapping[str, str], state_dict: Mapping[str, Any], path: Path
) -> None:
    """Refuse settings of a network far larger than the file, before it takes memory."""
    with torch.device("meta"):
        wanted = sum(
            value.numel() for value in built(network, metadata, path).state_dict().values()
        )
    held = sum(value.numel() for value in state_dict.values())
    # files from before a part was added lack that part
    if wanted > 2 * held + _SPARE_VALUES:
        raise WeightsError(
            f"weights say a size that there is not: expected settings of a network of {held} "
            f"values, got {wanted} in {str(path)!r}. Train or convert it again."
        )


def built(network: Network, metadata: Mapping[str, str], path: Path) -> Any:
    """Return a network of the size that its file says."""
    try:
        settings = parse_json(metadata.get("settings", "{}"))
        if any(isinstance(n, int) and n > _MOST_SETTING for n in dict(settings).values()):
            raise ValueError("a number is too large")
        return network.build(settings)
    except (TypeError, ValueError) as err:
        raise WeightsError(
            f"weights say a size that there is not: expected settings of {network.name!r}, got "
            f"{metadata.get('settings')!r} in {str(path)!r}. Train or convert it again."
        ) from err


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
        # the click pyramid alone was measured in half precision on a CPU (docs/results.md); others
        # stay in float32 there
        measured = isinstance(net, ClickPyramid)
        dtype = choose_precision(precision, chosen, half_on_cpu=measured)
        self.traits = traits
        # weakly: what nobody holds any more need not be moved on `release`
        self._made: WeakSet[Prepared] = WeakSet()
        self._sees_drawn = isinstance(net, ClickPyramid) and net.drawn is not None
        net = net.eval().fold()
        net = net.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.hosted = OnDevice(net, chosen, dtype)
        self.sees_pictures = self.encodes_ahead and self.hosted.is_half

    @property
    def encodes_ahead(self) -> bool:
        """Whether a view that is prepared early is encoded beside what the processor does."""
        return self.hosted.device.type != "cpu"

    def prepare(self, image: FloatArray | PictureView) -> Prepared:
        """Encode a view.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3), or PictureView
            RGB in [0, 1].

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        return self.prepare_batch([image])[0]

    @staticmethod
    def batch_shape(shape: tuple[int, int]) -> tuple[int, int]:
        """Return the size to which a view is filled up; those that share it share a pass."""
        return shape[0] + -shape[0] % STRIDE, shape[1] + -shape[1] % STRIDE

    def prepare_batch(self, images: Sequence[FloatArray | PictureView]) -> list[Prepared]:
        """Encode views of one `batch_shape` in one pass, in their order; see `prepare`.

        Nothing is read from the device, so that it computes while the processor goes on.
        """
        with memory_guard(self.hosted.device), torch.inference_mode():
            self.hosted.bring()
            values = self._shown(images).to(self.hosted.dtype)
            whole = filled_up(values, 0.5).contiguous(memory_format=torch.channels_last)
            kept = self.hosted.graphs("encode", self.hosted.net.encode, whole)
            apart = zip(images, _apart(kept, len(images)), strict=True)
            return [self._prepared((im.shape[0], im.shape[1]), one) for im, one in apart]

    def _shown(self, images: Sequence[FloatArray | PictureView]) -> Tensor:
        """Return views (B, 3, H, W) in [0, 1], spread, as large as the largest, on the device."""
        arrays = [one for one in images if not isinstance(one, PictureView)]
        # middle grey, as colour views are filled up in training (`views._warp`)
        if len(arrays) == len(images):
            shown = stacked([spread_narrow(image) for image in arrays], fill=0.5)
            there = upload_picture(shown, self.hosted.device, exact=not self.hosted.is_half)
            return there.permute(0, 3, 1, 2)
        h, w = np.max([image.shape[:2] for image in images], axis=0)
        views = [
            spread_there(self.hosted.cut_out(one)) if isinstance(one, PictureView)
            else self._shown([one])
            for one in images
        ]  # fmt: skip
        filled = ((0, w - one.shape[3], 0, h - one.shape[2]) for one in views)
        return torch.cat([F.pad(v, by, value=0.5) for v, by in zip(views, filled, strict=True)])

    def _prepared(self, shape: tuple[int, int], kept: list[Tensor]) -> Prepared:
        nbytes = sum(one.element_size() * one.nelement() for one in kept)
        there = self.hosted.device_bytes(nbytes)
        prepared = Prepared(shape, Maps(kept), nbytes - there, there)
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
        """Answer queries on images of one `batch_shape`, in their order; those with clicks at once.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        return answer_all(queries, self._answered)

    def _answered(self, queries: Sequence[Query]) -> list[Answer]:
        with memory_guard(self.hosted.device), torch.inference_mode():
            self.hosted.bring()
            for query in queries:
                query.prepared.payload.move(self.hosted.device)
            kept = _stack([query.prepared.payload.tensors for query in queries])
            drawn = drawn_on(queries) if self._sees_drawn else None
            if drawn is not None:
                shown = filled_up(upload(drawn, self.hosted.device), 0)
                kept = self.hosted.graphs("prompted", self._prompted, *kept, shown)
            # few counts of clicks, so that what was recorded of one serves others
            table = pack_clicks([as_clicks(q) for q in queries], doubling=self.encodes_ahead)
            clicks = upload(table, self.hosted.device)
            prev = filled_up(self._before(queries), 0)
            (logits,) = self.hosted.graphs("answer", self._logits, *kept, clicks, prev)
            # in half precision the answer is no finer than what travels
            shapes = [query.prepared.shape for query in queries]
            h, w = np.max(shapes, axis=0)
            found = download(logits[..., :h, :w], exact=self.hosted.dtype == torch.float32)
        answers = []
        for one, (h, w) in zip(found, shapes, strict=True):
            masks = [np.ascontiguousarray(mask[:h, :w]) for mask in one]
            answers.append(Answer(masks[0], alternatives=tuple(masks[1:] and masks)))
        return answers

    def _prompted(self, *kept_and_drawn: Tensor) -> list[Tensor]:
        *kept, drawn = kept_and_drawn
        changed: list[Tensor] = self.hosted.net.prompted(kept, drawn)
        return changed

    def _logits(self, *kept_and_asked: Tensor) -> list[Tensor]:
        *kept, clicks, prev = kept_and_asked
        return [self.hosted.net.answer(kept, clicks, prev)]

    def _before(self, queries: Sequence[Query]) -> Tensor:
        """Return the previous probabilities, (B, 1, H, W)."""
        if all(q.prev_logits is None and q.prompts.box is None for q in queries):
            h, w = np.max([query.prepared.shape for query in queries], axis=0)
            # nothing to upload: made where it is needed
            return torch.zeros((len(queries), 1, h, w), device=self.hosted.device)
        # a probability of 0 where a view is filled up
        logits = stacked([previous_logits(query)[0] for query in queries], fill=-np.inf)[:, None]
        # what the network computes in is fine enough to travel in
        dtype = None if self.hosted.device.type == "cpu" else self.hosted.dtype
        return upload(logits, self.hosted.device, dtype).float().sigmoid()

    def warm_up(self, shape: tuple[int, int] = (TARGET_PX, TARGET_PX)) -> None:
        """Answer once on an empty image, in the thread that will predict."""
        self.predict(Query(self.prepare(np.zeros((*shape, 3), np.float32)), CENTRE))


def spread_there(image: Tensor) -> Tensor:
    """Return a view (1, 3, H, W) as `spread_narrow` does, and wait for nothing."""
    ordered = image[..., ::4, ::4].reshape(-1).sort().values
    low, high = (_at_share(ordered, share) for share in (0.005, 0.995))
    spread = ((image - low) / (high - low)).clamp(0, 1)
    is_narrow = (high - low > 1e-3) & (high - low < NARROW)
    return torch.where(is_narrow, spread, image)


def _at_share(ordered: Tensor, share: float) -> Tensor:
    """Return the percentile of ordered values, between two of them, as `numpy.percentile` does."""
    at = share * (len(ordered) - 1)
    first = int(at)
    return ordered[first].lerp(ordered[min(first + 1, len(ordered) - 1)], at - first)


class Maps:
    """What is kept of a view: on the device while it is used, in main memory once released."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors

    def move(self, device: torch.device) -> None:
        """Have them on a device."""
        self.tensors = [one.to(device) for one in self.tensors]


def filled_up(maps: Tensor, fill: float) -> Tensor:
    """Return maps (B, C, H, W) with more rows below and columns to the right, as a view is."""
    h, w = maps.shape[2:]
    return F.pad(maps, (0, -w % STRIDE, 0, -h % STRIDE), value=fill)


def _apart(kept: list[Tensor], count: int) -> list[list[Tensor]]:
    """Return what is kept of each image of a batch; copied, so that no image keeps the others."""
    if count == 1:
        return [kept]
    return [[one[i : i + 1].clone() for one in kept] for i in range(count)]


def _stack(payloads: list[list[Tensor]]) -> list[Tensor]:
    if len(payloads) == 1:
        return payloads[0]
    return [torch.cat(parts) for parts in zip(*payloads, strict=True)]
