"""Clicks on point clouds."""

import numpy as np
import pytest

from napari_intseg.cli.cloud import read_points
from napari_intseg.cli.main import main
from napari_intseg.errors import FileError, PromptError
from napari_intseg.inference.point_cloud import PointClick, click_channels, segment


@pytest.fixture(scope="module")
def table():
    """A ball on a table, both scanned; points (N, 3) and which are the ball's."""
    rng = np.random.default_rng(0)
    flat = np.column_stack((rng.uniform(0, 2, (1500, 2)), rng.normal(0, 0.002, 1500)))
    way = rng.normal(size=(700, 3))
    ball = (1, 1, 0.3) + 0.3 * way / np.linalg.norm(way, axis=1, keepdims=True)
    points = np.concatenate((flat, ball[ball[:, 2] > 0.02]))
    return points, np.arange(len(points)) >= 1500


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_cubes_round_clicks_are_channels(table):
    points, _ = table
    clicks = [PointClick((1, 1, 0.6)), PointClick((0.2, 0.2, 0), positive=False)]
    channels = click_channels(points, clicks, edge=0.2)
    assert channels.dtype == np.float32
    inside = (np.abs(points - (1, 1, 0.6)) <= 0.1).all(1)
    np.testing.assert_array_equal(channels[:, 0] == 1, inside)
    assert inside.any()
    assert channels[:, 1].sum() == (np.abs(points - (0.2, 0.2, 0)) <= 0.1).all(1).sum()


def test_a_ball_is_parted_from_the_table_it_lies_on(table):
    points, ball = table
    clicks = [PointClick((1, 1, 0.6)), PointClick((0.4, 0.4, 0), positive=False)]
    assert iou(segment(points, clicks) > 0.5, ball) > 0.85


def test_colour_parts_what_the_surface_does_not():
    rng = np.random.default_rng(1)
    points = np.column_stack((rng.uniform(0, 2, (1500, 2)), np.zeros(1500)))
    left = points[:, 0] < 1
    colours = np.where(left[:, None], (0.8, 0.2, 0.2), (0.2, 0.2, 0.8)).astype(np.float32)
    clicks = [PointClick((0.2, 1, 0)), PointClick((1.2, 1, 0), positive=False)]
    assert iou(segment(points, clicks, colours=colours) > 0.5, left) > 0.97
    assert iou(segment(points, clicks) > 0.5, left) < 0.9


def test_a_click_beside_all_points_is_for_the_nearest_and_one_alone_is_enough(table):
    points, ball = table
    found = segment(points, [PointClick((1, 1, 5))]) > 0.5
    assert found[ball].mean() > 0.9


def test_without_a_positive_click_there_is_nothing_to_go_by(table):
    with pytest.raises(PromptError, match="Click on the object"):
        segment(table[0], [PointClick((0, 0, 0), positive=False)])
    with pytest.raises(PromptError, match="two points"):
        segment(table[0][:1], [PointClick((0, 0, 0))])


def test_the_shell_labels_a_file_of_points(table, tmp_path, capsys):
    points, ball = table
    path, out = tmp_path / "room.xyz", tmp_path / "labels.csv"
    lines = [f"{x} {y} {z} 10 20 250" for x, y, z in points]
    path.write_text("x y z r g b\n" + "\n".join(lines))
    words = ["cloud", str(path), "-o", str(out), "--click", "1,1,0.6@2", "--click", "0.4,0.4,0@1"]
    assert main(words) == 0
    assert "object 2:" in capsys.readouterr().out
    labels = np.loadtxt(out, delimiter=",", skiprows=1)
    np.testing.assert_allclose(labels[:, :3], points, atol=1e-9)
    assert iou(labels[:, 3] == 2, ball) > 0.8
    assert main(words) == 2
    assert main([*words[:4], "--click", "1,1", "--overwrite"]) == 2
    np.save(tmp_path / "room.npy", points)
    assert (
        main(
            [
                "cloud",
                str(tmp_path / "room.npy"),
                "-o",
                str(tmp_path / "l.npy"),
                "--click",
                "1,1,.6",
            ]
        )
        == 0
    )
    assert np.load(tmp_path / "l.npy").shape == (len(points),)


def test_colours_of_eight_bits_are_shares_and_other_files_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("0,0,0,255,0,51\n1,1,1,0,255,0\n")
    points, colours = read_points(path)
    assert points.shape == (2, 3)
    np.testing.assert_allclose(colours[0], (1, 0, 0.2))
    path.write_text("1,2\n3,4\n")
    with pytest.raises(FileError, match="three finite coordinates"):
        read_points(path)
    path.write_text("a\nb c d\n")
    with pytest.raises(FileError, match="lines of numbers"):
        read_points(path)
    other = tmp_path / "a.las"
    other.write_text("x")
    with pytest.raises(FileError, match="is known"):
        read_points(other)
    with pytest.raises(FileError, match="missing"):
        read_points(tmp_path / "none.csv")
