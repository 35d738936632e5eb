"""What sharding would give and take, before it is done: `wtours shard --dry-run`.

Pictures are counted from the time stamps, exactly; times and sizes are those of short parts.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from wtours.executors import usable_cores
from wtours.measured_pass import CountedPass, MeasuredPass, count_pass, measure_pass
from wtours.shard import require_rate
from wtours.shard_inputs import ShardInput, Subset, find_inputs
from wtours.shard_rounds import default_workers
from wtours.shard_settings import ShardSettings

_MEASURED_ALIKE = 5
"""Of videos of one codec and size so many are measured; they stand for the others."""


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
    """That this takes, about, on this machine."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What to expect of all videos."""

    videos: tuple[VideoEstimate, ...]
    opening_s: float
    """That loading the detectors takes, which is done for every tar."""

    @property
    def pictures(self) -> int:
        """To keep."""
        return sum(video.pictures for video in self.videos)

    @property
    def size_bytes(self) -> int:
        """Of all tars, about."""
        return sum(video.size_bytes for video in self.videos)

    @property
    def work_s(self) -> float:
        """That all takes, about, on this machine."""
        return self.opening_s + sum(video.work_s for video in self.videos)


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
    settings = settings or ShardSettings()
    inputs = find_inputs(paths, subset=subset)
    for video in inputs:
        require_rate(video, settings)
    tars = max(1, round(sum(video.facts.duration_s for video in inputs) / settings.tar_s))
    at_once = max(1, min(workers if workers is not None else default_workers(), tars))
    begin_s = time.perf_counter()
    detectors = settings.blur.open_detectors() if settings.blur is not None else ()
    opening_s = time.perf_counter() - begin_s
    measured: dict[tuple[str, int, int], list[MeasuredPass]] = {}
    videos = []
    for video in inputs:
        facts, counted = video.facts, count_pass(video, settings)
        alike = measured.setdefault((facts.codec, facts.width, facts.height), [])
        if len(alike) < _MEASURED_ALIKE:
            threads = max(1, usable_cores() // at_once)
            alike.append(
                measure_pass(video, counted, settings, detectors=detectors, threads=threads)
            )
            expected = _expected(video, counted, alike[-1:], at_once=at_once)
        else:
            expected = _expected(video, counted, alike, at_once=at_once)
        videos.append(expected)
    return Estimate(videos=tuple(videos), opening_s=tars * opening_s / at_once)


def _expected(
    video: ShardInput, counted: CountedPass, measured: Sequence[MeasuredPass], *, at_once: int
) -> VideoEstimate:
    frames, pictures = int(counted.frames[-1]), len(counted.kept)
    picture_bytes = fmean(one.picture_bytes for one in measured)
    work_s = fmean(frames * one.frame_s + pictures * one.picture_s for one in measured)
    return VideoEstimate(
        name=video.name,
        path=video.facts.path,
        duration_s=video.facts.duration_s,
        frames=frames,
        pictures=pictures,
        size_bytes=round(pictures * picture_bytes),
        work_s=work_s / at_once,
    )
