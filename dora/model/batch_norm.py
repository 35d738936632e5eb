"""Batch norm over the inputs of all processes, as DINO's heads have it (its SyncBatchNorm).

torch's own computes on GPUs alone.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dora.train.distributed import mean_over_ranks, world_size


class SharedBatchNorm1d(nn.BatchNorm1d):
    """`nn.BatchNorm1d` of rows, (M, D), that takes mean and variance over all processes.

    Every process must have equally many rows: `dora.data.stream.share_of_rank` refuses a batch of
    clips that cannot be split evenly, and a head takes all of a process's clips at once
    (`RunConfig` refuses parts, `compute.accumulate`, with batch norm). Running statistics,
    too, are those of all rows, the same in every process. A process alone computes as
    `nn.BatchNorm1d` does, bit by bit.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch calls it by this name)
        """Return the rows normalised, (M, D), in the type of the rows."""
        if not self.training or world_size() == 1:
            return super().forward(input)
        rows_MD = input.float()
        mean_D = _SharedMean.apply(rows_MD.mean(dim=0))
        variance_D = _SharedMean.apply((rows_MD - mean_D).square().mean(dim=0))
        self._gather(mean_D.detach(), variance_D.detach(), rows=len(rows_MD) * world_size())
        normalised_MD = (rows_MD - mean_D) * torch.rsqrt(variance_D + self.eps)
        scaled_MD: Tensor = normalised_MD * self.weight + self.bias
        return scaled_MD.to(input.dtype)

    def _gather(self, mean_D: Tensor, variance_D: Tensor, *, rows: int) -> None:
        """Move the running statistics towards those of a batch, as `nn.BatchNorm1d` does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        unbiased_D = variance_D * (rows / max(rows - 1, 1))
        self.running_mean.lerp_(mean_D, self.momentum)
        self.running_var.lerp_(unbiased_D, self.momentum)


class _SharedMean(torch.autograd.Function):
    """The mean of a tensor over all processes. Its gradient is the mean of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return mean_over_ranks(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return mean_over_ranks(gradient)
