"""What models prepared and answered: bounded in memory, embeddings on disk as well.

Planes may be prepared before anyone clicks on them.
"""

import hashlib
import io
import logging
import os
import stat
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array, Prepared
from napari_intseg.core.volume import Plane
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.predict import (
    Options,
    SliceAnswer,
    largest_view_px,
    prepare_slice,
    whole_keys,
)
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.inference.view import View
from napari_intseg.session.question import Question, Setup

DEVICE_BYTES = 1 << 30
"""On a device, for what models prepare: a tenth of a card of 10 GB, 256 embeddings of SAM."""


class PreparedCache:
    """Keeps what was used last, up to a number of bytes; safe with several threads.

    Parameters
    ----------
    limit_bytes : int
        What it may hold in main memory; something larger than all of it is not kept.
    device_bytes : int, default 1 GiB
        What it may hold on a device, likewise.
    """

    def __init__(self, limit_bytes: int, device_bytes: int = DEVICE_BYTES) -> None:
        self.limit_bytes, self.device_bytes = limit_bytes, device_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Prepared] = OrderedDict()
        self._nbytes = self._device_nbytes = 0

    @property
    def nbytes(self) -> int:
        """What it holds in main memory now."""
        return self._nbytes

    @property
    def device_nbytes(self) -> int:
        """What it holds on a device now."""
        return self._device_nbytes

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Prepared | None:
        """Return what was put under a key, None if it is not there any more."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep something, and forget what was not used for longest if there is no room."""
        with self._lock:
            self._forget(key)
            # something that is larger than all of it would push everything else out and go itself
            if prepared.nbytes > self.limit_bytes or prepared.device_nbytes > self.device_bytes:
                return
            self._kept[key] = prepared
            self._nbytes += prepared.nbytes
            self._device_nbytes += prepared.device_nbytes
            # the first is what was not used for longest: `get` moves to the end
            while self._nbytes > self.limit_bytes or self._device_nbytes > self.device_bytes:
                self._forget(next(iter(self._kept)))

    def forget(self, key: Hashable) -> None:
        """Forget what was put under a key, if it is there."""
        with self._lock:
            self._forget(key)

    def clear(self) -> None:
        """Forget everything, so that the memory goes back."""
        with self._lock:
            self._kept.clear()
            self._nbytes = self._device_nbytes = 0

    def _forget(self, key: Hashable) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._nbytes -= old.nbytes
            self._device_nbytes -= old.device_nbytes


# on disk: embeddings of SAM (4 MiB each) of about 950 planes
LIMIT_BYTES = 4_000_000_000
_SUFFIX, _UNFINISHED, _CLEARED = ".embedding", ".part", ".cleared"
# SHA-256
_CHECKSUM_BYTES = 32
# unfinished files that are older are of a process that was killed: no write takes an hour
_STALE_S = 3600.0
_log = logging.getLogger(__name__)


