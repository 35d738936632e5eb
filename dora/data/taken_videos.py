"""The videos that a run takes clips of, and whether their pictures hold a first crop."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dora.config import AugmentConfig
from dora.data.clips import ClipTable
from dora.data.picture_folder import PictureSet
from dora.data.stream import ClipOrder
from dora.errors import DoraError
from wtours.shards import ShardSet


def taken_videos(clips: ClipTable, order: ClipOrder) -> NDArray[np.int32]:
    """Return the numbers of the videos of which some source has clips, ascending."""
    firsts = np.concatenate([source.clips.firsts for source in order.sources])
    # A source has whole videos, and each of its runs is an entry of the table.
    has = np.searchsorted(clips.ends, firsts, side="right")
    return np.unique(clips.videos[has])


def require_first_crops(
    augment: AugmentConfig, shards: Sequence[PictureSet], clips: ClipTable, order: ClipOrder
) -> None:
    """Refuse, before a run begins, videos that are smaller than a first crop as it is cut out.

    What a folder of pictures holds is known only when its pictures are read.

    Raises:
        DoraError: a video is smaller; the smallest is named.
    """
    if augment.first_crop != "plain":
        return
    taken = {clips.names[number].video for number in taken_videos(clips, order)}
    videos = [
        video
        for shard_set in shards
        if isinstance(shard_set, ShardSet)
        for video in shard_set.videos
        if video.name in taken
    ]
    sides = [min(video.picture_width, video.picture_height) for video in videos]
    if not sides or min(sides) >= augment.first_px:
        return
    smallest = videos[sides.index(min(sides))]
    raise DoraError(
        f"pictures of {smallest.name} have {smallest.picture_width}x{smallest.picture_height} px, "
        f"and a first crop takes {augment.first_px} px without resizing them",
        remedy=f"lower augment.first_px to {min(sides)}, leave the video out with --mix, or make "
        "its shards with a larger --short-side",
    )
