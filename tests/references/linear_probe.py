"""One linear head trained by PyTorch's own layer, loss and optimiser."""

import torch
from torch import Tensor, nn


def train(
    steps: list[tuple[Tensor, Tensor, float]], *, weight: Tensor, bias: Tensor, lr: float
) -> tuple[nn.Linear, list[float]]:
    """Return the trained layer and the loss before each step.

    Args:
        steps: features, labels and the schedule's share of the learning rate.
        weight: (C, W) at the beginning.
        bias: (C,)
        lr: at the beginning of the schedule.
    """
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=lr, momentum=0.9, weight_decay=0)
    losses = []
    for features, labels, factor in steps:
        optimizer.param_groups[0]["lr"] = lr * factor
        loss = nn.functional.cross_entropy(layer(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return layer, losses
