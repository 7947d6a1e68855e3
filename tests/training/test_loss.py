import pytest
import torch
from torch.nn import functional as F

from napari_intseg.training.step import click_loss


@pytest.fixture
def views():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 8, 8, generator=generator)
    truth = (torch.rand(2, 1, 8, 8, generator=generator) > 0.5).to(torch.uint8)
    return logits, truth


def test_without_focus_it_is_the_cross_entropy(views):
    logits, truth = views
    expected = F.binary_cross_entropy_with_logits(logits, truth.float())
    assert click_loss(logits, truth, gamma=0).mean() == pytest.approx(float(expected), rel=1e-5)


def test_ignored_pixels_cost_nothing(views):
    logits, truth = views
    truth[:, :, :4] = 255
    other = logits.clone()
    other[:, :, :4] = 9
    assert torch.equal(click_loss(logits, truth), click_loss(other, truth))
    assert torch.equal(click_loss(logits, torch.full_like(truth, 255)), torch.zeros(2))


def test_a_right_answer_costs_less_and_focus_looks_at_errors(views):
    logits, truth = views
    right = (truth.float() * 2 - 1) * 5
    assert (click_loss(right, truth) < click_loss(-right, truth)).all()
    assert (click_loss(logits, truth) > click_loss(logits, truth, gamma=0)).all()
