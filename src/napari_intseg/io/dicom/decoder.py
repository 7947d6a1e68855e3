"""Data sets of DICOM files: GDCM in a process of its own, and elements as plain values.

A damaged image can end that process, never the window; a damaged element is told as absent.
"""

import io
import math
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array
from napari_intseg.io.file_checks import check_regular

Vector = tuple[float, ...]


def find(groups: list[Any], sequence: str, name: str) -> Any:
    """Return an element of the first functional group that has it, or of the data set itself."""
    for group in groups:
        items = group.get(sequence) if sequence else None
        holder = items[0] if items else group
        if holder.get(name) is not None:
            return holder.get(name)
    return None


def text(data: Any, name: str) -> str:
    """Return an element as one line of text; nothing if it is not there."""
    value = data.get(name)
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    plain = "" if value is None else str(value).replace("\0", "")
    # what steers a terminal is no part of a name
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())


def whole(data: Any, name: str, missing: int = 0) -> int:
    """Return an element as a whole number."""
    value = data.get(name)
    return missing if value is None or value == "" else int(value)


def several(value: Any) -> list[Any]:
    """Return the values of an element, of which there may be none, one or several."""
    if value is None or isinstance(value, (str, int, float)):
        return [] if value is None else [value]
    try:
        return list(value)
    except TypeError:
        return [value]


def real(value: Any) -> float:
    """Return a number; not a number where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def numbers(value: Any, count: int) -> Vector | None:
    """Return so many finite numbers, or None if they are not there."""
    found = tuple(real(one) for one in several(value))
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def unit(vector: Vector | None) -> Vector | None:
    """Return a vector of length one; None if it is far from that."""
    length = math.hypot(*vector) if vector else 0.0
    # cosines are written with few digits: up to 1 % is
    # rounding, more is a damaged element (not tuned)
    if vector is None or abs(length - 1) > 1e-2:
        return None
    # numbers of full precision stay as they are, bit for bit
    return vector if abs(length - 1) < 1e-9 else tuple(v / length for v in vector)


# tables at hand: a series has one, rarely some; a table of 16 bits takes 128 KiB
_KEPT = 8
_SLOPE = ("RescaleSlope", "RescaleIntercept")


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """Real values for stored ones.

    Parameters
    ----------
    first : int
        The stored value that the first entry is for; lower ones get it as well.
    values : ndarray of uint8 or uint16, shape (n,)
        Higher stored values than there are entries get the last one.
    bits : int
        Of the entries.
    """

    first: int
    values: NDArray[Any]
    bits: int

    def apply(self, stored: Array, *, turned: bool = False) -> Array:
        """Return real values, in the type of the table; white and black exchanged if asked for."""
        last = len(self.values) - 1
        found = self.values[np.clip(stored.astype(np.int64) - self.first, 0, last)]
        highest = self.values.dtype.type((1 << self.bits) - 1)
        return np.asarray(highest - found if turned else found)


def read_table(data: Any) -> ValueTable | None:
    """Return the Modality LUT of a data set; None if there is none, or slope and intercept.

    Raises
    ------
    ValueError
        If it has another length than it says, or entries that are no numbers of 8 to 16 bits.

    References
    ----------
    .. [1] DICOM PS3.3 C.11.1.1, Modality LUT.
    """
    sequence = data.get("ModalityLUTSequence")
    if not sequence or any(text(data, name) for name in _SLOPE):
        return None
    count, first, bits = (int(n) for n in several(sequence[0].LUTDescriptor))
    content = sequence[0].LUTData
    if not isinstance(content, bytes):
        content = np.array(several(content), "<u2").tobytes()
    # bytes of an unparsed element keep the file's order, here big-endian
    elif data.original_encoding[1] is False:
        content = np.frombuffer(content, ">u2").astype("<u2").tobytes()
    # a descriptor is read as unsigned although it is signed where the pixels are (PS3.3 C.11.1.1.1)
    if data.get("PixelRepresentation") == 1 and first >= 1 << 15:
        first -= 1 << 16
    return _table(count or 1 << 16, first, bits, content)


# the slices of a series share one table
@lru_cache(_KEPT)
def _table(count: int, first: int, bits: int, content: bytes) -> ValueTable:
    # entries of 8 bits come one or two bytes each, and an odd length is padded by one byte
    kind = "u1" if bits == 8 and len(content) - count in (0, 1) else "<u2"
    size = np.dtype(kind).itemsize * count
    if not 8 <= bits <= 16 or len(content) - size not in (0, 1):
        raise ValueError(f"a table of {count} values of {bits} bits in {len(content)} bytes")
    values = np.minimum(np.frombuffer(content, kind, count), (1 << bits) - 1)
    values = values.astype(np.uint8 if bits == 8 else np.uint16)
    # the cache hands the same array to all frames
    values.flags.writeable = False
    return ValueTable(first, values, bits)


@dataclass(frozen=True, slots=True)
class RealWindow:
    """A window of real values.

    Parameters
    ----------
    name : str
        As the file explains it, else centre and width: "40/400".
    centre, width : float
        In real values, after slope and intercept or the table of values.
    """

    name: str
    centre: float
    width: float

    @property
    def limits(self) -> tuple[float, float]:
        """What is shown black and what white: half a width below and above the centre.

        So says LINEAR_EXACT; by LINEAR white comes one value earlier, which no screen shows, and of
        a SIGMOID these are the limits of its tangent in the centre.

        References
        ----------
        .. [1] DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
        """
        return self.centre - self.width / 2, self.centre + self.width / 2


def read_windows(groups: list[Any]) -> tuple[RealWindow, ...]:
    """Return the windows of a frame, those of no width left out.

    Parameters
    ----------
    groups : list of pydicom Dataset
        The frame's functional group first, the data set itself last.
    """
    centres, widths, names = (
        several(find(groups, "FrameVOILUTSequence", name))
        for name in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")
    )
    found: dict[str, RealWindow] = {}
    for i, pair in enumerate(zip(centres, widths, strict=False)):
        told = numbers(pair, 2)
        if told is None or told[1] <= 0:
            continue
        name = " ".join(str(names[i]).split()) if i < len(names) else ""
        # names need be neither there nor unique; the numbers tell two windows apart
        if not name or name in found:
            name = f"{told[0]:g}/{told[1]:g}"
        found.setdefault(name, RealWindow(name, *told))
    return tuple(found.values())


COMMAND = (sys.executable, "-X", "utf8", "-m", "napari_intseg.io.dicom.decoder")
# seconds for one file, after which a decoder that hangs is stopped. A long
# time: to stop a slow one would make a sound file unreadable
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
        # a read of the pipe has no limit of time of its own:
        # the timer ends the process, and the pipe with it
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
        # pixels come back as a file: they may be large, and the
        # pipe also carries what libraries print
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
    # what a library prints is passed over
    for line in process.stdout:
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
            # any error of a library: the caller turns it into an error about the file
            # one line is one answer; the end of a message holds its reason
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


DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
# the transfer syntax is one of the first elements of a file
_LOOK_BYTES = 1 << 16

# unpacked, before the pixels: functional groups of 10,000 frames take some 20 MB
_HEADER_BYTES = 1 << 26

# what is unpacked at a time, 1 MB; not tuned. It bounds what memory goes beyond a limit.
_STEP_BYTES = 1 << 20


def read_data_set(path: Path, tags: Sequence[str] | None = None, *, pixels: bool = False) -> Any:
    """Return a data set as pydicom's `dcmread` does with ``force=True``, in bounded memory.

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
    # a deflated file can unpack to a thousand times its size: first its header alone is unpacked,
    # which says how many bytes of pixels may follow
    limit = _HEADER_BYTES
    if pixels:
        limit += _pixel_bytes(_inflated(path, None, limit, pixels=False))
    return _inflated(path, wanted, limit, pixels=pixels)


