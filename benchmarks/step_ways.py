"""Our step and the published structure, from the same weights, with clocks of their parts."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.measure import Clock
from benchmarks.plain_step import PlainStep
from benchmarks.step_sizes import EPOCHS, STEPS_PER_EPOCH
from dora.config import RunConfig
from dora.data.views import Views
from dora.methods import dora as method
from dora.train import trainer as training
from dora.train.schedule import Schedules
from dora.train.trainer import Trainer

OURS, PLAIN = "ours", "published structure"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to do a step."""

    step: Callable[[], float]
    watched: Callable[[], float]
    """The same, telling the clock of its parts."""
    clock: Clock
    networks: nn.Module
    optimizer: torch.optim.Optimizer


def both_ways(config: RunConfig, views: Views, heads: list[int]) -> dict[str, Way]:
    """Return our step and the plain one, beginning from the same weights."""
    device = views.global_views.device
    schedules = Schedules.build(
        replace(config.optim, warmup=replace(config.optim.warmup, length=0)),
        steps_per_epoch=STEPS_PER_EPOCH,
        epochs=EPOCHS,
        batch_clips=config.data.batch_clips,
    )
    ours = Trainer(config, schedules=schedules, device=device, data="")
    clocks = {name: Clock(device) for name in (OURS, PLAIN)}
    silent = Clock(torch.device("cpu"))  # it waits for nothing
    plain = PlainStep(config, copy.deepcopy(ours.pair), heads=heads, clock=silent)
    middle = STEPS_PER_EPOCH * EPOCHS // 2  # the last layer is no longer frozen
    values = schedules.at(middle)

    def our_step() -> float:
        ours.step = middle  # so that the schedules stand still
        return float(ours.train_step(views)["loss"])

    def our_watched_step() -> float:
        with parts_of(ours, clocks[OURS]):
            return our_step()

    def plain_step() -> float:
        return plain.train_step(views, values)

    def plain_watched_step() -> float:
        with patch.object(plain, "clock", clocks[PLAIN]):
            return plain_step()

    return {
        OURS: Way(
            step=our_step,
            watched=our_watched_step,
            clock=clocks[OURS],
            networks=ours.pair,
            optimizer=ours.optimizer,
        ),
        PLAIN: Way(
            step=plain_step,
            watched=plain_watched_step,
            clock=clocks[PLAIN],
            networks=plain.pair,
            optimizer=plain.optimizer,
        ),
    }


@contextmanager
def parts_of(trainer: Trainer, clock: Clock) -> Iterator[None]:
    """Let the clock know the parts of a trainer's steps."""
    pair = trainer.pair
    parts: list[tuple[str, object, str]] = [
        ("teacher", pair.teacher, "logits_and_tokens"),
        ("tracker", method, "discover_and_track"),
        ("student", pair.student, "forward"),
        ("loss", method, "dora_loss"),
        ("backward", torch.autograd, "backward"),
        ("optimiser", training, "clip_each"),
        ("optimiser", trainer.optimizer, "step"),
        ("EMA", pair, "update_teacher"),
    ]
    with ExitStack() as stack:
        for name, owner, word in parts:
            watched = clock.watching(name, getattr(owner, word))
            stack.enter_context(patch.object(owner, word, watched))
        yield


@contextmanager
def same_heads(heads: list[int], *, clips: int) -> Iterator[None]:
    """Let objects be discovered from these heads in all clips."""
    drawn = torch.tensor(heads).expand(clips, -1).contiguous()
    with patch.object(method, "draw_heads", lambda *args, **options: drawn):
        yield


def random_views(config: RunConfig) -> Views:
    """Return one batch of noise."""
    generator = torch.Generator().manual_seed(0)
    clips, frames = config.data.batch_clips, config.clip.frames
    (view,), local = config.augment.global_views, config.augment.local_view
    return Views(
        global_views=torch.randn(1, clips, frames, 3, view.px, view.px, generator=generator),
        local_crops=torch.randn(
            config.augment.local_crops, clips, frames, 3, local.px, local.px, generator=generator
        ),
        positions=torch.arange(clips),
    )
