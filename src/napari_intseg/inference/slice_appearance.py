"""How one slice is shown to a model: its intensity window, and denoising."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import FloatArray, Prepared
from napari_intseg.inference.adapted_window import adapted, denoised, noise_level, subject
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.view import SOFTENED, Read, Soften, View

MEASURED_PX = 512  # a slice up to this size is measured once, for all views of it
_SAMPLE_PX = 256  # in its middle: 65,000 details; takes 3 ms


class PreparedStore(Protocol):
    """Keeps what models prepared; it may forget at any time."""

    def get(self, key: Hashable) -> Prepared | None:
        """Return what was put under a key, None if it is not there any more."""
        ...

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep something under a key."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """How a slice is shown to answer one question.

    Parameters
    ----------
    intensity : Intensity
        Turns raw values to RGB; it adapts to nothing further.
    name : str
        Empty if it is how all of the volume is shown, else what tells it apart.
    """

    intensity: Intensity
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SliceAppearance:
    """Finds window and noise of a slice; measurements are cached with the embeddings.

    Parameters
    ----------
    read : callable
        Gives a window of the slice.
    shape : (int, int)
        ``(H, W)`` of the slice.
    intensity : Intensity
        As it was chosen for the volume.
    denoise : bool
        Whether noise is taken away.
    store : PreparedStore or None
        Where to keep it.
    key : hashable
        Names image, plane and intensity.
    """

    read: Read
    shape: tuple[int, int]
    intensity: Intensity
    denoise: bool = True
    store: PreparedStore | None = None
    key: Hashable = None

    def shown(self, prompts: Prompts | None = None, guide: Patch | None = None) -> Seen:
        """Return how the slice is shown to answer a question; see `adapted`."""
        given = prompts or Prompts()
        about = subject(given)
        intensity, name = self.intensity, ""
        if self.intensity.adapts != "no":
            known = self._kept(("window", about)) if about or guide is None else None
            intensity = known or adapted(self.intensity, self.read, self.shape, given, guide)
            if known is None and (about or guide is None):
                self._keep(("window", about), intensity)
            if self.intensity.adapts == "hounsfield" and intensity.low != self.intensity.low:
                name = f"{intensity.low[0]:g} to {intensity.high[0]:g}"
        return Seen(intensity, name)

    def softener(self, seen: Seen) -> Soften | None:
        """Return the filter that denoises a part of the slice; None if it needs none.

        A small slice is measured as a whole, once. Of a large one each part is by itself, so that
        nothing further has to be read.
        """
        if not self.denoise:
            return None
        if max(self.shape) > MEASURED_PX:
            return lambda image: denoised(image, _level(image))
        level = self._kept(("noise", seen.name))
        if level is None:
            raw = self.read(*_middle(self.shape))
            shown = seen.intensity.to_grey(raw) if raw.ndim == 2 else seen.intensity.to_rgb(raw)
            level = _level(shown)
            self._keep(("noise", seen.name), level)
        return None if level == 0 else lambda image: denoised(image, level)

    def view(self, view: View, seen: Seen) -> FloatArray:
        """Return a view of the slice as a model gets it, float32 (h, w, 3) in [0, 1]."""
        soften = self.softener(seen) if view.shrunk <= SOFTENED else None
        return view.read(self.read, seen.intensity, soften=soften)

    def _kept(self, what: Hashable) -> Any:
        found = None if self.store is None else self.store.get((self.key, what))
        return None if found is None else found.payload

    def _keep(self, what: Hashable, value: Any) -> None:
        if self.store is not None:
            self.store.put((self.key, what), Prepared(self.shape, value, 1))


def _level(image: FloatArray) -> float:
    middle = image[_middle(image.shape[:2])]
    return noise_level(middle if middle.ndim == 2 else middle.mean(axis=2))


def _middle(shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, cols = (slice(max(0, (n - _SAMPLE_PX) // 2), (n + _SAMPLE_PX) // 2) for n in shape)
    return rows, cols
