"""From numbers of clips to the places of their pictures, for a whole batch at once.

Only the main process holds what is needed for it: 20 bytes for each row of the indices.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dora.data.clips import ClipTable
from dora.data.picture_folder import PictureFolder, PictureSet
from dora.data.places import ClipPlace, FramePlace
from wtours.shards import ShardSet


def clip_rows(
    clips: ClipTable, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the (B,) shard sets and (B, T) rows of clips, as `ClipTable.rows` of each.

    Args:
        clips: all clips.
        numbers: (B,) each in [0, len(clips)).
    """
    assert not len(numbers) or (numbers.min() >= 0 and numbers.max() < len(clips))
    entries = np.searchsorted(clips.ends, numbers, side="right")
    before = np.where(entries > 0, clips.ends[entries - 1], 0)
    starts = clips.first_rows[entries] + (numbers - before)
    steps = np.arange(clips.frames) * clips.row_strides[entries][:, None]
    return clips.sets[entries], starts[:, None] + steps


def place_clips(
    shards: Sequence[PictureSet],
    sets: NDArray[np.int32],
    rows: NDArray[np.int64],
    positions: NDArray[np.int64],
) -> list[ClipPlace]:
    """Return where clips are.

    Args:
        shards: the sets, in the order of the clip table.
        sets: (B,) the set of each clip.
        rows: (B, T) rows of its index.
        positions: (B,) number of each clip in the run.

    Raises:
        ShardError: an index is missing or is none.
    """
    placed: list[ClipPlace | None] = [None] * len(sets)
    for number in np.unique(sets):
        inside = np.flatnonzero(sets == number)
        frames = _place_frames(shards[number], rows[inside])
        for i, clip in zip(inside, frames, strict=True):
            placed[i] = ClipPlace(
                position=int(positions[i]),
                set_number=int(number),
                rows=tuple(rows[i].tolist()),
                frames=clip,
            )
    return [place for place in placed if place is not None]


def place_rows(shard_set: ShardSet, rows: Sequence[int], *, position: int = 0) -> ClipPlace:
    """Return where some rows of one set are, as one clip."""
    number, taken = np.zeros(1, dtype=np.int32), np.asarray([rows], dtype=np.int64)
    return place_clips([shard_set], number, taken, np.asarray([position]))[0]


def _place_frames(shard_set: PictureSet, rows: NDArray[np.int64]) -> list[tuple[FramePlace, ...]]:
    """Return (B,) tuples of T places for (B, T) rows of one set."""
    if isinstance(shard_set, PictureFolder):
        return [tuple(map(shard_set.place, clip)) for clip in rows.tolist()]
    places = shard_set.places
    paths = [str(Path(shard_set.folder) / name) for name in places.tar_names]
    columns = [
        column[rows].tolist() for column in (places.tars, places.offsets, places.sizes, places.crcs)
    ]
    return [
        tuple(
            FramePlace(path=paths[tar], offset=offset, size=size, crc32=crc32)
            for tar, offset, size, crc32 in zip(*clip, strict=True)
        )
        for clip in zip(*columns, strict=True)
    ]
