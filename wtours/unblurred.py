"""Unblurred frames that are kept on purpose, so that blurring anew needs no decoding.

    FOLDER/README.txt         what this is, and when to delete it
    FOLDER/<set>/frames.json  what the frames depend on: never how they are covered
    FOLDER/<set>/unblurred-*  the frames of each portion (`unblurred_portion.py`)

They show faces. The folder lies outside of what is published, and only its owner may read it.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wtours.errors import WtoursError
from wtours.integrity import VideoFacts
from wtours.shard_sets import SetInputs
from wtours.shard_settings import ShardSettings, differences
from wtours.stages.blur import fit_short_side
from wtours.storage import local_folder, open_store
from wtours.unblurred_portion import Size, naming_folder, write_private

README_FILE, FRAMES_FILE = "README.txt", "frames.json"
_VERSION = 1
_SOFTWARE = ("wtours", "av", "numpy", "opencv-python-headless")
"""What decodes, scales and scores: another release may do it otherwise."""
_TITLE = "Unblurred frames, kept by `wtours shard --keep-unblurred`"
_README = f"""{_TITLE}

The pictures in these folders show faces and licence plates as they are. They are kept so that the
same videos can be blurred anew with other settings, without decoding them again: run the same
command with the same --keep-unblurred, other --blur settings, and --replace or another --out.

Publish nothing of this, and delete the whole folder when the blurring is as it should be: nothing
else needs it.
"""


@dataclass(frozen=True, kw_only=True)
class Unblurred:
    """The frames that are kept of one shard set."""

    folder: Path
    identity: Mapping[str, Any]
    """What the stored pictures depend on, in JSON's types."""
    seen: Mapping[str, tuple[int, int]] | None
    """For each size of video, such as `3840x2160`, that of the pictures that detectors look at.
    None: nobody looks."""
    decoded: bool = False
    """Whether packets announce other frames than decoding gives, as in the plan of the set."""

    def sizes(self, facts: VideoFacts, settings: ShardSettings) -> tuple[Size, ...]:
        """Return the sizes in which the frames of a video are kept, each once."""
        size = facts.width, facts.height
        stored = fit_short_side(*size, settings.short_side_px)
        seen = () if self.seen is None else (self.seen[_text(size)],)
        return tuple(dict.fromkeys((stored, *seen)))

    def lacks(self, wanted: "Unblurred") -> str:
        """Say in what these differ from what is wanted; nothing if they fit."""
        found = differences(self.identity, wanted.identity)
        if found or wanted.seen is None or self.seen == wanted.seen:
            return found
        if self.seen is None:
            return "no pictures to look for faces in"
        size = next(size for size in wanted.seen if self.seen.get(size) != wanted.seen[size])
        return (
            f"faces looked for at {_text(self.seen.get(size))} instead of "
            f"{_text(wanted.seen[size])}"
        )

    def begin(self, *, decoded: bool) -> "Unblurred":
        """Remove what was kept, and begin anew; return what is begun."""
        begun = replace(self, decoded=decoded)
        values = {"identity": self.identity, "seen": self.seen, "decoded": decoded}
        with naming_folder(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir(mode=0o700)
            write_private(self.folder / FRAMES_FILE, json.dumps(values, indent=1).encode())
        return begun


def open_unblurred(wanted: Unblurred, *, told: Callable[[str], None]) -> Unblurred:
    """Return the frames that are kept already if they fit; otherwise begin to keep them anew.

    Args:
        wanted: what is to be kept.
        told: is given a sentence if others are replaced.
    """
    path = wanted.folder / FRAMES_FILE
    if not path.exists():
        return wanted.begin(decoded=False)
    there = _read(path)
    if there is None:
        told(f"{path} was altered: decoding again, and keeping frames anew")
    elif lacks := there.lacks(wanted):
        told(f"{wanted.folder} was kept with {lacks}: decoding again, and keeping frames anew")
    else:
        for part in wanted.folder.glob("*.part"):  # of a run that was killed
            part.unlink()
        return there
    return wanted.begin(decoded=False)


def wanted_frames(
    folder: Path, inputs: SetInputs, set_identity: Mapping[str, Any], settings: ShardSettings
) -> Unblurred:
    """Return what is to be kept of a set.

    Args:
        folder: for the frames of the set.
        inputs: its videos.
        set_identity: everything that the set depends on.
        settings: the same of its settings, as they are.
    """
    # What is not known here counts: only these are known to change nothing about the frames.
    without = {"format", "blur", "jpeg", "cuts"}
    identity = {name: value for name, value in set_identity.items() if name not in without}
    identity |= {
        "version": _VERSION,
        "scored": settings.cuts is not None,
        "software": {name: version(name) for name in _SOFTWARE},
    }
    seen = None
    if settings.blur is not None:
        seen = {
            _text(size): settings.blur.detection_size(
                *size, picture_size=fit_short_side(*size, settings.short_side_px)
            )
            for size in sorted({(one.facts.width, one.facts.height) for one in inputs.videos})
        }
    return Unblurred(folder=folder, identity=identity, seen=seen)


def unblurred_folder(folder: str | Path, *, out: Path) -> Path:
    """Return the folder for all sets, as a path from the root; nothing is made.

    Args:
        folder: as it was named.
        out: where the shard sets are made.

    Raises:
        WtoursError: shards are published with what lies there, or it holds something else.
    """
    if open_store(folder) is not None:
        raise WtoursError(
            f"--keep-unblurred {folder} is not on this machine",
            remedy="name a folder on a disk that only you can read",
        )
    path, shards = local_folder(folder).resolve(), out.resolve()
    if path.is_relative_to(shards) or shards.is_relative_to(path):
        raise WtoursError(
            f"unblurred frames in {folder} would be published with the shard sets in {out}",
            remedy="name a folder beside it with --keep-unblurred",
        )
    begun = {f"{README_FILE}.part"}  # all that a run leaves that is killed at its beginning
    if path.is_dir() and {one.name for one in path.iterdir()} - begun and not _is_ours(path):
        raise WtoursError(
            f"{folder} holds something else than unblurred frames",
            remedy="name an empty or a new folder with --keep-unblurred",
        )
    return path


def make_unblurred_folder(folder: Path) -> None:
    """Make the folder for all sets, with its page; only its owner may read it."""
    if _is_ours(folder):
        return
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    write_private(folder / README_FILE, _README.encode())


def _is_ours(folder: Path) -> bool:
    readme = folder / README_FILE
    return readme.is_file() and readme.read_bytes().startswith(_TITLE.encode())


def _read(path: Path) -> Unblurred | None:
    """Return what was written there, or None where it is something else."""
    try:
        stored = json.loads(path.read_bytes())
        seen = stored["seen"]
        return Unblurred(
            folder=path.parent,
            identity=dict(stored["identity"]),
            seen=None if seen is None else {size: (w, h) for size, (w, h) in seen.items()},
            decoded=stored["decoded"] is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _text(size: Size | None) -> str:
    return "nothing" if size is None else f"{size[0]}x{size[1]}"
