"""Stretches of training time."""

import math
from dataclasses import dataclass
from typing import Literal

from dora.config.checks import require


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch at the start of training: a number of epochs, or a share of the whole run."""

    length: float
    """Epochs, or a share in [0, 1]."""
    unit: Literal["epochs", "share"] = "epochs"

    def __post_init__(self) -> None:
        require(
            0 <= self.length < math.inf, f"a span of {self.length} {self.unit}", "use 0 or more"
        )
        require(
            self.unit == "epochs" or self.length <= 1,
            f"a span is {self.length} of the run",
            "a share lies between 0 and 1",
        )

    def steps(self, *, steps_per_epoch: int, total_steps: int) -> int:
        """Return the span in optimiser steps."""
        whole = steps_per_epoch if self.unit == "epochs" else total_steps
        return round(self.length * whole)
