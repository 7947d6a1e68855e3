"""A moved vertex predicts where its neighbours belong."""

import numpy as np
import pytest
import torch

from napari_intseg.cli.main import main
from napari_intseg.errors import WeightsError
from napari_intseg.inference.contour import REACH, follow, moved_vertex
from napari_intseg.io.write import write_picture
from napari_intseg.models.vertex_predictors import GRID, CurveGcn, PolygonRnn, load_vertices
from napari_intseg.models.weights.locate import FOLDERS_VARIABLE
from napari_intseg.models.weights.store import write_weights
from napari_intseg.training import encoder_heads
from napari_intseg.training.synthetic import VERTICES, bent_ring, even_ring


def ring(radius, count=24, at=(60, 60)):
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack((at[0] + radius * np.sin(angles), at[1] + radius * np.cos(angles)), 1)


@pytest.fixture
def disc():
    rows, cols = np.indices((120, 120))
    inside = np.hypot(rows - 60, cols - 60) <= 40
    return np.repeat(np.where(inside, 0.8, 0.2)[..., None], 3, axis=2).astype(np.float32)


def corrected(before, index, radius):
    after = before.copy()
    after[index] = 60 + (before[index] - 60) * radius / 30
    return after


def test_the_vertex_that_was_moved_is_told_and_more_than_one_is_none():
    before = ring(30)
    assert moved_vertex(before, corrected(before, 5, 40)) == 5
    assert moved_vertex(before, before) is None
    assert moved_vertex(before, before + 1) is None
    assert moved_vertex(before, before[:-1]) is None


def test_neighbours_are_drawn_to_the_edge_and_the_others_stay(disc):
    before = ring(30)
    after = corrected(before, 0, 40)
    out = follow(disc, before, after, 0)
    np.testing.assert_array_equal(out[0], after[0])
    still = range(REACH + 1, 24 - REACH)
    np.testing.assert_array_equal(out[still], before[still])
    away = [abs(np.hypot(*(out[at] - 60)) - 40) for at in (1, 2, -1, -2)]
    assert max(away[0], away[2]) < 2  # drawn to the edge
    assert all(np.hypot(*(out[at] - 60)) > 32 for at in (1, 2, -1, -2))


@pytest.mark.parametrize("radius", [30, 36, 44, 48])
def test_neighbours_find_the_edge_on_either_side_of_them(disc, radius):
    before = ring(radius)
    after = before.copy()
    after[0] = 60 + (before[0] - 60) * 40 / radius
    out = follow(disc, before, after, 0)
    for at in (1, -1):
        assert abs(np.hypot(*(out[at] - 60)) - 40) < 1
        # along the normal alone: they do not slide along the outline
        one, other = out[at] - 60, before[at] - 60
        turned = np.arctan2(*one) - np.arctan2(*other)
        assert abs(np.rad2deg(turned)) < 4
    # both sides are treated alike
    np.testing.assert_allclose(out[-1] - 60, (out[1] - 60) * (-1, 1), atol=1e-6)
    np.testing.assert_allclose(out[-2] - 60, (out[2] - 60) * (-1, 1), atol=1e-6)


def test_without_an_edge_they_follow_less_with_every_step():
    before = ring(30)
    after = before + 0
    after[4] += (9, 0)
    out = follow(np.zeros((120, 120, 3), np.float32), before, after, 4)
    moved = out - before
    np.testing.assert_allclose(moved[[3, 5]], [(6, 0), (6, 0)])
    np.testing.assert_allclose(moved[[2, 6]], [(3, 0), (3, 0)])
    np.testing.assert_array_equal(follow(np.zeros((9, 9, 3)), before[:3], before[:3] + 0, 1)[0],
                                  before[0])  # fmt: skip


def test_a_graph_network_moves_the_neighbours_alone_and_is_read_from_its_file(disc, tmp_path):
    torch.manual_seed(0)
    net = CurveGcn(8)
    torch.nn.init.normal_(net.leave.weight, std=0.1)
    path = write_weights(
        tmp_path / "curve.safetensors", net.state_dict(), architecture="curve-gcn-1",
        settings=net.settings,
    )  # fmt: skip
    before = ring(30)
    after = corrected(before, 3, 40)
    out = load_vertices(path)(disc, before, after, 3)
    moved = np.flatnonzero(np.abs(out - after).max(1) > 1e-9)
    assert moved.tolist() == [1, 2, 4, 5]


