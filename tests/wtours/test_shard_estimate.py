"""What a dry run says is what sharding then does."""

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.video_making import panned, write_video
from wtours import shard_estimate
from wtours.measured_pass import MeasuredPass, count_pass, measure_pass
from wtours.shard import shard_videos
from wtours.shard_estimate import estimate
from wtours.shard_inputs import ShardInput, find_inputs
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards
from wtours.stages.cuts import CutStage
from wtours.stages.picture import MeasuredPicture, PictureStage
from wtours.video import Frame

PLAIN = ShardSettings(fps=Fraction(2), blur=None, cuts=None, short_side_px=60)
SETTINGS = {
    "cuts": ShardSettings(fps=Fraction(2), blur=None, short_side_px=60),
    "no cuts": PLAIN,
    "keyframes": replace(PLAIN, sampling="keyframes"),
    "every frame": replace(PLAIN, fps="native"),
    "odd rate": replace(PLAIN, fps=Fraction(7, 3)),
    "one picture": replace(PLAIN, fps=Fraction(1, 60)),
}


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, 30 pictures a second, keyframes 0.8 s apart, and pictures that nothing needs."""
    pictures = [panned(0 if i < 70 else 1, i) for i in range(180)]
    options = {"g": "24", "bf": "2", "preset": "medium", "sc_threshold": "0"}
    return write_video(tmp_path_factory.mktemp("videos") / "walk.mp4", pictures, options=options)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_pictures_are_counted_exactly_and_bytes_nearly(
    walk: Path, tmp_path: Path, settings: ShardSettings
) -> None:
    (expected,) = estimate([walk], settings=settings).videos
    written = shard_videos([walk], out=tmp_path, settings=settings)
    assert expected.pictures == written.pictures
    assert expected.size_bytes == pytest.approx(written.sets[0].size_bytes, rel=0.15, abs=4096)
    assert 0 < expected.work_s < 30


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_frames_that_decoding_passes_are_counted(
    walk: Path, tmp_path: Path, settings: ShardSettings
) -> None:
    """Counted again, frame by frame, from the set that is written."""
    (expected,) = estimate([walk], settings=settings).videos
    shard_videos([walk], out=tmp_path, settings=settings)
    (shards,) = open_shards(tmp_path)
    kept = {round(row["time_s"] * 30) for row in shards.table().to_pylist()}
    passed = 0
    for first in range(0, 180, 24):
        group = range(first, min(180, first + 24))
        last = max(kept & set(group), default=first - 1)
        passed += len(group) if settings.cuts is not None else last + 1 - first
    assert expected.frames == passed


@pytest.mark.parametrize("ending", [".avi", ".mkv", ".ts", ".flv"])
@pytest.mark.parametrize("settings", [SETTINGS["cuts"], SETTINGS["no cuts"]])
def test_containers_without_an_index_are_estimated_too(
    tmp_path: Path, ending: str, settings: ShardSettings
) -> None:
    pictures = [panned(0, i) for i in range(45)]
    video = write_video(tmp_path / f"walk{ending}", pictures, options={"g": "15", "bf": "0"})
    (expected,) = estimate([video], settings=settings).videos
    assert expected.pictures == shard_videos([video], out=tmp_path, settings=settings).pictures
    assert 0 < expected.work_s < 30


def test_packets_that_announce_other_frames_count_as_decoded_twice(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (video,) = find_inputs([walk])
    altered = replace(video, timeline=replace(video.timeline, first_pts=7))
    plain = CutStage.process_frame

    def slowly(stage: CutStage, frame: Frame) -> None:
        time.sleep(0.005)
        plain(stage, frame)

    monkeypatch.setattr(CutStage, "process_frame", slowly)
    settings = SETTINGS["cuts"]
    one, two = (
        measure_pass(it, count_pass(it, settings), settings, detectors=(), threads=1)
        for it in (video, altered)
    )
    assert two.frame_s == pytest.approx(2 * one.frame_s, rel=0.5)


def test_time_of_many_pictures_is_shared_by_workers(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that takes 20 ms a picture decides; the clock of a busy machine does not."""
    plain = PictureStage.process_alone

    def slowly(stage: PictureStage, tick: int, frame: Frame) -> MeasuredPicture:
        time.sleep(0.02)
        return plain(stage, tick, frame)

    monkeypatch.setattr(PictureStage, "process_alone", slowly)
    settings = replace(PLAIN, fps=Fraction(10), tar_s=2.0)
    alone, shared = (estimate([walk], settings=settings, workers=n).work_s for n in (1, 9))
    assert alone > 60 * 0.02
    assert shared == pytest.approx(alone / 3, rel=0.5)  # of three stretches


def test_of_many_alike_five_stand_for_the_others(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        (tmp_path / f"{number}.mp4").hardlink_to(walk)
    other = write_video(tmp_path / "other.mp4", [panned(0, i, size=(96, 64)) for i in range(30)])
    measured: list[Path] = []

    def measure(video: ShardInput, *others: Any, **options: Any) -> MeasuredPass:
        measured.append(video.facts.path)
        return measure_pass(video, *others, **options)

    monkeypatch.setattr(shard_estimate, "measure_pass", measure)
    expected = estimate([tmp_path], settings=PLAIN)
    assert measured == [*(tmp_path / f"{number}.mp4" for number in range(5)), other]
    pictures = [one.pictures for one in expected.videos]
    assert pictures == [13] * 8 + [3]
    sizes = {one.size_bytes for one in expected.videos[:8]}
    assert len(sizes) == 1
    assert all(one.work_s > 0 for one in expected.videos)


@pytest.mark.media
def test_pictures_of_a_real_walk_are_counted(media: Path) -> None:
    settings = replace(PLAIN, sampling="keyframes", fps=Fraction(1))
    (expected,) = estimate([media / "highway_720p.mp4"], settings=settings).videos
    (video,) = find_inputs([media / "highway_720p.mp4"])
    starts = video.timeline.pts[np.isin(video.timeline.pts, video.timeline.starts)]
    assert expected.pictures == expected.frames == len(starts)
