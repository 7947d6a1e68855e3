"""What adapters share: a network on its device, made quicker, or with less memory at need."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_intseg.core.segmenter import (
    NOTHING,
    Array,
    FloatArray,
    PictureView,
    Prepared,
    Saving,
    SlicePicture,
    Traits,
    is_out_of_memory,
)
from napari_intseg.models.device import (
    CudaGraphs,
    Precision,
    choose_device,
    choose_precision,
    cut_out,
    give_back,
    memory_guard,
    upload,
)
from napari_intseg.models.nets.click_maps import Scale
from napari_intseg.models.nets.hrnet import Distribute, DistributeOne
from napari_intseg.models.nets.resnet import JoinedBottleneck, StridedBottleneck

Net = TypeVar("Net", bound=nn.Module)


def fold_batch_norm(net: Net) -> Net:
    """Fold each batch normalisation into the convolution before it, in place.

    At inference both are linear, so one convolution does the work of the two; likewise for a
    learnt `Scale`. Pairs are found by the order inside a `Sequential`, and by name elsewhere
    (``conv1`` and ``bn1``).

    Parameters
    ----------
    net : Module
        In evaluation mode, with its weights loaded. Names in its state dict change.

    Returns
    -------
    Module
        The same network.
    """
    assert not net.training, "running statistics are what is folded"
    for module in list(net.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
        else:
            _fold_named(module)
    return net


def quicken(net: Net, *, fold: bool = True, channels_last: bool = True) -> Net:
    """Return the network in evaluation mode, folded and with its channels last, in place."""
    net.eval().requires_grad_(False)
    if fold:
        fold_batch_norm(net)
        _merge(net)
    if channels_last:
        # convolutions alone: other layers follow the layout of what they are given
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _merge(net: nn.Module) -> None:
    """Put layers that do the same with less work in the place of folded ones."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Distribute):
                module._modules[name] = DistributeOne(child)
            elif isinstance(child, StridedBottleneck) and _has_plain_shortcut(child):
                module._modules[name] = JoinedBottleneck(child)


def _has_plain_shortcut(block: StridedBottleneck) -> bool:
    if block.downsample is None:
        return False
    side = block.downsample[0]
    return isinstance(side, nn.Conv2d) and side.stride == (1, 1)


def _fold_sequence(sequence: nn.Sequential) -> None:
    for (first, conv), (second, following) in pairwise(list(sequence._modules.items())):
        if not isinstance(conv, nn.Conv2d):
            continue
        if isinstance(following, Scale):
            sequence._modules[first] = _scaled(conv, following)
            sequence._modules[second] = nn.Identity()
        elif isinstance(following, nn.BatchNorm2d):
            sequence._modules[first] = fuse_conv_bn_eval(conv, following)
            sequence._modules[second] = nn.Identity()
        elif isinstance(following, nn.Sequential) and isinstance(following[0], nn.BatchNorm2d):
            sequence._modules[first] = fuse_conv_bn_eval(conv, following[0])
            following[0] = nn.Identity()


def _scaled(conv: nn.Conv2d, scale: Scale) -> nn.Conv2d:
    with torch.no_grad():
        # `Scale` multiplies by the magnitude
        conv.weight.mul_(scale.scale.abs())
        if conv.bias is not None:
            conv.bias.mul_(scale.scale.abs())
    return conv


def _fold_named(module: nn.Module) -> None:
    for name, norm in list(module._modules.items()):
        partner = name.replace("bn", "conv", 1) if name.startswith("bn") else ""
        conv = module._modules.get(partner)
        if not isinstance(norm, nn.BatchNorm2d) or conv is None:
            continue
        if isinstance(conv, nn.Sequential):
            # the deep stem ends in the convolution
            last = conv[-1]
            assert isinstance(last, nn.Conv2d)
            conv[-1] = fuse_conv_bn_eval(last, norm)
        elif isinstance(conv, nn.Conv2d):
            module._modules[partner] = fuse_conv_bn_eval(conv, norm)
        module._modules[name] = nn.Identity()


