"""Where weight files are kept and found, and how one gets there: checked, and in one step.

Weights of networks that people trained themselves are kept here too: every such file is a model.
"""

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from napari_intseg.core import files
from napari_intseg.errors import WeightsError
from napari_intseg.models.networks import NETWORKS, REVOLVER, network_of
from napari_intseg.models.weights.catalogue import CATALOGUE, WeightFile

FOLDERS_VARIABLE = "NAPARI_INTSEG_WEIGHTS"
"""Environment variable with folders to look in first, separated as in PATH."""

TOLERANCE = 0.1
"""By so much a size may differ from the catalogue's, which is rounded, or counted in 2^20 bytes."""

# written as sha256sum writes, so that `sha256sum -c` can check a folder without this package
_SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that was fetched or added.

    Parameters
    ----------
    entry : WeightFile
        Its entry of the catalogue.
    path : Path
        Where it is now.
    sha256 : str
        Of its content.
    is_checked : bool
        Whether that equals the published one; False: none is published, so it was recorded.
    """

    entry: WeightFile
    path: Path
    sha256: str
    is_checked: bool


def cache_folder() -> Path:
    """Return the folder that files are fetched and added to."""
    return Path(user_cache_path("napari-intseg")) / "weights"


def bundled_folder() -> Path | None:
    """Return the folder of the weights that ship with the package, or None."""
    inside = Path(str(package_files("napari_intseg"))) / "weights"
    if inside.is_dir():
        return inside
    # from a checkout: of src/napari_intseg/models/weights/store.py, the folder with pyproject.toml
    checkout = Path(__file__).resolve().parents[4]
    beside = checkout / "weights"
    return beside if (checkout / "pyproject.toml").is_file() and beside.is_dir() else None


def search_folders(folder: str | Path | None = None) -> tuple[Path, ...]:
    """Return the folders that are looked in, in order.

    Parameters
    ----------
    folder : path, optional
        One that comes before the others: those named by the environment variable
        NAPARI_INTSEG_WEIGHTS, the bundled one, the user cache.
    """
    named = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    chosen = [folder, *(n for n in named if n), bundled_folder(), cache_folder()]
    return tuple(Path(f).expanduser() for f in chosen if f is not None)


def locate(key: str, given: str | Path | None = None) -> Path:
    """Return the weight file of a catalogue entry.

    Parameters
    ----------
    key : str
        Of the catalogue; another name is looked for as a file name.
    given : path, optional
        A file, which is taken as it is, or the folder to look in.

    Raises
    ------
    WeightsError
        If there is no such file; tells how to get it.
    """
    # people's own networks are in no catalogue and go by the name of their file
    entry = CATALOGUE.get(key) or WeightFile(key, "", key)
    if given is not None:
        path = Path(given).expanduser()
        if (path / "config.json").is_file():
            # a folder as the Hugging Face hub has them: the model's builder reads it
            return path
        chosen = path / entry.file if path.is_dir() else path
        if chosen.is_file():
            return chosen
        raise WeightsError(
            f"weights are missing: expected a file, got {str(chosen)!r}. {how_to_get(entry)}"
        )
    folders = search_folders()
    found = find_file(key, folders)
    if found is None:
        raise WeightsError(
            f"weights are missing: expected {entry.file!r} in one of "
            f"{', '.join(map(str, folders))}, got no such file. {how_to_get(entry)}"
        )
    return found


def find_file(key: str, folders: tuple[Path, ...] | None = None) -> Path | None:
    """Return the file of a catalogue entry in the weights folders; None if it is nowhere.

    Parameters
    ----------
    key : str
        Of the catalogue; another name is looked for as a file name.
    folders : tuple of Path, optional
        Looked in instead of the usual ones.
    """
    entry = CATALOGUE.get(key) or WeightFile(key, "", key)
    places = search_folders() if folders is None else folders
    # last, so that a file of ours wins over what the authors' tools left
    if entry.kept is not None:
        variable, usual = entry.kept
        places = (*places, Path(os.environ.get(variable) or usual).expanduser())
    paths = (folder / entry.file for folder in places)
    return next((path for path in paths if path.is_file()), None)


# a hundredth of a second of hashing
_PIECE = 1 << 24


def sha256_of(path: Path, go_on: Callable[[], None] = files.go_on) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal.

    Parameters
    ----------
    path : Path
    go_on : callable, optional
        Called after each piece; what it raises ends it.
    """
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            found.update(piece)
            go_on()
    return found.hexdigest()


