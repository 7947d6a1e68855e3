"""The click network for point clouds: what it sees, made rooms, training, the shell."""

from pathlib import Path

import numpy as np
import pytest

from napari_intseg.cli.cloud import read_points
from napari_intseg.cli.main import main
from napari_intseg.errors import DataError, FileError, PromptError, WeightsError
from napari_intseg.inference.point_cloud import PointClick, click_channels, segment
from napari_intseg.models.weights.locate import locate
from napari_intseg.training import cloud_network
from napari_intseg.training.cloud_network import (
    CloudOptions,
    VoxelGrid,
    cloud_input,
    load_cloud_network,
    make_scan,
    measure_cloud,
    next_point_click,
    read_scans,
    train_cloud,
)


@pytest.fixture
def coarse(monkeypatch):
    """Clouds of 16 voxels a side: an eighth of the time and more."""
    monkeypatch.setattr(cloud_network, "SIDE", 16)


def test_a_room_has_objects_seen_from_one_side():
    scan = make_scan(np.random.default_rng(0))
    assert len(scan.points) == len(scan.colours) == len(scan.objects)
    assert 3 <= len(np.unique(scan.objects[scan.objects > 0])) <= 6
    assert scan.colours.min() >= 0
    assert scan.colours.max() <= 1
    again = make_scan(np.random.default_rng(0))
    np.testing.assert_array_equal(scan.points, again.points)


def test_voxels_hold_means_and_points_take_them_back():
    points = np.array([[0, 0, 0], [0.01, 0, 0], [4.8, 2.4, 0]], float)
    grid = VoxelGrid.of(points)
    assert grid.edge == pytest.approx(0.1)
    assert grid.shape == (48, 28, 4)
    volume = grid.filled(np.array([[1], [3], [7]], np.float32))
    np.testing.assert_array_equal(grid.taken(volume[0]), [2, 2, 7])
    seen = cloud_input(grid, points, None, [PointClick((4.8, 2.4, 0))], 0.05)
    assert seen.shape == (6, 48, 28, 4)
    assert seen[:, 47, 24, 0].tolist() == [0.5, 0.5, 0.5, 1, 1, 0]
    assert seen[4].sum() == 1


def test_the_robot_clicks_an_error_and_says_what_it_is():
    points = np.array([[float(x), 0, 0] for x in range(10)])
    wanted = np.arange(10) < 4
    rng = np.random.default_rng(0)
    assert next_point_click(points, wanted, wanted, rng) is None
    first = next_point_click(points, np.zeros(10, bool), wanted, rng)
    assert first == PointClick((0.0, 0.0, 0.0), True)
    over = next_point_click(points, np.ones(10, bool), wanted, rng)
    assert over == PointClick((9.0, 0.0, 0.0), False)


@pytest.mark.usefixtures("coarse")
def test_a_run_learns_and_the_shell_uses_it(tmp_path, capsys):
    untrained, _, _ = train_cloud(CloudOptions((), tmp_path, "none", steps=1, device="cpu"))
    rooms = [make_scan(np.random.default_rng(90 + i)) for i in range(2)]
    before = measure_cloud(load_cloud_network(untrained, device="cpu").segment, rooms, 1)
    words = ["train", str(tmp_path), "--task", "cloud", "--synthetic", "1", "--output",
             str(tmp_path / "run"), "--name", "rooms", "--steps", "60", "--keep-in",
             str(tmp_path), "--device", "cpu", "--quiet"]  # fmt: skip
    assert main(words) == 0
    assert "cloud network 'rooms'" in capsys.readouterr().out
    network = load_cloud_network(tmp_path / "rooms.safetensors", device="cpu")
    after = measure_cloud(network.segment, rooms, 1)
    assert after[0] > before[0] + 0.1
    np.save(tmp_path / "room.npy", np.hstack([rooms[0].points, rooms[0].colours]))
    at = rooms[0].points[np.flatnonzero(rooms[0].objects == 1)[0]]
    out = tmp_path / "labels.npy"
    words = ["cloud", str(tmp_path / "room.npy"), "-o", str(out), "--click",
             ",".join(f"{v:.3f}" for v in at), "--network", str(tmp_path / "rooms.safetensors"),
             "--device", "cpu"]  # fmt: skip
    assert main(words) == 0
    assert (np.load(out) > 0).any()
    with pytest.raises(PromptError, match="Click on the object"):
        network.segment(rooms[0].points, [PointClick((0, 0, 0), False)])


def test_measuring_asks_any_way_to_segment():
    scan = make_scan(np.random.default_rng(3))
    ious = measure_cloud(segment, [scan], 2)
    assert ious.shape == (2,)
    assert 0 < ious[0] < 1


def test_clouds_of_a_folder_are_read(tmp_path):
    rows = np.array([[0, 0, 0, 255, 0, 0, 1], [1, 1, 1, 0, 255, 0, 2]])
    np.save(tmp_path / "a.npy", rows)
    (scan,) = read_scans(tmp_path)
    assert scan.colours.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert scan.objects.tolist() == [1, 2]
    np.save(tmp_path / "b.npy", rows[:, :6])
    with pytest.raises(DataError, match="seven finite numbers"):
        read_scans(tmp_path)
    whole = (tmp_path / "a.npy").read_bytes()
    for damaged in (b"", whole[:20], whole[:-9], b"x" * len(whole)):
        (tmp_path / "b.npy").write_bytes(damaged)
        with pytest.raises(DataError, match="seven finite numbers"):
            read_scans(tmp_path)
    # 560 GB by its header; asked for, they would end the program
    with (tmp_path / "b.npy").open("wb") as file:
        declared = {"descr": "<f8", "fortran_order": False, "shape": (10**10, 7)}
        np.lib.format.write_array_header_1_0(file, declared)
    with pytest.raises(DataError, match="declares 560000000000 bytes"):
        read_scans(tmp_path)
    with pytest.raises(FileError, match="declares 560000000000 bytes"):
        read_points(tmp_path / "b.npy")


def test_nothing_to_learn_from_and_other_weights_are_refused(tmp_path):
    with pytest.raises(DataError, match="no clouds to learn from"):
        train_cloud(CloudOptions((tmp_path,), tmp_path, made=0))
    with pytest.raises(WeightsError, match="expected architecture cloud-1"):
        load_cloud_network(locate("bundled"))


def test_cubes_and_the_next_click_are_those_of_the_authors_code():
    """`clouds.npz` holds what InterObject3D's functions gave for random points and answers."""
    with np.load(Path(__file__).resolve().parents[1] / "data" / "parity" / "clouds.npz") as file:
        stored = dict(file)
    points = stored["points"].astype(float)
    signs = set()
    for found, at, positive, cube in zip(
        stored["found"], stored["click"], stored["positive"], stored["cubes"], strict=True
    ):
        click = next_point_click(points, found, stored["wanted"], np.random.default_rng(0))
        assert click == PointClick(tuple(map(float, at)), bool(positive))
        signs.add(click.positive)
        # theirs goes 0.15 to each side
        channels = click_channels(points, [click], edge=0.3)
        np.testing.assert_array_equal(channels[:, int(not positive)] > 0, cube)
        assert 1 < cube.sum() < 50
    assert signs == {True, False}
