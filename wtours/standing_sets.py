"""Shard sets that stand already, on this machine or in a store.

A set that is asked for again is the same one, which is left as it is, or another under its name,
which is refused with what differs. One that is whole here but has not reached its store is sent.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from wtours.errors import WtoursError
from wtours.shard_outcome import WrittenSet
from wtours.shard_sets import SetInputs
from wtours.shard_settings import ShardSettings, differences
from wtours.shards.schema import RECORD_FILE, DatasetRecord
from wtours.shards.writer import partial_folder
from wtours.storage import Store


@dataclass(frozen=True, kw_only=True)
class StandingSet:
    """A set that stands already."""

    place: str
    """Its folder, or its address."""
    record: DatasetRecord
    unsent: Path | None = None
    """Its folder on this machine, if it is whole but has not reached its store."""

    def require_settings(self, settings: ShardSettings) -> None:
        """Refuse to take it for one of other settings.

        Raises:
            WtoursError: it was made with others.
        """
        if differing := differences(self.record.settings, settings.to_record()):
            raise refused(self.place, f"was made with {differing}")

    def require_videos(self, inputs: SetInputs) -> None:
        """Refuse to take it for one of other videos; those that it left out do not count.

        Raises:
            WtoursError: it was made from others.
        """
        left_out = {one.video for one in self.record.left_out}
        wanted = {video.name: video.sha256 for video in inputs.videos if video.name not in left_out}
        if {one.name: one.sha256 for one in self.record.videos} != wanted:
            other = "other videos" if inputs.shared else "another video"
            raise refused(self.place, f"was made from {other} than {inputs.text}")


def find_standing(folder: Path, store: Store | None) -> StandingSet | None:
    """Return the set of a folder if it stands already.

    Args:
        folder: on this machine.
        store: where sets are sent; None: they stay in their folders.
    """
    if store is not None and (record := store.record(folder.name)) is not None:
        return StandingSet(place=store.place(folder.name), record=record)
    if not folder.exists():
        return None
    record = DatasetRecord.read(folder / RECORD_FILE)
    if store is None:
        return StandingSet(place=str(folder), record=record)
    return StandingSet(place=store.place(folder.name), record=record, unsent=folder)


def leave_standing(there: StandingSet, folder: Path, store: Store | None) -> WrittenSet:
    """Return a set as it stands, sent if it was not yet; remove what is left beside it."""
    shutil.rmtree(partial_folder(folder), ignore_errors=True)  # of a replacement given up
    if store is not None and there.unsent is None:
        shutil.rmtree(folder, ignore_errors=True)  # a run was killed when it had sent the set
    written = WrittenSet(
        place=there.place,
        record=there.record,
        pictures=sum(tar.pictures for tar in there.record.tars),
        rows=None,
        cuts=None,
        skipped=there.unsent is None,
    )
    if store is not None and there.unsent is not None:
        written = send_set(replace(written, place=str(folder)), store)
    return written


def send_set(written: WrittenSet, store: Store) -> WrittenSet:
    """Send a whole set to its store, and remove it from this machine."""
    folder = Path(written.place)
    store.send(folder, written.record)
    shutil.rmtree(folder)
    return replace(written, place=store.place(folder.name))


def refused(folder: Path | str, finding: str) -> WtoursError:
    """Return the error for a set that is another one than is asked for."""
    return WtoursError(
        f"{folder} exists already and {finding}",
        remedy="give another --out, or --replace to make it anew",
    )
