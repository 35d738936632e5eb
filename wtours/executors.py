"""Does the same tasks in this process or in several; what they leave does not depend on it.

Workers are processes of their own (spawned, so that threads of this one cannot harm them). They
tell their progress through shared memory, stop when they are told there, and end when this process
is gone, however it went.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from wtours.errors import WtoursError

Task = TypeVar("Task")
Done = TypeVar("Done", contravariant=True)

_POLL_S = 0.1


class Work(Protocol[Done]):
    """A function of a module, so that other processes can import it."""

    def __call__(self, task: Done, told: Callable[[float], None], /) -> None:
        """Do a task; tell now and then how far it is."""


class _StoppedError(Exception):
    """The main process asked for an end."""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_here(
    tasks: Sequence[Task], work: Work[Task], *, told: Callable[[int, float], None]
) -> Generator[tuple[int, Exception | None], None, None]:
    """Do tasks one after the other in this process; yield the number of each as it ends.

    Args:
        tasks: what to do.
        work: how.
        told: called with a task's number and how far it is.

    Yields:
        Number of the task, and what it raised.
    """
    for number, task in enumerate(tasks):
        try:
            work(task, lambda done, number=number: told(number, done))  # type: ignore[misc]
        except Exception as fault:
            yield number, fault
        else:
            yield number, None


def run_in_processes(
    tasks: Sequence[Task],
    work: Work[Task],
    *,
    workers: int,
    told: Callable[[int, float], None],
) -> Generator[tuple[int, Exception | None], None, None]:
    """Do tasks in several processes, in order as far as they go; yield each as it ends.

    Leaving early stops all of them within a frame's time.

    Args:
        tasks: what to do; each can be pickled.
        work: how; a function of a module.
        workers: how many processes.
        told: called in this process with a task's number and how far it is.

    Raises:
        WtoursError: a worker was killed.
    """
    context = get_context("spawn")
    progress = context.Array("d", len(tasks), lock=False)
    stop = context.Value("b", 0, lock=False)
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(tasks)),
        mp_context=context,
        initializer=_begin,
        initargs=(os.getpid(), progress, stop),
    )
    try:
        running = {pool.submit(_do, work, task, n): n for n, task in enumerate(tasks)}
        shown = [0.0] * len(tasks)
        while running:
            ended, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            for number, done in enumerate(progress):
                if done != shown[number]:
                    shown[number] = done
                    told(number, done)
            for future in ended:
                yield running.pop(future), _fault(future)
    finally:
        stop.value = 1
        pool.shutdown(wait=True, cancel_futures=True)


def _fault(future: "Future[None]") -> Exception | None:
    fault = future.exception()
    if isinstance(fault, BrokenProcessPool):
        raise WtoursError(
            "a worker was killed, as systems do that run out of memory",
            remedy="run the same command again with fewer --workers: it goes on from there",
        ) from fault
    if fault is not None and not isinstance(fault, Exception):
        raise fault
    return fault


_progress: Any = None
_stop: Any = None


def _begin(parent: int, progress: Any, stop: Any) -> None:
    """Set a worker up: Ctrl-C is the main process's affair, and no worker outlives it."""
    global _progress, _stop
    _progress, _stop = progress, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _do(work: Work[Task], task: Task, number: int) -> None:
    def told(done: float) -> None:
        if _stop.value:
            raise _StoppedError
        _progress[number] = done

    told(0.0)
    work(task, told)
