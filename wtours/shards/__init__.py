"""Shards: the on-disk contract of FORMAT.md, its writer and its reader."""

from wtours.shards.cache import RemoteSet, ShardCache
from wtours.shards.cache_room import Held, NoRoomError
from wtours.shards.places import require_local
from wtours.shards.reader import (
    PicturePlaces,
    ShardSet,
    column_values,
    count_found,
    open_shards,
)
from wtours.shards.schema import (
    Box,
    Cut,
    DatasetRecord,
    Lightness,
    Picture,
    ShardError,
    VideoRecord,
)
from wtours.shards.segments import assign_segments, gaps, nearest_frames
from wtours.shards.tar_fetching import RemoteTar
from wtours.shards.writer import JoinedVideo, PartialSet, Stored, TarWriter, settle

__all__ = [
    "Box",
    "Cut",
    "DatasetRecord",
    "Held",
    "JoinedVideo",
    "Lightness",
    "NoRoomError",
    "PartialSet",
    "Picture",
    "PicturePlaces",
    "RemoteSet",
    "RemoteTar",
    "ShardCache",
    "ShardError",
    "ShardSet",
    "Stored",
    "TarWriter",
    "VideoRecord",
    "assign_segments",
    "column_values",
    "count_found",
    "gaps",
    "nearest_frames",
    "open_shards",
    "require_local",
    "settle",
]
