"""Videos as time series, written here by the same library."""

import random

import numpy as np
import pytest

from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.io import file_checks
from napari_intseg.io.hooks import get_reader
from napari_intseg.io.read import read_raster, read_volume

COUNT, BITS, SHAPE = 60, 6, (64, 96)


@pytest.fixture(scope="module")
def av():
    return pytest.importorskip("av", reason="PyAV, of the extra `video`, is not installed")


def write(av, path, codec, gop=12, **options):
    """Write frames whose bars tell their number in bits; some follow from those after them."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = SHAPE
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        for number in range(COUNT):
            picture = np.full((*SHAPE, 3), (200, 60, 60), np.uint8)
            for bit in range(BITS):
                picture[32:, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def video(av, tmp_path_factory):
    return write(av, tmp_path_factory.mktemp("videos") / "made.mp4", "mpeg4", bf="2")


def number_of(picture):
    bars = np.asarray(picture)[48, 8::16, 1] > 127
    return sum(int(on) << bit for bit, on in enumerate(bars))


# where key frames are close, one that is stored earlier is shown later than the frame looked for
@pytest.mark.parametrize(
    ("ending", "gop"), [(".mp4", 12), (".avi", 12), (".avi", 3), (".mkv", 12), (".mov", 3)]
)
def test_frames_come_in_any_order(av, tmp_path, ending, gop):
    path = write(av, tmp_path / f"made{ending}", "mpeg4", gop, bf="2")
    raster = read_raster(path)
    (frames,) = raster.levels
    assert (raster.axes, frames.shape, frames.dtype) == ("tyxs", (COUNT, *SHAPE, 3), np.uint8)
    assert raster.time_step_s == pytest.approx(0.04)
    order = [*range(20), *random.Random(0).sample(range(COUNT), 20)]
    assert [number_of(frames[i]) for i in order] == order
    # red is red
    assert np.asarray(frames[3])[10, 20] == pytest.approx((200, 60, 60), abs=12)


def test_a_frame_is_read_as_an_image(video):
    volume = read_volume(video, time=41)
    assert (volume.shape, volume.n_channels) == (SHAPE, 3)
    assert number_of(volume.data) == 41
    with pytest.raises(FileError, match="60"):
        read_volume(video)


def test_napari_gets_a_series_of_colours(video):
    reader = get_reader(str(video))
    ((data, shown, kind),) = reader(str(video))
    assert (kind, shown["rgb"], data.shape) == ("image", True, (COUNT, *SHAPE, 3))
    assert hasattr(data, "dask")  # nothing is decoded before it is looked at


def test_what_is_no_video_is_told(av, video, tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[:2000])
    # FFmpeg alone would take it for a list of addresses, and fetch them
    listed = tmp_path / "listed.mp4"
    listed.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n")
    with av.open(str(tmp_path / "sound.mkv"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        file.mux(stream.encode(sound))
    for path in (cut, listed, tmp_path / "sound.mkv"):
        with pytest.raises(FileError, match=rf"file cannot be read: .*{path.name}"):
            read_raster(path)


def test_without_the_library_napari_may_read_it_or_the_extra_is_named(monkeypatch, tmp_path):
    path = tmp_path / "made.mp4"
    path.write_bytes(b"")
    monkeypatch.setattr("napari_intseg.io.hooks.find_spec", lambda _: None)
    assert get_reader(str(path)) is None

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(file_checks, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"videos need av: .*napari-intseg\[video\]"):
        read_raster(path)
