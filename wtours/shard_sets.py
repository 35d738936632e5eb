"""Which videos make a shard set together, and which of their stretches share a tar.

A video that is as long as a stretch has a set of its own, a tar a stretch. Shorter ones that were
found in one folder, of which Kinetics or AVA have thousands, share a set that is named after the
folder, and share its tars in the order of their names. Which it is depends on a video's own length
and on how it was named, not on what else there is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wtours.errors import WtoursError
from wtours.shard_inputs import ShardInput, folder_name
from wtours.shard_settings import ShardSettings
from wtours.stages.blur import fit_short_side

TAR_BYTES = 100 * 10**6
"""What a shared tar holds at the most, about: pictures are counted before they are made."""
_BYTES_A_PIXEL = 0.2
"""Of a JPEG of quality 90 of a street."""
_TAR_STRETCHES = 10
"""A shared tar is of no more video than so many stretches, so that little is lost by a stop."""


@dataclass(frozen=True, kw_only=True)
class SetInputs:
    """The videos of one shard set."""

    name: str
    videos: tuple[ShardInput, ...]
    """In the order of their names where they share the set."""
    shared: bool

    @property
    def text(self) -> str:
        """What the set is made of, for people."""
        first = self.videos[0]
        return f"{len(self.videos)} videos of {first.folder}" if self.shared else str(_path(first))


def group_into_sets(videos: Sequence[ShardInput], *, stretch_s: float) -> tuple[SetInputs, ...]:
    """Return the sets of videos, in the order of each one's first video.

    Args:
        videos: checked, their names all different.
        stretch_s: seconds; shorter videos share a set.

    Raises:
        WtoursError: two sets would have the same name, or a folder's name has no letter for one.
    """
    groups: dict[tuple[str, Path], list[ShardInput]] = {}
    for video in videos:
        folder = video.folder
        if folder is not None and video.facts.duration_s < stretch_s:
            key = folder_name(folder), folder
        else:
            key = video.name, _path(video)
        groups.setdefault(key, []).append(video)
    owners: dict[str, Path] = {}
    for name, origin in groups:
        if name in owners:
            raise WtoursError(
                f"the shard sets of {owners[name]} and of {origin} would both be called {name}",
                remedy="rename one of them, or shard them to different --out folders",
            )
        owners[name] = origin
    return tuple(_set(name, origin, members) for (name, origin), members in groups.items())


def _set(name: str, origin: Path, members: Sequence[ShardInput]) -> SetInputs:
    shared = members[0].folder == origin
    in_order = sorted(members, key=lambda video: video.name)
    return SetInputs(name=name, videos=tuple(in_order), shared=shared)


def _path(video: ShardInput) -> Path:
    return Path(video.facts.path)


def divide(
    videos: Sequence[ShardInput], settings: ShardSettings, *, tar_bytes: int = TAR_BYTES
) -> tuple[range, ...]:
    """Return which videos, by position, share a tar: runs of as many as it may hold."""
    weights = [
        (expected_bytes(video, settings) / tar_bytes, _share_of_time(video, settings))
        for video in videos
    ]
    return tuple(_runs(weights))


def _runs(weights: Sequence[tuple[float, ...]]) -> Iterator[range]:
    """Give runs of positions; a run is as long as no sum of its weights of one kind passes 1."""
    first, sums = 0, [0.0] * len(weights[0])
    for position, weight in enumerate(weights):
        sums = [have + more for have, more in zip(sums, weight, strict=True)]
        if position > first and max(sums) > 1:
            yield range(first, position)
            first, sums = position, list(weight)
    yield range(first, len(weights))


def expected_bytes(video: ShardInput, settings: ShardSettings) -> float:
    """Return what the pictures of a video will take, about."""
    facts = video.facts
    width, height = fit_short_side(facts.width, facts.height, settings.short_side_px)
    pictures = float(facts.packets)
    if settings.kept_fps is not None:
        pictures = min(pictures, facts.duration_s * float(settings.kept_fps) + 1)
    return pictures * width * height * _BYTES_A_PIXEL


def _share_of_time(video: ShardInput, settings: ShardSettings) -> float:
    return video.facts.duration_s / (_TAR_STRETCHES * settings.tar_s)
