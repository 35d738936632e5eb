"""Three box heads in a row (Cascade R-CNN, arXiv:1712.00726), each refining the one before."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from analysis.detectors.detic.boxes import clip_boxes, refine_boxes
from analysis.detectors.detic.classifier import RegionEmbedding
from analysis.detectors.detic.masks import MaskHead

DELTA_WEIGHTS = ((10.0, 5.0), (20.0, 10.0), (30.0, 15.0))
"""Factors of shifts and of log scales in the output of each stage."""
POOLED = 7
"""Side of a region's pooled features."""


class Cascade(nn.Module):
    """The heads that see regions, under the published names."""

    def __init__(
        self, *, width: int, width_box: int, width_embedding: int, width_mask: int
    ) -> None:
        super().__init__()
        self.box_head = nn.ModuleList(BoxHead(width, width_box) for _ in DELTA_WEIGHTS)
        self.box_predictor = nn.ModuleList(
            BoxPredictor(width_box, width_embedding) for _ in DELTA_WEIGHTS
        )
        self.mask_head = MaskHead(width, width_mask)

    def forward(
        self,
        levels: Sequence[Tensor],
        proposals: Sequence[Tensor],
        classifier: Tensor,
        size: tuple[int, int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each picture refined boxes (n, 4) and class probabilities (n, C).

        Args:
            levels: p3, p4, p5 of the batch, float32.
            proposals: boxes of each picture.
            classifier: (E, C).
            size: height and width of the resized pictures without their padding.
        """
        counts = [len(boxes) for boxes in proposals]
        picture = torch.repeat_interleave(torch.tensor(counts)).to(levels[0].device)
        boxes, total = torch.cat(list(proposals)), None
        for stage, weights in enumerate(DELTA_WEIGHTS):
            if stage > 0:  # the proposals themselves are not clipped
                boxes = clip_boxes(boxes, *size)
            pooled = pool_regions(levels, boxes, picture, side=POOLED)
            probabilities, deltas = self.run_stage(stage, pooled, classifier)
            boxes = refine_boxes(boxes, deltas, weights=weights)
            total = probabilities if total is None else total.add_(probabilities)
        assert total is not None
        mean = total.div_(len(DELTA_WEIGHTS))
        boxes = clip_boxes(boxes, *size)
        return list(torch.split(boxes, counts)), list(torch.split(mean, counts))

    def run_stage(self, stage: int, pooled: Tensor, classifier: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (n, C) and deltas (n, 4) of pooled regions, float32."""
        features = self.box_head[stage](pooled)
        with torch.autocast(features.device.type, enabled=False):
            probabilities, deltas = self.box_predictor[stage](features.float(), classifier)
        return probabilities, deltas


class BoxHead(nn.Module):
    """Two layers over the pooled features of a region."""

    def __init__(self, width: int, width_box: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width * POOLED**2, width_box)
        self.fc2 = nn.Linear(width_box, width_box)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return (n, D') of (n, D, 7, 7)."""
        return F.relu(self.fc2(F.relu(self.fc1(pooled.flatten(1)))))


class BoxPredictor(nn.Module):
    """Class and refinement of a region."""

    def __init__(self, width: int, width_embedding: int) -> None:
        super().__init__()
        self.cls_score = RegionEmbedding(width, width_embedding)
        self.bbox_pred = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))

    def forward(self, features: Tensor, classifier: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (n, C) and deltas (n, 4), the same for every class."""
        return self.cls_score(features, classifier), self.bbox_pred(features)


def pool_regions(levels: Sequence[Tensor], boxes: Tensor, picture: Tensor, *, side: int) -> Tensor:
    """Return (n, D, side, side): features of each box, from the level that fits its size.

    RoIAlign (arXiv:1703.06870) with half-pixel alignment and as many samples as a bin has cells.

    Args:
        levels: p3, p4, p5 as (B, D, H, W) float32.
        boxes: (n, 4) of all pictures of the batch.
        picture: (n,) which picture of the batch a box belongs to.
        side: bins along each axis.
    """
    regions = torch.cat([picture[:, None].to(boxes.dtype), boxes], dim=1)
    level = level_of_box(boxes)
    pooled = boxes.new_zeros((len(boxes), levels[0].shape[1], side, side))
    for number, features in enumerate(levels, start=3):
        here = (level == number).nonzero()[:, 0]
        pooled[here] = roi_align(
            features, regions[here], side, 0.5**number, sampling_ratio=0, aligned=True
        )
    return pooled


def level_of_box(boxes: Tensor) -> Tensor:
    """Return (n,) 3, 4 or 5: a box of 224 pixels belongs to p4 (arXiv:1612.03144, Eq. 1)."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return torch.floor(4 + torch.log2(area.sqrt() / 224 + 1e-8)).clamp(3, 5)
