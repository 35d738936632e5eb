"""How a command ends: its exit status, and one sentence for a person where it failed."""

import errno
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

from dora.errors import DoraError
from dora.exit_status import FAULT, MISTAKE, SCHEDULERS, after_signal
from wtours.shards import ShardError


class StoppedError(Exception):
    """A signal ended the command after it had saved; all is said.

    Args:
        number: the signal; None: it came to another process of the run.
    """

    def __init__(self, number: int | None) -> None:
        super().__init__()
        self.status = after_signal(number)


def end_with(command: Callable[[], object], *, debug: bool) -> NoReturn:
    """Run a command and exit: see `dora.exit_status`."""
    with _stops() as stopped:
        try:
            command()
        except StoppedError as end:
            sys.exit(end.status)
        except (Exception, KeyboardInterrupt) as fault:
            # An import turns an interrupt into any error it likes.
            if not stopped and not isinstance(
                fault, DoraError | ShardError | OSError | KeyboardInterrupt
            ):
                raise
            if debug:
                traceback.print_exc()
            text, status = _explain(KeyboardInterrupt() if stopped else fault)
            status = after_signal(stopped[0]) if stopped else status
            print(f"dora: {text}", file=sys.stderr)
            sys.exit(status)
        sys.stdout.flush()
    sys.exit(0)


class InterruptedRunError(KeyboardInterrupt):
    """A signal; Python ends itself by SIGINT if code run from C meets a plain KeyboardInterrupt."""


@contextmanager
def _stops() -> Iterator[list[int]]:
    """Make SIGTERM and SIGUSR1 interrupts as SIGINT is; yield the signals that came."""
    came: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        came.append(number)
        raise InterruptedRunError

    if current_thread() is not main_thread():
        yield came
        return
    earlier = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, *SCHEDULERS)}
    try:
        yield came
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _explain(fault: BaseException) -> tuple[str, int]:
    if isinstance(fault, KeyboardInterrupt):
        return "stopped; give the same command again", MISTAKE
    if isinstance(fault, OSError):
        place = fault.filename or "the disk"
        if fault.errno == errno.ENOSPC:
            return f"{place}: no room left; make some, then give the same command again", MISTAKE
        return f"{place}: {fault.strerror or fault}; see what holds it, then try again", FAULT
    return str(fault), MISTAKE