class EmbeddingFiles:
    """A folder of what models prepared, bounded in bytes; the oldest go first.

    A file appears whole or not at all, and carries a checksum: one that is damaged counts as
    absent and is removed. Trouble with the disk is logged and costs no more than the time to
    prepare again.

    Parameters
    ----------
    folder : path
        Made when it is first written to. Several processes may share it.
    limit_bytes : int
        What it may hold; something larger than all of it is not kept.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder, self.limit_bytes = Path(folder).expanduser(), limit_bytes

    def get(self, name: str) -> Prepared | None:
        """Return what was kept under a name, None if it is not there or damaged."""
        path = self._path(name)
        try:
            status = path.stat()
            # a pipe would be waited for; of what is larger nothing was written here
            if not stat.S_ISREG(status.st_mode) or status.st_size > self.limit_bytes:
                return None
            content = path.read_bytes()
        except OSError:
            return None
        prepared = _unpacked(content)
        try:
            if prepared is None:
                _log.warning("embedding %s is damaged and was removed", path.name)
                path.unlink()
            else:
                # the time of last use decides what goes first when room is needed
                os.utime(path)
        except OSError as err:
            _log.info("embedding %s cannot be changed: %s", path.name, err)
        return prepared

    def put(self, name: str, prepared: Prepared) -> None:
        """Keep something under a name, if it is a dict of plain arrays."""
        content = _packed(prepared)
        if content is None or len(content) > self.limit_bytes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content), self._path(name))
            self._write(self._path(name), content)
        except OSError as err:
            _log.warning("embedding could not be kept in %s: %s", self.folder, err)

    def nbytes(self) -> int:
        """Return what the folder holds now."""
        return sum(size for _, size, _ in self._entries())

    def clear(self) -> None:
        """Remove every embedding in the folder, and leave a note of it for other windows.

        Raises
        ------
        OSError
            If one cannot be removed; the others are.
        """
        failed: OSError | None = None
        for _, _, path in self._entries():
            try:
                path.unlink(missing_ok=True)
            except OSError as err:
                failed = err
        # a folder that is not there, or cannot be written, gets no new embeddings either
        with suppress(OSError):
            (self.folder / _CLEARED).touch()
        if failed is not None:
            raise failed

    def cleared_ns(self) -> int:
        """Return when the folder was cleared last, by whichever window or process; 0 if never."""
        try:
            return (self.folder / _CLEARED).stat().st_mtime_ns
        except OSError:
            return 0

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Return when each was used last, its size and its file, the oldest first."""
        found = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            try:
                status = path.lstat()
            except OSError:
                # another process removed it
                continue
            # a folder of that name is nobody's embedding, and cannot be removed like one
            if stat.S_ISDIR(status.st_mode):
                continue
            found.append((status.st_mtime, status.st_size, path))
        return sorted(found)

    def _make_room(self, size: int, replaced: Path) -> None:
        # what a crash left behind
        for path in self.folder.glob(f"*{_UNFINISHED}"):
            # another process may remove it, or write into it, meanwhile
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink(missing_ok=True)
        entries = [entry for entry in self._entries() if entry[2] != replaced]
        total = size + sum(entry[1] for entry in entries)
        for _, freed, path in entries:
            if total <= self.limit_bytes:
                return
            # one that stays, as it is open on Windows, is no reason to keep nothing new
            with suppress(OSError):
                path.unlink(missing_ok=True)
                total -= freed

    def _write(self, path: Path, content: bytes) -> None:
        handle, unfinished = tempfile.mkstemp(_UNFINISHED, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                # forced to the disk before it gets its name: a
                # loss of power leaves no half file under it
                os.fsync(stream.fileno())
            Path(unfinished).replace(path)
        # Ctrl-C as well: what is unfinished must not stay
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise


class LayeredCache:
    """Memory first, then the disk; both keep what is put.

    Parameters
    ----------
    memory : PreparedCache
        The fast layer.
    files : EmbeddingFiles
        The lasting one; used for models that have a `signature`.
    """

    def __init__(self, memory: PreparedCache, files: EmbeddingFiles) -> None:
        self.memory, self.files = memory, files
        self._lock = threading.Lock()
        self._planes: dict[Hashable, str] = {}

    def get(self, key: Hashable) -> Prepared | None:
        """Return what was put under a key, None if neither layer has it."""
        found = self.memory.get(key)
        if found is not None:
            return found
        # a name is a hash of all the slice's pixels, so memory is asked first
        name = self._name(key)
        found = None if name is None else self.files.get(name)
        if found is not None:
            self.memory.put(key, found)
        return found

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep something in both layers; what was made with less memory has no name on disk."""
        self.memory.put(key, prepared)
        name = self._name(key)
        if name is not None:
            self.files.put(name, prepared)

    def forget(self, key: Hashable) -> None:
        """Forget what was put under a key in memory; a file stays."""
        self.memory.forget(key)

    def clear(self) -> None:
        """Forget what is in memory; the files stay."""
        self.memory.clear()
        with self._lock:
            self._planes.clear()

    def _name(self, key: Hashable) -> str | None:
        """Return a name that is the same for the same data, window, model and view."""
        match key:
            case ((Setup() as setup, Plane() as plane), View() as view, bool() as mirrored):
                told = self._told(setup, plane)
                if told is None:
                    return None
                # the name holds all that the embedding depends on: what differs has another file
                return hashlib.sha256(f"{told} {view} {mirrored}".encode()).hexdigest()
        return None

    def _told(self, setup: Setup, plane: Plane) -> str | None:
        model = getattr(setup.model, "signature", None)
        # models without a signature cannot be told apart on another day, and pixels of neighbouring
        # planes are not hashed: neither is kept on disk
        if model is None or setup.context:
            return None
        with self._lock:
            if (setup, plane) not in self._planes:
                shape = setup.volume.slice_shape(plane.axis)
                pixels = setup.volume.take(plane, slice(0, shape[0]), slice(0, shape[1]))
                data = data_signature(pixels)
                shown = f"{setup.options.intensity} denoise={setup.denoise}"
                self._planes[setup, plane] = f"{model} {data} {shown}"
            return self._planes[setup, plane]


@dataclass(frozen=True, slots=True, eq=False)
class PrepareRequest:
    """A plane to be prepared; frozen, so that it can go to another thread.

    Parameters
    ----------
    setup : Setup
        Model, data and how it is shown.
    plane : Plane
        Which.
    store : PreparedStore
        Where it is kept.
    """

    setup: Setup
    plane: Plane
    store: PreparedStore


def to_prepare(
    setup: Setup, plane: Plane, store: PreparedCache | LayeredCache
) -> PrepareRequest | None:
    """Return what there is to prepare of a plane before anyone clicks on it.

    None for models whose preparation is quick or depends on the clicks, where there is no such
    plane, and when it is in memory already.

    Parameters
    ----------
    setup : Setup
        Model, data and how it is shown, as in `Session.setup`.
    plane : Plane
        Which.
    store : PreparedCache or LayeredCache
        Where it is kept, as in `Session.cache`.
    """
    volume = setup.volume
    count = volume.shape[plane.axis] if volume.ndim == 3 else 1
    options = Options(zoom_in=setup.zoom_in, flip=setup.flip, longer_side_px=setup.longer_side_px)
    # a view that depends on the clicks cannot be prepared before them
    is_whole = options.resolved(setup.model).zoom_in is None
    if not (setup.model.traits.embeds and is_whole and 0 <= plane.index < count):
        return None
    # memory alone is asked: to look on disk would hash the whole slice
    memory = store.memory if isinstance(store, LayeredCache) else store
    shape = volume.slice_shape(plane.axis)
    keys = whole_keys(setup.model, shape, options, (setup, plane))
    if all(memory.get(key) is not None for key in keys):
        return None
    return PrepareRequest(setup, plane, store)


def prepare(ahead: PrepareRequest) -> None:
    """Prepare a plane, in whichever one thread models are used; with less memory if need be."""
    setup, plane = ahead.setup, ahead.plane
    shape = setup.volume.slice_shape(plane.axis)
    work = partial(
        prepare_slice,
        setup.model,
        SliceReader(setup.volume, plane, setup.context),
        shape,
        setup.options,
        prepared=ahead.store,
        key=(setup, plane),
    )
    seen_px = partial(largest_view_px, setup.model, shape, setup.options)
    within_memory(setup.model, work, store=ahead.store, seen_px=seen_px)


WALK_BYTES = 256 << 20
"""Of what propagation prepares: the views of about 40 planes with the bundled network, or 64
embeddings of SAM, enough for a correction nearby."""


class WalkCache:
    """A cache as propagation fills it: of what it puts, only the latest stays in memory.

    So memory does not grow with the number of planes, and what clicks prepared is not displaced.

    Parameters
    ----------
    cache : PreparedCache or LayeredCache
        Where it is kept.
    limit_bytes : int
        What the walks of a session may hold there together.
    """

    def __init__(self, cache: PreparedCache | LayeredCache, limit_bytes: int = WALK_BYTES) -> None:
        self.cache, self.limit_bytes = cache, limit_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()
        self._nbytes = 0

    def get(self, key: Hashable) -> Prepared | None:
        """Return what was put under a key, None if it is not there any more."""
        return self.cache.get(key)

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep something, and forget what walks put before if there is no room."""
        # the cache decides by itself what it keeps; here only those of walks are counted
        self.cache.put(key, prepared)
        with self._lock:
            self._nbytes += prepared.nbytes - self._sizes.pop(key, 0)
            self._sizes[key] = prepared.nbytes
            # the newest stays even if it is larger than the limit: it is about to be used
            while len(self._sizes) > 1 and self._nbytes > self.limit_bytes:
                oldest, nbytes = self._sizes.popitem(last=False)
                self._nbytes -= nbytes
                self.cache.forget(oldest)

    def clear(self) -> None:
        """Forget everything in memory, so that it goes back."""
        self.cache.clear()
        with self._lock:
            self._sizes.clear()
            self._nbytes = 0


def data_signature(array: Array) -> str:
    """Return a hash of an array's dtype, shape and values."""
    plain = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{plain.dtype.str} {plain.shape}".encode())
    digest.update(plain.view(np.uint8).reshape(-1).data if plain.size else b"")
    return digest.hexdigest()


def _packed(prepared: Prepared) -> bytes | None:
    payload: Any = prepared.payload
    if not isinstance(payload, dict):
        return None
    # read once: they may have to come from a device
    arrays = dict(payload.items())
    if any(not isinstance(a, np.ndarray) or a.dtype.hasobject for a in arrays.values()):
        return None
    stream = io.BytesIO()
    np.savez(stream, **{f"payload_{n}": a for n, a in arrays.items()}, shape=prepared.shape)
    content = stream.getvalue()
    # before the content, so that it is checked before numpy parses anything
    return hashlib.sha256(content).digest() + content


def _unpacked(content: bytes) -> Prepared | None:
    checksum, rest = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
    # checked first: a damaged archive never reaches the parser
    if hashlib.sha256(rest).digest() != checksum:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(rest)) as archive:
            # arrays are written as they are: what is packed could unpack to anything
            if any(m.compress_type != zipfile.ZIP_STORED for m in archive.infolist()):
                return None
        with np.load(io.BytesIO(rest), allow_pickle=False) as found:
            payload = {
                name.removeprefix("payload_"): found[name]
                for name in found.files
                if name.startswith("payload_")
            }
            height, width = (int(n) for n in found["shape"])
    except (ValueError, KeyError, TypeError, MemoryError, RecursionError, zipfile.BadZipFile):
        # headers can declare any size, and be nested
        return None
    return Prepared((height, width), payload, sum(a.nbytes for a in payload.values()))


