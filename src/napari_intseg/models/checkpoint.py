"""Read a checkpoint safely, and load it strictly."""

import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_intseg.errors import WeightsError
from napari_intseg.models.pickles import UnsafeError, check_pickles


def load_checkpoint(path: Path, *, stand_ins: Sequence[str] = (), shapes_only: bool = False) -> Any:
    """Return what a checkpoint file holds: tensors and plain values, nothing that runs code.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or a torch file that is read with ``weights_only=True``.
    stand_ins : sequence of str
        Full names of classes that the file may mention; an object without behaviour takes the
        place of each. Nothing is imported by these names.
    shapes_only : bool, default False
        Tensors of a torch file come without their values, and take no memory.

    Raises
    ------
    WeightsError
        If the file is missing, empty, a folder, damaged, or holds anything but tensors and plain
        values.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(path)
    _check_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        check_pickles(path, stand_ins)
        with torch.serialization.safe_globals([_stand_in(name) for name in stand_ins]):
            place = "meta" if shapes_only else "cpu"
            return torch.load(path, map_location=place, weights_only=True)
    except UnsafeError as err:
        raise _unsafe(path, str(err)) from err
    except pickle.UnpicklingError as err:
        # torch's text goes on to advise loading it unsafely; only what it found is told
        found = re.search(r"WeightsUnpickler error: ([^\n]*?)(?:\. |\n|$)", str(err))
        reason = (found[1] if found else "") or "not a checkpoint"
        if not re.search("global|Can only|blocked", reason, re.IGNORECASE):
            raise _unreadable(path, reason) from err
        raise _unsafe(path, reason) from err
    except Exception as err:  # torch has any error for a damaged file, struct.error among them
        raise _unreadable(path, _first_line(err)) from err


def required(weights: Path | None, name: str) -> Path:
    """Return the path of a model's weights.

    Raises
    ------
    WeightsError
        If there is none.
    """
    if weights is None:
        raise WeightsError(
            f"weights are missing: expected a checkpoint for {name!r}, got None. "
            "Give its path as `weights`."
        )
    return weights


def _stand_in(name: str) -> tuple[Any, str]:
    """Return an empty class of its own, for a name in a file."""
    return type("StandIn", (), {}), name


def _unsafe(path: Path, reason: str) -> WeightsError:
    is_bounded = " " in reason and not reason.startswith("a call")
    asks = "is made to take memory or time without bound" if is_bounded else "asks to run code"
    return WeightsError(
        f"weights are not safe to load: expected tensors and plain values only, got "
        f"{str(path)!r}, which {asks} ({reason}). "
        "Do not use this file; fetch the published one."
    )


def _unreadable(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"weights cannot be read: expected a checkpoint, got {str(path)!r} ({reason}). "
        "The file is damaged or no checkpoint; fetch it again."
    )


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0].rstrip(".")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise WeightsError(
            f"weights are a folder: expected a file, got {str(path)!r}. Name the file in it."
        )
    if not path.is_file():
        raise WeightsError(
            f"weights are missing: expected a file, got {str(path)!r}. Check the path, or fetch "
            "them with `napari-intseg weights fetch`."
        )
    if path.stat().st_size == 0:
        raise WeightsError(
            f"weights are empty: expected a checkpoint, got {str(path)!r} of 0 bytes. "
            "The file is damaged; fetch it again."
        )


def load_strict(net: Any, state_dict: Any, path: Path) -> None:
    """Load a state dict into a network; every name and shape must fit.

    Raises
    ------
    WeightsError
        If it is no state dict, a name is missing or too many, or a shape differs; names the first
        few.
    """
    import torch

    if not isinstance(state_dict, dict) or not all(
        isinstance(value, torch.Tensor) for value in state_dict.values()
    ):
        raise WeightsError(
            f"weights hold no state dict: expected tensors by name, got "
            f"{type(state_dict).__name__} in {str(path)!r}. Choose another file."
        )
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
