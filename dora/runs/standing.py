"""How a run stands: one small record in its folder, and a lock while it goes on."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from dora.errors import DoraError
from dora.runs.files import LOCK_FILE, STANDING_FILE
from dora.whole_file import whole_file

State = Literal["running", "stopped", "failed", "done"]
_LOCK_S = 2.0
"""`dora runs` holds a lock for an instant to see whether it is free."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The record; times are ISO 8601 in UTC."""

    state: State
    """As the run itself last said; one that was killed still says that it runs."""
    preset: str
    started: str
    """When its first step was about to be done."""
    resumed: str | None = None
    """When it last went on."""
    ended: str | None = None
    """When it last stopped, failed or was done."""
    sentence: str | None = None
    """Why it failed."""
    host: str
    pid: int
    processes: int
    total_steps: int
    steps_per_epoch: int


def begin_standing(
    folder: Path, *, preset: str, processes: int, total_steps: int, steps_per_epoch: int
) -> Standing:
    """Write that a run begins, or goes on, in this process; return the record.

    Raises:
        DoraError: it cannot be written, or what is there is no such record.
    """
    earlier = read_standing(folder)
    standing = Standing(
        state="running",
        preset=preset,
        started=_now() if earlier is None else earlier.started,
        resumed=None if earlier is None else _now(),
        host=this_host(),
        pid=os.getpid(),
        processes=processes,
        total_steps=total_steps,
        steps_per_epoch=steps_per_epoch,
    )
    _write(folder, standing)
    return standing


def end_standing(
    folder: Path, standing: Standing, *, state: State, sentence: str | None = None
) -> None:
    """Write how a run ended for now."""
    _write(folder, replace(standing, state=state, ended=_now(), sentence=sentence))


def read_standing(folder: Path) -> Standing | None:
    """Return the record, or None where there is none.

    Raises:
        DoraError: the file holds something else.
    """
    path = folder / STANDING_FILE
    if not path.is_file():
        return None
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        standing = Standing(**{field.name: stored[field.name] for field in fields(Standing)})
        if standing.state not in get_args(State):
            raise ValueError(standing.state)
    except (ValueError, TypeError, KeyError):
        raise DoraError(
            f"{path} is no record of a run",
            remedy="remove it: it is written anew when the run goes on",
        ) from None
    return standing


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder, which is made.

    Raises:
        DoraError: another process does, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE, thread_local=False)
        lock.acquire(timeout=_LOCK_S, poll_interval=0.1)
    except Timeout:
        raise DoraError(
            f"{folder} is being trained in by another process{_by_whom(folder)}",
            remedy="wait for its end, or give another --out",
        ) from None
    except OSError as fault:
        raise DoraError(
            f"{folder} cannot be written ({fault.strerror or fault})",
            remedy="give another --out",
        ) from fault
    try:
        yield
    finally:
        lock.release()


def is_claimed(folder: Path) -> bool | None:
    """Whether a process trains in a folder; None: the lock cannot be tried, so nobody can tell.

    Nothing is written there, and a lock that is not there is not made.
    """
    path = folder / LOCK_FILE
    if not path.is_file():
        return False
    if not os.access(path, os.W_OK):
        return None
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a file system without locks
        return None
    lock.release()
    return False


def this_host() -> str:
    """Return the name of this machine, as records tell it."""
    return socket.gethostname()


def _by_whom(folder: Path) -> str:
    standing = read_standing(folder)
    return "" if standing is None else f" (process {standing.pid} on {standing.host})"


def _write(folder: Path, standing: Standing) -> None:
    with whole_file(folder / STANDING_FILE) as partial:
        partial.write_text(json.dumps(asdict(standing), indent=2) + "\n", encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
