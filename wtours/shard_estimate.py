"""What sharding would give and take, before it is done: `wtours shard --dry-run`.

Pictures are counted from the time stamps, exactly; sizes are those of short parts. Time is put
together from what was measured on these: the portions of the work are handed out to workers as
they would be, each portion opens its detectors, and each worker starts once.
"""

import heapq
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import repeat
from pathlib import Path
from statistics import fmean

import numpy as np

from wtours.executors import usable_cores
from wtours.measured_pass import CountedPass, MeasuredPass, count_pass, measure_pass
from wtours.portion_work import one_opencv_thread
from wtours.shard import require_rate
from wtours.shard_inputs import ShardInput, Subset, find_inputs
from wtours.shard_plan import divide_work, plan_videos
from wtours.shard_rounds import default_workers
from wtours.shard_sets import group_into_sets
from wtours.shard_settings import ShardSettings

_MEASURED_ALIKE = 5
"""Of videos of one codec and size so many are measured; they stand for the others."""
_HASHED_BYTES = 8 * 2**20


@dataclass(frozen=True, kw_only=True)
class VideoEstimate:
    """What to expect of one video."""

    name: str
    path: Path
    duration_s: float
    frames: int
    """To decode, at the most: all for cuts; otherwise, of each group of pictures, those up to the
    last kept one, of which some are left out again where the codec allows it."""
    pictures: int
    """To keep."""
    size_bytes: int
    """Of the tars, about."""
    work_s: float
    """That its frames and pictures take a worker, about, on this machine."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What to expect of all videos."""

    videos: tuple[VideoEstimate, ...]
    workers: int
    """Processes that would be at work at once."""
    work_s: float
    """That all takes, about, on this machine, with these workers and nothing else to do."""

    @property
    def pictures(self) -> int:
        """To keep."""
        return sum(video.pictures for video in self.videos)

    @property
    def size_bytes(self) -> int:
        """Of all tars, about."""
        return sum(video.size_bytes for video in self.videos)


