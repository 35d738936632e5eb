"""What a run will see of its shards, in numbers: kept rates, starts, passes, steps, memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dora.config import ClipConfig, RunConfig
from dora.data.ahead import most_clips
from dora.data.blocks import Blocks
from dora.data.clips import ClipTable, SetIndex, find_clips
from dora.data.loader import clip_bytes
from dora.data.mixture import find_sources
from dora.data.picture_folder import PictureFolder, PictureSet
from dora.data.stream import ClipOrder
from dora.data.taken_videos import require_first_crops, taken_videos
from wtours.shards import ShardSet

ROW_BYTES = 20
"""What the loader keeps of each row of an index."""
ENOUGH_SHARE = 0.1
"""Starts below this share of an epoch's clips bring a warning."""
DENSE_FPS = 30
"""Kept rate that the warning advises."""


def read_index(shard_set: PictureSet) -> SetIndex:
    """Return which ticks of a set belong together.

    Raises:
        ShardError: the index is missing or is none.
    """
    if isinstance(shard_set, PictureFolder):
        return shard_set.index()
    table = shard_set.table(["video", "tick", "segment", "tar"])
    rates = {video.name: video.kept_rate for video in shard_set.videos}
    videos, tars = table["video"].combine_chunks(), table["tar"].combine_chunks()
    names = videos.dictionary.to_pylist() if len(table) else []
    return SetIndex(
        name=shard_set.address,
        videos=_to_numpy(videos.indices) if len(table) else np.empty(0, dtype=np.int32),
        ticks=_to_numpy(table["tick"].combine_chunks()),
        segments=_to_numpy(table["segment"].combine_chunks()),
        tars=_to_numpy(tars.indices) if len(table) else np.empty(0, dtype=np.int32),
        kept_rates=tuple(rates[name] for name in names),
        video_names=tuple(names),
        remote=shard_set.origin is not None,
    )


def _to_numpy(column: Any) -> NDArray[Any]:
    """Return a column of numbers; pyarrow's own conversion imports pandas, a second or more."""
    numbers: NDArray[Any] = np.from_dlpack(column)
    return numbers


def find_shard_clips(shards: Sequence[PictureSet], clip: ClipConfig) -> ClipTable:
    """Return all clips of shard sets, or all pictures of a folder.

    Raises:
        DoraError: no segment is long enough for a clip.
        ShardError: an index is missing or is none.
    """
    return find_clips([read_index(shard_set) for shard_set in shards], clip)


def settled(config: RunConfig, clips: ClipTable, *, earlier: RunConfig | None = None) -> RunConfig:
    """Return a configuration that says how clips are shuffled, where it left it open.

    Args:
        config: the run.
        clips: all clips.
        earlier: what the run began with, if it did: its order stays, wherever the shards are now.
    """
    if config.data.shuffle != "auto":
        return config
    found: Literal["blocks", "global"] = "blocks" if clips.remote else "global"
    shuffle = earlier.data.shuffle if earlier is not None else found
    return replace(config, data=replace(config.data, shuffle=shuffle))


def clip_order(config: RunConfig, clips: ClipTable) -> ClipOrder:
    """Return the order of a run's clips.

    Raises:
        DoraError: an epoch has no step, or the mix does not fit the shards.
    """
    data = settled(config, clips).data
    in_blocks = data.shuffle == "blocks"
    blocks = Blocks(block_tars=data.block_tars, open_tars=data.open_tars) if in_blocks else None
    return ClipOrder(
        starts=find_sources(data.mix, clips),
        seed=config.seed,
        batch_clips=data.batch_clips,
        clips_per_epoch=data.clips_per_epoch,
        blocks=blocks,
    )


@dataclass(frozen=True, kw_only=True)
class SourceDescription:
    """One part of a mix."""

    name: str
    share: float
    """Of the clips of an epoch."""
    starts: int
    passes_per_epoch: float


@dataclass(frozen=True, kw_only=True)
class BlocksDescription:
    """What the shuffle in blocks needs."""

    blocks: Blocks
    tars: int
    """Tars there are."""
    cache_bytes: int
    """Of as many tars of middling size as are needed at once."""


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """Numbers for the message at a run's start."""

    pictures: bool
    """Whether each clip is a picture of a folder, or some frames of a video."""
    videos: int
    """Videos, or the top folders that pictures lie in."""
    kept_rates: tuple[Fraction, ...]
    """The different kept rates, ascending, in ticks per second; of pictures none."""
    starts: int
    """Clips there are."""
    clips_per_epoch: int
    """Clips that an epoch takes."""
    passes_per_epoch: float
    """How often an epoch goes through all starts."""
    steps_per_epoch: int
    total_steps: int
    mix: tuple[SourceDescription, ...]
    """Empty where all clips are alike."""
    left_out: tuple[str, ...]
    """Videos that the mix does not name."""
    blocks: BlocksDescription | None
    """None where the clips of all tars are mixed."""
    cache_bytes: int | None
    """What a cache is to hold so that tars of sets at addresses are not fetched again and again;
    None where there are none."""
    cache_limit_bytes: int
    batches_bytes: int
    """Clips that the loader of each training process has room for: those ready and a batch."""
    index_bytes: int
    """What it keeps of the indices, with the order of two passes."""
    dense_bytes: int | None
    """Size of the pictures if all videos were kept at 30 a second (or at their own rate where it is
    lower); None if they are."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is likely a mistake, in sentences with remedies."""
        return tuple(text for text in (self.warning, self.cache_warning) if text is not None)

    @property
    def cache_warning(self) -> str | None:
        """A sentence and its remedy if tars would be evicted that are needed again at once."""
        if self.cache_bytes is None or self.cache_bytes <= self.cache_limit_bytes:
            return None
        if self.blocks is None:
            lower = "shuffle in blocks (--shuffle blocks)"
        else:
            lower = f"open fewer tars than {self.blocks.blocks.open_tars} (data.open_tars)"
        return (
            f"this order needs {self.cache_bytes / 1e9:.3g} GB of tars at a time, and the cache "
            f"may hold {self.cache_limit_bytes / 1e9:.3g} GB, so that each would be fetched many "
            f"times; raise data.cache_gb, or {lower}"
        )

    @property
    def warning(self) -> str | None:
        """A sentence and its remedy if the shards hold much less than an epoch asks for."""
        if self.starts >= ENOUGH_SHARE * self.clips_per_epoch:
            return None
        holds, clips = ("folder holds", "pictures") if self.pictures else ("shards hold", "starts")
        fault = (
            f"the {holds} {self.starts:,} {clips}, less than a tenth of the "
            f"{self.clips_per_epoch:,} clips of an epoch, so each is seen "
            f"{self.passes_per_epoch:.0f} times an epoch"
        )
        if self.dense_bytes is None:
            more = "pictures" if self.pictures else "videos"
            return f"{fault}; add {more}, or lower data.clips_per_epoch"
        size = f"{self.dense_bytes / 1e9:.3g} GB"
        return f"{fault}; keep more frames with `wtours shard --fps {DENSE_FPS}` (about {size})"


