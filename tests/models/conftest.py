import pytest
import torch

from napari_intseg.models.nets.click_maps import squared_distances
from napari_intseg.models.nets.focal_click import Coarse, Refined, roi_align


class FocalFormula(torch.nn.Module):
    """The formula of FocalClick's fixture in place of both networks; notes boxes asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes: list[tuple[float, ...]] = []

    @staticmethod
    def distances(points: torch.Tensor, shape: tuple[int, int]) -> list[torch.Tensor]:
        squared = squared_distances(points, shape)
        far = torch.where(squared == 1e6, 1000.0, squared.sqrt())
        return [far[:, :1], far[:, 1:]]

    def forward(self, image: torch.Tensor, points: torch.Tensor, prev: torch.Tensor) -> Coarse:
        near, far = self.distances(points, (image.shape[-2], image.shape[-1]))
        logits = 3 - 0.08 * near - 4 * torch.exp(-far / 15) + 3 * (prev - 0.25)
        logits = logits + 3 * (image[:, :1] - image[:, 2:])
        return Coarse(logits, None, image[:, :1])

    def refine(self, image, points, features, logits, box) -> Refined:  # noqa: ARG002
        self.boxes.append((0.0, *box))
        near, far = self.distances(points, (image.shape[-2], image.shape[-1]))
        coarse = roi_align(logits, box)
        fine = coarse + 2 * torch.exp(-near / 20) - 2 * torch.exp(-far / 20)
        return Refined(fine + 4 * (image[:, :1] - image[:, 1:2] - 0.1), coarse, coarse)


@pytest.fixture
def focal_formula() -> FocalFormula:
    """A new one."""
    return FocalFormula()
