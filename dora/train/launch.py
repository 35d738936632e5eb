"""From shards and a configuration to a trained run: puts the parts together, on every process."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dora.config import RunConfig
from dora.data.description import (
    DataDescription,
    clip_order,
    describe_data,
    find_shard_clips,
    settled,
)
from dora.data.loader import ClipLoader
from dora.data.picture_folder import PictureFolder, PictureSet
from dora.errors import DoraError
from dora.train.distributed import (
    mean_over_ranks,
    process_group,
    rank,
    world_size,
)
from dora.train.run import Outcome, Report, earlier_checkpoint, make_folder, train
from dora.train.schedule import Schedules
from dora.train.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What is known when a process begins with a run, or goes on with it."""

    step: int
    """Steps done."""
    total_steps: int
    data: DataDescription


def data_digest(shards: Sequence[PictureSet]) -> str:
    """Return a number for the pictures and segments of the sets: SHA-256 of their index tables.

    Of a folder of pictures: of the names and sizes of its files.
    """
    digests = [
        one.digest if isinstance(one, PictureFolder) else one.record.tables["index.parquet"]
        for one in shards
    ]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def launch(
    config: RunConfig,
    shards: Sequence[PictureSet],
    *,
    out: Path,
    device: torch.device,
    begins: Callable[[Beginning], None],
    report: Report,
) -> Outcome:
    """Begin a run, or go on with the one in `out`, to its end or to a signal.

    Args:
        config: the run.
        shards: where its clips are.
        out: its folder.
        device: of this process.
        begins: told what is ahead before the first step, on process 0.
        report: told of every step, on process 0.

    Raises:
        DoraError: the configuration, the shards, or what is in `out` do not fit together.
    """
    with process_group(device):
        clips = find_shard_clips(shards, config.clip)
        data = data_digest(shards)
        earlier = earlier_checkpoint(out, config, data=data)
        config = settled(config, clips, earlier=earlier.config if earlier is not None else None)
        order = clip_order(config, clips)
        schedules = Schedules.build(
            config.optim,
            steps_per_epoch=order.steps_per_epoch,
            epochs=config.epochs,
            batch_clips=config.data.batch_clips,
        )
        trainer = Trainer(config, schedules=schedules, device=device, data=data)
        if earlier is not None:
            trainer.restore(earlier)
        _require_same_step(trainer.step, out=out, device=device)
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
            on_bad_frame=config.data.on_bad_frame,
            decoder=config.data.decoder,
        )
        first = rank() == 0
        if first:
            make_folder(out, config)
            described = describe_data(
                config,
                shards,
                clips,
                order,
                processes=world_size(),
                on_gpu=device.type == "cuda",
            )
            begins(Beginning(step=trainer.step, total_steps=schedules.steps, data=described))
        return train(trainer, batches, out=out, report=report if first else _silent)


def _require_same_step(step: int, *, out: Path, device: torch.device) -> None:
    """Refuse to train where processes have found different checkpoints."""
    mean = mean_over_ranks(torch.tensor(float(step), dtype=torch.float64, device=device))
    if mean != step:
        raise DoraError(
            f"process {rank()} goes on after step {step} of {out}, and others after another step",
            remedy="give an --out that all machines share",
        )


def _silent(record: object, clips_hz: float) -> None:
    """Report nothing: process 0 does."""
