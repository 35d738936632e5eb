"""What a dataset card says of shard sets: counted in the index, or read from the record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wtours.publishing.credit import Credit
from wtours.publishing.markdown import one_line
from wtours.shards import ShardSet, VideoRecord, count_found

_COLUMNS = ("video", "key", "segment", "lightness_mean", "boxes")


@dataclass(frozen=True, kw_only=True)
class VideoNumbers:
    """One video of a set, counted."""

    record: VideoRecord
    credit: Credit | None
    folder: PurePosixPath
    """Of its set, from where the card is to stand."""
    ticks: int
    """With a picture: rows of the index."""
    pictures: int
    """Stored ones; ticks may share one."""
    segments: int
    cuts: int | None
    """None where none were sought."""
    covered: int | None
    """Boxes; None where nothing was covered."""
    pictures_with_covered: int | None
    lightness: tuple[float, float, float]
    """5th percentile, median and 95th of the pictures' mean L*."""

    @property
    def city(self) -> str | None:
        """As the manifest states it."""
        city = (self.record.provenance or {}).get("city")
        return one_line(city) or None if isinstance(city, str) else None

    @property
    def faults(self) -> tuple[str, ...]:
        """What the last check of the video found, although it was used all the same."""
        check = (self.record.provenance or {}).get("verification") or {}
        return tuple(one_line(fault) for fault in check.get("faults") or ())


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """All that a card is made from."""

    name: str
    url: str | None
    published: date
    sets: Mapping[PurePosixPath, ShardSet]
    """By their folders, from where the card is to stand."""
    videos: tuple[VideoNumbers, ...]

    @property
    def pictures(self) -> int:
        """In all sets."""
        return sum(video.pictures for video in self.videos)

    @property
    def duration_s(self) -> float:
        """Seconds of video in all sets."""
        return sum(video.record.duration_s for video in self.videos)

    @property
    def size_bytes(self) -> int:
        """Of all tars."""
        return sum(tar.size_bytes for one in self.sets.values() for tar in one.record.tars)

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Names of the videos in which no face was covered because blurring was off."""
        return tuple(video.record.name for video in self.videos if video.covered is None)


def count_videos(sets: Mapping[PurePosixPath, ShardSet]) -> tuple[VideoNumbers, ...]:
    """Count what the sets hold of each video, in their order.

    Raises:
        ShardError: a table is missing or damaged.
        WtoursError: a record of provenance is damaged.
    """
    found = []
    for folder, shard_set in sets.items():
        index, cuts = shard_set.table(_COLUMNS), shard_set.cuts()
        for record in shard_set.videos:
            rows, of_video = _of(index, record.name), _of(cuts, record.name)
            found.append(_count(record, folder, shard_set.record.settings, rows, len(of_video)))
    return tuple(found)


def _of(table: pa.Table, video: str) -> pa.Table:
    return table.filter(pc.equal(table["video"].cast(pa.string()), video))


def _count(
    record: VideoRecord,
    folder: PurePosixPath,
    settings: Mapping[str, Any],
    rows: pa.Table,
    cuts: int,
) -> VideoNumbers:
    # Rows that share a picture are neighbours and share its boxes; each picture counts once.
    of_keys = pa.table({"key": rows["key"], "boxes": count_found(rows["boxes"])})
    boxes = of_keys.group_by("key").aggregate([("boxes", "max")])["boxes_max"]
    blurred, sought = settings.get("blur") is not None, settings.get("cuts") is not None
    low, middle, high = pc.quantile(rows["lightness_mean"], q=[0.05, 0.5, 0.95]).to_pylist()
    return VideoNumbers(
        record=record,
        credit=record.credit,
        folder=folder,
        ticks=rows.num_rows,
        pictures=len(boxes),
        segments=pc.count_distinct(rows["segment"]).as_py(),
        cuts=cuts if sought else None,
        covered=pc.sum(boxes).as_py() if blurred else None,
        pictures_with_covered=pc.sum(pc.greater(boxes, 0)).as_py() if blurred else None,
        lightness=(low, middle, high),
    )
