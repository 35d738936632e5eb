"""Learning rate, weight decay, teacher momentum and temperature, and freezing, by step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dora.config import OptimConfig, Span
from dora.errors import ConfigError

BATCH_OF_LR = 256
"""Clips for which a linearly scaled learning rate is stated."""


@dataclass(frozen=True, kw_only=True)
class StepValues:
    """The figures of one step."""

    lr: float
    weight_decay: float
    teacher_momentum: float
    teacher_temperature: float
    last_layer_frozen: bool


@dataclass(frozen=True, kw_only=True)
class Schedules:
    """The figures of every step of a run; float64, one entry a step."""

    lr: NDArray[np.float64]
    weight_decay: NDArray[np.float64]
    teacher_momentum: NDArray[np.float64]
    teacher_temperature: NDArray[np.float64]
    frozen_steps: int
    """Steps at the start in which the head's last layer gets no gradient."""
    steps_per_epoch: int

    @classmethod
    def build(
        cls, optim: OptimConfig, *, steps_per_epoch: int, epochs: int, batch_clips: int
    ) -> "Schedules":
        """Return the schedules of a run.

        Args:
            optim: values and spans.
            steps_per_epoch: optimiser steps.
            epochs: of the run.
            batch_clips: clips of a step over all processes, by which the learning rate is scaled.

        Raises:
            ConfigError: a warm-up is longer than the run.
        """
        steps = steps_per_epoch * epochs
        scale = batch_clips / BATCH_OF_LR if optim.lr_scaling == "linear" else 1.0
        warmup_steps = _warmup_steps(optim.warmup, steps_per_epoch=steps_per_epoch, steps=steps)
        return cls(
            lr=cosine(optim.lr * scale, optim.min_lr, steps=steps, warmup_steps=warmup_steps),
            weight_decay=cosine(*optim.weight_decay, steps=steps),
            teacher_momentum=cosine(*optim.teacher_momentum, steps=steps),
            teacher_temperature=_temperatures(
                optim, steps_per_epoch=steps_per_epoch, epochs=epochs
            ),
            frozen_steps=optim.freeze_last_layer.steps(
                steps_per_epoch=steps_per_epoch, total_steps=steps
            ),
            steps_per_epoch=steps_per_epoch,
        )

    @property
    def steps(self) -> int:
        """Return the steps of the run."""
        return len(self.lr)

    def at(self, step: int) -> StepValues:
        """Return the figures of a step, counted from 0."""
        assert 0 <= step < self.steps, f"step {step} of {self.steps}"
        return StepValues(
            lr=float(self.lr[step]),
            weight_decay=float(self.weight_decay[step]),
            teacher_momentum=float(self.teacher_momentum[step]),
            teacher_temperature=float(self.teacher_temperature[step]),
            last_layer_frozen=step < self.frozen_steps,
        )


def cosine(
    first: float, last: float, *, steps: int, warmup_steps: int = 0, warmup_from: float = 0.0
) -> NDArray[np.float64]:
    """Return a half cosine from `first` to `last` after a linear warm-up, (steps,).

    As published: the warm-up reaches `first` on its own last step, the cosine begins there again
    and stops one step short of `last`.
    """
    assert warmup_steps <= steps, f"a warm-up of {warmup_steps} steps in a run of {steps}"
    warmup = np.linspace(warmup_from, first, warmup_steps)
    progress = np.arange(steps - warmup_steps) / max(1, steps - warmup_steps)
    return np.concatenate([warmup, last + 0.5 * (first - last) * (1 + np.cos(np.pi * progress))])


def ramp(first: float, last: float, *, length: int, warmup: int) -> NDArray[np.float64]:
    """Return a linear rise over `warmup` entries, then `last`, (length,)."""
    rise = np.linspace(first, last, warmup)
    return np.concatenate([rise, np.full(max(0, length - warmup), last)])[:length]


def _warmup_steps(warmup: Span, *, steps_per_epoch: int, steps: int) -> int:
    warmup_steps = warmup.steps(steps_per_epoch=steps_per_epoch, total_steps=steps)
    if warmup_steps > steps:
        raise ConfigError(
            f"optim.warmup lasts {warmup.length:g} epochs, longer than the run of "
            f"{steps // steps_per_epoch}",
            remedy="train for more epochs, or shorten optim.warmup",
        )
    return warmup_steps


def _temperatures(optim: OptimConfig, *, steps_per_epoch: int, epochs: int) -> NDArray[np.float64]:
    """Return the teacher's temperature by step: constant within an epoch where it is in epochs."""
    first, last = optim.teacher_temperature
    warmup = optim.temperature_warmup
    steps = steps_per_epoch * epochs
    if first == last:
        return np.full(steps, last)
    if warmup.unit == "share":
        warmup_steps = warmup.steps(steps_per_epoch=steps_per_epoch, total_steps=steps)
        return ramp(first, last, length=steps, warmup=warmup_steps)
    if warmup.length > epochs or not float(warmup.length).is_integer():
        raise ConfigError(
            f"optim.temperature_warmup lasts {warmup.length:g} epochs in a run of {epochs}, but "
            "the temperature changes from epoch to epoch",
            remedy=f"set it to a whole number up to {epochs}, or give it as a share of the run",
        )
    by_epoch = ramp(first, last, length=epochs, warmup=int(warmup.length))
    return np.repeat(by_epoch, steps_per_epoch)
