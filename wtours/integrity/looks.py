"""Looks at some keyframes of a video: evenly spread, where little is stored, and at borders.

Keyframes decode by themselves, but each costs 3 to 12 times what an average picture does (measured
on H.264, HEVC and MPEG-4 from 160x120 to 2560x1920). One in a hundred pictures, and never more than
300, keeps looking below a twentieth of decoding everything.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from wtours.integrity.container import Walk
from wtours.integrity.stretches import LOOK_SIZE, Look, Run, find_runs

MOST_KEYFRAMES = 300
_LEAST_KEYFRAMES = 12
_PICTURES_A_KEYFRAME = 100
_COST_SHARE, _KEYFRAME_COST = 20, 5
"""A full decode is worth so many of ours; a keyframe so many average pictures."""
_STILL_TAIL_PICTURES = 600
"""Pictures of a last group that begins black or still, and costs next to nothing to decode."""
_SEEK_PACKETS = 2000
"""Where a container has no index, a keyframe is this near to where seeking led, or not found."""
_TAIL_STEP_S = 0.5


@dataclass(kw_only=True)
class Looks:
    """What was seen of a video."""

    seen: dict[int, Look] = field(default_factory=dict)
    """By number of the keyframe."""
    tail: list[Look] = field(default_factory=list)
    """Of the last group of pictures, where it was decoded."""
    unreadable: dict[float, str] = field(default_factory=dict)
    """Why the keyframe at a time (s) cannot be decoded."""
    unseen: int = 0
    """Keyframes that the container could not be made to give."""
    tail_seen: bool = False

    @property
    def ordered(self) -> list[Look]:
        """All looks by time."""
        return [self.seen[number] for number in sorted(self.seen)] + self.tail


@dataclass(frozen=True, kw_only=True)
class _Groups:
    """Groups of pictures: a keyframe and what follows it up to the next one."""

    pts: NDArray[np.int64]
    """Of the keyframes."""
    pictures: NDArray[np.int64]
    bytes_a_picture: NDArray[np.float64]


def look_at_pictures(container: Any, stream: Any, walk: Walk) -> Looks:
    """Decode as many keyframes as are worth it; see the module."""
    looker = _Looker(container, stream, walk)
    groups, looks = looker.groups, looker.looks
    count = len(groups.pts)
    budget = min(MOST_KEYFRAMES, max(_LEAST_KEYFRAMES, len(walk.pts) // _PICTURES_A_KEYFRAME))
    looker.look(first_choice(groups.bytes_a_picture, budget))
    while (left := min(budget, count) - len(looker.tried)) > 0:
        wanted = borders(looks, find_runs(looks.ordered)) or widest_gaps(looker.tried, count)
        if not looker.look(wanted[:left]) and not looker.look(
            widest_gaps(looker.tried, count)[:left]
        ):
            break
    if count - 1 in looks.seen:
        left = len(walk.pts) // _COST_SHARE - _KEYFRAME_COST * len(looker.tried)
        runs = find_runs(looks.ordered)
        ends_in_a_run = bool(runs) and runs[-1].last == len(looks.seen) - 1
        allowed = max(left, _STILL_TAIL_PICTURES if ends_in_a_run else 0)
        if groups.pictures[-1] <= allowed:
            looker.look_at_tail()
    return looks


def first_choice(bytes_a_picture: NDArray[np.float64], budget: int) -> list[int]:
    """Return the keyframes to begin with: all, or some evenly spread and some of quiet groups.

    A group of which little is stored shows little that is new: black or still pictures, mostly.
    """
    count = len(bytes_a_picture)
    if count <= budget:
        return list(range(count))
    even = np.unique(np.linspace(0, count - 1, max(2, budget * 2 // 3)).round().astype(int))
    quiet = np.flatnonzero(bytes_a_picture < 0.25 * np.median(bytes_a_picture))
    quiet = quiet[np.argsort(bytes_a_picture[quiet], kind="stable")][: budget // 6]
    return sorted({*even.tolist(), *quiet.tolist()})


def borders(looks: Looks, runs: list[Run]) -> list[int]:
    """Return keyframes half-way between both sides of each border of a run, and inside of it."""
    numbers = sorted(looks.seen)
    wanted = []
    for run in runs:
        pairs = [(run.first - 1, run.first), (run.last, run.last + 1)]
        if run.kind == "frozen":  # two pictures that are alike may have others between them
            pairs += [(at, at + 1) for at in range(run.first, min(run.last, run.first + 2))]
        for a, b in pairs:
            if a >= 0 and b < len(numbers) and numbers[b] - numbers[a] > 1:
                wanted.append((numbers[a] + numbers[b]) // 2)
    return sorted(set(wanted))


def widest_gaps(tried: set[int], count: int) -> list[int]:
    """Return the middles of the gaps between numbers, the widest gap first."""
    numbers = sorted({-1, count, *tried})
    gaps = [(a - b, (a + b) // 2) for a, b in pairwise(numbers) if b - a > 1]
    return [middle for _, middle in sorted(gaps)]


class _Looker:
    """Fetches single keyframes out of an open container."""

    def __init__(self, container: Any, stream: Any, walk: Walk) -> None:
        self._container, self._stream = container, stream
        self._start = int(walk.pts.min())
        self._time_base = Fraction(stream.time_base)
        self._numbers = np.flatnonzero(walk.keyframes)
        self.groups = _groups(walk)
        self._number_of = {int(pts): number for number, pts in enumerate(self.groups.pts)}
        self.looks = Looks()
        self.tried: set[int] = set()

    def look(self, numbers: Iterable[int]) -> bool:
        """Look at keyframes that were not looked at yet; return whether there were any."""
        fresh = [number for number in numbers if number not in self.tried]
        for number in fresh:
            self.tried.add(number)
            self._look_at(number)
        return bool(fresh)

    def look_at_tail(self) -> None:
        """Decode the last group of pictures wholly, and look at it every half a second."""
        first = self._packet(len(self.groups.pts) - 1)
        if first is None:
            return
        frames: list[Any] = []
        next_s = self._time_s(first.pts) + _TAIL_STEP_S
        last = None
        try:
            for packet in self._and_rest(first):
                for frame in packet.decode():
                    if frame.pts is None:
                        continue
                    last = frame
                    if self._time_s(frame.pts) >= next_s:
                        next_s += _TAIL_STEP_S
                        frames.append(self._small(frame))
        except av.FFmpegError as error:
            self.looks.unreadable[next_s - _TAIL_STEP_S] = str(error.strerror)
            return
        if last is not None and (not frames or frames[-1].time_s < self._time_s(last.pts)):
            frames.append(self._small(last))
        self.looks.tail = frames
        self.looks.tail_seen = True

    def _and_rest(self, first: Any) -> Iterable[Any]:
        yield first
        yield from self._container.demux(self._stream)

    def _look_at(self, number: int) -> None:
        time_s = self._time_s(int(self.groups.pts[number]))
        try:
            packet = self._packet(number)
            if packet is None:
                self.looks.unseen += 1
                return
            context = self._stream.codec_context
            frames = [*context.decode(packet), *context.decode(None)]
        except av.FFmpegError as error:
            self.looks.unreadable[time_s] = str(error.strerror)
            return
        if not frames:
            self.looks.unseen += 1
        elif any(frame.is_corrupt for frame in frames):
            self.looks.unreadable[time_s] = "its picture is damaged"
        else:
            self.looks.seen[number] = self._small(frames[0], time_s=time_s)

    def _packet(self, number: int) -> Any:
        """Return the packet of a keyframe, or None where seeking does not lead to it."""
        wanted = int(self.groups.pts[number])
        self._container.seek(wanted, stream=self._stream)
        for count, packet in enumerate(self._container.demux(self._stream)):
            if packet.size == 0 or count > _SEEK_PACKETS:
                return None
            time = packet.pts if packet.pts is not None else packet.dts
            if packet.is_keyframe and time == wanted:
                return packet
        return None

    def _small(self, frame: Any, *, time_s: float | None = None) -> Look:
        width, height = LOOK_SIZE
        small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        return Look(
            time_s=self._time_s(frame.pts) if time_s is None else time_s,
            picture=small.to_ndarray(),
        )

    def _time_s(self, pts: int) -> float:
        return float((pts - self._start) * self._time_base)


def _groups(walk: Walk) -> _Groups:
    starts = np.flatnonzero(walk.keyframes)
    if len(starts) == 0:
        empty = np.empty(0, dtype=np.int64)
        return _Groups(pts=empty, pictures=empty, bytes_a_picture=np.empty(0))
    sums = np.add.reduceat(walk.sizes_bytes, starts)
    pictures = np.diff([*starts, len(walk.pts)])
    others = np.maximum(pictures - 1, 1)  # a keyframe is large even where nothing moves
    rest = np.where(pictures > 1, sums - walk.sizes_bytes[starts], sums) / others
    return _Groups(pts=walk.pts[starts], pictures=pictures.astype(np.int64), bytes_a_picture=rest)
