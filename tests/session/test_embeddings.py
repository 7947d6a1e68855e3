"""Embeddings on disk: bounded, checked, and found again by what they depend on."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.session.embeddings import (
    EmbeddingFiles,
    LayeredCache,
    PreparedCache,
    data_signature,
)
from napari_intseg.session.session import Session


class Counting:
    """A model that counts how often it prepares, and answers with the image's red channel."""

    def __init__(self, signature: str | None = "one") -> None:
        self.prepared = 0
        if signature is not None:
            self.signature = signature

    traits = Traits("counting", resample="logits")

    def prepare(self, image: FloatArray) -> Prepared:
        self.prepared += 1
        payload = {"image": image[..., 0].copy(), "colour": np.array("grey")}
        return Prepared(image.shape[:2], payload, image.nbytes)

    def predict(self, query: Query) -> Answer:
        return Answer((query.prepared.payload["image"] - 0.5) * 10)


def make(rng: np.random.Generator, count: int = 1000) -> Prepared:
    payload = {"a": rng.normal(size=(2, count)).astype(np.float32), "colour": np.array("half")}
    return Prepared((30, 40), payload, count * 8)


def assert_same(got: Prepared | None, wanted: Prepared) -> None:
    assert got is not None
    assert got.shape == wanted.shape
    assert got.payload.keys() == wanted.payload.keys()
    for name, array in wanted.payload.items():
        np.testing.assert_array_equal(got.payload[name], array)
        assert got.payload[name].dtype == array.dtype


def test_what_was_kept_comes_back(tmp_path: Path, rng: np.random.Generator) -> None:
    wanted = make(rng)
    EmbeddingFiles(tmp_path / "new").put("x", wanted)
    assert_same(EmbeddingFiles(tmp_path / "new").get("x"), wanted)
    assert EmbeddingFiles(tmp_path / "new").get("y") is None


def test_the_oldest_go_when_there_is_no_room(tmp_path: Path, rng: np.random.Generator) -> None:
    files = EmbeddingFiles(tmp_path, limit_bytes=30_000)  # room for three
    for age, name in enumerate("abc"):
        files.put(name, make(rng))
        os.utime(tmp_path / f"{name}.embedding", (100 + age, 100 + age))
    assert files.get("a") is not None  # used now, so that b is the oldest
    files.put("d", make(rng))
    assert [name for name in "abcd" if files.get(name) is not None] == ["a", "c", "d"]
    assert files.nbytes() <= 30_000


def test_something_larger_than_the_limit_is_not_kept(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    files = EmbeddingFiles(tmp_path, limit_bytes=30_000)
    files.put("small", make(rng))
    files.put("large", make(rng, 10_000))
    assert files.get("large") is None
    assert files.get("small") is not None


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_file_counts_as_absent_and_goes(
    tmp_path: Path, rng: np.random.Generator, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    files, path = EmbeddingFiles(tmp_path), tmp_path / "x.embedding"
    files.put("x", make(rng))
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-100], "flip": content, "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        assert files.get("x") is None
    assert "damaged" in caplog.text
    assert not path.exists()


def test_a_crash_while_writing_leaves_no_broken_entry(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, wanted = EmbeddingFiles(tmp_path), make(rng)
    files.put("x", wanted)

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            files.put("x", make(rng))
    assert_same(files.get("x"), wanted)
    assert [path.name for path in tmp_path.iterdir()] == ["x.embedding"]


def test_what_a_killed_process_left_behind_goes_after_an_hour(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    old, new = tmp_path / "old.part", tmp_path / "new.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (100, 100))
    EmbeddingFiles(tmp_path).put("x", make(rng))
    assert not old.exists()
    assert new.exists()


def test_a_folder_that_cannot_be_written_is_told_and_costs_nothing_else(
    tmp_path: Path, rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        EmbeddingFiles(tmp_path / "file").put("x", make(rng))
    assert "could not be kept" in caplog.text


def test_payloads_that_are_not_arrays_stay_in_memory(tmp_path: Path) -> None:
    files = EmbeddingFiles(tmp_path)
    files.put("x", Prepared((1, 1), object(), 8))
    files.put("y", Prepared((1, 1), {"a": np.array([object()])}, 8))
    assert list(tmp_path.iterdir()) == []


def test_the_signature_tells_data_apart(rng: np.random.Generator) -> None:
    data = rng.integers(0, 9, (4, 6)).astype(np.int16)
    assert data_signature(data) == data_signature(np.asfortranarray(data))
    others = [data + 1, data.astype(np.int32), data.T, data[:0]]
    assert data_signature(data) not in [data_signature(other) for other in others]


def click(files: EmbeddingFiles, volume: Volume, model: Counting, **options: Any) -> int:
    """Click once in a fresh session, and say how often the model prepared."""
    session = Session(model, volume, **options)
    session.keep_embeddings(files)
    session.click((1, 4, 5))
    return model.prepared


def test_another_day_finds_the_embedding_and_other_questions_do_not(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    files = EmbeddingFiles(tmp_path)
    data = rng.normal(size=(3, 20, 24)).astype(np.float32)
    assert click(files, Volume(data), Counting(), window=(-1, 1)) == 1
    assert click(files, Volume(data.copy()), Counting(), window=(-1, 1)) == 0
    assert click(files, Volume(data), Counting(), window=(-2, 1)) == 1
    assert click(files, Volume(data), Counting("two"), window=(-1, 1)) == 1
    changed = data.copy()
    changed[1, 0, 0] += 1
    assert click(files, Volume(changed), Counting(), window=(-1, 1)) == 1


def test_models_without_a_signature_are_not_kept_on_disk(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    files = EmbeddingFiles(tmp_path)
    data = rng.normal(size=(3, 20, 24)).astype(np.float32)
    assert click(files, Volume(data), Counting(None), window=(-1, 1)) == 1
    assert files.nbytes() == 0


def test_memory_comes_first_and_clearing_it_leaves_the_files(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    data = rng.normal(size=(3, 20, 24)).astype(np.float32)
    model = Counting()
    session = Session(model, Volume(data), window=(-1, 1))
    session.keep_embeddings(EmbeddingFiles(tmp_path))
    session.click((1, 4, 5))
    cache = session.cache
    assert isinstance(cache, LayeredCache)
    assert len(cache.memory) == 2  # the view, and how noisy the slice is
    cache.clear()
    assert len(cache.memory) == 0
    session.click((1, 9, 9))
    assert model.prepared == 1
    session.keep_embeddings(None)
    assert isinstance(session.cache, PreparedCache)
    cache.files.clear()
    assert cache.files.nbytes() == 0


def test_keys_of_another_kind_stay_in_memory(tmp_path: Path, rng: np.random.Generator) -> None:
    cache = LayeredCache(PreparedCache(10**6), EmbeddingFiles(tmp_path))
    wanted = make(rng)
    cache.put(("any", Plane(0, 1), Prompts()), wanted)
    assert cache.get(("any", Plane(0, 1), Prompts())) is wanted
    assert list(tmp_path.iterdir()) == []
