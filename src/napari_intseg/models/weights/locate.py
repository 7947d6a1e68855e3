"""Find weight files, fetch them, add them by hand, and check them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.weights.catalogue import CATALOGUE, WeightFile, find_entry
from napari_intseg.models.weights.fetch import fetch
from napari_intseg.models.weights.recognise import check_network, recognise_file
from napari_intseg.models.weights.store import (
    FOLDERS_VARIABLE,
    Stored,
    bundled_folder,
    cache_folder,
    check_content,
    find_file,
    locate,
    recorded_sums,
    search_folders,
    sha256_of,
    store,
)

__all__ = [
    "FOLDERS_VARIABLE",
    "Check",
    "LocatedWeights",
    "Stored",
    "add",
    "bundled_folder",
    "cache_folder",
    "fetch",
    "list_weights",
    "load_checkpoint",
    "load_strict",
    "locate",
    "search_folders",
    "sha256_of",
    "verify",
]


@dataclass(frozen=True, slots=True)
class LocatedWeights:
    """A catalogue entry and where its file is; `path` is None when it is nowhere."""

    entry: WeightFile
    path: Path | None


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a file is still what it was.

    Parameters
    ----------
    entry : WeightFile
        Its entry of the catalogue.
    path : Path
        The file.
    sha256 : str
        Of its content now.
    state : {"ok", "damaged", "unrecorded"}
        Compared with the published checksum, else with the one recorded beside the file.
    """

    entry: WeightFile
    path: Path
    sha256: str
    state: Literal["ok", "damaged", "unrecorded"]


def list_weights(folder: str | Path | None = None) -> list[LocatedWeights]:
    """Return every entry of the catalogue with the file that `locate` would take.

    Parameters
    ----------
    folder : path, optional
        Looked in before the usual folders.
    """
    folders = search_folders(folder)
    return [LocatedWeights(entry, find_file(entry.key, folders)) for entry in CATALOGUE.values()]


def add(file: str | Path, key: str | None = None, *, folder: str | Path | None = None) -> Stored:
    """Copy a weight file that was obtained by hand to where models look for it.

    Parameters
    ----------
    file : path
        The file, left as it is.
    key : str, optional
        What it is; otherwise told from its name, else from its checksum.
    folder : path, optional
        Where to; the user cache otherwise.

    Raises
    ------
    WeightsError
        If there is no such file, it cannot be told what it is, its checksum is not the published
        one, it is no checkpoint, or the folder cannot be written.
    """
    source = Path(file).expanduser()
    if not source.is_file():
        raise WeightsError(
            f"weights are missing: expected a file, got {str(source)!r}. Check the path."
        )
    checksum = sha256_of(source)
    entry = find_entry(key) if key is not None else _recognise(source, checksum)
    check_content(entry, source, checksum)
    check_network(entry, source, checksum)
    target = Path(folder).expanduser() if folder is not None else cache_folder()
    return store(entry, source, target, checksum)


def verify(key: str | None = None, *, folder: str | Path | None = None) -> list[Check]:
    """Compare the checksums of the files at hand with those published or recorded.

    Parameters
    ----------
    key : str, optional
        Only this entry; otherwise all whose file is found.
    folder : path, optional
        Looked in before the usual folders.

    Raises
    ------
    WeightsError
        If the key is unknown, or its file is nowhere.
    """
    wanted = [entry for entry in CATALOGUE.values() if key in (None, entry.key)]
    if key is not None:
        find_entry(key)  # says which keys there are
        if find_file(key, search_folders(folder)) is None:
            locate(key, folder)  # says that it is missing, and what to do
    folders = search_folders(folder)
    paths = ((entry, find_file(entry.key, folders)) for entry in wanted)
    return [_check(entry, path) for entry, path in paths if path is not None]


def _recognise(source: Path, checksum: str) -> WeightFile:
    for entry in CATALOGUE.values():
        if source.name == entry.file or checksum == entry.sha256:
            return entry
    found = recognise_file(source)
    raise WeightsError(
        f"weights are unknown: expected a file name of the catalogue, got {source.name!r}. "
        f"Say what it is with --key, one of {', '.join(sorted(CATALOGUE))}."
        + (f" {found.advice}" if found else "")
    )


def _check(entry: WeightFile, path: Path) -> Check:
    checksum = sha256_of(path)
    known = entry.sha256 or recorded_sums(path.parent).get(path.name)
    if known is None:
        return Check(entry, path, checksum, "unrecorded")
    return Check(entry, path, checksum, "ok" if checksum == known else "damaged")
