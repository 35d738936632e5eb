"""How a step is computed."""

from dataclasses import dataclass
from typing import Literal

from dora.config.checks import require_at_least


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """What changes speed and memory and not the method, but for `student_tokens`."""

    accumulate: int = 1
    """Parts in which the student learns from a process's clips, one after another: gradients are
    those of all clips, activations those of a part."""
    checkpoint: bool = False
    """Keep only the inputs of the student's blocks, and compute each block again for its gradient.
    """
    compile: bool = False
    """Compile the backbones with torch.compile: the first step takes minutes."""
    student_tokens: Literal["all", "visible"] = "all"
    """What the student reads of a masked frame: all of its patches (published), or those alone that
    are not hidden. `visible` is not the published method, in which hidden patches are read as the
    mean colour. On a GPU it also waits once for each part of a step, to learn how many they are."""

    def __post_init__(self) -> None:
        require_at_least(1, compute__accumulate=self.accumulate)
