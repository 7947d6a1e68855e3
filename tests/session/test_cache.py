from napari_intseg.core.segmenter import Prepared
from napari_intseg.session.embeddings import PreparedCache


def prepared(nbytes):
    return Prepared((1, 1), None, nbytes)


def test_what_was_not_used_for_longest_goes_first():
    cache = PreparedCache(100)
    for name in "abc":
        cache.put(name, prepared(30))
    assert cache.get("a") is not None
    cache.put("d", prepared(30))
    assert cache.get("b") is None
    assert all(cache.get(name) is not None for name in "acd")
    assert cache.nbytes == 90
    assert len(cache) == 3


def test_something_too_large_is_not_kept_and_drives_nothing_out():
    cache = PreparedCache(100)
    cache.put("a", prepared(60))
    cache.put("b", prepared(101))
    assert cache.get("b") is None
    assert cache.get("a") is not None


def test_the_same_key_counts_once():
    cache = PreparedCache(100)
    for _ in range(5):
        cache.put("a", prepared(60))
    assert cache.nbytes == 60
    cache.clear()
    assert cache.nbytes == 0
    assert cache.get("a") is None
