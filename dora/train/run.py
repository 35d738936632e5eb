"""A run in its folder: goes through its steps, pauses, and stops so that nothing is lost."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dora.data.views import Views
from dora.errors import DoraError
from dora.runs.files import CHECKPOINT_FILE
from dora.train.distributed import rank, world_size
from dora.train.looks import Look
from dora.train.pauses import Pauses, Say
from dora.train.records import Records
from dora.train.signals import Stop, stop_on_signal
from dora.train.trainer import StepRecord, Trainer, run_steps
from dora.train.wandb_log import WandbLog

SPEED_STEPS = 20
"""The shown speed is that of the last so many steps."""

Report = Callable[[StepRecord, float], None]
"""Called after every step with its record and the clips per second of all processes."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended, for now."""

    checkpoint: Path
    step: int
    """Steps done."""
    total_steps: int
    signal: int | None = None
    """The signal that this process was stopped by, if any."""


def say_on_stderr(line: str) -> None:
    """Show a line to whoever watches."""
    print(line, file=sys.stderr, flush=True)


def train(
    trainer: Trainer,
    batches: Iterable[Views],
    *,
    out: Path,
    report: Report,
    looks: Sequence[Look] = (),
    say: Say = say_on_stderr,
    wandb: WandbLog | None = None,
    goes_back: bool = False,
) -> Outcome:
    """Train on the batches to the end of the schedule or to a signal, saving at intervals.

    SIGINT, SIGTERM and SIGUSR1 let the step in hand finish, save, and end the loop; a second SIGINT
    does not wait. Process 0 alone writes.

    Args:
        trainer: fresh, or restored to the step of the first batch.
        batches: those of the steps that are left.
        out: the run's folder.
        report: told of every step.
        looks: what is looked at between steps.
        say: told of what is seen.
        wandb: told of everything, on process 0.
        goes_back: whether the trainer was restored from another checkpoint than the newest.
    """
    saved = (out / CHECKPOINT_FILE).is_file() and not goes_back
    pauses = Pauses(trainer, out, looks=looks, say=say, saved=saved)
    if goes_back:
        pauses.go_back()
    records = Records(out, start_step=trainer.step, wandb=wandb) if rank() == 0 else None
    seconds: deque[float] = deque(maxlen=SPEED_STEPS)
    try:
        pauses.begin(records)
        with stop_on_signal() as stop:
            steps = _until_stopped(batches, stop)
            for record in run_steps(trainer, steps, asked=lambda: stop.asked, due=pauses.due):
                seconds.append(record.figures["step_s"])
                clips_hz = trainer.config.data.batch_clips * len(seconds) / sum(seconds)
                if records is not None:
                    records.add(record.step, record.figures | {"clips_hz": clips_hz})
                report(record, clips_hz)
                # The figures of all steps so far have been read: none of them is NaN.
                if pauses.due(trainer.step) and record.step + 1 == trainer.step:
                    # One process alone may know better than its last reduction.
                    pauses.take(stopping=record.stop or (world_size() == 1 and stop.asked))
            pauses.save()
    finally:
        if records is not None:
            records.close()
    return Outcome(
        checkpoint=out / CHECKPOINT_FILE,
        step=trainer.step,
        total_steps=trainer.schedules.steps,
        signal=stop.number,
    )


def _until_stopped(batches: Iterable[Views], stop: Stop) -> Iterator[Views]:
    """Yield the batches; that none can be read any more is no fault where a stop was asked for.

    A signal to every single process, as some schedulers send it, also ends those that read.
    """
    try:
        yield from batches
    except DoraError:
        if not stop.asked or world_size() > 1:  # the others would wait for this process's step
            raise