def estimate(
    paths: Sequence[str | Path],
    *,
    settings: ShardSettings | None = None,
    subset: Subset | None = None,
    workers: int | None = None,
) -> Estimate:
    """Return what `shard_videos` would write; nothing is written.

    Args:
        paths: videos, and folders of them.
        settings: what is kept, and how; the defaults where None.
        subset: take only some of the videos.
        workers: processes that would work at once; those of `default_workers` where None.

    Raises:
        WtoursError: a video is unusable, or slower than the kept rate.
    """
    settings, begin_s = settings or ShardSettings(), time.perf_counter()
    inputs = find_inputs(paths, subset=subset)
    for video in inputs:
        require_rate(video, settings)
    checking_s = time.perf_counter() - begin_s + _hashing_s(inputs)
    portions = portions_of(inputs, settings)
    wanted = workers if workers is not None else default_workers()
    at_once = max(1, min(wanted, len(portions)))
    passes = _measure(inputs, settings, threads=max(1, usable_cores() // at_once))
    opening_s = _opening_s(settings)
    lengths_s = [
        opening_s + sum(passes[part.video].time_s(part.first, part.end) for part in portion)
        for portion in portions
    ]
    starting_s = _starting_s(settings) if at_once > 1 else 0.0
    return Estimate(
        videos=tuple(passes[video.name].expected() for video in inputs),
        workers=at_once,
        work_s=checking_s + starting_s + makespan_s(lengths_s, workers=at_once),
    )


def makespan_s(lengths_s: Sequence[float], *, workers: int) -> float:
    """Return when the last of some tasks ends, each being taken in order by whoever is free."""
    free_s = list(repeat(0.0, workers))
    for length_s in lengths_s:
        heapq.heapreplace(free_s, free_s[0] + length_s)
    return max(free_s)


@dataclass(frozen=True, kw_only=True)
class PortionFrames:
    """Some frames of a video, from `first` up to `end`, that a portion of the work is on."""

    video: str
    first: int
    end: int


def portions_of(
    inputs: Sequence[ShardInput], settings: ShardSettings
) -> list[tuple[PortionFrames, ...]]:
    """Return what is in each tar of all sets, in the order in which they are worked on.

    Args:
        inputs: the videos.
        settings: what is kept of them.

    Raises:
        WtoursError: two sets would have the same name.
    """
    portions = []
    for group in group_into_sets(inputs, stretch_s=settings.tar_s):
        videos = plan_videos(group, settings)
        for places in divide_work(group, videos, settings):
            stretches = [(videos[at].video, videos[at].stretches[number]) for at, number in places]
            portions.append(
                tuple(
                    PortionFrames(video=video.name, first=stretch.first, end=stretch.end)
                    for video, stretch in stretches
                )
            )
    return portions


@dataclass(frozen=True, kw_only=True)
class _ExpectedPass:
    """The pass over one video: what it goes over, and how long that takes."""

    video: ShardInput
    counted: CountedPass
    measured: Sequence[MeasuredPass]
    """Of this video, or of some that are alike."""

    def time_s(self, first: int, end: int) -> float:
        """Return what a worker takes from one frame up to another."""
        frames = int(self.counted.frames[end] - self.counted.frames[first])
        low, high = np.searchsorted(self.counted.kept, [first, end]).tolist()
        return fmean(one.time_s(frames=frames, pictures=high - low) for one in self.measured)

    def expected(self) -> VideoEstimate:
        """Return what to expect of the whole video."""
        facts, pictures = self.video.facts, len(self.counted.kept)
        picture_bytes = fmean(one.picture_bytes for one in self.measured)
        return VideoEstimate(
            name=self.video.name,
            path=facts.path,
            duration_s=facts.duration_s,
            frames=int(self.counted.frames[-1]),
            pictures=pictures,
            size_bytes=round(pictures * picture_bytes),
            work_s=self.time_s(0, len(self.counted.frames) - 1),
        )


def _measure(
    inputs: Sequence[ShardInput], settings: ShardSettings, *, threads: int
) -> dict[str, _ExpectedPass]:
    """Count the pass over each video, and measure it, or a few that stand for many alike."""
    detectors = () if settings.blur is None else settings.blur.open_detectors()
    alike: dict[tuple[str, int, int], list[MeasuredPass]] = {}
    passes = {}
    for video in inputs:
        facts, counted = video.facts, count_pass(video, settings)
        known = alike.setdefault((facts.codec, facts.width, facts.height), [])
        own = len(known) < _MEASURED_ALIKE
        if own:
            known.append(
                measure_pass(video, counted, settings, detectors=detectors, threads=threads)
            )
        measured = tuple(known[-1:] if own else known)
        passes[video.name] = _ExpectedPass(video=video, counted=counted, measured=measured)
    return passes


def _opening_s(settings: ShardSettings) -> float:
    """Return how long loading the detectors takes once their files are in memory."""
    if settings.blur is None:
        return 0.0
    with one_opencv_thread():
        begin_s = time.perf_counter()
        settings.blur.open_detectors()
        return time.perf_counter() - begin_s


def _hashing_s(inputs: Sequence[ShardInput]) -> float:
    """Return how long hashing the videos takes beside reading them."""
    begin_s = time.perf_counter()
    sha256(bytes(_HASHED_BYTES))
    taken_s = time.perf_counter() - begin_s
    return taken_s * sum(video.facts.size_bytes for video in inputs) / _HASHED_BYTES


def _starting_s(settings: ShardSettings) -> float:
    """Return how long a worker takes to start: a new Python with what the work imports."""
    program = "import sys; sys.path[:] = sys.argv[1:]; import wtours.portion_work"
    if settings.blur is not None and (settings.blur.face_model or settings.blur.plate_model):
        program += ", wtours.detectors.torchscript"
    begin_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *sys.path], check=True)
    return time.perf_counter() - begin_s
