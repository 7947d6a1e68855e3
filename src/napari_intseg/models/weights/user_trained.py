"""Weights of networks that people trained themselves: every such file is a model."""

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_intseg.core import files
from napari_intseg.errors import WeightsError
from napari_intseg.models.networks import NETWORKS, network_of
from napari_intseg.models.weights.store import unwritable

ARCHITECTURE = "click-pyramid-1"
"""What the metadata of a weights file names; the number changes when old files no longer fit."""

_LONGEST_HEADER = 1_000_000


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return the metadata of a safetensors file without loading its tensors.

    Empty if the file is none, or has none: whoever asks wants to know whether it is a model.
    """
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _LONGEST_HEADER:
                return {}
            header = json.loads(stream.read(length))
        metadata = header.get("__metadata__", {})
    except (OSError, ValueError, struct.error, AttributeError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def write_weights(
    path: Path,
    state_dict: Mapping[str, Any],
    *,
    traits: Mapping[str, Any] | None = None,
    card: str = "",
    architecture: str = ARCHITECTURE,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """Write a network's weights in half precision, with metadata that make the file a model.

    Parameters
    ----------
    path : Path
        Ends in ``.safetensors``; its stem becomes the model's name. Replaced if it is there.
    state_dict : mapping of str to Tensor
        Of one of `networks.NETWORKS`.
    traits : mapping, optional
        Settings other than the network's own, see `models.bundled.read_traits`.
    card : str
        What it was trained on, for people.
    architecture : str
        Which network it is, see `Network.architecture`.
    settings : mapping, optional
        How the network is built.
    """
    from safetensors.torch import save

    values = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in state_dict.items()
    }
    metadata = {
        "architecture": architecture,
        "settings": json.dumps(dict(settings or {}), sort_keys=True),
        "traits": json.dumps(dict(traits or {}), sort_keys=True),
        "card": card,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(
        path, save(values, metadata)
    )  # its own writer makes files only their owner reads
    return path


SEMANTIC = "semantic-1"
"""As `ARCHITECTURE`, of networks that name the class of every pixel."""


def find_own(folders: tuple[Path, ...], architecture: str | None = None) -> dict[str, Path]:
    """Return the weights files of `networks.NETWORKS` in some folders, by file stem.

    Parameters
    ----------
    architecture : str or None
        What their metadata must name; None: one of `networks.NETWORKS`.
    folders : tuple of Path
        In order; of two files of the same name the first counts. Those that do not exist are
        passed over.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            continue
        for path in sorted(folder.glob("*.safetensors")):
            told = read_metadata(path).get("architecture")
            if network_of(told) is not None if architecture is None else told == architecture:
                found.setdefault(path.stem, path)
    return found


def keep_own(path: Path, folder: Path) -> Path:
    """Copy a weights file to where models are looked for, in one step; returns the copy.

    Parameters
    ----------
    path : Path
        Of one of the networks.
    folder : Path
        Made if it does not exist. A file of that name there is replaced.

    Raises
    ------
    WeightsError
        If the file is of none of them, or the folder cannot be written.
    """
    told = read_metadata(path).get("architecture")
    if network_of(told) is None and told != SEMANTIC:
        known = ", ".join(network.architecture for network in NETWORKS.values())
        raise WeightsError(
            f"weights are of another network: expected architecture {known}, got {told!r} "
            f"in {str(path)!r}. Choose a file that `napari-intseg train` wrote."
        )
    target = folder / path.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.hidden_folder(folder) as beside:
            shutil.copyfile(path, beside / path.name)
            files.put(beside / path.name, target)
    except OSError as err:
        raise unwritable(folder, err) from err
    return target
