"""Random masks of blocks in place of objects: the ablation of the paper's Table 2c.

The paper names them and says no more. The rule is that of masked image modelling as BEiT
(arXiv:2106.08254) describes it and iBOT (arXiv:2111.07832) uses it: rectangles are hidden one
after another until a share of the patches is. Chosen here: the share is uniform in 0.1 to 0.5 for
every mask, and a new mask is drawn for every object and frame.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dora.data.draws import BLOCK_MASKS, uniform_draws

HIDDEN_SHARE = (0.1, 0.5)
RATIO = (0.3, 1 / 0.3)
"""Height over width of a rectangle, smallest and largest."""
TRIES = 10
"""Rectangles that are tried, one after another, before a mask stays as it is."""
RECTANGLES = 24
"""The most rectangles of one mask; on 14 x 14 patches, fewer than ten are usual."""
TRY_DRAWS = 4
"""Uniform numbers of a try: area, ratio, top, left."""


def draw_block_masks(
    seed: int,
    positions: Sequence[int],
    *,
    view: int,
    objects: int,
    frames: int,
    grid: tuple[int, int],
) -> Tensor:
    """Return masks with rectangles of zeros, (K, B, T, gh, gw) float32, on the CPU.

    Args:
        seed: the run's seed.
        positions: (B,) numbers of the clips in the run, which alone, with the seed, give the masks.
        view: number of the global view; each has masks of its own.
        objects: K.
        frames: T.
        grid: patches in height and width.
    """
    columns = 1 + RECTANGLES * TRIES * TRY_DRAWS
    draws = np.concatenate(
        [
            uniform_draws(
                seed,
                purpose=BLOCK_MASKS + (view << 32),
                place=place,
                rows=objects * frames,
                columns=columns,
            )
            for place in positions
        ]
    )
    hidden = hide_blocks(draws, grid=grid)
    visible = torch.from_numpy(~hidden).float()
    return visible.view(len(positions), objects, frames, *grid).transpose(0, 1).contiguous()


def hide_blocks(draws: NDArray[np.float64], *, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which patches are hidden, (M, gh, gw), one mask for each row of draws.

    A rectangle has an area between the square of a third of the grid's shorter side and what is
    left to hide, and is taken if it lies in the grid and hides new patches, but not more than are
    left.

    Args:
        draws: (M, 1 + RECTANGLES * TRIES * TRY_DRAWS) uniform in [0, 1).
        grid: patches in height and width.
    """
    height, width = grid
    low, high = HIDDEN_SHARE
    left = np.floor((low + (high - low) * draws[:, 0]) * height * width).astype(np.int64)
    hidden = np.zeros((len(draws), height, width), dtype=bool)
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    going = left > 0
    for numbers in np.split(draws[:, 1:], RECTANGLES, axis=1):
        found = ~going
        for u in np.split(numbers, TRIES, axis=1):
            box_h, box_w = _sides(u, left, grid)
            fits = (box_h < height) & (box_w < width) & ~found
            top = np.floor(u[:, 2] * (height - box_h + 1)).astype(np.int64)
            start = np.floor(u[:, 3] * (width - box_w + 1)).astype(np.int64)
            inside = (rows >= top[:, None, None]) & (rows < (top + box_h)[:, None, None])
            inside = inside & (columns >= start[:, None, None])
            inside &= columns < (start + box_w)[:, None, None]
            new = (inside & ~hidden).sum(axis=(1, 2))
            taken = fits & (new > 0) & (new <= left)
            hidden |= inside & taken[:, None, None]
            left -= np.where(taken, new, 0)
            found |= taken
        going &= found & (left > 0)
        if not going.any():
            break
    return hidden


def _sides(
    u: NDArray[np.float64], left: NDArray[np.int64], grid: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return heights and widths, (M,), from a try's draws; at least one patch each."""
    least = (min(grid) // 3) ** 2
    area = least + (np.maximum(left, least) - least) * u[:, 0]
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = np.exp(low + (high - low) * u[:, 1])
    sides = (np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio)))
    box_h, box_w = (np.maximum(side, 1).astype(np.int64) for side in sides)
    return box_h, box_w
