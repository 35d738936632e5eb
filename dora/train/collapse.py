"""Collapse: the teacher says the same of every image, or nothing of any, and the loss is no guide.

Judged by means over many steps, because the figures of one step are noisy where batches are small.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

UNIFORM = 0.95
"""Share of log P from which on the entropy of a target counts as that of no opinion.

Runs on a drive that had learned little stayed at 0.85 to 0.9.
"""
FEWEST_OUTPUTS = 4.0
"""Outputs in use for a batch, exp(log P - KL), below which targets count as one and the same.

A run that had collapsed on a small walk used 2 to 3 for 16 images.
"""
ALIKE = 0.05
"""Share of the largest possible feature_std, D^-1/2, below which images look alike.

Runs in order showed 0.3 to 0.8, with dips to 0.1 at their start.
"""
WATCHED = ("teacher_entropy", "teacher_kl_to_uniform", "feature_std")


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """What was found, in words."""

    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"


class CollapseWatch:
    """Told of every step, it says once of each kind of collapse that it has come.

    Args:
        outputs: P.
        width: D.
        images: in the teacher's batch of one process; few cannot use many outputs.
        steps: over whose mean is judged.
        first_step: the first that counts; the warm-up comes before.
    """

    def __init__(
        self, *, outputs: int, width: int, images: int, steps: int, first_step: int
    ) -> None:
        self.outputs, self.width, self.steps = outputs, width, steps
        self.first_step = first_step
        self.fewest = min(FEWEST_OUTPUTS, images / 4)
        self._last: deque[tuple[float, ...]] = deque(maxlen=steps)
        self._said: set[str] = set()

    def after(self, step: int, figures: Mapping[str, float]) -> Collapse | None:
        """Note the figures of a step; return what has newly collapsed with it.

        Args:
            step: counted from 0.
            figures: means over all processes, so that these come to the same end.
        """
        if step < self.first_step:
            return None
        self._last.append(tuple(figures[name] for name in WATCHED))
        if len(self._last) < self.steps:
            return None
        means = [sum(values) / self.steps for values in zip(*self._last, strict=True)]
        for kind, found in self._judge(*means).items():
            if kind not in self._said:
                self._said.add(kind)
                over = f"over the {self.steps} steps up to {step}"
                return Collapse(message=f"collapse: {found[0]} {over}", remedy=found[1])
        return None

    def _judge(self, entropy: float, kl: float, spread: float) -> dict[str, tuple[str, str]]:
        largest = math.log(self.outputs)
        used = math.exp(largest - kl)
        found = {}
        if used < self.fewest:
            found["constant"] = (
                f"the teacher's targets use {used:.1f} of {self.outputs} outputs for a whole batch "
                f"(teacher_kl_to_uniform {kl:.2f} of at most {largest:.2f} nats)",
                "try a higher teacher temperature (optim.teacher_temperature), a lower learning "
                "rate (--set optim.lr=...), or more and more varied clips in a batch",
            )
        if entropy > UNIFORM * largest:
            found["uniform"] = (
                f"the teacher's targets are all but uniform (teacher_entropy {entropy:.2f} of at "
                f"most {largest:.2f} nats)",
                "try a lower teacher temperature (optim.teacher_temperature), or a lower learning "
                "rate (--set optim.lr=...)",
            )
        if spread < ALIKE * self.width**-0.5:
            found["alike"] = (
                f"all images have as good as the same features (feature_std {spread:.2g})",
                "try a lower learning rate (--set optim.lr=...) or a longer warm-up "
                "(--set optim.warmup.length=...)",
            )
        return found
