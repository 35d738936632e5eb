"""Pictures of the most frequent and of the rarest classes: what a detector took for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.counting import Counts, looked_size
from analysis.tables import Tables
from analysis.thumbnails import read_crop, to_jpeg
from wtours.shards import ShardSet, VideoRecord

CLASSES = 12
"""Of each end of the ranking."""
HEIGHT_PX = 110


@dataclass(frozen=True, kw_only=True)
class Example:
    """One class: its surest box, and how often it was found."""

    name: str
    instances: int
    frames: int
    video: str
    time_s: float
    score: float
    jpeg: bytes | None
    """None where the shards have no picture of that moment."""
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """Both ends of the ranking; no class stands in both."""

    frequent: Sequence[Example]
    rare: Sequence[Example]
    """The rarest first."""


def make_contact_sheet(
    counts: Counts,
    tables: Tables,
    videos: Mapping[str, tuple[ShardSet, VideoRecord]],
    *,
    classes: int = CLASSES,
) -> ContactSheet:
    """Return the surest box of each of the most frequent and the rarest classes of all videos.

    Raises:
        ShardError: a picture is not what was written.
    """
    of_videos = counts.classes[counts.classes["video"].isin(list(videos))]
    totals = (
        of_videos.groupby("name", observed=True)[["instances", "frames"]]
        .sum()
        .reset_index()
        .astype({"name": str})
        .sort_values(["instances", "frames", "name"], ascending=[False, False, True])
    )
    number = min(classes, -(-len(totals) // 2))
    frequent = totals.head(number)
    rare = totals.tail(min(classes, len(totals) - number)).iloc[::-1]
    shown = pd.concat([frequent, rare])
    detections = counts.objects.detections
    counted = detections[
        (detections["score"] >= counts.threshold)
        & detections["name"].isin(shown["name"])
        & detections["video"].isin(list(videos))
    ]
    best = counted.sort_values("score", ascending=False, kind="stable").drop_duplicates("name")
    boxes = best.astype({"name": str, "video": str}).set_index("name")
    rows = _rows(tables, boxes)

    def example(total: pd.Series) -> Example:
        return _example(total, boxes.loc[total["name"]], rows, counts, videos)

    return ContactSheet(
        frequent=[example(total) for _, total in frequent.iterrows()],
        rare=[example(total) for _, total in rare.iterrows()],
    )


def _rows(tables: Tables, boxes: pd.DataFrame) -> dict[tuple[str, int], int]:
    """Return the rows in their sets' indexes of the moments in which boxes were found."""
    pictures = tables.pictures[tables.pictures["tick"].isin(boxes["tick"])]
    keys = zip(pictures["video"].astype(str), pictures["tick"].tolist(), strict=True)
    return dict(zip(keys, pictures["row"].tolist(), strict=True))


def _example(
    total: pd.Series,
    box: pd.Series,
    rows: Mapping[tuple[str, int], int],
    counts: Counts,
    videos: Mapping[str, tuple[ShardSet, VideoRecord]],
) -> Example:
    video = str(box["video"])
    shard_set, record = videos[video]
    size = (record.picture_width, record.picture_height)
    width, height = looked_size(counts.objects.record, video, otherwise=size)
    row = rows.get((video, int(box["tick"])))
    pixels = None
    if row is not None:
        edges = (box["x0"] / width, box["y0"] / height, box["x1"] / width, box["y1"] / height)
        pixels = read_crop(shard_set, row, edges, height_px=HEIGHT_PX)
    return Example(
        name=str(total["name"]),
        instances=int(total["instances"]),
        frames=int(total["frames"]),
        video=video,
        time_s=float(box["time_s"]),
        score=float(box["score"]),
        jpeg=None if pixels is None else to_jpeg(pixels),
        width=0 if pixels is None else pixels.shape[1],
        height=0 if pixels is None else pixels.shape[0],
    )
