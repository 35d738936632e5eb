"""Each video over time, as the page draws it: pictures, curves, cuts, and what its script reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.counting import Counts, looked_size
from analysis.embedding import (
    BOX_BYTES,
    boxes_in_frame,
    class_places,
    embed_boxes,
    embed_jpeg,
    embed_ticks,
    keep_every,
)
from analysis.figures.style import time_unit
from analysis.page_lanes import Lane, lightness_lane, objects_lane
from analysis.plot_paths import time_labels, upright_path
from analysis.statistics.lightness import LightnessOptions
from analysis.tables import Tables
from analysis.thumbnails import (
    Thumbnail,
    odd_multiple,
    read_thumbnail,
    share_out,
    spread_rows,
    to_jpeg,
)
from wtours.shards import ShardSet, VideoRecord

MAX_THUMBNAILS = 400
"""In a page; evenly over its videos."""
THUMBNAIL_PX = 108
STRIP_ASPECT = 18.0
"""Width by height of the strip of pictures over a video's curves."""
MAX_POINTS = 800
"""Rows of a curve: about as many as a page is wide in pixels."""
MAX_POINTS_OF_ALL = 10_000
"""Rows of the curves of all videos of a page; each is drawn some eight times."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One video in the page."""

    video: str
    duration_s: float
    pictures: int
    slots: int
    """Equal stretches of time that the strip is divided into."""
    strip: Sequence[tuple[int, Thumbnail]]
    """Number of the stretch, and its picture; a stretch without one is missing."""
    lanes: Sequence[Lane]
    cuts: str
    """SVG path through all lanes."""
    labels: Sequence[tuple[float, str]]
    """Share of the width, and text, of the axis of time."""
    data: Mapping[str, Any]
    """For the page's script: see `analysis/embedding.py`."""


@dataclass(frozen=True, kw_only=True)
class Timelines:
    """All videos of a page."""

    videos: Sequence[Timeline]
    names: Sequence[str]
    """Class names, by their place."""
    every: int
    """Every so-manieth frame of a video is embedded."""
    boxes: int
    """Of each frame at most; 0 where there are none."""
    boxes_cut: bool
    """Whether some frame has more."""


