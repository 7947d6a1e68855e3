"""Places inside a network where a caller may change what flows by, e.g. for BRS."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor

Taps = Mapping[str, Callable[[Tensor], Tensor]]
NO_TAPS: Taps = MappingProxyType({})


def tap(taps: Taps, place: str, x: Tensor) -> Tensor:
    """Return what the caller makes of `x` at this place; `x` itself if it asked for nothing."""
    return taps[place](x) if place in taps else x