# bytes before a value, with and without its kind
_LONG_FORM, _SHORT_FORM = 12, 8


def read_up_to_pixels(file: BinaryIO, tags: Sequence[str]) -> tuple[Any, str, int]:
    """Read the data set of a file that is not deflated, and on to the first byte of its pixels.

    Returns
    -------
    data : pydicom Dataset
        Without the pixels.
    kind : str
        The value representation of the pixels.
    length : int
        How many bytes the file says that they take; 0xFFFFFFFF for compressed ones.
    """
    import pydicom

    data = pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=[*tags])
    is_implicit, is_little = data.original_encoding
    # pydicom stops before the pixel element; its tag, kind and length are passed over here
    start = file.read(_SHORT_FORM if is_implicit else _LONG_FORM)
    kind = "OW" if is_implicit else start[4:6].decode("ascii", "replace")
    return data, kind, int.from_bytes(start[-4:], "little" if is_little else "big")


def place_of_pixels(path: Path) -> tuple[int, int]:
    """Return at which byte of a file its pixels begin, and how many it says that they are."""
    with path.open("rb") as file:
        _, _, length = read_up_to_pixels(file, ["Rows"])
        return file.tell(), length


Span = tuple[int, int]
"""Where bytes of a file begin, and how many there are."""

_ENCAPSULATED = 0xFFFFFFFF
# of a piece of compressed pixels (PS3.5 A.4), which has a length of 4 bytes then
_ITEM, _ITEM_HEAD = b"\xfe\xff\x00\xe0", 8
_PIXELS_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
# how compressed images begin: JPEG and JPEG-LS, JPEG 2000's codestream, and its boxes
_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP")
# a file of nothing but empty pieces is no image
_MOST_PIECES = 1 << 20


