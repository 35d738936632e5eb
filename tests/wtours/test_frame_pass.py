"""What stretches leave, joined, is what one pass over the whole video gives."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.video_making import flat, panned, write_video
from wtours.frame_pass import (
    Sampling,
    StretchRecord,
    join,
    joined_motion,
    joined_scores,
    pass_over,
    sample,
)
from wtours.integrity import check_and_walk
from wtours.shards import JoinedVideo, TarWriter, VideoRecord
from wtours.stages.cuts import CutSettings, CutStage
from wtours.stages.picture import PictureStage
from wtours.stretches import Stretch, cut_into_stretches, make_timeline, whole
from wtours.video import VideoReader, open_video


def records_of(
    path: Path, *, fps: Fraction | None, cuts: bool, length_s: float | None
) -> tuple[list[StretchRecord], Sampling]:
    """Pass over every stretch of a video; over all of it at once if `length_s` is None."""
    facts, walk = check_and_walk(path)
    timeline = make_timeline(walk.pts, walk.keyframes)
    sampling = sample(timeline.pts, time_base=facts.time_base, fps=fps)
    stretches = (
        whole(timeline)
        if length_s is None
        else cut_into_stretches(timeline, time_base=facts.time_base, length_s=length_s)
    )

    def one(stretch: Stretch) -> StretchRecord:
        with VideoReader(facts) as reader:
            tar = TarWriter(path.parent / f"walk-{stretch.number:06d}.tar")
            record = pass_over(
                reader.read(stretch),
                kept=sampling.first_ticks(stretch.first, stretch.end),
                cuts=CutStage() if cuts else None,
                pictures=PictureStage(video="walk", size=(160, 120), jpeg_quality=90, blur=None),
                tar=tar,
                on_frame=lambda time_s: None,
                notes=lambda: reader.notes,
            )
            tar.close()
            return record

    return [one(stretch) for stretch in stretches], sampling


def passed(
    path: Path, *, fps: Fraction | None, cuts: bool = True, length_s: float | None = None
) -> tuple[JoinedVideo, Sequence[StretchRecord]]:
    records, sampling = records_of(path, fps=fps, cuts=cuts, length_s=length_s)
    facts, _ = check_and_walk(path)
    video = VideoRecord(
        name="walk",
        sha256="0" * 64,
        size_bytes=1,
        codec="h264",
        width=facts.width,
        height=facts.height,
        time_base=facts.time_base,
        rate=facts.average_rate,
        kept_rate=fps or facts.average_rate,
        duration_s=facts.duration_s,
        frames=sum(len(record.pts) for record in records),
        picture_width=160,
        picture_height=120,
    )
    settings = CutSettings() if cuts else None
    return join(records, video, sampling=sampling, fps=fps, cuts=settings), records


def make(
    tmp_path: Path, pts: Sequence[int], *, cut_at: int | None = None, keyframes: int = 250
) -> Path:
    """Write a pan, 30 pictures a second, with a cut at one of its pictures."""
    pictures = [panned(0 if cut_at is None or i < cut_at else 1, i) for i in range(len(pts))]
    options = {"g": str(keyframes), "sc_threshold": "0"}
    return write_video(tmp_path / "walk.mp4", pictures, pts=pts, options=options)


def test_one_pass_keeps_the_frames_nearest_to_the_ticks(tmp_path: Path) -> None:
    records, sampling = records_of(
        make(tmp_path, range(75)), fps=Fraction(2), cuts=True, length_s=None
    )
    assert sampling.ticks.tolist() == [0, 1, 2, 3, 4, 5]
    assert sampling.frames.tolist() == [0, 15, 30, 45, 60, 74]
    (record,) = records
    assert len(record.pts) == 75
    assert [stored.picture.tick for stored in record.stored] == [0, 1, 2, 3, 4, 5]


def test_native_keeps_every_frame_once(tmp_path: Path) -> None:
    joined, _ = passed(make(tmp_path, range(40)), fps=None)
    assert joined.rows.tolist() == list(range(40))
    assert joined.segments.tolist() == [0] * 40


def test_a_frame_of_two_ticks_is_stored_once_and_does_not_move(tmp_path: Path) -> None:
    """28 pictures a second kept at 30, within the tolerance of a recorder's rate."""
    pictures = [panned(0, 2 * i) for i in range(60)]
    path = write_video(tmp_path / "walk.mp4", pictures, rate=Fraction(28))
    joined, _ = passed(path, fps=Fraction(30))
    doubled = np.flatnonzero(np.diff(joined.rows) == 0) + 1
    assert len(doubled) >= 3
    assert len(joined.stored) == 60 < len(joined.ticks)
    assert (joined.motion[doubled] == 0).all()
    assert np.isnan(joined.motion[0])
    assert (np.delete(joined.motion[1:], doubled - 1) > 0).all()


