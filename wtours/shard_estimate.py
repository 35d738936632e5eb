"""What sharding would give and take, before it is done: `wtours shard --dry-run`.

Times and sizes are measured on the first frames of each video and on a few pictures spread over it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean, median

from wtours.portion_work import picture_stage
from wtours.shard import require_rate
from wtours.shard_inputs import ShardInput, Subset, find_inputs
from wtours.shard_settings import ShardSettings
from wtours.shards import Picture
from wtours.stages.cuts import CutStage
from wtours.video import Frame, VideoReader, open_video

_WARM_UP_FRAMES = 12
"""The first frames take longer: the decoder's threads start, and its queue fills."""
_MEASURED_FRAMES = 120
_MEASURED_S = 2.0
_MEASURED_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the video at which a picture is made."""
_TAR_BLOCK_BYTES = 512


@dataclass(frozen=True, kw_only=True)
class VideoEstimate:
    """What to expect of one video."""

    name: str
    path: Path
    duration_s: float
    frames: int
    """To decode."""
    pictures: int
    """To keep, about."""
    size_bytes: int
    """Of the tars, about."""
    work_s: float
    """Of computing, about, on this machine."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What to expect of all videos."""

    videos: tuple[VideoEstimate, ...]

    @property
    def pictures(self) -> int:
        """To keep, about."""
        return sum(video.pictures for video in self.videos)

    @property
    def size_bytes(self) -> int:
        """Of all tars, about."""
        return sum(video.size_bytes for video in self.videos)

    @property
    def work_s(self) -> float:
        """Of computing, about, on this machine."""
        return sum(video.work_s for video in self.videos)


def estimate(
    paths: Sequence[str | Path],
    *,
    settings: ShardSettings | None = None,
    subset: Subset | None = None,
) -> Estimate:
    """Return what `shard_videos` would write; nothing is written.

    Raises:
        WtoursError: a video is unusable, or slower than the kept rate.
    """
    settings = settings or ShardSettings()
    inputs = find_inputs(paths, subset=subset)
    for video in inputs:
        require_rate(video, settings)
    return Estimate(videos=tuple(_estimate_one(video, settings) for video in inputs))


def _estimate_one(video: ShardInput, settings: ShardSettings) -> VideoEstimate:
    facts = video.facts
    with open_video(facts.path, facts=facts) as reader:
        frame_s = _seconds_a_frame(reader, settings)
        stage = picture_stage(video.name, facts, settings)
        frames = _spread_frames(reader)
        stage.process_alone(0, frames[0])  # the detector's first picture takes longer
        made, times_s = [], []
        for frame in frames:
            begin_s = time.perf_counter()
            made.append(stage.process_alone(0, frame).picture)
            times_s.append(time.perf_counter() - begin_s)
    pictures = facts.packets
    if settings.kept_fps is not None:
        # The last tick is at most half a tick after the last frame.
        last_s = facts.duration_s - 1 / float(facts.average_rate)
        pictures = min(pictures, int(last_s * float(settings.kept_fps) + 0.5) + 1)
    return VideoEstimate(
        name=video.name,
        path=facts.path,
        duration_s=facts.duration_s,
        frames=facts.packets,
        pictures=pictures,
        size_bytes=round(pictures * fmean(_bytes_in_tar(picture) for picture in made)),
        work_s=facts.packets * frame_s + pictures * median(times_s),
    )


def _seconds_a_frame(reader: VideoReader, settings: ShardSettings) -> float:
    """Return the time to decode a frame and to score it for cuts."""
    cuts = CutStage() if settings.cuts is not None else None
    warm = min(_WARM_UP_FRAMES, reader.facts.packets // 2)
    begin_s, count = time.perf_counter(), 0
    for number, frame in enumerate(islice(reader, warm + _MEASURED_FRAMES)):
        if cuts is not None:
            cuts.process_frame(frame)
        if number < warm:
            begin_s = time.perf_counter()
            continue
        count += 1
        if time.perf_counter() - begin_s > _MEASURED_S:
            break
    return (time.perf_counter() - begin_s) / max(1, count)


def _spread_frames(reader: VideoReader) -> list[Frame]:
    frames = []
    for share in _MEASURED_PLACES:
        reader.seek(share * reader.facts.duration_s)
        frames += list(islice(reader, 1))
    return frames


def _bytes_in_tar(picture: Picture) -> int:
    """Return what a picture takes in a tar: two members with headers, in whole blocks."""
    members = (len(picture.jpeg), len(picture.to_json()))
    return sum((2 + (size - 1) // _TAR_BLOCK_BYTES) * _TAR_BLOCK_BYTES for size in members)
