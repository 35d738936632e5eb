"""The videos that shard sets were made from, found again by their bytes, and read in full size.

A set's record has the SHA-256 of its videos and not their place. Which frames are read follows from
the set as well: its index has the time stamps of its pictures, a tar those of one stretch of the
frame pass, which begins at a keyframe.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from wtours.conversion import Pixels
from wtours.errors import WtoursError
from wtours.integrity import VideoFacts, check_walk_and_hash
from wtours.shard_inputs import set_name, videos_in
from wtours.shards import VideoRecord
from wtours.shards.segments import Ints
from wtours.stretches import Stretch, Timeline, make_timeline
from wtours.video import Frame, UnexpectedFramesError, VideoReader

Progress = Callable[[str, int, int], None]
"""Name of the video that is checked, bytes that were, and bytes of all that are sought."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceVideo:
    """A video that a shard set was made from, checked to be the same."""

    record: VideoRecord
    """What the set says of it."""
    facts: VideoFacts
    timeline: Timeline
    """Its frames, as its packets announce them."""

    def pictures(self, pts: Ints) -> Iterator[Pixels]:
        """Give the pictures of a stretch's frames, in order and in the video's own size.

        They are decoded from the last keyframe before them on. Where packets announce other frames
        than decoding gives, the video is decoded from its beginning, as sharding did.

        Args:
            pts: (m,) time stamps of frames as a set's index has them, increasing, m > 0.

        Yields:
            (H, W, 3) uint8 RGB, upright.

        Raises:
            WtoursError: a picture is damaged, or the video has no frame at one of these times.
        """
        given = 0
        try:
            for frame in self._announced(pts):
                # Were the first packet one that shows nothing, the set would count from the second.
                if frame.pts != pts[given]:
                    raise UnexpectedFramesError
                given += 1
                yield frame.image
        except UnexpectedFramesError:
            yield from self._from_the_beginning(pts[given:])

    def every_picture(
        self, *, width: int, height: int, first: int = 0
    ) -> Iterator[tuple[int, Pixels]]:
        """Give all frames of the video from a number on, in a size that is asked for.

        Args:
            width: of the pictures.
            height: of the pictures.
            first: number of the first frame that is given, counted from 0.

        Yields:
            Time stamp in units of the video's time base, and (height, width, 3) uint8 RGB, upright.

        Raises:
            WtoursError: a picture is damaged.
        """
        given = first
        try:
            for frame in self._announced(self.timeline.pts[first:]):
                if frame.index != given:
                    raise UnexpectedFramesError
                given += 1
                yield frame.pts, frame.scaled(width, height)
        except UnexpectedFramesError:
            with VideoReader(self.facts) as reader:
                for frame in reader:
                    if frame.index >= given:
                        yield frame.pts, frame.scaled(width, height)

    def _announced(self, pts: Ints) -> Iterator[Frame]:
        """Give frames by the time stamps that packets announce, decoding no more than they need."""
        if len(pts) == 0:
            return
        with VideoReader(self.facts) as reader:
            yield from reader.read(self._stretch(pts), wanted=frozenset(pts.tolist()))

    def _stretch(self, pts: Ints) -> Stretch:
        """Return what is decoded for frames: from the keyframe before the first to the last."""
        timeline = self.timeline
        if not np.isin(pts, timeline.pts).all():
            raise UnexpectedFramesError
        start = np.searchsorted(timeline.starts, pts[0], side="right") - 1
        first = int(np.searchsorted(timeline.pts, timeline.starts[start]))
        end = int(np.searchsorted(timeline.pts, pts[-1])) + 1
        return Stretch(
            number=0,
            first=first,
            pts=timeline.pts[first:end],
            end_pts=int(timeline.pts[end]) if end < len(timeline.pts) else None,
            first_pts=timeline.first_pts,
        )

    def _from_the_beginning(self, pts: Ints) -> Iterator[Pixels]:
        given = 0
        with VideoReader(self.facts) as reader:
            for frame in reader:
                if given == len(pts) or frame.pts > pts[given]:
                    break
                if frame.pts == pts[given]:
                    given += 1
                    yield frame.image
        if given < len(pts):
            time_s = float(pts[given] * self.facts.time_base)
            raise WtoursError(
                f"{self.facts.path} has no frame at {time_s:.3f} s, where its shards have one",
                remedy="make its shards anew with `wtours shard --replace`",
            )


