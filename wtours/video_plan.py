"""What is to be done for one video of a shard set: its stretches, and the video at the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wtours.errors import WtoursError
from wtours.frame_pass import Sampling, StretchRecord, join, sample
from wtours.shard_inputs import ShardInput
from wtours.shard_settings import ShardSettings
from wtours.shards import JoinedVideo, VideoRecord
from wtours.shards.segments import Ints
from wtours.stretch_work import StretchTask
from wtours.stretches import Stretch, cut_into_stretches, even_length_s, whole, with_neighbours

_SEEKABLE = ("mov", "matroska")
"""Containers with an index of keyframes. Others are read from their beginning, in one stretch."""


@dataclass(frozen=True, kw_only=True)
class VideoPlan:
    """One video on its way to a shard set."""

    video: ShardInput
    settings: ShardSettings
    stretches: tuple[Stretch, ...]
    sampling: Sampling
    """Of the frames that its packets announce."""
    decoded: bool
    """Whether its packets are known to announce other frames than decoding gives."""

    def task(self, number: int) -> StretchTask:
        """Return what a process has to know to do a stretch."""
        stretch, blur = self.stretches[number], self.settings.blur
        facts, timeline = self.video.facts, self.video.timeline
        read, neighbours = with_neighbours(
            stretch,
            timeline,
            self.sampling.kept,
            reach_pts=blur.reach_pts(facts.time_base) if blur is not None else 0,
        )
        return StretchTask(
            name=self.video.name,
            facts=facts,
            stretch=stretch,
            read=read,
            neighbours=neighbours,
            kept=self.sampling.first_ticks(stretch.first, stretch.end),
            starts=timeline.starts,
            alone=len(self.stretches) == 1,
            decoded=self.decoded,
        )

    def join(self, records: Sequence[StretchRecord]) -> JoinedVideo:
        """Return the whole video.

        Raises:
            WtoursError: no frame of it is kept.
        """
        pts = np.concatenate([record.pts for record in records])
        starts = records[0].starts if records[0].starts is not None else self.video.timeline.starts
        sampling = _sample(pts, starts, self.video, self.settings)
        if not len(sampling.ticks):
            raise WtoursError(
                f"{self.video.facts.path} has no frame to keep",
                remedy="fetch it again, or leave it out",
            )
        return join(
            records,
            _video_record(self, records),
            sampling=sampling,
            fps=self.settings.kept_fps,
            cuts=self.settings.cuts,
        )


def plan_video(
    video: ShardInput, settings: ShardSettings, *, decoded: bool, in_one: bool
) -> VideoPlan:
    """Plan a video.

    Args:
        video: which, hashed.
        settings: what is kept of it, and how.
        decoded: whether its packets are known to announce other frames than decoding gives.
        in_one: do it as one stretch, whatever its length.
    """
    timeline, time_base = video.timeline, video.facts.time_base
    seekable = video.facts.container.split(",")[0] in _SEEKABLE
    length_s = even_length_s(timeline, time_base=time_base, most_s=settings.tar_s)
    stretches = (
        cut_into_stretches(timeline, time_base=time_base, length_s=length_s)
        if seekable and not in_one
        else whole(timeline)
    )
    return VideoPlan(
        video=video,
        settings=settings,
        stretches=stretches,
        sampling=_sample(timeline.pts, timeline.starts, video, settings),
        decoded=decoded,
    )


def _sample(pts: Ints, starts: Ints, video: ShardInput, settings: ShardSettings) -> Sampling:
    return sample(
        pts,
        time_base=video.facts.time_base,
        fps=settings.kept_fps,
        keyframes=starts if settings.sampling == "keyframes" else None,
    )


def hash_of(video: ShardInput) -> str:
    """Return the SHA-256 of a video that was hashed."""
    assert video.sha256 is not None
    return video.sha256


def _video_record(plan: VideoPlan, records: Sequence[StretchRecord]) -> VideoRecord:
    video, facts = plan.video, plan.video.facts
    picture = next(stored.picture for record in records for stored in record.stored)
    notes = dict.fromkeys(note for record in records for note in record.notes)
    return VideoRecord(
        name=video.name,
        sha256=hash_of(video),
        size_bytes=facts.size_bytes,
        codec=facts.codec,
        width=facts.width,
        height=facts.height,
        time_base=facts.time_base,
        rate=facts.average_rate,
        kept_rate=plan.settings.kept_fps or facts.average_rate,
        duration_s=facts.duration_s,
        frames=sum(len(record.pts) for record in records),
        picture_width=picture.width,
        picture_height=picture.height,
        notes=tuple(notes),
        provenance=video.provenance,
        attribution=video.attribution,
    )
