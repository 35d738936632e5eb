"""Earlier checkpoints of a run: the last few, and milestones; the newest has its own name beside.

A checkpoint is kept as a second name of the newest file, so that it takes no time and, until the
next one is saved, no room.
"""

import os
import shutil
from pathlib import Path

from dora.runs.files import CHECKPOINT_FILE, KEPT_FOLDER
from dora.whole_file import whole_file

_STEP, _MILESTONE = "step_", "milestone_"


def keep_newest(out: Path, step: int, *, keep: int, milestone: bool) -> None:
    """Keep the newest checkpoint under the name of its step, and drop those no longer wanted.

    Of later steps than this one, which a run that went back has left, no step is kept.

    Args:
        out: the run's folder.
        step: steps done when the newest checkpoint was saved.
        keep: how many to keep beside the newest.
        milestone: whether the newest is kept for ever.

    Raises:
        DoraError: the folder cannot be written.
    """
    folder = out / KEPT_FOLDER
    newest = out / CHECKPOINT_FILE
    if milestone:
        _name_too(newest, folder / f"{_MILESTONE}{step:08d}.pth")
    if keep:
        _name_too(newest, folder / f"{_STEP}{step:08d}.pth")
    by_step = {_step_of(path): path for path in folder.glob(f"{_STEP}*.pth")}
    earlier = sorted(number for number in by_step if number < step)
    wanted = {step, *earlier[max(0, len(earlier) - keep) :]} if keep else set()
    for number, path in by_step.items():
        if number not in wanted:
            path.unlink(missing_ok=True)


def drop_later(out: Path, step: int) -> None:
    """Drop the kept checkpoints of later steps, milestones too: the run has gone back."""
    for path in kept_checkpoints(out):
        if _step_of(path) > step:
            path.unlink(missing_ok=True)


def kept_checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints that are kept in a run's folder, the latest first."""
    return sorted((out / KEPT_FOLDER).glob("*_*.pth"), key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else -1


def _name_too(newest: Path, name: Path) -> None:
    """Give a file another name; it appears whole or not at all, also where links are unknown."""
    with whole_file(name, remedy="make room; the newest checkpoint is whole") as partial:
        partial.unlink(missing_ok=True)  # of a process that was killed
        try:
            os.link(newest, partial)
        except OSError:  # a file system without hard links: a copy, which may find the disk full
            shutil.copyfile(newest, partial)
