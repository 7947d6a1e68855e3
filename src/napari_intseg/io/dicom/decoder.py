"""GDCM in a process of its own: a damaged image can end that process, never the window.

Run as a module it is that process: it reads who is to decode and a path, a line each, and saves
what the files hold beside them.
"""

import io
import subprocess
import sys
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.io.file_checks import check_regular

COMMAND = (sys.executable, "-X", "utf8", "-m", "napari_intseg.io.dicom.decoder")
# a decoder that does not come to an end is stopped then
TIMEOUT_S = 300.0
_DONE, _FAILED = "done", "failed "
_GDCM, _PYDICOM = "gdcm", "pydicom"


class DecoderProcess:
    """A process that decompresses DICOM files, started when the first is asked for.

    Use it as a context manager, so that it ends.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; it is started anew when a file is to be decoded."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def decode(self, path: Path, *, by_pydicom: bool = False) -> Array:
        """Return the pixels of a file as SimpleITK reads them, or as pydicom and its plugins do.

        Raises
        ------
        RuntimeError
            If the library refuses the file, crashes over it, or does not come to an end.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, encoding="utf-8",
            )  # fmt: skip
        process = self._process
        watch = threading.Timer(TIMEOUT_S, process.kill)
        watch.daemon = True
        watch.start()
        try:
            answer = _ask(process, f"{_PYDICOM if by_pydicom else _GDCM} {path}")
        finally:
            watch.cancel()
        if answer.startswith(_FAILED):
            raise RuntimeError(answer.removeprefix(_FAILED))
        if answer != _DONE:
            self.close()
            raise RuntimeError("the decoder crashed over it")
        return np.asarray(np.load(_beside(path), allow_pickle=False))


def _ask(process: "subprocess.Popen[str]", task: str) -> str:
    """Return the answer for a task; nothing if the process ended over it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{task}\n")
        process.stdin.flush()
    except OSError:
        return ""
    for line in process.stdout:  # what a library prints is passed over
        if line.strip() == _DONE or line.startswith(_FAILED):
            return line.strip()
    return ""


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".npy")


def serve() -> None:
    """Decode the files that are named on the standard input."""
    for line in sys.stdin:
        who, _, name = line.rstrip("\n").partition(" ")
        path = Path(name)
        try:
            np.save(_beside(path), _READERS[who](path))
            answer = _DONE
        except Exception as err:
            # whatever a library says, the one who asked turns it into an error about the file
            answer = _FAILED + " ".join(str(err).split())[-200:]
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


def _by_gdcm(path: Path) -> Array:
    import SimpleITK

    sitk: Any = SimpleITK
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO")))


def _by_pydicom(path: Path) -> Array:
    from pydicom.pixels.utils import pixel_array

    return np.asarray(pixel_array(path))


_READERS = {_GDCM: _by_gdcm, _PYDICOM: _by_pydicom}


if __name__ == "__main__":
    serve()


DEFLATED = "1.2.840.10008.1.2.1.99"
_LOOK_BYTES = 1 << 16
"""The transfer syntax is one of the first elements of a file."""

_HEADER_BYTES = 1 << 26
"""Unpacked, before the pixels: functional groups of 10,000 frames take some 20 MB."""

_STEP_BYTES = 1 << 20


def read_data_set(path: Path, tags: Sequence[str] | None = None, *, pixels: bool = False) -> Any:
    """Return a data set as pydicom's `dcmread` does, forced, also if it is no larger than it says.

    Parameters
    ----------
    path : Path
    tags : sequence of str, optional
        The elements that are wanted; all by default.
    pixels : bool, default False
        Whether to read on to the pixels and behind them.

    Raises
    ------
    ValueError
        If a deflated file unpacks to more than its rows, columns and frames take.
    Exception
        Whatever pydicom raises for a damaged file.
    """
    import pydicom

    check_regular(path)
    wanted = None if tags is None else [*tags]
    if not _is_deflated(path):
        return pydicom.dcmread(
            path, stop_before_pixels=not pixels, force=True, specific_tags=wanted
        )
    limit = _HEADER_BYTES
    if pixels:
        limit += _pixel_bytes(_inflated(path, None, limit, pixels=False))
    return _inflated(path, wanted, limit, pixels=pixels)


def _is_deflated(path: Path) -> bool:
    with path.open("rb") as file:
        return DEFLATED.encode() in file.read(_LOOK_BYTES)


def _inflated(path: Path, tags: list[str] | None, limit: int, *, pixels: bool) -> Any:
    """Return the data set of a deflated file, of which so many bytes are unpacked."""
    from pydicom import filereader
    from pydicom.dataset import FileDataset
    from pydicom.tag import BaseTag, Tag

    with path.open("rb") as file:
        preamble = filereader.read_preamble(file, True)
        meta = filereader._read_file_meta_info(file)
        if str(meta.get("TransferSyntaxUID")) != DEFLATED:
            return filereader.dcmread(
                path, stop_before_pixels=not pixels, force=True, specific_tags=tags
            )
        content = _unpacked(file, limit, whole=pixels)
    stop = None if pixels else _at_pixels
    keep: list[BaseTag | int] | None = None if tags is None else [Tag(tag) for tag in tags]
    data = filereader.read_dataset(
        io.BytesIO(content), False, True, stop_when=stop, specific_tags=keep
    )
    return FileDataset(str(path), data, preamble, meta, False, True)


def _unpacked(file: Any, limit: int, *, whole: bool) -> bytes:
    decoder, made = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    while not decoder.eof and len(made) < limit:
        packed = decoder.unconsumed_tail or file.read(_STEP_BYTES)
        if not packed:
            break
        made += decoder.decompress(packed, min(_STEP_BYTES, limit - len(made)))
    if whole and not decoder.eof and len(made) >= limit:
        raise ValueError(f"it unpacks to more than the {limit} bytes that its header declares")
    return bytes(made)


def _at_pixels(tag: Any, _vr: Any, _length: Any) -> bool:
    return int(tag) in (0x7FE00008, 0x7FE00009, 0x7FE00010) or int(tag) > 0x7FE00010


def _pixel_bytes(data: Any) -> int:
    sizes = [
        max(1, int(data.get(name) or 1))
        for name in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated")
    ]
    total = 1
    for size in sizes:
        total *= size
    return total // 8
