"""What `shard_videos` returns: the sets that are there now, and what was left out of them."""

from dataclasses import dataclass

from wtours.shards.schema import DatasetRecord


@dataclass(frozen=True, kw_only=True)
class WrittenSet:
    """One shard set."""

    place: str
    """Its folder, or its address."""
    record: DatasetRecord
    pictures: int
    rows: int | None
    """Ticks with a picture; None where the set stood there already."""
    cuts: int | None
    """None where the set stood there already."""
    skipped: bool
    """It stood there already, made from the same video with the same settings."""
    from_unblurred: int = 0
    """Number of its portions, a tar each, whose frames were kept before: not decoded again."""

    @property
    def size_bytes(self) -> int:
        """Of its tars."""
        return sum(tar.size_bytes for tar in self.record.tars)

    @property
    def tars(self) -> int:
        """Number of its tars."""
        return len(self.record.tars)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a call of `shard_videos` left, in the order of the videos."""

    sets: tuple[WrittenSet, ...]
    left_out: tuple[str, ...] = ()
    """Why videos are not in them, a sentence each."""

    @property
    def pictures(self) -> int:
        """In all sets, those that stood there already included."""
        return sum(one.pictures for one in self.sets)

    @property
    def tars(self) -> int:
        """In all sets, those that stood there already included."""
        return sum(one.tars for one in self.sets)
