"""Looks at some keyframes of a video: evenly spread, where little is stored, and at borders.

Keyframes decode by themselves, but each costs 3 to 12 times what an average picture does (measured
on H.264, HEVC and MPEG-4 from 160x120 to 2560x1920). One in 150 pictures, and never more than 300,
keeps looking below a twentieth of decoding everything, and leaves room for the last group of
pictures where that is short.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from wtours.integrity.container import Walk
from wtours.integrity.stretches import LOOK_SIZE, Look, Run, find_runs

MOST_KEYFRAMES = 300
_LEAST_KEYFRAMES = 12
_PICTURES_A_KEYFRAME = 150
_COST_SHARE, _KEYFRAME_COST = 20, 5
"""A full decode is worth so many of ours; a keyframe so many average pictures."""
_STILL_TAIL_PICTURES = 600
"""Pictures of a last group that begins black or still, and costs next to nothing to decode."""
_SEEK_PACKETS = 2000
"""Where a container has no index, a keyframe is this near to where seeking led, or not found."""
_TAIL_STEP_S = 0.5
_REFRESH_PICTURES = 60
"""After a keyframe that gives no picture by itself, one comes this soon or not at all."""
_SPARE_SHARE = 60
"""Of all pictures, how many may be decoded to wait for such a one."""


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
    """Keyframes that were looked for and gave no picture."""
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
    looker.look(first_choice(groups.pts, groups.bytes_a_picture, budget))
    while (left := min(budget, count) - len(looker.tried)) > 0:
        fresh = [n for n in borders(looks, find_runs(looks.ordered)) if n not in looker.tried]
        looker.look((fresh or widest_gaps(looker.tried, groups.pts))[:left])
    if count - 1 in looks.seen:
        left = len(walk.pts) // _COST_SHARE - _KEYFRAME_COST * len(looker.tried)
        runs = find_runs(looks.ordered)
        ends_in_a_run = bool(runs) and runs[-1].last == len(looks.seen) - 1
        allowed = max(left, _STILL_TAIL_PICTURES if ends_in_a_run else 0)
        if groups.pictures[-1] <= allowed:
            looker.look_at_tail()
    return looks


def first_choice(
    times: NDArray[np.int64], bytes_a_picture: NDArray[np.float64], budget: int
) -> list[int]:
    """Return the keyframes to begin with: all, or some evenly spread and some of quiet groups.

    A group of which little is stored shows little that is new: black or still pictures, mostly.
    """
    if len(times) <= budget:
        return list(range(len(times)))
    wanted = np.linspace(times[0], times[-1], max(2, budget * 2 // 3))
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    nearest = after - (wanted - times[after - 1] < times[after] - wanted)
    quiet = np.flatnonzero(bytes_a_picture < 0.25 * np.median(bytes_a_picture))
    quiet = quiet[np.argsort(bytes_a_picture[quiet], kind="stable")][: budget // 6]
    return sorted({*nearest.tolist(), *quiet.tolist()})


def widest_gaps(tried: set[int], times: NDArray[np.int64]) -> list[int]:
    """Return the keyframes in the middle between those that were tried, the widest gap first."""
    numbers = sorted(tried)
    gaps = []
    for a, b in pairwise(numbers):
        if b - a > 1:
            middle = int(np.searchsorted(times, (times[a] + times[b]) / 2))
            gaps.append((int(times[a] - times[b]), min(max(middle, a + 1), b - 1)))
    return [middle for _, middle in sorted(gaps)]


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


class _Looker:
    """Fetches single keyframes out of an open container."""

    def __init__(self, container: Any, stream: Any, walk: Walk) -> None:
        self._container, self._stream = container, stream
        self._start = int(walk.pts.min())
        self._time_base = Fraction(stream.time_base)
        self.groups = _groups(walk)
        self._lead = 0
        self._spare = len(walk.pts) // _SPARE_SHARE
        self._reformatter = VideoReformatter()  # keeps its tables from picture to picture
        self.looks = Looks()
        self.tried: set[int] = set()

    def look(self, numbers: Iterable[int]) -> None:
        """Look at keyframes, given by number."""
        for number in numbers:
            self.tried.add(number)
            self._look_at(number)

    def look_at_tail(self) -> None:
        """Decode the last group of pictures wholly, and look at it every half a second."""
        frames: list[Look] = []
        next_s = self._time_s(int(self.groups.pts[-1])) + _TAIL_STEP_S
        last = None
        try:
            first = self._packet(len(self.groups.pts) - 1)
            for packet in self._and_rest(first) if first is not None else ():
                for frame in packet.decode():
                    pts = _shown_at(frame)
                    if pts is None:
                        continue
                    last = frame
                    if self._time_s(pts) >= next_s:
                        next_s += _TAIL_STEP_S
                        frames.append(self._small(frame))
        except av.FFmpegError as error:
            self.looks.unreadable[next_s - _TAIL_STEP_S] = str(error.strerror)
            return
        if last is None:
            return
        end = self._small(last)
        if not frames or frames[-1].time_s < end.time_s:
            frames.append(end)
        self.looks.tail, self.looks.tail_seen = frames, True

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
            if not frames:
                frames = self._decode_on(number)
        except av.FFmpegError as error:
            self.looks.unreadable[time_s] = str(error.strerror)
            return
        if not frames:
            self.looks.unseen += 1
        elif frames[0].is_corrupt:
            self.looks.unreadable[time_s] = "its picture is damaged"
        else:
            self.looks.seen[number] = self._small(frames[0], otherwise_s=time_s)

    def _decode_on(self, number: int) -> list[Any]:
        """Decode what follows a keyframe, too: some codings refresh a picture bit by bit."""
        first = self._packet(number)
        for count, packet in enumerate(self._and_rest(first)):
            if packet.size == 0 or count == _REFRESH_PICTURES or self._spare == 0:
                break
            self._spare -= 1
            if frames := packet.decode():
                return list(frames)
        return []

    def _packet(self, number: int) -> Any:
        """Return the packet of a keyframe, or None where seeking does not lead to it.

        Without an index, seeking goes by the order of decoding and ends behind the keyframe. Then
        it is looked for from a second before, and so are all that follow.
        """
        for lead in sorted({self._lead, 0, round(1 / self._time_base)}, key=self._lead.__ne__):
            packet = self._packet_after(int(self.groups.pts[number]), lead)
            if packet is not None:
                self._lead = lead
                return packet
        return None

    def _packet_after(self, wanted: int, lead: int) -> Any:
        self._container.seek(wanted - lead, stream=self._stream)
        for count, packet in enumerate(self._container.demux(self._stream)):
            if packet.size == 0 or count > _SEEK_PACKETS:
                return None
            time = packet.pts if packet.pts is not None else packet.dts
            if packet.is_keyframe and time is not None and time >= wanted:
                return packet if time == wanted else None
        return None

    def _small(self, frame: Any, *, otherwise_s: float = 0.0) -> Look:
        width, height = LOOK_SIZE
        pts = _shown_at(frame)
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation="AREA", threads=1
        )
        return Look(
            time_s=otherwise_s if pts is None else self._time_s(pts),
            picture=np.asarray(small.to_ndarray(), dtype=np.uint8),
        )

    def _time_s(self, pts: int) -> float:
        return float((pts - self._start) * self._time_base)


def _shown_at(frame: Any) -> int | None:
    """Return the time stamp of a decoded picture, in ticks; AVI has none but that of decoding."""
    pts = frame.dts if frame.pts is None else frame.pts
    return None if pts is None else int(pts)


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