def test_motion_is_that_of_the_pictures_kept(tmp_path: Path) -> None:
    path = make(tmp_path, range(60))
    joined, _ = passed(path, fps=Fraction(3))
    with open_video(path) as reader:
        images = [frame.image for frame in reader if frame.index % 10 == 0]
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in images]
    small = [cv2.resize(grey, (64, 36), interpolation=cv2.INTER_AREA) for grey in greys]
    plain = [float(np.abs(b - a).mean()) for a, b in pairwise(small)]
    assert joined.motion[1:].tolist() == pytest.approx([*plain, joined.motion[-1]], rel=1e-4)


def test_segments_grow_at_cuts_and_gaps(tmp_path: Path) -> None:
    """A cut at picture 30; the clock jumps by 0.4 s after picture 60, which 10 fps notices."""
    pts = [*range(60), *range(72, 100)]
    joined, _ = passed(make(tmp_path, pts, cut_at=30), fps=Fraction(10))
    assert [cut.time_s for cut in joined.cuts] == pytest.approx([1.0])
    by_tick = dict(zip(joined.ticks.tolist(), joined.segments.tolist(), strict=True))
    assert by_tick[9] == 0
    assert by_tick[10] == by_tick[19] == 1
    assert by_tick[25] == 2
    assert 22 not in by_tick


def test_without_cuts_only_gaps_end_segments(tmp_path: Path) -> None:
    joined, records = passed(make(tmp_path, range(60), cut_at=30), fps=Fraction(10), cuts=False)
    assert records[0].scores is None
    assert joined.cuts == ()
    assert set(joined.segments.tolist()) == {0}


def test_measures_are_those_of_the_picture(tmp_path: Path) -> None:
    levels = [0, 60, 120, 180, 240]
    pictures = [flat(level, size=(160, 120)) for level in levels]
    joined, records = passed(write_video(tmp_path / "walk.mp4", pictures), fps=None)
    found = [stored.picture.lightness.mean for stored in joined.stored]
    assert found == pytest.approx([0, 25.3, 50.4, 73.4, 94.9], abs=1)
    assert all(stored.picture.sharpness < 1 for stored in joined.stored)
    assert records[0].motion[1:].tolist() == pytest.approx([60] * 4, abs=2)


@pytest.mark.parametrize("event", ["cut", "flash", "fade"])
@pytest.mark.parametrize("offset", range(-4, 5))
def test_event_at_any_offset_from_a_border_is_found_as_in_one_run(
    tmp_path: Path, event: str, offset: int
) -> None:
    """Scores, motion and cuts over a border are those of a pass that has none.

    Stretches of a second, 30 frames each; the event is at frame 30 plus an offset.
    """
    at = 30 + offset
    pictures = [panned(0, i).astype(np.float32) for i in range(75)]
    if event == "cut":
        pictures[at:] = [panned(1, i).astype(np.float32) for i in range(at, 75)]
    elif event == "flash":
        pictures[at] = np.full_like(pictures[at], 255)
    else:
        for i in range(75):
            pictures[i] *= min(1.0, abs(i - at) / 6)
    path = write_video(
        tmp_path / "walk.mp4",
        [picture.astype(np.uint8) for picture in pictures],
        options={"g": "10", "sc_threshold": "0"},
    )
    one, (single,) = passed(path, fps=Fraction(15))
    joined, records = passed(path, fps=Fraction(15), length_s=1.0)
    assert len(records) == 3
    assert joined_scores(records).tolist() == single.scores.tolist()
    assert joined_motion(records).tolist()[1:] == single.motion.tolist()[1:]
    assert joined.cuts == one.cuts
    assert one.cuts  # else there is nothing to compare; a fade passes through hues that jump
    assert joined.segments.tolist() == one.segments.tolist()
    assert [s.picture for s in joined.stored] == [s.picture for s in one.stored]


def test_stretch_without_a_picture_leaves_motion_as_it_is(tmp_path: Path) -> None:
    """A picture every 2 s, stretches of half a second."""
    path = make(tmp_path, range(150), keyframes=15)
    one, _ = passed(path, fps=Fraction(1, 2))
    joined, records = passed(path, fps=Fraction(1, 2), length_s=0.5)
    assert [len(record.stored) for record in records] == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert joined.motion.tolist()[1:] == one.motion.tolist()[1:]
