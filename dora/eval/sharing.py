"""What processes of an evaluation hand each other."""

from typing import TypeVar

import torch
from torch import Tensor, distributed

from dora.train.distributed import others_answer, rank, world_size

Shared = TypeVar("Shared")


def share_chunk(
    own: Tensor | None, shape: tuple[int, ...], *, owner: int, device: torch.device
) -> Tensor:
    """Return a float32 tensor of one process to all of them, on the device.

    Args:
        own: the tensor, where this process is its owner.
        shape: of the tensor, which all know.
        owner: the process that has it.
        device: that the processes talk through: a GPU with NCCL, the CPU with gloo.

    Raises:
        DoraError: another process is gone.
    """
    if world_size() == 1:
        assert own is not None
        return own.to(device)
    if rank() == owner:
        assert own is not None
        sent = own.to(device).contiguous()
    else:
        sent = torch.empty(shape, device=device)
    with others_answer():
        distributed.broadcast(sent, src=owner)
    return sent


def sum_over_ranks(counts: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes.

    Raises:
        DoraError: another process is gone.
    """
    if world_size() > 1:
        with others_answer():
            distributed.all_reduce(counts)
    return counts


def share_first(value: Shared) -> Shared:
    """Return what the first process has to all of them.

    Args:
        value: ready to be pickled; those of the others are not looked at.

    Raises:
        DoraError: another process is gone.
    """
    if world_size() == 1:
        return value
    held = [value]
    with others_answer():
        distributed.broadcast_object_list(held, src=0)
    return held[0]
