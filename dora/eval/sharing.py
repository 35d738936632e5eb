"""What processes of an evaluation hand each other."""

import torch
from torch import Tensor, distributed

from dora.train.distributed import rank, world_size


def share_chunk(
    own: Tensor | None, shape: tuple[int, ...], *, owner: int, device: torch.device
) -> Tensor:
    """Return a float32 tensor of one process to all of them, on the device.

    Args:
        own: the tensor, where this process is its owner.
        shape: of the tensor, which all know.
        owner: the process that has it.
        device: that the processes talk through: a GPU with NCCL, the CPU with gloo.
    """
    if world_size() == 1:
        assert own is not None
        return own.to(device)
    if rank() == owner:
        assert own is not None
        sent = own.to(device).contiguous()
    else:
        sent = torch.empty(shape, device=device)
    distributed.broadcast(sent, src=owner)
    return sent


def sum_over_ranks(counts: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    if world_size() > 1:
        distributed.all_reduce(counts)
    return counts