# of tensors and of `torch.nn.init`
_RANDOM = frozenset(
    {"uniform_", "normal_", "erfinv_", "trunc_normal_"}
    | {f"{who}_{how}_" for who in ("kaiming", "xavier") for how in ("uniform", "normal")}
)


@contextmanager
def random_start_skipped() -> Iterator[None]:
    """Build networks without drawing random first values, in this thread, for `load_strict`.

    The values of the file replace them all: drawing them takes most of a second for an HRNet-32
    and 8 s of processor time for SimpleClick ViT-H. What a network sets to constants stays.
    """
    from torch.overrides import TorchFunctionMode

    class WithoutRandom(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if getattr(func, "__name__", "") in _RANDOM:
                return args[0] if args else (kwargs or {})["tensor"]
            return func(*args, **(kwargs or {}))

    with WithoutRandom():
        yield


# each has less than half the pixels of the one before
VIEWS_PX = (768, 512, 256)
"""Longer sides of smaller views, in the order to be tried."""

T = TypeVar("T")

_CPU = torch.device("cpu")
_log = logging.getLogger(__name__)


class OnDevice:
    """A network on a device, which does with less memory if it must.

    Parameters
    ----------
    net : Module
        Loaded and in evaluation mode; its weights are moved, and converted for half precision.
    device : torch.device
        Where the network is asked; `bring` has it there.
    dtype : torch.dtype
        What it computes in.
    views_px : sequence of int
        Sides of smaller views that need less memory; none for networks that see every view at
        one size.
    casts : bool, default True
        Whether the weights are converted to `dtype`, or the computation alone is.
    cast : callable, optional
        Has the weights of a network in a number format; all of them by default.

    Attributes
    ----------
    graphs : CudaGraphs
        What was recorded of the network's work on CUDA; forgotten when its weights move.
    """

    def __init__(
        self,
        net: Any,
        device: torch.device,
        dtype: torch.dtype,
        *,
        views_px: Sequence[int] = VIEWS_PX,
        casts: bool = True,
        cast: Callable[[Any, torch.dtype], object] = nn.Module.to,
    ) -> None:
        self.net, self.device, self.dtype = net, device, dtype
        self.views_px, self.casts = views_px, casts
        self._cast = cast
        self.graphs = CudaGraphs()
        self._saving = NOTHING
        self._home: tuple[torch.device, torch.dtype] | None = None
        self._exact: dict[str, Tensor] | None = None
        self._there: WeakKeyDictionary[Prepared | SlicePicture, Any] | None = None
        self.settle()

    @property
    def is_asynchronous(self) -> bool:
        """Whether it computes beside the processor, several questions nearly as fast as one."""
        return self.device.type != "cpu"

    @classmethod
    def quick(
        cls,
        net: nn.Module,
        device: str,
        precision: Precision,
        *,
        views_px: Sequence[int] = VIEWS_PX,
    ) -> "OnDevice":
        """Return a network on its device, folded, for `run`.

        Parameters
        ----------
        net : Module
            Loaded; taken over: folded, set to evaluation mode.
        device, precision : str
            See `choose_device` and `choose_precision`.
        views_px : sequence of int
            As above.
        """
        chosen = choose_device(device)
        dtype = choose_precision(precision, chosen)
        return cls(quicken(net).to(dtype), chosen, dtype, views_px=views_px)

    def run(
        self, image: Array, forward: Callable[[nn.Module, Tensor], Tensor] | None = None
    ) -> FloatArray:
        """Return what the network makes of one image.

        Parameters
        ----------
        image : ndarray, shape (H, W, C)
            As the network takes it.
        forward : callable, optional
            ``(net, x) -> (1, K, h, w)`` with x of shape (1, C, H, W); by default ``net(x)``.

        Returns
        -------
        ndarray of float32, shape (K, h, w)

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        with memory_guard(self.device), torch.inference_mode():
            # a copy: tensors of arrays that may not be written to make PyTorch warn
            x = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
            self.bring()
            x = x.to(self.device, self.dtype, memory_format=torch.channels_last)
            out = self.net(x) if forward is None else forward(self.net, x)
            # numpy has no bfloat16
            return np.ascontiguousarray(out.float().cpu().numpy()[0])

    def cut_out(self, view: PictureView) -> Tensor:
        """Return a view of a picture on the device, see `device.cut_out`; the picture stays."""
        picture = view.picture
        return cut_out(self.on_device(picture, lambda: upload(picture.values, self.device)), view)

    def on_device(self, prepared: Prepared | SlicePicture, load: Callable[[], T]) -> T:
        """Return what a question needs of an image or picture, on the device.

        It is loaded for the first question, and stays there as long as the image is kept, until
        `release` or `save_memory`; so an image travels once. On a processor nothing is kept twice.
        """
        if self.device.type == "cpu":
            return load()
        if self._there is None:
            self._there = WeakKeyDictionary()
        if prepared not in self._there:
            self._there[prepared] = load()
        found: T = self._there[prepared]
        return found

    def device_bytes(self, nbytes: int) -> int:
        """Return how much of a number of bytes counts as the device's: all, or none on a CPU."""
        return 0 if self.device.type == "cpu" else nbytes

    @property
    def savings(self) -> tuple[Saving, ...]:
        """What it can give up, in the order to be tried."""
        device, dtype = self._home or (self.device, self.dtype)
        half = dtype == torch.float32
        found = [NOTHING, Saving(half=half), *(Saving(half, side) for side in self.views_px)]
        if device != _CPU:
            found += [Saving(on_cpu=True)]
            # on the CPU the smallest view alone: memory is short there as well by then
            found += [Saving(view_px=side, on_cpu=True) for side in self.views_px[-1:]]
        # without repetitions, in their order
        return tuple(dict.fromkeys(found))

    @property
    def saving(self) -> Saving:
        """What it gives up now."""
        return self._saving

    @property
    def is_half(self) -> bool:
        """Whether it computes in half precision now."""
        return self.dtype != torch.float32

    def save_memory(self, saving: Saving) -> None:
        """Give something up from now on; the network moves when it is next asked."""
        home = self._home = self._home or (self.device, self.dtype)
        device, dtype = home
        if saving.on_cpu:
            device, dtype = _CPU, torch.float32
        elif saving.exact:
            dtype = torch.float32
        elif saving.half and dtype == torch.float32:
            # CPUs are slow in float16, and older GPUs have no bfloat16
            dtype = torch.bfloat16 if device.type == "cpu" else torch.float16
        if (device, dtype) != (self.device, self.dtype):
            self._there = None
            self._leave()
            self._convert(dtype)
            self.device, self.dtype = device, dtype
        self._saving = saving
        # recordings hold memory, which is short or to be given back
        self.graphs.clear()
        # what the old place held is given back at once
        give_back(home[0])

    def release(self) -> None:
        """Return the device's memory, with the images there; the next query takes it again.

        It gives nothing up then.
        """
        self.save_memory(NOTHING)
        self._there = None
        self._leave()
        give_back(self.device)

    def bring(self) -> None:
        """Have the network on its device, or all of it in main memory if there is no room."""
        first = next(self.net.parameters(), None) if isinstance(self.net, nn.Module) else None
        if first is None or _is_on(first, self.device):
            return
        try:
            self.net.to(self.device)
        # half of it moved would be of no use on either side
        except BaseException:
            self._leave()
            raise

    def settle(self) -> None:
        """Bring the network, unless there is no room: then the first query tries again."""
        try:
            self.bring()
        except (RuntimeError, MemoryError) as err:
            if not is_out_of_memory(err):
                raise
            _log.info("the network stays in main memory for now: %s", err)

    def _convert(self, dtype: torch.dtype) -> None:
        """Have the weights in a number format; back in float32 they are what they were."""
        if dtype == self.dtype or not self.casts:
            return
        if self.dtype == torch.float32:
            # kept, since what half precision rounds off does not come back
            self._exact = {name: one.detach().clone() for name, one in self._values().items()}
        elif dtype == torch.float32:
            # before it is converted, which then takes no memory: it may be short
            self._restore()
        try:
            self._cast(self.net, dtype)
        # half of it converted would be of no use
        except BaseException:
            self._restore()
            raise

    def _restore(self) -> None:
        """Give the weights back their values in float32, if these were kept."""
        if self._exact is not None:
            for name, one in self._values().items():
                one.data = self._exact[name]
            self._exact = None

    def _values(self) -> dict[str, Tensor]:
        return {**dict(self.net.named_parameters()), **dict(self.net.named_buffers())}

    def _leave(self) -> None:
        if isinstance(self.net, nn.Module):
            self.net.to(_CPU)


class MadeOf(ABC):
    """An adapter that computes through others; it gives up what they can.

    Attributes
    ----------
    saves_by_half : bool
        Whether it may compute in half precision.
    """

    saves_by_half: bool = True

    _saving: Saving = NOTHING

    @property
    @abstractmethod
    def parts(self) -> Sequence[Any]:
        """What it is made of."""

    @property
    def savings(self) -> tuple[Saving, ...]:
        """What it can give up, in the order to be tried: as the part that has most to."""
        most: tuple[Saving, ...] = max(
            (getattr(part, "savings", ()) for part in self.parts), key=len
        )
        allowed = (replace(one, half=one.half and self.saves_by_half) for one in most)
        return tuple(dict.fromkeys(allowed))

    @property
    def saving(self) -> Saving:
        """What it gives up now."""
        return self._saving

    @property
    def is_half(self) -> bool:
        """Whether a part computes in half precision now."""
        return any(getattr(part, "is_half", False) for part in self.parts)

    def save_memory(self, saving: Saving) -> None:
        """Give something up from now on, in all parts that can."""
        self._saving = saving
        for part in self.parts:
            if hasattr(part, "save_memory"):
                part.save_memory(saving)

    def release(self) -> None:
        """Return the device's memory; the next query would take it again, giving nothing up."""
        self._saving = NOTHING
        for part in self.parts:
            if hasattr(part, "release"):
                part.release()


class NetModel:
    """An adapter round one network, a `SavingSegmenter` but for what it answers.

    Attributes
    ----------
    hosted : OnDevice
        The network, which the adapter sets.
    traits : Traits
        How it wants to be used; the adapter sets it.
    sees_pictures : bool
        Whether it prepares a `PictureView`, too: it was loaded to a device in half precision, in
        which a picture is no coarser than what it computes in.
    """

    hosted: OnDevice
    traits: Traits
    sees_pictures: bool = False

    @property
    def parts(self) -> tuple[OnDevice]:
        """The network on its device."""
        return (self.hosted,)

    @property
    def net(self) -> Any:
        """The network itself."""
        return self.hosted.net

    @property
    def device(self) -> torch.device:
        """Where it is asked now."""
        return self.hosted.device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in now."""
        return self.hosted.dtype

    @property
    def is_asynchronous(self) -> bool:
        """Whether it computes beside the processor, several questions nearly as fast as one."""
        return self.hosted.is_asynchronous

    @property
    def savings(self) -> tuple[Saving, ...]:
        """What it can give up, in the order to be tried."""
        return self.hosted.savings

    @property
    def saving(self) -> Saving:
        """What it gives up now."""
        return self.hosted.saving

    @property
    def is_half(self) -> bool:
        """Whether it computes in half precision now."""
        return self.hosted.is_half

    def save_memory(self, saving: Saving) -> None:
        """Give something up from now on."""
        self.hosted.save_memory(saving)

    def release(self) -> None:
        """Return the device's memory; the next query would take it again, giving nothing up."""
        self.hosted.release()


def cast_layers(net: nn.Module, dtype: torch.dtype) -> None:
    """Have the layers of a network in a number format; settings on itself stay float32."""
    for child in net.children():
        child.to(dtype)


def _is_on(value: Tensor, device: torch.device) -> bool:
    if value.device.type != device.type:
        return False
    # "cuda" without a number is whichever is current
    return device.type == "cpu" or device.index in (None, value.device.index)
