"""Which frames of which video are shown, and their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dora.config import ClipConfig
from dora.data.clips import ClipTable, SetIndex, find_clips
from dora.data.description import read_index
from dora.data.jpeg import DamagedJpegError, decode_jpeg, picture_size
from dora.data.reading import REMEDY
from dora.errors import DoraError
from wtours.shards import ShardCache, ShardSet, VideoRecord, open_shards


@dataclass(frozen=True, kw_only=True)
class ClipChoice:
    """What the user asks to see; by default the first clip of the first video."""

    video: str | None = None
    """Name of the video; None: the first one."""
    start_s: float | None = None
    """The first clip that begins at this time of the video or later, in seconds."""
    clip: int | None = None
    """Number of the clip among those of the video, from 0; instead of `start_s`."""
    frames: int | None = None
    """Frames (T); None: as in training."""
    seconds: float | None = None
    """Every kept frame of this stretch of the video, instead of a clip's; ends at a cut."""

    def __post_init__(self) -> None:
        if self.start_s is not None and self.clip is not None:
            raise DoraError("both a time and a clip's number are given", remedy="give one of them")
        if self.frames is not None and self.seconds is not None:
            raise DoraError("both frames and seconds are given", remedy="give one of them")
        for name in ("frames", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DoraError(f"{name} is {value}", remedy=f"give more than 0 {name}")


class Pictures(Sequence[Image.Image]):
    """Pictures of some rows of a shard set's index, read when asked for.

    Of a set at an address, the tar of a picture is fetched if it is not in the cache.

    Raises:
        ShardError: when a picture was altered, or cannot be fetched.
        DoraError: when it cannot be decoded.
    """

    def __init__(self, shard_set: ShardSet, rows: Sequence[int]) -> None:
        self.shard_set = shard_set
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Image.Image: ...
    @overload
    def __getitem__(self, place: slice) -> "Pictures": ...
    def __getitem__(self, place: int | slice) -> "Image.Image | Pictures":
        if isinstance(place, slice):
            return Pictures(self.shard_set, self.rows[place])
        row = self.rows[place]
        jpeg = self.shard_set.read_jpeg(row)
        try:
            return Image.fromarray(decode_jpeg(jpeg, picture_size(jpeg)))
        except DamagedJpegError as fault:
            raise DoraError(
                f"{self.shard_set.address}: the picture of row {row} cannot be decoded ({fault})",
                remedy=REMEDY,
            ) from fault


@dataclass(frozen=True, kw_only=True)
class ShownClip:
    """The pictures of one unbroken stretch of video, in the order of time."""

    video: str
    times_s: tuple[float, ...]
    """Time of each picture in the video."""
    pictures: Sequence[Image.Image]
    """All of one size."""
    kept_rate: Fraction
    """Kept pictures per second of video."""
    attribution: str
    """A line to publish with the pictures; may be empty."""


def read_clip(
    shards: Sequence[Path | str],
    choice: ClipChoice,
    clip: ClipConfig,
    *,
    cache: ShardCache | None = None,
) -> ShownClip:
    """Return the pictures that the choice names.

    Args:
        shards: shard sets, folders of them, or addresses.
        choice: which video, where, how much.
        clip: frames and stride of training.
        cache: of tars of sets at addresses; None: in the user's cache folder.

    Raises:
        DoraError: there is no such video, or no clip there.
        ShardError: the shards are missing, altered or of another version.
    """
    return clip_of(open_shards(*shards, cache=cache), choice, clip)


def clip_of(sets: Sequence[ShardSet], choice: ClipChoice, clip: ClipConfig) -> ShownClip:
    """Return the pictures that the choice names in sets that are open; else as `read_clip`."""
    shard_set, record = _find_video(sets, choice.video)
    own, index = _rows_of_video(shard_set, record)
    times_s = shard_set.table(["time_s"])["time_s"].to_numpy()[own]
    if choice.seconds is not None:
        clip = replace(clip, frames=1)
    elif choice.frames is not None:
        clip = replace(clip, frames=choice.frames)
    clips = find_clips([index], clip)
    _, rows = clips.rows(_number(choice, clips, times_s, video=record.name))
    if choice.seconds is not None:
        rows = _stretch(rows[0], index.segments, times_s, seconds=choice.seconds)
    return ShownClip(
        video=record.name,
        times_s=tuple(times_s[rows].tolist()),
        pictures=Pictures(shard_set, own[rows].tolist()),
        kept_rate=record.kept_rate,
        attribution=record.attribution,
    )


def _rows_of_video(shard_set: ShardSet, record: VideoRecord) -> tuple[NDArray[np.int64], SetIndex]:
    """Return the rows of one video in the index of its set, and an index of these alone."""
    coded = shard_set.table(["video"])["video"].combine_chunks()
    names = coded.dictionary.to_pylist()
    whole = read_index(shard_set)
    number = names.index(record.name) if record.name in names else -1
    own = np.flatnonzero(whole.videos == number)
    return own, SetIndex(
        name=f"{shard_set.address} ({record.name})",
        videos=np.zeros(len(own), dtype=np.int32),
        ticks=whole.ticks[own],
        segments=whole.segments[own],
        tars=whole.tars[own],
        kept_rates=(record.kept_rate,),
        video_names=(record.name,),
    )


def _find_video(sets: Sequence[ShardSet], name: str | None) -> tuple[ShardSet, VideoRecord]:
    videos = {record.name: (each, record) for each in sets for record in each.videos}
    if name is None:
        return next(iter(videos.values()))
    if name not in videos:
        raise DoraError(
            f"the shards hold no video {name!r}", remedy=f"name one of {', '.join(videos)}"
        )
    return videos[name]


def _number(
    choice: ClipChoice, clips: ClipTable, times_s: NDArray[np.float64], *, video: str
) -> int:
    """Return the number of the chosen clip among the video's."""
    if choice.clip is not None:
        if not 0 <= choice.clip < len(clips):
            raise DoraError(
                f"{video} has no clip {choice.clip}",
                remedy=f"give a number from 0 to {len(clips) - 1}",
            )
        return choice.clip
    if choice.start_s is None:
        return 0
    counts = np.diff(clips.ends, prepend=0)
    firsts = [
        start + np.arange(count) for start, count in zip(clips.first_rows, counts, strict=True)
    ]
    starts_s = times_s[np.concatenate(firsts)]
    # Half a millisecond forgives a time that was read off a picture's caption.
    number = int(np.searchsorted(starts_s, choice.start_s - 5e-4))
    if number == len(clips):
        raise DoraError(
            f"no clip of {video} begins at {choice.start_s:g} s or later",
            remedy=f"the last one begins at {starts_s[-1]:.3f} s",
        )
    return number


def _stretch(
    first: np.int64, segments: NDArray[np.int32], times_s: NDArray[np.float64], *, seconds: float
) -> NDArray[np.int64]:
    """Return the rows from `first` on, within the time and the segment."""
    inside = (segments == segments[first]) & (times_s < times_s[first] + seconds)
    inside[:first] = False
    return np.flatnonzero(inside)