def check_content(entry: WeightFile, path: Path, checksum: str) -> None:
    """Check that a file can be the weights of an entry, without loading it.

    Raises
    ------
    WeightsError
        If its checksum is not the published one, or it does not begin like a checkpoint.
    """
    if entry.sha256 is not None and checksum != entry.sha256:
        raise WeightsError(
            f"weights are not the published ones: expected SHA-256 {entry.sha256}, got "
            f"{checksum} for {entry.file!r}. {how_to_get(entry)}"
        )
    with path.open("rb") as stream:
        start = stream.read(16)
    # a zip archive, a bare pickle, or the length and the opening brace of a safetensors header
    if not (start.startswith((b"PK\x03\x04", b"\x80")) or start[8:9] == b"{"):
        raise WeightsError(
            f"weights are no checkpoint: expected a torch or safetensors file, got {path.name!r} "
            f"that begins with {start!r}. {how_to_get(entry)}"
        )


def check_size(entry: WeightFile, path: Path) -> None:
    """Check that a download without a published checksum has about the published size.

    Raises
    ------
    WeightsError
        If it has not: it is cut off, or another file.
    """
    size_mb = path.stat().st_size / 1e6
    # with a published checksum the size says nothing more
    if entry.sha256 is None and entry.size_mb and abs(size_mb / entry.size_mb - 1) > TOLERANCE:
        raise WeightsError(
            f"weights are not whole, or others: expected about {entry.size_mb:g} MB, got "
            f"{size_mb:.4g} MB for {entry.file!r}. {how_to_get(entry)}"
        )


def check_unchanged(path: Path, checksum: str, key: str) -> None:
    """Compare a file with what it was when it was stored or first loaded; note it the first time.

    Parameters
    ----------
    path : Path
        The file; checksums are noted beside it, if its folder can be written.
    checksum : str
        SHA-256 of its content now.
    key : str
        Of the catalogue, for the message.

    Raises
    ------
    WeightsError
        If the file has changed.
    """
    known = recorded_sums(path.parent).get(path.name)
    if known is None:
        # a folder that is shared, or part of a system, may be read-only; then nothing is noted
        with suppress(OSError):
            _record(path.parent, path.name, checksum)
    elif known != checksum:
        raise WeightsError(
            f"weights have changed: expected SHA-256 {known} as when they were stored or first "
            f"loaded, got {checksum} for {str(path)!r}. This file has changed; fetch it again, or "
            f"if you replaced it, `napari-intseg weights add FILE --key {key}`."
        )


def store(entry: WeightFile, source: Path, folder: Path, checksum: str) -> Stored:
    """Put a checked file into a folder under its published name, and note its checksum there.

    Raises
    ------
    WeightsError
        If the folder cannot be written.
    """
    target = folder / entry.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # beside its place, so that whoever looks meanwhile sees all of the file or none
        with files.hidden_folder(folder) as beside:
            shutil.copyfile(source, beside / entry.file)
            files.put(beside / entry.file, target)
        _record(folder, entry.file, checksum)
    except OSError as err:
        raise unwritable(folder, err) from err
    return Stored(entry, target, checksum, entry.sha256 is not None)


def unwritable(folder: Path, err: OSError) -> WeightsError:
    """Return the error for a weights folder that cannot be written."""
    return WeightsError(
        f"weights cannot be stored: expected a folder that can be written, got {str(folder)!r} "
        f"({err.strerror or err}). Choose another folder, and name it in {FOLDERS_VARIABLE}."
    )


def how_to_get(entry: WeightFile) -> str:
    """Return what to do about a missing or wrong file: the commands to fetch and to add it."""
    add_it = f"add a file with `napari-intseg weights add FILE --key {entry.key}`"
    if entry.key not in CATALOGUE:
        return "Give its path as `weights`."
    if entry.address is None:
        return f"It cannot be fetched ({entry.note or 'no address'}); {add_it}."
    size = f" ({entry.size_mb:g} MB)" if entry.size_mb else ""
    fetch_it = f"Fetch it{size} with `napari-intseg weights fetch {entry.key}`"
    return f"{fetch_it}, or offline: download {entry.address} and {add_it}."


