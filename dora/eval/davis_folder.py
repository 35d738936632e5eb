"""DAVIS 2017 in its published folders: sequences, frames, true masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dora.errors import DoraError
from dora.eval.label_maps import VOID, LabelMap, read_labels

Split = Literal["train", "val"]
_RESOLUTION = "480p"
_ARCHIVE = "DAVIS-2017-trainval-480p.zip"
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_FEWEST_FRAMES = 3


@dataclass(frozen=True, kw_only=True)
class DavisSequence:
    """One video: its frames in order, and the true mask of each."""

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The true masks of a sequence."""

    labels: tuple[LabelMap, ...]
    """One a frame, (h, w): 0 background, 1 to `objects`, 255 void."""
    objects: int
    """Number of objects, all of them in the first frame."""
    single: bool
    """Masks hold 0 and 255 alone, as those of DAVIS 2016, and 255 is the one object."""


def open_davis(
    folder: Path, *, split: Split = "val", names: Sequence[str] = ()
) -> tuple[DavisSequence, ...]:
    """Return the sequences of a split, or those named; every file is seen to be there.

    Args:
        folder: DAVIS/, or the folder in which the archive was unpacked.
        split: 60 sequences in train, 30 in val.
        names: sequences, in place of a split.

    Raises:
        DoraError: says what is missing and where it belongs.
    """
    root = folder / "DAVIS" if (folder / "DAVIS" / "JPEGImages").is_dir() else folder
    for part in ("JPEGImages", "Annotations"):
        if not (root / part / _RESOLUTION).is_dir():
            raise DoraError(
                f"{root} holds no DAVIS 2017: it has no {part}/{_RESOLUTION}/",
                remedy=f"unpack {_ARCHIVE} there, which makes {folder / 'DAVIS' / part}",
            )
    names = tuple(names) or _read_split(root / "ImageSets" / "2017" / f"{split}.txt")
    return tuple(_open_sequence(root, name) for name in names)


def read_truth(sequence: DavisSequence, *, size: tuple[int, int]) -> Truth:
    """Return all true masks of a sequence.

    Args:
        sequence: of `open_davis`.
        size: width and height of its frames.

    Raises:
        DoraError: a damaged mask, one of another size, or an object that the first has not.
    """
    labels = [read_labels(path, size=size) for path in sequence.annotations]
    numbers = set(np.unique(labels[0]).tolist()) - {0}
    # 255 alone would leave nothing to follow, so that no masks of 2017 are taken for this.
    single = numbers == {VOID}
    if single:
        labels = [(map_ == VOID).astype(np.uint8) for map_ in labels]
    objects = sorted({1} if single else numbers - {VOID})
    if not objects:
        raise DoraError(
            f"{sequence.annotations[0]} marks no object to follow",
            remedy=f"take it from {_ARCHIVE} again, or leave {sequence.name} out by --sequence",
        )
    for path, map_ in zip(sequence.annotations, labels, strict=True):
        later = set(np.unique(map_).tolist()) - {0, VOID}
        missing = sorted((later | set(range(1, objects[-1] + 1))) - set(objects))
        if missing:
            raise DoraError(
                f"object {missing[0]} of {path} is not in the first frame, "
                f"{sequence.annotations[0].name}, from which objects are followed",
                remedy="use Annotations/ of the semi-supervised task, or leave "
                f"{sequence.name} out by --sequence",
            )
    return Truth(labels=tuple(labels), objects=objects[-1], single=single)


def _open_sequence(root: Path, name: str) -> DavisSequence:
    pictures = root / "JPEGImages" / _RESOLUTION / name
    masks = root / "Annotations" / _RESOLUTION / name
    if not pictures.is_dir():
        raise DoraError(
            f"{pictures} is missing",
            remedy=f"unpack {_ARCHIVE} again, or correct the sequence's name",
        )
    found = (path for path in pictures.iterdir() if path.suffix.lower() in _SUFFIXES)
    frames = tuple(sorted(path for path in found if not path.name.startswith(".")))
    if len(frames) < _FEWEST_FRAMES:
        raise DoraError(
            f"{pictures} holds {len(frames)} frames, of which the first and last are not scored",
            remedy=f"unpack {_ARCHIVE} again",
        )
    annotations = tuple(masks / f"{path.stem}.png" for path in frames)
    for path in annotations:
        if not path.is_file():
            raise DoraError(
                f"{path} is missing, the true mask of a frame",
                remedy=f"unpack {_ARCHIVE} again: masks of {name} belong in {masks}",
            )
    return DavisSequence(name=name, frames=frames, annotations=annotations)


def _read_split(path: Path) -> tuple[str, ...]:
    remedy = f"take it from {_ARCHIVE}, or name sequences by --sequence"
    try:
        names = tuple(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as fault:
        raise DoraError(f"{path} is missing, which lists the sequences", remedy=remedy) from fault
    if not names:
        raise DoraError(f"{path} lists no sequences", remedy=remedy)
    return names
