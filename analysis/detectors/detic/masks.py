"""Outlines of found objects (Mask R-CNN, arXiv:1703.06870), the same head for every class."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

MASK_POOLED = 14
"""Side of a region's pooled features; the mask has twice as many cells."""


class MaskHead(nn.Module):
    """Pooled features of a region to a mask of 28 x 28 cells."""

    def __init__(self, width: int, width_mask: int) -> None:
        super().__init__()
        self.mask_fcn1 = nn.Conv2d(width, width_mask, 3, padding=1)
        self.mask_fcn2, self.mask_fcn3, self.mask_fcn4 = (
            nn.Conv2d(width_mask, width_mask, 3, padding=1) for _ in range(3)
        )
        self.deconv = nn.ConvTranspose2d(width_mask, width_mask, 2, stride=2)
        self.predictor = nn.Conv2d(width_mask, 1, 1)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return (n, 28, 28) in (0, 1), float32, of (n, D, 14, 14)."""
        inner = pooled
        for layer in (self.mask_fcn1, self.mask_fcn2, self.mask_fcn3, self.mask_fcn4, self.deconv):
            inner = F.relu(layer(inner))
        logits: Tensor = self.predictor(inner)[:, 0]
        return logits.float().sigmoid()


def paste_mask(
    mask: Tensor, box: NDArray[np.float32], height: int, width: int
) -> NDArray[np.bool_]:
    """Return (height, width): which pixels of a picture belong to the object.

    Args:
        mask: (28, 28) over the box, in (0, 1), on the CPU.
        box: (4,) in pixels of the picture, within it and not empty.
        height: of the picture.
        width: of the picture.
    """
    x0, y0, x1, y1 = (float(edge) for edge in box)
    pasted = np.zeros((height, width), dtype=np.bool_)
    # Outside its box a mask falls below one half, so that only the box is sampled.
    rows = torch.arange(math.floor(y0), min(math.ceil(y1), height))
    columns = torch.arange(math.floor(x0), min(math.ceil(x1), width))
    across = (columns + 0.5 - x0) / (x1 - x0) * 2 - 1
    down = (rows + 0.5 - y0) / (y1 - y0) * 2 - 1
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
    values = F.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0]
    pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = (values >= 0.5).numpy()
    return pasted
