"""A click reads what its view needs, however large the data."""

import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume, load_model
from napari_intseg.core.segmenter import ZoomIn
from napari_intseg.inference.slice_reader import Pyramid


class Counting:
    """An array that counts the bytes that are read of it."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.nbytes_read = data, data.shape, data.dtype, 0

    def __getitem__(self, index):
        out = np.asarray(self.data[index])
        # a step saves memory, not reading: chunks are whole
        spans = [range(*i.indices(n)) for i, n in zip(index, self.shape, strict=True)
                 if isinstance(i, slice)]  # fmt: skip
        whole = [s[-1] + 1 - s[0] if len(s) else 0 for s in spans]
        self.nbytes_read += int(np.prod(whole)) * out.itemsize
        return out


class Squares:
    """A volume of uint16 that is nowhere: a bright square on each plane."""

    def __init__(self, shape, at, side):
        self.shape, self.dtype, self.at, self.side = shape, np.dtype(np.uint16), at, side

    def __getitem__(self, index):
        rows, cols = (np.arange(n)[i] for n, i in zip(self.shape[-2:], index[-2:], strict=True))
        on = [(abs(p - c) <= self.side // 2) for p, c in zip((rows, cols), self.at, strict=True)]
        return np.where(np.outer(*on), np.uint16(40_000), np.uint16(9_000))


def test_a_click_in_300_gb_reads_its_plane_at_most(tmp_path, bright):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(tmp_path / "sparse.zarr"), shape=(36_000, 2048, 2048), dtype=np.uint16,
        chunks=(1, 512, 512),
    )  # fmt: skip
    array[700, 900:960, 900:960] = 50_000
    data = Counting(array)
    session = Session(load_model("random-walker"), Volume(data), window=(0, 50_000))
    assert data.nbytes_read == 0  # it opens without reading
    session.click((700, 930, 930))
    assert 0 < data.nbytes_read <= 3 * 2048 * 2048 * 2
    mask = session.mask_on(Plane(0, 700))
    assert 0.9 * 3600 < mask.sum() < 1.1 * 3600
    del bright


class Chunked:
    """An array that notes which chunks of a store are read, as (plane, row, column) of chunks."""

    def __init__(self, data, chunk):
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.chunk, self.read = chunk, set()

    def __getitem__(self, index):
        spans = []
        for one, size, step in zip(index, self.shape, self.chunk, strict=True):
            at = range(*one.indices(size)) if isinstance(one, slice) else range(one, one + 1)
            spans.append(range(at[0] // step, at[-1] // step + 1) if len(at) else ())
        self.read.update((a, b, c) for a in spans[0] for b in spans[1] for c in spans[2])
        return np.asarray(self.data[index])


def test_only_chunks_under_the_view_are_read(bright):
    """Of a lazy volume: none to open it, those of one plane for a click, fewer when zoomed in."""
    shape, chunk, at = (36_000, 2048, 2048), (1, 256, 256), (1500, 600)
    data = Chunked(Squares(shape, at, 61), chunk)
    zoom = ZoomIn(skip_clicks=0, target_size=128)
    session = Session(bright(), Volume(data), window=(0, 50_000), zoom_in=zoom)
    assert data.read == set()
    session.click((700, *at))
    assert {plane for plane, _, _ in data.read} == {700}
    assert len(data.read) <= 64
    data.read.clear()
    session.click((700, at[0] + 10, at[1]))
    assert data.read == set()  # it is seen in the view that was read before
    session.propagate(range(698, 703))
    assert {plane for plane, _, _ in data.read} == {698, 699, 700, 701, 702}
    assert abs(np.count_nonzero(session.mask_on(Plane(0, 702))) / 61**2 - 1) < 0.1
    data.read.clear()
    begun = np.zeros(shape[1:], bool)
    begun[at[0] - 20 : at[0] + 20, at[1] - 20 : at[1] + 20] = True
    session.set_initial_mask(begun, Plane(0, 900))
    session.click((900, *at))
    seen = session.answer(Plane(0, 900)).seen
    under = {
        (900, row, col)
        for row in range(seen.row0 // 256, (seen.row1 - 1) // 256 + 1)
        for col in range(seen.col0 // 256, (seen.col1 - 1) // 256 + 1)
    }
    assert len(under) <= 4  # the object has 61 pixels: a view of it lies on few chunks
    assert data.read == under


def test_statistics_read_a_bounded_number_of_planes(bright):
    data = Chunked(Squares((36_000, 2048, 2048), (1500, 600), 61), (1, 256, 256))
    session = Session(bright(), Volume(data))
    session.click((700, 1500, 600))
    assert len({plane for plane, _, _ in data.read} - {700}) <= 9


@pytest.mark.parametrize("zoom", [None, ZoomIn(skip_clicks=-1, target_size=200)])
def test_a_click_in_40_000_pixels_squared_reads_a_window(bright, zoom):
    data = Counting(Squares((40_000, 40_000), (31_000, 7_000), 301))
    model = bright(False)
    session = Session(model, Volume(data), window=(0, 50_000), zoom_in=zoom)
    session.change_setup(longer_side_px=1024)
    session.click((31_000, 7_000))
    # the window, and the crop of the second look: not 3.2 GB
    assert data.nbytes_read <= 3 * 4096 * 4096 * 2
    patch = session.answer(Plane(0, 0)).patch
    box = patch.box()
    assert abs(box[0] - 30_850) <= 8
    assert abs(box[3] - 7_151) <= 8
    session.click((31_100, 7_100))
    assert data.nbytes_read <= 4 * 4096 * 4096 * 2


def test_a_pyramid_is_read_at_the_level_of_the_view(bright):
    levels = [
        Counting(Squares((40_000 // f, 40_000 // f), (20_000 // f, 20_000 // f), 3001 // f))
        for f in (1, 4, 16)
    ]
    session = Session(bright(False), Volume(Pyramid(levels)), window=(0, 50_000))
    session.change_setup(longer_side_px=256)
    session.click((20_000, 20_000))
    assert levels[0].nbytes_read == 0
    assert 0 < levels[2].nbytes_read < 1_000_000
    assert abs(session.answer(Plane(0, 0)).patch.mask().sum() / 3001**2 - 1) < 0.05
