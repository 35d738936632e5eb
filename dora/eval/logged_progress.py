"""How far evaluations are, where no terminal shows bars: a line now and then."""

import time

from rich.console import Console
from rich.progress import Progress, TaskID

from dora.progress import LINE_EVERY_S


class LoggedProgress(Progress):
    """Takes what bars take; prints a line on stderr every half a minute of work."""

    def __init__(self, *, every_s: float = LINE_EVERY_S) -> None:
        super().__init__(console=Console(stderr=True, highlight=False), disable=True)
        self._every_s = every_s
        self._shown = time.monotonic()

    def start(self) -> None:
        """Begin; there is nothing to draw."""

    def stop(self) -> None:
        """End; there is nothing to remove."""

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count work that is done, and say how far it is, if it was not said of late."""
        super().advance(task_id, advance)
        now = time.monotonic()
        if now - self._shown < self._every_s:
            return
        self._shown = now
        task = self._tasks[task_id]
        left_s = task.time_remaining
        left = "" if left_s is None else f", {left_s:.0f} s left"
        done = f"{task.completed:.0f}/{task.total or 0:.0f}"
        self.console.print(f"{task.description} {done}{left}", soft_wrap=True)
