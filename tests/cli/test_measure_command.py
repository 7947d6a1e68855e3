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
