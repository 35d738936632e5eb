"""Parameter groups, AdamW and LARS, clipping, and the freezing of the head's last layer."""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from dora.config import OptimConfig

DECAYED, NOT_DECAYED = 0, 1
"""Places of the two parameter groups in an optimiser."""


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Return the trainable parameters, decayed ones first.

    Not decayed are biases and one-dimensional parameters, as published; [CLS] token, position
    embedding and the last layer's magnitudes have more dimensions and are decayed.
    """
    decayed: list[nn.Parameter] = []
    not_decayed: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            small = parameter.ndim == 1 or name.endswith(".bias")
            (not_decayed if small else decayed).append(parameter)
    return [{"params": decayed}, {"params": not_decayed, "weight_decay": 0.0}]


def build_optimizer(network: nn.Module, config: OptimConfig) -> Optimizer:
    """Return the optimiser of the student; `set_step_values` gives it rate and decay each step."""
    groups = parameter_groups(network)
    if config.name == "lars":
        return LARS(groups)
    return AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, fused=True)


def set_step_values(optimizer: Optimizer, *, lr: float, weight_decay: float) -> None:
    """Set the learning rate of all parameters, and the decay of those that are decayed."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.param_groups[DECAYED]["weight_decay"] = weight_decay


@torch.no_grad()
def clip_each(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale every gradient to at most a norm of its own, as published; return their joint norm.

    The joint norm is that before clipping, a scalar on the device.

    Args:
        parameters: those without a gradient are passed over.
        max_norm: 3.0 as published; 0: no clipping.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients))
    if max_norm > 0:
        factors = (max_norm / (norms + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(gradients, factors.unbind())
    joint: Tensor = torch.linalg.vector_norm(norms)
    return joint


def drop_last_layer_gradients(network: nn.Module) -> None:
    """Freeze the head's last layer for this step: no update, no decay, no optimiser state."""
    for name, parameter in network.named_parameters():
        if "last_layer" in name:
            parameter.grad = None


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling (You et al., arXiv:1708.03888), in DINO's variant.

    Each parameter's direction is its gradient plus decay, times trust |w| / |direction|, summed
    with momentum and multiplied by the learning rate. One-dimensional parameters are neither
    decayed nor adapted. A parameter or direction of norm 0 is not adapted either.

    Under loss scaling, a step whose gradients overflowed changes nothing; that is decided on the
    device, as by torch's fused optimisers, so that the host need not wait.

    Args:
        groups: of parameters, each with its own `weight_decay`, by default 0.
        lr: learning rate.
        momentum: 0.9.
        trust: the trust coefficient, 0.001.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 0.0,
        momentum: float = 0.9,
        trust: float = 0.001,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "trust": trust, "weight_decay": 0.0}
        super().__init__(groups, defaults)
        self._step_supports_amp_scaling = True

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient."""
        assert closure is None, "a step evaluates no closure"
        for group in self.param_groups:
            parameters = [one for one in group["params"] if one.grad is not None]
            adapted = [one for one in parameters if one.ndim > 1]
            others = [one for one in parameters if one.ndim <= 1]
            if adapted:
                self._move(adapted, _adapted_directions(adapted, group), group)
            if others:
                self._move(others, [one.grad for one in others], group)
        return None

    def _move(
        self, parameters: list[Tensor], directions: list[Tensor], group: dict[str, Any]
    ) -> None:
        """Add the directions to the velocities, and these to the parameters."""
        for parameter in parameters:
            if "velocity" not in self.state[parameter]:
                self.state[parameter]["velocity"] = torch.zeros_like(parameter)
        velocities = [self.state[parameter]["velocity"] for parameter in parameters]
        overflow = getattr(self, "found_inf", None)  # set by the loss scaling for a step
        if overflow is None:
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, directions)
            torch._foreach_add_(parameters, velocities, alpha=-group["lr"])
            return
        finite = overflow == 0
        directions = [torch.where(finite, direction, 0.0) for direction in directions]
        torch._foreach_mul_(velocities, torch.where(finite, group["momentum"], 1.0))
        torch._foreach_add_(velocities, directions)
        steps = torch._foreach_mul(velocities, torch.where(finite, -group["lr"], 0.0))
        torch._foreach_add_(parameters, steps)


def _adapted_directions(parameters: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
    """Return (g + decay w) trust |w| / |g + decay w| for every parameter w of gradient g."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    directions = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
    lengths = torch.stack(torch._foreach_norm(parameters))
    step_lengths = torch.stack(torch._foreach_norm(directions))
    factors = torch.where(
        (lengths > 0) & (step_lengths > 0), group["trust"] * lengths / step_lengths, 1.0
    )
    torch._foreach_mul_(directions, factors.unbind())
    return directions
