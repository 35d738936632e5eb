"""How processes that read clips are started, and what Ctrl-C means while they are."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from threading import Thread, current_thread, main_thread
from types import TracebackType

READER = "dora.data.hand_over"
"""The module of what workers do."""


def worker_context(reader: str = READER) -> str:
    """Return how workers start: the fork server, told what to import; Windows has only spawn.

    A worker also imports the program's main module. The server does so for all if it is a script;
    of `python -m package.module` it imports the package, for runpy warns of an imported module.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    main = getattr(sys.modules["__main__"], "__spec__", None)
    forkserver.set_forkserver_preload([reader, (main and main.parent) or "__main__"])
    return "forkserver"


def start_server() -> None:
    """Let the fork server begin its imports (torch: seconds), while this process has its own."""
    if worker_context() == "forkserver":
        with interrupts_held():
            forkserver.ensure_running()


def start_worker(_number: int) -> None:
    """Leave signals to the main process, whose end ends the workers.

    A scheduler's SIGTERM to the whole group of processes is to let the step in hand finish, for
    which clips are still read: workers have groups of their own.

    DataLoader's workers look for their parent, which is the fork server, and the server lives as
    long as they do: when the main process is killed, both would stay for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
        # What came while this process was still in the group is forgotten; from now on, SIGTERM is
        # the data loader's own way to end a worker.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.excepthook = _report
    Thread(target=_end_with_main_process, daemon=True).start()


def _report(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """Report an error, unless it is that of handing a clip to a main process that has left.

    multiprocessing's resource sharer, which hands over shared memory, calls this hook.
    """
    if not isinstance(fault, ConnectionError | EOFError):
        sys.__excepthook__(kind, fault, trace)


def _end_with_main_process() -> None:
    main = multiprocessing.parent_process()
    assert main is not None
    main.join()
    os._exit(1)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start (seconds), which would else print their tracebacks.

    They inherit the mask of this thread; were this process to end sooner, it would take away what
    a worker is about to inherit. The signal may reach another thread, whose mask is its own, hence
    the handler; it is raised again when they have started. SIGUSR1 and SIGTERM they are never to
    see: a scheduler that sends them to the whole group means this process, and the fork server,
    with which all workers end, would die of them.
    """
    if not hasattr(signal, "pthread_sigmask") or current_thread() is not main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    # Started now, because it would lift the mask of both signals if it were started under it.
    resource_tracker.ensure_running()
    held: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)
