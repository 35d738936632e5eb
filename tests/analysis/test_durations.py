"""Cutting and joining leave stretches of one length, and nothing else changes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.durations import match_duration
from analysis.statistics.objects import summarise_objects
from analysis.tables import Tables, read_tables
from tests.analysis.sets import make_set
from wtours import WtoursError


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return read_tables(
        [
            make_set(tmp_path / "walk", frames=60, cut_frames=(6, 15, 40), absent_frames=(20, 21)),
            make_set(tmp_path / "room", frames=9, cuts=False),
            make_set(tmp_path / "film", frames=21, cut_frames=(10,)),
        ]
    )


def seen_in(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A box of class `tick` in every picture."""
    looked = tables.pictures[["video", "tick", "time_s"]]
    boxes = looked.assign(
        class_id=looked["tick"].astype("int32"),
        name=pd.Categorical(looked["tick"].astype(str)),
        score=np.float32(0.9),
    )
    return boxes, looked


def test_every_video_is_cut_to_the_shortest(tables: Tables) -> None:
    matched = match_duration(tables)
    assert matched.duration_s == 9
    assert matched.tables.videos["duration_s"].tolist() == [9, 9, 9]
    assert matched.tables.videos["ticks"].tolist() == [9, 9, 9]
    assert matched.tables.videos["frames"].tolist() == [9, 9, 9]
    assert matched.tables.videos["cuts"].fillna(-1).tolist() == [1, -1, 0]
    assert matched.tables.shots["end_s"].tolist() == [6, 9, 9]
    assert matched.words == (
        "walk from 0.0 to 9.0 s of 60.0 s",
        "room: whole, 9.0 s",
        "film from 0.0 to 9.0 s of 21.0 s",
    )


def test_tables_keep_their_columns_and_types(tables: Tables) -> None:
    cut = match_duration(tables, part="random", seed=3).tables
    for before, after in zip(vars(tables).values(), vars(cut).values(), strict=True):
        assert before.dtypes.to_dict() == after.dtypes.to_dict()


def test_the_whole_duration_changes_nothing(tables: Tables) -> None:
    groups = dict.fromkeys(["walk", "room", "film"], "all")
    boxes, looked = seen_in(tables)
    same = match_duration(tables, detections=boxes, looked=looked, groups=groups, part="random")
    for before, after in zip(vars(tables).values(), vars(same.tables).values(), strict=True):
        pd.testing.assert_frame_equal(before, after)
    pd.testing.assert_frame_equal(same.looked, looked)
    pd.testing.assert_frame_equal(same.detections, boxes)


@pytest.mark.parametrize("seed", range(4))
def test_a_random_stretch_is_a_run_of_the_video_that_counts_from_its_start(
    tables: Tables, seed: int
) -> None:
    boxes, looked = seen_in(tables)
    matched = match_duration(
        tables, detections=boxes, looked=looked, duration_s=7, part="random", seed=seed
    )
    for video, stretch in matched.stretches.items():
        before = tables.pictures[tables.pictures["video"] == video]
        window = before["time_s"].between(stretch.start_s, stretch.start_s + 7, inclusive="left")
        after = matched.tables.pictures[matched.tables.pictures["video"] == video]
        assert after["row"].tolist() == before.loc[window, "row"].tolist()
        assert (after["tick"] + stretch.first_tick).tolist() == before.loc[window, "tick"].tolist()
        assert after["time_s"].tolist() == pytest.approx(after["tick"].tolist())
        shots = matched.tables.shots[matched.tables.shots["video"] == video]
        times = tables.shots[tables.shots["video"] == video]["start_s"] - stretch.start_s
        assert shots["start_s"].tolist()[1:] == [time for time in times if 0 < time < 7]
    assert matched.detections is not None
    assert matched.looked is not None
    assert len(matched.detections) == len(matched.looked) == len(matched.tables.pictures)
    joined = matched.detections.merge(matched.looked, on=["video", "tick", "time_s"])
    assert len(joined) == len(matched.detections)


def test_the_draw_depends_on_seed_and_name_alone(tables: Tables) -> None:
    def start_s(given: Tables, seed: int) -> float:
        matched = match_duration(given, duration_s=5, part="random", seed=seed)
        return matched.stretches["walk"].start_s

    alone = Tables(pictures=tables.pictures, shots=tables.shots, videos=tables.videos.iloc[:1])
    assert start_s(tables, 1) == start_s(alone, 1)
    assert len({start_s(tables, seed) for seed in range(5)}) > 1


def test_short_videos_of_a_group_are_joined_to_the_length_of_another(tables: Tables) -> None:
    groups = {"walk": "walks", "room": "short", "film": "short"}
    boxes, looked = seen_in(tables)
    matched = match_duration(tables, detections=boxes, looked=looked, groups=groups)
    assert matched.duration_s == 30
    assert matched.words == (
        "walks: 1 of 1 videos joined to 30.0 s; cut: walk from 0.0 to 30.0 s",
        "short: 2 of 2 videos joined to 30.0 s",
    )
    summary = summarise_objects(matched.detections, matched.looked, groups=groups)
    assert summary["looked"].tolist() == [28, 30]  # two ticks of the walk are missing


def test_videos_after_the_duration_is_reached_are_left_out(tables: Tables) -> None:
    groups = dict.fromkeys(["walk", "room", "film"], "all")
    matched = match_duration(tables, groups=groups, duration_s=65)
    assert list(matched.stretches) == ["walk", "room"]
    assert matched.tables.videos["video"].tolist() == ["walk", "room"]
    assert matched.stretches["room"].duration_s == 5
    assert set(matched.tables.pictures["video"]) == {"walk", "room"}
    for table in vars(matched.tables).values():
        assert list(table["video"].cat.categories) == ["walk", "room"]


@pytest.mark.parametrize(
    ("duration_s", "fault"),
    [(10.0, "room lasts 9.0 s and cannot give 10 s"), (0.0, "cut to 0 s"), (-3.0, "cut to -3 s")],
)
def test_a_duration_that_cannot_be_is_refused(
    tables: Tables, duration_s: float, fault: str
) -> None:
    with pytest.raises(WtoursError, match=fault):
        match_duration(tables, duration_s=duration_s)


def test_without_videos_there_is_nothing_to_match(tables: Tables) -> None:
    with pytest.raises(WtoursError, match="no video"):
        match_duration(read_tables([]))
    with pytest.raises(WtoursError, match="no video"):
        match_duration(tables, groups={"nobody": "A"})
