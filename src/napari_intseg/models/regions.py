"""Regions of masks, numbered on the device that the masks are on, and clean-up by them.

Nothing here waits for the device before the outcome comes down; on a processor SciPy is quicker.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import max_pool3d

from napari_intseg.core.segmenter import Array, BoolArray, is_out_of_memory
from napari_intseg.models.device import give_back, upload

# rounds in which pixels take over numbers, and look-ups in each: 10 and 2 were enough for random
# pixels of any density, spirals and winding lines of up to 1,024 pixels a side; one more is spare
_ROUNDS, _LOOK_UPS = 10, 3


def regions(mask: Tensor, *, corners: bool = True, by_plane: bool = False) -> tuple[Tensor, Tensor]:
    """Return numbers for the regions of a mask, where it is, and wait for nothing.

    Every pixel takes over the smallest number beside it, and numbers of numbers are looked up, so
    that they travel far in a round [1]_.

    Parameters
    ----------
    mask : Tensor of bool, shape (D, H, W)
        On any device that computes in float64.
    corners : bool, default True
        Whether pixels that touch by an edge or corner alone belong together.
    by_plane : bool, default False
        Whether those of different planes never do.

    Returns
    -------
    numbers : Tensor of int64, shape (D, H, W)
        Of each region the place of its first pixel in reading order; -1 outside of the mask.
    is_done : Tensor of bool, shape ()
        Whether the rounds were enough; else a region may have several numbers.

    References
    ----------
    .. [1] Shiloach, Y., Vishkin, U. "An O(log n) parallel connectivity algorithm", Journal of
       Algorithms 3, 1982.
    """
    size: tuple[int, ...] = (1, 3, 3) if by_plane else (3, 3, 3)
    around = [size] if corners else [_along(axis, size) for axis in range(3) if size[axis] > 1]
    inside = mask.reshape(-1)
    numbers = torch.arange(mask.numel(), device=mask.device)
    for _ in range(_ROUNDS):
        # what a number stands for becomes the least that any of its pixels sees
        numbers = numbers.scatter_reduce(0, numbers, _least(numbers, mask, around), "amin")
        for _ in range(_LOOK_UPS):
            numbers = numbers[numbers]
    is_done = (_least(numbers, mask, around) == numbers).all()
    return torch.where(inside, numbers, -1).reshape(mask.shape), is_done


def _along(axis: int, size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n if at == axis else 1 for at, n in enumerate(size))


def _least(numbers: Tensor, mask: Tensor, around: list[tuple[int, ...]]) -> Tensor:
    """Return the smallest number at and beside each pixel of a mask; elsewhere its own."""
    # negative and real, since devices pool real numbers by their maximum; exact up to 2^53
    low = torch.where(mask, -numbers.reshape(mask.shape).double(), -torch.inf)[None]
    best = low
    for size in around:
        beyond = tuple(n // 2 for n in size)
        best = torch.maximum(best, max_pool3d(low, size, 1, beyond))
    found = torch.where(mask, -best[0], 0.0).long().reshape(-1)
    return torch.where(mask.reshape(-1), found, numbers)


def largest_part(mask: BoolArray, device: torch.device) -> BoolArray | None:
    """Return the largest part of a mask, connected through faces, edges and corners.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        May be empty. Of equally large parts the first in reading order counts.
    device : torch.device
        Where it is looked for.

    Returns
    -------
    ndarray of bool, or None
        None where it cannot be told: there is no room, or the mask is too winding.
    """

    def work(there: Tensor) -> tuple[Tensor, Tensor]:
        numbers, is_done = regions(there)
        total, known = there.numel(), numbers.clamp_min(0).reshape(-1)
        sizes = torch.zeros(total, dtype=torch.int64, device=there.device)
        sizes = sizes.scatter_add(0, known, there.reshape(-1).long())
        # the first of equally large ones, whatever the device does first
        order = torch.arange(total, device=there.device)
        return numbers == (sizes * total + (total - 1 - order)).argmax(), is_done

    return _asked(mask, device, work)


def fill_holes(mask: BoolArray, device: torch.device) -> BoolArray | None:
    """Return a mask with its holes filled, plane by plane of the first axis.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        A hole is background that cannot reach the rim of its plane through edge neighbours.
    device : torch.device
        Where they are looked for.

    Returns
    -------
    ndarray of bool, or None
        See `largest_part`.
    """

    def work(there: Tensor) -> tuple[Tensor, Tensor]:
        numbers, is_done = regions(~there, corners=False, by_plane=True)
        sides = (numbers[:, 0], numbers[:, -1], numbers[..., 0], numbers[..., -1])
        rim = torch.cat([one.reshape(-1) for one in sides])
        # one place more, for those that lie on the object
        reaches = torch.zeros(there.numel() + 1, dtype=torch.bool, device=there.device)
        reaches = reaches.scatter(0, rim.remainder(there.numel() + 1), True)
        return there | ~reaches[numbers], is_done

    return _asked(mask, device, work)


def _asked(
    mask: BoolArray, device: torch.device, work: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> BoolArray | None:
    """Return what is found on a device, by one read."""
    try:
        with torch.inference_mode():
            found, is_done = work(upload(mask, device))
            told: Array = torch.cat([found.reshape(-1), is_done.reshape(1)]).cpu().numpy()
    except (RuntimeError, MemoryError) as err:
        if not is_out_of_memory(err):
            raise
        give_back(device)
        return None
    return told[:-1].reshape(mask.shape) if told[-1] else None
