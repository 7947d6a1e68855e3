"""Boxes, propagation by memory and embeddings from the shell."""

import argparse

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.cli.shared_options import BoxOption, LineOption, box, lasso, scribble
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array
from napari_intseg.models import registry


class Boxer:
    """What is bright in the box; remembers the object; keeps its images as embeddings."""

    signature = "boxer"

    def __init__(self, name, _path, *, device, precision):
        assert (device, precision) == ("auto", "auto")
        kinds = registry.MODELS[name].prompts
        self.traits = Traits(name, kinds, uses_prev=True, embeds=True)
        self.prepared = 0

    def prepare(self, image):
        Boxer.count = getattr(Boxer, "count", 0) + 1
        grey = image.mean(axis=2)
        return Prepared(image.shape[:2], {"grey": grey}, grey.nbytes)

    def predict(self, query):
        grey, box = query.prepared.payload["grey"], query.prompts.box
        rows, cols = np.indices(grey.shape)
        mask = np.zeros(grey.shape, bool)
        if box is not None:
            mask = (rows >= box.row0) & (rows <= box.row1) & (cols >= box.col0) & (cols <= box.col1)
        for click in query.prompts.clicks:
            mask[round(click.row), round(click.col)] = click.positive
        info = {"note": "memory ran out; embedded at 512 px instead"}
        return Answer(np.where(mask & (grey > 0.5), 5, -5).astype(np.float32), info=info)


class MirrorSession(Boxer):
    def follow(self, read, planes, *, masks=None, prompts=None):
        assert prompts is None
        ((_, mask),) = masks.items()
        for index in planes:
            bright = read(index).mean(axis=2) > 0.5
            yield index, np.where(mask & bright, 5, -5).astype(np.float32)


build, build_follower = Boxer, MirrorSession


@pytest.fixture
def model(monkeypatch):
    kinds = frozenset({"click", "box", "mask"})
    for name, builder in (("boxer", "build"), ("follower", "build_follower")):
        spec = registry.ModelSpec(f"{__name__}:{builder}", name, "test", kinds)
        monkeypatch.setitem(registry.MODELS, name, spec)
    monkeypatch.setattr(registry, "import_module", lambda _: __import__("sys").modules[__name__])
    Boxer.count = 0


@pytest.fixture
def scan(tmp_path):
    """A bright box on planes 2 to 6."""
    data = np.zeros((9, 30, 40), np.uint8)
    data[2:7, 8:20, 10:30] = 200
    volume = Volume(data, spacing=(3.0, 0.8, 0.8))
    write_array(tmp_path / "scan.nrrd", data.astype(np.float32), volume)
    return tmp_path / "scan.nrrd", data > 0


def segment(scan, out, *words):
    return main(["segment", str(scan), "-o", str(out), "--overwrite", *words])


def test_a_box_is_read_in_all_its_forms():
    assert box("10,20,50,60") == BoxOption((10, 20, 50, 60))
    assert box("50,60,10,20@7") == BoxOption((10, 20, 50, 60), 7)
    assert box("7,10,20,50,60@2") == BoxOption((10, 20, 50, 60), 7, 2)
    assert box("7,10,20,50,60") == BoxOption((10, 20, 50, 60), 7)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,x", "1,2,3,4@", "1,2,3,4,5,6"])
def test_what_is_no_box_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match="box is not understood: expected R0,C0"):
        box(text)


def test_lines_are_read_in_all_their_forms():
    ring = ((90, 180), (95, 200), (120, 190))
    assert lasso("90,180;95,200;120,190") == LineOption(ring)
    assert lasso("40:90,180;95,200;120,190;") == LineOption(ring, 40)
    assert lasso("40:90,180;95,200;120,190:-@2") == LineOption(ring, 40, False, 2)
    assert scribble("3:1,2;3.5,4:+@7") == LineOption(((1, 2), (3.5, 4)), 3, True, 7)


@pytest.mark.parametrize(
    "text", ["", "1,2", "1,2;3,4", "1,2;3,4;5", "a:1,2;3,4;5,6", "1,2;3,4;5,x", "1,2;3,4;5,nan"]
)
def test_what_is_no_lasso_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match="lasso is not understood: expected PLANE"):
        lasso(text)


