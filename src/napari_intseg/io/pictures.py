"""PNG and JPEG: colours as red, green and blue; of masks with a palette the numbers themselves.

Videos are series of such pictures, which are decoded when they are looked at.
"""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import from_spacing
from napari_intseg.core.segmenter import Array
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.pixels import jpeg_shape
from napari_intseg.io.file_checks import DEFLATE_RATIO, check_regular, check_size, video_extra
from napari_intseg.io.raster import LABELS, MARK, Raster, are_labels, in_pieces
from napari_intseg.io.source import Source
from napari_intseg.io.suffixes import remark
from napari_intseg.io.units import MICROMETRE, PIXEL, picture_size

_SIGNATURES = {
    "PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "BMP": b"BM", "GIF": b"GIF8",
}  # fmt: skip
_ENDINGS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF",
}  # fmt: skip
# samples a pixel, by the colour type of PNG
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

# of a progressive JPEG: encoders make about 10; each is decoded over the whole picture
_MOST_SCANS = 100

# pixels a byte: a block of 64 takes a bit at least, and colours are coarser than brightness
_JPEG_RATIO = 1024

# chunks of a PNG that are looked at: each is a few bytes, so a file could hold millions
_MOST_CHUNKS = 100_000
# bytes of a JPEG that are looked at: colour profiles and thumbnails lie before the pixels
_JPEG_HEADS = 1 << 24


def picture_format(path: Path) -> str:
    """Return which decoder may open a picture: that of its ending, if its first bytes agree.

    A JPEG that is called ``.png``, and the other way round, is read as what it is.

    Raises
    ------
    FileError
        If it begins as none of these does, or declares more pixels than it can hold.
    """
    check_regular(path)
    with path.open("rb") as file:
        start = file.read(16)
    found = next((name for name, mark in _SIGNATURES.items() if start.startswith(mark)), None)
    named = _ENDINGS.get(path.suffix.lower())
    # BMP and GIF are for those who ask for them: only evaluation data sets hold masks in them
    if found is None or (found not in ("PNG", "JPEG") and found != named):
        kinds = named or "PNG or JPEG"
        raise FileError(
            f"file cannot be read: expected an image or mask that begins as {kinds} does, got "
            f"{start[:8]!r} in {str(path)!r}. Save it as PNG."
        )
    if found == "PNG":
        _check_png(path)
    if found == "JPEG":
        _check_jpeg(path)
    return found


@contextmanager
def opened_picture(path: Path) -> Iterator[Any]:
    """Open a picture with the one decoder that may, not with all that Pillow has.

    Pillow hands some kinds to other programs (EPS to Ghostscript), whatever the name says.

    Raises
    ------
    FileError
        As for `picture_format`.
    """
    from PIL import Image

    with Image.open(path, formats=[picture_format(path)]) as picture:
        yield picture


