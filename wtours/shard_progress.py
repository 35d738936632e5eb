"""How far the work on each set is, put together from what the portions in work tell."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from wtours.shard_plan import SetPlan

Progress = Callable[[str, float, float, float], None]
"""Name of the set, seconds of video done, seconds in all, seconds of video per second of work."""


class Pace:
    """Passes on how far the work on each set is: ten times a second, and when it is done.

    Args:
        missing: the portions that are to be done, as (plan, seconds), in the order of their tasks.
        progress: is told.
    """

    def __init__(self, missing: Sequence[tuple[SetPlan, float]], progress: Progress | None) -> None:
        self._missing, self._progress = missing, progress
        self._done_s: dict[str, dict[int, float]] = {plan.name: {} for plan, _ in missing}
        self._before_s = {plan.name: plan.duration_s for plan, _ in missing}
        for plan, length_s in missing:
            self._before_s[plan.name] -= length_s
        self._to_do = Counter(plan.name for plan, _ in missing)
        self._start_s = time.monotonic()
        self._shown_s: dict[str, float] = {}

    def on_frame(self, task: int, done_s: float) -> None:
        """Take note of how many seconds of a portion are done."""
        plan, _ = self._missing[task]
        done = self._done_s[plan.name]
        # A worker may be heard of after the end of its portion.
        done[task] = max(done.get(task, 0.0), done_s)
        now_s = time.monotonic()
        if now_s - self._shown_s.get(plan.name, 0.0) >= 0.1:
            self._shown_s[plan.name] = now_s
            self._show(plan)

    def on_end(self, task: int) -> None:
        """Take note that a portion is done."""
        plan, length_s = self._missing[task]
        self._done_s[plan.name][task] = length_s
        self._to_do[plan.name] -= 1
        self._show(plan)

    def _show(self, plan: SetPlan) -> None:
        if self._progress is None:
            return
        now_s = sum(self._done_s[plan.name].values())
        every_s = sum(sum(done.values()) for done in self._done_s.values())
        speed = every_s / max(1e-9, time.monotonic() - self._start_s)
        done_s = min(plan.duration_s, max(0.0, self._before_s[plan.name] + now_s))
        if not self._to_do[plan.name]:
            done_s = plan.duration_s  # and not a rounding error less
        self._progress(plan.name, done_s, plan.duration_s, speed)