def frames_before_end(path: Path, *, is_rle: bool) -> list[list[Span]] | None:
    """Return the pieces of the compressed frames that a file holds whole, if it was cut off.

    Parameters
    ----------
    path : Path
        Not deflated.
    is_rle : bool
        Whether its frames are run lengths, of which each is one piece (PS3.5 A.4.2).

    Returns
    -------
    list of list of (int, int) or None
        Byte and length of the pieces of each frame; None if the pixels come to their end, or it
        cannot be told where a frame begins.
    """
    with path.open("rb") as file:
        data, _, told = read_up_to_pixels(file, ["ExtendedOffsetTable"])
        pieces = _pieces_before_end(file, path.stat().st_size) if told == _ENCAPSULATED else []
        if not pieces:
            return None
        # the first piece is a table of where frames begin, counted from behind it, or empty
        start, length = pieces.pop(0)
        file.seek(start)
        offsets = np.frombuffer(file.read(length // 4 * 4), "<u4").tolist()
        longer = data.get("ExtendedOffsetTable") or b""
        offsets = offsets or np.frombuffer(longer[: len(longer) // 8 * 8], "<u8").tolist()
        begins = {start + length + offset for offset in offsets}

        def is_first(head_at: int) -> bool:
            file.seek(head_at + _ITEM_HEAD)
            return head_at in begins if begins else is_rle or file.read(8).startswith(_STARTS)

        frames: list[list[Span]] = []
        for piece in pieces:
            if is_first(piece[0] - _ITEM_HEAD):
                frames.append([piece])
            elif not frames:
                return None
            else:
                frames[-1].append(piece)
        # what was cut off is the last frame's, unless it begins another one
        at = pieces[-1][0] + pieces[-1][1] if pieces else path.stat().st_size
        if frames and at + _ITEM_HEAD < path.stat().st_size and not is_first(at):
            frames.pop()
    return frames


def _pieces_before_end(file: BinaryIO, size: int) -> list[Span]:
    """Return the whole pieces from here on in a file that was cut off; none if it was not."""
    at, pieces = file.tell(), list[Span]()
    file.seek(max(size - _ITEM_HEAD, 0))
    if file.read() == _PIXELS_END:
        return []
    while at + _ITEM_HEAD <= size and len(pieces) < _MOST_PIECES:
        file.seek(at)
        head = file.read(_ITEM_HEAD)
        # the mark of the end, or a damaged file
        if head[:4] != _ITEM:
            return []
        length = int.from_bytes(head[4:], "little")
        if at + _ITEM_HEAD + length > size:
            break
        pieces.append((at + _ITEM_HEAD, length))
        at += _ITEM_HEAD + length
    return pieces


@contextmanager
def opened_data_set(path: Path) -> Iterator[BinaryIO]:
    """Open a file for `read_up_to_pixels`; of a deflated one what its header asks for is unpacked.

    Raises
    ------
    ValueError
        As for `read_data_set`.
    """
    from pydicom import filereader

    with path.open("rb") as file:
        if not _is_deflated(path):
            yield file
            return
        limit = _HEADER_BYTES + _pixel_bytes(_inflated(path, None, _HEADER_BYTES, pixels=False))
        filereader.read_preamble(file, True)
        filereader._read_file_meta_info(file)
        yield io.BytesIO(_unpacked(file, limit, whole=True))


def _is_deflated(path: Path) -> bool:
    with path.open("rb") as file:
        return DEFLATED.encode() in file.read(_LOOK_BYTES)


def _inflated(path: Path, tags: list[str] | None, limit: int, *, pixels: bool) -> Any:
    """Return the data set of a deflated file, of which at most `limit` bytes are unpacked."""
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
        # in steps, so that memory never exceeds the limit by more than one of them
        packed = decoder.unconsumed_tail or file.read(_STEP_BYTES)
        if not packed:
            break
        made += decoder.decompress(packed, min(_STEP_BYTES, limit - len(made)))
    if whole and not decoder.eof and len(made) >= limit:
        raise ValueError(f"it unpacks to more than the {limit} bytes that its header declares")
    return bytes(made)


def _at_pixels(tag: Any, _vr: Any, _length: Any) -> bool:
    # Float, Double Float and Pixel Data; anything behind them is not part of the header
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
