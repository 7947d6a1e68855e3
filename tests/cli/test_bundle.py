"""A session becomes a bundle, and another machine can tell whether the same labels come out."""

import json
import os
import shutil

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.errors import FileError
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array, write_labels
from napari_intseg.session.journal.ro_crate import environment, read_bundle
from napari_intseg.testing import phantom_volume


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A volume, labels from clicks in it, their journal and a bundle of all."""
    folder = tmp_path_factory.mktemp("made")
    volume, _ = phantom_volume()
    write_array(folder / "scan.nrrd", volume.data, volume)
    clicks = ["--click", "8,24,20@1", "--click", "8,24,44@2", "--model", "random-walker"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["segment", "scan.nrrd", "-o", "labels.nrrd", "--quiet", *clicks]) == 0
        words = ["--image", "scan.nrrd", "--with-image", "-o", "kept"]
        assert main(["bundle", "labels.nrrd", *words]) == 0
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of what was made, to work in."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_verified_from_what_is_in_it(folder, capsys):
    for name in ("scan.nrrd", "labels.nrrd", "labels.nrrd.journal.jsonl"):
        (folder / name).unlink()
    assert main(["replay", "--verify", "kept", "-o", "again.nrrd"]) == 0
    told = capsys.readouterr().out
    assert "verified: the same labels come out here, to the voxel" in told
    inside = read_volume(folder / "kept" / "labels" / "labels.nrrd")
    assert np.array_equal(read_volume(folder / "again.nrrd").data, inside.data)


def test_its_metadata_is_an_ro_crate(folder):
    about = json.loads((folder / "kept" / "ro-crate-metadata.json").read_text())
    assert about["@context"] == "https://w3id.org/ro/crate/1.1/context"
    by_name = {one["@id"]: one for one in about["@graph"]}
    assert by_name["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    parts = {one["@id"] for one in by_name["./"]["hasPart"]}
    assert parts == {
        "session.journal.jsonl",
        "environment.json",
        "labels/labels.nrrd",
        "image/scan.nrrd",
    }
    assert all(len(by_name[name]["sha256"]) == 64 for name in parts)
    versions = json.loads((folder / "kept" / "environment.json").read_text())
    assert versions == environment()
    assert {"numpy", "torch", "python", "napari-intseg"} <= set(versions)


def test_without_the_image_ones_own_copy_is_needed(folder, capsys):
    assert main(["bundle", "labels.nrrd", "-o", "light", "--quiet"]) == 0
    assert not (folder / "light" / "image").exists()
    assert main(["replay", "--verify", "light", "scan.nrrd"]) == 0
    assert main(["replay", "--verify", "light"]) == 2
    assert "image is not beside the journal" in capsys.readouterr().err


def change(folder, count):
    """Change so many voxels of the first object in the bundle's labels; return the share."""
    path = folder / "kept" / "labels" / "labels.nrrd"
    volume = read_volume(path)
    labels = np.array(volume.data)
    at = np.argwhere(labels == 1)[:count]
    labels[tuple(at.T)] = 0
    size = int((labels == 1).sum())
    write_labels(path, labels, read_volume(folder / "scan.nrrd"), overwrite=True)
    metadata = folder / "kept" / "ro-crate-metadata.json"
    about = json.loads(metadata.read_text())
    for one in about["@graph"]:
        one.pop("sha256", None)  # so that this is no damage but another machine's labels
    metadata.write_text(json.dumps(about))
    return count / size


def test_a_voxel_more_or_less_is_within_the_tolerance(folder, capsys):
    assert change(folder, 1) < 0.005
    assert main(["replay", "--verify", "kept"]) == 0
    capsys.readouterr()


def test_other_labels_are_told(folder, capsys):
    assert change(folder, 200) > 0.005
    assert main(["replay", "--verify", "kept"]) == 1
    read = capsys.readouterr()
    assert "difference: object 1: 200 of" in read.err
    assert "verified" not in read.out


@pytest.mark.parametrize("name", ["session.journal.jsonl", "environment.json", "image/scan.nrrd"])
def test_a_changed_file_is_told(folder, capsys, name):
    path = folder / "kept" / name
    content = path.read_bytes()
    path.write_bytes(content.replace(b"2", b"3", 1) if name == "environment.json" else content)
    if name != "environment.json":
        path.write_bytes(content + b"\n")
    assert main(["replay", "--verify", "kept"]) == 1
    assert f"{name} was changed since the bundle was made" in capsys.readouterr().err


def test_names_in_the_metadata_lead_nowhere_else(folder, capsys):
    metadata = folder / "kept" / "ro-crate-metadata.json"
    about = json.loads(metadata.read_text())
    about["@graph"].append({"@id": "../secret", "@type": "File", "sha256": "0" * 64})
    metadata.write_text(json.dumps(about))
    (folder / "secret").write_text("x")
    assert main(["replay", "--verify", "kept"]) == 1
    assert "../secret is missing" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_link_in_it_is_not_followed(folder, capsys):
    journal = folder / "kept" / "session.journal.jsonl"
    journal.unlink()
    journal.symlink_to(folder / "labels.nrrd.journal.jsonl")
    assert main(["replay", "--verify", "kept"]) == 2
    assert "expected a file, no link" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"@graph": 3}', "[" * 10_000])
def test_a_damaged_bundle_is_one_line(folder, capsys, content):
    (folder / "kept" / "ro-crate-metadata.json").write_text(content)
    assert main(["replay", "--verify", "kept"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["labels.nrrd", "-o", "kept"],
        ["labels.nrrd", "-o", "new", "--with-image"],
        ["labels.nrrd", "-o", "new", "--tolerance", "2"],
        ["scan.nrrd", "-o", "new"],
    ],
)
def test_what_cannot_be_bundled_is_one_line(folder, capsys, words):
    assert main(["bundle", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (folder / "new").exists()


def test_it_says_when_versions_differ(folder, capsys):
    path = folder / "kept" / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "numpy": "1.0"}))
    main(["replay", "--verify", "kept"])
    assert "numpy: 1.0 then, " in capsys.readouterr().out
    assert read_bundle(folder / "kept").environment["numpy"] == "1.0"


@pytest.mark.parametrize("value", [None, "x", [], 1, -1, 1e30, True])
def test_a_tolerance_that_cannot_be_is_one_clear_error(folder, value):
    file = folder / "kept" / "ro-crate-metadata.json"
    about = json.loads(file.read_text())
    next(one for one in about["@graph"] if one["@id"] == "./")["tolerance"] = value
    file.write_text(json.dumps(about))
    with pytest.raises(FileError, match="expected a tolerance from 0 to 1"):
        read_bundle(folder / "kept")


def test_a_part_without_a_name_is_missing(folder):
    file = folder / "kept" / "ro-crate-metadata.json"
    about = json.loads(file.read_text())
    del next(one for one in about["@graph"] if one["@id"] == "environment.json")["@id"]
    file.write_text(json.dumps(about))
    assert read_bundle(folder / "kept").damaged == ("None is missing",)
