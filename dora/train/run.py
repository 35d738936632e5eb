"""A run in its folder: begins or goes on, saves, and stops so that nothing is lost."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from dora.config import RunConfig
from dora.config_text import config_to_json, differences
from dora.data.views import Views
from dora.errors import DoraError
from dora.train.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint, save_checkpoint
from dora.train.distributed import barrier, rank, world_size
from dora.train.records import Records
from dora.train.trainer import StepRecord, Trainer, run_steps
from dora.whole_file import whole_file

CONFIG_FILE = "config.json"
FREE_OPTIONS = (
    "data.workers",
    "data.cache",
    "data.cache_gb",
    "data.on_bad_frame",
    "data.decoder",
    *("compute.accumulate", "compute.checkpoint", "compute.compile"),
)
"""Options that change no batch, but for damaged pictures and rounding: a run may go on with others.
"""
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


def earlier_checkpoint(out: Path, config: RunConfig, *, data: str) -> Checkpoint | None:
    """Return the checkpoint in a run's folder, or None where the run is to begin.

    Args:
        out: the run's folder.
        config: what is asked for now; `FREE_OPTIONS` may differ, and where it leaves the shuffle
            open, the run's own stays.
        data: digest of the clips at hand.

    Raises:
        DoraError: the folder holds a run of another configuration, or on other clips.
    """
    path = out / CHECKPOINT_FILE
    if not path.is_file():
        return None
    found = load_checkpoint(path)
    free = (*FREE_OPTIONS, *(["data.shuffle"] if config.data.shuffle == "auto" else []))
    differing = [d for d in differences(config, found.config) if d.split(" ")[0] not in free]
    if differing:
        raise DoraError(
            f"{out} holds a run with other options; asked for are {'; '.join(differing)}",
            remedy="give another --out, or that run's options to go on with it",
        )
    if found.data != data:
        raise DoraError(
            f"{out} holds a run on other clips",
            remedy="give another --out, or that run's --shards to go on with it",
        )
    return found


def make_folder(out: Path, config: RunConfig) -> None:
    """Make a run's folder and write its configuration there, for people to read.

    Raises:
        DoraError: it cannot be written.
    """
    with whole_file(out / CONFIG_FILE) as partial:
        partial.write_text(config_to_json(config) + "\n", encoding="utf-8")


def train(trainer: Trainer, batches: Iterable[Views], *, out: Path, report: Report) -> Outcome:
    """Train on the batches to the end of the schedule or to a signal, saving at intervals.

    SIGINT and SIGTERM let the step in hand finish, save, and end the loop; a second SIGINT does not
    wait. Process 0 alone writes.

    Args:
        trainer: fresh, or restored to the step of the first batch.
        batches: those of the steps that are left.
        out: the run's folder.
        report: told of every step.
    """
    total = trainer.schedules.steps
    interval = max(
        1,
        trainer.config.save_every.steps(
            steps_per_epoch=trainer.schedules.steps_per_epoch, total_steps=total
        ),
    )

    def due(steps: int) -> bool:
        return steps % interval == 0 or steps == total

    writes = rank() == 0
    saved = trainer.step if (out / CHECKPOINT_FILE).is_file() else -1
    records = Records(out, start_step=trainer.step) if writes else None
    seconds: deque[float] = deque(maxlen=SPEED_STEPS)
    try:
        with _stop_on_signal() as stop:
            steps = _until_stopped(batches, stop)
            for record in run_steps(trainer, steps, asked=lambda: stop.asked, due=due):
                seconds.append(record.figures["step_s"])
                clips_hz = trainer.config.data.batch_clips * len(seconds) / sum(seconds)
                if records is not None:
                    records.add(record.step, record.figures | {"clips_hz": clips_hz})
                report(record, clips_hz)
                # The figures of all steps so far have been read: none of them is NaN.
                if due(trainer.step) and record.step + 1 == trainer.step:
                    saved = _save(trainer, out)
            if saved != trainer.step:
                saved = _save(trainer, out)
    finally:
        if records is not None:
            records.close()
    return Outcome(checkpoint=out / CHECKPOINT_FILE, step=trainer.step, total_steps=total)


def _save(trainer: Trainer, out: Path) -> int:
    if rank() == 0:
        save_checkpoint(out / CHECKPOINT_FILE, trainer.checkpoint())
    barrier()
    return trainer.step


class _Stop:
    asked = False


@contextmanager
def _stop_on_signal() -> Iterator[_Stop]:
    """Note SIGINT and SIGTERM instead of dying; a second SIGINT interrupts at once."""
    stop = _Stop()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.asked = True

    earlier = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _until_stopped(batches: Iterable[Views], stop: _Stop) -> Iterator[Views]:
    """Yield the batches; that none can be read any more is no fault where a stop was asked for.

    A signal to the whole group of processes, as a scheduler sends it, also ends those that read.
    """
    try:
        yield from batches
    except DoraError:
        if not stop.asked or world_size() > 1:  # the others would wait for this process's step
            raise
