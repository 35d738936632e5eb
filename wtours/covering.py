"""Every frame of one video through detectors, guards and cover, and into an encoder."""

from array import array
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
from av.stream import Disposition

from wtours.encoder_pipe import Codec, EncoderPipe
from wtours.errors import WtoursError
from wtours.integrity import check_and_walk
from wtours.shard_inputs import ShardInput
from wtours.shards import Box
from wtours.stages.blur import BlurSettings, BlurStage
from wtours.stages.guard import GuardWindow, Seen
from wtours.video import Frame, VideoReader

Progress = Callable[[str, float, float], None]
"""Name of the video, seconds of it done, seconds in all."""

BOXES_SCHEMA = pa.schema(
    [
        ("frame", pa.int64()),
        ("pts", pa.int64()),
        ("time_s", pa.float64()),
        ("x0", pa.float32()),
        ("y0", pa.float32()),
        ("x1", pa.float32()),
        ("y1", pa.float32()),
        ("score", pa.float32()),
        ("kind", pa.string()),
    ]
)
"""A row a box, in the order of time: frame from 0, pts in units of the video's time base from its
first picture, corners in pixels of the video, x1 and y1 exclusive."""


_Found = tuple[Frame, tuple[Box, ...]]
"""A frame that waits for its guards, as it was decoded (half the size of RGB), and its boxes."""


class Covering:
    """Covers the frames of one video, and keeps what is known of them.

    Args:
        video: which.
        blur: how faces and plates are found and covered.
        codec: of the video that is written.
    """

    def __init__(self, video: ShardInput, *, blur: BlurSettings, codec: Codec) -> None:
        self.video, self._blur, self._codec = video, blur, codec
        self.pts = array("q")
        self.boxes: list[tuple[int, Box]] = []
        self.notes: tuple[str, ...] = ()

    def run(self, part: Path, progress: Progress | None) -> None:
        """Write the video under a name that is not final.

        Raises:
            WtoursError: a picture is damaged, or the encoder fails.
        """
        facts, blur = self.video.facts, self._blur
        size = (facts.width, facts.height)
        stage = BlurStage(blur, blur.open_detectors(), picture_size=size)
        window = GuardWindow[_Found](blur.guard_rule(time_base=facts.time_base, size=size))
        with (
            VideoReader(facts) as reader,
            EncoderPipe(
                part,
                codec=self._codec,
                size=size,
                time_base=facts.time_base,
                rate=facts.average_rate,
                pixel_aspect=_pixel_aspect(facts.path, turned=facts.rotation_deg % 180 != 0),
            ) as encoder,
        ):
            for frame in reader:
                boxes = stage.find(frame)
                for ready in window.add(Seen(pts=frame.pts, boxes=boxes), (frame, boxes)):
                    self._write(encoder, stage, *ready)
                if progress is not None:
                    progress(self.video.name, frame.pts_s, facts.duration_s)
            for ready in window.finish():
                self._write(encoder, stage, *ready)
            encoder.finish()
            if progress is not None:
                progress(self.video.name, facts.duration_s, facts.duration_s)
            self.notes = tuple(reader.notes)
        require_times(part, [stamp * facts.time_base for stamp in self.pts])

    def _write(
        self, encoder: EncoderPipe, stage: BlurStage, found: _Found, guards: Sequence[Box]
    ) -> None:
        """Cover a frame whose guards are known."""
        frame, boxes = found
        covered = (*boxes, *guards)
        encoder.write(stage.cover(frame.image, covered), frame.pts)
        self.boxes += [(len(self.pts), box) for box in covered]
        self.pts.append(frame.pts)

    def table(self) -> pa.Table:
        """Return the boxes of all frames."""
        base = self.video.facts.time_base
        rows = [
            {
                "frame": frame,
                "pts": self.pts[frame],
                "time_s": float(self.pts[frame] * base),
                **{name: getattr(box, name) for name in BOXES_SCHEMA.names[3:]},
            }
            for frame, box in self.boxes
        ]
        return pa.Table.from_pylist(rows, schema=BOXES_SCHEMA)


def require_times(written: Path, times_s: Sequence[Fraction]) -> None:
    """Compare the times of the frames that were written with those that were read.

    Raises:
        WtoursError: a frame is missing, doubled, or at another time.
    """
    facts, walk = check_and_walk(written)
    found = np.sort(walk.pts).tolist()
    if [(stamp - found[0]) * facts.time_base for stamp in found] != times_s:
        raise WtoursError(
            f"{written.parent}: ffmpeg wrote {len(found)} pictures at other times than the "
            f"{len(times_s)} that it was given",
            remedy="give another --codec",
        )


def _pixel_aspect(path: Path, *, turned: bool) -> Fraction:
    """Return the width of a pixel in heights, as it is shown."""
    with av.open(str(path), metadata_errors="replace") as container:
        pictures = container.streams.video
        stream = next(s for s in pictures if not s.disposition & Disposition.attached_pic)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / aspect if turned and aspect else aspect or Fraction(1)
