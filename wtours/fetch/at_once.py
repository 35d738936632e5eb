"""Several videos at once: results as they come, and an end that does not wait for servers."""

import queue
import time
from collections.abc import Callable, Generator, Sequence
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE_S = 5.0
"""How long all workers are waited for after Ctrl-C; what they leave is a part to go on with."""


def at_once(
    items: Sequence[Item],
    work: Callable[[Item, Event], Result],
    *,
    jobs: int,
) -> Generator[tuple[Item, Result | BaseException], None, None]:
    """Yield each item with its result, or with what its work raised, in the order of their ends.

    With one job the work is done in the calling thread, and Ctrl-C interrupts it there. With more,
    threads do it; where the caller leaves early the event is set that `work` was given, and it
    should end soon.

    Args:
        items: what is to be worked on.
        work: takes an item and the event that asks it to stop.
        jobs: how many are worked on at a time.
    """
    stop = Event()
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield item, _attempt(work, item, stop)
        return
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    done: queue.Queue[tuple[Item, Result | BaseException]] = queue.Queue()
    for item in items:
        waiting.put(item)

    def go_on() -> None:
        while not stop.is_set():
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((item, _attempt(work, item, stop)))
            except KeyboardInterrupt as stopped:
                done.put((item, stopped))

    # Daemons: one that waits for a server must not keep the program from ending.
    workers = [Thread(target=go_on, daemon=True) for _ in range(min(jobs, len(items)))]
    for worker in workers:
        worker.start()
    try:
        for _ in items:
            yield _next(done)
    finally:
        stop.set()
        until_s = time.monotonic() + _PATIENCE_S
        for worker in workers:
            worker.join(max(0.0, until_s - time.monotonic()))


def _attempt(
    work: Callable[[Item, Event], Result], item: Item, stop: Event
) -> Result | BaseException:
    try:
        return work(item, stop)
    except Exception as fault:
        return fault


def _next(
    done: "queue.Queue[tuple[Item, Result | BaseException]]",
) -> tuple[Item, Result | BaseException]:
    while True:
        try:
            return done.get(timeout=0.2)  # now and then, so that Ctrl-C is heard on every system
        except queue.Empty:
            continue
