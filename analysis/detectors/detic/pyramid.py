"""Feature pyramid (arXiv:1612.03144): the backbone's three maps to five of one width."""

import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (8, 16, 32, 64, 128)
"""Pixels of the picture a cell, of p3 to p7."""


class FeaturePyramid(nn.Module):
    """The backbone (`bottom_up`) and what makes p3 to p7 of its maps."""

    def __init__(self, bottom_up: nn.Module, widths: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        self.bottom_up = bottom_up
        self.fpn_lateral3, self.fpn_lateral4, self.fpn_lateral5 = (
            nn.Conv2d(width_in, width, 1) for width_in in widths
        )
        self.fpn_output3, self.fpn_output4, self.fpn_output5 = (
            nn.Conv2d(width, width, 3, padding=1) for _ in widths
        )
        self.top_block = CoarseLevels(width)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return p3, p4, p5, p6, p7, each (B, D, H, W), of pictures (B, 3, H, W).

        Sides of the pictures are multiples of 32.
        """
        assert image.shape[-2] % 32 == image.shape[-1] % 32 == 0, "pictures are padded to 32"
        stride8, stride16, stride32 = self.bottom_up(image)
        sum5 = self.fpn_lateral5(stride32)
        # The sums go down, not the outputs.
        sum4 = self.fpn_lateral4(stride16) + F.interpolate(sum5, scale_factor=2.0, mode="nearest")
        sum3 = self.fpn_lateral3(stride8) + F.interpolate(sum4, scale_factor=2.0, mode="nearest")
        p5 = self.fpn_output5(sum5)
        return [self.fpn_output3(sum3), self.fpn_output4(sum4), p5, *self.top_block(p5)]


class CoarseLevels(nn.Module):
    """p6 and p7, for large objects, by strided convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, p5: Tensor) -> tuple[Tensor, Tensor]:
        """Return p6, which stays without ReLU, and p7."""
        p6 = self.p6(p5)
        return p6, self.p7(F.relu(p6))