def recorded_sums(folder: Path) -> dict[str, str]:
    """Return the checksums noted in a folder, by file name."""
    path = folder / _SUMS
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    pairs = (line.split(maxsplit=1) for line in lines if len(line.split(maxsplit=1)) == 2)
    # sha256sum marks files that it read as binary by a star
    return {name.lstrip("*").strip(): checksum.lower() for checksum, name in pairs}


def _record(folder: Path, file: str, checksum: str) -> None:
    sums = recorded_sums(folder) | {file: checksum}
    text = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    files.write_text(folder / _SUMS, text)


ARCHITECTURE = "click-pyramid-1"
"""What the metadata of a weights file names; the number changes when old files no longer fit."""

# a header is some kB; a file that is none may begin with a number beyond all memory
_LONGEST_HEADER = 1_000_000


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return the metadata of a safetensors file without loading its tensors.

    Empty if the file is none, or has none: whoever asks wants to know whether it is a model.
    """
    try:
        changed = path.stat()
        return dict(_metadata(path, changed.st_mtime_ns, changed.st_size))
    except OSError:
        return {}


# a window asks nine times for that of the bundled weights while it opens, 5 ms each
@lru_cache
def _metadata(path: Path, _changed_ns: int, _size: int, /) -> Mapping[str, str]:
    try:
        with path.open("rb") as stream:
            # safetensors begins with the length of its header, 8 bytes, little-endian
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _LONGEST_HEADER:
                return {}
            header = files.parse_json(stream.read(length))
        metadata = header.get("__metadata__", {})
    except (ValueError, struct.error, AttributeError):
        return {}
    return {name: text for name, text in metadata.items() if isinstance(text, str)}


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
        Settings other than the network's own, see `models.bundled_input.read_traits`.
    card : str
        What it was trained on, for people.
    architecture : str
        Which network it is, see `Network.architecture`.
    settings : mapping, optional
        How the network is built.
    """
    from safetensors.torch import save

    values = {
        # half the bytes; integers, such as counts of batches, stay as they are
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
    # by bytes, as the writer of safetensors makes files that only their owner can read
    files.write_bytes(path, save(values, metadata))
    return path


GUIDED = "guided-1"
"""As `ARCHITECTURE`, of networks that annotated images guide."""

POLICY = "click-policy-1"
"""As `ARCHITECTURE`, of policies for the next click."""

CURVE_GCN, POLYGON_RNN = "curve-gcn-1", "polygon-rnn-1"
"""As `ARCHITECTURE`, of networks that move the vertices of outlines."""

CLOUD = "cloud-1"
"""As `ARCHITECTURE`, of click networks for point clouds."""

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
        # in a fixed order: the first of two decides
        for path in sorted(folder.glob("*.safetensors")):
            told = read_metadata(path).get("architecture")
            if network_of(told) is not None if architecture is None else told == architecture:
                found.setdefault(path.stem, path)
    return found


def locate_own(weights: str | Path, architecture: str, task: str) -> Path:
    """Return a file that `napari-intseg train` wrote, by its path, or its name in the folders.

    Parameters
    ----------
    weights : str or Path
        A name has no suffix.
    architecture : str
        What its metadata must name.
    task : str
        As `train --task` has it, for the message.

    Raises
    ------
    WeightsError
        If the file is missing, or of another network.
    """
    is_name = not Path(weights).suffix
    path = locate(f"{weights}.safetensors") if is_name else locate(str(weights), weights)
    told = read_metadata(path).get("architecture")
    if told != architecture:
        raise WeightsError(
            f"weights are of another network: expected architecture {architecture}, got {told!r} "
            f"in {str(path)!r}. Choose a file that `napari-intseg train --task {task}` wrote."
        )
    return path


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
    if network_of(told) is None and told not in (
        SEMANTIC, GUIDED, POLICY, CLOUD, CURVE_GCN, POLYGON_RNN, REVOLVER.architecture,
    ):  # fmt: skip
        known = ", ".join(network.architecture for network in NETWORKS.values())
        raise WeightsError(
            f"weights are of another network: expected architecture {known}, got {told!r} "
            f"in {str(path)!r}. Choose a file that `napari-intseg train` wrote."
        )
    target = folder / path.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # as in `store`: whoever looks meanwhile sees all of the file or none
        with files.hidden_folder(folder) as beside:
            shutil.copyfile(path, beside / path.name)
            files.put(beside / path.name, target)
    except OSError as err:
        raise unwritable(folder, err) from err
    return target