def _check_png(path: Path) -> None:
    """Compare the size that the header declares with what the compressed pixels can become."""
    held, declared = 0, 0
    with path.open("rb") as file:
        file.seek(8)
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                break
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IHDR":
                cols, rows, bits, colour = struct.unpack(">IIBB", file.read(length)[:10])
                # each row begins with a byte that names its filter
                declared = rows * ((cols * bits * _SAMPLES.get(colour, 1) + 7) // 8 + 1)
                # over the checksum, which Pillow checks
                file.seek(4, 1)
                continue
            held += length * (kind in (b"IDAT", b"fdAT"))
            file.seek(length + 4, 1)
    if declared:
        # the file's own length bounds what its chunks claim to hold
        check_size(path, declared, DEFLATE_RATIO, min(held, path.stat().st_size))


def _check_jpeg(path: Path) -> None:
    """Compare the size that a JPEG declares with its length, and count its scans."""
    with path.open("rb") as file:
        content = file.read(_JPEG_HEADS)
    shape = jpeg_shape(content)
    if shape is not None:
        check_size(path, shape[0] * shape[1], _JPEG_RATIO)
    scans = content.count(b"\xff\xda")
    if scans > _MOST_SCANS and b"\xff\xc2" in content:
        raise FileError(
            f"file cannot be read: expected a JPEG of at most {_MOST_SCANS} scans, got {scans} in "
            f"{str(path)!r}. Save it again, not progressive."
        )


_PNG = b"\x89PNG\r\n\x1a\n"
# bytes of a PNG's header chunk, which comes first (PNG specification, 11.2.2)
_DEPTH_AT, _KIND_AT = 24, 25
# of the kinds of PNG: RGB, grey with opacity, RGB with opacity
_COLOURS = (2, 4, 6)


def read_picture(path: Path, *, indices: bool = False) -> Raster:
    """Read the first picture of a file.

    Parameters
    ----------
    path : Path
    indices : bool, default False
        Whether a picture with a palette is the numbers in it, as masks are stored (PASCAL VOC,
        DAVIS), not their colours.

    Warns
    -----
    FileWarning
        If there are other pictures in the file, it asks to be shown turned, or tells a size that
        is not taken.
    """
    with opened_picture(path) as picture:
        is_labels = are_labels(MARK, picture.info.get(MARK))
        tell_turned(path, _orientation(picture))
        count = int(getattr(picture, "n_frames", 1))
        size = picture_size(picture.info.get("dpi"), path)
    if count > 1:
        remark(path, f"it holds {count} pictures, of which the first is read")
    data = picture_of(path, indices=indices or is_labels)
    source = Source(path, unit=MICROMETRE if size else PIXEL)
    affine = from_spacing(size) if size else None
    return Raster((data,), "yxs"[: data.ndim], source, affine=affine, is_labels=is_labels)


def write_png(
    path: Path,
    picture: Array,
    *,
    is_labels: bool = False,
    size: tuple[float, float] | None = None,
) -> None:
    """Write grey values, colours or labels, which get a mark; `size` is millimetres ``(y, x)``."""
    import imageio.v3 as iio
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    if is_labels:
        words.add_text(MARK, LABELS)
    # PNG holds whole pixels a metre
    told: dict[str, Any] = {} if size is None else {"dpi": (25.4 / size[1], 25.4 / size[0])}
    iio.imwrite(path, picture, plugin="pillow", extension=".png", pnginfo=words, **told)


ORIENTATION = 0x0112
"""Tag of TIFF and EXIF: how a picture asks to be shown; 1 is as it is stored."""


def tell_turned(path: Path, orientation: int | None) -> None:
    """Warn of a picture that some programs show turned or mirrored, and masks of it then not."""
    if orientation in range(2, 9):
        remark(
            path,
            f"it asks to be shown turned or mirrored (orientation {orientation:d}), as some "
            "programs do; its pixels are taken as they are stored",
        )


def _orientation(picture: Any) -> int | None:
    from PIL import Image

    exif = Image.Exif()
    # damaged words of a camera are no reason to refuse its picture
    with suppress(Exception):
        exif.load(picture.info.get("exif", b""))
        return int(exif.get(ORIENTATION, 1))
    return None


def picture_of(path: Path, *, indices: bool = False) -> Array:
    """Return the pixels of the first picture of a file, ``(H, W)`` or ``(H, W, 3 or 4)``."""
    with opened_picture(path) as picture:
        if has_deep_colours(path):
            import imagecodecs

            # Pillow cuts colours of 16 bits to 8
            data = np.asarray(imagecodecs.png_decode(path.read_bytes()))
            return data[..., 0] if data.shape[-1] == 2 else data
        mode = picture.mode
        plain = {"LA": "L", "La": "L", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}
        if mode in ("P", "PA") and not indices:
            plain[mode] = "RGBA" if mode == "PA" or "transparency" in picture.info else "RGB"
        elif mode == "PA":
            return np.asarray(picture)[..., 0]
        return np.asarray(picture.convert(plain[mode]) if mode in plain else picture)


def has_deep_colours(path: Path) -> bool:
    """Return whether a file is a PNG of colours, or grey with opacity, of 16 bits each."""
    with path.open("rb") as file:
        head = file.read(_KIND_AT + 1)
    return head.startswith(_PNG) and head[_DEPTH_AT] == 16 and head[_KIND_AT] in _COLOURS


# demuxers by ending: by itself FFmpeg goes by the content, which may be a list of other addresses
_DEMUXERS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".avi": "avi", ".mkv": "matroska",
    ".webm": "webm",
}  # fmt: skip
# the largest pictures of a video, 8192 x 4320 pixels, have a quarter of it
_MOST_VIDEO_PX = 1 << 27
# frames that are decoded on the way to one further on before it is looked for anew; a key frame
# comes every 12 to 250 frames, and looking costs a decoding from the last of them (not tuned)
_ON_THE_WAY = 32


