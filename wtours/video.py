"""Opens a video and gives its frames, in order, with exact times: the only file that decodes."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
import numpy as np

from wtours.conversion import PictureConverter, Pixels, colour_notes, settle_matrix
from wtours.errors import WtoursError
from wtours.integrity import VideoFacts, check_video
from wtours.packet_source import PacketSource
from wtours.packet_source import UnexpectedFramesError as UnexpectedFramesError
from wtours.sampled import sampled_bgr
from wtours.stretches import Stretch

DECODER_THREADS = 4
"""Fixed, so that no result can depend on the machine's cores."""
_TOLERATED_BACK_S = 1.0
"""Some cameras give single pictures a time that contradicts the order in which the codec shows
them; those pictures are left out. Further back, the file was put together wrongly."""


class Shown(Protocol):
    """A frame as the stages see it that make pictures: one that was decoded, or kept before."""

    @property
    def index(self) -> int:
        """As of `Frame`."""

    @property
    def pts(self) -> int:
        """As of `Frame`."""

    @property
    def pts_s(self) -> float:
        """As of `Frame`."""

    @property
    def width(self) -> int:
        """As of `Frame`."""

    @property
    def height(self) -> int:
        """As of `Frame`."""

    def scaled(self, width: int, height: int, /) -> Pixels:
        """Return (height, width, 3) uint8 RGB, upright."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of a video; converted when asked for, and to the size asked for."""

    index: int
    """Number among the frames that were read, from 0; never stands for time."""
    pts: int
    """Time stamp in units of the video's time base, from the first picture."""
    pts_s: float
    """The same in seconds."""
    width: int
    """Pixels, as shown: after rotation."""
    height: int
    """Pixels, as shown: after rotation."""
    quarter_turns: int = field(repr=False)
    """Counterclockwise turns by 90 degrees that show the decoded picture upright."""
    decoded: Any = field(repr=False)
    """The decoder's picture, an `av.VideoFrame`."""
    converter: PictureConverter = field(repr=False)

    @cached_property
    def image(self) -> Pixels:
        """(H, W, 3) uint8 RGB, upright, at the video's own size."""
        return self.scaled(self.width, self.height)

    def scaled(self, width: int, height: int) -> Pixels:
        """Return (height, width, 3) uint8 RGB, upright; every pixel the average of its area."""
        if self.quarter_turns % 2:
            width, height = height, width
        rgb = self.converter.to_rgb(self.decoded, width=width, height=height)
        return np.ascontiguousarray(np.rot90(rgb, self.quarter_turns))

    def sampled_bgr(self) -> Pixels:
        """Return a picture of at most 256 px for cut detection: BGR, sampled, not turned."""
        return sampled_bgr(self.decoded)


