"""Memory does not grow with the number of planes that an object is carried through."""

import tracemalloc

import numpy as np

from napari_intseg import Session, Volume
from napari_intseg.core.segmenter import Answer, Prepared, Traits, ZoomIn
from napari_intseg.session.embeddings import PreparedCache, WalkCache

MIB = 1 << 20


class Lazy:
    """Planes of a bright square, made when they are read."""

    shape, ndim, dtype = (400, 64, 64), 3, np.dtype(np.uint8)

    def __getitem__(self, index):
        plane = np.zeros(self.shape[1:], np.uint8)
        plane[20:40, 20:40] = 200
        return plane[index[1:]]


class Heavy:
    """Keeps a megabyte of every plane, and says it is eight."""

    traits = Traits("heavy", uses_prev=True)

    def prepare(self, image):
        kept = np.ones(MIB, np.uint8)
        return Prepared(image.shape[:2], (image[..., 0], kept), 8 * MIB)

    def predict(self, query):
        return Answer(np.where(query.prepared.payload[0] > 0.5, np.float32(5), np.float32(-5)))


def test_memory_is_flat_in_the_number_of_planes():
    session = Session(Heavy(), Volume(Lazy()), window=(0, 255), zoom_in=None, denoise=False)
    session.click((0, 30, 30))
    tracemalloc.start()
    try:
        session.propagate(range(60))
        after_60 = tracemalloc.get_traced_memory()[0]
        session.propagate(range(200))
        grown = tracemalloc.get_traced_memory()[0] - after_60
    finally:
        tracemalloc.stop()
    assert len(session.propagated_planes(0)) == 199
    assert after_60 > 25 * MIB, "what was prepared last is kept"
    assert grown < 20 * MIB, "140 planes more are 140 MiB, were they kept"


class Light:
    """Answers where it is bright; says that a view is large, so that few are kept."""

    traits = Traits(
        "light", uses_prev=True, zoom_in=ZoomIn(target_size=64, min_crop_size=32, expansion=1.4)
    )

    def prepare(self, image):
        return Prepared(image.shape[:2], np.array(image[..., 0]), 64 * MIB)

    def predict(self, query):
        return Answer(np.where(query.prepared.payload > 0.5, np.float32(5), np.float32(-5)))


class Disc:
    """Planes of a bright disc, made where they are read; counts the pixels of the largest read."""

    ndim, dtype = 3, np.dtype(np.uint8)

    def __init__(self, side, radius, count=200):
        self.shape, self.radius, self.largest = (count, side, side), radius, 0

    def __getitem__(self, index):
        rows, cols = (np.arange(self.shape[1])[i] - self.shape[1] / 2 for i in index[1:])
        inside = rows[:, None] ** 2 + cols[None] ** 2 < self.radius**2
        self.largest = max(self.largest, inside.size)
        return np.where(inside, np.uint8(200), np.uint8(20))


def test_answers_are_not_held_unpacked():
    session = Session(Light(), Volume(Disc(512, 150, 120)), window=(0, 255))
    session.click((0, 256, 256))
    held = {}
    tracemalloc.start()
    try:
        session.propagate(
            on_progress=lambda done, _: held.update({done: tracemalloc.get_traced_memory()[0]})
        )
    finally:
        tracemalloc.stop()
    answer = 4 * (2 * 150 + 16) ** 2
    assert len(held) == 119
    assert held[119] - held[19] < 25 * answer, "100 planes are 40 MB, were they held"


def test_the_work_on_a_plane_is_that_of_the_object_not_of_the_slice():
    peaks = []

    def measure(*_: int):
        now, peak = tracemalloc.get_traced_memory()
        peaks[-1].append(peak - now)
        tracemalloc.reset_peak()

    for side in (512, 3072):
        data = Disc(side, 60, 12)
        session = Session(Light(), Volume(data), window=(0, 255))
        session.click((0, side / 2, side / 2))
        data.largest = 0
        peaks.append([])
        tracemalloc.start()
        try:
            session.propagate(on_progress=measure)
        finally:
            tracemalloc.stop()
        assert len(session.propagated_planes(0)) == 11
        assert data.largest < 200**2
    # one mask of the slice, a byte a pixel; no distances, logits or grey values of it
    assert max(peaks[1][2:10]) - max(peaks[0][2:10]) < 1.5 * 3072**2


def test_what_clicks_prepared_is_not_displaced_by_a_walk():
    cache = PreparedCache(100)
    walks = WalkCache(cache, 30)
    cache.put("clicked", Prepared((1, 1), 0, 10))
    for number in range(9):
        walks.put(number, Prepared((1, 1), number, 10))
    assert walks.get("clicked") is not None
    walks.put(8, Prepared((1, 1), 8, 10))  # once more: it counts once
    assert [n for n in range(9) if walks.get(n) is not None] == [6, 7, 8]
    walks.put(9, Prepared((1, 1), 9, 40))  # larger than there is room for, and about to be used
    assert [n for n in range(10) if walks.get(n) is not None] == [9]
    walks.clear()
    assert len(cache) == 0
