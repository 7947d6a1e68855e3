"""Find a weight file, check it, and load it strictly and safely."""

from pathlib import Path
from typing import Any

from napari_intseg.errors import WeightsError


def locate(key: str, given: str | Path | None = None) -> Path:
    """Return the weight file of a catalogue entry: the given one, or one found in the folders."""
    if given is None:
        raise WeightsError(f"weights are missing: expected a file for {key!r}. Name one.")
    return Path(given)


def load_checkpoint(path: Path) -> Any:
    """Return what a checkpoint file holds: tensors and plain values, nothing that runs code.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or a torch file that is read with ``weights_only=True``.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or holds anything but tensors and plain values.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise WeightsError(
            f"weights are missing: expected a file, got {str(path)!r}. Check the path, or fetch "
            "them with `napari-intseg weights fetch`."
        ) from err
    except (RuntimeError, SafetensorError, OSError, EOFError, ValueError, KeyError) as err:
        raise WeightsError(
            f"weights cannot be read: expected a checkpoint, got {str(path)!r} ({err}). "
            "Download the file again."
        ) from err


def load_strict(net: Any, state_dict: dict[str, Any], path: Path) -> None:
    """Load a state dict into a network; every name and shape must fit.

    Raises
    ------
    WeightsError
        If a name is missing or too many, or a shape differs; names the first few.
    """
    expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    missing = [n for n in expected if n not in state_dict]
    extra = [n for n in state_dict if n not in expected]
    shapes = [n for n in expected if n in state_dict and tuple(state_dict[n].shape) != expected[n]]
    if missing or extra or shapes:
        told = "; ".join(
            f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for what, names in (
                ("missing", missing),
                ("unknown", extra),
                ("of another shape", shapes),
            )
            if names
        )
        raise WeightsError(
            f"weights are of another model: expected the parameters of {type(net).__name__}, got "
            f"{str(path)!r} with {told}. Choose the model that this file belongs to."
        )
    net.load_state_dict(state_dict, strict=True)
