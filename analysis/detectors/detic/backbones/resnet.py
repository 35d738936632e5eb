"""ResNet with bottlenecks (arXiv:1512.03385), the stride on the 3 x 3 convolution."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ResNetSizes:
    """Sizes of a bottleneck ResNet; the defaults are ResNet-50."""

    stem: int = 64
    """Channels of the first convolution."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of the 3 x 3 convolutions a stage; four times as many come out."""
    depths: tuple[int, ...] = (3, 4, 6, 3)
    """Blocks a stage."""

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Channels of the three maps that come out."""
        return tuple(4 * width for width in self.widths[1:])


class ResNetBackbone(nn.Module):
    """The network under the name `base`, as in the published keys."""

    def __init__(self, sizes: ResNetSizes) -> None:
        super().__init__()
        self.base = ResNet(sizes)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return maps (B, D, H, W) at strides 8, 16, 32 of pictures (B, 3, H, W)."""
        maps: list[Tensor] = self.base(image)
        return maps


class ResNet(nn.Module):
    """Stem and four stages; the classifier of its pretraining is left out."""

    def __init__(self, sizes: ResNetSizes) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, sizes.stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = FrozenBatchNorm(sizes.stem)
        widths_in = (sizes.stem, *(4 * width for width in sizes.widths))
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(widths_in[i], width, depth, stride=1 if i == 0 else 2)
            for i, (width, depth) in enumerate(zip(sizes.widths, sizes.depths, strict=True))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps of the last three stages."""
        stem = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, stride=2, padding=1)
        stride8 = self.layer2(self.layer1(stem))
        stride16 = self.layer3(stride8)
        return [stride8, stride16, self.layer4(stride16)]


def _stage(width_in: int, width: int, depth: int, *, stride: int) -> nn.Sequential:
    """Return blocks of which the first changes width and resolution."""
    first = Bottleneck(width_in, width, stride=stride)
    rest = (Bottleneck(4 * width, width, stride=1) for _ in range(depth - 1))
    return nn.Sequential(first, *rest)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut."""

    def __init__(self, width_in: int, width: int, *, stride: int) -> None:
        super().__init__()
        width_out = 4 * width
        self.conv1 = nn.Conv2d(width_in, width, 1, bias=False)
        self.bn1 = FrozenBatchNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = FrozenBatchNorm(width)
        self.conv3 = nn.Conv2d(width, width_out, 1, bias=False)
        self.bn3 = FrozenBatchNorm(width_out)
        self.downsample: nn.Module | None = None
        if stride > 1 or width_in != width_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(width_in, width_out, 1, stride=stride, bias=False),
                FrozenBatchNorm(width_out),
            )

    def forward(self, given: Tensor) -> Tensor:
        """Return the map, half as large where the block has a stride."""
        shortcut = given if self.downsample is None else self.downsample(given)
        inner = F.relu(self.bn1(self.conv1(given)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        return F.relu(self.bn3(self.conv3(inner)) + shortcut)


class FrozenBatchNorm(nn.Module):
    """Batch norm whose four vectors are constants."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.zeros(width))

    def forward(self, given: Tensor) -> Tensor:
        """Return the map, normalised."""
        return F.batch_norm(
            given, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-5
        )
