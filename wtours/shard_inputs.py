"""Which videos are to be sharded, what each is called, and what is known of where it came from."""

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any

from wtours.errors import WtoursError
from wtours.integrity import VideoFacts, check_and_walk, check_walk_and_hash
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
    """In its keys, and of its shard set where it has one of its own."""
    facts: VideoFacts
    timeline: Timeline
    """Its frames, as its packets announce them."""
    provenance: dict[str, Any] | None
    attribution: str
    folder: Path | None = None
    """In which it was found; None where it was named itself."""
    sha256: str | None = None
    """Of its bytes; None where nobody asked."""


OnBad = Callable[[WtoursError], None]
"""Is told of a video that cannot be used; raises, or returns to have it left out."""


def refuse(fault: WtoursError) -> None:
    """Let no video be left out."""
    raise fault


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
        return sorted(names, key=lambda name: new_sha256(f"{self.seed} {name}".encode()).digest())


def find_inputs(
    paths: Sequence[str | Path],
    *,
    subset: Subset | None = None,
    hashed: bool = False,
    on_bad: OnBad = refuse,
    told: Callable[[int, int], None] = lambda looked_at, videos: None,
) -> tuple[ShardInput, ...]:
    """Check the videos given, and those in the folders given, and name them.

    Args:
        paths: videos, and folders of them.
        subset: take only some; the others are not even looked at.
        hashed: read all bytes of each, for its SHA-256.
        on_bad: is told of each video that is unusable.
        told: called after each video with how many were looked at, and how many there are.

    Raises:
        WtoursError: a path does not exist, a folder has no video, a video is unusable, two would
            have the same name, or all together are shorter than the subset is to be.
    """
    owners: dict[str, _File] = {}
    for file in (file for path in paths for file in _files(Path(path))):
        name = set_name(file.path)
        if name in owners and owners[name].path != file.path:
            raise WtoursError(
                f"{owners[name].path} and {file.path} would both be called {name}",
                remedy="rename one of them, or shard them to different --out folders",
            )
        owners.setdefault(name, file)
    if subset is None:
        return tuple(_inputs(owners, owners, hashed, on_bad, told))
    inputs = _inputs(owners, subset.order(owners), hashed, on_bad, told)
    taken = {one.name: one for one in _drawn(inputs, len(owners), subset)}
    return tuple(taken[name] for name in owners if name in taken)


def _drawn(inputs: Iterable[ShardInput], number: int, subset: Subset) -> Iterator[ShardInput]:
    left_s = subset.hours * 3600
    for video in inputs:
        yield video
        left_s -= video.facts.duration_s
        if left_s <= 0:
            return
    have_h = subset.hours - left_s / 3600
    raise WtoursError(
        f"the {number} videos last {have_h:.3g} h together, {subset.hours:g} are asked for",
        remedy=f"give --hours {have_h:.3g} or less, or more videos",
    )


def _inputs(
    owners: Mapping[str, "_File"],
    names: Collection[str],
    hashed: bool,
    on_bad: OnBad,
    told: Callable[[int, int], None],
) -> Iterator[ShardInput]:
    for number, name in enumerate(names, start=1):
        try:
            video = _input(name, owners[name], hashed)
        except WtoursError as fault:
            on_bad(fault)
        else:
            yield video
        told(number, len(names))


def set_name(video: Path) -> str:
    """Return a file's stem in the letters of keys: `Walk in Venice.mp4` is `walk_in_venice`.

    Raises:
        WtoursError: nothing is left of it.
    """
    return _in_letters_of_keys(video.stem, video)


def folder_name(folder: Path) -> str:
    """Return a folder's name in the letters of keys.

    Raises:
        WtoursError: nothing is left of it.
    """
    return _in_letters_of_keys(folder.resolve().name, folder)


def _in_letters_of_keys(text: str, path: Path) -> str:
    # Bytes that the locale could not read come as surrogates.
    text = os.fsencode(text).decode(errors="ignore")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_-]+", "_", plain).strip("_") if plain.strip("_") else ""
    if not name:
        raise WtoursError(
            f"{path} has no letter or digit in its name that a key may have",
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


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file to look at."""

    path: Path
    folder: Path | None
    """That was named, if it was not the file itself."""


def _files(path: Path) -> list[_File]:
    if not path.is_dir():
        return [_File(path=path, folder=None)]
    found = videos_in(path)
    if not found:
        raise WtoursError(
            f"{path} has no video in it",
            remedy="name a folder that `wtours fetch` filled, or the video files themselves",
        )
    return [_File(path=file, folder=path) for file in found]


def _require_good(file: Path, record: Provenance) -> None:
    """Refuse a video that its last check condemned, unless its fetching was forced."""
    if record.faults and not record.forced:
        raise WtoursError(
            f"{file} must not be used: {'; '.join(record.faults)}",
            remedy="fetch it again, with --force if it is to be used as it is",
        )


def _input(name: str, file: _File, hashed: bool) -> ShardInput:
    sha256 = None
    if hashed:
        facts, walk, sha256 = check_walk_and_hash(file.path)
    else:
        facts, walk = check_and_walk(file.path)
    record = own_record(file.path)
    if record is not None:
        _require_good(file.path, record)
    provenance = asdict(record) if record is not None else None
    return ShardInput(
        name=name,
        facts=facts,
        timeline=make_timeline(walk.pts, walk.keyframes),
        provenance=provenance,
        attribution=attribution_line(provenance),
        folder=file.folder,
        sha256=sha256,
    )
