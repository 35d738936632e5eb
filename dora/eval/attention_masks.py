"""Masks from the last block's [CLS] attention: the patches that hold most of its mass.

DINO's rule (arXiv:2104.14294, section 4.2.2 and its `visualize_attention.py`), for each head by
itself and for the mean of the heads.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dora.eval.components import Mask
from dora.eval.label_maps import VOID, LabelMap

MEAN = "mean"
"""The mean of all heads' maps, in the paper's words."""


def keep_mass(attention_MN: Tensor, fraction: float) -> Tensor:
    """Return the fewest patches of each map that hold a fraction of its mass, (M, N) bool.

    Kept is what lies above the smallest patches that together hold at most 1 - fraction.

    Args:
        attention_MN: M maps, not negative; a map need not sum to 1.
        fraction: in (0, 1]; 0.6 in DINO's script, 0.8 in the paper.
    """
    ordered, order = attention_MN.double().sort(dim=1, stable=True)
    mass = ordered.cumsum(dim=1)
    # A hair above the bound: sums that should equal it do not pass it by rounding in float32.
    kept = mass > (1 - fraction) * mass[:, -1:] * (1 + 1e-6)
    return torch.zeros_like(kept).scatter_(1, order, kept)


def head_maps(attention_HN: Tensor) -> dict[str, Tensor]:
    """Return the maps of all heads by name: `mean`, then `1` to `H`; each (N,)."""
    named = {str(number): head for number, head in enumerate(attention_HN, start=1)}
    return {MEAN: attention_HN.mean(dim=0), **named}


def foreground_counts(mask: Mask, regions: LabelMap) -> tuple[int, int]:
    """Return the pixels in both a mask and an object, and those in either, without void.

    All objects of a picture count together.

    Args:
        mask: (gh, gw), enlarged to the regions' size without smoothing.
        regions: (h, w): 0 background, 255 void, all else object.
    """
    found = enlarge_mask(mask, (regions.shape[1], regions.shape[0]))
    counted = regions != VOID
    truth = regions != 0
    both = np.count_nonzero(found & truth & counted)
    return int(both), int(np.count_nonzero((found | truth) & counted))


def jaccard(both: int, either: int) -> float:
    """Return the Jaccard index of such counts; 1 where neither mask nor object is there."""
    return both / either if either else 1.0


def enlarge_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask over patches as one of so many pixels (width, height)."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
