"""Pictures with their times into a video file, by the ffmpeg program as ffmpeg-python calls it.

A pipe of bare pictures has one constant rate. Therefore pictures go as raw video in NUT, FFmpeg's
own container, which carries a time stamp for each; the encoder is told to keep them.
"""

import contextlib
import os
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from wtours.errors import WtoursError

Pixels = NDArray[np.uint8]
Codec = Literal["h264", "av1"]

ENCODERS: dict[Codec, dict[str, Any]] = {
    "h264": {"vcodec": "libx264", "preset": "fast", "crf": 18},
    "av1": {"vcodec": "libsvtav1", "preset": 8, "crf": 24},
}
"""Encoder and its settings: both hardly to be told from what is given to them."""
_KEYFRAME_S = 2
_CONVERSION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_LARGEST_DENOMINATOR = 100_000
"""Of the mean rate: the mean of many hours does not fit into FFmpeg's fractions of 32 bits."""
_END_S = 600
"""An encoder may work on what it holds for this long after the last picture."""


class EncoderPipe:
    """Takes pictures one by one and leaves an MP4 file.

    Use as a context. Left without `finish`, by an exception or Ctrl-C, it stops the encoder and
    removes the file.

    Args:
        path: where to write; an older file is replaced.
        codec: H.264 or AV1.
        size: width and height of the pictures. Odd ones are kept: H.264 then has whole chroma.
        time_base: seconds a unit of the time stamps.
        rate: pictures a second on the average, for keyframes every two seconds.
        pixel_aspect: width of a pixel in heights.
    """

    def __init__(
        self,
        path: Path,
        *,
        codec: Codec,
        size: tuple[int, int],
        time_base: Fraction,
        rate: Fraction,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        self._path, self._time_base = path, time_base
        rate = rate.limit_denominator(_LARGEST_DENOMINATOR) if rate > 0 else Fraction(1)
        self._pixels = "yuv444p" if codec == "h264" and (size[0] % 2 or size[1] % 2) else "yuv420p"
        self._converter = VideoReformatter()
        self._sink = _Sink()
        self._container = av.open(self._sink, "w", format="nut", buffer_size=1 << 20)
        self._stream: Any = self._container.add_stream("rawvideo", rate=rate)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = self._pixels
        self._stream.codec_context.time_base = time_base
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115  closed at the end
        self._process = subprocess.Popen(
            _command(path, codec=codec, time_base=time_base, rate=rate, aspect=pixel_aspect),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._messages,
            env=os.environ | {"SVT_LOG": "1"},  # faults alone
            start_new_session=True,  # Ctrl-C is this process's affair
        )
        self._sink.pipe = self._process.stdin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._messages.closed:  # neither finished nor failed
            self._abandon()

    def write(self, image: Pixels, pts: int) -> None:
        """Encode an (H, W, 3) RGB picture.

        Args:
            image: sRGB values; stored as BT.709, limited range.
            pts: its time stamp, later than the one before.

        Raises:
            WtoursError: the encoder has failed.
        """
        picture = self._converter.reformat(
            av.VideoFrame.from_ndarray(image, format="rgb24"),
            format=self._pixels,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=_CONVERSION,
            threads=1,
        )
        picture.pts, picture.time_base = pts, self._time_base
        try:
            self._container.mux(self._stream.encode(picture))
        except (OSError, av.FFmpegError) as fault:
            raise self._failed() from fault

    def finish(self) -> None:
        """Wait until all is encoded and the file is whole.

        Raises:
            WtoursError: the encoder has failed.
        """
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._sink.close()
            status = self._process.wait(timeout=_END_S)
        except (OSError, av.FFmpegError, subprocess.TimeoutExpired) as fault:
            raise self._failed() from fault
        if status != 0:
            raise self._failed()
        self._messages.close()

    def _abandon(self) -> None:
        """Stop the encoder, and remove what it wrote."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):  # what was not sent yet cannot be sent any more
            self._sink.close()
        with contextlib.suppress(OSError, av.FFmpegError):
            self._container.close()
        self._messages.close()
        self._path.unlink(missing_ok=True)

    def _failed(self) -> WtoursError:
        """Return what the encoder said; stops it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        self._abandon()
        reason = " / ".join(said[:2]) or f"it ended with status {self._process.returncode}"
        no_room = "No space left" in reason
        return WtoursError(
            f"{self._path.parent}: ffmpeg could not encode the video: {reason}",
            remedy="make room there, or give another --out"
            if no_room
            else "give another --codec, or see what the message of ffmpeg says",
        )


class _Sink:
    """A file that can only be written to; once closed, it swallows what comes."""

    def __init__(self) -> None:
        self.pipe: IO[bytes] | None = None

    def write(self, content: bytes) -> int:
        """Pass bytes on."""
        return len(content) if self.pipe is None else self.pipe.write(content)

    def close(self) -> None:
        """Say that nothing more comes."""
        pipe, self.pipe = self.pipe, None
        if pipe is not None:
            pipe.close()


def encoder_version() -> str:
    """Return the version of the ffmpeg program, for records."""
    return str(imageio_ffmpeg.get_ffmpeg_version())


def _command(
    path: Path, *, codec: Codec, time_base: Fraction, rate: Fraction, aspect: Fraction
) -> list[str]:
    """Return the words of the call."""
    pictures = (
        ffmpeg.input("pipe:", format="nut")
        # What the pictures are; the encoder takes its tags from them.
        .filter(
            "setparams",
            range="tv",
            colorspace="bt709",
            color_primaries="bt709",
            color_trc="bt709",
        )
        .filter("setsar", f"{aspect.numerator}/{aspect.denominator}")
    )
    output = ffmpeg.output(
        pictures,
        str(path),
        format="mp4",
        fps_mode="passthrough",  # no picture doubled or dropped
        # That of the pictures and not of their rate; written out, because the word for it differs
        # between versions of ffmpeg.
        enc_time_base=f"{time_base.numerator}:{time_base.denominator}",
        video_track_timescale=time_base.denominator,
        movflags="+faststart",
        g=max(1, round(_KEYFRAME_S * rate)),
        **ENCODERS[codec],
    ).global_args("-nostats", "-loglevel", "error")
    words = ffmpeg.compile(output, cmd=imageio_ffmpeg.get_ffmpeg_exe(), overwrite_output=True)
    return [str(word) for word in words]
