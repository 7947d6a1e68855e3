"""Run one image through a network, wherever it is."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from napari_intseg.core.segmenter import Array, FloatArray
from napari_intseg.models.device import Precision, choose_device, choose_precision, memory_guard
from napari_intseg.models.fold import quicken
from napari_intseg.models.memory_saving import MadeOf, OnDevice


class Runner(OnDevice):
    """A network on its device: numpy in, numpy out.

    Parameters
    ----------
    net : Module
        Loaded; taken over: folded, set to evaluation mode.
    device, precision : str
        See `choose_device` and `choose_precision`.
    """

    net: nn.Module

    def __init__(self, net: nn.Module, device: str, precision: Precision) -> None:
        self.device = choose_device(device)
        self.dtype = choose_precision(precision, self.device)
        self.net = quicken(net).to(self.dtype)
        self.settle()

    def __call__(
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
            x = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
            self.bring()
            x = x.to(self.device, self.dtype, memory_format=torch.channels_last)
            out = self.net(x) if forward is None else forward(self.net, x)
            return np.ascontiguousarray(out.float().cpu().numpy()[0])


class WithRunner(MadeOf):
    """An adapter whose network is in a `Runner`."""

    _run: Runner

    @property
    def parts(self) -> tuple[Runner]:
        """The network on its device."""
        return (self._run,)
