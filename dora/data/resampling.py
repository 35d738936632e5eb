"""Boxes of many pictures resized at once, on any device: sums of gathered rows.

Resizing is separable. Each column of the result is a weighted sum of some columns of its parent,
then each row one of some rows: `Taps` say which and by what weights. A sum takes a fixed number of
taps, whatever the box, so that no shape depends on a draw; unused ones weigh 0. Every picture's
sums are its own: its bits do not depend on what else is resized with it.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional

BICUBIC_REACH = 2.0
"""Pixels of the smaller picture that the kernel reaches to each side."""


@dataclass(frozen=True, kw_only=True)
class Taps:
    """Which pixels along one axis make those of I results, and how much each weighs."""

    indices: Tensor
    """(I, px, K) int64, along the parent."""
    weights: Tensor
    """(I, px, K) float32; each K add up to 1."""

    def mirrored(self, flips: Tensor) -> "Taps":
        """Return the taps of results that are mirrored where (I,) `flips` is true."""
        chosen = flips[:, None, None]
        return Taps(
            indices=torch.where(chosen, self.indices.flip(1), self.indices),
            weights=torch.where(chosen, self.weights.flip(1), self.weights),
        )


def bilinear_taps(starts: Tensor, lengths: Tensor, *, px: int) -> Taps:
    """Return taps between the two nearest pixels, without antialiasing (align_corners=False).

    Args:
        starts: (I,) int64, first pixel of each box.
        lengths: (I,) int64, pixels of each box.
        px: pixels of the results.
    """
    centres = torch.arange(px, device=starts.device, dtype=torch.float64) + 0.5
    places = (centres * (lengths[:, None] / px) - 0.5).clamp_(min=0)
    first = places.floor()
    share = places - first
    first = first.long()
    second = torch.minimum(first + 1, lengths[:, None] - 1)
    return Taps(
        indices=starts[:, None, None] + torch.stack([first, second], dim=-1),
        weights=torch.stack([1 - share, share], dim=-1).float(),
    )


def bicubic_taps(starts: Tensor, lengths: Tensor, *, px: int, longest: int) -> Taps:
    """Return the taps of Pillow's bicubic, whose kernel widens where the result is smaller.

    Pixels outside the box do not count: as in Pillow, the box is cut out first. The width comes
    first, as in Pillow up to 12; 13 begins with the height where a box is higher than wide.

    Args:
        starts: (I,) int64, first pixel of each box.
        lengths: (I,) int64, pixels of each box.
        px: pixels of the results.
        longest: no box has more pixels; gives the number of taps.
    """
    taps = 2 * ceil(BICUBIC_REACH * max(1.0, longest / px)) + 1
    scales = lengths[:, None].double() / px
    stretch = scales.clamp(min=1)
    centres = (torch.arange(px, device=starts.device, dtype=torch.float64) + 0.5) * scales
    first = (centres - BICUBIC_REACH * stretch + 0.5).floor_().clamp_(min=0)
    end = (centres + BICUBIC_REACH * stretch + 0.5).floor_().minimum(lengths[:, None])
    places = first[..., None] + torch.arange(taps, device=starts.device)
    weights = _cubic((places - centres[..., None] + 0.5) / stretch[..., None])
    weights = torch.where(places < end[..., None], weights, 0.0)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    inside = places.long().minimum(lengths[:, None, None] - 1)
    return Taps(indices=starts[:, None, None] + inside, weights=weights.float())


def _cubic(x: Tensor) -> Tensor:
    """Return Keys' kernel with a = -1/2, which is 0 from 2 on."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def resample(
    parents: Tensor, numbers: Tensor, *, across: Taps, down: Taps, rounded_between: bool
) -> Tensor:
    """Return boxes of some parents, resized and rounded to 8 bits.

    Args:
        parents: (M, 3, H, W) uint8, in any order of memory.
        numbers: (I,) int64, the parent of each result.
        across: taps along the width.
        down: taps along the height.
        rounded_between: whether levels are rounded after the first axis too, as Pillow does.

    Returns:
        (I, 3, px, px) uint8.
    """
    count, _, height, width = parents.shape
    results, px = across.weights.shape[:2]
    columns = parents.permute(0, 3, 1, 2).float().reshape(count * width, 3 * height)
    narrow = _sums(columns, across, numbers * width)
    if rounded_between:
        narrow = narrow.add_(0.5).floor_().clamp_(0, 255)
    rows = narrow.view(results, px, 3, height).permute(0, 3, 2, 1).reshape(-1, 3 * px)
    firsts = torch.arange(results, device=parents.device) * height
    small = _sums(rows, down, firsts).add_(0.5).clamp_(0, 255).to(torch.uint8)
    return small.view(results, px, 3, px).transpose(1, 2).contiguous()


def _sums(table: Tensor, taps: Taps, firsts: Tensor) -> Tensor:
    """Return (I * px, D), the weighted sums of rows of an (R, D) table.

    The indices of result i count from row firsts[i].
    """
    indices = (firsts[:, None, None] + taps.indices).flatten(0, 1)
    weights = taps.weights.flatten(0, 1)
    return functional.embedding_bag(indices, table, per_sample_weights=weights, mode="sum")