class SourceVideos:
    """Finds the videos of shard sets among files, each when it is first needed.

    A file is the video of a set where both have the same SHA-256, whatever it is called.

    Args:
        paths: videos, and folders of them. They need not exist unless a video is sought.
        records: of the videos of the sets.
        progress: called while a video is checked, which reads all of it.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        records: Sequence[VideoRecord],
        *,
        progress: Progress = lambda name, done_bytes, size_bytes: None,
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._records = {record.name: record for record in records}
        self._progress = progress
        self._found: dict[str, SourceVideo] = {}
        self._checked: dict[Path, tuple[VideoFacts, Timeline, str]] = {}

    def find(self, names: Sequence[str]) -> dict[str, SourceVideo]:
        """Return videos by their names in the sets.

        Raises:
            WtoursError: a path does not exist or holds no video, no file is the video of that name,
                or it is damaged.
        """
        lost = [name for name in names if name not in self._found]
        if lost:
            files = [file for path in self._paths for file in _files(path)]
            # What can be told without reading is told before anything is read.
            alike = {name: self._of_equal_size(name, files) for name in lost}
            size_bytes = sum(self._records[name].size_bytes for name in lost)
            before_bytes = 0
            for name in lost:
                told = partial(self._tell, name, before_bytes, size_bytes)
                self._found[name] = self._identify(name, alike[name], files, told)
                before_bytes += self._records[name].size_bytes
        return {name: self._found[name] for name in names}

    def _of_equal_size(self, name: str, files: Sequence[Path]) -> list[Path]:
        """Return the files that may be a video by their size, one of its name first."""
        record = self._records[name]
        alike = [file for file in files if file.stat().st_size == record.size_bytes]
        if not alike:
            raise self._missing(name, files)
        return sorted(alike, key=lambda file: not _is_called(file, name))

    def _tell(
        self, name: str, before_bytes: int, size_bytes: int, done_bytes: int, _of_file_bytes: int
    ) -> None:
        self._progress(name, before_bytes + done_bytes, size_bytes)

    def _identify(
        self,
        name: str,
        alike: Sequence[Path],
        files: Sequence[Path],
        told: Callable[[int, int], None],
    ) -> SourceVideo:
        record = self._records[name]
        for file in alike:
            if file not in self._checked:
                facts, walk, sha256 = check_walk_and_hash(file, progress=told)
                self._checked[file] = facts, make_timeline(walk.pts, walk.keyframes), sha256
            facts, timeline, sha256 = self._checked[file]
            if sha256 == record.sha256:
                return SourceVideo(record=record, facts=facts, timeline=timeline)
        raise self._missing(name, files)

    def _missing(self, name: str, files: Sequence[Path]) -> WtoursError:
        """Return the error of a video that no file is: of another one of its name, if there is."""
        for file in files:
            if _is_called(file, name):
                return WtoursError(
                    f"{file} is not the video that the shards of {name} were made from: its bytes "
                    "are others than the record's SHA-256",
                    remedy="name the file that was sharded, or make the shards anew with "
                    f"`wtours shard {file} --replace`",
                )
        looked_in = ", ".join(str(path) for path in self._paths)
        return WtoursError(
            f"no video in {looked_in} is the one that the shards of {name} were made from",
            remedy="name its file or its folder, too; it may be called anything",
        )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = videos_in(path)
        if not found:
            raise WtoursError(
                f"{path} has no video in it", remedy="name the folder or the files of the videos"
            )
        return found
    if not path.is_file():
        raise WtoursError(
            f"{path}: there is no such file or folder",
            remedy="name the videos that the shards were made from, or their folder",
        )
    return [path]


def _is_called(file: Path, name: str) -> bool:
    """Whether shards of a file would have a name."""
    try:
        return set_name(file) == name
    except WtoursError:
        return False  # no shards can be made of a file without a letter in its name
