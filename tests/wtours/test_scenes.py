import csv
import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.video_making import flat, panned, write_video
from wtours.errors import WtoursError
from wtours.scenes import CSV_COLUMNS, VideoShots, clock_text, find_shots, write_shots
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards
from wtours.stages.cuts import CutSettings, find_cuts
from wtours.video import open_video


@pytest.fixture(scope="module")
def three_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cuts at pictures 25 and 70, whose times are 3 apart from there on."""
    shots = [(1, 25), (2, 45), (3, 30)]
    pictures = [panned(seed, i, size=(320, 180)) for seed, count in shots for i in range(count)]
    pts = [i if i < 70 else 70 + 3 * (i - 70) for i in range(100)]
    return write_video(tmp_path_factory.mktemp("shots") / "Three Shots.mp4", pictures, pts=pts)


@pytest.fixture(scope="module")
def found(three_shots: Path) -> VideoShots:
    (shots,) = find_shots([three_shots])
    return shots


def test_shots_have_every_frame_and_every_second_once(found: VideoShots, three_shots: Path) -> None:
    shots = found.shots
    assert [shot.first for shot in shots] == [0, 25, 70]
    assert [shot.frames for shot in shots] == [25, 45, 30]
    assert [shot.start_s for shot in shots] == pytest.approx([0, 25 / 30, 70 / 30])
    assert all(one.end_s == other.start_s for one, other in pairwise(shots))
    with open_video(three_shots) as reader:
        assert shots[-1].end_s == reader.facts.duration_s
    assert sum(shot.length_s for shot in shots) == pytest.approx(shots[-1].end_s)
    assert shots[0].score is None
    assert all(shot.score is not None and shot.score > 27 for shot in shots[1:])


@pytest.mark.parametrize("settings", [CutSettings(), CutSettings(detector="adaptive")])
def test_cuts_are_those_of_the_shard_set(
    three_shots: Path, tmp_path: Path, settings: CutSettings
) -> None:
    kept = ShardSettings(blur=None, cuts=settings, tar_s=1, short_side_px=64)
    shard_videos([three_shots], out=tmp_path, settings=kept, workers=1)
    (shard_set,) = open_shards(tmp_path)
    cuts = shard_set.cuts().to_pylist()
    (shots,) = find_shots([three_shots], settings=settings)
    assert [cut["time_s"] for cut in cuts] == [shot.start_s for shot in shots.shots[1:]]
    scores = [shot.score for shot in shots.shots[1:]]
    assert [cut["score"] for cut in cuts] == pytest.approx(scores)


def test_pictures_are_the_first_and_the_last_of_each_shot(
    found: VideoShots, three_shots: Path
) -> None:
    with open_video(three_shots) as reader:
        frames = [frame.scaled(213, 120) for frame in reader]
    for shot, (first, last) in zip(found.shots, found.pictures, strict=True):
        wanted = frames[shot.first], frames[shot.first + shot.frames - 1]
        for picture, frame in zip((first, last), wanted, strict=True):
            assert picture.shape == frame.shape
            assert np.abs(picture.astype(int) - frame).mean() < 2


@given(
    scores=st.lists(st.sampled_from([0.0, 1, 8, 14, 16, 28, 60]), min_size=1, max_size=60),
    shortest_s=st.sampled_from([0.0, 0.1, 0.6]),
)
def test_no_cut_stands_where_no_picture_is_kept(scores: list[float], shortest_s: float) -> None:
    """The detectors' own conditions: 27, or 15 for the adaptive one."""
    times = np.arange(len(scores)) * 1000
    for settings, least in ((CutSettings(), 27), (CutSettings(detector="adaptive"), 15)):
        cuts = find_cuts(
            np.asarray(scores),
            times,
            time_base=Fraction(1, 30_000),
            rate=Fraction(30),
            settings=replace(settings, min_shot_s=shortest_s),
        )
        assert all(cut.score >= least for cut in cuts)


def test_a_video_of_one_picture_is_one_shot(tmp_path: Path) -> None:
    write_video(tmp_path / "one.mkv", [flat(90)], rate=10)
    (shots,) = find_shots([tmp_path])
    (shot,) = shots.shots
    assert (shot.first, shot.frames, shot.score) == (0, 1, None)
    written = write_shots(shots, tmp_path / "out")
    assert [path.name for path in written] == ["one.cuts.csv", "one.cuts.jpg"]


def test_table_and_sheet_are_written(found: VideoShots, tmp_path: Path) -> None:
    table, sheet = write_shots(found, tmp_path / "new" / "folder")
    assert table.name == "three_shots.cuts.csv"
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [int(row["first_frame"]) for row in rows] == [0, 25, 70]
    assert [float(row["start_s"]) for row in rows] == pytest.approx([0, 25 / 30, 70 / 30], abs=1e-6)
    assert [row["cut_score"] == "" for row in rows] == [True, False, False]
    with Image.open(sheet) as drawn:
        picture = np.asarray(drawn).astype(int)
    top_left = picture[6 : 6 + 120, 6 : 6 + 213]
    assert np.abs(top_left - found.pictures[0][0]).mean() < 6
    assert sorted(path.name for path in table.parent.iterdir()) == [table.name, sheet.name]


def test_many_shots_take_several_sheets(found: VideoShots, tmp_path: Path) -> None:
    many = replace(found, shots=found.shots * 60, pictures=found.pictures * 60)
    _, *sheets = write_shots(many, tmp_path)
    assert [path.name for path in sheets] == ["three_shots.cuts.jpg", "three_shots.cuts-2.jpg"]
    with Image.open(sheets[0]) as sheet:
        assert max(sheet.size) < 8000


def test_a_folder_that_is_a_file_is_said(found: VideoShots, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WtoursError, match="name another folder with --out"):
        write_shots(found, tmp_path / "file")


def test_videos_are_checked_before_any_is_read(three_shots: Path, tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match=r"none\.mp4"):
        find_shots([three_shots, tmp_path / "none.mp4"])


def test_progress_is_told_in_seconds(three_shots: Path) -> None:
    told: list[tuple[str, float, float]] = []
    list(find_shots([three_shots], progress=lambda *values: told.append(values)))
    assert len(told) == 101
    assert told[-1][1] == told[-1][2]
    assert {(name, total) for name, _, total in told} == {("three_shots", told[0][2])}
    assert all(after[1] > before[1] for before, after in pairwise(told))


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(0, "0:00.00"), (59.996, "1:00.00"), (754.125, "12:34.12"), (3723.5, "1:02:03.50")],
)
def test_times_are_written_for_people(time_s: float, text: str) -> None:
    assert clock_text(time_s) == text


@pytest.mark.media
@pytest.mark.parametrize(
    ("golden", "settings"),
    [
        ("ContentDetector.default", CutSettings()),
        ("AdaptiveDetector.t5", CutSettings(detector="adaptive", threshold=5.0)),
    ],
)
def test_shots_of_a_real_video_begin_at_the_goldens(
    media: Path, golden: str, settings: CutSettings
) -> None:
    stored = json.loads((media / "cuts_goldens" / f"testvideo.mp4.{golden}.json").read_text())
    (found,) = find_shots([media / "cuts_testvideo.mp4"], settings=settings)
    assert [shot.first for shot in found.shots[1:]] == stored["cuts"]
