"""The pictures of shard sets looked at in the videos they were made from, stretch by stretch."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.detection_streams import StreamUnit
from analysis.source_videos import Pixels, Sources
from wtours.shards import ShardSet, VideoRecord

_VERSION = 1
"""Of how pictures are made of frames: `Frame.image`, all pixels in RGB, upright."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoUnit(StreamUnit):
    """The kept frames of a stretch of video."""

    video: str
    """Its name in the set."""


def units_of_videos(shards: Sequence[ShardSet], sources: Sources) -> tuple[VideoUnit, ...]:
    """Return the stretches whose pictures share a tar, video by video.

    They follow from the sets alone, so that what is kept of them is found without the videos.

    Args:
        shards: sets as `open_shards` returns them.
        sources: asked for a video when its first picture is read.

    Raises:
        ShardError: an index is missing or damaged.
    """
    return tuple(unit for shard_set in shards for unit in _units_of_set(shard_set, sources))


def _units_of_set(shard_set: ShardSet, sources: Sources) -> Iterator[VideoUnit]:
    columns = ["video", "tick", "pts", "time_s", "tar"]
    index: pd.DataFrame = shard_set.table(columns).to_pandas()
    parts = index.groupby(["video", "tar"], observed=True, sort=False)
    rows_of: dict[str, list[pd.DataFrame]] = {}
    for (video, _), rows in parts:
        rows_of.setdefault(str(video), []).append(rows)
    for record in shard_set.videos:
        for rows in rows_of.get(record.name, []):
            yield _unit(record, rows, sources)


def _unit(record: VideoRecord, rows: pd.DataFrame, sources: Sources) -> VideoUnit:
    # Neighbouring ticks of one time share one picture (FORMAT.md, Time).
    pts, picture = np.unique(rows["pts"].to_numpy(dtype=np.int64), return_inverse=True)
    first_s, last_s = float(rows["time_s"].iloc[0]), float(rows["time_s"].iloc[-1])
    told = f"frames {_VERSION} {record.sha256} {record.width}x{record.height} "
    return VideoUnit(
        video=record.name,
        key=hashlib.sha256(told.encode() + pts.astype("<i8").tobytes()).hexdigest(),
        label=f"{record.name}, {first_s:.0f} to {last_s:.0f} s",
        ticks=rows[["video", "tick", "time_s"]].assign(picture=picture.astype(np.int32)),
        pictures=len(pts),
        picture_bytes=record.width * record.height * 3,
        read=_Reading(sources, record.name, pts),
    )


@dataclass(frozen=True)
class _Reading:
    """A call that gives the pictures of a stretch."""

    sources: Sources
    video: str
    pts: NDArray[np.int64]

    def __call__(self) -> Iterator[Pixels]:
        yield from self.sources.find([self.video])[self.video].pictures(self.pts)
