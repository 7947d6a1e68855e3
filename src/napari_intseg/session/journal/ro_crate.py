"""A session as one folder that others can check: journal, labels, versions, image (RO-Crate)."""

import hashlib
import json
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from napari_intseg._version import __version__
from napari_intseg.core.files import hidden_folder, put, read_json, write_text
from napari_intseg.errors import FileError
from napari_intseg.io.output_files import as_json
from napari_intseg.session.journal.recorder import Written, read_journal

METADATA = "ro-crate-metadata.json"
JOURNAL = "session.journal.jsonl"
ENVIRONMENT = "environment.json"
LABELS, IMAGE = "labels", "image"
"""Folders of one file, or one folder, each: names of files tell their format."""

TOLERANCE = 0.005
"""Share of an object's voxels that may differ on another machine. Sums in another order move logits
by about 1e-6, and the few voxels of an outline on which that decides are far below this; another
version of a library that resamples otherwise can move up to half a percent."""

# of the metadata: a few kB describe any bundle
_MOST_BYTES = 1_000_000
# read at a time for a checksum: files may be larger than memory
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read.

    Parameters
    ----------
    written : Written
        The journal.
    journal : Path
        Its file.
    labels : Path or None
        The labels that came out, if they are in it.
    image : Path or None
        The image, if it is in it.
    tolerance : float
        Share of an object's voxels that may differ.
    environment : dict of str to str
        Versions then, by name.
    damaged : tuple of str
        Files that are not what they were when the bundle was made.
    """

    written: Written
    journal: Path
    labels: Path | None
    image: Path | None
    tolerance: float
    environment: dict[str, str]
    damaged: tuple[str, ...] = ()


def environment() -> dict[str, str]:
    """Return the versions that results may depend on: Python, the machine, what this needs."""
    found = {
        "napari-intseg": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    try:
        needed = requires("napari-intseg") or ()
    except PackageNotFoundError:
        # it is run from its source
        needed = ()
    for one in needed:
        name = re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_bundle(
    folder: Path,
    written: Written,
    *,
    labels: Path | None = None,
    image: Path | None = None,
    tolerance: float = TOLERANCE,
) -> Path:
    """Write a bundle; the folder appears whole or not at all.

    Parameters
    ----------
    folder : Path
        A new one.
    written : Written
        The journal.
    labels : Path, optional
        File, or folder, of the labels that came out.
    image : Path, optional
        File, or folder, of the image; left out, whoever checks it needs their own copy.
    tolerance : float
        Share of an object's voxels that may differ when it is checked.

    Raises
    ------
    FileError
        If the folder exists, or cannot be written.
    """
    if folder.exists():
        raise FileError(
            f"bundle exists: expected a new folder, got {str(folder)!r}. Choose another name."
        )
    try:
        # made beside its place and moved there at the end, so that it appears whole
        with hidden_folder(folder.resolve().parent) as parts:
            made = parts / folder.name
            made.mkdir()
            lines = [as_json(line) for line in written.lines]
            write_text(made / JOURNAL, "".join(f"{line}\n" for line in lines))
            write_text(made / ENVIRONMENT, json.dumps(environment(), indent=1) + "\n")
            for name, source in ((LABELS, labels), (IMAGE, image)):
                if source is not None:
                    (made / name).mkdir()
                    _copy(source, made / name / source.name)
            about = _metadata(made, written, tolerance)
            write_text(made / METADATA, json.dumps(about, indent=1) + "\n")
            put(made, folder.resolve())
    except OSError as err:
        if isinstance(err, FileError):
            raise
        raise FileError(
            f"bundle cannot be written: expected a folder that allows it and room, got "
            f"{str(folder)!r} ({err.strerror or err}). Choose another folder."
        ) from err
    return folder


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and check that its files are those that were put into it.

    Only files with the names of a bundle are opened, and no link is followed.

    Raises
    ------
    FileError
        If it is none, or a file of it is missing or cannot be read.
    JournalError
        If its journal is damaged.
    """
    about = _read_metadata(folder)
    journal = _plain(folder / JOURNAL)
    # one file in each: its name tells the format, so it is not written down a second time
    labels, image = (_only(folder / name) for name in (LABELS, IMAGE))
    damaged = []
    for name, entry in about.items():
        if not isinstance(entry.get("sha256"), str):
            continue
        path = _inside(folder, name)
        # names from the metadata could lead out of the folder
        if path is None or not path.exists():
            damaged.append(f"{name} is missing")
        elif _checksum(path) != entry["sha256"]:
            damaged.append(f"{name} was changed since the bundle was made")
    tolerance = about.get("./", {}).get("tolerance", TOLERANCE)
    # who made the bundle must not decide that all differences are none
    if type(tolerance) not in (int, float) or not 0 <= tolerance < 1:
        raise FileError(
            f"bundle is damaged: expected a tolerance from 0 to 1, got {repr(tolerance)[:60]} in "
            f"{str(folder / METADATA)!r}. Get the bundle again."
        )
    return Bundle(
        read_journal(journal),
        journal,
        labels,
        image,
        float(tolerance),
        _read_environment(folder),
        tuple(damaged),
    )


