"""What the processes of a fine-tuning average after every step: gradients, batch statistics."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dora.train.distributed import mean_over_ranks, world_size


def average_gradients(network: nn.Module) -> None:
    """Replace every gradient by its mean over all processes, in one reduction a step.

    Processes may have taken different numbers of passes, which a reduction in each would not allow.
    """
    if world_size() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = mean_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
    _copy_pieces(flat, gradients)


def average_statistics(network: nn.Module) -> None:
    """Replace what batch norms, if any, have gathered by its mean over all processes.

    Passes are normalised by their own pictures, as published. Averaged after every step, what was
    gathered is the same in all processes: a state that the first one keeps has that of all.
    """
    if world_size() == 1:
        return
    gathered = [
        values
        for module in network.modules()
        if isinstance(module, _BatchNorm)
        for values in (module.running_mean, module.running_var, module.num_batches_tracked)
        if values is not None
    ]
    if gathered:
        flat = torch.cat([values.double().flatten() for values in gathered])
        _copy_pieces(mean_over_ranks(flat), gathered)


def _copy_pieces(flat: Tensor, tensors: list[Tensor]) -> None:
    """Copy a flat tensor's pieces, one after another, into tensors; whole numbers are rounded."""
    pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, piece in zip(tensors, pieces, strict=True):
        values = piece if tensor.is_floating_point() else piece.round()
        tensor.copy_(values.view_as(tensor))
