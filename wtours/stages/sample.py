"""Which frames are kept: the frame nearest to each tick, decided while frames pass by.

The same rule as `wtours.shards.segments.nearest_frames` (FORMAT.md, section Time), for a stream
whose end is not known: a tick is decided as soon as a frame at or after its time has come.
"""

from fractions import Fraction
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """Anything with a time stamp, in units of the video's time base."""

    @property
    def pts(self) -> int:
        """Time stamp, from the first picture."""


AnyFrame = TypeVar("AnyFrame", bound=Timed)


class TickSampler(Generic[AnyFrame]):
    """Gives ticks their frames; holds one frame, the last.

    Args:
        time_base: seconds a unit of the time stamps.
        fps: ticks a second; None keeps every frame, tick n being frame n.
    """

    def __init__(self, *, time_base: Fraction, fps: Fraction | None) -> None:
        # In units of time_base / (2 * scale), ticks, frames and half ticks are all integers.
        tick_units = 1 / (fps * time_base) if fps is not None else Fraction(1)
        self._every = fps is None
        self._scale, self._tick = tick_units.denominator, tick_units.numerator
        self._next = 0
        self._held: AnyFrame | None = None

    def process_frame(self, frame: AnyFrame) -> list[tuple[int, AnyFrame]]:
        """Return the ticks that this frame decides, each with its frame: this or the one before."""
        if self._every:
            self._next += 1
            return [(self._next - 1, frame)]
        now = frame.pts * 2 * self._scale
        found = []
        while self._next * 2 * self._tick <= now:
            target = self._next * 2 * self._tick
            nearest, distance = frame, now - target
            if self._held is not None:
                before = target - self._held.pts * 2 * self._scale
                if before <= distance:
                    nearest, distance = self._held, before
            if distance <= self._tick + self._scale:
                found.append((self._next, nearest))
            self._next += 1
        self._held = frame
        return found

    def finish(self) -> list[tuple[int, AnyFrame]]:
        """Return the ticks after the last frame that are still nearest to it."""
        if self._every or self._held is None:
            return []
        last = self._held.pts * 2 * self._scale
        found = []
        while self._next * 2 * self._tick <= last + 2 * self._tick:
            if self._next * 2 * self._tick - last <= self._tick + self._scale:
                found.append((self._next, self._held))
            self._next += 1
        self._held = None
        return found
