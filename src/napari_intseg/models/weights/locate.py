"""Find weight files, fetch them (all or nothing), add them by hand, and check them."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar

from napari_intseg.core.files import hidden_folder
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.weights.catalogue import CATALOGUE, WeightFile, find_entry
from napari_intseg.models.weights.recognise import check_network, recognise_file
from napari_intseg.models.weights.store import (
    FOLDERS_VARIABLE,
    TOLERANCE,
    Stored,
    bundled_folder,
    cache_folder,
    check_content,
    check_size,
    find_file,
    locate,
    locate_own,
    recorded_sums,
    search_folders,
    sha256_of,
    store,
    unwritable,
)

if TYPE_CHECKING:
    from torch import nn

Net = TypeVar("Net", bound="nn.Module")

# so much is read between two looks at Cancel
_PIECE = 1 << 16
# pieces that may wait for the disk: 1 MB
_WAITING = 16
# so soon Cancel is obeyed, whatever the server does
_LOOK_S = 0.1
# limits of the HTTP library: to connect, and between two pieces
_TIMEOUT_S = (10.0, 30.0)
# a server that sends less than 64 kB a minute would take days for one of SAM's
_PATIENCE_S, _LEAST_BYTES = 60.0, 1 << 16
# where the catalogue tells no size: three times the largest of which it is known (2.6 GB)
_MOST_BYTES = 8 << 30


class _ServerError(Exception):
    """What a server sends is not what was asked for; never leaves this file."""


class _CancelledError(Exception):
    """The caller asked to stop; never leaves this file."""


def load_own(net: Net, weights: str | Path, architecture: str, task: str) -> Net:
    """Return a network with the weights of a file that `napari-intseg train` wrote.

    It is in float32 and not to be trained; the other parameters, and what is raised, are those of
    `locate_own`.

    Raises
    ------
    WeightsError
        Also if the weights are not the network's.
    """
    path = locate_own(weights, architecture, task)
    load_strict(net, {name: value.float() for name, value in load_checkpoint(path).items()}, path)
    return net.requires_grad_(False)


def fetch(
    key: str,
    *,
    folder: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Stored | None:
    """Download a weight file of the catalogue; nothing is left behind unless it arrived whole.

    Parameters
    ----------
    key : str
        Of the catalogue.
    folder : path, optional
        Where to; the user cache otherwise.
    on_progress : callable, optional
        Called with bytes done and bytes in all (0 when the server does not say).
    should_stop : callable, optional
        Asked before the start, after each piece and ten times a second; True cancels.

    Returns
    -------
    Stored or None
        The file and its checksum; None when it was cancelled.

    Raises
    ------
    WeightsError
        If the key is unknown, there is no address, the download fails or is cut off, the
        content is wrong, or the folder cannot be written.
    """
    entry = find_entry(key)
    if entry.address is None:
        raise WeightsError(
            f"weights cannot be fetched: expected an entry with an address, got {key!r} "
            f"({entry.note or 'no address'}). Add a file with `napari-intseg weights add`."
        )
    stop = should_stop or (lambda: False)
    if stop():
        return None
    target = Path(folder).expanduser() if folder is not None else cache_folder()
    # some authors publish folders that only their own code puts together
    if entry.fetcher:
        module, function = entry.fetcher.split(":")
        getattr(import_module(module), function)(target, entry.published)
        return _found(entry, target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        # in a folder beside its final place, so that moving it there is one step
        with hidden_folder(target) as scratch:
            part = scratch / entry.file
            progress = _Progress(on_progress, stop)
            _download(entry, entry.address, part, progress)
            checksum = sha256_of(part, progress.check)
            # dearest check last: the network is read only if checksum and size are right
            check_content(entry, part, checksum)
            check_size(entry, part)
            check_network(entry, part, checksum)
            return store(entry, part, target, checksum)
    except _CancelledError:
        return None
    except OSError as err:
        raise unwritable(target, err) from err


def _found(entry: WeightFile, folder: Path) -> Stored:
    """Return what the authors' own code has fetched."""
    path = folder / entry.file
    if not path.is_file():
        raise _failed(entry, entry.address or "", f"no {entry.file} came")
    return Stored(entry, path, sha256_of(path), entry.sha256 is not None)


def _download(entry: WeightFile, address: str, part: Path, progress: "_Progress") -> None:
    """Write what a server sends to a file, piece by piece; another thread waits for the server."""
    # reading from a server cannot be interrupted, so a thread does it that may be left to itself
    pieces: queue.Queue[bytes | Exception | None] = queue.Queue(_WAITING)
    is_over = threading.Event()
    task = threading.Thread(
        target=_receive, args=(address, pieces, is_over, progress), daemon=True,
        name="napari-intseg fetch",
    )  # fmt: skip
    task.start()
    try:
        with part.open("wb") as stream:
            _write(entry, stream, pieces, progress)
    except _ServerError as err:
        raise _failed(entry, address, str(err)) from err
    finally:
        is_over.set()


