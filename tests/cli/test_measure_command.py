"""`napari-intseg measure`."""

import csv
from pathlib import Path

import numpy as np
import tifffile

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.io.write import write_array, write_labels


def files(folder):
    labels = np.zeros((4, 10, 12), np.uint8)
    labels[1:3, 2:7, 3:9] = 2
    volume = Volume(np.full((4, 10, 12), 40, np.int16), spacing=(5.0, 1.0, 1.0))
    write_array(folder / "ct.nii.gz", volume.data, volume)
    write_labels(folder / "liver.nii.gz", labels, volume)
    return [str(folder / name) for name in ("liver.nii.gz", "ct.nii.gz", "m.csv")]


def test_a_table_is_written(tmp_path, capsys):
    labels, image, out = files(tmp_path)
    assert main(["measure", labels, "--image", image, "-o", out]) == 0
    assert capsys.readouterr().out == f"1 object\nwrote {out}\n"
    with Path(out).open() as file:
        (row,) = csv.DictReader(file)
    assert (row["label"], float(row["volume_ml"])) == ("2", 0.3)
    assert (row["mean_intensity"], row["std_intensity"]) == ("40", "0")


def test_without_an_image_there_is_no_intensity(tmp_path, capsys):
    labels, _, out = files(tmp_path)
    assert main(["measure", labels, "-o", out, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    with Path(out).open() as file:
        assert "mean_intensity" not in file.readline()


def test_bad_input_is_one_line_and_status_2(tmp_path, capsys):
    labels, image, out = files(tmp_path)
    assert main(["measure", labels, "-o", out, "--quiet"]) == 0
    assert main(["measure", labels, "-o", out]) == 2
    assert "file exists" in capsys.readouterr().err
    assert main(["measure", image, "-o", str(tmp_path / "m.txt")]) == 2
    assert "expected a name ending in .csv" in capsys.readouterr().err
    assert main(["measure", labels, "-o", out, "--overwrite", "--quiet"]) == 0


def test_segment_tells_sizes_in_the_unit_of_the_image(tmp_path, capsys):
    image = np.zeros((3, 30, 40), np.uint8)
    image[1, 8:20, 8:22] = 200
    for unit, factor in (("mm", 1.0), ("um", 1e3)):
        path = tmp_path / f"{unit}.tif"
        tifffile.imwrite(
            path, image, imagej=True, resolution=(1 / factor, 1 / factor),
            metadata={"axes": "ZYX", "spacing": factor, "unit": unit},
        )  # fmt: skip
        out = str(tmp_path / f"{unit}.npy")
        words = ["--click", "1,14,15", "--model", "random-walker"]
        assert main(["segment", str(path), "-o", out, *words]) == 0
        (line,) = (row for row in capsys.readouterr().out.splitlines() if row.startswith("object"))
        count = np.count_nonzero(np.load(out))
        told = {"mm": f"({count:.4g} mm³)", "um": f"({count * factor**3:.4g} µm³)"}[unit]
        assert line.endswith(f"{count} voxels {told}")


def series(folder):
    """Two volumes and the labels of each, as `batch` names them."""
    for place in ("images", "labels"):
        (folder / place).mkdir()
    for number, name in enumerate(("one", "two"), start=1):
        labels = np.zeros((4, 10, 12), np.uint8)
        labels[1:3, 2:7, 3 : 5 + number] = number
        volume = Volume(np.full((4, 10, 12), 10 * number, np.int16), spacing=(5.0, 1.0, 1.0))
        write_array(folder / "images" / f"{name}.nii.gz", volume.data, volume)
        write_labels(folder / "labels" / f"{name}_labels.nii.gz", labels, volume)
    return folder / "images", folder / "labels"


def rows_of(path):
    with path.open() as file:
        return [(row["label"], row.get("mean_intensity")) for row in csv.DictReader(file)]


def test_a_folder_of_labels_becomes_a_folder_of_tables(tmp_path, capsys):
    images, labels = series(tmp_path)
    out = tmp_path / "tables"
    assert main(["measure", str(labels), "--image", str(images), "-o", str(out)]) == 0
    assert rows_of(out / "one_labels.csv") == [("1", "10")]
    assert rows_of(out / "two_labels.csv") == [("2", "20")]
    assert capsys.readouterr().out.endswith("2 of 2 done\n")
    alone = tmp_path / "alone.csv"
    words = ["measure", str(labels / "one_labels.nii.gz"), "--image", str(images / "one.nii.gz")]
    assert main([*words, "-o", str(alone)]) == 0
    assert alone.read_bytes() == (out / "one_labels.csv").read_bytes()


def test_a_pattern_takes_some_and_one_that_fails_does_not_end_the_others(tmp_path, capsys):
    images, labels = series(tmp_path)
    (images / "one.nii.gz").unlink()
    (labels / "three_labels.nii.gz").write_bytes(b"no labels")
    out = tmp_path / "tables"
    words = ["measure", str(labels / "*_labels.nii.gz"), "--image", str(images), "-o", str(out)]
    assert main(words) == 1
    told = capsys.readouterr()
    assert [path.name for path in out.iterdir()] == ["two_labels.csv"]
    assert "one_labels.nii.gz: failed: nothing goes with" in told.err
    assert "three_labels.nii.gz: failed:" in told.err
    assert told.out.endswith("1 of 3 done\n")


def test_a_folder_is_refused_before_anything_is_done(tmp_path, capsys):
    _, labels = series(tmp_path)
    (tmp_path / "table").write_text("mine")
    assert main(["measure", str(labels), "-o", str(tmp_path / "table")]) == 2
    assert "output is a file" in capsys.readouterr().err
    assert (tmp_path / "table").read_text() == "mine"
    assert main(["measure", str(tmp_path / "z*.tif"), "-o", str(tmp_path / "out")]) == 2
    assert "nothing to do" in capsys.readouterr().err
    twice = labels.parent / "twice"
    twice.mkdir()
    for ending in (".npy", ".tif"):
        (twice / f"a{ending}").write_bytes(b"")
    assert main(["measure", str(twice), "-o", str(tmp_path / "out")]) == 2
    assert "output is there twice" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
