"""How far the work on each video is, put together from what the stretches in work tell."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from wtours.shard_plan import VideoPlan

Progress = Callable[[str, float, float, float], None]
"""Name of the video, seconds of it done, seconds in all, seconds of video per second of work."""


class Pace:
    """Passes on how far the work on each video is: ten times a second, and when it is done.

    Args:
        missing: the stretches that are done, as (plan, number), in the order of their tasks.
        progress: is told.
    """

    def __init__(self, missing: Sequence[tuple[VideoPlan, int]], progress: Progress | None) -> None:
        self._missing, self._progress = missing, progress
        self._done_s: dict[str, dict[int, float]] = {plan.video.name: {} for plan, _ in missing}
        self._before_s = {
            plan.video.name: plan.video.facts.duration_s
            - sum(_length_s(plan, other) for other in plan.missing())
            for plan, _ in missing
        }
        self._to_do = Counter(plan.video.name for plan, _ in missing)
        self._start_s = time.monotonic()
        self._shown_s: dict[str, float] = {}

    def on_frame(self, task: int, at_s: float) -> None:
        """Take note of the time of a frame."""
        plan, number = self._missing[task]
        done_s = self._done_s[plan.video.name]
        # A worker may be heard of after the end of its stretch.
        done_s[number] = max(done_s.get(number, 0.0), at_s - plan.start_s(number))
        now_s = time.monotonic()
        if now_s - self._shown_s.get(plan.video.name, 0.0) >= 0.1:
            self._shown_s[plan.video.name] = now_s
            self._show(plan)

    def on_end(self, task: int) -> None:
        """Take note that a stretch is done."""
        plan, number = self._missing[task]
        self._done_s[plan.video.name][number] = _length_s(plan, number)
        self._to_do[plan.video.name] -= 1
        self._show(plan)

    def _show(self, plan: VideoPlan) -> None:
        if self._progress is None:
            return
        name, duration_s = plan.video.name, plan.video.facts.duration_s
        now_s = sum(self._done_s[name].values())
        every_s = sum(sum(done.values()) for done in self._done_s.values())
        speed = every_s / max(1e-9, time.monotonic() - self._start_s)
        done_s = min(duration_s, self._before_s[name] + now_s)
        if not self._to_do[name]:
            done_s = duration_s  # and not a rounding error less
        self._progress(name, done_s, duration_s, speed)


def _length_s(plan: VideoPlan, number: int) -> float:
    end_pts = plan.stretches[number].end_pts
    end_s = (
        plan.video.facts.duration_s
        if end_pts is None
        else float(end_pts * plan.video.facts.time_base)
    )
    return end_s - plan.start_s(number)
