"""Trainings that are stopped: within this process after some steps, or by a signal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

Stepped = TypeVar("Stepped")


class StoppedByTestError(Exception):
    pass


def stopping(step: Callable[..., Stepped], *, after: int) -> Callable[..., Stepped]:
    """Return a method that does `step` so many times, and then raises StoppedByTestError."""
    left = [after]

    def step_or_stop(*arguments: object, **named: object) -> Stepped:
        if left[0] == 0:
            raise StoppedByTestError
        left[0] -= 1
        return step(*arguments, **named)

    return step_or_stop


def kill_and_go_on(words: Sequence[str], *, kept: Path, states: str, result: Path) -> None:
    """Kill a Python program at its first state without a warning, and let it go on to its end.

    Args:
        words: of the program, after `python`.
        kept: where its states appear.
        states: pattern of their names.
        result: what it writes at its end.
    """
    command = [sys.executable, *words]
    process = subprocess.Popen(command)
    while not list(kept.glob(states)):
        assert process.poll() is None, "it ended before its first state"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not result.exists()
    subprocess.run(command, check=True)
    assert result.exists()


def run_in_two_processes(words: Sequence[str]) -> None:
    """Run a Python program in two processes of one thread each, joined by gloo."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    outcome = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert outcome.returncode == 0, outcome.stderr
