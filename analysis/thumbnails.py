"""Small pictures of a video, evenly spaced over its time, and of the objects in it."""

import io
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from wtours.shards import ShardSet

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

JPEG_QUALITY = 72
"""Of small pictures in a page: artefacts are not seen at their size."""


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A small picture of a page."""

    time_s: float
    tick: int
    jpeg: bytes
    width: int
    height: int


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


def share_out(total: int, *, videos: int) -> list[int]:
    """Return how many of `total` pictures each video gets: evenly, no two differ by over one.

    >>> share_out(7, videos=3), share_out(2, videos=4)
    ([2, 2, 3], [0, 1, 0, 1])
    """
    ends = [number * total // videos for number in range(videos + 1)]
    return [after - before for before, after in itertools.pairwise(ends)]


def odd_multiple(count: int, *, most: int) -> int:
    """Return the largest odd multiple of `count` that is not over `most`, but at least `count`.

    Of an odd multiple of equal stretches, every middle one has the middle of a larger stretch, so
    that the pictures of the few stretches are among those of the many.

    >>> odd_multiple(10, most=100), odd_multiple(10, most=8)
    (90, 10)
    """
    times = max(1, most // count)
    return count * (times if times % 2 else times - 1)


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


def read_crop(
    shard_set: ShardSet, row: int, shares: tuple[float, float, float, float], *, height_px: int
) -> Pixels:
    """Return a part of the picture of a row as (H, W, 3), at most `height_px` high or twice wide.

    Args:
        shard_set: the set.
        row: of its index.
        shares: x0, y0, x1, y1 as shares of the picture's width and height; a tenth of the part's
            own size is added around it.
        height_px: a smaller part is not enlarged.

    Raises:
        ShardError: its bytes are not those that were written.
    """
    with Image.open(io.BytesIO(shard_set.read_jpeg(row))) as picture:
        x0, y0, x1, y1 = np.clip(shares, 0.0, 1.0) * np.tile(picture.size, 2)
        margin_x, margin_y = (x1 - x0) / 10, (y1 - y0) / 10
        left, top = max(0, int(x0 - margin_x)), max(0, int(y0 - margin_y))
        right = min(picture.width, max(left + 1, int(np.ceil(x1 + margin_x))))
        bottom = min(picture.height, max(top + 1, int(np.ceil(y1 + margin_y))))
        left, top = min(left, right - 1), min(top, bottom - 1)
        part = picture.convert("RGB").crop((left, top, right, bottom))
        part.thumbnail((2 * height_px, height_px), Image.Resampling.LANCZOS)
        return np.asarray(part)


def to_jpeg(pixels: Pixels) -> bytes:
    """Return a small picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()
