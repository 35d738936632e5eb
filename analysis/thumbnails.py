"""Small pictures of a video, evenly spaced over its time."""

import io
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from wtours.shards import ShardSet

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def spread_rows(pictures: pd.DataFrame, *, duration_s: float, count: int) -> list[int | None]:
    """Return rows of the shard set's index: for each of `count` equal stretches of the video, the
    picture nearest to its middle, or None where no picture lies in the stretch.

    Args:
        pictures: rows of `Tables.pictures` of one video, sorted by tick.
        duration_s: length of the video.
        count: stretches; the same as the pictures where these are fewer.
    """
    time_s = pictures["time_s"].to_numpy()
    count = min(count, len(np.unique(time_s)))
    rows: list[int | None] = []
    for stretch in range(count):
        middle_s = (stretch + 0.5) / count * duration_s
        nearest = int(np.argmin(np.abs(time_s - middle_s)))
        inside = abs(time_s[nearest] - middle_s) <= 0.5 / count * duration_s
        rows.append(int(pictures["row"].iloc[nearest]) if inside else None)
    return rows


def read_thumbnail(shard_set: ShardSet, row: int, *, height_px: int) -> Pixels:
    """Return the picture of a row of the index as (H, W, 3), at most `height_px` high.

    Raises:
        ShardError: its bytes are not those that were written.
    """
    with Image.open(io.BytesIO(shard_set.read_jpeg(row))) as picture:
        picture.draft("RGB", (1, height_px))  # the decoder itself halves, which is fast
        small = picture.convert("RGB")
        small.thumbnail((1 << 16, height_px), Image.Resampling.LANCZOS)
        return np.asarray(small)
