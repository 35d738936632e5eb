"""What `open_shards` may be given: folders, patterns and addresses, told apart."""

import glob
import re
from pathlib import Path

from wtours.shards.schema import RECORD_FILE, ShardError

_LOCAL = ("file", "local")
_FLATTENED = re.compile(r"([a-z][a-z0-9+.]+):/[^/]")
"""An address that became a path on its way, and lost a slash: s3:/bucket."""


def as_address(path: Path | str) -> str | None:
    """Return an address with its scheme, or None for a place on this machine."""
    scheme, found, _ = str(path).partition("://")
    if found and len(scheme) > 1 and scheme not in _LOCAL:
        return str(path)
    return None


def require_local(path: Path | str) -> None:
    """Refuse an address, whole or as it is left when it was made a path.

    Raises:
        ShardError: it is one.
    """
    flattened = _FLATTENED.match(str(path))
    if as_address(path) is not None or (flattened and flattened[1] not in _LOCAL):
        raise ShardError(
            f"{path} is an address, and this command reads files of this machine only",
            remedy="copy the shard sets here first, and name their folder",
        )


def local_sets(path: Path | str) -> list[Path]:
    """Return the folders of sets on this machine: one, those in a folder, or those of a pattern.

    Raises:
        ShardError: there is none.
    """
    text = str(path)
    scheme, found, rest = text.partition("://")
    folder = Path(rest if found and scheme in _LOCAL else text).expanduser()
    if folder.is_dir():
        return _sets_of(folder)
    require_local(path)
    if glob.has_magic(str(folder)):
        return _matching(folder)
    raise ShardError(
        f"{path} is no folder of shards", remedy=f"make one with `wtours shard --out {path}`"
    )


def _sets_of(folder: Path) -> list[Path]:
    found = _inside(folder)
    if not found:
        raise ShardError(
            f"{folder} holds no shard set (no {RECORD_FILE})",
            remedy=f"make one with `wtours shard --out {folder}`",
        )
    return found


def _matching(pattern: Path) -> list[Path]:
    """Return the sets of a pattern, which may also match what holds none."""
    matches = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    found = [one for folder in sorted(matches) if folder.is_dir() for one in _inside(folder)]
    if not found:
        raise ShardError(
            f"{pattern} matches no shard set",
            remedy="list what is there with `ls`, or make sets with `wtours shard`",
        )
    return found


def _inside(folder: Path) -> list[Path]:
    if (folder / RECORD_FILE).is_file():
        return [folder]
    return sorted(
        record.parent
        for record in folder.glob(f"*/{RECORD_FILE}")
        if not record.parent.name.startswith(".")
    )
