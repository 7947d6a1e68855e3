"""What the shell says of the zoo: licences, refused prompts, refinement, automatic starts."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_intseg.cli.main import main
from napari_intseg.core.prompts import Box
from napari_intseg.models.automatic import automatic
from napari_intseg.models.automatic.automatic import Finding
from napari_intseg.models.automatic.hub_models import FAMILIES
from napari_intseg.models.registry import MODELS
from napari_intseg.models.weights import locate
from napari_intseg.models.weights.catalogue import CATALOGUE, badge


@pytest.fixture
def picture(tmp_path, rng):
    rows, cols = np.indices((60, 80))
    disc = np.hypot(rows - 30, cols - 40) < 15
    data = np.clip(np.where(disc, 180, 60) + rng.normal(0, 6, disc.shape), 0, 255)
    path = tmp_path / "cells.png"
    Image.fromarray(data.astype(np.uint8)).save(path)
    return path, disc


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fcanet", "research only"),
        ("focalclick-segformer-b3-s2", "research only"),
        ("dextr", "copyleft"),
        ("iog", "no licence"),
        ("fbrs-resnet34", "copyleft by file"),
        ("ritm-hrnet18s", ""),
        ("sam-vit-b", ""),
        ("bundled", ""),
    ],
)
def test_a_licence_that_binds_has_a_badge(name, words):
    spec = MODELS[name]
    assert badge(spec.licence, spec.note) == words


def test_a_licence_nobody_foresaw_asks_to_be_read():
    assert badge("Bespoke Licence 1.0") == "read it"
    assert badge("your own") == ""
    assert badge("CC-BY-NC-4.0") == "not commercial"


def test_badges_stand_in_both_lists(capsys):
    main(["models"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "[research only]" in lines["fcanet"]
    assert "[" not in lines["ritm-hrnet18"]
    main(["models", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["dextr"]["badge"] == "copyleft"
    parts = [rows[part]["size_mb"] for part in ("sam-vit-b", "ritm-hrnet18s")]
    assert rows["handover"]["size_mb"] == sum(parts)


def test_automatic_families_are_listed_with_their_licences(capsys):
    assert main(["models", "--automatic"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(FAMILIES)]] == list(FAMILIES)
    assert "[research only]" in next(line for line in lines if line.startswith("segformer"))
    main(["models", "--automatic", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows if "text" in row["prompts"]} == {
        "clipseg", "grounding-dino", "sam3"
    }  # fmt: skip


TOLD = {
    # key: what the shell says of its weights, the badge, and what it says of the model besides
    "fcanet": ("research and education only", "research only", ""),
    "focalclick-segformer-b0-s1": ("NVIDIA Source Code License", "research only", "SegFormer"),
    "focalclick-segformer-b0-s2": ("NVIDIA Source Code License", "research only", "SegFormer"),
    "focalclick-segformer-b3-s2": ("NVIDIA Source Code License", "research only", "SegFormer"),
    "dextr": ("GPL-3.0", "copyleft", "GPL-3.0 (the authors' code)"),
    "iog": ("none stated", "no licence", "no licence stated: ask the authors"),
    "fbrs-resnet34": ("MPL-2.0", "copyleft by file", ""),
    "fbrs-hrnet32": ("MPL-2.0", "copyleft by file", ""),
    "ritm-hrnet18s": ("MIT", "", ""),
    "sam-vit-b": ("Apache-2.0", "", ""),
    "mobile-sam": ("Apache-2.0", "", ""),
    "sam2.1-tiny": ("Apache-2.0", "", ""),
}


@pytest.mark.parametrize("key", TOLD)
def test_the_licence_is_told_before_a_download_begins(monkeypatch, capsys, key):
    before = []

    def fetch(_key, **_options):
        before.append(capsys.readouterr().out)
        return locate.Stored(CATALOGUE[key], "x", "abc", True)

    monkeypatch.setattr(locate, "fetch", fetch)
    assert main(["weights", "fetch", key]) == 0
    licence, badge, besides = TOLD[key]
    first = before[0].splitlines()[0]
    assert first.startswith(f"{CATALOGUE[key].file}: licence of the weights: ")
    assert licence in first
    assert first.endswith(f"[{badge}]") == bool(badge)
    assert ("[" in first) == bool(badge)
    assert besides in before[0]


def test_an_unknown_key_has_no_licence_to_tell(capsys):
    assert main(["weights", "fetch", "magic"]) == 2
    assert "magic" in capsys.readouterr().err


def test_what_is_asked_for_by_name_is_listed_with_its_state(capsys):
    assert main(["models", "--automatic", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["everything"]["state"] == "ready"
    assert rows["cellpose"]["badge"] == "not commercial"
    assert {"instanseg", *FAMILIES} <= set(rows)


@pytest.mark.parametrize(
    ("model", "click", "told"),
    [
        ("deepgrabcut", "10,10", "deepgrabcut takes no click: expected box"),
        ("dextr", "10,10:-", "dextr takes no negative click: expected extreme_points"),
    ],
)
def test_a_click_the_model_cannot_take_is_refused_before_anything_is_read(
    tmp_path, capsys, model, click, told
):
    # neither the image nor the weights exist: nobody has looked
    words = ["segment", str(tmp_path / "gone.png"), "-o", str(tmp_path / "out.png")]
    assert main([*words, "--model", model, "--click", click]) == 2
    assert told in capsys.readouterr().err


def test_a_refined_answer_follows_the_edge(picture, tmp_path):
    path, disc = picture
    out = tmp_path / "out.png"
    words = ["segment", str(path), "-o", str(out), "--quiet", "--click", "30,40"]
    assert main([*words, "--refine", "graph-cut"]) == 0
    mask = np.asarray(Image.open(out)) > 0
    assert np.count_nonzero(mask & disc) / np.count_nonzero(mask | disc) > 0.9


class Finder:
    """Stands for an automatic model: finds what is bright, on each plane."""

    def __init__(self, name):
        self.family = FAMILIES[name]

    def find(self, image, texts=(), *, threshold=None, masks_by=None):
        del threshold
        bright = image.mean(axis=2) > 0.5
        name = texts[0] if texts else "cell"
        if masks_by is not None:
            name += f" by {masks_by.traits.name}"
        return (Finding(bright, name, 0.9, Box(0, 0, 1, 1)),) if bright.any() else ()


@pytest.fixture
def finder(monkeypatch):
    asked = []

    def load(family, folder, *, device):
        asked.append((family, str(folder), device))
        return Finder(family)

    monkeypatch.setattr(automatic, "load_automatic", load)
    return asked


def start(path, out, *words):
    return main(["start", str(path), "-o", str(out), "--weights", "folder", *words])


class TestStart:
    def test_findings_become_labels(self, picture, tmp_path, finder, capsys):
        path, disc = picture
        out = tmp_path / "start.png"
        assert start(path, out, "--automatic", "segformer") == 0
        labels = np.asarray(Image.open(out))
        assert np.count_nonzero((labels == 1) != disc) < 20
        told = capsys.readouterr().out
        assert told.index("NVIDIA") < told.index("object 1: cell")
        assert finder == [("segformer", "folder", "auto")]

    def test_a_folder_of_images_becomes_a_folder_of_labels(self, picture, tmp_path, finder, capsys):
        path, disc = picture
        (tmp_path / "images").mkdir()
        for name in ("a", "b"):
            (tmp_path / "images" / f"{name}.png").write_bytes(path.read_bytes())
        (tmp_path / "images" / "c.png").write_bytes(b"no picture")
        out = tmp_path / "labels"
        assert start(tmp_path / "images", out, "--automatic", "segformer") == 1
        told = capsys.readouterr()
        assert sorted(one.name for one in out.iterdir()) == ["a_labels.png", "b_labels.png"]
        assert np.count_nonzero((np.asarray(Image.open(out / "b_labels.png")) == 1) != disc) < 20
        assert told.out.count("published under") == 1
        assert "c.png: failed:" in told.err
        assert told.out.endswith("2 of 3 done\n")
        assert len(finder) == 1, "the model is kept from image to image"

    def test_clicks_go_on_from_them(self, picture, tmp_path, finder):
        path, _ = picture
        first, second = tmp_path / "start.png", tmp_path / "better.png"
        assert start(path, first, "--automatic", "upernet", "--quiet") == 0
        words = ["segment", str(path), "-o", str(second), "--init", str(first), "--quiet"]
        assert main([*words, "--model", "random-walker", "--click", "30,50:-"]) == 0
        before, after = (np.asarray(Image.open(p)) for p in (first, second))
        assert before[30, 50] == 1
        assert after[30, 50] == 0
        assert after[30, 30] == 1
        assert len(finder) == 1

    def test_a_volume_is_looked_at_plane_by_plane(self, tmp_path, finder, capsys):
        volume = np.zeros((6, 20, 24), np.uint8)
        volume[1:5, 5:15, 5:12] = 255
        volume[3:, 5:15, 16:20] = 255
        np.save(tmp_path / "volume.npy", volume)
        out = tmp_path / "labels.npy"
        words = ("--automatic", "mask2former", "--planes", "2:5", "--window", "full")
        assert start(tmp_path / "volume.npy", out, *words) == 0
        labels = np.load(out)
        assert labels.shape == volume.shape
        assert not labels[:2].any()
        assert not labels[5].any()
        np.testing.assert_array_equal(labels[2:5] == 1, volume[2:5] > 0)
        assert "voxels" in capsys.readouterr().out
        assert len(finder) == 1

    def test_boxes_are_turned_to_masks_by_the_named_model(self, picture, tmp_path, finder, capsys):
        path, _ = picture
        words = ("--automatic", "grounding-dino", "--text", "a cell", "--masks-by", "grabcut")
        assert start(path, tmp_path / "start.png", *words) == 0
        assert "object 1: a cell by grabcut" in capsys.readouterr().out
        assert len(finder) == 1

    @pytest.mark.usefixtures("finder")
    def test_nothing_found_is_told(self, tmp_path, capsys):
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "dark.png")
        words = ("--automatic", "upernet", "--window", "0,255")
        assert start(tmp_path / "dark.png", tmp_path / "start.png", *words) == 0
        assert "nothing was found" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--automatic", "yolo"), "automatic model is unknown"),
            (("--automatic", "clipseg"), "expected --text, got []"),
            (("--automatic", "segformer", "--text", "a"), "expected no --text"),
            (("--automatic", "grounding-dino", "--text", "a"), "gives boxes: expected --masks-by"),
            (("--automatic", "upernet", "--masks-by", "medsam"), "expected no --masks-by"),
            (
                ("--automatic", "grounding-dino", "--text", "a", "--masks-by", "ritm-hrnet18"),
                "ritm-hrnet18 takes no box",
            ),
            (("--automatic", "upernet", "--threshold", "2"), "threshold is no score"),
        ],
    )
    def test_what_a_family_cannot_take_is_refused_before_anything_is_read(
        self, tmp_path, finder, capsys, words, told
    ):
        assert start(tmp_path / "gone.png", tmp_path / "start.png", *words) == 2
        assert told in capsys.readouterr().err
        assert finder == []

    def test_planes_must_exist(self, picture, tmp_path, finder, capsys):
        path, _ = picture
        words = ("--automatic", "upernet", "--planes", "0:9")
        assert start(path, tmp_path / "start.png", *words) == 2
        assert "planes do not exist: expected some of 0 to 0" in capsys.readouterr().err
        assert finder == []

    def test_an_interrupt_keeps_what_is_done(self, tmp_path, finder, monkeypatch):
        import os
        import signal

        find = Finder.find

        def once(self, *args, **kwargs):
            os.kill(os.getpid(), signal.SIGINT)
            return find(self, *args, **kwargs)

        monkeypatch.setattr(Finder, "find", once)
        np.save(tmp_path / "volume.npy", np.full((4, 9, 9), 200, np.uint8))
        out = tmp_path / "labels.npy"
        words = ("--automatic", "upernet", "--window", "0,255", "--quiet")
        assert start(tmp_path / "volume.npy", out, *words) == 130
        assert [bool(plane.any()) for plane in np.load(out)] == [True, False, False, False]
        assert len(finder) == 1
