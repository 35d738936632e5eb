"""One training step on one screen, and the loop around it."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import RunConfig
from dora.data.views import Views
from dora.errors import DoraError
from dora.methods import dino_step, dora
from dora.methods.step import Lesson, MethodState, StepPlace, Taught
from dora.model.pair import Pair
from dora.train.checkpoint import Checkpoint
from dora.train.distributed import reduction, with_shared_gradients, world_size
from dora.train.figures import FiguresOnTheWay
from dora.train.finite import require_finite
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

    Raises:
        DoraError: a process has fewer clips than `compute.accumulate` asks parts of.
    """

    def __init__(
        self, config: RunConfig, *, schedules: Schedules, device: torch.device, data: str
    ) -> None:
        _require_a_clip_a_part(config)
        self.config = config
        self.schedules = schedules
        self.device = device
        self.data = data
        # The initial weights are drawn on the CPU, whatever the device.
        torch.manual_seed(config.seed)
        self.pair = Pair(config.model, config.head).to(device)
        self.pair.student.backbone.recompute = config.compute.checkpoint
        if config.compute.compile:
            # One program for each size of crops: those for any size are slower.
            self.pair.student.backbone.compile(dynamic=False)
            self.pair.teacher.backbone.compile(dynamic=False)
        self.student = with_shared_gradients(self.pair.student)
        self._settled = self.student is self.pair.student
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
            taught = self._teach(views, teacher_temperature=values.teacher_temperature)
        loss = self._learn(taught.lesson)
        self.scaler.unscale_(self.optimizer)
        grad_norm = clip_each(self.pair.student.parameters(), self.config.optim.clip_norm)
        if values.last_layer_frozen:
            drop_last_layer_gradients(self.pair.student)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.pair.update_teacher(values.teacher_momentum)
        self.method = MethodState(centre=taught.centre)
        self.step += 1
        return {"loss": loss, "grad_norm": grad_norm, **taught.figures, **self._loss_scale(loss)}

    def _learn(self, lesson: Lesson) -> Tensor:
        """Compute the gradients of a lesson's loss, part by part; return the loss.

        Those of several processes are averaged with the last part, before unscaling, so that all
        agree on whether a step overflowed.
        """
        parts = lesson.parts(self.config.compute.accumulate)
        if not self._settled:
            self._settle(parts[0])
        total = torch.zeros((), device=self.device)
        for part in parts:
            with reduction(self.student, now=part is parts[-1]):
                with self._autocast():
                    loss = self._student_loss(part) * (part.views.clips / lesson.views.clips)
                torch.autograd.backward(self.scaler.scale(loss))
            total += loss.detach()
        return total

    def _settle(self, part: Lesson) -> None:
        """Learn from a part in vain, in a process of several that begins or goes on.

        Thereby they agree in which order gradients are reduced. The last bit of a sum depends on
        it, and the first steps after a stop would be others than in an unbroken run.
        """
        buffers = [buffer.clone() for buffer in self.pair.student.buffers()]
        for _ in range(2):  # DDP learns the graph in the first pass, the order in the second
            with reduction(self.student, now=True):
                with self._autocast():
                    loss = self._student_loss(part)
                torch.autograd.backward(loss)
            self.optimizer.zero_grad(set_to_none=True)
        for buffer, before in zip(self.pair.student.buffers(), buffers, strict=True):
            buffer.copy_(before)
        self._settled = True

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

    def _teach(self, views: Views, *, teacher_temperature: float) -> Taught:
        config, teacher = self.config, self.pair.teacher
        place = StepPlace(
            seed=config.seed,
            batch_clips=config.data.batch_clips,
            teacher_temperature=teacher_temperature,
        )
        if config.method == "dino":
            return dino_step.teach(teacher, views, self.method, config=config.loss, place=place)
        return dora.teach(
            teacher, views, self.method, config=config.loss, tracker=config.tracker, place=place
        )

    def _student_loss(self, lesson: Lesson) -> Tensor:
        config = self.config
        if config.method == "dino":
            return dino_step.student_loss(
                self.student, lesson, config=config.loss, model=config.model, seed=config.seed
            )
        return dora.student_loss(
            self.student,
            lesson,
            config=config.loss,
            tracker=config.tracker,
            model=config.model,
            seed=config.seed,
            visible_only=config.compute.student_tokens == "visible",
        )

    def _loss_scale(self, loss: Tensor) -> dict[str, Tensor]:
        if not self.scaler.is_enabled():
            return {}
        return {"loss_scale": self.scaler.scale(torch.ones_like(loss))}  # get_scale would wait

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
    stop: bool = False
    """Whether any process was asked to stop before the step's end."""


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A step whose figures are still to be read."""

    step: int
    started_s: float
    waited_s: float
    figures: FiguresOnTheWay


def run_steps(
    trainer: Trainer,
    batches: Iterable[Views],
    *,
    asked: Callable[[], bool] = lambda: False,
    due: Callable[[int], bool] = lambda steps: False,
    behind: int | None = None,
) -> Iterator[StepRecord]:
    """Do a step on every batch, and yield its figures, which are means over all processes.

    On a GPU a step's figures are read when the next one has begun, so that the GPU never waits for
    the host. Where all of them are needed, none is left: `record.step + 1 == trainer.step`.

    Args:
        trainer: before the step of the first batch.
        batches: of this process.
        asked: whether this process was asked to stop; all stop after the same step, of which the
            figures are read.
        due: told of a number of steps done, says whether the figures of all of them are needed.
        behind: steps that may begin before a step's figures are read; by default 1 on a GPU.

    Raises:
        DoraError: the loss or a gradient is not a number; nothing of that step is to be saved.
    """
    if behind is None:
        behind = 1 if trainer.device.type == "cuda" else 0
    begun: deque[_Begun] = deque()
    read_s = 0.0
    stopping = False
    batches = iter(batches)
    while not stopping:
        started_s = time.perf_counter()
        views = next(batches, None)
        if views is None:
            break
        waited_s = time.perf_counter() - started_s
        step = trainer.step
        figures = trainer.train_step(views.to(trainer.device, non_blocking=True))
        on_the_way = FiguresOnTheWay(figures, stop=asked())
        begun.append(_Begun(step=step, started_s=started_s, waited_s=waited_s, figures=on_the_way))
        left = 0 if due(trainer.step) else behind
        while len(begun) > (0 if stopping else left):
            record, read_s = _read(trainer, begun.popleft(), since_s=read_s)
            yield record
            stopping |= record.stop or (world_size() == 1 and asked())
    while begun:
        record, read_s = _read(trainer, begun.popleft(), since_s=read_s)
        yield record


def _read(trainer: Trainer, begun: _Begun, *, since_s: float) -> tuple[StepRecord, float]:
    """Return a step's record, and when it was there; it took the time since the one before."""
    figures, stop = begun.figures.read()
    now_s = time.perf_counter()
    require_finite(figures, step=begun.step)
    values = trainer.schedules.at(begun.step)
    figures |= {
        "epoch": begun.step / trainer.schedules.steps_per_epoch,
        "lr": values.lr,
        "weight_decay": values.weight_decay,
        "teacher_momentum": values.teacher_momentum,
        "teacher_temperature": values.teacher_temperature,
        "data_wait_s": begun.waited_s,
        "step_s": now_s - max(begun.started_s, since_s),
    }
    return StepRecord(step=begun.step, figures=figures, stop=stop), now_s


def _require_a_clip_a_part(config: RunConfig) -> None:
    clips, parts = config.data.batch_clips // world_size(), config.compute.accumulate
    if clips < parts:
        raise DoraError(
            f"compute.accumulate is {parts}, but a process has {clips} clips a step",
            remedy=f"set compute.accumulate to {clips} or less, or raise data.batch_clips",
        )
