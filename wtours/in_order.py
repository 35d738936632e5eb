"""Calls that are done one after the other, in a thread beside the one that decodes.

Their results do not depend on whether they are: it is the same calls in the same order.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

_MOST_WAITING = 4
"""Calls that may wait: each holds a decoded frame, 12 MB at 4K."""


class InOrder:
    """Does what it is given, in order; a context that ends when all is done.

    Args:
        beside: in a thread of its own, so that the caller goes on meanwhile; otherwise at once.
    """

    def __init__(self, *, beside: bool) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1) if beside else None
        self._waiting: deque[Future[None]] = deque()

    def __call__(self, work: Callable[[], None]) -> None:
        """Do a call, or have it done; what an earlier one raised is raised here."""
        if self._thread is None:
            work()
            return
        while len(self._waiting) >= _MOST_WAITING or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(work))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is None:
            return
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)
