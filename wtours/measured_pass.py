"""How long the frame pass takes over short parts of a video, gone through as it would go.

Each part begins at a keyframe; the decoder gets only the packets that are needed, and the frames go
through the same stages. What was measured counts for the whole by the frames that were passed.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

import numpy as np

from wtours.detectors.detector import Detector
from wtours.frame_pass import sample
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
"""A part has so many, or all of its kind."""
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
    """Time that one of the counted frames takes, scored for cuts if cuts are found."""
    picture_s: float
    """Time that one of the pictures takes."""
    picture_bytes: float
    """Of one picture in a tar."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one part took."""

    frames: int
    frames_s: float
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
    parts, decoded_anew = list[_Part](), False
    for part in _parts(video.timeline, counted.kept):
        with VideoReader(video.facts, threads=threads) as reader:
            frames = _frames(reader, part, counted.kept, settings)
            try:
                parts.append(_go(frames, part, counted, settings, stage))
            except UnexpectedFramesError:
                continue
    if not parts:
        # The pass will find the same, and decode it twice: for its frames, and for pictures.
        decoded_anew, every = True, np.arange(len(counted.frames))
        (whole,) = stretches_from(video.timeline, [0])
        with VideoReader(video.facts, threads=threads) as reader:
            parts = [_go(iter(reader), whole, replace(counted, frames=every), settings, stage)]
    frame_s = sum(part.frames_s for part in parts) / sum(part.frames for part in parts)
    return MeasuredPass(
        frame_s=2 * frame_s if decoded_anew else frame_s,
        picture_s=median(time_s for part in parts for time_s in part.pictures_s),
        picture_bytes=fmean(_bytes_in_tar(one) for part in parts for one in part.pictures),
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
) -> _Part:
    """Go over a part until it ends or its time is over.

    The clock starts with the second frame, if there is one: by then the decoder's threads are busy.
    """
    cuts = CutStage() if settings.cuts is not None else None
    wanted, pictures, pictures_s = set(counted.kept.tolist()), list[Picture](), list[float]()
    begin_s, aside_s = time.perf_counter(), 0.0
    passed = [(int(counted.frames[part.first]), 0.0)]
    for frame in frames:
        if cuts is not None:
            cuts.process_frame(frame)
        passed_s = time.perf_counter() - begin_s
        passed.append((int(counted.frames[frame.index + 1]), passed_s - aside_s))
        if frame.index in wanted:
            if not pictures:
                stage.process_alone(0, frame)  # a detector's first picture takes longer
            made_s = time.perf_counter()
            pictures.append(stage.process_alone(0, frame).picture)
            pictures_s.append(time.perf_counter() - made_s)
        aside_s += time.perf_counter() - begin_s - passed_s
        if pictures and passed_s > _PART_S:
            break
    (first, first_s), (last, last_s) = passed[0 if len(passed) < 3 else 1], passed[-1]
    return _Part(
        frames=last - first,
        frames_s=last_s - first_s,
        pictures=tuple(pictures),
        pictures_s=tuple(pictures_s),
    )


def _bytes_in_tar(picture: Picture) -> int:
    """Return what a picture takes in a tar: two members with headers, in whole blocks."""
    members = (len(picture.jpeg), len(picture.to_json()))
    return sum((2 + (size - 1) // _TAR_BLOCK_BYTES) * _TAR_BLOCK_BYTES for size in members)
