"""A video, its pictures at 30 a second, and the clips that loaders are compared by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dora.config import AugmentConfig
from dora.data.clip_draws import draw_clip
from dora.data.clips import ClipTable
from dora.data.crops import resize_first
from dora.data.description import find_shard_clips
from dora.data.places import ClipPlace
from dora.data.placing import place_rows
from dora.data.stream import ClipOrder
from dora.presets import named_preset
from wtours.shards import ShardSet, open_shards
from wtours.shards.schema import RECORD_FILE

Pixels = NDArray[np.uint8]
DURATION_S = 60.0
"""Of the video, where one is made."""
KEPT_FPS = 30
BATCH_CLIPS = 4
"""Of the loader while rates are measured: small, that a run ends soon after its time."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A clip as a way made it."""

    number: int
    """Among all clips of the set."""
    position: int
    """By which its crop was drawn."""
    first: Tensor | None
    """(T, 3, S, S) uint8; None: only decoded."""


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The clips of one video without a cut, its shard set, and the order of the clips."""

    video: Path
    shard_set: ShardSet
    clips: ClipTable
    order: ClipOrder
    augment: AugmentConfig
    size: tuple[int, int]
    """Height and width of the set's pictures."""
    times_s: NDArray[np.float64]
    """(rows,) in the video."""

    def rows(self, number: int) -> list[int]:
        """Return the rows of a clip."""
        rows: list[int] = self.clips.rows(number)[1].tolist()
        return rows

    def place(self, number: int, position: int) -> ClipPlace:
        """Return where a clip is."""
        return place_rows(self.shard_set, self.rows(number), position=position)

    def box(self, position: int, size: tuple[int, int]) -> NDArray[np.int64]:
        """Return the first crop in frames of a size: (4,) top, left, height, width."""
        drawn = draw_clip(
            self.augment,
            seed=self.order.seed,
            position=position,
            frames=self.clips.frames,
            height=self.size[0],
            width=self.size[1],
        ).first_box
        scale = np.asarray([size[0] / self.size[0], size[1] / self.size[1]] * 2)
        return np.rint(drawn * scale).astype(np.int64)

    def ordered(self, start: int) -> Iterator[tuple[int, int]]:
        """Yield the number and the position of every clip from one on."""
        for step in count(start // self.order.batch_clips):
            numbers, positions = self.order.clips_of_step(step)
            yield from zip(numbers.tolist(), positions.tolist(), strict=True)

    def made(self, number: int, position: int, frames: Sequence[Pixels]) -> Made:
        """Return a clip, cut out of its decoded frames."""
        height, width, _ = frames[0].shape
        top, left, down, across = self.box(position, (height, width)).tolist()
        crops = [
            resize_first(frame[top : top + down, left : left + across], px=self.augment.first_px)
            for frame in frames
        ]
        return Made(number=number, position=position, first=torch.cat(crops))


def prepare(video: Path | None, work: Path, *, preset: str) -> Walk:
    """Return a video and its pictures, both made where they are missing."""
    if video is None:
        from benchmarks.uhd import make_uhd

        video = make_uhd(work, "h264", duration_s=DURATION_S)
    folder = work / f"{video.stem}-{KEPT_FPS}fps"
    if not list(folder.glob(f"*/{RECORD_FILE}")):
        from wtours.shard import shard_videos
        from wtours.shard_settings import ShardSettings

        settings = ShardSettings(fps=Fraction(KEPT_FPS), blur=None, cuts=None)
        shard_videos([video], out=folder, settings=settings)
    (shard_set,) = open_shards(folder)
    run = named_preset(preset)
    clips = find_shard_clips((shard_set,), run.clip)
    (record,) = shard_set.videos
    table = shard_set.table(["tick", "time_s"])
    ticks = table["tick"].to_numpy()
    assert len(clips.ends) == 1, f"{video} is not one shot"
    assert np.array_equal(ticks, np.arange(len(ticks))), "a row is a tick"
    return Walk(
        video=video,
        shard_set=shard_set,
        clips=clips,
        order=order_of(clips, batch_clips=BATCH_CLIPS),
        augment=run.augment,
        size=(record.picture_height, record.picture_width),
        times_s=table["time_s"].to_numpy(),
    )


def order_of(clips: ClipTable, *, batch_clips: int) -> ClipOrder:
    """Return an order of all clips, pass after pass."""
    return ClipOrder(starts=len(clips), seed=0, batch_clips=batch_clips, clips_per_epoch="all")
