"""Projection head of student and teacher: an MLP, an L2 norm, a weight-normalised linear layer.

DINO's head (arXiv:2104.14294, appendix C), with the parameter names of its checkpoints.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dora.config import HeadConfig
from dora.model.batch_norm import SharedBatchNorm1d


class ProjectionHead(nn.Module):
    """From [CLS] tokens, (M, D), to logits before any temperature, (M, P)."""

    def __init__(self, width: int, config: HeadConfig) -> None:
        super().__init__()
        self.mlp = _mlp(width, config)
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.last_layer = WeightNormalisedLinear(config.bottleneck, config.outputs)
        self.last_layer.weight_g.requires_grad = not config.norm_last_layer

    def forward(self, cls: Tensor) -> Tensor:
        """Return the logits, (M, P), of [CLS] tokens, (M, D)."""
        logits: Tensor = self.last_layer(functional.normalize(self.mlp(cls), dim=-1))
        return logits


class WeightNormalisedLinear(nn.Module):
    """A linear layer without bias whose rows are g v / |v| (weight normalisation).

    Its two parameters are named as in `torch.nn.utils.weight_norm`, which torch has deprecated.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)  # as `nn.Linear` begins
        self.weight_g = nn.Parameter(torch.ones(outputs, 1))
        self.weight_v = nn.Parameter(torch.empty(outputs, width).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, (M, P), of inputs, (M, width)."""
        length = torch.linalg.vector_norm(self.weight_v, dim=1, keepdim=True)
        return functional.linear(inputs, self.weight_v * (self.weight_g / length))


def _mlp(width: int, config: HeadConfig) -> nn.Module:
    if config.layers == 1:
        return nn.Linear(width, config.bottleneck)
    layers: list[nn.Module] = []
    for inputs in [width] + [config.hidden] * (config.layers - 2):
        layers.append(nn.Linear(inputs, config.hidden))
        if config.batch_norm:
            layers.append(SharedBatchNorm1d(config.hidden))
        layers.append(nn.GELU())
    return nn.Sequential(*layers, nn.Linear(config.hidden, config.bottleneck))
