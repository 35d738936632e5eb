"""Folders of pictures as training data (DoRA*, appendix D of the paper): each a clip of one frame.

A folder takes the place of a shard set: its top folders, such as classes, stand for videos, and its
pictures, in the order of their names, for the rows of an index. So order, mixing, split and resume
are those of clips.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dora.config import RunConfig
from dora.data.clips import SetIndex
from dora.data.places import FramePlace
from dora.errors import ConfigError, DoraError
from wtours.shards import ShardCache, ShardSet, open_shards

SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp"})
"""Endings of names that are read, in small or capital letters."""
_REMEDY = (
    f"give a folder of pictures ({', '.join(sorted(SUFFIXES))}), with or without folders in it"
)


@dataclass(frozen=True, kw_only=True)
class PictureFolder:
    """The pictures of a folder and of the folders in it, in the order of their names."""

    folder: Path
    names: tuple[str, ...]
    """Of the files, seen from the folder, with / between folders."""
    sizes: NDArray[np.int64]
    """(pictures,) bytes of each file."""
    origin: None = None
    """Pictures are never fetched."""

    @property
    def address(self) -> str:
        """Return where the folder is, as a user would name it."""
        return str(self.folder)

    @cached_property
    def digest(self) -> str:
        """Return a number for the names and sizes of all files: SHA-256. Nothing is read."""
        digest = hashlib.sha256()
        for name, size in zip(self.names, self.sizes.tolist(), strict=True):
            digest.update(os.fsencode(f"{name}\0{size}\n"))
        return digest.hexdigest()

    def index(self) -> SetIndex:
        """Return the pictures as ticks: of one video for each top folder, "." for those in none."""
        tops = [name.partition("/")[0] if "/" in name else "." for name in self.names]
        videos, first, numbers = np.unique(tops, return_index=True, return_inverse=True)
        by_place = np.argsort(first)  # videos are numbered in the order of their pictures
        rank = np.argsort(by_place)
        zeros = np.zeros(len(self.names), dtype=np.int32)
        return SetIndex(
            name=self.address,
            videos=rank[numbers].astype(np.int32),
            ticks=np.arange(len(self.names)),
            segments=zeros,
            tars=zeros,
            kept_rates=(Fraction(1),) * len(videos),
            video_names=tuple(videos[by_place].tolist()),
        )

    def place(self, row: int) -> FramePlace:
        """Return where a picture is."""
        return FramePlace(
            path=f"{self.folder}/{self.names[row]}",
            offset=0,
            size=int(self.sizes[row]),
            crc32=None,
        )


PictureSet = ShardSet | PictureFolder
"""What a run's pictures come from."""


def open_picture_folder(folder: Path) -> PictureFolder:
    """List the pictures of a folder, without reading them; links are followed.

    Names that begin with a dot are left out, as are all other files.

    Raises:
        DoraError: there is no such folder, it cannot be listed, or it holds no picture.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise DoraError(f"{folder} {what}", remedy=_REMEDY)
    found = sorted(_pictures(folder, "", above=(os.path.realpath(folder),)))
    if not found:
        raise DoraError(f"{folder} holds no picture", remedy=_REMEDY)
    names, sizes = zip(*found, strict=True)
    return PictureFolder(folder=folder, names=names, sizes=np.asarray(sizes, dtype=np.int64))


def open_pictures(
    shards: Sequence[str], folder: Path | None, *, config: RunConfig, cache: ShardCache
) -> Sequence[PictureSet]:
    """Return what a run's pictures come from: shard sets, or one folder of pictures.

    Args:
        shards: shard sets, folders of them, patterns, or addresses.
        folder: a folder of pictures, instead of shards.
        config: the run.
        cache: where the files of sets at addresses are kept.

    Raises:
        DoraError: both are given, or the folder has no pictures or is none for this run.
        ShardError: a path does not exist or holds no shard set, or a video occurs twice.
    """
    if folder is None:
        return open_shards(*shards, cache=cache)
    if shards:
        raise ConfigError(
            f"--data {folder} and --shards {' '.join(shards)} are both given",
            remedy="give a folder of pictures or shards of videos",
        )
    require_pictures(config)
    return [open_picture_folder(folder)]


def is_picture_name(name: str) -> bool:
    """Return whether a file of that name is taken for a picture."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def require_pictures(config: RunConfig) -> None:
    """Refuse a run that cannot be made on single pictures.

    Raises:
        ConfigError: names the option.
    """
    if config.clip.frames != 1:
        raise ConfigError(
            f"clip.frames is {config.clip.frames}, but with --data each picture is a clip",
            remedy="set clip.frames to 1, or give shards of videos (--shards)",
        )
    if config.data.shuffle == "blocks":
        raise ConfigError(
            "data.shuffle is 'blocks', which keeps tars together, but pictures lie in none",
            remedy="set data.shuffle to global",
        )
    if config.data.decoder == "gpu":
        raise ConfigError(
            "data.decoder is 'gpu', which takes the JPEGs of shards only",
            remedy="set data.decoder to turbo",
        )


def _pictures(folder: Path, inside: str, *, above: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield name and size of each picture of a folder within the one that was opened.

    Args:
        folder: the one that was opened.
        inside: the name of the folder to list, ending with /, or nothing.
        above: the real paths of this folder and of those that it lies in, against links in rings.
    """
    try:
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                if entry.is_dir():
                    if entry.name.startswith("."):
                        continue
                    real = os.path.realpath(entry.path)
                    if real not in above:
                        yield from _pictures(folder, f"{inside}{entry.name}/", above=(*above, real))
                elif is_picture_name(entry.name):
                    yield inside + entry.name, entry.stat().st_size
    except OSError as fault:
        raise DoraError(
            f"{fault.filename or folder / inside} cannot be listed ({fault.strerror or fault})",
            remedy="see that you may read it, or remove it",
        ) from fault
