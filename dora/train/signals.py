"""Signals that end a run after the step in hand, instead of at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dora.exit_status import SCHEDULERS


class Stop:
    """Whether this process was asked to stop, and by which signal."""

    number: int | None = None

    @property
    def asked(self) -> bool:
        """Whether any signal came."""
        return self.number is not None


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Note SIGINT, SIGTERM and SIGUSR1 instead of dying; a second SIGINT interrupts at once.

    Of several signals the first counts, but for Ctrl-C: a person's word goes before a scheduler's.
    """
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.asked and number == signal.SIGINT:
            stop.number = number
            raise KeyboardInterrupt
        stop.number = number if stop.number is None else stop.number

    earlier = {number: signal.signal(number, note) for number in (signal.SIGINT, *SCHEDULERS)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
