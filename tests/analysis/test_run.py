"""`wtours analyze` as a library call: groups, common durations, objects, further tables."""

from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from analysis.report import write_report
from analysis.run import Detection, Matching, analyse
from tests.analysis.sets import make_set
from wtours import WtoursError, open_shards
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two sets, of 4 and 6 pictures."""
    folder = tmp_path / "shards"
    make_set(folder / "one", frames=4)
    make_set(folder / "two", frames=6)
    return folder


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(out / "tables" / f"{name}.parquet")


@pytest.mark.usefixtures("undrawn")
def test_it_writes_the_report_of_the_sets(sets: Path, tmp_path: Path) -> None:
    report = analyse(tmp_path / "out", shards=[sets])
    plain = write_report(open_shards(sets), tmp_path / "plain")
    assert report is not None
    pd.testing.assert_frame_equal(report.summary, plain.summary)
    assert report.page == tmp_path / "out" / "index.html"
    assert set(table(tmp_path / "out", "intervals")["video"]) == {"one", "two"}
    assert not (tmp_path / "plain" / "tables" / "intervals.parquet").exists()


@pytest.mark.usefixtures("undrawn")
def test_groups_take_the_place_of_shards(sets: Path, tmp_path: Path) -> None:
    groups = [f"A={sets}/one", f"B={sets}/tw*"]
    analyse(tmp_path / "out", shards=[tmp_path / "nowhere"], groups=groups, domains=["B=walks"])
    of_groups = table(tmp_path / "out", "groups")
    assert of_groups["group"].tolist() == ["A", "B"]
    assert of_groups["domain"].fillna("").tolist() == ["", "walks"]
    assert set(table(tmp_path / "out", "intervals")["video"]) == {"one", "two"}
    assert set(table(tmp_path / "out", "group_intervals")["group"]) == {"A", "B"}


@pytest.mark.usefixtures("undrawn")
def test_stretches_of_one_duration_are_compared(sets: Path, tmp_path: Path) -> None:
    report = analyse(tmp_path / "out", shards=[sets], matching=Matching())
    assert report is not None
    durations = report.summary["duration_s"]
    whole = analyse(tmp_path / "whole", shards=[sets])
    assert whole is not None
    assert durations.tolist() == [whole.summary["duration_s"].min()] * 2


def test_a_detector_that_is_none_is_told_before_anything_is_written(
    sets: Path, tmp_path: Path
) -> None:
    with pytest.raises(WtoursError, match="there is no detector 'eyes'"):
        analyse(tmp_path / "out", shards=[sets], detection=Detection(detector="eyes"))
    assert not (tmp_path / "out").exists()


def test_videos_that_nothing_looks_at_are_refused(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match=r"walk\.mp4 would not be looked at") as raised:
        analyse(tmp_path / "out", shards=[sets], videos=[tmp_path / "walk.mp4"])
    assert "--from videos" in raised.value.remedy
    assert "wtours shard" in raised.value.remedy


def test_counting_in_videos_needs_a_detector_and_shards(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match="no detector is named") as raised:
        analyse(tmp_path / "out", shards=[sets], source="videos")
    assert "--detector" in raised.value.remedy
    detection = Detection(detector="onnx:none.onnx")
    with pytest.raises(WtoursError, match="Table 1 come from their shards") as raised:
        analyse(tmp_path / "out", shards=[tmp_path / "no"], source="videos", detection=detection)
    assert "wtours shard" in raised.value.remedy
    assert not (tmp_path / "out").exists()


def test_an_unknown_detector_of_shots_is_refused(sets: Path, tmp_path: Path) -> None:
    for text in ("content", "transnet:", "transnets"):
        with pytest.raises(WtoursError, match=f"no detector of shots '{text}'"):
            analyse(tmp_path / "out", shards=[sets], shots=text)


@pytest.mark.media
@pytest.mark.slow
def test_objects_of_real_videos_are_counted_in_full_size(media: Path, tmp_path: Path) -> None:
    """A room of 768x432 with people: the page says which pictures, and what looked at them."""
    settings = ShardSettings(fps=Fraction(1, 20), cuts=None, blur=None, short_side_px=128)
    shard_videos([media / "people_room.mp4"], out=tmp_path / "s", settings=settings)
    report = analyse(
        tmp_path / "out",
        shards=[tmp_path / "s"],
        detection=Detection(detector=f"onnx:{media / 'yolox_nano.onnx'}"),
        source="videos",
        videos=[media],
    )
    assert report is not None
    assert report.summary["looked"].tolist() == report.summary["ticks"].tolist() == [8]
    page = report.page.read_text(encoding="utf-8")
    assert "Boxes of yolox_nano (onnx, weights " in page
    assert "those of the videos, at their full size" in page
    assert table(tmp_path / "out", "detections")["x1"].max() > 128 * 768 / 432


def test_true_cuts_are_looked_at_before_anything_is_written(sets: Path, tmp_path: Path) -> None:
    truth = tmp_path / "cuts.csv"
    truth.write_text("video,frame\none,2\n")
    with pytest.raises(WtoursError, match="true cuts of one, but its shards keep no scores"):
        analyse(tmp_path / "out", shards=[sets], truth=truth)
    assert not (tmp_path / "out").exists()


@pytest.mark.media
@pytest.mark.usefixtures("undrawn")
def test_objects_are_found_once_and_counted_at_any_threshold(
    media: Path, sets: Path, tmp_path: Path
) -> None:
    detection = Detection(detector=f"onnx:{media / 'yolox_nano.onnx'}", least_score=0.01)
    out = tmp_path / "out"
    analyse(out, shards=[sets], detection=detection)
    (kept,) = (out / "detections").iterdir()
    files = {path: path.stat().st_mtime_ns for path in kept.glob("*.parquet")}
    report = analyse(out, shards=[sets], detection=detection, threshold=0.02)
    assert {path: path.stat().st_mtime_ns for path in kept.glob("*.parquet")} == files
    assert len(files) == 2
    assert report is not None
    assert report.summary["looked"].tolist() == [4, 6]
    assert len(table(out, "objects")) == 10
