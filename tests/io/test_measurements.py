"""Volumes, diameters and intensities in physical units."""

import csv
import io

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.measurements import (
    as_csv,
    check_csv,
    largest_diameter,
    measure,
    write_measurements,
)
from napari_intseg.io.source import FileVolume, Source


def table(rows, like):
    return list(csv.DictReader(io.StringIO(as_csv(rows, like))))


def of_unit(data, unit, affine=None, channels=False):
    return FileVolume(data, Source("i", unit=unit), affine=affine, channels=channels)


def test_a_box_has_the_volume_and_the_diagonal_of_its_outside(rng):
    labels = np.zeros((8, 20, 30), int)
    labels[2:6, 5:15, 10:25] = 3
    data = rng.normal(50, 5, labels.shape)
    volume = Volume(data, spacing=(5.0, 0.7, 0.8))
    (row,) = measure(labels, volume)
    assert (row.label, row.voxels) == (3, 600)
    assert row.size == pytest.approx(4 * 5 * 10 * 0.7 * 15 * 0.8)
    assert row.diameter == pytest.approx(np.sqrt(20**2 + 7**2 + 12**2))
    assert row.centre == (3.5, 9.5, 17.0)
    inside = data[labels == 3]
    assert row.means[0] == pytest.approx(inside.mean())
    assert row.deviations[0] == pytest.approx(inside.std())
    (words,) = table([row], volume)
    assert float(words["volume_ml"]) == pytest.approx(1.68)
    assert float(words["largest_diameter_mm"]) == pytest.approx(row.diameter)
    assert list(words)[-2:] == ["mean_intensity", "std_intensity"]


def test_a_ball_has_the_volume_and_diameter_of_a_ball():
    z, y, x = np.ogrid[-11:12, -35:36, -35:36]
    ball = (z * 3) ** 2 + y**2 + x**2 <= 30**2
    (row,) = measure(ball, Volume(ball, spacing=(3.0, 1.0, 1.0)), intensity=False)
    assert row.size == pytest.approx(4 / 3 * np.pi * 30**3, rel=0.01)
    assert 60 <= row.diameter <= 60 + np.sqrt(3**2 + 1 + 1)  # from corner to corner
    assert row.means == ()


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_diameter_is_the_largest_distance_between_all_corners(rng, ndim):
    for _ in range(5):
        mask = rng.random((4, 6, 7)[:ndim]) < 0.2
        mask.flat[0] = True
        axes = rng.normal(size=(3, ndim))
        offsets = np.stack(np.meshgrid(*[(0, 1)] * ndim, indexing="ij"), -1).reshape(-1, ndim)
        corners = (np.argwhere(mask)[:, np.newaxis] + offsets).reshape(-1, ndim)
        assert largest_diameter(mask, axes) == pytest.approx(pdist(corners @ axes.T).max())


def test_turned_and_sheared_grids_are_measured_in_space():
    affine = np.eye(4)
    affine[:3, :3] = [[0.5, 0.0, 2.0], [0.0, 3.0, 0.0], [4.0, 0.0, 0.0]]
    labels = np.zeros((3, 4, 5), int)
    labels[0, 0, 0] = 1
    (row,) = measure(labels, Volume(labels, affine=affine))
    assert row.size == pytest.approx(24.0)
    assert row.diameter == pytest.approx(np.linalg.norm([2.5, 3, 4]))


def test_units_are_in_the_headers():
    flat = np.zeros((10, 12), int)
    flat[2:4, 3:6] = 1
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 2e-4], [0, 1e-4, 0], [1, 0, 0]]
    small = of_unit(flat, "µm", affine)
    (words,) = table(measure(flat, small), small)
    assert float(words["area_um2"]) == pytest.approx(6 * 0.1 * 0.2)
    assert float(words["largest_diameter_um"]) == pytest.approx(np.hypot(0.2, 0.6))
    assert words["pixels"] == "6"
    (words,) = table(measure(flat, of_unit(flat, "pixel")), of_unit(flat, "pixel"))
    assert float(words["area_px2"]) == 6
    cube = np.ones((2, 2, 2), int)
    affine[2, 0] = 5e-4
    micro = of_unit(cube, "µm", affine)
    (words,) = table(measure(cube, micro), micro)
    assert float(words["volume_um3"]) == pytest.approx(8 * 0.1 * 0.2 * 0.5)


def test_every_channel_is_measured(rng):
    labels = np.zeros((10, 12), int)
    labels[:5] = 1
    data = rng.integers(0, 255, (10, 12, 3)).astype(np.uint8)
    image = of_unit(data, "pixel", channels=True)
    (words,) = table(measure(labels, image), image)
    for channel in range(3):
        expected = data[:5, :, channel].astype(float)
        assert float(words[f"mean_intensity_{channel}"]) == pytest.approx(expected.mean())
        assert float(words[f"std_intensity_{channel}"]) == pytest.approx(expected.std())


def test_labels_far_apart_and_none_at_all():
    labels = np.zeros((10, 12), np.int64)
    assert measure(labels, Volume(labels)) == []
    assert as_csv([], Volume(labels)).startswith("label,pixels,area_mm2")
    labels[0, 0], labels[5, 5] = 2**31, 5
    told = []
    rows = measure(labels, Volume(labels), on_progress=lambda done, n: told.append((done, n)))
    assert [row.label for row in rows] == [5, 2**31]
    assert told == [(1, 2), (2, 2)]


def test_labels_must_be_on_the_grid():
    with pytest.raises(DataError, match="labels are on another grid"):
        measure(np.zeros((3, 3), int), Volume(np.zeros((4, 4))))


def test_a_table_is_written_whole_and_replaces_nothing_unasked(tmp_path):
    labels = np.ones((3, 4), int)
    like = Volume(labels)
    rows = measure(labels, like)
    write_measurements(tmp_path / "m.csv", rows, like)
    assert (tmp_path / "m.csv").read_text() == as_csv(rows, like)
    with pytest.raises(FileError, match="file exists"):
        write_measurements(tmp_path / "m.csv", rows, like)
    write_measurements(tmp_path / "m.csv", rows[:0], like, overwrite=True)
    with pytest.raises(FileError, match="file type cannot hold measurements"):
        check_csv(tmp_path / "m.txt")
    with pytest.raises(FileError, match="file cannot be written"):
        write_measurements(tmp_path / "none" / "m.csv", rows, like)
    assert [p.name for p in tmp_path.iterdir()] == ["m.csv"]