class VideoReader:
    """Iterates over the frames of one video in the order in which they are shown.

    Use as a context. `notes` grows while reading: sentences on what is unusual.

    Args:
        facts: what `check_video` found.
        threads: threads of the decoder; the frames do not depend on it.
    """

    def __init__(self, facts: VideoFacts, *, threads: int = DECODER_THREADS) -> None:
        self.facts = facts
        self.path = facts.path
        self.width, self.height = facts.width, facts.height
        self.time_base = facts.time_base
        self.notes: list[str] = list(facts.notes)
        self._source = PacketSource(facts.path, threads=threads)
        self._converter = PictureConverter()
        self._first_pts: int | None = None
        self._last_pts = -1
        self._left_out = 0
        self._untimed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    @property
    def first_pts(self) -> int:
        """Time stamp of the first picture on the container's clock, once a picture was read."""
        assert self._first_pts is not None
        return self._first_pts

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames that follow, `index` counting from 0.

        Raises:
            WtoursError: a picture is damaged or changes its size, or time goes far backwards.
        """
        index = 0
        for decoded in self._decode():
            pts = self._pts(decoded)
            self._require_sound(decoded, pts)
            if pts <= self._last_pts:
                self._leave_out(pts)
                continue
            self._last_pts = pts
            yield self._frame(decoded, index, pts)
            index += 1
        self._conclude()

    def read(
        self,
        stretch: Stretch,
        *,
        wanted: Collection[int] | None = None,
        on_other: Callable[[float], None] = lambda time_s: None,
        noted: Stretch | None = None,
    ) -> Iterator[Frame]:
        """Give the frames of a stretch, `index` being that among all frames of the video.

        Args:
            stretch: which.
            wanted: time stamps; only their frames are given, and only what these need is decoded.
                None: all of the stretch.
            on_other: called with the time in seconds of each picture that is decoded for others;
                may raise, to stop.
            noted: the part of it that `notes` speak of; all of it where None.

        Raises:
            UnexpectedFramesError: other frames come than the packets announced, or decoding cannot
                begin where the stretch does.
            WtoursError: as when iterating.
        """
        self._first_pts, self._last_pts = stretch.first_pts, -1
        frames = range(stretch.first, stretch.end)
        waiting = {
            pts: index
            for index, pts in zip(frames, stretch.pts.tolist(), strict=True)
            if wanted is None or pts in wanted
        }
        if not waiting:
            return
        spoken_of, noted_first = noted or stretch, False
        for decoded, pts in self._within(stretch, self._packets_of(stretch, waiting)):
            if wanted is not None and pts not in wanted:
                on_other(float(pts * self.time_base))
                continue
            if pts <= self._last_pts:
                self._leave_out(pts, noted=spoken_of.holds(pts))
                continue
            if pts not in waiting:
                raise UnexpectedFramesError
            self._require_sound(decoded, pts)
            if not noted_first and spoken_of.holds(pts):
                self._note_first(decoded)
                noted_first = True
            self._last_pts = pts
            yield self._frame(decoded, waiting.pop(pts), pts)
        if waiting:
            raise UnexpectedFramesError
        self._conclude()

    def seek(self, time_s: float) -> bool:
        """Go to the last keyframe at or before a time; iterate anew from there.

        Returns:
            Whether the container could; where not, reading goes on as if not asked.
        """
        if self._first_pts is None:
            next(iter(self), None)
        target = (self._first_pts or 0) + int(Fraction(time_s) / self.time_base)
        try:
            self._source.seek(target)
        except av.FFmpegError:
            return False
        self._last_pts = -1
        return True

    def _within(self, stretch: Stretch, packets: Iterator[Any]) -> Iterator[tuple[Any, int]]:
        """Give the decoded pictures of a stretch and their time stamps."""
        before = -1
        for decoded in self._decode(packets):
            pts = self._pts(decoded)
            if stretch.end_pts is not None and pts >= stretch.end_pts:
                return
            if pts < stretch.start_pts:
                continue  # shown before the keyframe that stands before it: of the stretch before
            if pts < before:  # its time contradicts its place, as perhaps those of others do
                raise UnexpectedFramesError
            before = pts
            yield decoded, pts

    def _packets_of(self, stretch: Stretch, wanted: Collection[int]) -> Iterator[Any]:
        """Give the packets that frames of a stretch need; None where the decoder begins anew."""
        start, at_start = stretch.first_pts + stretch.start_pts, stretch.start_pts == 0
        if len(wanted) == len(stretch.pts):
            return self._source.starting(start, at_start=at_start)
        times = {stretch.first_pts + pts for pts in wanted}
        return self._source.needed(start, at_start=at_start, wanted=times)

    def _decode(self, packets: Iterable[Any] | None = None) -> Iterator[Any]:
        """Give the pictures of packets, those that follow where None."""
        time_s = 0.0
        try:
            for packet in self._source.following() if packets is None else packets:
                if packet is None:
                    yield from self._source.held_back()
                    continue
                if packet.pts is not None and self._first_pts is not None:
                    time_s = float((packet.pts - self._first_pts) * self.time_base)
                yield from packet.decode()
        except av.FFmpegError as fault:
            raise self._damaged(time_s, str(fault.strerror)) from fault

    def _damaged(self, time_s: float, finding: str) -> WtoursError:
        return WtoursError(
            f"{self.path} cannot be decoded at about {time_s:.2f} s: {finding}",
            remedy="delete it and fetch or copy it again, or cut the damaged part out",
        )

    def _require_sound(self, decoded: Any, pts: int) -> None:
        if decoded.is_corrupt:
            raise self._damaged(float(pts * self.time_base), "its picture is damaged")

    def _pts(self, decoded: Any) -> int:
        """Return the time stamp of a decoded picture, counted from the first one."""
        pts = decoded.pts if decoded.pts is not None else decoded.dts
        if pts is None:
            self._untimed += 1
            interval = max(1, round(1 / (self.facts.average_rate * self.time_base)))
            pts = (self._first_pts or 0) + (self._last_pts + interval if self._last_pts >= 0 else 0)
        if self._first_pts is None:
            self._first_pts = int(pts)
            self._note_first(decoded)
        return int(pts) - self._first_pts

    def _leave_out(self, pts: int, *, noted: bool = True) -> None:
        """Count a picture whose time is not after that of the one shown before it."""
        before_s, after_s = (float(t * self.time_base) for t in (self._last_pts, pts))
        if before_s - after_s > _TOLERATED_BACK_S:
            raise WtoursError(
                f"{self.path}: time goes backwards, from {before_s:.3f} s to {after_s:.3f} s",
                remedy="fetch or record it again, or cut it into two files at that place",
            )
        self._left_out += noted

    def _frame(self, decoded: Any, index: int, pts: int) -> Frame:
        settle_matrix(decoded, self.path)
        turns = round(decoded.rotation / 90) % 4
        width, height = decoded.width, decoded.height
        if turns % 2:
            width, height = height, width
        pts_s = float(pts * self.time_base)
        if (width, height) != (self.width, self.height):
            raise WtoursError(
                f"{self.path} changes its picture size at {pts_s:.3f} s, "
                f"from {self.width}x{self.height} to {width}x{height}",
                remedy="cut it into one file for each size",
            )
        return Frame(
            index=index,
            pts=pts,
            pts_s=pts_s,
            width=width,
            height=height,
            quarter_turns=turns,
            decoded=decoded,
            converter=self._converter,
        )

    def _note_first(self, decoded: Any) -> None:
        if decoded.rotation % 90:
            self.notes.append(f"rotation by {decoded.rotation} degrees is rounded to a right angle")
        self.notes += colour_notes(decoded)
        if decoded.interlaced_frame:
            self.notes.append("interlaced: the two fields of a picture are not separated")

    def _conclude(self) -> None:
        if self._untimed:
            self.notes.append(
                f"{_pictures(self._untimed)} without a time, counted by the mean rate"
            )
        if self._left_out:
            self.notes.append(
                f"{_pictures(self._left_out)} left out: time not after that of the one shown before"
            )


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def open_video(path: str | Path, *, facts: VideoFacts | None = None) -> VideoReader:
    """Check a video and open it for reading.

    Args:
        path: a video file.
        facts: what `check_video` found, where it was called already.

    Raises:
        WtoursError: whatever `check_video` finds wrong.
    """
    return VideoReader(facts if facts is not None else check_video(path))
