"""From shards and a configuration to a trained run: puts the parts together, on every process."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from dora.config import RunConfig
from dora.config_text import config_to_json
from dora.data.description import (
    DataDescription,
    clip_order,
    describe_data,
    find_shard_clips,
    settled,
)
from dora.data.loader import ClipLoader
from dora.data.picture_folder import PictureFolder, PictureSet
from dora.data.taken_videos import require_first_crops
from dora.errors import DoraError
from dora.runs.standing import begin_standing, claimed, end_standing
from dora.train.collapse import CollapseWatch
from dora.train.distributed import (
    mean_over_ranks,
    process_group,
    rank,
    world_size,
)
from dora.train.looks import Look
from dora.train.pauses import Say
from dora.train.resuming import Resume, earlier_checkpoint, goes_back, make_folder
from dora.train.run import Outcome, Report, say_on_stderr, train
from dora.train.schedule import Schedules
from dora.train.trainer import StepRecord, Trainer
from dora.train.wandb_log import WandbLog


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
    resume: Resume = "auto",
    looks: Sequence[Look] = (),
    say: Say = say_on_stderr,
) -> Outcome:
    """Begin a run, or go on with the one in `out`, to its end or to a signal.

    Looks, and a collapse that is no more than a warning, do not change what is trained.

    Args:
        config: the run.
        shards: where its clips are.
        out: its folder.
        device: of this process.
        begins: told what is ahead before the first step, on process 0.
        report: told of every step, on process 0.
        resume: whether to go on, and from what.
        looks: what is looked at between steps, on process 0.
        say: told, on process 0, of scores and of a collapse.

    Raises:
        DoraError: the configuration, the shards, or what is in `out` do not fit together; another
            process trains there; the run has collapsed, and is to end then.
    """
    with process_group(device), _claimed_by_first(out):
        clips = find_shard_clips(shards, config.clip)
        data = data_digest(shards)
        earlier = earlier_checkpoint(out, config, data=data, resume=resume)
        back = goes_back(out, resume)  # asked before process 0 saves anything
        config = settled(config, clips, earlier=earlier.config if earlier is not None else None)
        order = clip_order(config, clips)
        require_first_crops(config.augment, shards, clips, order)
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
        with _standing_kept(out, config, schedules) as ended:
            outcome = train(
                trainer,
                batches,
                out=out,
                report=_watched(report if first else _silent, trainer, say if first else _mute),
                looks=looks,
                say=say,
                wandb=_wandb(out, config) if first else None,
                goes_back=back,
            )
            ended.append(outcome)
        return outcome


@contextmanager
def _claimed_by_first(out: Path) -> Iterator[None]:
    """Keep other runs out of the folder, for which process 0 speaks."""
    if rank() == 0:
        with claimed(out):
            yield
    else:
        yield


@contextmanager
def _standing_kept(out: Path, config: RunConfig, schedules: Schedules) -> Iterator[list[Outcome]]:
    """Write, on process 0, that the run goes on, and in the end how it ended."""
    ended: list[Outcome] = []
    if rank() > 0:
        yield ended
        return
    standing = begin_standing(
        out,
        preset=config.preset,
        processes=world_size(),
        total_steps=schedules.steps,
        steps_per_epoch=schedules.steps_per_epoch,
    )
    try:
        yield ended
    except KeyboardInterrupt:
        end_standing(out, standing, state="stopped")
        raise
    except Exception as fault:
        try:
            end_standing(out, standing, state="failed", sentence=str(fault))
        finally:
            raise fault  # whatever becomes of the record, on a full disk
    outcome = ended[-1]
    done = outcome.step == outcome.total_steps
    end_standing(out, standing, state="done" if done else "stopped")


def _watched(report: Report, trainer: Trainer, say: Say) -> Report:
    """Return a report that also looks for a collapse, on every process at the same step."""
    config = trainer.config
    total, epoch = trainer.schedules.steps, trainer.schedules.steps_per_epoch
    views, clips = len(config.augment.global_views), config.data.batch_clips // world_size()
    watch = CollapseWatch(
        outputs=config.head.outputs,
        width=config.model.width,
        images=views * clips * config.clip.frames,
        steps=config.save.collapse_steps,
        first_step=config.optim.warmup.steps(steps_per_epoch=epoch, total_steps=total),
    )

    def watched(record: StepRecord, clips_hz: float) -> None:
        report(record, clips_hz)
        found = watch.after(record.step, record.figures)
        if found is not None and config.save.stop_on_collapse:
            raise DoraError(found.message, remedy=found.remedy)
        if found is not None:
            say(f"warning: {found}")

    return watched


def _wandb(out: Path, config: RunConfig) -> WandbLog | None:
    if config.log.wandb is None:
        return None
    return WandbLog(config.log.wandb, folder=out, config=json.loads(config_to_json(config)))


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


def _mute(line: str) -> None:
    """Say nothing: process 0 does."""
