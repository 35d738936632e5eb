"""The optimiser and its schedules."""

from dataclasses import dataclass
from typing import Literal

from dora.config.checks import require_at_least, require_positive, require_share
from dora.config.span import Span


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimiser and the schedules of its figures by step."""

    name: Literal["adamw", "lars"] = "adamw"
    """Released code: AdamW; paper: LARS (row 24)."""
    lr: float = 5e-4
    lr_scaling: Literal["linear", "none"] = "linear"
    """Linear: times clips of a step / 256 (row 26)."""
    min_lr: float = 1e-5
    """Learning rate at the end of the cosine (row 25)."""
    warmup: Span = Span(length=10)
    """Linear warm-up of the learning rate from 0."""
    weight_decay: tuple[float, float] = (0.04, 0.4)
    """First and last value of the cosine; not for biases and one-dimensional parameters."""
    clip_norm: float = 3.0
    """Largest norm of each parameter's own gradient; 0: no clipping."""
    freeze_last_layer: Span = Span(length=1)
    """How long the head's last layer gets no gradient."""
    teacher_momentum: tuple[float, float] = (0.996, 1.0)
    """First and last value of the cosine."""
    teacher_temperature: tuple[float, float] = (0.04, 0.04)
    """First value, and the value after `temperature_warmup` (row 28)."""
    temperature_warmup: Span = Span(length=30)

    def __post_init__(self) -> None:
        require_at_least(
            0, optim__lr=self.lr, optim__min_lr=self.min_lr, optim__clip_norm=self.clip_norm
        )
        for decay, momentum, temperature in zip(
            self.weight_decay, self.teacher_momentum, self.teacher_temperature, strict=True
        ):
            require_at_least(0, optim__weight_decay=decay)
            require_share("optim.teacher_momentum", momentum)
            require_positive(optim__teacher_temperature=temperature)
