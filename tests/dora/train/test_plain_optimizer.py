"""Clipping, LARS and AdamW over a grid of shapes, beside plain float64, from a loss's gradients."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from dora.config import OptimConfig
from dora.train.optimizer import build_optimizer, clip_each, set_step_values
from tests.references.optimizers import adamw_steps, clipped, lars_steps

PLAIN = {"adamw": adamw_steps, "lars": lars_steps}
SHAPES = ((1,), (7,), (1, 1), (5, 1), (3, 4), (1, 1, 6), (2, 3, 2, 2))
SCALES = (1e-3, 1.0, 40.0)


class Weights(nn.Module):
    """A parameter of every shape; those of one dimension are biases."""

    def __init__(self, *, scale: float) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.all = nn.ParameterList(
            scale * torch.randn(shape, generator=random, dtype=torch.float64) for shape in SHAPES
        )

    def loss(self, step: int) -> torch.Tensor:
        """Anything whose gradients change from step to step and differ in size."""
        terms = [(index + 1) ** 3 * torch.sin(p + step).sum() for index, p in enumerate(self.all)]
        return torch.stack(terms).sum()


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("max_norm", [0.0, 0.3, 3.0, 1e4])
@pytest.mark.parametrize("scale", SCALES)
def test_each_gradient_is_clipped_as_in_plain_arithmetic(max_norm: float, scale: float) -> None:
    weights = Weights(scale=scale)
    weights.loss(0).backward()
    before = [parameter.grad.numpy().copy() for parameter in weights.all]
    joint = clip_each(weights.parameters(), max_norm)
    assert joint.item() == pytest.approx(
        math.sqrt(math.fsum(float(value) ** 2 for gradient in before for value in gradient.flat))
    )
    for parameter, gradient in zip(weights.all, before, strict=True):
        # As published, the norm has 1e-6 added to it before it divides, so that a gradient of
        # nearly the largest norm is scaled as well.
        np.testing.assert_allclose(
            parameter.grad.numpy(), clipped(gradient, max_norm), rtol=1e-5, atol=1e-12
        )


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("scale", SCALES)
def test_steps_of_a_run_are_those_of_plain_arithmetic(name: str, scale: float) -> None:
    """Five steps with gradients of a loss, clipped; those of one dimension are not decayed."""
    weights = Weights(scale=scale)
    optimizer = build_optimizer(weights, OptimConfig(name=name))
    starts = [parameter.detach().numpy().copy() for parameter in weights.all]
    taken: list[list[np.ndarray]] = [[] for _ in SHAPES]
    for step in range(5):
        set_step_values(optimizer, lr=0.05, weight_decay=0.2)
        optimizer.zero_grad(set_to_none=True)
        weights.loss(step).backward()
        for gradients, parameter in zip(taken, weights.all, strict=True):
            gradients.append(clipped(parameter.grad.numpy().copy(), 3.0))
        clip_each(weights.parameters(), 3.0)
        for parameter, gradients in zip(weights.all, taken, strict=True):
            np.testing.assert_allclose(parameter.grad.numpy(), gradients[-1], rtol=1e-5)
            parameter.grad.copy_(torch.from_numpy(gradients[-1]))
        optimizer.step()
    for parameter, start, gradients in zip(weights.all, starts, taken, strict=True):
        decay = 0.2 if parameter.ndim > 1 else 0.0
        close(parameter, PLAIN[name](start, gradients, lr=0.05, decay=decay))


@pytest.mark.parametrize("shape", SHAPES)
def test_lars_leaves_weights_and_directions_of_no_length_unscaled(shape: tuple[int, ...]) -> None:
    """Either, or both, are zero: nothing is divided by nothing."""
    for start, gradient in ((0.0, 0.5), (2.0, 0.0), (0.0, 0.0)):
        module = nn.Module()
        module.only = nn.Parameter(torch.full(shape, start, dtype=torch.float64))
        optimizer = build_optimizer(module, OptimConfig(name="lars"))
        set_step_values(optimizer, lr=0.1, weight_decay=0.0)
        gradients = [np.full(shape, gradient)] * 3
        for each in gradients:
            module.only.grad = torch.from_numpy(each.copy())
            optimizer.step()
        close(module.only, lars_steps(np.full(shape, start), gradients, lr=0.1, decay=0.0))
