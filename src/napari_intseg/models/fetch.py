"""Fetch a weight file: with progress, cancellable, checked, and all or nothing."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from napari_intseg.errors import WeightsError
from napari_intseg.models.catalogue import WeightFile, find_entry
from napari_intseg.models.store import (
    Stored,
    cache_folder,
    check_content,
    sha256_of,
    store,
    unwritable,
)


class _CancelledError(Exception):
    """The caller asked to stop; never leaves this file."""


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
        Asked before the start and after each piece; True cancels.

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
    try:
        target.mkdir(parents=True, exist_ok=True)
        # beside its place, so that moving it there is one step
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target) as scratch:
            part = Path(scratch) / entry.file
            _download(entry, entry.address, part, _Progress(on_progress, stop))
            checksum = sha256_of(part)
            check_content(entry, part, checksum)
            return store(entry, part, target, checksum)
    except _CancelledError:
        return None
    except OSError as err:
        raise unwritable(target, err) from err


def _download(entry: WeightFile, address: str, part: Path, progress: "_Progress") -> None:
    import pooch
    import requests

    try:
        download = pooch.HTTPDownloader(progressbar=progress, chunk_size=1 << 16, timeout=30)
        download(address, str(part), None)
    except requests.exceptions.RequestException as err:
        raise WeightsError(
            f"weights cannot be fetched: expected {entry.file!r} from {address}, got "
            f"{type(err).__name__} ({err}). Try again later; or add a file by hand with "
            f"`napari-intseg weights add FILE --key {entry.key}`."
        ) from err


class _Progress:
    """What pooch tells of a download, passed on; an exception from here ends it."""

    def __init__(
        self, on_progress: Callable[[int, int], None] | None, stop: Callable[[], bool]
    ) -> None:
        self.total = 0
        self._done = 0
        self._on_progress = on_progress
        self._stop = stop

    def update(self, size: int) -> None:
        """Take note of `size` further bytes; pooch counts the last piece as a full one."""
        self._done += size
        if self._stop():
            raise _CancelledError
        if self._on_progress is not None:
            self._on_progress(min(self._done, self.total or self._done), self.total)

    def reset(self) -> None:
        """Count from 0 again, as pooch does before it reports the end."""
        self._done = 0

    def close(self) -> None:
        """Nothing is held."""