def describe_data(
    config: RunConfig,
    shards: Sequence[PictureSet],
    clips: ClipTable,
    order: ClipOrder,
    *,
    processes: int = 1,
    on_gpu: bool = False,
) -> DataDescription:
    """Return what a run will see of its shards.

    Args:
        config: the run.
        shards: the shard sets, or a folder of pictures.
        clips: all clips.
        order: which clips each step takes.
        processes: those that train.
        on_gpu: whether views are made there, so that only first crops travel.
    """
    data = config.data
    sets = [one for one in shards if isinstance(one, ShardSet)]
    videos = [video for shard_set in sets for video in shard_set.videos]
    pictures = len(sets) < len(shards)
    taken = order.steps_per_epoch * order.batch_clips
    share_clips = -(-data.batch_clips // processes)
    blocks = _describe_blocks(sets, order.blocks) if order.blocks is not None else None
    clip_size = clip_bytes(config.augment, frames=clips.frames, finished=not on_gpu)
    return DataDescription(
        pictures=pictures,
        videos=len(clips.names) if pictures else len(videos),
        kept_rates=tuple(sorted({video.kept_rate for video in videos})),
        starts=order.starts,
        clips_per_epoch=order.starts if data.clips_per_epoch == "all" else data.clips_per_epoch,
        passes_per_epoch=taken / order.starts,
        steps_per_epoch=order.steps_per_epoch,
        total_steps=config.epochs * order.steps_per_epoch,
        mix=_describe_mix(order, taken=taken) if data.mix else (),
        left_out=_left_out(clips, order),
        blocks=blocks,
        cache_bytes=_cache_bytes(sets, blocks),
        cache_limit_bytes=round(data.cache_gb * 1e9),
        batches_bytes=clip_size * most_clips(batch_clips=share_clips, workers=data.workers),
        index_bytes=ROW_BYTES * clips.index_rows + order.kept_bytes,
        dense_bytes=_dense_bytes(sets),
    )


def describe_run(
    config: RunConfig,
    shards: Sequence[PictureSet],
    *,
    processes: int = 1,
    on_gpu: bool = False,
) -> DataDescription:
    """Return the numbers that a run prints at its start, without beginning it.

    Raises:
        DoraError: there is no clip or no step, the mix does not fit the shards, or a video is
            smaller than a first crop.
        ShardError: an index is missing or is none.
    """
    clips = find_shard_clips(shards, config.clip)
    order = clip_order(config, clips)
    require_first_crops(config.augment, shards, clips, order)
    return describe_data(config, shards, clips, order, processes=processes, on_gpu=on_gpu)


def _describe_mix(order: ClipOrder, *, taken: int) -> tuple[SourceDescription, ...]:
    return tuple(
        SourceDescription(
            name=source.name,
            share=source.share,
            starts=len(source.clips),
            passes_per_epoch=source.share * taken / len(source.clips),
        )
        for source in order.sources
    )


def _left_out(clips: ClipTable, order: ClipOrder) -> tuple[str, ...]:
    """Return the names of videos with clips of which no source has any."""
    missing = np.setdiff1d(clips.videos, taken_videos(clips, order))
    return tuple(clips.names[number].video for number in missing)


def _describe_blocks(shards: Sequence[ShardSet], blocks: Blocks) -> BlocksDescription:
    sizes = [tar.size_bytes for shard_set in shards for tar in shard_set.record.tars]
    needed = min(blocks.cached_tars, len(sizes))
    return BlocksDescription(
        blocks=blocks, tars=len(sizes), cache_bytes=needed * sum(sizes) // len(sizes)
    )


def _cache_bytes(shards: Sequence[ShardSet], blocks: BlocksDescription | None) -> int | None:
    remote = [tar.size_bytes for one in shards if one.origin is not None for tar in one.record.tars]
    if not remote:
        return None
    return sum(remote) if blocks is None else min(sum(remote), blocks.cache_bytes)


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
