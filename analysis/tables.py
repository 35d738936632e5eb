"""Shard sets as pandas tables with typed columns: pictures, shots and videos, and back to files.

A table has one row a moment (`pictures`), a shot or a video, and names the video in a column, so
that tables of many videos are simply joined. Further ones, such as detections, join on
(video, tick).
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from analysis.statistics.shots import shots_between
from wtours.shards import ShardSet, VideoRecord, count_found

PICTURE_COLUMNS: Mapping[str, str] = {
    "video": "category",
    "tick": "int64",
    "time_s": "float64",
    "segment": "int32",
    "lightness_mean": "float32",
    "lightness_p5": "float32",
    "lightness_p50": "float32",
    "lightness_p95": "float32",
    "sharpness": "float32",
    "motion": "float32",
    "phash": "uint64",
    "boxes": "int32",
    "row": "int64",
}
"""One row a tick. `boxes`: how many were found in it; `row`: of the index of its shard set."""

SHOT_COLUMNS: Mapping[str, str] = {
    "video": "category",
    "shot": "int32",
    "start_s": "float64",
    "end_s": "float64",
    "duration_s": "float64",
}
"""One row a shot, counted from 0; no row for a video whose cuts were not sought."""

VIDEO_COLUMNS: Mapping[str, str] = {
    "video": "category",
    "duration_s": "float64",
    "width": "int32",
    "height": "int32",
    "rate_hz": "float64",
    "frames": "int64",
    "kept_rate_hz": "float64",
    "native": "bool",
    "picture_width": "int32",
    "picture_height": "int32",
    "ticks": "int64",
    "pictures": "int64",
    "cuts": "Int64",
    "blurred_boxes": "Int64",
    "attribution": "string",
    "licence": "string",
    "source": "string",
}
"""One row a video. `cuts` and `blurred_boxes` are missing, not 0, where nobody looked for them."""

_READ_FROM_INDEX = [name for name in PICTURE_COLUMNS if name != "row"]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What is known of a group of videos, without their pictures."""

    pictures: pd.DataFrame
    """PICTURE_COLUMNS, sorted by video (in the order of `videos`) and tick."""
    shots: pd.DataFrame
    """SHOT_COLUMNS"""
    videos: pd.DataFrame
    """VIDEO_COLUMNS, in the order of the shard sets."""


def read_tables(
    shards: Sequence[ShardSet], *, read: Callable[[ShardSet], None] = lambda _: None
) -> Tables:
    """Read index, cuts and record of shard sets; only the columns that are needed.

    Args:
        shards: sets as `open_shards` returns them, in which no video occurs twice.
        read: called after each set.

    Raises:
        ShardError: a table is missing or damaged.
    """
    pictures, shots, videos = [], [], []
    for shard_set in shards:
        of_set = _pictures_of(shard_set)
        pictures.append(of_set)
        cuts = shard_set.cuts()
        for record in shard_set.videos:
            rows = of_set[of_set["video"] == record.name]
            cuts_s = _cuts_of(shard_set, cuts, record)
            if cuts_s is not None:
                of_video = shots_between(cuts_s, duration_s=record.duration_s)
                shots.append(of_video.assign(video=record.name))
            videos.append(_video_row(shard_set, record, rows, cuts_s))
        read(shard_set)
    order = [row["video"] for row in videos]
    return Tables(
        pictures=_typed(_joined(pictures), PICTURE_COLUMNS, order),
        shots=_typed(_joined(shots), SHOT_COLUMNS, order),
        videos=_typed(pd.DataFrame(videos), VIDEO_COLUMNS, order),
    )


def to_parquet(table: pd.DataFrame) -> bytes:
    """Return a table as Parquet, the same bytes for the same table."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), buffer, compression="zstd")
    return buffer.getvalue()


def to_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV in UTF-8 with a header; what is missing is an empty cell."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    plain = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for column in arrow.columns
    ]
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(pa.table(plain, names=arrow.column_names), buffer)
    return buffer.getvalue()


def _pictures_of(shard_set: ShardSet) -> pd.DataFrame:
    index = shard_set.table(_READ_FROM_INDEX)
    boxes = index.column_names.index("boxes")
    index = index.set_column(boxes, "boxes", count_found(index["boxes"]))
    pictures: pd.DataFrame = index.to_pandas()
    return pictures.assign(row=np.arange(len(pictures), dtype=np.int64))


def _cuts_of(
    shard_set: ShardSet, cuts: pa.Table, record: VideoRecord
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return the times of a video's cuts, or None where the record says that none were sought."""
    if shard_set.record.settings.get("cuts") is None:
        return None
    mine = cuts.filter(pc.equal(cuts["video"].cast(pa.string()), record.name))
    return np.asarray(mine["time_s"].to_numpy(), dtype=np.float64)


def _video_row(
    shard_set: ShardSet,
    record: VideoRecord,
    rows: pd.DataFrame,
    cuts_s: np.ndarray[Any, np.dtype[np.float64]] | None,
) -> dict[str, Any]:
    settings = shard_set.record.settings
    # Neighbouring ticks of one time share one picture (FORMAT.md, Time).
    first_of_picture = rows["time_s"].diff().ne(0)
    credit = record.credit
    return {
        "video": record.name,
        "duration_s": record.duration_s,
        "width": record.width,
        "height": record.height,
        "rate_hz": float(record.rate),
        "frames": record.frames,
        "kept_rate_hz": float(record.kept_rate),
        "native": settings.get("fps") == "native",
        "picture_width": record.picture_width,
        "picture_height": record.picture_height,
        "ticks": len(rows),
        "pictures": int(first_of_picture.sum()),
        "cuts": None if cuts_s is None else len(cuts_s),
        "blurred_boxes": (
            None if settings.get("blur") is None else int(rows["boxes"][first_of_picture].sum())
        ),
        "attribution": record.attribution or None,
        "licence": None if credit is None else credit.licence.name,
        "source": None if credit is None else _address(credit.url),
    }


def _address(url: str) -> str | None:
    """Return where others can fetch a video too, which is not a file of the user's."""
    return url if url.startswith(("https://", "http://")) else None


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _typed(table: pd.DataFrame, columns: Mapping[str, str], order: Sequence[str]) -> pd.DataFrame:
    """Give a table exactly these columns and types; `order` becomes the categories of `video`."""
    if table.empty:
        table = pd.DataFrame({name: [] for name in columns})
    videos = pd.Categorical(table["video"].astype("string"), categories=list(order))
    types = {name: kind for name, kind in columns.items() if name != "video"}
    return table.assign(video=videos)[list(columns)].astype(types)
