"""What a run will see of its shards, in numbers: kept rates, starts, passes, steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dora.config import ClipConfig, RunConfig
from dora.data.clips import ClipTable, SetIndex, find_clips
from dora.data.stream import ClipOrder
from wtours.shards import ShardSet

ENOUGH_SHARE = 0.1
"""Starts below this share of an epoch's clips bring a warning."""
DENSE_FPS = 30
"""Kept rate that the warning advises."""


def read_index(shard_set: ShardSet) -> SetIndex:
    """Return which ticks of a set belong together.

    Raises:
        ShardError: the index is missing or is none.
    """
    table = shard_set.table(["video", "tick", "segment"])
    rates = {video.name: video.kept_rate for video in shard_set.videos}
    videos = table["video"].combine_chunks()
    names = videos.dictionary.to_pylist() if len(table) else []
    return SetIndex(
        name=shard_set.address,
        videos=_to_numpy(videos.indices) if len(table) else np.empty(0, dtype=np.int32),
        ticks=_to_numpy(table["tick"].combine_chunks()),
        segments=_to_numpy(table["segment"].combine_chunks()),
        kept_rates=tuple(rates[name] for name in names),
    )


def _to_numpy(column: Any) -> NDArray[Any]:
    """Return a column of numbers; pyarrow's own conversion imports pandas, a second or more."""
    numbers: NDArray[Any] = np.from_dlpack(column)
    return numbers


def find_shard_clips(shards: Sequence[ShardSet], clip: ClipConfig) -> ClipTable:
    """Return all clips of shard sets.

    Raises:
        DoraError: no segment is long enough for a clip.
        ShardError: an index is missing or is none.
    """
    return find_clips([read_index(shard_set) for shard_set in shards], clip)


def clip_order(config: RunConfig, *, starts: int) -> ClipOrder:
    """Return the order of a run's clips."""
    return ClipOrder(
        starts=starts,
        seed=config.seed,
        batch_clips=config.data.batch_clips,
        clips_per_epoch=config.data.clips_per_epoch,
    )


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """Numbers for the message at a run's start."""

    videos: int
    kept_rates: tuple[Fraction, ...]
    """The different kept rates, ascending, in ticks per second."""
    starts: int
    """Clips there are."""
    clips_per_epoch: int
    """Clips that an epoch takes."""
    passes_per_epoch: float
    """How often an epoch goes through all starts."""
    steps_per_epoch: int
    total_steps: int
    dense_bytes: int | None
    """Size of the pictures if all videos were kept at 30 a second (or at their own rate where it is
    lower); None if they are."""

    @property
    def warning(self) -> str | None:
        """A sentence and its remedy if the shards hold much less than an epoch asks for."""
        if self.starts >= ENOUGH_SHARE * self.clips_per_epoch:
            return None
        fault = (
            f"the shards hold {self.starts:,} starts, less than a tenth of the "
            f"{self.clips_per_epoch:,} clips of an epoch, so each is seen "
            f"{self.passes_per_epoch:.0f} times an epoch"
        )
        if self.dense_bytes is None:
            return f"{fault}; add videos, or lower data.clips_per_epoch"
        size = f"{self.dense_bytes / 1e9:.3g} GB"
        return f"{fault}; keep more frames with `wtours shard --fps {DENSE_FPS}` (about {size})"


def describe_data(
    shards: Sequence[ShardSet],
    order: ClipOrder,
    *,
    clips_per_epoch: int | Literal["all"],
    epochs: int,
) -> DataDescription:
    """Return what a run will see of its shards.

    Args:
        shards: the shard sets.
        order: which clips each step takes.
        clips_per_epoch: as in the configuration.
        epochs: epochs of the run.
    """
    videos = [video for shard_set in shards for video in shard_set.videos]
    clips = order.starts if clips_per_epoch == "all" else clips_per_epoch
    return DataDescription(
        videos=len(videos),
        kept_rates=tuple(sorted({video.kept_rate for video in videos})),
        starts=order.starts,
        clips_per_epoch=clips,
        passes_per_epoch=order.steps_per_epoch * order.batch_clips / order.starts,
        steps_per_epoch=order.steps_per_epoch,
        total_steps=epochs * order.steps_per_epoch,
        dense_bytes=_dense_bytes(shards),
    )


def describe_run(config: RunConfig, shards: Sequence[ShardSet]) -> DataDescription:
    """Return the numbers that a run prints at its start, without beginning it."""
    order = clip_order(config, starts=len(find_shard_clips(shards, config.clip)))
    return describe_data(
        shards, order, clips_per_epoch=config.data.clips_per_epoch, epochs=config.epochs
    )


def _dense_bytes(shards: Sequence[ShardSet]) -> int | None:
    """Return the bytes of all pictures, scaled by 30 / kept rate, video by video."""
    total, denser = Fraction(0), False
    for shard_set in shards:
        table = shard_set.table(["video", "size"])
        if not len(table):
            continue
        coded = table["video"].combine_chunks()
        sizes = _to_numpy(table["size"].combine_chunks())
        stored = np.bincount(_to_numpy(coded.indices), weights=sizes)
        rates = {video.name: (video.kept_rate, video.rate) for video in shard_set.videos}
        for name, size_bytes in zip(coded.dictionary.to_pylist(), stored, strict=False):
            kept, own = rates[name]
            wanted = max(kept, min(Fraction(DENSE_FPS), own))
            denser |= wanted > kept
            total += int(size_bytes) * wanted / kept
    return round(total) if denser else None
