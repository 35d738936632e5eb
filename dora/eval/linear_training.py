"""The training of a linear probe: steps, validation after each epoch, and a state to go on from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from rich.progress import Progress, TaskID
from torch import Tensor

from dora.errors import DoraError
from dora.eval.computing import Computing
from dora.eval.kept_training import Clock, StateFile
from dora.eval.linear_data import ProbeData, steps_of_epoch
from dora.eval.linear_heads import HeadBank
from dora.eval.linear_settings import LinearSettings
from dora.eval.networks import Frozen
from dora.eval.sharing import share_chunk
from dora.train.distributed import rank


@dataclass(kw_only=True)
class Curves:
    """How far the training is, and what it came to after each epoch."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done of the next one."""
    seconds: float = 0.0
    """Spent, over all runs."""
    hits: list[list[list[float]]] = field(default_factory=list)
    """Shares right at top 1 and at top 5, by epoch and head."""
    losses: list[list[float]] = field(default_factory=list)
    """Mean loss of the training pictures, by epoch and head."""
    loss_sums: list[float] = field(default_factory=list)
    """Of the epoch under way: losses times pictures, by head."""


def train_heads(
    network: Frozen,
    banks: Sequence[HeadBank],
    data: ProbeData,
    *,
    settings: LinearSettings,
    computing: Computing,
    about: Mapping[str, object],
) -> Curves:
    """Train all heads to the end of the schedule; return their curves.

    Args:
        network: the frozen one, on the device.
        banks: the heads, as they begin.
        data: what they are shown.
        settings: of the schedule.
        computing: where and how; its cache keeps the state.
        about: all that the heads depend on; a state is found again by it.
    """
    state = None
    if computing.cache is not None:
        state = StateFile.of(about, cache=computing.cache, name="linear", training="linear probe")
    curves = _go_on(state, banks)
    bar = _Bar.start(computing, data, settings=settings, curves=curves)
    clock, was_done = Clock(before=curves.seconds), curves.epoch == settings.epochs
    for epoch in range(curves.epoch, settings.epochs):
        for features, labels in steps_of_epoch(
            network,
            data,
            epoch=epoch,
            first_step=curves.step,
            step_pictures=settings.step_pictures,
            seed=settings.seed,
            kind=settings.kind,
            computing=computing,
        ):
            losses = _step(banks, features, labels, lr_factor=lr_factor(epoch, settings.epochs))
            before = curves.loss_sums or [0.0] * len(losses)
            curves.loss_sums = [
                total + len(labels) * loss for total, loss in zip(before, losses, strict=True)
            ]
            curves.step += 1
            bar.advance(len(labels))
            if state is not None and clock.due():
                curves.seconds = clock.spent()
                _save(state, curves, banks)
        _end_epoch(curves, banks, data, device=computing.device)
        curves.seconds = clock.spent()
    if state is not None and not was_done:
        _save(state, curves, ())
    return curves


def lr_factor(epoch: int, epochs: int) -> float:
    """Return the share of the learning rate in an epoch, from 0: a cosine from 1 towards 0."""
    return 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def _step(
    banks: Sequence[HeadBank], features: Tensor, labels: Tensor, *, lr_factor: float
) -> list[float]:
    losses = [bank.step(features, labels, lr_factor=lr_factor) for bank in banks]
    found: list[float] = torch.cat(losses).tolist()
    return found


def _end_epoch(
    curves: Curves, banks: Sequence[HeadBank], data: ProbeData, *, device: torch.device
) -> None:
    """Score the heads on the validation pictures and begin the next epoch."""
    labels = torch.tensor(data.val.labels).to(device)
    hits, start = [torch.zeros(len(bank.lrs), 2, device=device) for bank in banks], 0
    for chunk in data.val_features.chunks:
        of_chunk = labels[start : start + len(chunk)]
        for total, bank in zip(hits, banks, strict=True):
            total += bank.count_hits(chunk.to(device), of_chunk)
        start += len(chunk)
    curves.hits.append((torch.cat(hits).double() / len(labels)).tolist())
    curves.losses.append([total / len(data.train.paths) for total in curves.loss_sums])
    curves.loss_sums, curves.step = [], 0
    curves.epoch += 1


def _save(state: StateFile, curves: Curves, banks: Sequence[HeadBank]) -> None:
    """Write curves and heads; when all is done, without heads."""
    state.write({"curves": asdict(curves), "banks": [bank.state() for bank in banks]})


def _restore(stored: dict[str, Any]) -> tuple[Curves, list[dict[str, Tensor]]]:
    return Curves(**stored["curves"]), stored["banks"]


def _go_on(state: StateFile | None, banks: Sequence[HeadBank]) -> Curves:
    """Return where a state left off, its heads put into the banks; the beginning without one."""
    found = None if state is None else state.read(_restore)
    curves, stored = found or (Curves(), [])
    own = torch.tensor([curves.epoch, curves.step], dtype=torch.float32)
    first = share_chunk(own if rank() == 0 else None, (2,), owner=0, device=banks[0].weight.device)
    if not torch.equal(first.cpu(), own):
        raise DoraError(
            f"process {rank()} finds no state of the probe, or another one than process 0",
            remedy="name a --cache that all machines share",
        )
    for bank, heads in zip(banks, stored, strict=False):  # none, when all was done
        bank.restore(heads)
    return curves


@dataclass(frozen=True, kw_only=True)
class _Bar:
    """How far the training is, where anyone watches."""

    progress: Progress | None
    task: TaskID | None

    @classmethod
    def start(
        cls, computing: Computing, data: ProbeData, *, settings: LinearSettings, curves: Curves
    ) -> "_Bar":
        pictures = len(data.train.paths)
        if computing.progress is None:
            return cls(progress=None, task=None)
        done = curves.epoch * pictures + curves.step * settings.step_pictures
        task = computing.progress.add_task(
            "training", total=settings.epochs * pictures, completed=done
        )
        return cls(progress=computing.progress, task=task)

    def advance(self, pictures: int) -> None:
        if self.progress is not None and self.task is not None:
            self.progress.advance(self.task, pictures)
