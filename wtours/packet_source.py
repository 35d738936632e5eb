"""Gives the packets of one video's picture stream, from any of its keyframes on."""

from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from wtours.packet_headers import PacketUse, packet_reader
from wtours.references import Choice, choose

_STEPS_BACK_S = (0.0, 2.0, 20.0)
"""Containers may lead behind a keyframe that is asked for; then one before it is."""
_AS_STORED = frozenset({"av1", "vp8", "vp9"})
"""A packet of these shows one picture, and pictures are shown in the order of packets: a decoder
holds none back, and a keyframe makes it forget all before."""


_STATING_TIMES = ("mov", "matroska", "mpegts")
"""Containers that say when a packet's picture is shown; for others FFmpeg guesses."""
_REORDER_PICTURES = 16
"""H.264 and HEVC let a picture stand at most this many places from where it is shown: so far beyond
the last one wanted another packet might have the same time."""


class UnexpectedFramesError(Exception):
    """The frames that are decoded are not those that the packets announced.

    As with packets that show nothing, or pictures in two packets, or keyframes that are none. Such
    a video is decoded from its beginning, and its frames are what comes of that.
    """


class PacketSource:
    """An open container, of which one stream is read.

    Args:
        path: of the video.
        threads: threads of the decoder.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self._path, self._threads = path, threads
        self._open()

    def _open(self) -> None:
        # Titles in an odd encoding are no fault of the pictures.
        self.container = av.open(str(self._path), metadata_errors="replace")
        pictures = self.container.streams.video
        # The cover of a piece of music is a stream of one picture.
        self.stream = next(s for s in pictures if not s.disposition & Disposition.attached_pic)
        self.stream.thread_type = "AUTO"
        self.stream.codec_context.thread_count = self._threads
        assert self.stream.time_base is not None
        self._time_base = self.stream.time_base
        self._begun = False

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def following(self) -> Iterator[Any]:
        """Give the packets that follow; the last is empty, for which a decoder gives the rest."""
        self._begun = True
        yield from self.container.demux(self.stream)

    def seek(self, time: int) -> None:
        """Go to a keyframe at or before a time on the container's clock, if its index is right.

        Raises:
            av.FFmpegError: the container has no index.
        """
        self._begun = True
        self.container.seek(time, stream=self.stream)

    def held_back(self) -> Iterator[Any]:
        """Give the pictures that the decoder has not given yet, and make it forget all before."""
        context = self.stream.codec_context
        yield from context.decode(None)
        context.flush_buffers()

    def starting(self, time: int, *, at_start: bool) -> Iterator[Any]:
        """Give the packets from a clean start on that is shown at or before a time.

        Args:
            time: on the container's clock.
            at_start: whether to begin with the file instead, clean or not.

        Raises:
            UnexpectedFramesError: there is none near.
        """
        if at_start:
            if self._begun:
                self.close()
                self._open()
            yield from self.following()
            return
        read = self._reader()
        for back_s in _STEPS_BACK_S:
            try:
                self.seek(time - int(Fraction(back_s) / self._time_base))
            except av.FFmpegError:
                continue
            packets = self.following()
            packet = next(packets)
            if packet.size and shown_at(packet) <= time:
                if not read(packet).clean_start:
                    break
                yield packet
                yield from packets
                return
        raise UnexpectedFramesError

    def needed(self, time: int, *, at_start: bool, wanted: Collection[int]) -> Iterator[Any]:
        """Give the packets that wanted frames need; None where the decoder is to begin anew.

        The packets are read twice: for what they tell, and then for the decoder. Where the
        container does not tell when they are shown, all are given.

        Args:
            time: as for `starting`.
            at_start: as for `starting`.
            wanted: times of frames on the container's clock, none before `time`.

        Raises:
            UnexpectedFramesError: there is no packet of a wanted frame, or there are packets that
                show nothing, have no time, or the same.
        """
        if not self.container.format.name.startswith(_STATING_TIMES):
            yield from self.starting(time, at_start=at_start)
            return
        choice = self._choose(self.starting(time, at_start=at_start), wanted)
        packets = self.starting(time, at_start=at_start)
        for packet, needed, fresh in zip(packets, choice.needed, choice.fresh, strict=False):
            if fresh and self.stream.codec_context.codec.canonical_name not in _AS_STORED:
                yield None
            if needed:
                yield packet
        yield None

    def _choose(self, packets: Iterator[Any], wanted: Collection[int]) -> Choice:
        read, missing, beyond = self._reader(), set(wanted), 0
        uses, times, asked = list[PacketUse](), list[int](), list[bool]()
        for packet in packets:
            beyond += not missing
            if beyond > _REORDER_PICTURES or not packet.size:
                break
            use = read(packet)
            if packet.pts is None or not use.shown:
                raise UnexpectedFramesError  # only a decoder knows what is shown when
            uses.append(use)
            times.append(packet.pts)
            asked.append(packet.pts in wanted and not packet.is_discard)
            missing.discard(packet.pts)
        if missing or len(set(times)) < len(times):
            raise UnexpectedFramesError
        return choose(uses, np.asarray(times, dtype=np.int64), np.asarray(asked, dtype=np.bool_))

    def _reader(self) -> Any:
        context = self.stream.codec_context
        read = packet_reader(context.codec.canonical_name, context.extradata)
        return lambda packet: read(bytes(packet), packet.is_keyframe)


def shown_at(packet: Any) -> int:
    """Return the time stamp of a packet; that of its place in the file where it has no other."""
    return int(packet.pts if packet.pts is not None else packet.dts)
