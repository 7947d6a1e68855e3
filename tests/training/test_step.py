import numpy as np
import pytest
import torch

from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.training import step
from napari_intseg.training.step import click_step


@pytest.fixture
def batch():
    truth = torch.zeros(2, 1, 64, 64, dtype=torch.uint8)
    truth[:, :, 20:40, 20:40] = 1
    clicks = torch.zeros(2, 24, 3)
    clicks[:, 0] = torch.tensor((30.0, 30.0, 1.0))
    image = torch.from_numpy(
        np.random.default_rng(0).integers(0, 255, (2, 3, 64, 64), dtype=np.uint8)
    )
    drawn = torch.zeros(2, 1, 64, 64, dtype=torch.uint8)
    drawn[:, 0, 5:20, 20:40] = 1
    return image, truth, clicks, torch.zeros(2, 1, 64, 64), torch.arange(2), drawn


@pytest.fixture
def seen(monkeypatch):
    """Return the number of clicks of every supervised or free answer, in order."""
    counts = []
    answer = ClickPyramid.answer

    def listening(self, kept, clicks, prev):
        counts.append((torch.is_grad_enabled(), int((clicks[0, :, 2] != 0).sum())))
        return answer(self, kept, clicks, prev)

    monkeypatch.setattr(ClickPyramid, "answer", listening)
    return counts


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_step_that_begins_late_reaches_every_weight(batch, monkeypatch, precision):
    monkeypatch.setattr(step, "LATE_SHARE", 1.0)
    torch.manual_seed(0)
    net = ClickPyramid().train()
    loss, _ = click_step(
        net, batch, passes=2, rng=np.random.default_rng(0), precision=precision, shows=True
    )
    loss.backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None]


def test_late_steps_begin_after_clicks_on_answers_that_are_not_supervised(batch, monkeypatch, seen):
    monkeypatch.setattr(step, "LATE_SHARE", 1.0)
    net = ClickPyramid().train()
    click_step(net, batch, passes=2, rng=np.random.default_rng(3), precision=torch.float32)
    free = [clicks for supervised, clicks in seen if not supervised]
    supervised = [clicks for supervised, clicks in seen if supervised]
    assert free == list(range(1, len(free) + 1))
    assert 1 <= len(free) < step.LATE_CLICKS
    assert supervised == [len(free) + 1, len(free) + 2]


def test_other_steps_begin_with_the_first_click(batch, monkeypatch, seen):
    monkeypatch.setattr(step, "LATE_SHARE", 0.0)
    net = ClickPyramid().train()
    click_step(net, batch, passes=2, rng=np.random.default_rng(3), precision=torch.float32)
    assert seen == [(True, 1), (True, 2)]


def test_objects_of_a_view_share_its_encoding(batch, monkeypatch):
    """The loss of three objects on two images is that of three images, two of them the same."""
    monkeypatch.setattr(step, "LATE_SHARE", 0.0)
    encoded = []
    encode = ClickPyramid.encode
    monkeypatch.setattr(
        ClickPyramid, "encode", lambda self, x: encoded.append(len(x)) or encode(self, x)
    )
    image, truth, clicks, prev, _, drawn = batch
    drawn = drawn[torch.tensor([0, 1, 1])]
    rows, owner = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 1])
    truth, clicks, prev = truth[rows].clone(), clicks[rows].clone(), prev[rows]
    truth[2], clicks[2, 0, :2] = truth[2].roll(15, 1), 40.0
    losses, gradients = [], []
    for images, of in ((image, owner), (image[rows], torch.arange(3))):
        torch.manual_seed(0)
        net = ClickPyramid().train()
        for module in net.modules():  # statistics of two images are not those of three
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        loss, _ = click_step(
            net, (images, truth, clicks, prev, of, drawn), passes=2, rng=np.random.default_rng(0),
            precision=torch.float32,
        )  # fmt: skip
        loss.backward()
        losses.append(float(loss))
        gradients.append(next(net.encoder.parameters()).grad)
    assert encoded == [2, 3]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert torch.allclose(*gradients, rtol=1e-2, atol=1e-6)


def test_what_is_drawn_moves_its_own_weights_only_where_it_is_shown(batch):
    """The layers that lead out of it begin with zeros, and so are the first to learn."""
    torch.manual_seed(0)
    net = ClickPyramid().train()
    for shows in (False, True):
        loss, _ = click_step(
            net, batch, passes=1, rng=np.random.default_rng(0), precision=torch.float32, shows=shows
        )
        loss.backward()
        given = net.drawn.give[0].weight.grad
        assert (given is not None and bool(given.any())) is shows
