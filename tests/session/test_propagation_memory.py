"""Memory does not grow with the number of planes that an object is carried through."""

import tracemalloc

import numpy as np

from napari_intseg import Session, Volume
from napari_intseg.core.segmenter import Answer, Prepared, Traits
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


def test_what_clicks_prepared_is_not_displaced_by_a_walk():
    cache = PreparedCache(100)
    walks = WalkCache(cache, 30)
    cache.put("clicked", Prepared((1, 1), 0, 10))
    for number in range(9):
        walks.put(number, Prepared((1, 1), number, 10))
    assert walks.get("clicked") is not None
    assert [n for n in range(9) if walks.get(n) is not None] == [6, 7, 8]
    walks.clear()
    assert len(cache) == 0
