"""LOST: the box of one object from the keys of one picture (arXiv:2109.14279, section 3).

Patches of an object are like few others, those of the background like many. The patch with the
fewest alike is the seed; patches that are also unlike most and like the seed join it; what is on
the whole like them, and connected with the seed, is the object. The paper compares >= 0 and the
published code > 0, which is followed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dora.eval.components import Box, Mask, box_of, component_at

K_PATCHES = 100
_SIMILARITIES = 2**24
"""Similarities held at a time: 64 MiB."""


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """What LOST finds, in patches."""

    seed: tuple[int, int]
    """Row and column."""
    mask: Mask
    """(gh, gw): the connected component that holds the seed."""
    box: Box
    """Around the mask."""


def discover_object(
    keys_ND: Tensor, grid: tuple[int, int], *, k_patches: int = K_PATCHES
) -> Discovered:
    """Return the object that LOST finds.

    Of patches alike to equally many the first in reading order comes first.

    Args:
        keys_ND: keys of the last block, heads joined, row by row, without [CLS].
        grid: patches in height and width; N is their product.
        k_patches: among how many of the patches with the lowest degrees those are sought that
            join the seed.
    """
    keys = keys_ND.float()
    lowest = degrees(keys).argsort(stable=True)[:k_patches]
    seed = lowest[0]
    joined = lowest[keys[lowest] @ keys[seed] > 0]
    # The seed is like itself; only a key of zeros is not, and is then alone.
    joined = torch.cat([seed[None], joined[joined != seed]])
    likeness = (keys @ keys[joined].sum(dim=0)).view(grid)
    alike = (likeness > 0).cpu().numpy()
    row, column = divmod(int(seed), grid[1])
    alike[row, column] = True
    mask = component_at(alike, (row, column))
    return Discovered(seed=(row, column), mask=mask, box=box_of(mask))


def degrees(keys_ND: Tensor) -> Tensor:
    """Return how many other patches each patch is positively correlated with, (N,) int64."""
    counts = torch.empty(len(keys_ND), dtype=torch.int64, device=keys_ND.device)
    chunk = max(1, _SIMILARITIES // len(keys_ND))
    for start in range(0, len(keys_ND), chunk):
        rows = keys_ND[start : start + chunk]
        alike = rows @ keys_ND.T > 0
        counts[start : start + chunk] = alike.sum(dim=1) - (rows.square().sum(dim=1) > 0).long()
    return counts