def _metadata(made: Path, written: Written, tolerance: float) -> dict[str, Any]:
    """Return the description of a bundle by RO-Crate 1.1, https://w3id.org/ro/crate/1.1."""
    parts: list[dict[str, Any]] = []
    for path in sorted(_parts(made)):
        kind = "Dataset" if path.is_dir() else "File"
        name = f"{path.relative_to(made).as_posix()}{'/' * path.is_dir()}"
        parts.append({"@id": name, "@type": kind, "sha256": _checksum(path)})
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": "An interactive segmentation that can be made again",
        "description": "Check it with: napari-intseg replay --verify FOLDER",
        "datePublished": datetime.now(UTC).date().isoformat(),
        "license": "Set by whoever publishes it",
        "tolerance": tolerance,
        "hasPart": [{"@id": one["@id"]} for one in parts],
        "mentions": [{"@id": "#napari-intseg"}, {"@id": "#image"}],
    }
    software = {
        "@id": "#napari-intseg",
        "@type": "SoftwareApplication",
        "name": "napari-intseg",
        "version": written.header.get("versions", {}).get("napari-intseg", __version__),
    }
    image = {"@id": "#image", "@type": "Thing", "signature": written.header.get("image")}
    own = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    graph = [own, root, *parts, software, image]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def _parts(made: Path) -> Iterator[Path]:
    yield made / JOURNAL
    yield made / ENVIRONMENT
    for name in (LABELS, IMAGE):
        if (made / name).is_dir():
            yield from (made / name).iterdir()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder that of its files' names and checksums."""
    total = hashlib.sha256()
    if path.is_dir():
        # sorted: the order in which a folder is listed differs between machines
        for one in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
            line = f"{one.relative_to(path).as_posix()} {_checksum(one)}\n"
            total.update(line.encode("utf-8", "surrogateescape"))
        return total.hexdigest()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _read_metadata(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the metadata by their names."""
    content = _read_json(folder / METADATA)
    graph = content.get("@graph") if isinstance(content, dict) else None
    if not isinstance(graph, list):
        raise FileError(
            f"folder is no bundle: expected {METADATA!r} with '@graph' in it, got {str(folder)!r}. "
            "Make one with: napari-intseg bundle."
        )
    return {str(one.get("@id")): one for one in graph if isinstance(one, dict)}


def _read_environment(folder: Path) -> dict[str, str]:
    content = _read_json(folder / ENVIRONMENT)
    given = content if isinstance(content, dict) else {}
    return {str(name): str(value) for name, value in given.items()}


def _read_json(path: Path) -> Any:
    try:
        plain = _plain(path)
        return read_json(plain, _MOST_BYTES, ours=True)
    except (ValueError, OSError) as err:
        if isinstance(err, FileError):
            raise
        raise FileError(
            f"file of a bundle cannot be read: expected JSON, got {str(path)!r} ({err}). "
            "Get the bundle again."
        ) from err


def _plain(path: Path) -> Path:
    # a link could lead to any file of whoever checks the bundle
    if path.is_symlink() or not path.is_file():
        raise FileError(
            f"bundle is not whole: expected a file, no link, got {str(path)!r}. "
            "Get the bundle again."
        )
    return path


def _only(folder: Path) -> Path | None:
    """Return the one file or folder in a folder; None if there is no folder."""
    if not folder.is_dir() or folder.is_symlink():
        return None
    found = [one for one in folder.iterdir() if not one.is_symlink()]
    if len(found) != 1:
        raise FileError(
            f"bundle is not whole: expected one file in {str(folder)!r}, got {len(found)}. "
            "Get the bundle again."
        )
    return found[0]


def _inside(folder: Path, name: str) -> Path | None:
    """Return the path of a part; None if its name leads out of the folder."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None