def make_timelines(
    tables: Tables,
    videos: Mapping[str, tuple[ShardSet, VideoRecord]],
    options: LightnessOptions,
    counts: Counts | None,
    *,
    room_bytes: int,
) -> Timelines:
    """Return what the page shows of each video over time.

    Args:
        tables: of the videos.
        videos: each with its shard set and record.
        options: how lightness is told.
        counts: objects, counted; None where nobody looked for them.
        room_bytes: what the page has room for; boxes take what is left by all else.

    Raises:
        ShardError: a picture is not what was written.
    """
    every = keep_every(len(tables.pictures))
    pictures = dict(iter(tables.pictures.groupby("video", observed=True)))
    none = tables.pictures.iloc[:0]
    shown = {name: pictures.get(name, none) for name in videos}
    of_objects = None if counts is None else _ObjectParts(counts)
    thumbnails = share_out(MAX_THUMBNAILS, videos=len(videos))
    points = max(40, min(MAX_POINTS, MAX_POINTS_OF_ALL // len(videos)))
    made = [
        _timeline(
            *(shard_set, record, shown[name], _cuts_of(tables, name), options, of_objects),
            points=points,
            thumbnails=most,
            every=every,
        )
        for (name, (shard_set, record)), most in zip(videos.items(), thumbnails, strict=True)
    ]
    if of_objects is None:
        return Timelines(videos=made, names=[], every=every, boxes=0, boxes_cut=False)
    left_bytes = room_bytes - sum(_size_bytes(each) for each in made)
    embedded = {name: pictures["tick"].iloc[::every].to_numpy() for name, pictures in shown.items()}
    counted = of_objects.boxes_of_frames(embedded)
    most = boxes_in_frame(counted, budget=max(0, left_bytes) // BOX_BYTES)
    return Timelines(
        videos=[
            replace(
                each,
                data={**each.data, "boxes": of_objects.embed(record, embedded[name], most=most)},
            )
            for each, (name, (_, record)) in zip(made, videos.items(), strict=True)
        ],
        names=list(of_objects.places),
        every=every,
        boxes=most,
        boxes_cut=bool((counted > most).any()),
    )


class _ObjectParts:
    """Counts and boxes by video."""

    def __init__(self, counts: Counts) -> None:
        detections = counts.objects.detections
        counted = detections[detections["score"].to_numpy() >= np.float32(counts.threshold)]
        self.record = counts.objects.record
        self.places = class_places(counted)
        self.frames = {
            str(name): frames for name, frames in counts.per_frame.groupby("video", observed=True)
        }
        self.boxes = {str(name): boxes for name, boxes in counted.groupby("video", observed=True)}
        self.no_frames, self.no_boxes = counts.per_frame.iloc[:0], counted.iloc[:0]

    def frames_of(self, video: str) -> pd.DataFrame:
        return self.frames.get(video, self.no_frames)

    def boxes_of_frames(self, embedded: Mapping[str, "np.ndarray[Any, Any]"]) -> Any:
        """Return how many boxes each frame has that is embedded, of all videos together."""
        in_frame = [
            frames["instances"].to_numpy()[frames["tick"].isin(embedded[name])]
            for name, frames in self.frames.items()
            if name in embedded
        ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *in_frame])

    def embed(
        self, record: VideoRecord, ticks: "np.ndarray[Any, Any]", *, most: int
    ) -> dict[str, str]:
        """Return the boxes of a video's ticks, as `embed_boxes` does."""
        size = (record.picture_width, record.picture_height)
        return embed_boxes(
            ticks,
            self.boxes.get(record.name, self.no_boxes),
            size=looked_size(self.record, record.name, otherwise=size),
            places=self.places,
            most=most,
        )


def _size_bytes(timeline: Timeline) -> int:
    """Return about what a timeline takes in the page."""
    paths = sum(len(path) for lane in timeline.lanes for _, path in lane.shapes)
    cuts = len(timeline.lanes) * len(timeline.cuts)
    strip = sum(len(embed_jpeg(each.jpeg)) + 200 for _, each in timeline.strip)
    return len(json.dumps(timeline.data)) + paths + cuts + strip + 3000


def _timeline(
    shard_set: ShardSet,
    record: VideoRecord,
    pictures: pd.DataFrame,
    cuts_s: Sequence[float] | None,
    options: LightnessOptions,
    objects: _ObjectParts | None,
    *,
    points: int,
    thumbnails: int,
    every: int,
) -> Timeline:
    small = _thumbnails(shard_set, record, pictures, most=thumbnails)
    embedded = pictures.iloc[::every]
    size = (record.picture_width, record.picture_height)
    lanes = [lightness_lane(record, pictures, options, points=points)]
    data: dict[str, Any] = {"name": record.name, "duration": record.duration_s, "size": size}
    counted = None
    if objects is not None:
        counted = objects.frames_of(record.name)
        lanes.append(objects_lane(record, counted, options, points=points))
    data["ticks"] = embed_ticks(embedded, counted)
    data["thumbnails"] = [
        {"time": round(each.time_s * 1000), "tick": each.tick, "jpeg": embed_jpeg(each.jpeg)}
        for each in small.others
    ]
    return Timeline(
        video=record.name,
        duration_s=record.duration_s,
        pictures=pictures["time_s"].nunique(),
        slots=small.slots,
        strip=small.strip,
        lanes=lanes,
        cuts="" if cuts_s is None else upright_path(cuts_s, duration_s=record.duration_s),
        labels=time_labels(record.duration_s, time_unit(record.duration_s)),
        data=data,
    )


@dataclass(frozen=True, kw_only=True)
class _Small:
    slots: int
    strip: Sequence[tuple[int, Thumbnail]]
    others: Sequence[Thumbnail]


def _thumbnails(
    shard_set: ShardSet, record: VideoRecord, pictures: pd.DataFrame, *, most: int
) -> _Small:
    """Read a video's small pictures: those that fill its strip, and those between them."""
    distinct = pictures.drop_duplicates("time_s")["row"].tolist()
    fitting = int(STRIP_ASPECT * record.picture_height / record.picture_width)
    slots = min(max(1, fitting), len(distinct), most)
    if slots == 0:
        return _Small(slots=1, strip=[], others=[])
    shown = spread_rows(pictures, duration_s=record.duration_s, count=slots)
    between: Sequence[int | None] = distinct
    if len(distinct) > most:
        count = odd_multiple(slots, most=most)
        between = spread_rows(pictures, duration_s=record.duration_s, count=count)
    times_s = dict(zip(pictures["row"], pictures["time_s"], strict=True))
    ticks = dict(zip(pictures["row"], pictures["tick"], strict=True))

    def small(row: int) -> Thumbnail:
        pixels = read_thumbnail(shard_set, row, height_px=THUMBNAIL_PX)
        return Thumbnail(
            time_s=float(times_s[row]),
            tick=int(ticks[row]),
            jpeg=to_jpeg(pixels),
            width=pixels.shape[1],
            height=pixels.shape[0],
        )

    return _Small(
        slots=slots,
        strip=[(place, small(row)) for place, row in enumerate(shown) if row is not None],
        others=[small(row) for row in between if row is not None and row not in shown],
    )


def _cuts_of(tables: Tables, video: str) -> list[float] | None:
    starts = tables.shots.loc[tables.shots["video"] == video, "start_s"]
    return starts.tolist()[1:] if len(starts) else None
