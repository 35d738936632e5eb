"""Features kept on the disk in chunks, under the hash of all that they depend on.

A chunk is a NumPy file of CHUNK rows that appears whole or not at all, so that a run that was
stopped goes on at the first chunk that is missing, and several processes can share the work.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dora.errors import DoraError
from dora.whole_file import whole_file

CHUNK = 1024
"""Rows of a file: 1.5 MiB for ViT-S."""
_REMEDY = "make room, or name another folder by --cache, or none"


@dataclass(frozen=True, kw_only=True)
class FeatureStore:
    """The chunks of one table of features, there or not yet there."""

    folder: Path
    rows: int
    width: int
    about: str
    """JSON text of what the features depend on."""

    @classmethod
    def at(
        cls,
        cache: Path,
        *,
        settings: Mapping[str, object],
        paths: Sequence[Path],
        root: Path,
        width: int,
    ) -> "FeatureStore":
        """Return the store of features that depend on all of this.

        Args:
            cache: folder of all stores.
            settings: what else the features depend on, such as the hash of the weights.
            paths: the pictures; name below `root`, size and time of change are what counts.
            root: the data set's folder; it may be moved.
            width: columns.

        Raises:
            DoraError: a file is gone.
        """
        about = {"settings": dict(settings), "files": hash_files(paths, root=root)}
        text = json.dumps(about, indent=2, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        return cls(folder=cache / f"features-{key}", rows=len(paths), width=width, about=text)

    def describe(self) -> None:
        """Write what the features are of, for people; one process does it.

        Raises:
            DoraError: the folder cannot be written.
        """
        with whole_file(self.folder / "about.json", remedy=_REMEDY) as partial:
            partial.write_text(self.about + "\n", encoding="utf-8")

    @property
    def chunks(self) -> int:
        """Number of chunks when all are there."""
        return -(-self.rows // CHUNK)

    @property
    def size_bytes(self) -> int:
        """Bytes on the disk when all are there."""
        return self.rows * self.width * 4

    def has(self, chunk: int) -> bool:
        """Return whether a chunk is there."""
        return self._file(chunk).is_file()

    def write(self, chunk: int, features: Tensor) -> None:
        """Keep a chunk, (rows of it, W) float32.

        Raises:
            DoraError: it cannot be written.
        """
        with (
            whole_file(self._file(chunk), remedy=_REMEDY) as partial,
            partial.open("wb") as stream,
        ):
            np.save(stream, features.cpu().numpy())

    def read(self, chunk: int) -> Tensor:
        """Return a chunk, mapped from its file rather than copied.

        Raises:
            DoraError: the file is missing or damaged.
        """
        path = self._file(chunk)
        shape = (chunk_rows(chunk, self.rows), self.width)
        try:
            # Copy on write: a tensor over a map that cannot be written brings a warning.
            mapped = np.load(path, mmap_mode="c")
            if mapped.shape != shape or mapped.dtype != np.float32:
                raise ValueError(f"{mapped.dtype} of {mapped.shape}, not float32 of {shape}")
        except (OSError, ValueError, EOFError) as fault:
            raise DoraError(
                f"{path} is no whole chunk of features ({fault})",
                remedy="remove the file; it will be made again",
            ) from fault
        return torch.from_numpy(mapped)

    def _file(self, chunk: int) -> Path:
        return self.folder / f"{chunk:06}.npy"


def chunk_rows(chunk: int, rows: int) -> int:
    """Return how many rows a chunk has: the last one may have fewer."""
    return min(CHUNK, rows - chunk * CHUNK)


def hash_files(paths: Sequence[Path], *, root: Path) -> str:
    """Return the SHA-256 of names below the root, sizes and times of change.

    Raises:
        DoraError: a file is gone, or what a link leads to.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            found = path.stat()
        except OSError as fault:
            if path.is_symlink():
                raise DoraError(
                    f"{path} is a link to {path.readlink()}, which cannot be read "
                    f"({fault.strerror})",
                    remedy="put back what it leads to, or remove the link",
                ) from fault
            raise DoraError(
                f"{path} cannot be read ({fault.strerror})", remedy="give the same command again"
            ) from fault
        named = path.relative_to(root).as_posix()
        digest.update(f"{named}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
