"""What sharding would give and take, before it is done: `wtours shard --dry-run`.

Pictures are counted from the time stamps, exactly; times and sizes are those of short parts.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from wtours.measured_pass import measure_pass
from wtours.shard import default_workers, require_rate
from wtours.shard_inputs import ShardInput, Subset, find_inputs
from wtours.shard_settings import ShardSettings


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
        return sum(video.work_s for video in self.videos)


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
    stretches = sum(_stretches(video, settings) for video in inputs)
    at_once = max(1, min(workers if workers is not None else default_workers(), stretches))
    return Estimate(
        videos=tuple(_estimate_one(video, settings, at_once=at_once) for video in inputs)
    )


def _estimate_one(video: ShardInput, settings: ShardSettings, *, at_once: int) -> VideoEstimate:
    expected = measure_pass(video, settings, threads=max(1, _cores() // at_once))
    work_s = expected.work_s + _stretches(video, settings) * expected.opening_s
    return VideoEstimate(
        name=video.name,
        path=video.facts.path,
        duration_s=video.facts.duration_s,
        frames=expected.frames,
        pictures=expected.pictures,
        size_bytes=round(expected.pictures * expected.picture_bytes),
        work_s=work_s / at_once,
    )


def _stretches(video: ShardInput, settings: ShardSettings) -> int:
    """Return about how many stretches a video has."""
    return ceil(video.facts.duration_s / settings.tar_s)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
