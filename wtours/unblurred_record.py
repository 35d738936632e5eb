"""The record of the unblurred frames of one portion: where they stand, and what goes with them.

A stretch has more than its kept frames: what only decoding tells of all frames is kept beside them,
so that cuts and notes need no decoding either.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wtours.shards.segments import Ints
from wtours.stages.cuts import SmallPicture

_ARRAYS = ("pts", "scores", "small", "starts")
"""Fields of a stretch that are arrays, or pairs of equal ones."""


class NotKeptError(Exception):
    """The frames of a portion were not kept."""


class DamagedFramesError(NotKeptError):
    """They were, but are no longer what was written; its text says which file."""


@dataclass(frozen=True, kw_only=True)
class KeptPicture:
    """Where a picture of a frame stands in its tar."""

    width: int
    height: int
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True, kw_only=True)
class FramePlace:
    """Where a frame stands."""

    index: int
    tick: int
    """The first that takes it."""
    pts: int
    pictures: tuple[KeptPicture, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptStretch:
    """The kept frames of a stretch, and what only decoding tells of all its frames."""

    frames: tuple[FramePlace, ...]
    notes: tuple[str, ...]
    pts: Ints
    scores: NDArray[np.float64] | None
    small: tuple[SmallPicture, SmallPicture] | None
    starts: Ints | None

    @property
    def ticks(self) -> dict[int, int]:
        """The numbers of its kept frames, each with its tick."""
        return {frame.index: frame.tick for frame in self.frames}


@dataclass(frozen=True, kw_only=True)
class KeptPortion:
    """The record of a portion."""

    tar: Path
    stretches: tuple[KeptStretch | None, ...]
    """None where a damaged video was left out."""


def tar_path(folder: Path, number: int) -> Path:
    """Return where the pictures of a portion stand."""
    return folder / f"unblurred-{number:06d}.tar"


def record_path(folder: Path, number: int) -> Path:
    """Return where the record of a portion stands."""
    return folder / f"unblurred-{number:06d}.record"


def load_record(folder: Path, number: int) -> KeptPortion:
    """Read the record of a portion.

    Raises:
        NotKeptError: there is none, or it is damaged.
    """
    path = record_path(folder, number)
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        raise NotKeptError from None
    except OSError as fault:
        raise DamagedFramesError(f"{path} cannot be read ({fault.strerror})") from fault
    if digest.decode(errors="replace") != sha256(content).hexdigest():
        raise DamagedFramesError(f"{path} was altered")
    return KeptPortion(tar=tar_path(folder, number), stretches=_from_bytes(content))


def find_frames(
    folder: Path, number: int, mine: KeptStretch, *, neighbours: frozenset[int]
) -> list[tuple[Path, FramePlace]]:
    """Return where the frames of a stretch stand, and those around it, in the order of time.

    Args:
        folder: of the set's kept frames.
        number: of the stretch's portion. Where it has neighbours, each portion is one stretch.
        mine: the stretch.
        neighbours: frames of other stretches.

    Raises:
        NotKeptError: a neighbouring portion is needed, and not there or damaged.
    """
    places = [(tar_path(folder, number), frame) for frame in mine.frames]
    first = mine.frames[0].index if mine.frames else 0
    for step in (-1, 1):
        wanted, at = {n for n in neighbours if (n < first) == (step < 0)}, number
        while wanted:
            at += step
            other = load_record(folder, at)
            found = [
                (other.tar, frame)
                for stretch in other.stretches
                for frame in (() if stretch is None else stretch.frames)
                if frame.index in wanted
            ]
            wanted -= {frame.index for _, frame in found}
            places += found
    return sorted(places, key=lambda place: place[1].index)


def record_bytes(stretches: Sequence[KeptStretch | None]) -> bytes:
    """Return a record: the hash of what follows, a line of JSON, the arrays that it names."""
    texts: list[dict[str, Any] | None] = []
    arrays = io.BytesIO()
    for stretch in stretches:
        if stretch is None:
            texts.append(None)
            continue
        named = {name: getattr(stretch, name) for name in _ARRAYS}
        there = {name: value for name, value in named.items() if value is not None}
        for value in there.values():
            np.save(arrays, np.stack(value) if isinstance(value, tuple) else value)
        frames = [asdict(frame) for frame in stretch.frames]
        texts.append({"frames": frames, "notes": stretch.notes, "arrays": list(there)})
    content = json.dumps(texts).encode() + b"\n" + arrays.getvalue()
    return sha256(content).hexdigest().encode() + b"\n" + content


def _from_bytes(content: bytes) -> tuple[KeptStretch | None, ...]:
    line, _, rest = content.partition(b"\n")
    arrays = io.BytesIO(rest)
    return tuple(
        None
        if texts is None
        else _stretch(texts, {name: np.load(arrays) for name in texts["arrays"]})
        for texts in json.loads(line)
    )


def _stretch(texts: Mapping[str, Any], arrays: Mapping[str, Any]) -> KeptStretch:
    frames = tuple(
        FramePlace(**frame | {"pictures": tuple(KeptPicture(**one) for one in frame["pictures"])})
        for frame in texts["frames"]
    )
    small = arrays.get("small")
    return KeptStretch(
        frames=frames,
        notes=tuple(texts["notes"]),
        pts=arrays["pts"],
        scores=arrays.get("scores"),
        small=None if small is None else (small[0], small[1]),
        starts=arrays.get("starts"),
    )
