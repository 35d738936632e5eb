"""Where objects may be: CenterNet's heat map without classes (arXiv:2103.07461)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import nms

from analysis.detectors.detic.pyramid import STRIDES


@dataclass(frozen=True, kw_only=True)
class ProposalRule:
    """Which cells of the heat maps become proposals."""

    heat: float = 1e-4
    """Least heat of a cell, in (0, 1)."""
    cells: int = 1000
    """Most cells of a level, the hottest."""
    iou: float = 0.9
    """Overlap with a hotter proposal above which one is dropped."""
    kept: int = 256
    """Most proposals of a picture; all of equal score at the border stay."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """Boxes of one picture, best first."""

    boxes: Tensor
    """(n, 4) pixels of the resized picture, reaching beyond its edges."""
    scores: Tensor
    """(n,) root of the heat, in (0, 1)."""


class ProposalGenerator(nn.Module):
    """The head under the published name."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.centernet_head = CenterNetHead(width)

    def forward(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return heat (logits) and distances of each level."""
        maps: list[tuple[Tensor, Tensor]] = self.centernet_head(levels)
        return maps


class CenterNetHead(nn.Module):
    """One tower for all levels; a heat map, and distances from a cell to the sides of its box."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(4):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(32, width), nn.ReLU()]
        self.bbox_tower = nn.Sequential(*layers)
        self.bbox_pred = nn.Conv2d(width, 4, 3, padding=1)
        self.agn_hm = nn.Conv2d(width, 1, 3, padding=1)
        self.scales = nn.ModuleList(LearnedScale() for _ in STRIDES)

    def forward(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return for each level (B, 1, H, W) logits and (B, 4, H, W) distances, float32.

        Distances are those to the left, upper, right and lower side, in strides.
        """
        maps = []
        for level, scale in zip(levels, self.scales, strict=True):
            tower = self.bbox_tower(level)
            distances = F.relu(scale(self.bbox_pred(tower).float()))
            maps.append((self.agn_hm(tower).float(), distances))
        return maps


class LearnedScale(nn.Module):
    """One factor, of one level."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, given: Tensor) -> Tensor:
        """Return the given values times the factor."""
        return given * self.scale


def propose(maps: Sequence[tuple[Tensor, Tensor]], picture: int, rule: ProposalRule) -> Proposals:
    """Turn heat maps and distances of one picture of a batch into proposals.

    Boxes are not clipped to the picture: the first stage of the cascade sees them as they are.
    """
    found = [
        _boxes_of_level(heat[picture, 0], distances[picture], stride, rule)
        for (heat, distances), stride in zip(maps, STRIDES, strict=True)
    ]
    boxes = torch.cat([boxes for boxes, _ in found])
    scores = torch.cat([heat for _, heat in found]).sqrt()
    kept = nms(boxes, scores, rule.iou)  # indices, best first
    boxes, scores = boxes[kept], scores[kept]
    if len(scores) > rule.kept:
        stays = scores >= scores[rule.kept - 1]
        boxes, scores = boxes[stays], scores[stays]
    return Proposals(boxes=boxes, scores=scores)


def _boxes_of_level(
    heat_HW: Tensor, distances_4HW: Tensor, stride: int, rule: ProposalRule
) -> tuple[Tensor, Tensor]:
    """Return boxes (n, 4) and heat (n,) of the hottest cells of a level."""
    heat = heat_HW.flatten().sigmoid()
    cells = (heat > rule.heat).nonzero()[:, 0]
    if len(cells) > rule.cells:
        cells = cells[heat[cells].topk(rule.cells).indices]
    columns, rows = cells % heat_HW.shape[1], cells // heat_HW.shape[1]
    centre = torch.stack([columns, rows], dim=1) * stride + stride // 2
    distances = distances_4HW.flatten(1)[:, cells].T * stride
    first, last = centre - distances[:, :2], centre + distances[:, 2:]
    return torch.cat([first, torch.maximum(last, first + 0.01)], dim=1), heat[cells]
