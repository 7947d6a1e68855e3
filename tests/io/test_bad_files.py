import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import check_target, write_array, write_labels, write_picture

VOLUME = Volume(np.zeros((4, 5, 6)), spacing=(5.0, 0.7, 0.7))
ONES = np.ones((4, 5, 6), np.uint8)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"file is missing: .*nothing\.nii"):
        read_volume(tmp_path / "nothing.nii")


def test_unknown_ending_lists_the_known(tmp_path):
    (tmp_path / "i.xyz").write_text("?")
    with pytest.raises(FileError, match=r"file type is unknown: .*\.nii\.gz"):
        read_volume(tmp_path / "i.xyz")


@pytest.mark.parametrize(
    "name", ["i.nii", "i.nii.gz", "i.nrrd", "i.mha", "i.tif", "i.png", "i.jpg", "i.npy", "i.dcm"]
)
@pytest.mark.parametrize("content", [b"", b"this is no image at all" * 50])
def test_damaged_file_is_one_clear_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match="file cannot be read") as caught:
        read_volume(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["i.nii.gz", "i.nii", "i.mha", "i.nrrd", "i.tif", "i.npy"])
def test_truncated_file_is_refused(tmp_path, name, rng):
    big = Volume(np.zeros((20, 30, 30)))
    write_labels(tmp_path / name, rng.integers(0, 200, (20, 30, 30)), big)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError, match="file cannot be read"):
        read_volume(tmp_path / name)


def test_pickled_array_is_not_loaded(tmp_path):
    np.save(tmp_path / "i.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(FileError, match="file cannot be read"):
        read_volume(tmp_path / "i.npy")


def test_series_asks_for_a_time_point(tmp_path):
    tifffile.imwrite(
        tmp_path / "i.ome.tif", np.zeros((3, 4, 5, 6), np.uint8), ome=True,
        metadata={"axes": "TZYX"},
    )  # fmt: skip
    with pytest.raises(FileError, match=r"file holds a series: .* got 3 .*--time"):
        read_volume(tmp_path / "i.ome.tif")
    for time in (3, -1):
        with pytest.raises(FileError, match="time point does not exist: expected 0 to 2"):
            read_volume(tmp_path / "i.ome.tif", time=time)


def test_too_many_axes_are_named(tmp_path):
    tifffile.imwrite(
        tmp_path / "i.tif", np.zeros((2, 3, 4, 5, 6), np.uint8), photometric="minisblack"
    )
    with pytest.raises(FileError, match="file has more axes than a volume"):
        read_volume(tmp_path / "i.tif")


def test_complex_numbers_are_no_image(tmp_path):
    np.save(tmp_path / "i.npy", np.zeros((5, 6), complex))
    with pytest.raises(DataError, match="data is not numeric"):
        read_volume(tmp_path / "i.npy")


def test_folder_without_a_series_is_named(tmp_path):
    with pytest.raises(FileError, match=r"folder does not hold one image: .* got 0"):
        read_volume(tmp_path)


def test_existing_file_is_kept_unless_allowed(tmp_path):
    path = tmp_path / "l.nii.gz"
    write_labels(path, ONES, VOLUME)
    before = path.read_bytes()
    with pytest.raises(FileError, match=r"file exists: .*--overwrite"):
        write_labels(path, ONES * 2, VOLUME)
    assert path.read_bytes() == before
    write_labels(path, ONES * 2, VOLUME, overwrite=True)
    assert read_volume(path).data.max() == 2


def test_data_file_of_a_header_is_kept_too(tmp_path):
    for name in ("l.zraw", "l.raw"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(FileError, match="belongs to the header"):
        write_labels(tmp_path / "l.mhd", ONES, VOLUME)
    assert not (tmp_path / "l.mhd").exists()


@pytest.mark.parametrize("name", ["l.jpg", "l.txt", "l"])
def test_types_that_hold_no_labels_are_refused(tmp_path, name):
    with pytest.raises(FileError, match="file type cannot hold labels"):
        check_target(tmp_path / name)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileError, match="folder is missing"):
        check_target(tmp_path / "no" / "l.nii")


@pytest.fixture
def read_only():
    """A folder that cannot be written to, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield folder
    if is_root:
        os.seteuid(0)
    folder.chmod(0o755)
    folder.rmdir()


def test_read_only_folder_is_named(read_only):
    for call in (
        check_target,
        lambda path: write_labels(path, ONES, VOLUME),
    ):
        with pytest.raises(FileError, match=r"file cannot be written: .*permissions"):
            call(read_only / "l.nii.gz")


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    write_labels(tmp_path / "l.npy", ONES, VOLUME)
    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(FileError, match="No space left on device"):
        write_labels(tmp_path / "l.npy", ONES * 3, VOLUME, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["l.npy"]
    assert np.load(tmp_path / "l.npy").max() == 1


def test_labels_must_fit_the_image(tmp_path):
    with pytest.raises(DataError, match="labels are on another grid"):
        write_labels(tmp_path / "l.nii", ONES[1:], VOLUME)
    with pytest.raises(DataError, match="labels are not counted from 0"):
        write_labels(tmp_path / "l.nii", -ONES.astype(int), VOLUME)
    with pytest.raises(DataError, match="labels are not counted from 0"):
        write_labels(tmp_path / "l.nii", ONES * 0.5, VOLUME)
    with pytest.raises(DataError, match="labels are too large"):
        write_labels(tmp_path / "l.nii", ONES.astype(np.int64) << 40, VOLUME)
    assert list(tmp_path.iterdir()) == []


def test_png_holds_one_plane_of_few_labels(tmp_path):
    with pytest.raises(FileError, match="PNG cannot hold these labels"):
        write_labels(tmp_path / "l.png", ONES, VOLUME)
    flat = Volume(np.zeros((5, 6)))
    with pytest.raises(FileError, match="PNG cannot hold these labels"):
        write_labels(tmp_path / "l.png", np.full((5, 6), 70000), flat)


def test_picture_is_no_place_for_a_probability(tmp_path):
    with pytest.raises(FileError, match="pictures hold no probability"):
        write_array(tmp_path / "p.png", np.zeros((4, 5, 6), np.float32), VOLUME)
    write_picture(tmp_path / "p.png", np.zeros((5, 6), np.uint8))
    with pytest.raises(FileError, match="file exists"):
        write_picture(tmp_path / "p.png", np.zeros((5, 6), np.uint8))


def test_mask_must_hold_labels_on_the_grid_of_the_image(tmp_path):
    write_array(tmp_path / "f.mha", np.zeros((4, 5, 6), np.float32), VOLUME)
    with pytest.raises(DataError, match="mask does not hold labels"):
        read_mask(tmp_path / "f.mha", VOLUME)
    write_picture(tmp_path / "rgb.png", np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(DataError, match=r"mask does not hold labels: .* 3 channels"):
        read_mask(tmp_path / "rgb.png", Volume(np.zeros((5, 6))))
    write_labels(tmp_path / "m.mha", ONES, VOLUME)
    with pytest.raises(DataError, match=r"mask is on another grid: expected shape \(3, 5, 6\)"):
        read_mask(tmp_path / "m.mha", Volume(np.zeros((3, 5, 6))))
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6), np.int16))
    image.SetSpacing((0.7, 0.7, 4.0))
    sitk.WriteImage(image, str(tmp_path / "i.mha"))
    with pytest.raises(DataError, match=r"mask is on another grid: .* the image's spacing"):
        read_mask(tmp_path / "m.mha", read_volume(tmp_path / "i.mha"))
