"""Embeddings on disk: bounded, checked, and found again by what they depend on."""

import hashlib
import io
import logging
import os
import zipfile
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


def test_what_is_no_embedding_is_neither_read_nor_removed(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    files, wanted = EmbeddingFiles(tmp_path, limit_bytes=20_000), make(rng)
    (tmp_path / "folder.embedding").mkdir()
    (tmp_path / "large.embedding").write_bytes(bytes(30_000))
    (tmp_path / "kept.txt").write_text("by somebody")
    os.mkfifo(tmp_path / "pipe.embedding")
    assert [files.get(name) for name in ("folder", "large", "pipe")] == [None] * 3
    files.put("x", wanted)
    assert_same(files.get("x"), wanted)
    files.clear()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".cleared", "folder.embedding", "kept.txt"]


def test_clear_goes_on_after_a_file_that_stays(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, unlink = EmbeddingFiles(tmp_path), Path.unlink
    for name in "abc":
        files.put(name, make(rng))

    def refused(path: Path, **how: Any) -> None:
        if path.name == "a.embedding":
            raise PermissionError("open elsewhere")
        unlink(path, **how)

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(PermissionError, match="open elsewhere"):
        files.clear()
    assert [path.name for path in tmp_path.glob("*.embedding")] == ["a.embedding"]
    # no reason to keep nothing new
    small = EmbeddingFiles(tmp_path, limit_bytes=(tmp_path / "a.embedding").stat().st_size + 10)
    small.put("d", make(rng))
    assert small.get("d") is not None


def test_a_folder_tells_when_it_was_cleared(tmp_path: Path, rng: np.random.Generator) -> None:
    files = EmbeddingFiles(tmp_path / "new")
    assert files.cleared_ns() == 0
    files.clear()
    assert files.cleared_ns() == 0
    files.put("x", make(rng))
    files.clear()
    assert EmbeddingFiles(tmp_path / "new").cleared_ns() > 0


@pytest.mark.parametrize("header", ["packed", "large", "nested"])
def test_an_embedding_that_somebody_made_takes_no_more_than_it_holds(
    tmp_path: Path, header: str
) -> None:
    content = io.BytesIO()
    if header == "packed":
        np.savez_compressed(content, payload_a=np.zeros(1 << 20), shape=(3, 4))
    else:
        text = "(1000000000, 1000000)" if header == "large" else "(" * 300 + ")" * 300
        said = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {text}}}\n".encode()
        with zipfile.ZipFile(content, "w") as archive:
            start = b"\x93NUMPY\x01\0" + len(said).to_bytes(2, "little")
            archive.writestr("payload_a.npy", start + said)
    made = content.getvalue()
    (tmp_path / "x.embedding").write_bytes(hashlib.sha256(made).digest() + made)
    assert EmbeddingFiles(tmp_path).get("x") is None


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
