"""One training step on one screen, and the loop around it."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import RunConfig
from dora.data.views import Views
from dora.errors import DoraError
from dora.methods import dino_step, dora
from dora.methods.step import MethodState, StepOutcome, StepPlace
from dora.model.pair import Pair
from dora.train.checkpoint import Checkpoint
from dora.train.distributed import average_gradients, mean_over_ranks
from dora.train.optimizer import (
    build_optimizer,
    clip_each,
    drop_last_layer_gradients,
    set_step_values,
)
from dora.train.schedule import Schedules


class Trainer:
    """Student, teacher, optimiser and what the method carries from step to step.

    Args:
        config: the run.
        schedules: lr, decay, momentum and temperature of every step.
        device: where the networks live.
        data: digest of the clips that the run is trained on.
    """

    def __init__(
        self, config: RunConfig, *, schedules: Schedules, device: torch.device, data: str
    ) -> None:
        self.config = config
        self.schedules = schedules
        self.device = device
        self.data = data
        # The initial weights are drawn on the CPU, whatever the device.
        torch.manual_seed(config.seed)
        self.pair = Pair(config.model, config.head).to(device)
        self.optimizer = build_optimizer(self.pair.student, config.optim)
        self.method = MethodState(centre=torch.zeros(config.head.outputs, device=device))
        self.scaler = torch.amp.GradScaler(device.type, enabled=self._half() is torch.float16)
        self.step = 0

    def train_step(self, views: Views) -> dict[str, Tensor]:
        """Do one step on this process's clips; return its figures, still on the device."""
        values = self.schedules.at(self.step)
        set_step_values(self.optimizer, lr=values.lr, weight_decay=values.weight_decay)
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            outcome = self._step_loss(views, teacher_temperature=values.teacher_temperature)
        torch.autograd.backward(self.scaler.scale(outcome.loss))
        # Averaged before unscaling, so that all ranks agree on whether a step overflowed.
        average_gradients(self.pair.student.parameters())
        self.scaler.unscale_(self.optimizer)
        grad_norm = clip_each(self.pair.student.parameters(), self.config.optim.clip_norm)
        if values.last_layer_frozen:
            drop_last_layer_gradients(self.pair.student)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.pair.update_teacher(values.teacher_momentum)
        self.method = MethodState(centre=outcome.centre)
        self.step += 1
        return {"loss": outcome.loss.detach(), "grad_norm": grad_norm, **outcome.figures}

    def checkpoint(self) -> Checkpoint:
        """Return everything that a later process needs to go on from here."""
        return Checkpoint(
            config=self.config,
            step=self.step,
            data=self.data,
            student=self.pair.student.state_dict(),
            teacher=self.pair.teacher.state_dict(),
            optimizer=self.optimizer.state_dict(),
            centre=self.method.centre,
            scaler=self.scaler.state_dict(),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint of the same configuration was made."""
        self.pair.student.load_state_dict(checkpoint.student)
        self.pair.teacher.load_state_dict(checkpoint.teacher)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        if checkpoint.scaler:  # empty where the run began without, on a CPU
            self.scaler.load_state_dict(checkpoint.scaler)
        self.method = MethodState(centre=checkpoint.centre.to(self.device))
        self.step = checkpoint.step

    def _step_loss(self, views: Views, *, teacher_temperature: float) -> StepOutcome:
        config = self.config
        place = StepPlace(
            seed=config.seed,
            batch_clips=config.data.batch_clips,
            teacher_temperature=teacher_temperature,
        )
        drop_path = config.model.drop_path
        if config.method == "dino":
            return dino_step.step_loss(
                self.pair, views, self.method, config=config.loss, drop_path=drop_path, place=place
            )
        return dora.step_loss(
            self.pair,
            views,
            self.method,
            config=config.loss,
            tracker=config.tracker,
            drop_path=drop_path,
            place=place,
        )

    def _half(self) -> torch.dtype | None:
        if self.device.type != "cuda":
            return None
        return {"fp16": torch.float16, "bf16": torch.bfloat16, "float32": None}[
            self.config.precision
        ]

    def _autocast(self) -> torch.autocast | nullcontext[None]:
        half = self._half()
        return nullcontext() if half is None else torch.autocast(self.device.type, dtype=half)


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What one step leaves for the log."""

    step: int
    figures: dict[str, float]


def run_steps(trainer: Trainer, batches: Iterable[Views]) -> Iterator[StepRecord]:
    """Do a step on every batch, and yield its figures, which are means over all processes.

    Raises:
        DoraError: the loss or a gradient is not a number; nothing of that step is to be saved.
    """
    batches = iter(batches)
    while True:
        started = time.perf_counter()
        views = next(batches, None)
        if views is None:
            return
        waited_s = time.perf_counter() - started
        step = trainer.step
        values = trainer.schedules.at(step)
        device_figures = trainer.train_step(views.to(trainer.device, non_blocking=True))
        joined = mean_over_ranks(torch.stack([value.float() for value in device_figures.values()]))
        figures = dict(zip(device_figures, joined.tolist(), strict=True))
        if trainer.scaler.is_enabled():
            figures["loss_scale"] = trainer.scaler.get_scale()
        _require_finite(figures, step=step)
        yield StepRecord(
            step=step,
            figures=figures
            | {
                "epoch": step / trainer.schedules.steps_per_epoch,
                "lr": values.lr,
                "weight_decay": values.weight_decay,
                "teacher_momentum": values.teacher_momentum,
                "teacher_temperature": values.teacher_temperature,
                "data_wait_s": waited_s,
                "step_s": time.perf_counter() - started,
            },
        )


def _require_finite(figures: dict[str, float], *, step: int) -> None:
    """Refuse to go on from numbers that are none.

    With loss scaling, a gradient that is none is no fault: its step was left out, and the scale
    lowered.
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
