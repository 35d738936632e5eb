"""Statistics of objects, compared with plain loops."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.objects import (
    accumulation,
    class_frequencies,
    join_offsets_s,
    objects_per_frame,
    summarise_objects,
)
from tests.references import objects as plain
from wtours import WtoursError

VIDEOS = ("walk", "kitchen", "film")
SCORES = st.sampled_from([0.3, 0.5, 0.69, 0.7, 0.95])
TICKS = st.sets(st.tuples(st.sampled_from(VIDEOS), st.integers(0, 6)), max_size=15)
BOXES = st.lists(
    st.tuples(st.sampled_from(VIDEOS), st.integers(0, 6), st.integers(0, 4), SCORES), max_size=40
)
STEP_S = 25.0


def detections_of(boxes: list[plain.Box]) -> pd.DataFrame:
    """Videos in another order of categories than those that were looked at."""
    columns = list(zip(*boxes, strict=True)) if boxes else [(), (), (), ()]
    return pd.DataFrame(
        {
            "video": pd.Categorical(columns[0], categories=sorted(VIDEOS)),
            "tick": np.asarray(columns[1], dtype="int64"),
            "class_id": np.asarray(columns[2], dtype="int32"),
            "name": pd.Categorical([f"class {number}" for number in columns[2]]),
            "score": np.asarray(columns[3], dtype="float32"),
        }
    )


def looked_of(ticks: list[plain.Tick]) -> pd.DataFrame:
    columns = list(zip(*ticks, strict=True)) if ticks else [(), (), ()]
    return pd.DataFrame(
        {
            "video": pd.Categorical(columns[0], categories=list(VIDEOS)),
            "tick": np.asarray(columns[1], dtype="int64"),
            "time_s": np.asarray(columns[2], dtype="float64"),
        }
    )


def timed(ticks: set[tuple[str, int]]) -> list[plain.Tick]:
    return [(video, tick, tick * STEP_S) for video, tick in sorted(ticks)]


@settings(max_examples=60)
@given(BOXES, TICKS, st.sampled_from([0.3, 0.5, 0.7]))
def test_objects_per_frame_equal_a_loop_over_ticks(
    boxes: list[plain.Box], ticks: set[tuple[str, int]], threshold: float
) -> None:
    looked = timed(ticks)
    found = objects_per_frame(detections_of(boxes), looked_of(looked), threshold=threshold)
    assert list(zip(found["video"], found["tick"], found["time_s"], strict=True)) == looked
    counts = list(zip(found["classes"].tolist(), found["instances"].tolist(), strict=True))
    assert counts == plain.per_frame(boxes, looked, threshold)
    assert found.dtypes[["classes", "instances"]].tolist() == ["int32", "int32"]


@settings(max_examples=60)
@given(BOXES, TICKS, st.booleans())
def test_class_frequencies_equal_a_loop_over_classes(
    boxes: list[plain.Box], ticks: set[tuple[str, int]], grouped: bool
) -> None:
    looked = timed(ticks)
    groups = {"walk": "A", "film": "B", "kitchen": "A"} if grouped else None
    units = groups or {name: name for name in VIDEOS}
    units = {name: units[name] for name in VIDEOS}
    found = class_frequencies(detections_of(boxes), looked_of(looked), threshold=0.5, groups=groups)
    rows = list(found.drop(columns="name").itertuples(index=False, name=None))
    assert rows == plain.frequencies(boxes, looked, 0.5, units)
    assert found["name"].tolist() == [f"class {number}" for number in found["class_id"]]


@settings(max_examples=60)
@given(BOXES, TICKS)
def test_accumulation_equals_a_loop_over_minutes(
    boxes: list[plain.Box], ticks: set[tuple[str, int]]
) -> None:
    looked = timed(ticks)
    found = accumulation(detections_of(boxes), looked_of(looked), threshold=0.5)
    expected = plain.accumulated(boxes, looked, 0.5)
    for video in VIDEOS:
        rows = found[found["video"] == video]
        assert rows["minute"].tolist() == list(range(len(rows)))
        counts = rows[["looked", "new", "total"]].itertuples(index=False, name=None)
        assert list(counts) == expected.get(video, [])


@settings(max_examples=40)
@given(BOXES, TICKS)
def test_the_summary_agrees_with_the_tables_it_sums_up(
    boxes: list[plain.Box], ticks: set[tuple[str, int]]
) -> None:
    detections, looked = detections_of(boxes), looked_of(timed(ticks))
    summary = summarise_objects(detections, looked).set_index("video")
    assert list(summary.index) == list(VIDEOS)
    for threshold, suffix in ((0.3, "30"), (0.5, "50"), (0.7, "70")):
        frames = objects_per_frame(detections, looked, threshold=threshold)
        classes = class_frequencies(detections, looked, threshold=threshold)
        for video in VIDEOS:
            mine, row = frames[frames["video"] == video], summary.loc[video]
            assert row["looked"] == len(mine)
            if mine.empty:
                assert row.drop("looked").isna().all()
                continue
            assert row[f"classes_{suffix}"] == (classes["video"] == video).sum()
            assert row[f"per_frame_{suffix}"] == pytest.approx(mine["classes"].mean())
            assert row[f"instances_{suffix}"] == pytest.approx(mine["instances"].mean())


def test_a_group_is_its_videos_joined() -> None:
    ticks = [("walk", n, 30.0 * n) for n in range(3)] + [("film", n, 30.0 * n) for n in range(2)]
    boxes = [("walk", 0, 1, 0.9), ("walk", 2, 2, 0.9), ("film", 0, 2, 0.9), ("film", 1, 3, 0.9)]
    detections, looked = detections_of(boxes), looked_of(ticks)
    groups = {"walk": "all", "film": "all"}
    assert join_offsets_s(looked, groups) == {"walk": 0, "film": 90}
    rows = accumulation(detections, looked, threshold=0.5, groups=groups)
    # walk: 0, 30, 60 s; film: 90 and 120 s.
    assert rows["looked"].tolist() == [2, 2, 1]
    assert rows["new"].tolist() == [1, 1, 1]
    assert rows["total"].tolist() == [1, 2, 3]
    (row,) = summarise_objects(detections, looked, groups=groups).to_dict("records")
    assert (row["group"], row["looked"], row["classes_50"], row["instances_50"]) == (
        "all",
        5,
        3,
        4 / 5,
    )
    frames = objects_per_frame(detections, looked, threshold=0.5, groups=groups)
    assert set(frames["group"]) == {"all"}


def test_a_video_of_no_group_is_left_out() -> None:
    looked = looked_of([("walk", 0, 0.0), ("film", 0, 0.0)])
    detections = detections_of([("film", 0, 1, 0.9)])
    summary = summarise_objects(detections, looked, groups={"walk": "A"})
    assert summary["group"].tolist() == ["A"]
    assert summary["classes_30"].tolist() == [0]


def test_no_detections_at_all_are_zero_objects_in_every_picture() -> None:
    looked = looked_of([("walk", n, float(n)) for n in range(3)])
    none = detections_of([])
    assert objects_per_frame(none, looked, threshold=0.5)["classes"].tolist() == [0, 0, 0]
    assert class_frequencies(none, looked, threshold=0.5).empty
    assert accumulation(none, looked, threshold=0.5)["total"].tolist() == [0]
    row = summarise_objects(none, looked).iloc[0]
    assert (row["classes_30"], row["per_frame_50"], row["instances_70"]) == (0, 0, 0)


def test_where_nothing_was_looked_at_nothing_is_claimed() -> None:
    summary = summarise_objects(detections_of([("walk", 0, 1, 0.9)]), looked_of([]))
    assert summary["looked"].tolist() == [0, 0, 0]
    assert summary.drop(columns=["video", "looked"]).isna().all(axis=None)


@pytest.mark.parametrize("threshold", [0, -0.5, 1.5, math.nan, 50])
def test_a_threshold_that_is_no_score_is_refused(threshold: float) -> None:
    with pytest.raises(WtoursError, match="count from a score"):
        objects_per_frame(detections_of([]), looked_of([]), threshold=threshold)
