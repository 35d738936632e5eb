"""Clips a second of the training step, part by part, beside the published structure's.

    python -m benchmarks.step [--sizes smoke released] [--device cpu] [--runs 3] [--out FOLDER]

Both get the same networks, crops and heads; before any clock runs, two steps are shown to give the
same losses (stochastic depth is off, since it cannot be drawn alike). `released` has the released
code's networks and views, with 2 clips of 2 frames instead of 128 of 8.
"""

import argparse
import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from statistics import fmean, median
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Clock, alternate, spread
from benchmarks.plain_step import PlainStep
from benchmarks.record import options_of, write_record
from dora.config import ClipConfig, RunConfig
from dora.data.views import Views
from dora.methods import dora as method
from dora.presets import released, smoke
from dora.train import trainer as training
from dora.train.schedule import Schedules
from dora.train.trainer import Trainer
from tests.dora.tiny_run import tiny_run

EPOCHS, STEPS_PER_EPOCH = 100, 10
OURS, PLAIN = "ours", "published structure"
LARGEST_DIFFERENCE = 1e-4
"""Of the losses, relative: sums in another order, and single patches at the masks' threshold."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options; compare and time every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=sorted(SIZES), default=["smoke"])
    parser.add_argument("--frames", type=int, help="frames of a clip, instead of the size's own")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU")
    options = options_of(parser, runs=3, tokens=tokens)
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        device = torch.device(options.device)
        rows = [
            row
            for size in options.sizes
            for row in compare(_sized(size, options.frames), device, options.runs)
        ]
    finally:
        torch.set_num_threads(threads)
    write_record("step", rows, folder=options.out)


def compare(config: RunConfig, device: torch.device, runs: int) -> list[dict[str, Any]]:
    """Return a row for our step and one for the plain step."""
    views = random_views(config).to(device)
    clocks = {OURS: Clock(device), PLAIN: Clock(device)}
    schedules = Schedules.build(
        replace(config.optim, warmup=replace(config.optim.warmup, length=0)),
        steps_per_epoch=STEPS_PER_EPOCH,
        epochs=EPOCHS,
        batch_clips=config.data.batch_clips,
    )
    ours = Trainer(config, schedules=schedules, device=device, data="")
    ours.step = STEPS_PER_EPOCH * EPOCHS // 2  # the last layer is no longer frozen
    heads = list(range(config.tracker.objects))
    plain = PlainStep(config, copy.deepcopy(ours.pair), heads=heads, clock=clocks[PLAIN])
    values = schedules.at(ours.step)

    def plain_step() -> float:
        return plain.train_step(views, values)

    def our_step() -> float:
        ours.step = STEPS_PER_EPOCH * EPOCHS // 2  # so that the schedules stand still
        return float(ours.train_step(views)["loss"])

    def watched_step() -> float:
        with parts_of(ours, clocks[OURS]):
            return our_step()

    with same_heads(heads, clips=config.data.batch_clips):
        tflop = require_same_losses(our_step, plain_step)
        clocks[PLAIN].parts_s.clear()
        passed_s = alternate({OURS: watched_step, PLAIN: plain_step}, runs=runs)
    return [
        {
            "name": name,
            "size": config.preset,
            "device": device.type,
            "threads": torch.get_num_threads(),
            "clips": config.data.batch_clips,
            "frames": config.clip.frames,
            "clips_hz": spread([config.data.batch_clips / one_s for one_s in run_s]),
            "beside_plain": spread([a / b for a, b in zip(passed_s[PLAIN], run_s, strict=True)]),
            "step_ms": spread([1000 * one_s for one_s in run_s]),
            "parts_ms": parts_ms(clocks[name], runs=runs, step_s=fmean(run_s)),
            "tflop": float(f"{tflop[name]:.3g}"),
            "gflop_per_s": round(1000 * tflop[name] / median(run_s)),
            "matrix_gflop_per_s": round(matrix_gflop_per_s(config, device)),
        }
        for name, run_s in passed_s.items()
    ]


def require_same_losses(
    our_step: Callable[[], float], plain_step: Callable[[], float]
) -> dict[str, float]:
    """Stop if two steps give other losses; return the floating-point operations of a step, 10^12.

    Matrix products and attention are counted, a multiplication and an addition as two. Equal losses
    of the second step mean equal updates in the first.
    """
    tflop = {}
    with FlopCounterMode(display=False) as counted:
        losses = [our_step()]
    tflop[OURS] = counted.get_total_flops() / 1e12
    with FlopCounterMode(display=False) as counted:
        losses.append(plain_step())
    tflop[PLAIN] = counted.get_total_flops() / 1e12
    losses += [our_step(), plain_step()]
    for one, other in (losses[:2], losses[2:]):
        assert abs(one - other) <= LARGEST_DIFFERENCE * other, f"other losses: {losses}"
    return tflop


def matrix_gflop_per_s(config: RunConfig, device: torch.device) -> float:
    """Return the rate of the first product of an MLP on many tokens, forward: a bound, 10^9/s."""
    tokens, width = 6400, config.model.width
    inputs = torch.randn(tokens, width, device=device)
    layer = torch.nn.Linear(width, 4 * width, device=device)
    clock, rates = Clock(device), []
    with torch.no_grad():
        for _ in range(6):
            start = clock.now()
            layer(inputs)
            rates.append(8e-9 * tokens * width**2 / (clock.now() - start))
    return max(rates)


def parts_ms(clock: Clock, *, runs: int, step_s: float) -> dict[str, float]:
    """Return the mean time of each part of a step, and of what is in none, ms."""
    parts = {name: passed_s / runs for name, passed_s in clock.parts_s.items()}
    parts["the rest"] = step_s - sum(parts.values())
    return {name: round(1000 * part_s, 1) for name, part_s in parts.items()}


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
    drawn = torch.tensor(heads).expand(clips, -1)
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


def _released() -> RunConfig:
    config = released()
    return _comparable(
        replace(
            config,
            clip=ClipConfig(frames=2),
            data=replace(config.data, batch_clips=2, clips_per_epoch=2 * STEPS_PER_EPOCH),
        )
    )


def _sized(size: str, frames: int | None) -> RunConfig:
    config = SIZES[size]()
    return config if frames is None else replace(config, clip=ClipConfig(frames=frames))


def _comparable(config: RunConfig) -> RunConfig:
    """Return a run without stochastic depth, in float32."""
    model = replace(config.model, drop_path=0.0)
    return replace(config, model=model, precision="float32")


SIZES: dict[str, Callable[[], RunConfig]] = {
    "released": _released,
    "smoke": lambda: _comparable(smoke()),
    "tiny": lambda: _comparable(replace(tiny_run(), preset="tiny")),
}


if __name__ == "__main__":
    main()
