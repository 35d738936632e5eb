"""Checks videos that are on the disk against their records, and writes the result into these."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wtours.errors import WtoursError
from wtours.fetch.landing import Landing
from wtours.integrity import Expected, Verification, verify_video
from wtours.manifest import Manifest, Stated
from wtours.progress import Advance
from wtours.provenance import (
    Provenance,
    found_provenance,
    own_record,
    provenance_path,
    write_provenance,
)
from wtours.shard_inputs import videos_in
from wtours.shards.places import require_local
from wtours.shards.schema import RECORD_FILE


def tell_apart(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the video files and the folders of shards among `paths`, in the order given.

    A folder with shard sets, or one that is a set, counts as shards; of another, the videos are
    taken that lie in it.

    Raises:
        WtoursError: a path does not exist or is an address, or a folder holds neither.
    """
    videos: list[Path] = []
    shards: list[Path] = []
    for path in paths:
        if not path.is_dir():
            videos.append(path)
        elif (path / RECORD_FILE).exists() or any(path.glob(f"*/{RECORD_FILE}")):
            shards.append(path)
        else:
            found = videos_in(path)
            if not found:
                raise WtoursError(
                    f"{path} has neither videos nor shards in it",
                    remedy="name a video, or a folder that `wtours fetch` or `shard` filled",
                )
            videos += found
    for path in videos:
        if not path.exists():
            require_local(path)
            raise WtoursError(
                f"{path}: there is no such file or folder",
                remedy="check the name, or run `wtours fetch` first",
            )
    return videos, shards


@dataclass(frozen=True, kw_only=True)
class Verified:
    """One video, checked."""

    path: Path
    verification: Verification
    record: Provenance | None
    """None where a damaged file had no record: its hash is nothing to compare with later."""
    first: bool
    """Whether it had no record before: its hash is trusted from now on."""
    unwritten: str | None = None
    """Why the result could not be written beside it; None where it was, or was not to be."""

    @property
    def forced(self) -> bool:
        """Whether its faults were known and accepted when it was fetched."""
        return self.record is not None and self.record.forced

    @property
    def good(self) -> bool:
        """Whether it may be used."""
        return not self.verification.faults or self.forced


def verify_file(
    path: Path, *, manifest: Manifest | None = None, progress: Advance | None = None
) -> Verified:
    """Check one video against its record, and record the result in `<name>.json` beside it.

    Where there is no record one is made, without source and terms: the first use is trusted, and
    later checks compare with its hash.

    Args:
        path: a video file.
        manifest: whose statements count, by the file's name; those in the record where None.
        progress: told how far the reading is.

    Raises:
        WtoursError: there is no such file, its record is damaged or another video's, or the same
            video is just being fetched or checked by another run.
    """
    record = own_record(path)
    verification = verify_video(
        path,
        _expected(path, record, manifest),
        progress=None
        if progress is None
        else lambda done, total: progress(f"{path.name}", done, total, "verifying"),
    )
    new = _renewed(path, record, verification)
    unwritten = None
    if new is not None:
        try:
            with Landing(folder=path.parent, name=path.stem).held():
                write_provenance(new, provenance_path(path))
        except OSError as error:  # a folder that may only be read: what was found is told
            unwritten = f"{provenance_path(path)}: {error.strerror or error}"
    return Verified(
        path=path,
        verification=verification,
        record=new,
        first=record is None,
        unwritten=unwritten,
    )


def _renewed(
    path: Path, record: Provenance | None, verification: Verification
) -> Provenance | None:
    if record is not None:
        forced = record.forced and not verification.damaged
        return replace(record, verification=verification.record(forced=forced))
    return None if verification.damaged else found_provenance(path, verification)


def _expected(path: Path, record: Provenance | None, manifest: Manifest | None) -> Expected:
    entries = [] if manifest is None else [v for v in manifest.videos if v.name == path.stem]
    if record is None:
        return Expected(stated=entries[0].stated if entries else Stated())
    return Expected(
        stated=entries[0].stated if entries else Stated(**record.stated),
        said=record.platform,
        resolution=record.asked.get("resolution"),
        fps=record.asked.get("fps"),
        sha256=str(record.file["sha256"]),
        sha256_from="recorded",
    )
