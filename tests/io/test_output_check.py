"""What is read is never written over, however its name is spelled."""

import os

import numpy as np
import pytest
import SimpleITK as sitk

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.measurements import measure, write_measurements
from napari_intseg.io.output_files import check_apart
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import check_target, write_array, write_labels

ONES = np.ones((3, 6, 7), np.uint8)


def refused(target, *inputs):
    with pytest.raises(FileError, match="output is an input"):
        check_apart(target, *inputs)


def test_links_and_other_spellings_are_the_same_file(tmp_path, monkeypatch):
    image = tmp_path / "in" / "image.tif"
    image.parent.mkdir()
    image.write_text("x")
    (tmp_path / "soft.tif").symlink_to(image)
    (tmp_path / "folder").symlink_to(image.parent)
    os.link(image, tmp_path / "hard.tif")
    monkeypatch.chdir(tmp_path)
    for same in ("in/image.tif", "./in/../in/image.tif", "soft.tif", "hard.tif",
                 "folder/image.tif", image):  # fmt: skip
        refused(same, image)
        refused(image, same)
    check_apart("other.tif", image, None)
    check_apart("in/other.tif", image)
    refused("new.tif", tmp_path / "new.tif")  # neither exists yet: two outputs


def test_a_folder_holds_its_inputs_and_a_series_its_planes(tmp_path):
    (tmp_path / "l.zarr" / "0").mkdir(parents=True)
    refused(tmp_path / "l.zarr", tmp_path / "l.zarr" / "0")
    (tmp_path / "s_003.png").write_text("x")
    refused(tmp_path / "s_%03d.png", tmp_path / "s_003.png")
    check_apart(tmp_path / "t_%03d.png", tmp_path / "s_003.png")
    (tmp_path / "scan.h5").write_text("x")
    refused(tmp_path / "scan.h5", tmp_path / "scan.h5" / "volumes" / "raw")


def test_files_that_a_header_names_belong_to_it(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(ONES), str(tmp_path / "ct.mhd"))
    refused(tmp_path / "ct.raw", tmp_path / "ct.mhd")
    (tmp_path / "other.raw").write_text("x")
    check_apart(tmp_path / "other.raw", tmp_path / "ct.mhd")


def test_a_slice_of_a_dicom_folder_is_not_replaced(tmp_path, shared):
    import shutil

    source = shared / "data/samples/ct_dicom_series"
    folder = shutil.copytree(source, tmp_path / "ct")
    first = sorted(folder.iterdir())[0]
    one = first.rename(folder / "first.dcm")
    refused(one, folder)
    os.link(one, tmp_path / "hard.dcm")
    volume = read_volume(folder)
    labels = np.zeros(volume.shape, np.uint8)
    labels[0, :3, :3] = 1
    before = one.read_bytes()
    for target in (one, tmp_path / "hard.dcm"):
        with pytest.raises(FileError, match="output is an input"):
            write_labels(target, labels, volume, overwrite=True)
    assert one.read_bytes() == before
    (folder / "notes.csv").write_text("mine")
    check_apart(folder / "notes.csv", folder)
    check_apart(folder / "new.dcm", folder)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha", ".tif", ".npy", ".h5"])
def test_the_image_that_labels_are_on_is_not_replaced(tmp_path, ending):
    path = tmp_path / f"i{ending}"
    write_array(path, ONES, Volume(ONES))
    before = path.read_bytes()
    image = read_volume(path)
    for write in (write_labels, write_array):
        with pytest.raises(FileError, match="output is an input"):
            write(path, ONES, image, overwrite=True)
    assert path.read_bytes() == before
    with pytest.raises(FileError, match="file exists"):
        check_target(path, path)


def test_a_table_does_not_replace_the_labels_that_it_measures(tmp_path):
    write_labels(tmp_path / "l.tif", ONES, Volume(ONES))
    (tmp_path / "l.csv").symlink_to(tmp_path / "l.tif")
    like = read_volume(tmp_path / "l.tif")
    with pytest.raises(FileError, match="output is an input"):
        write_measurements(tmp_path / "l.csv", measure(ONES, like), like, overwrite=True)
