"""Numbers that are none: where a run is to stop before it saves them."""

import math
from collections.abc import Mapping

from dora.errors import DoraError

LOWEST_SCALE = 2.0**-10
"""Of fp16 losses; it begins at 2^16 and halves at every step whose gradients overflow."""


def require_finite(figures: Mapping[str, float], *, step: int) -> None:
    """Refuse to go on from numbers that are none.

    With loss scaling, a gradient that is none is no fault: its step was left out, and the scale
    lowered. Where every step is left out, the scale sinks without end.

    Args:
        figures: of the step, as the log has them.
        step: its number.

    Raises:
        DoraError: the loss, a gradient, or all gradients for long.
    """
    watched = {"loss": "loss", "grad_norm": "norm of the gradients"}
    if "loss_scale" in figures:
        del watched["grad_norm"]
    for name, words in watched.items():
        if not math.isfinite(figures[name]):
            raise DoraError(
                f"the {words} of step {step} is {figures[name]}",
                remedy="lower the learning rate (--set optim.lr=...) or set precision=float32; the "
                "last checkpoint is from before it",
            )
    if figures.get("loss_scale", 1.0) < LOWEST_SCALE:
        raise DoraError(
            f"the loss scale of step {step} has sunk to {figures['loss_scale']:.2g}: no gradient "
            "is a number any more",
            remedy="set precision=bf16 or float32, or lower the learning rate (--set optim.lr=...)",
        )
