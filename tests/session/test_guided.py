"""Annotated images guide a model on others."""

import csv

import numpy as np
import pytest
import tifffile
from scipy.ndimage import label as parts_of

from napari_intseg.cli import guide
from napari_intseg.cli.main import main
from napari_intseg.core.segmenter import CLICKS, Answer, Prepared, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.errors import PromptError
from napari_intseg.session.question import Setup
from napari_intseg.session.similar import learn, segment_guided


class Parts:
    """Answers with the bright part that the last click lies in."""

    traits = Traits("toy", prompts=CLICKS | {"mask"})

    def prepare(self, image):
        return Prepared(image.shape[:2], parts_of(image.mean(axis=2) > 0.3)[0], image.nbytes)

    def predict(self, query):
        parts, click = query.prepared.payload, query.prompts.clicks[-1]
        inside = parts == parts[round(click.row), round(click.col)]
        return Answer(np.where(inside & (parts > 0), 8, -8).astype(np.float32))


def field(seed, count=8, *, size=9, colour=False):
    """Bright discs on a dark, noisy ground, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((100, 120), np.int32)
    rows, cols = np.indices(labels.shape)
    for number in range(count):
        row, col = 16 + 24 * (number // 4), 16 + 28 * (number % 4)
        labels[np.hypot(rows - row, cols - col) <= size] = number + 1
    image = np.where(labels > 0, 180, 40) + rng.normal(0, 8, labels.shape)
    image = image.clip(0, 255).astype(np.uint8)
    return (np.stack([image, image // 2, image // 3], 2) if colour else image), labels


def setup(image):
    channels = image.ndim == 3
    data = np.moveaxis(image, 2, -1) if channels else image
    return Setup(Parts(), Volume(data, channels=channels), window=(0, 255))


@pytest.mark.parametrize("colour", [False, True])
def test_objects_of_another_image_are_found(colour):
    support, few = field(0, colour=colour)
    few = np.where(few <= 3, few, 0)
    query, truth = field(1, 11, colour=colour)
    found = list(segment_guided(learn([(setup(support), few)]), setup(query)))
    assert 10 <= len(found) <= 11  # in noise of one colour a place may be missed
    every = np.sum([one.mask for one in found], axis=0)
    assert every.max() == 1
    assert ((every > 0) & (truth == 0)).sum() <= 10
    assert ((every > 0) & (truth > 0)).sum() > 0.85 * (truth > 0).sum()
    assert all(one.likeness > 0 for one in found)


def test_what_is_of_another_size_is_none_of_them():
    support, few = field(0)
    query, _ = field(2, 1, size=3)
    assert list(segment_guided(learn([(setup(support), few)]), setup(query))) == []


def test_grey_and_coloured_images_teach_together():
    one, other = field(0), field(1, colour=True)
    support = learn([(setup(one[0]), one[1]), (setup(other[0]), other[1])])
    assert len(list(segment_guided(support, setup(field(3, 5)[0])))) == 5


def test_an_image_without_objects_teaches_nothing_and_volumes_are_refused():
    image, labels = field(0)
    with pytest.raises(PromptError, match="nothing to look for"):
        learn([(setup(image), labels * 0)])
    with pytest.raises(PromptError, match="a flat one"):
        learn([(Setup(Parts(), Volume(np.zeros((4, 20, 20), np.uint8))), labels)])


def test_the_shell_goes_through_a_folder_and_lists_what_to_look_at(tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    for seed in (1, 2):
        tifffile.imwrite(tmp_path / "scans" / f"s{seed}.tif", field(seed, 4 + seed)[0])
    image, labels = field(0)
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "a_labels.tif", labels.astype(np.uint8))
    out = tmp_path / "out"
    words = ["guide", str(tmp_path / "scans"), "--by", f"{tmp_path}/a.tif={tmp_path}/a_labels.tif",
             "-o", str(out), "--model", "region-growing", "--network", "none"]  # fmt: skip
    assert main(words) == 0
    assert "on 2 of 2 images" in capsys.readouterr().out
    sizes = [len(np.unique(tifffile.imread(out / f"s{seed}.tif"))) - 1 for seed in (1, 2)]
    assert sizes == [5, 6]
    with (out / "review.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 11
    likeness = [float(row["likeness"]) for row in rows]
    assert likeness == sorted(likeness)
    assert main(words) == 2  # they are there already
    # one that is damaged does not end the others, and is told at the end
    (tmp_path / "scans" / "s0.png").write_bytes(b"no picture")
    assert main([*words, "--overwrite"]) == 1
    told = capsys.readouterr()
    assert "on 2 of 3 images" in told.out
    assert "s0.png: failed: file cannot be read" in told.err
    assert sorted(p.name for p in out.iterdir()) == ["review.csv", "s1.tif", "s2.tif"]
    (tmp_path / "none").mkdir()
    assert main(["guide", str(tmp_path / "none"), *words[2:]]) == 2


@pytest.mark.parametrize("torch", [True, False])
def test_the_network_in_the_package_is_asked_where_it_can_run(tmp_path, monkeypatch, torch):
    from napari_intseg.models.guided import guided_network

    (tmp_path / "scans").mkdir()
    query, truth = field(1, 7)
    tifffile.imwrite(tmp_path / "scans" / "s.tif", query)
    image, labels = field(0)
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "l.tif", labels.astype(np.uint8))
    asked, load = [], guided_network.load_guided
    monkeypatch.setattr(
        guided_network, "load_guided", lambda name, **more: asked.append(name) or load(name, **more)
    )
    if not torch:
        monkeypatch.setattr(guide, "find_spec", lambda _: None)
    assert main(["guide", str(tmp_path / "scans"), "--by", f"{tmp_path}/a.tif={tmp_path}/l.tif",
                 "-o", str(tmp_path / "out"), "--model", "region-growing",
                 "--device", "cpu"]) == 0  # fmt: skip
    assert asked == (["guided"] if torch else [])
    found = tifffile.imread(tmp_path / "out" / "s.tif") > 0
    assert (found & (truth > 0)).sum() / (found | (truth > 0)).sum() > 0.8