ANSWER_BYTES = 256 << 20
"""For answers: those of 16 views of 2048 by 2048 pixels, 16 MiB of logits each."""

ANSWERS = 256
"""Answers at most: over ten times the 20 clicks that benchmarks give an object."""


class AnswerCache:
    """The latest answers of a session; models answer the same question alike.

    It lets a click be removed at the price of those after it. Beyond a limit the answers that were
    not asked for longest are forgotten, and computed again if need be; undo does not depend on
    them, since masks are kept elsewhere. So memory does not grow with the work.

    Parameters
    ----------
    limit_bytes : int
        For all answers together; the newest is kept whatever its size.
    limit_answers : int
        How many at most.
    """

    def __init__(self, limit_bytes: int = ANSWER_BYTES, limit_answers: int = ANSWERS) -> None:
        self.limit_bytes, self.limit_answers = limit_bytes, limit_answers
        self.nbytes = 0
        self._answers: dict[Question, tuple[SliceAnswer, int]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def keep(self, question: Question, answers: Iterable[tuple[int, SliceAnswer]]) -> None:
        """Keep answers after numbers of clicks."""
        for count, answer in answers:
            key, size = question.after(count), size_of(answer)
            _, old_size = self._answers.pop(key, (None, 0))
            # at the end, as the one asked for last
            self._answers[key] = answer, size
            self.nbytes += size - old_size
        while len(self._answers) > 1 and (
            self.nbytes > self.limit_bytes or len(self._answers) > self.limit_answers
        ):
            # dictionaries keep their order; `get` puts what was asked for to the end
            _, size = self._answers.pop(next(iter(self._answers)))
            self.nbytes -= size

    def get(self, question: Question) -> SliceAnswer | None:
        """Return the answer; None if it was never computed, or forgotten."""
        found = self._answers.pop(question, None)
        if found is None:
            return None
        # now the one asked for last
        self._answers[question] = found
        return found[0]

    def before(self, question: Question) -> tuple[int, SliceAnswer | None]:
        """Return the last answer on the way to a question, and how many clicks it answers.

        Without one, ``(-1, None)``.
        """
        for count in reversed(question.counts):
            answer = self.get(question.after(count))
            if answer is not None:
                return count, answer
        return -1, None

    def course(self, question: Question) -> dict[int, SliceAnswer]:
        """Return the answers on the way to a question that are known, by number of clicks."""
        counts = range(question.start, len(question.prompts.clicks) + 1)
        found = {count: self.get(question.after(count)) for count in counts}
        return {count: answer for count, answer in found.items() if answer is not None}


def size_of(value: Any) -> int:
    """Return the bytes of arrays: of an answer its masks, alternatives and the model's own memory.

    What a model remembers may be arrays in mappings, lists and tuples of any depth.
    """
    if isinstance(value, SliceAnswer):
        # by identity: the chosen mask is also one of the alternatives
        patches = {id(value.patch): value.patch.logits}
        for patch in value.alternatives:
            patches[id(patch)] = patch.logits
        return size_of((*patches.values(), value.state))
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    # 64 bytes for small values such as numbers and clicks
    return int(getattr(value, "nbytes", 64))