def _write(
    entry: WeightFile,
    stream: IO[bytes],
    pieces: "queue.Queue[bytes | Exception | None]",
    progress: "_Progress",
) -> None:
    # a server that sends without end would fill the disk
    limit = int(1e6 * entry.size_mb * (1 + TOLERANCE)) if entry.size_mb else _MOST_BYTES
    got = last = 0
    asked = time.monotonic()
    while True:
        progress.check()
        try:
            piece = pieces.get(timeout=_LOOK_S)
        except queue.Empty:
            piece = b""
        if piece is None:
            break
        if isinstance(piece, Exception):
            raise _ServerError(f"{type(piece).__name__}: {piece}") from piece
        if piece:
            stream.write(piece)
            got += len(piece)
            progress.update(got)
        if got > limit:
            raise _ServerError(f"more than the {limit / 1e6:.4g} MB that it has")
        if time.monotonic() - asked > _PATIENCE_S:
            if got - last < _LEAST_BYTES:
                raise _ServerError(f"nothing for {_PATIENCE_S:g} s")
            asked, last = time.monotonic(), got
    # a broken connection may look like the end of the file
    if progress.total and got != progress.total:
        raise _ServerError(f"{got} bytes of {progress.total}")


def _receive(
    address: str,
    pieces: "queue.Queue[bytes | Exception | None]",
    is_over: threading.Event,
    progress: "_Progress",
) -> None:
    """Put what a server sends into a queue, and None or what went wrong at the end."""
    # here, as most who use weights never fetch any
    import requests

    def put(piece: bytes | Exception | None) -> None:
        # a queue that nobody empties any more must not hold the thread for ever
        while not is_over.is_set():
            try:
                return pieces.put(piece, timeout=_LOOK_S)
            except queue.Full:
                continue

    try:
        # bytes as they are: what is packed may unpack to anything, and weights are packed already
        given = {"Accept-Encoding": "identity"}
        with (
            requests.Session() as session,
            _asked(session, address, stream=True, timeout=_TIMEOUT_S, headers=given) as answer,
        ):
            answer.raise_for_status()
            # a part of a file, or nothing, is an answer of success too
            if answer.status_code != requests.codes.ok:
                raise _ServerError(f"an answer of code {answer.status_code}")
            # some servers pack although they were asked not to
            coding = answer.headers.get("Content-Encoding", "identity")
            if coding.lower() != "identity":
                raise _ServerError(f"an answer packed as {coding!r}")
            length = answer.headers.get("Content-Length", "")
            # the header may be missing or nonsense; then no total is told
            progress.total = int(length) if length.isdecimal() else 0
            while not is_over.is_set():
                piece = answer.raw.read(_PIECE, decode_content=False)
                if not piece:
                    break
                put(piece)
        put(None)
    except Exception as err:
        # requests, urllib3 and sockets have their own exceptions; all end the download
        put(err)


def _asked(session: Any, address: str, **how: Any) -> Any:
    """Return a server's answer; who is asked over HTTPS cannot lead to where others listen."""
    if address.startswith("https:"):
        del session.adapters["http://"]
    return session.get(address, **how)


# letters of what a server says that are told
_MOST_TOLD = 300


def _failed(entry: WeightFile, address: str, reason: str) -> WeightsError:
    # a server's own words, which could be endless, or steer a terminal
    told = "".join(c if c.isprintable() else " " for c in reason)
    return WeightsError(
        f"weights cannot be fetched: expected {entry.file!r} from {address}, got "
        f"{' '.join(told.split())[:_MOST_TOLD]}. Try again later; or add a file by hand with "
        f"`napari-intseg weights add FILE --key {entry.key}`."
    )


class _Progress:
    """What is told of a download while it goes on; an exception from here ends it."""

    def __init__(
        self, on_progress: Callable[[int, int], None] | None, stop: Callable[[], bool]
    ) -> None:
        self.total = 0
        self._on_progress = on_progress
        self._stop = stop

    def check(self) -> None:
        """Ask whether to go on."""
        if self._stop():
            raise _CancelledError

    def update(self, done: int) -> None:
        """Tell how many bytes are there."""
        if self._on_progress is not None:
            self._on_progress(done, self.total)
        self.check()


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
        # fails with the list of keys if there is none of that name
        find_entry(key)
        if find_file(key, search_folders(folder)) is None:
            # fails, and says how to get the file
            locate(key, folder)
    folders = search_folders(folder)
    paths = ((entry, find_file(entry.key, folders)) for entry in wanted)
    return [_check(entry, path) for entry, path in paths if path is not None]


def _recognise(source: Path, checksum: str) -> WeightFile:
    for entry in CATALOGUE.values():
        # a name is taken on trust here; its content is checked right after
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
    # a published checksum beats one that was noted here: the note may be of a wrong file
    known = entry.sha256 or recorded_sums(path.parent).get(path.name)
    if known is None:
        return Check(entry, path, checksum, "unrecorded")
    return Check(entry, path, checksum, "ok" if checksum == known else "damaged")
