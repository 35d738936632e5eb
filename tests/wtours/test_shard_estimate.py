"""What a dry run says is what sharding then does."""

import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.video_making import panned, write_video
from wtours import measured_pass, shard_estimate
from wtours.measured_pass import MeasuredPass, count_pass, measure_pass
from wtours.shard import shard_videos
from wtours.shard_estimate import estimate, makespan_s, portions_of
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
    monkeypatch.setattr(shard_estimate, "_starting_s", lambda settings: 5.0)
    settings = replace(PLAIN, fps=Fraction(10), tar_s=2.0)
    alone, shared = (estimate([walk], settings=settings, workers=n) for n in (1, 9))
    assert (alone.workers, shared.workers) == (1, 3)  # of three stretches
    assert alone.work_s > 60 * 0.02
    assert shared.work_s - 5 == pytest.approx(alone.work_s / 3, rel=0.5)


def test_a_worker_starts_in_a_time_that_is_measured() -> None:
    assert 0.05 < shard_estimate._starting_s(PLAIN) < 60


@pytest.mark.parametrize(
    ("settings", "tar_s"),
    [
        (PLAIN, 1.0),
        (PLAIN, 60.0),
        (SETTINGS["every frame"], 2.5),
        (SETTINGS["keyframes"], 1.0),
        (SETTINGS["one picture"], 1.0),
    ],
)
def test_portions_are_those_of_the_work(
    walk: Path, tmp_path: Path, settings: ShardSettings, tar_s: float
) -> None:
    """Tar by tar, with as many pictures as sharding puts in it; together every frame, once."""
    settings = replace(settings, tar_s=tar_s)
    (video,) = find_inputs([walk])
    portions = portions_of([video], settings)
    kept = count_pass(video, settings).kept
    counted = [
        sum(int(((kept >= one.first) & (kept < one.end)).sum()) for one in portion)
        for portion in portions
    ]
    assert [(one.first, one.end) for portion in portions for one in portion] == list(
        pairwise([0, *(one.end for portion in portions for one in portion)])
    )
    assert portions[-1][-1].end == 180
    (written,) = shard_videos([walk], out=tmp_path, settings=settings).sets
    assert [count for count in counted if count] == [tar.pictures for tar in written.record.tars]


def test_short_videos_are_portions_together(walk: Path, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.mp4").hardlink_to(walk)
    inputs, settings = find_inputs([tmp_path]), replace(PLAIN, tar_s=8.0)
    ((*names,),) = ([one.video for one in portion] for portion in portions_of(inputs, settings))
    assert names == ["0", "1", "2", "3"]
    alone = portions_of(find_inputs(sorted(tmp_path.iterdir())), settings)
    assert [[one.video for one in portion] for portion in alone] == [["0"], ["1"], ["2"], ["3"]]


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 6))
def test_workers_end_as_a_plain_clock_says(lengths: list[int], workers: int) -> None:
    """Second by second: whoever is free takes the next task."""
    waiting, left, now = list(lengths), [0] * workers, 0
    while waiting or any(left):
        for at in range(workers):
            while not left[at] and waiting:
                left[at] = waiting.pop(0)
        now += any(left)
        left = [max(0, one - 1) for one in left]
    assert makespan_s(lengths, workers=workers) == now


@pytest.mark.parametrize(
    ("threads", "frames", "pictures", "expected_s"),
    [
        (1, 100, 10, 4.0),  # one after the other
        (2, 100, 0, 2.0),  # as long as decoding
        (2, 100, 3, 2.15),  # the cores are busy with both
        (2, 10, 20, 4.0),  # as long as making pictures
        (4, 100, 3, 2.0),  # of more cores, some are free
    ],
)
def test_pictures_are_made_beside_a_decoder_of_several_threads(
    threads: int, frames: int, pictures: int, expected_s: float
) -> None:
    measured = MeasuredPass(
        frame_s=0.02, frame_cpu_s=0.037, picture_s=0.2, picture_bytes=1.0, threads=threads
    )
    assert measured.time_s(frames=frames, pictures=pictures) == pytest.approx(expected_s)


def test_time_of_decoding_holds_no_pictures(walk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that take long, and that the decoder could go on beside, change nothing."""
    (video,) = find_inputs([walk])
    counted, plain_score = count_pass(video, SETTINGS["cuts"]), CutStage.process_frame
    plain_make = PictureStage.process_alone

    def score(stage: CutStage, frame: Frame) -> None:
        time.sleep(0.01)
        plain_score(stage, frame)

    def make(stage: PictureStage, tick: int, frame: Frame) -> MeasuredPicture:
        time.sleep(0.1)
        return plain_make(stage, tick, frame)

    monkeypatch.setattr(measured_pass, "_PLACES", (0.5,))
    monkeypatch.setattr(CutStage, "process_frame", score)
    monkeypatch.setattr(PictureStage, "process_alone", make)
    # The machine may be busy with other tests: the shortest of three is the pass's own time.
    passes = [
        measure_pass(video, counted, SETTINGS["cuts"], detectors=(), threads=2) for _ in range(3)
    ]
    measured = min(passes, key=lambda one: one.frame_s)
    assert measured.frame_s == pytest.approx(0.01, rel=0.5)
    assert measured.picture_s == pytest.approx(0.1, rel=0.5)
    assert measured.threads == 2


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
