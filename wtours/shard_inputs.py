"""Which videos are to be sharded, what each is called, and what is known of where it came from."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from wtours.errors import WtoursError
from wtours.integrity import VideoFacts, check_and_walk
from wtours.provenance import Provenance, own_record
from wtours.publishing.credit import attribution_line
from wtours.stretches import Timeline, make_timeline

VIDEO_SUFFIXES = frozenset(
    {".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"}
    | {".ogv", ".ts", ".webm", ".wmv"}
)
"""What is taken from a folder; a file that is named is taken whatever it is called."""


@dataclass(frozen=True, kw_only=True)
class ShardInput:
    """One video, checked."""

    name: str
    """Of its shard set and in its keys."""
    facts: VideoFacts
    timeline: Timeline
    """Its frames, as its packets announce them."""
    provenance: dict[str, Any] | None
    attribution: str


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Some of the videos, drawn at random, that last a given time together.

    As in the paper's comparison of data sets of equal length (Table 2a).
    """

    hours: float
    """Of video, together; the last video drawn passes this."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.hours < float("inf"):
            raise WtoursError(f"hours is {self.hours}", remedy="give a number above 0, such as 23")

    def order(self, names: Iterable[str]) -> list[str]:
        """Return names in the order in which they are drawn.

        A video's place follows from its name and the seed: more videos in a folder put some
        between, and change nothing else.
        """
        return sorted(names, key=lambda name: sha256(f"{self.seed} {name}".encode()).digest())


def find_inputs(
    paths: Sequence[str | Path], *, subset: Subset | None = None
) -> tuple[ShardInput, ...]:
    """Check the videos given, and those in the folders given, and name them.

    Args:
        paths: videos, and folders of them.
        subset: take only some; the others are not even looked at.

    Raises:
        WtoursError: a path does not exist, a folder has no video, a video is unusable, two would
            have the same name, or all together are shorter than the subset is to be.
    """
    files = [file for path in paths for file in _files(Path(path))]
    owners: dict[str, Path] = {}
    for file in files:
        name = set_name(file)
        if name in owners and owners[name] != file:
            raise WtoursError(
                f"{owners[name]} and {file} would both be called {name}",
                remedy="rename one of them, or shard them to different --out folders",
            )
        owners[name] = file
    if subset is None:
        return tuple(_input(name, file) for name, file in owners.items())
    taken = {one.name: one for one in _drawn(owners, subset)}
    return tuple(taken[name] for name in owners if name in taken)


def _drawn(owners: Mapping[str, Path], subset: Subset) -> Iterator[ShardInput]:
    left_s = subset.hours * 3600
    for name in subset.order(owners):
        video = _input(name, owners[name])
        yield video
        left_s -= video.facts.duration_s
        if left_s <= 0:
            return
    have_h = subset.hours - left_s / 3600
    raise WtoursError(
        f"the {len(owners)} videos last {have_h:.3g} h together, {subset.hours:g} are asked for",
        remedy=f"give --hours {have_h:.3g} or less, or more videos",
    )


def set_name(video: Path) -> str:
    """Return a file's stem in the letters of keys: `Walk in Venice.mp4` is `walk_in_venice`.

    Raises:
        WtoursError: nothing is left of it.
    """
    # Bytes that the locale could not read come as surrogates.
    stem = os.fsencode(video.stem).decode(errors="ignore")
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_-]+", "_", plain).strip("_") if plain.strip("_") else ""
    if not name:
        raise WtoursError(
            f"{video} has no letter or digit in its name that a key may have",
            remedy="rename it, with lower-case letters, digits, - and _",
        )
    return name


def videos_in(folder: Path) -> list[Path]:
    """Return the files of a folder that are videos by their endings, hidden ones left out."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in VIDEO_SUFFIXES
        and file.is_file()
        and not file.name.startswith(".")
    )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = videos_in(path)
    if not found:
        raise WtoursError(
            f"{path} has no video in it",
            remedy="name a folder that `wtours fetch` filled, or the video files themselves",
        )
    return found


def _require_good(file: Path, record: Provenance) -> None:
    """Refuse a video that its last check condemned, unless its fetching was forced."""
    if record.faults and not record.forced:
        raise WtoursError(
            f"{file} must not be used: {'; '.join(record.faults)}",
            remedy="fetch it again, with --force if it is to be used as it is",
        )


def _input(name: str, file: Path) -> ShardInput:
    facts, walk = check_and_walk(file)
    record = own_record(file)
    if record is not None:
        _require_good(file, record)
    provenance = asdict(record) if record is not None else None
    return ShardInput(
        name=name,
        facts=facts,
        timeline=make_timeline(walk.pts, walk.keyframes),
        provenance=provenance,
        attribution=attribution_line(provenance),
    )
