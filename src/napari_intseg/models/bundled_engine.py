"""Which engine computes the bundled network: PyTorch, or ONNX Runtime where that is missing."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.errors import MissingExtraError
from napari_intseg.models.weights.store import ARCHITECTURE, read_metadata


def build(name: str, weights: Path | None, *, engine: str = "auto", **options: Any) -> Segmenter:
    """Return the bundled network, or one that was trained here, on the engine that is installed.

    Parameters
    ----------
    name : str
        The name it is registered under.
    weights : Path
        A safetensors file that `napari-intseg train` wrote.
    engine : {"auto", "torch", "onnx"}
        "auto" is PyTorch, and ONNX Runtime where PyTorch is not installed. Their masks differ in
        less than a pixel of a thousand.
    **options
        See `bundled.build`, `bundled_onnx.build`.

    Raises
    ------
    MissingExtraError
        If the engine is not installed.
    ValueError
        If there is no such engine.
    """
    if engine not in ("auto", "torch", "onnx"):
        raise ValueError(f"engine is unknown: expected auto, torch or onnx, got {engine!r}.")
    # only looked for: importing it is left to the engine that needs it
    has_torch = find_spec("torch") is not None
    # the graphs are of the click pyramid; other networks need PyTorch
    is_pyramid = weights is None or _architecture(weights) == ARCHITECTURE
    if engine == "onnx" or (engine == "auto" and not has_torch and is_pyramid):
        from napari_intseg.models import bundled_onnx

        return bundled_onnx.build(name, weights, **options)
    if not has_torch:
        raise MissingExtraError(
            f"{name} needs a package that is not installed: expected torch. "
            "Install it with: pip install 'napari-intseg[torch]'"
        )
    from napari_intseg.models import bundled

    return bundled.build(name, weights, **options)


def _architecture(weights: Path) -> str:
    return read_metadata(weights).get("architecture", ARCHITECTURE)