def test_a_new_graph_network_leaves_the_curve_and_learns_to_move_it():
    torch.manual_seed(0)
    net = CurveGcn(8).train()
    image, curve, shift = torch.rand(2, 3, 32, 32), torch.rand(2, 10, 2), torch.zeros(2, 10, 2)
    assert torch.equal(net(image, curve, shift), curve)
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for _ in range(15):
        loss = ((net(image, curve, shift) - (curve + 0.1)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]


def test_a_recurrent_network_keeps_what_comes_before_and_says_the_rest(disc, tmp_path):
    torch.manual_seed(0)
    net = PolygonRnn(8, 4)
    path = write_weights(
        tmp_path / "rnn.safetensors", net.state_dict(), architecture="polygon-rnn-1",
        settings=net.settings,
    )  # fmt: skip
    before = ring(30, 12)
    after = corrected(before, 3, 40)
    out = load_vertices(path)(disc, before, after, 3)
    np.testing.assert_array_equal(out[:4], after[:4])
    assert 4 <= len(out) <= 70
    scores = net.scores(net.features(torch.rand(2, 3, 64, 64)), torch.zeros(2, 3, dtype=torch.long))
    assert scores.shape == (2, 3, GRID * GRID + 1)


def test_a_polygon_ends_where_the_network_says_so():
    net = PolygonRnn(8, 4).eval()
    with torch.no_grad():
        net.score.bias[-1] = 1e3
    assert len(net.continued(torch.rand(1, 3, 64, 64), torch.tensor([5]))) == 0
    with torch.no_grad():
        net.score.bias[-1] = -1e3
    assert len(net.continued(torch.rand(1, 3, 64, 64), torch.tensor([5]), most=9)) == 8


def test_files_of_other_networks_are_refused(tmp_path):
    path = write_weights(tmp_path / "a.safetensors", {"a": torch.zeros(2)})
    with pytest.raises(WeightsError, match="polygon-rnn-1"):
        load_vertices(path)


def test_the_graph_network_is_trained_and_then_found_by_its_name(tmp_path, monkeypatch, capsys):
    rows, cols = np.mgrid[:60, :80]
    for folder in ("images", "masks"):
        (tmp_path / "discs" / folder).mkdir(parents=True)
    for i in range(6):
        inside = np.hypot(rows - 28 - i, cols - 40) < 16 + i
        picture = np.where(inside, 200, 40)[..., None].repeat(3, 2).astype(np.uint8)
        write_picture(tmp_path / "discs" / "images" / f"{i}.png", picture)
        write_picture(tmp_path / "discs" / "masks" / f"{i}.png", inside.astype(np.uint8))
    monkeypatch.setattr(encoder_heads, "CurveGcn", lambda: CurveGcn(8, 1))
    monkeypatch.setattr(encoder_heads, "_MEASURED", 4)
    words = [
        "train", str(tmp_path / "discs"), "--task", "vertices", "--output", str(tmp_path / "run"),
        "--name", "rings", "--steps", "4", "--batch", "2", "--held-out", "0.3",
        "--keep-in", str(tmp_path / "kept"), "--quiet",
    ]  # fmt: skip
    status, told = main(words), capsys.readouterr()
    assert status == 0, told.err
    assert "distance of neighbours on held-out pictures before 1.000, after " in told.out
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "kept"))
    before = even_ring(inside)
    found = load_vertices("rings")(np.ones((60, 80, 3), np.float32), before, before + 1e-3, 3)
    assert found.shape == (VERTICES, 2)


def test_an_even_outline_and_one_that_is_bent(rng):
    rows, cols = np.mgrid[:60, :80]
    ring = even_ring(np.hypot(rows - 30, cols - 40) < 20)
    steps = np.hypot(*np.diff(np.vstack([ring, ring[:1]]), axis=0).T)
    assert np.ptp(steps) < 0.6
    away = np.abs(np.hypot(*(bent_ring(ring, 35.0, rng) - (30, 40)).T) - 20)
    assert 0.5 < away.max() < 12
    assert even_ring(np.zeros((60, 80), bool)) is None
