from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from wtours.stages.sample import TickSampler

from tests.video_making import flat, panned, write_video
from wtours.frame_pass import FramePass, StretchRecord, join
from wtours.shards import JoinedVideo, ShardSetWriter, VideoRecord
from wtours.stages.cuts import CutSettings, CutStage
from wtours.stages.picture import PictureStage
from wtours.video import open_video


def passed(
    path: Path, *, fps: Fraction | None, cuts: bool = True, tar_s: float = 60
) -> tuple[StretchRecord, JoinedVideo]:
    """Run the pass over a video, into a set that is thrown away."""
    with open_video(path) as reader, ShardSetWriter(path.parent / "set") as writer:
        record = FramePass(
            writer=writer,
            cuts=CutStage() if cuts else None,
            sampler=TickSampler(time_base=reader.time_base, fps=fps),
            pictures=PictureStage(video="walk", size=(160, 120), jpeg_quality=90, blur=None),
            tar_s=tar_s,
            on_frame=lambda time_s: None,
        ).run(reader)
        video = VideoRecord(
            name="walk",
            sha256="0" * 64,
            size_bytes=1,
            codec="h264",
            width=reader.width,
            height=reader.height,
            time_base=reader.time_base,
            rate=reader.facts.average_rate,
            kept_rate=fps or reader.facts.average_rate,
            duration_s=reader.facts.duration_s,
            frames=len(record.pts),
            picture_width=160,
            picture_height=120,
        )
        settings = CutSettings() if cuts else None
        return record, join(record, video, fps=fps, cuts=settings)


def make(tmp_path: Path, pts: Sequence[int], *, cut_at: int | None = None) -> Path:
    """Write a pan, 30 pictures a second, with a cut at one of its pictures."""
    pictures = [panned(0 if cut_at is None or i < cut_at else 1, i) for i in range(len(pts))]
    return write_video(tmp_path / "walk.mp4", pictures, pts=pts)


def test_one_pass_keeps_the_frames_nearest_to_the_ticks(tmp_path: Path) -> None:
    record, _ = passed(make(tmp_path, range(75)), fps=Fraction(2))
    assert record.ticks.tolist() == [0, 1, 2, 3, 4, 5]
    assert record.frames.tolist() == [0, 15, 30, 45, 60, 74]
    assert len(record.pts) == 75
    assert len(record.stored) == 6
    assert [stored.picture.tick for stored in record.stored] == [0, 1, 2, 3, 4, 5]


def test_native_keeps_every_frame_once(tmp_path: Path) -> None:
    record, joined = passed(make(tmp_path, range(40)), fps=None)
    assert record.frames.tolist() == list(range(40))
    assert joined.segments.tolist() == [0] * 40


def test_a_frame_of_two_ticks_is_stored_once_and_does_not_move(tmp_path: Path) -> None:
    """28 pictures a second kept at 30, within the tolerance of a recorder's rate."""
    pictures = [panned(0, 2 * i) for i in range(60)]
    path = write_video(tmp_path / "walk.mp4", pictures, rate=Fraction(28))
    record, joined = passed(path, fps=Fraction(30))
    doubled = np.flatnonzero(np.diff(record.frames) == 0) + 1
    assert len(doubled) >= 3
    assert len(record.stored) == 60 < len(record.ticks)
    assert (joined.motion[doubled] == 0).all()
    assert np.isnan(joined.motion[0])
    assert (np.delete(joined.motion[1:], doubled - 1) > 0).all()


def test_motion_is_that_of_the_pictures_kept(tmp_path: Path) -> None:
    path = make(tmp_path, range(60))
    _, joined = passed(path, fps=Fraction(3))
    with open_video(path) as reader:
        images = [frame.image for frame in reader if frame.index % 10 == 0]
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in images]
    small = [cv2.resize(grey, (64, 36), interpolation=cv2.INTER_AREA) for grey in greys]
    plain = [float(np.abs(b - a).mean()) for a, b in pairwise(small)]
    assert joined.motion[1:].tolist() == pytest.approx([*plain, joined.motion[-1]], rel=1e-4)


def test_segments_grow_at_cuts_and_gaps(tmp_path: Path) -> None:
    """A cut at picture 30; the clock jumps by 0.4 s after picture 60, which 10 fps notices."""
    pts = [*range(60), *range(72, 100)]
    _, joined = passed(make(tmp_path, pts, cut_at=30), fps=Fraction(10))
    assert [cut.time_s for cut in joined.cuts] == pytest.approx([1.0])
    by_tick = dict(zip(joined.ticks.tolist(), joined.segments.tolist(), strict=True))
    assert by_tick[9] == 0
    assert by_tick[10] == by_tick[19] == 1
    assert by_tick[25] == 2
    assert 22 not in by_tick


def test_without_cuts_only_gaps_end_segments(tmp_path: Path) -> None:
    record, joined = passed(make(tmp_path, range(60), cut_at=30), fps=Fraction(10), cuts=False)
    assert record.scores is None
    assert joined.cuts == ()
    assert set(joined.segments.tolist()) == {0}


def test_a_tar_holds_a_stretch_of_time(tmp_path: Path) -> None:
    record, _ = passed(make(tmp_path, range(100)), fps=Fraction(10), tar_s=1.0)
    tars = {
        stored.tar: [s.picture.tick for s in record.stored if s.tar == stored.tar]
        for stored in record.stored
    }
    assert list(tars.values()) == [
        list(range(10)), list(range(10, 20)), list(range(20, 30)), list(range(30, 34))
    ]  # fmt: skip


def test_measures_are_those_of_the_picture(tmp_path: Path) -> None:
    levels = [0, 60, 120, 180, 240]
    pictures = [flat(level, size=(160, 120)) for level in levels]
    record, _ = passed(write_video(tmp_path / "walk.mp4", pictures), fps=None)
    found = [stored.picture.lightness.mean for stored in record.stored]
    assert found == pytest.approx([0, 25.3, 50.4, 73.4, 94.9], abs=1)
    assert all(stored.picture.sharpness < 1 for stored in record.stored)
    assert record.motion[1:].tolist() == pytest.approx([60] * 4, abs=2)
