"""How long the frame pass takes over short parts of a video, gone through as it would go.

Each part begins at a keyframe; the decoder gets only the packets that are needed, and the frames go
through the same stages. What was measured counts for the whole by the frames that were passed.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean, median

import numpy as np

from wtours.detectors.detector import Detector
from wtours.errors import WtoursError
from wtours.frame_pass import sample
from wtours.portion_work import one_opencv_thread
from wtours.shard_inputs import ShardInput
from wtours.shard_settings import ShardSettings
from wtours.shards import Picture
from wtours.shards.segments import Ints
from wtours.stages.cuts import CutStage
from wtours.stages.picture import PictureStage
from wtours.stretch_work import picture_stage
from wtours.stretches import Stretch, Timeline, stretches_from
from wtours.video import Frame, UnexpectedFramesError, VideoReader

_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the kept frames at which a part is measured."""
_PICTURES, _FRAMES = 4, 60
"""A part has so many of both, or all of its kind."""
_PART_S = 2.0
"""After this, and a picture, a part ends sooner."""
_TAR_BLOCK_BYTES = 512


@dataclass(frozen=True, kw_only=True)
class CountedPass:
    """What the pass over a video goes over, known without decoding."""

    frames: Ints
    """(F + 1,) how many frames before each the decoder passes, at the most."""
    kept: Ints
    """(m,) numbers of the frames that are kept."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPass:
    """What frames and pictures take, judged by parts of a video."""

    frame_s: float
    """Time that one of the counted frames takes, scored for cuts if cuts are found, while no
    picture is made."""
    frame_cpu_s: float
    """The same of all cores together."""
    picture_s: float
    """Time that one of the pictures takes, on one core."""
    picture_bytes: float
    """Of one picture in a tar."""
    threads: int
    """Of the decoder. With more than one, pictures are made beside it."""

    def time_s(self, *, frames: int, pictures: int) -> float:
        """Return what a worker takes for so many counted frames and pictures, about.

        One after the other, or beside one another: then as long as the longer of both, and no less
        than the cores take for both together.
        """
        decoding_s, making_s = frames * self.frame_s, pictures * self.picture_s
        if self.threads == 1:
            return decoding_s + making_s
        shared_s = (frames * self.frame_cpu_s + making_s) / self.threads
        return max(decoding_s, making_s, shared_s)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one part took."""

    frames: int
    frames_s: float
    frames_cpu_s: float
    pictures: tuple[Picture, ...]
    pictures_s: tuple[float, ...]


def count_pass(video: ShardInput, settings: ShardSettings) -> CountedPass:
    """Count the frames that the pass would decode and keep.

    For cuts all are decoded; otherwise, from each keyframe, those up to the last kept frame before
    the next keyframe. Some of these are left out as well: that shows in the time of the others.
    """
    timeline = video.timeline
    kept = sample(
        timeline.pts,
        time_base=video.facts.time_base,
        fps=settings.kept_fps,
        keyframes=timeline.starts if settings.sampling == "keyframes" else None,
    ).kept
    passed = np.ones(len(timeline.pts), dtype=np.int64)
    if settings.cuts is None:
        groups = np.searchsorted(timeline.starts, timeline.pts, side="right")
        following = np.searchsorted(kept, np.arange(len(passed)))
        passed[following == len(kept)] = 0
        within = following < len(kept)
        passed[within] = groups[kept[following[within]]] == groups[within]
    frames = np.concatenate([[0], np.cumsum(passed)]).astype(np.int64)
    return CountedPass(frames=frames, kept=kept)


def measure_pass(
    video: ShardInput,
    counted: CountedPass,
    settings: ShardSettings,
    *,
    detectors: Sequence[Detector],
    threads: int,
) -> MeasuredPass:
    """Go over a few parts of a video, some seconds in all.

    Args:
        video: which.
        counted: what `count_pass` gave.
        settings: what is kept of it, and how.
        detectors: of faces and plates; none where faces are not covered.
        threads: threads of the decoder, as many as the pass would have.

    Raises:
        WtoursError: a picture is damaged.
    """
    stage = picture_stage(video.name, video.facts, settings, detectors)
    parts, times = list[_Part](), 1
    with one_opencv_thread():
        for part in _parts(video.timeline, counted.kept):
            with VideoReader(video.facts, threads=threads) as reader:
                frames = _frames(reader, part, counted.kept, settings)
                try:
                    parts.append(_go(frames, part, counted, settings, stage, video.facts.path))
                except UnexpectedFramesError:
                    continue
        if not parts:
            # The pass will find the same, and decode it twice: for its frames, and for pictures.
            times, every = 2, np.arange(len(counted.frames))
            (whole,) = stretches_from(video.timeline, [0])
            with VideoReader(video.facts, threads=threads) as reader:
                all_passed = replace(counted, frames=every)
                frames = islice(reader, len(video.timeline.pts))  # there may come more
                parts = [_go(frames, whole, all_passed, settings, stage, video.facts.path)]
    frames_passed = sum(part.frames for part in parts)
    return MeasuredPass(
        frame_s=times * sum(part.frames_s for part in parts) / frames_passed,
        frame_cpu_s=times * sum(part.frames_cpu_s for part in parts) / frames_passed,
        picture_s=median(time_s for part in parts for time_s in part.pictures_s),
        picture_bytes=fmean(_bytes_in_tar(one) for part in parts for one in part.pictures),
        threads=threads,
    )


