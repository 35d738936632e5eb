"""Stochastic depth (Huang et al., arXiv:1603.09382) whose draws belong to clips, not to devices.

Each residual path of a block is left out for an image with the block's rate, and multiplied by
1 / (1 - rate) where it stays. The draws are functions of the seed and of a clip's position in the
run, so that neither the number of processes nor where a run was resumed changes them.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dora.data.draws import STOCHASTIC_DEPTH, uniform_draws

PATHS = 2
"""Residual paths of a block: attention and MLP."""


def path_rates(rate: float, *, depth: int) -> Tensor:
    """Return how often each path is left out, (2 depth,): linear from 0 to `rate` over the blocks.

    Args:
        rate: of the last block.
        depth: number of blocks.
    """
    return torch.linspace(0, rate, depth).repeat_interleave(PATHS)


def draw_kept_paths(
    seed: int, positions: Sequence[int], *, images: int, depth: int, rate: float
) -> Tensor:
    """Return what the paths are multiplied by, (2 depth, B, images) float32, on the CPU.

    Args:
        seed: the run's.
        positions: (B,) numbers of the clips in the run.
        images: that the student sees of each clip.
        depth: number of blocks.
        rate: of the last block.
    """
    draws_BMP = np.stack(
        [
            uniform_draws(
                seed, purpose=STOCHASTIC_DEPTH, place=place, rows=images, columns=PATHS * depth
            )
            for place in positions
        ]
    )
    rates_P = path_rates(rate, depth=depth).double()
    kept_BMP = torch.from_numpy(draws_BMP) >= rates_P
    # A rate of 1 keeps nothing, whatever the divisor.
    scales_BMP = kept_BMP / (1 - rates_P).clamp(min=torch.finfo(torch.float64).tiny)
    return scales_BMP.float().permute(2, 0, 1).contiguous()
