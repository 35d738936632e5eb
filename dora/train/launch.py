"""From shards and a configuration to a trained run: puts the parts together, on every process."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from dora.config import RunConfig
from dora.data.description import DataDescription, describe_data, find_shard_clips
from dora.data.loader import ClipLoader
from dora.data.stream import ClipOrder
from dora.errors import DoraError
from dora.train.distributed import place_from_torchrun, process_group, rank, world_size
from dora.train.run import Outcome, Report, earlier_checkpoint, make_folder, train
from dora.train.schedule import Schedules
from dora.train.trainer import Trainer
from wtours.shards import ShardSet


def choose_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:1`.

    Raises:
        DoraError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DoraError(f"no device is called {name!r}", remedy="use auto, cpu or cuda") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DoraError(
                "--device cuda was asked for, but torch sees no GPU",
                remedy="use --device cpu, or see `wtours doctor`",
            )
        if ":" not in name:
            device = torch.device("cuda", place_from_torchrun().local_rank)
        torch.cuda.set_device(device)
    return device


def data_digest(shards: Sequence[ShardSet]) -> str:
    """Return a number for the pictures and segments of the sets: SHA-256 of their index tables."""
    digests = [shard_set.record.tables["index.parquet"] for shard_set in shards]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def clip_order(config: RunConfig, *, starts: int) -> ClipOrder:
    """Return the order of a run's clips."""
    return ClipOrder(
        starts=starts,
        seed=config.seed,
        batch_clips=config.data.batch_clips,
        clips_per_epoch=config.data.clips_per_epoch,
    )


def describe_run(config: RunConfig, shards: Sequence[ShardSet]) -> DataDescription:
    """Return the numbers that a run prints at its start, without beginning it."""
    order = clip_order(config, starts=len(find_shard_clips(shards, config.clip)))
    return describe_data(
        shards, order, clips_per_epoch=config.data.clips_per_epoch, epochs=config.epochs
    )


def launch(
    config: RunConfig,
    shards: Sequence[ShardSet],
    *,
    out: Path,
    device: torch.device,
    begins: Callable[[int, int], None],
    report: Report,
) -> Outcome:
    """Begin a run, or go on with the one in `out`, to its end or to a signal.

    Args:
        config: the run.
        shards: where its clips are.
        out: its folder.
        device: of this process.
        begins: told the first step and the number of steps, on process 0.
        report: told of every step, on process 0.

    Raises:
        DoraError: the configuration, the shards, or what is in `out` do not fit together.
    """
    with process_group(device):
        clips = find_shard_clips(shards, config.clip)
        order = clip_order(config, starts=len(clips))
        schedules = Schedules.build(
            config.optim,
            steps_per_epoch=order.steps_per_epoch,
            epochs=config.epochs,
            batch_clips=config.data.batch_clips,
        )
        data = data_digest(shards)
        earlier = earlier_checkpoint(out, config, data=data)
        trainer = Trainer(config, schedules=schedules, device=device, data=data)
        if earlier is not None:
            trainer.restore(earlier)
        batches = ClipLoader(
            shards,
            clips,
            order,
            config.augment,
            workers=config.data.workers,
            rank=rank(),
            world=world_size(),
            start_step=trainer.step,
            stop_step=schedules.steps,
            device=device,
        )
        first = rank() == 0
        if first:
            make_folder(out, config)
            begins(trainer.step, schedules.steps)
        return train(trainer, batches, out=out, report=report if first else _silent)


def _silent(record: object, clips_hz: float) -> None:
    """Report nothing: process 0 does."""