def _parts(timeline: Timeline, kept: Ints) -> list[Stretch]:
    """Return parts from keyframes on, spread over the kept frames, none with many of these."""
    near = timeline.pts[kept[[int(share * len(kept)) for share in _PLACES]]]
    starts = timeline.starts[np.searchsorted(timeline.starts, near, side="right") - 1]
    wholes = stretches_from(timeline, np.unique([0, *starts]).tolist())
    return [_shortened(one, kept) for one in wholes if one.start_pts in starts]


def _shortened(part: Stretch, kept: Ints) -> Stretch:
    first, end = np.searchsorted(kept, [part.first, part.end]).tolist()
    frames = max(_FRAMES, int(kept[min(end, first + _PICTURES) - 1]) + 1 - part.first)
    if frames >= len(part.pts):
        return part
    return replace(part, pts=part.pts[:frames], end_pts=int(part.pts[frames]))


def _frames(
    reader: VideoReader, part: Stretch, kept: Ints, settings: ShardSettings
) -> Iterator[Frame]:
    if settings.cuts is not None:
        return reader.read(part)
    within = kept[(kept >= part.first) & (kept < part.end)] - part.first
    return reader.read(part, wanted=frozenset(part.pts[within].tolist()))


def _go(
    frames: Iterator[Frame],
    part: Stretch,
    counted: CountedPass,
    settings: ShardSettings,
    stage: PictureStage,
    path: Path,
) -> _Part:
    """Go over a part until it ends or its time is over, and then make some of its pictures.

    Both apart, so that the decoder's threads gain nothing while a picture is made. The clock starts
    with the second frame, if there is one: by then these threads are busy.
    """
    cuts = CutStage() if settings.cuts is not None else None
    shown, held = _some_kept(part, counted.kept), list[Frame]()
    passed = [(int(counted.frames[part.first]), time.perf_counter(), time.process_time())]
    for frame in frames:
        if cuts is not None:
            cuts.process_frame(frame)
        if frame.index in shown:
            held.append(frame)
        now = time.perf_counter(), time.process_time()
        passed.append((int(counted.frames[frame.index + 1]), *now))
        if held and now[0] - passed[0][1] > _PART_S:
            break
    if len(passed) == 1:
        raise WtoursError(
            f"{path} has no frame that can be decoded", remedy="fetch it again, or leave it out"
        )
    begin, end = passed[0 if len(passed) < 3 else 1], passed[-1]
    held = held or [frame]  # where the announced frames do not come, any stands for them
    stage.process_alone(0, held[0])  # a detector's first picture takes longer
    pictures, pictures_s = list[Picture](), list[float]()
    for frame in held:
        begin_s = time.perf_counter()
        pictures.append(stage.process_alone(0, frame).picture)
        pictures_s.append(time.perf_counter() - begin_s)
    return _Part(
        frames=end[0] - begin[0],
        frames_s=end[1] - begin[1],
        frames_cpu_s=end[2] - begin[2],
        pictures=tuple(pictures),
        pictures_s=tuple(pictures_s),
    )


def _some_kept(part: Stretch, kept: Ints) -> frozenset[int]:
    """Return a few of the kept frames of a part, evenly spread."""
    within = kept[(kept >= part.first) & (kept < part.end)]
    if len(within) <= _PICTURES:
        return frozenset(within.tolist())
    return frozenset(within[:: len(within) // _PICTURES][:_PICTURES].tolist())


def _bytes_in_tar(picture: Picture) -> int:
    """Return what a picture takes in a tar: two members with headers, in whole blocks."""
    members = (len(picture.jpeg), len(picture.to_json()))
    return sum((2 + (size - 1) // _TAR_BLOCK_BYTES) * _TAR_BLOCK_BYTES for size in members)