@pytest.mark.usefixtures("model")
def test_a_lasso_is_the_box_round_it_for_a_model_with_boxes(scan, tmp_path, capsys):
    path, truth = scan
    words = ["--model", "boxer", "--lasso", "4:8,20;19,10;19,29", "--propagate"]
    assert segment(path, tmp_path / "l.nrrd", *words) == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "l.nrrd").data > 0, truth)
    assert "object 1: 1 lasso, 0 clicks" in capsys.readouterr().out
    again = ["replay", str(tmp_path / "l.nrrd"), str(path), "-o", str(tmp_path / "again.nrrd")]
    assert main(again) == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "again.nrrd").data > 0, truth)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--lasso", "4:8,20;19,10;19,29:-", "--click", "4,9,20"], "negative lasso"),
        (["--scribble", "4:8,20;19,10"], "scribble"),
    ],
)
def test_a_line_that_the_model_does_not_take_is_refused(scan, tmp_path, capsys, words, kind):
    path, _ = scan
    assert segment(path, tmp_path / "l.nrrd", "--model", "boxer", *words) == 2
    told = capsys.readouterr().err
    assert f"boxer takes no {kind}: expected box, click, mask, got {words[0]}" in told
    assert not (tmp_path / "l.nrrd").exists()


@pytest.mark.usefixtures("model")
def test_a_box_on_one_plane_propagates(scan, tmp_path, capsys):
    path, truth = scan
    words = ["--model", "boxer", "--box", "8,10,19,29@4", "--propagate"]
    assert segment(path, tmp_path / "l.nrrd", *words) == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "l.nrrd").data > 0, truth)
    told = capsys.readouterr()
    assert "object 1: 1 box, 0 clicks" in told.out
    assert "object 1: memory ran out; embedded at 512 px instead" in told.err


@pytest.mark.usefixtures("model")
def test_boxes_and_clicks_for_several_objects(scan, tmp_path):
    path, _ = scan
    words = ["--box", "8,10,12,29@4", "--box", "5,14,10,19,29@3", "--click", "5,19,12@3"]
    assert segment(path, tmp_path / "l.nrrd", "--model", "boxer", *words) == 0
    labels = read_volume(tmp_path / "l.nrrd").data
    assert set(np.unique(labels)) == {0, 1, 3}
    assert np.flatnonzero((labels == 1).any(axis=(1, 2))).tolist() == [4]
    assert np.flatnonzero((labels == 3).any(axis=(1, 2))).tolist() == [5]


@pytest.mark.usefixtures("model")
def test_the_model_s_memory_propagates_if_it_has_one(scan, tmp_path, capsys):
    path, truth = scan
    words = ["--box", "8,10,19,29@4", "--propagate", "--method", "memory"]
    assert segment(path, tmp_path / "l.nrrd", "--model", "follower", *words) == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "l.nrrd").data > 0, truth)
    assert segment(path, tmp_path / "m.nrrd", "--model", "boxer", *words) == 2
    assert "model has no memory: expected one that follows an object" in capsys.readouterr().err
    assert not (tmp_path / "m.nrrd").exists()
    assert segment(path, tmp_path / "m.nrrd", "--model", "follower", *words[:2], *words[3:]) == 2
    assert "--method has no effect" in capsys.readouterr().err


@pytest.mark.usefixtures("model")
def test_embeddings_are_found_again(scan, tmp_path):
    path, _ = scan
    words = ["--model", "boxer", "--box", "8,10,19,29@4"]
    kept = ["--embeddings", str(tmp_path / "kept")]
    assert segment(path, tmp_path / "l.nrrd", *words, *kept) == 0
    assert Boxer.count == 1
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert segment(path, tmp_path / "l.nrrd", *words, *kept) == 0
    assert Boxer.count == 1
    assert segment(path, tmp_path / "l.nrrd", *words) == 0
    assert Boxer.count == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model", "random-walker", "--box", "8,10,19,29@4"), "random-walker takes no box"),
        (("--model", "boxer", "--box", "8,10,19,29"), "plane is missing: expected a Plane"),
        (("--model", "boxer", "--box", "8,10,19,29@11"), "plane does not exist"),
        (("--model", "boxer", "--box", "8,10,19,290@4"), "position lies outside the data"),
        (("--model", "boxer"), "expected --click, --box, --scribble, --lasso or --init, got none"),
    ],
)
@pytest.mark.usefixtures("model")
def test_a_box_that_cannot_be_used_is_told_before_anything_is_written(
    scan, tmp_path, capsys, words, told
):
    assert segment(scan[0], tmp_path / "l.nrrd", *words) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "l.nrrd").exists()


@pytest.mark.usefixtures("model")
def test_an_answer_that_is_not_offered_is_told_in_the_words_of_the_shell(scan, tmp_path, capsys):
    path, _ = scan
    words = ["--model", "boxer", "--click", "4,12,20", "--answer"]
    assert segment(path, tmp_path / "l.nrrd", *words, "1") == 0
    assert segment(path, tmp_path / "l.nrrd", *words, "30") == 2
    told = capsys.readouterr().err
    assert "for the first click of object 1, got 30" in told
