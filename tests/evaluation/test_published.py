"""Published data sets as they are unpacked: found, read, measured and learnt from."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from napari_intseg.errors import DataError, FileError
from napari_intseg.evaluation.benchmark import ModelChoice, evaluate
from napari_intseg.evaluation.datasets import Choices, open_datasets
from napari_intseg.evaluation.label_files import LabelFile, load_matlab, read_coco
from napari_intseg.evaluation.mask_codes import (
    PALETTES,
    Palette,
    check_shape,
    find_palette,
    from_counts,
    from_outline,
    from_pairs,
    number_of,
    read_segmentation,
)
from napari_intseg.evaluation.run import Protocol
from napari_intseg.evaluation.truth import read_labels
from napari_intseg.training.sources import read_source
from published_sets import SETS, SIZE, blocks, brats, coco, isbi_em, kaggle_clouds, runs, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            SETS[name][0](made[name])
        return made[name]

    return make


def only(folder, **choices):
    (data,) = open_datasets(folder, Choices(**choices))
    return data


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_found_and_measured(folder, name):
    _, layout, count = SETS[name]
    data = only(folder(name))
    assert data.layout == layout
    assert data.n_objects == count
    outcome = evaluate([data], [ModelChoice("region-growing")], Protocol(1))
    assert not outcome.skipped
    assert len(outcome.scores) == count


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_learnt_from(folder, name):
    source = read_source(folder(name))
    assert sum(len(picture.objects) for picture in source.pictures) >= 1


def test_what_is_measured_and_what_is_learnt_from_are_different_lists(folder):
    assert {e.name for e in only(folder("bsds")).entries} == {"val1#1", "val1#2"}
    assert {p.group.rpartition("/")[2] for p in read_source(folder("bsds")).pictures} == {
        "train1#1",
        "train1#2",
    }
    assert only(folder("davis-2017")).entries[0].name == "camel/00000"
    assert "bear" in read_source(folder("davis-2016")).pictures[0].name
    assert only(folder("davis-2016"), split="train").entries[0].name == "bear/00000"
    with pytest.raises(DataError, match="split does not exist: expected one of train, val"):
        only(folder("davis-2016"), split="test")


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("crack-forest", blocks(1, 1)),
        ("idrid", blocks(5, 1)),
        ("kaggle-clouds", blocks(1)),
        ("tgs-salt", blocks(1, 1)),
        ("deepglobe-road", blocks(1, 1)),
        ("coco", blocks(1, 2)),
        ("lvis", blocks(1, 2)),
        ("ade20k", np.where(blocks(1, 1) > 0, blocks(13, 150), 255)),
        ("cityscapes", blocks(26001, 0, 26002)),
    ],
)
def test_labels_are_those_of_the_paper(folder, name, truth):
    np.testing.assert_array_equal(read_labels(only(folder(name)).entries[0].mask), truth)


def test_colours_become_classes_and_black_is_ignored(folder):
    labels = read_labels(only(folder("vaihingen")).entries[0].mask)
    np.testing.assert_array_equal(np.unique(labels), [1, 2, 5, 255])
    assert only(folder("vaihingen")).names[5] == "car"


def test_names_of_classes_are_known(folder):
    assert only(folder("decathlon")).names == {1: "liver", 2: "tumour"}
    assert only(folder("nnunet")).names == {1: "liver", 2: "tumour"}
    assert only(folder("coco")).names == {1: "cat", 2: "dog"}
    assert only(folder("kaggle-clouds")).names == {1: "Fish", 2: "Flower"}
    assert only(folder("mmseg-colours")).names[7] == "agricultural"


def test_a_slice_of_a_volume_lies_in_its_plane(folder):
    (entry,) = only(folder("cell-tracking-slices")).entries
    assert [ref.plane.index for ref in entry.objects] == [3, 3]


@pytest.mark.parametrize("seed", range(20))
def test_outlines_are_filled_as_cocos_own_code_does(seed):
    masks = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    points = rng.uniform(-5, 70, 2 * int(rng.integers(3, 12))).round(2).tolist()
    theirs = masks.decode(masks.merge(masks.frPyObjects([points], *SIZE)))
    np.testing.assert_array_equal(from_outline(points, SIZE), theirs)


@pytest.mark.parametrize("seed", range(10))
def test_compressed_run_lengths_are_read_as_cocos_own_code_does(seed):
    masks = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    mask = (rng.random(SIZE) < rng.uniform(0, 1)).astype(np.uint8)
    text = masks.encode(np.asfortranarray(mask))["counts"].decode()
    np.testing.assert_array_equal(from_counts(text, SIZE), mask)


def test_kaggles_run_lengths_go_there_and_back():
    rng = np.random.default_rng(5)
    mask = rng.random(SIZE) < 0.4
    np.testing.assert_array_equal(from_pairs(runs(mask), SIZE), mask)
    assert not from_pairs("", SIZE).any()


@pytest.mark.parametrize("text", ["1", "0 5", "3000 900", "1 -2", "a b", f"1 {10**30}"])
def test_run_lengths_outside_the_image_are_refused(text):
    with pytest.raises(DataError, match="run lengths do not fit"):
        from_pairs(text, SIZE)


@pytest.mark.parametrize("counts", [[3, 4], "~~", [-1, 3073], [10**30], None, "0" * 200])
def test_counts_that_are_not_the_image_are_refused(counts):
    with pytest.raises(DataError, match="run lengths do not fit"):
        from_counts(counts, SIZE)


@pytest.mark.parametrize("points", [[1, 2], [1, 2, 3, 4, 5], [np.nan] * 6, [1e9] * 6, "abcdef"])
def test_outlines_that_are_none_are_refused(points):
    with pytest.raises(DataError, match="outline is none"):
        from_outline(points, SIZE)
    with pytest.raises(DataError, match="of no known kind"):
        read_segmentation("abc", SIZE)


def test_outlines_that_wind_on_without_end_are_refused():
    across = [0, 0, 16_000, 0, 16_000, 9, 0, 9]
    assert from_outline(across, (16, 16_000)).any()
    # each asks for a walk of minutes and of gigabytes
    for given in (across * 500, [0, 0, 9e5, 0, 9e5, 9]):
        with pytest.raises(DataError, match="outlines are too long"):
            from_outline(given, (16, 16_000))
    with pytest.raises(DataError, match="outlines are too long"):
        read_segmentation([across] * 100, (16, 16_000))


def test_an_image_too_large_to_be_one_is_refused():
    assert check_shape(SIZE, "here") == SIZE
    with pytest.raises(DataError, match="cannot have this size"):
        check_shape((10**6, 10**6), "here")


def test_annotations_lead_to_no_file_outside_the_set(tmp_path):
    inside = tmp_path / "set"
    inside.mkdir()
    coco(inside)
    save(tmp_path / "secret.jpg", np.zeros((*SIZE, 3)))
    path = inside / "annotations/instances_val2017.json"
    told = json.loads(path.read_text())
    told["images"][0]["file_name"] = "../../secret.jpg"
    path.write_text(json.dumps(told))
    with pytest.raises(FileError, match="secret"):
        open_datasets(inside)


def test_table_rows_lead_to_no_file_outside_the_set(tmp_path):
    inside = tmp_path / "set"
    inside.mkdir()
    kaggle_clouds(inside)
    save(tmp_path / "secret.jpg", np.zeros((*SIZE, 3)))
    (inside / "train.csv").write_text(f"id,rle_mask\n../../secret.jpg,{runs(blocks(1))}\n")
    with pytest.raises(DataError, match="holds no object"):
        open_datasets(inside)


def test_crowds_are_neither_object_nor_background(tmp_path):
    coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    told = json.loads(path.read_text())
    told["annotations"][1]["iscrowd"] = 1
    path.write_text(json.dumps(told))
    data = only(tmp_path)
    assert data.n_objects == 1
    assert read_labels(data.entries[0].mask)[12, 20] in data.entries[0].rules.ignore


@pytest.mark.parametrize("area", [None, float("nan")])
def test_a_small_object_stays_visible_whatever_is_said_of_areas(tmp_path, area):
    coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    told = json.loads(path.read_text())
    big, small = [2, 2, 30, 2, 30, 30, 2, 30], [8, 8, 14, 8, 14, 14, 8, 14]
    # the small one comes first, so that the order they are in would hide it
    for one, outline in zip(told["annotations"], (small, big), strict=True):
        one["segmentation"] = [outline]
        one["area"] = area
        if area is None:
            del one["area"]
    path.write_text(json.dumps(told))
    labels = read_labels(only(tmp_path).entries[0].mask)
    assert labels[10, 10] not in (0, labels[20, 20])


def test_damaged_annotations_are_told(tmp_path):
    coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    path.write_text("{")
    with pytest.raises(FileError, match="annotations cannot be read"):
        read_coco(path)
    with pytest.raises(FileError, match="annotations cannot be read"):
        open_datasets(tmp_path)


def test_a_matlab_file_that_swells_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    savemat(path, {"groundTruth": np.zeros((3000, 3000))}, do_compression=True)
    assert load_matlab(path)["groundTruth"].shape == (3000, 3000)
    monkeypatch.setattr("napari_intseg.evaluation.label_files._MOST_MATLAB", 1 << 20)
    with pytest.raises(FileError, match="expected a MATLAB file"):
        load_matlab(path)
    path.write_bytes(b"\0" * 300)
    with pytest.raises(FileError, match="expected a MATLAB file"):
        load_matlab(path)


def test_a_colour_without_a_meaning_is_told(tmp_path):
    save(tmp_path / "a.png", np.full((*SIZE, 3), 7))
    with pytest.raises(DataError, match=r"colour has no meaning.*\(7, 7, 7\)"):
        LabelFile(tmp_path / "a.png", "colours", "isprs").read()


def test_masks_of_one_image_on_different_grids_are_told(tmp_path):
    save(tmp_path / "a.png", blocks(1))
    save(tmp_path / "b.png", blocks(1)[:20])
    with pytest.raises(FileError, match="different grids"):
        LabelFile(tmp_path / "a.png", "layers", "1,2", (tmp_path / "b.png",)).read()


def test_a_mask_without_an_image_is_told(tmp_path):
    SETS["bsds"][0](tmp_path)
    next(tmp_path.rglob("val1.jpg")).unlink()
    with pytest.raises(DataError, match=r"mask has no image.*val1\.mat"):
        open_datasets(tmp_path)


def test_annotations_without_their_images_are_told(tmp_path):
    coco(tmp_path)
    next(tmp_path.rglob("*.jpg")).unlink()
    with pytest.raises(DataError, match="annotations have no images"):
        open_datasets(tmp_path)


@pytest.mark.parametrize("name", PALETTES)
def test_a_palette_knows_itself(name):
    palette = PALETTES[name]
    assert find_palette(map(number_of, (*palette.classes, *palette.ignored))) == name
    colours = np.array([list(palette.classes)], np.uint8)
    numbers = palette.numbers(colours, "here")[0]
    assert [palette.names.get(int(n), "background") for n in numbers] == list(
        palette.classes.values()
    )


def test_unknown_colours_have_no_palette():
    assert find_palette([number_of((1, 2, 3))]) is None
    assert Palette("x", {(0, 0, 0): "background", (1, 1, 1): "cell"}).names == {1: "cell"}


def test_stacks_and_patients_are_volumes(tmp_path):
    isbi_em(tmp_path)
    (entry,) = only(tmp_path, volumes="whole").entries
    assert read_labels(entry.mask).ndim == 3
    (tmp_path / "b").mkdir()
    brats(tmp_path / "b")
    assert [ref.value for ref in only(tmp_path / "b", volumes="whole").entries[0].objects] == [1, 4]
