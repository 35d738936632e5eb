"""Tracking and the loss."""

from dataclasses import dataclass
from typing import Literal

from dora.config.checks import require, require_positive, require_share


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Objects discovered in the first frame and followed through the clip."""

    objects: int = 3
    """Object prototypes (K), each from one attention head."""
    heads_drawn: Literal["batch", "clip"] = "batch"
    """Draw heads once for the clips of a process, or for each clip (row 15)."""
    attention_scale: Literal["head", "width"] = "head"
    """Scale of the attention in Eq. 1: by the head's width, or by the embedding's (row 8)."""
    sinkhorn: bool = True
    """Refine the prototypes by optimal transport (Eqs. 4-5), or track as they are (Eq. 3)."""
    epsilon: float = 0.05
    """Entropic regulariser."""
    iterations: int = 30
    tokens: Literal["normalised", "raw"] = "normalised"
    """Z in Eqs. 4-5: after the final LayerNorm, with or without an L2 norm (row 10)."""
    plan_mass: Literal["patches", "one"] = "patches"
    """Total mass of the plan: the number of patches, or 1 (row 12)."""
    mask: Literal["binary", "soft", "blocks"] = "binary"
    """Above the threshold, or the attention itself (row 5); or random blocks (Table 2c)."""
    threshold: Literal["batch", "clip"] = "batch"
    """Scope of the mean that binary masks are compared with (row 6)."""
    scope: Literal["process", "global"] = "process"
    """What `batch` means in `heads_drawn` and `threshold`: clips of a process, or of the step."""
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    """From patches to pixels (row 7)."""

    def __post_init__(self) -> None:
        require(
            self.objects >= 1,
            f"tracker.objects is {self.objects}",
            "use at least 1; the paper uses 3",
        )
        require_positive(tracker__epsilon=self.epsilon)
        require(
            self.iterations >= 1,
            f"tracker.iterations is {self.iterations}",
            "use 30, as the released code",
        )


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Distillation from teacher to student (Eqs. 8-10)."""

    pairs: Literal["same", "cross"] = "same"
    """Teacher on u and masked student on v: the same view, or two different ones (row 2)."""
    skip_first_crop: bool = True
    """Leave local crop 0 out, as the released code does (row 3)."""
    reduction: Literal["mean", "sum"] = "mean"
    """Means, each times a half, or the printed sums over pairs, objects and crops (row 4)."""
    carry_frame_sum: bool = True
    """Carry the frame sum of object j into object j + 1, as the released code does (row 4)."""
    student_temperature: float = 0.1
    centre_momentum: float = 0.9

    def __post_init__(self) -> None:
        require_positive(loss__student_temperature=self.student_temperature)
        require_share("loss.centre_momentum", self.centre_momentum)
