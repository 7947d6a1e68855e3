"""Weights of other frameworks and projects, under the names that networks here have."""

import io
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.errors import WeightsError
from napari_intseg.models.networks import Network

Rules = Sequence[tuple[str, str]]
"""Patterns of names, and what takes their place; an empty one leaves the entry out."""

PADDLE: Rules = (
    (r"^StructuredToParameterName@@$", ""),
    (r"\._conv\.", ".0."),
    (r"\._batch_norm\.", ".1."),
    (r"\._mean$", ".running_mean"),
    (r"\._variance$", ".running_var"),
    (r"\._weight$", ".weight"),  # of PReLU
)
"""Of Paddle's own layers, and of paddleseg's convolution with normalisation."""

RULES: Mapping[str, Rules] = {
    "edgeflow": (
        *PADDLE,
        (r"^finenet\.final_predict\.0\.(conv2|bn2)\..*", ""),
    ),
    # as in the PyTorch files that follow Caffe's names; the classes' scores are none of ours
    "dios-fcn8s": (
        (r"^(conv\d_\d\..*)", r"encoder.\1"),
        (r"^(features|upscore|score).*", ""),
    ),
    "dios-fcn16s": (
        (r"^(conv\d_\d\..*)", r"encoder.\1"),
        (r"^(features|upscore|score).*", ""),
    ),
}
"""By network. Others have the names that are here."""


def _as_bytes(text: str, _encoding: str = "latin1") -> bytes:
    """Return bytes that an old protocol wrote as text; other encodings than its own do not come."""
    return text.encode("latin1")


_PARTS: Mapping[
    tuple[str, str], Any
] = {  # what a pickle of plain arrays is made of, by module and name
    ("collections", "OrderedDict"): dict,
    ("_codecs", "encode"): _as_bytes,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0]
        for core in ("core", "_core")
    },
}
_MOST_BYTES = 1 << 31


def read_paddle(path: Path) -> dict[str, Any]:
    """Return the arrays of a ``.pdparams`` file; Paddle is not needed, and nothing else is made.

    Raises
    ------
    WeightsError
        If the file is too large, damaged, or asks for anything but arrays.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise WeightsError(
            f"weights are too large: expected at most {_MOST_BYTES} bytes, got "
            f"{path.stat().st_size} in {str(path)!r}. Choose the network's own file."
        )
    try:
        found = _Arrays(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as err:  # a damaged pickle has any error
        raise WeightsError(
            f"weights cannot be read: expected a pickle of arrays as Paddle writes it, got "
            f"{str(path)!r} ({err}). Fetch the file again."
        ) from err
    if not isinstance(found, dict):
        raise WeightsError(
            f"weights cannot be read: expected arrays by name, got {type(found).__name__} in "
            f"{str(path)!r}. Choose a .pdparams file."
        )
    return {str(k): v for k, v in found.items() if isinstance(v, np.ndarray)}


class _Arrays(pickle.Unpickler):
    """Makes numpy arrays and dictionaries, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PARTS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _PARTS[module, name]


def renamed(state: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return entries under other names: every rule that fits is applied, in order."""
    out = {}
    for name, value in state.items():
        now = name
        for pattern, new in rules:
            now = re.sub(pattern, new, now)
        if now:
            out[now] = value
    return out


def converted(path: Path, network: Network, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of a published file as a network here has them.

    Parameters
    ----------
    path : Path
        ``.pdparams``, or what `load_checkpoint` reads.
    network : Network
        Which one.
    settings : mapping
        How it is built, see `Network.build`.

    Returns
    -------
    dict of str to Tensor
        Those that the file does not hold, of layers that are ours, keep the values they begin with:
        scores of FCN, and the channels of clicks in its first convolution, which begin at zero.

    Raises
    ------
    WeightsError
        If the file cannot be read, or a weight is missing, unknown, or of another shape.
    """
    import torch

    from napari_intseg.models.checkpoint import load_checkpoint

    given: Any = read_paddle(path) if path.suffix == ".pdparams" else load_checkpoint(path)
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(given, dict) and isinstance(given.get(key), dict):
            given = given[key]
    found = renamed(given, RULES.get(network.name, ()))
    net = network.build(settings)
    state = dict(net.state_dict())
    own = _begins_anew(network)
    missing = [n for n in state if n not in found and not own(n)]
    unknown = [name for name in found if name not in state]
    if missing or unknown:
        raise _unlike(path, network, missing, unknown)
    for name, value in found.items():
        tensor = torch.as_tensor(np.array(value) if isinstance(value, np.ndarray) else value)
        state[name] = _fitted(state[name], tensor.reshape(_shape(tensor, state[name])), name, path)
    return state


def _begins_anew(network: Network) -> Callable[[str], bool]:
    ours = ("score_",) if network.name.startswith("dios") else ()
    return lambda name: name.endswith("num_batches_tracked") or name.startswith(ours or ("\0",))


def _shape(tensor: Any, wanted: Any) -> Any:
    """Return the shape to compare: that of a fully connected layer may stand for a convolution."""
    return wanted.shape if tensor.numel() == wanted.numel() else tensor.shape


def _fitted(begun: Any, given: Any, name: str, path: Path) -> Any:
    """Return a weight; a convolution of colours alone leaves further channels as they begin."""
    if given.shape == begun.shape:
        return given.to(begun.dtype)
    is_wider = given.ndim == 4 and given.shape[1] == 3 and begun.shape[1] > 3
    if is_wider and given.shape[::2] == begun.shape[::2] and given.shape[3] == begun.shape[3]:
        out = begun.clone()
        out[:, :3] = given
        return out
    raise WeightsError(
        f"weights are of another size: expected {tuple(begun.shape)} for {name!r}, got "
        f"{tuple(given.shape)} in {str(path)!r}. Say the network's size by --setting."
    )


def _unlike(path: Path, network: Network, missing: list[str], unknown: list[str]) -> WeightsError:
    told = ", ".join(missing[:3]) or "all of them"
    return WeightsError(
        f"weights are of another network: expected those of {network.name!r}, missing are {told}, "
        f"unknown {', '.join(unknown[:3]) or 'none'} in {str(path)!r}. Choose the network that the "
        "file belongs to, and its size by --setting."
    )