class VideoFrames:
    """The frames of a video, an array ``(t, y, x, 3)`` of uint8, decoded when they are indexed.

    Parameters
    ----------
    path : Path
        Its ending says which format it is.

    Raises
    ------
    FileError
        If it holds no video, or larger pictures than any real one.
    MissingExtraError
        If PyAV is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = video_extra().open(
            # a header may name other files and addresses; only this one is opened
            str(path), format=_DEMUXERS[path.suffix.lower()],
            options={"protocol_whitelist": "file"},
        )  # fmt: skip
        if not self._file.streams.video:
            raise _no_video(path, "no stream of pictures")
        self._stream = self._file.streams.video[0]
        context = self._stream.codec_context
        if not 0 < context.width * context.height <= _MOST_VIDEO_PX:
            raise _no_video(path, f"pictures of {context.width} x {context.height} pixels")
        self._times = self._listed()
        if not self._times:
            raise _no_video(path, "no frame")
        # dask asks from several threads; a decoder has one place
        self._lock = threading.Lock()
        self._decoded: Iterator[Any] = iter(())
        self._at = len(self._times)  # of the frame decoded last: none yet
        first = self._frame(0)
        self.shape = (len(self._times), *first.shape)
        self.ndim, self.dtype = 4, np.dtype(np.uint8)
        self.chunks = (1, *first.shape)

    @property
    def step_s(self) -> float:
        """Seconds from frame to frame, 0 if the file does not tell."""
        rate = self._stream.average_rate
        return float(1 / rate) if rate else 0.0

    def __getitem__(self, index: Any) -> Array:
        """Read with basic indices; only the frames that are asked for are kept."""
        first, *rest = index if isinstance(index, tuple) else (index,)
        numbers = np.arange(len(self._times))[first]
        with self._lock:
            if np.ndim(numbers) == 0:
                return np.asarray(self._frame(int(numbers))[tuple(rest)])
            frames = [self._frame(number)[tuple(rest)] for number in numbers.tolist()]
        empty = np.empty((0, *self.shape[1:]), self.dtype)
        return np.stack(frames) if frames else empty[(slice(None), *rest)]

    def _listed(self) -> list[int]:
        """Return when each frame is shown, in order, in units of the stream."""
        packets = [p for p in self._file.demux(self._stream) if p.size and not p.is_discard]
        times = [p.pts for p in packets]
        self._start = min((p.dts for p in packets if p.dts is not None), default=0)
        if None in times:
            # some files of AVI tell nothing before they are decoded
            self._file.seek(0)
            times = [frame.pts for frame in self._file.decode(self._stream)]
        return sorted({time for time in times if time is not None})

    def _frame(self, number: int) -> Array:
        wanted = self._times[number]
        if not self._at < number <= self._at + _ON_THE_WAY:
            self._seek(wanted)
        frame = next((f for f in self._decoded if f.pts is not None and f.pts >= wanted), None)
        if frame is None or frame.pts != wanted:
            self._at = len(self._times)  # whatever is asked for next is looked for
            raise ValueError(f"frame {number} is damaged")
        self._at = number
        # phones tell how they were held instead of turning the picture
        turns = round(frame.rotation / 90) if frame.rotation else 0
        size = self._stream.codec_context
        picture = frame.to_ndarray(format="rgb24", width=size.width, height=size.height)
        return np.ascontiguousarray(np.rot90(picture, turns))

    def _seek(self, wanted: int) -> None:
        """Decode from a key frame on that is not shown later than a time."""
        back = 0
        while True:
            # frames are found by when they are decoded, which may be before they are shown
            start = max(self._start, wanted - back)
            self._file.seek(start, stream=self._stream)
            decoded = self._file.decode(self._stream)
            first = next((f for f in decoded if f.pts is not None), None)
            if first is None or first.pts <= wanted or start == self._start:
                break
            back = max(2 * back, first.pts - wanted)
        self._decoded = iter(()) if first is None else chain([first], decoded)


def _no_video(path: Path, got: str) -> FileError:
    return FileError(
        f"file cannot be read: expected a video, got {got} in {str(path)!r}. Check that it is "
        "complete and of the type that its name says."
    )


def read_video(path: Path) -> Raster:
    """Open a video as a time series; its frames are decoded when they are looked at.

    Parameters
    ----------
    path : Path
        MP4, QuickTime, AVI, Matroska or WebM, by its ending.

    Raises
    ------
    FileError
        As for `VideoFrames`.
    MissingExtraError
        If PyAV or dask is not installed.
    """
    frames = VideoFrames(check_regular(path))
    source = Source(path, unit="pixel")
    return Raster((in_pieces(frames, path),), "tyxs", source, time_step_s=frames.step_s)
