"""Journals stay with labels, whichever of our writers makes the file."""

import json

import numpy as np
import pytest
from napari.layers import Labels

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.hooks import write_labels_layer
from napari_intseg.io.ome_zarr import is_zarr, stored_labels
from napari_intseg.io.output_files import METADATA, journal_texts, write_beside
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_array, write_labels

LINES = [{"journal": "napari-intseg", "version": 1}, {"t": "now", "do": "begin", "µ": [0.1, None]}]
FLAT = (".png", ".json")
ENDINGS = (
    ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".ome.tif", ".tif", ".zarr", ".h5",
    ".geojson", ".npy", *FLAT,
)  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_writer_of_a_layer_leaves_its_journal(tmp_path, ending):
    data = np.zeros((20, 24) if ending in FLAT else (3, 20, 24), np.uint8)
    data[..., 4:9, 5:11] = 1
    lines = list(LINES)
    layer = Labels(data, metadata={METADATA: lines})
    lines.append({"t": "later", "do": "undo"})  # the layer's list grows
    path = tmp_path / f"labels{ending}"
    write_labels_layer(str(path), layer.data, layer.as_layer_data_tuple()[1])
    assert [json.loads(text) for text in journal_texts(path)] == lines
    beside = path.with_name(path.name + ".journal.jsonl")
    assert beside.exists() != (ending == ".zarr")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_layer_without_a_journal_leaves_none(tmp_path):
    layer = Labels(np.ones((5, 6), int))
    write_labels_layer(str(tmp_path / "l.npy"), layer.data, layer.as_layer_data_tuple()[1])
    assert [p.name for p in tmp_path.iterdir()] == ["l.npy"]
    with pytest.raises(FileError, match="labels have no journal"):
        journal_texts(tmp_path / "l.npy")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_in_a_zarr_image_keep_theirs_and_stay_what_they_are(tmp_path, version):
    data = np.arange(3 * 20 * 24, dtype=np.uint16).reshape(3, 20, 24)
    image = tmp_path / "image.zarr"
    write_array(image, data, Volume(data, spacing=(2.0, 0.5, 0.5)))
    like = read_volume(image)
    path = image / "labels" / "cells"
    labels = (data % 7 == 0).astype(np.uint8)
    if version == "0.5":  # of its own: an image decides the version of its labels
        path = tmp_path / "cells.zarr"
    write_labels(path, labels, like, ome_zarr=version)
    write_beside(path, LINES)
    assert [json.loads(text) for text in journal_texts(path)] == LINES
    np.testing.assert_array_equal(read_mask(path, like), labels)
    assert read_volume(path).spacing == like.spacing
    assert is_zarr(path)
    if version == "0.4":
        assert list(stored_labels(image)) == ["cells"]
        assert sorted(p.name for p in path.parent.iterdir() if "journal" in p.name) == []


def test_what_is_written_again_replaces_the_earlier_journal_whole(tmp_path):
    first = write_beside(tmp_path / "l.tif", LINES)
    assert write_beside(tmp_path / "l.tif", LINES[:1]) == first
    assert len(journal_texts(tmp_path / "l.tif")) == 1
    with pytest.raises(FileError, match="journal cannot be written"):
        write_beside(tmp_path / "l.tif", [{"value": float("nan")}])  # no JSON
    assert len(journal_texts(tmp_path / "l.tif")) == 1
    assert [p.name for p in tmp_path.iterdir()] == [first.name]
    with pytest.raises(FileError, match="journal cannot be written"):
        write_beside(tmp_path / "missing" / "l.tif", LINES)


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"attributes": 3}', b'{"napari-intseg": [1]}'])
@pytest.mark.parametrize("name", [".zattrs", "zarr.json"])
def test_damaged_attributes_are_told(tmp_path, name, content):
    (tmp_path / "l.zarr").mkdir()
    (tmp_path / "l.zarr" / name).write_bytes(content)
    with pytest.raises(FileError, match=r"journal cannot be read|labels have no journal"):
        journal_texts(tmp_path / "l.zarr")
    assert (tmp_path / "l.zarr" / name).read_bytes() == content
    if content in (b"{", b"[1]"):
        with pytest.raises(FileError, match="journal cannot be written"):
            write_beside(tmp_path / "l.zarr", LINES)
