"""TorchScript models of a few lines with the interface of EgoBlur, written by the tests."""

import warnings
from pathlib import Path

import torch
from torch import Tensor


class BrightSpot(torch.nn.Module):
    """Finds the bright pixels of a picture as one box; says the same again, less surely."""

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        bright = torch.nonzero(picture.float().mean(dim=0) > 200)
        size = torch.tensor([picture.shape[1], picture.shape[2]])
        if bright.shape[0] == 0:
            none = torch.zeros(0)
            return torch.zeros(0, 4), none, none, size
        low, high = bright.amin(dim=0), bright.amax(dim=0) + 1
        box = torch.stack([low[1], low[0], high[1], high[0]]).float()
        beside = torch.tensor([-5.0, -5.0, 4.0, 3.0])
        boxes = torch.stack([beside, box + 1, box, box])
        return boxes, torch.zeros(4), torch.tensor([0.3, 0.6, 0.9, 0.1]), size


class BlueMean(torch.nn.Module):
    """Finds one box, as sure as the first channel is bright, with masks before the scores."""

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        box = torch.tensor([[1.0, 2.0, 3.0, 5.0]])
        score = picture[0].float().mean().reshape(1) / 255
        return box, torch.zeros(1), torch.zeros(1, 4, 4), score, torch.zeros(2)


class OneTensor(torch.nn.Module):
    def forward(self, picture: Tensor) -> Tensor:
        return picture


class WrongShapes(torch.nn.Module):
    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return torch.zeros(2, 5), torch.zeros(2), torch.zeros(2), torch.zeros(2)


class NoNumbers(torch.nn.Module):
    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return torch.zeros(1, 4) / 0, torch.zeros(1), torch.ones(1), torch.zeros(2)


class Failing(torch.nn.Module):
    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        size = picture.reshape(7, 7, 7)
        return size, size, size, size


def write_model(path: Path, model: torch.nn.Module) -> Path:
    """Save a model as TorchScript."""
    with warnings.catch_warnings():  # torch wants models in a newer form
        warnings.filterwarnings("ignore", message="`torch.jit", category=FutureWarning)
        torch.jit.save(torch.jit.script(model), str(path))
    return path
