"""Which of the refined proposals count as found."""

from dataclasses import dataclass

from torch import Tensor

from analysis.detectors.detic.boxes import suppress_by_class
from wtours import WtoursError


@dataclass(frozen=True, kw_only=True)
class SelectionRule:
    """What is kept of a picture."""

    threshold: float = 0.3
    """Scores above it are kept."""
    one_class_per_proposal: bool = True
    """Whether a region is only what it resembles most; upstream's demo, not its benchmarks."""
    iou: float = 0.5
    """Overlap with a better box of the same class above which one is dropped."""
    kept: int = 300
    """Most boxes of a picture."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise WtoursError(
                f"threshold is {self.threshold}, but scores lie between 0 and 1",
                remedy="give a threshold such as 0.3",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Objects of one picture, best first, in pixels of the resized picture."""

    boxes: Tensor
    """(n, 4)"""
    scores: Tensor
    """(n,)"""
    classes: Tensor
    """(n,) int64"""


def select(
    boxes: Tensor, probabilities: Tensor, proposal_scores: Tensor, rule: SelectionRule
) -> Found:
    """Return what is found: scores are the geometric mean of class and proposal (2103.07461).

    Args:
        boxes: (n, 4) refined and clipped.
        probabilities: (n, C) mean of the stages.
        proposal_scores: (n,)
        rule: what is kept.
    """
    scores = (probabilities * proposal_scores[:, None]).sqrt()
    finite = boxes.isfinite().all(dim=1) & scores.isfinite().all(dim=1)
    wanted = (scores > rule.threshold) & finite[:, None]
    if rule.one_class_per_proposal and len(scores):
        wanted &= scores == scores.max(dim=1, keepdim=True).values
    region, classes = wanted.nonzero().unbind(dim=1)
    boxes, scores = boxes[region], scores[region, classes]
    kept = suppress_by_class(boxes, scores, classes, iou=rule.iou)[: rule.kept]
    return Found(boxes=boxes[kept], scores=scores[kept], classes=classes[kept])
