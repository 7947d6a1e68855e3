import itertools

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_intseg.core.affine import lps_to_ras
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.io.read import read_mask, read_volume, reorient
from napari_intseg.io.write import write_array

SHAPE = (4, 5, 6)
TURNS = [
    np.diag(signs)[list(order)]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def oblique():
    c, s = np.cos(0.3), np.sin(0.3)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) @ np.diag([5.0, 0.7, 0.8])
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ affine[:3, :3]
    affine[:3, 3] = (-100, 30, 7)
    return affine


@given(st.sampled_from(TURNS))
def test_any_order_of_axes_is_turned_back(turn):
    """Each pixel of the grid gets the value that stands at its place in the world."""
    shape = tuple(np.abs(turn).T @ SHAPE)
    data = np.arange(np.prod(shape)).reshape(shape)
    there = np.eye(4)
    there[:3, :3] = turn
    there[:3, 3] = np.where(turn.sum(1) < 0, np.array(SHAPE) - 1, 0)
    affine = oblique() @ there
    found = reorient(data, affine, oblique(), SHAPE)
    for index in ((0, 0, 0), (3, 1, 5), (2, 4, 0)):
        place = oblique() @ (*index, 1)
        own = np.rint(np.linalg.solve(affine, place)[:3]).astype(int)
        assert found[index] == data[tuple(own)]


@pytest.mark.parametrize(
    "change",
    [
        np.diag([1, 1, 1.01, 1]),
        np.array([[1, 0, 0, 0], [0, 1, 0, 0.5], [0, 0, 1, 0], [0, 0, 0, 1]]),
        np.array([[1, 0, 0, 0], [0, 1, 0.05, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    ],
    ids=["spacing", "half a pixel", "shear", "a plane further"],
)
def test_other_pixels_are_not_taken_for_the_same(change):
    assert reorient(np.zeros(SHAPE), oblique() @ change, oblique(), SHAPE) is None
    assert reorient(np.zeros(SHAPE), oblique(), oblique(), (4, 6, 5)) is None


def test_a_slice_stays_one():
    data = np.arange(30).reshape(5, 6)
    assert np.array_equal(reorient(data, oblique(), oblique(), (5, 6)), data)


def test_a_mask_of_another_program_is_read(tmp_path, rng):
    image = rng.integers(0, 100, SHAPE).astype(np.int16)
    write_array(tmp_path / "scan.nrrd", image, Volume(image, affine=oblique()))
    volume = read_volume(tmp_path / "scan.nrrd")
    labels = rng.integers(0, 3, SHAPE).astype(np.uint8)
    ras = lps_to_ras(volume.affine)[:, [2, 1, 0, 3]]  # nibabel's (col, row, plane)
    seen = nibabel.Nifti1Image(labels.transpose(2, 1, 0), ras)
    nibabel.save(nibabel.as_closest_canonical(seen), tmp_path / "mask.nii.gz")
    assert np.array_equal(read_mask(tmp_path / "mask.nii.gz", volume), labels)
    ras[0, 3] += 2
    nibabel.save(nibabel.Nifti1Image(labels.transpose(2, 1, 0), ras), tmp_path / "off.nii.gz")
    with pytest.raises(DataError, match="mask is on another grid"):
        read_mask(tmp_path / "off.nii.gz", volume)
