"""With which status a command ends, so that a script knows whether to give it again."""

import signal

FAULT = 1
"""What is not the user's to mend, or a fault of the program."""
MISTAKE = 2
"""A mistake of the user, said in a sentence; or Ctrl-C, by which a person ends it for now."""
GO_ON = 75
"""Stopped by a scheduler's signal with nothing lost: the same command, given again, goes on.

sysexits.h calls it EX_TEMPFAIL, and Slurm's scripts can requeue on it.
"""
SCHEDULERS = (signal.SIGTERM, signal.SIGUSR1)
"""Signals by which schedulers announce the end of a machine's time."""


def after_signal(number: int | None) -> int:
    """Return the status of a command that a signal ended; None: one to another of its processes."""
    return MISTAKE if number == signal.SIGINT else GO_ON
